"""Tokens → clauses → chains `a = b = c` whose sides are expressions."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from verifiers.latex import word_set
from verifiers.reasoning.sides import Side, side_of
from verifiers.reasoning.spoken import EQUALS, REWRITTEN
from verifiers.reasoning.tokens import Token

__all__ = ["Chain", "Side", "chains"]

MAX_CLAUSE = 2_000
"""Largest number of tokens in a clause; longer ones are split."""
MAX_BOUNDS = 60
"""Largest number of tokens below a sum sign: `k = 1`."""
_ROUNDS = word_set("round rounded rounding rounds nearest approximately approx about estimate estimated")


@dataclass(slots=True)
class Chain:
    """A clause with at least one relation; `relations[k]` is between `sides[k]` and `sides[k + 1]`."""

    sides: list[Side]
    relations: list[str]
    words: frozenset[str]
    modulus: int | None
    modular: bool
    start: int
    end: int
    link: str
    """The break before it: ⟹, a newline, a comma, …"""
    question: bool = False
    formula: bool = False
    """Whether it is in a formula, not in prose."""
    zero: bool = False
    """Whether one of its sides is the number 0."""
    money: bool = False
    rounding: bool = False
    """Whether the clause after it announces rounding."""
    rewritten: frozenset[int] = frozenset()
    """Positions of relations in words that make the right side another form of the left one."""


def chains(tokens: list[Token]) -> Iterator[Chain]:
    """All clauses with a relation, in order."""
    held: Chain | None = None
    last = Token("brk", "", 0, 0)
    for link, clause, closing in _clauses(_ungroup(tokens)):
        if _is_torn(last, link, clause[0]):
            clause[0] = Token("opaque", clause[0].text, clause[0].start, clause[0].end)
        last = clause[-1]
        if held is not None:
            held.rounding = not _ROUNDS.isdisjoint(t.text.lower() for t in clause if t.kind == "word")
            yield held
            held = None
        if any(t.kind == "rel" for t in clause):
            held = _chain(link, clause, closing)
    if held is not None:
        yield held


def _is_torn(last: Token, link: str, first: Token) -> bool:
    """Whether a clause begins in the middle of a number or sum: `14, 400 / 80`, `.8 + . 84`."""
    if last.kind == "op":
        return link in (",", ".")
    return link == "," and last.kind == first.kind == "num" and first.text.isdigit() and len(first.text) == 3


def _ungroup(tokens: list[Token]) -> list[Token]:
    """Make brackets around whole statements breaks, and commas inside other brackets a part of them."""
    tokens = list(tokens)
    stack: list[tuple[int, bool]] = []
    commas: list[list[int]] = []
    for i, token in enumerate(tokens):
        if token.kind == "lp":
            stack.append((i, False))
            commas.append([])
        elif token.kind == "rp" and stack:
            opening, related = stack.pop()
            inner = commas.pop()
            if related and opening and tokens[opening - 1].text == "_" and i - opening <= MAX_BOUNDS:
                for j in range(opening + 1, i):  # the bounds of a sum
                    tokens[j] = Token("opaque", tokens[j].text, tokens[j].start, tokens[j].end)
            elif related:
                for j in (opening, i):
                    tokens[j] = Token("brk", tokens[j].text, tokens[j].start, tokens[j].end)
                if stack:
                    stack[-1] = (stack[-1][0], stack[-1][1] or tokens[opening].text == "{")
            else:
                for j in inner:
                    tokens[j] = Token("comma", ",", tokens[j].start, tokens[j].end)
        elif token.kind == "rel" and stack:
            stack[-1] = (stack[-1][0], True)
        elif token.kind == "brk":
            if token.text in ("\n\n", "\\\\", "⟹") or token.text == "\n":
                stack.clear()
                commas.clear()
            elif token.text == "," and commas:
                commas[-1].append(i)
    return tokens


def _clauses(tokens: list[Token]) -> Iterator[tuple[str, list[Token], str]]:
    """(break before, tokens, break after)."""
    clause: list[Token] = []
    link = "\n\n"
    for i, token in enumerate(tokens):
        if token.kind == "brk":
            if token.text in ("\n", "\\\\", " ") and _continues(clause, tokens, i):
                continue
            if clause:
                yield link, clause, token.text
                clause = []
                link = token.text
            elif token.text != "," or link not in ("⟹", "\n\n"):
                link = "⟹" if "⟹" in (link, token.text) else token.text
        else:
            clause.append(token)
            if len(clause) == MAX_CLAUSE:
                yield link, clause, "\n\n"
                clause = []
    if clause:
        yield link, clause, "\n\n"


def _continues(clause: list[Token], tokens: list[Token], at: int) -> bool:
    """Whether a line break falls within a statement: before or after a relation or, in formulas, an operator."""
    text = tokens[at].text
    if clause and (clause[-1].kind == "rel" or (clause[-1].kind == "op" and tokens[at].math)):
        return True
    for token in tokens[at + 1 : at + 4]:
        if token.kind == "brk" and token.text == " " and text == "\\\\":
            continue
        if token.kind == "rel":
            return bool(clause)
        if not clause or text == "\n" or not token.math or token.kind != "op" or token.text not in "+-*":
            return False
        line = next((t for t in tokens[at + 2 : at + 60] if t.kind == "rel" or t.text == "\\\\"), None)
        return line is None or line.kind != "rel"  # a line with its own relation is a statement
    return False


def _chain(link: str, clause: list[Token], closing: str) -> Chain:
    clause, modulus, modular = _modulus(clause)
    parts: list[list[Token]] = [[]]
    relations: list[str] = []
    rewritten: set[int] = set()
    for token in clause:
        if token.kind == "rel":
            if token.text == REWRITTEN:
                rewritten.add(len(relations))
            relations.append("=" if token.text in (EQUALS, REWRITTEN) else token.text)
            parts.append([])
        else:
            parts[-1].append(token)
    words = frozenset(t.text.lower() for t in clause if t.kind == "word")
    modular = modular or "%" in relations
    attached = pairwise(clause)
    names = frozenset(b.text for a, b in attached if a.kind == "num" and b.kind == "var" and not b.gap)
    sides = [side_of(part, names - {"x", "X"}) for part in parts]
    return Chain(
        sides,
        relations,
        words,
        modulus,
        modular,
        start=clause[0].start,
        end=clause[-1].end,
        link=link,
        question=closing == "?",
        formula=clause[0].math,
        zero=any(e.literal is not None and not e.literal.value for s in sides for e in s.opening[:1]),
        money=any(t.kind == "edge" and t.text == "$" for t in clause),
        rewritten=frozenset(rewritten),
    )


def _modulus(clause: list[Token]) -> tuple[list[Token], int | None, bool]:
    """(the clause without `\\pmod 7`, the modulus if it is a number, whether the clause has one)."""
    for i, token in enumerate(clause):
        if token.text == "mod" or (token.kind == "word" and token.text.lower() in ("mod", "modulo")):
            j = i + 1
            while j < len(clause) and clause[j].kind in ("lp", "edge"):
                j += 1
            value = clause[j].value if j < len(clause) else None
            if value is None or value.denominator != 1 or value <= 0:
                return clause, None, True
            k = j + 1
            while k < len(clause) and clause[k].kind == "rp":
                k += 1
            head = clause[:i]
            if head and head[-1].kind == "lp":
                head = head[:-1]
            return head + clause[k:], int(value), True
    return clause, None, False
