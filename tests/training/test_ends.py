"""Where training ends: which checkpoint is the model, when it stops early, how it goes on."""

import json
from itertools import count
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from rlvr import api, rollouts, sweep
from rlvr import config as configuration
from rlvr.cli import main
from rlvr.config import ConfigError, TrainConfig
from rlvr.config.training import StopSection
from rlvr.report.one_run import history
from rlvr.run import Run, open_run, read_metrics
from rlvr.training.arguments import grpo_config
from rlvr.training.held_out import HeldOut
from rlvr.training.optimizer import Movement, schedule, set_rates
from tests.conftest import quickstart_config
from tests.training.test_resume import command, result

BEST = ["train.keep=best", "train.eval_every=1", "train.eval_samples=2", "train.trl.save_total_limit=1"]
LINEAR = ["train.trl.lr_scheduler_type=linear", "train.learning_rate=1e-3"]


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "model.safetensors")


# ------------------------------------------------------------------ the best checkpoint, and early stopping


@pytest.mark.slow
def test_the_best_checkpoint_is_the_model_and_training_stops(tmp_path):
    """A step of this learning rate ruins the model: every evaluation is 0, and the earliest of equal ones the best."""
    run = Run(tmp_path / "run")
    words = [*BEST, "train.stop.patience=2", "train.learning_rate=0.3"]
    assert main(command(run.folder, *words)) == 0
    lines = read_metrics(run.metrics)
    assert [line["step"] for line in lines] == [1, 2, 3]
    assert [line["eval/pass@1"] for line in lines] == [0.0, 0.0, 0.0]
    assert (
        "has not risen in 2 evaluations in a row (train.stop.patience), since 0.0 at step 1"
        in lines[-1]["stopped"]
    )
    assert run.record["model"] == {"step": 1, "figure": "pass@1", "value": 0.0, "of": 3}
    first, last = (weights(run.checkpoints / f"checkpoint-{step}") for step in (1, 3))
    model = weights(run.model)
    assert all(torch.equal(model[name], first[name]) for name in model)
    assert not all(torch.equal(model[name], last[name]) for name in model)
    log = run.log.read_text()
    assert "Training stops early, after step 3" in log
    assert "The model is that of step 1: held-out pass@1 0.0, the best of 3 evaluations" in log

    assert main(command(run.folder, *words)) == 0  # nothing is left to do
    assert len(read_metrics(run.metrics)) == 3
    more = ["train.steps=9", "train.stop.patience=null"]
    with pytest.raises(ConfigError, match=r"training stopped early, after step 3 .* change train\.stop too"):
        open_run(configuration.load(run.folder / "config.yaml", more[:1]), run.folder)
    open_run(configuration.load(run.folder / "config.yaml", more), run.folder)
    assert (run.folder / "model-3").is_dir() and run.record["ends"] == [3] and run.record["model"] is None


def config(**train) -> configuration.Config:
    return quickstart_config(train=TrainConfig(eval_every=10, **train))


def lines(*rates: float) -> list[dict]:
    return [
        {"step": 10 * i, "eval/pass@1": rate, "eval/pass@16": 1 - rate}
        for i, rate in enumerate(rates, start=1)
    ]


def test_when_training_stops():
    patient = config(stop=StopSection(patience=2))
    assert HeldOut(patient, lines(0.1, 0.3, 0.3, 0.4)).stopped is None
    held_out = HeldOut(patient, lines(0.1, 0.3, 0.3))
    assert held_out.see({"step": 35}) is None
    assert "2 evaluations in a row" in str(held_out.see({"step": 40, "eval/pass@1": 0.2}))
    assert (held_out.best_step, held_out.best) == (20, 0.3)
    at = config(stop=StopSection(at=0.9))
    assert HeldOut(at, lines(0.89)).stopped is None
    assert HeldOut(at, lines(0.5, 0.91)).stopped == "held-out pass@1 is 91.0, train.stop.at is 90.0"
    other = HeldOut(config(best_by="pass@K", stop=StopSection(at=0.7)), lines(0.5, 0.2))
    assert other.key == "eval/pass@16" and "held-out pass@K is 80.0" in str(other.stopped)
    assert HeldOut(config(), lines(0.5, 0.1, 0.1, 0.1, 0.1)).stopped is None


# ------------------------------------------------------------------ going on


@pytest.mark.slow
def test_more_steps_end_where_a_run_of_as_many_from_the_start_ends(tmp_path):
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    constant = "train.trl.lr_scheduler_type=constant"
    assert main(command(whole, constant)) == 0
    assert main(command(parts, constant, "train.steps=2")) == 0
    assert main(["train", str(parts), "train.steps=4", "-q"]) == 0
    assert result(parts) == result(whole)
    assert Run(parts).record["ends"] == [2] and (parts / "model-2").is_dir()
    assert configuration.load(parts / "config.yaml").train.steps == 4


@pytest.mark.slow
def test_a_decaying_schedule_goes_on_as_the_longer_one(tmp_path):
    assert main(command(tmp_path, "train.steps=2", *LINEAR)) == 0
    assert main(["train", str(tmp_path), "train.steps=4", "-q"]) == 0
    rates = [line["learning_rate"] for line in read_metrics(tmp_path / "metrics.jsonl")]
    assert rates == pytest.approx([1e-3, 0.5e-3, 0.5e-3, 0.25e-3])
    assert "the next one has learning rate 0.0005" in (tmp_path / "log.txt").read_text()


def test_a_checkpoint_has_the_rates_of_the_schedule_that_reads_it(tmp_path):
    def made(steps: int) -> torch.optim.lr_scheduler.LRScheduler:
        train = TrainConfig(steps=steps, trl={"lr_scheduler_type": "cosine", "warmup_steps": 2})
        of = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
        return schedule(of, grpo_config(quickstart_config(train=train), tmp_path, 20), steps)

    short, long, longer = made(4), made(8), made(8)
    for of, steps in ((short, 4), (long, 4)):
        for _ in range(steps):
            of.optimizer.step()
            of.step()
    longer.load_state_dict(short.state_dict())
    set_rates(longer)
    assert short.get_last_lr() == [0.0]
    assert longer.get_last_lr() == long.get_last_lr() != [0.0]
    assert longer.optimizer.param_groups[0]["lr"] == long.optimizer.param_groups[0]["lr"]


def ended_run(folder: Path) -> Run:
    """A finished run of 60 steps, of which every file is there, and a probe's evaluation that is not."""
    run = open_run(quickstart_config(), folder)
    run.metrics.write_text('{"step": 60}\n')
    for inner in (run.model, run.checkpoints / "checkpoint-60"):
        inner.mkdir(parents=True)
    run.report.write_text("page")
    run.report.with_suffix(".json").write_text("{}")
    for name, policy, other in (
        ("base", "base", "tuned"),
        ("tuned", "tuned", "base"),
        ("tuned.rare", "tuned", "base"),
    ):
        nats = {policy: -1.0, other: -2.0}
        row = rollouts.Rollout("p", 0, policy, "2+2", "4", "4", True, 1, logprobs=nats, score=1.0)
        rollouts.append(run.rollouts(name), [row])
        samples = 2 if "rare" in name else 1
        rollouts.write_settings(run.rollouts(name), {"policy": policy, "n_problems": 1, "samples": samples})
    return run


def assert_is_set_aside(run: Run) -> None:
    (row,) = rollouts.read(run.rollouts("step-60"))
    assert (row.policy, row.logprobs) == ("step-60", {"step-60": -1.0, "base": -2.0})
    (row,) = rollouts.read(run.rollouts("base"))
    assert (row.policy, row.logprobs) == ("base", {"base": -1.0, "step-60": -2.0})
    assert rollouts.read_settings(run.rollouts("step-60"))["policy"] == "step-60"
    assert {p.name for p in run.folder.glob("rollouts/*.jsonl")} == {"base.jsonl", "step-60.jsonl"}
    assert not (run.model.exists() or run.report.exists())
    assert (run.folder / "model-60").is_dir() and (run.folder / "report-60.html").read_text() == "page"
    assert run.record["ends"] == [60] and run.evaluations() == [run.rollouts("step-60")]


def test_what_belongs_to_the_earlier_end_is_kept_under_its_step(tmp_path):
    """The evaluation of the tuned policy, whose name other files use too, the model and the report."""
    run = ended_run(tmp_path)
    open_run(configuration.load(tmp_path / "config.yaml", ["train.steps=100"]), tmp_path)
    assert_is_set_aside(run)
    (note,) = history(quickstart_config(), run)
    assert "What belonged to that end lies in model-60" in note


def test_a_kill_while_the_files_are_renamed_leaves_the_rest_to_the_same_command(tmp_path, monkeypatch):
    """At each of the writes and renames: in the end all is where it belongs."""
    for killed in count():
        run = ended_run(tmp_path / str(killed))
        more = configuration.load(run.folder / "config.yaml", ["train.steps=100"])
        calls = count()
        with monkeypatch.context() as patch:
            for owner, name in ((Path, "rename"), (Path, "replace"), (Path, "unlink")):
                patch.setattr(owner, name, dying(getattr(owner, name), calls, killed))
            try:
                open_run(more, run.folder)
                whole = True
            except KeyboardInterrupt:
                whole = False
        open_run(more, run.folder)
        assert_is_set_aside(run)
        assert configuration.load(run.folder / "config.yaml") == more
        if whole:
            assert killed > 8
            return


def dying(original, calls, number):
    def call(*args, **kwargs):
        if next(calls) == number:
            raise KeyboardInterrupt
        return original(*args, **kwargs)

    return call


def test_a_run_that_is_given_more_steps_before_it_has_ended_says_where(tmp_path):
    run = open_run(quickstart_config(), tmp_path)
    run.metrics.write_text('{"step": 1}\n{"step": 2}\n')
    (run.checkpoints / "checkpoint-1").mkdir(parents=True)
    for _ in range(2):
        open_run(configuration.load(tmp_path / "config.yaml", ["train.steps=100"]), tmp_path)
        assert run.record["ends"] == [1]
    (note,) = history(quickstart_config(), run)
    assert note.startswith("After step 1 the run went on") and note.endswith("longer schedule.")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["train.steps=30"], "train.steps: 60 / 30"),
        (["train.steps=100", "seed=1"], "seed: 0 / 1"),
        (["train.steps=100"], "could go on from checkpoints/checkpoint-60, which is not there"),
    ],
)
def test_what_cannot_go_on_is_refused_with_what_can(tmp_path, words, said):
    run = open_run(quickstart_config(), tmp_path)
    run.metrics.write_text('{"step": 60}\n')
    run.model.mkdir()
    with pytest.raises(ConfigError) as refused:
        open_run(configuration.load(configuration.find("quickstart"), words), tmp_path)
    assert said in str(refused.value)
    if "seed" in said:
        assert f"name=NAME or --output (there, resume={tmp_path} begins" in str(refused.value)
    assert run.model.is_dir() and configuration.load(tmp_path / "config.yaml").train.steps == 60


def test_the_runs_of_a_sweep_go_on_with_more_steps(tmp_path):
    file, seeds = configuration.find("quickstart"), "seed=1,2"
    (tmp_path / "sweep.json").write_text("{}")
    for cell in configuration.cells([seeds]):
        run = open_run(configuration.load(file, cell.overrides), tmp_path / cell.name)
        run.report.write_text("")

    def states(*words: str) -> list[str]:
        return [part.state for part in sweep.plan(configuration.cells([seeds, *words]), file, tmp_path)]

    assert states() == ["finished", "finished"]
    assert states("train.steps=100") == ["goes on", "goes on"]
    with pytest.raises(ConfigError, match=r"train\.steps: 60 / 30"):
        states("train.steps=30")


# ------------------------------------------------------------------ which folder


def test_the_folder_of_a_run_is_a_config_that_goes_on_there(tmp_path):
    open_run(quickstart_config(), tmp_path / "run", base=tmp_path)
    for name in (tmp_path / "run", tmp_path / "run" / "config.yaml"):
        source = api.source(str(name))
        assert (source.file, source.base, source.folder) == (
            tmp_path / "run" / "config.yaml",
            tmp_path,
            tmp_path / "run",
        )
    (tmp_path / "sweep").mkdir()
    (tmp_path / "sweep" / "sweep.json").write_text(json.dumps({"cells": []}))
    with pytest.raises(ConfigError, match="a sweep goes on by the command that began it"):
        api.source(str(tmp_path / "sweep"))


def test_a_name_is_the_folder_of_a_sweep_and_is_refused_where_it_cannot_be_one():
    source = api.source("quickstart")
    named = quickstart_config(name="first")
    assert api.folder_of(named, source, None, sweep=True) == Path("runs/first-sweep")
    with pytest.raises(ConfigError, match="cannot be part of a file's name"):
        configuration.load(configuration.find("quickstart"), ["name=../x"])
    with pytest.raises(ConfigError, match="cannot be swept"):
        configuration.cells(["name=a,b"])


# ------------------------------------------------------------------ weights that do not move


def test_an_update_that_16_bits_round_away_is_seen():
    def moved(dtype: torch.dtype, rate: float) -> dict[str, float]:
        torch.manual_seed(0)
        model = torch.nn.Sequential(torch.nn.Embedding(10, 64), torch.nn.Linear(64, 64)).to(dtype)
        of, movement = torch.optim.AdamW(model.parameters(), lr=rate, weight_decay=0.0), Movement(model)
        model(torch.tensor([1, 2])).sum().backward()
        before = movement.look()
        of.step()
        return movement.since(before)

    assert moved(torch.bfloat16, 1e-7)["moved_share"] < 0.05
    assert moved(torch.bfloat16, 1e-2)["moved_share"] > 0.95
    assert moved(torch.float32, 1e-6) == {}
