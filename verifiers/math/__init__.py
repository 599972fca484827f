"""Mathematical answers: normalise, parse, give a type, compare exactly, and only then numerically or with sympy.

`MathVerifier` judges an answer to a problem; `equal`, `canonical` and `grade` are the same rules as functions.
Conventions that data sets differ in are options (`compare.Rules`). Everything else is fixed: exact values are compared
exactly, no tolerance is absolute, a value equals only values of its own type, and no answer is searched for inside a
longer text.

What belongs in this package: whether two answers are equal. Cutting the answer from a response is `verifiers.extract`;
reading prose with arithmetic in it is `verifiers.reasoning`.

In the order of a verdict: `references` (what data sets store), `normalise` (one spelling, `words` in digits), `lex`,
`cursor`, `parse` (tokens, then a `tree`; `combinations`), `typed` (makes `values`: `phrases` first, then what is around
values, `equations`, `names`, `conditions`, `layouts`, `brackets`, `modular`, `compound`, last `scalars`, `vectors` and
`regions`), `compare` (with `named` and `families`; `asked`: what the problem's text names; `uncomputed`: what only says
its calculation again), `equality` (at `points`, which know `corners`; exactly with `evaluate`, `residues` and
`polynomial`, to many digits with `numeric`, last with `symbolic`), `canonical`. `letters`: which of them the problem
calls whole numbers.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from functools import lru_cache
from typing import Any

from verifiers.extract import cut, has_box
from verifiers.math import symbolic
from verifiers.math.asked import asked_value
from verifiers.math.canonical import describe
from verifiers.math.compare import DEFAULT, Rules, same
from verifiers.math.letters import whole_letters
from verifiers.math.normalise import DOLLAR, GROUP, Unreadable, normalise
from verifiers.math.phrases import chosen_letters
from verifiers.math.references import listed, one_text, require_answerable
from verifiers.math.typed import read
from verifiers.math.uncomputed import NOT_CARRIED_OUT, uncomputed
from verifiers.math.values import Ratio, Relation, Scalar, Sequence, Text, Value
from verifiers.types import Problem, Verdict

__all__ = ["MathVerifier", "Unreadable", "canonical", "equal", "grade", "reference_answer"]


class MathVerifier:
    """Whether an answer is mathematically the reference.

    Options, which a run's config records: `percent` ("gold", "free" or "strict"), `units` ("optional",
    "required" or "ignored"), `rounding` ("gold" or "never") and `whole` (letters that are whole numbers, besides those
    that the prompt calls so); see `Rules`. Raises ValueError for any other value.

    >>> verifier = MathVerifier()
    >>> verifier.verify(Problem("p1", "What is 1/4 + 1/4?", "1/2"), "", "0.5").status
    'correct'
    """

    name = "math"
    answer_format = "boxed"

    def __init__(
        self,
        percent: str = "gold",
        units: str = "optional",
        rounding: str = "gold",
        whole: Iterable[str] = (),
    ) -> None:
        self.rules = Rules(percent, units, rounding, frozenset(whole))

    def warm_up(self) -> None:
        """Import what the first irrational answer needs, so that no verdict waits for it."""
        self.verify(Problem("warm-up", "", "\\sqrt{2}"), "", "2/\\sqrt{2}")

    def as_response(self, problem: Problem) -> str:
        """A response that states the problem's own reference."""
        try:
            text = reference_answer(problem.reference)
        except Unreadable:
            text = str(problem.reference)
        return f"\\boxed{{{text}}}"

    def as_text(self, problem: Problem) -> bool:
        """Whether the reference is words, or a formula that cannot be read, which only the same text equals."""
        try:
            return isinstance(read(reference_answer(problem.reference)), Text)
        except Unreadable:
            return False

    def verify(self, problem: Problem, trace: str, answer: str | None) -> Verdict:
        """Judge `answer` against `problem.reference`.

        The reference is a string, an int or a float, a list of them (all of which are asked for), or a solution with
        its answer in a box or after ####. One that no answer can equal ("proof", a sentence) is `unverifiable`. Never
        raises, whatever the text of `answer`.
        """
        symbolic.new_verdict()
        try:
            gold_text = reference_answer(problem.reference)
            gold = _read_gold(gold_text)
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
            value = gold if answer == gold_text else read(answer)
        except Unreadable as why:
            return Verdict(0.0, "incorrect", _short(answer, 200), f"the answer cannot be read: {why}")
        rules = self.rules
        if rules.percent == "gold" and _asks_for_percent(problem.prompt):
            rules = replace(rules, percent="free")
        if isinstance(gold, Ratio) and _ASKS_FOR_TIME.search(problem.prompt):
            rules = replace(rules, times=True)
        if isinstance(gold, Sequence) and _INDEX.search(problem.prompt):
            rules = replace(rules, indexed=True)
        number = isinstance(gold, Scalar) and gold.node.op == "num"
        if not number and (letters := whole_letters(f"{problem.prompt} {gold_text}")):
            rules = replace(rules, whole=rules.whole | letters)
        right = _matches(gold, gold_text, value, answer, rules) or _as_asked(
            gold, value, problem.prompt, rules
        )
        if right and uncomputed(problem.prompt, gold_text, answer):
            return Verdict(0.0, "incorrect", _short(answer, 200), NOT_CARRIED_OUT)
        return Verdict(float(right), "correct" if right else "incorrect", describe(value))


def equal(gold: str, answer: str, **options: Any) -> bool:
    """Whether `answer` equals `gold`; `options` are those of `MathVerifier`.

    Raises Unreadable (a ValueError) if `gold` is empty, too long or deceptive; never for an answer.

    >>> equal("\\\\frac{1}{2}", "0.5"), equal("0.5", "50"), equal("(1,2)", "(2,1)")
    (True, False, False)
    """
    symbolic.new_verdict()
    gold_text = reference_answer(gold)
    value = read(gold_text)
    if answer == gold_text:
        return True
    try:
        return _matches(value, gold_text, read(answer), answer, Rules(**options) if options else DEFAULT)
    except Unreadable:
        return False


def canonical(text: str) -> str:
    """A text that equal answers share, whatever their notation; text that cannot be read is only stripped.

    >>> canonical("\\\\frac{2}{4}") == canonical("50\\\\%") == "1/2"
    True
    """
    symbolic.new_verdict()
    try:
        return describe(read(text))
    except Unreadable:
        return text.strip()


def grade(gold: str, response: str) -> bool:
    """Whether the answer of `response` equals `gold`; False if either cannot be read."""
    answer = cut(response).answer
    try:
        return answer is not None and equal(gold, answer)
    except Unreadable:
        return False


@lru_cache(maxsize=4_096)
def _read_gold(text: str) -> Value:
    """A reference, which is compared with a group of answers and read once. Raises Unreadable, also where no answer
    can equal it."""
    gold = read(text)
    require_answerable(text, gold)
    return gold


def reference_answer(reference: Any) -> str:
    """The answer in a reference: what its last box, or boxes, hold or what follows its last ####, else all of it.

    Several answers in a list become one text. Raises Unreadable for another type, and for an empty box.
    """
    if isinstance(reference, list | tuple):
        return one_text(reference)
    if isinstance(reference, bool) or not isinstance(reference, str | int | float):
        raise Unreadable(f"expected a string, a number or a list of them, found {type(reference).__name__}")
    if not isinstance(reference, str):
        return repr(reference)
    if items := listed(reference):
        return one_text(items)
    if has_box(reference) or "####" in reference:
        found = cut(reference)
        if found.answer is None:
            raise Unreadable(found.note)
        return found.answer
    return reference


def _matches(gold: Value, gold_text: str, answer: Value, answer_text: str, rules: Rules) -> bool:
    if same(gold, answer, rules):
        return True
    if (letters := chosen_letters(gold_text)) is not None:
        return letters == chosen_letters(answer_text)
    if isinstance(answer, Sequence) and not isinstance(gold, Sequence) and _restates(answer, rules):
        return same(gold, answer.items[0], rules)
    if isinstance(gold, Scalar) and gold.decimal is not None and "," in answer_text:
        decimal = _decimal_comma(answer_text)
        try:
            return decimal is not None and same(gold, read(decimal), rules)
        except Unreadable:
            return False
    if isinstance(gold, Sequence) != isinstance(answer, Sequence) and "," in gold_text and "," in answer_text:
        if _PADDED.search(gold_text) or _PADDED.search(answer_text):
            return False
        # 100,200,300 is one number or three: the other side decides
        return same(read(gold_text, thousands=False), read(answer_text, thousands=False), rules)
    return False


def _restates(answer: Sequence, rules: Rules) -> bool:
    """A list without brackets says one value in several ways: "15 39/40, or 639/40"."""
    first, *others = answer.items
    return not answer.brackets and all(same(first, other, rules) for other in others)


def _as_asked(gold: Value, answer: Value, prompt: str, rules: Rules) -> bool:
    """Whether `answer` gives the value `gold` to what the prompt asks for: m + n = 17 in "Find m + n"."""
    if not isinstance(answer, Relation) or not prompt:
        return False
    value = asked_value(answer, prompt)
    return value is not None and same(gold, value, rules)


_DECIMAL_COMMA = re.compile(r"(?<![\d.,])(\d+),(\d{1,2}|\d{4,}|(?<=\b0,)\d+)(?![\d.,])")
_DOTTED = re.compile(r"(?<![\d.,])\d{1,3}(?:\.\d{3})+,\d+(?![\d.,])")


def _decimal_comma(text: str) -> str | None:
    """`text` with its only comma, if that is a decimal comma, as a decimal point; else None."""
    spelled = normalise(text).replace(DOLLAR, "\\$").replace(GROUP, "")  # to be read once more
    if spelled.count(",") != 1 or any(bracket in spelled for bracket in "([<>"):
        return None
    if _DOTTED.search(spelled):
        return spelled.replace(".", "").replace(",", ".")
    return _DECIMAL_COMMA.sub(r"\1.\2", spelled) if _DECIMAL_COMMA.search(spelled) else None


_PADDED = re.compile(r",\s?0\d")
_ASKS_FOR_TIME = re.compile(
    r"\b(?:what|which|how much|the) time\b|\bclock\b|\b[ap]\.?m\b|\bwhen (?:will|did|does)\b", re.IGNORECASE
)
_INDEX = re.compile(r"[A-Za-z]_\{?\d|[A-Za-z][₀-₉]")
_PERCENT = re.compile(r"per\s?cent|\\?%", re.IGNORECASE)


def _asks_for_percent(prompt: str) -> bool:
    return bool(prompt) and _PERCENT.search(prompt) is not None


def _short(value: object, length: int = 60) -> str:
    text = repr(value) if not isinstance(value, str) else value
    return text if len(text) <= length else text[: length - 1] + "…"
