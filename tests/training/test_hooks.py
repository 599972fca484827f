"""Who is told of a run while it goes on: a user's hooks (`train.hooks`) and trackers (`train.trl.report_to`)."""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest
from accelerate.tracking import LOGGER_TYPE_TO_CLASS, GeneralTracker, register_tracker_class

from rlvr import rollouts
from rlvr.cli import main
from rlvr.run import read_metrics
from rlvr.training import trackers
from tests.training.test_resume import command

EVALUATED = ["train.eval_every=2", "train.eval_samples=4", "train.trl.num_iterations=2"]


class Recorder:
    """A hook that remembers what it is told."""

    told: ClassVar[list[tuple[str, Any, Any]]] = []

    def on_step(self, metrics: dict[str, Any]) -> None:
        self.told.append(("step", metrics["step"], metrics))

    def on_evaluation(self, step: int, metrics: dict[str, float]) -> None:
        self.told.append(("evaluation", step, metrics))

    def on_checkpoint(self, step: int, folder: Path) -> None:
        assert (folder / "manifest.json").exists()
        self.told.append(("checkpoint", step, folder))


class Deaf:
    """No hook: it lacks the other two."""

    def on_step(self, metrics: dict[str, Any]) -> None: ...


class Needy(Recorder):
    def __init__(self, folder: str) -> None: ...


class Broken(Recorder):
    def on_checkpoint(self, step: int, folder: Path) -> None:
        raise OSError("the store is gone")


class Tracker(GeneralTracker):
    """accelerate's interface, filled with lists."""

    name, requires_logging_directory = "recorder", False
    projects: ClassVar[list[str]] = []
    lines: ClassVar[list[tuple[int, dict[str, Any]]]] = []
    ended: ClassVar[list[bool]] = []

    def __init__(self, project: str, **_: Any) -> None:
        super().__init__()
        self.projects.append(project)

    @property
    def tracker(self) -> Any:
        return self

    def store_init_configuration(self, values: dict[str, Any]) -> None: ...

    def log(self, values: dict[str, Any], step: int | None = None, **_: Any) -> None:
        assert step is not None
        self.lines.append((step, values))

    def finish(self) -> None:
        self.ended.append(True)


@pytest.fixture
def told(monkeypatch) -> list[tuple[str, Any, Any]]:
    monkeypatch.setattr(Recorder, "told", [])
    return Recorder.told


@pytest.fixture
def tracker(monkeypatch) -> Iterator[type[Tracker]]:
    for name in ("projects", "lines", "ended"):
        monkeypatch.setattr(Tracker, name, [])
    register_tracker_class(Tracker)
    yield Tracker
    del LOGGER_TYPE_TO_CLASS[Tracker.name]


def test_hooks_and_trackers_get_the_lines_of_metrics_jsonl(tmp_path, told, tracker):
    words = [f"train.hooks=[{__name__}:Recorder]", "train.trl.report_to=[recorder]", *EVALUATED]
    assert main(command(tmp_path / "run", *words)) == 0
    lines = read_metrics(tmp_path / "run" / "metrics.jsonl")
    assert [(kind, step) for kind, step, _ in told] == [
        ("step", 1), ("checkpoint", 1), ("step", 2), ("evaluation", 2), ("checkpoint", 2),
        ("step", 3), ("checkpoint", 3), ("step", 4), ("checkpoint", 4),
    ]  # fmt: skip
    assert [metrics for kind, _, metrics in told if kind == "step"] == lines
    (evaluation,) = [metrics for kind, _, metrics in told if kind == "evaluation"]
    assert evaluation.items() <= lines[1].items() and "eval/pass@1" in evaluation

    assert tracker.projects == ["rlvr"] and tracker.ended == [True]
    assert [step for step, _ in tracker.lines] == [1, 2, 3, 4]
    for (_, values), line in zip(tracker.lines, lines, strict=True):
        assert values == {k: v for k, v in line.items() if k != "step" and v is not None}
        assert all(isinstance(v, int | float) and math.isfinite(v) for v in values.values())
    figures = {
        "reward",
        "truncated_share",
        "loss",
        "gradient_norm",
        "learning_rate",
        "seconds/step",
        "seconds/update",
    }
    for values in (tracker.lines[0][1], tracker.lines[3][1]):
        assert figures <= values.keys() and any(name.startswith("status/") for name in values)
    assert "eval/pass@1" in tracker.lines[1][1] and "drift/token_mean" in tracker.lines[0][1]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        (f"{__name__}:Deaf", "has no method on_evaluation"),
        (f"{__name__}:Needy", "missing a required argument: 'folder'"),
        (f"{__name__}:Nobody", "has no attribute 'Nobody'"),
        ("no_such_module:Hook", "No module named 'no_such_module'"),
        ("Recorder", "expected my_module:MyHook"),
    ],
)
def test_what_is_no_hook_is_refused_before_anything_runs(tmp_path, capsys, name, said):
    for verb in ("check", "train"):
        words = command(tmp_path / "run", f"train.hooks=[{name}]")
        assert main([verb, *words[1:]]) == 2
        assert said in capsys.readouterr().err
    assert not (tmp_path / "run" / "metrics.jsonl").exists()


def test_what_a_hook_raises_stops_the_run_and_loses_nothing(tmp_path):
    words = command(tmp_path / "run", f"train.hooks=[{__name__}:Broken]")
    with pytest.raises(OSError, match="the store is gone"):  # a fault of the hook's, shown with its traceback
        main(words)
    assert (tmp_path / "run" / "checkpoints" / "checkpoint-1" / "manifest.json").exists()
    assert len(read_metrics(tmp_path / "run" / "metrics.jsonl")) == 1


def test_tensorboard_gets_our_figures_and_samples(tmp_path):
    events = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    words = [
        "train.steps=2",
        "train.trl.report_to=[tensorboard]",
        "train.eval_every=1",
        "train.eval_samples=2",
    ]
    assert main(command(tmp_path / "run", *words)) == 0
    (file,) = (tmp_path / "run" / "trackers").rglob("events.*")
    found = events.EventAccumulator(str(file)).Reload()

    def text(tag: str) -> dict[int, str]:
        return {e.step: e.tensor_proto.string_val[0].decode() for e in found.Tensors(f"{tag}/text_summary")}

    problem = next(rollouts.read(tmp_path / "run" / "rollouts" / "step-1.jsonl"))
    assert list(text("samples/held-out")) == [1] and list(text("samples/training")) == [1]
    assert f"**{problem.problem_id}**: {problem.status}" in text("samples/held-out")[1]
    assert "eval/pass@1" in found.Tags()["scalars"]
    for line in read_metrics(tmp_path / "run" / "metrics.jsonl"):
        for name, value in line.items():
            if name != "step" and value is not None:
                logged = {event.step: event.value for event in found.Scalars(name)}
                assert logged[line["step"]] == pytest.approx(value, rel=1e-6)


def test_alarms_reach_a_tracker_that_reads_text_and_the_others_get_numbers(tmp_path):
    class Text(Tracker):
        name = "tensorboard"

    class Numbers(Tracker):
        name = "mlflow"

    class Accelerate:
        trackers: ClassVar[list[Tracker]] = [Text("a"), Numbers("b")]
        is_main_process = True

    for one in Accelerate.trackers:
        one.lines = []  # type: ignore[misc]
    line = {"step": 3, "reward": 0.5, "loss": None, "alarms": {"truncation": "cut"}, "stopped": "enough"}
    trackers.tracker(Accelerate, tmp_path)(line)  # type: ignore[arg-type]
    text, numbers = (one.lines for one in Accelerate.trackers)
    assert numbers == [(3, {"reward": 0.5})]
    assert text == [(3, {"reward": 0.5, "alarms/truncation": "cut", "stopped": "enough"})]
