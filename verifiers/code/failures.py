"""Why a program failed: what a process sent, or how it ended, as a `Failure`."""

from __future__ import annotations

import signal

from verifiers.code import wire
from verifiers.code.formats import CodeTask
from verifiers.code.report import Failure
from verifiers.code.runner import DeadlineError, End, Limits, OutputError
from verifiers.code.values import MalformedError, decode


def exception(payload: bytes) -> tuple[str, str]:
    """(type name, message); never raises, whatever the program sent."""
    try:
        value = decode(payload, max_items=4)
        name, message = value
        return str(name)[:100], str(message)[:300]
    except (MalformedError, TypeError, ValueError):
        return "Exception", ""


def failed_assertion(name: str, message: str, line: int, from_candidate: bool, source: str) -> Failure:
    lines = source.split("\n")
    text = lines[line - 1].strip() if 0 < line <= len(lines) else ""
    if from_candidate and name != "AssertionError":
        return Failure("memory" if name == "MemoryError" else "crash", f"{name}: {message}", expected=text)
    return Failure("incorrect", f"{name} in line {line} of the tests", expected=text)


def broken(error: Exception, task: CodeTask) -> Failure:
    if isinstance(error, DeadlineError):
        return Failure("timeout", f"over {task.time_limit:g} s")
    if isinstance(error, OutputError):
        return Failure("output", str(error))
    return Failure("incorrect", str(error))


def not_a_value(kind: bytes, payload: bytes) -> Failure:
    if kind in (wire.EXCEPTION, wire.LOAD_FAILED):
        name, message = exception(payload)
        return Failure("memory" if name == "MemoryError" else "crash", f"{name}: {message}")
    if kind == wire.UNSERIALISABLE:
        return Failure("incorrect", f"the result cannot be compared: {exception(payload)[1]}")
    return Failure("incorrect", "a frame of an unknown kind on the result channel")


def over_memory(end: End, task: CodeTask, limits: Limits) -> Failure | None:
    """The failure of a program that was over its memory between two checks of the zygote, as its peak shows."""
    return Failure("memory", f"over {task.memory_mb} MB") if end.peak_bytes > limits.resident_bytes else None


def died(end: End | None, task: CodeTask) -> Failure:
    assert end is not None
    if end.why == wire.OVER_MEMORY:
        return Failure("memory", f"over {task.memory_mb} MB")
    if end.why == wire.OVER_FILES:
        return Failure("output", "too many or too large files")
    if end.why == wire.OVER_THREADS:
        return Failure("crash", "too many threads")
    code = end.exit_code
    if code == -signal.SIGXCPU:
        return Failure("timeout", "out of CPU time")
    if code == -signal.SIGKILL and end.peak_bytes > task.memory_mb << 19:  # the kernel, out of memory
        return Failure("memory", "killed by the system")
    how = f"signal {_signal_name(-code)}" if code < 0 else f"exit status {code}"
    return Failure("crash", f"the program ended with {how}")


def _signal_name(number: int) -> str:
    """SIGKILL; the number of a real-time signal, which has no name of its own."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return str(number)
