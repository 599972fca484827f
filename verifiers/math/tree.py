"""The tree of an expression: what the parser makes, and the only thing that later stages see."""

from __future__ import annotations

from fractions import Fraction
from typing import Any, NamedTuple

__all__ = ["Node", "num", "sym"]


class Node(NamedTuple):
    """A tree: `op` and its arguments. Leaves are ``num`` (a Fraction) and ``sym`` (a name)."""

    op: str
    args: tuple[Any, ...]


def num(value: int | Fraction) -> Node:
    return Node("num", (value if type(value) is Fraction else Fraction(value),))


def sym(name: str) -> Node:
    return Node("sym", (name,))
