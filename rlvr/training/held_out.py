"""The held-out figure that says which checkpoint is the best, and when training has gone on long enough."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from rlvr.config import Config
from rlvr.evaluation import training_budget
from rlvr.text import points


class HeldOut:
    """Follows the figure through the lines of metrics.jsonl, of which it is a function.

    The best is the highest; of equal ones the earliest, which has moved least from the base.
    """

    def __init__(self, config: Config, lines: Iterable[Mapping[str, Any]] = ()) -> None:
        """`lines`: of the steps before, in a run that goes on."""
        self.rule, self.name = config.train.stop, config.train.best_by
        self.key = key_of(config)
        self.best: float | None = None
        self.best_step = 0
        self.evaluations = self.since = 0
        """All of them, and those since the best one."""
        self.stopped: str | None = None
        """Why training stops before its last step, where it does."""
        for line in lines:
            self.see(line)

    def see(self, line: Mapping[str, Any]) -> str | None:
        """Take in a step's line. Returns why training stops after it, None where it goes on."""
        value = line.get(self.key)
        if value is None:
            return self.stopped
        self.evaluations += 1
        if self.best is None or value > self.best:
            self.best, self.best_step, self.since = value, line["step"], 0
        else:
            self.since += 1
        self.stopped = (
            None  # the last evaluation decides, also under a rule that the lines were not written with
        )
        if self.rule.at is not None and value >= self.rule.at:
            self.stopped = f"held-out {self.name} is {points(value)}, train.stop.at is {points(self.rule.at)}"
        elif self.rule.patience is not None and self.since >= self.rule.patience:
            self.stopped = (
                f"held-out {self.name} has not risen in {self.since} evaluations in a row "
                f"(train.stop.patience), since {points(self.best)} at step {self.best_step}"
            )
        return self.stopped


def key_of(config: Config) -> str:
    """`train.best_by` as metrics.jsonl calls it."""
    figure = config.train.best_by
    return f"eval/pass@{training_budget(config)}" if figure == "pass@K" else f"eval/{figure}"
