"""A row's checker: Python code that judges a result where several are right, run as a sandboxed program of its own."""

from __future__ import annotations

import ast
import time
from dataclasses import dataclass
from typing import Any

from verifiers.code import wire
from verifiers.code.options import BadReferenceError
from verifiers.code.runner import (
    DeadlineError,
    ForgeryError,
    Limits,
    OutputError,
    Sandbox,
    job,
    open_files,
)
from verifiers.code.values import UnserialisableError, decode, encode

SECONDS = 10.0
_LIMITS = Limits(memory_mb=1024, cpu_seconds=int(SECONDS) + 2, stdout_bytes=1 << 20)
FILES = ("input.txt", "correct_output.txt", "solution_output.txt")
"""What a checker that is a script finds in its folder, and gets the names of as arguments."""
_ACCEPTS = ("1", "1.0", "100", "100.0", "true", "yes", "ok")


@dataclass(frozen=True)
class Checker:
    """The checker of a row, in one of two forms.

    A function `check(input, expected, output) -> bool`: for programs that read standard input the three are text; for
    functions they are the list of arguments, the expected value and the result. Or a script, as open-r1/codeforces
    has it (`generated_checker`): called with the names of three files, it prints 1 or 100 for a right output.
    """

    source: str
    is_script: bool

    @classmethod
    def read(cls, source: str) -> Checker:
        """Raises BadReferenceError for code that does not compile."""
        try:
            tree = ast.parse(source)
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            raise BadReferenceError(f"reference['checker'] is not Python: {error}") from None
        functions = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
        return cls(source, is_script="argv" in source or "check" not in functions)


def accepts(value: Any) -> bool:
    """Whether a checker's result, returned or printed, says that the output is right."""
    if isinstance(value, str):
        return value.strip().lower() in _ACCEPTS
    if isinstance(value, (list, tuple)) and value:  # (verdict, message)
        value = value[0]
    return isinstance(value, (int, float)) and value >= 1


def check(checker: Checker, box: Sandbox, given: Any, expected: Any, output: Any) -> str | None:
    """Why the checker does not accept the output, or None if it does. Values may be `values.Encoded`.

    Raises BadReferenceError if it also fails on the expected output, and SandboxError.
    """
    try:
        return None if _ask(checker, box, given, expected, output) else "the checker refused it"
    except _FailedError as error:
        if expected not in (None, ""):
            _try_expected(checker, box, given, expected)
        return f"the checker failed on it: {error}"


def _try_expected(checker: Checker, box: Sandbox, given: Any, expected: Any) -> None:
    try:
        _ask(checker, box, given, expected, expected)
    except _FailedError as error:
        raise BadReferenceError(
            f"reference['checker'] fails on the expected output as well: {error}"
        ) from None


class _FailedError(Exception):
    """The checker gave no verdict."""


def _ask(checker: Checker, box: Sandbox, given: Any, expected: Any, output: Any) -> bool:
    try:
        if checker.is_script:
            return _run_script(checker, box, [given, expected, output])
        return _call_function(checker, box, [given, expected, output])
    except (DeadlineError, OutputError, ForgeryError, UnserialisableError) as error:
        what = f"over {SECONDS:g} s" if isinstance(error, DeadlineError) else str(error)
        raise _FailedError(what) from None


def _call_function(checker: Checker, box: Sandbox, values: list) -> bool:
    nonce, request = job(code=[checker.source])
    request += wire.frame(wire.CALL, encode(("check", values, {})))
    with open_files(request) as fds, box.running(wire.CALLS, nonce, fds, _LIMITS) as process:
        kind, payload = process.frame(time.monotonic() + SECONDS) or _ENDED
        if kind != wire.VALUE:
            raise _FailedError(_words(payload))
        return accepts(decode(payload))


def _run_script(checker: Checker, box: Sandbox, texts: list[str]) -> bool:
    files = dict(zip(FILES, (text.encode("utf-8", "surrogatepass") for text in texts), strict=True))
    nonce, request = job(code=[checker.source], argv=["checker.py", *FILES], files=files)
    with open_files(request, b"") as fds, box.running(wire.STDIN, nonce, fds, _LIMITS) as process:
        end = process.wait(time.monotonic() + SECONDS)
        if end.why != wire.ENDED_ITSELF or process.frames:
            raise _FailedError(_words((process.frames or [_ENDED])[0][1]))
        printed = process.stdout.decode("utf-8", "replace").split()
        return accepts(printed[-1]) if printed else end.exit_code == 0


_ENDED = (wire.EXCEPTION, encode(("Exit", "it ended")))


def _words(payload: bytes) -> str:
    """An exception as (type name, message), in one text."""
    return ": ".join(map(str, decode(payload)))
