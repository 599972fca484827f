"""What happens between steps: metrics.jsonl, the progress bar, evaluations on held-out problems."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from itertools import takewhile
from pathlib import Path
from typing import Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from rlvr import files
from rlvr.launch import signals
from rlvr.launch.processes import processes
from rlvr.run import read_metrics

RENAMED = {
    "entropy": "entropy",
    "kl": "kl",
    "clip_ratio/region_mean": "clipped_share",
    "grad_norm": "gradient_norm",
    "learning_rate": "learning_rate",
    "loss": "loss",
    "value_loss": "value_loss",
}
"""TRL's and transformers' log keys → those of metrics.jsonl."""


class Journal(TrainerCallback):
    """Writes one line of metrics.jsonl per step, and moves the progress bar.

    A line is pending from the end of a step until its evaluation is there too; a checkpoint made meanwhile carries
    it, and a resumed run finishes the evaluation first.

    Args:
        sampled: gives the figures of the batch that the step trained on.
        evaluate: called with the step's number, returns what to add to its line.
    """

    def __init__(
        self,
        file: Path,
        sampled: Callable[[], dict[str, float]],
        advance: Callable[..., None],
        evaluate: Callable[[int], dict[str, float]],
    ) -> None:
        self.file, self.sampled, self.advance, self.evaluate = file, sampled, advance, evaluate
        self.began = self.took = 0.0
        self.pending: dict[str, Any] | None = None
        self.last: dict[str, Any] = {}
        """The line that was written last."""

    def state_dict(self) -> dict[str, Any]:
        return {"pending": self.pending}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.pending = state["pending"]

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        self.finish()

    def on_step_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        self.began = time.perf_counter()

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        self.took = time.perf_counter() - self.began

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, float] | None = None,
        **_: Any,
    ) -> None:
        if not logs or "loss" not in logs:
            return
        row: dict[str, Any] = {"step": state.global_step, **self.sampled()}
        row |= {ours: logs[theirs] for theirs, ours in RENAMED.items() if logs.get(theirs) is not None}
        row["seconds/step"] = self.took
        row["seconds/update"] = self.took - row["seconds/sampling"] - row["seconds/verifying"]
        if row.get("skipped"):
            row["loss"] = None  # transformers has put the mean of the others in its place
        self.pending = {key: value if finite(value) else None for key, value in row.items()}
        with signals.free():
            self.finish()
        del state.log_history[:-1]  # metrics.jsonl is the history; every checkpoint would hold it again

    def finish(self) -> None:
        """Evaluate after the pending line's step, and write the line."""
        if self.pending is None:
            return
        evaluated = self.evaluate(self.pending["step"])
        with signals.held():
            self.last, self.pending = self.pending | evaluated, None
            if processes().is_main_process:
                append(self.file, self.last)
        held_out = f", held-out {100 * evaluated['eval/pass@1']:.1f}" if "eval/pass@1" in evaluated else ""
        reward = "–" if self.last["reward"] is None else f"{100 * self.last['reward']:.1f}"
        self.advance(1, note=f"reward {reward}{held_out}")


def finite(value: Any) -> bool:
    """JSON can hold it."""
    return not isinstance(value, float) or math.isfinite(value)


def append(file: Path, row: dict[str, Any]) -> None:
    """Add one line. That it is on disk is waited for by the checkpoint that counts on it."""
    with file.open("a", encoding="utf-8") as stream:
        stream.write(json.dumps(row, allow_nan=False) + "\n")


def settle(file: Path, rollouts: Path, since: int) -> None:
    """Wait until the lines of the steps after `since`, and what was sampled in them, are on disk."""
    written = [path for path in rollouts.glob("train-*.jsonl") if number_of(path) > since]
    for path in (file, *written, rollouts, file.parent):
        files.sync(path)


def number_of(path: Path) -> int:
    """The step in `train-000007.jsonl`."""
    return int(path.stem.rpartition("-")[2])


def rewind(file: Path, rollouts: Path, step: int) -> None:
    """Forget what was logged after `step`: those steps are about to be computed again, with the same result."""
    if file.exists():
        # up to `step` all is on disk; after it, a power cut may have left anything, which is not read
        kept = takewhile(lambda row: row["step"] <= step, read_metrics(file, max(step, 0)))
        files.replace(file, [(json.dumps(row) + "\n").encode() for row in kept])
    for kind in ("train", "skipped"):
        for path in rollouts.glob(f"{kind}-*.jsonl"):
            if number_of(path) > step:
                path.unlink()
