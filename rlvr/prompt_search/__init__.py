"""The prompt with the highest verified reward on training problems, found by successive halving under a token budget.

Every candidate is asked the same training problems, in the same order; after each round the better half goes on. Which
problems a round has follows from the budget and the tokens of the rows so far, so a search that was stopped goes on
from its rows and ends as one that never was. Held-out problems are not asked.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path
from typing import Any

from rlvr import files, rollouts
from rlvr.config import Config, ConfigError, EvidenceConfig
from rlvr.errors import RunError, UserError
from rlvr.evaluation import Evaluator, prompt_ids
from rlvr.evidence import Evidence
from rlvr.launch.processes import processes
from rlvr.problems import Problems
from rlvr.prompt_search import halving
from rlvr.prompt_search.candidates import WRITTEN_TOKENS, Candidate, Proposal, requests
from rlvr.run import differing
from rlvr.sampling import Sampler, load_sampler
from rlvr.source_verifiers import SourceVerifier
from rlvr.terminal import Terminal
from verifiers import Problem
from verifiers.pool import VerifierPool

__all__ = ["Candidate", "Search", "Tried", "asked", "begin", "search"]

POOL = 2000
"""Training problems that candidates are asked, drawn once; after the last one they are asked again, sampled anew."""
ASKED = "search.json"


@dataclass(eq=False)
class Tried:
    """A candidate, and what came of it."""

    candidate: Candidate
    evidence: Evidence
    number: int
    scores: list[float | None] = field(default_factory=list)
    """One for each sample, in the order of the pool: everybody who is still in has been asked the same."""
    tokens: int = 0
    """Of prompts and of what followed them."""
    rounds: int = 0
    """That it took part in."""

    @property
    def reward(self) -> float | None:
        """Mean score of the samples that could be judged."""
        judged = [score for score in self.scores if score is not None]
        return sum(judged) / len(judged) if judged else None

    def order(self) -> tuple[float, float, int]:
        """Smallest first: the highest reward; of equal ones the fewest tokens a problem, then the first in the file."""
        reward = self.reward
        return (
            -reward if reward is not None else 1.0,
            self.tokens / len(self.scores) if self.scores else 0.0,
            self.number,
        )


@dataclass
class Search:
    """A search in a folder."""

    sampler: Sampler
    evaluator: Evaluator
    tried: list[Tried]
    pool: Sequence[Problem]
    budget: int
    """Tokens that may be read and written, in all."""
    folder: Path
    used: int = 0

    def go(self) -> list[Tried]:
        """Halve until one is left; all candidates, the best first: by the rounds that they were in, then by reward.

        Raises:
            UserError: the budget does not pay for one problem a candidate and round.
        """
        self._require_budget()
        standing, total = list(self.tried), halving.rounds(len(self.tried))
        with self.evaluator.terminal.progress("tokens of the search", self.budget, self.used) as advance:
            for number in range(1, total + 1):
                end = self.used + halving.share(self.budget - self.used, total - number + 1)
                self._round(number, standing, end, advance)
                standing = halving.better_half(standing, Tried.order)
        return sorted(self.tried, key=lambda one: (-one.rounds, one.order()))

    def _round(self, number: int, standing: list[Tried], end: int, advance: Callable[..., None]) -> None:
        """Ask everybody who is left as many problems as surely fit, and with what is left over again, as long as that
        adds a tenth."""
        block, asked = 0, 0
        while len(some := self._affordable(standing, end - self.used)) > asked // 10:
            block, asked = block + 1, asked + len(some)
            for one in standing:
                before = one.tokens
                self._ask(one, some, f"round-{number}-{block}-candidate-{one.number}")
                advance(one.tokens - before)
                self.used += one.tokens - before
        for one in standing:
            one.rounds = number

    def _ask(self, one: Tried, problems: Sequence[Problem], name: str) -> None:
        evaluator = replace(
            self.evaluator,
            evidence=one.evidence,
            terminal=Terminal(quiet=True, main=self.evaluator.terminal.main),
        )
        file = evaluator.evaluate(self.sampler, problems, self.folder / "rollouts" / f"{name}.jsonl", 1)
        one.scores += [row.score for row in rollouts.read(file)]
        one.tokens += spent(file, self._prompts(one, problems))

    def _affordable(self, standing: Sequence[Tried], room: int) -> Sequence[Problem]:
        """The next problems of the pool that everybody can be asked within `room` tokens, whatever they write."""
        at = len(standing[0].scores) % len(self.pool)
        most = max(room, 0) // (len(standing) * (self._longest + 1))
        some = self.pool[at : at + most]
        return some[: halving.affordable(self._costs(standing, some), room)]

    def _costs(self, standing: Sequence[Tried], problems: Sequence[Problem]) -> list[int]:
        """The most tokens that each problem can take of all of these candidates together."""
        if self.evaluator.environment:  # further turns, up to the end of the context
            context = self.sampler.policy.context
            if context is None:
                raise UserError(
                    "environment: without a known context of the model, an episode has no largest cost"
                )
            return [context * len(standing) for _ in problems]
        lengths = [self._prompts(one, problems) for one in standing]
        return [sum(prompts) + self._longest * len(standing) for prompts in zip(*lengths, strict=True)]

    def _prompts(self, one: Tried, problems: Sequence[Problem]) -> list[int]:
        """Tokens of each prompt. Raises PolicyError: one does not fit the context."""
        return [len(ids) for ids in prompt_ids(self.sampler.policy, one.evidence, problems, self._longest)]

    @property
    def _longest(self) -> int:
        """Tokens that a turn may take."""
        return self.sampler.settings.max_new_tokens

    def _require_budget(self) -> None:
        total = halving.rounds(len(self.tried))
        needed = self.used + total * self._costs(self.tried, self.pool[:1])[0]
        if self.budget < needed:
            raise UserError(
                f"--budget {self.budget:,}: one problem of each of {len(self.tried)} candidates in each of {total} "
                f"rounds may take {needed:,} tokens; expected as many, and a hundred times that for a choice"
            )


def search(
    config: Config,
    given: Sequence[Candidate] | int,
    problems: Problems,
    evaluator: Evaluator,
    budget: int,
    folder: Path,
    base: Path,
) -> tuple[Search, list[Tried]]:
    """The search in `folder`, done, and its candidates from the best to the worst.

    Args:
        given: the candidates, or how many the model is to write.
        base: folder that the config's relative paths start from.

    Raises:
        UserError: a candidate's examples do not go with the problems, or the budget is too small.
    """
    if not problems.train:
        raise UserError("problems.train: needed, since candidates are asked training problems, and not given")
    shown, used = set[str](), 0
    if isinstance(given, int):
        given, shown, used = written(given, config, problems, evaluator, folder)
    tried = [
        Tried(one, evidence_of(one.evidence, problems, evaluator, base), i) for i, one in enumerate(given)
    ]
    pool = pool_of(problems.train, [one.evidence for one in tried], shown, config.seed)
    with closing(load_sampler(config, "base")) as sampler:
        found = Search(sampler, evaluator, tried, pool, budget, folder, used)
        return found, found.go()


def asked(config: Config, given: Sequence[Candidate] | int, budget: int) -> dict[str, Any]:
    """What makes two searches the same."""
    candidates = [one.keys for one in given] if not isinstance(given, int) else {"written": given}
    return {"config": config.model_dump(mode="json"), "candidates": candidates, "budget": budget}


def spent(file: Path, prompts: Sequence[int]) -> int:
    """Tokens of a finished file of one sample a problem: read and written."""
    return sum(prompts) + sum(len(row.token_ids or ()) for row in rollouts.read(file))


def begin(folder: Path, asked: dict[str, Any]) -> None:
    """Write down what is asked for, or check that the folder holds the same search.

    Raises:
        ConfigError: it holds another one, or something else; names the keys.
    """
    file = folder / ASKED
    if file.exists():
        found = differing(json.loads(file.read_text(encoding="utf-8")), asked)
        if found:
            lines = "\n".join(f"  {key}: {a} / {b}" for key, a, b in found)
            raise ConfigError(
                f"{folder} holds a search of another kind (in the folder / asked for):\n{lines}\nChoose another folder "
                "with --output, or remove that one."
            )
        return
    if folder.exists() and any(not path.name.startswith(".") for path in folder.iterdir()):
        raise ConfigError(
            f"{folder}: holds something else, and no {ASKED} of a search; choose another --output"
        )
    processes().wait_for_everyone()
    if processes().is_main_process:
        (folder / "rollouts").mkdir(parents=True, exist_ok=True)
        files.replace(file, [json.dumps(asked, indent=1, ensure_ascii=False).encode()])
    processes().wait_for_everyone()


def evidence_of(candidate: EvidenceConfig, problems: Problems, evaluator: Evaluator, base: Path) -> Evidence:
    """A candidate's evidence. Raises EvidenceError: its examples cannot be drawn, or one is held out."""
    held_out = [*problems.heldout, *chain.from_iterable(problems.probes.values())]
    tools, opening = evaluator.environment.asks if evaluator.environment else ((), None)
    return Evidence(candidate, problems.train, held_out, tools, base, opening)


def pool_of(
    train: Sequence[Problem], evidences: Sequence[Evidence], shown: set[str], seed: int
) -> list[Problem]:
    """The problems to ask, in the order in which they are asked: training problems that nobody has seen solved.

    Raises:
        UserError: none is left.
    """
    for evidence in evidences:
        train = evidence.without_shots(train)
    order = random.Random(seed).sample(range(len(train)), min(len(train), POOL + len(shown)))
    pool = [train[i] for i in order if train[i].id not in shown][:POOL]
    if not pool:
        raise UserError("problems.train: no problem is left to ask: all are shown as examples")
    return pool


def written(
    number: int, config: Config, problems: Problems, evaluator: Evaluator, folder: Path
) -> tuple[list[Candidate], set[str], int]:
    """Instructions that the model writes: the candidates, after the config's own; the problems that it was shown
    solved; and the tokens that it took.

    Raises:
        RunError: it writes none.
    """
    asked = requests(number, problems.train, evaluator.evidence, config.seed)
    sampling = {"max_new_tokens": WRITTEN_TOKENS, "stop": ()}
    own = config.evidence
    template = own.model_dump(include={"template", "chat_template", "template_options", "today"})
    asking = config.model_copy(update={"sampling": config.sampling.model_copy(update=sampling)})
    evidence = Evidence(EvidenceConfig(**template, question="{prompt}"))
    with (
        VerifierPool(f"{Proposal.__module__}:Proposal", {}, workers=1) as pool,
        closing(load_sampler(asking, "base")) as sampler,
    ):
        verifiers = {"": SourceVerifier(Proposal.name)}
        writer = Evaluator(asking, evidence, pool, evaluator.terminal, verifiers)
        file = writer.evaluate(sampler, asked, folder / "rollouts" / "written.jsonl", 1, "instructions")
        tokens = spent(
            file, [len(ids) for ids in prompt_ids(sampler.policy, evidence, asked, WRITTEN_TOKENS)]
        )
    texts = dict.fromkeys(row.answer for row in rollouts.read(file) if row.answer)
    found = [
        Candidate.of(f"written {i}", {"instruction": text}, own, f"{file}: {text!r}")
        for i, text in enumerate(texts, 1)
        if text != own.instruction
    ]
    if not found:
        raise RunError(f"{file}: the model wrote no instruction in {number} tries; give --candidates FILE")
    if len(found) < number:
        evaluator.terminal.say(f"The model wrote {len(found)} different instructions in {number} tries")
    return [Candidate("as configured", {}, own), *found], set(asked[0].meta["shown"]), tokens
