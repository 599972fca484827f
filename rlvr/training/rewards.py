"""Verdict → reward: shaping, and the controls that know nothing of the verdict. The analysis reads verdicts only."""

from __future__ import annotations

from rlvr.config import TrainConfig
from rlvr.rollouts.types import Episode
from rlvr.sampling.driver import row_seed
from verifiers import Verdict


def reward(train: TrainConfig, verdict: Verdict, episode: Episode) -> float:
    """What one sample is reinforced with; NaN where a verdict is asked for and there is none.

    `reward: random` takes its coin from the sample's seed (spurious rewards, Shao et al. 2025, arXiv 2506.10947),
    independent of the numbers that it was sampled with.
    """
    match train.reward:
        case "verdict":
            earned = float("nan") if verdict.score is None else verdict.score
        case "random":
            earned = float(row_seed(episode.seed, "reward", "", 0) < train.random_rate * 2**63)
        case "format":
            earned = float(verdict.answer is not None)
    overlong = train.shaping.overlong * (not episode.complete)
    return earned - overlong - train.shaping.per_token * episode.tokens
