"""numeric, choice, exact, regex."""

from typing import Any

import pytest

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
