"""Each status of each built-in verifier, of the pool, and each exit code: what it is given for.

A status that a verifier's source names has a case here, and so has each row of the table of exit codes."""

from __future__ import annotations

import ast
import errno
import re
import signal
from pathlib import Path
from typing import Any

import pytest

import verifiers
from rlvr import failures
from rlvr.errors import ConfigError, PolicyError, RunError, UserError
from rlvr.launch import signals
from tests.conftest import REPO
from verifiers import BadOption, PoolError, Problem, UnknownVerifier, VerifierFailed, load, score
from verifiers.pool import VerifierPool
from verifiers.registry import BUILT_IN
from verifiers.scoring import RowError
from verifiers.types import STATUSES

NOTHING = "<think>\nLet me see."  # a thought that never ends
BOX = r"so \boxed{%s}"
TWICE = {"entry": "f", "tests": [{"args": [2], "expected": 4}, {"args": [5], "expected": 10}]}
PRINTS = {"tests": [{"stdin": "1\n", "stdout": "1\n"}], "time_limit": 5.0}
LIMITED = TWICE | {"time_limit": 1.0, "memory_mb": 128}


def program(*lines: str) -> str:
    body = "\n    ".join(lines)
    return f"```python\ndef f(x):\n    {body}\n```"


Case = tuple[Any, str, float | None, dict[str, Any]]
"""Reference, response, score, options of the verifier."""

CASES: dict[str, dict[str, list[Case]]] = {
    "math": {
        "correct": [("1/2", BOX % "0.5", 1.0, {})],
        "incorrect": [("1/2", BOX % "0.6", 0.0, {}), ("1/2", BOX % "1/3", 0.0, {})],
        "no_answer": [("1/2", NOTHING, 0.0, {})],
        "unverifiable": [({"neither": 1}, BOX % "1", None, {}), ("", BOX % "1", None, {})],
    },
    "reasoning": {
        "correct": [("", "2 + 2 = 4, " + BOX % "4", 1.0, {})],
        "unsound": [("", "2 + 2 = 5, " + BOX % "5", 0.0, {})],
        "no_trace": [("", BOX % "4", 0.0, {}), ("", BOX % "4", 1.0, {"empty_trace": "accept"})],
        "no_answer": [("", NOTHING, 0.0, {})],
    },
    "math+reasoning": {
        "correct": [("4", "2 + 2 = 4, " + BOX % "4", 1.0, {})],
        "incorrect": [("4", "2 + 2 = 4, " + BOX % "5", 0.0, {}), ("4", BOX % "5", 0.0, {})],
        "unsound": [("4", "2 + 3 = 4, " + BOX % "4", 0.0, {})],
        "no_trace": [("4", BOX % "4", 0.0, {}), ("4", BOX % "4", 1.0, {"empty_trace": "accept"})],
        "no_answer": [("4", NOTHING, 0.0, {})],
        "unverifiable": [({"neither": 1}, BOX % "1", None, {})],
    },
    "numeric": {
        "correct": [("1000", BOX % "1{,}000", 1.0, {}), ("3.14", BOX % "3.1416", 1.0, {"rel_tol": 0.01})],
        "incorrect": [("3.14", BOX % "3.1416", 0.0, {}), ("3", BOX % "x", 0.0, {})],
        "no_answer": [("3", NOTHING, 0.0, {})],
        "unverifiable": [("many", BOX % "3", None, {})],
    },
    "choice": {
        "correct": [("B", "The answer is (B).", 1.0, {})],
        "incorrect": [("B", "The answer is (C).", 0.0, {})],
        "no_answer": [("B", NOTHING, 0.0, {})],
        "unverifiable": [("42", "The answer is (B).", None, {})],
    },
    "exact": {
        "correct": [("Paris", "Paris", 1.0, {}), ("Paris", "PARIS", 1.0, {"ignore_case": True})],
        "incorrect": [("Paris", "PARIS", 0.0, {})],
        "no_answer": [("Paris", BOX % "", 0.0, {"answer_format": "boxed"}), ("Paris", "", 0.0, {})],
    },
    "regex": {
        "correct": [("ab*", "abbb", 1.0, {}), ("ab*", "ABB", 1.0, {"ignore_case": True})],
        "incorrect": [("ab*", "abbbc", 0.0, {})],
        "no_answer": [("ab*", NOTHING, 0.0, {"answer_format": "boxed"})],
        "unverifiable": [("(a+)+b", "aab", None, {}), ("(", "a", None, {})],
    },
    "format": {
        "correct": [("", BOX % "anything", 1.0, {})],
        "no_answer": [("", NOTHING, 0.0, {})],
    },
    "code": {
        "correct": [(TWICE, program("return 2 * x"), 1.0, {})],
        "incorrect": [(TWICE, program("return x + 2"), 0.0, {}), (TWICE, program("return 4"), 0.0, {"partial": True})],
        "no_answer": [(TWICE, "Let me think.", 0.0, {})],
        "timeout": [(LIMITED, program("while True: pass"), 0.0, {})],
        "memory": [(LIMITED, program("return bytearray(10**9)"), 0.0, {})],
        "output": [(PRINTS, "```python\nwhile True: print('y' * 1000)\n```", 0.0, {})],
        "crash": [(TWICE, program("return 1 / 0"), 0.0, {}), (TWICE, program("import os", "os._exit(0)"), 0.0, {})],
        "error": [(TWICE, program("return 2 * x"), None, {"level": "weak", "allow_weak": False})],
        "unverifiable": [({"entry": "f", "tests": []}, program("return 2 * x"), None, {})],
    },
}  # fmt: skip
FLAT = [
    pytest.param(name, status, case, id=f"{name}-{status}-{number}")
    for name, by_status in CASES.items()
    for status, cases in by_status.items()
    for number, case in enumerate(cases)
]


@pytest.mark.parametrize(("name", "status", "case"), FLAT)
def test_what_a_status_is_given_for(name, status, case):
    reference, response, expected, options = case
    verifier = load(name, **({"allow_weak": True} if name == "code" else {}) | options)
    try:
        verdict = score(verifier, Problem("p", "", reference), response)
    finally:
        if close := getattr(verifier, "close", None):
            close()
    assert (verdict.status, verdict.score) == (status, expected), verdict.detail
    assert verdict.detail or status in ("correct", "incorrect", "no_answer")
    assert bool(verdict.solved) == (verdict.score == 1.0)


# ------------------------------------------------------------------ the pool, whoever judges

NAUGHTY = "tests.verifiers.naughty:Naughty"
OF_THE_POOL: dict[str, tuple[str, float | None]] = {
    "timeout": ("sleep 3.0", 0.0),
    "memory": ("memory", 0.0),
    "crash": ("segfault", 0.0),
    "unverifiable": ("unjudged the row has no answer", None),
}


def test_what_the_pool_itself_says_of_a_response():
    problem = Problem("p", "", "42")
    with VerifierPool(NAUGHTY, workers=1, deadline=0.5, memory_mb=256) as pool:
        said = {name: pool.submit(problem, response) for name, (response, _) in OF_THE_POOL.items()}
        found = {name: (future.result().status, future.result().score) for name, future in said.items()}
        assert pool.submit(problem, "42").result().status == "correct"
    assert found == {name: (name, expected) for name, (_, expected) in OF_THE_POOL.items()}


ELSEWHERE = {
    # what a built-in verifier raises: 0 "answer_error" or None "error", by the reference
    "answer_error": "test_what_a_built_in_verifier_raises_on_an_answer_is_the_answers_doing",
    "error": "test_what_a_built_in_verifier_raises_on_an_answer_is_the_answers_doing",
}


def test_every_status_and_every_verifier_has_a_case():
    assert CASES.keys() == BUILT_IN.keys()
    shown = {status for by_status in CASES.values() for status in by_status}
    assert shown | OF_THE_POOL.keys() | ELSEWHERE.keys() == {*STATUSES}
    others = (REPO / "tests/verifiers/test_policy_never_chooses_none.py").read_text()
    assert all(f"def {test}(" in others for test in ELSEWHERE.values())


SOURCES = {
    "math": ["math"],
    "reasoning": ["reasoning"],
    "math+reasoning": ["reasoning", "math/__init__.py"],
    "numeric choice exact regex": ["simple.py"],
    "format": ["format.py"],
    "code": ["code"],
}
"""Where the statuses of these verifiers are written."""


def named(where: str) -> set[str]:
    """Statuses that a verifier's source gives: `Verdict(…, "status")`, `Failure("status", …)` and the like."""
    place = Path(verifiers.__file__).parent / where
    found = set[str]()
    for file in [place] if place.is_file() else sorted(place.rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in ("Verdict", "Failure"):
                for argument in [*node.args[:2], *(k.value for k in node.keywords if k.arg == "status")]:
                    found |= {
                        part.value
                        for part in ast.walk(argument)
                        if isinstance(part, ast.Constant) and part.value in STATUSES
                    }
    return found


@pytest.mark.parametrize("names", SOURCES)
def test_every_status_that_a_source_names_has_a_case(names):
    shown = {status for name in names.split() for status in CASES[name]}
    given = {status for where in SOURCES[names] for status in named(where)}
    assert given - {"unsound", "no_trace"} <= shown | {"incorrect"}
    assert given <= shown


# ------------------------------------------------------------------ exit codes

EXIT: dict[int, list[Exception]] = {
    1: [RuntimeError("a fault of ours"), KeyError("x"), OSError(errno.EINVAL, "?"), ValueError("?")],
    2: [
        UserError("?"), ConfigError("?"), PolicyError("?"), UnknownVerifier("?"), BadOption("?"), PoolError("?"),
        VerifierFailed("?"), RowError("?"), FileNotFoundError(errno.ENOENT, "?"), PermissionError(errno.EACCES, "?"),
        NotADirectoryError(errno.ENOTDIR, "?"), OSError(errno.EROFS, "?"),
    ],
    3: [RunError("?"), OSError(errno.ENOSPC, "?"), OSError(errno.EDQUOT, "?")],
}  # fmt: skip
SIGNALS = {130: signal.SIGINT, 143: signal.SIGTERM, 129: signal.SIGHUP}


@pytest.mark.parametrize(
    ("code", "error"), [(code, error) for code, every in EXIT.items() for error in every]
)
def test_what_an_error_ends_with(code, error):
    assert failures.code(error) == code
    assert failures.expected(error) == (code != 1)


@pytest.mark.parametrize("code", SIGNALS)
def test_what_a_signal_ends_with(code):
    with signals.orderly(), pytest.raises(signals.Interrupted) as stopped:
        signal.raise_signal(SIGNALS[code])
        signals.check_stop()
    assert stopped.value.code == code


def test_the_table_of_exit_codes_has_these_codes_and_no_others():
    text = (REPO / "docs/reliability.md").read_text()
    rows = re.findall(r"^\| ([\d, ]+) \|", text.partition("## Exit codes")[2].partition("\n## ")[0], re.M)
    listed = {int(code) for row in rows for code in row.split(",")}
    assert listed == {0, *EXIT, *SIGNALS}
