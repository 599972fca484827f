"""Is the reasoning z consistent with itself and with the answer y? Rules, no model; exact, linear, total.

What is read: every arithmetic statement, in prose, plain formulas and LaTeX. What is not read is not held against
the trace, but its share is in the verdict's detail. See `check`.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, Literal, get_args

from verifiers.reasoning.trace_check import Consistency, check
from verifiers.types import Problem, Verdict

__all__ = ["Consistency", "MathReasoningVerifier", "ReasoningVerifier", "check"]

EmptyTrace = Literal["accept", "refuse"]


def _require_empty_trace(value: str) -> None:
    if value not in get_args(EmptyTrace):
        raise ValueError(f"empty_trace is {value!r}; expected one of {', '.join(get_args(EmptyTrace))}")


@dataclass(slots=True)
class ReasoningVerifier:
    """Judges the trace alone: score 1 when it is consistent with itself and with the answer, else "unsound".

    `empty_trace`: what a response scores that gives an answer and no reasoning ("accept": 1, "refuse": 0); its
    status is "no_trace" either way. Raises ValueError for any other value.

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
            return Verdict(score, "no_trace", answer, "no reasoning stands before the answer", sound=None)
        found = check(trace, answer, problem.prompt)
        status = "correct" if found.ok else "unsound"
        return Verdict(float(found.ok), status, answer, describe(found), sound=float(found.ok))


class MathReasoningVerifier:
    """A right answer *and* consistent reasoning: correct, incorrect, unsound, or no_trace.

    `empty_trace`: what a right answer without reasoning scores ("accept": 1, "refuse": 0); its status is
    "no_trace" either way. Other options are those of `verifiers.math.MathVerifier`, which judges the answer.
    `answer_score` is the answer alone, `sound` the reasoning alone. Raises ValueError for an option's value that
    is not known.
    """

    name = "math+reasoning"
    answer_format = "boxed"

    def __init__(self, empty_trace: EmptyTrace = "refuse", **options: Any) -> None:
        _require_empty_trace(empty_trace)
        from verifiers.math import MathVerifier  # heavy; only this verifier needs it

        self.empty_trace = empty_trace
        self.answers = MathVerifier(**options)

    def warm_up(self) -> None:
        """Import what the first irrational answer would import."""
        self.answers.warm_up()

    def verify(self, problem: Problem, trace: str, answer: str | None) -> Verdict:
        verdict = self.answers.verify(problem, trace, answer)
        if verdict.score is None:
            return verdict
        right = verdict.score == 1.0
        if is_empty(trace):
            if not right:
                return verdict
            score = float(self.empty_trace == "accept")
            detail = "the answer is right; no reasoning stands before it"
            return Verdict(score, "no_trace", verdict.answer, detail, answer_score=1.0)
        found = check(trace, answer, problem.prompt)
        if not right:
            return replace(verdict, sound=float(found.ok))
        status = "correct" if found.ok else "unsound"
        return Verdict(
            float(found.ok), status, verdict.answer, describe(found), answer_score=1.0, sound=float(found.ok)
        )


def is_empty(trace: str) -> bool:
    """Whether a trace says nothing but what introduces the answer ("The answer is \\\\boxed{")."""
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
    """One line: the first failure, and how much was read."""
    steps = f"{found.read} step{'s' * (found.read != 1)} read, {found.unread} unread"
    if found.read + found.unread:
        steps += f" ({found.unread / (found.read + found.unread):.0%})"
    return f"{found.first_failure}; {steps}" if found.first_failure else steps
