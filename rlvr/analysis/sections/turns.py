"""pass@(k, T): k episodes of up to T attempts each, where a policy is told what was wrong and may try again."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from typing_extensions import TypedDict

from rlvr.analysis.bootstrap import ClusterBootstrap
from rlvr.analysis.estimate import EstimateJson
from rlvr.analysis.pair import powers_of_two, usual_n
from rlvr.analysis.sections.summary import pass_at_k_estimates

Attempts = Sequence[Sequence[bool]]
"""Of one problem: for each episode, which of its attempts were solved."""


class OfTurn(TypedDict):
    """Every episode as if it had ended at this attempt, or at its last one before it."""

    attempts: int
    """T, from 1."""
    reached: float
    """Share of the episodes that have a T-th attempt."""
    pass_at_k: dict[str, EstimateJson]


def turns(problems: Sequence[Attempts], replicates: int, seed: int) -> list[OfTurn]:
    """One entry for each T up to the longest episode; intervals by cluster bootstrap over problems."""
    n = np.array([len(episodes) for episodes in problems])
    longest = max((len(attempts) for episodes in problems for attempts in episodes), default=0)
    ks, boot = powers_of_two(usual_n(n)), ClusterBootstrap(len(problems), replicates, seed)
    found: list[OfTurn] = []
    for attempts in range(1, longest + 1):
        c = np.array([sum(done[min(attempts, len(done)) - 1] for done in episodes) for episodes in problems])
        there = sum(len(done) >= attempts for episodes in problems for done in episodes)
        curve = pass_at_k_estimates(n, c, ks, boot)
        found.append({"attempts": attempts, "reached": there / int(n.sum()), "pass_at_k": curve})
    return found
