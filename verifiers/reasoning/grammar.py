"""Tokens to expressions, and expressions to numbers.

Numbers are exact fractions as long as they can be; roots, logarithms and powers that are not rational become
floating-point (complex where they must be). A variable is given a fixed rational value that depends on its name
alone: two expressions that agree at several such points are taken to be identical (Schwartz 1980, Zippel 1979).
Sizes are capped, so that evaluation takes bounded time whatever the text says.
"""

from __future__ import annotations

import cmath
import math
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from verifiers.reasoning.tokens import Token

__all__ = ["Expression", "Number", "Reading", "Unreadable", "close", "evaluate", "parse", "point"]

Number = Fraction | float | complex
Node = tuple[Any, ...]

MAX_TOKENS = 200
MAX_DEPTH = 40
MAX_BITS = 4096
MAX_FACTORIAL = 100
MAX_EXPONENT = 1024


class Unreadable(Exception):
    """The tokens are no expression, or its value cannot be had within the caps."""


@dataclass(frozen=True, slots=True)
class Reading:
    """How ambiguous notation is read."""

    percent: bool = True
    """15 % is 0.15; otherwise 15."""
    mixed: bool = True
    """2\\frac{1}{3} is two and a third; otherwise the product."""
    tight: bool = False
    """1/2x is 1/(2x); otherwise x/2."""
    relative: bool = False
    """100 + 10 % is 110; otherwise 100.1."""


@dataclass(frozen=True, slots=True)
class Expression:
    """An expression with the facts that judging needs."""

    node: Node
    variables: frozenset[str]
    operations: int
    """Operators in it: 0 for a literal."""
    features: frozenset[str]
    """Which ambiguities occur: "percent", "mixed", "tight"; also "pi", "cut" (0.33…), "deg"."""
    literal: Token | None
    """The number, where it is one and nothing else (a sign before it is allowed)."""
    numbers: tuple[Token, ...] = ()
    """Every number in it."""


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
            if (
                depth > MAX_DEPTH
                or sign.text == "+"
                and self.at > 1
                and self.tokens[self.at - 2].kind == "op"
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
            raise Unreadable  # a numeral in some base
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
        """The tokens of a `{…}` group, or the one token that stands in its place."""
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
                or lone
                and inside[0].kind in ("num", "var")
            ):
                raise Unreadable  # a function's value
        if name == "i":
            self.features.add("imaginary")
        self.names.add(name)
        return ("var", name)

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
        """What a function without brackets applies to: `\\sin 3x`, `\\log_5 5^4`."""
        if depth > MAX_DEPTH:
            raise Unreadable
        bracketed = (token := self.peek()) is not None and token.kind == "lp"
        node = self.power(depth + 1)
        while not bracketed and (token := self.peek()) is not None:
            if token.kind not in ("num", "var") and token.text != "frac":
                break
            node = ("implied", node, self.power(depth + 1))
        return node


# --- values -----------------------------------------------------------------------------------------------


def point(name: str, k: int) -> Fraction:
    """The `k`-th trial value of the variable `name`: a positive fraction, the same in every process."""
    seed = zlib.crc32(f"{name}#{k}".encode())
    return Fraction(211 + seed % 9973, 101 + (seed >> 14) % 97)


def close(a: Number, b: Number) -> bool:
    """Whether two values are equal: exactly for fractions, to nine digits otherwise."""
    if isinstance(a, Fraction) and isinstance(b, Fraction):
        return a == b
    try:
        x, y = complex(a), complex(b)
        return abs(x - y) <= 1e-9 * max(abs(x), abs(y)) + 1e-13
    except OverflowError:
        return False


def evaluate(
    expression: Expression,
    values: Mapping[str, Number],
    reading: Reading = Reading(),  # noqa: B008 - frozen
    shifts: Mapping[int, Fraction] | None = None,
) -> Number:
    """The value at `values`; `shifts` adds to the numbers that start at given positions. Raises Unreadable."""
    try:
        return _checked(_value(expression.node, values, reading, shifts or {}))
    except (ZeroDivisionError, OverflowError, ValueError, TypeError) as error:
        raise Unreadable from error


def readings(features: frozenset[str]) -> Iterator[Reading]:
    """Every way to read what is ambiguous, the literal one first."""
    for mixed in (True, False) if "mixed" in features else (True,):
        for tight in (False, True) if "tight" in features else (False,):
            yield Reading(True, mixed, tight)
            if "percent" in features:
                yield Reading(False, mixed, tight)
                yield Reading(True, mixed, tight, relative=True)


def _checked(x: Number) -> Number:
    if isinstance(x, Fraction):
        if x.numerator.bit_length() + x.denominator.bit_length() > MAX_BITS:
            raise Unreadable
    elif not cmath.isfinite(x):
        raise Unreadable
    elif isinstance(x, complex) and abs(x.imag) <= 1e-12 * max(1.0, abs(x.real)):
        return x.real
    return x


def _value(node: Node, values: Mapping[str, Number], how: Reading, shifts: Mapping[int, Fraction]) -> Number:
    def of(child: Node) -> Number:
        return _checked(_value(child, values, how, shifts))

    kind = node[0]
    match kind:
        case "num":
            return node[1].value + shifts.get(node[1].start, 0)
        case "const":
            return node[1]
        case "pi":
            return math.pi
        case "var":
            return values[node[1]]
        case "+" | "-":
            left, right = of(node[1]), of(node[2])
            if how.relative and node[2][0] == "pct":
                right *= left
            return left + right if kind == "+" else left - right
        case "*" | "implied":
            return of(node[1]) * of(node[2])
        case "/" | "frac":
            return of(node[1]) / of(node[2])
        case "tight":
            top, bottom, tail = of(node[1]), of(node[2]), of(node[3])
            return top / (bottom * tail) if how.tight else top / bottom * tail
        case "slashes":
            left, top, bottom = of(node[1]), of(node[2]), of(node[3])
            return left / (top / bottom) if how.tight else left / top / bottom
        case "mixed":
            return of(node[1]) + of(node[2]) if how.mixed else of(node[1]) * of(node[2])
        case "neg":
            if node[1][0] == "mixed" and how.mixed:
                return -of(node[1])
            return -of(node[1])
        case "pct":
            return of(node[1]) / 100 if how.percent else of(node[1])
        case "deg":
            return of(node[1])
        case "^":
            return _power(of(node[1]), of(node[2]))
        case "root":
            return _root(of(node[1]), of(node[2]))
        case "abs":
            return abs(of(node[1]))
        case "floor" | "ceil":
            return Fraction(getattr(math, kind)(_real(of(node[1]))))
        case "!" | "binom":
            return _count(kind, [of(child) for child in node[1:]])
        case "sin" | "cos" | "tan":
            angle = float(_real(of(node[1])))
            return getattr(math, kind)(math.radians(angle) if node[2] else angle)
        case "ln":
            return math.log(_real(of(node[1])))
        case "log":
            return math.log(_real(of(node[2]))) / math.log(_real(of(node[1])))
    raise Unreadable


def _real(x: Number) -> Fraction | float:
    if isinstance(x, complex):
        raise Unreadable
    return x


def _count(kind: str, arguments: list[Number]) -> Fraction:
    whole: list[int] = []
    for x in arguments:
        if not isinstance(x, Fraction) or x.denominator != 1 or not 0 <= x <= MAX_FACTORIAL:
            raise Unreadable
        whole.append(int(x))
    return Fraction(math.factorial(whole[0]) if kind == "!" else math.comb(*whole))


def _power(base: Number, exponent: Number) -> Number:
    if isinstance(base, Fraction) and isinstance(exponent, Fraction):
        if exponent.denominator == 1:
            size = base.numerator.bit_length() + base.denominator.bit_length()
            if abs(exponent) > MAX_EXPONENT or size * abs(exponent) > 4 * MAX_BITS:
                raise Unreadable
            return base ** int(exponent)
        if exponent.denominator in (2, 3) and base >= 0:
            return _power(_root(base, Fraction(exponent.denominator)), Fraction(exponent.numerator))
    if not isinstance(base, complex) and base < 0:
        if isinstance(exponent, Fraction) and exponent.denominator == 1:
            return float(base) ** int(exponent)
        raise Unreadable
    return complex(base) ** complex(exponent)


def _root(x: Number, degree: Number) -> Number:
    if not isinstance(degree, Fraction) or degree.denominator != 1 or not 2 <= degree <= 20:
        raise Unreadable
    n = int(degree)
    if isinstance(x, Fraction):
        if x < 0 and n % 2:
            return -_root(-x, degree)
        top, bottom = (_whole_root(abs(part), n) for part in (x.numerator, x.denominator))
        if top is not None and bottom is not None and x >= 0:
            return Fraction(top, bottom)
        return float(x) ** (1 / n) if x >= 0 else complex(float(x)) ** (1 / n)
    if isinstance(x, complex):
        return x ** (1 / n)
    return x ** (1 / n) if x >= 0 else complex(x) ** (1 / n)


def _whole_root(x: int, n: int) -> int | None:
    if n == 2:
        root = math.isqrt(x)
    else:
        if x.bit_length() > 900:
            return None
        root = round(x ** (1 / n))
    return root if root**n == x else None
