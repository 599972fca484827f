"""Relations in words between two formulas: `\\(2^3 \\cdot 3\\) is \\(24\\)` is read as an equals sign."""

from __future__ import annotations

import re
from collections.abc import Iterator

from verifiers.latex import word_set
from verifiers.reasoning.tokens import Token

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
    """`tokens`, with one relation in the place of the words that link two formulas."""
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
