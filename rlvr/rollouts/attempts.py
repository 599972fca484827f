"""Episodes in which each turn of the policy is an attempt: which of them were solved."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

from rlvr.rollouts.rows import Rollout, read


def solved_attempts(file: Path, pass_mark: float = 1.0) -> list[list[list[bool]]]:
    """By problem and episode, in the file's order; empty where no episode has several attempts. Episodes that could not
    be judged are left out, as the samples of all other figures."""
    found: dict[str, list[list[bool]]] = defaultdict(list)
    for row in read(file):
        if row.score is not None:
            found[row.problem_id].append([score >= pass_mark for score in _scores(row)])
    several = any(len(attempts) > 1 for episodes in found.values() for attempts in episodes)
    return list(found.values()) if several else []


def _scores(row: Rollout) -> list[float]:
    """Of each attempt; where turns have none, the episode is one attempt."""
    scores = [turn["score"] for turn in row.turns or () if turn.get("score") is not None]  # type: ignore[typeddict-item]
    assert row.score is not None
    return [*(score for score in scores if score is not None)] or [row.score]
