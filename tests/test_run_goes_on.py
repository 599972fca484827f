"""What a run may change in its folder, what is set aside when it goes on, and which cell of a sweep lends its base."""

import json
from typing import Any

import pytest

from rlvr import rollouts
from rlvr.config import Cell, ConfigError
from rlvr.rollouts import Rollout
from rlvr.run import (
    GOES_ON,
    Run,
    differences,
    ended,
    flat,
    is_whole,
    newest_checkpoint,
    refuse_other,
    rename_policy,
    set_aside,
    write_config,
)
from rlvr.sweep import Part, _sibling
from tests.conftest import quickstart_config


def with_value(config: Any, key: str, value: Any) -> Any:
    """A copy in which one dotted key has another value."""
    first, _, rest = key.partition(".")
    if isinstance(config, dict):
        return config | {first: with_value(config[first], rest, value) if rest else value}
    held = getattr(config, first)
    return config.model_copy(update={first: with_value(held, rest, value) if rest else value})


def other(value):
    """Another value of the same type; None where there is nothing to change."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int | float):
        return value + 1
    return value + "x" if isinstance(value, str) else None


def test_every_key_makes_it_another_run_but_for_those_that_say_where_it_ends(tmp_path):
    config = quickstart_config()
    keys = {key: other(value) for key, value in flat(config.model_dump(mode="json")).items()}
    changes = {key: value for key, value in keys.items() if value is not None and key not in GOES_ON}
    assert (
        len(changes) > 50
        and {"seed", "model", "train.learning_rate", "sampling.temperature"} <= changes.keys()
    )
    for key, value in changes.items():
        changed = with_value(config, key, value)
        assert [line.partition(":")[0] for line in differences(config, changed)] == [key]
        with pytest.raises(ConfigError, match=rf"(?s)another configuration.*\n  {key}: "):
            refuse_other(config, changed, tmp_path)


def test_more_steps_and_another_end_go_on_and_fewer_steps_do_not(tmp_path):
    config = quickstart_config()
    more = with_value(config, "train.steps", config.train.steps + 10)
    refuse_other(config, more, tmp_path)
    refuse_other(config, with_value(more, "train.stop.patience", 5), tmp_path)
    with pytest.raises(ConfigError, match=r"train\.steps: 70 / 60"):
        refuse_other(more, config, tmp_path)
    with pytest.raises(ConfigError, match=r"(?s)seed: 0 / 7\n.*train.steps: 60 / 70"):
        refuse_other(config, with_value(more, "seed", 7), tmp_path)


def row(problem: str, sample: int, policy: str, **nats: float) -> Rollout:
    return Rollout(problem, sample, policy, "1+1?", "so 2", "2", True, 9, logprobs=nats, score=1.0)


def evaluation(run: Run, name: str, policy: str, problems: int = 2, samples: int = 2, drawn: int = 4):
    """A file of an evaluation, of which `drawn` rows are written."""
    file = run.rollouts(name)
    file.parent.mkdir(exist_ok=True)
    rows = [row(f"p{i}", j, policy, base=-2.0, tuned=-1.0) for i in range(problems) for j in range(samples)]
    rollouts.append(file, rows[:drawn])
    rollouts.write_settings(file, {"policy": policy, "n_problems": problems, "samples": samples})
    return file


@pytest.mark.parametrize("drawn, whole", [(0, False), (3, False), (4, True), (5, False)])
def test_an_evaluation_is_whole_with_every_sample(tmp_path, drawn, whole):
    file = evaluation(Run(tmp_path), "tuned", "tuned")
    lines = file.read_text().splitlines(keepends=True)
    file.write_text("".join((lines * 2)[:drawn]))
    assert is_whole(file) is whole


def test_a_policy_is_renamed_in_rows_settings_and_log_probabilities(tmp_path):
    run = Run(tmp_path)
    tuned, base = evaluation(run, "tuned", "tuned"), evaluation(run, "base", "base")
    rename_policy(tuned, run.rollouts("step-60"), "tuned", "step-60")
    rename_policy(base, base, "tuned", "step-60")
    assert not tuned.exists() and not rollouts.settings_path(tuned).exists()
    for file, own in ((run.rollouts("step-60"), "step-60"), (base, "base")):
        rows = list(rollouts.read(file))
        assert len(rows) == 4 and {r.policy for r in rows} == {own}
        assert all(r.logprobs == {"base": -2.0, "step-60": -1.0} for r in rows)
        assert rollouts.read_settings(file)["policy"] == own
    half = evaluation(run, "tuned", "tuned", drawn=3)
    rename_policy(half, run.rollouts("step-70"), "tuned", "step-70")
    assert not half.exists() and not run.rollouts("step-70").exists()


@pytest.mark.parametrize("evaluated, name", [(False, "step-60"), (True, "tuned-60")])
def test_the_end_of_a_run_that_goes_on_is_set_aside(tmp_path, evaluated, name):
    run = Run(tmp_path)
    for file, policy in (("base", "base"), ("tuned", "tuned"), ("tuned.far", "tuned")):
        evaluation(run, file, policy)
    lines = [{"step": 30}, {"step": 60} | ({"eval/samples": 8} if evaluated else {})]
    run.metrics.write_text("".join(json.dumps(line) + "\n" for line in lines))
    run.report.write_text("page")
    run.report.with_suffix(".json").write_text("{}")
    run.model.mkdir()
    for _ in range(2):  # after a kill it is done again
        set_aside(run, ended(run))
    assert {path.name for path in run.folder.glob("rollouts/*.jsonl")} == {
        "base.jsonl", f"{name}.jsonl", f"{name}.far.jsonl",
    }  # fmt: skip
    assert {r.policy for r in rollouts.read(run.rollouts(name))} == {name}
    assert all(name in r.logprobs for r in rollouts.read(run.rollouts("base")))
    names = {path.name for path in run.folder.iterdir()}
    assert {"report-60.html", "report-60.json", "model-60"} <= names
    assert not {"report.html", "report.json", "model"} & names
    assert run.record["ends"] == [60] and run.record["model"] is None


def test_the_newest_checkpoint_and_the_evaluations_go_by_number(tmp_path):
    run = Run(tmp_path)
    assert newest_checkpoint(run) == 0 and ended(run) == 0
    for name in ("checkpoint-9", "checkpoint-100", "checkpoint-20", "checkpoint-x", "checkpoint-200.part"):
        (run.checkpoints / name).mkdir(parents=True)
    assert newest_checkpoint(run) == 100
    for step in (9, 100, 20):
        evaluation(run, f"step-{step}", f"step-{step}")
    evaluation(run, "step-30.far", "step-30")
    assert [path.stem for path in run.evaluations()] == ["step-9", "step-20", "step-100"]
    run.metrics.write_text('{"step": 9}\n{"step": 100}\n{"step": 20}\n')
    assert ended(run) == 100


CONFIG = quickstart_config()
SAME_BASE = [("train.learning_rate", 0.5), ("train.steps", 3), ("analysis.search_budget", 2)]
OTHER_BASE = [("seed", 7), ("sampling.temperature", 0.5), ("sampling.samples", 3), ("model", "another")]


@pytest.mark.parametrize(
    "key, value, lends", [*((*x, True) for x in SAME_BASE), *((*x, False) for x in OTHER_BASE)]
)
@pytest.mark.parametrize("finished", [True, False])
def test_a_finished_cell_lends_its_base_where_only_training_and_analysis_differ(
    tmp_path, key, value, lends, finished
):
    parts = []
    for name, config in (("one", CONFIG), ("two", with_value(CONFIG, key, value))):
        run = Run(tmp_path / name)
        run.folder.mkdir()
        write_config(config, run.folder / "config.yaml")
        parts.append(Part(Cell(name, ()), config, run))
    assert parts[0].state == "new"
    if finished:
        parts[0].run.report.write_text("")
        assert parts[0].state == "finished"
    assert _sibling(parts[1], parts) == (parts[0].run if lends and finished else None)


def test_a_cell_that_asks_for_more_steps_goes_on(tmp_path):
    run = Run(tmp_path)
    write_config(CONFIG, run.folder / "config.yaml")
    run.metrics.write_text("")
    assert Part(Cell("one", ()), CONFIG, run).state == "begun"
    run.report.write_text("")
    more = with_value(CONFIG, "train.steps", 90)
    assert [Part(Cell("one", ()), config, run).state for config in (CONFIG, more)] == ["finished", "goes on"]
