"""Properties that every verifier must have, and a check of all of them on any verifier.

>>> from verifiers.conformance import Example, check
>>> report = check("my_package.graders:Shout", examples=[Example("hello", right="HELLO", wrong="hello")])
>>> report.raise_if_failed()

In a test suite, subclass `verifiers.pytest_plugin.ConformanceTests`. Everything but the thread check runs in
a `VerifierPool`, so that a verifier that hangs or crashes is reported and does not end the test run.
"""

from __future__ import annotations

import pickle
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property, partial
from itertools import cycle, islice, pairwise
from types import FunctionType
from typing import Any

from verifiers import fuzz as fuzzing
from verifiers.judging import VerifierFailed, judge
from verifiers.pool import PoolStats, VerifierPool
from verifiers.registry import load
from verifiers.types import Problem, Verdict, Verifier

SHOWN = 5  # findings kept per property
BROKEN_REFERENCES: tuple[Any, ...] = (None, [], {"no": "reference"}, [None])
HEDGES = (
    "{0} or {1}",
    "{1} or {0}",
    "either {0} or {1}",
    "{0}, {1}",
    "{1}; {0}",
    "{0} and {1}",
    "{0} (or {1})",
)
LEADS = ("Let me think about this first.\n\n", "Read the question again, slowly. " * 200, "ß 🧮 \u200b\n")


class ConformanceError(AssertionError):
    """A verifier lacks a property that every verifier must have."""


@dataclass(frozen=True, slots=True)
class Example:
    """A reference with a right and a wrong answer: y alone, without a box or a code fence."""

    reference: Any
    right: str
    wrong: str
    prompt: str = ""


@dataclass(frozen=True, slots=True)
class Finding:
    """One case in which a verifier does not have a property."""

    property: str
    what: str


@dataclass(slots=True)
class Report:
    """The result of `check`. `str(report)` is for a person."""

    verifier: str
    findings: list[Finding] = field(default_factory=list)
    passed: list[str] = field(default_factory=list)
    skipped: dict[str, str] = field(default_factory=dict)
    """Property → why it was not checked."""

    @property
    def ok(self) -> bool:
        return not self.findings

    def raise_if_failed(self) -> None:
        """Raise `ConformanceError`, an `AssertionError`, with every finding if there is one."""
        if self.findings:
            raise ConformanceError(str(self))

    def __str__(self) -> str:
        failed = list(dict.fromkeys(finding.property for finding in self.findings))
        lines = [f"{self.verifier}: {len(self.passed)} properties hold, {len(failed)} do not"]
        lines += [f"  {finding.property}: {finding.what}" for finding in self.findings]
        lines += [f"  {name}: not checked, {why}" for name, why in self.skipped.items()]
        return "\n".join(lines)


class Restored:
    """Unpickles, in a worker, the instance that was passed to `check`."""

    def __new__(cls, pickled: bytes) -> Any:
        return pickle.loads(pickled)

    def verify(self, problem: Problem, trace: str, answer: str | None) -> Verdict:
        """So that `load` makes one; what it gets is the verifier that was pickled."""
        raise NotImplementedError


def check(
    verifier: str | type | Verifier,
    *,
    examples: Sequence[Example] | None = None,
    fuzz: int = 10_000,
    options: Mapping[str, Any] | None = None,
    deadline: float = 5.0,
    only: Iterable[str] | None = None,
    problems: Sequence[Problem] = (),
) -> Report:
    """Check `PROPERTIES` of a verifier.

    Args:
        verifier: a spec as for `verifiers.load`, a class or a function that a fresh interpreter can import (all with
            `options`), or an instance that can be pickled.
        examples: known right and wrong answers; by default the verifier's own attribute `examples`. Without
            any, the properties that need them are reported as not checked.
        fuzz: how many hostile texts it must survive.
        deadline: seconds within which each of them must be judged.
        only: names of the properties to check; by default all.
        problems: those that the hostile texts are answers to; by default the examples'.

    Raises as `verifiers.load` and `VerifierPool` do if the verifier cannot be loaded.
    """
    spec, options = _spec(verifier, dict(options or {}))
    instance = load(spec, **options)
    known = list(getattr(instance, "examples", ()) if examples is None else examples)
    report = Report(instance.name)
    with VerifierPool(spec, options, deadline=deadline, cache=0) as pool:
        kit = Kit(instance, pool, known, fuzz, problems)
        for name in PROPERTIES if only is None else only:
            reason = kit.not_checked(name)
            if reason:
                report.skipped[name] = reason
                continue
            found = list(islice(PROPERTIES[name](kit), SHOWN))
            report.findings += [Finding(name, what) for what in found]
            if not found:
                report.passed.append(name)
    return report


class Kit:
    """A verifier under test, a pool that runs it, and what the properties need."""

    def __init__(
        self,
        verifier: Verifier,
        pool: VerifierPool,
        examples: list[Example],
        fuzz: int,
        problems: Sequence[Problem] = (),
    ) -> None:
        self.verifier = verifier
        self.pool = pool
        self.examples = examples
        self.fuzz = fuzz
        self.problems = problems
        self.lost = PoolStats()  # set by `judged`: how many workers the pool lost

    def not_checked(self, name: str) -> str:
        if name in _NEED_EXAMPLES and not self.examples:
            return "there are no examples"
        if name == "symmetric" and not getattr(self.verifier, "symmetric", False):
            return "not declared (`symmetric = True`)"
        if name == "last_answer" and self.verifier.answer_format == "text":
            return "the whole response is the answer"
        if name == "hedges" and self.verifier.answer_format == "code":
            return "programs do not hedge"
        return ""

    def present(self, answer: str, lead: str = "") -> str:
        """A response that gives `answer` in the verifier's format."""
        if self.verifier.answer_format in ("boxed", "choice"):
            return f"{lead}The answer is \\boxed{{{answer}}}."
        if self.verifier.answer_format == "code":
            return f"{lead}\n```python\n{answer}\n```\n"
        return f"{lead}\n{answer}" if lead else answer

    @cached_property
    def hostile(self) -> list[tuple[Problem, str]]:
        """The fuzz texts, every second one as the answer in a response, the others as the whole response."""
        examples = self.examples or [Example("7", "7", "8")]
        problems = cycle(self.problems or [_problem(example) for example in examples])
        texts = fuzzing.texts(self.fuzz)
        return [(next(problems), self.present(t) if i % 2 else t) for i, t in enumerate(texts)]

    def score(self, items: Sequence[tuple[Problem, str]]) -> list[Verdict]:
        """The pool's verdicts; where the verifier failed, "error"."""
        return [_verdict(future.result) for future in [self.pool.submit(*item) for item in items]]

    @cached_property
    def judged(self) -> list[Verdict]:
        """Verdicts on `hostile`; only on its beginning if several texts made the verifier hang or crash."""
        verdicts: list[Verdict] = []
        for start in range(0, len(self.hostile), 500):
            verdicts += self.score(self.hostile[start : start + 500])
            self.lost = self.pool.stats
            if self.lost.timeouts + self.lost.crashes + self.lost.memory > SHOWN:
                break
        return verdicts

    @cached_property
    def tame(self) -> list[tuple[Problem, str, Verdict]]:
        """Short texts of `hostile` that the verifier itself judged, for checks that repeat them."""
        pairs = zip(self.hostile, self.judged, strict=False)
        own = (s for s in pairs if s[1].status not in ("timeout", "memory", "crash"))
        return [
            (problem, text, verdict) for (problem, text), verdict in islice(own, 2000) if len(text) < 1000
        ]


def _verdict(ask: Callable[[], Verdict]) -> Verdict:
    try:
        return ask()
    except VerifierFailed as failed:
        return Verdict(None, "error", detail=str(failed))


def _fits(verdict: Verdict) -> bool:
    """Whether the score is one that its status may have."""
    if verdict.status in ("error", "unverifiable"):
        return verdict.score is None
    if verdict.score is None or verdict.status == "no_trace":
        return verdict.score is not None
    return verdict.solved is (verdict.status == "correct")


def _problem(example: Example) -> Problem:
    return Problem("example", example.prompt, example.reference)


def examples_judged(kit: Kit) -> Iterator[str]:
    """Right answers are accepted, wrong ones refused."""
    items = [(e, answer, answer is e.right) for e in kit.examples for answer in (e.right, e.wrong)]
    verdicts = kit.score([(_problem(e), kit.present(answer)) for e, answer, _ in items])
    for (example, answer, right), verdict in zip(items, verdicts, strict=True):
        accepted = verdict.answer_score is not None and verdict.answer_score >= verdict.pass_mark
        if verdict.answer_score is None or accepted is not right:
            kind = "right" if right else "wrong"
            yield f"{kind} answer {answer!r} to {example.reference!r} got {_show(verdict)}"


def total(kit: Kit) -> Iterator[str]:
    """Every text gets a verdict, and its score fits its status."""
    for (_, text), verdict in zip(kit.hostile, kit.judged, strict=False):
        if verdict.status in ("error", "answer_error"):
            yield f"{_quote(text)}: {verdict.detail}"
        elif not _fits(verdict):
            yield f"{_quote(text)} got the score {verdict.score} with the status {verdict.status!r}"


def bounded(kit: Kit) -> Iterator[str]:
    """No text makes it hang, crash, or run out of memory."""
    judged = kit.judged
    for count, status in (
        (kit.lost.timeouts, "timeout"),
        (kit.lost.crashes, "crash"),
        (kit.lost.memory, "memory"),
    ):
        if count:  # the statuses alone may be the verifier's own verdict on a program
            texts = [text for (_, text), v in zip(kit.hostile, judged, strict=False) if v.status == status]
            yield f"{status} on {count} of {len(judged)} texts: {', '.join(map(_quote, texts[:SHOWN]))}"


def deterministic(kit: Kit) -> Iterator[str]:
    """The same verdict every time: in another worker, in another order."""
    again = kit.score([(problem, text) for problem, text, _ in reversed(kit.tame)])
    for (_, text, first), second in zip(reversed(kit.tame), again, strict=True):
        if first != second:
            yield f"{_quote(text)} got {_differ(first, second)}"


def symmetric(kit: Kit) -> Iterator[str]:
    """Swapping reference and answer does not change the verdict."""
    values = fuzzing.answers(min(kit.fuzz, 600))
    pairs = list(pairwise(values))
    pairs += [
        (e.reference, y) for e in kit.examples if isinstance(e.reference, str) for y in (e.right, e.wrong)
    ]
    ways = [(a, b) for pair in pairs for a, b in (pair, pair[::-1])]
    verdicts = kit.score([(Problem("pair", "", a), kit.present(b)) for a, b in ways])
    for i, (a, b) in enumerate(pairs):
        forth, back = verdicts[2 * i], verdicts[2 * i + 1]
        judged = "no_answer" not in (forth.status, back.status) and None not in (forth.score, back.score)
        if judged and forth.answer_score != back.answer_score:
            yield f"{b!r} to {a!r} got {_show(forth)}, {a!r} to {b!r} got {_show(back)}"


def last_answer(kit: Kit) -> Iterator[str]:
    """Text before the last answer does not change the verdict."""
    leads = list(LEADS)
    for example in kit.examples:
        said = (example.right, example.wrong)
        before = [*leads, *(kit.present(earlier) + "\nNo, once more.\n" for earlier in said)]
        for answer in said:
            responses = [kit.present(answer, lead) for lead in ("", *before)]
            alone, *others = kit.score([(_problem(example), response) for response in responses])
            for response, verdict in zip(responses[1:], others, strict=True):
                if verdict.answer_score != alone.answer_score:
                    said_now = f"{_quote(response)} {_show(verdict)}"
                    yield f"{answer!r} to {example.reference!r} got {_show(alone)}, {said_now}"


def hedges(kit: Kit) -> Iterator[str]:
    """A response that names the right answer among others is not right."""
    items = [(e, hedge.format(e.right, e.wrong)) for e in kit.examples for hedge in HEDGES]
    verdicts = kit.score([(_problem(e), kit.present(answer)) for e, answer in items])
    for (example, answer), verdict in zip(items, verdicts, strict=True):
        if verdict.solved or (verdict.answer_score or 0.0) >= verdict.pass_mark:
            yield f"the hedge {answer!r} was accepted for {example.reference!r}"


def blame(kit: Kit) -> Iterator[str]:
    """An unusable reference is not the fault of the response: score None."""
    example = kit.examples[0]
    for reference in BROKEN_REFERENCES:
        problem = Problem("broken", example.prompt, reference)
        responses = [kit.present(example.right), kit.present(example.wrong)]
        for verdict in kit.score([(problem, response) for response in responses]):
            if verdict.score is not None:
                yield f"with the reference {reference!r}: {_show(verdict)}; expected score None"


def threads(kit: Kit) -> Iterator[str]:
    """One instance gives the same verdicts when eight threads call it at once."""
    sample = kit.tame[:200]
    items = [(problem, text) for problem, text, _ in sample]
    alone = [_verdict(partial(judge, kit.verifier, *item)) for item in items]

    def work(start: int) -> list[Verdict]:
        turned = [*items[start:], *items[:start]]
        verdicts = [_verdict(partial(judge, kit.verifier, *item)) for item in turned]
        return [*verdicts[len(items) - start :], *verdicts[: len(items) - start]]

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)  # switch threads as often as possible
    try:
        with ThreadPoolExecutor(8) as executor:
            rounds = list(executor.map(work, [i * len(items) // 8 for i in range(8)]))
    finally:
        sys.setswitchinterval(interval)
    for verdicts in rounds:
        for (_, text), first, second in zip(items, alone, verdicts, strict=True):
            if first != second:
                yield f"{_quote(text)} got {_differ(first, second)} among threads"


PROPERTIES: dict[str, Callable[[Kit], Iterator[str]]] = {
    "examples": examples_judged,
    "total": total,
    "bounded": bounded,
    "deterministic": deterministic,
    "symmetric": symmetric,
    "last_answer": last_answer,
    "hedges": hedges,
    "blame": blame,
    "threads": threads,
}
_NEED_EXAMPLES = {"examples", "last_answer", "hedges", "blame"}


def _spec(verifier: str | type | Verifier, options: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    if isinstance(verifier, str):
        return verifier, options
    if isinstance(verifier, type | FunctionType):
        if "<locals>" in verifier.__qualname__:
            raise TypeError(f"{verifier.__qualname__} is defined in a function; define it in a module")
        return f"{verifier.__module__}:{verifier.__qualname__}", options
    if options:
        raise TypeError("options go with a name or a class, not with an instance")
    try:
        return f"{__name__}:{Restored.__qualname__}", {"pickled": pickle.dumps(verifier)}
    except Exception as error:
        raise TypeError(
            f"this {type(verifier).__name__} cannot be sent to a worker ({error}); give its class or its path"
        ) from error


def _show(verdict: Verdict) -> str:
    detail = f" ({verdict.detail[:80]})" if verdict.detail else ""
    return f"{verdict.score} {verdict.status!r}{detail}"


def _differ(first: Verdict, second: Verdict) -> str:
    names = [
        f for f in ("score", "status", "answer", "detail", "sound") if getattr(first, f) != getattr(second, f)
    ]
    return ", ".join(f"{name} {getattr(first, name)!r}, then {getattr(second, name)!r}" for name in names)


def _quote(text: str) -> str:
    return repr(text) if len(text) <= 80 else f"{text[:60]!r}… ({len(text):,} characters)"
