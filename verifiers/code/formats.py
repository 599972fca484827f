"""One reader for all forms of tests: `Problem.reference` → what is to be run.

References have the keys `entry, tests, time_limit, memory_mb, tol, strict`, or `test_code` with `entry` for
assertion-style programs. `datasets` makes such references from rows of public data sets.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from verifiers.code.report import show

TIME_LIMIT, MEMORY_MB = 10.0, 1024
MOST = {"time_limit": 60.0, "memory_mb": 4096}
"""What a row may ask for at most, unless the verifier's options say otherwise."""


@dataclass(frozen=True)
class CodeTask:
    """The tests of a program. Exactly one of calls, inputs and test_code is set."""

    entry: str | None
    """Function, or Class.method; None for a program that reads stdin."""
    calls: tuple[tuple[list, dict, Any], ...] = ()
    """(args, kwargs, expected) of each test."""
    inputs: tuple[tuple[str, str], ...] = ()
    """(stdin, stdout) of each test."""
    test_code: str | None = None
    setup: str | None = None
    """Code that the problem gives: helpers for tests and program. None: take them from the prompt."""
    time_limit: float = TIME_LIMIT
    """Seconds for one test; for assertion-style tests, for all of them together."""
    memory_mb: int = MEMORY_MB
    tol: float | None = None
    strict: bool = False


class BadReferenceError(ValueError):
    """The reference is not usable. The message names the key, what was found and what was expected."""


def read_reference(reference: Any, most: Mapping[str, float] = MOST) -> CodeTask:
    """The task in a problem's reference, which may ask for at most `most`. Raises BadReferenceError."""
    if not isinstance(reference, Mapping):
        raise BadReferenceError(
            f"reference is {type(reference).__name__}; expected a mapping with `tests` or `test_code`"
        )
    common: dict[str, Any] = {
        "entry": _optional(reference, "entry", str),
        "setup": _optional(reference, "setup", str),
        "time_limit": float(_limit(reference, "time_limit", most) or TIME_LIMIT),
        "memory_mb": int(_limit(reference, "memory_mb", most) or MEMORY_MB),
        "tol": _tolerance(reference),
        "strict": bool(_optional(reference, "strict", (bool, int))),
    }
    test_code, tests = reference.get("test_code"), reference.get("tests")
    if test_code is None and isinstance(tests, str):  # some rows of HumanEval and MBPP have the program there
        test_code = tests
    if test_code is not None:
        if not isinstance(test_code, str) or not test_code.strip():
            raise BadReferenceError(
                f"reference['test_code'] is {type(test_code).__name__}; expected Python code"
            )
        if not common["entry"]:
            raise BadReferenceError("reference['entry'] is missing; test_code needs the name of the function")
        return CodeTask(test_code=test_code, **common)
    if not isinstance(tests, (list, tuple)) or not tests:
        found = "empty" if tests == [] else type(tests).__name__
        raise BadReferenceError(f"reference['tests'] is {found}; expected a list with at least one test")
    if common["entry"] is None:
        return CodeTask(inputs=tuple(_input(test, i) for i, test in enumerate(tests)), **common)
    return CodeTask(calls=tuple(_call(test, i) for i, test in enumerate(tests)), **common)


def _optional(reference: Mapping, key: str, kinds: Any) -> Any:
    value = reference.get(key)
    if value is not None and not isinstance(value, kinds):
        raise BadReferenceError(f"reference[{key!r}] is {type(value).__name__}; expected {kinds}")
    return value


def _limit(reference: Mapping, key: str, most: Mapping[str, float]) -> float | None:
    """A limit that the row sets. A row comes from whoever wrote the data: it must not take what it likes."""
    value = _optional(reference, key, (int, float))
    if value is not None and not 0 < value <= most[key]:
        raise BadReferenceError(
            f"reference[{key!r}] is {show(value)}; expected a number above 0 and at most {most[key]:g}, the verifier's "
            f"option max_{key}"
        )
    return value


def _tolerance(reference: Mapping) -> float | None:
    value = _optional(reference, "tol", (int, float))
    if value is not None and not 0 <= value < 1:  # from 1 on, 0 would equal anything
        raise BadReferenceError(f"reference['tol'] is {show(value)}; expected a number from 0 to below 1")
    return value


def _input(test: Any, index: int) -> tuple[str, str]:
    if isinstance(test, Mapping):
        given, expected = test.get("stdin", test.get("input")), test.get("stdout", test.get("output"))
        if isinstance(given, list):  # APPS keeps some as lists of lines
            given = "\n".join(map(str, given))
        if isinstance(expected, list):
            expected = "\n".join(map(str, expected))
        if isinstance(given, str) and isinstance(expected, str):
            return given, expected
    raise BadReferenceError(
        f"reference['tests'][{index}] has no text in `stdin` and `stdout`, and there is no `entry`"
    )


def _call(test: Any, index: int) -> tuple[list, dict, Any]:
    if isinstance(test, Mapping) and "expected" in test:
        args, kwargs = test.get("args", []), test.get("kwargs", {})
        if isinstance(args, (list, tuple)) and isinstance(kwargs, Mapping):
            return list(args), dict(kwargs), test["expected"]
    raise BadReferenceError(f"reference['tests'][{index}] needs a list in `args` and a value in `expected`")
