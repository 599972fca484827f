"""What stands before an equals sign and only names the value: x, f(x), |AB|, area of ABC, A^{-1}, \\lim …

A name must not be an expression that an equation could be solved for: `x + 1 = 5` is no answer 5. The left side of
such an equation names a value only where the prompt asks for it; see `asked`.
"""

from __future__ import annotations

import re

from verifiers.latex import word_set
from verifiers.math.cursor import split, wrapped
from verifiers.math.evaluate import free_symbols
from verifiers.math.lex import Token
from verifiers.math.normalise import Unreadable
from verifiers.math.parse import Parser
from verifiers.math.tree import Node, sym
from verifiers.math.units import NEGATIONS

__all__ = ["expression", "in_words", "may_name", "name_of"]

MAX_TOKENS = 60
_DERIVATIVE = re.compile(r"frac\{[d∂](?:\^\{?\d\}?)?[a-zA-Z]?(?:\([a-z]\))?\}\{[d∂][a-z](?:\^\{?\d\}?)?\}")
_FILLERS = word_set("{ } ( ) the a an of at value is")
_FULL = {
    "min": "minimum",
    "max": "maximum",
    "pt": "point",
    "pts": "points",
    "no": "number",
    "coord": "coordinate",
}
"""Words that are often written short."""
_NO_NAMES = NEGATIONS | word_set(
    "least most than less more over under above below up negative minus plus about approximately around roughly only "
    "exactly almost nearly base usd eur us all any every each for from to between within multiple multiples divisible"
)
_MEASURES = word_set("sin cos tan cot sec csc max min gcd lcm det arg Re Im")
"""Functions one of which, of something, is what a problem asks for."""


def expression(tokens: list[Token]) -> Node:
    """All of `tokens` as one tree. Raises Unreadable."""
    parser = Parser(tokens)
    node = parser.whole()
    if parser.at != len(parser.tokens):
        raise Unreadable(f"expected the end, found {parser.peek().text!r}")
    return node


def in_words(name: Node | None) -> bool:
    """Whether a name is words, or too long to be compared but by its words."""
    return name is not None and name.op == "words"


def _words(tokens: list[Token]) -> Node:
    words = [_FULL.get(token.text.lower(), token.text.lower()) for token in tokens]
    return Node("words", tuple(word for word in words if word not in _FILLERS))


def may_name(words: list[Token]) -> bool:
    """Whether words before a value, without a sign between, can be its name: "radius 3", but not "at most 3"."""
    return not any(token.text.lower() in _NO_NAMES for token in words)


def name_of(tokens: list[Token]) -> Node | None:
    """The name that `tokens` are; None if they are an expression."""
    if not tokens or len(tokens) > MAX_TOKENS:
        return None
    return _letters(tokens) or _quantity(tokens) or _composed(tokens)


def _letters(tokens: list[Token]) -> Node | None:
    """x, AB, area of ABC, Ann's age, x-intercept"""
    if any(token.kind == "word" for token in tokens) and all(
        token.kind in ("word", "sym", "run") or (at and token.text in ("'", "-"))
        for at, token in enumerate(tokens)
    ):
        return _words(tokens)
    if all(token.kind in ("sym", "run") and token.text.replace("'", "").isalpha() for token in tokens):
        name = "".join(token.text for token in tokens)
        if (len(tokens) == 1 and tokens[0].kind == "sym") or (name.isupper() and len(name) <= 4):
            return None if name in ("e", "i", "π", "∞") else sym(name)
    return None


def _quantity(tokens: list[Token]) -> Node | None:
    """Quantities that are computed, not solved for: limits, sines, ratios of lengths, lengths of vectors, areas."""
    first = tokens[0]
    if len(tokens) == 1 and first.text in ("max", "min"):
        return _words(tokens)
    if first.kind == "fn" and not any(token.kind == "num" for token in tokens) and len(tokens) <= 6:
        return expression(tokens)
    if first.kind == "fn" and first.text in _MEASURES and (found := _one_function(tokens)) is not None:
        return found
    if first.kind == "cmd" and first.text in ("lim", "int", "sum", "prod"):
        return _words(tokens)
    if first.text == "frac" and _DERIVATIVE.fullmatch("".join(token.text for token in tokens)):
        return _words(tokens)
    if any(token.text == "^" for token in tokens):
        return None
    if first.text == "frac" and _of_indexed(tokens):
        return _words(tokens)
    if first.kind == "word" and all(
        token.kind in ("word", "sym", "run", "open", "close") for token in tokens
    ):
        return _words(tokens)  # area (ABC)
    if any(token.vector for token in tokens) and all(token.kind in _VECTOR_KINDS for token in tokens):
        return None if len(tokens) == 1 else _words(tokens)
    if any(token.kind == "run" for token in tokens) and all(map(_of_lengths, tokens)):
        return _words(tokens)
    return None


_VECTOR_KINDS = word_set("sym run op num open close")


def _of_lengths(token: Token) -> bool:
    """Whether `token` may stand in a sum, product or ratio of lengths AB or areas [ABC]."""
    if token.kind == "run":
        return token.text.isupper()
    return token.text in ("frac", "{", "}", "+", "*", "/", "[", "]") or (
        token.kind == "op" and token.text == "-"
    )


def _of_indexed(tokens: list[Token]) -> bool:
    """Whether a fraction is a ratio of two quantities with an index: S_{ABC}, S_{DEF}."""
    node = expression(tokens)
    parts = [part.args[0] if part.op == "inv" else part for part in node.args] if node.op == "mul" else []
    return len(parts) == 2 and all(part.op == "call" and part.args[0] in ("S_", "V_", "A_") for part in parts)


def _one_function(tokens: list[Token]) -> Node | None:
    try:
        node = expression(tokens)
    except Unreadable:
        return _words(tokens) if tokens[0].text in ("max", "min") and tokens[1].text in ("_", "(") else None
    return node if node.op == "fn" and free_symbols(node) else None  # sin 2x, but not sin 2


def _composed(tokens: list[Token]) -> Node | None:
    """(p, q), S_1 : S_2, |AB|, |A ∪ B|, f(x), f^{-1}(x), a_n, x_{1,2}"""
    if len(tokens) > 20:
        return None
    pair = wrapped(tokens)
    if pair in (("(", ")"), ("<", ">")):
        parts, cuts = split(tokens[1:-1], "sep")
        labels = [name_of(part) for part in parts]
        return Node("tuple", tuple(labels)) if cuts and all(labels) else None
    parts, cuts = split(tokens, "op", (":",))
    if cuts:
        labels = [name_of(part) for part in parts]
        return Node("ratio", tuple(labels)) if all(labels) else None
    first = tokens[0]
    if first.text == "|" == tokens[-1].text:
        inner = tokens[1:-1]
        if (found := name_of(inner)) is not None:
            return Node("abs", (found,))
        return _words(tokens) if any(token.text in "∪∩" for token in inner) else None
    if len(tokens) == 1 and first.kind == "sym" and "_" in first.text:
        return sym(first.text)  # \\bar{x}
    return _indexed(tokens) if first.kind == "sym" else None


def _indexed(tokens: list[Token]) -> Node | None:
    """A letter with arguments, an index or primes."""
    name, rest = tokens[0].text, tokens[1:]
    if len(rest) > 4 and [token.text for token in rest[:4]] == ["^", "{", "-", "1"] and rest[4].text == "}":
        name, rest = name + "^-1", rest[5:]  # f^{-1}(x)
        if not rest:
            return None
    if len(rest) > 2 and wrapped(rest) in (("(", ")"), ("[", "]")) and not rest[0].spaced:
        parts, _ = split(rest[1:-1], "sep")
        try:
            return Node("call", (name, *(expression(part) for part in parts)))
        except Unreadable:
            return Node("call", (name, *(token.text for token in rest[1:-1])))
    if rest and rest[0].text in ("_", "'"):
        if any(token.kind == "sep" for token in rest) and rest[1].text == "{" and rest[-1].text == "}":
            return sym(name)  # x_{1,2}
        node = expression(tokens)
        return node if node.op in ("sym", "call") else None
    return None
