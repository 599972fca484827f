"""Relations in words: `\\(2^3 \\cdot 3\\) is \\(24\\)` and "3 times 4 is 12" are read with an equals sign."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator
from itertools import takewhile

from verifiers.latex import word_set
from verifiers.reasoning.plain import COMPARATIVES
from verifiers.reasoning.tokens import Token
from verifiers.reasoning.units import conversions

__all__ = ["EQUALS", "REWRITTEN", "linked"]

EQUALS, REWRITTEN = "is", "→"
"""Relations in words: the values are equal; the second formula is the first one in another form."""

REACH = 90
"""Largest distance in characters between two formulas of one relation."""
_LINKING = re.compile(
    r"(?:\W*(?:and |which |that |this |it |the expression )?(?:further |then )?(?P<rewritten>"
    r"(?:simplifie[sd]|reduces|expands|evaluates|factors)(?: further)? (?:to|as)"
    r"|(?:can|may) be (?:further )?(?:re)?(?:written|expressed|factored|simplified|expanded) (?:more simply )?(?:as|to)"
    r"(?: (?:the|an?) (?:\w+ )?(?:mixed number|fraction|decimal|product|form))?"
    r"|(?:\. )?(?:combining|simplifying|expanding|distributing|collecting|multiplying out|factoring)[a-z ]{0,40}"
    r"(?:, |: )?(?:we |this )?(?:get|gets|have|obtain|gives|yields))"
    r"|(?: (?P<unit>[a-z]+))? (?:is simply|is equal to|is|equals))\s*:?\s*",
    re.IGNORECASE,
)
_SUBJECTS = word_set("value expression result representation form product sum difference quotient")
"""What a formula may be called before a relation: "the value of …"."""
_PREPOSITIONS = word_set(
    "of by from to with when if for modulo mod between than as in on at through per over under about into until"
)
_END = re.compile(r"\s*[.,;]|\s*(?:\\[)\]]|\$+)?\s*(?:[.,;:)]|\n|$|[A-Z])")


def linked(text: str, tokens: list[Token]) -> list[Token]:
    """`tokens`, with one relation in the place of the words that link two formulas, or two values in prose."""
    return _said(text, _between_formulas(text, tokens))


def _between_formulas(text: str, tokens: list[Token]) -> list[Token]:
    found: list[Token] = []
    done = 0
    last: tuple[int, int] | None = None
    for lo, hi in _formulas(tokens):
        if last is not None and (relation := _relation(text, tokens, last, (lo, hi))) is not None:
            found += tokens[done : last[1]]
            found.append(Token("rel", relation, tokens[last[1] - 1].end, tokens[lo].start, True, None, True))
            done = lo
        last = lo, hi
    return [*found, *tokens[done:]]


def _formulas(tokens: list[Token]) -> Iterator[tuple[int, int]]:
    """Where the formulas without their borders begin and end."""
    lo = 0
    while lo < len(tokens):
        if not tokens[lo].math or tokens[lo].kind in ("edge", "brk"):
            lo += 1
            continue
        hi = lo
        while hi < len(tokens) and tokens[hi].math and tokens[hi].kind != "edge":
            hi += 1
        end = hi
        while tokens[end - 1].kind == "brk":
            end -= 1
        yield lo, end
        lo = hi


def _relation(text: str, tokens: list[Token], one: tuple[int, int], other: tuple[int, int]) -> str | None:
    start, end = tokens[one[1] - 1].end, tokens[other[0]].start
    first, second = tokens[one[0] : one[1]], tokens[other[0] : other[1]]
    if end - start > REACH or not any(t.kind in ("op", "func") for t in first):
        return None
    if any(t.kind == "rel" for t in first) and any(t.kind == "rel" for t in second):
        return None  # two equations
    between = " ".join(re.sub(r"\\[\[\]()]|\$|\n", " ", text[start:end]).split())
    words = _LINKING.fullmatch(" " + between)
    if words is None or _is_part(text[max(0, first[0].start - 60) : first[0].start]):
        return None
    after = text[second[-1].end : second[-1].end + 40]
    if words.group("rewritten"):
        return REWRITTEN
    if unit := words.group("unit"):
        after, same = re.subn(rf"^[\\\])$ ]*{unit}\b", "", after)
        if unit in _PREPOSITIONS or not same:
            return None
    return EQUALS if _END.match(after) else None


def _is_part(before: str) -> bool:
    """Whether the words before a formula make it a part of what the relation is about: "the degree of …"."""
    words = re.findall(r"[A-Za-z]+", re.split(r"[.:;\n]|\\\]", re.sub(r"\\[\[(]|\$", " ", before))[-1])
    if not words or words[-1].lower() not in _PREPOSITIONS:
        return bool(words) and words[-1].lower() == "and"
    return not (words[-1].lower() == "of" and len(words) > 1 and words[-2].lower() in _SUBJECTS)


# --- prose ------------------------------------------------------------------------------------------------

_SAID = re.compile(
    r"(?:,? (?:which|that|this|it|and that|and it))? (?:is equal to|is|equals|makes|gives(?: (?:us|him|her|them|you))?|"
    r"leaves(?: (?:us|him|her|them|you)(?: with)?)?|comes (?:out )?to|totals|amounts to|yields|would be|will be)"
    r"(?: (?:a total of|only|just|exactly))?(?= \\?\$?\.?\d)|,? or(?= \\?\$?\.?\d)"
)
_FOLLOWS = word_set(
    "more less fewer times of plus minus percent to or than if away off over short ahead mod modulo half third quarter "
    f"remainder r hundred thousand million billion dozen by for per {COMPARATIVES}"
)
"""Words after a number that make it more, or less, than the value of what is before it."""
_OPERATIONS = word_set("times plus minus divided multiplied")
NEAR = 60
"""Number of tokens of a calculation that are looked at before words that give its value."""
_UNIT = 2
"""Largest number of words of a unit."""


def _said(text: str, tokens: list[Token]) -> list[Token]:
    """`tokens`, with a relation in the place of the words between a calculation, or a quantity, and its value."""
    body = next((i for i in range(1, len(tokens)) if tokens[i].start < tokens[i - 1].start), len(tokens))
    found: list[Token] = []
    done = 0
    for words in _SAID.finditer(text):
        lo = bisect_left(tokens, words.start(), done, body, key=lambda t: t.start)
        hi = bisect_left(tokens, words.end(), lo, body, key=lambda t: t.start)
        if lo == done or hi == body or any(t.math for t in tokens[lo - 1 : hi + 1]):
            continue
        left, right = tokens[max(done, lo - NEAR) : lo], tokens[hi : min(body, hi + NEAR)]
        if _is_stated(text, left, right, words.group().endswith("or")):
            found += tokens[done:lo]
            found.append(Token("rel", EQUALS, words.start(), words.end(), True))
            done = hi
    return [*found, *tokens[done:]]


def _is_stated(text: str, left: list[Token], right: list[Token], alternative: bool) -> bool:
    """Whether a number after words such as "is" is the value of what is before them; `alternative`: after "or"."""
    unit, rest = _trailing_words(left)
    at = next((k for k, t in enumerate(right) if t.kind != "edge"), len(right))
    if not rest or len(unit) > _UNIT or at == len(right) or right[at].kind != "num":
        return False
    if rest[-1].math or right[at].math:
        return False  # see `_between_formulas`
    if at + 1 < len(right) and right[at + 1].kind == "pct":
        at += 1
    after = list(takewhile(lambda t: t.kind in ("word", "edge"), right[at + 1 : at + 5]))
    border = right[at + 1 + len(after)] if at + 1 + len(after) < len(right) else None
    words = [t.text.lower() for t in after if t.kind == "word"]
    if not (border is None or border.kind in ("brk", "word")):
        return False
    if not _FOLLOWS.isdisjoint(words):
        return False
    if unit and words and rest[-1].kind == "num" and conversions(unit[-1], words[0])[1]:
        return len(rest) < 2 or rest[-2].kind != "op" or not alternative
    return not alternative and _calculates(text, rest)


def _trailing_words(tokens: list[Token]) -> tuple[list[str], list[Token]]:
    """(the last words, the tokens before them up to a value)."""
    end = len(tokens)
    while end and tokens[end - 1].kind in ("word", "edge"):
        end -= 1
    words = [t.text.lower() for t in tokens[end:] if t.kind == "word"]
    valued = end and tokens[end - 1].kind in ("num", "rp", "pct", "bang") and _PREPOSITIONS.isdisjoint(words)
    return words, tokens[:end] if valued else []


def _calculates(text: str, tokens: list[Token]) -> bool:
    """Whether `tokens` end with a calculation that stands for itself."""
    start, operations = len(tokens), list[str]()
    while start:
        token = tokens[start - 1]
        if token.kind in ("num", "lp", "rp", "pct", "bang", "edge"):
            start -= 1
        elif token.kind == "op":
            operations.append(token.text if token.gap or token.text != "-" else "range")
            start -= 1
        elif token.kind == "var" and token.text in "xX":
            operations.append("*")
            start -= 1
        elif token.kind == "word":
            words = [t.text.lower() for t in takewhile(lambda t: t.kind == "word", reversed(tokens[:start]))]
            before = tokens[start - len(words) - 1] if start > len(words) else None
            spoken = _OPERATIONS.intersection(words)
            share = "of" in words and before is not None and (before.kind == "pct" or words[-1] == "percent")
            if before is None or before.kind not in ("num", "rp", "pct", "bang") or len(words) > _UNIT + 1:
                break
            if not (spoken or share or (tokens[start].kind == "op" and _PREPOSITIONS.isdisjoint(words))):
                break
            operations += ["of"] * share + [*spoken]
            start -= len(words)
        else:
            break
    while start < len(tokens) and tokens[start].kind not in ("num", "lp"):
        start += 1
    if start == len(tokens) or not operations or operations == ["range"]:
        return False
    if operations == ["/"] and len(tokens) - start == 3 and _is_share(tokens[start], tokens[-1]):
        return False
    return not _is_part(text[max(0, tokens[start].start - 60) : tokens[start].start])


def _is_share(top: Token, bottom: Token) -> bool:
    return top.value is not None and bottom.value is not None and top.value < bottom.value
