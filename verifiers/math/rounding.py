"""Whether a decimal that is written after an exact value agrees with it: 12π ≈ 37.70."""

from __future__ import annotations

from typing import Any

from verifiers.math.evaluate import Undecided, Undefined, free_symbols
from verifiers.math.numeric import numeric
from verifiers.math.tree import Node, as_digits
from verifiers.math.values import Scalar

__all__ = ["agrees"]


def agrees(exact: Node, written: Scalar) -> bool:
    """Whether `written` is `exact`, rounded or cut off at its last digit."""
    if free_symbols(exact) or free_symbols(written.node):
        return False
    try:
        value, decimal = (numeric(node, {}, 40) for node in (exact, written.node))
    except (Undecided, Undefined):
        return False
    if written.percent:
        value = value * 100
    if not (_real(value) and _real(decimal)):
        return False
    unit = _unit(value, written)
    cut_off = 0 <= abs(value) - abs(decimal) < unit and value * decimal >= 0
    return cut_off or 2 * abs(value - decimal) <= unit


def _real(value: Any) -> bool:
    return getattr(value, "imag", 0) == 0


def _unit(value: Any, written: Scalar) -> Any:
    """One in the last digit that was written; of a decimal times a power of ten, 0.5 % of `value`."""
    if written.decimal is not None:
        return (abs(value) * 0 + 1) / 10**written.decimal.places
    if written.node.op == "num" and written.node.args[0].denominator == 1:
        digits = as_digits(written.node.args[0])
        zeros = len(digits) - len(digits.rstrip("0"))
        return max(1, min(10**zeros, abs(value) / 100))
    return abs(value) / 200
