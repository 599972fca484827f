"""Mathematical answers: cut, normalise, type, compare exactly, and only then symbolically.

`MathVerifier` judges an answer to a problem; `equal`, `canonical` and `grade` are the same rules as functions.
Conventions that data sets differ in are options (`compare.Rules`). The rest is fixed: exact values are exact, no
tolerance is absolute, each type equals only its own kind, and nothing is ever looked for inside a longer text.
"""

from __future__ import annotations

import re
from typing import Any

from verifiers.extract import cut
from verifiers.math import symbolic
from verifiers.math.canonical import describe
from verifiers.math.compare import Rules, same
from verifiers.math.normalise import Unreadable, normalise
from verifiers.math.typed import read
from verifiers.math.values import Scalar, Sequence, Value
from verifiers.types import Problem, Verdict

__all__ = ["MathVerifier", "canonical", "equal", "grade"]


class MathVerifier:
    """Whether an answer is mathematically the reference.

    Options, which a run's config records: `percent` ("gold", "free" or "strict"), `units` ("optional",
    "required" or "ignored") and `rounding` ("gold" or "never"); see `Rules`. Raises ValueError for any other
    value of theirs.

    >>> verifier = MathVerifier()
    >>> verifier.verify(Problem("p1", "What is 1/4 + 1/4?", "1/2"), "", "0.5").status
    'correct'
    """

    name = "math"
    answer_format = "boxed"

    def __init__(self, **options: Any) -> None:
        self.rules = Rules(**options)

    def warm_up(self) -> None:
        """Import what the first irrational answer would import."""
        self.verify(Problem("warm-up", "", "\\sqrt{2}"), "", "2/\\sqrt{2}")

    def verify(self, problem: Problem, trace: str, answer: str | None) -> Verdict:
        """Judge `answer` against `problem.reference`: a string, an int or a float, or a solution that holds its
        answer in a box or after ####. Never raises on any text."""
        symbolic.new_verdict()
        try:
            gold_text = reference_answer(problem.reference)
            gold = read(gold_text)
        except Unreadable as why:
            return Verdict(
                None,
                "unverifiable",
                answer,
                f"the reference {_short(problem.reference)} cannot be read: {why}",
            )
        if answer is None:
            return Verdict(0.0, "no_answer")
        try:
            value = read(answer)
        except Unreadable as why:
            return Verdict(0.0, "incorrect", _short(answer, 200), f"the answer cannot be read: {why}")
        rules = self.rules
        if rules.percent == "gold" and _asks_for_percent(problem.prompt):
            rules = Rules("free", rules.units, rules.rounding)
        right = _matches(gold, gold_text, value, answer, rules)
        return Verdict(float(right), "correct" if right else "incorrect", describe(value))


def equal(gold: str, answer: str, **options: Any) -> bool:
    """Whether `answer` states what `gold` does; `options` are those of `MathVerifier`.

    Raises Unreadable (a ValueError) where `gold` is empty, too long or deceptive; never for an answer.

    >>> equal("\\\\frac{1}{2}", "0.5"), equal("0.5", "50"), equal("(1,2)", "(2,1)")
    (True, False, False)
    """
    symbolic.new_verdict()
    gold_text = reference_answer(gold)
    value = read(gold_text)
    try:
        return _matches(value, gold_text, read(answer), answer, Rules(**options))
    except Unreadable:
        return False


def canonical(text: str) -> str:
    """The same text for equal answers in the common notations; unreadable text comes back stripped.

    >>> canonical("\\\\frac{2}{4}") == canonical("50\\\\%") == "1/2"
    True
    """
    symbolic.new_verdict()
    try:
        return describe(read(text))
    except Unreadable:
        return text.strip()


def grade(gold: str, response: str) -> bool:
    """Cut `response` and judge its answer; False where either side cannot be read."""
    answer = cut(response).answer
    try:
        return answer is not None and equal(gold, answer)
    except Unreadable:
        return False


def reference_answer(reference: Any) -> str:
    """The answer that a reference states: itself, or what its box or its last #### holds.

    Raises Unreadable where it is of another type, or holds an empty box.
    """
    if isinstance(reference, bool) or not isinstance(reference, str | int | float):
        raise Unreadable(f"expected a string or a number, found {type(reference).__name__}")
    if not isinstance(reference, str):
        return repr(reference)
    if "\\boxed" in reference or "####" in reference:
        found = cut(reference)
        if found.answer is None:
            raise Unreadable(found.note)
        return found.answer
    return reference


def _matches(gold: Value, gold_text: str, answer: Value, answer_text: str, rules: Rules) -> bool:
    if same(gold, answer, rules):
        return True
    if isinstance(gold, Scalar) and gold.decimal is not None and "," in answer_text:
        decimal = _decimal_comma(answer_text)
        return decimal is not None and same(gold, read(decimal), rules)
    if isinstance(gold, Sequence) != isinstance(answer, Sequence) and "," in gold_text and "," in answer_text:
        if _PADDED.search(gold_text) or _PADDED.search(answer_text):
            return False
        # 100,200,300 is one number or three, as the other side says
        return same(read(gold_text, thousands=False), read(answer_text, thousands=False), rules)
    return False


_DECIMAL_COMMA = re.compile(r"(?<![\d.,])(\d+),(\d{1,2}|\d{4,}|(?<=\b0,)\d+)(?![\d.,])")
_DOTTED = re.compile(r"(?<![\d.,])\d{1,3}(?:\.\d{3})+,\d+(?![\d.,])")


def _decimal_comma(text: str) -> str | None:
    """`text` with the only comma in it, a decimal one, as a point; None where it is no such."""
    spelled = normalise(text)
    if spelled.count(",") != 1 or any(bracket in spelled for bracket in "([<>"):
        return None
    if _DOTTED.search(spelled):
        return spelled.replace(".", "").replace(",", ".")
    return _DECIMAL_COMMA.sub(r"\1.\2", spelled) if _DECIMAL_COMMA.search(spelled) else None


_PADDED = re.compile(r",\s?0\d")
_PERCENT = re.compile(r"per\s?cent|\\?%", re.IGNORECASE)


def _asks_for_percent(prompt: str) -> bool:
    return bool(prompt) and _PERCENT.search(prompt) is not None


def _short(value: object, length: int = 60) -> str:
    text = repr(value) if not isinstance(value, str) else value
    return text if len(text) <= length else text[: length - 1] + "…"
