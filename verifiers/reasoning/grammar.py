"""Tokens → expressions, by recursive descent.

The parser does not resolve ambiguous notation: it makes a node of its own and a feature of it, and `values` evaluates
every reading.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from verifiers.reasoning.tokens import Token

__all__ = ["Expression", "Node", "Unreadable", "parse"]

Node = tuple[Any, ...]

MAX_TOKENS = 200
MAX_DEPTH = 40


class Unreadable(Exception):  # noqa: N818 - a result, not an error
    """The tokens are not an expression, or its value cannot be computed within the limits."""


@dataclass(frozen=True, slots=True)
class Expression:
    """An expression, and what the check needs to know about it."""

    node: Node
    variables: frozenset[str]
    operations: int
    """Number of its operators: 0 for a number."""
    features: frozenset[str]
    """Its ambiguities: "percent", "mixed", "tight"; and "pi", "cut" (0.33…), "deg", "abs"."""
    literal: Token | None
    """The number, if the expression is a single number (a sign before it is allowed)."""
    numbers: tuple[Token, ...] = ()
    """All numbers in it."""


def parse(tokens: list[Token]) -> Expression:
    """Read `tokens` as one expression. Raises Unreadable."""
    if not tokens or len(tokens) > MAX_TOKENS:
        raise Unreadable
    parser = _Parser(tokens)
    node = parser.sum(0)
    if parser.at < len(tokens):
        raise Unreadable
    numbers = tuple(t for t in tokens if t.kind == "num")
    core = node[1] if node[0] in ("neg", "pct", "deg") else node
    core = core[1] if core[0] in ("pct", "deg") else core
    literal = numbers[0] if core[0] == "num" and len(numbers) == 1 else None
    return Expression(
        node, frozenset(parser.names), parser.operations, frozenset(parser.features), literal, numbers
    )


_APPLIED = frozenset("fghFGPpqQEVTNSφψϕ") | {"phi", "psi", "varphi", "sigma", "tau", "Gamma", "zeta", "mu"}


class _Parser:
    def __init__(self, tokens: list[Token]) -> None:
        self.tokens = tokens
        self.at = 0
        self.names: set[str] = set()
        self.features: set[str] = set()
        self.operations = 0

    def peek(self) -> Token | None:
        return self.tokens[self.at] if self.at < len(self.tokens) else None

    def next(self) -> Token:
        token = self.peek()
        if token is None:
            raise Unreadable
        self.at += 1
        return token

    def is_op(self, signs: str) -> bool:
        token = self.peek()
        return token is not None and token.kind == "op" and token.text in signs

    def sum(self, depth: int) -> Node:
        if depth > MAX_DEPTH:
            raise Unreadable
        left = self.product(depth)
        while self.is_op("+-"):
            sign = self.next()
            self.operations += 1
            left = (sign.text, left, self.product(depth))
        return left

    def product(self, depth: int) -> Node:
        left = self.signed(depth)
        divided = False
        while True:
            token = self.peek()
            if token is None:
                return left
            if token.kind == "op" and token.text in "*/":
                self.next()
                self.operations += 1
                if token.text == "/" and (fraction := self.slashed()) is not None:
                    left = ("slashes", left, *fraction)
                    continue
                right = self.signed(depth)
                divided = token.text == "/"
                left = (token.text, left, right)
            elif token.kind == "func" and token.text == "mod":
                raise Unreadable
            elif self.starts_operand(token):
                right = self.power(depth)
                self.operations += 1
                if divided and left[0] == "/":
                    self.features.add("tight")
                    left = ("tight", left[1], left[2], right)
                else:
                    left = ("implied", left, right)
            else:
                return left

    def slashed(self) -> tuple[Node, Node] | None:
        """The `1/5` of `2 / 1/5`, which spacing shows to be one number."""
        ahead = self.tokens[self.at : self.at + 3]
        if len(ahead) < 3 or [t.kind for t in ahead] != ["num", "op", "num"] or ahead[1].text != "/":
            return None
        if not ahead[0].gap or ahead[1].gap or ahead[2].gap:
            return None
        self.at += 3
        self.operations += 1
        self.features.add("tight")
        return ("num", ahead[0]), ("num", ahead[2])

    def starts_operand(self, token: Token) -> bool:
        if token.kind == "bar":
            return False
        return token.kind in ("num", "var", "lp", "func")

    def signed(self, depth: int) -> Node:
        if self.is_op("+-"):
            sign = self.next()
            if depth > MAX_DEPTH or (
                sign.text == "+" and self.at > 1 and self.tokens[self.at - 2].kind == "op"
            ):
                raise Unreadable
            inner = self.signed(depth + 1)
            return ("neg", inner) if sign.text == "-" else inner
        return self.power(depth)

    def power(self, depth: int) -> Node:
        base = self.postfix(self.atom(depth + 1))
        if self.is_op("^"):
            self.next()
            token = self.peek()
            if token is not None and token.kind == "deg":
                self.next()
                self.features.add("deg")
                return self.postfix(("deg", base))
            if token is not None and token.kind == "lp" and self.is_degree_group():
                self.at += 3
                self.features.add("deg")
                return self.postfix(("deg", base))
            if depth > MAX_DEPTH:
                raise Unreadable
            self.operations += 1
            exponent = self.signed(depth + 1) if self.is_op("+-") else self.power(depth + 1)
            return self.postfix(("^", base, exponent))
        return base

    def is_degree_group(self) -> bool:
        ahead = self.tokens[self.at : self.at + 3]
        return len(ahead) == 3 and ahead[1].kind == "deg" and ahead[2].kind == "rp"

    def postfix(self, node: Node) -> Node:
        while (token := self.peek()) is not None:
            if token.kind == "pct":
                self.features.add("percent")
                node = ("pct", node)
            elif token.kind == "bang":
                self.operations += 1
                node = ("!", node)
            elif token.kind == "deg":
                self.features.add("deg")
                node = ("deg", node)
            else:
                return node
            self.next()
        return node

    def atom(self, depth: int) -> Node:
        if depth > MAX_DEPTH:
            raise Unreadable
        token = self.next()
        match token.kind:
            case "num":
                return self.number(token)
            case "var":
                return self.variable(token)
            case "lp":
                return self.group(token, depth)
            case "bar":
                self.features.add("abs")
                inside = self.sum(depth + 1)
                if self.next().kind != "bar":
                    raise Unreadable
                self.operations += 1
                return ("abs", inside)
            case "func":
                return self.function(token, depth)
        raise Unreadable

    def number(self, token: Token) -> Node:
        if self.is_op("_"):
            raise Unreadable  # a numeral in a base
        if token.cut:
            self.features.add("cut")
        following = self.peek()
        if following is None or following.math != token.math:
            return ("num", token)
        if following.text == "frac" and token.value is not None and token.value.denominator == 1:
            fraction = self.atom(0)
            if fraction[0] == "frac" and fraction[1][0] == fraction[2][0] == "num":
                self.features.add("mixed")
                return ("mixed", ("num", token), fraction)
            self.operations += 1
            return ("implied", ("num", token), fraction)
        if following.kind == "num":
            return self.spaced_mixed(token)
        if following.text == "overline":
            return self.repeating(token)
        return ("num", token)

    def spaced_mixed(self, whole: Token) -> Node:
        """`2 1/3`, or `2½`."""
        top = self.next()
        assert whole.value is not None and top.value is not None
        if whole.value.denominator != 1:
            raise Unreadable
        if top.value.denominator != 1 and not top.text[0].isascii():
            return ("mixed", ("num", whole), ("num", top))
        if self.is_op("/"):
            self.next()
            bottom = self.next()
            if bottom.kind == "num" and bottom.value and top.value < bottom.value and top.gap:
                return ("mixed", ("num", whole), ("frac", ("num", top), ("num", bottom)))
        raise Unreadable

    def repeating(self, token: Token) -> Node:
        self.next()
        inside = self.braced()
        digits = inside[0].text if len(inside) == 1 and inside[0].kind == "num" else ""
        if not digits.isdigit() or token.value is None:
            raise Unreadable
        shown = len(token.text.partition(".")[2])
        return ("const", token.value + Fraction(int(digits), (10 ** len(digits) - 1) * 10**shown))

    def braced(self) -> list[Token]:
        """The tokens of a `{…}` group, or the single token in its place."""
        first = self.next()
        if first.text != "{":
            return [first]
        start, level = self.at, 1
        while level:
            token = self.next()
            level += (token.text == "{") - (token.text == "}")
        return self.tokens[start : self.at - 1]

    def variable(self, token: Token) -> Node:
        name = token.text
        if name == "π":
            self.features.add("pi")
            return ("pi",)
        if self.is_op("_"):
            self.next()
            name += "_" + "".join(t.text for t in self.braced())
            if (after := self.peek()) is not None and after.text == "_":
                raise Unreadable
        following = self.peek()
        if following is not None and following.text == "(" and (token.math or not following.gap):
            inside = self.tokens[self.at + 1 : self.at + 3]
            lone = len(inside) == 2 and inside[1].text == ")"
            if (
                name.lstrip("\\") in _APPLIED
                or name[0] in _APPLIED
                or "'" in name
                or (lone and inside[0].kind in ("num", "var"))
            ):
                raise Unreadable  # a function's value
        if name[0] in _APPLIED and self.is_applied_power():
            raise Unreadable  # f^{-1}(0)
        self.names.add(name)
        return ("var", name)

    def is_applied_power(self) -> bool:
        """Whether an exponent and then a bracket follow."""
        at = self.at + 1
        if not self.is_op("^") or at >= len(self.tokens):
            return False
        if self.tokens[at].text == "{":
            while at < len(self.tokens) and self.tokens[at].text != "}":
                at += 1
        return at + 1 < len(self.tokens) and self.tokens[at + 1].text == "("

    def group(self, opening: Token, depth: int) -> Node:
        closing = {"(": ")", "[": "]", "{": "}", "⌊": "⌋", "⌈": "⌉"}[opening.text]
        inside = self.sum(depth + 1)
        if self.next().text != closing:
            raise Unreadable
        if opening.text in "⌊⌈":
            self.operations += 1
            self.features.add("abs")
            return ("floor" if opening.text == "⌊" else "ceil", inside)
        return inside

    def argument(self, depth: int) -> Node:
        token = self.peek()
        if token is None or depth > MAX_DEPTH:
            raise Unreadable
        if token.text == "{":
            return self.group(self.next(), depth)
        if token.kind == "num":
            return ("num", self.next())  # without braces the next number is another argument
        return self.atom(depth + 1)

    def function(self, token: Token, depth: int) -> Node:
        self.operations += 1
        match token.text:
            case "frac":
                top = self.argument(depth)
                bottom = self.argument(depth)
                if top[0] == "var" and top[1] == "d":
                    raise Unreadable  # d/dx
                return ("frac", top, bottom)
            case "binom":
                return ("binom", self.argument(depth), self.argument(depth))
            case "sqrt":
                degree: Node = ("const", Fraction(2))
                if (ahead := self.peek()) is not None and ahead.text == "[":
                    degree = self.group(self.next(), depth)
                return ("root", self.argument(depth), degree)
            case "sin" | "cos" | "tan":
                return self.trigonometric(token.text, depth)
            case "ln":
                return ("ln", self.operand(depth))
            case "log" if self.is_op("_"):
                self.next()
                base = self.argument(depth)
                return ("log", base, self.operand(depth))
        raise Unreadable

    def trigonometric(self, name: str, depth: int) -> Node:
        exponent: Node | None = None
        if self.is_op("^"):
            self.next()
            exponent = self.argument(depth)
            if exponent[0] == "neg":
                raise Unreadable
        before = "deg" in self.features
        self.features.discard("deg")
        inside = self.operand(depth)
        degrees = "deg" in self.features
        if before:
            self.features.add("deg")
        if not degrees and "pi" not in self.features:
            raise Unreadable  # degrees or radians
        node: Node = (name, inside, degrees)
        return node if exponent is None else ("^", node, exponent)

    def operand(self, depth: int) -> Node:
        """The argument of a function without brackets: `\\sin 3x`, `\\log_5 5^4`."""
        if depth > MAX_DEPTH:
            raise Unreadable
        bracketed = (token := self.peek()) is not None and token.kind == "lp"
        node = self.power(depth + 1)
        while not bracketed and (token := self.peek()) is not None:
            if token.kind not in ("num", "var") and token.text != "frac":
                break
            node = ("implied", node, self.power(depth + 1))
        return node
