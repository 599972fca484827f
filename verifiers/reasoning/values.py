"""Expressions → numbers.

Numbers are exact fractions if possible; irrational roots, logarithms and powers are floating-point numbers, complex if
necessary. A variable gets a fixed rational value that depends on its name alone: two expressions that agree at
several such points are taken to be identical (Schwartz 1980, Zippel 1979). Sizes are limited, so that evaluation takes
bounded time for any text.
"""

from __future__ import annotations

import builtins
import cmath
import math
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction

from verifiers.reasoning.tree import Expression, Node, Undefined, Unreadable

__all__ = ["Number", "Reading", "close", "evaluate", "point", "readings"]

Number = Fraction | float | complex

MAX_BITS = 1000
"""Largest size of numerator and denominator together; such a value also fits a float."""
MAX_FACTORIAL = 100
MAX_EXPONENT = 1024


@dataclass(frozen=True, slots=True)
class Reading:
    """One way to read ambiguous notation."""

    percent: bool = True
    """15 % is 0.15; else 15."""
    mixed: bool = True
    """2\\frac{1}{3} is two and a third; else the product."""
    tight: bool = False
    """1/2x is 1/(2x); else x/2."""
    relative: bool = False
    """100 + 10 % is 110; else 100.1."""
    natural: bool = False
    """\\log x is the natural logarithm; else the decimal one."""
    minus: bool = False
    """± is a minus, and ∓ a plus; else the reverse."""


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
    reading: Reading = Reading(),
    shifts: Mapping[int, Fraction] | None = None,
) -> Number:
    """The value of `expression` at `values` of its variables. Raises Unreadable (Undefined: it divides by zero).

    `shifts`: position of a number in the text → what is added to that number.
    """
    try:
        return _checked(_value(expression.node, values, reading, shifts or {}))
    except ZeroDivisionError as error:
        raise Undefined from error
    except (OverflowError, ValueError, TypeError) as error:
        raise Unreadable from error


def readings(features: frozenset[str]) -> Iterator[Reading]:
    """All readings of ambiguous notation, the literal one first. Of ±, the upper sign: see `relation`."""
    both = (False, True)
    for natural in both if "log" in features else (False,):
        for mixed in (True, False) if "mixed" in features else (True,):
            for tight in both if "tight" in features else (False,):
                yield Reading(True, mixed, tight, natural=natural)
                if "percent" in features:
                    yield Reading(False, mixed, tight, natural=natural)
                    yield Reading(True, mixed, tight, relative=True, natural=natural)


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
    if kind in "±∓":
        kind = "-" if (kind == "±") == how.minus else "+"
    match kind:
        case "num":
            return node[1].value + shifts.get(node[1].start, 0)
        case "const":
            return node[1]
        case "pi":
            return math.pi
        case "var":
            if node[1] not in values:
                raise Unreadable
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
        case "apply":
            inner = dict(values) | {name: of(child) for name, child in zip(node[1], node[3:], strict=True)}
            return _checked(_value(node[2], inner, how, shifts))
        case "sin" | "cos" | "tan" | "cot" | "sec" | "csc":
            angle = float(_real(of(node[1])))
            return _ratio(kind, math.radians(angle) if node[2] else angle)
        case "arcsin" | "arccos" | "arctan":
            return getattr(math, kind.replace("arc", "a"))(_real(of(node[1])))
        case "exp" | "sinh" | "cosh" | "tanh":
            return getattr(math, kind)(_real(of(node[1])))
        case "max" | "min":
            return getattr(builtins, kind)(_real(of(child)) for child in node[1:])
        case "gcd" | "lcm":
            return Fraction(getattr(math, kind)(*(_whole(of(child)) for child in node[1:])))
        case "ln":
            return math.log(_real(of(node[1])))
        case "lg":
            return math.log(_real(of(node[1]))) / (1 if how.natural else math.log(10))
        case "log":
            return math.log(_real(of(node[2]))) / math.log(_real(of(node[1])))
    raise Unreadable


def _real(x: Number) -> Fraction | float:
    if isinstance(x, complex):
        raise Unreadable
    return x


def _whole(x: Number) -> int:
    if not isinstance(x, Fraction) or x.denominator != 1:
        raise Unreadable
    return int(x)


def _ratio(kind: str, angle: float) -> float:
    """A trigonometric function of an angle in radians. Raises Unreadable at its poles."""
    sine, cosine = math.sin(angle), math.cos(angle)
    top, bottom = {
        "sin": (sine, 1.0),
        "cos": (cosine, 1.0),
        "tan": (sine, cosine),
        "cot": (cosine, sine),
        "sec": (1.0, cosine),
        "csc": (1.0, sine),
    }[kind]
    if abs(bottom) < 1e-12:
        raise Unreadable
    return top / bottom


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
            if abs(exponent) > MAX_EXPONENT or size * abs(exponent) > 2 * MAX_BITS:
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
