"""Where an identity is tested: which letters are whole numbers, where trees have corners and steps, and the points.

Away from corners and steps four random points tell two expressions apart (Schwartz 1980). Where there is |x - 100|,
max(a, b), √(x²) or ⌊n/3⌋, both sides of every corner are visited, and the letters grow large with both signs.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import islice, pairwise

from verifiers.latex import word_set
from verifiers.math.corners import zeros
from verifiers.math.evaluate import Undecided, Undefined, exact, free_symbols
from verifiers.math.tree import Node

__all__ = ["Domain", "Point", "domain", "points"]

TRIES = 14
"""Random points that are tried, where there are no corners and steps."""
MAX_CORNERS = 12
"""Corners, and steps, that are looked at."""
MAX_VALUES = 90
"""Values that one letter takes, corners and steps in sight."""
MAX_NATURAL = 320
"""Largest n of n!, of which the digits are still computed."""
_INDICES = word_set("n k m j")
"""Letters that are whole numbers where the form of an expression asks for it; others if the problem says so."""
_TRIGONOMETRIC = word_set("sin cos tan cot sec csc")
_TENTHS = (-3377, -411, -123, -77, -44, -23, -12, -4, 0, 3, 10, 19, 31, 53, 86, 142, 770, 10030)
_REAL = tuple(Fraction(tenths, 10) for tenths in _TENTHS)
_WHOLE = (*range(1, 25), 30, 47, 64, 99, 150, 300, -1, -2, -3, -4, -5, -7, -12, 0, 360, 1001, 2310, -360)

_WITHIN = (Fraction(2, 7), Fraction(3, 5))
"""Where between two corners."""

Point = dict[str, Fraction]


@dataclass(frozen=True, slots=True)
class Domain:
    """What the letters of two trees stand for."""

    names: tuple[str, ...]
    natural: frozenset[str]
    """Whole numbers from one up: n in n!, in a binomial, as the bound of a sum, as an index."""
    whole: frozenset[str]
    """Whole numbers of both signs: n in (-1)^n or ⌊n/2⌋."""
    periodic: frozenset[str]
    """Letters that may be whole, as far as the two trees tell: n in cos(πn)."""
    corners: tuple[Node, ...]
    steps: tuple[Node, ...]

    @property
    def smooth(self) -> bool:
        return not self.corners and not self.steps

    @property
    def signed(self) -> bool:
        """Whether whole numbers may be negative, which has no agreed meaning for divisors."""
        return not any(step.args[0] in ("gcd", "lcm") for step in self.steps)

    @property
    def continuous(self) -> bool:
        """Whether all letters are real numbers."""
        return not self.natural and not self.whole


class _Survey:
    """What one pass over a tree finds."""

    def __init__(self, tree: Node) -> None:
        self.names = free_symbols(tree)
        self.natural: set[str] = set()
        self.counted: set[str] = set()
        self.whole: set[str] = set()
        self.stepped: set[str] = set()
        self.periodic: set[str] = set()
        self.corners: list[Node] = []
        self.steps: list[Node] = []
        self.visit(tree)

    def visit(self, node: Node) -> None:
        op, args = node
        if op in ("num", "sym"):
            return
        if op in ("fact", "fact2", "binom") or (op == "call" and args[0].endswith("_")):
            self.natural |= free_symbols(node)
        elif op in ("sum", "prod"):
            self.counted |= free_symbols(args[1]) | free_symbols(args[2])
        elif op == "pow":
            self.power(node)
        elif op == "root":
            if _even(args[1]) and _folds(args[0]):
                self.corners.append(node)
        elif op == "fn":
            self.function(args[0], node)
        inner = args[1:] if op in ("sum", "prod", "int", "lim") else args
        for part in inner:
            if isinstance(part, Node):
                self.visit(part)

    def power(self, node: Node) -> None:
        base, exponent = node.args
        letters = free_symbols(exponent)
        if letters and not free_symbols(base):
            if base.op == "neg" or (base.op == "num" and base.args[0] < 0):
                self.whole |= letters
            elif base == Node("sym", ("i",)) or ("'π'" in repr(exponent) and "'i'" in repr(exponent)):
                self.periodic |= letters
        elif not letters and not _whole_number(exponent) and _even(Node("inv", (exponent,))) and _folds(base):
            self.corners.append(node)

    def function(self, name: str, node: Node) -> None:
        letters = free_symbols(node)
        if not letters:
            return
        if name in _TRIGONOMETRIC:
            if "'π'" in repr(node):
                self.periodic |= letters
        elif name in ("abs", "sgn", "max", "min"):
            self.corners.append(node)
        elif name in ("floor", "ceil", "mod"):
            self.steps.append(node)
            if name == "mod" or any(map(_fractional, node.args[1:])):
                self.stepped |= letters
        elif name in ("gcd", "lcm"):
            self.steps.append(node)
            self.whole |= letters
        elif name.startswith("arc") and _has_trigonometry(node.args[1]):
            self.corners.append(node)


def _whole_number(node: Node) -> bool:
    return node.op == "num" and node.args[0].denominator == 1


def _even(index: Node) -> bool:
    try:
        return exact(index, {}) % 2 == 0
    except (Undecided, Undefined):
        return True


def _folds(radicand: Node) -> bool:
    """Whether a square root may be an absolute value: that of a power, a product or a sum, not that of x or x + 1."""
    if not free_symbols(radicand):
        return False
    if radicand.op in ("sym", "num"):
        return False
    if radicand.op in ("add", "neg"):
        return any(_folds(part) for part in radicand.args)
    return (
        radicand.op != "mul"
        or sum(bool(free_symbols(part)) for part in radicand.args) > 1
        or any(part.op not in ("sym", "num") and _folds(part) for part in radicand.args)
    )


def _fractional(node: Node) -> bool:
    """Whether a tree may have other than whole values at whole numbers."""
    if node.op == "num":
        return node.args[0].denominator != 1
    if node.op == "sym":
        return node.args[0] in ("π", "e")
    return node.op not in ("add", "mul", "neg", "pow") or any(map(_fractional, node.args))


def _has_trigonometry(node: Node) -> bool:
    return (node.op == "fn" and node.args[0] in _TRIGONOMETRIC) or any(
        _has_trigonometry(part) for part in node.args if isinstance(part, Node)
    )


def domain(left: Node, right: Node, said: frozenset[str] = frozenset()) -> Domain:
    """What the letters stand for; `said` are those that the problem calls whole numbers."""
    ours, theirs = _Survey(left), _Survey(right)
    names = ours.names | theirs.names
    shared = ours.names & theirs.names
    indices = (_INDICES | said) & names
    natural = ((ours.natural | theirs.natural) & indices) | (ours.natural & theirs.natural)
    natural |= (ours.counted | theirs.counted) & names
    alternating = ((ours.whole | theirs.whole) & indices) | (ours.whole & theirs.whole)
    whole = (alternating | ((ours.stepped | theirs.stepped) & indices)) - natural
    periodic = ((ours.periodic | theirs.periodic) & indices & shared) - natural - whole
    return Domain(
        tuple(sorted(names)),
        frozenset(natural),
        frozenset(whole),
        frozenset(periodic),
        tuple((ours.corners + theirs.corners)[:MAX_CORNERS]),
        tuple((ours.steps + theirs.steps)[:MAX_CORNERS]),
    )


# --- points -----------------------------------------------------------------------------------------------


def points(where: Domain) -> Iterator[Point]:
    """The points at which an identity is tested, the same for every call."""
    yield from _random(where, TRIES)
    if where.smooth:
        return
    bases = list(islice(_random(where, 3), 1, 3))
    if len(where.names) > 1:
        bases.append({name: value * 31 for name, value in bases[0].items()})
    for base in bases:
        for name in where.names:
            for value in _values(where, name, base):
                yield {**base, name: value}
    for turn, base in enumerate(_random(where, 12)):
        scale = (1, 7, 60, 500)[turn % 4]
        yield {
            name: value
            if name in where.natural
            else scale * value
            if name in where.whole and not where.signed
            else (-1) ** ((turn >> place) & 1) * scale * value
            for place, (name, value) in enumerate(base.items())
        }


def _random(where: Domain, tries: int) -> Iterator[Point]:
    """Pseudo-random points: positive first, then of both signs, then small."""
    state = 0x9E3779B9
    alone = len(where.names) == 1
    for turn in range(tries):
        point: Point = {}
        for place, name in enumerate(where.names):
            state = (state * 6364136223846793005 + 1442695040888963407 + place) % 2**64
            draw = state >> 33
            if name in where.natural or name in where.whole:
                point[name] = Fraction(2 + (turn if alone else (draw + turn) % 9 + turn // 3))
            else:
                sign = (
                    -1 if (turn % 4 == 2 and (draw >> 12) % 3 != 0) or (turn % 4 == 3 and place == 0) else 1
                )
                point[name] = sign * Fraction(draw % 2017 + 223, 3671 if turn % 4 == 1 else 811)
        yield point


def _values(where: Domain, name: str, base: Point) -> Iterable[Fraction]:
    """Values of one letter, the others as in `base`: on both sides of every corner, at steps, and far away."""
    whole = name in where.natural or name in where.whole
    found = sorted(zeros(where.corners, where.steps, name, base, whole))[:MAX_VALUES]
    if whole:
        between = [(low + high) / 2 for low, high in pairwise(found)] + [
            2 * value + 9 for value in found[-1:]
        ]
        near = {Fraction(math.floor(value) + step) for value in found + between for step in (-1, 0, 1)}
        kept = {*map(Fraction, _WHOLE), *near}
        high = MAX_NATURAL if name in where.natural else 10**9
        low = -high if name in where.whole and where.signed else 1
        return sorted(value for value in kept if low <= value <= high)
    out = list(_REAL)
    if found:
        width = found[-1] - found[0] + 1
        ends = [
            found[0] - 2 * width,
            found[0] - width / 7,
            *found,
            found[-1] + width / 9,
            found[-1] + 3 * width,
        ]
        out += ends
        out += [low + (high - low) * part for low, high in pairwise(ends) for part in _WITHIN]
    return out
