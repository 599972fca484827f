"""The types of the package: a problem x, a verdict on trace z and answer y, and the protocol of a verifier."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, Protocol, get_args, runtime_checkable

from verifiers.messages import Message

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
    "answer_error",  # a built-in verifier failed on this answer, though the reference is good
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
    """The question as text: where a row holds chat messages, the last thing that the user says in them."""
    reference: Any
    """JSON-like: a string for mathematics, a mapping of tests for code."""
    meta: Mapping[str, Any] = field(default_factory=dict)
    """Whatever else the data set says of it (level, source, …); verifiers do not need it."""
    opened: str = ""
    """The mark, such as "<think>", with which the prompt that the policy read opened a thought, if it did: a response
    that does not close it has no answer. Where `prompt` itself ends with the mark, this need not be given."""
    history: tuple[Message, ...] = ()
    """The row's own messages before the question, as `{role, content}`: its system message, earlier turns."""
    source: str = ""
    """Name of the source that it is from, where a set has several; its verifier is chosen by it."""

    @property
    def messages(self) -> list[Message]:
        """The row's own messages, the question last."""
        return [*self.history, {"role": "user", "content": self.prompt}]

    def values(self) -> tuple[Any, ...]:
        """The fields in order, as plain values that can be pickled: `Problem(*values)` is the problem again."""
        return self.id, self.prompt, self.reference, dict(self.meta), self.opened, self.history, self.source


class Item(NamedTuple):
    """One response to judge, whole and cut: what `verify_many` gets a list of."""

    problem: Problem
    trace: str
    answer: str | None
    response: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a verifier says of one response.

    Raises ValueError for a score outside [0, 1] and for an unknown status.

    >>> Verdict(1.0, "correct", answer="1/2").solved, Verdict(0.5, "incorrect", pass_mark=0.4).solved
    (True, True)
    """

    score: float | None
    """In [0, 1]: 1 right, 0 wrong, between them partial credit, which training rewards; None if the response could not
    be judged for a reason that is not the policy's fault."""
    status: Status
    answer: str | None = None
    """The y that was judged, as canonical text."""
    detail: str = ""
    """One short line for a person."""
    answer_score: float | None = None
    """Score of y alone: equal to `score` unless the verifier also checks the reasoning."""
    sound: float | None = None
    """Score of the reasoning alone: 1.0, 0.0, or None if it was not checked."""
    pass_mark: float = 1.0
    """The score from which a response counts as solved: the verifier's, put in by whoever calls it."""

    def __post_init__(self) -> None:
        if self.score is not None and not is_score(self.score):
            raise ValueError(f"Verdict.score is {self.score!r}; expected a number from 0 to 1, or None")
        if self.answer_score is not None and not is_score(self.answer_score):
            raise ValueError(
                f"Verdict.answer_score is {self.answer_score!r}; expected a number from 0 to 1, or None"
            )
        if self.status not in STATUSES:
            raise ValueError(f"Verdict.status is {self.status!r}; expected one of {', '.join(STATUSES)}")
        if self.answer_score is None and self.status not in ("unsound", "no_trace"):
            object.__setattr__(self, "answer_score", self.score)

    @property
    def solved(self) -> bool | None:
        """The score reaches the pass mark: what the analysis counts. None where there is no score."""
        return None if self.score is None else self.score >= self.pass_mark


def is_score(value: object) -> bool:
    """A number from 0 to 1; true and false are 1 and 0."""
    return isinstance(value, int | float) and 0 <= value <= 1


@runtime_checkable
class Verifier(Protocol):
    """A rule that judges one response: all that a plug-in implements.

    `verify` is called in a worker process that may be killed; it need not be thread-safe, limit its own
    time or catch its own errors. It must be deterministic. It may be `async def`, and return a number from 0 to 1 in
    place of a `Verdict`. `verify_many(items)` in its place judges several responses with one call; a plain function
    can be a verifier too (`verifiers.forms`).

    Optional attributes: `pass_mark`, the score from which a response is solved (1 by default);
    `judges_missing_answers`; `warm_up`, `close`, `deadline` (see `VerifierPool`); and for services `concurrency`,
    `batch_size`, `timeout`, `retries`, `transient` (see `verifiers.calls`).

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
