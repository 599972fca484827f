"""Units that one step may change into another."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction

__all__ = ["conversions", "ratios"]

# Units of one dimension, in their smallest: a step may change unit between its two sides.
DIMENSIONS: tuple[dict[str, Fraction], ...] = tuple(
    {name: Fraction(size) for names, size in group for name in names.split()}
    for group in (
        (("cent cents penny pennies ¢ c", 1), ("nickel nickels", 5), ("dime dimes", 10), ("quarter quarters", 25),
         ("$ dollar dollars buck bucks", 100)),
        (("second seconds sec secs s", 1), ("minute minutes min mins", 60), ("hour hours hr hrs h", 3600),
         ("day days", 86400), ("week weeks", 604800)),
        (("month months", 1), ("year years yr yrs", 12), ("decade decades", 120), ("century centuries", 1200)),
        (("week weeks", 1), ("year years", 52), ("month months", 4)),
        (("day days", 1), ("month months", 30), ("year years", 365)),
        (("inch inches in", 1), ("foot feet ft", 12), ("yard yards yd", 36), ("mile miles", 63360)),
        (("mm millimeter millimeters", 1), ("cm centimeter centimeters", 10), ("m meter meters metre metres", 1000),
         ("km kilometer kilometers", 1000000)),
        (("ml milliliter milliliters", 1), ("l liter liters litre litres", 1000)),
        (("mg", 1), ("g gram grams", 10**3), ("kg kilogram kilograms kilo kilos", 10**6), ("ton tons tonne", 10**9)),
        (("ounce ounces oz", 1), ("pound pounds lb lbs", 16), ("ton tons", 32000)),
        (("ounce ounces oz", 1), ("cup cups", 8), ("pint pints", 16), ("quart quarts", 32), ("gallon gallons", 128)),
        (("one ones each", 1), ("pair pairs", 2), ("dozen dozens", 12), ("hundred hundreds", 100),
         ("thousand thousands k", 1000), ("million millions", 10**6), ("billion billions", 10**9)),
    )
)  # fmt: skip
CUSTOMARY = DIMENSIONS[3:5]
"""Those that are rounded by custom: four weeks a month, 365 days a year."""


def ratios(names: Iterable[str], percent: bool) -> set[Fraction]:
    """By what factors the two sides of a step may differ that speaks of `names`, or of a percentage."""
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


def conversions(unit: str, other: str) -> tuple[set[Fraction], bool]:
    """How many of `other` one `unit` may be, and whether that is exact."""
    shared = [units for units in DIMENSIONS if unit in units and other in units]
    exact = bool(shared) and not any(units in CUSTOMARY for units in shared) and unit != other
    return {units[unit] / units[other] for units in shared}, exact
