"""What a row and a verifier allow a program: time for one test, time for all of them, memory at its peak."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from verifiers.code import CodeVerifier, runner
from verifiers.types import Problem

TESTS, PAUSE = 12, 0.25
"""Tests of a slow program, and seconds that each takes: 3 in all."""
SOME = 0.4
"""Seconds for all of them: less by more than what waiting for a CPU may add (runner.STARVED_SECONDS)."""


@pytest.fixture(scope="module")
def best() -> Iterator[CodeVerifier]:
    made = CodeVerifier(allow_weak=True)
    yield made
    made.close()


def rows(count: int, **more: Any) -> dict[str, Problem]:
    """One problem in each form whose tests are counted: add one."""
    calls = [{"args": [k], "expected": k + 1} for k in range(count)]
    inputs = [{"stdin": f"{k}\n", "stdout": f"{k + 1}\n"} for k in range(count)]
    return {
        "calls": Problem("calls", "", {"entry": "f", "tests": calls, **more}),
        "inputs": Problem("inputs", "", {"entry": None, "tests": inputs, **more}),
    }


def program(form: str, before: str = "pass", value: str = "x + 1") -> str:
    """A program for one of the forms that does `before` and then answers."""
    if form == "inputs":
        return f"import time\nx = int(input())\n{before}\nprint({value})\n"
    return f"import time\ndef f(x):\n    {before}\n    return {value}\n"


@pytest.mark.parametrize("form", ["calls", "inputs"])
def test_all_tests_together_have_their_limit(form: str) -> None:
    problem, slow = rows(TESTS, time_limit=2)[form], program(form, f"time.sleep({PAUSE})")
    verdicts = []
    for total in (SOME, 60.0):
        verifier = CodeVerifier(allow_weak=True, total_seconds=total)
        verdicts.append(verifier.verify(problem, "", slow))
        verifier.close()
    assert [(verdict.score, verdict.status) for verdict in verdicts] == [(0.0, "timeout"), (1.0, "correct")]
    assert f"of {TESTS}" in verdicts[0].detail and f"passed {TESTS} of {TESTS}" not in verdicts[0].detail


@pytest.mark.parametrize("form", ["calls", "inputs"])
def test_after_the_first_failure_the_others_have_the_time_of_one(form: str, best: CodeVerifier) -> None:
    problem = rows(TESTS, time_limit=0.4)[form]
    wrong = program(form, f"time.sleep({PAUSE})", "x + 1 if x else 7")
    verdict = best.verify(problem, "", wrong)
    passed = int(verdict.detail.partition("passed ")[2].split()[0])
    assert (verdict.score, verdict.status) == (0.0, "incorrect"), verdict
    assert passed < TESTS - 1 and "test 1 of" in verdict.detail


@pytest.mark.parametrize("form", ["calls", "inputs"])
def test_one_test_has_its_limit_and_the_others_are_not_charged_for_it(form: str, best: CodeVerifier) -> None:
    problem = rows(4, time_limit=1.0)[form]
    assert best.verify(problem, "", program(form, "time.sleep(0.4)")).status == "correct"
    assert best.verify(problem, "", program(form, "time.sleep(20 * (x == 3))")).status == "timeout"


MEMORY = 128
ASSERTED = Problem("asserts", "", {"entry": "f", "test_code": "assert f(1) == 2\n"})
BRIEF = "data = b'x' * ({} << 20); size = len(data); del data"
LIMIT = (MEMORY << 20) + runner.INTERPRETER_BYTES
GLANCE = (
    "import resource; peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss; "
    f"data = b'x' * ({LIMIT + (3 << 20)} - peak * 1024); size = len(data); del data"
)
"""Above the limit for the millisecond that the last 3 MB take: nobody sees it, but the kernel remembers the peak."""


@pytest.mark.parametrize("form", ["calls", "inputs", "assertions"])
@pytest.mark.parametrize(
    ("taken", "status"),
    [(BRIEF.format(40), "correct"), (BRIEF.format(MEMORY + 60), "memory"), (GLANCE, "memory")],
    ids=["below", "above", "above for a moment"],
)
def test_memory_counts_at_its_peak(form: str, taken: str, status: str, best: CodeVerifier) -> None:
    limits = {"memory_mb": MEMORY, "time_limit": 20}  # a busy machine takes its time to hand memory out
    if form == "assertions":
        problem = Problem("asserts", "", {"entry": "f", "test_code": "assert f(1) == 2\n", **limits})
    else:
        problem = rows(2, **limits)[form]
    verdict = best.verify(problem, "", program(form, taken))
    assert (verdict.status, verdict.score) == (status, float(status == "correct")), verdict


def test_memory_of_one_test_is_not_charged_to_another(best: CodeVerifier) -> None:
    problem = rows(6, memory_mb=MEMORY, time_limit=20)["inputs"]
    assert best.verify(problem, "", program("inputs", BRIEF.format(60))).status == "correct"


SIZES = {"bytes of a file": ("open('x', 'wb').truncate({})", 16 << 20),
         "descriptors": ("__import__('fcntl').fcntl(0, 0, {} - 1)", 64)}  # fmt: skip
"""What docs/sandbox.md fixes of a program's own, and a program that takes so much of it."""


@pytest.mark.parametrize("form", ["calls", "inputs", "assertions"])
@pytest.mark.parametrize("what", SIZES)
def test_a_program_may_take_so_much_and_no_more(form: str, what: str, best: CodeVerifier) -> None:
    take, most = SIZES[what]
    problem = rows(1)[form] if form != "assertions" else ASSERTED
    within, beyond = (best.verify(problem, "", program(form, take.format(most + more))) for more in (0, 1))
    assert within.status == "correct", within
    assert beyond.score == 0.0 and "OSError" in beyond.detail, beyond


STATUSES = {
    "incorrect": "return x + 2", "crash": "raise ValueError(x)", "timeout": "while True: pass",
    "memory": "return len(b'x' * (9 << 30))",
}  # fmt: skip


@pytest.mark.parametrize("status", STATUSES)
@pytest.mark.parametrize("at", [0, 2])
def test_one_wrong_test_among_right_ones_decides_and_is_named(
    status: str, at: int, best: CodeVerifier
) -> None:
    """Whichever test it is, the first or the last."""
    body = f"if x == {at}:\n        {STATUSES[status]}\n    return x + 1"
    verdict = best.verify(
        rows(3, time_limit=0.3 if status == "timeout" else 10)["calls"], "", f"def f(x):\n    {body}\n"
    )
    assert (verdict.score, verdict.status) == (0.0, status), verdict
    assert f"test {at + 1} of 3" in verdict.detail


def test_what_a_program_leaves_to_chance_is_the_same_in_every_sandbox() -> None:
    chance = "''.join({*'abcdefghijklmnopqrstuvwxyz'}), random.random(), hash('a'), hash(b'a')"
    said = set()
    for _ in range(2):
        verifier = CodeVerifier(allow_weak=True, feedback="input")
        verdict = verifier.verify(
            rows(1)["calls"], "", f"import random\ndef f(x):\n    return repr(({chance}))\n"
        )
        said.add(verdict.detail)
        verifier.close()
    assert len(said) == 1 and "'" in said.pop()
