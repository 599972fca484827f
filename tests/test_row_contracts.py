"""What each key of a rollout row means, held on the rows of a real evaluation: the embedded model, a verifier process,
an environment that answers in the middle, and a second policy under which the rows are scored again.

One function a key in `CONTRACTS`; a key of `rollouts.keys.KEYS` that has none fails here.
"""

import copy
import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import pytest
import torch

import verifiers
from rlvr import rollouts
from rlvr.config import SamplingConfig
from rlvr.environments.worker import EnvironmentPool
from rlvr.evaluation import Evaluator
from rlvr.evidence import Evidence, render
from rlvr.policy import Policy
from rlvr.rollouts.keys import KEYS
from rlvr.rollouts.rows import Rollout
from rlvr.sampling.engine import TransformersSampler
from rlvr.terminal import Terminal
from rlvr.worlds import carry
from tests.conftest import quickstart_config
from tests.training import talkers
from verifiers import Problem
from verifiers.pool import VerifierPool

SAMPLES, LIMIT, TEMPERATURE, SEED = 6, 22, 0.8, 17
"""So few tokens that some completions are cut; another temperature than 1, so that it must be applied."""


JUDGES: dict[str, dict[str, Any]] = {"math": {}, "math+reasoning": {"empty_trace": "refuse"}}
"""Verifier → its options. Under the second, the embedded model's right answers are hardly ever reasoned soundly."""


@dataclass(frozen=True)
class Seen:
    """A row, and what it was made from."""

    row: Rollout
    file: list[Rollout]
    judge: str
    problem: Problem
    problems: list[Problem]
    policies: dict[str, Policy]
    prompt_ids: list[int]
    ends: list[int]
    again: dict[tuple[str, int], Rollout]
    """The same evaluation of one problem alone: (problem, sample) → row."""

    def text(self, ids: list[int]) -> str:
        """Tokens as text, without those that end a completion."""
        return str(self.policies["base"].tokenizer.decode(ids, skip_special_tokens=True))

    @property
    def own(self) -> list[bool]:
        """Per token after the prompt: the policy wrote it."""
        if self.row.turns is None:
            return [True] * len(self.row.token_ids or ())
        return [turn["by"] == "policy" for turn in self.row.turns for _ in turn.get("token_ids", ())]

    @property
    def own_ids(self) -> list[int]:
        return [token for token, own in zip(self.row.token_ids or (), self.own, strict=True) if own]

    @cached_property
    def verdict(self) -> verifiers.Verdict:
        """By the verifier in this process, of what the policy wrote."""
        return verifiers.score(self.judge, self.problem, self.row.trace, **JUDGES[self.judge])

    def nats(self, policy: str) -> float:
        """Of the policy's own tokens, each after all that is before it, by one plain forward pass."""
        ids = torch.tensor([[*self.prompt_ids, *(self.row.token_ids or ())]])
        with torch.no_grad():
            logits = self.policies[policy].model(ids).logits[0, len(self.prompt_ids) - 1 : -1]
        each = (logits / TEMPERATURE).log_softmax(-1)
        of = each[range(len(each)), self.row.token_ids]
        return float(of[torch.tensor(self.own)].sum())


def numbered(seen: Seen) -> bool:
    """0, 1, 2, … among the problem's rows, in their order."""
    own = [row.sample for row in seen.file if row.problem_id == seen.row.problem_id]
    return own == list(range(SAMPLES))


def ended(seen: Seen) -> bool:
    """The last token is one that ends a completion; or the limit was reached, and none is."""
    last = seen.own_ids[-1] if seen.row.turns is None else (seen.row.turns[-1].get("token_ids") or [None])[-1]
    if seen.row.complete:
        return last in seen.ends
    return last not in seen.ends and (seen.row.turns is not None or len(seen.own_ids) == LIMIT)


def lines(*texts: str) -> list[str]:
    return [line for text in texts for line in text.split("\n") if line]


def own_lines(s: Seen) -> list[str]:
    """Of what the policy wrote: words of others between two of its turns end a line."""
    if s.row.turns is None:
        return lines(s.text(s.own_ids))
    own = [turn["text"] for turn in s.row.turns if turn["by"] == "policy"]
    assert "".join(own) == s.text(s.own_ids)
    return lines(*own)


def spoken(seen: Seen) -> bool:
    """None where the policy's one completion is all; else who wrote what, in the order of the tokens."""
    turns = seen.row.turns
    if turns is None:
        return True
    ids = [token for turn in turns for token in turn.get("token_ids", ())]
    said = all(seen.text(turn.get("token_ids", [])) == turn["text"] for turn in turns)
    right = f" \\boxed{{{seen.problem.reference}}}{seen.problem.prompt}"
    answers = [turn["text"] for turn in turns if turn["by"] == "evidence"]
    return ids == seen.row.token_ids and said and answers == [right] and turns[0]["by"] == "policy"


def scored(seen: Seen) -> bool:
    expected = {name: seen.nats(name) for name in ("base", "other")}
    found = seen.row.logprobs
    return found.keys() == expected.keys() and all(
        math.isclose(found[name], nats, abs_tol=2e-4) for name, nats in expected.items()
    )


def redrawn(seen: Seen) -> bool:
    """The seed decides the sample, whatever else is drawn with it; no two samples share one."""
    again = seen.again.get((seen.row.problem_id, seen.row.sample))
    same = again is None or (again.seed == seen.row.seed and again.token_ids == seen.row.token_ids)
    return same and [row.seed for row in seen.file].count(seen.row.seed) == 1


def transcribed(seen: Seen) -> bool:
    """Every token after the prompt, whoever wrote it, the last of a completion among them."""
    said = [turn["text"] for turn in seen.row.turns] if seen.row.turns else [seen.row.trace]
    return seen.text(seen.row.token_ids or []) == "".join(said) and len(seen.own) == len(
        seen.row.token_ids or ()
    )


CONTRACTS: dict[str, Callable[[Seen], bool]] = {
    "problem_id": lambda s: [row.problem_id for row in s.file]
    == [problem.id for problem in s.problems for _ in range(SAMPLES)],
    "sample": numbered,
    "policy": lambda s: s.row.policy == "base",
    "prompt": lambda s: s.row.prompt == s.problem.prompt,
    "reference": lambda s: s.row.reference == s.problem.reference,
    "trace": lambda s: lines(s.row.trace) == own_lines(s),
    "turns": spoken,
    "answer": lambda s: s.row.answer == s.verdict.answer,
    "complete": ended,
    "tokens": lambda s: s.row.tokens == len(s.own_ids),
    "logprobs": scored,
    "score": lambda s: s.row.score == s.verdict.score,
    "answer_score": lambda s: s.row.answer_score == s.verdict.answer_score,
    "sound": lambda s: s.row.sound == s.verdict.sound,
    "status": lambda s: s.row.status == s.verdict.status,
    "detail": lambda s: s.row.detail == s.verdict.detail,
    "verifier": lambda s: s.row.verifier == s.judge,
    "source": lambda s: s.row.source == (s.problem.source or None),
    "seed": redrawn,
    "token_ids": transcribed,
}  # fmt: skip
"""Key → whether a row's value is what the key means."""


@pytest.fixture(scope="module")
def rows(tiny, tmp_path_factory) -> list[Seen]:
    """Every row of two evaluations, one of them with an environment, scored under a second policy as well."""
    folder = tmp_path_factory.mktemp("rows")
    sampling = SamplingConfig(samples=SAMPLES, max_new_tokens=LIMIT, temperature=TEMPERATURE)
    sampler, ends = TransformersSampler(tiny, sampling), tiny.stops_at(sampling)
    asked = quickstart_config().evidence.model_copy(update={"separator": ""})
    problems = [
        replace(problem, source="carry" if i % 2 else "")
        for i, problem in enumerate(carry.problems("heldout", 12))
    ]
    other = Policy("other", copy.deepcopy(tiny.model), tiny.tokenizer, tiny.source)
    with torch.no_grad():
        for weight in other.model.parameters():
            weight.mul_(1.05)
    policies = {"base": tiny, "other": other}
    found: list[Seen] = []
    with EnvironmentPool(f"{talkers.__file__}:Prompter", {}, workers=1) as prompter:
        for judge, environment in (("math", None), ("math+reasoning", prompter)):
            config = quickstart_config(
                sampling=sampling,
                seed=SEED,
                evidence=asked,
                verifier=judge,
                verifier_options=JUDGES[judge],
            )
            into = folder / f"{judge}.jsonl"
            with VerifierPool(judge, JUDGES[judge], workers=1) as pool:
                evaluator = Evaluator(
                    config, Evidence(asked), pool, Terminal(quiet=True), environment=environment
                )
                evaluator.evaluate(sampler, problems, into)
                (folder / "one").mkdir(exist_ok=True)
                one = evaluator.evaluate(sampler, problems[2:3], folder / "one" / into.name)
                evaluator.rescore(other, problems, into)
            held = list(rollouts.read(into))
            again = {(row.problem_id, row.sample): row for row in rollouts.read(one)}
            for row in held:
                problem = next(problem for problem in problems if problem.id == row.problem_id)
                (ids,) = tiny.encode([render(Evidence(asked), problem, tiny.tokenizer)])
                found.append(Seen(row, held, judge, problem, problems, policies, ids, ends, again))
    return found


def test_every_key_of_a_row_has_a_contract():
    assert CONTRACTS.keys() == {key.name for key in KEYS}


@pytest.mark.parametrize("key", CONTRACTS)
def test_a_key_means_what_its_contract_says(rows, key):
    broken = [seen.row for seen in rows if not CONTRACTS[key](seen)]
    assert not broken, f"{len(broken)} of {len(rows)} rows, the first: {broken[0]}"


def test_the_rows_hold_every_kind(rows):
    """Nothing above is true for want of a case."""
    kinds: dict[str, set[Any]] = {
        name: {getattr(seen.row, name) for seen in rows}
        for name in ("complete", "score", "answer_score", "sound", "status", "source")
    }
    assert kinds["complete"] == {True, False} and kinds["answer_score"] == {0.0, 1.0}
    assert kinds["score"] == {0.0, 1.0} and kinds["sound"] == {0.0, 1.0, None}
    assert len(kinds["status"]) >= 3 and kinds["source"] == {None, "carry"}
    assert any(seen.row.answer_score != seen.row.score for seen in rows)
    assert any(seen.row.turns for seen in rows) and any(seen.row.turns is None for seen in rows)
    assert any(seen.row.answer for seen in rows) and any(seen.row.answer is None for seen in rows)
    assert sum((seen.row.problem_id, seen.row.sample) in seen.again for seen in rows) == 2 * SAMPLES
