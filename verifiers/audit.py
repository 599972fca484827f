"""How far a verifier can be trusted: measured on labelled responses, and on a data set's own references."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from verifiers.pool import VerifierPool
from verifiers.registry import judge
from verifiers.types import Problem, Verdict, Verifier

MISSES_KEPT = 1000
MISSES_SHOWN = 20
FIRST_SHOWN = 5
"""Unverifiable references that are named."""
BUDGETS = (1, 4, 16, 64, 256)
"""Values of k for which the pass@k floor is shown."""

_LABELS = {"true": True, "1": True, "correct": True, "right": True, "yes": True}
_LABELS |= {"false": False, "0": False, "incorrect": False, "wrong": False, "no": False}


def read_label(value: Any) -> bool | None:
    """Whether a label says "right"; None if it says neither right nor wrong."""
    if isinstance(value, bool | int | float):
        return bool(value) if value in (0, 1) else None
    return _LABELS.get(value.strip().lower()) if isinstance(value, str) else None


@dataclass(frozen=True, slots=True)
class Share:
    """A proportion: k of n, with its exact 95 % interval (Clopper & Pearson 1934)."""

    k: int
    n: int

    @property
    def value(self) -> float | None:
        return self.k / self.n if self.n else None

    @property
    def interval(self) -> tuple[float, float]:
        """(low, high); (0, 1) if n is 0."""
        from scipy.special import betaincinv

        k, n = self.k, self.n
        low = float(betaincinv(k, n - k + 1, 0.025)) if k else 0.0
        high = float(betaincinv(k + 1, n - k, 0.975)) if k < n else 1.0
        return low, high

    def __str__(self) -> str:
        if not self.n:
            return "no rows"
        low, high = self.interval
        return f"{self.k / self.n:7.2%}  ({self.k:,} of {self.n:,}; 95 % interval {low:.2%} to {high:.2%})"


def floor(fpr: float, k: int) -> float:
    """pass@k of a problem that is never solved, from false positives alone: 1 − (1 − FPR)^k."""
    return -math.expm1(k * math.log1p(-fpr)) if fpr < 1 else 1.0


@dataclass(frozen=True, slots=True)
class Miss:
    """A row on which verdict and label differ."""

    line: int
    id: str
    kind: str | None
    label: bool
    verdict: Verdict
    reference: str


@dataclass(slots=True)
class Audit:
    """A verifier compared with labels. Rates are over the rows that it judged; the others are counted separately."""

    cells: Counter[tuple[bool, float | None]] = field(default_factory=Counter)
    """(label, score) → rows."""
    by_kind: dict[str, Counter[tuple[bool, float | None]]] = field(default_factory=dict)
    misses: list[Miss] = field(default_factory=list)
    """The first `MISSES_KEPT` of them."""

    def add(
        self, label: bool, verdict: Verdict, line: int, problem: Problem, kind: str | None = None
    ) -> None:
        cell = (label, verdict.score)
        self.cells[cell] += 1
        if kind is not None:
            self.by_kind.setdefault(kind, Counter())[cell] += 1
        if verdict.score is not None and verdict.score != float(label) and len(self.misses) < MISSES_KEPT:
            self.misses.append(Miss(line, problem.id, kind, label, verdict, str(problem.reference)[:80]))

    @property
    def accuracy(self) -> Share:
        return _accuracy(self.cells)

    @property
    def false_positives(self) -> Share:
        """Of the responses labelled wrong, those accepted."""
        return _false_positives(self.cells)

    @property
    def false_negatives(self) -> Share:
        """Of the responses labelled right, those refused."""
        return _false_negatives(self.cells)

    @property
    def unjudged(self) -> int:
        return self.cells[True, None] + self.cells[False, None]

    def __str__(self) -> str:
        lines = [
            "against the labels",
            f"  accuracy         {self.accuracy}",
            f"  false positives  {self.false_positives}   accepted, of those labelled wrong",
            f"  false negatives  {self.false_negatives}   refused, of those labelled right",
        ]
        if self.unjudged:
            lines.append(f"  not judged, and not part of these rates: {self.unjudged:,}")
        return "\n".join([*lines, *self._floor(), *self._kinds(), *self._misses()])

    def _floor(self) -> list[str]:
        rate = self.false_positives
        if rate.value is None:
            return [
                "  no response is labelled wrong: the false positive rate, and what it does to pass@k, is unknown"
            ]
        high = rate.interval[1]
        row = "".join(f"  k={k}: {floor(rate.value, k):.1%} (up to {floor(high, k):.1%})" for k in BUDGETS)
        return [
            "  pass@k that these false positives alone would show on problems that are never solved:",
            f"  {row}",
        ]

    def _kinds(self) -> list[str]:
        if not self.by_kind:
            return []
        width = max(4, *map(len, self.by_kind))
        lines = [f"  {'kind':<{width}}  {'rows':>7}  accuracy  false pos.     false neg."]
        for kind, cells in sorted(self.by_kind.items()):
            wrong, right = _false_positives(cells), _false_negatives(cells)
            accuracy = _accuracy(cells).value
            shown = "       –" if accuracy is None else f"{accuracy:8.2%}"
            counts = f"{f'{wrong.k}/{wrong.n}':<13}  {right.k}/{right.n}"
            lines.append(f"  {kind:<{width}}  {cells.total():>7,}  {shown}  {counts}")
        return lines

    def _misses(self) -> list[str]:
        lines = []
        for label, title in ((False, "accepted, labelled wrong"), (True, "refused, labelled right")):
            total = (self.false_negatives if label else self.false_positives).k
            misses = [miss for miss in self.misses if miss.label is label][:MISSES_SHOWN]
            if misses:
                lines.append(f"  {title} ({len(misses)} of {total:,} shown)")
            for miss in misses:
                kind = f" [{miss.kind}]" if miss.kind else ""
                answer = "–" if miss.verdict.answer is None else miss.verdict.answer[:80]
                detail = f" ({miss.verdict.detail[:80]})" if miss.verdict.detail else ""
                said = f"{miss.verdict.status}{detail}; {answer!r} against {miss.reference!r}"
                lines.append(f"    line {miss.line}, {miss.id}{kind}: {said}")
        return lines


def _accuracy(cells: Counter[tuple[bool, float | None]]) -> Share:
    right = cells[True, 1.0] + cells[False, 0.0]
    return Share(right, right + cells[True, 0.0] + cells[False, 1.0])


def _false_positives(cells: Counter[tuple[bool, float | None]]) -> Share:
    return Share(cells[False, 1.0], cells[False, 1.0] + cells[False, 0.0])


def _false_negatives(cells: Counter[tuple[bool, float | None]]) -> Share:
    return Share(cells[True, 0.0], cells[True, 0.0] + cells[True, 1.0])


@dataclass(slots=True)
class SelfTest:
    """Whether a verifier accepts each reference as the answer to its own problem and refuses a neighbour's."""

    problems: int = 0
    own_accepted: int = 0
    neighbours_refused: int = 0
    neighbours: int = 0
    own_refused: list[tuple[str, str]] = field(default_factory=list)
    """(id, status and detail of the verdict)"""
    neighbours_accepted: list[tuple[str, str]] = field(default_factory=list)
    """(id, id of the neighbour whose reference was accepted)"""
    untestable: list[str] = field(default_factory=list)
    """Ids of problems whose reference is not an answer (the tests of a program, for example)."""
    unverifiable: list[tuple[str, str]] = field(default_factory=list)
    """(id, why) of problems whose reference no answer can equal: it cannot be read, is a remark, or a sentence"""
    as_text: list[tuple[str, str]] = field(default_factory=list)
    """(id, reference) of problems whose reference only the same text equals: a word, or an unread formula"""

    @property
    def ok(self) -> bool:
        return not (self.own_refused or self.neighbours_accepted or self.unverifiable)

    @property
    def share_unverifiable(self) -> float:
        """Problems that will never have a verdict, of those tested; 0 without any."""
        return len(self.unverifiable) / max(1, self.problems - len(self.untestable))

    def __str__(self) -> str:
        tested = self.problems - len(self.untestable)
        lines = [
            f"{self.own_accepted:,} of {tested:,} references accepted as the answer to their own problem, "
            f"{self.neighbours_refused:,} of {self.neighbours:,} references of a neighbour refused"
        ]
        if self.untestable:
            lines.append(f"  {len(self.untestable):,} cannot be tested: the reference is not an answer")
        if self.unverifiable:
            lines.append(
                f"  {len(self.unverifiable):,} of {tested:,} references ({self.share_unverifiable:.1%}) no answer can "
                "equal, so their problems never get a verdict:"
            )
            lines += [f"    {id_}: {why}" for id_, why in self.unverifiable[:FIRST_SHOWN]]
        if self.as_text:
            lines.append(
                f"  {len(self.as_text):,} of {tested:,} references ({len(self.as_text) / tested:.1%}) are words or "
                "formulas that are not read: only the same text equals them:"
            )
            lines += [f"    {id_}: {reference}" for id_, reference in self.as_text[:FIRST_SHOWN]]
        lines += [f"  own reference refused: {id_}: {said}" for id_, said in self.own_refused[:MISSES_SHOWN]]
        lines += [
            f"  reference of {other} accepted for {id_}"
            for id_, other in self.neighbours_accepted[:MISSES_SHOWN]
        ]
        return "\n".join(lines)


def self_test(
    problems: Sequence[Problem], verifier: str | Verifier, options: Mapping[str, Any] | None = None
) -> SelfTest:
    """Judge every reference as an answer to its own problem and to a problem before it.

    With a name (and `options`) a pool judges, with a verifier this process. Only `answer_score` counts, whatever
    else the verifier asks of a response (a trace). The response that states a reference is
    `verifier.as_response(problem)` if there is such a method, else the reference, in a box if that is its format.
    """
    result = SelfTest(problems=len(problems))
    instance = verifier if not isinstance(verifier, str) else _load(verifier, options)
    responses = [as_response(instance, problem) for problem in problems]
    result.untestable = [p.id for p, response in zip(problems, responses, strict=True) if response is None]
    items: list[tuple[Problem, str]] = []
    origins: list[Problem] = []  # whose reference the response states
    for i, problem in enumerate(problems):
        own = responses[i]
        if own is None:
            continue
        for j in (i, *range(i + 1, min(i + 10, len(problems)))):
            response = responses[j]
            if response is not None and (j == i or response != own):
                items.append((problem, response))
                origins.append(problems[j])
                if j != i:
                    break
    if isinstance(verifier, str):
        with VerifierPool(verifier, options) as pool:
            verdicts = pool.score(items)
    else:
        verdicts = [judge(instance, problem, response) for problem, response in items]
    for (problem, _), origin, verdict in zip(items, origins, verdicts, strict=True):
        _enter(result, problem, origin, verdict)
    if (as_text := getattr(instance, "as_text", None)) is not None:
        hopeless = {id_ for id_, _ in result.unverifiable}
        words = [problem for problem in problems if problem.id not in hopeless and as_text(problem)]
        result.as_text = [(problem.id, str(problem.reference)[:80]) for problem in words]
    return result


def _enter(result: SelfTest, problem: Problem, origin: Problem, verdict: Verdict) -> None:
    accepted = verdict.answer_score == 1.0
    if verdict.status == "unverifiable":
        if origin is problem:
            result.unverifiable.append((problem.id, verdict.detail))
        return
    if origin is problem:
        result.own_accepted += accepted
        if not accepted:
            result.own_refused.append((problem.id, f"{verdict.status} {verdict.detail}".strip()))
        return
    result.neighbours += 1
    result.neighbours_refused += not accepted
    if accepted:
        result.neighbours_accepted.append((problem.id, origin.id))


def as_response(verifier: Verifier, problem: Problem) -> str | None:
    """A response whose answer is the problem's own reference; None if it cannot be written as an answer."""
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
