"""What the keys of a whole training do: evaluations on the way, checkpoints, which of them is the model, when it ends,
who is told."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from accelerate.tracking import LOGGER_TYPE_TO_CLASS, GeneralTracker, register_tracker_class
from safetensors.torch import load_file

from rlvr.cli import main
from rlvr.config import AnalysisConfig, TrainConfig
from rlvr.run import Run, read_metrics
from rlvr.training.held_out import HeldOut
from rlvr.training.trackers import RUN_NAME
from tests.conftest import quickstart_config
from tests.contracts.keys import shows
from tests.training.handles import loop_of
from tests.training.test_resume import command
from verifiers.pool import VerifierPool

HERE = "tests.contracts.test_course_keys"


class Told:
    """A hook that remembers what it is told, by run."""

    events: ClassVar[list[tuple[str, int]]] = []

    def on_step(self, metrics: dict[str, Any]) -> None:
        self.events.append(("step", metrics["step"]))

    def on_evaluation(self, step: int, metrics: dict[str, float]) -> None:
        self.events.append(("evaluation", step))

    def on_checkpoint(self, step: int, folder: Path) -> None:
        self.events.append(("checkpoint", step))


class Tracker(GeneralTracker):
    """accelerate's interface, filled with lists."""

    name, requires_logging_directory = "told", False
    begun: ClassVar[list[dict[str, Any]]] = []
    steps: ClassVar[list[int]] = []

    def __init__(self, project: str, **keys: Any) -> None:
        super().__init__()
        self.begun.append({"project": project} | keys)

    @property
    def tracker(self) -> Any:
        return self

    def store_init_configuration(self, values: dict[str, Any]) -> None: ...

    def log(self, values: dict[str, Any], step: int | None = None, **_: Any) -> None:
        self.steps.append(step or 0)


class Ended:
    """What a run left."""

    def __init__(self, folder: Path) -> None:
        from tests.contracts.test_course_keys import Told as Imported  # as the run imports it

        Imported.events.clear()
        Tracker.begun.clear()
        Tracker.steps.clear()
        self.run = Run(folder)
        self.told, self.begun, self.steps = Imported.events, Tracker.begun, Tracker.steps

    def train(self, *words: str) -> Ended:
        assert main(command(self.run.folder, "train.groups_per_step=2", *words)) == 0
        self.told, self.begun, self.steps = [*self.told], [*self.begun], [*self.steps]
        return self

    def at(self, kind: str) -> list[int]:
        return [step for what, step in self.told if what == kind]

    @property
    def lines(self) -> list[dict[str, Any]]:
        return read_metrics(self.run.metrics)

    @property
    def checkpoints(self) -> dict[int, Path]:
        return {int(path.name.partition("-")[2]): path for path in self.run.checkpoints.glob("checkpoint-*")}


def same(one: Path, other: Path) -> bool:
    first, second = (load_file(folder / "model.safetensors") for folder in (one, other))
    return all(torch.equal(value, second[name]) for name, value in first.items())


RUINED = ["train.learning_rate=0.3", "train.reward=random"]
"""Every step with a signal ruins the model: an evaluation after the first is as good as any after it."""


@pytest.fixture(scope="module")
def ended(tmp_path_factory) -> dict[str, Ended]:
    folder = tmp_path_factory.mktemp("ended")
    words = [*RUINED, f"train.hooks=[{HERE}:Told]", "train.trl.report_to=[told]"]
    best = [
        "train.steps=3",
        "train.checkpoint_every=2",
        "train.keep=best",
        "train.eval_every=1",
        "train.eval_samples=3",
        "train.trl.save_total_limit=1",
    ]
    last = ["train.steps=5", "train.eval_every=2", "train.eval_samples=2", "train.checkpoint_every=0"]
    named = ["train.trl.project=mine", "train.trl.run_name=mine"]
    RUN_NAME["told"] = "called"
    register_tracker_class(Tracker)
    try:
        return {
            "best": Ended(folder / "best").train(*words, *best),
            "last": Ended(folder / "last").train(*words, *last, *named),
        }
    finally:
        del LOGGER_TYPE_TO_CLASS["told"], RUN_NAME["told"]


@shows("train.eval_every", "train.eval_samples")
def test_evaluations_on_the_way(ended):
    samples = {name: {line["step"]: line.get("eval/samples") for line in ended[name].lines} for name in ended}
    assert samples == {
        "best": {1: 24, 2: 24, 3: 24},
        "last": {1: None, 2: 16, 3: None, 4: 16, 5: None},
    }  # of eight problems
    assert ended["last"].at("evaluation") == [2, 4]


@shows("train.checkpoint_every", "train.trl.save_total_limit")
def test_checkpoints_are_made_so_often_and_so_many_are_kept(ended):
    assert ended["best"].at("checkpoint") == [1, 2, 3]  # the best evaluation, every other step, the last one
    assert len({line["eval/pass@1"] for line in ended["last"].lines if "eval/pass@1" in line}) == 1
    assert ended["last"].at("checkpoint") == [
        2,
        5,
    ]  # the best evaluation, of equal ones the first; and the last step
    assert set(ended["best"].checkpoints) == {1, 3}, "the newest, and the best"


@shows("train.keep")
def test_the_model_is_the_best_or_the_last(ended):
    best, last = ended["best"], ended["last"]
    assert len({line["eval/pass@1"] for line in best.lines}) == 1, (
        "another step is better: no test of equal ones"
    )
    assert same(best.run.model, best.checkpoints[1]) and not same(best.run.model, best.checkpoints[3])
    assert best.run.record["model"]["step"] == 1
    assert same(last.run.model, last.checkpoints[5])


@shows("train.hooks", "train.trl.report_to", "train.trl.project", "train.trl.run_name")
def test_who_is_told(ended):
    for name, steps in (("best", [1, 2, 3]), ("last", [1, 2, 3, 4, 5])):
        assert ended[name].at("step") == steps
        assert ended[name].steps == steps
    assert ended["best"].begun == [{"project": "rlvr", "called": "best"}]  # the folder's name
    assert ended["last"].begun == [{"project": "mine", "called": "mine"}]


def followed(*rates: tuple[float, float, float], **train: Any) -> HeldOut:
    """After evaluations with these pass@1, pass@K and mean scores, at steps 10, 20, …"""
    made = quickstart_config(
        train=TrainConfig.model_validate({"eval_every": 10, "eval_samples": 8} | train),
        analysis=AnalysisConfig(search_budget=8),
    )
    names = ("eval/pass@1", "eval/pass@8", "eval/mean_score")
    lines = [
        {"step": 10 * n} | dict(zip(names, values, strict=True)) for n, values in enumerate(rates, start=1)
    ]
    return HeldOut(made, lines)


@shows("train.best_by")
def test_the_figure_that_says_which_is_best():
    rates = ((0.3, 0.1, 0.2), (0.2, 0.5, 0.1), (0.1, 0.2, 0.6))
    best = {name: followed(*rates, best_by=name).best_step for name in ("pass@1", "pass@K", "mean_score")}
    assert best == {"pass@1": 10, "pass@K": 20, "mean_score": 30}
    assert followed(*rates).best_step == 10


@shows("train.stop.patience", "train.stop.at")
def test_training_stops_before_its_last_step(tmp_path):
    rates = [0.1, 0.3, 0.2, 0.25, 0.3, 0.5]

    def end(**stop: float) -> int | None:
        """The first step after which it stops."""
        found = (followed(*[(r, r, r) for r in rates[:n]], stop=stop).stopped for n in range(1, 7))
        return next((n for n, why in enumerate(found, start=1) if why), None)

    assert (end(), end(patience=2), end(patience=3), end(at=0.3), end(at=0.5)) == (None, 4, 5, 2, 6)
    ends = {}
    sizes: dict[str, Any] = {
        "steps": 5,
        "groups_per_step": 1,
        "group_size": 2,
        "eval_every": 1,
        "checkpoint_every": 0,
    }
    with VerifierPool("math", workers=1) as pool:
        for name, stop in {"never": {}, "at": {"at": 0.3}}.items():
            loop = loop_of(tmp_path / name, pool, **sizes, stop=stop)
            loop.log.evaluate = lambda step: {"eval/pass@1": rates[step - 1]}
            loop.run()
            ends[name] = loop.done
    assert ends == {"never": 5, "at": 2}
