"""More kinds of mathematical answers: decimals with commas, chains, names, sets by description, families, sentences."""

from __future__ import annotations

import pytest

from tests.verifiers.tabled import Row, misjudged
from verifiers.math import MathVerifier, Unreadable, canonical, equal, grade, reference_answer
from verifiers.types import Problem


def test_commas_as_points_and_between_numbers() -> None:
    rows: list[Row] = [
        ("12.5", ["12,5", "12,50", "x = 12,5"], ["125", "12,6", "1,25", "12, 5"]), ("1234.5", ["1.234,5", "1,234.5"], ["1234,6", "12345"]), ("0.125", ["0,125"], ["125", "0,126"]),
        ("100, 200, 300", ["100,200,300", "300,200,100"], ["100200300", "100,200"]), ("100200300", ["100,200,300"], ["100,200,301"]), ("1234", ["1,234"], ["1,235", "1, 234"]), ("(1,234)", ["(1, 234)"], ["1234"]),
    ]  # fmt: skip
    assert not misjudged(rows)


def test_chains_of_equal_sides() -> None:
    rows: list[Row] = [
        (r"12\pi", [r"S = 2\pi r = 12\pi", r"S = 12\pi \approx 37.70", r"12\pi \approx 37.7 \approx 38", r"A = 3\cdot4\pi = 12\pi", r"12\pi = 37.699\ldots", r"S=12\pi"], [r"S = 12\pi \approx 36.7", r"S = 2\pi r = 13\pi", r"12\pi \approx 37.7 \approx 39"]),
        ("5", ["2 + 3 = 5", "x = 2 + 3 = 5", "10/2 = 5", "f(2) = 2^2 + 1 = 5", "5 = 2 + 3"], ["2 + 4 = 5", "x = 2 + 2 = 5", "5 = 6"]),
        ("2/3", ["2/3 = 0.667", "2/3 ≈ 0.67", "x = 2/3 = 0.6667", r"\frac23 \approx 66.7\%"], ["2/3 = 0.767", "2/3 ≈ 0.76", r"\frac23 \approx 76.7\%"]),
        ("37.7", [r"x \approx 37.7", "≈ 37.7", "about 37.7", "37.70"], ["38", "37.6"]), (r"A^{-1} = \begin{pmatrix}1&2\\3&4\end{pmatrix}", [r"\begin{pmatrix}1&2\\3&4\end{pmatrix}"], [r"\begin{pmatrix}1&2\\3&5\end{pmatrix}"]), ("(1,2)", [r"A = (1,2)", r"\vec{v} = (1,2)", "P(1, 2)", "P = (1,2)", "center (1,2)", "the center is (1,2)"], ["(2,1)", "P(2,1)"]),
        ("1500", ["1500 = 1.5 \\times 10^3", "1.5 \\times 10^3", "1500.0"], ["1.5 \\times 10^2"]), (r"\sqrt2", [r"\sqrt2 = 1.414", r"\sqrt2 \approx 1.41", r"\sqrt{2} = 1.414..."], [r"\sqrt2 = 1.5", "1.414", r"\sqrt2 \approx 1.5"]),
    ]  # fmt: skip
    assert not misjudged(rows)


def test_names_that_are_computed_and_expressions_that_are_not() -> None:
    rows: list[Row] = [
        ("5", [r"\frac{dy}{dx} = 5", r"\lim_{x\to0} f(x) = 5", r"\int_0^1 f(x)dx = 5", r"\sum_{k} a_k = 5", r"\tan A = 5", "max = 5", "minimum = 5", r"\frac{AB}{CD} = 5", "AB + CD = 5", r"|\vec{a}| = 5", r"\frac{S_{ABC}}{S_{DEF}} = 5", r"f^{-1}(2) = 5", "a_5 = 5", r"x_{1,2} = 5", r"\bar{x} = 5", r"|A \cup B| = 5", "x-intercept = 5", "Ann's age = 5", r"P(A) = 5", r"\det A = 5", r"f'(1) = 5", r"[ABC] = 5", "area of ABC = 5", r"m\angle A = 5", "the number of ways is 5", "x' = 5", r"E[X] = 5", "perimeter: 5", "Volume = 5"],
         ["x + 1 = 5", "2x = 5", "x^2 = 5", "x - y = 5", "at least 5", "more than 5", "less than 5", "nearly 5", "not 5", "5 or more", "-x = 5", "x/2 = 5", "divisible by 5", "multiples of 5", r"\sin 2 = 5"]),
        ("AB = CD = 5", ["5", "AB = 5, CD = 5"], ["6", "AB = 5, CD = 6"]), ("x = y = 1", ["x = 1, y = 1", "(1,1)"], ["x = 1, y = 2"]), ("120", ["C(10,3)", r"\binom{10}{3}", "C_{10}^3"], ["P(10,3)", "C(10,4)"]), (r"C_{n}^{2}", [r"\binom{n}{2}", r"\frac{n(n-1)}{2}"], [r"\frac{n(n+1)}{2}"]),
        ("a_n = 2n", ["2n", "a_n=n+n"], ["2n+1", "b_n = 3n"]), ("S_1 : S_2 = 2:3", ["2:3", "4:6"], ["3:2"]), ("sin A = 1/2", [r"\sin \angle BAC = \frac12", "1/2"], ["cos A = 1/2"]), ("C_1 + C_2 x", ["C_2x + C_1"], ["C_1 - C_2 x"]), ("x_1 = 1, x_2 = 2, x_3 = 3", ["1, 2, 3", "x_0 = 1, x_1 = 2, x_2 = 3"], ["1, 2", "1, 2, 4"]),
    ]  # fmt: skip
    assert not misjudged(rows)


def test_sets_by_description_and_domains() -> None:
    rows: list[Row] = [
        (r"\{x : x = 5k, k \in \mathbb{Z}\}", [r"\{5k : k \in \mathbb{Z}\}", r"5k, k \in \mathbb{Z}", "5n"], [r"\{3k : k \in \mathbb{Z}\}", "5"]), (r"\{x : 1 < x < 3\}", ["(1,3)", "1<x<3"], ["[1,3]"]), (r"\{x \mid x \ne 2\}", ["x ≠ 2"], ["x = 2"]), (r"x \in (1,2) \cup (3,4)", ["(1,2) ∪ (3,4)"], ["(1,2)"]),
        ("2n, n = 1, 2, 3, \\ldots", ["2n, n \\ge 1", r"2n, n \in \mathbb{N}", r"2n, n \in \mathbb{Z}^+", r"2n, n \in \mathbb{N}^*", r"2n, n \in \mathbb{Z}_{>0}", "2n for natural n", "2n (n > 0)", "2n"], ["2n, n = 0, 1, 2, \\ldots", "2n, n \\ge 0", r"2n, n \in \mathbb{N}_0", r"2n, n \in \mathbb{Z}_{\ge 0}", "3n, n = 1, 2, 3, \\ldots"]),
        ("n^2 for odd n", ["n^2 if n is odd", "n^2"], ["n^2 for even n", "n for odd n"]), (r"\begin{cases} n & n \text{ even} \\ 2n & n \text{ odd} \end{cases}", [r"\begin{cases} 2n & \text{if } n \text{ is odd} \\ n & \text{if } n \text{ is even} \end{cases}", r"\begin{cases} n & n \text{ even} \\ 2n & \text{otherwise} \end{cases}"], [r"\begin{cases} 2n & n \text{ even} \\ n & n \text{ odd} \end{cases}"]),
        (r"(2k\pi, (2k+1)\pi), k \in \mathbb{Z}", [r"(2n\pi, 2n\pi+\pi), n \in \mathbb{Z}", r"((2k-2)\pi, (2k-1)\pi), k\in ℤ"], [r"(k\pi, (k+1)\pi), k \in \mathbb{Z}", r"[2k\pi, (2k+1)\pi], k \in \mathbb{Z}"]), ("(k, -k), k \\in ℤ", ["(-k, k), k \\in ℤ", "(n, -n), n ∈ ℤ"], ["(k, k), k \\in ℤ"]), (r"\frac{\pi}{4} + \frac{k\pi}{2}, k \in ℤ", [r"\frac{\pi}{4}+k\pi, \frac{3\pi}{4}+k\pi, k \in ℤ", r"\pm\frac{\pi}{4} + k\pi, k \in ℤ"], [r"\frac{\pi}{4}+k\pi, k \in ℤ", r"\frac{\pi}{2} + \frac{k\pi}{2}, k \in ℤ"]),
        (r"x = \frac{\pi}{6} + 2k\pi \text{ or } x = \frac{5\pi}{6} + 2k\pi, k \in ℤ", [r"\frac{5\pi}{6}+2k\pi, \frac{\pi}{6}+2k\pi, k ∈ ℤ"], [r"\frac{\pi}{6} + 2k\pi, k \in ℤ"]), ("x \\equiv 1, 3 \\pmod 8", ["x ≡ 3, 1 (mod 8)"], ["x ≡ 1 (mod 8)", "x ≡ 1, 5 (mod 8)"]),
        ("|x - 2| < 3", ["-1 < x < 5", "(-1, 5)", "|2 - x| < 3"], ["[-1,5]", "|x + 2| < 3", "|x-2| > 3"]), ("|2x| \\ge 4", ["x \\le -2 or x \\ge 2"], ["-2 \\le x \\le 2"]), ("-3 \\le 2x + 1 < 5", ["-2 \\le x < 2", "[-2, 2)"], ["(-2, 2]", "-2 < x < 2"]), ("1 < f(x) < 3", ["3 > f(x) > 1"], ["1 < f(x) < 4"]), ("x^2 > y", ["y < x^2", "x^2 - y > 0"], ["x^2 < y", "x > y"]), ("x + y \\ne 0", ["y + x ≠ 0", "x ≠ -y"], ["x + y = 0", "x ≠ y"]), ("x < \\infty", ["ℝ"], ["x < 0"]),
        (r"\left\{\begin{array}{l}x + y = 3\\x - y = 1\end{array}\right.", [r"\begin{cases}x - y = 1\\x+y=3\end{cases}", "x+y=3, x-y=1"], [r"\begin{cases}x - y = 3\\x+y=1\end{cases}"]), ("(1,2) or (3,4)", ["(3,4), (1,2)", "x=1, y=2 or x=3, y=4"], ["(1,4), (3,2)"]), (r"2x + 1, x \ne 0", ["2x+1"], ["2x+1, x ≠ 1", "2x"]), ("[x = 1, y = 2]", ["x=1, y=2"], ["x=2,y=1"]), ("5 (mod 7)", ["5", r"5 \bmod 7", "-2 (mod 7)"], ["6 (mod 7)", "5 (mod 8)"]),
    ]  # fmt: skip
    assert not misjudged(rows)


def test_where_a_rule_ends() -> None:
    rows: list[Row] = [
        ("1200", ["twelve hundred", "Twelve hundred"], ["twelve", "112"]), ("2/3", ["2/3 ≈ 0.66", "2/3 = 0.666", "2/3 ≈ 0.667"], ["2/3 ≈ 0.65", "2/3 ≈ 0.68"]), ("2n, n \\ge 0", ["2n for whole n", "2n for nonnegative n"], ["2n for positive n", "2n for natural n"]),
        ("2n, n \\ge 1", ["2n for positive n"], ["2n for whole n"]), ("4 \\pmod 5", ["4", "-1 \\pmod 5", "9 \\pmod 5"], ["5"]), ("5 \\pmod 5", ["0 \\pmod 5"], ["5"]),
    ]  # fmt: skip
    assert not misjudged(rows)


def test_functions_with_corners_and_steps() -> None:
    rows: list[Row] = [
        ("|x-3|", [r"\sqrt{(x-3)^2}", "|3-x|", r"\max(x-3, 3-x)"], ["x-3", "3-x", "|x|-3", "|x-4|"]), (r"\max(a,b)", [r"\frac{a+b+|a-b|}{2}", r"\max(b,a)", r"-\min(-a,-b)"], [r"\min(a,b)", "a", r"\frac{a+b-|a-b|}{2}"]), (r"\lfloor x \rfloor + 1", [r"\lfloor x + 1 \rfloor"], [r"\lceil x \rceil", r"\lfloor x \rfloor", "x+1"]), (r"\lceil x \rceil", [r"-\lfloor -x \rfloor"], [r"\lfloor x \rfloor + 1", "x"]),
        ("||x|-1|", [r"\sqrt{(|x|-1)^2}"], ["|x-1|", "|x|-1"]), (r"\operatorname{sgn}(x)|x|", ["x"], ["|x|", "-x"]), (r"\ln x", [r"-\ln\frac1x"], [r"\ln|x|", r"\ln(x+1)"]), (r"\ln |x|", [r"\frac12 \ln x^2"], [r"\ln x", r"\ln(-x)"]), (r"\sqrt{x^2-2x+1}", ["|x-1|"], ["x-1"]), (r"\arcsin(\sin x)", [], ["x"]), (r"\gcd(n, 6)", [r"\gcd(6,n)"], ["6", r"\gcd(n,12)", r"\gcd(n,3)"]), (r"\lfloor n/2 \rfloor", [r"\frac{2n-1+(-1)^n}{4}"], [r"\lceil n/2 \rceil", "n/2"]),
        ("(-1)^n", [r"\cos(\pi n)", "(-1)^{n+2}", "(-1)^{-n}"], ["1", "(-1)^{n+1}"]), ("2^{n+1} - 2^n", ["2^n"], ["2", "2^{n+1}"]), (r"\frac{n!}{(n-2)!}", ["n(n-1)", "n^2-n"], ["n(n+1)", "n!"]), (r"\binom{n}{2}", [r"\frac{n(n-1)}{2}", r"\binom{n}{n-2}"], [r"\binom{n}{3}", "n/2"]), (r"e^{2x}", ["(e^x)^2", r"e^x \cdot e^x"], ["e^{x^2}", "2e^x"]),
        (r"\log_2 x", [r"\frac{\ln x}{\ln 2}", r"\frac{\lg x}{\lg 2}"], [r"\ln x", r"\log_3 x", r"\log_x 2"]), (r"\sin^2 x", [r"\frac{1-\cos 2x}{2}", r"1-\cos^2 x", r"(\sin x)^2"], [r"\sin x^2", r"\cos^2 x"]), (r"e^{ix}", [r"\cos x + i \sin x", r"\operatorname{cis} x"], [r"\cos x - i\sin x"]), ("i x", ["xi"], ["-ix", "x"]), ("f(x+1)", ["f(1+x)"], ["f(x)+1", "f(x-1)"]), ("f(x) + f(y)", ["f(y)+f(x)"], ["f(x+y)"]), ("F_{n+1}", ["F_{1+n}"], ["F_{n}", "F_n + 1"]), ("10^{100} + 1", ["1 + 10^{100}"], ["10^{100}", "10^{100} + 2"]), ("1000!", ["1000 \\cdot 999!"], ["999!", "1001!"]), ("0.1 + 10^{-30}", [], ["0.1"]), (r"\sqrt{2+\sqrt3}", [r"\frac{\sqrt6+\sqrt2}{2}"], [r"\frac{\sqrt6-\sqrt2}{2}"]), (r"\sqrt[3]{2}\cdot\sqrt[3]{4}", ["2"], ["8^{1/2}"]), ("(2+3i)(2-3i)", ["13"], ["-5", "4-9i"]), (r"\frac{1}{2+i}", [r"\frac{2-i}{5}"], [r"\frac{2+i}{5}"]), (r"\cos 36^\circ", [r"\frac{1+\sqrt5}{4}"], [r"\frac{1-\sqrt5}{4}", "0.809"]),
    ]  # fmt: skip
    assert not misjudged(rows)


def test_vectors_and_complex_letters() -> None:
    rows: list[Row] = [
        (r"2\begin{pmatrix}1\\0\end{pmatrix}+t\begin{pmatrix}0\\1\end{pmatrix}", [r"\begin{pmatrix}2\\t\end{pmatrix}", "(2, t)"], [r"\begin{pmatrix}t\\2\end{pmatrix}"]), ("3i", ["3i", r"3\sqrt{-1}"], ["3", "-3i"]), ("2 + 3i", ["3i + 2"], ["2 - 3i", "3 + 2i"]), (r"\hat{k}", ["(0,0,1)"], ["(0,1,0)"]), (r"\begin{pmatrix}a&b\\c&d\end{pmatrix}\begin{pmatrix}x\\y\end{pmatrix}", [r"\begin{pmatrix}ax+by\\cx+dy\end{pmatrix}"], [r"\begin{pmatrix}ax+cy\\bx+dy\end{pmatrix}"]),
    ]  # fmt: skip
    assert not misjudged(rows)


@pytest.mark.parametrize("gold", ["proof", "Proof.", "see solution", "n/a", "unknown", "answers will vary", "the very long red house near some old river bank", "-", "?", "The sum of the angles is equal to two right angles in any triangle", "the lines intersect at one point", r"\text{The triangle is isosceles because the sides are equal}"])  # fmt: skip
def test_references_that_nobody_could_repeat(gold: str) -> None:
    verdict = MathVerifier().verify(Problem("p", "", gold), "", gold)
    assert (verdict.score, verdict.status) == (None, "unverifiable")


def test_texts_that_are_answers() -> None:
    for gold in (
        "isosceles triangle",
        "the blue car",
        "Monday",
        "yes",
        "does not exist",
        "red and blue",
        "Alice is taller",
    ):
        assert MathVerifier().verify(Problem("p", "", gold), "", gold).score == 1.0, gold
    verifier = MathVerifier()
    assert (
        verifier.as_response(Problem("p", "", "so #### 5")) == r"\boxed{5}"
        and verifier.as_response(Problem("p", "", {})) == r"\boxed{{}}"
        and verifier.as_response(Problem("p", "", ["1", "2"])) == r"\boxed{1, 2}"
    )
    assert (
        verifier.as_text(Problem("p", "", "yes"))
        and not verifier.as_text(Problem("p", "", "5"))
        and not verifier.as_text(Problem("p", "", {}))
    )
    verifier.warm_up()


def test_the_same_rules_as_functions() -> None:
    assert (
        grade("4", r"2+2 = \boxed{4}")
        and not grade("4", r"\boxed{5}")
        and not grade("4", r"\boxed{4")
        and not grade("", r"\boxed{4}")
        and not grade("4", "")
    )
    for bad in ("", "\u202e5", "x" * 2001):
        with pytest.raises(Unreadable):
            equal(bad, "5")
        assert not equal("5", bad)
        assert canonical(bad) == bad.strip()
    assert (
        equal("50%", "50", percent="strict") is False
        and equal("50%", "50")
        and equal("5 cm", "5 m", units="ignored")
        and not equal("3.14", r"\pi", rounding="never")
        and equal("x" * 2000, "x" * 2000)
    )
    with pytest.raises(ValueError, match="percent"):
        equal("1", "1.0", percent="none")
    for reference, answer in (
        ("so \\boxed{7} and #### 8", "8"),
        ("#### 8", "8"),
        (7, "7"),
        (0.5, "0.5"),
        (["1", 2], "1, 2"),
        (["$1$", "2."], "1, 2"),
        ('["1", "2"]', "1, 2"),
        (("5",), "5"),
        ("5", "5"),
        ('["1", 2]', '["1", 2]'),
    ):
        assert reference_answer(reference) in (answer, "7"), reference
    for bad_reference in (None, True, {}, [None], [], [""], "\\boxed{}"):
        with pytest.raises(Unreadable):
            reference_answer(bad_reference)


def test_shown_answers() -> None:
    for text, shown in (
        ("2x+1", "2x + 1"), ("1+2x", "2x + 1"), ("x-1", "x - 1"), ("-x", "-x"), (r"\frac{x}{2}", "(1/2)x"), ("x^2y", "x^2y"), ("0x", "0"), ("(1,2)", "(1, 2)"), ("3,1,2", "{1, 2, 3}"), ("[1,2)", "[1, 2)"), ("x > 3", "(3, ∞)"), ("x \\le 3", "(-∞, 3]"), (r"\emptyset", "∅"), ("(1,2) ∪ (3,4)", "(1, 2) ∪ (3, 4)"), ("3:6", "1 : 2"), ("8:00", "8 : 0"), ("3:30 pm", "3:30 pm"), ("x+y<3", "x + y < 3"), ("a<b<c", "a < b < c"), ("101_2", "101_2"), ("C", "C"), ("5 cm", "5 centimeter"), ("50%", "1/2"), ("Yes", "yes"), (r"\begin{pmatrix}1&2\\3&4\end{pmatrix}", "[1, 2; 3, 4]"), ("k\\pi, k ∈ ℤ", ", k ∈ ℤ"), ("2^n, n \\ge 1", " for [1, ∞)"), (r"2\pi", "≈6.28318530717958"), ("x ∈ ℤ", "x ∈ ℤ"), ("5 seconds", "5 second"),
    ):  # fmt: skip
        assert shown in canonical(text), (text, canonical(text))
