"""How far a verifier can be trusted, measured on labelled responses (`self_test`: on a data set's own answers)."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from verifiers.types import Problem, Verdict

MISSES_KEPT = 1000
MISSES_SHOWN = 20
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
    """(label, 1 solved, 0 not, None not judged) → rows."""
    by_kind: dict[str, Counter[tuple[bool, float | None]]] = field(default_factory=dict)
    misses: list[Miss] = field(default_factory=list)
    """The first `MISSES_KEPT` of them."""

    def add(
        self, label: bool, verdict: Verdict, line: int, problem: Problem, kind: str | None = None
    ) -> None:
        cell = (label, None if verdict.solved is None else float(verdict.solved))
        self.cells[cell] += 1
        if kind is not None:
            self.by_kind.setdefault(kind, Counter())[cell] += 1
        if verdict.solved not in (None, label) and len(self.misses) < MISSES_KEPT:
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
