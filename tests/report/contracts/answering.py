"""How much of the gain is answer format: `comparison/answering` in report.json."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from statistics import fmean
from typing import Any

from tests.report.contracts.pair import Pair, trusted
from tests.report.contracts.rows import Estimate, Mean, Near, Policy, change, solved

Rates = tuple[float, float, float, float]
"""Of a problem: answered and right before, answered and right after."""


def shares(policy: Policy) -> list[tuple[float, float] | None]:
    return [
        (fmean(row["status"] != "no_answer" for row in rows), fmean(map(solved, rows))) if rows else None
        for rows in policy.judged
    ]


def known(pair: Pair) -> list[Rates]:
    both = zip(shares(pair.base), shares(pair.tuned), strict=True)
    return [(*before, *after) for before, after in both if before and after]


def factors(rows: Sequence[Rates]) -> Rates:
    """Answered, right given answered; before and after."""
    a0, p0, a1, p1 = (fmean(column) for column in zip(*rows, strict=True))
    return a0, p0 / a0, a1, p1 / a1


def right(rows: Sequence[Rates]) -> float:
    _, r0, _, r1 = factors(rows)
    return r1 - r0


def from_answering(rows: Sequence[Rates]) -> float:
    """pass@1 with the answers of after less that of before: with the base's accuracy, and with the tuned policy's."""
    a0, r0, a1, r1 = factors(rows)
    return fmean((a1 * r0 - a0 * r0, a1 * r1 - a0 * r1))


def from_being_right(rows: Sequence[Rates]) -> float:
    return fmean(p1 - p0 for _, p0, _, p1 in rows) - from_answering(rows)


def figure(
    pair: Pair, of: Callable[[Sequence[Rates]], float], more: dict[str, Any] | None = None
) -> Estimate:
    """Its standard error by leaving out one problem at a time, which is the linear one up to 1/M."""
    rows = known(pair)
    m, left = len(rows), [of(rows[:i] + rows[i + 1 :]) for i in range(len(rows))]
    se = math.sqrt((m - 1) / m * sum((x - fmean(left)) ** 2 for x in left))
    keys = {"value": of(rows), "used": m, "excluded": len(pair.ids) - m, "status": trusted(m)}
    return Estimate(keys | {"se": Near(se, 0.1 * se)} | (more or {}))


def answered(pair: Pair) -> Mean:
    before, after = ([share and share[0] for share in shares(side)] for side in (pair.base, pair.tuned))
    return change(before, after)


def right_given_answered(pair: Pair) -> Estimate:
    _, before, _, after = factors(known(pair))
    return figure(pair, right, {"base": before, "tuned": after})


ANSWERING: dict[str, Callable[..., Any]] = {
    "answering/answered": answered,
    "answering/right_given_answered": right_given_answered,
    "answering/from_answering": lambda p: figure(p, from_answering),
    "answering/from_being_right": lambda p: figure(p, from_being_right),
}
"""Pattern under `comparison` → what the figure is."""
