"""What one step samples and trains on: completions, verdicts and rewards beside TRL's tensors."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

import torch
from accelerate.utils import gather_object

from rlvr.evaluation import judged, unjudged
from rlvr.rollouts import Rollout
from rlvr.sampling import Completion
from rlvr.training.advantages import zero_variance
from rlvr.training.curriculum import Outcome
from verifiers import Problem, Verdict


@dataclass(slots=True)
class Sampled:
    """One call of the engine on this process, and what the verifiers said of it."""

    seeds: list[int]
    problems: list[Problem]
    """Of each row, as the seeds."""
    began: float = field(default_factory=time.perf_counter)
    completions: list[Completion] = field(default_factory=list)
    judging: dict[int, Future[Verdict]] = field(default_factory=dict)
    """By row: rows go to the verifiers as they end, while others are still sampled."""
    verdicts: list[Verdict] = field(default_factory=list)
    rewards: list[float] = field(default_factory=list)
    """NaN where there was no verdict."""
    seconds: dict[str, float] = field(default_factory=dict)

    def rows(
        self, drawn: Sequence[tuple[Problem, int]], policy: str, verifier: str, advantages: Sequence[float]
    ) -> list[Rollout]:
        """The rollout rows, each with its advantage.

        Args:
            drawn: problem and sample number of each row.
        """
        rows = [
            judged(unjudged(problem, sample, policy, completion, verifier, seed), verdict)
            for (problem, sample), completion, seed, verdict in zip(
                drawn, self.completions, self.seeds, self.verdicts, strict=True
            )
        ]
        for row, advantage in zip(rows, advantages, strict=True):
            row.extra["advantage"] = advantage
        return rows


def outcomes(indices: Sequence[int], verdicts: Sequence[Verdict], group_size: int) -> list[Outcome]:
    """How each group went, on all processes: `indices` are this one's problems, one per group."""
    groups = [verdicts[start : start + group_size] for start in range(0, len(verdicts), group_size)]
    return gather_object(
        [
            Outcome(index, sum(v.score == 1.0 for v in group), sum(v.score is not None for v in group))
            for index, group in zip(indices, groups, strict=True)
        ]
    )


def measure(rewards: torch.Tensor, sampled: Sampled) -> dict[str, float]:
    """Figures of a step's batch over all processes, under the names of metrics.jsonl.

    Args:
        rewards: (groups, G) of all processes, NaN where there was no verdict.
        sampled: this process's part.
    """
    completions = gather_object([(len(c.token_ids), c.complete) for c in sampled.completions])
    statuses = Counter(gather_object([v.status for v in sampled.verdicts]))
    seconds = gather_object([sampled.seconds])
    tokens = sum(length for length, _ in completions)
    sampling = max(s["sampling"] for s in seconds)
    return {
        "reward": rewards.nanmean().item(),
        "frac_zero_variance": zero_variance(rewards).float().mean().item(),
        "completion_length": tokens / len(completions),
        "truncated_share": sum(not complete for _, complete in completions) / len(completions),
        "samples": len(completions),
        "tokens": tokens,
        "tokens_per_second": tokens / sampling,
        "seconds/sampling": sampling,
        "seconds/verifying": max(s["verifying"] for s in seconds),
        **{f"status/{name}": count / len(completions) for name, count in sorted(statuses.items())},
    }


def split_groups(batch: dict[str, Any], parts: int) -> list[dict[str, Any]]:
    """Cut a batch of rows into `parts` of neighbouring rows, so that groups stay whole.

    Entries that are not per row (a token count) go to every part.
    """
    rows = batch["completion_ids"].shape[0]

    def part(value: Any, index: int) -> Any:
        return value.chunk(parts)[index] if per_row(value, rows) else value

    return [{key: part(value, index) for key, value in batch.items()} for index in range(parts)]


def per_row(value: Any, rows: int) -> bool:
    """The entry of a batch has one line per row."""
    return isinstance(value, torch.Tensor) and value.dim() > 0 and value.shape[0] == rows
