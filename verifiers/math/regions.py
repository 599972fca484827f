"""Sets of real numbers as unions of intervals: reading inequalities, joining, and comparing."""

from __future__ import annotations

from collections.abc import Sequence as Sequence_
from dataclasses import replace
from fractions import Fraction
from functools import cmp_to_key
from typing import Any

from verifiers.math import evaluate
from verifiers.math.normalise import Unreadable
from verifiers.math.numeric import numeric
from verifiers.math.tree import Node, num, sym
from verifiers.math.values import Piece, Region, Relation, Scalar, Sequence, Value

__all__ = [
    "ALL",
    "as_points",
    "as_region",
    "as_union",
    "combined",
    "inequality",
    "joined",
    "merged",
    "same_region",
]

ALL = Region((Piece(None, None, False, False),))
_FLIP = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "!=": "!="}
_DIGITS = 60
MAX_PAIRS = 400
"""Pairs of intervals that an intersection may have to look at."""


class Unordered(Unreadable):
    """Two end points whose order cannot be computed."""


def _infinite(node: Node) -> int:
    """1 for ∞, -1 for -∞, 0 for anything else."""
    if node == sym("∞"):
        return 1
    if node.op in ("neg", "mul") and sym("∞") in node.args:
        return -1
    return 0


def as_region(value: Value) -> Region | None:
    """`value` as a set of real numbers if it is an interval, a set of points or a region; else None."""
    if isinstance(value, Region):
        return value
    if not isinstance(value, Sequence) or not all(
        isinstance(item, Scalar) and item.unit is None and item.label is None for item in value.items
    ):
        return None
    nodes = [item.node for item in value.items if isinstance(item, Scalar)]
    if value.brackets == "{}":
        return Region(tuple(Piece(node, node, True, True) for node in nodes), value.label)
    if len(nodes) == 2 and value.brackets in ("()", "[]", "(]", "[)"):
        low, high = nodes
        start, end = _infinite(low), _infinite(high)
        if start > 0 or end < 0:
            return None
        return Region(
            (
                Piece(
                    None if start else low,
                    None if end else high,
                    value.brackets[0] == "[" and not start,
                    value.brackets[1] == "]" and not end,
                ),
            ),
            value.label,
        )
    return None


def as_points(value: Value) -> Region | None:
    """One number, or a list or set of numbers, as a region of points."""
    items = value.items if isinstance(value, Sequence) and value.brackets in ("", "{}") else (value,)
    return as_region(Sequence(tuple(items), "{}"))


def as_union(value: Value) -> Region | None:
    """The union of a list of intervals without brackets: `(-∞, -1] or [3, ∞)`; None for any other value."""
    if (
        not isinstance(value, Sequence)
        or value.brackets != ""
        or any(isinstance(item, Scalar) for item in value.items)
    ):
        return None
    parts = [as_region(item) for item in value.items]
    known = [part for part in parts if part is not None]
    if len(known) < len(parts) or len({part.label for part in known}) > 1:
        return None
    return Region(tuple(piece for part in known for piece in part.pieces))


# --- inequalities -----------------------------------------------------------------------------------------


def inequality(sides: list[Node], ops: list[str]) -> Value:
    """A chain of inequalities: a region if one side is linear in one variable and the others are constant.

    Else a relation. Raises Unreadable.
    """
    free = [evaluate.free_symbols(side) - {"∞"} for side in sides]
    names = set().union(*free)
    if len(names) == 1 and len(sides) == 2 and free[0] and free[1]:  # 2x + 1 > x
        sides, free = [Node("add", (sides[0], Node("neg", (sides[1],)))), num(0)], [set(names), set()]
    if len(names) == 1 and sum(map(bool, free)) == 1:
        name = names.pop()
        at = next(position for position, symbols in enumerate(free) if symbols)
        region = ALL
        for position, op in enumerate(ops):
            if at not in (position, position + 1):
                raise Unreadable("an inequality between constants")
            other = sides[position + 1 if at == position else position]
            region = _meet(region, _solve(sides[at], op if at == position else _FLIP[op], other, name))
        return Region(region.pieces, sym(name))
    if len(sides) == 2 and ops[0] == "!=":
        return Relation("!=", *sides)
    if len(sides) == 2:
        left, right = (sides[0], sides[1]) if ops[0][0] == "<" else (sides[1], sides[0])
        return Relation(ops[0].replace(">", "<"), left, right)
    if len(sides) == 3 and len({op[0] for op in ops}) == 1 and "!=" not in ops:
        raise Unreadable("a chain of inequalities in several variables")
    raise Unreadable("an unknown chain of inequalities")


def _solve(side: Node, op: str, bound: Node, name: str) -> Region:
    """The values of `name` for which `side` op `bound` holds."""
    if side.op == "fn" and side.args[0] == "abs" and op != "!=" and not _infinite(bound):
        inner, minus = side.args[1], Node("neg", (bound,))
        if op[0] == "<":
            return _meet(_solve(inner, op, bound, name), _solve(inner, _FLIP[op], minus, name))
        return joined(
            [_solve(inner, op, bound, name), _solve(inner, _FLIP[op], minus, name)], conjunction=False
        )
    if side != sym(name):
        try:
            offset, at_one, at_two = (evaluate.exact(side, {name: Fraction(x)}) for x in (0, 1, 2))
            more = evaluate.exact(side, {name: Fraction(17, 3)})
        except (evaluate.Undecided, evaluate.Undefined):
            raise Unreadable("an inequality that is not linear") from None
        slope = at_one - offset
        if (
            slope == 0
            or at_two - at_one != slope
            or more != offset + slope * Fraction(17, 3)
            or evaluate.weight(side) > 40
        ):
            raise Unreadable("an inequality that is not linear")
        if (end := _infinite(bound)) == 0:
            bound = Node("mul", (Node("add", (bound, num(-offset))), num(1 / slope)))
        elif slope < 0:
            bound = Node("neg", (sym("∞"),)) if end > 0 else sym("∞")
        op = _FLIP[op] if slope < 0 else op
    if op == "!=":
        return Region((Piece(None, bound, False, False), Piece(bound, None, False, False)))
    infinite, closed = _infinite(bound), op.endswith("=")
    if infinite:
        return ALL if (infinite > 0) == (op[0] == "<") else Region(())
    return Region((Piece(None, bound, False, closed) if op[0] == "<" else Piece(bound, None, closed, False),))


# --- set operations ---------------------------------------------------------------------------------------


def _order(left: Node, right: Node) -> int:
    """-1, 0 or 1: `left` is less than, equal to or greater than `right`. Raises Unordered."""
    if left == right:
        return 0
    try:
        first, second = evaluate.exact(left, {}), evaluate.exact(right, {})
        return (first > second) - (first < second)
    except evaluate.Undecided:
        pass
    except evaluate.Undefined:
        raise Unordered("an end point without a value") from None
    try:
        difference: Any = numeric(Node("add", (left, Node("neg", (right,)))), {}, _DIGITS)
    except (evaluate.Undecided, evaluate.Undefined):
        raise Unordered("end points that cannot be ordered") from None
    if getattr(difference, "imag", 0) != 0:
        raise Unordered("end points that are not real")
    return (difference > 0) - (difference < 0)


def _by_start(left: Piece, right: Piece) -> int:
    if left.low is None or right.low is None:
        return (left.low is not None) - (right.low is not None)
    return _order(left.low, right.low) or right.low_closed - left.low_closed


def _empty(piece: Piece) -> bool:
    if piece.low is None or piece.high is None:
        return False
    order = _order(piece.low, piece.high)
    return order > 0 or (order == 0 and not (piece.low_closed and piece.high_closed))


def _merged(pieces: Sequence_[Piece]) -> list[Piece]:
    """Sorted, disjoint pieces with the same points."""
    out: list[Piece] = []
    for piece in sorted((piece for piece in pieces if not _empty(piece)), key=cmp_to_key(_by_start)):
        if not out:
            out.append(piece)
            continue
        last = out[-1]
        if last.high is None:
            break
        order = -1 if piece.low is None else _order(piece.low, last.high)
        if order > 0 or (order == 0 and not (piece.low_closed or last.high_closed)):
            out.append(piece)
            continue
        further = 1 if piece.high is None else _order(piece.high, last.high)
        if further > 0:
            out[-1] = replace(last, high=piece.high, high_closed=piece.high_closed)
        elif further == 0:
            out[-1] = replace(last, high_closed=last.high_closed or piece.high_closed)
    return out


def merged(region: Region) -> list[Piece]:
    """The pieces of `region`, sorted and disjoint where their ends can be ordered, else as written."""
    try:
        return _merged(region.pieces)
    except Unordered:
        return list(region.pieces)


def _meet(left: Region, right: Region) -> Region:
    if len(left.pieces) * len(right.pieces) > MAX_PAIRS:
        raise Unreadable("too many intervals")
    found: list[Piece] = []
    for one in left.pieces:
        for two in right.pieces:
            low, low_closed = one.low, one.low_closed
            if low is None or (two.low is not None and _by_start(one, two) < 0):
                low, low_closed = two.low, two.low_closed
            high, high_closed = one.high, one.high_closed
            if high is None:
                high, high_closed = two.high, two.high_closed
            elif two.high is not None:
                order = _order(two.high, high)
                if order < 0 or (order == 0 and not two.high_closed):
                    high, high_closed = two.high, two.high_closed
            piece = Piece(low, high, low_closed, high_closed)
            try:
                if not _empty(piece):
                    found.append(piece)
            except Unordered:
                found.append(piece)
    return Region(tuple(found), left.label)


def _complement(region: Region) -> Region:
    low: Node | None = None
    low_closed = False
    out: list[Piece] = []
    for piece in _merged(region.pieces):
        if piece.low is not None:
            out.append(Piece(low, piece.low, low_closed, not piece.low_closed))
        if piece.high is None:
            return Region(tuple(out))
        low, low_closed = piece.high, not piece.high_closed
    out.append(Piece(low, None, low_closed, False))
    return Region(tuple(out))


def joined(regions: list[Region], conjunction: bool) -> Region:
    """The union of `regions`; for "and" or a comma their intersection, unless that is empty."""
    label = regions[0].label
    if conjunction:
        meet = regions[0]
        for region in regions[1:]:
            meet = _meet(meet, region)
        if meet.pieces:
            return Region(meet.pieces, label)
    return Region(tuple(piece for region in regions for piece in region.pieces), label)


def combined(values: list[Value], ops: list[str]) -> Value:
    """`values` with ∪, ∩ and ∖ between them, from left to right."""
    regions = [as_region(value) for value in values]
    result = regions[0]
    for op, region in zip(ops, regions[1:], strict=True):
        if result is None or region is None:
            raise Unreadable("a union of something other than sets of real numbers")
        if op == "∪":
            result = Region(result.pieces + region.pieces)
        else:
            result = _meet(result, region if op == "∩" else _complement(region))
    assert result is not None
    return result


def same_region(gold: Region, answer: Region, same: Any) -> bool:
    """Whether two regions hold the same points; `same` compares two end points."""
    left, right = merged(gold), merged(answer)
    if len(left) != len(right):
        return False

    def end(one: Node | None, two: Node | None) -> bool:
        return one is two is None or (one is not None and two is not None and same(one, two))

    return all(
        one.low_closed == two.low_closed
        and one.high_closed == two.high_closed
        and end(one.low, two.low)
        and end(one.high, two.high)
        for one, two in zip(left, right, strict=True)
    )
