"""Words after a number: units, words that multiply it, words that make it another value, and what is counted."""

from __future__ import annotations

from fractions import Fraction
from itertools import product

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from verifiers.math import equal
from verifiers.math.units import read_units
from verifiers.units import FACTORS, NUMBERS

SETTINGS = settings(deadline=None, max_examples=60, derandomize=True)

RIGHT = [
    (r"5000", r"5 \text{ thousand dollars}"),
    (r"\$5", r"5 \text{ dollars}"),
    (r"\$2.50", r"2.50 \text{ dollars}"),
    (r"\frac35", r"3 \text{ fifths}"),
    (r"\frac35", r"\text{three fifths}"),
    (r"3", r"\text{three}"),
    (r"3000", r"\text{three thousand}"),
    (r"12", r"\text{one dozen}"),
    (r"0.5", r"\text{one half}"),
    (r"0.2", r"20 \text{ hundredths}"),
    (r"84", r"7 \text{ dozen eggs}"),
    (r"84 \text{ eggs}", r"7 \text{ dozen eggs}"),
    (r"90", r"90 \text{ degrees}"),
    (r"90", r"90 \text{ deg}"),
    (r"90^\circ", r"90 \text{ degrees}"),
    (r"7 \text{ ft}", r"7 \text{ feet}"),
    (r"7 \text{ ft}", r"7'"),
    (r"7 \text{ in}", r"7 \text{ in. long}"),
    (r"7 in", r"7"),
    (r"7 \text{ square in.}", r"7 \text{ in}^2"),
    (r"14.7 \text{ psi}", r"14.7"),
    (r"60 \text{ in/min}", r"60 \text{ inches per minute}"),
    (r"5 \text{ in the box}", r"5"),
    (r"5 \text{ in a row}", r"5"),
    (r"2 \text{ million}", r"2 \times 10^6"),
    (r"2 \text{ million people}", r"2000000"),
    (r"2 \text{ million people}", r"2 \text{ million}"),
    (r"5 \text{ million dollars}", r"\$5,000,000"),
    (r"\$1.2 \text{ billion}", r"1200000000"),
    (r"5000", r"5e3"),
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
    (r"12", r"12 bags of rice"),
    (r"12 bags", r"12 bags of rice"),
    (r"12", r"12 \text{ bags of rice}"),
    (r"3 houses", r"3 house"),
    (r"3 cases", r"3 \text{ case}"),
    (r"1 box", r"1 boxes"),
]
WRONG = [
    (r"12", r"12 bags of 5 kg"),
    (r"5", r"5 out of 8"),
    (r"12 pounds of rice", r"12 pounds of beef"),
    (r"3 houses", r"3 horses"),
    (r"5", r"5 \text{ thousand dollars}"),
    (r"\$5", r"5 \text{ cents}"),
    (r"250", r"250 \text{ percent}"),
    (r"3", r"3 \text{ score and ten}"),
    (r"3", r"3 \text{ raised to the fifth power}"),
    (r"3", r"3 \text{ to the fifth}"),
    (r"3", r"3 \text{ fifths}"),
    (r"3", r"\text{three thousand}"),
    (r"3", r"\text{thirty}"),
    (r"3", r"3\frac12"),
    (r"3", r"3 \text{ and one half}"),
    (r"20", r"20 \text{ hundredths}"),
    (r"7", r"7 \text{ squared units more than x}"),
    (r"7", r"7 \text{ less than x}"),
    (r"7", r"7 \text{ times as much as x}"),
    (r"7", r"7 \text{ out of ten}"),
    (r"7", r"7 \text{ in ten}"),
    (r"7", r"7 \text{ to one}"),
    (r"7", r"7 \text{ by nine}"),
    (r"7", r"7 \text{ x } 9"),
    (r"7", r"7 \text{ through nine}"),
    (r"7", r"7 \text{ bar}"),
    (r"7", r"7 \text{ repeating}"),
    (r"7", r"7 \text{ recurring}"),
    (r"7", r"7 \text{ and counting}"),
    (r"7", r"7 \text{ base nine}"),
    (r"7", r"7_9"),
    (r"7", r"7 \text{ plus or minus one}"),
    (r"7", r"7 \text{ with remainder two}"),
    (r"7", r"7 \text{ remainder } 2"),
    (r"7", r"7 \text{ R } 2"),
    (r"7", r"7 \text{ R2}"),
    (r"7", r"7 \text{ choose } 2"),
    (r"7", r"7 \text{ to infinity}"),
    (r"7", r"7 \text{ half lives}"),
    (r"7", r"7 \text{ fold}"),
    (r"7", r"7 \text{ dozen eggs}"),
    (r"84 \text{ eggs}", r"7 \text{ dozen apples}"),
    (r"7000 \text{ m}", r"7 \text{ m}"),
    (r"1 \text{ hour}", r"1 \text{ minute}"),
    (r"90", r"90 \text{ degrees minus } x"),
    (r"90^\circ", r"90 \text{ radians}"),
    (r"7 \text{ in}", r"7 \text{ in. } \times 9"),
    (r"7 \text{ in by } 9 \text{ in}", r"7 \text{ in}"),
    (r"7 in", r"7 mm"),
    (r"7 \text{ in}^2", r"7 \text{ in}"),
    (r"14.7 \frac{\text{lb}}{\text{in}^2}", r"14.7 \frac{\text{lb}}{\text{in}^3}"),
    (r"60 \text{ in./min}", r"60 \text{ ft/min}"),
    (r"5", r"5 \text{ in the hundreds}"),
    (r"5", r"5 \text{ in base seven}"),
    (r"2 \text{ million}", r"2"),
    (r"2 \text{ million people}", r"2 \text{ people}"),
    (r"1.2 \text{ billion}", r"1.2 \text{ million}"),
    (r"5", r"5k"),
    (r"5", r"5M"),
    (r"5000", r"5k"),
    (r"5", r"5e3"),
    (r"5", r"5\%"),
    (r"5", r"5 \permil"),
    (r"5", r"5 ppm"),
    (r"5", r"5 \text{ parts per million}"),
    (r"5", r"5!"),
    (r"5", r"-5 \text{ dollars}"),
    (r"5", r"5 \text{ dollars in debt}"),
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


TIMES = {"ten": 10, "hundred": 100, "thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12,
         "dozen": 12, "lakh": 100_000, "crore": 10_000_000}  # fmt: skip
PARTS = {"half": 2, "third": 3, "quarter": 4, "fourth": 4, "fifth": 5, "sixth": 6, "seventh": 7, "eighth": 8,
         "ninth": 9, "tenth": 10, "eleventh": 11, "twelfth": 12, "twentieth": 20, "hundredth": 100,
         "thousandth": 1000, "millionth": 10**6}  # fmt: skip
WORDS = {word: Fraction(n) for word, n in TIMES.items()} | {word: Fraction(1, n) for word, n in PARTS.items()}
WORDS |= {"halves" if word == "half" else f"{word}s": factor for word, factor in WORDS.items()}
del WORDS["ten"]  # a number, which only "tens" is no more


def test_every_word_that_multiplies_is_in_the_table_here() -> None:
    assert FACTORS.keys() == WORDS.keys()


@pytest.mark.parametrize("word", sorted(WORDS))
def test_words_that_multiply(word: str) -> None:
    for count, rest in product((1, 7, 12, 999_983), ("", " dollars", " of the apples")):
        assert equal(str(count * WORDS[word]), f"{count}\\text{{ {word}{rest}}}"), (count, rest)
        assert not equal(str(count), f"{count}\\text{{ {word}{rest}}}"), (count, rest)


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


# --- powers of units and quotients of them -------------------------------------------------------------------

LENGTHS = [("m", "meter", "meters"), ("ft", "foot", "feet"), ("km", "kilometer", "kilometers")]
SPANS = [("s", "second", "seconds"), ("h", "hour", "hours")]
BEFORE = {1: "{}", 2: "square {}", 3: "cubic {}"}
AFTER = {1: "{}", 2: "{} squared", 3: "{} cubed"}


def _measured(length: tuple[str, str, str], span: tuple[str, str, str], up: int, down: int) -> list[str]:
    """The unit length^up / span^down in every notation."""
    (a, _, many), (t, one, _) = length, span
    top, bottom = f"{a}^{up}" if up > 1 else a, f"{t}^{down}" if down > 1 else t
    words = [BEFORE[up].format(many), AFTER[up].format(many)]
    signs = [f"\\text{{ {a}}}^{up}", f"\\text{{ {a}}}^{{{up}}}", f"\\,\\mathrm{{{a}}}^{up}", f" {top}"]
    if up == 1:
        signs.append(f"\\text{{ {a}}}")
    if not down:
        return [*signs, *(f"\\text{{ {word}}}" for word in words), *(f" {word}" for word in words)]
    times = [form[down].format(one) for form in (BEFORE, AFTER)]
    return [
        *(f"\\text{{ {word} per {time}}}" for word in words for time in times),
        *(f"\\text{{ {word}" + f" per {one}" * down + "}" for word in words),
        *(f"{sign}/\\text{{{t}}}^{down}" for sign in signs[:2]),
        *(f"{sign} \\text{{ {t}}}^{{-{down}}}" for sign in signs[:2]),
        *(
            f" {top}" + f"/{t}" * down,
            f" {top}/{bottom}",
            f"\\text{{ {a}}}^{up}\\cdot\\text{{{t}}}^{{-{down}}}",
        ),
        *(
            f"\\,\\frac{{{style}{{{a}}}^{up}}}{{{style}{{{t}}}^{{{down}}}}}"
            for style in ("\\text", "\\mathrm")
        ),
        *([f"\\dfrac{{{a}^{up}}}{{{t}^{down}}}"] * (len(a) == 1)),  # ft is a product there
        f"\\text{{ {a}}}^{up}\\text{{/{t}}}^{down}",
    ]


@SETTINGS
@given(
    st.sampled_from(LENGTHS),
    st.sampled_from(SPANS),
    st.integers(1, 3),
    st.integers(0, 3),
    st.randoms(use_true_random=False),
)
def test_a_unit_is_its_powers_in_every_notation(
    length: tuple[str, str, str], span: tuple[str, str, str], up: int, down: int, random: object
) -> None:
    """The same powers are the same quantity, any other powers of the same units are another one."""
    choose = random.choice  # type: ignore[attr-defined]
    texts = [f"9.8{unit}" for unit in _measured(length, span, up, down)]
    gold = choose(texts)
    for text in texts:
        assert equal(gold, text) and equal(text, gold), (gold, text)
        assert equal("9.8", text) or "\\text{ " not in text, text
    for other_up in range(1, 4):
        for other_down in range(4):
            if (other_up, other_down) != (up, down):
                other = "9.8" + choose(_measured(length, span, other_up, other_down))
                assert not equal(gold, other) and not equal(other, gold), (gold, other)
    for further in (other for other in LENGTHS if other != length):
        other = "9.8" + choose(_measured(further, span, up, down))
        assert not equal(gold, other) and not equal(other, gold), (gold, other)
    turned = (
        "9.8" + choose(_measured(span, length, down, up))
        if down
        else "9.8" + choose(_measured(span, length, up, 0))
    )
    assert not equal(gold, turned) and not equal(turned, gold), (gold, turned)
    assert not equal(gold, choose(texts).replace("9.8", "-9.8")) and not equal(
        gold, choose(texts).replace("9.8", "9.7")
    )


MEANT = """
m meter meters metre metres|cm centimeter centimeters|mm millimeters|km kilometers kilometres|in inch inches
ft foot feet|yd yard yards|mi mile miles|g gram grams|kg kilogram kilograms|mg milligrams|oz ounce ounces
L liter liters litre|mL ml milliliters|gallon gallons|quart quarts|pint pints|s sec second seconds|min minute minutes
h hr hrs hour hours|day days|week weeks|month months|year years|dollar dollars|cent cents|euro euros|degree degrees
mph|N newton newtons|J joule joules|W watt watts|V volt volts|acre acres
"""
KINDS = [kind.split() for kind in MEANT.replace("\n", "|").strip("|").split("|")]


def test_every_spelling_of_a_unit_is_that_unit_and_no_other() -> None:
    for kind in KINDS:
        gold = f"7\\text{{ {kind[0]}}}"
        assert [word for word in kind if not equal(gold, f"7\\text{{ {word}}}")] == [], gold
        others = [word for other in KINDS if other is not kind for word in other]
        assert [word for word in others if equal(gold, f"7\\text{{ {word}}}")] == [], gold
