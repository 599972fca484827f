"""From single steps to the whole trace: what fails first, what is taken back, what the conclusion is."""

from __future__ import annotations

from dataclasses import dataclass

from verifiers.reasoning.grammar import Number
from verifiers.reasoning.judge import Context, judge
from verifiers.reasoning.statements import chains
from verifiers.reasoning.tokens import scan

__all__ = ["Consistency", "check"]


@dataclass(frozen=True, slots=True)
class Consistency:
    """What reading a trace gave."""

    ok: bool
    first_failure: str | None
    """The first step that fails, quoted, with what is wrong with it."""
    read: int
    """Steps (relations) that could be judged."""
    unread: int
    """Steps that could not, and are not held against the trace."""


@dataclass(slots=True)
class Failure:
    start: int
    end: int
    truth: Number | None
    claim: Number | None


def check(trace: str, answer: str | None) -> Consistency:
    """Whether the arithmetic of `trace` holds and leads to `answer`. Total: any text gives a result."""
    context = Context()
    read = unread = 0
    failures: list[Failure] = []
    for chain in chains(scan(trace)):
        for k, relation in enumerate(chain.relations):
            left, right = chain.sides[k], chain.sides[k + 1]
            verdict = judge(chain, k, left, right, relation, context)
            if verdict.true is None:
                unread += relation in "=~%"
                continue
            read += 1
            if not verdict.true:
                failures.append(Failure(left.start, right.end, verdict.truth, verdict.claim))
    first = min(failures, key=lambda f: f.start, default=None)
    quoted = None if first is None else quote(trace, first)
    return Consistency(first is None, quoted, read, unread)


def quote(trace: str, failure: Failure) -> str:
    """The step as it stands, shortened, and what its left side is worth."""
    step = " ".join(trace[failure.start : failure.end].split())
    if len(step) > 120:
        step = step[:80] + " … " + step[-35:]
    return f"“{step}” does not hold"
