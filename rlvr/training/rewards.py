"""Verdict → reward: further terms, shaping, and the controls that know nothing of the verdict. The analysis reads
verdicts only."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Self

from rlvr.config import Config, TrainConfig
from rlvr.rollouts.types import Episode
from rlvr.sampling.driver import row_seed
from verifiers import Verdict
from verifiers.pool import VerifierPool


@dataclass(frozen=True, slots=True)
class RewardTerms:
    """The verifiers of `train.rewards`, each in a pool of its own, by the term's name."""

    pools: dict[str, VerifierPool]

    @classmethod
    def of(cls, config: Config) -> Self:
        """No worker starts before it is needed."""
        limits = config.verification
        return cls(
            {
                term.name: VerifierPool(
                    term.verifier,
                    config.marks_option | term.verifier_options,
                    workers=limits.workers or None,
                    deadline=limits.deadline,
                    memory_mb=limits.memory_mb,
                )
                for term in config.train.rewards
            }
        )

    def submit(self, episode: Episode) -> dict[str, Future[Verdict]]:
        """What each term will say of the episode."""
        return {name: pool.submit(episode.problem, episode.trace) for name, pool in self.pools.items()}

    def close(self) -> None:
        for pool in self.pools.values():
            pool.close()


def reward(
    train: TrainConfig, verdict: Verdict, episode: Episode, terms: Mapping[str, Verdict] | None = None
) -> float:
    """What one sample is reinforced with; NaN where a verdict, or a term of `train.rewards`, is asked for and there is
    none. A score between 0 and 1 is rewarded as it is; rejection sampling and the teacher of `distill` are
    accepted where they are solved.

    `reward: random` takes its coin from the sample's seed (spurious rewards, Shao et al. 2025, arXiv 2506.10947),
    independent of the numbers that it was sampled with.
    """
    match train.reward:
        case "verdict":
            score = verdict.solved if train.imitates else verdict.score
            earned = float("nan") if score is None else float(score)
        case "random":
            earned = float(row_seed(episode.seed, "reward", "", 0) < train.random_rate * 2**63)
        case "format":
            earned = float(verdict.answer is not None)
    for term in train.rewards:
        score = (terms or {})[term.name].score
        earned += term.weight * (float("nan") if score is None else score)
    overlong = train.shaping.overlong * (not episode.complete)
    return earned - overlong - train.shaping.per_token * episode.tokens
