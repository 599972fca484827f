"""Sums and multiples of matrices and vectors, and vectors in the units i, j, k, as rows of expressions."""

from __future__ import annotations

from verifiers.math.equality import equal_trees
from verifiers.math.evaluate import free_symbols
from verifiers.math.normalise import Unreadable
from verifiers.math.tree import Node, num, substituted, sym

__all__ = ["UNIT_VECTORS", "Rows", "components", "matrix_rows"]

Rows = tuple[tuple[Node, ...], ...]
MAX_ENTRIES = 64
"""Entries of a matrix that is computed."""
_UNITS = ("î", "ĵ", "k̂")
UNIT_VECTORS = frozenset((*_UNITS, "j"))
"""Letters without one of which nothing is a vector in units."""


def matrix_rows(node: Node) -> Rows | None:
    """The rows of a matrix, of a sum of matrices or of a product with them; None for any other tree.

    Raises Unreadable for shapes that do not fit.
    """
    if node.op == "matrix":
        return node.args
    if node.op == "neg":
        rows = matrix_rows(node.args[0])
        return None if rows is None else _scaled(rows, (num(-1),))
    if node.op not in ("add", "mul"):
        return None
    parts = [matrix_rows(part) for part in node.args]
    known = [rows for rows in parts if rows is not None]
    if not known:
        return None
    if node.op == "mul":
        scale = tuple(part for part, rows in zip(node.args, parts, strict=True) if rows is None)
        product = known[0]
        for rows in known[1:]:
            product = _product(product, rows)
        return _scaled(product, scale) if scale else product
    if len(known) < len(parts) or len({(len(rows), len(rows[0])) for rows in known}) != 1:
        raise Unreadable("a sum of matrices of different shapes")
    places = range(len(known[0][0]))
    return tuple(
        tuple(Node("add", tuple(rows[at][place] for rows in known)) for place in places)
        for at in range(len(known[0]))
    )


def _scaled(rows: Rows, scale: tuple[Node, ...]) -> Rows:
    return tuple(tuple(Node("mul", (*scale, entry)) for entry in row) for row in rows)


def _product(left: Rows, right: Rows) -> Rows:
    if len(left[0]) != len(right) or len(left) * len(right) * len(right[0]) > MAX_ENTRIES:
        raise Unreadable("a product of matrices whose shapes do not fit")
    columns = list(zip(*right, strict=True))
    return tuple(
        tuple(
            Node("add", tuple(Node("mul", pair) for pair in zip(row, column, strict=True)))
            for column in columns
        )
        for row in left
    )


def components(node: Node) -> tuple[Node, ...] | None:
    """The components of a vector such as 3i - 2j; None for any other tree.

    i is the unit vector where it has an arrow, a hat or is bold, and where j stands beside it.
    """
    letters = free_symbols(node)
    if not letters & UNIT_VECTORS:
        return None
    if not letters & set(_UNITS):
        if not _contains(node, "i"):
            return None  # j is some letter
        for plain, unit in zip("ijk", _UNITS, strict=True):
            node = substituted(node, plain, sym(unit))
        letters = free_symbols(node)
    units = _UNITS if "k̂" in letters else _UNITS[:2]
    parts = tuple(_at(node, units, unit) for unit in units)
    whole = Node(
        "add", tuple(Node("mul", (part, sym(unit))) for part, unit in zip(parts, units, strict=True))
    )
    return parts if equal_trees(node, whole) else None


def _at(node: Node, units: tuple[str, ...], one: str) -> Node:
    """`node` where one of the unit vectors is 1 and the others are 0."""
    for unit in units:
        node = substituted(node, unit, num(int(unit == one)))
    return node


def _contains(node: Node, name: str) -> bool:
    return node == sym(name) or any(_contains(part, name) for part in node.args if isinstance(part, Node))
