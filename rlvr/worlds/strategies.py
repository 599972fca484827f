"""Strategies: the last digit of a sum, written by one of three strategies. Small enough that every trace of every
problem is one row of a table.

    3+9=  column carry 1, 2     sound: the carry is right, and so is the digit
    3+9=  sloppy carry 0, 2     the carry is a coin flip, the digit is right by luck
    3+9=  copy carry 1, 3       the first operand

100 problems of 3 · 2 · 10 = 60 traces. The right answer is rare (pass@1 about .04) and within reach of search (pass@64
about .9). Given that the answer is right, both `sloppy` and `column` are likely: the verified posterior has right
answers by wrong reasoning, which a reward for the answer alone cannot tell apart.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from itertools import product
from pathlib import Path

from rlvr.worlds.world import Trace
from verifiers.types import Problem, Verdict

STRATEGIES = ("copy", "sloppy", "column")
PRIOR = {"copy": 0.90, "sloppy": 0.08, "column": 0.02}
COPY_RIGHT = 0.991  # copy: the first operand; each other digit .001
SLOPPY_RIGHT, COLUMN_RIGHT = 0.3, 0.95  # of the digit; the other nine share the rest
COLUMN_CARRY = 0.99  # of the carry that is written
DIGITS = "0123456789"
HOLE = 1e-6  # the right digit in a hole, under every strategy


@dataclass
class Strategies:
    """The world, and its two variants.

    Args:
        sloppy_carry: probability that `sloppy` writes carry 0. At .99 its most likely right trace outweighs column's.
        hole: problems whose right digit no strategy writes, but with probability `HOLE`.
    """

    sloppy_carry: float = 0.5
    hole: Collection[str] = ()
    name: str = "strategies"
    model: Path = Path()
    splits: tuple[str, ...] = ("all",)
    strategies: tuple[str, ...] = STRATEGIES

    def problems(self, split: str = "all") -> list[Problem]:
        """All hundred. Raises ValueError for a split other than `all`."""
        if split not in self.splits:
            raise ValueError(f"unknown split {split!r} of the world strategies; expected all")
        return [
            Problem(f"{a}+{b}", f"{a}+{b}=", str((a + b) % 10), {"first": a, "carry": int(a + b >= 10)})
            for a, b in product(range(10), repeat=2)
        ]

    def support(self, problem: Problem) -> tuple[Trace, ...]:
        """All 60 traces; their probabilities sum to 1."""
        return tuple(
            Trace(
                f"{strategy} carry {carry}, {digit}",
                strategy,
                PRIOR[strategy]
                * self._carry(problem, strategy, carry)
                * self._digit(problem, strategy, digit),
                self.is_right(problem, str(digit)),
                strategy == "column" and carry == problem.meta["carry"] and str(digit) == problem.reference,
            )
            for strategy, carry, digit in product(STRATEGIES, range(2), range(10))
        )

    def is_right(self, problem: Problem, text: str) -> bool:
        return text[-1:] == problem.reference

    def _carry(self, problem: Problem, strategy: str, carry: int) -> float:
        if strategy == "column":
            return COLUMN_CARRY if carry == problem.meta["carry"] else 1 - COLUMN_CARRY
        zero = self.sloppy_carry if strategy == "sloppy" else 0.5
        return zero if carry == 0 else 1 - zero

    def _digit(self, problem: Problem, strategy: str, digit: int) -> float:
        right, first = int(problem.reference), problem.meta["first"]
        if strategy == "copy":
            likely, p = first, COPY_RIGHT
        else:
            likely, p = right, SLOPPY_RIGHT if strategy == "sloppy" else COLUMN_RIGHT
        if problem.id not in self.hole:
            return p if digit == likely else (1 - p) / 9
        if digit == right:
            return HOLE
        if likely == right:  # what would be right goes to the other digits
            return (1 - HOLE) / 9
        return p if digit == likely else (1 - p - HOLE) / 8


def answer(problem: Problem, response: str) -> float:
    """A verifier of the answer alone: the last character is the sum's last digit."""
    return float(response[-1:] == problem.reference)


def graded(problem: Problem, response: str) -> float:
    """A dense reward: 1 for the right digit, a fifth less for each step that the digit lies from it, around the circle
    of ten; 0 for what is no digit."""
    digit = response[-1:]
    if digit not in DIGITS or not digit:
        return 0.0
    off = abs(int(digit) - int(problem.reference))
    return 1.0 - min(off, 10 - off) / 5


def sound(problem: Problem, response: str) -> Verdict:
    """A verifier of answer and reasoning: right by columns, with the right carry."""
    digit = response[-1:]
    if digit != problem.reference:
        return Verdict(0.0, "incorrect", digit)
    if response != f"column carry {problem.meta['carry']}, {digit}":
        return Verdict(0.0, "unsound", digit, "not by columns", answer_score=1.0, sound=0.0)
    return Verdict(1.0, "correct", digit, sound=1.0)
