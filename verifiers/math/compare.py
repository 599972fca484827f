"""Whether two values are the same answer. A value equals only values of its own type."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from functools import partial
from typing import Any

from verifiers.math import families, regions
from verifiers.math.equality import equal_trees, proportional
from verifiers.math.named import is_named, may_name_the_same, same_assignments, same_named, uncounted
from verifiers.math.normalise import Unreadable
from verifiers.math.ratios import same_ratio
from verifiers.math.tree import Node, selection, sym
from verifiers.math.typed import read
from verifiers.math.units import same_unit
from verifiers.math.values import (
    Based,
    Choice,
    Clock,
    Family,
    Matrix,
    Order,
    Piecewise,
    Qualified,
    Ratio,
    Region,
    Relation,
    Scalar,
    Sequence,
    Text,
    Value,
)

__all__ = ["DEFAULT", "Rules", "same"]


_KNOWN = {
    "percent": ("gold", "free", "strict"),
    "units": ("optional", "required", "ignored"),
    "rounding": ("gold", "never"),
}


@dataclass(frozen=True, slots=True)
class Rules:
    """The conventions that data sets differ in. The defaults are those of the common benchmarks.

    `percent`: "gold": a number without a percent sign equals a percentage only if it is the reference that has the
    sign; "free": also the other way round (the problem asks for a percentage); "strict": 50 never equals 50 %.
    `units`: "optional": one side may omit them; "required": both must have the same; "ignored": not compared.
    `rounding`: "gold": a reference that is a decimal with at least three significant digits equals answers that round
    to it; "never": decimals are exact.
    `whole`: letters that are whole numbers, besides those that the form of the answer says to be (n in n!).
    `times`: 10:30 is a time and not a ratio, because the problem asks for a time; 8:00 always is one.
    `indexed`: x_1 and x_2 are names, because the problem has them; else the indices only count.

    Raises ValueError for any other value.
    """

    percent: str = "gold"
    units: str = "optional"
    rounding: str = "gold"
    whole: frozenset[str] = frozenset()
    times: bool = False
    indexed: bool = False

    def __post_init__(self) -> None:
        for option, known in _KNOWN.items():
            if getattr(self, option) not in known:
                raise ValueError(f"{option} is {getattr(self, option)!r}; expected one of {', '.join(known)}")
        object.__setattr__(self, "whole", frozenset(self.whole))  # a list in a config


DEFAULT = Rules()


def same(gold: Value, answer: Value, rules: Rules = DEFAULT) -> bool:
    """Whether `answer` and `gold` are the same answer under `rules`."""
    if gold == answer:
        return True
    if isinstance(gold, Choice) or isinstance(answer, Choice):
        return _same_choice(gold, answer, rules)
    first, second = getattr(gold, "label", None), getattr(answer, "label", None)
    if first is not None and second is not None and not may_name_the_same(first, second):
        if not (isinstance(gold, Scalar) and isinstance(answer, Scalar)):
            return False
        return (
            "call" not in (first.op, second.op)
            and _has_symbols(gold.node)
            and proportional(_difference(gold), _difference(answer), whole=rules.whole)
        )
    if isinstance(gold, Qualified) or isinstance(answer, Qualified):
        return families.same_qualified(gold, answer, partial(same, rules=rules))
    if _holds_family(gold) or _holds_family(answer):
        return families.same_families(gold, answer, partial(same, rules=rules))
    if isinstance(gold, Piecewise) and isinstance(answer, Piecewise):
        return families.same_pieces(gold, answer, partial(same, rules=rules))
    if isinstance(gold, Relation) or isinstance(answer, Relation):
        return _same_relation(gold, answer, rules)
    if isinstance(gold, Order) and isinstance(answer, Order):
        return gold.ops == answer.ops and all(
            map(partial(equal_trees, whole=rules.whole), gold.sides, answer.sides)
        )
    if (
        isinstance(gold, Sequence)
        and len(gold.items) == 1
        and gold.brackets == "{}"
        and isinstance(answer, Scalar)
    ):
        gold = gold.items[0]  # {2} is 2
    elif (
        isinstance(answer, Sequence)
        and len(answer.items) == 1
        and answer.brackets == "{}"
        and isinstance(gold, Scalar)
    ):
        answer = answer.items[0]
    if isinstance(gold, Scalar) and isinstance(answer, Scalar):
        return _same_scalar(gold, answer, rules)
    if isinstance(gold, Region) or isinstance(answer, Region):
        left, right = (regions.as_region(value) or regions.as_union(value) for value in (gold, answer))
        return (
            left is not None
            and right is not None
            and regions.same_region(left, right, partial(equal_trees, whole=rules.whole))
        )
    if isinstance(gold, Sequence) and isinstance(answer, Sequence):
        return _same_sequence(gold, answer, rules)
    if isinstance(gold, Sequence) != isinstance(answer, Sequence) and _same_once(gold, answer, rules):
        return True
    if isinstance(gold, Matrix | Sequence) and isinstance(answer, Matrix | Sequence):
        left, right = _rows(gold), _rows(answer)
        return left is not None and right is not None and _same_rows(left, right, rules)
    if isinstance(gold, Ratio) or isinstance(answer, Ratio):
        return same_ratio(gold, answer, rules.times, rules.whole)
    if isinstance(gold, Text) and isinstance(answer, Text):
        return gold.words == answer.words != ""
    if isinstance(gold, Based) and isinstance(answer, Based):
        return gold == answer
    if isinstance(gold, Clock) and isinstance(answer, Clock):
        return gold == answer
    return False


def _holds_family(value: Value) -> bool:
    return isinstance(value, Family) or (
        isinstance(value, Sequence) and any(isinstance(item, Family) for item in value.items)
    )


def _has_symbols(node: Node) -> bool:
    from verifiers.math.evaluate import free_symbols

    return bool(free_symbols(node))


# --- numbers and expressions ------------------------------------------------------------------------------


def _percent_of(node: Node) -> Node:
    return Node("percent", (node,))


def _same_scalar(gold: Scalar, answer: Scalar, rules: Rules) -> bool:
    left, right = gold, answer
    if answer.rounded is not None and _same_scalar(gold, answer.rounded, rules):
        return True
    if gold.rounded is not None and _same_scalar(gold.rounded, answer, rules):
        return True
    if gold.unit and answer.measure is not None:  # 5 m against 5\text{ m}
        return _same_scalar(gold, answer.measure, rules)
    if answer.unit and gold.measure is not None:
        return _same_scalar(gold.measure, answer, rules)
    if not _same_unit(gold, answer, rules):
        return False
    if left.percent != right.percent:
        if left.percent:
            return (rules.percent != "strict" and _same_number(left, right, rules)) or _same_number(
                replace(left, node=_percent_of(left.node), decimal=None), right, rules
            )
        return (rules.percent == "free" and _same_number(left, right, rules)) or _same_number(
            left, replace(right, node=_percent_of(right.node)), rules
        )
    return _same_number(left, right, rules)


def _same_unit(gold: Scalar, answer: Scalar, rules: Rules) -> bool:
    if rules.units == "ignored" or gold.unit == answer.unit:
        return True
    if (gold.percent and answer.unit) or (answer.percent and gold.unit):
        return False
    if not gold.unit or not answer.unit:
        return rules.units == "optional"
    return same_unit(gold.unit, answer.unit)


def _same_number(gold: Scalar, answer: Scalar, rules: Rules) -> bool:
    if equal_trees(gold.node, answer.node, rules.whole):
        return True
    if rules.rounding != "gold" or gold.decimal is None or gold.decimal.figures < 3:
        return False
    if answer.decimal is not None and answer.decimal.places <= gold.decimal.places:
        return False
    return _rounds_to(gold.node, answer.node, gold.decimal.places)


def _rounds_to(gold: Node, answer: Node, places: int) -> bool:
    """Whether `answer`, rounded half away from zero to `places` decimals, is `gold`."""
    from verifiers.math import evaluate
    from verifiers.math.numeric import numeric

    if evaluate.free_symbols(answer):
        return False
    target = evaluate.exact(gold, {})
    half = Fraction(1, 2 * 10**places)
    try:
        value: Any = evaluate.exact(answer, {})
    except evaluate.Undecided:
        try:
            found = numeric(answer, {}, 50 + places)
        except (evaluate.Undecided, evaluate.Undefined):
            return False
        if getattr(found, "imag", 0) != 0:
            return False
        found = getattr(found, "real", found)  # a complex number that is real cannot be ordered
        return abs(found - target.numerator / (found * 0 + target.denominator)) <= half.numerator / (
            found * 0 + half.denominator
        )
    except evaluate.Undefined:
        return False
    magnitude, goal = abs(value), abs(target)
    return (value >= 0) == (target >= 0) and goal - half <= magnitude < goal + half


# --- equations --------------------------------------------------------------------------------------------


def _difference(value: Value) -> Node:
    """left - right of an equation, or of a labelled value (`x = 3`) read as an equation."""
    if isinstance(value, Relation):
        return Node("add", (value.left, Node("neg", (value.right,))))
    assert isinstance(value, Scalar) and value.label is not None
    return Node("add", (value.label, Node("neg", (value.node,))))


def _same_relation(gold: Value, answer: Value, rules: Rules) -> bool:
    ops = [value.op if isinstance(value, Relation) else "=" for value in (gold, answer)]
    if ops[0] != ops[1]:
        return False
    for value in (gold, answer):
        if not isinstance(value, Relation) and not (
            isinstance(value, Scalar) and value.label is not None and value.label.op in ("sym", "call")
        ):
            return False
    return proportional(_difference(gold), _difference(answer), ops[0][0] == "<", rules.whole)


# --- several values ---------------------------------------------------------------------------------------


def _same_sequence(gold: Sequence, answer: Sequence, rules: Rules) -> bool:
    if gold.ordered != answer.ordered and not (is_named(gold) and is_named(answer)):
        return same_assignments(gold, answer, partial(same, rules=rules))
    if gold.ordered:
        if gold.brackets != answer.brackets or len(gold.items) != len(answer.items):
            return False
        return all(same(one, two, rules) for one, two in zip(gold.items, answer.items, strict=True))
    if not rules.indexed:
        gold, answer = uncounted(gold), uncounted(answer)
    named = same_named(gold, answer, partial(same, rules=rules))
    if named is not None:
        return named
    left, right = list(gold.items), list(answer.items)
    if len(right) > 2 * len(left) + 8:
        return False
    if "{}" in (gold.brackets, answer.brackets):
        left, right = _distinct(left), _distinct(right)
    return families.same_in_any_order(left, right, partial(same, rules=rules))


def _same_once(gold: Value, answer: Value, rules: Rules) -> bool:
    """One value against AB = CD = 5, which gives several names the same value; C(10, 3) as a binomial coefficient."""
    several, one = (gold, answer) if isinstance(gold, Sequence) else (answer, gold)
    if not isinstance(several, Sequence) or not isinstance(one, Scalar):
        return False
    items = [item for item in several.items if isinstance(item, Scalar) and item.unit is None]
    counted = several.label in (sym("C"), sym("P")) and several.brackets == "()"
    if counted and several.label is not None and len(items) == len(several.items) == 2:
        ways = Scalar(selection(several.label.args[0], items[0].node, items[1].node))
        return _same_scalar(*((one, ways) if one is gold else (ways, one)), rules)
    if several.brackets or not is_named(several) or len(items) != len(several.items):
        return False
    return all(
        _same_scalar(*((one, item) if one is gold else (item, one)), rules)
        for item in (replace(item, label=None) for item in items)
    )


def _distinct(items: list[Value]) -> list[Value]:
    found: list[Value] = []
    for item in items:
        if not any(same(item, other) for other in found):
            found.append(item)
    return found


def _rows(value: Matrix | Sequence) -> tuple[tuple[Node, ...], ...] | None:
    """The rows of a matrix; a tuple is a column. None for any other sequence."""
    if isinstance(value, Matrix):
        return value.rows
    if value.brackets == "[]" and all(
        isinstance(item, Sequence) and item.brackets == "[]" for item in value.items
    ):  # [[1, 2], [3, 4]]
        rows = [
            [entry.node for entry in item.items if isinstance(entry, Scalar)]
            for item in value.items
            if isinstance(item, Sequence)
        ]
        return tuple(map(tuple, rows)) if len({len(row) for row in rows}) == 1 and rows[0] else None
    if value.brackets == "()" and all(isinstance(item, Scalar) and not item.unit for item in value.items):
        return tuple((item.node,) for item in value.items if isinstance(item, Scalar))
    return None


def _same_rows(left: tuple[tuple[Node, ...], ...], right: tuple[tuple[Node, ...], ...], rules: Rules) -> bool:
    if len(left) != len(right) or len(left[0]) != len(right[0]):
        return False
    return all(
        equal_trees(one, two, rules.whole)
        for row, other in zip(left, right, strict=True)
        for one, two in zip(row, other, strict=True)
    )


# --- choices ----------------------------------------------------------------------------------------------


def _same_choice(gold: Value, answer: Value, rules: Rules) -> bool:
    if isinstance(gold, Choice) and isinstance(answer, Choice):
        return gold.letter == answer.letter and _may_agree(gold.text, answer.text, rules)
    choice, other = (gold, answer) if isinstance(gold, Choice) else (answer, gold)
    assert isinstance(choice, Choice)
    if isinstance(other, Scalar) and other.node.op == "sym" and other.unit is None:
        name = other.node.args[0]
        if choice.bare and name == choice.letter:
            return True
        return choice is gold and choice.letter in "ABCDE" and name.upper() == choice.letter
    if choice.bare and isinstance(other, Scalar):
        return _same_scalar(
            *((Scalar(sym(choice.letter)), other) if choice is gold else (other, Scalar(sym(choice.letter)))),
            rules,
        )
    if choice.text:
        try:
            carried = read(choice.text)
        except Unreadable:
            return False
        return not isinstance(carried, Choice) and (
            same(carried, other, rules) if choice is gold else same(other, carried, rules)
        )
    return False


def _may_agree(one: str, two: str, rules: Rules) -> bool:
    """Whether the texts of two options with the same letter may be the same: two values must be, words need not."""
    try:
        first, second = (read(text) if text else None for text in (one, two))
    except Unreadable:
        return True
    if first is None or second is None or isinstance(first, Text) or isinstance(second, Text):
        return True
    return same(first, second, rules)
