"""The three ways to run a program on a problem's tests: function calls, standard input, assertions.

Expected values stay in this process; the program sees arguments or an input, and the comparison happens here
(`compare`) or in a checker's process.
"""

from __future__ import annotations

import math
import os
import re
import signal
import time
from collections import OrderedDict
from dataclasses import dataclass, field, replace
from typing import Any

from verifiers.code import checker, nodes, wire
from verifiers.code.compare import count_items, same, same_text
from verifiers.code.formats import CodeTask
from verifiers.code.names import TestNames, read_names
from verifiers.code.options import BadReferenceError
from verifiers.code.program import complete, preamble, signature
from verifiers.code.report import Failure, show
from verifiers.code.runner import (
    FILE_BYTES,
    MAX_STDOUT,
    DeadlineError,
    End,
    ForgeryError,
    Limits,
    OutputError,
    Process,
    Sandbox,
    job,
    open_files,
    write_before,
)
from verifiers.code.values import Encoded, MalformedError, UnserialisableError, decode, encode
from verifiers.types import Problem

REMEMBERED = 1000  # assertion-style tests that an empty program has been tried on


@dataclass(frozen=True)
class Result:
    """What running a program on the tests of a problem showed."""

    failure: Failure | None
    """The first one."""
    passed: int = 0
    total: int = 0
    """0 if tests cannot be counted."""


@dataclass(frozen=True)
class Runner:
    """Where programs and tests run, and when to stop: `partial` goes on after a failure."""

    programs: Sandbox
    tests: Sandbox
    partial: bool
    total_seconds: float
    _refusing: OrderedDict[int, None] = field(default_factory=OrderedDict)
    """Assertion-style tests that were seen to refuse an empty program."""

    def run(self, task: CodeTask, problem: Problem, program: str) -> Result:
        """Raises BadReferenceError for tests that cannot be run, and SandboxError."""
        if task.test_code is not None:
            return Result(self._assertions(task, problem.prompt, program))
        if task.entry is not None:
            return self._calls(task, problem, program)
        return self._inputs(task, program)

    def _calls(self, task: CodeTask, problem: Problem, program: str) -> Result:
        total = len(task.calls)
        nonce, request = job(**_call_job(task, problem, program))
        try:
            request += b"".join(
                wire.frame(wire.CALL, encode((task.entry, args, kwargs))) for args, kwargs, _ in task.calls
            )
        except UnserialisableError as error:
            raise BadReferenceError(f"reference['tests'] contains {error}, which cannot be passed") from None
        first, passed, limits = None, 0, _limits(task, total)
        with (
            open_files(request) as fds,
            self.programs.running(wire.CALLS, nonce, fds, limits) as process,
        ):
            end_of_all = time.monotonic() + self.total_seconds
            for index, (args, kwargs, expected) in enumerate(task.calls):
                failure, goes_on = self._next_value(process, task, (args, kwargs, expected), end_of_all)
                if failure is None:
                    passed += 1
                    continue
                if first is None:
                    first = failure.at(index, total, show(args), show(expected))
                    end_of_all = min(end_of_all, time.monotonic() + task.time_limit)
                if not (self.partial and goes_on):
                    break
            first = first or _over_memory(process.kill(), task, limits)
        return Result(first, passed, total)

    def _next_value(
        self, process: Process, task: CodeTask, test: tuple[list, dict, Any], end_of_all: float
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
        return self._compared(task, test, payload), True

    def _compared(self, task: CodeTask, test: tuple[list, dict, Any], payload: bytes) -> Failure | None:
        args, kwargs, expected = test
        most = 4 * count_items(expected) + (1000 if task.checker is None else 1_000_000)
        try:
            value = decode(payload, max_items=most)
        except MalformedError as error:
            return Failure("incorrect", f"the result cannot be decoded: {error}")
        if task.checker is not None:
            given = {**dict(enumerate(args)), **kwargs} if kwargs else args
            why = checker.check(task.checker, self.tests, given, expected, Encoded(payload))
            return None if why is None else Failure("incorrect", why, got=show(value))
        if same(value, expected, task.rules):
            return None
        return Failure("incorrect", "wrong result", got=show(value))

    def _inputs(self, task: CodeTask, program: str) -> Result:
        total = len(task.inputs)
        end_of_all = time.monotonic() + self.total_seconds
        first, passed = None, 0
        for index, (given, expected) in enumerate(task.inputs):
            failure = self._input(task, program, given, expected, end_of_all)
            if failure is None:
                passed += 1
                continue
            if first is None:
                first = failure.at(index, total, show(given), show(expected))
                end_of_all = min(end_of_all, time.monotonic() + task.time_limit)
            if not self.partial or failure.status in ("timeout", "memory", "output"):
                break
        return Result(first, passed, total)

    def _input(
        self, task: CodeTask, program: str, given: str, expected: str, end_of_all: float
    ) -> Failure | None:
        fields, stdin = _environment(task, [program]), given.encode("utf-8", "surrogatepass")
        if task.files is not None:
            if len(stdin) > FILE_BYTES:
                raise BadReferenceError(f"an input file of {len(stdin)} bytes; the limit is {FILE_BYTES}")
            fields, stdin = fields | {"files": {task.files[0]: stdin}, "output": task.files[1]}, b""
        nonce, request = job(**fields)
        most = MAX_STDOUT if task.checker else min(MAX_STDOUT, 4 * len(expected) + (1 << 20))
        limits = replace(_limits(task, 1), stdout_bytes=most)
        with (
            open_files(request, stdin) as fds,
            self.programs.running(wire.STDIN, nonce, fds, limits) as process,
        ):
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
        why = self._wrong_output(task, given, expected, output)
        return _over_memory(end, task, limits) if why is None else Failure("incorrect", why, got=show(output))

    def _wrong_output(self, task: CodeTask, given: str, expected: str, output: str) -> str | None:
        if task.checker is None:
            return None if same_text(output, expected, task.rules) else "wrong output"
        if task.checker.is_script and len(output) > FILE_BYTES // 4:
            return "too much output for the checker"
        return checker.check(task.checker, self.tests, given, expected, output)

    def _assertions(self, task: CodeTask, prompt: str, program: str) -> Failure | None:
        """Judge by assertion-style tests. They must refuse an empty program, whose every call is a NameError.

        Tests that swallow their failures (in a try, a thread, a runner of tests whose result nobody reads) do not.
        """
        entry = task.entry or ""
        setup = preamble(prompt, entry.split(".")[0]) if task.setup is None else task.setup
        names = read_names(task.test_code or "", setup, prompt, entry)
        key = hash((task.test_code, setup, entry, names))
        if key not in self._refusing:
            if self._converse_once(task, setup, names, [""]) is None:
                raise BadReferenceError(
                    "reference['test_code'] accepts a program in which nothing is defined"
                )
            self._refusing[key] = None
            if len(self._refusing) > REMEMBERED:
                self._refusing.popitem(last=False)
        return self._converse_once(task, setup, names, complete(program, prompt, entry))

    def _converse_once(
        self, task: CodeTask, setup: str, names: TestNames, sources: list[str]
    ) -> Failure | None:
        """Tests run in one process, the program in another, and only values and references pass between them."""
        nonce, request = job(
            **_environment(task, sources),
            in_tests=True,
            prints=_PRINTS.search(task.test_code or "") is not None,
        )
        tests_nonce, tests_request = job(
            code=task.test_code,
            setup=setup,
            entry=task.entry,
            **{name: sorted(found) for name, found in vars(names).items()},
        )
        limits = _limits(task, 1)
        pipes = [*os.pipe(), *os.pipe()]
        read, write, tests_read, tests_write = pipes
        os.set_blocking(write, False)
        os.set_blocking(tests_write, False)
        try:
            with (
                open_files(request, tests_request) as (fd, tests_fd),
                self.programs.running(wire.CALLS, nonce, [fd, read], limits) as candidate,
                self.tests.running(wire.TESTS, tests_nonce, [tests_fd, tests_read], limits) as tester,
            ):
                deadline = time.monotonic() + task.time_limit
                try:
                    failure = _converse(task, candidate, write, tester, tests_write, deadline)
                    return failure or _over_memory(candidate.kill(), task, limits)
                except (DeadlineError, OutputError, ForgeryError) as error:
                    return _broken(error, task)
        finally:
            for pipe in pipes:
                os.close(pipe)


def _limits(task: CodeTask, tests: int) -> Limits:
    return Limits(memory_mb=task.memory_mb, cpu_seconds=math.ceil(task.time_limit * tests) + 2)


def _environment(task: CodeTask, sources: list[str]) -> dict[str, Any]:
    """The part of a job that says what to run, and with which names."""
    return {"code": sources, "setup": task.setup or "", "imports": task.imports, "entry": task.entry or ""}


def _call_job(task: CodeTask, problem: Problem, program: str) -> dict[str, Any]:
    """The job of calls: also which argument is judged, and which lists are nodes, where row or prompt say so.

    A header that returns None says that the first argument is judged. It is not if None is what the tests expect.
    """
    entry = task.entry or ""
    header = signature(problem.prompt if task.signature is None else task.signature, entry)
    in_place = 0 if task.in_place is None and header.get("return") == "None" else task.in_place
    if all(expected is None for _, _, expected in task.calls) or not all(args for args, _, _ in task.calls):
        in_place = None
    if not any(nodes.name_in(annotation) for annotation in header.values()):
        header = {}
    fields = _environment(task, complete(program, problem.prompt, entry))
    return fields | {"in_place": in_place, "signature": header}


def _converse(
    task: CodeTask, candidate: Process, to_candidate: int, tester: Process, to_tester: int, deadline: float
) -> Failure | None:
    """Carry questions and answers between tests and program until the tests end. Only one of the two runs at a time."""
    while True:
        message = tester.frame(deadline)
        if message is None:
            return _died(tester.end, task)
        kind, payload = message
        if kind not in _PASSED_ON:
            return _ended(kind, payload, task)
        write_before(to_candidate, wire.frame(_PASSED_ON[kind], payload), deadline)
        answer = candidate.frame(deadline)
        if answer is None:
            return _died(candidate.end, task)
        kind, payload = answer
        if kind not in _PASSED_ON:
            return _not_a_value(kind, payload)
        payload = _checked_exception(payload) if kind == wire.THROWN else payload
        write_before(to_tester, wire.frame(_PASSED_ON[kind], payload), deadline)


_PRINTS = re.compile(r"stdout|capsys|capfd")
_PASSED_ON = {wire.ASK: wire.CALL, wire.VALUE: wire.REPLY, wire.THROWN: wire.RAISED}


def _ended(kind: bytes, payload: bytes, task: CodeTask) -> Failure | None:
    """How the tests ended. Raises BadReferenceError where that is their own doing."""
    if kind == wire.PASSED:
        if decode(payload) == 0:
            raise BadReferenceError("reference['test_code'] never calls the program")
        return None
    if kind == wire.BAD_TESTS:
        why = ": ".join(map(str, decode(payload)[:2]))
        raise BadReferenceError(f"reference['test_code'] cannot be run: {why}")
    name, message, line, from_candidate = decode(payload)
    return _failed_assertion(name, message, line, from_candidate, task.test_code or "")


def _checked_exception(payload: bytes) -> bytes:
    """(type name, message, built-in base), whatever the program sent."""
    try:
        name, message, base = decode(payload, max_items=4)
    except (MalformedError, TypeError, ValueError):
        name, message, base = "Exception", "", "Exception"
    return encode((str(name)[:100], str(message)[:300], str(base)[:100]))


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
