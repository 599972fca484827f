"""Units that a step may convert into each other."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fractions import Fraction

from verifiers.latex import table, word_set
from verifiers.reasoning.values import Number
from verifiers.units import SPELLINGS

__all__ = ["compound", "conversions", "is_compound", "is_conversion", "ratios"]

_FURTHER = {
    "cent": "penny pennies ¢ c", "dollar": "$ buck", "nickel": "nickels", "dime": "dimes", "quarter": "quarters",
    "decade": "decades", "century": "centuries", "cup": "cups", "one": "ones each", "pair": "pairs",
    "dozen": "dozens", "hundred": "hundreds", "thousand": "thousands k", "million": "millions",
    "billion": "billions",
}  # fmt: skip
"""Spellings, and counting words, that only this check knows."""
_UNREAD = word_set("d L mL pt")
"""Spellings of `verifiers.units` that this check does not read yet."""


def _dimension(sizes: str, without: str = "") -> dict[str, Fraction]:
    """`unit:size` pairs as spelling → size, but for the spellings `without`."""
    found: dict[str, Fraction] = {}
    for name, size in table(sizes).items():
        spellings = (*SPELLINGS.get(name, (name,)), *_FURTHER.get(name, "").split())
        found |= {spelling: Fraction(size) for spelling in spellings}
    return {name: size for name, size in found.items() if name not in _UNREAD | word_set(without)}


DIMENSIONS: tuple[dict[str, Fraction], ...] = (
    _dimension("cent:1 nickel:5 dime:10 quarter:25 dollar:100"),
    _dimension("second:1 minute:60 hour:3600 day:86400 week:604800"),
    _dimension("month:1 year:12 decade:120 century:1200"),
    _dimension("week:1 year:52 month:4", without="yr yrs"),
    _dimension("day:1 month:30 year:365", without="yr yrs"),
    _dimension("inch:1 foot:12 yard:36 mile:63360"),
    _dimension("millimeter:1 centimeter:10 meter:1000 kilometer:1000000"),
    _dimension("milliliter:1 liter:1000"),
    _dimension("milligram:1 gram:1000 kilogram:1000000 ton:1000000000"),
    _dimension("ounce:1 pound:16 lb:16 ton:32000", without="tonne"),
    _dimension("ounce:1 cup:8 pint:16 quart:32 gallon:128"),
    _dimension("one:1 pair:2 dozen:12 hundred:100 thousand:1000 million:1000000 billion:1000000000"),
)
"""Units of one dimension, each with its size in the smallest of them: a step may change the unit between its sides."""
CUSTOMARY = DIMENSIONS[3:5]
"""Dimensions with customary, inexact factors: four weeks a month, 365 days a year."""


def ratios(names: Iterable[str], percent: bool) -> set[Fraction]:
    """The factors by which the sides of a step may differ if it mentions the units `names`, or a percentage."""
    present = set(names)
    found: set[Fraction] = set()
    if percent or present & {"percent", "percentage", "pct"}:
        found |= {Fraction(100), Fraction(1, 100)}
    for units in DIMENSIONS:
        sizes = {units[w] for w in present if w in units}
        if sizes and ("dozen" in units or "cent" in units):
            sizes |= {Fraction(1), units.get("dollar", Fraction(1))}
        found |= {a / b for a in sizes for b in sizes}
    return found - {Fraction(1)}


def is_compound(names: Iterable[str]) -> bool:
    """Whether two units of one dimension are among `names`, as in "1 hour and 35 minutes"."""
    present = set(names)
    return any(len({units[name] for name in present if name in units}) > 1 for units in DIMENSIONS)


def compound(parts: Sequence[tuple[Number, str]], names: Iterable[str]) -> list[Number]:
    """What "1 hour and 35 minutes" is in those of its units that are among `names`, or in all; none if not exact."""
    for units in DIMENSIONS:
        if units not in CUSTOMARY and all(name in units for _, name in parts):
            total = sum(value * units[name] for value, name in parts)
            sizes = {units[name] for name in names if name in units} or set(units.values())
            return [total / size for size in sizes]
    return []


def is_conversion(factor: Fraction, names: Iterable[str]) -> bool:
    """Whether the units `names`, up to their third powers and two at a time, may account for `factor`."""
    single = ratios(names, percent=False) | {Fraction(1)}
    powers = {ratio**k for ratio in single for k in (1, 2, 3)}
    return factor in powers or any(factor / ratio in single for ratio in single)


def conversions(unit: str, other: str) -> tuple[set[Fraction], bool]:
    """(how many of `other` one `unit` may be, whether that is exact)."""
    shared = [units for units in DIMENSIONS if unit in units and other in units]
    exact = bool(shared) and not any(units in CUSTOMARY for units in shared) and unit != other
    return {units[unit] / units[other] for units in shared}, exact
