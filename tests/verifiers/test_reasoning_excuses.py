"""Words that excuse a false step: where they apply the trace passes, and everywhere else the step is still found.

`test_reasoning` has the same for steps that write themselves; here every word is held against every place where it says
nothing about the step.
"""

from __future__ import annotations

import pytest

from verifiers.reasoning import check

FALSE, RIGHT = "$12 \\cdot 13 = 166$", "$12 \\cdot 13 = 156$"
TALK = (
    "This is one of the products that the whole count of the tiles of the floor is made from, as we have it. "
)
"""More than a denial reaches."""


def verdicts(*traces: str, prompt: str = "", answer: str | None = None) -> list[bool]:
    return [check(trace, answer, prompt).ok for trace in traces]


CORRECTIONS = [
    "Wait,",
    "Hold on,",
    "Actually,",
    "Correction:",
    "Oops,",
    "Scratch that:",
    "Sorry,",
    "I made a mistake:",
    "I miscalculated:",
    "Let me recompute:",
    "Let me recalculate:",
    "Let me redo this:",
    "Let me fix that:",
    "Let me correct that:",
    "I made an error:",
    "In fact,",
    "It should be",
    "instead of that",
    "No,",
]


@pytest.mark.parametrize("words", CORRECTIONS)
def test_a_correction_excuses_what_it_corrects_once_the_right_value_is_there(words: str) -> None:
    far = TALK * 3
    assert (
        verdicts(
            f"{FALSE}. {words} {RIGHT}.", f"{FALSE}. {words} it is 156.", f"{FALSE}. {far} {words} {RIGHT}."
        )
        == [True] * 3
    )
    assert (
        verdicts(
            f"{FALSE}. {words} so the total is $166 + 2 = 168$.",  # the right value never comes
            f"{FALSE}. {words} so we go on.",
            f"{RIGHT}. Again {FALSE}. {words} so we go on.",  # it came before
            f"{words} {FALSE}.",  # the words come before
            f"{words} {RIGHT}, so {FALSE}.",
            f"{FALSE}. {RIGHT}.",  # no words
            f"{FALSE}. {TALK * 8} {words} {RIGHT}.",  # 800 characters later
            f"{FALSE}. {words} {RIGHT}. Then $156 + 14 = 180$.",  # another step
            f"$156 + 14 = 180$. {FALSE}. {words} {RIGHT}.",
        )
        == [False] * 9
    )


DENIALS = [
    "which is impossible.",
    "a contradiction.",
    "which contradicts the above.",
    "which is false.",
    "which is not true.",
    "which is wrong.",
    "which is absurd.",
    "which cannot be.",
    "which cannot hold.",
    "which does not hold.",
    "so there is no solution.",
    "which never holds.",
    "which fails.",
    "which is inconsistent.",
    "which is not possible.",
    "which is incorrect.",
    "which does not work.",
]


@pytest.mark.parametrize("words", DENIALS)
@pytest.mark.parametrize("step", [FALSE, "$3 + 4 = 8$", "\\[12 \\cdot 13 = 166\\]", "3 + 4 = 8"])
def test_a_denial_excuses_the_statement_that_it_is_about(step: str, words: str) -> None:
    about = words.removeprefix("which ").removeprefix("so ")
    lead = "" if about[0] in "at" else "This "
    assert (
        verdicts(
            f"If it were odd, then {step}, {words}",
            f"We would have {step}, {words}",
            f"We would have {step}. {lead}{about}",
            f"We would have {step}.\n{lead}{about}",
            f"Suppose that it is odd and {step}. Then 7 is even, {words}",
        )
        == [True] * 5
    )
    assert (
        verdicts(
            f"We have {step}. {TALK}Seven is even, {words}",  # too far
            f"Seven is even, {words} We have {step}.",  # before
            f"{RIGHT}, {words} We have {step}.",
            f"We have {step}. Seven others are even, {words}",  # about something else
            f"We have {step}.\nSeven others are even, {words}",
        )
        == [False] * 5
    )


@pytest.mark.parametrize(
    "rest", ["He never eats them.", "Rain fails to fall.", "Nobody can do the impossible."]
)
def test_a_sentence_about_something_else_denies_nothing(rest: str) -> None:
    assert verdicts(f"{FALSE}. {rest}", f"12 * 13 = 166 apples. {rest}", f"{RIGHT}. {rest}") == [
        False,
        False,
        True,
    ]


SUPPOSED = [
    "Suppose that n is even.",
    "Assume that n is even.",
    "We argue by contradiction.",
    "There is no solution by hand.",
    "It is impossible to count them all.",
]


@pytest.mark.parametrize("words", SUPPOSED)
def test_an_assumption_excuses_orders_and_congruences_and_no_arithmetic(words: str) -> None:
    excused = ["$2 \\equiv 0 \\pmod 3$", "$7 < 5$"]
    for step in excused:
        assert verdicts(f"We have {step}.", f"{words} Then {step}.") == [False, True], step
    for step in (
        FALSE,
        "60/5 = 13 apples",
        "$\\frac{9}{6} = \\frac34$",
        "$2x = 10$, so $x = 6$",
        "$3(x+4) = 3x+4$",
        "the sum of 14 and 29 is 44",
        "\\[\\sqrt{50} = 2\\sqrt{5}\\]",
        "$f(x) = x^2$ and $f(3) = 8$",
    ):
        assert verdicts(f"{words} We have {step}.") == [False], step


ROUNDED = [
    ("about", "That makes about {}.", "{} = about {}"),
    ("approximately", "It is approximately {}.", "{} = approximately {}"),
    ("rounded", "{}, rounded to the nearest whole number.", ""),
    ("rounded up", "{}, rounded up.", ""),
    ("nearest", "To the nearest integer it is {}.", ""),
    ("roughly", "Roughly {}.", "{} = roughly {}"),
    ("estimate", "We estimate {}.", ""),
    ("nearly", "So nearly {}.", "{} = nearly {}"),
]


@pytest.mark.parametrize(("name", "form", "between"), ROUNDED)
def test_a_word_of_rounding_excuses_the_rounding_and_no_other_value(
    name: str, form: str, between: str
) -> None:
    written = [form.replace("{}", "100/7 = {}")] + ([between.replace("{} =", "100/7 =")] if between else [])
    for each in written:
        assert verdicts(*(each.format(value) for value in (14, 24, 16, 104))) == [
            True,
            False,
            False,
            False,
        ], each
    assert (
        verdicts("100/7 = 14", f"It is {name} noon. 100/7 = 14", f"That is {name} it. 12 * 13 = 166")
        == [False] * 3
    )
    whole = form.format("12 * 13 = 157")
    assert verdicts(whole) == [False], "there is nothing to round"


@pytest.mark.parametrize(
    "asked", ["to the nearest whole number", "rounded to an integer", "approximately", "Estimate"]
)
def test_a_problem_may_ask_for_rounding(asked: str) -> None:
    prompt = f"How many are there? {asked}"
    assert verdicts("100/7 = 14 each", prompt=prompt) == [True]
    assert verdicts("100/7 = 14 each", prompt="How many are there?") == [False]
    assert verdicts("100/7 = 24 each", "12 * 13 = 157", prompt=prompt) == [False, False]


def test_decimals_may_be_rounded_or_cut_off_at_their_last_digit_and_nothing_else() -> None:
    """100/7 = 14.2857…; 100/8 = 12.5 has nothing to round at one decimal."""
    right = ["14.3", "14.2", "14.29", "14.28", "14.286", "14.285"]
    wrong = ["14.4", "14.1", "14.27", "14.30", "14.284", "14.287", "13.3", "15.3", "142.9"]
    assert verdicts(*(f"$100/7 = {x}$" for x in right)) == [True] * len(right)
    assert verdicts(*(f"$100/7 = {x}$" for x in wrong)) == [False] * len(wrong)
    assert verdicts("$100/8 = 12.5$", "$100/8 = 12.50$") == [True, True]
    assert (
        verdicts("$100/8 = 12.6$", "$100/8 = 12.4$", "$100/8 = 13$", "$100/8 = 12$", "$7/2 = 3$")
        == [False] * 5
    )


EXCUSES = {
    "a question": ("Is 3 * 4 = 13?", ["Is it 7? 3 * 4 = 13.", "3 * 4 = 13. Is it?"]),
    "a remainder": (
        "63 / 5 = 12 remainder 3",
        [
            "63 / 5 = 12 remainder 4",
            "63/5 = 13 remainder 3",
            "63 + 5 = 69 remainder 3",
            "The remainder is 3. 63 + 5 = 69",
        ],
    ),
    "a carry": (
        "7 + 8 = 5 carry 1",
        ["7 + 8 = 6 carry 1", "7 + 8 = 16 carry 1", "63 + 5 = 69 carry 1", "We carry it. 63 + 5 = 69"],
    ),
    "a borrow": ("3 - 7 = 6 borrow 1", ["3 - 7 = 5 borrow 1", "We borrow it. 3 - 7 = 6"]),
    "half": ("half of 10 + 2 = 7", ["She has half. 10 + 2 = 7", "10 + 2 = 7 and half"]),
    "twice": ("twice 3 + 4 = 14", ["He ran twice a day. 3 + 4 = 14 miles", "3 + 4 = 14 twice"]),
    "thousands": (
        "It earns 5 thousand dollars a day, 5 * 3 = 15,000 in all.",
        [
            "It earns 5 thousand dollars a day, 5 * 3 = 16,000 in all.",
            "5 * 3 = 15,000",
            "It earns 5 thousand dollars a day, 5 * 3 = 150 in all.",
        ],
    ),
    "dozens": ("2 * 12 = 24 dozen", ["2 * 12 = 26 dozen", "2 * 12 = 2 dozen eggs and 3 + 4 = 8"]),
    "a percentage more": (
        "$100 + 10% = $110",
        ["$100 + 10% = $111", "$100 + 10 = $111", "10% more: 100 + 5 = 110"],
    ),
    "a percentage less": (
        "200 - 15% = 170",
        ["200 - 15% = 180", "200 - 15 = 170", "15% off. 200 - 15 = 170"],
    ),
    "percent": ("100 - 60 = 40%", ["100 - 60 = 45%", "100 - 60 = 4%"]),
    "percent of": ("50 * 20% = 10", ["50 * 20% = 100", "50 * 20% = 11"]),
    "a change of unit": (
        "2 * 30 minutes = 1 hour",
        ["2 * 30 minutes = 2 hours", "2 * 30 = 1", "2 * 30 minutes = 1 day"],
    ),
    "cents": ("5 * 25 cents = $1.25", ["5 * 25 cents = $1.35", "5 * 25 = 1.25", "5 * 25 cents = $12.50"]),
    "a mixed number": ("17/3 = 5 and 2/3", ["17/3 = 5 and 1/3", "17/3 = 6 and 2/3"]),
    "feet and inches": (
        "70 inches = 5 feet 10 inches",
        ["70 inches = 5 feet 11 inches", "70 inches = 6 feet 10 inches"],
    ),
    "two units": (
        "95 minutes = 1 hour and 35 minutes",
        ["95 minutes = 1 hour and 25 minutes", "95 minutes = 2 hours and 35 minutes", "90 + 6 = 95 minutes"],
    ),
}


@pytest.mark.parametrize("excuse", EXCUSES)
def test_an_excuse_excuses_what_it_is_for(excuse: str) -> None:
    applies, elsewhere = EXCUSES[excuse]
    assert verdicts(applies) == [True]
    assert [trace for trace in elsewhere if check(trace, None).ok] == []


CONVERSIONS = [("3 hours", "185 minutes", "180 minutes"), ("2 feet", "25 inches", "24 inches"),
               ("4 dollars", "410 cents", "400 cents"), ("2 liters", "2010 ml", "2000 ml")]  # fmt: skip


@pytest.mark.parametrize(("of", "false", "true"), CONVERSIONS)
def test_a_change_of_units_may_be_rounded_where_the_text_says_so(of: str, false: str, true: str) -> None:
    """Exactly it is false; with a word that says about, nothing is claimed that could be."""
    assert verdicts(f"{of} = {false}", f"{of} = {false}.") == [False, False]
    assert verdicts(f"{of} = {true}", f"about {of} = {true}") == [True, True]
    words = ("about", "approximately", "roughly", "nearly", "almost", "around")
    assert verdicts(*(f"{word} {of} = {false}" for word in words)) == [True] * 6
    assert verdicts(f"{of} = about {false}", f"{of} ≈ {false}") == [True, True]
    assert check(f"about {of} = {false}", None).read == 0 == check(f"{of} ≈ {false}", None).read
    assert verdicts(f"{of} = {false}. It is about that. {of} = {false}") == [False]  # of another statement


ELSEWHERE = [
    "It takes $x = 3$ hours.",
    "Here $x = 3$ or $x = 5$.",
    "There $x = 3$ meters.",
    "Or $x = 5$ and $x = 3$.",
    "So $x = 4 \\pm 1$.",
]


@pytest.mark.parametrize("said", ELSEWHERE)
def test_a_letter_with_another_value_too_is_held_to_neither(said: str) -> None:
    held = "We have $x = 2$. Now $2x + 1 = 7$."
    assert verdicts(held) == [False]
    assert verdicts(f"{said} {held}", f"{held} {said}") == [True, True]
    assert verdicts(f"{said.replace('x', 'y')} {held}") == [False]  # what is said of another letter
