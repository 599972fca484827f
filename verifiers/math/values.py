"""What an answer can be: the types that are compared, each with its own kind only."""

from __future__ import annotations

from dataclasses import dataclass

from verifiers.math.tree import Node

__all__ = [
    "Based",
    "Choice",
    "Clock",
    "Decimal",
    "Matrix",
    "Piece",
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
    """How a number written as a decimal was written: its digits after the point, and its significant ones."""

    places: int
    figures: int


@dataclass(frozen=True, slots=True)
class Scalar:
    """A number or an expression, with the tags that stood beside it."""

    node: Node
    unit: str | None = None
    percent: bool = False
    decimal: Decimal | None = None
    label: Node | None = None
    """The lone symbol, f(x) or |AB| that an equals sign set before it."""
    measure: Scalar | None = None
    """The same text with its letters read as a unit, where that is possible: `5 m`, `9.8 m/s^2`."""


@dataclass(frozen=True, slots=True)
class Sequence:
    """Several values. `brackets` is "()", "[)", "<>", "{}" for a set and "" for a bare list."""

    items: tuple[Value, ...]
    brackets: str
    label: Node | None = None

    @property
    def ordered(self) -> bool:
        return self.brackets not in ("{}", "") or any(
            isinstance(item, Scalar) and item.node.args == ("…",) for item in self.items
        )


@dataclass(frozen=True, slots=True)
class Piece:
    """One interval of a region; None is an infinite end; a point has both ends equal and closed."""

    low: Node | None
    high: Node | None
    low_closed: bool
    high_closed: bool


@dataclass(frozen=True, slots=True)
class Region:
    """A set of real numbers, as a union of intervals. No piece: the empty set."""

    pieces: tuple[Piece, ...]
    label: Node | None = None


@dataclass(frozen=True, slots=True)
class Relation:
    """`left` op `right` between expressions, op one of = < <=."""

    op: str
    left: Node
    right: Node


@dataclass(frozen=True, slots=True)
class Matrix:
    rows: tuple[tuple[Node, ...], ...]
    label: Node | None = None


@dataclass(frozen=True, slots=True)
class Ratio:
    parts: tuple[Node, ...]
    label: Node | None = None


@dataclass(frozen=True, slots=True)
class Text:
    """Words, folded; what is no mathematics that we read."""

    words: str


@dataclass(frozen=True, slots=True)
class Choice:
    """A letter of a multiple choice, with the text that it carries. `bare` where nothing but the letter stands."""

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
    """A time of day; `half` is "am", "pm" or "" where it is not said."""

    hour: int
    minute: int
    second: int
    half: str


Value = Scalar | Sequence | Region | Relation | Matrix | Ratio | Text | Choice | Based | Clock
