"""Whether a verifier and a data set go together: the set's own answers are judged, and answers that must be wrong.

An answer of the set's own is a problem's reference (mathematics, text) or a program that its row carries (code).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from verifiers.judging import judge
from verifiers.pool import VerifierPool, VerifierPools
from verifiers.types import Problem, Verdict, Verifier

FIRST_SHOWN = 5
"""Problems of each fault that are named."""
STAND_IN = {True: "\\boxed{0}", False: "0"}
"""The response to a problem whose reference cannot be written as an answer, by whether answers are in boxes."""
PROGRAMS = 500
"""Problems of a set of programs that are tried, spread evenly; of any other set all are."""


@dataclass(slots=True)
class SelfTest:
    """Whether a verifier accepts each problem's own answer, and refuses a neighbour's and what is wrong on purpose."""

    problems: int = 0
    of: int = 0
    """Problems of the set, of which `problems` were tried."""
    gold: str = "reference"
    """What a problem's own answer is: "reference", or "solution" for programs."""
    own_accepted: int = 0
    neighbours_refused: int = 0
    neighbours: int = 0
    wrong_refused: int = 0
    wrong: int = 0
    """Responses that are wrong on purpose."""
    own_refused: list[tuple[str, str]] = field(default_factory=list)
    """(id, status and detail of the verdict)"""
    unjudged: list[tuple[str, str]] = field(default_factory=list)
    """Of those, the ones that got no verdict at all: (id, status and detail)"""
    neighbours_accepted: list[tuple[str, str]] = field(default_factory=list)
    """(id, id of the neighbour whose answer was accepted)"""
    wrong_accepted: list[tuple[str, str]] = field(default_factory=list)
    """(id, what was accepted)"""
    untestable: list[str] = field(default_factory=list)
    """Ids of problems that have no answer of their own (a row without a solution)."""
    unverifiable: list[tuple[str, str]] = field(default_factory=list)
    """(id, why) of problems that no response can have a verdict on: the reference or the tests cannot be used."""
    as_text: list[tuple[str, str]] = field(default_factory=list)
    """(id, reference) of problems whose reference only the same text equals: a word, or an unread formula"""

    @property
    def ok(self) -> bool:
        return not (self.own_refused or self.neighbours_accepted or self.wrong_accepted or self.unverifiable)

    @property
    def tested(self) -> int:
        """Problems with an answer of their own."""
        return self.problems - len(self.untestable)

    @property
    def share_accepted(self) -> float:
        """Own answers that are accepted, of those that have a verdict; 1 without any."""
        judged = self.own_accepted + len(self.own_refused)
        return self.own_accepted / judged if judged else 1.0

    @property
    def share_unverifiable(self) -> float:
        """Problems that will never have a verdict; 0 without any."""
        return len(self.unverifiable) / max(1, self._judged)

    @property
    def _judged(self) -> int:
        """Problems that something was judged on."""
        return self.problems if self.wrong or self.gold == "reference" else self.tested

    @property
    def share_wrong_accepted(self) -> float:
        """Responses that are wrong on purpose and accepted; 0 without any."""
        return len(self.wrong_accepted) / max(1, self.wrong)

    def __str__(self) -> str:
        lines = [
            f"{self.own_accepted:,} of {self.tested:,} {self.gold}s accepted as the answer to their own problem, "
            f"{self.neighbours_refused:,} of {self.neighbours:,} {self.gold}s of a neighbour refused"
        ]
        if self.wrong:
            lines.append(
                f"  {self.wrong_refused:,} of {self.wrong:,} programs that are wrong on purpose refused"
            )
        if self.of > self.problems:
            lines.append(f"  {self.problems:,} of {self.of:,} problems were tried, spread evenly")
        if self.untestable:
            what = "has no solution" if self.gold == "solution" else "is not an answer"
            lines.append(f"  {len(self.untestable):,} cannot be tested: the {_ROW[self.gold]} {what}")
        if self.unverifiable:
            found = f"{len(self.unverifiable):,} of {self._judged:,} {_WHAT[self.gold]} ({self.share_unverifiable:.1%})"
            lines.append(f"  {found} {_HOPELESS[self.gold]}, so their problems never get a verdict:")
            lines += _named(self.unverifiable)
        if self.as_text:
            lines.append(
                f"  {len(self.as_text):,} of {self.tested:,} references ({len(self.as_text) / self.tested:.1%}) are "
                "words or formulas that are not read: only the same text equals them:"
            )
            lines += _named(self.as_text)
        lines += [f"  own {self.gold} refused: {id_}: {why}" for id_, why in self.own_refused[:FIRST_SHOWN]]
        if len(self.own_refused) > FIRST_SHOWN:
            lines.append(f"  and {len(self.own_refused) - FIRST_SHOWN:,} more")
        if self.wrong_accepted:
            lines.append(f"  {len(self.wrong_accepted):,} programs accepted that are wrong on purpose:")
            lines += _named(self.wrong_accepted)
        lines += [
            f"  {self.gold} of {other} accepted for {id_}"
            for id_, other in self.neighbours_accepted[:FIRST_SHOWN]
        ]
        return "\n".join(lines)


_ROW = {"reference": "reference", "solution": "row"}
_WHAT = {"reference": "references", "solution": "problems"}
_HOPELESS = {"reference": "no answer can equal", "solution": "have tests that cannot be used"}


def _named(faults: Iterable[tuple[str, str]]) -> list[str]:
    return [f"    {id_}: {why}" for id_, why in list(faults)[:FIRST_SHOWN]]


@dataclass(frozen=True, slots=True)
class _Trial:
    """A response that is judged: whose answer it is, or how it is wrong; neither, where it stands in for an answer."""

    problem: Problem
    response: str
    origin: Problem | None = None
    wrong: str = ""


def self_test(
    problems: Sequence[Problem],
    verifier: str | Verifier,
    options: Mapping[str, Any] | None = None,
    pool: VerifierPool | VerifierPools | None = None,
) -> SelfTest:
    """Judge every problem's own answer as a response to it and to a problem before it, and what is wrong on purpose.

    With a name (and `options`) a pool judges (`pool`, or one of its own), with a verifier this process. Only
    `answer_score` counts, whatever else the verifier asks of a response (a trace). The response that states a
    problem's own answer is `verifier.as_response(problem)` if there is such a method, else the reference, in a box if
    that is its format; `verifier.wrong_responses(problem)`, if there is such a method, gives what must be refused:
    name → response.
    """
    instance = verifier if not isinstance(verifier, str) else _load(verifier, options)
    chosen = spread(problems, PROGRAMS) if instance.answer_format == "code" else problems
    result = SelfTest(problems=len(chosen), of=len(problems), gold=getattr(instance, "gold", "reference"))
    trials = list(_trials(result, chosen, instance))
    items = [(trial.problem, trial.response) for trial in trials]
    if pool is not None:
        verdicts = pool.score(items)
    elif isinstance(verifier, str):
        with VerifierPool(verifier, options) as own_pool:
            verdicts = own_pool.score(items)
    else:
        verdicts = [judge(instance, problem, response) for problem, response in items]
    hopeless: dict[str, str] = {}
    for trial, verdict in zip(trials, verdicts, strict=True):
        if verdict.status == "unverifiable":
            if trial.origin is None or trial.origin is trial.problem:
                hopeless.setdefault(trial.problem.id, verdict.detail)
        else:
            _enter(result, trial, verdict)
    result.unverifiable = list(hopeless.items())
    if (as_text := getattr(instance, "as_text", None)) is not None:
        words = [problem for problem in chosen if problem.id not in hopeless and as_text(problem)]
        result.as_text = [(problem.id, str(problem.reference)[:80]) for problem in words]
    return result


def spread(problems: Sequence[Problem], most: int) -> Sequence[Problem]:
    """At most `most` of the problems, spread evenly."""
    if len(problems) <= most:
        return problems
    return [problems[i * len(problems) // most] for i in range(most)]


def _trials(result: SelfTest, problems: Sequence[Problem], verifier: Verifier) -> Iterable[_Trial]:
    responses = [as_response(verifier, problem) for problem in problems]
    result.untestable = [p.id for p, response in zip(problems, responses, strict=True) if response is None]
    wrong_of = getattr(verifier, "wrong_responses", lambda _: {})
    comparable = getattr(verifier, "comparable", lambda *_: True)
    for i, problem in enumerate(problems):
        for name, response in wrong_of(problem).items():
            yield _Trial(problem, response, wrong=name)
        own = responses[i]
        if own is None:
            if result.gold == "reference":  # whether any answer could have a verdict, a stand-in shows
                yield _Trial(problem, STAND_IN[verifier.answer_format == "boxed"])
            continue
        yield _Trial(problem, own, problem)
        for j in range(i + 1, min(i + 10, len(problems))):
            response = responses[j]
            if response is not None and response != own and comparable(problem, problems[j]):
                yield _Trial(problem, response, problems[j])
                break


def _enter(result: SelfTest, trial: _Trial, verdict: Verdict) -> None:
    accepted = verdict.answer_score is not None and verdict.answer_score >= verdict.pass_mark
    id_ = trial.problem.id
    if trial.wrong:
        result.wrong += 1
        result.wrong_refused += not accepted
        if accepted:
            result.wrong_accepted.append((id_, trial.wrong))
    elif trial.origin is trial.problem:
        result.own_accepted += accepted
        if not accepted:
            result.own_refused.append((id_, f"{verdict.status} {verdict.detail}".strip()))
            if verdict.score is None:
                result.unjudged.append(result.own_refused[-1])
    elif trial.origin is not None:
        result.neighbours += 1
        result.neighbours_refused += not accepted
        if accepted:
            result.neighbours_accepted.append((id_, trial.origin.id))


def as_response(verifier: Verifier, problem: Problem) -> str | None:
    """A response whose answer is the problem's own; None if it has none, or it cannot be written as an answer."""
    own = getattr(verifier, "as_response", None)
    if own is not None:
        return own(problem)
    reference = problem.reference
    if isinstance(reference, bool) or not isinstance(reference, str | int | float):
        return None
    text = str(reference)
    if verifier.answer_format != "boxed" or "####" in text or "\\boxed" in text:  # it already is a response
        return text if verifier.answer_format != "code" else None
    return f"\\boxed{{{text}}}"


def _load(spec: str, options: Mapping[str, Any] | None) -> Verifier:
    from verifiers.registry import load

    return load(spec, **(options or {}))
