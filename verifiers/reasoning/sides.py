"""One side of a relation: which expressions its words and symbols may mean.

In prose an expression is surrounded by words: "There are 34 kids – 22 girls = 12 boys". Words between a number and
an operator are units and are dropped; two numbers with words between them are the end of one expression and the
beginning of another. If there are several readings, all are kept: a step is false only if all of them are.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from verifiers.latex import word_set
from verifiers.reasoning.grammar import parse
from verifiers.reasoning.tokens import Token
from verifiers.reasoning.tree import Expression, Unreadable

__all__ = ["Side", "side_of"]

_VALUE_END = word_set("num var rp pct deg bang opaque")
_VALUE_START = word_set("num var lp func bar opaque")
_MAX_READINGS = 5
_WORD_OPERATORS = {"times": "*", "plus": "+", "minus": "-"}


@dataclass(slots=True)
class Side:
    """What is between two relations, or between a relation and the border of the clause."""

    ending: list[Expression] = field(default_factory=list)
    """Readings of its end, the longest first: the left side of the relation after it."""
    opening: list[Expression] = field(default_factory=list)
    """Readings of its beginning: the right side of the relation before it."""
    first: Expression | None = None
    """The first operand of `opening[0]` if that is a sum or product: 12 in `12 - 2`."""
    before: list[str] = field(default_factory=list)
    """Words before the expression at its end, the nearest last."""
    inside: list[str] = field(default_factory=list)
    """Words within that expression."""
    within: list[str] = field(default_factory=list)
    """Words within the expression at its beginning."""
    after: list[str] = field(default_factory=list)
    """Words after the expression at its beginning, the nearest first."""
    second: Expression | None = None
    """The second expression: 3 in `12 remainder 3`."""
    trailing: list[str] = field(default_factory=list)
    """Words between the expression at its end and the relation."""
    crowded: bool = False
    """Whether one expression is added "to" another."""
    start: int = 0
    end: int = 0
    tail: int = 0
    """Where the expression at its end begins."""
    head: int = 0
    """Where the expression at its beginning ends."""


def side_of(tokens: list[Token], names: frozenset[str]) -> Side:
    side = Side()
    if tokens:
        side.start, side.end = tokens[0].start, tokens[-1].end
        side.tail, side.head = side.start, side.end
    items, gaps, words = _items(tokens, names)
    runs = _runs(items, gaps)
    if not runs:
        return side
    lo, hi = runs[0]
    side.head = items[hi - 1].end
    side.opening = _readings([(lo, k) for k in _cuts(items, gaps, lo, hi, opening=True)], items)
    side.after = [w for i in range(hi, len(gaps)) for w in words[i]]
    if len(runs) > 1:
        side.second = next(iter(_readings([runs[1]], items)), None)
        between = {w for i in range(runs[-2][1], runs[-1][0] + 1) for w in words[i]}
        side.crowded = "to" in between and all(any(t.kind == "op" for t in items[a:b]) for a, b in runs[-2:])
    if side.opening and side.opening[0].operations:
        side.first = _first_operand(items, lo, hi)
    lo, hi = runs[-1]
    side.within = [w for i in range(runs[0][0] + 1, runs[0][1]) for w in words[i]]
    side.tail = items[lo].start
    side.ending = _readings([(k, hi) for k in _cuts(items, gaps, lo, hi, opening=False)], items)
    side.trailing = words[hi]
    side.before = [w for i in range(lo + 1) for w in words[i]]
    side.inside = [w for i in range(lo + 1, hi) for w in words[i]]
    return side


def _items(tokens: list[Token], names: frozenset[str]) -> tuple[list[Token], list[int], list[list[str]]]:
    """The tokens that are not words; the gap before each and at the end (1 border, 2 words, 3 formula); the words."""
    items: list[Token] = []
    gaps: list[int] = []
    words: list[list[str]] = [[]]
    gap = skip = 0
    for i, token in enumerate(tokens):
        following = tokens[i + 1] if i + 1 < len(tokens) else None
        if (
            token.text == "/"
            and following is not None
            and following.kind == "word"
            and _names_a_unit(tokens, i + 1)
        ):
            token = following
        if token.kind == "word" and token.text.lower() == "of" and not _value_ahead(tokens, i + 1):
            following = None
        if not (token.kind == "var" and token.text in names):
            token = _meaning(token, items, gap, following, tokens[i - 1] if i else None)
        if i < skip:
            continue
        if token.kind in ("word", "edge"):
            gap = max(gap, 2 if token.kind == "word" else 3 if token.text == "(" and items else 1)
            if token.kind == "word" and following is not None and following.text == "^":
                skip = _past_power(tokens, i + 2)  # cm^2
            if token.kind == "word":
                words[-1].append(token.text.lower())
            continue
        bare = token.kind == "op" and (not items or (gap == 2 and items[-1].kind in ("op", "lp")))
        if bare and (items or words[-1] or token.text not in "+-"):
            items.append(Token("opaque", "?", token.start, token.start))  # the operand is a word
            gaps.append(gap)
            words.append([])
            gap = 0
        items.append(token)
        gaps.append(gap)
        words.append([])
        gap = 0
    gaps.append(gap)
    return items, gaps, words


def _meaning(
    token: Token, items: list[Token], gap: int, following: Token | None, before: Token | None
) -> Token:
    """What a word, letter, slash or hyphen means in prose."""
    valued = bool(items) and items[-1].kind in _VALUE_END
    if token.kind == "var":
        if token.text in "xX" and valued and following is not None and _is_factor(token, following):
            return _become(token, "op", "*")
        if not token.math and token.text != "π" and not _is_name(token, following, before):
            return _become(token, "word", token.text)
    elif token.kind == "op" and not token.gap and following is not None and not following.gap:
        unit = following.kind == "word" and token.text in "/-"  # $18/bag, 5-day
        if unit or (token.text == "-" and before is not None and before.kind == "word"):
            return _become(token, "word", token.text)
    elif token.kind == "word":
        operator = _spoken(token.text.lower(), items, gap, following, before)
        if operator is not None:
            return _become(token, "pct" if operator == "%" else "op", operator)
    return token


def _become(token: Token, kind: str, text: str) -> Token:
    return Token(kind, text, token.start, token.end, token.gap, None, token.math)


def _is_factor(token: Token, following: Token) -> bool:
    """Whether an x before `following` is a multiplication sign."""
    if token.math:
        return following.kind == "num"
    return following.kind in ("num", "edge") or (following.text == "(" and following.gap)


def _is_name(token: Token, following: Token | None, before: Token | None) -> bool:
    """Whether a letter in prose is a variable, and not a word or a unit."""
    if following is not None and following.kind == "word" and not following.gap:
        return False
    if before is not None and before.kind in ("num", "rp") and not token.gap:
        return True  # 2x
    if before is not None and before.kind not in ("op", "lp"):
        return False
    return following is None or following.kind in ("op", "rp", "lp")


def _spoken(
    name: str, items: list[Token], gap: int, following: Token | None, before: Token | None
) -> str | None:
    """The operator that a word names: "times", "divided by", "percent", "of"."""
    if not items or (following is None and name not in ("percent", "pct")):
        return None
    if name in ("percent", "pct"):
        return "%" if items[-1].kind == "num" and not gap else None
    if name == "of":
        return "*" if not gap and _is_share(items) else None
    assert following is not None
    numeric = following.kind in ("num", "lp", "edge") or following.text in ("frac", "sqrt")
    if items[-1].kind not in _VALUE_END or not numeric:
        return None
    if name == "by" and before is not None and before.kind == "word":
        return {"divided": "/", "multiplied": "*"}.get(before.text.lower())
    return _WORD_OPERATORS.get(name)


def _value_ahead(tokens: list[Token], at: int) -> bool:
    """Whether the words from `at` on name a quantity: "of the 20 …"."""
    ahead = next((t for t in tokens[at : at + 5] if t.kind not in ("word", "edge")), None)
    return ahead is not None and ahead.kind in _VALUE_START


def _past_power(tokens: list[Token], at: int) -> int:
    """The position after the exponent that begins at `at`."""
    if at < len(tokens) and tokens[at].text == "{":
        while at < len(tokens) and tokens[at].text != "}":
            at += 1
    return at + 1


def _names_a_unit(tokens: list[Token], at: int) -> bool:
    """Whether the words from `at` on are a unit after a slash: `12 cookies / box`."""
    for token in tokens[at : at + 4]:
        if token.kind not in ("word", "edge"):
            return token.kind == "op"
    return at + 4 >= len(tokens)


def _is_share(items: list[Token]) -> bool:
    """Whether the last items are a percentage or a fraction, so that "of" multiplies."""
    if items[-1].kind == "pct":
        return True
    if items[-1].kind == "num" and len(items) > 1 and items[-2].text == "/":
        return True
    value = items[-1].value
    return (items[-1].kind == "num" and value is not None and value.denominator > 1) or items[-1].text == "}"


def _runs(items: list[Token], gaps: list[int]) -> list[tuple[int, int]]:
    """The stretches that may be one expression each: within one, no value follows a value across words."""
    runs: list[tuple[int, int]] = []
    start = 0
    for i in range(1, len(items) + 1):
        if i == len(items) or _parted(items[i - 1], gaps[i], items[i]):
            runs.append((start, i))
            start = i
    return runs if items else []


def _parted(before: Token, gap: int, after: Token) -> bool:
    if not gap or before.kind not in _VALUE_END:
        return False
    return after.kind in _VALUE_START or (gap == 3 and after.text == "-" and after.math)


def _cuts(items: list[Token], gaps: list[int], lo: int, hi: int, *, opening: bool) -> list[int]:
    """Where an expression may end (or begin): at the border of its run, and at operators next to words."""
    cuts = [hi if opening else lo]
    for k in range(lo + 1, hi):
        if items[k].kind == "op" and (gaps[k] == 2 or gaps[k + 1] == 2) and items[k].text != "^":
            cut = k if opening else k + 1
            if not opening and items[k].text != "-" and not any(t.kind == "op" for t in items[cut:hi]):
                continue
            if not opening and items[k].text == "-" and gaps[k] == 2:
                cuts.append(k)  # a sign
            cuts.append(cut)
            if len(cuts) >= _MAX_READINGS:
                break
    return cuts


def _readings(spans: list[tuple[int, int]], items: list[Token]) -> list[Expression]:
    readings: list[Expression] = []
    for k, (lo, hi) in enumerate(spans):
        try:
            readings.append(parse(items[lo:hi]))
        except Unreadable:
            if k == 0:
                return []
    return readings


def _first_operand(items: list[Token], lo: int, hi: int) -> Expression | None:
    for k in range(lo, hi):
        if items[k].math or items[k].kind == "lp":
            return None
        if items[k].kind == "op" and k > lo:
            try:
                return parse(items[lo:k])
            except Unreadable:
                return None
    return None
