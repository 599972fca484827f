"""Steps and conclusions in words: the right value passes, every other one is found, and a part of a step is no step.

The values are computed here; the sentences are those that people and models write around them.
"""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from verifiers.reasoning import check

PROPERTY = settings(deadline=None, derandomize=True, max_examples=4)

FORMS = {
    "a + b": [
        "{a} plus {b} is {c}", "{a} + {b} is {c}", "{a} + {b}, which is {c}", "{a} + {b} gives us {c}",
        "{a} apples + {b} apples is {c} apples", "{a} plus {b} equals {c}", "{a} + {b} comes to {c}",
        "adding {a} and {b} gives {c}", "adding {b} to {a} gives us {c}", "if we add {a} to {b}, we get {c}",
        "{b} more than {a} is {c}", "{a} added to {b} is {c}", "{a} increased by {b} is {c}",
        "{a} and {b} make {c}", "{a} and {b} add up to {c}", "the total of {a} and {b} is {c}",
    ],
    "a - b": [
        "{a} minus {b} is {c}", "{a} - {b} leaves {c}", "{a} - {b}, which leaves {c}",
        "subtracting {b} from {a} gives {c}", "taking {b} away from {a} leaves {c}",
        "if we subtract {b} from {a}, we get {c}", "{b} less than {a} is {c}", "{a} decreased by {b} is {c}",
        "{a} less {b} is {c}", "{b} subtracted from {a} is {c}",
    ],
    "a * b": [
        "{a} times {b} is {c}", "{a} x {b} is {c}", "{a} ÷ {b} times {b} * {b} is {c}", "{a} * {b} makes {c}",
        "{a} multiplied by {b} gives {c}",
        "multiplying {a} by {b} gives {c}", "we multiply {a} by {b} to get {c}", "{a} groups of {b} is {c}",
        "if we multiply {a} by {b}, we get {c}",
    ],
    "a * b / b": ["half of {d} is {c}", "half the {d} eggs is {c} eggs", "50% of {d} is {c}",
    "50 percent of {d} is {c}"],
    "a * 3": ["triple {a} is {c}", "2 times {a} plus {a} is {c}"],
    "a * a": ["{a} squared is {c}", "{a} times {a} equals {c}"],
    "a % b": ["the remainder when {a} is divided by {b} is {c}", "{a} divided by {b} leaves a remainder of {c}"],
}  # fmt: skip
VALUES = {
    "a + b": lambda a, b: a + b, "a - b": lambda a, b: a - b, "a * b": lambda a, b: a * b,
    "a * b / b": lambda a, b: a, "a * 3": lambda a, b: 3 * a, "a * a": lambda a, b: a * a, "a % b": lambda a, b: a % b,
}  # fmt: skip
CASES = [(rule, form) for rule, forms in FORMS.items() for form in forms]


def ok(text: str, answer: str | None = None, prompt: str = "") -> bool:
    return check(text, answer, prompt).ok


@pytest.mark.parametrize(("rule", "form"), CASES)
@PROPERTY
@given(st.integers(20, 60), st.integers(3, 19), st.sampled_from([1, -1, 10, 3]))
def test_a_calculation_in_words_passes_with_its_value_and_with_no_other(
    rule: str, form: str, a: int, b: int, off: int
) -> None:
    value = VALUES[rule](a, b)
    for lead, end in (
        ("", ""),
        ("So ", " in total."),
        ("We know that ", ", so we go on."),
        ("", " clips altogether in May."),
    ):
        right, wrong = (lead + form.format(a=a, b=b, c=c, d=2 * a) + end for c in (value, value + off))
        assert ok(right), check(right, None)
        assert not ok(wrong), wrong
        assert ok(f"{wrong} Wait, that is wrong: the value is {value}.")


@pytest.mark.parametrize(
    "text",
    [
        "3 more than half of 12 is 9.", "2 more than 3 times 4 is 14.", "8 less than twice 10 is 12.",
        "If 3 plus 4 is 8, then we stop.", "Suppose half of 12 is 5.", "Is half of 12 equal to 5?",
        "9 + 3 is 1 less than 13.", "3 times 4 is 2 more than 10.", "half of 12 is 3 times 2.",
        "A third of the 12 boys and half of the 8 girls is 8 children.", "It is not true that half of 12 is 5.",
        "The average of 3 + 5 is 4.", "Since 1/3 is 20, the whole is 3 * 20 = 60.", "The 3 boxes with 4 is 12.",
        "the $10 and $20 bills should sum up to $80", "adding 2 hours and 30 minutes gives 150 minutes.",
        "From May 3-5 is 3 days.", "10 divided by 4 is 2.5, and 10 divided by 3 is 3.33.",
        "we divide 270 by 7 to get 38 with a remainder of 4.",
        "we divide 270 by 7 to get $38 \\text{ R}4$.",
        "Natalia sold 48, and half of that is 24 clips in May.",
        "the sum of 1,200 and 300 is 1,500.", "the sum of $1{,}200$ and $300$ is $1500$.",
    ],
)  # fmt: skip
def test_what_is_said_rightly_or_only_as_a_part_is_no_false_step(text: str) -> None:
    assert ok(text), check(text, None)


def test_thousands_of_a_sum_in_words_are_one_number() -> None:
    assert not ok("the sum of 1,200 and 300 is 1,600.") and not ok("3 + 4 ＝ 8") and ok("3 + 4 ＝ 7")
    assert not ok("adding 1,200 and 300 gives 1,600.") and ok("adding 1,200 and 300 gives 1,500.")


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("15 is greater than 12.", "12 is greater than 15."), ("12 is less than 15,", "15 is less than 12,"),
        ("12 is not more than 15.", "15 is not more than 12."), ("53 is prime.", "51 is prime."),
        ("51 is not a prime number.", "53 is not a prime number."), ("12 is divisible by 4.", "14 is divisible by 4."),
        ("14 is not divisible by 4.", "12 is not divisible by 4."), ("7 is a factor of 28.", "6 is a factor of 28."),
        ("49 is a perfect square.", "48 is a perfect square."), ("14 is even.", "15 is even."),
        ("2 hours is 120 minutes.", "2 hours is 100 minutes."),
        ("So 90 minutes, or 1.5 hours,", "So 90 minutes, or 1.2 hours,"),
        ("She ran 90 minutes = 1.5 hours.", "She ran 90 minutes = 1.2 hours."),
        ("3 feet equals 36 inches.", "3 feet equals 30 inches."),
    ],
)  # fmt: skip
def test_orders_properties_and_units_in_words(right: str, wrong: str) -> None:
    assert ok(right), check(right, None)
    assert not ok(wrong)
    assert ok("Suppose 12 is greater than 15.") and ok("12 apples is more than 15 dollars.")


CONCLUSIONS = [
    "Therefore, Tom has {n} clips in total.\nThe answer is \\boxed{{", "So the total is {n}.\n\\boxed{{",
    "In total, he has {n} clips.\n\n\\boxed{{", "He has {n} clips. \\boxed{{",
    "So he ended up with {n} clips, that is \\boxed{{",
    "#### {n}\n\n\\boxed{{", "It follows that the result is {n}. \\boxed{{", "The answer must be {n}.\n\\boxed{{",
    "In conclusion, {n} clips.\n\\boxed{{", "That means {n} clips.\n\\boxed{{", "Thus **{n}** clips.\n\\boxed{{",
    "Altogether that makes {n} clips.\n\\boxed{{", "Our final result is {n}.\n\\boxed{{", "Answer = {n}\n\\boxed{{",
    "So {n} is the answer.\n\\boxed{{", "Therefore he will need ${n}$ clips.\n\n\\boxed{{",
]  # fmt: skip


@pytest.mark.parametrize("conclusion", CONCLUSIONS)
@PROPERTY
@given(st.integers(30, 90), st.integers(3, 20), st.sampled_from([1, -1, 10]))
def test_a_conclusion_in_words_is_the_box(conclusion: str, a: int, b: int, off: int) -> None:
    trace = f"Tom has {a} + {b} = {a + b} clips.\n" + conclusion
    answer = str(a + b)
    assert ok(trace.format(n=a + b), answer)
    assert not ok(trace.format(n=a + b + off), answer)


def test_a_whole_number_is_announced_as_it_is_unless_rounding_is_asked_for() -> None:
    trace = "35 + 37 = 72.\nThe answer is 72.\n\\boxed{"
    assert not ok(trace, "70") and ok(trace, "70", "About how many, to the nearest ten?")


@pytest.mark.parametrize(
    "text",
    [
        "3 + 4 = 8 is not true, 3 + 4 = 7.", "it is not true that 3 + 4 = 8; 3 + 4 = 7.", "3 + 4 = 8, or rather 7.",
        "3 + 4 = 8, I mean 7.", "3 + 4 = 8. Hmm, that's off. 3 + 4 = 7.", "3 + 4 = 8. Let me double-check: 3 + 4 = 7.",
        "One might think that 3 + 4 = 8, but 3 + 4 = 7.", "It would be wrong to say that 3 + 4 = 8.",
    ],
)  # fmt: skip
def test_a_step_that_is_denied_or_withdrawn_in_its_own_sentence(text: str) -> None:
    assert ok(text), check(text, None)


@pytest.mark.parametrize(
    "text",
    [
        "3 + 4 = 8, or rather more.", "3 + 4 = 8. Let me double-check: yes.", "3 + 4 = 8 of them, that is true.",
        "One might add: 3 + 4 = 8.", "It is true that 3 + 4 = 8.", "We think again and write that 3 + 4 = 8.",
    ],
)  # fmt: skip
def test_words_that_withdraw_nothing(text: str) -> None:
    assert not ok(text)


@pytest.mark.parametrize("numeral", ["7" * 61, "7" * 5000, "1" + ",000" * 2000, "0." + "7" * 5000])
@pytest.mark.parametrize(
    "form",
    [
        "Adding {n} and 3 gives 5.", "The square root of {n} is 3.", "{n} squared is 5.", "{n} is more than {n}.",
        "Half of {n} is 7.", "Half of 3 is {n}.", "{n} and {n} make {n}.", "12 divided by {n} leaves a remainder of 5.",
    ],
)  # fmt: skip
def test_numerals_that_no_solution_has_are_not_read(form: str, numeral: str) -> None:
    """Python itself refuses to read so many digits: the policy must not be able to make the verifier fail."""
    assert ok(form.format(n=numeral))
