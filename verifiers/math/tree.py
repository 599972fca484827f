"""The tree of an expression: what the parser makes, and the only thing that later stages see."""

from __future__ import annotations

from fractions import Fraction
from typing import Any, NamedTuple

__all__ = ["Node", "as_digits", "num", "selection", "substituted", "sym"]

MOST_BITS = 14_000
"""A whole number of more bits is not written out: Python refuses the text of one of more than 4,300 digits."""


class Node(NamedTuple):
    """A tree: `op` and its arguments. Leaves are ``num`` (a Fraction) and ``sym`` (a name)."""

    op: str
    args: tuple[Any, ...]


def num(value: int | Fraction) -> Node:
    return Node("num", (value if type(value) is Fraction else Fraction(value),))


def sym(name: str) -> Node:
    return Node("sym", (name,))


def as_digits(value: Fraction) -> str:
    """The number in digits; of a longer whole number its last twenty and its size. Never raises."""
    top = _whole(value.numerator)
    return top if value.denominator == 1 else f"{top}/{_whole(value.denominator)}"


def _whole(value: int) -> str:
    if value.bit_length() <= MOST_BITS:
        return str(value)
    return f"{'-' if value < 0 else ''}…{abs(value) % 10**20:020} ({value.bit_length()} bits)"


def substituted(node: Node, name: str, into: Node) -> Node:
    """`node` with the tree `into` in place of the letter `name`."""
    if node.op == "sym":
        return into if node.args[0] == name else node
    return Node(node.op, tuple(substituted(p, name, into) if isinstance(p, Node) else p for p in node.args))


def selection(name: str, total: Node, count: Node) -> Node:
    """Combinations C or arrangements A, P of `count` out of `total`"""
    ways = Node("binom", (total, count))
    return ways if name == "C" else Node("mul", (ways, Node("fact", (count,))))
