"""Two expressions with variables: identical, certainly not, or an equation that may hold for some values."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from verifiers.reasoning.polynomials import is_slip
from verifiers.reasoning.tree import Expression, Node, Unreadable
from verifiers.reasoning.values import Number, Reading, close, evaluate, point

__all__ = ["SEVERAL_VALUED", "Dependence", "Kind", "dependence", "free", "identical", "values_at"]

TRIALS = 3
"""Points at which two expressions are compared."""


@dataclass(frozen=True, slots=True)
class Kind:
    """What the chain around a relation implies about it."""

    scaled: bool = False
    """One side of the chain is 0: an equation, both sides of which may be multiplied."""
    rewriting: bool = False
    """The chain has several relations: each side is meant to be a rewriting of the one before it."""
    identity: bool = False
    """The text says "factors as" or the like."""


def values_at(expression: Expression, k: int) -> dict[str, Number]:
    """Trial values of the variables; `i` is the imaginary unit."""
    return {name: 1j if name == "i" else point(name, k) for name in expression.variables}


def free(expression: Expression) -> frozenset[str]:
    """Variables other than the imaginary unit."""
    return expression.variables - {"i"}


SEVERAL_VALUED = frozenset({"abs", "pm", "angle", "log", "array", "call"})
"""Features of expressions that are not one function of their letters, or one with several branches."""
MAX_NAMES = 6
"""Equations in more letters are not examined."""


@dataclass(frozen=True, slots=True)
class Dependence:
    """The letters on which the difference of two sides depends, and whether it is linear in each of them."""

    names: frozenset[str]
    linear: bool


def dependence(a: Expression, b: Expression) -> Dependence | None:
    """How `a - b` depends on its letters; None if that cannot be said.

    >>> dependence(parse("(x + y) + (x - y)"), parse("194")).names  # y cancels out
    frozenset({'x'})
    """
    names = free(a) | free(b)
    if not names or len(names) > MAX_NAMES or "i" in a.variables | b.variables:
        return None
    if SEVERAL_VALUED & (a.features | b.features):
        return None
    base: dict[str, Number] = {name: point(name, 0) for name in names}
    try:
        start = evaluate(a, base) - evaluate(b, base)
        found: set[str] = set()
        linear = True
        for name in names:
            moved = [base | {name: base[name] + step} for step in (1, 3)]
            one, three = (evaluate(a, values) - evaluate(b, values) - start for values in moved)
            if not (close(one, 0) and close(three, 0)):
                found.add(name)
            linear = linear and close(3 * one, three)
    except Unreadable:
        return None
    return Dependence(frozenset(found), linear)


LITERAL, EQUATION = Reading(), Kind()


def identical(
    a: Expression, b: Expression, how_a: Reading = LITERAL, how_b: Reading = LITERAL, kind: Kind = EQUATION
) -> bool | None:
    """True: identical. False: certainly not (they differ by a constant, or by a factor). None: an equation, unread."""
    pairs: list[tuple[Number, Number]] = []
    for k in range(TRIALS):
        values = values_at(a, k) | values_at(b, k)
        pairs.append((evaluate(a, values, how_a), evaluate(b, values, how_b)))
    if all(close(x, y) for x, y in pairs):
        return True
    if any(isinstance(v, complex) for pair in pairs for v in pair) and "i" not in a.variables | b.variables:
        return None  # roots of a value that may be negative
    if SEVERAL_VALUED & (a.features | b.features) - {"angle"}:
        return None  # it may hold in some cases
    if "angle" in a.features | b.features and {"deg", "pi"} & (a.features | b.features):
        return None  # a letter in degrees
    constant = [all(close(pair[side], pairs[0][side]) for pair in pairs) for side in (0, 1)]
    if all(constant) and a.operations and "pi" not in a.features ^ b.features:
        return False  # the letters cancel out
    if free(a) != free(b) or not (a.operations and b.operations) or "pi" in a.features ^ b.features:
        return None
    if any(constant):
        expanded = kind.rewriting and not kind.scaled and _is_polynomial(a.node) and _is_polynomial(b.node)
        return False if expanded else None
    scale = max(abs(complex(x)) for x, _ in pairs)
    differences = [complex(x) - complex(y) for x, y in pairs]
    if is_slip(a, b, kind.rewriting):
        return False
    if kind.scaled:  # an equation, which may be scaled
        return _same_curve(a, b, pairs, kind)
    if kind.identity or (kind.rewriting and _same_lead(a, b, how_a, how_b)):
        return False
    if abs(differences[0]) > 1e-9 * scale and _constant(differences):
        return False
    if a.operations + b.operations > 2 and all(x != 0 and y != 0 for x, y in pairs):
        return None if not _constant([complex(x) / complex(y) for x, y in pairs]) else False
    return None


def _is_polynomial(node: Node) -> bool:
    if node[0] in ("num", "const", "var"):
        return True
    if node[0] == "^":
        return node[2][0] == "num" and _is_polynomial(node[1])
    return node[0] in ("+", "-", "*", "implied", "neg") and all(map(_is_polynomial, node[1:]))


def _same_curve(a: Expression, b: Expression, pairs: list[tuple[Number, Number]], kind: Kind) -> bool | None:
    """`a = b = 0`: one must be a multiple of the other if both have the same leading term."""
    if not (kind.rewriting and _same_lead(a, b, Reading(), Reading())):
        return None
    ratios = [complex(x) / complex(y) for x, y in pairs if y != 0]
    return None if _constant(ratios) else False


def _same_lead(a: Expression, b: Expression, how_a: Reading, how_b: Reading) -> bool:
    """Whether two expressions in one variable are not linear and have the same leading term.

    In a chain of such sides, each is meant to be a rewriting of the one before it.
    """
    if not (_is_curved(a, how_a) and _is_curved(b, how_b)):
        return False
    far = {name: Fraction(10**9) for name in free(a)} | {"i": 1j}
    x, y = evaluate(a, far, how_a), evaluate(b, far, how_b)
    return y != 0 and abs(complex(x) / complex(y) - 1) < 1e-6


def _is_curved(e: Expression, how: Reading) -> bool:
    """Whether an expression has one variable and is not linear in it."""
    if len(free(e)) != 1:
        return False
    name = next(iter(free(e)))
    p, q, r = (point(name, k) for k in range(3))
    at_p, at_q, at_r = (evaluate(e, {name: x, "i": 1j}, how) for x in (p, q, r))
    return not close(at_r, at_p + (at_q - at_p) / (q - p) * (r - p))


def _constant(values: list[complex]) -> bool:
    return all(abs(v - values[0]) <= 1e-9 * abs(values[0]) for v in values)
