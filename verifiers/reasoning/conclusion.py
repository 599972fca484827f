"""Does the trace lead to the answer that is given?"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction

from verifiers.reasoning.grammar import Number, Unreadable, close, evaluate, parse, readings
from verifiers.reasoning.judge import free, rounds_to, same_value, values_at
from verifiers.reasoning.statements import Chain
from verifiers.reasoning.tokens import Token, scan

__all__ = ["Target", "announced", "target"]

_ANNOUNCED = re.compile(
    r"\b(?:(?:therefore|thus|hence|so|final(?:ly)?|which means)\b[^.\n]{0,40}?\bresult|answer)\b"
    r"(?:[^.\n=$\\\d:]{0,40}?\b(?:is|are|equals|will be|would be|comes to)\b|\**:)[\s:*$\\(]*",
    re.IGNORECASE,
)
CONCLUSION_REACH = 300
"""Characters between the last result and the box within which one is read as the other."""
_CONTINUES = frozenset("more less fewer times of plus minus percent % to or and than if".split())


@dataclass(frozen=True, slots=True)
class Target:
    """A numeric answer: its values under every reading, and its numeral where it is one."""

    values: tuple[Number, ...]
    literal: Token | None
    numbers: tuple[Token, ...]

    def is_near(self, value: Number, announced: bool = False) -> bool:
        """Whether `value` is the answer: equal, as a percentage, in cents, rounded as either shows."""
        for own in self.values:
            if same_value(own, value) or (isinstance(own, Fraction) and close(-own, value)):
                return True
            if self.literal is not None and rounds_to(value, self.literal, own, announced=True):
                return True
        return False


def target(answer: str | None) -> Target | None:
    """The answer as numbers; None where it is anything else."""
    if not answer or len(answer) > 200:
        return None
    tokens = [t for t in scan(f"\\({answer}\\)") if t.kind not in ("edge", "word")]
    return _constant(tokens)


def _constant(tokens: list[Token]) -> Target | None:
    try:
        expression = parse(tokens)
        if free(expression):
            return None
        values = {
            how: evaluate(expression, values_at(expression, 0), how) for how in readings(expression.features)
        }
    except Unreadable:
        return None
    return Target(tuple(values.values()), expression.literal, expression.numbers)


def announced(text: str, answer: Target) -> tuple[int, int] | None:
    """The last "the answer is X" whose X is a number and not the answer."""
    wrong: tuple[int, int] | None = None
    for phrase in _ANNOUNCED.finditer(text):
        tail = text[phrase.end() : phrase.end() + 60]
        tokens: list[Token] = []
        follower = ""
        for token in scan("\\(" + tail.split("\n")[0]):
            if token.kind == "edge" or token.text in ("{", "}") and not tokens:
                continue
            if token.kind not in ("num", "op", "pct") or (token.gap and tokens):
                follower = token.text if token.kind != "var" else _word_at(tail, token.start - 2)
                if token.kind in ("rel", "op", "lp", "func", "opaque"):
                    follower = "of"
                break
            tokens.append(token)
        found = _constant(tokens)
        if found is None or found.literal is None or follower.lower() in _CONTINUES:
            continue
        matches = any(answer.is_near(v, announced=True) for v in found.values)
        wrong = None if matches else (phrase.start(), phrase.end() + tokens[-1].end - 2)
    return wrong


def _word_at(text: str, start: int) -> str:
    word = re.compile(r"[A-Za-z%]*").match(text, start)
    return word.group() if word else ""


def appears(answer: Target, tokens: list[Token], results: list[Number]) -> bool:
    """Whether the answer is a number of the trace, or the value of something in it."""
    numbers = {t.value for t in tokens if t.value is not None}
    if any(answer.is_near(value) for value in numbers):
        return True
    if answer.literal is None and all(t.value in numbers for t in answer.numbers):
        return True  # put together from what was found, as 3/20 from 3 and 20
    return any(answer.is_near(value) for value in results)


_WORKS_ON = re.compile(
    r"\d|\b(?:half|twice|double|triple|square[ds]?|cube[ds]?|sum|product|difference|ratio|probabilit\w*|percent\w*|fraction"
    r"|multipl\w*|divid\w*|add\w*|subtract\w*|times|each|per|both|root|remain\w*|reciprocal|inverse|negative|average"
    r"|remainder|round\w*|together|minus|plus|one|two|three|four|five|six|ten)\b|[+*/^<>≤≥=×÷]|\\(?:cdot|times|frac|le|ge|sqrt)",
    re.IGNORECASE,
)


def is_conclusive(text: str, last: Chain, end: int, steps: list[Chain]) -> bool:
    """Whether the box stands right after `last`, with nothing between them that could lead from one to the other."""
    if any(chain.start > last.start and chain.start < end or chain.end > end for chain in steps):
        return False
    if not any(side.opening and side.opening[0].operations for side in last.sides):
        return False
    between = text[last.end : end]
    return len(between) <= CONCLUSION_REACH and _WORKS_ON.search(between) is None


def last_result(found: list[tuple[Chain, Number]]) -> tuple[Chain, Number] | None:
    """What the last chain of equalities comes to."""
    return max(found, key=lambda pair: pair[0].start, default=None)
