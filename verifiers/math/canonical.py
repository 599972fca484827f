"""One text for an answer, whatever its notation: what majority votes are counted by."""

from __future__ import annotations

from fractions import Fraction

from verifiers.math import evaluate
from verifiers.math.numeric import numeric
from verifiers.math.polynomial import as_text
from verifiers.math.tree import Node, as_digits, num
from verifiers.math.values import (
    Based,
    Choice,
    Clock,
    Family,
    Integers,
    Matrix,
    Order,
    Piece,
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

__all__ = ["describe"]

DIGITS = 20
POINTS = 4


def describe(value: Value) -> str:
    """A text that equal values share: fractions in lowest terms, sets sorted, expressions by values at fixed points."""
    match value:
        case Scalar():
            node = Node("percent", (value.node,)) if value.percent else value.node
            return _tree(node) + (f" {value.unit}" if value.unit else "")
        case Sequence():
            items = [describe(item) for item in value.items]
            if value.ordered:
                return (
                    f"{value.brackets[0]}{', '.join(items)}{value.brackets[1]}"
                    if value.brackets
                    else ", ".join(items)
                )
            kept = sorted(set(items)) if value.brackets == "{}" else sorted(items)
            return kept[0] if len(kept) == 1 else "{" + ", ".join(kept) + "}"
        case Region():
            from verifiers.math import regions

            pieces = regions.merged(value)
            return " ∪ ".join(map(_piece, pieces)) or "∅"
        case Matrix():
            return "[" + "; ".join(", ".join(map(_tree, row)) for row in value.rows) + "]"
        case Ratio():
            if value.clock or value.parts[0] == num(0):
                return " : ".join(map(_tree, value.parts))
            first = Node("inv", (value.parts[0],))
            return " : ".join(["1", *(_tree(Node("mul", (part, first))) for part in value.parts[1:])])
        case Relation():
            return f"{_tree(value.left)} {value.op} {_tree(value.right)}"
        case Order():
            pairs = zip(value.sides, ("", *value.ops), strict=True)
            return " ".join(f"{op} {_tree(side)}".strip() for side, op in pairs)
        case Integers():
            return f"{_tree(value.label)} ∈ " + (
                "ℤ" if value.low is None else f"{{{value.low}, {value.low + 1}, …}}"
            )
        case Qualified():
            return f"{describe(value.value)} for " + " and ".join(sorted(map(describe, value.conditions)))
        case Family():
            return f"{describe(value.value)}, {value.parameter} ∈ ℤ"
        case Piecewise():
            rows = (f"{describe(v)} for {'others' if w is None else describe(w)}" for v, w in value.pieces)
            return "; ".join(sorted(rows))
        case Text():
            return value.words
        case Choice():
            return value.letter
        case Based():
            return f"{value.digits}_{value.base}"
        case Clock():
            return (
                f"{value.hour}:{value.minute:02}"
                + (f":{value.second:02}" if value.second else "")
                + f" {value.half}"
            )


def _piece(piece: Piece) -> str:
    if piece.low is not None and piece.low == piece.high:
        return "{" + _tree(piece.low) + "}"
    low = "-∞" if piece.low is None else _tree(piece.low)
    high = "∞" if piece.high is None else _tree(piece.high)
    return f"{'[' if piece.low_closed else '('}{low}, {high}{']' if piece.high_closed else ')'}"


def _tree(node: Node) -> str:
    names = sorted(evaluate.free_symbols(node))
    if node.op == "sym":
        return node.args[0]
    if not names:
        return _number(node)
    if (polynomial := as_text(node)) is not None:
        return polynomial
    values = [
        _at(node, {name: Fraction(7 + 4 * place + 2 * turn, 3) for place, name in enumerate(names)})
        for turn in range(POINTS)
    ]
    if all(value == "?" for value in values):
        values = [
            _at(node, {name: Fraction(3 + place + turn) for place, name in enumerate(names)})
            for turn in range(POINTS)
        ]
    if all(value == "?" for value in values):
        return written(node)
    return f"f({', '.join(names)}) = {', '.join(values)}, …"


def _at(node: Node, point: dict[str, Fraction]) -> str:
    try:
        value = evaluate.exact(node, point)
        small = max(value.numerator.bit_length(), value.denominator.bit_length()) < 4_000
        return str(value) if small else _digits(node, point)
    except evaluate.Undefined:
        return "?"
    except evaluate.Undecided:
        return _digits(node, point)


def _number(node: Node) -> str:
    try:
        value = evaluate.exact(node, {})
    except (evaluate.Undecided, evaluate.Undefined):
        digits = _digits(node, {})
        return written(node) if digits == "?" else "≈" + digits
    text = str(value) if max(value.numerator.bit_length(), value.denominator.bit_length()) < 4_000 else ""
    return text or written(node)


def _digits(node: Node, point: dict[str, Fraction]) -> str:
    try:
        value = numeric(node, point)
    except (evaluate.Undecided, evaluate.Undefined):
        return "?"
    from mpmath import nstr

    try:
        return str(nstr(value, DIGITS))
    except ValueError:  # more digits than Python writes out
        return "?"


def written(node: Node) -> str:
    """The tree itself, for an expression whose value cannot be computed."""
    parts = (
        written(part)
        if isinstance(part, Node)
        else as_digits(part)
        if isinstance(part, Fraction)
        else str(part)
        for part in node.args
    )
    return f"{node.op}({', '.join(parts)})"
