"""The verifier `code`: run a program on the tests of a problem, and compare the results in this process."""

from __future__ import annotations

import math
import os
import signal
import time
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Literal

from verifiers.code import sandbox, wire
from verifiers.code.compare import count_items, same, same_text
from verifiers.code.formats import BadReferenceError, CodeTask, read_reference
from verifiers.code.names import TestNames, read_names
from verifiers.code.program import complete, preamble, source_problem
from verifiers.code.report import Failure, Feedback, show
from verifiers.code.runner import (
    MAX_STDOUT,
    DeadlineError,
    End,
    ForgeryError,
    Limits,
    OutputError,
    Process,
    Sandbox,
    SandboxError,
    anonymous_file,
    write_before,
)
from verifiers.code.values import MalformedError, UnserialisableError, decode, encode
from verifiers.types import Problem, Verdict

REMEMBERED = 1000  # assertion-style tests that an empty program has been tried on


class CodeVerifier:
    """Judges programs. Expected values never enter the program's process.

    Args:
        level: "auto" takes the strongest that this machine has; at a level above that, verdicts are None.
        allow_weak: whether to judge at the level "weak"; else every verdict at that level is None.
        workers: number of programs that may run at once when several threads call.
        feedback: what `Verdict.detail` shows of the first failing test: only its number ("status"), its input and the
            result ("input"), or the expected value as well ("expected").
        partial: run the remaining tests after a failure, so that the detail can say how many passed. They may take
            one `time_limit` in all, so that a slow wrong program does not cost more than a right one.
        total_seconds: limit for all tests of a problem together.
        max_time_limit, max_memory_mb: the most that a row may ask for, in seconds and in MB; a row that asks for more
            is unverifiable.

    Raises ValueError for any other value.

    >>> problem = Problem("p", "Add.", {"entry": "add", "tests": [{"args": [1, 2], "expected": 3}]})
    >>> CodeVerifier().verify(problem, "", "def add(a, b): return a + b").status
    'correct'
    """

    name = "code"
    answer_format = "code"

    def __init__(
        self,
        *,
        level: Literal["auto", "strong", "standard", "weak"] = "auto",
        allow_weak: bool = False,
        workers: int = 1,
        feedback: Feedback = "input",
        partial: bool = True,
        total_seconds: float = 300.0,
        max_time_limit: float = 60.0,
        max_memory_mb: int = 4096,
    ) -> None:
        if level not in ("auto", *sandbox.LEVELS):
            raise ValueError(f"level is {level!r}; expected auto, strong, standard or weak")
        if feedback not in ("status", "input", "expected"):
            raise ValueError(f"feedback is {feedback!r}; expected status, input or expected")
        if workers < 1:
            raise ValueError(f"workers is {workers}; expected at least 1")
        self._options = {"level": level, "allow_weak": allow_weak, "workers": workers, "feedback": feedback}
        self._options |= {"partial": partial, "total_seconds": total_seconds}
        self._options |= {"max_time_limit": max_time_limit, "max_memory_mb": max_memory_mb}
        self._most = {"time_limit": max_time_limit, "memory_mb": max_memory_mb}
        self.allow_weak, self.partial, self.total_seconds = allow_weak, partial, total_seconds
        self.deadline = total_seconds + 30.0  # a pool must not kill the worker of a slow, honest program
        self.feedback: Feedback = feedback
        self._refusing: OrderedDict[int, None] = (
            OrderedDict()
        )  # tests that were seen to refuse an empty program
        self._wanted: sandbox.Level | Literal["auto"] = level
        self._programs = Sandbox(lambda: sandbox.layers_for(level), workers)
        self._tests = Sandbox(lambda: sandbox.layers_for(level), workers)

    def __reduce__(self) -> tuple:
        return _rebuild, (self._options,)

    @property
    def level(self) -> sandbox.Level:
        """The level of isolation that programs run at."""
        return sandbox.level() if self._wanted == "auto" else self._wanted

    def close(self) -> None:
        """End the processes of the sandbox; the next verdict starts new ones."""
        self._programs.close()
        self._tests.close()

    def verify(self, problem: Problem, trace: str, answer: str | None) -> Verdict:
        """Judge the program `answer`. The score is None only if the sandbox or the reference is at fault."""
        try:
            task = read_reference(problem.reference, self._most)
        except BadReferenceError as error:
            return Verdict(None, "unverifiable", answer, str(error))
        level = self.level
        if level == "weak" and not self.allow_weak:
            off = "; ".join(f"{x.name} {x.state}: {x.reason}" for x in sandbox.probe() if x.state != "on")
            return Verdict(
                None, "error", answer, f"the sandbox of this machine is weak ({off}); allow_weak is not set"
            )
        if answer is None:
            return Verdict(0.0, "no_answer", None, "the response has no complete program")
        program = answer.removeprefix("\ufeff")
        if refusal := source_problem(program):
            return Verdict(0.0, "crash", None, refusal)
        try:
            failure, passed, total = self._run(task, problem, program)
        except SandboxError as error:
            return Verdict(None, "error", answer, f"sandbox: {error}")
        except BadReferenceError as error:
            return Verdict(None, "unverifiable", answer, str(error))
        if failure is None:
            return Verdict(
                1.0, "correct", answer, f"passed {passed} of {total} tests" if total else "passed the tests"
            )
        share = f"; passed {passed} of {total}" if total else ""
        return Verdict(0.0, failure.status, answer, failure.text(self.feedback) + share)

    def _run(self, task: CodeTask, problem: Problem, program: str) -> tuple[Failure | None, int, int]:
        """(first failure, tests passed, number of tests); the numbers are 0 if tests cannot be counted."""
        if task.test_code is not None:
            return self._run_assertions(task, problem.prompt, program), 0, 0
        if task.entry is not None:
            whole = complete(program, problem.prompt, task.entry)
            return _run_calls(task, whole, self._programs, self.partial, self.total_seconds)
        return _run_stdin(task, program, self._programs, self.partial, self.total_seconds)

    def _run_assertions(self, task: CodeTask, prompt: str, program: str) -> Failure | None:
        """Judge by assertion-style tests. They must refuse an empty program, whose every call is a NameError.

        Tests that swallow their failures (in a try, a thread, a runner of tests whose result nobody reads) do not.
        """
        entry = task.entry or ""
        setup = preamble(prompt, entry.split(".")[0]) if task.setup is None else task.setup
        names = read_names(task.test_code or "", setup, prompt, entry)

        def run(whole: str) -> Failure | None:
            return _run_assertions(task, setup, names, whole, self._programs, self._tests)

        key = hash((task.test_code, setup, entry, names))
        if key not in self._refusing:
            if run("") is None:
                raise BadReferenceError(
                    "reference['test_code'] accepts a program in which nothing is defined"
                )
            self._refusing[key] = None
            if len(self._refusing) > REMEMBERED:
                self._refusing.popitem(last=False)
        return run(complete(program, prompt, entry))


def _rebuild(options: Mapping[str, Any]) -> CodeVerifier:
    return CodeVerifier(**options)


def _limits(task: CodeTask, tests: int) -> Limits:
    return Limits(memory_mb=task.memory_mb, cpu_seconds=math.ceil(task.time_limit * tests) + 2)


def _job(**fields: Any) -> tuple[bytes, bytes]:
    """(nonce, first frame of a request)."""
    nonce = os.urandom(wire.NONCE_BYTES)
    return nonce, wire.frame(wire.JOB, encode({"nonce": nonce, **fields}))


def _run_calls(
    task: CodeTask, program: str, box: Sandbox, partial: bool, total_seconds: float
) -> tuple[Failure | None, int, int]:
    total = len(task.calls)
    nonce, request = _job(code=program, iterators=False, in_place=False)
    try:
        request += b"".join(
            wire.frame(wire.CALL, encode((task.entry, args, kwargs))) for args, kwargs, _ in task.calls
        )
    except UnserialisableError as error:
        raise BadReferenceError(f"reference['tests'] contains {error}, which cannot be passed") from None
    fd = anonymous_file(request)
    first, passed, limits = None, 0, _limits(task, total)
    try:
        with box.running(wire.CALLS, nonce, [fd], limits) as process:
            end_of_all = time.monotonic() + total_seconds
            for index, (args, _, expected) in enumerate(task.calls):
                failure, goes_on = _next_value(process, task, expected, end_of_all)
                if failure is None:
                    passed += 1
                    continue
                if first is None:
                    first = failure.at(index, total, show(args), show(expected))
                    end_of_all = min(end_of_all, time.monotonic() + task.time_limit)
                if not (partial and goes_on):
                    break
            first = first or _over_memory(process.kill(), task, limits)
    finally:
        os.close(fd)
    return first, passed, total


def _next_value(
    process: Process, task: CodeTask, expected: Any, end_of_all: float
) -> tuple[Failure | None, bool]:
    """(what is wrong with the next answer, whether another one may follow)."""
    try:
        answer = process.frame(min(time.monotonic() + task.time_limit, end_of_all))
    except (DeadlineError, OutputError, ForgeryError) as error:
        return _broken(error, task), False
    if answer is None:
        return _died(process.end, task), False
    kind, payload = answer
    if kind != wire.VALUE:
        return _not_a_value(kind, payload), kind != wire.LOAD_FAILED
    try:
        value = decode(payload, max_items=4 * count_items(expected) + 1000)
    except MalformedError as error:
        return Failure("incorrect", f"the result cannot be decoded: {error}"), True
    if same(value, expected, task.tol, task.strict):
        return None, True
    return Failure("incorrect", "wrong result", got=show(value)), True


def _run_stdin(
    task: CodeTask, program: str, box: Sandbox, partial: bool, total_seconds: float
) -> tuple[Failure | None, int, int]:
    total = len(task.inputs)
    end_of_all = time.monotonic() + total_seconds
    first, passed = None, 0
    for index, (given, expected) in enumerate(task.inputs):
        failure = _run_once(task, program, given, expected, box, end_of_all)
        if failure is None:
            passed += 1
            continue
        if first is None:
            first = failure.at(index, total, show(given), show(expected))
            end_of_all = min(end_of_all, time.monotonic() + task.time_limit)
        if not partial or failure.status in ("timeout", "memory", "output"):
            break
    return first, passed, total


def _run_once(
    task: CodeTask, program: str, given: str, expected: str, box: Sandbox, end_of_all: float
) -> Failure | None:
    nonce, request = _job(code=program)
    limits = replace(_limits(task, 1), stdout_bytes=min(MAX_STDOUT, 4 * len(expected) + (1 << 20)))
    fds = [anonymous_file(request), anonymous_file(given.encode("utf-8", "surrogatepass"))]
    try:
        with box.running(wire.STDIN, nonce, fds, limits) as process:
            try:
                end = process.wait(min(time.monotonic() + task.time_limit, end_of_all))
            except (DeadlineError, OutputError, ForgeryError) as error:
                return _broken(error, task)
            raised = process.frames.popleft() if process.frames else None
            if end.why != wire.ENDED_ITSELF or end.exit_code != 0:
                if raised and raised[0] == wire.EXCEPTION:
                    return _not_a_value(*raised)
                return _died(end, task)
            output = process.stdout.decode("utf-8", "replace")
            if same_text(output, expected, task.tol):
                return _over_memory(end, task, limits)
            return Failure("incorrect", "wrong output", got=show(output))
    finally:
        for fd in fds:
            os.close(fd)


def _run_assertions(
    task: CodeTask, setup: str, names: TestNames, whole: str, programs: Sandbox, tests: Sandbox
) -> Failure | None:
    """Assertion-style tests: they run in one process, the program in another, and only values pass between them."""
    nonce, request = _job(code=whole, iterators=True, in_place=True)
    tests_nonce, tests_request = _job(
        code=task.test_code,
        setup=setup,
        entry=task.entry,
        functions=sorted(names.functions),
        modules=sorted(names.modules),
    )
    limits = _limits(task, 1)
    read, write = os.pipe()
    tests_read, tests_write = os.pipe()
    fds = [anonymous_file(request), read, anonymous_file(tests_request), tests_read, write, tests_write]
    os.set_blocking(write, False)
    os.set_blocking(tests_write, False)
    try:
        with (
            programs.running(wire.CALLS, nonce, fds[0:2], limits) as candidate,
            tests.running(wire.TESTS, tests_nonce, fds[2:4], limits) as tester,
        ):
            deadline = time.monotonic() + task.time_limit
            try:
                failure = _converse(task, candidate, write, tester, tests_write, deadline)
                return failure or _over_memory(candidate.kill(), task, limits)
            except (DeadlineError, OutputError, ForgeryError) as error:
                return _broken(error, task)
    finally:
        for fd in fds:
            os.close(fd)


def _converse(
    task: CodeTask, candidate: Process, to_candidate: int, tester: Process, to_tester: int, deadline: float
) -> Failure | None:
    while True:
        message = tester.frame(deadline)
        if message is None:
            return _died(tester.end, task)
        kind, payload = message
        if kind == wire.PASSED:
            if decode(payload) == 0:
                raise BadReferenceError("reference['test_code'] never calls the program")
            return None
        if kind == wire.BAD_TESTS:
            raise BadReferenceError(
                f"reference['test_code'] cannot be run: {': '.join(map(str, decode(payload)[:2]))}"
            )
        if kind == wire.EXCEPTION:
            name, message, line, from_candidate = decode(payload)
            return _failed_assertion(name, message, line, from_candidate, task.test_code or "")
        write_before(to_candidate, wire.frame(wire.CALL, payload), deadline)
        answer = candidate.frame(deadline)
        if answer is None:
            return _died(candidate.end, task)
        kind, payload = answer
        if kind == wire.VALUE:
            write_before(to_tester, wire.frame(wire.REPLY, payload), deadline)
        elif kind == wire.EXCEPTION:
            write_before(to_tester, wire.frame(wire.RAISED, _checked_exception(payload)), deadline)
        else:
            return _not_a_value(kind, payload)


def _checked_exception(payload: bytes) -> bytes:
    name, message = _exception(payload)
    return encode((name, message))


def _exception(payload: bytes) -> tuple[str, str]:
    """(type name, message); never raises, whatever the program sent."""
    try:
        value = decode(payload, max_items=4)
        name, message = value
        return str(name)[:100], str(message)[:300]
    except (MalformedError, TypeError, ValueError):
        return "Exception", ""


def _failed_assertion(name: str, message: str, line: int, from_candidate: bool, source: str) -> Failure:
    lines = source.split("\n")
    text = lines[line - 1].strip() if 0 < line <= len(lines) else ""
    if from_candidate and name != "AssertionError":
        return Failure("memory" if name == "MemoryError" else "crash", f"{name}: {message}", expected=text)
    return Failure("incorrect", f"{name} in line {line} of the tests", expected=text)


def _broken(error: Exception, task: CodeTask) -> Failure:
    if isinstance(error, DeadlineError):
        return Failure("timeout", f"over {task.time_limit:g} s")
    if isinstance(error, OutputError):
        return Failure("output", str(error))
    return Failure("incorrect", str(error))


def _not_a_value(kind: bytes, payload: bytes) -> Failure:
    if kind in (wire.EXCEPTION, wire.LOAD_FAILED):
        name, message = _exception(payload)
        return Failure("memory" if name == "MemoryError" else "crash", f"{name}: {message}")
    if kind == wire.UNSERIALISABLE:
        return Failure("incorrect", f"the result cannot be compared: {_exception(payload)[1]}")
    return Failure("incorrect", "a frame of an unknown kind on the result channel")


def _over_memory(end: End, task: CodeTask, limits: Limits) -> Failure | None:
    """The failure of a program that was over its memory between two checks of the zygote, as its peak shows."""
    return Failure("memory", f"over {task.memory_mb} MB") if end.peak_bytes > limits.resident_bytes else None


def _died(end: End | None, task: CodeTask) -> Failure:
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
