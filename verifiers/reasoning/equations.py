"""Algebra from one statement to the next: an equation that follows from another must have a solution in common with it.

Only neighbours are compared, and only if the text between them says that one is derived from the other; a new
case, assumption or equation breaks the link. Equations in one unknown are compared by their roots, which evaluation
at trial points finds if they are linear; definitions of one quantity are compared by its values.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction

from verifiers.reasoning.algebra import SEVERAL_VALUED, dependence, free
from verifiers.reasoning.rounding import ulp
from verifiers.reasoning.statements import Chain
from verifiers.reasoning.tree import Expression, Unreadable
from verifiers.reasoning.values import Number, close, evaluate, point

__all__ = ["Equation", "EquationTracker", "contradicts"]

MAX_BETWEEN = 260
"""Largest distance in characters between two equations of which one is taken to be derived from the other."""

_DERIVES = re.compile(
    r"simplif|divid|subtract|\badd|multipl|both sides|solv|\bget|\bgives?\b|\bhave\b|becomes|\bequation|\bso\b|\bthus\b"
    r"|therefore|square root|rearrang|combin|collect|isolat|distribut|yields?|reduces|\bthen\b|\bwhich\b|means|hence"
    r"|\bor\s*$|cancel|mov(?:e|ing)|equals?",
    re.IGNORECASE,
)
_BREAKS = re.compile(
    r"\bcases?\b|\bor\b|\beither\b|\bother\b|\bsecond\b|\banother\b|similar|likewise|\blet\b|suppose|\bif\b|\bwhen\b"
    r"|assum|\btry|instead|alternativ|\bfirst\b|\bnext,? (?:consider|find)|\bsubstitut|\bplug|\bcheck|verif|\bwhile\b"
    r"|\bwait\b|\bactually\b|\bbut\b|\bnew\b|original|\bfor\b|\bboth (?:equations|solutions|cases)|\bsystem|integer"
    r"|greatest|largest|smallest|\bless\b|\bmore\b|round|\bnumber of\b|\bassert|contradict|\bvalues?\b.{0,20}\bare\b"
    r"|\bpart\b|\bsolutions? (?:to|of)\b|\bstep \d|\bonly\b|however|\bnot\b|cannot|can't|\broots\b",
    re.IGNORECASE,
)
_REPEATS = re.compile(
    r"\s*(?:therefore|thus|hence|so|that is|i\.?e|which means that|consequently)\s*", re.IGNORECASE
)
_LISTED = re.compile(r"\s*(?:and|or)\s*$", re.IGNORECASE)
_MARKUP = re.compile(
    r"\\(?:begin|end|tag)\b\*?(?:\{[^{}]*\})?|\\(?:text\w*|q?quad)|[{}]|\\[\[\]()]|[$&\\*.,:;]+|\d+\.|\s+"
)


@dataclass(frozen=True, slots=True)
class Equation:
    """An equation in one unknown, or the definition of a quantity (`unknown` is then its text)."""

    left: Expression
    right: Expression
    unknown: str
    start: int
    end: int
    definition: bool = False

    def at(self, value: Number) -> Number:
        """Left minus right at `value` of the unknown. Raises Unreadable."""
        if self.definition:
            return evaluate(self.right, {}) - value
        values = self.values(value, {})
        return evaluate(self.left, values) - evaluate(self.right, values)

    def values(self, value: Number, known: Mapping[str, Number]) -> dict[str, Number]:
        """The values of all its letters: those `known`, `value` of the unknown, and any of those that cancel out."""
        names = free(self.left) | free(self.right)
        return {name: point(name, 0) for name in names} | dict(known) | {self.unknown: value}

    def root(self) -> Number | None:
        """The solution, if the equation is linear in its unknown; else None."""
        if self.definition:
            return evaluate(self.right, {})
        p, q, r = (point(self.unknown, k) for k in range(3))
        at_p, at_q = self.at(p), self.at(q)
        slope = (at_q - at_p) / (q - p)
        if abs(complex(slope)) < 1e-12 or not close(self.at(r), at_p + slope * (r - p)):
            return None
        return p - at_p / slope

    def shown(self) -> float:
        """The largest place value of a last digit among its decimals; 0 if it has no decimals."""
        sides = (self.left, self.right)
        return float(max((ulp(t.text) for side in sides for t in side.numbers if "." in t.text), default=0))

    def is_solution(self, value: Number, slack: float = 0.0, known: Mapping[str, Number] = {}) -> bool:
        """Whether `value`, with a relative error up to `slack`, solves it to the digits that its numbers show.

        `known`: values of its other letters.
        """
        try:
            if self.definition:
                miss, size = abs(complex(self.at(value))), abs(complex(value))
            else:
                values = self.values(value, known)
                left, right = (complex(evaluate(side, values)) for side in (self.left, self.right))
                miss, size = abs(left - right), max(abs(left), abs(right))
        except Unreadable:
            return True
        return miss <= 1e-9 * max(size, 1e-3) + 2 * self.shown() + slack * max(size, 1)


class EquationTracker:
    """Remembers the last equation, and finds whether the next one contradicts it."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.last: Equation | None = None
        self.alternative = False  # whether the last equation is one of several: x = 3 or x = -3

    def enter(self, chain: Chain, k: int) -> Equation | None:
        """Enter relation `k` of `chain`; return its equation if that contradicts the one it is derived from."""
        if chain.relations[k] != "=" or chain.modular or chain.question:
            self.last = None
            return None
        found = self.equation(chain, k)
        if found is None:
            if k == 0:
                self.last = None
            return None
        last, self.last = self.last, found
        if last is None or last.unknown != found.unknown:
            self.alternative = False
            return None
        several, self.alternative = self.alternative, self.is_listed(last, found)
        if several or self.alternative or not self.derived(last, found, chain):
            return None
        return found if contradicts(last, found) else None

    def equation(self, chain: Chain, k: int) -> Equation | None:
        left, right = chain.sides[k], chain.sides[k + 1]
        if not right.opening:
            return None
        b = right.opening[0]
        if left.inside or right.inside:
            return None  # units
        if left.ending:
            a = left.ending[0]
            found = dependence(a, b)
            if found is not None and len(found.names) == 1:
                return Equation(a, b, next(iter(found.names)), left.tail, right.head)
        if k or b.variables or SEVERAL_VALUED & b.features - {"abs"}:
            return None
        name = "".join(self.text[left.tail : left.end].split())
        if len(name) > 80 or not re.search(r"[A-Za-z]", name):
            return None
        return Equation(b, b, name, left.tail, right.head, definition=True)

    def is_listed(self, last: Equation, found: Equation) -> bool:
        return _LISTED.match(_MARKUP.sub(" ", self.text[last.end : found.start][:MAX_BETWEEN])) is not None

    def derived(self, last: Equation, found: Equation, chain: Chain) -> bool:
        between = self.text[last.end : found.start]
        if chain.link == "⟹" and len(between) < 60:
            return True
        if len(between) > MAX_BETWEEN:
            return False
        words = _MARKUP.sub(" ", between)
        if _BREAKS.search(words):
            return False
        if is_literal(last) and is_literal(found):
            return _REPEATS.fullmatch(words) is not None  # else two values, not one step
        if is_value(last) and not is_value(found):
            return False  # solved: what follows is another equation
        if not words.strip():
            return chain.link != ","  # a list
        return _DERIVES.search(words) is not None


def is_value(equation: Equation) -> bool:
    """Whether it is `x = …` without the unknown on the other side."""
    return not (equation.definition or equation.left.operations or free(equation.right))


def is_literal(equation: Equation) -> bool:
    """Whether it is `x = 3`, or `x = 2/3` in lowest terms."""
    if not equation.definition and equation.left.operations:
        return False
    right = equation.right
    if right.literal is not None:
        return True
    quotient = right.node[1] if right.node[0] == "neg" else right.node
    if len(right.numbers) != 2 or quotient[0] not in ("frac", "/") or quotient[2][0] != "num":
        return False
    top, bottom = (token.value or Fraction(0) for token in right.numbers)
    return bottom.denominator == top.denominator == 1 and bottom > 1 and math.gcd(int(top), int(bottom)) == 1


def contradicts(first: Equation, second: Equation) -> bool:
    """Whether two equations, one of them linear, have no solution in common."""
    for one, other in ((second, first), (first, second)):
        root = _try(one.root)
        if root is not None:
            return not other.is_solution(root, 2 * one.shown())
    return _try(lambda: _parallel(first, second)) is not None


def _parallel(first: Equation, second: Equation) -> Number | None:
    """The constant by which two equations differ after scaling; None if it is zero or not constant.

    Such equations (9 + b² = 25 and 9 + b² = 20) have no solution in common.
    """
    points = [point(first.unknown, k) for k in range(5)]
    one, other = [first.at(p) for p in points], [second.at(p) for p in points]
    if other[0] == other[1] or first.shown() or second.shown():
        return None
    scale = (one[0] - one[1]) / (other[0] - other[1])
    offsets = [complex(a - scale * b) for a, b in zip(one, other, strict=True)]
    size = max(abs(complex(a)) for a in one)
    if (
        scale == 0
        or abs(offsets[0]) <= 1e-9 * size
        or any(abs(c - offsets[0]) > 1e-9 * size for c in offsets)
    ):
        return None
    return offsets[0]


def _try(compute: Callable[[], Number | None]) -> Number | None:
    try:
        return compute()
    except (Unreadable, ZeroDivisionError, OverflowError):
        return None
