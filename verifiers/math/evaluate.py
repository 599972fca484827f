"""The value of a tree at a point, exactly, over the rationals; `numeric` computes the same to many digits.

Both bound the size of every intermediate result before they compute it: a tower of powers costs no time and is
undecided. Free symbols take values from `point`. Undefined functions and sequences (f(x), F_k) take pseudo-random
values that depend on name and arguments only, so that identities in them are tested too (Schwartz 1980, "Fast
probabilistic algorithms for verification of polynomial identities").
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from fractions import Fraction
from hashlib import blake2b
from typing import Any

from verifiers.math.tree import Node

__all__ = ["CONSTANTS", "Undecided", "Undefined", "exact", "free_symbols", "weight"]

MAX_BITS = 30_000
"""Largest rational of the exact evaluator: bits of numerator and denominator together."""
MAX_WORK = 20_000
"""Nodes that may be evaluated in all finite sums and products of one tree together."""
CONSTANTS = frozenset(("π", "e", "i", "∞", "…", "∅", "ℝ", "ℤ", "ℕ", "ℚ", "ℂ"))
_BINDERS = ("sum", "prod", "int", "lim")

Point = Mapping[str, Fraction]


class Undecided(ValueError):  # noqa: N818
    """The value cannot be computed by this evaluator."""


class Undefined(ValueError):  # noqa: N818
    """The tree has no value at this point (a division by zero)."""


def free_symbols(node: Node) -> set[str]:
    """The names that a point must give values to."""
    found: set[str] = set()
    _collect(node, found)
    return found


def _collect(node: Node, found: set[str]) -> None:
    op, args = node
    if op == "sym":
        if args[0] not in CONSTANTS:
            found.add(args[0])
    elif op in _BINDERS:
        inner: set[str] = set()
        for part in args[1:]:
            _collect(part, inner)
        found |= inner - {args[0]}
    elif op != "num":
        for part in args:
            if type(part) is Node:
                _collect(part, found)


def weight(node: Node) -> int:
    """The number of nodes of a tree."""
    total = 1
    for part in node.args:
        if type(part) is Node:
            total += weight(part)
    return total


def unknown_function(name: str, args: list[Any]) -> Fraction:
    """A value of its own for each name and arguments (Fractions, or texts of digits)."""
    written = (arg if isinstance(arg, str) else f"{arg.numerator:x}/{arg.denominator:x}" for arg in args)
    text = name + "|" + "|".join(written)
    seed = int.from_bytes(blake2b(text.encode("utf-8", "surrogatepass"), digest_size=4).digest(), "big")
    return Fraction(seed % 9973 + 2, 1009)


def exact(node: Node, point: Point) -> Fraction:
    """The rational value of `node`. Raises Undecided if it is irrational or too large, Undefined for x/0."""
    return _Exact(point).value(node)


def bits(value: Fraction) -> int:
    return value.numerator.bit_length() + value.denominator.bit_length()


def _checked(value: Fraction) -> Fraction:
    if bits(value) > MAX_BITS:
        raise Undecided("too large")
    return value


def whole(value: Fraction) -> int:
    if value.denominator != 1:
        raise Undecided("not an integer")
    return value.numerator


def _root(value: Fraction, index: int) -> Fraction:
    """The exact `index`-th root (the real one for an odd index). Raises Undecided."""
    if value < 0:
        if index % 2 == 0:
            raise Undecided("an even root of a negative number")
        return -_root(-value, index)
    if index > 64 or bits(value) > 4_000:
        raise Undecided("a root too high")
    return Fraction(_integer_root(value.numerator, index), _integer_root(value.denominator, index))


def _integer_root(value: int, index: int) -> int:
    if value < 2:
        return value
    guess = (
        math.isqrt(value)
        if index == 2
        else round(2 ** (math.log2(value) / index))
        if value.bit_length() < 900
        else 0
    )
    for near in (guess - 1, guess, guess + 1):
        if near >= 0 and near**index == value:
            return near
    raise Undecided("an irrational root")


def _power(base: Fraction, exponent: Fraction) -> Fraction:
    if exponent.denominator != 1:
        base = _root(base, exponent.denominator)
    times = exponent.numerator
    if base in (0, 1, -1):
        if base == 0 and times < 0:
            raise Undefined("0 to a negative power")
        return base ** (times % 2 or 2 if base else min(times, 2))
    if abs(times) * (bits(base) - 1) > MAX_BITS:
        raise Undecided("too large a power")
    return base**times


class _Exact:
    def __init__(self, point: Point) -> None:
        self.point = dict(point)
        self.work = MAX_WORK

    def value(self, node: Node) -> Fraction:
        op, args = node
        if op == "num":
            return args[0]
        if op == "sym":
            found = self.point.get(args[0])
            if found is None:
                raise Undecided(args[0])
            return found
        if op == "add":
            return _checked(sum(map(self.value, args), Fraction(0)))
        if op == "mul":
            product = Fraction(1)
            for factor in args:
                product = _checked(product * self.value(factor))
            return product
        if op == "neg":
            return -self.value(args[0])
        if op == "inv":
            below = self.value(args[0])
            if below == 0:
                raise Undefined("a division by zero")
            return 1 / below
        if op == "pow":
            return _power(self.value(args[0]), self.value(args[1]))
        if op == "root":
            index = whole(self.value(args[1]))
            if index < 1:
                raise Undecided("a root of index below one")
            return _root(self.value(args[0]), index)
        if op == "percent":
            return self.value(args[0]) / 100
        if op == "fact":
            count = whole(self.value(args[0]))
            if not 0 <= count <= 5_000:
                raise Undecided("a factorial out of reach")
            return _checked(Fraction(math.factorial(count)))
        if op == "fact2":
            count = whole(self.value(args[0]))
            if not -1 <= count <= 5_000:
                raise Undecided("a double factorial out of reach")
            return _checked(Fraction(math.prod(range(count, 0, -2))))
        if op == "binom":
            top, bottom = whole(self.value(args[0])), whole(self.value(args[1]))
            if not (0 <= top <= 5_000 and 0 <= bottom <= 5_000):
                raise Undecided("a binomial out of reach")
            return _checked(Fraction(math.comb(top, bottom)))
        if op == "call":
            return unknown_function(args[0], [self.value(part) for part in args[1:]])
        if op in ("sum", "prod"):
            return self.repeated(op, *args)
        if op == "fn":
            return self.function(args[0], [self.value(part) for part in args[1:]])
        raise Undecided(op)

    def repeated(self, op: str, variable: str, low: Node, high: Node, body: Node) -> Fraction:
        first, last = whole(self.value(low)), whole(self.value(high))
        self.work -= max(0, last - first + 1) * weight(body)
        if self.work < 0:
            raise Undecided("too many terms")
        before = self.point.get(variable)
        total = Fraction(op == "prod")
        for index in range(first, last + 1):
            self.point[variable] = Fraction(index)
            value = self.value(body)
            total = _checked(total * value if op == "prod" else total + value)
        if before is None:
            self.point.pop(variable, None)
        else:
            self.point[variable] = before
        return total

    @staticmethod
    def function(name: str, args: list[Fraction]) -> Fraction:
        if name == "abs":
            return abs(args[0])
        if name == "floor":
            return Fraction(math.floor(args[0]))
        if name == "ceil":
            return Fraction(math.ceil(args[0]))
        if name in ("max", "min"):
            return max(args) if name == "max" else min(args)
        if name in ("gcd", "lcm"):
            return Fraction(getattr(math, name)(*map(whole, args)))
        if name == "sgn":
            return Fraction((args[0] > 0) - (args[0] < 0))
        if name == "mod":
            if args[1] == 0:
                raise Undefined("modulo zero")
            return args[0] % args[1]
        if name in ("sin", "tan", "arcsin", "arctan", "sinh") and args[0] == 0:
            return Fraction(0)
        if (name in ("cos", "exp", "cosh") and args[0] == 0) or (name in ("ln", "log") and args[0] == 1):
            return Fraction(name in ("cos", "exp", "cosh"))
        raise Undecided(name)
