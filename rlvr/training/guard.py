"""What can go wrong with numbers in an update: values that are none, and two engines that disagree.

A step whose loss, gradient or log-probabilities are NaN or infinite changes nothing: its gradients are dropped
before the optimiser sees them. It is counted, logged, and its rows are saved. And while the trainer computes the
log-probabilities that its loss needs anyway, they are compared with those that the sampler wrote down: their drift is
a bias of every importance ratio (Yao et al. 2025, "Your efficient RL framework secretly brings you off-policy RL
training").
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import wraps
from pathlib import Path
from typing import Any

import torch
from accelerate.utils import gather_object
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments
from trl.trainer.grpo_trainer import GRPOTrainer

from rlvr import rollouts
from rlvr.errors import RunError
from rlvr.sampling import Completion

WORST_FIRST = "log-probability", "loss", "gradient"


class Guard(TrainerCallback):
    """Judges each step's numbers on all processes together. Its state is how many steps in a row were skipped.

    Args:
        limit: steps skipped in a row after which the run stops.
        drift_limit: mean |Δ| per token, in nats, above which a person is warned.
        sampled: gives the file of rows that a step trains on.
    """

    def __init__(
        self, limit: int, drift_limit: float, say: Callable[[str], None], sampled: Callable[[int], Path]
    ) -> None:
        self.limit, self.drift_limit, self.say, self.sampled = limit, drift_limit, say, sampled
        self.skipped_in_a_row = 0
        self.figures: dict[str, float] = {}
        """Of the step before the update, for its line in metrics.jsonl."""
        self._clear()

    def _clear(self) -> None:
        self.drifts: list[torch.Tensor] = []
        self.suspects: list[tuple[torch.Tensor, torch.Tensor, str]] = []
        """(rows of this process's batch, which of them are not finite, what), read only where the step is judged:
        reading waits for the device."""
        self._inputs: dict[str, Any] | None = None
        self._fresh = False

    def state_dict(self) -> dict[str, Any]:
        return {"skipped_in_a_row": self.skipped_in_a_row}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.skipped_in_a_row = state["skipped_in_a_row"]

    # ------------------------------------------------------------------ during a micro-step

    def begin(self, inputs: dict[str, Any], fresh: bool) -> None:
        """A loss is about to be computed on `inputs`; `fresh`: with the weights that drew them."""
        self._inputs, self._fresh = inputs, fresh

    def see(self, logprobs: torch.Tensor) -> None:
        """(rows, T) log-probabilities that the trainer has just computed for the loss."""
        if self._inputs is None:
            return
        mask = self._inputs["completion_mask"].bool()
        self.suspects.append((self._inputs["row"], ~(logprobs.isfinite() | ~mask).all(1), "log-probability"))
        drawn = self._inputs.get("sampler_logprobs")
        if drawn is not None and self._fresh:
            self.drifts.append(drift(logprobs, drawn, mask))

    def end(self, loss: torch.Tensor) -> None:
        """The loss of this micro-step."""
        assert self._inputs is not None
        rows = self._inputs["row"]
        self.suspects.append((rows, ~loss.isfinite().all().expand(len(rows)), "loss"))
        self._inputs = None

    def _faults(self, norm: float) -> dict[int, str] | None:
        """Row of this process's batch → what of it is not finite; None where the step is sound."""
        found: dict[int, str] = {}
        for rows, bad, what in sorted(self.suspects, key=lambda suspect: WORST_FIRST.index(suspect[2])):
            if what == "loss" and found:
                break  # the rows themselves are known
            found |= dict.fromkeys(rows[bad].tolist(), what)
        return found if found or not math.isfinite(norm) else None

    # ------------------------------------------------------------------ before the update

    def judge(self, step: int, norm: float) -> bool:
        """Whether the update of `step` must be skipped; the same on every process, which all must call it.

        Args:
            norm: of the whole gradient, before clipping.
        """
        every: list[dict[int, str] | None] = gather_object([self._faults(norm)])
        self.figures = gathered(self.drifts)
        bad = any(faults is not None for faults in every)
        self.skipped_in_a_row = self.skipped_in_a_row + 1 if bad else 0
        self.figures["skipped"] = float(bad)
        if bad:
            self._save(step, [faults or {} for faults in every])
        elif (mean := self.figures.get("drift/token_mean", 0.0)) > self.drift_limit:
            self.say(
                f"Step {step}: sampler and trainer differ by {mean:.3g} nats per token "
                f"(train.max_drift is {self.drift_limit:g})"
            )
        self._clear()
        return bad

    def _save(self, step: int, faults: Sequence[dict[int, str]]) -> None:
        """The rows that were no numbers (all of the step, where only the gradient was), as `skipped-N.jsonl`."""
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

    # ------------------------------------------------------------------ after it

    def on_log(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        if self.skipped_in_a_row >= self.limit:
            raise RunError(
                f"{self.skipped_in_a_row} steps in a row were skipped, up to step {state.global_step}, since their "
                "numbers were not finite (train.max_skipped). The weights are those of the last good step"
            )


def drift(trainer: torch.Tensor, sampler: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Sums and maxima of |log π_trainer − log π_sampler|, in nats, over tokens and over whole completions.

    Args:
        trainer, sampler: (rows, T) log-probabilities per token.
        mask: (rows, T) True at completion tokens.

    Returns:
        (6,) float64: sum, count and maximum over tokens; the same over completions, of |Σ Δ|.
    """
    delta = torch.where(mask, trainer.double() - sampler.double(), 0.0).nan_to_num(0.0, 0.0, 0.0)
    rows = delta.sum(1).abs()
    real = mask.any(1)
    return torch.stack(
        [
            delta.abs().sum(),
            mask.sum().double(),
            delta.abs().max(),
            rows.sum(),
            real.sum().double(),
            rows.max(),
        ]
    )


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


def padded(completions: Sequence[Completion], like: torch.Tensor) -> torch.Tensor | None:
    """(rows, T) the sampler's log-probabilities beside the token ids `like`; None where it wrote none down."""
    if any(len(c.logprobs) != len(c.token_ids) for c in completions):
        return None
    width = like.shape[1]
    rows = [(c.logprobs + [0.0] * width)[:width] for c in completions]
    return torch.tensor(rows, dtype=torch.float32, device=like.device)


def watched(method: Callable[..., Any]) -> Callable[..., Any]:
    """Show the guard the log-probabilities that a loss is made of (the first of what `method` returns)."""

    @wraps(method)
    def watching(self: GuardedTrainer, *args: Any, **kwargs: Any) -> Any:
        answer = method(self, *args, **kwargs)
        if self.guard is not None and torch.is_grad_enabled():
            self.guard.see(answer[0].detach())
        return answer

    return watching


class GuardedTrainer(GRPOTrainer):
    """TRL's trainer, with a `Guard` between gradient and optimiser."""

    guard: Guard | None = None

    def _compute_loss(self, model: Any, inputs: dict[str, Any]) -> torch.Tensor:
        if self.guard is None or not model.training:
            return super()._compute_loss(model, inputs)
        self.guard.begin(inputs, fresh=self.state.global_step % self.num_iterations == 0)
        loss = super()._compute_loss(model, inputs)
        self.guard.end(loss.detach())
        return loss

    def _get_grad_norm(self, model: Any, grad_norm: Any = None) -> Any:
        norm: Any = super()._get_grad_norm(model, grad_norm)
        if self.guard is None or not self.guard.judge(self.state.global_step + 1, float(norm)):
            return norm
        if self.accelerator.scaler is None:  # fp16's scaler passes over such a step by itself
            model.zero_grad()  # to None: the optimiser passes over them, and its own state stays too
        return norm
