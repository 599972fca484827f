"""How many groups of a step are of which source, and which of its problems: each source has a curriculum of its own.

The numbers follow the weights by systematic rounding: in every step each source has its share of the groups, rounded
down or up, and over the steps the rounding evens out. What is drawn is a function of the seed, the step and the
verdicts of the steps before it, as `curriculum` says.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Self

import numpy as np

from rlvr.config import Config, ConfigError, SourceConfig, each
from rlvr.source_verifiers import name_of
from rlvr.training.curriculum import Curriculum, Outcome, levels_of
from verifiers import Problem

GOLDEN = (5**0.5 - 1) / 2
"""Multiples of it spread most evenly over [0, 1), modulo 1 (Weyl's sequence)."""


class SourceMix:
    """Draws each step's problems from all sources (a `Stateful` part of the checkpoint).

    Args:
        curricula: by source, over its problems alone.
        members: by source, where its problems are among all training problems, in order.
        weights: by source; relative.
        seed: the run's.
    """

    def __init__(
        self,
        curricula: Mapping[str, Curriculum],
        members: Mapping[str, Sequence[int]],
        weights: Mapping[str, float],
        seed: int,
    ) -> None:
        self.curricula, self.members, self.seed = curricula, members, seed
        self.shares = np.array([weights[name] for name in curricula]) / sum(weights.values())

    @classmethod
    def of(cls, config: Config, problems: Sequence[Problem], clock: Callable[[], int]) -> Self:
        """The sources of `problems.train`, mixed by their weights, or else by their numbers of problems.

        Args:
            problems: all of them that are trained on.
            clock: as of `Curriculum`.

        Raises:
            ConfigError: a source has no problem left, or lacks the column that orders its problems.
        """
        sources = each(config.problems.train)
        members = members_of(problems, list(map(name_of, sources)))
        column = config.train.curriculum.level
        curricula = {
            name: Curriculum(
                config.train.curriculum, levels_of(problems, column, own), config.seed, clock, part
            )
            for part, (name, own) in enumerate(members.items())
        }
        weights = {
            name: weight_of(source, len(own))
            for source, (name, own) in zip(sources, members.items(), strict=True)
        }
        return cls(curricula, members, weights, config.seed)

    def draw(self, number: int, groups: int) -> tuple[list[int], list[Iterator[int]]]:
        """The problems of the run's draw `number` (from 0).

        Returns:
            `groups` indices; and for each of them where its replacements come from: further problems of its source, in
            the order in which a refill takes them.
        """
        counts = rounded(self.shares, groups, np.arange(number + 1), self.seed)
        first, spares = list[Iterator[int]](), list[Iterator[int]]()
        for part, (name, curriculum) in enumerate(self.curricula.items()):
            drawn, rest = curriculum.draw(number, int(counts[-1, part]), int(counts[:-1, part].sum()))
            own = self.members[name]
            first.append(iter([own[i] for i in drawn]))
            spares.append(iter([own[i] for i in rest]))
        places = np.repeat(
            np.arange(len(first)), counts[-1]
        )  # shuffled: else a process would have a whole source
        np.random.Generator(np.random.Philox(key=[self.seed, 2**62 + number])).shuffle(places)
        return [next(first[part]) for part in places], [spares[part] for part in places]

    def observe(self, step: int, outcomes: Sequence[Outcome]) -> None:
        """Take note of the verdicts of step number `step` (from 1), those of replaced groups included."""
        for name, curriculum in self.curricula.items():
            own = self.members[name]
            places = ((bisect_left(own, o.problem), o) for o in outcomes)
            curriculum.observe(
                step,
                [Outcome(i, o.passed, o.judged) for i, o in places if i < len(own) and own[i] == o.problem],
            )

    def metrics(self) -> dict[str, float]:
        """For the step's line in metrics.jsonl."""
        if len(self.curricula) == 1:
            (only,) = self.curricula.values()
            return only.metrics()
        return {f"{key}/{name}": v for name, c in self.curricula.items() for key, v in c.metrics().items()}

    def state_dict(self) -> dict[str, Any]:
        if len(self.curricula) == 1:
            (only,) = self.curricula.values()
            return only.state_dict()
        return {"sources": {name: curriculum.state_dict() for name, curriculum in self.curricula.items()}}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        states = state.get("sources") or dict.fromkeys(self.curricula, state)
        for name, curriculum in self.curricula.items():
            curriculum.load_state_dict(states[name])


def rounded(shares: np.ndarray, groups: int, steps: np.ndarray, seed: int) -> np.ndarray:
    """(steps, sources) whole numbers of groups, `groups` in each row, each its share rounded down or up.

    The sources' shares lie one after the other on [0, 1), and `groups` points of even distance are put there: those in
    a source's part are its groups (systematic sampling). Where the first point lies moves from step to step by
    Weyl's sequence, so that sums over the steps stay close to the shares too.
    """
    start = np.random.Generator(np.random.Philox(key=[seed, 2**62 - 1])).random()
    first = np.modf(start + steps * GOLDEN)[0]
    ends = np.round(np.cumsum(shares) * groups, 9)  # 0.7 + 0.3 is 1
    ends[-1] = groups
    below = np.ceil(ends[None, :] - first[:, None])  # points below each end
    return np.diff(below, axis=1, prepend=0).astype(int)


def members_of(problems: Sequence[Problem], names: Sequence[str]) -> dict[str, Sequence[int]]:
    """Where the problems of each source are, by the sources' names in the order of the config.

    Raises:
        ConfigError: a source has none left.
    """
    if len(names) == 1:
        return {names[0]: range(len(problems))}
    found: dict[str, array[int]] = {name: array("L") for name in names}
    for index, problem in enumerate(problems):
        found[problem.source].append(index)
    if missing := [name for name, members in found.items() if not members]:
        raise ConfigError(
            f"problems.train: none of the problems of {missing[0]} is left to train on: all are shown as examples "
            "(evidence.shots), or do not fit the model's context. Leave the source out, or give it more"
        )
    return dict(found)


def weight_of(source: SourceConfig, problems: int) -> float:
    """Of a training source with so many problems."""
    return float(problems) if source.weight is None else source.weight
