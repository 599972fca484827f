"""Kinds of answer that changes by rule of the source survived: times of day, square brackets, conditions of no content.

Each is a table over all forms, with what is accepted and what is refused said here.
"""

from __future__ import annotations

import pytest

from verifiers.math import equal, symbolic
from verifiers.math.numeric import numeric
from verifiers.math.typed import read
from verifiers.math.values import Scalar


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


@pytest.mark.parametrize("ratio", ["3:30:0:0", "x:3:30", "3:30:x", "3:x", "3:30:0:5", "3", "x:y"])
def test_a_ratio_of_other_parts_is_no_time(ratio: str) -> None:
    for time in ("3:30 a.m.", "3:30 p.m.", "3:00 a.m."):
        assert not alike(time, ratio)


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


# --- functions --------------------------------------------------------------------------------------------

FUNCTIONS = {  # each by others, with X for the argument
    "\\sin": "\\frac{e^{iX}-e^{-iX}}{2i}", "\\cos": "\\frac{e^{iX}+e^{-iX}}{2}", "\\tan": "\\frac{\\sin X}{\\cos X}",
    "\\cot": "\\frac{\\cos X}{\\sin X}", "\\sec": "\\frac{1}{\\cos X}", "\\csc": "\\frac{1}{\\sin X}",
    "\\sinh": "\\frac{e^X-e^{-X}}{2}", "\\cosh": "\\frac{e^X+e^{-X}}{2}", "\\tanh": "\\frac{e^X-e^{-X}}{e^X+e^{-X}}",
    "\\coth": "\\frac{e^X+e^{-X}}{e^X-e^{-X}}", "\\operatorname{sech}": "\\frac{2}{e^X+e^{-X}}",
    "\\operatorname{csch}": "\\frac{2}{e^X-e^{-X}}", "\\ln": "\\frac{\\log_{10} X}{\\log_{10} e}", "\\exp": "e^{X}",
    "\\lg": "\\frac{\\ln X}{\\ln 10}", "\\log_2": "\\frac{\\ln X}{\\ln 2}", "\\arcsin": "\\frac{\\pi}{2}-\\arccos X",
    "\\arctan": "\\arcsin \\frac{X}{\\sqrt{1+X^2}}", "\\operatorname{arcsinh}": "\\ln(X+\\sqrt{X^2+1})",
    "\\operatorname{arctanh}": "\\frac{1}{2}\\ln\\frac{1+X}{1-X}", "\\sqrt": "X^{1/2}", "\\sqrt[3]": "X^{1/3}",
}  # fmt: skip


@pytest.mark.parametrize("argument", ["\\frac{1}{3}", "x"])
def test_each_function_is_its_definition_and_no_other_function(argument: str) -> None:
    for name in FUNCTIONS:
        text = f"{name}{{{argument}}}" if "sqrt" in name else f"{name}({argument})"
        for other, definition in FUNCTIONS.items():
            assert equal(text, definition.replace("X", f"({argument})")) is (name == other), (text, other)


# --- dates ------------------------------------------------------------------------------------------------

MONTHS = ["January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
          "December"]  # fmt: skip


@pytest.mark.parametrize("at", range(12))
def test_a_day_is_its_month_and_number_however_it_is_written(at: int) -> None:
    month, other = MONTHS[at], MONTHS[(at + 1) % 12]
    for day in (1, 2, 3, 4, 11, 12, 21, 22, 30):
        ending = {1: "st", 2: "nd", 3: "rd"}.get(day % 10 if day // 10 != 1 else 0, "th")
        same = [f"{month} {day}", f"{month} {day}{ending}", f"{day} {month}", f"{day}{ending} of {month}"]
        for text in same:
            assert alike(same[0], text), text
        for text in (
            f"{other} {day}",
            f"{day} {other}",
            f"{month} {day + 1}",
            f"{day + 1}th of {month}",
            str(day),
        ):
            assert not alike(same[0], text), text
    assert not alike(f"Table {at + 1}", f"{at + 1} Table of")


# --- names with an index in words -------------------------------------------------------------------------

INDICES = ["max", "min", "avg", "total", "final", "exp", "log", "gcd", "out", "net", "old"]
WITH_INDEX = [
    "x_{\\text{@}}",
    "x_\\text{@}",
    "x_{@}",
    "x_\\mathrm{@}",
    "x_{\\mathrm{@}}",
    "x_{\\operatorname{@}}",
]
AROUND = ["@", "2@+1", "\\frac{@}{3}", "(@)^2-1", "y=@", "@'+1", "@-y_{\\text{min}}"]


@pytest.mark.parametrize("word", INDICES)
def test_an_index_in_words_is_the_same_one_with_braces_and_without(word: str) -> None:
    gold = WITH_INDEX[0].replace("@", word)
    for form in WITH_INDEX:
        name = form.replace("@", word)
        for around in AROUND:
            text = around.replace("@", name)
            assert alike(around.replace("@", gold), text), text
            assert not alike(around.replace("@", gold.replace(word, "other")), text), text
            assert not alike(around.replace("@", "x"), text), text


# --- values within values ---------------------------------------------------------------------------------

VALUES = [
    ("50\\%\\cdot x", "\\frac{x}{2}"),
    ("(50\\%)^2", "0.25"),
    ("\\sin(50\\%)", "\\sin(\\frac12)"),
    ("\\frac{1}{50\\%\\cdot x}", "\\frac{2}{x}"),
    ("3\\pi\\cdot 10\\%", "\\frac{3\\pi}{10}"),
    ("\\frac{1}{\\frac{1}{x}}", "x"),
    ("\\frac{\\frac{x}{50\\%}}{2}", "x"),
    ("\\operatorname{sgn}(\\sqrt{2}-2)", "-1"),
    ("\\operatorname{sgn}(\\pi)", "1"),
    ("\\operatorname{sgn}(\\sqrt{2}-\\sqrt{2})", "0"),
    ("n+\\sum_{n=1}^{3} n", "n+6"),
    ("\\sqrt{2}n+\\sum_{n=1}^{3}\\sqrt{n}", "n\\sqrt{2}+1+\\sqrt{2}+\\sqrt{3}"),
    ("2^{3!}", "64"),
    ("x^{3!}", "x^6"),
    ("\\log_2 8", "3"),
    ("\\log_{\\sqrt2} 8", "6"),
    ("\\sqrt[3]{-8}", "-2"),
    ("0^{\\pi}", "0"),
    ("(-\\pi)^{1/3}", "-\\pi^{1/3}"),
    ("(-\\sqrt{2})^{2/3}", "2^{1/3}"),
    ("\\prod_{k=1}^{4} k", "24"),
    ("x_1'+y", "y+x_1'"),
    ("x''+1", "1+x''"),
]


@pytest.mark.parametrize(("text", "value"), VALUES)
def test_values_within_values(text: str, value: str) -> None:
    assert alike(text, value)
    assert not alike(text, f"{value}+1")


@pytest.mark.parametrize(("exact", "near", "far"), [
    ("12\\pi", ["37.69", "37.70", "37.7", "37.6", "38", "37"], ["37.71", "37.68", "37.8", "36", "39", "-37.7"]),
    ("\\frac{1}{8}", ["0.12", "0.13", "0.125", "12\\%", "13\\%"], ["0.14", "0.11", "0.126", "14\\%", "-0.12"]),
    ("10101", ["10000", "10100", "10101"], ["10200", "9000", "10102"]), ("10102", ["10100"], ["10000", "10200"]),
    ("-\\sqrt{2}", ["-1.41", "-1.4"], ["-1.40", "-1.42", "1.41"]),
])  # fmt: skip
def test_a_decimal_after_an_exact_value_is_rounded_or_cut_off(
    exact: str, near: list[str], far: list[str]
) -> None:
    for decimal in near:
        assert equal(exact, f"{exact} \\approx {decimal}"), decimal
    for decimal in far:
        assert not equal(exact, f"{exact} \\approx {decimal}"), decimal


# --- what sympy is asked ----------------------------------------------------------------------------------

FOR_SYMPY = [
    "\\lg 5",
    "\\ln 5",
    "\\log_2 5",
    "\\exp(2)",
    "\\sin 2",
    "\\cos 2",
    "\\tan 2",
    "\\cot 2",
    "\\sec 2",
    "\\csc 2",
    "\\arcsin\\frac13",
    "\\arccos\\frac13",
    "\\arctan 3",
    "\\operatorname{arccot} 3",
    "\\sinh 2",
    "\\cosh 2",
    "\\tanh 2",
    "|-\\sqrt{3}|",
    "\\lfloor\\frac72\\rfloor",
    "\\lceil\\frac72\\rceil",
    "\\max(2,\\pi)",
    "\\min(2,\\pi)",
    "7!",
    "7!!",
    "\\binom{7}{3}",
    "50\\%\\cdot\\pi",
    "30^\\circ+\\pi",
    "\\sqrt[3]{5}",
    "-\\frac{2}{3}+\\sqrt{2}\\cdot 3",
    "e^{-2}",
    "2^{\\pi}",
    "\\sum_{k=1}^{4} k^2",
    "\\prod_{k=2}^{4} k",
    "\\sum_{k=1}^{3} \\sqrt{k}",
]


@pytest.mark.parametrize("text", FOR_SYMPY)
def test_an_expression_has_its_value_for_sympy_too(text: str) -> None:
    import sympy

    value = read(text)
    assert isinstance(value, Scalar)
    expected = complex(numeric(value.node, {}, 20))
    assert complex(sympy.N(symbolic._sympy(value.node, {}), 20)) == pytest.approx(expected, rel=1e-12)


DECIDED = [
    ("\\int_0^1 x^2 dx", "\\frac13", b"y"),
    ("\\int_0^1 x^2 dx", "\\frac14", b"n"),
    ("\\int_1^{10} \\lg x dx", "10-\\frac{9}{\\ln 10}", b"y"),
    ("\\int_1^{10} \\lg x dx", "10\\ln 10-9", b"n"),
    ("\\lim_{x\\to 0}\\frac{\\sin x}{x}", "1", b"y"),
    ("\\lim_{x\\to 0}\\frac{\\sin x}{x}", "0", b"n"),
    ("\\sum_{n=1}^{\\infty}\\frac{1}{2^n}", "1", b"y"),
    ("\\int_0^a x dx", "\\frac{a^2}{2}", b"y"),
    ("\\int_0^a x dx+x", "\\frac{a^2}{2}+x", b"y"),
    ("\\int_0^a x dx+x", "\\frac{a^2}{2}+a", b"n"),
    ("\\int_0^1 x^x\\sin(\\sin x) dx", "1", b"?"),
]


@pytest.mark.parametrize(("one", "two", "said"), DECIDED)
def test_what_sympy_decides(one: str, two: str, said: bytes) -> None:
    left, right = read(one), read(two)
    assert isinstance(left, Scalar) and isinstance(right, Scalar)
    assert symbolic._decide(left.node, right.node) == said
