"""Where the corners and steps of a tree are: the zeros of |x - 100| and of max(x, 3) - 3, the jumps of ⌊n/3⌋."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from fractions import Fraction
from itertools import combinations, pairwise

from verifiers.math.evaluate import Undecided, Undefined, exact, free_symbols
from verifiers.math.numeric import numeric
from verifiers.math.polynomial import fraction_of
from verifiers.math.tree import Node, num

__all__ = ["zeros"]

MAX_SEARCHES = 4
"""Trees whose changes of sign are searched for, at one letter."""
_GRID = (0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 4096, 10**5)
MAX_BRANCHES = 12
"""Ways to resolve the corners inside of a corner that are looked at."""


def zeros(
    corners: Iterable[Node], steps: Iterable[Node], name: str, others: Mapping[str, Fraction], whole: bool
) -> set[Fraction]:
    """Values of the letter `name`, a whole number or not, at corners and steps; those that are easily found.

    `others` are the values of the other letters.
    """
    found: set[Fraction] = set()
    searches = 0
    for level in _levels(corners, steps):
        if name not in free_symbols(level):
            continue
        by_algebra = [_zeros(branch, name, others) for branch in _branches(level)]
        found = found.union(*(zeros for zeros in by_algebra if zeros is not None))
        if None in by_algebra and searches < MAX_SEARCHES:
            searches += 1
            found |= set(_changes(level, name, others, whole))
    return found


def _levels(corners: Iterable[Node], steps: Iterable[Node]) -> Iterator[Node]:
    """Trees that are zero where a corner or a step is."""
    for corner in corners:
        args = corner.args[1:] if corner.op == "fn" else corner.args[:1]
        if corner.op == "fn" and corner.args[0] in ("max", "min"):
            differences = [_minus(one, two) for one, two in combinations(args[:6], 2)]
            args = tuple(differences)
        yield from args
    for step in steps:
        name, *args = step.args
        inner = [_times(args[0], Node("inv", (args[1],)))] if name == "mod" and len(args) == 2 else args
        heights = _multiples(args) if name in ("gcd", "lcm") else (-1, 0, 1, 2, 5, 100)
        for arg in inner:
            if free_symbols(arg):
                for height in heights:
                    yield _minus(arg, num(height))


def _minus(left: Node, right: Node) -> Node:
    return Node("add", (left, Node("neg", (right,))))


def _times(left: Node, right: Node) -> Node:
    return Node("mul", (left, right))


def _multiples(args: Iterable[Node]) -> list[int]:
    """Numbers that the constants among `args` have a divisor in common with."""
    found: set[int] = set()
    for arg in args:
        if arg.op == "num" and arg.args[0].denominator == 1 and 1 < abs(arg.args[0]) < 10**6:
            constant = abs(arg.args[0].numerator)
            found |= {constant, -constant} | set(_prime_factors(constant))
    return sorted(found)


def _prime_factors(value: int) -> Iterator[int]:
    divisor = 2
    while divisor * divisor <= value:
        if value % divisor == 0:
            yield divisor
            value //= divisor
        else:
            divisor += 1
    if value > 1:
        yield value


def _branches(node: Node) -> list[Node]:
    """`node` without its steps, and with every corner replaced by each of its branches, in all ways, up to a bound."""
    op, args = node
    if op == "fn" and args[0] in ("abs", "max", "min"):
        found = [branch for arg in args[1:] for branch in _branches(arg)]
        return (found + [Node("neg", (one,)) for one in found] if args[0] == "abs" else found)[:MAX_BRANCHES]
    if op in ("num", "sym"):
        return [node]
    if op == "fn" and args[0] in ("floor", "ceil"):
        return _branches(args[1])
    if op == "root" and args[1] == num(2) and args[0].op == "pow" and args[0].args[1] == num(2):
        return _branches(Node("fn", ("abs", args[0].args[0])))
    if op in ("add", "mul", "neg", "inv", "pow"):
        lists = [_branches(part) for part in args]
        combined: list[tuple[Node, ...]] = [()]
        for branches in lists:
            combined = [(*done, branch) for done in combined for branch in branches][:MAX_BRANCHES]
        return [Node(op, done) for done in combined]
    return [node]


def _zeros(tree: Node, name: str, base: Mapping[str, Fraction]) -> list[Fraction] | None:
    """Zeros of a rational function of `name`, exactly if it is linear, else nearly; None if it is none."""
    if name not in free_symbols(tree):
        return []
    try:
        top, bottom = fraction_of(
            _with(tree, {other: value for other, value in base.items() if other != name})
        )
    except (Undecided, Undefined):
        return None
    found: list[Fraction] = []
    for polynomial in (top, bottom):
        if any(letter != name for monomial in polynomial for letter, _ in monomial):
            return None  # of another letter too, which has no value here
        degree = max((dict(monomial).get(name, 0) for monomial in polynomial), default=0)
        coefficients = [
            polynomial.get(((name, power),) if power else (), Fraction(0)) for power in range(degree + 1)
        ]
        found += _roots(coefficients)
    return found


def _with(node: Node, values: Mapping[str, Fraction]) -> Node:
    if node.op == "sym":
        return num(values[node.args[0]]) if node.args[0] in values else node
    return Node(node.op, tuple(_with(part, values) if isinstance(part, Node) else part for part in node.args))


def _roots(coefficients: list[Fraction]) -> list[Fraction]:
    """Real zeros of a polynomial (constant term first) and those of its derivatives, which lie between them."""
    if len(coefficients) < 2:
        return []
    if len(coefficients) == 2:
        return [-coefficients[0] / coefficients[1]]
    between = _roots([power * value for power, value in enumerate(coefficients)][1:])
    lead = coefficients[-1]
    bound = 1 + max(abs(value / lead) for value in coefficients[:-1])
    ends = [-bound, *sorted(between), bound]
    found = list(between)
    for low, high in pairwise(ends):
        found += _bisected(coefficients, low, high)
    return sorted(found)


def _bisected(coefficients: list[Fraction], low: Fraction, high: Fraction) -> list[Fraction]:
    try:
        numbers, start, end = [float(value) for value in coefficients], float(low), float(high)
    except OverflowError:
        return []

    def at(x: float) -> float:
        total = 0.0
        for value in reversed(numbers):
            total = total * x + value
        return total

    if not at(start) * at(end) < 0:
        return []
    rising = at(end) > 0
    for _ in range(60):
        middle = (start + end) / 2
        if (at(middle) > 0) == rising:
            end = middle
        else:
            start = middle
    return [Fraction(round(start * 2**20), 2**20)] if abs(start) < 1e12 else []


def _changes(tree: Node, name: str, others: Mapping[str, Fraction], whole: bool) -> Iterator[Fraction]:
    """Where a tree changes its sign on the way from -10^5 to 10^5, as far as it can be computed there."""

    def sign(at: Fraction) -> int | None:
        point = {**others, name: at}
        try:
            found = exact(tree, point)
        except Undecided:
            try:
                found = numeric(tree, point, 15).real
            except (Undecided, Undefined):
                return None
        except Undefined:
            return None
        return (found > 0) - (found < 0)

    known = [(Fraction(at), sign(Fraction(at))) for at in sorted({*_GRID, *(-at for at in _GRID)})]
    known = [(at, found) for at, found in known if found is not None]
    for (low, below), (high, above) in pairwise(known):
        if below == above:
            continue
        while high - low > (1 if whole else Fraction(1, 2**12)):
            middle = (low + high) / 2
            if whole:
                middle = Fraction(middle.__floor__())
            found = sign(middle)
            if found is None:
                break
            low, high = (middle, high) if found == below else (low, middle)
        yield high
