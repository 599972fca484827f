"""The values that a trace states for its letters: a linear equation that they do not solve is false.

Wherever the equation is: a step from it to the value need not be one that `equations` recognises. Only letters with one
stated value count, because a letter with several belongs to cases, trials or a sequence of problems.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from verifiers.reasoning.algebra import Dependence, dependence, free
from verifiers.reasoning.equations import Equation
from verifiers.reasoning.statements import Chain, Side
from verifiers.reasoning.tree import Expression, Unreadable
from verifiers.reasoning.values import Number, close, evaluate

__all__ = ["Solutions"]

_SEVERAL = re.compile(r"\bcases?\b|\beither\b|\bsuppose|\bassum|contradict|intercept", re.IGNORECASE)
"""Matches texts in which one letter may have another value than the one that is stated."""


@dataclass(slots=True)
class Solutions:
    """Stated values and linear equations of one trace."""

    text: str
    values: dict[str, list[Number]] = field(default_factory=dict)
    equations: list[tuple[Dependence, Equation]] = field(default_factory=list)
    shown: dict[str, float] = field(default_factory=dict)
    """Place value of the last digit of each stated value that is a decimal."""
    unclear: set[str] = field(default_factory=set)
    """Letters with a value in words."""

    def enter(self, chain: Chain, k: int) -> None:
        """Enter relation `k` of `chain`: as a value if it is `x = 3`, as an equation if it is linear."""
        left, right = chain.sides[k], chain.sides[k + 1]
        if chain.relations[k] != "=" or chain.modular or chain.question:
            return
        if not left.ending or not right.opening or left.inside or left.trailing:
            return
        a, b = left.ending[0], right.opening[0]
        lone: str = a.node[1] if a.node[0] == "var" else ""
        if right.within or (right.after and not _names_another(right, lone)) or "pm" in b.features:
            if lone:
                self.unclear.add(lone)  # x = 3 or …, x = 3 hours
            return
        found = dependence(a, b)
        if found is None or not found.names:
            return
        if found.names == {lone} and not free(b):
            self.values.setdefault(lone, []).append(evaluate(b, {}))
            shown = Equation(a, b, lone, left.tail, right.head).shown()
            self.shown[lone] = max(shown, self.shown.get(lone, 0.0))
        elif len(found.names) == 1 or not _is_graph(a, b):
            equation = Equation(a, b, next(iter(found.names)), left.tail, right.head)
            self.equations.append((found, equation))

    def contradicted(self) -> list[Equation]:
        """The linear equations that the stated values do not solve."""
        known = {
            name: each[0]
            for name, each in self.values.items()
            if name not in self.unclear and all(close(x, each[0]) for x in each)
        }
        several = _SEVERAL.search(self.text) is not None
        return [
            equation
            for found, equation in self.equations
            if found.linear
            and found.names <= known.keys()
            and not (several and len(found.names) > 1)
            and not _solves(equation, known, max(map(self.shown.__getitem__, found.names)))
        ]


def _names_another(right: Side, name: str) -> bool:
    """Whether a value is followed by that of another letter: x = 4 and y = 3."""
    if right.after != ["and"] or not right.ending:
        return False
    other = right.ending[0].node
    return other[0] == "var" and other[1] != name


def _is_graph(a: Expression, b: Expression) -> bool:
    """Whether an equation describes a line (y = 2x + 1), on which x and y have many values."""
    return free(a) | free(b) == {"x", "y"} and "var" in (a.node[0], b.node[0])


def _solves(equation: Equation, known: dict[str, Number], shown: float) -> bool:
    try:
        return equation.is_solution(known[equation.unknown], 2 * max(shown, equation.shown()), known)
    except Unreadable:
        return True
