"""Kinds of answer that changes by rule of the source survived: times of day, square brackets, conditions of no content.

Each is a table over all forms, with what is accepted and what is refused said here.
"""

from __future__ import annotations

import pytest

from verifiers.math import equal


def alike(one: str, two: str) -> bool:
    forth, back = equal(one, two), equal(two, one)
    assert forth is back, (one, two)
    return forth


# --- times of day -----------------------------------------------------------------------------------------

TIMES = [
    (hour, minute, second) for hour in (0, 1, 5, 11, 12, 13) for minute in (0, 7, 59, 60, 75) for second in (0, 9, 60)
]  # fmt: skip


def through_the_day(moment: int) -> str:
    """Seconds after midnight as a clock of 24 hours shows them."""
    return f"{moment // 3600}:{moment // 60 % 60:02}" + (f":{moment % 60:02}" if moment % 60 else "")


@pytest.mark.parametrize(("half", "later"), [("a.m.", 0), ("p.m.", 12)])
def test_a_time_of_day_has_hours_to_twelve_and_minutes_and_seconds_below_sixty(half: str, later: int) -> None:
    for hour, minute, second in TIMES:
        text = f"{hour}:{minute:02}" + (f":{second:02}" if second else "")
        moment = 3600 * (hour % 12 + later) + 60 * minute + second
        valid = 1 <= hour <= 12 and minute < 60 and second < 60
        assert alike(through_the_day(moment), f"{text} {half}") is valid, text
        assert not alike(through_the_day(moment + 60), f"{text} {half}"), text
        other = "p.m." if later == 0 else "a.m."
        assert not alike(f"{text} {half}", f"{text} {other}"), text


# --- square brackets around numbers -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "inside", ["\\frac{3}{2}", "\\frac{6}{3}", "3/2", "1+\\frac{1}{3}", "2", "-\\frac{5}{4}", "7\\cdot 2"]
)
def test_square_brackets_around_numbers_are_brackets(inside: str) -> None:
    for form in ("2@", "@^2", "1-@", "@\\cdot x", "\\frac{@}{5}", "@x+1", "@^2-@"):
        text = form.replace("@", f"[{inside}]")
        assert alike(form.replace("@", f"({inside})"), text), text
        assert not alike(form.replace("@", f"({inside}+1)"), text), text


@pytest.mark.parametrize("inside", ["x", "\\frac{x}{2}", "\\frac{1}{x}", "\\sqrt{x}"])
def test_square_brackets_that_may_mean_the_integer_part_are_not_read(inside: str) -> None:
    for form in ("3{}", "1-{}", "{}+1"):
        text = form.format(f"[{inside}]")
        for other in (f"({inside})", f"\\lfloor {inside}\\rfloor"):
            assert not alike(form.format(other), text), text


# --- conditions -------------------------------------------------------------------------------------------

EMPTY = [
    "for all real x",
    "for real x",
    "where x is real",
    "for every real number x",
    "for all real numbers",
    "for all reals",
    "where x is an arbitrary constant",
    "with x constant",
    "for any complex number x",
    "for rational x",
    "(for all real x)",
    "(for all real numbers)",
    "for all complex numbers",
    "where x is a variable",
    "for all integers",
]


@pytest.mark.parametrize("condition", EMPTY)
@pytest.mark.parametrize("value", ["x^2+1", "3x", "\\frac{x}{x+1}"])
def test_a_condition_that_says_nothing_may_be_left_out(value: str, condition: str) -> None:
    assert alike(value, f"{value} {condition}")
    assert not alike(f"{value}+1", f"{value} {condition}")


@pytest.mark.parametrize("words", ["for", "where", "for all", "for all values", "if such"])
def test_words_without_a_condition_are_none(words: str) -> None:
    assert not alike("x^2+1", f"x^2+1 {words}")
    assert not alike("5", f"5 {words}")
