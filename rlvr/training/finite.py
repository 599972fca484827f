"""Non-finite values (NaN, inf) in an update, and drift: two things that quietly ruin a run.

A step whose log-probabilities, loss or gradient are not finite changes nothing: it is skipped before the optimiser sees
its gradient, counted, logged, and its rows are saved. And the log-probabilities that the loss needs anyway are compared
with those that the sampler wrote down: their drift is a bias of every importance ratio (Yao et al. 2025, "Your
efficient RL framework secretly brings you off-policy RL training").
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from accelerate.utils import gather_object

from rlvr import rollouts
from rlvr.errors import RunError
from rlvr.training.importance import Tokens

WORST_FIRST = "log-probability", "loss", "gradient"
HOPELESS = 10
"""Times `train.max_drift` at which a run stops: a fault, for which no importance ratio makes up."""


class FiniteCheck:
    """Judges each step's numbers on all processes together. Its state is how many steps in a row were skipped.

    Args:
        limit: steps skipped in a row after which the run stops (`train.max_skipped`).
        drift_limit: mean |Δ| per token, in nats, above which a person is warned, and above `HOPELESS` times which the
            run stops (`train.max_drift`); 0 warns of every difference and stops at none.
        sampled: gives the file of rows that a step trains on.
    """

    def __init__(
        self, limit: int, drift_limit: float, say: Callable[[str], None], sampled: Callable[[int], Path]
    ) -> None:
        self.limit, self.drift_limit, self.say, self.sampled = limit, drift_limit, say, sampled
        self.skipped_in_a_row = 0
        self.figures: dict[str, float] = {}
        """Of the last step, for its line in metrics.jsonl."""
        self.begin()

    def begin(self) -> None:
        """Forget what was seen of an update: another one begins, or the same one anew."""
        self._drifts: list[torch.Tensor] = []
        self._suspects: list[tuple[torch.Tensor, torch.Tensor, str]] = []
        """(numbers of the samples, which of them are not finite, what), read only once a step: reading waits for
        the device."""

    def state_dict(self) -> dict[str, Any]:
        return {"skipped_in_a_row": self.skipped_in_a_row}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.skipped_in_a_row = state["skipped_in_a_row"]

    def see(
        self,
        first: Sequence[int],
        tokens: Tokens,
        logp: torch.Tensor,
        loss: torch.Tensor,
        drawn: torch.Tensor | None,
    ) -> None:
        """Look at a micro-step.

        Args:
            first: for each of its samples, its number within this process's batch.
            logp: (N,) the trainer's log-probabilities.
            drawn: (N,) the sampler's; None where they cannot be compared: there are none, or the weights have moved
            since.
        """
        numbers = torch.tensor(first)
        bad = torch.zeros(tokens.rows, dtype=torch.bool, device=logp.device)
        bad[tokens.row[~logp.isfinite()]] = True
        self._suspects.append((numbers, bad, "log-probability"))
        self._suspects.append((numbers, ~loss.isfinite().expand(tokens.rows), "loss"))
        if drawn is not None:
            self._drifts.append(drift(logp, drawn, tokens))

    def _faults(self, norm: float) -> dict[int, str] | None:
        """Sample of this process's batch → what of it is not finite; None where the step is sound."""
        found: dict[int, str] = {}
        for numbers, bad, what in sorted(self._suspects, key=lambda suspect: WORST_FIRST.index(suspect[2])):
            if what == "loss" and found:
                break  # the samples themselves are known
            found |= dict.fromkeys(numbers[bad.cpu()].tolist(), what)
        return found if found or not math.isfinite(norm) else None

    def should_skip(self, step: int, norm: float) -> bool:
        """Whether the update of `step` must be skipped; the same on every process, which all must call it.

        Args:
            norm: of the whole gradient, before clipping.

        Raises:
            RunError: sampler and trainer differ by more than `HOPELESS` times the limit. Nothing of the step is kept.
        """
        every: list[dict[int, str] | None] = gather_object([self._faults(norm)])
        self.figures = gathered(self._drifts)
        bad = any(faults is not None for faults in every)
        self.skipped_in_a_row = self.skipped_in_a_row + 1 if bad else 0
        self.figures["skipped"] = float(bad)
        if bad:
            self.figures["loss"] = math.nan  # whatever it was, it moved nothing
            self._save(step, [faults or {} for faults in every])
        elif (mean := self.figures.get("drift/token_mean", 0.0)) > self.drift_limit:
            if 0 < HOPELESS * self.drift_limit < mean:
                raise RunError(
                    f"step {step}: sampler and trainer differ by {mean:.3g} nats per token, more than {HOPELESS} times "
                    f"train.max_drift ({self.drift_limit:g}): what is learnt would not be about what was sampled. "
                    "The weights are those of the step before"
                )
            self.say(
                f"Step {step}: sampler and trainer differ by {mean:.3g} nats per token "
                f"(train.max_drift is {self.drift_limit:g})"
            )
        self.begin()
        return bad

    def _save(self, step: int, faults: Sequence[dict[int, str]]) -> None:
        """The rows that were not finite (all of the step, where only the gradient was not), as `skipped-N.jsonl`."""
        rows = [row for row in rollouts.read(self.sampled(step)) if "replaced" not in row.extra]
        share = len(rows) // len(faults)
        named = {p * share + row: what for p, found in enumerate(faults) for row, what in found.items()}
        what = min(named.values(), key=WORST_FIRST.index, default="gradient")
        named = named or dict.fromkeys(range(len(rows)), "gradient")
        file = self.sampled(step).with_name(f"skipped-{step:06d}.jsonl")
        for i, fault in named.items():
            rows[i].extra["not_finite"] = fault
        rollouts.rewrite(file, (rows[i] for i in sorted(named)))
        self.say(
            f"Step {step} is skipped: its {what} is not finite. Weights and optimiser stay as they were; "
            f"{len(named)} rows are in {file.name}"
        )

    def stop_after_too_many(self, step: int) -> None:
        """Raises RunError where `limit` steps in a row were skipped."""
        if self.skipped_in_a_row >= self.limit:
            raise RunError(
                f"{self.skipped_in_a_row} steps in a row were skipped, up to step {step}, since their "
                "numbers were not finite (train.max_skipped). The weights are those of the last good step"
            )


def drift(trainer: torch.Tensor, sampler: torch.Tensor, tokens: Tokens) -> torch.Tensor:
    """Sums and maxima of |log π_trainer − log π_sampler|, in nats, over tokens and over whole completions.

    Args:
        trainer, sampler: (N,) log-probabilities per token.

    Returns:
        (6,) float64: sum, count and maximum over tokens; the same over completions, of |Σ Δ|.
    """
    if not len(trainer):
        return torch.zeros(6, dtype=torch.float64, device=trainer.device)
    delta = (trainer.detach().double() - sampler.double()).nan_to_num(0.0, 0.0, 0.0)
    rows = (
        torch.zeros(tokens.rows, dtype=torch.float64, device=delta.device)
        .index_add_(0, tokens.row, delta)
        .abs()
    )
    real = torch.bincount(tokens.row, minlength=tokens.rows) > 0
    sums = [delta.abs().sum(), torch.ones_like(delta).sum(), delta.abs().max()]
    return torch.stack([*sums, rows.sum(), real.sum().double(), rows.max()])


def gathered(drifts: Sequence[torch.Tensor]) -> dict[str, float]:
    """The drift of a step over all its micro-steps and processes, under the names of metrics.jsonl."""
    local = torch.stack(list(drifts)).tolist() if drifts else []
    parts = [part for process in gather_object([local]) for part in process]
    tokens, rows = sum(p[1] for p in parts), sum(p[4] for p in parts)
    if not tokens:
        return {}
    return {
        "drift/token_mean": sum(p[0] for p in parts) / tokens,
        "drift/token_max": max(p[2] for p in parts),
        "drift/sequence_mean": sum(p[3] for p in parts) / rows,
        "drift/sequence_max": max(p[5] for p in parts),
    }
