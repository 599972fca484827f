"""The phases of `rlvr run --processes N`, each in processes of its own: memory, engines and process groups of one never
reach the next. This process holds the run's folder meanwhile."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rlvr.errors import PhaseError
from rlvr.launch import signals, workers
from rlvr.launch.engine import Shard


@dataclass(frozen=True, slots=True)
class Apart:
    """Does a phase: training in a launch of `count` processes, everything else by workers."""

    count: int
    shard: Shard
    options: Sequence[str]
    """Of the command that began, besides its config."""
    bad_input: int
    stopped: int
    """As of `workers.start`."""

    def __call__(self, phase: str, folder: Path, gpus: int = 1) -> None:
        """Returns when it is done.

        Args:
            gpus: that a worker's engine shares; `count` is a multiple of it.

        Raises:
            PhaseError: it ended otherwise, and has said why.
            Interrupted: it was asked to stop.
        """
        words = ["run", str(folder), "--output", str(folder), "--phase", phase, *self.options]
        words += ["--processes", str(self.count), "--shard", self.shard]  # which each phase is checked for
        if phase == "train":
            code = workers.alone(words)
        else:
            code = workers.start(self.count // gpus, words, self.bad_input, self.stopped)
        if code - 128 in signals.SIGNALS:
            raise signals.Interrupted(code - 128)
        if code:
            raise PhaseError(f"{folder}: the phase {phase!r} ended with exit code {code}", code)
