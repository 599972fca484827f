"""Polynomials with rational coefficients, and pairs of them of which one must be meant as another form of the other."""

from __future__ import annotations

from fractions import Fraction

from verifiers.reasoning.tree import Expression, Node, Unreadable

__all__ = ["is_slip", "polynomial"]

MAX_TERMS = 40
MAX_POWER = 8

Polynomial = dict[tuple[str, ...], Fraction]
"""Letters of a monomial, sorted, each as often as its power → coefficient."""


def polynomial(node: Node) -> Polynomial:
    """The expanded form. Raises Unreadable for what is not a polynomial, or is too large."""
    kind: str = node[0]
    match kind:
        case "num":
            return _cleaned({(): node[1].value})
        case "const":
            return _cleaned({(): node[1]})
        case "var":
            return {(node[1],): Fraction(1)}
        case "neg":
            return _times(polynomial(node[1]), {(): Fraction(-1)})
        case "+" | "-":
            right = polynomial(node[2])
            return _plus(polynomial(node[1]), right if kind == "+" else _times(right, {(): Fraction(-1)}))
        case "*" | "implied":
            return _times(polynomial(node[1]), polynomial(node[2]))
        case "/" | "frac":
            bottom = polynomial(node[2])
            if bottom.keys() != {()}:
                raise Unreadable
            return _times(polynomial(node[1]), {(): 1 / bottom[()]})
        case "^":
            power = node[2][1].value if node[2][0] == "num" else None
            if power is None or power.denominator != 1 or power > MAX_POWER:
                raise Unreadable
            base, result = polynomial(node[1]), {(): Fraction(1)}
            for _ in range(int(power)):
                result = _times(result, base)
            return result
    raise Unreadable


def is_slip(a: Expression, b: Expression, chained: bool) -> bool:
    """Whether two different polynomials have the same terms with mostly the same coefficients.

    One of them must be a product of sums and the other expanded, unless the relation is one of a chain (`chained`):
    then they are meant to be one polynomial in two forms. As an equation they would be a strange coincidence.
    """
    shaped = (_is_product(a.node) and _is_expanded(b.node)) or (_is_product(b.node) and _is_expanded(a.node))
    if not chained and not shaped:
        return False
    try:
        one, other = polynomial(a.node), polynomial(b.node)
    except (Unreadable, RecursionError):
        return False
    if one.keys() != other.keys() or len(one) < 3 or max(map(len, one)) < 2:
        return False
    same = sum(one[monomial] == other[monomial] for monomial in one)
    return len(one) > same >= len(one) / 2


def _is_product(node: Node) -> bool:
    """Whether it is a product or power with a sum as a factor."""
    match node[0]:
        case "neg":
            return _is_product(node[1])
        case "*" | "implied":
            return any(part[0] in "+-" or _is_product(part) for part in node[1:])
        case "^":
            return node[1][0] in "+-" or _is_product(node[1])
    return False


def _is_expanded(node: Node) -> bool:
    """Whether it is a sum of terms without brackets."""
    if node[0] in ("+", "-", "neg"):
        return all(map(_is_expanded, node[1:]))
    if node[0] in ("*", "implied", "frac", "/", "^"):
        return not any(part[0] in "+-" for part in node[1:]) and all(map(_is_expanded, node[1:]))
    return node[0] in ("num", "var", "const")


def _cleaned(found: Polynomial) -> Polynomial:
    return {monomial: coefficient for monomial, coefficient in found.items() if coefficient}


def _plus(left: Polynomial, right: Polynomial) -> Polynomial:
    return _cleaned(
        {key: left.get(key, Fraction(0)) + right.get(key, Fraction(0)) for key in left.keys() | right.keys()}
    )


def _times(left: Polynomial, right: Polynomial) -> Polynomial:
    total: Polynomial = {}
    if len(left) * len(right) > MAX_TERMS**2:
        raise Unreadable
    for one, first in left.items():
        for other, second in right.items():
            key = tuple(sorted(one + other))
            total[key] = total.get(key, Fraction(0)) + first * second
    if len(total) > MAX_TERMS or any(len(key) > 2 * MAX_POWER for key in total):
        raise Unreadable
    return _cleaned(total)
