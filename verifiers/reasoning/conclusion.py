"""Whether a trace leads to the answer that it gives."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from verifiers.latex import word_set
from verifiers.reasoning.algebra import free, values_at
from verifiers.reasoning.grammar import parse
from verifiers.reasoning.rounding import rounds_to, same_value
from verifiers.reasoning.statements import Chain
from verifiers.reasoning.tokens import Token, scan
from verifiers.reasoning.tree import Unreadable
from verifiers.reasoning.values import Number, close, evaluate, readings

__all__ = ["Target", "announced", "is_conclusive", "is_named", "label", "target", "unsupported"]

_ANNOUNCED = re.compile(
    r"(?:\b(?:(?:therefore|thus|hence|so|final(?:ly)?|which means|it follows|overall|our)\b[^.\n]{0,40}?\bresult"
    r"|answer)\b"
    r"(?:[^.\n=$\\\d:]{0,40}?\b(?:is|are|equals|will be|would be|comes to|(?:must|should|has to|can only) be)\b|\**:"
    r"| =)|^####)[\s:*$\\(]*",
    re.IGNORECASE | re.MULTILINE,
)
CONCLUSION_REACH = 300
"""Largest distance in characters at which the last result is compared with the box."""
_SIZED = re.compile(
    r"\b(?:differ\w*|absolute|distance|decreas\w*|loss|lost|loses?|less|fewer|below|drop\w*|debt|owes?|behind|change\w*"
    r"|reduc\w*)\b|\|",
    re.IGNORECASE,
)
_CONTINUES = word_set("more less fewer times of plus minus percent % to or and than if")


@dataclass(frozen=True, slots=True)
class Target:
    """A numeric answer: its values under every reading, and its numeral if it is a single number."""

    values: tuple[Number, ...]
    literal: Token | None
    numbers: tuple[Token, ...]
    degrees: bool = False

    def is_near(self, value: Number, announced: bool = False) -> bool:
        """Whether `value` is the answer: equal, as a percentage, or rounded to the digits that the answer shows."""
        for own in self.values:
            if same_value(own, value):
                return True
            if self.literal is not None and rounds_to(value, self.literal, own, announced):
                return True
        return False

    def may_follow(self, last: Number, text: str, tokens: list[Token], named: bool) -> bool:
        """Whether the answer may come from something other than `last`, or from `last` by a step that is not written.

        Not if the text names both alike (`named`), but for the sign.

        Such steps are a root, a square, a reciprocal, a complement, and the absolute value if the text mentions a
        difference. Irrational answers are always accepted.
        """
        if any(close(-own, last) for own in self.values):
            return _SIZED.search(text) is not None
        if named:
            return False
        if any(
            close(own * own, last) or close(last * last, own) or close(own * last, 1) or close(own + last, 1)
            for own in self.values
        ):
            return True
        numbers = {t.value for t in tokens if t.value is not None}
        if not all(isinstance(own, Fraction) for own in self.values):
            return True
        if any(self.is_near(value) for value in numbers):
            return True
        return self.literal is None and all(t.value in numbers for t in self.numbers)  # 3/20, from 3 and 20

    def solves(self, chain: Chain) -> bool:
        """Whether the last equation of `chain` has one letter, of which the answer is the value: 7 in x + 5 = 12."""
        left, right = chain.sides[-2].ending, chain.sides[-1].opening
        if not left or not right or len(names := free(left[0]) | free(right[0])) != 1:
            return False
        try:
            values = [dict.fromkeys(names, own) for own in self.values]
            return any(close(evaluate(left[0], value), evaluate(right[0], value)) for value in values)
        except Unreadable:
            return False


def target(answer: str | None) -> Target | None:
    """The answer as a number; None if it is not one."""
    if not answer or len(answer) > 200:
        return None
    tokens = [t for t in scan(f"\\({answer}\\)") if t.kind not in ("edge", "word")]
    return _constant(tokens)


def _constant(tokens: list[Token]) -> Target | None:
    try:
        expression = parse(tokens)
        if free(expression) or "pm" in expression.features:
            return None
        values = {
            how: evaluate(expression, values_at(expression, 0), how) for how in readings(expression.features)
        }
    except Unreadable:
        return None
    return Target(
        tuple(values.values()), expression.literal, expression.numbers, "deg" in expression.features
    )


def announced(
    text: str, answer: Target, results: Sequence[tuple[Chain, Number]] = (), rounding: bool = True
) -> tuple[int, int] | None:
    """Start and end of the last "the answer is X", if X is a number and not the answer; else None.

    Without `rounding`, no whole number may stand for another one.

    `results`: the calculations of the text in order, each with its value, of which X may be one.
    """
    wrong: tuple[int, int] | None = None
    for phrase in _ANNOUNCED.finditer(text):
        at = bisect_right(results, phrase.end() + 1, key=lambda result: result[0].sides[0].tail) - 1
        if at >= 0 and phrase.end() - 3 <= results[at][0].sides[0].tail:
            chain, value = results[at]
            last = not _MORE.search(text[chain.end :].replace("\\boxed", ""))
            wrong = (
                (phrase.start(), chain.end) if last and not answer.is_near(value, announced=True) else None
            )
            continue
        tail = text[phrase.end() : phrase.end() + 60]
        tokens: list[Token] = []
        follower = ""
        for token in scan("\\(" + tail.split("\n")[0]):
            if token.kind == "edge" or (token.text in ("{", "}") and not tokens):
                continue
            if token.kind not in ("num", "op", "pct") or (token.gap and tokens):
                follower = token.text if token.kind != "var" else _word_at(tail, token.start - 2)
                if token.kind in ("rel", "op", "lp", "func", "opaque", "bang", "deg"):
                    follower = "of"
                break
            tokens.append(token)
        found = _constant(tokens)
        if found is None or found.literal is None or follower.lower() in _CONTINUES:
            continue
        wrong = (
            None if _means(answer, found, rounding) else (phrase.start(), phrase.end() + tokens[-1].end - 2)
        )
    return wrong


def _means(answer: Target, said: Target, rounding: bool) -> bool:
    """Whether a conclusion states the answer, or what rounds to it: no whole number does, without `rounding`."""
    whole = said.values and isinstance(said.values[0], Fraction) and said.values[0].denominator == 1
    return any(answer.is_near(value, announced=rounding or not whole) for value in said.values)


def unsupported(
    text: str, numerals: list[Token], given: list[Token], answer: Target, final: bool, rounding: bool
) -> tuple[int, int] | None:
    """Where the last sentences conclude with a number that is neither the answer, nor before them, nor `given`.

    After the answer was computed (`final`) it may not be a number from before either, if words say that it concludes.

    "3 * 4 = 12. Therefore, there are 14 pairs." before the box 12.
    """
    at = max(0, len(text) - CONCLUSION_REACH)
    ends = [*((piece.start(), piece.end()) for piece in _SENTENCE.finditer(text, at)), (len(text), len(text))]
    for stop, after in ends:
        sentence, begin, at = text[at:stop].removesuffix("\\boxed{").rstrip("\\$([{*: "), at, after
        sentence = sentence.replace("**", "")
        stated = _STATES.fullmatch(sentence)
        if stated is None or _MORE.search(text[at:].replace("\\boxed", "")):
            continue
        found = _constant([t for t in scan(f"\\({stated.group(1)}\\)") if t.kind != "edge"])
        if found is None or _means(answer, found, rounding):
            continue
        known = {t.value for t in given} | {t.value for t in numerals if t.start < begin}
        closes = _CLOSES.match(sentence) is not None
        if stop == len(text):
            closes = closes and _THAT_IS.search(sentence) is not None
        if (closes or final) if known.isdisjoint(found.values) else (closes and final and stop < len(text)):
            return begin, stop
    return None


_CLOSES = re.compile(
    r"\W*(?:(?:and )?(?:therefore|thus|hence|so)|in (?:total|all|conclusion|the end)|altogether|consequently|finally"
    r"|(?:this|that|which) (?:means|makes|gives)|it follows|overall|the (?:total|answer|result))\b",
    re.IGNORECASE,
)
_THAT_IS = re.compile(r"\b(?:that is|which is|i\.e\.|namely|or)\W*$")
_STATES = re.compile(
    r"(?!.*(?:&|\\[a-z]))[^\d+*/^<>≤≥=×÷]*?(?<![\w.,-])\$?(-?\d[\d,]*(?:\.\d+)?)(?![\w-])(?:\s*(?:\\[)\]]|\$))?"
    rf"(?!\s*(?:{'|'.join(sorted(_CONTINUES - {'%'}))})\b)[^\d+*/^<>≤≥=×÷%]*"
)
"""Matches a sentence with one number in it, and no calculation."""


def _word_at(text: str, start: int) -> str:
    word = re.compile(r"[A-Za-z%]*").match(text, start)
    return word.group() if word else ""


_CONCLUDES = re.compile(
    r"\W*(?:therefore|thus|hence|so|in conclusion|consequently|finally|this means|final answer|answer"
    r"|the (?:final |correct )?answer)\b",
    re.IGNORECASE,
)
_SENTENCE = re.compile(r"(?:[.!]\s|\n|\\\]|\$\$)\s*")
_MORE = re.compile(r"\d(?![\d-]*-[a-z])|[+*/^<>≤≥=×÷]|\\(?:cdot|times|frac|le|ge|sqrt)\b")


def label(text: str, chain: Chain) -> frozenset[str]:
    """The letters or words that a chain `Area = 5` gives a value to, if that is all that it does."""
    left = chain.sides[0]
    if len(chain.sides) != 2 or any(side.opening and side.opening[0].operations for side in chain.sides):
        return frozenset()
    return frozenset(_NAME.findall(_MARKS.sub(" ", text[left.tail : left.end]).lower()))


def is_named(text: str, chain: Chain, end: int) -> bool:
    """Whether the sentence of the box names what `chain` gives a value to."""
    sentences = [s for s in _SENTENCE.split(text[chain.end : end].rstrip("\\$([{ \n")) if s.strip()]
    words = _NAME.findall(_MARKS.sub(" ", sentences[-1]).lower()) if sentences else []
    return label(text, chain) <= set(words)


_NAME = re.compile(r"\\?[a-z]+(?:_\{?\w+\}?)?")
_MARKS = re.compile(r"\\(?:text\w*|mathrm|mathbf|mbox|left|right)\b|\\[\[\]()]")
_ELSEWHERE = re.compile(r"\\(?:sin|cos|tan|sec|csc|cot|arc\w+|log|ln)\b|\bdigits?\b|\bremainder\b")


def is_conclusive(text: str, last: Chain, end: int, steps: list[Chain]) -> bool:
    """Whether the box is in the sentence after `last`, and that sentence concludes without a calculation."""
    if any(chain.end > end or (chain.start > last.start and chain.start < end) for chain in steps):
        return False
    calculated = any(side.opening and side.opening[0].operations for side in last.sides)
    if not calculated and not (label(text, last) and is_named(text, last, end)):
        return False
    start = max(chain.sides[-1].head for chain in steps)
    between = text[start:end].replace("\\boxed", "")
    if len(between) > CONCLUSION_REACH or _MORE.search(between) or _ELSEWHERE.search(text, last.start, end):
        return False
    rest, *sentences = _SENTENCE.split(between.rstrip("\\$([{ \n"))
    sentences = [s for s in sentences if s.strip(" \n*$\\")]
    if not sentences:
        return not rest.strip()
    return len(sentences) == 1 and _CONCLUDES.match(sentences[0]) is not None
