"""Changes of unit and rewritings in words: the sizes of units are those of the tables of any schoolbook, said here."""

from __future__ import annotations

from fractions import Fraction
from itertools import permutations

import pytest

from verifiers.reasoning import check

SIZES: list[dict[str, int]] = [
    {"cents": 1, "nickels": 5, "dimes": 10, "quarters": 25, "dollars": 100},
    {"seconds": 1, "minutes": 60, "hours": 3600, "days": 86_400, "weeks": 604_800},
    {"years": 1, "decades": 10, "centuries": 100},
    {"inches": 1, "feet": 12, "yards": 36, "miles": 63_360}, {"mm": 1, "cm": 10, "m": 1000, "km": 10**6},
    {"milliliters": 1, "liters": 1000}, {"milligrams": 1, "grams": 1000, "kilograms": 10**6, "tons": 10**9},
    {"ounces": 1, "cups": 8, "pints": 16, "quarts": 32, "gallons": 128}, {"ounces": 1, "pounds": 16},
]  # fmt: skip
PAIRS = [
    (*pair, Fraction(sizes[pair[0]], sizes[pair[1]])) for sizes in SIZES for pair in permutations(sizes, 2)
]


@pytest.mark.parametrize(("one", "two", "ratio"), PAIRS)
def test_so_many_of_one_unit_are_so_many_of_another(one: str, two: str, ratio: Fraction) -> None:
    count = 12 * ratio.denominator
    value = count * ratio
    assert value.denominator == 1
    for text in ("So {} {} = {} {}.", "It takes {} {} = {} {} of it.", "Thus {} + 0 {} = {} {}."):
        assert check(text.format(count, one, value, two), None).ok, text
    for wrong in (value + 1, value * 11, value - 1):
        assert not check(f"So {count} {one} = {wrong} {two}.", None).ok, wrong


@pytest.mark.parametrize(
    ("one", "two"), [("feet", "hours"), ("dollars", "pounds"), ("grams", "liters"), ("cm", "inches")]
)
def test_units_of_different_kinds_are_labels(one: str, two: str) -> None:
    assert check(f"So 3 {one} = 5 {two}.", None).ok


@pytest.mark.parametrize(
    "verb", ["factors as", "expands to", "can be written as", "can be rewritten as", "is"]
)
def test_what_an_expression_is_rewritten_as(verb: str) -> None:
    for p, q in ((2, 3), (-1, 4), (-2, -5)):
        sums, product = f"x^2 {p + q:+}x {p * q:+}", f"(x {p:+})(x {q:+})"
        for one, two in ((sums, product), (product, sums)):
            assert check(f"Now ${one}$ {verb} ${two}$.", None).ok
        if verb != "is":
            assert not check(f"Now ${sums}$ {verb} $(x {p:+})(x {q + 1:+})$.", None).ok
            assert not check(f"Now ${product}$ {verb} $x^2 {p + q:+}x {p * q + 1:+}$.", None).ok


@pytest.mark.parametrize(
    "text", ["x^3 + y = 12. x = 3, y = 5.", "x^2 + y = 12. x = 3, y = 5.", "y^2 + x = 1. x = 3, y = 5."]
)
def test_only_linear_equations_are_held_against_values(text: str) -> None:
    assert check(text, "1").ok
    for linear in ("2x + y = 12", "x*y = 12", "3x - 2y = 4"):
        assert not check(f"{linear}. x = 3, y = 5.", "1").ok, linear
    assert check("2x + y = 12. x = 3 or x = 4, y = 5.", "1").ok
