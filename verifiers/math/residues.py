"""Equality of rational functions by their values modulo a large prime, which no power is too large for.

A rational function that is not zero is zero at no more than a share of degree / `PRIME` of the points of the field:
Schwartz 1980, "Fast probabilistic algorithms for verification of polynomial identities".
"""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import blake2b

from verifiers.math.evaluate import Undecided, Undefined, exact, free_symbols
from verifiers.math.tree import Node

__all__ = ["proportional", "same_function"]

PRIME = 63774312393225308266169305344007087439
"""A prime p of 126 bits of which (p - 1) / 2 is prime too, so that no short power is 1 by accident."""
POINTS = 2


def same_function(left: Node, right: Node) -> bool:
    """Whether two rational functions, or rational numbers, are the same.

    Raises Undecided if a tree is not one (a root, a function, a letter in an exponent), Undefined if it has no value.
    """
    return all(one == other for one, other in _values(left, right))


def proportional(left: Node, right: Node) -> bool:
    """Whether one rational function is a constant times the other, and neither is zero. Raises as `same_function`."""
    (first, second), *others = _values(left, right)
    return first * second != 0 and all(one * second % PRIME == other * first % PRIME for one, other in others)


def _values(left: Node, right: Node) -> Iterator[tuple[int, int]]:
    """The residues of both trees at the points that are compared."""
    names = sorted(free_symbols(left) | free_symbols(right))
    for turn in range(POINTS if names else 1):
        point = {name: _draw(name, turn) for name in names}
        yield _residue(left, point), _residue(right, point)


def _draw(name: str, turn: int) -> int:
    text = f"{name}|{turn}".encode("utf-8", "surrogatepass")
    return int.from_bytes(blake2b(text, digest_size=15).digest(), "big")


def _inverse(value: int) -> int:
    if value == 0:
        raise Undefined("a division by zero")
    return pow(value, -1, PRIME)


def _residue(node: Node, point: dict[str, int]) -> int:
    op, args = node
    if op == "num":
        value = args[0]
        top = value.numerator % PRIME
        return top if value.denominator == 1 else top * _inverse(value.denominator % PRIME) % PRIME
    if op == "sym":
        if args[0] not in point:
            raise Undecided(args[0])
        return point[args[0]]
    if op == "add":
        return sum(_residue(term, point) for term in args) % PRIME
    if op == "mul":
        product = 1
        for factor in args:
            product = product * _residue(factor, point) % PRIME
        return product
    if op == "neg":
        return -_residue(args[0], point) % PRIME
    if op == "inv":
        return _inverse(_residue(args[0], point))
    if op == "percent":
        return _residue(args[0], point) * _inverse(100) % PRIME
    if op == "pow" and not free_symbols(args[1]):
        exponent = exact(args[1], {})
        if exponent.denominator == 1:
            base = _residue(args[0], point)
            if base == 0 and exponent < 0:
                raise Undefined("zero to a negative power")
            return pow(base, exponent.numerator, PRIME)
    if not free_symbols(node):  # a root or a function with a rational value
        return _residue(Node("num", (exact(node, {}),)), point)
    raise Undecided(op)
