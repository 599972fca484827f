"""Tuples and matrices: what is computed with them, as one scalar expression for each entry."""

from __future__ import annotations

from collections.abc import Iterator

from verifiers.reasoning.tree import Expression, Node, Unreadable

__all__ = ["entries"]

MAX_ENTRIES = 64
MAX_PRODUCTS = 4
"""Largest number of products of two arrays in one expression: each multiplies the size of the entries."""

Rows = list[tuple[Node, ...]]


def entries(a: Expression, b: Expression) -> Iterator[tuple[Expression, Expression]]:
    """The pairs of entries of two arrays of one shape, or the two values if both are scalars. Raises Unreadable."""
    left, right = _Expansion().of(a.node), _Expansion().of(b.node)
    if isinstance(left, list) and isinstance(right, list):
        if [len(row) for row in left] != [len(row) for row in right]:
            raise Unreadable
        for one, other in zip(left, right, strict=True):
            for x, y in zip(one, other, strict=True):
                yield _entry(x, a), _entry(y, b)
    elif isinstance(left, tuple) and isinstance(right, tuple):
        yield _entry(left, a), _entry(right, b)
    else:
        raise Unreadable


def _entry(node: Node, whole: Expression) -> Expression:
    core = node[1] if node[0] == "neg" else node
    literal = core[1] if core[0] == "num" else None
    return Expression(node, whole.variables, 1, whole.features - {"array"}, literal, whole.numbers)


class _Expansion:
    """Nodes with arrays in them → rows of scalar nodes (a list), or one scalar node (a tuple)."""

    def __init__(self) -> None:
        self.products = 0

    def of(self, node: Node) -> Node | Rows:
        """Raises Unreadable for what has no such form, or is too large."""
        kind = node[0]
        match kind:
            case "array":
                if sum(len(row) for row in node[1:]) > MAX_ENTRIES:
                    raise Unreadable
                return [tuple(self.scalar(cell) for cell in row) for row in node[1:]]
            case "+" | "-":
                return self.added(kind, self.of(node[1]), self.of(node[2]))
            case "neg":
                inside = self.of(node[1])
                return (
                    [tuple(("neg", x) for x in row) for row in inside]
                    if isinstance(inside, list)
                    else ("neg", inside)
                )
            case "*" | "implied":
                return self.multiplied(self.of(node[1]), self.of(node[2]))
            case "/" | "frac":
                top, bottom = self.of(node[1]), self.scalar(node[2])
                if isinstance(top, list):
                    return [tuple((kind, x, bottom) for x in row) for row in top]
                return (kind, top, bottom)
            case "^":
                return self.power(node)
            case "det":
                inside = self.of(node[1])
                if not isinstance(inside, list):
                    raise Unreadable
                return self.determinant(inside)
        return node  # the evaluation does not read an array in any other place

    def scalar(self, node: Node) -> Node:
        found = self.of(node)
        if isinstance(found, list):
            raise Unreadable
        return found

    def added(self, kind: str, left: Node | Rows, right: Node | Rows) -> Node | Rows:
        if isinstance(left, list) and isinstance(right, list):
            if [len(row) for row in left] != [len(row) for row in right]:
                raise Unreadable
            return [
                tuple((kind, x, y) for x, y in zip(one, other, strict=True))
                for one, other in zip(left, right, strict=True)
            ]
        if isinstance(left, list) or isinstance(right, list):
            raise Unreadable
        return (kind, left, right)

    def multiplied(self, left: Node | Rows, right: Node | Rows) -> Node | Rows:
        if isinstance(left, list) and isinstance(right, list):
            if len(left) == len(right) == 1:
                right = [(x,) for x in right[0]]  # two tuples: their scalar product
                return self.matrix_product(left, right)[0][0]
            return self.matrix_product(left, right)
        if isinstance(left, list):
            left, right = right, left
        if isinstance(right, list):
            return [tuple(("*", left, x) for x in row) for row in right]
        return ("*", left, right)

    def matrix_product(self, left: Rows, right: Rows) -> Rows:
        inner = len(right)
        self.products += 1
        if any(len(row) != inner for row in left) or self.products > MAX_PRODUCTS:
            raise Unreadable
        return [tuple(_dot(row, [each[k] for each in right]) for k in range(len(right[0]))) for row in left]

    def power(self, node: Node) -> Node | Rows:
        base = self.of(node[1])
        if not isinstance(base, list):
            return ("^", base, self.scalar(node[2]))
        value = node[2][1].value if node[2][0] == "num" else None
        if value not in (2, 3) or len(base) < 2:
            raise Unreadable
        result = base
        for _ in range(int(value) - 1):
            result = self.matrix_product(result, base)
        return result

    def determinant(self, rows: Rows) -> Node:
        if len(rows) > 3 or any(len(row) != len(rows) for row in rows):
            raise Unreadable
        if len(rows) == 1:
            return rows[0][0]
        total: Node | None = None
        for k, head in enumerate(rows[0]):
            minor = self.determinant([row[:k] + row[k + 1 :] for row in rows[1:]])
            term: Node = ("*", head, minor)
            total = term if total is None else ("-" if k % 2 else "+", total, term)
        assert total is not None
        return total


def _dot(row: tuple[Node, ...], column: list[Node]) -> Node:
    products: list[Node] = [("*", x, y) for x, y in zip(row, column, strict=True)]
    total = products[0]
    for product in products[1:]:
        total = ("+", total, product)
    return total
