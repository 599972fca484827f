"""The three ways to run a program on a problem's tests: function calls, standard input, assertions.

Expected values stay in this process; the program sees arguments or an input, and the comparison happens here
(`compare`) or in a checker's process.
"""

from __future__ import annotations

import math
import os
import re
import time
from collections import OrderedDict
from dataclasses import dataclass, field, replace
from typing import Any

from verifiers.code import checker, nodes, wire
from verifiers.code.compare import count_items, same, same_text
from verifiers.code.failures import broken, died, failed_assertion, not_a_value, over_memory
from verifiers.code.formats import CodeTask
from verifiers.code.names import TestNames, read_names
from verifiers.code.options import BadReferenceError
from verifiers.code.program import complete, preamble, signature
from verifiers.code.report import Failure, show
from verifiers.code.runner import (
    FILE_BYTES,
    MAX_STDOUT,
    DeadlineError,
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
            first = first or over_memory(process.kill(), task, limits)
        return Result(first, passed, total)

    def _next_value(
        self, process: Process, task: CodeTask, test: tuple[list, dict, Any], end_of_all: float
    ) -> tuple[Failure | None, bool]:
        """(what is wrong with the next answer, whether another one may follow)."""
        try:
            answer = process.frame(min(time.monotonic() + task.time_limit, end_of_all))
        except (DeadlineError, OutputError, ForgeryError) as error:
            return broken(error, task), False
        if answer is None:
            return died(process.end, task), False
        kind, payload = answer
        if kind != wire.VALUE:
            return not_a_value(kind, payload), kind != wire.LOAD_FAILED
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
                return broken(error, task)
            raised = process.frames.popleft() if process.frames else None
            if end.why != wire.ENDED_ITSELF or end.exit_code != 0:
                if raised and raised[0] == wire.EXCEPTION:
                    return not_a_value(*raised)
                return died(end, task)
            output = process.stdout.decode("utf-8", "replace")
        why = self._wrong_output(task, given, expected, output)
        return over_memory(end, task, limits) if why is None else Failure("incorrect", why, got=show(output))

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
            if self._converse_once(task, setup, names, [""])[0] is None:
                raise BadReferenceError(
                    "reference['test_code'] accepts a program in which nothing is defined"
                )
            self._refusing[key] = None
            if len(self._refusing) > REMEMBERED:
                self._refusing.popitem(last=False)
        sources = complete(program, prompt, entry)
        failure, altered = self._converse_once(task, setup, names, sources)
        if failure is None and altered and self._accept_emptied(task, setup, names):
            failure, _ = self._converse_once(task, setup, names, sources, follow=False)
        return failure

    def _accept_emptied(self, task: CodeTask, setup: str, names: TestNames) -> bool:
        """Whether the tests accept a program that empties its arguments and returns nothing to speak of.

        So do tests that compare the result with the argument afterwards: `r = f(x); assert r == sorted(x)`.
        """
        for result in ("[]", "0", "''", "{}"):
            try:
                if self._converse_once(task, setup, names, [_emptying(names, result)])[0] is None:
                    return True
            except BadReferenceError:  # the tests could not do with that result what they do
                continue
        return False

    def _converse_once(
        self, task: CodeTask, setup: str, names: TestNames, sources: list[str], follow: bool = True
    ) -> tuple[Failure | None, bool]:
        """Tests run in one process, the program in another, and only values and references pass between them.

        Also whether a function returned a value and changed an argument; the tests see such changes if `follow`.
        """
        nonce, request = job(
            **_environment(task, sources),
            in_tests=True,
            prints=_PRINTS.search(task.test_code or "") is not None,
        )
        tests_nonce, tests_request = job(
            code=task.test_code,
            setup=setup,
            entry=task.entry,
            follow=follow,
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
                    failure, altered = _converse(task, candidate, write, tester, tests_write, deadline)
                    return failure or over_memory(candidate.kill(), task, limits), altered
                except (DeadlineError, OutputError, ForgeryError) as error:
                    return broken(error, task), False
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
) -> tuple[Failure | None, bool]:
    """Carry questions and answers between tests and program until the tests end. Only one of the two runs at a time.

    Also whether the tests that passed saw a function return a value and change an argument.
    """
    while True:
        message = tester.frame(deadline)
        if message is None:
            return died(tester.end, task), False
        kind, payload = message
        if kind == wire.PASSED:
            return None, _passed(payload)
        if kind not in _PASSED_ON:
            return _ended(kind, payload, task), False
        write_before(to_candidate, wire.frame(_PASSED_ON[kind], payload), deadline)
        answer = candidate.frame(deadline)
        if answer is None:
            return died(candidate.end, task), False
        kind, payload = answer
        if kind not in _PASSED_ON:
            return not_a_value(kind, payload), False
        payload = _checked_exception(payload) if kind == wire.THROWN else payload
        write_before(to_tester, wire.frame(_PASSED_ON[kind], payload), deadline)


_PRINTS = re.compile(r"stdout|capsys|capfd")
_PASSED_ON = {wire.ASK: wire.CALL, wire.VALUE: wire.REPLY, wire.THROWN: wire.RAISED}


def _passed(payload: bytes) -> bool:
    """Whether a function returned a value and changed an argument. Raises BadReferenceError if none was called."""
    calls, altered = decode(payload)
    if calls == 0:
        raise BadReferenceError("reference['test_code'] never calls the program")
    return altered


def _emptying(names: TestNames, result: str) -> str:
    """A program that empties all arguments of whatever is called, and returns `result`."""
    body = "for x in (*args, *kwargs.values()):\n        getattr(x, 'clear', int)()\n    return "
    lines = [f"def _empty(*args, **kwargs):\n    {body}{result}\n"]
    lines += ["class Solution:\n    def __getattr__(self, name):\n        return _empty\n"]
    lines += [f"{name} = _empty\n" for name in sorted(names.functions - {"Solution"})]
    return "".join(lines)


def _ended(kind: bytes, payload: bytes, task: CodeTask) -> Failure:
    """How the tests failed. Raises BadReferenceError where that is their own doing."""
    if kind == wire.BAD_TESTS:
        why = ": ".join(map(str, decode(payload)[:2]))
        raise BadReferenceError(f"reference['test_code'] cannot be run: {why}")
    name, message, line, from_candidate = decode(payload)
    return failed_assertion(name, message, line, from_candidate, task.test_code or "")


def _checked_exception(payload: bytes) -> bytes:
    """(type name, message, built-in base), whatever the program sent."""
    try:
        name, message, base = decode(payload, max_items=4)
    except (MalformedError, TypeError, ValueError):
        name, message, base = "Exception", "", "Exception"
    return encode((str(name)[:100], str(message)[:300], str(base)[:100]))
