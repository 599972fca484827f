"""The types of answers. A value is compared only with values of its own type."""

from __future__ import annotations

from dataclasses import dataclass

from verifiers.math.tree import Node

__all__ = [
    "Based",
    "Choice",
    "Clock",
    "Decimal",
    "Family",
    "Integers",
    "Matrix",
    "Order",
    "Piece",
    "Piecewise",
    "Qualified",
    "Ratio",
    "Region",
    "Relation",
    "Scalar",
    "Sequence",
    "Text",
    "Value",
]


@dataclass(frozen=True, slots=True)
class Decimal:
    """How a decimal was written: the number of its digits after the point, and of its significant digits."""

    places: int
    figures: int


@dataclass(frozen=True, slots=True)
class Scalar:
    """A number or an expression, and the marks that were written with it."""

    node: Node
    unit: str | None = None
    percent: bool = False
    decimal: Decimal | None = None
    label: Node | None = None
    """The name before an equals sign: a symbol, f(x) or |AB|."""
    measure: Scalar | None = None
    """The same text with its letters read as a unit, if that is possible: `5 m`, `9.8 m/s^2`."""
    rounded: Scalar | None = None
    """The decimal that was written after the exact value, and agrees with it: 12π ≈ 37.70."""


@dataclass(frozen=True, slots=True)
class Sequence:
    """Several values. `brackets` is "()", "[]", "(]" or "[)", "{}" for a set and "" for a list without brackets."""

    items: tuple[Value, ...]
    brackets: str
    label: Node | None = None
    either: bool = False
    """Whether "or" stands between items of different names: x < 1 or y > 2."""

    @property
    def ordered(self) -> bool:
        return self.brackets not in ("{}", "") or any(
            isinstance(item, Scalar) and item.node.args == ("…",) for item in self.items
        )


@dataclass(frozen=True, slots=True)
class Piece:
    """One interval of a region. None is an infinite end; a point is a closed interval with equal ends."""

    low: Node | None
    high: Node | None
    low_closed: bool
    high_closed: bool


@dataclass(frozen=True, slots=True)
class Region:
    """A set of real numbers, as a union of intervals; without pieces the empty set."""

    pieces: tuple[Piece, ...]
    label: Node | None = None


@dataclass(frozen=True, slots=True)
class Relation:
    """`left` op `right` between expressions, op one of = < <=."""

    op: str
    left: Node
    right: Node


@dataclass(frozen=True, slots=True)
class Order:
    """A chain of inequalities between several unknowns, in rising order: a < b <= c."""

    sides: tuple[Node, ...]
    ops: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Integers:
    """The condition that a letter is an integer, from `low` on; None: any integer. `odd`: whether odd or even."""

    label: Node
    low: int | None
    odd: bool | None = None


@dataclass(frozen=True, slots=True)
class Qualified:
    """A value that holds under conditions: for n ≥ 1, where x ≠ 2."""

    value: Value
    conditions: tuple[Region | Relation | Integers, ...]


@dataclass(frozen=True, slots=True)
class Family:
    """A value for every integer `parameter`: kπ, k ∈ ℤ. `residue`: 3 of 3 (mod 8), None of 12 (mod 8)."""

    value: Value
    parameter: str
    label: Node | None = None
    residue: Node | None = None


@dataclass(frozen=True, slots=True)
class Piecewise:
    """Values with the condition of each; None is "otherwise"."""

    pieces: tuple[tuple[Value, Value | None], ...]
    label: Node | None = None


@dataclass(frozen=True, slots=True)
class Matrix:
    rows: tuple[tuple[Node, ...], ...]
    label: Node | None = None


@dataclass(frozen=True, slots=True)
class Ratio:
    parts: tuple[Node, ...]
    label: Node | None = None
    clock: bool = False
    """Written as a time, 8:00 or 9:05, which equals only itself."""


@dataclass(frozen=True, slots=True)
class Text:
    """Words in lower case, or mathematics that cannot be read."""

    words: str


@dataclass(frozen=True, slots=True)
class Choice:
    """A letter of a multiple choice, and the text after it. `bare`: a letter without brackets or text."""

    letter: str
    bare: bool
    text: str = ""


@dataclass(frozen=True, slots=True)
class Based:
    """Digits in a number base."""

    digits: str
    base: int


@dataclass(frozen=True, slots=True)
class Clock:
    """A time of day; `half` is "am" or "pm"."""

    hour: int
    minute: int
    second: int
    half: str


Value = (
    Scalar
    | Sequence
    | Region
    | Relation
    | Order
    | Integers
    | Qualified
    | Family
    | Piecewise
    | Matrix
    | Ratio
    | Text
    | Choice
    | Based
    | Clock
)
