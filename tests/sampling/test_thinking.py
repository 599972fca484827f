"""A thought that the prompt opened, or whose marks are special tokens, is seen by the verifier in every engine."""

from __future__ import annotations

import copy
import json
from concurrent.futures import Future
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

import verifiers
from rlvr import machine
from rlvr.config import EvidenceConfig
from rlvr.evidence import Evidence
from rlvr.policy import Policy
from rlvr.sampling import SampleRequest
from rlvr.sampling.driver import Request, roll
from rlvr.sampling.engine import TransformersSampler
from rlvr.sampling.types import Completion
from rlvr.sampling.vllm import completion_of
from rlvr.source_verifiers import verifiers_of
from tests.conftest import quickstart_config
from tests.sampling.test_stops import loaded
from verifiers import Problem, Verdict

PROBLEM = Problem("sum", "2+2", "4")
UNFINISHED = "first guess \\boxed{4}. Wait, let me reconsider"
SPECIAL = ["<think>", "</think>", "<|channel|>", "[PLAN]", "[/PLAN]", "<|tool|>"]


@pytest.fixture(scope="module")
def marked(tiny: Policy) -> Policy:
    """The tiny policy with marks of thoughts among its special tokens."""
    tokenizer: Any = copy.deepcopy(tiny.tokenizer)
    tokenizer.add_special_tokens({"additional_special_tokens": SPECIAL})
    return replace(tiny, tokenizer=tokenizer)


def test_marks_survive_decoding_and_other_special_tokens_do_not(marked: Policy) -> None:
    text = "<think>1+1=2</think>2"
    ids = marked.words("<|tool|>" + text)
    assert marked.tokenizer.decode(ids, skip_special_tokens=True) == "1+1=22"
    assert marked.decode([*ids, *marked.stop_ids]) == text
    assert marked.decode(marked.words("<|channel|>[PLAN]1[/PLAN]")) == "<|channel|>1"


def test_further_marks_of_the_config_survive_too(marked: Policy) -> None:
    policy = replace(marked, thinking_marks=(("[PLAN]", "[/PLAN]"),))
    assert policy.decode(policy.words("<think>[PLAN]1[/PLAN]2")) == "[PLAN]1[/PLAN]2"


def test_a_tokenizer_without_such_tokens_decodes_as_ever(tiny: Policy) -> None:
    ids = [*tiny.words("1+1=2"), *tiny.stop_ids]
    assert tiny.decode(ids) == tiny.tokenizer.decode(ids, skip_special_tokens=True) == "1+1=2"


def test_both_engines_keep_them(tmp_path: Path) -> None:
    policy, settings = loaded(tmp_path, None, {}, ("<think>", "4", "<|tool|>", "2"), tokens=tuple(SPECIAL))
    [drawn] = TransformersSampler(policy, settings).generate(
        policy.encode(["1\n"], True), [SampleRequest(0, 0)]
    )
    other = completion_of(policy, settings, drawn.token_ids, drawn.logprobs, complete=True)
    assert drawn.text == other.text == "<think>42"


@dataclass
class Writes:
    """A sampler whose policy always writes the same."""

    policy: Policy
    text: str
    settings: Any = None

    def generate(self, prompts: Any, rows: Any, on_done: Any = None) -> list[Completion]:
        done = [Completion([1], text=self.text, complete=False) for _ in rows]
        for row, completion in enumerate(done):
            on_done(row, completion)
        return done

    def block_size(self, prompts: Any) -> int:
        return 8

    def close(self) -> None: ...


def judged(policy: Policy, question: str, text: str) -> Verdict:
    def judge(problem: Problem, response: str) -> Future[Verdict]:
        done: Future[Verdict] = Future()
        done.set_result(verifiers.score("math", problem, response))
        return done

    evidence = Evidence(EvidenceConfig(question=question))
    [(episode, verdict)] = roll(Writes(policy, text), [Request(PROBLEM, 0, "test")], evidence, judge, seed=0)
    assert episode.trace == text
    row = json.loads(episode.row("base", "math", verdict.result()).to_json_line())
    assert row.get("opened", "") == ("<think>" if "<think>" in question else "")
    again = Problem("sum", row["prompt"], row["reference"], opened=row.get("opened", ""))
    assert (
        verifiers.score("math", again, row["trace"]) == verdict.result()
    )  # `rlvr score` of the file says the same
    return verdict.result()


def test_a_thought_that_the_prompt_opened_and_nobody_closed_has_no_answer(tiny: Policy) -> None:
    opens, plain = "Q: {prompt}\nA: <think>\n", "Q: {prompt}\nA:"
    assert judged(tiny, opens, UNFINISHED).status == "no_answer"
    assert judged(tiny, opens, UNFINISHED + "</think> It is \\boxed{4}.").status == "correct"
    assert judged(tiny, opens, "\\boxed{4}</think> It is \\boxed{5}.").status == "incorrect"
    assert judged(tiny, plain, UNFINISHED).status == "correct"


def test_a_workers_verdict_is_the_same() -> None:
    with verifiers.VerifierPool("math", workers=1) as pool:
        opened, plain = pool.score([(replace(PROBLEM, opened="<think>"), UNFINISHED), (PROBLEM, UNFINISHED)])
    assert (opened.status, plain.status) == ("no_answer", "correct")


def test_the_marks_of_the_config_reach_the_verifier() -> None:
    config = quickstart_config(verifier="math", verifier_options={}, thinking_marks=(("[PLAN]", "[/PLAN]"),))
    options = machine.verifier_options(config, verifiers_of(config)[""])
    assert options == {"thinking_marks": [["[PLAN]", "[/PLAN]"]]}
    plan, thought = "[PLAN] \\boxed{4}", "<think> \\boxed{4}"
    assert verifiers.score("math", PROBLEM, plan, **options).status == "no_answer"
    assert verifiers.score("math", PROBLEM, thought, **options).status == "no_answer"
    assert verifiers.score("math", PROBLEM, plan).status == "correct"
    with pytest.raises(verifiers.BadOption, match="expected pairs of texts"):
        verifiers.load("math", thinking_marks=["<think>"])
