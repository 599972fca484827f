"""Notation that few traces use, and that is read all the same: the true step holds, the false one does not."""

from __future__ import annotations

import pytest

from verifiers.reasoning import check

STEPS = [  # (a true step, a false one)
    ("180° - 50° = 130°", "180° - 50° = 120°"),
    ("$180^\\circ - 50^\\circ = 130^\\circ$", "$180^\\circ - 50^\\circ = 140^\\circ$"),
    ("$3(40)^\\circ = 120^\\circ$", "$3(40)^\\circ = 110^\\circ$"),
    ("$(1,2)\\cdot 3 = (3,6)$", "$(1,2)\\cdot 3 = (3,5)$"),
    ("$3(1,2) = (3,6)$", "$3(1,2) = (4,6)$"),
    (
        "$\\begin{pmatrix}1\\\\2\\end{pmatrix} 3 = \\begin{pmatrix}3\\\\6\\end{pmatrix}$",
        "$\\begin{pmatrix}1\\\\2\\end{pmatrix} 3 = \\begin{pmatrix}3\\\\5\\end{pmatrix}$",
    ),
    ("$\\operatorname{abs}(-7) = 7$", "$\\operatorname{abs}(-7) = 8$"),
    ("$\\operatorname{floor}(7/2) = 3$", "$\\operatorname{floor}(7/2) = 4$"),
    ("$\\operatorname{ceil}(7/2) = 4$", "$\\operatorname{ceil}(7/2) = 3$"),
    ("2 * π = 6.28", "2 * π = 7.28"),
    ("2 * π * 3 = 6π", "2 * π * 3 = 5π"),
    ("$3 + \\square = 7$, so $\\square = 4$", "$3 + \\square = 7$, so $\\square = 5$"),
    ("$3 + \\boxed{} = 7$, so $\\boxed{} = 4$", "$3 + \\boxed{} = 7$, so $\\boxed{} = 5$"),
    ("The square root of 49 is 7", "The square root of 49 is 8"),
    ("The square root of 50 is 7.07", "The square root of 50 is 7.2"),
    ("3 cm^{2} + 4 cm^{2} = 7 cm^{2}", "3 cm^{2} + 4 cm^{2} = 8 cm^{2}"),
    ("3 cm^2 + 4 cm^2 = 7 cm^2", "3 cm^2 + 4 cm^2 = 8 cm^2"),
    ("$3\\text{ cm}^{2} \\cdot 4 = 12\\text{ cm}^{2}$", "$3\\text{ cm}^{2} \\cdot 4 = 13\\text{ cm}^{2}$"),
    ("$22\\cdot 9 \\approx 20\\cdot 10$", "$22\\cdot 9 \\approx 21\\cdot 11$"),
    ("$3.33 \\approx 10/3$", "$3.93 \\approx 10/3$"),
    ("$\\sqrt{\\sqrt{2}+1} = 1.554$", "$\\sqrt{\\sqrt{2}+1} = 1.654$"),
    ("$\\sqrt[3]{\\pi} = 1.46$", "$\\sqrt[3]{\\pi} = 1.56$"),
    ("95 minutes = 1 hour and 35 minutes", "95 minutes = 1 hour and 45 minutes"),
    ("75 + 20 minutes = 1 hour and 35 minutes", "75 + 20 minutes = 1 hour and 45 minutes"),
    ("$2 1/2 = 2.5$", "$2 1/2 = 3.5$"),
    ("$2 \\!1/2 = 2.5$", "$2 \\!1/2 = 3.5$"),
    ("10 divided by 2 is 5", "10 divided by 0 is 0"),
]


@pytest.mark.parametrize(("true", "false"), STEPS)
def test_a_step_in_rare_notation(true: str, false: str) -> None:
    for before, after in (("", ". So it is 1."), ("First, ", "."), ("2 + 2 = 4. ", ".\n\n2 + 3 = 5.")):
        assert check(f"{before}{true}{after}", None).ok, true
        assert not check(f"{before}{false}{after}", None).ok, false


def test_a_root_of_a_negative_number_has_no_value_that_is_shown() -> None:
    failure = check("$\\sqrt{1-\\sqrt{2}} = 3$", None).first_failure
    assert failure == "“$\\sqrt{1-\\sqrt{2}} = 3$” does not hold"


@pytest.mark.parametrize("link", ["Thus ", "Therefore, the answer is ", "So "])
@pytest.mark.parametrize(
    ("equation", "right", "wrong"),
    [("x + 5 = 12", "7", "8"), ("x - 5 = 12", "17", "7"), ("3x - 1 = 20", "7", "19"), ("20 - n = 13", "7", "33"),
     ("3 + \\square = 7", "4", "10"), ("\\frac{x}{4} + 1 = 3", "8", "11")],
)  # fmt: skip
def test_the_answer_may_solve_the_last_equation(equation: str, right: str, wrong: str, link: str) -> None:
    assert check(f"We have ${equation}$. {link}", right).ok
    assert not check(f"We have ${equation}$. {link}", wrong).ok


def test_of_an_equation_in_two_letters_the_answer_is_the_value() -> None:
    assert check("We have $2a + b + 1 = 12$. Thus ", "12").ok
    assert not check("We have $2a + b + 1 = 12$. Thus ", "7").ok


def test_an_angle_may_follow_from_its_sine_and_one_root_from_both() -> None:
    assert check("$\\sin A = 4/8 = 0.5$. Thus ", "30^\\circ").ok
    assert check("$x = 2\\cdot 1 = 2$, $x = 6/2 = 3$. Thus the smaller x is ", "2").ok
    assert not check("$5 + 6 = 11$. Thus ", "13").ok


# --- properties of numbers in words -----------------------------------------------------------------------


def says(claim: str, true: bool) -> None:
    assert check(f"Note that {claim}.", None).ok is true, claim


def test_properties_of_every_small_number() -> None:
    for a in (*range(64), 91, 97, 121, 10_007, 10_403):
        divisors = [d for d in range(1, a + 1) if a % d == 0]
        properties = {
            "prime": len(divisors) == 2, "a prime number": len(divisors) == 2, "a prime": len(divisors) == 2,
            "composite": len(divisors) > 2, "even": a % 2 == 0, "an even number": a % 2 == 0, "odd": a % 2 == 1,
            "an odd number": a % 2 == 1, "a perfect square": any(x * x == a for x in range(a + 1)),
        }  # fmt: skip
        for kind, true in properties.items():
            says(f"{a} is {kind}", true)
            says(f"{a} is not {kind}", not true)


def test_what_divides_what() -> None:
    for a in (*range(14), 60, 91):
        for b in (*range(14), 60, 91):
            if a == b == 0:
                continue  # of which people say the one and the other
            divides = any(a * k == b for k in range(92))
            for claim in (f"{b} is@ divisible by {a}", f"{b} is@ a multiple of {a}", f"{a} is@ a factor of {b}",
                          f"{a} is@ a divisor of {b}"):  # fmt: skip
                says(claim.replace("@", ""), divides)
                says(claim.replace("@", " not"), not divides)


def test_which_number_is_larger() -> None:
    for a in (0, 3, 4, 10, 1.5):
        for b in (0, 3, 4, 10, 1.5):
            for word in ("more", "greater", "larger", "bigger", "higher"):
                says(f"{a} is {word} than {b}", a > b)
                says(f"{a} is not {word} than {b}", not a > b)
            for word in ("less", "fewer", "smaller", "lower"):
                says(f"{a} is {word} than {b}", a < b)
                says(f"{a} is not {word} than {b}", not a < b)


QUESTIONS = [
    "adding 3 and 4 gives 8", "the square root of 49 is 8", "half of 10 is 6",
    "12 divided by 5 leaves a remainder of 3",
    "5 more than 4 is 10", "3 groups of 4 is 13", "9 is prime", "5 is greater than 7", "5 is a factor of 12",
]  # fmt: skip


@pytest.mark.parametrize("false", QUESTIONS)
def test_a_question_claims_nothing(false: str) -> None:
    assert not check(f"We see that {false}.", None).ok
    assert check(f"We see that {false}?", None).ok
    assert check(f"{false.capitalize()}? No.", None).ok


@pytest.mark.parametrize("gap", [",", "."])
def test_what_follows_a_torn_number_or_sum_is_no_step_of_its_own(gap: str) -> None:
    torn = "14, 400 / 80 = 180" if gap == "," else ".8 + . 84 = 1.64"
    assert check(f"So {torn}.", None).ok
    assert check(f"Next 3 + {gap} 5 + 6 = 12.", None).ok  # 3 + 5 + 6, or something else
    assert not check("Next 8, 40 / 80 = 6.", None).ok
    for whole in ("\n\n", "; ", ": "):
        assert not check(f"Next 3 +{whole}5 + 6 = 12.", None).ok, whole


@pytest.mark.parametrize("label", [
    "3 shirts", "$3 \\text{ shirts}", "The 3 shirts cost", "Total for 3", "3 red shirts", "$3 \\text{ large boxes}",
])  # fmt: skip
def test_a_number_of_things_is_a_label_and_no_side_of_the_equation(label: str) -> None:
    end = "$" if label.startswith("$") else ""
    assert check(f"{label} = 3 * 4 = 12{end}.", None).ok
    assert not check(f"{label} = 3 * 4 = 13{end}.", None).ok
    assert not check("$3 = 3 \\cdot 4$.", None).ok
    assert not check("Total $3 = 2 \\cdot 4$.", None).ok


@pytest.mark.parametrize(("shown", "half"), [(120, 5), (1200, 50), (3000, 500), (700, 50)])
def test_an_announced_value_is_rounded_at_its_last_digit_that_is_not_zero(shown: int, half: int) -> None:
    """Both neighbours of a tie are accepted, since people round it up and to even."""
    for off in (-half - 1, -half, -half + 1, -1, 0, 1, half - 1, half, half + 1):
        assert check(f"So 100 + {shown - 100 + off} ≈ {shown}.", None).ok is (abs(off) <= half), off
    assert not check("So 3 + 4 ≈ 8.", None).ok


@pytest.mark.parametrize("before", ["", "First, ", "So all is well. ", "By \\textbf{this}, ", "In $x$: "])
@pytest.mark.parametrize("claim", ["the square root of 49 is 8", "adding 3 and 4 gives 8", "9 is prime"])
def test_what_is_quoted_is_the_claim_itself(before: str, claim: str) -> None:
    for after in (". Done.", ". Done with $x$ and \\textbf{some}\n\nmore."):
        failure = check(f"{before}{claim}{after}", None).first_failure
        assert failure is not None and failure.startswith(f"“{claim}” does not hold"), failure
