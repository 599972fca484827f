"""metrics.jsonl: one line per step, and who gets it besides: the progress bar, trackers, a user's hooks."""

from __future__ import annotations

import importlib
import inspect
import json
import math
from collections.abc import Callable, Sequence
from itertools import takewhile
from pathlib import Path
from typing import Any, Protocol

from accelerate.utils import gather_object

from rlvr import files
from rlvr.errors import ConfigError
from rlvr.launch import signals
from rlvr.launch.cpu import BusyMachine
from rlvr.launch.processes import processes
from rlvr.run import read_metrics
from rlvr.training.alarms import Alarms
from rlvr.training.held_out import HeldOut


class Hook(Protocol):
    """A user's own code between steps (`train.hooks`), called on the main process. What it raises stops the run.

    >>> class OnStep:
    ...     def on_step(self, metrics): print(metrics["step"], metrics["reward"])
    ...     def on_evaluation(self, step, metrics): ...
    ...     def on_checkpoint(self, step, folder): ...
    """

    def on_step(self, metrics: dict[str, Any]) -> None:
        """After a step: its line of metrics.jsonl."""
        ...

    def on_evaluation(self, step: int, metrics: dict[str, float]) -> None:
        """After an evaluation on held-out problems: `eval/pass@1`, …"""
        ...

    def on_checkpoint(self, step: int, folder: Path) -> None:
        """After a checkpoint is whole and in its place."""
        ...


def hook_classes(names: Sequence[str]) -> list[type[Hook]]:
    """The classes `module:Name` of `train.hooks`.

    Raises:
        ConfigError: there is no such class, it needs arguments, or it lacks one of a hook's methods.
    """
    classes = []
    for name in names:
        module, _, attribute = name.partition(":")
        try:
            cls = getattr(importlib.import_module(module), attribute)
            inspect.signature(cls).bind()
        except (ImportError, AttributeError, ValueError, TypeError) as error:
            raise ConfigError(f"train.hooks: {name}: {error}; expected my_module:MyHook") from error
        for method in ("on_step", "on_evaluation", "on_checkpoint"):
            if not callable(getattr(cls, method, None)):
                raise ConfigError(f"train.hooks: {name} has no method {method}")
        classes.append(cls)
    return classes


class MetricsLog:
    """Writes one line of metrics.jsonl per step.

    A line is pending from the end of a step until its evaluation is there too; a checkpoint made meanwhile carries
    it, and a resumed run finishes the evaluation first. A step is committed when its line is written.

    Args:
        advance: moves the progress bar.
        evaluate: called with the step's number, returns what to add to its line.
        track: called with each line, for trackers.
        alarms, held_out: have read the lines that are there.
    """

    def __init__(
        self,
        file: Path,
        advance: Callable[..., None],
        say: Callable[[str], None],
        evaluate: Callable[[int], dict[str, float]],
        track: Callable[[dict[str, Any]], None],
        alarms: Alarms,
        held_out: HeldOut,
        hooks: Sequence[Hook] = (),
    ) -> None:
        self.file, self.advance, self.say, self.evaluate, self.track = file, advance, say, evaluate, track
        self.alarms, self.held_out, self.hooks = alarms, held_out, hooks
        self.machine = BusyMachine()
        self.pending: dict[str, Any] | None = None
        self.last: dict[str, Any] = {}
        """The line that was written last."""

    def state_dict(self) -> dict[str, Any]:
        return {"pending": self.pending}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.pending = state["pending"]

    def write(self, step: int, figures: dict[str, Any], seconds: float) -> None:
        """A step has ended. Its line is pending until `finish`.

        Args:
            figures: of the batch that it trained on, of the loss and the gradient.
            seconds: that it took.
        """
        row: dict[str, Any] = {"step": step, **figures, "seconds/step": seconds}
        row["seconds/update"] = seconds - row["seconds/sampling"] - row["seconds/verifying"]
        share, words = self.machine.step()
        if share is not None:
            row["seconds/waiting_for_cpu"] = share * seconds
        if words:
            self.say(words)
        self.pending = {key: value if finite(value) else None for key, value in row.items()}

    def finish(self) -> None:
        """Evaluate after the pending line's step, and write the line."""
        if self.pending is None:
            return
        with signals.free():  # a signal may cut it short: what is pending goes into the checkpoint
            evaluated = self.evaluate(self.pending["step"])
        said = self.watch(self.pending | evaluated)
        with signals.held():
            self.last, self.pending = self.pending | evaluated | said, None
            if processes().is_main_process:
                append(self.file, self.last)
        self._tell(evaluated)

    def watch(self, line: dict[str, Any]) -> dict[str, Any]:
        """What the line calls for, to be added to it: `alarms`, by name, in words; `stopped`, why training stops here.
        Every process comes to the same, from the same figures."""
        raised, why = self.alarms.see(line), self.held_out.see(line)
        return ({"alarms": raised} if raised else {}) | ({"stopped": why} if why else {})

    def _tell(self, evaluated: dict[str, float]) -> None:
        held_out = f", held-out {100 * evaluated['eval/pass@1']:.1f}" if "eval/pass@1" in evaluated else ""
        reward = "–" if self.last["reward"] is None else f"{100 * self.last['reward']:.1f}"
        self.advance(1, note=f"reward {reward}{held_out}", now=bool(evaluated))
        for words in self.last.get("alarms", {}).values():
            self.say(f"Alarm at step {self.last['step']}: {words}")
        if why := self.last.get("stopped"):
            self.say(f"Training stops early, after step {self.last['step']}: {why}")
        self.track(self.last)
        if processes().is_main_process:
            for hook in self.hooks:
                hook.on_step(self.last)
                if evaluated:
                    hook.on_evaluation(self.last["step"], evaluated)


class Sums:
    """Figures of an update as sums and counts, over its micro-steps and all processes, divided once."""

    def __init__(self) -> None:
        self.pairs: dict[str, list[tuple[Any, Any]]] = {}

    def add(self, **pairs: tuple[Any, Any]) -> None:
        """(sum, count) by name; tensors are read when the result is asked for, which waits for the device."""
        for name, pair in pairs.items():
            self.pairs.setdefault(name, []).append(pair)

    def result(self) -> dict[str, float]:
        """Means over all processes; none of what was never counted. Every process must call it."""
        local = {
            name: (sum(float(s) for s, _ in pairs), sum(float(n) for _, n in pairs))
            for name, pairs in self.pairs.items()
        }
        every: list[dict[str, tuple[float, float]]] = gather_object([local])
        names = dict.fromkeys(name for process in every for name in process)
        totals = {n: [sum(p[n][i] for p in every if n in p) for i in (0, 1)] for n in names}
        return {name: total / count for name, (total, count) in totals.items() if count}


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
