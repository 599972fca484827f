"""What the limits of judging do: `verification`."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from rlvr import rollouts
from rlvr.config import ProblemsConfig, SamplingConfig, SourceConfig, VerificationConfig
from rlvr.errors import RunError, UserError
from rlvr.evaluation import Evaluator
from rlvr.evidence import Evidence
from rlvr.pipeline import prepare
from rlvr.preflight import Preflight, golds
from rlvr.problems import load_all
from rlvr.sampling.engine import TransformersSampler
from rlvr.source_verifiers import verifiers_of
from rlvr.terminal import Terminal
from rlvr.worlds import carry
from tests.conftest import quickstart_config
from tests.contracts.keys import shows
from verifiers import Problem
from verifiers.pool import VerifierPool


def written(file: Path, *references: str) -> SourceConfig:
    rows = [{"prompt": f"problem {n}", "reference": reference} for n, reference in enumerate(references)]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return SourceConfig(file=str(file), prompt="prompt", reference="reference")


def verdicts(pool, problem: Problem, *responses: str) -> dict[str, str | int]:
    futures = {text: pool.submit(problem, text) for text in responses}
    return {text: future.result().status for text, future in futures.items()}


@pytest.fixture(scope="module")
def judged(tmp_path_factory):
    """What some responses came to, and in how many processes, under two sets of limits, through `prepare`."""
    found = {}
    folder = tmp_path_factory.mktemp("judged")
    strict = VerificationConfig(workers=1, deadline=0.7, memory_mb=64)
    for name, limits in {"default": VerificationConfig(workers=2), "strict": strict}.items():
        log = folder / f"{name}.log"
        config = quickstart_config(
            problems=ProblemsConfig(heldout=written(folder / "rows.jsonl", "42")),
            verifier="tests.verifiers.naughty:Naughty",
            verifier_options={"log": str(log)},
            verification=limits,
        )
        with prepare(config, Terminal(quiet=True), trains=False) as (problems, evaluator):
            asked = ("sleep 0.41", "sleep 0.42", "sleep 0.43")
            said = verdicts(evaluator.pool, problems.heldout[0], *asked)
            started = {line for line in log.read_text().splitlines() if line.startswith("warm")}
            said |= verdicts(evaluator.pool, problems.heldout[0], "sleep 1.5", "leak 300")
            found[name] = said | {"workers": len(started)}
    return found


@shows("verification.workers")
def test_so_many_processes_judge(judged):
    assert (judged["default"]["workers"], judged["strict"]["workers"]) == (2, 1)


@shows("verification.deadline", "verification.memory_mb")
def test_a_response_may_take_so_long_and_so_much(judged):
    assert (judged["default"]["sleep 1.5"], judged["default"]["leak 300"]) == ("incorrect", "incorrect")
    assert (judged["strict"]["sleep 1.5"], judged["strict"]["leak 300"]) == ("timeout", "memory")
    assert judged["strict"]["sleep 0.41"] == "incorrect"


@shows("verification.max_unjudged")
def test_a_run_stops_above_so_large_a_share_without_a_verdict(tiny, tmp_path):
    """Half of the references are no numbers, so that `numeric` cannot judge what is written for them."""
    problems = [
        replace(p, reference="many" if n % 2 else "7") for n, p in enumerate(carry.problems("heldout", 8))
    ]

    def evaluate(share: float, into: str) -> int:
        config = quickstart_config(
            sampling=SamplingConfig(samples=2, max_new_tokens=32),
            verifier="numeric",
            verifier_options={},
            verification=VerificationConfig(max_unjudged=share),
        )
        evaluator = Evaluator(config, Evidence(config.evidence), pool, Terminal(quiet=True))
        file = evaluator.evaluate(TransformersSampler(tiny, config.sampling), problems, tmp_path / into)
        return rollouts.count(file)

    with VerifierPool("numeric", workers=1) as pool:
        assert evaluate(0.5, "half.jsonl") == 16
        with pytest.raises(RunError, match=r"8 of the last 16 responses .*max_unjudged allows 49%"):
            evaluate(0.49, "less.jsonl")
        problems = [replace(problem, reference="many") for problem in problems]
        with pytest.raises(RunError, match="16 of the last 16"):
            evaluate(0.5, "none.jsonl")
        assert evaluate(1.0, "off.jsonl") == 16


def own_answers(file: Path, verifier: str, references: list[str], **limits: float) -> list[str]:
    config = quickstart_config(
        problems=ProblemsConfig(heldout=written(file, *references)),
        verifier=verifier,
        verifier_options={},
        verification=VerificationConfig.model_validate(limits),
    )
    state = Preflight(config, None, None, False, print)
    state.problems, state.verifiers = load_all(None, config.problems.heldout), verifiers_of(config)
    return list(golds.own_answers(state))


@shows("verification.max_unverifiable")
def test_data_are_refused_above_so_large_a_share_that_nothing_can_equal(tmp_path):
    two_of_ten = [*map(str, range(8)), "many", "a few"]
    with pytest.raises(UserError, match=r"2 references \(20%\).*max_unverifiable allows 10%"):
        own_answers(tmp_path / "rows.jsonl", "numeric", two_of_ten)
    assert own_answers(tmp_path / "rows.jsonl", "numeric", two_of_ten, max_unverifiable=0.2)
    with pytest.raises(UserError, match="max_unverifiable allows 19%"):
        own_answers(tmp_path / "rows.jsonl", "numeric", two_of_ten, max_unverifiable=0.19)


FUSSY = """
from verifiers import Problem, Verdict

class Fussy:
    name, answer_format = "fussy", "text"

    def as_response(self, problem):
        return problem.reference

    def verify(self, problem, trace, answer):
        right = answer == problem.reference and not problem.reference.startswith("x")
        return Verdict(float(right), "correct" if right else "incorrect", answer)
"""


@shows("verification.min_accepted")
def test_a_verifier_is_refused_that_accepts_too_few_of_the_datas_own_answers(tmp_path):
    """It refuses three of ten answers to their own problems."""
    (tmp_path / "fussy.py").write_text(FUSSY)
    verifier, answers = f"{tmp_path / 'fussy.py'}:Fussy", [*"abcdefg", "xa", "xb", "xc"]
    with pytest.raises(UserError, match=r"accepts 70% .*min_accepted asks for 90%"):
        own_answers(tmp_path / "rows.jsonl", verifier, answers)
    assert own_answers(tmp_path / "rows.jsonl", verifier, answers, min_accepted=0.7)
    with pytest.raises(UserError, match="min_accepted asks for 71%"):
        own_answers(tmp_path / "rows.jsonl", verifier, answers, min_accepted=0.71)
