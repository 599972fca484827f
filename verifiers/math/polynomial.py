"""Small trees as sparse polynomials and rational functions over the rationals."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from verifiers.math.evaluate import CONSTANTS, Undecided, Undefined, exact, free_symbols
from verifiers.math.tree import Node, as_digits

__all__ = ["as_text", "fraction_of", "same_zeros"]

MAX_TERMS = 80
MAX_DEGREE = 24

Monomial = tuple[tuple[str, int], ...]
Polynomial = dict[Monomial, Fraction]


def _plus(left: Polynomial, right: Polynomial) -> Polynomial:
    total = dict(left)
    for monomial, coefficient in right.items():
        found = total.get(monomial, Fraction(0)) + coefficient
        if found:
            total[monomial] = found
        else:
            total.pop(monomial, None)
    return total


def _times(left: Polynomial, right: Polynomial) -> Polynomial:
    if len(left) * len(right) > 4 * MAX_TERMS:
        raise Undecided("too many terms")
    total: Polynomial = {}
    for one, first in left.items():
        for two, second in right.items():
            powers = dict(one)
            for name, power in two:
                powers[name] = powers.get(name, 0) + power
            if sum(powers.values()) > MAX_DEGREE:
                raise Undecided("too high a degree")
            monomial = tuple(sorted(powers.items()))
            coefficient = total.get(monomial, Fraction(0)) + first * second
            if coefficient:
                total[monomial] = coefficient
            else:
                total.pop(monomial, None)
    if len(total) > MAX_TERMS:
        raise Undecided("too many terms")
    return total


def fraction_of(node: Node) -> tuple[Polynomial, Polynomial]:
    """Numerator and denominator (not reduced) of a rational function.

    Raises Undecided if the tree is not a rational function or is too large, Undefined for a zero denominator.
    """
    op: str = node.op
    args: Any = node.args
    if not free_symbols(node):
        value = exact(node, {})
        return ({(): value} if value else {}), {(): Fraction(1)}
    if op == "sym" and args[0] not in CONSTANTS:
        return {((args[0], 1),): Fraction(1)}, {(): Fraction(1)}
    if op == "add":
        top, bottom = fraction_of(args[0])
        for term in args[1:]:
            other_top, other_bottom = fraction_of(term)
            if bottom == other_bottom:
                top = _plus(top, other_top)
            else:
                top, bottom = (
                    _plus(_times(top, other_bottom), _times(other_top, bottom)),
                    _times(bottom, other_bottom),
                )
        return top, bottom
    if op == "mul":
        top, bottom = fraction_of(args[0])
        for factor in args[1:]:
            other_top, other_bottom = fraction_of(factor)
            top, bottom = _times(top, other_top), _times(bottom, other_bottom)
        return top, bottom
    if op == "neg":
        top, bottom = fraction_of(args[0])
        return {monomial: -coefficient for monomial, coefficient in top.items()}, bottom
    if op == "inv":
        top, bottom = fraction_of(args[0])
        if not top:
            raise Undefined("a division by zero")
        return bottom, top
    if op == "percent":
        top, bottom = fraction_of(args[0])
        return {monomial: coefficient / 100 for monomial, coefficient in top.items()}, bottom
    if op == "pow" and not free_symbols(args[1]):
        power = exact(args[1], {})
        if power.denominator != 1 or abs(power) > MAX_DEGREE:
            raise Undecided("not a small whole power")
        top, bottom = fraction_of(args[0])
        if power < 0:
            if not top:
                raise Undefined("a division by zero")
            top, bottom = bottom, top
        result: tuple[Polynomial, Polynomial] = ({(): Fraction(1)}, {(): Fraction(1)})
        for _ in range(abs(power.numerator)):
            result = _times(result[0], top), _times(result[1], bottom)
        return result
    raise Undecided(op)


def same_zeros(left: Node, right: Node) -> bool:
    """Whether the numerators of two rational functions are equal up to a constant factor: xy - 1 and y - 1/x."""
    try:
        first, second = fraction_of(left)[0], fraction_of(right)[0]
    except (Undecided, Undefined):
        return False
    if not first or first.keys() != second.keys():
        return False
    monomial = next(iter(first))
    ratio = first[monomial] / second[monomial]
    return all(coefficient == ratio * second[key] for key, coefficient in first.items())


def as_text(node: Node) -> str | None:
    """A polynomial with its terms in a fixed order; None if the tree is not a polynomial.

    >>> as_text(Parser(lex("(x+1)^2")).expression())
    'x^2 + 2x + 1'
    """
    try:
        top, bottom = fraction_of(node)
    except (Undecided, Undefined):
        return None
    if set(bottom) != {()}:
        return None
    scale = bottom[()]
    ordered = sorted(top.items(), key=lambda item: (-sum(power for _, power in item[0]), item[0]))
    text = ""
    for monomial, coefficient in ordered:
        value = coefficient / scale
        letters = "".join(name if power == 1 else f"{name}^{power}" for name, power in monomial)
        number = as_digits(abs(value))
        size = (
            ""
            if abs(value) == 1 and letters
            else number
            if value.denominator == 1 or not letters
            else f"({number})"
        )
        sign = ("-" if value < 0 else "") if not text else (" - " if value < 0 else " + ")
        text += sign + size + letters
    return text or "0"
