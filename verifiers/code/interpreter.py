"""Run a program in the sandbox and read what it prints: a tool for the policy, not a test of it."""

from __future__ import annotations

import ast
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from verifiers.code import sandbox, wire
from verifiers.code.failures import broken, died, exception, over_memory
from verifiers.code.formats import CodeTask
from verifiers.code.packages import locate
from verifiers.code.program import source_problem
from verifiers.code.runner import (
    DeadlineError,
    ForgeryError,
    Limits,
    OutputError,
    Process,
    Sandbox,
    job,
    open_files,
)

BYTES = 1 << 20
"""Of standard output; a program that writes more is stopped."""


@dataclass(frozen=True, slots=True)
class Printed:
    """What a program wrote, and how it ended."""

    text: str
    """Standard output as far as it was read; then, on a line of its own, why the program failed."""
    failed: bool


class Interpreter:
    """Runs Python programs, each by itself and without input, in a sandboxed process.

    Args:
        seconds, memory_mb: limits of one program.
        level, packages: as of `CodeVerifier`.

    >>> Interpreter().run("2 + 2").text
    '4'
    """

    def __init__(
        self,
        *,
        seconds: float = 5.0,
        memory_mb: int = 512,
        level: Literal["auto", "strong", "standard", "weak"] = "auto",
        packages: Sequence[str] = (),
    ) -> None:
        self._task = CodeTask(None, time_limit=seconds, memory_mb=memory_mb)
        self._sandbox = Sandbox(lambda: sandbox.layers_for(level), 1, locate(packages))
        self.level = sandbox.level() if level == "auto" else level

    def close(self) -> None:
        self._sandbox.close()

    def run(self, program: str) -> Printed:
        """Raises SandboxError."""
        if refusal := source_problem(program):
            return Printed(refusal, failed=True)
        task = self._task
        nonce, request = job(code=[echoing(program)], setup="", imports=False, entry="")
        limits = Limits(task.memory_mb, int(task.time_limit) + 2, BYTES)
        with (
            open_files(request, b"") as fds,
            self._sandbox.running(wire.STDIN, nonce, fds, limits) as process,
        ):
            why = self._wait(process, limits)
            text = process.stdout[:BYTES].decode("utf-8", "replace").strip("\n")
        return Printed("\n".join(filter(None, (text, why))), failed=why is not None)

    def _wait(self, process: Process, limits: Limits) -> str | None:
        """Why the program failed; None where it did not."""
        task = self._task
        try:
            end = process.wait(time.monotonic() + task.time_limit)
        except (DeadlineError, OutputError, ForgeryError) as error:
            return broken(error, task).what
        if process.frames and process.frames[0][0] == wire.EXCEPTION:
            return ": ".join(filter(None, exception(process.frames[0][1])))
        if end.why != wire.ENDED_ITSELF or end.exit_code != 0:
            return died(end, task).what
        failure = over_memory(end, task, limits)
        return failure.what if failure else None


def echoing(program: str) -> str:
    """The program, printing the value of its last line where that is a bare expression, as an interactive session does.

    >>> echoing("x = 2\\nx + 2").splitlines()[-1]
    '__import__("sys").displayhook(x + 2)'
    """
    try:
        body = ast.parse(program).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return program  # it fails by itself, in the sandbox
    if not body or not isinstance(last := body[-1], ast.Expr) or last.end_lineno is None:
        return program
    value = ast.get_source_segment(program, last)
    before = program.encode().split(b"\n")
    line = before[last.lineno - 1][: last.col_offset]
    kept = b"\n".join([*before[: last.lineno - 1], line]).decode()
    return f'{kept}__import__("sys").displayhook({value})'
