"""Equations in letters: which values contradict them, and which sides of a chain that ends in 0 follow from each other.

What is true is computed here, from the numbers that the equations are made of.
"""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from verifiers.reasoning import check

PROPERTY = settings(deadline=None, derandomize=True, max_examples=8)
few = st.integers(-9, 9)


def holds(trace: str) -> bool:
    return check(trace, "1").ok


@PROPERTY
@given(few.filter(bool), few, few, few.filter(bool))
def test_values_contradict_an_equation_but_not_a_line(slope: int, cut: int, at: int, off: int) -> None:
    """b = 2a + 1 is an equation between two numbers; y = 2x + 1 a line, of which the values are any point."""
    height = slope * at + cut
    for one, two, line in (("a", "b", False), ("m", "n", False), ("x", "y", True), ("y", "x", True)):
        for text in (f"{two} = {slope}{one} {cut:+}", f"{slope}{one} {cut:+} = {two}"):
            assert holds(f"{text}. {one} = {at}, {two} = {height}."), text
            assert holds(f"{text}. {one} = {at}, {two} = {height + off}.") is line, text
        for text in (
            f"{two} - {slope}{one} = {cut}",
            f"0 = {slope}{one} {cut:+} - {two}",
        ):  # solved for neither
            assert holds(f"{text}. {one} = {at}, {two} = {height}."), text
            assert not holds(f"{text}. {one} = {at}, {two} = {height + off}."), text


@PROPERTY
@given(few, few, few.filter(bool), st.integers(2, 5))
def test_sides_that_are_both_zero_may_be_scaled_or_divided_but_not_changed(
    p: int, q: int, off: int, factor: int
) -> None:
    product = f"(x {p:+})(x {q:+})"
    expanded = f"x^2 {p + q:+}x {p * q:+}"
    scaled = f"{factor}x^2 {factor * (p + q):+}x {factor * p * q:+}"
    for true in (f"{expanded} = {product} = 0", f"{scaled} = {expanded} = 0", f"{expanded} = x {p:+} = 0",
                 f"{scaled} = x {q:+} = 0", f"x^3 {p**3:+} = x {p:+} = 0"):  # fmt: skip
        assert holds(f"${true}$"), true
    changed = f"x^2 {p + q:+}x {p * q + off:+}"
    for false in (f"{changed} = {product} = 0", f"{expanded} = {changed} = 0", f"{product} = {changed} = 0"):
        assert not holds(f"${false}$"), false


@pytest.mark.parametrize("value", ["x = 3 hours", "x = 3 or x = 4", "x = 3 or 4"])
def test_a_value_with_words_contradicts_nothing(value: str) -> None:
    assert holds(f"2x + y = 12. {value}. y = 1.")


VALUES = [  # (a function, a value of it, another one)
    ("f(x) = \\sqrt{x}", "f(2) = 1.414", "f(2) = 1.514"), ("f(x) = \\sqrt{x}", "f(4) = 2", "f(4) = 3"),
    ("f(x) = x + \\pi", "f(1) = 4.14", "f(1) = 4.54"), ("f(x) = 50\\%x", "f(2) = 1", "f(2) = 2"),
    ("f(x) = ax + 1", "f(2) = 2a + 1", "f(2) = 2a + 1 + 1"),
    ("f(x) = x^2 - x", "f(2t) = 4t^2 - 2t", "f(2t) = 4t^2 - 2t + 1"),
    ("f(x) = \\frac{x}{3}", "f(2) = 0.67", "f(2) = 0.69"),
]  # fmt: skip


@pytest.mark.parametrize(("function", "true", "false"), VALUES)
def test_the_value_of_a_function_is_that_of_its_expression(function: str, true: str, false: str) -> None:
    for between in (". ", ", and "):
        assert holds(f"${function}${between}${true}$."), true
        assert not holds(f"${function}${between}${false}$."), false
