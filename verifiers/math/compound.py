"""Quantities in two or three units, 1 h 30 min, 5 feet 6 inches; and lengths by lengths, 10 ft x 18 ft."""

from __future__ import annotations

from fractions import Fraction

from verifiers.math.lex import Token
from verifiers.math.tree import num
from verifiers.math.units import read_units
from verifiers.math.values import Decimal, Scalar, Sequence

__all__ = ["compound", "dimensions"]

_SMALLER = {
    "week": ("day", 7), "day": ("hour", 24), "hour": ("minute", 60), "minute": ("second", 60), "year": ("month", 12),
    "yard": ("foot", 3), "foot": ("inch", 12), "kilometer": ("meter", 1000), "meter": ("centimeter", 100),
    "centimeter": ("millimeter", 10), "kilogram": ("gram", 1000), "pound": ("ounce", 16), "lb": ("ounce", 16),
    "dollar": ("cent", 100), "degree": ("minute", 60), "liter": ("milliliter", 1000),
}  # fmt: skip
"""Unit → the next smaller one that is written after it, and how many of them it holds."""


def compound(tokens: list[Token]) -> Scalar | None:
    """The quantity in its smallest unit (an angle: in degrees) if `tokens` are numbers, each with a unit; else None."""
    total, unit, first = Fraction(0), "", ""
    at = 0
    while at + 1 < len(tokens):
        number, name = tokens[at : at + 2]
        found = read_units([(name.text, 1)]) if name.kind in ("word", "sym") else None
        if number.kind != "num" or number.value is None or found is None or found[0] != 1:
            return None
        if unit:
            smaller, count = _SMALLER.get(unit, ("", 1))
            if found[1] != smaller or number.value >= count:
                return None
            total *= count
        total, unit, first = total + number.value, found[1], first or found[1]
        at += 2
        if at < len(tokens) and tokens[at].kind == "sep" and tokens[at].text in ("and", ","):
            at += 1
    if at != len(tokens) or unit == first:
        return None
    if first == "degree":
        return Scalar(num(total / (60 if unit == "minute" else 3600)), "degree")
    return Scalar(num(total), unit)


def dimensions(tokens: list[Token]) -> Sequence | None:
    """The lengths of "10 ft x 18 ft" and "10 by 18 ft" as a list; None for anything else."""
    items: list[Scalar] = []
    part: list[Token] = []
    times = False
    for token in [*tokens, Token("word", "by")]:
        by = token.text == "by"
        if by or token[:2] in (("op", "*"), ("sym", "x"), ("word", "x")):
            item = _length(part)
            if item is None:
                return None
            items.append(item)
            times |= not by
            part = []
        else:
            part.append(token)
    if len(items) < 2 or (times and not all(item.unit for item in items)):
        return None  # 10 · 18 is a product
    return Sequence(tuple(items), "")


def _length(tokens: list[Token]) -> Scalar | None:
    if not tokens or tokens[0].kind != "num" or tokens[0].value is None:
        return None
    if not all(token.kind in ("word", "sym") for token in tokens[1:]):
        return None
    found = read_units([(token.text, 1) for token in tokens[1:]])
    if found is None or found[0] != 1:
        return None
    places = Decimal(tokens[0].places, tokens[0].figures) if tokens[0].places >= 0 else None
    return Scalar(num(tokens[0].value), found[1] or None, decimal=places)
