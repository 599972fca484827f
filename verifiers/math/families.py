"""Comparing values that hold under conditions: qualified ones, piecewise ones, and one for every integer k.

`same` compares two plain values; it is passed in, since `compare` also calls this module.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Sequence as Sequence_
from dataclasses import replace
from fractions import Fraction
from typing import Any, TypeVar

from verifiers.latex import word_set
from verifiers.math import regions
from verifiers.math.conditions import Condition, letters_of
from verifiers.math.equality import equal_trees
from verifiers.math.evaluate import Undecided, Undefined, free_symbols
from verifiers.math.numeric import numeric
from verifiers.math.tree import Node, num, substituted, sym
from verifiers.math.values import (
    Family,
    Integers,
    Piece,
    Piecewise,
    Qualified,
    Region,
    Scalar,
    Sequence,
    Value,
)

__all__ = ["same_families", "same_in_any_order", "same_pieces", "same_qualified"]

Same = Callable[[Value, Value], bool]
Item = TypeVar("Item")
_PARAMETERS = word_set("k n m l t j")
"""Letters that an answer may use for any integer without saying so."""
_COUNTS = (sym("n"), sym("k"), sym("m"))
_SHIFTS = range(-2, 3)
MAX_ITEMS = 12
PERIODS = 6
"""Half the width, in longest periods, of the window in which two families of numbers are compared."""
MAX_POINTS = 600


# --- conditions -------------------------------------------------------------------------------------------


def same_qualified(gold: Value, answer: Value, same: Same) -> bool:
    """Whether the values are the same and no condition of one contradicts one of the other."""
    conditions: list[tuple[Condition, ...]] = []
    values: list[Value] = []
    for side in (gold, answer):
        conditions.append(side.conditions if isinstance(side, Qualified) else ())
        values.append(side.value if isinstance(side, Qualified) else side)
    for value, others in zip(values, conditions[::-1], strict=True):
        if isinstance(value, Family) and any(isinstance(other, Integers) for other in others):
            return False  # k ∈ ℤ, k ∈ ℕ
    for one in conditions[0]:
        for two in conditions[1]:
            if _on_the_same(one, two) and not same_condition(one, two):
                return False
    if all(conditions) and not any(_on_the_same(one, two) for one in conditions[0] for two in conditions[1]):
        return False  # y > 0 for x > 0
    return same(*values)


def _on_the_same(one: Condition, two: Condition) -> bool:
    if isinstance(one, Region | Integers) and isinstance(two, Region | Integers):
        return one.label == two.label
    return type(one) is type(two)


def same_condition(one: Value | None, two: Value | None) -> bool:
    if isinstance(one, Integers) or isinstance(two, Integers):
        if getattr(one, "label", None) != getattr(two, "label", None):
            return False
        return _start(one) == _start(two) != "" and getattr(one, "odd", None) == getattr(two, "odd", None)
    if isinstance(one, Region) and isinstance(two, Region):
        if one.label == two.label and regions.same_region(one, two, equal_trees):
            return True
        return (
            one.label == two.label and one.label in _COUNTS and _start(one) == _start(two) != ""
        )  # n > 0, n ≥ 1
    return one == two


def _start(condition: Value | None) -> object:
    """The first integer of a condition: of n ∈ ℕ, n ≥ 1, n > 0; "" if it has none."""
    if isinstance(condition, Integers):
        return condition.low
    if not isinstance(condition, Region) or len(condition.pieces) != 1:
        return ""
    low, high = condition.pieces[0].low, condition.pieces[0].high
    if high is not None or low is None or low.op != "num":
        return ""
    start: Fraction = low.args[0]
    return start.__ceil__() + (start.denominator == 1 and not condition.pieces[0].low_closed)


def same_pieces(gold: Piecewise, answer: Piecewise, same: Same) -> bool:
    """Whether two piecewise definitions have the same rows, in any order."""
    left, right = _complete(gold), _complete(answer)
    return same_in_any_order(
        left, right, lambda one, two: same_condition(one[1], two[1]) and same(one[0], two[0])
    )


def _complete(value: Piecewise) -> list[tuple[Value, Value | None]]:
    """The rows, with "otherwise" as the region that the other rows leave."""
    parities = [when for _, when in value.pieces if isinstance(when, Integers) and when.odd is not None]
    if len(value.pieces) == 2 and len(parities) == 1:
        other = replace(parities[0], odd=not parities[0].odd)
        return [(v, other if when is None else when) for v, when in value.pieces]
    known = [when for _, when in value.pieces if isinstance(when, Region)]
    if len(known) != len(value.pieces) - 1 or not known:
        return list(value.pieces)
    covered = Region(tuple(piece for region in known for piece in region.pieces))
    rest = regions.combined([regions.ALL, covered], ["∖"])
    assert isinstance(rest, Region)
    return [(v, replace(rest, label=known[0].label) if when is None else when) for v, when in value.pieces]


# --- one value for every integer --------------------------------------------------------------------------


def same_families(gold: Value, answer: Value, same: Same) -> bool:
    """Whether two families, or lists of families, hold the same values; one side may leave out "k ∈ ℤ"."""
    if isinstance(gold, Family) and gold.residue is not None and _is_plain(answer):
        return same(Scalar(gold.residue), answer)
    if isinstance(answer, Family) and answer.residue is not None and _is_plain(gold):
        return same(gold, Scalar(answer.residue))
    left, right = _items(gold), _items(answer)
    parameter = next((item.parameter for item in [*left, *right] if isinstance(item, Family)), "k")
    left, right = _declared(left, parameter), _declared(right, parameter)
    if not left or not right or max(len(left), len(right)) > MAX_ITEMS:
        return False
    first, second = _numbers(left), _numbers(right)
    if first is not None and second is not None:
        return _same_points(first, second)
    return same_in_any_order(left, right, lambda one, two: _same_family(one, two, same))


def same_in_any_order(
    left: Sequence_[Item], right: Sequence_[Item], same: Callable[[Item, Item], bool]
) -> bool:
    """Whether each of `left` is the same as one of `right` of its own, and none is left over."""
    if len(left) != len(right):
        return False
    rest = list(right)
    for one in left:
        at = next((i for i, two in enumerate(rest) if same(one, two)), None)
        if at is None:
            return False
        del rest[at]
    return True


def _is_plain(value: Value) -> bool:
    return isinstance(value, Scalar) and not free_symbols(value.node)


def _items(value: Value) -> list[Value]:
    return list(value.items) if isinstance(value, Sequence) and value.brackets in ("", "{}") else [value]


def _declared(items: list[Value], parameter: str) -> list[Family]:
    """`items` as families in `parameter`; an item that names none is one if it has a letter for an integer."""
    found: list[Family] = []
    for item in items:
        if isinstance(item, Family):
            letter, value = item.parameter, item.value
        else:
            letters = letters_of(item) & (_PARAMETERS | {parameter})
            letter = parameter if parameter in letters or not letters else min(letters)
            value = replace(item, label=None) if getattr(item, "label", None) is not None else item  # type: ignore[type-var]
        found.append(Family(_renamed(value, letter, sym(parameter)), parameter))
    return found


def _renamed(value: Value, letter: str, into: Node) -> Value:
    match value:
        case Scalar():
            return replace(value, node=substituted(value.node, letter, into), measure=None)
        case Sequence():
            return replace(value, items=tuple(_renamed(item, letter, into) for item in value.items))
        case Region():
            pieces = tuple(
                Piece(
                    piece.low and substituted(piece.low, letter, into),
                    piece.high and substituted(piece.high, letter, into),
                    piece.low_closed,
                    piece.high_closed,
                )
                for piece in value.pieces
            )
            return replace(value, pieces=pieces)
        case _:
            return value


def _same_family(one: Family, two: Family, same: Same) -> bool:
    inner = [item for side in (one.value, two.value) for item in (side, *getattr(side, "items", ()))]
    if any(isinstance(item, Family) for item in inner):
        return False  # a family of families: nobody means it, and comparing its values would never end
    for sign in (1, -1):
        for shift in _SHIFTS:
            into = Node("add", (Node("mul", (num(sign), sym(two.parameter))), num(shift)))
            if same(one.value, _renamed(two.value, two.parameter, into)):
                return True
    return False


def _numbers(items: list[Family]) -> list[tuple[Any, Any]] | None:
    """(value at 0, step) of items that are numbers linear in the parameter; None if one is not."""
    found: list[tuple[Any, Any]] = []
    for item in items:
        if not isinstance(item.value, Scalar) or item.value.unit or item.value.percent:
            return None
        node = item.value.node
        if free_symbols(node) - {item.parameter}:
            return None
        try:
            at = [numeric(node, {item.parameter: Fraction(k)}, 50) for k in (0, 1, 2, 7)]
        except (Undecided, Undefined):
            return None
        step = at[1] - at[0]
        if any(getattr(value, "imag", 0) != 0 for value in at) or not (
            _near(at[2] - at[1], step) and _near(at[3] - at[0], 7 * step)
        ):
            return None
        found.append((at[0], step))
    return found


def _near(one: Any, two: Any) -> bool:
    return abs(one - two) < abs(one * 0 + 10) ** -25


def _same_points(left: list[tuple[Any, Any]], right: list[tuple[Any, Any]]) -> bool:
    """Whether two unions of arithmetic progressions have the same members in a window around zero."""
    steps = [abs(step) for _, step in [*left, *right]]
    if not any(steps):
        return False
    starts = max(abs(start) for start, _ in [*left, *right])
    if starts > 50 * max(steps):
        return False
    width = max(steps) * PERIODS + starts + min(step for step in steps if step) / 7
    sets = []
    for items in (left, right):
        points: list[Any] = []
        for start, step in items:
            count = int(2 * width / abs(step)) + 2 if step else 1
            if count > MAX_POINTS:
                return False
            first = int((-width - start) / abs(step)) - 1 if step else 0
            points += [start + (first + k) * abs(step) for k in range(count + 2)] if step else [start]
        kept = sorted(point for point in points if abs(point) < width)
        distinct = [p for at, p in enumerate(kept) if at == 0 or not _near(p, kept[at - 1])]
        sets.append(distinct)
    return len(sets[0]) == len(sets[1]) and all(map(_near, *sets))
