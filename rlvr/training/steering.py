"""Evidence that only training prompts have, and that goes away: worked examples or hints whose probability falls to 0
over the steps (CBRL, arXiv 2603.18953), or that a group gets only where it has no success (Scaf-GRPO). Held-out
problems are always asked without it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rlvr.config import Config, SteeringConfig
from rlvr.evidence import Evidence
from rlvr.sampling.driver import row_seed


@dataclass(frozen=True)
class Steering:
    config: SteeringConfig
    evidence: Evidence
    seed: int
    """The run's."""

    @classmethod
    def of(cls, config: Config, evidence: Evidence | None) -> Steering | None:
        """None where `train.evidence` is not given."""
        steering = config.train.evidence
        if steering is None:
            return None
        assert evidence, "train.evidence was not built"
        return cls(steering, evidence, config.seed)

    def probability(self, step: int) -> float:
        """Of a group of `step` (from 1): `start` at the first, 0 after `until` steps, on a line between."""
        if self.config.until is None:
            return self.config.start
        return self.config.start * max(0.0, 1 - (step - 1) / self.config.until)

    def at_first(self, step: int, places: Sequence[int]) -> set[int]:
        """The groups that are drawn with it from the start."""
        return self.chosen(step, places) if self.config.only == "always" else set()

    def chosen(self, step: int, places: Sequence[int]) -> set[int]:
        """The groups of a step that get the evidence, by place: a function of the seed, step and place alone."""
        share = self.probability(step)
        return {
            place
            for place in places
            if row_seed(self.seed, f"steering-{step}-{place}", "", 0) < share * 2**63
        }
