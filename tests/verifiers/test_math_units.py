"""Words after a number: units, words that multiply it, words that make it another value, and what is counted."""

from __future__ import annotations

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from verifiers.math import equal
from verifiers.math.units import read_units
from verifiers.units import FACTORS, NUMBERS

SETTINGS = settings(deadline=None, max_examples=60, derandomize=True)

RIGHT = [
    (r"\frac34", r"3 \text{ quarters}"),
    (r"36", r"3 \text{ dozen}"),
    (r"36", r"3 dozen"),
    (r"5,000,000", r"5 million"),
    (r"5000000", r"5 \text{ million dollars}"),
    (r"5000000", r"\$5 million"),
    (r"5000000", r"\$5\text{ million}"),
    (r"\$5,000,000", r"\$5 \text{ million}"),
    (r"2500000", r"2.5 million"),
    (r"2.5 million", r"2,500,000"),
    (r"2.5 million", r"2500 thousand"),
    (r"12", r"12 \text{ negative integers}"),
    (r"12000", r"12 \text{ thousand}"),
    (r"12", r"12 \text{ times}"),
    (r"12", r"12 \text{ square units}"),
    (r"12", r"12 \text{ units squared}"),
    (r"12", r"12\text{ cm}^2"),
    (r"12 \text{ cm}^2", r"12\text{ square cm}"),
    (r"12 \text{ cm}^2", r"12\text{ centimeters squared}"),
    (r"85", r"85 \text{ shells}"),
    (r"85", r"85 shells"),
    (r"85", r"85 \text{ shells in all}"),
    (r"85", r"85 \text{ shells in total}"),
    (r"85", r"85 \text{ of the shells}"),
    (r"12 in", r"12 \text{ inches}"),
    (r"12 \text{ in}", r"12"),
    (r"12 \text{ in.}", r"12 \text{ inches}"),
    (r"12\text{ in}^3", r"12 \text{ cubic inches}"),
    (r"12\text{ cu in}", r"12 \text{ in}^3"),
    (r"12\text{ sq in}", r"12 \text{ in}^2"),
    (r"30\text{ lb/in}^2", r"30\text{ pounds per square inch}"),
    (r"70", r"\$70 \text{ in profit}"),
    (r"70", r"70 \text{ dollars in profit}"),
    (r"12 \text{ in of snow}", r"12 \text{ inches of snow}"),
    (r"60 \text{ miles an hour}", r"60 \text{ mph}"),
    (r"60 \text{ miles per hour}", r"60 \text{ mph}"),
    (r"9.8 \text{ m/s}^2", r"9.8 \text{ meters per second squared}"),
    (r"9.8\ \mathrm{m\,s^{-2}}", r"9.8 \text{ m/s}^2"),
    (r"50 \text{ percent}", r"50\%"),
    (r"50\%", r"0.5"),
    (r"50\%", r"\frac12"),
    (r"500000", r"5 \text{ hundred thousand}"),
    (r"50", r"5 \text{ tens}"),
    (r"5", r"5\text{th}"),
    (r"5", r"5 \text{ people}"),
    (r"5", r"5 \text{ more}"),
    (r"2 \text{ pairs}", r"2"),
    (r"1 \text{ dozen eggs}", r"12 \text{ eggs}"),
    (r"3 thousandths", r"0.003"),
    (r"\frac{1}{2} \text{ million}", r"500000"),
    (r"7\text{ billion}", r"7\times 10^9"),
    (r"12", r"12 \text{ points each}"),
    (r"12", r"12 \text{ outcomes per game}"),
    (r"6", r"6 \text{ fewer}"),
    (r"1", r"6 \text{ sixths}"),
]
WRONG = [
    (r"5", r"5 \text{ million}"),
    (r"5", r"5 \text{ squared}"),
    (r"5", r"5 \text{ halves}"),
    (r"5", r"5 \text{ factorial}"),
    (r"12", r"12 \text{ hundred}"),
    (r"8", r"8 \text{ plus } x"),
    (r"8", r"8 \text{ minus one}"),
    (r"1", r"1 \text{ half}"),
    (r"3", r"3 \text{ quarters}"),
    (r"3", r"3 \text{ dozen}"),
    (r"2.5 million", r"2.5"),
    (r"12", r"12 \text{ negative}"),
    (r"12", r"12 \text{ tenths}"),
    (r"12", r"12 \text{ cubed}"),
    (r"12", r"12 \text{ reciprocal}"),
    (r"12", r"12 \text{ modulo five}"),
    (r"12", r"12 \text{ per thousand}"),
    (r"12", r"12 \text{ below zero}"),
    (r"12", r"12 \text{ thirteen}"),
    (r"12", r"12 \text{ times two}"),
    (r"12", r"12 \text{ times } x"),
    (r"12", r"12 \text{ divided by two}"),
    (r"12", r"12 \text{ over five}"),
    (r"12", r"12 \text{ apples squared}"),
    (r"12", r"12 \text{ apples}^2"),
    (r"12 \text{ cm}^2", r"12\text{ cubic cm}"),
    (r"12 \text{ in}", r"12 \text{ ft}"),
    (r"12 \text{ in}", r"12 \text{ in}^2"),
    (r"30\text{ lb/in}^2", r"30\text{ lb/in}^3"),
    (r"60 \text{ miles a day}", r"60 \text{ miles an hour}"),
    (r"9.8 \text{ m/s}^2", r"9.8 \text{ m/s}"),
    (r"5", r"5 \text{ lakh}"),
    (r"5", r"5 \text{ gross}"),
    (r"5", r"5 \text{ doubled}"),
    (r"5", r"5 \text{ square}"),
    (r"5", r"5 \text{ squared plus one}"),
    (r"5", r"5 \text{ root two}"),
    (r"5", r"5 \text{ hundred thousand}"),
    (r"5", r"5 \text{ tens}"),
    (r"5", r"5 \text{ to the power of two}"),
    (r"5", r"5 \text{ and a half}"),
    (r"5", r"5 \text{ or six}"),
    (r"5", r"5 \text{ pi}"),
    (r"5", r"5 \text{ degrees below zero}"),
    (r"5", r"5 \text{ more than two}"),
    (r"2 \text{ hours}", r"2 \text{ minutes}"),
    (r"1 \text{ dozen eggs}", r"12 \text{ dozen eggs}"),
    (r"3", r"3 thousandths"),
    (r"7\text{ billion}", r"7\times 10^6"),
    (r"0.5", r"0.5 \text{ per mille}"),
    (r"6", r"6 \text{ choose two}"),
    (r"6", r"6 \text{ times ten}"),
    (r"6", r"6 \text{ less than seven}"),
    (r"6", r"6 \text{ times itself}"),
    (r"6", r"6 \text{ point five}"),
    (r"6", r"6 \text{ sixths}"),
    (r"6", r"6 \text{ hundredths of a second}"),
    (r"20 \text{ ft by } 30 \text{ ft}", r"20"),
    (r"4", r"4 \text{ to five}"),
    (r"4", r"4 \text{ percent}"),
    (r"4", r"4 \text{ pct}"),
    (r"4", r"4 \text{ percentage points}"),
    (r"4", r"4 \text{ basis points}"),
    (r"16", r"4 \text{ squares}"),
    (r"4", r"4 \text{ inverse}"),
    (r"4", r"4 \text{ conjugate}"),
    (r"4", r"4 \text{ complement}"),
    (r"4", r"4 \text{ approximately five}"),
    (r"4", r"4 \text{ minus}"),
    (r"4", r"4 k"),
    (r"4", r"4 M"),
    (r"4", r"4 \text{ i}"),
    (r"4", r"4 \text{ e}"),
    (r"4", r"4 \text{ x}"),
]


@pytest.mark.parametrize(("gold", "answer"), RIGHT)
def test_the_same_quantity(gold: str, answer: str) -> None:
    assert equal(gold, answer)


@pytest.mark.parametrize(("gold", "answer"), WRONG)
def test_another_quantity(gold: str, answer: str) -> None:
    assert not equal(gold, answer)


@SETTINGS
@given(
    st.integers(1, 10**6),
    st.sampled_from(sorted(FACTORS)),
    st.sampled_from(["", " dollars", " of the apples"]),
)
def test_words_that_multiply(count: int, word: str, rest: str) -> None:
    value = count * FACTORS[word]
    assert equal(str(value), f"{count}\\text{{ {word}{rest}}}")
    assert not equal(str(count), f"{count}\\text{{ {word}{rest}}}")


@SETTINGS
@given(
    st.integers(1, 10**6),
    st.sampled_from(["plus", "minus", "times", "divided by", "over", "modulo", "to the", "of", "and"]),
    st.sampled_from(sorted(NUMBERS)),
)
def test_words_that_compute(count: int, word: str, number: str) -> None:
    assert not equal(str(count), f"{count}\\text{{ {word} {number}}}")


nouns = st.from_regex(r"[b-z][aeiou][bcdfgklmnprtvz]{1,2}[aeiou]", fullmatch=True)


@SETTINGS
@given(st.integers(-(10**6), 10**6), nouns, nouns)
def test_what_is_counted(count: int, noun: str, other: str) -> None:
    assume(read_units([(noun, 1)]) == (1, noun) and read_units([(other, 1)]) == (1, other) and noun != other)
    assert equal(str(count), f"{count}\\text{{ {noun}}}") and equal(f"{count}\\text{{ {noun}}}", str(count))
    assert not equal(f"{count}\\text{{ {noun}}}", f"{count}\\text{{ {other}}}")
    assert not equal(str(count), f"{count}\\text{{ {noun}}}^2")
