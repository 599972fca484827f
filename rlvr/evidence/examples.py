"""Worked examples: given in full, or drawn from training problems; the same for every problem, or chosen for each."""

from __future__ import annotations

import math
import random
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from rlvr.config import EvidenceConfig
from rlvr.rendering import EvidenceError
from verifiers.types import Problem

WORD = re.compile(r"\w+")


@dataclass(frozen=True)
class Examples:
    """Which problems are shown with their answers.

    >>> pool = [Problem("a", "How many apples?", "1"), Problem("b", "Solve for x.", "2")]
    >>> nearest = Examples(pool, 1, "nearest")
    >>> [shot.id for shot in nearest.of(Problem("p", "How many pears and apples?", ""))]
    ['a']
    """

    pool: Sequence[Problem]
    """Each may be shown; none of them is trained on."""
    shots: int
    choice: Literal["fixed", "random", "nearest"] = "fixed"
    seed: int = 0
    _weights: list[dict[str, float]] = field(init=False, repr=False)
    _rarity: dict[str, float] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        words = [Counter(_words(problem)) for problem in self.pool] if self.choice == "nearest" else []
        holds = Counter(word for found in words for word in found)
        rarity = {word: math.log((1 + len(words)) / (1 + n)) + 1 for word, n in holds.items()}
        object.__setattr__(self, "_rarity", rarity)
        object.__setattr__(self, "_weights", [self._weighed(found) for found in words])

    @classmethod
    def drawn(cls, config: EvidenceConfig, train: Sequence[Problem]) -> Examples:
        """Raises EvidenceError: too few training problems."""
        size = config.shots if config.shots_choice == "fixed" else max(config.shots, config.shots_pool)
        if len(train) <= size:
            key = "shots" if size == config.shots else "shots_pool"
            raise EvidenceError(
                f"evidence.{key} = {size} are drawn from the training problems, and problems.train has "
                f"only {len(train)}; add problems there, or write evidence.examples."
            )
        pool = random.Random(config.shots_seed).sample(train, size)
        return cls(pool, config.shots, config.shots_choice, config.shots_seed)

    @classmethod
    def given(cls, config: EvidenceConfig) -> Examples:
        pool = [Problem(f"example-{n}", e.prompt, e.answer) for n, e in enumerate(config.examples)]
        return cls(pool, len(pool))

    def of(self, problem: Problem) -> Sequence[Problem]:
        """The examples for a problem, in the order in which they are shown: the nearest last."""
        match self.choice:
            case "fixed":
                return self.pool
            case "random":
                return random.Random(f"{self.seed}\x1f{problem.id}").sample(self.pool, self.shots)
            case "nearest":
                asked = self._weighed(Counter(_words(problem)))
                alike = [sum(asked.get(word, 0.0) * w for word, w in own.items()) for own in self._weights]
                order = sorted(range(len(self.pool)), key=lambda i: (-alike[i], i))
                return [self.pool[i] for i in reversed(order[: self.shots])]

    def _weighed(self, found: Counter[str]) -> dict[str, float]:
        """Words by how often they occur and how rare they are in the pool (tf-idf), of length 1."""
        weights = {word: n * self._rarity[word] for word, n in found.items() if word in self._rarity}
        length = math.sqrt(sum(weight * weight for weight in weights.values())) or 1.0
        return {word: weight / length for word, weight in weights.items()}


def _words(problem: Problem) -> list[str]:
    return WORD.findall(problem.prompt.casefold())
