"""The verifier `code`: run a program on the tests of a problem, and compare the results in this process."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from verifiers.code import sandbox
from verifiers.code.compare import AnyOrder, Equality, Layout
from verifiers.code.formats import read_reference
from verifiers.code.options import BadReferenceError, read_options
from verifiers.code.packages import locate
from verifiers.code.program import source_problem
from verifiers.code.report import Feedback
from verifiers.code.runner import Sandbox, SandboxError
from verifiers.code.running import Runner
from verifiers.code.statement import promises
from verifiers.code.wrong import fenced, is_whole_program, wrong_programs
from verifiers.types import Problem, Verdict


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
        packages: what programs, tests and checkers may import beside the standard library: names of installed
            packages (with what these require), or folders, as "./packages". Read-only.
        max_time_limit, max_memory_mb: the most that a row may ask for, in seconds and in MB; a row that asks for more
            is unverifiable.
        time_limit: seconds for one test (for assertion-style tests, for all of them).
        memory_mb: memory of the program.
        tol: both of the next two, unless they are given.
        abs_tol: numbers that are not both integers may differ by this.
        rel_tol: they may differ by this part of the expected number. The larger of the two counts.
        equality: of function results, see `compare.Rules`: "strict", "typed" or "python".
        any_order: results may come in any order: True for the outermost list or the lines, "deep" for all lists.
        compare: of standard output, see `compare.Rules`: "exact", "lines" or "tokens".
        ignore_case: whether YES is Yes.
        imports: whether programs may use the names of `given` without importing them. By default they may, unless
            the tests are assertions.
        in_place: judge an argument that the function changes, not what it returns: True for the first, or an index.
        statement: whether what the prompt says of answers ("an error of 1e-6", "in any order") counts, see `statement`.

    From `time_limit` to `in_place` the options are what holds where a row says nothing: its reference may have them as
    keys, and what its prompt says of answers comes before the verifier's options.
    Raises ValueError for any other value.

    >>> problem = Problem("p", "Add.", {"entry": "add", "tests": [{"args": [1, 2], "expected": 3}]})
    >>> CodeVerifier().verify(problem, "", "def add(a, b): return a + b").status
    'correct'
    """

    name = "code"
    answer_format = "code"
    gold = "solution"

    def __init__(
        self,
        *,
        level: Literal["auto", "strong", "standard", "weak"] = "auto",
        allow_weak: bool = False,
        workers: int = 1,
        feedback: Feedback = "input",
        partial: bool = True,
        total_seconds: float = 300.0,
        packages: Sequence[str] = (),
        max_time_limit: float = 60.0,
        max_memory_mb: int = 4096,
        time_limit: float | None = None,
        memory_mb: float | None = None,
        tol: float | None = None,
        abs_tol: float | None = None,
        rel_tol: float | None = None,
        equality: Equality | None = None,
        any_order: AnyOrder | None = None,
        compare: Layout | None = None,
        ignore_case: bool | None = None,
        imports: bool | None = None,
        in_place: bool | int | None = None,
        statement: bool = True,
    ) -> None:
        if level not in ("auto", *sandbox.LEVELS):
            raise ValueError(f"level is {level!r}; expected auto, strong, standard or weak")
        if feedback not in ("status", "input", "expected"):
            raise ValueError(f"feedback is {feedback!r}; expected status, input or expected")
        if workers < 1:
            raise ValueError(f"workers is {workers}; expected at least 1")
        row: dict[str, Any] = {"time_limit": time_limit, "memory_mb": memory_mb, "imports": imports}
        row |= {"tol": tol, "abs_tol": abs_tol, "rel_tol": rel_tol, "equality": equality}
        row |= {"in_place": in_place, "any_order": any_order, "compare": compare, "ignore_case": ignore_case}
        self._defaults = read_options(row, "verifier_options")
        self._options = {"level": level, "allow_weak": allow_weak, "workers": workers, "feedback": feedback}
        self._options |= {"partial": partial, "total_seconds": total_seconds, **self._defaults}
        self._options |= {"packages": list(packages)} if packages else {}
        self._options |= {"statement": statement}
        self._options |= {"max_time_limit": max_time_limit, "max_memory_mb": max_memory_mb}
        self._most = {"time_limit": max_time_limit, "memory_mb": max_memory_mb}
        self.allow_weak, self._statement = allow_weak, statement
        self.deadline = total_seconds + 30.0  # a pool must not kill the worker of a slow, honest program
        self.feedback: Feedback = feedback
        self._wanted: sandbox.Level | Literal["auto"] = level
        shown = locate(packages)
        self._programs = Sandbox(lambda: sandbox.layers_for(level), workers, shown)
        self._tests = Sandbox(lambda: sandbox.layers_for(level), workers, shown)
        self._runner = Runner(self._programs, self._tests, partial, total_seconds)

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

    def as_response(self, problem: Problem) -> str | None:
        """A response with the first program that the problem's row carries; None if it carries none."""
        programs = problem.meta.get("solutions") or ()
        return fenced(programs[0]) if programs else None

    def wrong_responses(self, problem: Problem) -> dict[str, str]:
        """Programs that are wrong whatever the problem is, by what they do."""
        return {what: fenced(program) for what, program in wrong_programs(problem).items()}

    def comparable(self, problem: Problem, other: Problem) -> bool:
        """Whether a program for one could be one for the other: both read standard input."""
        return all(is_whole_program(x) for x in (problem, other))

    def verify(self, problem: Problem, trace: str, answer: str | None) -> Verdict:
        """Judge the program `answer`. The score is None only if the sandbox or the reference is at fault."""
        said = promises(problem.prompt) if self._statement else {}
        try:
            task = read_reference(problem.reference, self._most, {**self._defaults, **said})
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
            result = self._runner.run(task, problem, program)
        except SandboxError as error:
            return Verdict(None, "error", answer, f"sandbox: {error}")
        except BadReferenceError as error:
            return Verdict(None, "unverifiable", answer, str(error))
        failure, passed, total = result.failure, result.passed, result.total
        if failure is None:
            return Verdict(
                1.0, "correct", answer, f"passed {passed} of {total} tests" if total else "passed the tests"
            )
        share = f"; passed {passed} of {total}" if total else ""
        return Verdict(0.0, failure.status, answer, failure.text(self.feedback) + share)


def _rebuild(options: Mapping[str, Any]) -> CodeVerifier:
    return CodeVerifier(**options)
