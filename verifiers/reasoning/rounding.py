"""Rounded numbers: what a numeral may stand for, and how far off a value computed from such numerals may be."""

from __future__ import annotations

import math
from fractions import Fraction

from verifiers.reasoning.algebra import values_at
from verifiers.reasoning.tokens import Token
from verifiers.reasoning.tree import Expression, Unreadable
from verifiers.reasoning.values import Number, Reading, close, evaluate

__all__ = ["MACHINE_DIGITS", "is_machine_made", "rounds_to", "same_value", "slack_of", "ulp"]

MACHINE_DIGITS = 10
"""Number of decimals from which a numeral is taken for a floating-point number."""


def slack_of(e: Expression, how: Reading, value: Number, rounded: set[str]) -> float:
    """Largest error of the value from rounded numbers in it, to first order."""
    total = 0.0
    for token in e.numbers[:20]:
        if not (token.cut or token.text in rounded or is_machine_made(token.text)):
            continue
        moved = evaluate(e, values_at(e, 0), how, {token.start: ulp(token.text)})
        total += abs(complex(moved) - complex(value))
    if not math.isfinite(total):
        raise Unreadable
    return total


def is_machine_made(numeral: str) -> bool:
    """Whether a numeral is a floating-point number with all its digits: 26.666666666666668."""
    return len(numeral.partition(".")[2]) >= MACHINE_DIGITS


def ulp(numeral: str) -> Fraction:
    """The place value of the last digit."""
    return Fraction(1, 10 ** len(numeral.partition(".")[2]))


def rounds_to(exact: Number, literal: Token, shown: Number, announced: bool, slack: float = 0.0) -> bool:
    """Whether `literal` (with value `shown`) is `exact`, rounded half up or truncated to the digits of `literal`.

    Unless rounding is `announced`, only decimals may be rounded, and only if `exact` does not fit their digits.
    """
    if isinstance(exact, complex) or isinstance(shown, complex):
        return False
    unit = ulp(literal.text)
    whole = isinstance(exact, Fraction) and (exact / unit).denominator == 1 and not slack
    if whole and (unit < 1 or not (announced and literal.text.endswith("0"))):
        return exact == shown  # nothing to round
    error = abs(Fraction(exact) - Fraction(shown))
    limit = unit
    if unit == 1:
        if not announced:
            return False
        if digits := len(literal.text) - len(literal.text.rstrip("0")):
            return error <= Fraction(10**digits, 2) + Fraction(slack)  # 115 and 125 are both about 120
    if announced:
        return error < limit + Fraction(slack)
    scaled = abs(Fraction(exact)) / unit
    wanted = abs(Fraction(shown)) / unit
    if (Fraction(exact) < 0) != (Fraction(shown) < 0) and shown != 0:
        return False
    return wanted in (math.floor(scaled), math.floor(scaled + Fraction(1, 2))) or error <= Fraction(
        slack
    ) + unit / 2 * bool(slack)


def same_value(x: Number, y: Number) -> bool:
    """Whether two values are equal, or equal as percentage and fraction."""
    return close(x, y) or close(x * 100, y) or close(x, y * 100)
