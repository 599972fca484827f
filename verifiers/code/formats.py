"""One reader for all forms of tests: `Problem.reference` → what is to be run.

References have the keys `entry` and `tests`, or `test_code` with `entry` for assertion-style programs; `setup`,
`signature`, `in_place`, `checker`, `input_mode`; and the options of `options.read_options`. `datasets` makes such
references from rows of public data sets.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from verifiers.code.checker import Checker
from verifiers.code.compare import Rules
from verifiers.code.options import BadReferenceError, read_options, rules
from verifiers.code.report import show

TIME_LIMIT, MEMORY_MB = 10.0, 1024
MOST = {"time_limit": 60.0, "memory_mb": 4096}
"""What a row may ask for at most, unless the verifier's options say otherwise."""
EXACT = Rules()


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
    signature: str | None = None
    """The header of the entry, `def f(self, head: ListNode) -> ListNode`. None: take it from the prompt."""
    time_limit: float = TIME_LIMIT
    """Seconds for one test; for assertion-style tests, for all of them together."""
    memory_mb: int = MEMORY_MB
    rules: Rules = EXACT
    imports: bool = True
    """Whether the program may use the names of `given` without importing them."""
    in_place: int | None = None
    """The argument that is judged, instead of what the function returns."""
    checker: Checker | None = None
    """Judges results in place of the rules."""
    files: tuple[str, str] | None = None
    """Names of the files that the program reads and writes, instead of standard input and output."""


def read_reference(
    reference: Any, most: Mapping[str, float] = MOST, defaults: Mapping[str, Any] | None = None
) -> CodeTask:
    """The task in a problem's reference, which may ask for at most `most`. Raises BadReferenceError.

    `defaults` are options that hold where the reference says nothing.
    """
    if not isinstance(reference, Mapping):
        raise BadReferenceError(
            f"reference is {type(reference).__name__}; expected a mapping with `tests` or `test_code`"
        )
    options = read_options(reference)
    _check_limits(options, most)
    options = {**(defaults or {}), **options}
    entry = _optional(reference, "entry", str)
    common: dict[str, Any] = {
        "entry": entry and re.sub(r"\(\s*\)", "", entry),  # LeetCodeDataset writes Solution().x
        "setup": _optional(reference, "setup", str),
        "signature": _optional(reference, "signature", str),
        "time_limit": float(options.get("time_limit", TIME_LIMIT)),
        "memory_mb": math.ceil(options.get("memory_mb", MEMORY_MB)),
        "rules": rules(options),
        "in_place": _in_place(options.get("in_place")),
        "checker": _checker(_optional(reference, "checker", str)),
        "files": _files(reference),
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
        return CodeTask(test_code=test_code, imports=bool(options.get("imports", False)), **common)
    common["imports"] = bool(options.get("imports", True))
    if not isinstance(tests, (list, tuple)) or not tests:
        found = "empty" if tests == [] else type(tests).__name__
        raise BadReferenceError(f"reference['tests'] is {found}; expected a list with at least one test")
    if common["entry"] is None:
        lenient = common["checker"] is not None
        return CodeTask(inputs=tuple(_input(test, i, lenient) for i, test in enumerate(tests)), **common)
    if common["checker"] is not None and common["checker"].is_script:
        raise BadReferenceError(
            "reference['checker'] is a script, which cannot judge what a function returns"
        )
    return CodeTask(calls=tuple(_call(test, i) for i, test in enumerate(tests)), **common)


def _optional(reference: Mapping, key: str, kind: type) -> Any:
    value = reference.get(key)
    if value is not None and not isinstance(value, kind):
        raise BadReferenceError(f"reference[{key!r}] is {type(value).__name__}; expected {kind.__name__}")
    return value


def _check_limits(options: Mapping, most: Mapping[str, float]) -> None:
    """Limits that a row sets. A row comes from whoever wrote the data: it must not take what it likes."""
    for key, top in most.items():
        if key in options and options[key] > top:
            raise BadReferenceError(
                f"reference[{key!r}] is {show(options[key])}; expected a number above 0 and at most {top:g}, the "
                f"verifier's option max_{key}"
            )


def _in_place(value: bool | int | None) -> int | None:
    """The index of the argument that is judged: true is the first."""
    return None if value is None or value is False else int(value is not True and value)


def _checker(source: str | None) -> Checker | None:
    return Checker.read(source) if source and source.strip() else None


def _files(reference: Mapping) -> tuple[str, str] | None:
    """The files that the program reads and writes; None for standard input and output."""
    mode = reference.get("input_mode")
    if mode in (None, "", "stdio", "stdin"):
        return None
    if mode != "file":
        raise BadReferenceError(f"reference['input_mode'] is {show(mode)}; expected 'stdio' or 'file'")
    names = reference.get("input_file") or "input.txt", reference.get("output_file") or "output.txt"
    for name in names:
        if not isinstance(name, str) or not re.fullmatch(r"[\w-][\w.-]{0,63}", name):
            raise BadReferenceError(f"the file name {show(name)} of the reference is no plain name")
    return names


def _input(test: Any, index: int, checked: bool) -> tuple[str, str]:
    """(stdin, stdout) of a test; with a checker there need not be an expected output."""
    if isinstance(test, Mapping):
        given, expected = test.get("stdin", test.get("input")), test.get("stdout", test.get("output"))
        expected = "" if expected is None and checked else expected
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
