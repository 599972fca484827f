"""Results in two parts: a quotient and its remainder, a digit and what is carried, 1 hour and 35 minutes."""

from __future__ import annotations

from fractions import Fraction

from verifiers.reasoning.algebra import values_at
from verifiers.reasoning.statements import Side
from verifiers.reasoning.tree import Expression, Unreadable
from verifiers.reasoning.units import compound
from verifiers.reasoning.values import Number, close, evaluate

__all__ = ["is_quantity", "with_rest"]


def with_rest(a: Expression, truth: Number, claim: Number, rest: Expression) -> bool:
    """63 : 5 = 12 remainder 3; 7 + 8 = 5 carry 1; 3 - 7 = 6 borrow 1. Raises Unreadable."""
    extra = evaluate(rest, values_at(rest, 0))
    if not (isinstance(truth, Fraction) and isinstance(claim, Fraction) and isinstance(extra, Fraction)):
        return False
    if a.node[0] in ("/", "frac"):
        bottom = evaluate(Expression(a.node[2], a.variables, 0, a.features, None), values_at(a, 0))
        return isinstance(bottom, Fraction) and truth == claim + extra / bottom
    return truth in (claim + 10 * extra, claim - 10 * extra)


def is_quantity(truth: Number, left: Side, claim: Number, right: Side) -> bool | None:
    """Whether `95 minutes = 1 hour and 35 minutes` holds; None if that cannot be said."""
    if right.second is None:
        return None
    try:
        rest = evaluate(right.second, values_at(right.second, 0))
    except Unreadable:
        return None
    parts = [(claim, right.after[0]), (rest, right.after[-1])]
    values = compound(parts, [*left.before, *left.inside, *left.after])
    return any(close(value, truth) for value in values) if values else None
