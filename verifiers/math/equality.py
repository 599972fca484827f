"""Whether two trees are equal: as written, exactly, at points exactly or to many digits, and last with sympy.

Identity by evaluation at points: Schwartz 1980, "Fast probabilistic algorithms for verification of polynomial
identities". Which points: `points`.
"""

from __future__ import annotations

from typing import Any

from verifiers.math import evaluate, residues
from verifiers.math.evaluate import Undecided, Undefined
from verifiers.math.numeric import NotReal, close, settled
from verifiers.math.points import Domain, Point, domain, points
from verifiers.math.polynomial import same_zeros
from verifiers.math.tree import Node

__all__ = ["equal_trees", "proportional"]

ENOUGH = 4
"""Points at which two smooth functions must agree."""
ENOUGH_WHOLE = 10
"""The same where letters are whole numbers."""
_COMMUTING = ("add", "mul")
NONE: frozenset[str] = frozenset()


def equal_trees(left: Node, right: Node, whole: frozenset[str] = NONE) -> bool:
    """Whether two expressions have the same value wherever both have one; `whole`: letters that are whole numbers."""
    if left == right:
        return True
    names = evaluate.free_symbols(left) | evaluate.free_symbols(right)
    if not names:
        return _equal_numbers(left, right)
    if _reordered(left, right):
        return True
    try:
        return residues.same_function(left, right)
    except (Undecided, Undefined):
        pass
    where = domain(left, right, whole)
    found = _equal_functions(left, right, where)
    if found is False and (_has_plain_log(left) or _has_plain_log(right)):
        found = _equal_functions(_decadic(left), _decadic(right), where)
    return _by_sympy(left, right) if found is None else found


def _by_sympy(left: Node, right: Node) -> bool:
    from verifiers.math.symbolic import equal

    return bool(equal(left, right))


def _reordered(left: Node, right: Node) -> bool:
    """Whether two trees differ only in the order of terms and factors."""
    return evaluate.weight(left) == evaluate.weight(right) and _sorted(left) == _sorted(right)


def _sorted(node: Node) -> Node:
    """`node` with the arguments of sums and products in one order."""
    args = tuple(_sorted(part) if isinstance(part, Node) else part for part in node.args)
    return Node(node.op, tuple(sorted(args, key=repr))) if node.op in _COMMUTING else Node(node.op, args)


def _has_plain_log(node: Node) -> bool:
    """Whether a tree has a log without a base."""
    return (node.op == "fn" and node.args[0] == "log" and len(node.args) == 2) or any(
        _has_plain_log(part) for part in node.args if isinstance(part, Node)
    )


def _decadic(node: Node) -> Node:
    """`node` with every log without a base read as log to base ten."""
    if node.op == "fn" and node.args[0] == "log" and len(node.args) == 2:
        return Node("fn", ("lg", _decadic(node.args[1])))
    return Node(node.op, tuple(_decadic(part) if isinstance(part, Node) else part for part in node.args))


# --- numbers ----------------------------------------------------------------------------------------------


def _equal_numbers(left: Node, right: Node) -> bool:
    """Equality of trees without letters."""
    try:
        return evaluate.exact(left, {}) == evaluate.exact(right, {})
    except (Undecided, Undefined):
        pass
    if _reordered(left, right):
        return True
    try:
        return residues.same_function(left, right)  # rational, but too large to write out
    except (Undecided, Undefined):
        pass
    try:
        equal = _close_at(left, right, {}, real=False)
        if not equal and (_has_plain_log(left) or _has_plain_log(right)):
            equal = _close_at(_decadic(left), _decadic(right), {}, real=False)
        return equal
    except (Undecided, Undefined):
        return _by_sympy(left, right)


def _close_at(left: Node, right: Node, point: Point, real: bool) -> bool:
    (first, second), digits = settled((left, right), point, real)
    return close(first, second, digits)


# --- functions --------------------------------------------------------------------------------------------


def _equal_functions(left: Node, right: Node, where: Domain) -> bool | None:
    """Equality of trees with letters; None if too few points tell."""
    if not where.periodic:
        return _agree(left, right, where)
    found = _agree(left, right, where)
    return _agree_periodically(left, right, where) if found is False else found


def _agree_periodically(left: Node, right: Node, where: Domain) -> bool | None:
    """Equality where n in cos(πn) is a whole number, unless that would make a constant of it, as of sin(πn)."""
    whole = Domain(where.names, where.natural, where.whole | where.periodic, NONE, where.corners, where.steps)
    found: set[str] = set()
    for point in points(whole):
        try:
            values, _ = settled((left,), point)
        except (Undecided, Undefined):
            continue
        found.add(repr(values[0])[:25])
    return _agree(left, right, whole) if len(found) > 1 else False


def _agree(left: Node, right: Node, where: Domain) -> bool | None:
    """Whether two trees have the same values at the points of their domain; None if too few points tell."""
    imaginary = _has_imaginary(left) or _has_imaginary(right)
    found, apart = _compare_at_points(left, right, where, real=not imaginary)
    if found is None and apart:  # nowhere real, as √(-1 - x²)
        found, _ = _compare_at_points(left, right, where, real=False)
    return found


def _compare_at_points(left: Node, right: Node, where: Domain, real: bool) -> tuple[bool | None, bool]:
    """As `_agree`, and whether nothing but values that are not real stood in the way."""
    agreed = unknown = unreal = 0
    enough = ENOUGH if where.continuous else ENOUGH_WHOLE
    for point in points(where):
        try:
            if not _equal_at(left, right, point, real):
                return False, False
        except NotReal:
            if not where.smooth and {_real_at(left, point), _real_at(right, point)} == {True, False}:
                return False, False  # ln x is not ln|x|
            unreal += 1
            continue
        except Undefined:
            continue
        except Undecided:
            unknown += 1
            if where.smooth and where.continuous:
                return None, False
            continue
        agreed += 1
        if where.smooth and agreed == enough:
            return True, False
    if agreed >= ENOUGH and unknown <= 2 * agreed:
        return True, False
    return None, agreed == 0 and unreal > 0


def _equal_at(left: Node, right: Node, point: Point, real: bool) -> bool:
    try:
        return evaluate.exact(left, point) == evaluate.exact(right, point)
    except Undecided:
        return _close_at(left, right, point, real)


def _real_at(node: Node, point: Point) -> bool | None:
    """Whether the value of a tree at a point is real; None if it has none."""
    try:
        settled((node,), point, real=True)
    except NotReal:
        return False
    except (Undecided, Undefined):
        return None
    return True


def _has_imaginary(node: Node) -> bool:
    return (node.op == "sym" and node.args[0] == "i") or any(
        _has_imaginary(part) for part in node.args if isinstance(part, Node)
    )


# --- equations --------------------------------------------------------------------------------------------


def proportional(left: Node, right: Node, positive: bool = False, whole: frozenset[str] = NONE) -> bool:
    """Whether left = 0 and right = 0 are the same equation: left is a constant times right, and neither is zero.

    With `positive` the constant must be above zero, as it must be for two inequalities.
    """
    if not positive and same_zeros(left, right):
        return True
    try:
        same = residues.proportional(left, right)
    except (Undecided, Undefined):
        pass
    else:
        if not (same and positive):
            return same
    where = domain(left, right, whole)
    ratio: tuple[Any, int] | None = None
    agreed = 0
    for point in points(where):
        try:
            found = _ratio_at(left, right, point)
        except (Undecided, Undefined):
            continue
        if found is None:
            continue
        if found[0] == 0:
            return False
        if ratio is None:
            ratio = found
        elif not close(ratio[0], found[0], min(ratio[1], found[1])):
            return False
        agreed += 1
        if where.smooth and agreed == ENOUGH:
            break
    if ratio is None or agreed < ENOUGH:
        return False
    return not positive or getattr(ratio[0], "real", ratio[0]) > 0


def _ratio_at(left: Node, right: Node, point: Point) -> tuple[Any, int] | None:
    """left / right at a point, 0 if only one of them is zero, None if both are; and its exact digits."""
    (first, second), digits = settled((left, right), point)
    if first == 0 or second == 0:
        return None if first == second else (0, digits)
    return first / second, digits
