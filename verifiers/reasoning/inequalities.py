"""Inequalities: whether one between numbers holds, and whether bounds follow from the bounds before them."""

from __future__ import annotations

import re
from dataclasses import dataclass

from verifiers.reasoning.algebra import dependence, values_at
from verifiers.reasoning.equations import Equation, contradicts
from verifiers.reasoning.statements import Chain
from verifiers.reasoning.tree import Expression, Unreadable
from verifiers.reasoning.values import Number, close, evaluate, readings

__all__ = ["ORDERS", "BoundsTracker", "is_ordered"]

ORDERS = "<>≤≥"
"""The signs of relations of order."""
MAX_BETWEEN = 160
"""Largest distance in characters between bounds of which one is derived from the other."""

_DERIVES = re.compile(r"both sides|\b(?:divid|subtract|add|simplif|multipl|isolat|solv)", re.IGNORECASE)
_BREAKS = re.compile(
    r"\b(?:case|or|and|since|because|if|when|suppose|integer|whole|natural|let|also|similarly|but|first|second|other"
    r"|must|need|square root|negative)\b",
    re.IGNORECASE,
)


def is_ordered(a: Expression, b: Expression, sign: str) -> bool | None:
    """Whether `a sign b` holds in some reading of two numbers; None if they cannot be read."""
    found = False
    for how_a in readings(a.features):
        for how_b in readings(b.features):
            try:
                x, y = evaluate(a, values_at(a, 0), how_a), evaluate(b, values_at(b, 0), how_b)
            except Unreadable:
                return None
            if isinstance(x, complex) or isinstance(y, complex):
                return None
            if close(x, y):
                found = found or sign in "≤≥" or not (a.literal and b.literal)
            else:
                found = found or (x < y) == (sign in "<≤")
    return found


@dataclass(frozen=True, slots=True)
class _Bound:
    """One relation of order in one letter, as the equation of its limit."""

    limit: Equation
    above: bool
    """Whether the left side minus the right one is to be positive."""

    def interval(self) -> tuple[Number, bool] | None:
        """The limit, and whether the solutions are above it; None if the relation is not linear."""
        try:
            root = self.limit.root()
            if root is None or isinstance(root, complex):
                return None
            rises = complex(self.limit.at(root + 1)).real > 0
        except (Unreadable, ZeroDivisionError, OverflowError):
            return None
        return root, rises == self.above


class BoundsTracker:
    """Remembers the last chain of inequalities, and finds whether the next one contradicts it."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.last: tuple[Chain, list[_Bound]] | None = None

    def enter(self, chain: Chain) -> bool:
        """Enter a chain; return whether its bounds contradict those that they are derived from."""
        if not chain.relations or not set(chain.relations) <= set(ORDERS) or chain.question:
            return False
        bounds = [_bound(chain, k) for k in range(len(chain.relations))]
        known = [bound for bound in bounds if bound is not None]
        last, self.last = self.last, (chain, known) if len(known) == len(bounds) else None
        if last is None or self.last is None or len(last[1]) != len(known):
            return False
        if any(a.limit.unknown != b.limit.unknown for a, b in zip(last[1], known, strict=True)):
            return False
        between = self.text[last[0].end : chain.sides[0].tail]
        linked = chain.link == "⟹" and len(between) <= 60
        if len(known) > 1:
            return linked and any(contradicts(a.limit, b.limit) for a, b in zip(last[1], known, strict=True))
        words = len(between) <= MAX_BETWEEN and not _BREAKS.search(between) and _DERIVES.search(between)
        return bool(linked or words) and not _follows(last[1][0], known[0], same=bool(words))


def _bound(chain: Chain, k: int) -> _Bound | None:
    left, right = chain.sides[k], chain.sides[k + 1]
    if not left.ending or not right.opening:
        return None
    a, b = left.ending[0], right.opening[0]
    found = dependence(a, b)
    if found is None or len(found.names) != 1:
        return None
    limit = Equation(a, b, next(iter(found.names)), left.start, right.end)
    return _Bound(limit, chain.relations[k] in ">≥")


def _follows(first: _Bound, second: _Bound, same: bool) -> bool:
    """Whether the solutions of the second are those of the first (`same`), or at least contain them."""
    one, other = first.interval(), second.interval()
    if one is None or other is None:
        return True
    (limit, above), (bound, over) = one, other
    if above != over:
        return False
    if close(limit, bound) or abs(complex(limit - bound)) <= 2 * second.limit.shown():
        return True
    return not same and (bound < limit) == above  # type: ignore[operator]
