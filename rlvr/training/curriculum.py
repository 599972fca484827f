"""Which problems a step trains on: uniformly, by what their pass rates promise, or in stages.

What is drawn is a function of the seed, the step and the verdicts of the steps before it, never of time, so that a
resumed run draws what the untouched one would have. Evaluations know nothing of it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from rlvr.config import ConfigError, CurriculumConfig
from rlvr.problems.rows import value_at
from verifiers import Problem

PRIOR_WEIGHT = 2.0
"""Samples that the pooled pass rate of a problem's level is worth, for a problem never drawn."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a group of samples of one problem came to."""

    problem: int
    passed: int
    judged: int


class Curriculum:
    """Draws problems, and remembers how they went (a `Stateful` part of the checkpoint).

    Args:
        levels: for each problem, the number of its level from 0, the easiest.
        seed: the run's.
        clock: says how many steps have been committed; what was observed after that is not yet state.
        part: which of several curricula of the run this is; each has random numbers of its own.
    """

    def __init__(
        self,
        config: CurriculumConfig,
        levels: Sequence[int],
        seed: int,
        clock: Callable[[], int],
        part: int = 0,
    ) -> None:
        self.config, self.seed, self.clock, self.stream = config, seed, clock, part << 40
        self.levels = np.asarray(levels)
        self.passed = np.zeros(len(levels))
        self.judged = np.zeros(len(levels))
        """Samples per problem, each step's worth `forgetting` times as much as the next one's."""
        self.stage = 0
        self.pending: list[tuple[int, Sequence[Outcome]]] = []

    def draw(self, number: int, groups: int, before: int | None = None) -> tuple[list[int], list[int]]:
        """The problems of the run's draw `number` (from 0), and those that may replace some of them.

        Args:
            before: groups of the draws before it; None: all had as many.

        Returns:
            `groups` indices, and further distinct ones in the order in which a refill takes them.
        """
        if self.config.kind == "uniform":
            before = number * groups if before is None else before
            first = draw(len(self.levels), groups, before, self.seed, self.stream)
            rest = self._random(2**63 + number)
            taken = set(first)
            return first, [i for i in rest.permutation(len(self.levels)).tolist() if i not in taken]
        self._commit(self.clock())
        weights = self._informative() if self.config.kind == "adaptive" else self._staged()
        order = weighted_order(weights, self._random(number))
        first = [order[i % len(order)] for i in range(groups)]  # where there are too few, some come twice
        return first, order[groups:]

    def _random(self, number: int) -> np.random.Generator:
        return np.random.Generator(np.random.Philox(key=[self.seed, self.stream + number]))

    def observe(self, step: int, outcomes: Sequence[Outcome]) -> None:
        """Take note of the verdicts of step number `step` (from 1), those of replaced groups included."""
        if self.config.kind != "uniform":
            self.pending.append((step, outcomes))

    def pass_rates(self) -> np.ndarray:
        """(levels,) posterior mean of each level's pass rate, one for a problem drawn at random from it."""
        passed, judged = (np.bincount(self.levels, weights=of) for of in (self.passed, self.judged))
        return (passed + 1) / (judged + 2)

    def metrics(self) -> dict[str, float]:
        """For the step's line in metrics.jsonl."""
        return {"curriculum/stage": float(self.stage)} if self.config.kind == "staged" else {}

    def state_dict(self) -> dict[str, Any]:
        self._commit(self.clock())
        known = np.flatnonzero(self.judged).tolist()
        return {
            "stage": self.stage,
            "problems": {str(i): [float(self.passed[i]), float(self.judged[i])] for i in known},
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.stage, self.pending = state["stage"], []
        self.passed[:] = self.judged[:] = 0.0
        for i, (passed, judged) in state["problems"].items():
            self.passed[int(i)], self.judged[int(i)] = passed, judged

    def _commit(self, step: int) -> None:
        """Turn what was observed up to `step` into state."""
        while self.pending and self.pending[0][0] <= step:
            _, outcomes = self.pending.pop(0)
            self.passed *= self.config.forgetting
            self.judged *= self.config.forgetting
            for outcome in outcomes:
                self.passed[outcome.problem] += outcome.passed
                self.judged[outcome.problem] += outcome.judged
            if self.config.kind == "staged":
                while self.stage < int(self.levels.max()) and self._newest_is_solved():
                    self.stage += 1

    def _newest_is_solved(self) -> bool:
        """A level of which nothing was drawn yet has a prior, and no pass rate that could add the next one."""
        judged = self.judged[self.levels == self.stage].any()
        return bool(judged) and self.pass_rates()[self.stage] >= self.config.advance_at

    def _informative(self) -> np.ndarray:
        """(problems,) expected p (1 − p) under each problem's Beta posterior, mixed with the uniform share.

        The variance of a verdict is what a group's advantages are made of: a group of G has both outcomes with
        probability 1 − p^G − (1 − p)^G, and none of it is left at p = 0 and p = 1.
        """
        prior = PRIOR_WEIGHT * self.pass_rates()[self.levels]
        a = prior + self.passed
        b = PRIOR_WEIGHT - prior + self.judged - self.passed
        signal = a * b / ((a + b) * (a + b + 1))
        share = self.config.uniform_share
        return (1 - share) * signal / signal.sum() + share / len(signal)

    def _staged(self) -> np.ndarray:
        """(problems,) half of the weight to the newest level, half to those before it, none to those to come."""
        newest, before = self.levels == self.stage, self.levels < self.stage
        weights = newest / newest.sum()
        return (weights + before / before.sum()) / 2 if before.any() else weights


def draw(n_problems: int, groups: int, before: int, seed: int, stream: int = 0) -> list[int]:
    """Indices of the problems of one step: epochs of random permutations, read on after the `before` groups of the
    steps before it.

    Steps run on across the border of two epochs; where there are fewer problems than groups, some come twice.
    """
    indices: list[int] = []
    while len(indices) < groups:
        epoch, offset = divmod(before + len(indices), n_problems)
        permutation = np.random.Generator(np.random.Philox(key=[seed, stream + epoch])).permutation(
            n_problems
        )
        indices += permutation[offset : offset + groups - len(indices)].tolist()
    return indices


def weighted_order(weights: np.ndarray, random: np.random.Generator) -> list[int]:
    """Draw without replacement until nothing of positive weight is left (Gumbel-top-k, Kool et al. 2019, arXiv
    1903.06059): the first k are k draws without replacement, for every k."""
    possible = np.flatnonzero(weights > 0)
    keys = np.log(weights[possible]) + random.gumbel(size=len(weights))[possible]
    return possible[np.argsort(-keys, kind="stable")].tolist()


def levels_of(
    problems: Sequence[Problem], column: str | None, members: Sequence[int] | None = None
) -> list[int]:
    """Each problem's level: the rank of its value in `column` of the source; all on one level without a column.

    Args:
        members: which of `problems`; None: all.

    Raises:
        ConfigError: a problem has no such column, or its values cannot be ordered.
    """
    members = range(len(problems)) if members is None else members
    if column is None:
        return [0] * len(members)
    values = [_level(problems[i], column) for i in members]
    try:
        rank = {value: i for i, value in enumerate(sorted(set(values)))}
    except TypeError:
        raise ConfigError(
            f"train.curriculum.level: the values of {column!r} cannot be ordered: {values[0]!r}, …; "
            "expected numbers, or texts that sort from easy to hard"
        ) from None
    return [rank[value] for value in values]


def _level(problem: Problem, column: str) -> Any:
    try:
        return value_at(problem.meta, column)
    except KeyError:
        raise ConfigError(
            f"train.curriculum.level: problem {problem.id} has no column {column!r}; "
            f"found {', '.join(problem.meta) or 'none'}"
        ) from None
