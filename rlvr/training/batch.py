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

from rlvr.config import TrainConfig
from rlvr.evaluation import judged, unjudged
from rlvr.launch import signals
from rlvr.launch.processes import independently
from rlvr.rollouts import Rollout
from rlvr.sampling import Completion
from rlvr.training.advantages import zero_variance
from rlvr.training.curriculum import Outcome
from rlvr.training.rewards import reward
from verifiers import Verdict

PER_ROW = ("inputs", "seeds", "completions", "verdicts", "rewards")


@dataclass(slots=True)
class Sampled:
    """Whole groups of rows of this process: what was drawn, and what the verifiers said of it."""

    inputs: list[dict[str, Any]]
    """What each row is a sample of: its `problem`, that one's `index` among the training problems, its `place` in
    the step, the number of the `sample`."""
    seeds: list[int]
    began: float = field(default_factory=time.perf_counter)
    completions: list[Completion] = field(default_factory=list)
    judging: dict[int, Future[Verdict]] = field(default_factory=dict)
    """By row: rows go to the verifiers as they end, while others are still sampled."""
    verdicts: list[Verdict] = field(default_factory=list)
    rewards: list[float] = field(default_factory=list)
    """NaN where there was no verdict."""
    seconds: dict[str, float] = field(default_factory=dict)

    def drawn(self, completions: list[Completion]) -> None:
        """The engine has ended."""
        self.completions = completions
        self.seconds["sampling"] = time.perf_counter() - self.began

    def settle(self, train: TrainConfig) -> None:
        """Wait for the verdicts that are still out, and make rewards of all of them."""
        start = time.perf_counter()
        with independently():
            self.verdicts = [signals.result(self.judging[row]) for row in range(len(self.completions))]
        self.seconds["verifying"] = time.perf_counter() - start
        self.rewards = [
            reward(train, *row) for row in zip(self.verdicts, self.completions, self.seeds, strict=True)
        ]

    def swap(self, group: int, other: Sampled, others: int, size: int) -> None:
        """Exchange one group of `size` rows for group number `others` of `other`. Both are settled."""
        mine = slice(group * size, (group + 1) * size)
        theirs = slice(others * size, (others + 1) * size)
        for name in PER_ROW:
            a, b = getattr(self, name), getattr(other, name)
            a[mine], b[theirs] = b[theirs], a[mine]

    def joined(self, others: Sequence[Sampled]) -> Sampled:
        """Its rows and then those of `others`, which were drawn one after the other."""
        parts = [self, *others]
        joined = Sampled([], [], began=self.began)
        for name in PER_ROW:
            setattr(joined, name, [row for part in parts for row in getattr(part, name)])
        joined.seconds = {name: sum((part.seconds[name] for part in parts), 0.0) for name in self.seconds}
        return joined

    def rows(self, policy: str, verifier: str, extra: Sequence[dict[str, Any]]) -> list[Rollout]:
        """The rollout rows, each with its `extra`, such as its advantage."""
        rows = [
            judged(unjudged(given["problem"], given["sample"], policy, completion, verifier, seed), verdict)
            for given, completion, seed, verdict in zip(
                self.inputs, self.completions, self.seeds, self.verdicts, strict=True
            )
        ]
        for row, more in zip(rows, extra, strict=True):
            row.extra.update(more)
        return rows


def outcomes(sampled: Sampled, size: int) -> list[Outcome]:
    """How each group of `size` rows went, on all processes."""
    starts = range(0, len(sampled.verdicts), size)
    groups = [(sampled.inputs[i]["index"], sampled.verdicts[i : i + size]) for i in starts]
    return gather_object(
        [
            Outcome(index, sum(v.score == 1.0 for v in group), sum(v.score is not None for v in group))
            for index, group in groups
        ]
    )


def measure(drawn: Sampled, trained: torch.Tensor) -> dict[str, float]:
    """Figures of a step's batch over all processes, under the names of metrics.jsonl.

    Rates, lengths and costs are of everything that was drawn, so that choosing what to train on does not move them.

    Args:
        drawn: this process's part, replaced groups included.
        trained: (groups, G) rewards of the groups that are trained on, of all processes.
    """
    completions = gather_object([(len(c.token_ids), c.complete) for c in drawn.completions])
    statuses = Counter(gather_object([v.status for v in drawn.verdicts]))
    rewards = torch.tensor(gather_object(list(drawn.rewards))).view(-1, trained.shape[1])
    seconds = gather_object([drawn.seconds])
    tokens = sum(length for length, _ in completions)
    sampling = max(s["sampling"] for s in seconds)
    groups = outcomes(drawn, trained.shape[1])
    return {
        "reward": rewards.nanmean().item(),
        "frac_zero_variance": zero_variance(rewards).float().mean().item(),
        "correct_share": sum(g.passed for g in groups) / max(sum(g.judged for g in groups), 1),
        "mixed_share": sum(0 < g.passed < g.judged for g in groups) / len(groups),
        "groups/drawn": len(rewards),
        "groups/replaced": len(rewards) - len(trained),
        "groups/dead": int(zero_variance(trained).sum()),
        "completion_length": tokens / len(completions),
        "truncated_share": sum(not complete for _, complete in completions) / len(completions),
        "samples": len(completions),
        "tokens": tokens,
        "tokens_per_second": tokens / sampling,
        "seconds/sampling": sampling,
        "seconds/verifying": max(s["verifying"] for s in seconds),
        **{f"status/{name}": count / len(completions) for name, count in sorted(statuses.items())},
    }


COSTS = ("groups/drawn", "groups/replaced", "samples", "tokens", "seconds/sampling", "seconds/verifying")


def used_again(metrics: dict[str, float]) -> dict[str, float]:
    """The figures of a step that trains once more on a batch, and draws nothing for it."""
    return {k: v for k, v in metrics.items() if k != "tokens_per_second"} | dict.fromkeys(COSTS, 0)


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
