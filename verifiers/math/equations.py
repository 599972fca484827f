"""Chains of equal sides: the name, the value and its decimal in S = 2πr = 12π ≈ 37.70."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import chain

from verifiers.latex import word_set
from verifiers.math import regions
from verifiers.math.cursor import balanced
from verifiers.math.equality import equal_trees
from verifiers.math.evaluate import free_symbols
from verifiers.math.lex import Token
from verifiers.math.names import in_words, name_of
from verifiers.math.normalise import Unreadable
from verifiers.math.rounding import agrees
from verifiers.math.tree import Node
from verifiers.math.values import Matrix, Relation, Scalar, Sequence, Text, Value

__all__ = ["label_of", "labelled", "read_equation", "with_approximation"]

Reader = Callable[[list[Token]], Value]


def read_equation(sides: list[list[Token]], ops: list[str], side: Reader) -> Value:
    """The value of equal sides, with its name; an equation if no side names it.

    `side` reads one side. Raises Unreadable.
    """
    exact, decimals = _cut(sides, ops)
    names: list[Node] = []
    while len(exact) > 1 and (found := name_of(exact[0])) is not None:
        names.append(found)
        exact = exact[1:]
    if not names and len(exact) == 2:
        found = name_of(exact[1])
        if found is not None and not in_words(found):
            names, exact = [found], exact[:1]
    value = _last_of(exact, bool(names), side)
    if isinstance(value, Scalar):
        value = _with_decimal(value, [side(part) for part in decimals])
    elif decimals:
        raise Unreadable("an approximation of something other than a number")
    if len(names) > 1:  # x = y = 1
        return Sequence(tuple(labelled(value, name) for name in names), "")
    return labelled(value, names[0] if names else None)


_ABOUT = word_set("approximately approx about roughly around")
_APPROXIMATELY = Token("rel", "≈")


def with_approximation(tokens: list[Token]) -> list[Token]:
    """`tokens` with ≈ for the brackets or words of "12π (≈ 37.7)", "12π (about 37.7)", "12π, or about 37.7"."""
    at = next((at for at, token in enumerate(tokens) if at and _says_about(token)), 0)
    if not at:
        return tokens
    before, after = tokens[:at], tokens[at + 1 :]
    if before[-1][:2] == ("open", "(") and after[-1:] and after[-1].text == ")":
        before, after = before[:-1], after[:-1]
    while before and before[-1].kind == "sep" and before[-1].text in (",", "or"):
        before = before[:-1]
    return [*before, _APPROXIMATELY, *after] if before and after and before[-1].kind != "rel" else tokens


def _says_about(token: Token) -> bool:
    return token.text == "≈" or (token.kind == "word" and token.text.lower() in _ABOUT)


def _cut(sides: list[list[Token]], ops: list[str]) -> tuple[list[list[Token]], list[list[Token]]]:
    """The exact sides of a chain, and those after the first ≈; all sides are exact if only a name is before it."""
    ops = [
        "≈" if op == "=" and len(side) == 2 and side[0].places > 0 and side[1].text == "…" else op
        for op, side in zip(ops, sides[1:], strict=True)
    ]  # = 1.414…
    if "≈" not in ops:
        return sides, []
    sides = [side[:-1] if side[-1].text == "…" and side[0].places > 0 else side for side in sides]
    at = ops.index("≈") + 1
    if at == 1 and name_of(sides[0]) is not None:
        return sides[:2], sides[2:]
    return sides[:at], sides[at:]


def _last_of(sides: list[list[Token]], named: bool, side: Reader) -> Value:
    """The value of a chain of equal sides; an equation if its first side is an expression with letters."""
    last = side(sides[-1])
    if len(sides) == 1:
        return last
    if not isinstance(last, Scalar):
        if len(sides) == 2 and _is_expression(sides[0], side):  # A^{-1} = a matrix
            return last
        if all(_same_value(side(part), last) for part in sides[:-1]):
            return last
        raise Unreadable("equal sides of different types")
    if len(sides) == 2 and any(token.kind == "begin" for token in sides[0]):  # |matrix| = 7
        return last
    values = [side(part) for part in sides[:-1]]
    nodes = [value.node for value in values if isinstance(value, Scalar)]
    if len(nodes) < len(values):
        raise Unreadable("equal sides of different types")
    if not named and (free_symbols(nodes[0]) or (len(sides) == 2 and free_symbols(last.node))):
        if all(free_symbols(node) or equal_trees(node, last.node) for node in nodes[1:]):
            return Relation("=", nodes[0], last.node)
        raise Unreadable("an equality that does not hold")
    if named and not free_symbols(last.node):  # A = πr² = 16π
        nodes = [node for node in nodes if not free_symbols(node)]
    if all(equal_trees(last.node, node) for node in nodes):  # S = 2 + 3 = 5
        return last
    before = values[-1]
    rounded = last.decimal is not None and last.decimal.figures >= 3 and agrees(nodes[-1], last)
    if rounded and isinstance(before, Scalar) and all(equal_trees(nodes[-1], node) for node in nodes):
        return replace(before, rounded=last)  # 2/3 = 0.667
    raise Unreadable("an equality that does not hold")


def _is_expression(tokens: list[Token], side: Reader) -> bool:
    """Whether a side has letters and is not a value of its own: a tuple, a set, a matrix."""
    if tokens[0].text in ("+", "-") or not balanced(tokens):
        return False
    if not any(token.kind in ("sym", "run") for token in tokens):
        return False
    try:
        return isinstance(side(tokens), Scalar)
    except Unreadable:
        return True


def _same_value(one: Value, two: Value) -> bool:
    """Whether two matrices or two intervals are equal."""
    if isinstance(one, Matrix) and isinstance(two, Matrix):
        shape = [len(row) for row in one.rows] == [len(row) for row in two.rows]
        return shape and all(map(equal_trees, chain(*one.rows), chain(*two.rows)))
    left, right = regions.as_region(one), regions.as_region(two)
    return left is not None and right is not None and regions.same_region(left, right, equal_trees)


def _with_decimal(value: Scalar, decimals: list[Value]) -> Scalar:
    """`value` with the first decimal after it, if all of them agree with it. Raises Unreadable."""
    for decimal in decimals:
        if not isinstance(decimal, Scalar) or not agrees(value.node, decimal):
            raise Unreadable("a decimal that does not agree with the exact value")
    if not decimals:
        return value
    first = decimals[0]
    assert isinstance(first, Scalar)
    return replace(value, rounded=first, unit=value.unit or first.unit)


def label_of(value: Value) -> Node | None:
    """The name that was written before a value."""
    return getattr(value, "label", None)


def labelled(value: Value, label: Node | None) -> Value:
    """`value` with a name."""
    if label is None or isinstance(value, Relation | Text) or not hasattr(value, "label"):
        return value
    return replace(value, label=label)  # type: ignore[call-arg]
