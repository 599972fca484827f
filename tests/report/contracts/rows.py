"""A rollout file as plain lists, and the kinds of result that a contract may give."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from statistics import mean, stdev
from typing import Any

Row = dict[str, Any]
Number = float | None


@dataclass(frozen=True)
class Policy:
    """One file: the rows of each problem, in the order of the problems' first rows."""

    name: str
    problems: dict[str, list[Row]]

    @classmethod
    def read(cls, path: Path, name: str) -> Policy:
        """`name`: what the report calls the policy that drew the file; its log-probabilities are under that too."""
        problems: dict[str, list[Row]] = {}
        for line in path.read_text().splitlines():
            row = json.loads(line)
            held = row.get("logprobs") or {}
            row["logprobs"] = {name if p == row["policy"] else p: x for p, x in held.items()}
            problems.setdefault(row["problem_id"], []).append(row)
        return cls(name, problems)

    def of(self, ids: Sequence[str]) -> Policy:
        return Policy(self.name, {i: self.problems[i] for i in ids})

    @cached_property
    def rows(self) -> list[Row]:
        return [row for rows in self.problems.values() for row in rows]

    @cached_property
    def judged(self) -> list[list[Row]]:
        """Of each problem, the rows with a verdict."""
        return [[row for row in rows if row["score"] is not None] for rows in self.problems.values()]

    @cached_property
    def unjudged(self) -> list[int]:
        return [sum(row["score"] is None for row in rows) for rows in self.problems.values()]

    @cached_property
    def n(self) -> list[int]:
        return [len(rows) for rows in self.judged]

    @cached_property
    def c(self) -> list[int]:
        return [sum(map(solved, rows)) for rows in self.judged]

    @property
    def counts(self) -> list[tuple[int, int]]:
        return list(zip(self.n, self.c, strict=True))

    @property
    def usual(self) -> int:
        """The smallest number of samples above half the median: how deep the curves go."""
        some = sorted(n for n in self.n if n > 0)
        middle = (some[(len(some) - 1) // 2] + some[len(some) // 2]) / 2
        return min(n for n in some if n >= middle / 2)

    @property
    def ks(self) -> list[int]:
        return powers(self.usual)


def solved(row: Row) -> bool:
    return row["score"] == 1.0


def answered(row: Row) -> bool:
    """The answer is right, whatever the reasoning."""
    return row["answer_score"] == 1.0


def powers(top: int) -> list[int]:
    """1, 2, 4, … and the largest."""
    return sorted({top, *(2**i for i in range(20) if 2**i <= top)})


@dataclass(frozen=True)
class Mean:
    """The mean over problems; None where a problem has no value. Its standard error is that of new problems."""

    values: Sequence[Number]
    more: dict[str, Any] = field(default_factory=dict)
    """Further keys of the estimate → what they should be."""

    @property
    def known(self) -> list[float]:
        return [float(value) for value in self.values if value is not None]

    @property
    def value(self) -> Number:
        return mean(self.known) if self.known else None

    @property
    def se(self) -> Number:
        return stdev(self.known) / math.sqrt(len(self.known)) if len(self.known) > 1 else None

    @property
    def used(self) -> int:
        return len(self.known)

    @property
    def excluded(self) -> int:
        return len(self.values) - len(self.known)


@dataclass(frozen=True)
class Ratio:
    """Sum over sum; the standard error is found by leaving out one problem at a time (jackknife)."""

    tops: Sequence[Number]
    bottoms: Sequence[Number]
    more: dict[str, Any] = field(default_factory=dict)
    of: Callable[[float, float], float] = lambda top, bottom: top / bottom

    @property
    def pairs(self) -> list[tuple[float, float]]:
        return [
            (t, b) for t, b in zip(self.tops, self.bottoms, strict=True) if t is not None and b is not None
        ]

    @property
    def sums(self) -> tuple[float, float]:
        return sum(t for t, _ in self.pairs), sum(b for _, b in self.pairs)

    @property
    def value(self) -> Number:
        return self.of(*self.sums) if self.sums[1] else None

    @property
    def se(self) -> Number:
        top, bottom = self.sums
        if not self.pairs or any(bottom == b for _, b in self.pairs):
            return None
        left = [self.of(top - t, bottom - b) for t, b in self.pairs]
        m = len(left)
        return math.sqrt((m - 1) / m * sum((x - mean(left)) ** 2 for x in left))

    @property
    def used(self) -> int:
        return len(self.pairs)

    @property
    def excluded(self) -> int:
        return len(self.tops) - len(self.pairs)


@dataclass(frozen=True)
class Estimate:
    """A figure with an interval that is neither: what its keys should be. Keys that are not named are not compared."""

    keys: dict[str, Any]


@dataclass(frozen=True)
class Near:
    """A number that this project finds by drawing at random, or by an iteration: equal up to so much."""

    value: float
    within: float


@dataclass(frozen=True)
class Holds:
    """A statement about the figure, where there is no one value."""

    true: Callable[[Any], bool]


def change(before: Sequence[Number], after: Sequence[Number], more: dict[str, Any] | None = None) -> Mean:
    """after - before, paired; `base` and `tuned` are the means of the two over the problems where both are known."""
    both = [(a, b) for a, b in zip(before, after, strict=True) if a is not None and b is not None]
    ends = {
        "base": mean(float(a) for a, _ in both) if both else None,
        "tuned": mean(float(b) for _, b in both) if both else None,
    }
    return Mean(difference(before, after), ends | (more or {}))


def difference(before: Sequence[Number], after: Sequence[Number]) -> list[Number]:
    """after - before where both are known."""
    return [None if a is None or b is None else b - a for a, b in zip(before, after, strict=True)]
