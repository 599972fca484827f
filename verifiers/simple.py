"""Small verifiers, for answers that are one number, one letter, a text, or match a pattern."""

from __future__ import annotations

import re
from fractions import Fraction

from verifiers.backtracking import backtracks
from verifiers.math import reference_answer
from verifiers.math.evaluate import Undecided, Undefined, exact
from verifiers.math.normalise import Unreadable
from verifiers.math.numeric import numeric
from verifiers.math.phrases import chosen_letters
from verifiers.math.symbolic import new_verdict
from verifiers.math.tree import Node, as_digits
from verifiers.math.typed import read
from verifiers.math.uncomputed import NOT_CARRIED_OUT, uncomputed
from verifiers.math.values import Choice, Scalar
from verifiers.types import Problem, Verdict

__all__ = ["ChoiceVerifier", "ExactVerifier", "NumericVerifier", "RegexVerifier"]


def _verdict(right: bool, answer: str, detail: str = "") -> Verdict:
    return Verdict(float(right), "correct" if right else "incorrect", answer, detail)


def _unverifiable(reference: object, expected: str) -> Verdict:
    return Verdict(
        None, "unverifiable", detail=f"the reference is {str(reference)[:60]!r}; expected {expected}"
    )


class NumericVerifier:
    """One number, equal exactly or within `rel_tol` times the reference. Units are not compared.

    Raises ValueError for a `rel_tol` outside [0, 1).

    >>> NumericVerifier(rel_tol=0.01).verify(Problem("p", "…", 3.14), "", "3.1416").score
    1.0
    """

    name = "numeric"

    def __init__(self, rel_tol: float = 0.0, answer_format: str = "boxed") -> None:
        if not 0 <= rel_tol < 1:
            raise ValueError(f"rel_tol is {rel_tol!r}; expected a number from 0 to below 1")
        self.rel_tol = Fraction(rel_tol)
        self.answer_format = answer_format

    def verify(self, problem: Problem, trace: str, answer: str | None) -> Verdict:
        try:
            gold_text = reference_answer(problem.reference)
            gold = _number(gold_text)
        except Unreadable:
            return _unverifiable(problem.reference, "a number")
        if answer is None:
            return Verdict(0.0, "no_answer")
        try:
            value = _number(answer)
        except Unreadable as why:
            return _verdict(False, answer[:200], f"not a number: {why}")
        if uncomputed(problem.prompt, gold_text, answer):
            return _verdict(False, answer[:200], NOT_CARRIED_OUT)
        return _verdict(abs(value - gold) <= self.rel_tol * abs(gold), as_digits(value))


def _number(text: str) -> Fraction:
    """The real number that `text` states: exactly, or to 40 digits if it is irrational. Raises Unreadable."""
    new_verdict()
    value = read(text)
    if not isinstance(value, Scalar):
        raise Unreadable("expected one number")
    node = Node("percent", (value.node,)) if value.percent else value.node
    try:
        return exact(node, {})
    except Undefined:
        raise Unreadable("it has no value") from None
    except Undecided:
        pass
    try:
        number = numeric(node, {}, 60)
    except (Undecided, Undefined):
        raise Unreadable("its value cannot be computed") from None
    if getattr(number, "imag", 0) != 0 or abs(number) > 10**300:
        raise Unreadable("expected a real number of moderate size")
    scale = 10**40
    number = getattr(number, "real", number)
    return Fraction(int(number * scale), scale)


class ChoiceVerifier:
    """The letter of a multiple choice: C, (C), "C) 12", \\text{(C)}, or all of several right ones: ACD, "A, C and D".

    The reference is a letter, letters, or an index from 0. Names and letters in prose are found as `verifiers.extract`
    says for its format "choice": a letter that is announced goes before a box without one.

    >>> ChoiceVerifier().verify(Problem("p", "…", "C"), "", "(C) 12").score
    1.0
    """

    name = "choice"

    def __init__(self, answer_format: str = "choice") -> None:
        self.answer_format = answer_format

    def verify(self, problem: Problem, trace: str, answer: str | None) -> Verdict:
        reference = problem.reference
        if isinstance(reference, int) and not isinstance(reference, bool) and 0 <= reference < 26:
            gold = chr(ord("A") + reference)
        elif not isinstance(reference, str) or (gold := _letter(reference)) is None:
            return _unverifiable(reference, "a letter, letters, or an index from 0 to 25")
        if answer is None:
            return Verdict(0.0, "no_answer")
        letter = _letter(answer)
        if letter is None:
            return _verdict(False, answer[:200], "no letter")
        return _verdict(letter == gold, letter)


def _letter(text: str) -> str | None:
    """A letter, or several in the order of the alphabet; None if `text` is something else."""
    if (several := chosen_letters(text)) is not None:
        return "".join(sorted(several))
    try:
        value = read(text)
    except Unreadable:
        return None
    if isinstance(value, Choice):
        return value.letter
    if isinstance(value, Scalar) and value.node.op == "sym" and value.unit is None:
        name = value.node.args[0]
        return name.upper() if len(name) == 1 and name.isascii() and name.isalpha() else None
    return None


class ExactVerifier:
    """The same text, apart from white space at its ends.

    >>> ExactVerifier(ignore_case=True).verify(Problem("p", "…", "Paris"), "", "paris").score
    1.0
    """

    name = "exact"

    def __init__(self, ignore_case: bool = False, answer_format: str = "text") -> None:
        self.ignore_case = ignore_case
        self.answer_format = answer_format

    def verify(self, problem: Problem, trace: str, answer: str | None) -> Verdict:
        reference = problem.reference
        if not isinstance(reference, str) or not reference.strip():
            return _unverifiable(reference, "a text")
        if answer is None:
            return Verdict(0.0, "no_answer")
        gold, given = reference.strip(), answer.strip()
        right = gold.casefold() == given.casefold() if self.ignore_case else gold == given
        return _verdict(right, given)


class RegexVerifier:
    """The reference is a regular expression (Python's), and all of the answer must match it.

    A pattern that backtracks without end (`(a+)+b`) is unverifiable, whatever the answer: the fault is the data's.

    >>> RegexVerifier().verify(Problem("p", "…", "ab*"), "", "abbb").score
    1.0
    """

    name = "regex"

    def __init__(self, ignore_case: bool = False, answer_format: str = "text") -> None:
        self.flags = re.IGNORECASE if ignore_case else re.NOFLAG
        self.answer_format = answer_format

    def as_response(self, problem: Problem) -> str | None:
        """The pattern as an answer; None where it is not one of its own matches."""
        own = str(problem.reference)
        try:
            return own if re.fullmatch(own, own, self.flags) else None
        except (re.error, OverflowError, RecursionError):
            return own  # as an answer it shows what is wrong with it

    def verify(self, problem: Problem, trace: str, answer: str | None) -> Verdict:
        reference = problem.reference
        try:
            pattern = re.compile(reference, self.flags)
        except (re.error, TypeError, OverflowError, RecursionError) as why:
            return _unverifiable(reference, f"a regular expression ({why})")
        if backtracks(reference, self.flags):
            return _unverifiable(reference, "a regular expression that does not backtrack without end")
        if answer is None:
            return Verdict(0.0, "no_answer")
        return _verdict(pattern.fullmatch(answer) is not None, answer)
