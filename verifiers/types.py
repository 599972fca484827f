"""The types of the package: a problem x, a verdict on trace z and answer y, and the protocol of a verifier."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, get_args, runtime_checkable

Status = Literal[
    "correct",  # the answer is right, and the reasoning consistent where that is checked
    "incorrect",  # an answer was given and is wrong
    "unsound",  # the answer is right, the reasoning contradicts itself or it
    "no_trace",  # the answer is right, but the response gives no reasoning where some is required
    "no_answer",  # no answer could be cut from the response
    "timeout",  # judging this response ran past its deadline, or its program did
    "memory",  # … past its memory
    "output",  # … past its output
    "crash",  # the program in the response died, or the worker that judged it did
    "error",  # the verifier itself failed, which is not the policy's fault: score None
    "unverifiable",  # the reference is not usable, which is a fault of the data: score None
]
STATUSES: tuple[Status, ...] = get_args(Status)


@dataclass(frozen=True, slots=True)
class Problem:
    """One problem x and the reference that its answer is judged against.

    >>> Problem(id="gsm8k-1", prompt="What is 1/4 + 1/4?", reference="1/2")
    """

    id: str
    prompt: str
    reference: Any
    """JSON-like: a string for mathematics, a mapping of tests for code."""
    meta: Mapping[str, Any] = field(default_factory=dict)
    """Whatever else the data set says of it (level, source, …); verifiers do not need it."""
    opened: str = ""
    """The mark, such as "<think>", with which the prompt that the policy read opened a thought, if it did: a response
    that does not close it has no answer. Where `prompt` itself ends with the mark, this need not be given."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a verifier says of one response.

    >>> Verdict(1.0, "correct", answer="1/2")
    """

    score: float | None
    """1.0 or 0.0; None if the response could not be judged for a reason that is not the policy's fault."""
    status: Status
    answer: str | None = None
    """The y that was judged, as canonical text."""
    detail: str = ""
    """One short line for a person."""
    answer_score: float | None = None
    """Score of y alone: equal to `score` unless the verifier also checks the reasoning."""
    sound: float | None = None
    """Score of the reasoning alone: 1.0, 0.0, or None if it was not checked."""

    def __post_init__(self) -> None:
        if self.score not in (0.0, 1.0, None):
            raise ValueError(f"Verdict.score is {self.score!r}; expected 1.0, 0.0 or None")
        if self.status not in STATUSES:
            raise ValueError(f"Verdict.status is {self.status!r}; expected one of {', '.join(STATUSES)}")
        if self.answer_score is None and self.status not in ("unsound", "no_trace"):
            object.__setattr__(self, "answer_score", self.score)


@runtime_checkable
class Verifier(Protocol):
    """A rule that judges one response: all that a plug-in implements.

    `verify` is called in a worker process that may be killed; it need not be thread-safe, limit its own
    time or catch its own errors. It must be deterministic.

    >>> class Shout:
    ...     name, answer_format = "shout", "text"
    ...     def verify(self, problem, trace, answer):
    ...         right = answer == problem.reference.upper()
    ...         return Verdict(float(right), "correct" if right else "incorrect", answer)
    """

    name: str
    answer_format: str
    """How `extract.cut` finds y in the response: "boxed", "text", "code", … (see there)."""

    def verify(self, problem: Problem, trace: str, answer: str | None) -> Verdict:
        """Judge trace z and answer y to problem x. `answer` is None if the response has no answer."""
        ...
