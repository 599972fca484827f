"""The value of a tree at a point to many digits, with mpmath; sizes are checked before anything is computed."""

from __future__ import annotations

import math
import threading
from fractions import Fraction
from typing import Any

from verifiers.math.evaluate import (
    MAX_BITS,
    MAX_WORK,
    Point,
    Undecided,
    Undefined,
    bits,
    exact,
    unknown_function,
    weight,
    whole,
)
from verifiers.math.tree import Node

__all__ = ["DIGITS", "NotReal", "close", "new_verdict", "numeric", "settled"]

DIGITS = 50
"""Working precision in digits, where nothing asks for more."""
MAX_DIGITS = 6_500
MAX_EFFORT = 150_000
"""Largest product of digits and nodes that are more than arithmetic, for one value."""
BUDGET = 1_000_000
"""The same for all comparisons of one verdict together; see `new_verdict`."""

_local = threading.local()


class NotReal(Undefined):
    """A root or a logarithm of a negative number, where real values are asked for."""


def _context(digits: int) -> Any:
    """The mpmath context of this thread: mpmath's shared context is not thread-safe."""
    context = getattr(_local, "context", None)
    if context is None:
        from mpmath.ctx_mp import MPContext

        context = _local.context = MPContext()
    context.dps = digits
    return context


def new_verdict() -> None:
    """Begin a verdict in this thread with a full budget, which all its values share."""
    _local.left = BUDGET


def size(node: Node) -> int:
    """Digits that the literals of a tree may take part in the value with: distinguishes √2·(1 + 10^-100)^2 from √2."""
    op, args = node
    if op == "num":
        return int(bits(args[0]) * 0.302) + 1
    if op == "pow" and args[1].op == "num":
        return min(10**6, size(args[0]) * (abs(math.ceil(args[1].args[0])) + 1))
    if op in ("fact", "fact2") and args[0].op == "num":
        return min(10**6, int(abs(args[0].args[0])) * 4)
    return min(10**6, sum(size(part) for part in args if isinstance(part, Node)))


_COSTLY = frozenset(("fn", "pow", "root", "fact", "fact2", "binom", "sum", "prod"))


def _effort(node: Node) -> int:
    total = int(node.op in _COSTLY)
    for part in node.args:
        if type(part) is Node:
            total += _effort(part)
    return total


def settled(
    trees: tuple[Node, ...], point: Point, real: bool = False, least: int = DIGITS
) -> tuple[list[Any], int]:
    """The values of `trees` at a point as mpmath numbers, and the number of leading digits that tell them apart.

    The precision, `least` digits or more, grows until it covers the largest and the smallest value inside of the trees,
    so that e^5000 + 1 is not e^5000, and 12 + e^-2000 is not 12. Exact zeros are exactly 0. Raises Undecided if it
    would take too long, Undefined if a tree has no value; with `real`, if a part of it is not real.
    """
    literals, effort = sum(map(size, trees)), sum(map(_effort, trees)) + 1
    spread = 0
    for _ in range(4):
        digits = least + literals + 2 * spread
        left = getattr(_local, "left", BUDGET)
        if digits > MAX_DIGITS or digits * effort > min(MAX_EFFORT, left):
            raise Undecided("too many digits")
        _local.left = left - digits * effort
        work = _Numeric(_context(digits), point, real)
        values = [work.whole_value(tree) for tree in trees]
        if not math.isfinite(work.high - work.low):
            raise Undefined("not finite")
        found = int((work.high - work.low) * 0.302)
        if found <= max(spread, 10):
            return values, digits - spread - 15
        spread = found
    raise Undecided("values of ever more digits")


def numeric(node: Node, point: Point, digits: int = DIGITS) -> Any:
    """One value of `settled`, to at least about `digits` - 15 digits."""
    return settled((node,), point, least=digits)[0][0]


def close(first: Any, second: Any, digits: int) -> bool:
    """Equality in `digits` leading digits, relative to the larger value; zero equals only zero."""
    return first == second or abs(first - second) * 10**digits <= max(abs(first), abs(second))


GAMMA_DIGITS = 500


class _Numeric:
    def __init__(self, context: Any, point: Point, real: bool) -> None:
        self.mp = context
        self.point: dict[str, Any] = dict(point)
        self.real = real
        self.tiny = context.mpf(10) ** (12 - context.dps)
        self.work = MAX_WORK
        self.low = self.high = 0
        """Binary exponents of the smallest and the largest value met, zeros apart."""

    def whole_value(self, node: Node) -> Any:
        try:
            value = self.value(node)
        except (ZeroDivisionError, self.mp.NoConvergence):
            raise Undefined("no value at this point") from None
        except (OverflowError, ValueError, TypeError, MemoryError) as error:
            if isinstance(error, Undefined):
                raise
            raise Undecided(str(error)) from None
        if self.mp.isnan(value) or self.mp.isinf(value):
            raise Undefined("not finite")
        return (
            value if value.imag else value.real
        )  # a complex number cannot be ordered, also one that is real

    def rational(self, value: Fraction) -> Any:
        if bits(value) > MAX_BITS:
            raise Undecided("too large")
        top = self.mp.mpf(value.numerator)
        return top if value.denominator == 1 else top / value.denominator

    def value(self, node: Node) -> Any:
        found = self.computed(node)
        if found:
            if self.real and found.imag:
                raise NotReal("not real")
            exponent = self.mp.mag(found)
            if exponent > self.high:
                self.high = exponent
            elif exponent < self.low:
                self.low = exponent
        return found

    def computed(self, node: Node) -> Any:
        op, args = node
        mp = self.mp
        if op == "num":
            return self.rational(args[0])
        if op == "sym":
            return self.symbol(args[0])
        if op == "add":
            terms = [self.value(term) for term in args]
            total = sum(terms)
            return mp.mpf(0) if abs(total) <= self.tiny * max(map(abs, terms)) else total
        if op == "mul":
            product = self.value(args[0])
            for factor in args[1:]:
                product = product * self.value(factor)
            return product
        if op == "neg":
            return -self.value(args[0])
        if op == "inv":
            return 1 / self.value(args[0])
        if op == "pow":
            return self.power(self.value(args[0]), args[1])
        if op == "root":
            index = self.value(args[1])
            return self.root(self.value(args[0]), index)
        if op == "percent":
            return self.value(args[0]) / 100
        if op == "deg":
            return self.value(args[0]) * mp.pi / 180
        if op == "fact":
            return mp.gamma(self.for_gamma(args[0]) + 1)
        if op == "fact2":
            return mp.fac2(self.for_gamma(args[0]))
        if op == "binom":
            return mp.binomial(self.for_gamma(args[0]), self.for_gamma(args[1]))
        if op == "call":
            return self.rational(
                unknown_function(args[0], [self.mp.nstr(self.value(part), 20) for part in args[1:]])
            )
        if op in ("sum", "prod"):
            return self.repeated(op, *args)
        if op == "fn":
            if args[0] in ("gcd", "lcm", "mod"):
                return self.rational(exact(node, self.rationals()))
            return self.function(args[0], [self.value(part) for part in args[1:]])
        raise Undecided(op)

    def for_gamma(self, node: Node) -> Any:
        """The argument of a gamma function, which takes minutes for thousands of digits except at whole numbers."""
        value = self.bounded(self.value(node), 30)
        if self.mp.dps > GAMMA_DIGITS and not self.mp.isint(value):
            raise Undecided("too many digits of a gamma function")
        return value

    def rationals(self) -> Point:
        return {name: value for name, value in self.point.items() if isinstance(value, Fraction)}

    def symbol(self, name: str) -> Any:
        if name in self.point:
            value = self.point[name]
            return self.rational(value) if isinstance(value, Fraction) else value
        if name == "π":
            return +self.mp.pi
        if name == "e":
            return +self.mp.e
        if name == "i":
            return self.mp.mpc(0, 1)
        raise Undecided(name)

    def bounded(self, value: Any, bits: int) -> Any:
        """`value`, if it is below 2**bits in absolute value."""
        if value != 0 and self.mp.mag(value) > bits:
            raise Undecided("too large")
        return value

    def power(self, base: Any, exponent: Node) -> Any:
        mp = self.mp
        try:
            rational = exact(exponent, self.rationals())
        except Undecided:
            rational = None
        if rational is not None and rational.denominator == 1:
            self.bounded(mp.mpf(abs(rational.numerator)) * max(1, abs(mp.mag(base)) if base else 1), 24)
            return base**rational.numerator
        if rational is not None and rational.denominator % 2 == 1 and mp.im(base) == 0 and mp.re(base) < 0:
            sign = -1 if rational.numerator % 2 else 1
            return sign * (-base) ** self.rational(rational)
        power = self.rational(rational) if rational is not None else self.value(exponent)
        self.bounded(power, 24)
        if base == 0:
            if mp.re(power) > 0:
                return mp.mpf(0)
            raise Undefined("0 to a power that is not positive")
        self.bounded(power * mp.log(base), 24)
        return self.snapped(mp.power(base, power))

    def root(self, radicand: Any, index: Any) -> Any:
        mp = self.mp
        if index == 2:
            return mp.sqrt(radicand)
        if index == 0:
            raise Undefined("a root of index zero")
        self.bounded(index, 24)
        self.bounded(1 / index, 24)
        if mp.im(radicand) == 0 and mp.re(radicand) < 0 and mp.isint(index) and int(index) % 2:
            return -((-radicand) ** (1 / index))
        return radicand ** (1 / index) if radicand != 0 else radicand

    def snapped(self, value: Any) -> Any:
        """`value` with a real or imaginary part that is only rounding error set to zero."""
        mp = self.mp
        real, imaginary = mp.re(value), mp.im(value)
        if imaginary == 0:
            return value
        if abs(imaginary) <= self.tiny * abs(real):
            return real
        return mp.mpc(0, imaginary) if abs(real) <= self.tiny * abs(imaginary) else value

    def repeated(self, op: str, variable: str, low: Node, high: Node, body: Node) -> Any:
        known = self.rationals()
        first, last = whole(exact(low, known)), whole(exact(high, known))
        self.work -= max(0, last - first + 1) * weight(body) * max(1, self.mp.dps // 100)
        if self.work < 0:
            raise Undecided("too many terms")
        before = self.point.get(variable)
        total = self.mp.mpf(op == "prod")
        for index in range(first, last + 1):
            self.point[variable] = Fraction(index)
            value = self.value(body)
            total = total * value if op == "prod" else total + value
        if before is None:
            self.point.pop(variable, None)
        else:
            self.point[variable] = before
        return total

    def function(self, name: str, args: list[Any]) -> Any:
        mp, x = self.mp, args[0]
        if name in ("ln", "log", "lg"):
            if x == 0:
                raise Undefined("the logarithm of zero")
            if len(args) == 2:
                return mp.log(x) / mp.log(args[1])
            return mp.log(x) / mp.log(10) if name == "lg" else mp.log(x)
        if name in ("sin", "cos", "tan", "cot", "sec", "csc"):
            self.bounded(x, 100)
            sine, cosine = mp.sin(x), mp.cos(x)
            sine = mp.mpf(0) if abs(sine) < self.tiny and abs(x) > 1 else sine
            cosine = mp.mpf(0) if abs(cosine) < self.tiny else cosine
            top, below = {"sin": (sine, 1), "cos": (cosine, 1), "tan": (sine, cosine), "cot": (cosine,
            sine), "sec": (1, cosine), "csc": (1, sine)}[name]  # fmt: skip
            return top / below
        if name == "exp":
            return self.snapped(mp.exp(self.bounded(x, 24)))
        if name.startswith("arc"):
            return self.snapped({"arcsin": mp.asin, "arccos": mp.acos, "arctan": mp.atan, "arccot": mp.acot,
            "arcsec": mp.asec, "arccsc": mp.acsc,
                    "arcsinh": mp.asinh, "arccosh": mp.acosh, "arctanh": mp.atanh}[name](x))  # fmt: skip
        if name in ("sinh", "cosh", "tanh", "coth", "sech", "csch"):
            return getattr(mp, name)(self.bounded(x, 24))
        if name == "abs":
            return abs(x)
        if name in ("floor", "ceil"):
            near = mp.nint(x)  # log_2 8 is 3, whatever its last digit
            return near if abs(x - near) <= self.tiny * (1 + abs(x)) else getattr(mp, name)(x)
        if name in ("max", "min"):
            if any(mp.im(arg) != 0 for arg in args):
                raise Undecided("complex numbers have no order")
            return max(args) if name == "max" else min(args)
        if name in ("Re", "Im"):
            return mp.re(x) if name == "Re" else mp.im(x)
        if name == "arg":
            return mp.arg(x)
        if name == "sgn":
            return mp.sign(x)
        raise Undecided(name)
