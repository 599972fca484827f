"""Whether two trees are equal: as written, exactly at points, to many digits at points, and last with sympy.

Identity by evaluation at points: Schwartz 1980, "Fast probabilistic algorithms for verification of polynomial
identities".
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import Any

from verifiers.latex import word_set
from verifiers.math import evaluate
from verifiers.math.evaluate import Undecided, Undefined
from verifiers.math.numeric import numeric, size
from verifiers.math.polynomial import same_zeros
from verifiers.math.tree import Node

__all__ = ["equal_trees", "proportional"]

POINTS = 4
"""Points at which an identity is tested."""
TRIES = 10
"""Points that are tried to find `POINTS` at which both sides have a value."""
DIGITS = 50
"""Working precision of the numeric test, in digits; large constants add to it (`numeric.size`)."""
MAX_DIGITS = 1_000
_WHOLE = word_set("n k m j l N M K p q r t")
_COMMUTING = ("add", "mul")


def equal_trees(left: Node, right: Node) -> bool:
    """Whether two expressions have the same value wherever both have one."""
    if left == right:
        return True
    return _equal(left, right)


def _equal(left: Node, right: Node) -> bool:
    names = sorted(evaluate.free_symbols(left) | evaluate.free_symbols(right))
    found = _equal_exactly(left, right, names)
    if found is None and _sorted(left) == _sorted(right):
        return True
    if found is None:
        found = _equal_numerically(left, right, names)
        if found is False and _plain_log(left, right):
            found = _equal_numerically(_decadic(left), _decadic(right), names)
    if found is None:
        from verifiers.math.symbolic import equal

        found = equal(left, right)
    return bool(found)


def _sorted(node: Node) -> Node:
    """`node` with the arguments of sums and products in one order."""
    args = tuple(_sorted(part) if isinstance(part, Node) else part for part in node.args)
    return Node(node.op, tuple(sorted(args, key=repr))) if node.op in _COMMUTING else Node(node.op, args)


# --- points -----------------------------------------------------------------------------------------------


def _points(names: list[str], whole: bool = False) -> Iterator[dict[str, Fraction]]:
    """`TRIES` pseudo-random points, the same for every call: positive first, then of both signs, then small."""
    state = 0x9E3779B9
    for turn in range(TRIES):
        point: dict[str, Fraction] = {}
        for place, name in enumerate(names):
            state = (state * 6364136223846793005 + 1442695040888963407 + place) % 2**64
            draw = state >> 33
            if whole:
                point[name] = Fraction(2 + (draw + turn) % 9 + turn // 3)
            else:
                sign = (
                    -1 if (turn % 4 == 2 and (draw >> 12) % 3 != 0) or (turn % 4 == 3 and place == 0) else 1
                )
                scale = 3671 if turn % 4 == 1 else 811
                point[name] = sign * Fraction(draw % 2017 + 223, scale)
        yield point


def _whole_only(node: Node) -> bool:
    """Whether a tree is defined at whole numbers only: n!, binomials, sums up to n, F_n."""
    if node.op in ("fact", "binom", "sum", "prod", "call") and evaluate.free_symbols(node):
        return True
    return any(_whole_only(part) for part in node.args if isinstance(part, Node))


def _alternates(node: Node) -> bool:
    """Whether a tree contains (-1)^n, cos nπ or the like."""
    if node.op == "pow" and evaluate.free_symbols(node.args[1]) and not evaluate.free_symbols(node.args[0]):
        return node.args[0].op == "neg" or (node.args[0].op == "num" and node.args[0].args[0] < 0)
    if node.op == "fn" and node.args[0] in ("sin", "cos", "tan"):
        return "π" in repr(node.args[1]) and bool(evaluate.free_symbols(node.args[1]))
    return any(_alternates(part) for part in node.args if isinstance(part, Node))


def _has_imaginary(node: Node) -> bool:
    return (node.op == "sym" and node.args[0] == "i") or any(
        _has_imaginary(part) for part in node.args if isinstance(part, Node)
    )


# --- exactly ----------------------------------------------------------------------------------------------


def _equal_exactly(left: Node, right: Node, names: list[str]) -> bool | None:
    """Equality of rational functions, by their values at several points; None if a side is not a rational function."""
    if not names:
        try:
            return evaluate.exact(left, {}) == evaluate.exact(right, {})
        except (Undecided, Undefined):
            return None
    agreed = 0
    whole = _whole_only(left) or _whole_only(right)
    for point in _points(names, whole):
        try:
            if evaluate.exact(left, point) != evaluate.exact(right, point):
                return False
        except Undecided:
            if whole:  # (n-k)! where k > n
                continue
            return None
        except Undefined:
            continue
        agreed += 1
        if agreed == POINTS + 2 * whole:
            return True
    return True if whole and agreed >= POINTS else None


# --- to many digits ---------------------------------------------------------------------------------------


def _equal_numerically(left: Node, right: Node, names: list[str]) -> bool | None:
    digits = DIGITS + size(left) + size(right)
    if digits > MAX_DIGITS:
        return None
    whole = _whole_only(left) or _whole_only(right)
    if not whole and names and set(names) <= _WHOLE and (_alternates(left) or _alternates(right)):
        whole = True
    complex_allowed = not names or _has_imaginary(left) or _has_imaginary(right)
    agreed = skipped = 0
    for point in _points(names, whole):
        try:
            first, second = numeric(left, point, digits), numeric(right, point, digits)
        except Undefined:
            if not names:
                return None
            continue
        except Undecided:
            return None
        if not complex_allowed and (_imaginary(first) or _imaginary(second)):
            skipped += 1
            if (skipped < TRIES - POINTS and agreed == 0) or agreed:
                continue
        if not _close(first, second, digits):
            return False
        agreed += 1
        if not names or agreed == POINTS + 3 * whole:
            return True
    return True if agreed >= 2 else None


def _imaginary(value: Any) -> bool:
    return getattr(value, "imag", 0) != 0


def _close(first: Any, second: Any, digits: int) -> bool:
    """Equality in all but the last twenty digits, relative to the larger value; zero equals only zero."""
    if first == second:
        return True
    bound = max(abs(first), abs(second))
    return abs(first - second) * 10 ** (digits - 20) <= bound


def _plain_log(left: Node, right: Node) -> bool:
    return "'log'," in repr(left) + repr(right)


def _decadic(node: Node) -> Node:
    """`node` with every log without a base read as log to base ten."""
    if node.op == "fn" and node.args[0] == "log" and len(node.args) == 2:
        return Node("fn", ("lg", _decadic(node.args[1])))
    return Node(node.op, tuple(_decadic(part) if isinstance(part, Node) else part for part in node.args))


# --- equations --------------------------------------------------------------------------------------------


def proportional(left: Node, right: Node, positive: bool = False) -> bool:
    """Whether left = 0 and right = 0 are the same equation: left is a constant times right, and neither is zero.

    With `positive` the constant must be above zero, as it must be for two inequalities.
    """
    if not positive and same_zeros(left, right):
        return True
    names = sorted(evaluate.free_symbols(left) | evaluate.free_symbols(right))
    ratio: Any = None
    agreed = 0
    for point in _points(names):
        try:
            first: Any = evaluate.exact(left, point)
            second: Any = evaluate.exact(right, point)
            exactly = True
        except Undefined:
            continue
        except Undecided:
            try:
                first, second = numeric(left, point, DIGITS), numeric(right, point, DIGITS)
                exactly = False
            except (Undecided, Undefined):
                continue
        if second == 0 or first == 0:
            if first == second == 0:
                continue
            return False
        quotient = first / second
        if ratio is None:
            ratio = quotient
        elif exactly and isinstance(ratio, Fraction):
            if quotient != ratio:
                return False
        elif not isinstance(ratio, Fraction) and not _close(quotient, quotient * 0 + ratio, DIGITS):
            return False
        agreed += 1
        if agreed == POINTS:
            return not positive or getattr(ratio, "real", ratio) > 0
    return False
