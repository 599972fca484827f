"""numeric, choice, exact, regex."""

from fractions import Fraction
from typing import Any

import pytest

from verifiers import score
from verifiers.simple import ChoiceVerifier, ExactVerifier, NumericVerifier, RegexVerifier
from verifiers.types import Problem, Verifier

TABLE: list[tuple[Verifier, Any, str | None, float | None]] = [
    (NumericVerifier(), 5, "5.0", 1.0),
    (NumericVerifier(), "1/3", "\\frac{1}{3}", 1.0),
    (NumericVerifier(), "1/3", "0.333", 0.0),
    (NumericVerifier(rel_tol=0.01), 3.14, "\\pi", 1.0),
    (NumericVerifier(rel_tol=0.01), 3.14, "3.3", 0.0),
    (NumericVerifier(rel_tol=0.01), 0, "1e-12", 0.0),
    (NumericVerifier(), 5, "5 cm", 1.0),
    (NumericVerifier(), 0.5, "50\\%", 1.0),
    (NumericVerifier(), 5, "5 or 6", 0.0),
    (NumericVerifier(), 5, "9^{9^{9^9}}", 0.0),
    (NumericVerifier(), 5, None, 0.0),
    (NumericVerifier(), "a few", "5", None),
    (NumericVerifier(), True, "1", None),
    (NumericVerifier(), "1/0", "1", None),
    (ChoiceVerifier(), "C", "(C) 12", 1.0),
    (ChoiceVerifier(), "C", "c", 1.0),
    (ChoiceVerifier(), 2, "\\text{C}", 1.0),
    (ChoiceVerifier(), "C", "A or C", 0.0),
    (ChoiceVerifier(), "C", "12", 0.0),
    (ChoiceVerifier(), "12", "C", None),
    (ChoiceVerifier(), "C", None, 0.0),
    (ExactVerifier(), "Paris", " Paris\n", 1.0),
    (ExactVerifier(), "Paris", "paris", 0.0),
    (ExactVerifier(ignore_case=True), "Paris", "PARIS", 1.0),
    (ExactVerifier(), "", "", None),
    (ExactVerifier(), 5, "5", None),
    (RegexVerifier(), "ab*", "abbb", 1.0),
    (RegexVerifier(), "ab*", "abbbc", 0.0),
    (RegexVerifier(ignore_case=True), "ab", "AB", 1.0),
    (RegexVerifier(), "(", "a", None),
    (RegexVerifier(), None, "a", None),
    (RegexVerifier(), "a", None, 0.0),
]


@pytest.mark.parametrize(("verifier", "reference", "answer", "score"), TABLE)
def test_table(verifier: Verifier, reference: Any, answer: str | None, score: float | None) -> None:
    verdict = verifier.verify(Problem("p", "", reference), "", answer)
    assert verdict.score == score
    assert (verdict.status == "unverifiable") == (score is None)
    assert (verdict.status == "no_answer") == (answer is None and score is not None)


def test_a_tolerance_outside_its_range_is_an_error() -> None:
    with pytest.raises(ValueError, match="rel_tol"):
        NumericVerifier(rel_tol=1.5)


LETTER_FORMS = [
    "{}",
    "({})",
    "{})",
    "{}.",
    "({}) 12",
    "{}) the first one",
    "\\text{{({})}}",
    "**{}**",
    "Answer: {}",
    "option {}",
]


@pytest.mark.parametrize("at", range(26))
def test_every_letter_by_name_and_by_index(at: int):
    letter = chr(ord("A") + at)
    other = chr(ord("A") + (at + 1) % 26)
    for reference in (at, letter, f"({letter})", letter.lower()):
        assert score("choice", Problem("p", "", reference), f"\\boxed{{{letter}}}").score == 1.0
        assert score("choice", Problem("p", "", reference), f"\\boxed{{{other}}}").score == 0.0
    for form in LETTER_FORMS if at < 10 else LETTER_FORMS[:3]:
        assert ChoiceVerifier().verify(Problem("p", "", letter), "", form.format(letter)).score == 1.0, form
        assert ChoiceVerifier().verify(Problem("p", "", letter), "", form.format(other)).score == 0.0, form


@pytest.mark.parametrize(
    "reference", [-1, 26, True, None, 1.0, "", "\\alpha", "x_1", "12", "AA", ["A"], "2A"]
)
def test_what_is_no_letter_is_no_reference_and_no_answer(reference: object):
    verdict = ChoiceVerifier().verify(Problem("p", "", reference), "", "A")
    assert (verdict.score, verdict.status) == (None, "unverifiable")
    verdict = ChoiceVerifier().verify(Problem("p", "", "A"), "", str(reference))
    assert verdict.score == 0.0


@pytest.mark.parametrize("gold", [100.0, -100.0, 0.5, 3, 0])
@pytest.mark.parametrize("rel_tol", [0.0, 0.25, 0.5])
def test_a_number_may_be_off_by_so_much_and_no_more(gold: float, rel_tol: float):
    verifier = NumericVerifier(rel_tol=rel_tol)
    for sign in (1, -1):
        edge = Fraction(gold) + sign * Fraction(rel_tol) * abs(Fraction(gold))
        hair = Fraction(sign, 10**9)
        for value, right in ((edge, True), (edge - hair, gold != 0 and rel_tol > 0), (edge + hair, False)):
            text = f"{value.numerator}/{value.denominator}"
            assert verifier.verify(Problem("p", "", gold), "", text).score == float(right), text
            assert verifier.verify(Problem("p", "", str(gold)), "", text).score == float(right), text


def test_numbers_that_are_none_or_too_large():
    for text in ("2i", "e^{1000}", "x", "1, 2", "1/0", "(1,2)", "a few words"):
        assert NumericVerifier().verify(Problem("p", "", 1), "", text).score == 0.0
        assert NumericVerifier().verify(Problem("p", "", text), "", "1").status == "unverifiable"
    assert (
        NumericVerifier(rel_tol=1e-12).verify(Problem("p", "", "e^{600}"), "", "e^{599}\\cdot e").score == 1.0
    )
    assert NumericVerifier().verify(Problem("p", "", 0.5), "", "50%").score == 1.0
    for bad in (-0.1, 1.0, 2):
        with pytest.raises(ValueError, match="rel_tol"):
            NumericVerifier(rel_tol=bad)
