"""What a trace's steps say, true and false, in every notation: tables of statements from arithmetic.

A true step must not fail, a false one must be caught where it can be read, and what is not read counts as unread.
"""

# pyright: reportArgumentType=false, reportAttributeAccessIssue=false
# what is wrong on purpose, and verifiers that return numbers

from __future__ import annotations

from collections.abc import Sequence

import pytest

from verifiers.reasoning import MathReasoningVerifier, ReasoningVerifier, check
from verifiers.types import Problem


def wrong(true: Sequence[str] = (), false: Sequence[str] = (), unread: Sequence[str] = ()) -> list[str]:
    """What is judged otherwise: `true` holds and is read, `false` is caught, `unread` is neither."""
    found: list[str] = []
    for text in true:
        got = check(text, None)
        if not got.ok or not got.read:
            found.append(f"true, and not so: {text!r}: {got}")
    for text in false:
        got = check(text, None)
        if got.ok:
            found.append(f"false, and not caught: {text!r}: {got}")
    for text in unread:
        got = check(text, None)
        if not got.ok or got.read:
            found.append(f"not to be read: {text!r}: {got}")
    return found


def test_operations_in_every_notation() -> None:
    pairs = [
        ("3 + 4 = {}", "7", "8"), ("9 - 4 = {}", "5", "13"), ("9 − 4 = {}", "5", "4"), ("3 * 4 = {}", "12", "7"), ("3 × 4 = {}", "12", "34"), ("3 x 4 = {}", "12", "7"), ("$3 \\times 4 = {}$", "12", "13"), ("$3 \\cdot 4 = {}$", "12", "7"),
        ("$3 \\ast 4 = {}$", "12", "7"), ("12 / 4 = {}", "3", "8"), ("12 ÷ 4 = {}", "3", "48"), ("$12 \\div 4 = {}$", "3", "4"), ("$\\frac{{12}}{{4}} = {}$", "3", "4"), ("$\\dfrac{{12}}{{4}} = {}$", "3", "4"), ("$\\tfrac{{12}}{{4}}={}$", "3", "4"),
        ("$\\cfrac{{12}}{{4}}={}$", "3", "4"), ("2^5 = {}", "32", "10"), ("$2^{{5}} = {}$", "32", "25"), ("2**5 = {}", "32", "10"), ("2⁵ = {}", "32", "64"), ("$2^{{-1}} = {}$", "0.5", "-2"), ("$(3+4) \\cdot 2 = {}$", "14", "11"), ("3 + 4 * 2 = {}", "11", "14"),
        ("20 - 4 - 6 = {}", "10", "22"), ("24 / 4 / 2 = {}", "3", "12"), ("-3 + 5 = {}", "2", "8"), ("$5! = {}$", "120", "60"), ("$\\binom{{5}}{{2}} = {}$", "10", "20"), ("$\\dbinom{{5}}{{2}}={}$", "10", "25"), ("$\\sqrt{{49}} = {}$", "7", "8"), ("√49 = {}", "7", "8"),
        ("$\\sqrt[3]{{27}} = {}$", "3", "9"), ("$|3 - 8| = {}$", "5", "-5"), ("$\\left|3-8\\right| = {}$", "5", "6"), ("$\\lfloor 3.7 \\rfloor = {}$", "3", "4"), ("$\\lceil 3.2 \\rceil = {}$", "4", "3"), ("$\\gcd(12, 18) = {}$", "6", "36"),
        ("$\\operatorname{{lcm}}(4, 6) = {}$", "12", "24"), ("$\\max(3, 8) = {}$", "8", "3"), ("$\\min(3, 8) = {}$", "3", "8"), ("$\\log_2 8 = {}$", "3", "4"), ("$\\ln e^2 - \\ln e^2 + 2 = {}$", "2", "3"), ("$\\log 1000 = {}$", "3", "4"),
        ("$\\sin 30^\\circ = {}$", "\\frac{1}{2}", "\\frac{1}{3}"), ("$\\cos 60^\\circ = {}$", "0.5", "0.6"), ("$\\tan 45^\\circ = {}$", "1", "2"), ("$\\sin \\frac{{\\pi}}{{2}} = {}$", "1", "0"), ("$\\cos \\pi = {}$", "-1", "1"), ("$\\sec 60^\\circ = {}$", "2", "3"),
        ("$\\csc 30^\\circ = {}$", "2", "3"), ("$\\cot 45^\\circ = {}$", "1", "2"), ("2½ + 1 = {}", "3.5", "4.5"), ("$2\\frac{{1}}{{3}} + 1 = {}$", "\\frac{10}{3}", "\\frac{11}{3}"), ("2 1/3 + 1 = {}", "10/3", "11/3"), ("$0.\\overline{{3}} + 1 = {}$", "\\frac43", "\\frac53"),
        ("1,200 + 300 = {}", "1,500", "1,400"), ("$1{{,}}200 + 300 = {}$", "1500", "1600"), ("$1101_2 + 0 = {}$", "13", "14"), ("3.5 + 1.5 = {}", "5", "6"), (".5 + .5 = {}", "1", "2"), ("$\\arcsin 1 \\cdot 0 + 2 = {}$", "2", "3"), ("$\\exp(0) = {}$", "1", "2"),
        ("$3(4) = {}$", "12", "7"), ("$(3)(4) = {}$", "12", "34"), ("3 times 4 = {}", "12", "7"), ("3 plus 4 = {}", "7", "8"), ("9 minus 4 = {}", "5", "6"), ("12 divided by 4 = {}", "3", "4"), ("3 multiplied by 4 = {}", "12", "13"), ("5 + 3 == {}", "8", "9"),
        ("$\\left(3+4\\right)=\\boxed{{{}}}$", "7", "8"), ("\\(3+4={}\\)", "7", "8"), ("\\[3+4={}\\]", "7", "8"), ("$$3+4={}$$", "7", "8"), ("**3 + 4 = {}**", "7", "8"), ("<<3+4={}>>", "7", "8"), ("Step 1: 3 + 4 = {}.", "7", "8"), ("- 3 + 4 = {}", "7", "8"), ("(3 + 4 = {})", "7", "8"),
        ("$\\begin{{vmatrix}}1&2\\\\3&4\\end{{vmatrix}} = {}$", "-2", "2"), ("$(1,2)+(3,4) = {}$", "(4,6)", "(4,7)"), ("$2(1,2) = {}$", "(2,4)", "(2,5)"), ("$(1,2) \\cdot (3,4) = {}$", "11", "10"),
    ]  # fmt: skip
    assert not wrong(
        [text.format(right) for text, right, _ in pairs], [text.format(other) for text, _, other in pairs]
    )


def test_words_money_and_percent_around_numbers() -> None:
    pairs = [
        ("There are 34 kids - 22 girls = {} boys.", "12", "13"), ("She has 3 boxes * 4 apples = {} apples.", "12", "13"), ("It costs $3 + $4 = ${}.", "7", "8"), ("20% of 50 = {}", "10", "12"), ("20 percent of 50 = {}", "10", "11"), ("$20\\% \\cdot 50 = {}$", "10", "100"),
        ("1/4 of 20 = {}", "5", "6"), ("She earns $18/hour * 3 hours = ${}", "54", "55"), ("The total is 3 + 4 = {} apples.", "7", "8"), ("100 + 10% = {}", "110", "120"), ("2 dozen is 2 * 12 = {}", "24", "25"), ("10 apples + 5 apples = {} apples", "15", "16"),
        ("half of 10 is 10 / 2 = {}", "5", "4"), ("That makes 5 * 20 = ${}", "100", "90"),
    ]  # fmt: skip
    assert not wrong(
        [text.format(right) for text, right, _ in pairs], [text.format(other) for text, _, other in pairs]
    )


_CONVERSIONS = [
    ("3 dollars", "300 cents", "310 cents"), ("2 hours", "120 minutes", "100 minutes"), ("2 minutes", "120 seconds", "100 seconds"), ("3 days", "72 hours", "70 hours"), ("2 weeks", "14 days", "15 days"), ("3 feet", "36 inches", "30 inches"),
    ("2 yards", "6 feet", "7 feet"), ("2 miles", "10560 feet", "10500 feet"), ("3 km", "3000 meters", "300 meters"), ("2 m", "200 cm", "20 cm"), ("3 cm", "30 mm", "300 mm"), ("2 liters", "2000 ml", "200 ml"), ("3 kg", "3000 grams", "300 grams"), ("2 grams", "2000 mg", "200 mg"),
    ("2 pounds", "32 ounces", "30 ounces"), ("2 gallons", "8 quarts", "6 quarts"), ("2 quarts", "4 pints", "5 pints"), ("3 pints", "6 cups", "7 cups"), ("2 cups", "16 ounces", "17 ounces"), ("2 decades", "20 years", "21 years"), ("2 centuries", "200 years", "210 years"),
    ("2 quarters", "50 cents", "60 cents"), ("3 dimes", "30 cents", "15 cents"), ("4 nickels", "20 cents", "25 cents"), ("2 tons", "4000 pounds", "4100 pounds"),
]  # fmt: skip


def test_every_conversion_of_units() -> None:
    rows = _CONVERSIONS
    assert not wrong(
        [f"{one} = {other}" for one, other, _ in rows], [f"{one} = {other}" for one, _, other in rows]
    )
    assert not wrong(
        ["95 minutes = 1 hour and 35 minutes", "1.5 hours * 60 = 90 minutes", "3 * 4 = 12"],
        ["95 minutes - 0 minutes = 1 hour and 36 minutes"],
    )
    assert not wrong(["0.5 * 100 = 50%", "1/4 = 25%", "3/4 * 1 = 75%"], ["1/4 * 1 = 26%"])


def test_relations() -> None:
    assert not wrong(
        ["$3 < 4$", "$4 > 3$", "$3 \\le 3$", "$3 \\leq 4$", "$4 \\geq 4$", "$3 ≤ 4$", "$5 ≥ 4$", "$2+2 < 5$", "$10 \\equiv 3 \\pmod 7$", "10 ≡ 3 (mod 7)", "$\\frac13 \\approx 0.33$", "2/3 ≈ 0.67", "22/7 ~= 3.14", "100/3 = 33.33", "2/3 = 0.67", "2/3 = 0.66", "2/3 = 0.667",
         "$\\pi \\cdot 2 \\approx 6.28$", "$2\\pi = 6.28$", "3 * 1.111 = 3.333", "7 / 2 = 3 remainder 1", "7 + 8 = 5 carry 1", "about 7 / 2 = 4", "7 / 2 = 3.5, rounded to 4", "$\\sqrt2 = 1.414$", "$\\sqrt{2} \\approx 1.41$"],
        ["$4 < 3$", "$3 > 4$", "$4 \\le 3$", "$3 \\geq 4$", "$3 < 3$", "$2+2 > 5$", "$10 \\equiv 4 \\pmod 7$", "$\\frac13 \\approx 0.43$", "2/3 ≈ 0.57", "100/3 = 33.43", "2/3 = 0.68", "7 / 2 = 3 remainder 2", "7 / 2 = 4", "$2\\pi = 6.38$", "$\\sqrt2 = 1.424$", "1/3 + 0 = 0.3334", "3 + 4 = 7 = 8", "3 + 4 = 7 = 5 + 3"],
    )  # fmt: skip


def test_algebra() -> None:
    assert not wrong(
        ["$(x+1)^2 = x^2+2x+1$", "$x^2-1 = (x-1)(x+1)$", "$2x+3x = 5x$", "$2(x+3) = 2x+6$", "$\\sin^2 x + \\cos^2 x = 1$", "$x \\cdot x = x^2$", "$\\frac{2x}{2} = x$", "$(a+b)(a-b) = a^2 - b^2$", "$i^2 + 1 = 0$", "$(2+i)(2-i) = 5$", "$\\sqrt{x}\\sqrt{x} = x$"],
        ["$(x+1)^2 = x^2+2x+2$", "$2(x+3) = 2x+3$", "$(x+2)(x+3) = x^2+5x+5$", "$2x + 3x + 1 = 5x + 2$", "$i^2 + 1 = 1$", "$(2+i)(2-i) = 4$", "$(a+b)^2 = a^2+2ab+2b^2$"],
        ["$2x + 3 = 7$", "$x = 4$", "$y = 2x + 1$"],
    )  # fmt: skip
    assert not wrong(
        false=["$2x + 3 = 7$, so $2x = 5$.", "2x + 3 = 7. Subtracting 3 from both sides, 2x = 5.", "$3x = 12$. Dividing both sides by 3, $x = 5$.", "$2x = 8 \\Rightarrow x = 5$", "$x + y = 10$. We find $x = 3$ and $y = 8$.", "$2x < 6$. Dividing both sides by 2, $x < 4$.", "$-2x < 6$. Dividing both sides by -2, $x < -3$.", "$f(x) = x^2 + 1$. Then $f(3) = 11$."],
    )  # fmt: skip
    for text in (
        "$2x + 3 = 7$, so $2x = 4$.",
        "$3x = 12$. Dividing both sides by 3, $x = 4$.",
        "$2x = 8 \\Rightarrow x = 4$",
        "$x + y = 10$. We find $x = 3$ and $y = 7$.",
        "$-2x < 6$. Dividing both sides by -2, $x > -3$.",
        "$f(x) = x^2 + 1$. Then $f(3) = 10$.",
        "$x^2 = 4$, so $x = 2$ or $x = -2$.",
        "Case 1: $x = 2$. Case 2: $x = 3$.",
        "Let $x = 2$. Now let $x = 3$.",
    ):
        assert check(text, None).ok, text


def test_results_in_words() -> None:
    pairs = [
        ("the sum of 14 and 29 is {}.", "43", "44"), ("the product of 3 and 4 is {}.", "12", "13"), ("the average of 4 and 8 is {}.", "6", "7"), ("the mean of 4, 8 and 9 is {}.", "7", "8"), ("the difference of 9 and 4 is {}.", "5", "6"), ("the difference between 4 and 9 is {}.", "5", "6"), ("the greatest common divisor of 12 and 18 is {}.", "6", "3"),
        ("the greatest common factor of 12 and 18 is {}.", "6", "2"), ("the gcd of 12 and 18 is {}.", "6", "4"), ("the gcf of 12 and 18 equals {}.", "6", "4"), ("the least common multiple of 4 and 6 is {}.", "12", "24"), ("the lcm of 4 and 6 is {}.", "12", "24"), ("the least common denominator of 4 and 6 is {}.", "12", "24"), ("the lcd of 4 and 6 is {}.", "12", "6"),
        ("the prime factorization of 28 is {}.", "2^2 * 7", "2 * 7"), ("the square of 5 is {}.", "25", "10"), ("the cube of 3 is {}.", "27", "9"), ("The positive difference between 4 and 9 is {}.", "5", "6"), ("the sum of $14$ and $29$ is ${}$.", "43", "44"),
    ]  # fmt: skip
    assert not wrong(false=[text.format(other) for text, _, other in pairs])
    for text, right, _ in pairs:
        assert check(text.format(right), None).ok, text


def test_corrections_and_denials() -> None:
    for text in (
        "3 + 4 = 8. Wait, 3 + 4 = 7.", "3 + 4 = 8. Actually, it is 7.", "3 + 4 = 8. Hold on, that should be 7.", "3 + 4 = 8. Correction: 3 + 4 = 7.", "3 + 4 = 8, oops, 7.", "3 + 4 = 8. Sorry, 7.", "3 + 4 = 8. That is wrong: 3 + 4 = 7.", "3 + 4 = 8. Let me recompute: 3 + 4 = 7.", "3 + 4 = 8. I made a mistake; it's 7.",
        "3 + 4 = 8, which is false.", "3 + 4 = 8. That is impossible.", "3 + 4 = 8, which is a contradiction.", "3 + 4 = 8. This is not true.", "Suppose it holds. Then 3 + 4 = 8. This cannot be.", "3 + 4 = 8, which does not hold.", "We get 3 + 4 = 8, a contradiction.", "3 + 4 = 8. However, this fails.", "If it were, 3 + 4 = 8. Nobody minds. There is no solution.", "3 + 4 = 8: no solution.",
    ):  # fmt: skip
        assert check(text, None).ok, text
    for text in (
        "3 + 4 = 8. Wait, let me think about it.",
        "3 + 4 = 8. Actually, it is 9.",
        "3 + 4 = 8. That is right.",
        "3 + 4 = 8. Then we go on. The shop is impossible to reach.",
        "3 + 4 = 8. So the answer is 8.",
        "It is not 5. 3 + 4 = 8.",
    ):
        assert not check(text, None).ok, text


def test_questions_hypotheses_and_what_is_skipped() -> None:
    assert not wrong(
        unread=[
            "Is 3 + 4 = 8?",
            "Width = 5",
            "x = 5",
            "Page 3 = 4",
            "[asy] draw(1=2); [/asy]",
            "no numbers at all",
            "",
            "At 6:30 = 7",
            "$x = \\unknown{3}$",
        ]
    )
    got = check("3 + 4 = 7 and $\\foo = 5$ and 2 * 2 = 4", None)
    assert (got.ok, got.read) == (True, 2)
    many = check(" ".join(["1 + 1 = 2."] * 2500), None)
    assert many.ok and 2000 <= many.read <= 2001 and many.read + many.unread == 2500
    long = check("1 + 1 = 3. " + "x" * 160_000 + " 1 + 1 = 2", None)
    assert long.ok and long.unread == 1


@pytest.mark.parametrize(
    ("trace", "answer", "ok"),
    [
        ("3 + 4 = 7. So it is ", "7", True), ("3 + 4 = 7. So it is ", "8", False), ("3 + 4 = 7. The answer is 7. \\boxed{", "7", True), ("3 + 4 = 7. The answer is 7. \\boxed{", "9", False), ("The answer is 5. \\boxed{", "6", False), ("10 / 4 = 2.5. So it is ", "5/2", True), ("10 / 4 = 2.5. So it is ", "2.5", True),
        ("1/4 * 1 = 0.25. So it is ", "25\\%", True), ("10 / 3 = 3.33. So it is ", "3.33", True), ("7 - 10 = -3. The loss is ", "3", True), ("7 - 10 = -3. So x is ", "3", False), ("3 + 4 = 7. Then, with the other 5, we have ", "12", True), ("Let us see.", "7", True), ("3 * 4 = 12. Therefore, there are 14 pairs. \\boxed{", "12", False),
        ("3 * 4 = 12. Therefore, there are 12 pairs. \\boxed{", "12", True), ("3 + 4 = ", "7", True), ("3 + 4 = ", "8", False), ("$3 + 4 = \\boxed{", "8", False), ("3 + 4 = 7. So the answer is \\(", "7", True), ("Area = 5. So the area is ", "6", False), ("Area = 5. So the perimeter is ", "6", True), ("3 + 4 = 7.", None, True), ("3 + 4 = 7. So it is ", "x", True), ("3^2 = 9. So it is ", "3", True),
    ],
)  # fmt: skip
def test_conclusions(trace: str, answer: str | None, ok: bool) -> None:
    assert check(trace, answer).ok is ok, check(trace, answer)


def test_what_the_problem_asks_changes_the_conclusion() -> None:
    assert (
        not check("12 * 12 = 144. So it is ", "4").ok
        and check("12 * 12 = 144. So it is ", "4", "What is the last digit of it?").ok
    )
    assert (
        not check("10 / 4 = 2.5. So there are ", "3").ok
        and check("10 / 4 = 2.5. So there are ", "3", "Round to the nearest whole number.").ok
    )
    assert (
        not check("$f(3) = 11$", None, "Let $f(x) = x^2+1$.").ok
        and check("$f(3) = 10$", None, "Let $f(x) = x^2+1$.").ok
        and check("$f(3) = 11$", None).ok
    )


def test_what_is_said_of_the_first_false_step() -> None:
    found = check("1 + 1 = 2, 16/2 = 9, 8 - 2 = 5.", None)
    assert found.first_failure == "“16/2 = 9” does not hold (left side: 8)" and (
        found.ok,
        found.read,
        found.unread,
    ) == (False, 3, 0)
    assert "its value: 43" in str(check("the sum of 14 and 29 is 44.", None).first_failure)
    assert "does not follow from the equation before it" in str(
        check("$2x = 8 \\Rightarrow x = 5$", None).first_failure
    )
    assert "does not follow from the bounds before it" in str(
        check("$2x < 6$. Dividing both sides by 2, $x < 4$.", None).first_failure
    )
    assert "does not hold for the values stated" in str(
        check("$x + y = 10$. We find $x = 3$ and $y = 8$.", None).first_failure
    )
    assert "is the last result, and not the answer given, 8" in str(
        check("3 + 4 = 7. So it is ", "8").first_failure
    )
    assert "is not the answer given, 6" in str(check("The answer is 5. \\boxed{", "6").first_failure)
    long = "1 + " * 60 + "1 = 5"
    assert " … " in str(check(long, None).first_failure) and len(str(check(long, None).first_failure)) < 170


@pytest.mark.parametrize(
    ("verifier", "trace", "answer", "expected"),
    [
        (ReasoningVerifier(), "3 + 4 = 7, so ", "7", (1.0, "correct", 1.0, 1.0)), (ReasoningVerifier(), "3 + 4 = 8, so ", "8", (0.0, "unsound", None, 0.0)), (ReasoningVerifier(), "", "7", (0.0, "no_trace", None, None)), (ReasoningVerifier("accept"), "", "7", (1.0, "no_trace", None, None)),
        (ReasoningVerifier(), "3 + 4 = 7. So it is ", "9", (0.0, "unsound", None, 0.0)), (MathReasoningVerifier(), "3 + 4 = 7, so ", "7", (1.0, "correct", 1.0, 1.0)), (MathReasoningVerifier(), "3 + 4 = 8, 8 - 1 = 7, so ", "7", (0.0, "unsound", 1.0, 0.0)), (MathReasoningVerifier(), "3 + 4 = 8, so ", "8", (0.0, "incorrect", 0.0, 0.0)),
        (MathReasoningVerifier(), "3 + 5 = 8, so ", "8", (0.0, "incorrect", 0.0, 1.0)), (MathReasoningVerifier(), "So the answer is ", "7", (0.0, "no_trace", 1.0, None)), (MathReasoningVerifier("accept"), "The final answer is", "7", (1.0, "no_trace", 1.0, None)), (MathReasoningVerifier("accept"), "", "8", (0.0, "incorrect", 0.0, None)),
        (MathReasoningVerifier(), "", "8", (0.0, "incorrect", 0.0, None)), (MathReasoningVerifier(), "3 + 4 = 7", None, (0.0, "no_answer", 0.0, 1.0)), (MathReasoningVerifier(units="required"), "3 + 4 = 7, so ", "7 cm", (0.0, "incorrect", 0.0, None)), (MathReasoningVerifier(units="ignored"), "3 + 4 = 7, so ", "7 cm", (1.0, "correct", 1.0, 1.0)),
    ],
)  # fmt: skip
def test_verdicts(
    verifier: ReasoningVerifier | MathReasoningVerifier, trace: str, answer: str | None, expected: tuple
) -> None:
    verdict = verifier.verify(Problem("p", "What is 3 + 4?", "7"), trace, answer)
    score, status, answer_score, sound = expected
    assert (verdict.score, verdict.status, verdict.answer_score) == (score, status, answer_score)
    assert sound is None or verdict.sound == sound


def test_options_reach_the_judge_of_the_answer() -> None:
    for options, gold, answer, status in (
        ({"percent": "free"}, "50", "50%", "correct"), ({"percent": "strict"}, "50%", "50", "incorrect"), ({"rounding": "never"}, "0.667", "2/3", "incorrect"), ({"rounding": "gold"}, "0.667", "2/3", "correct"), ({"whole": ["t"]}, r"\lfloor t/2 \rfloor + \lfloor (t+1)/2 \rfloor", "t", "correct"), ({}, r"\lfloor t/2 \rfloor + \lfloor (t+1)/2 \rfloor", "t", "incorrect"),
    ):  # fmt: skip
        assert (
            MathReasoningVerifier(**options)
            .verify(Problem("p", "", gold), "We look at it closely. ", answer)
            .status
            == status
        ), options
    for bad in ("refused", "", None):
        with pytest.raises(ValueError, match="empty_trace"):
            ReasoningVerifier(bad)
    with pytest.raises(ValueError, match="empty_trace"):
        MathReasoningVerifier("no")
    assert MathReasoningVerifier().verify(Problem("p", "", "proof"), "", "1").status == "unverifiable"
    assert (
        MathReasoningVerifier().as_text(Problem("p", "", "yes"))
        and not MathReasoningVerifier().as_text(Problem("p", "", "5"))
        and MathReasoningVerifier().as_response(Problem("p", "", "5")) == "\\boxed{5}"
    )


def test_the_detail_counts_steps() -> None:
    def detail(trace: str) -> str:
        return ReasoningVerifier().verify(Problem("p", "", "7"), trace, "7").detail

    assert (
        detail("3 + 4 = 7, so ") == "1 step read, 0 unread (0%)"
        and detail("3 + 4 = 7 and 1 + 1 = 2 and 7 + 0 = 7, so ") == "3 steps read, 0 unread (0%)"
    )
    assert (
        detail("3 + 4 = 7 and x = 5 = y, so 7 it is ").startswith("1 step read")
        and detail("Words alone say it is ") == "0 steps read, 0 unread"
    )
    assert detail("3 + 4 = 8, so 7 ").startswith("“3 + 4 = 8” does not hold (left side: 7); 1 step read")
    for empty in (
        "",
        "  ",
        "The answer is ",
        "So the answer is \\boxed{",
        "Therefore, the final answer is: ",
        "Answer: ",
        "<think> </think>",
        "Thus, ",
        "Final answer: ",
    ):
        assert ReasoningVerifier().verify(Problem("p", "", "7"), empty, "7").status == "no_trace", empty
    assert ReasoningVerifier().verify(Problem("p", "", "7"), "We add. ", "7").status == "correct"
