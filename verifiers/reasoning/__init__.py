"""Whether the trace z is consistent with itself and with the answer y. Rules, not a model: exact, in linear time.

Read is every arithmetic statement in prose, plain formulas and LaTeX. Statements that cannot be read do not count
against the trace; their share is in the verdict's detail. See `check`, which gives a result for any text.

What belongs in this package: whether the steps of a trace hold and lead to its answer. Whether the answer is right is
`verifiers.math`.

In the order of a check: `tokens` (with `notation`, `dollars`), `spoken` (relations in words), `statements` (clauses
and chains of relations), `sides` and `grammar` (expressions, as `tree`; with `cursor`), `functions` (what f is),
`values`, `relation` (with `algebra`, `polynomials`, `arrays`, `inequalities`, `rounding`, `parts`, `units`),
`equations` (from one statement to the next), `solutions` (values stated anywhere), `named` and `worded` (results and
calculations in words, of a `plain` text), `conclusion`, `trace_check`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Literal, get_args

from verifiers.reasoning.trace_check import Consistency, check
from verifiers.types import Problem, Verdict

__all__ = ["Consistency", "MathReasoningVerifier", "ReasoningVerifier", "check"]

EmptyTrace = Literal["accept", "refuse"]


def _require_empty_trace(value: str) -> None:
    if value not in get_args(EmptyTrace):
        raise ValueError(f"empty_trace is {value!r}; expected one of {', '.join(get_args(EmptyTrace))}")


@dataclass(slots=True)
class ReasoningVerifier:
    """Judges the trace alone: score 1 if it is consistent with itself and with the answer, else 0, "unsound".

    `empty_trace`: the score of a response with an answer and without reasoning ("accept": 1, "refuse": 0); its
    status is "no_trace" in both cases. Raises ValueError for any other value.

    >>> ReasoningVerifier().verify(problem, "2 + 2 = 5, so \\\\boxed{", "5").detail
    '“2 + 2 = 5” does not hold (left side: 4); 1 step read, 0 unread'
    """

    empty_trace: EmptyTrace = "refuse"
    name: str = field(default="reasoning", init=False)
    answer_format: str = field(default="boxed", init=False)

    def __post_init__(self) -> None:
        _require_empty_trace(self.empty_trace)

    def verify(self, problem: Problem, trace: str, answer: str | None) -> Verdict:
        if is_empty(trace):
            score = float(self.empty_trace == "accept")
            return Verdict(score, "no_trace", answer, "there is no reasoning before the answer", sound=None)
        found = check(trace, answer, problem.prompt)
        status = "correct" if found.ok else "unsound"
        return Verdict(float(found.ok), status, answer, describe(found), sound=float(found.ok))


class MathReasoningVerifier:
    """A right answer *and* consistent reasoning: correct, incorrect, unsound, or no_trace.

    `empty_trace`: the score of a right answer without reasoning ("accept": 1, "refuse": 0); its status is
    "no_trace" in both cases. Other options are those of `verifiers.math.MathVerifier`, which judges the answer.
    `answer_score` is the score of the answer alone, `sound` that of the reasoning alone. Raises ValueError for an
    unknown value of an option.
    """

    name = "math+reasoning"
    answer_format = "boxed"

    def __init__(
        self,
        empty_trace: EmptyTrace = "refuse",
        percent: str = "gold",
        units: str = "optional",
        rounding: str = "gold",
        whole: Iterable[str] = (),
    ) -> None:
        _require_empty_trace(empty_trace)
        from verifiers.math import MathVerifier  # late: only this verifier needs it

        self.empty_trace = empty_trace
        self.answers = MathVerifier(percent, units, rounding, whole)

    def warm_up(self) -> None:
        """Import what the first irrational answer needs, so that no verdict waits for it."""
        self.answers.warm_up()

    def as_response(self, problem: Problem) -> str:
        """A response that states the problem's own reference."""
        return self.answers.as_response(problem)

    def as_text(self, problem: Problem) -> bool:
        """Whether only the same text equals the reference; see `verifiers.math.MathVerifier.as_text`."""
        return self.answers.as_text(problem)

    def verify(self, problem: Problem, trace: str, answer: str | None) -> Verdict:
        verdict = self.answers.verify(problem, trace, answer)
        if verdict.score is None:
            return verdict
        right = verdict.score == 1.0
        if is_empty(trace):
            if not right:
                return verdict
            score = float(self.empty_trace == "accept")
            detail = "the answer is right; there is no reasoning before it"
            return Verdict(score, "no_trace", verdict.answer, detail, answer_score=1.0)
        found = check(trace, answer, problem.prompt)
        if not right:
            return replace(verdict, sound=float(found.ok))
        status = "correct" if found.ok else "unsound"
        return Verdict(
            float(found.ok), status, verdict.answer, describe(found), answer_score=1.0, sound=float(found.ok)
        )


def is_empty(trace: str) -> bool:
    """Whether a trace is empty but for words that introduce the answer ("The answer is \\\\boxed{")."""
    words = trace.replace("\\boxed", " ").lower().split()
    letters = " ".join("".join(c for c in word if c.isalnum()) for word in words)
    return " ".join(letters.split()) in _INTRODUCTIONS


_INTRODUCTIONS = frozenset(
    f"{lead}{core}".strip()
    for lead in ("", "so ", "thus ", "hence ", "therefore ")
    for core in (
        "",
        "the",
        "the final",
        "answer",
        "answer is",
        "the answer is",
        "the final answer is",
        "final answer",
    )
) | {"think think", "answer", "think think answer"}


def describe(found: Consistency) -> str:
    """One line: the first failure, and how many steps were read."""
    steps = f"{found.read} step{'s' * (found.read != 1)} read, {found.unread} unread"
    if found.read + found.unread:
        steps += f" ({found.unread / (found.read + found.unread):.0%})"
    return f"{found.first_failure}; {steps}" if found.first_failure else steps
