"""Small parts of training, each by hand: when a checkpoint is due, what is forgotten on the way back, what a tracker is
shown, which arguments are taken, which sample is which."""

from __future__ import annotations

import json
import math
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from rlvr import rollouts
from rlvr.config import (
    AnalysisConfig,
    ConfigError,
    CurriculumConfig,
    SamplingConfig,
    SourceConfig,
    TrainConfig,
)
from rlvr.config.steering import SteeringConfig
from rlvr.evidence import Evidence
from rlvr.rollouts import Rollout
from rlvr.training import trackers
from rlvr.training.arguments import RANGES, check, check_values, groups_per_micro_step
from rlvr.training.checkpoint_policy import CheckpointPolicy
from rlvr.training.checkpoints import Checkpoints, write_manifest
from rlvr.training.collect import Collector
from rlvr.training.curriculum import Curriculum, Outcome
from rlvr.training.held_out import HeldOut, key_of
from rlvr.training.metrics_log import finite, rewind
from rlvr.training.source_mix import weight_of
from rlvr.training.steering import Steering
from tests.conftest import quickstart_config
from tests.training.handles import loop_of

# ------------------------------------------------------------------ when a checkpoint is due


def policy(folder: Path, every: int | None, steps: int = 10) -> Any:
    loop = SimpleNamespace(config=SimpleNamespace(steps=steps), done=0)
    log = SimpleNamespace(held_out=SimpleNamespace(stopped=None, key="eval/pass@1"), last={})
    return CheckpointPolicy(loop, Checkpoints(folder, 0, print), log, every)  # type: ignore[arg-type]


def saved(of: Any, monkeypatch, *steps: int) -> list[int]:
    found: list[int] = []
    monkeypatch.setattr(of, "save", found.append)
    for step in steps:
        of.save_if_due(step)
    return found


def test_a_checkpoint_is_due_after_so_many_steps_and_after_the_last(tmp_path, monkeypatch):
    assert saved(policy(tmp_path, 3), monkeypatch, *range(1, 11)) == [3, 6, 9, 10]
    assert saved(policy(tmp_path, 0), monkeypatch, *range(1, 11)) == [10]
    stopped = policy(tmp_path, 0)
    stopped.log.held_out.stopped = "it has not risen"
    assert saved(stopped, monkeypatch, 4) == [4]


def test_unset_saving_takes_a_hundredth_of_the_time(tmp_path):
    """The last save took a second: ten steps of twelve seconds pay for it, ten of nine do not."""
    for seconds, due in ((12, True), (9, False)):
        of = policy(tmp_path, None)
        assert not of._due(1)  # nothing was done in this launch
        of.steps = 1
        assert of._due(1)  # what a save takes is not known yet
        of.saving = of.last_saving = 1.0
        of.steps, of.steps_when_saved = 30, 20
        of.began = time.perf_counter() - 30 * seconds - 1.0
        assert of._due(30) == due
        of.steps_when_saved = 15  # half as many steps more
        assert of._due(30)


def test_a_new_best_has_a_checkpoint_and_an_equal_one_has_not(tmp_path, monkeypatch):
    of = policy(tmp_path, 0)

    def score(step: int, value: float | None) -> bool:
        of.log.last = {"step": step, "eval/pass@1": value} if value is not None else {"step": step}
        return of._is_best(step)

    assert score(1, 0.0) and not score(1, None)
    assert not of._is_best(2)  # the line is of another step
    folder = tmp_path / "checkpoint-1"
    folder.mkdir()
    write_manifest(folder, {"step": 1, "score": 0.0, "origin": None})
    assert not score(2, 0.0) and score(2, 0.1)
    assert saved(of, monkeypatch, 2) == [2]


def test_the_figure_that_decides_is_the_one_that_is_named():
    def key(**train: Any) -> str:
        sampling = SamplingConfig(samples=64)
        train = {"eval_every": 1, "eval_samples": 8} | train
        config = quickstart_config(
            train=TrainConfig.model_validate(train),
            sampling=sampling,
            analysis=AnalysisConfig(search_budget=16),
        )
        return key_of(config)

    assert key() == "eval/pass@1"
    assert key(best_by="mean_score") == "eval/mean_score"
    assert key(best_by="pass@K") == "eval/pass@8"  # no more than there are samples
    assert key(best_by="pass@K", eval_samples=32) == "eval/pass@16"


def test_the_words_of_an_early_end_name_key_figure_and_step():
    train = {"eval_every": 1, "stop": {"at": 0.9, "patience": 2}}
    held = HeldOut(quickstart_config(train=TrainConfig.model_validate(train)))
    said = [held.see({"step": n, "eval/pass@1": rate}) for n, rate in enumerate((0.5, 0.4, 0.5, 0.9), 1)]
    assert said[:2] == [None, None] and held.best_step == 4
    assert said[2] == (
        "held-out pass@1 has not risen in 2 evaluations in a row (train.stop.patience), since 50.0 at step 1"
    )
    assert said[3] == "held-out pass@1 is 90.0, train.stop.at is 90.0"
    assert held.see({"step": 5}) == said[3] and held.evaluations == 4


# ------------------------------------------------------------------ the log


def test_going_back_to_a_step_keeps_it_and_forgets_what_came_after(tmp_path):
    file, folder = tmp_path / "metrics.jsonl", tmp_path / "rollouts"
    folder.mkdir()
    lines = [json.dumps({"step": step}) for step in range(1, 6)]
    file.write_text("\n".join([*lines, '{"st']))
    for name in (
        "train-000002",
        "train-000003",
        "train-000004",
        "skipped-000003",
        "skipped-000005",
        "step-4",
    ):
        (folder / f"{name}.jsonl").write_text("")
    rewind(file, folder, 3)
    assert [json.loads(line)["step"] for line in file.read_text().splitlines()] == [1, 2, 3]
    left = sorted(path.stem for path in folder.iterdir())
    assert left == ["skipped-000003", "step-4", "train-000002", "train-000003"]
    rewind(file, folder, 0)
    assert file.read_text() == "" and sorted(path.stem for path in folder.iterdir()) == ["step-4"]
    rewind(tmp_path / "none.jsonl", folder, 0)
    assert not (tmp_path / "none.jsonl").exists()


def test_what_json_can_hold():
    assert [finite(x) for x in (1.0, 1, None, "inf", math.inf, -math.inf, math.nan)] == [True] * 4 + [
        False
    ] * 3


def row(problem: str, sample: int, **keys: Any) -> Rollout:
    return Rollout(problem, sample, "base", "?", "so\n4", keys.pop("answer", "4"), True, 2, **keys)


def test_a_tracker_is_shown_the_first_sample_of_each_of_eight_problems(tmp_path):
    file = tmp_path / "step-20.jsonl"
    rows = [row(f"p{n}", s, score=s / 2, status="incorrect", reference=n) for n in range(9) for s in range(2)]
    rollouts.append(file, [row("p0", 7, score=None, status="error", answer=None, reference="4"), *rows])
    found = list(trackers.samples(file))
    assert [one[0] for one in found] == [f"p{n}" for n in range(8)]
    assert found[0] == ["p0", "4", "so\n4", "", "error", "–"]
    assert found[2] == ["p2", "2", "so\n4", "4", "incorrect", "0"]
    assert (
        trackers.markdown(found[2])
        == "**p2**: incorrect, score 0, answer `4`, reference `2`\n\n    so\n    4"
    )


def test_samples_are_shown_after_evaluations_and_every_ten_steps_of_training(tmp_path):
    for step in (1, 2, 11, 21):
        (tmp_path / f"train-{step:06d}.jsonl").touch()
    shown = {step: [t for t, _ in trackers.shown({"step": step}, tmp_path)] for step in (1, 2, 11, 21, 31)}
    assert shown == {
        1: ["samples/training"],
        2: [],
        11: ["samples/training"],
        21: ["samples/training"],
        31: [],
    }
    both = list(trackers.shown({"step": 11, "eval/samples": 9}, tmp_path))
    assert both == [
        ("samples/held-out", tmp_path / "step-11.jsonl"),
        ("samples/training", tmp_path / "train-000011.jsonl"),
    ]
    said = {"alarms": {"length": "too long"}, "stopped": "enough"}
    assert trackers.texts(said) == {"alarms/length": "too long", "stopped": "enough"}
    assert trackers.texts({}) == {}


# ------------------------------------------------------------------ arguments


@pytest.mark.parametrize("key", RANGES)
def test_numbers_outside_of_their_range_are_refused_and_the_ends_are_taken(key):
    low, high = RANGES[key]
    whole = key in ("num_iterations", "ref_model_sync_steps", "ddp_bucket_cap_mb", "save_total_limit")
    needs = {"beta": 0.1} if key.startswith("ref_model") else {}

    def taken(value: float) -> bool:
        value = int(value) if whole else value
        try:
            check_values(TrainConfig(trl=needs | {key: value}))
        except ConfigError as error:
            assert str(error).startswith(f"train.trl.{key}: found {value!r}; expected a number ")
            return False
        return True

    for end, beyond in ((low, low - 1), (high, high + 1)):
        if math.isfinite(end):
            assert taken(end) and not taken(beyond)
    assert taken(1 if whole else min(max(0.5, low), high))


BOUNDS = {
    "beta": (0, math.inf), "epsilon": (0, math.inf), "num_iterations": (1, math.inf), "adam_beta2": (0, 1),
    "top_entropy_quantile": (0, 1), "entropy_coef": (-math.inf, math.inf), "ref_model_mixup_alpha": (0, 1),
}  # fmt: skip


@pytest.mark.parametrize("key", BOUNDS)
def test_ranges_are_those_in_which_a_number_means_something(key):
    assert RANGES[key] == pytest.approx(BOUNDS[key])


@pytest.mark.parametrize(
    ("trl", "said"),
    [
        ({"lr_scheduler_type": "cosin"}, "found 'cosin'; did you mean 'cosine'"),
        ({"optim": "adamw_torch_fuse"}, "did you mean 'adamw_torch_fused'"),
        ({"lr_scheduler_type": "greedy"}, "a function of the step"),
        ({"num_iterations": "two"}, "train.trl.num_iterations: "),
        ({"bta": 0.1}, "TRL's GRPOConfig has no such field; did you mean 'beta'?"),
        ({"max_steps": 3}, "is set by train.steps"),
        ({"vllm_mode": "server"}, "is set by sampling.vllm"),
    ],
)
def test_a_wrong_key_or_value_of_trl_says_what_was_meant(trl, said):
    with pytest.raises(ConfigError) as refused:
        check(TrainConfig(trl=trl))
    assert said in str(refused.value)


@pytest.mark.parametrize("key", ["beta", "entropy_coef", "loss_type"])
def test_imitation_has_no_such_terms_and_what_is_off_is_taken(key):
    values = {"beta": 0.1, "entropy_coef": 0.1, "loss_type": "grpo"}
    for train in (
        {"algorithm": "rejection"},
        {"algorithm": "distill", "distill": {"evidence": {"shots": 2}}},
    ):
        with pytest.raises(ConfigError, match=f"{key}: has no place in train.algorithm={train['algorithm']}"):
            check(TrainConfig.model_validate(train | {"trl": {key: values[key]}}))
        if key != "loss_type":
            check(TrainConfig.model_validate(train | {"trl": {key: 0.0}}))


def test_a_micro_step_is_the_most_whole_groups_within_the_token_budget():
    """16,384 tokens: of 8 samples with 256 tokens each, a group has 2,048."""
    train = TrainConfig(group_size=8)
    assert [groups_per_micro_step(train, n, 256) for n in (4, 8, 12, 16, 7)] == [4, 8, 6, 8, 7]
    assert groups_per_micro_step(train, 8, 257) == 4  # eight would have 16,448
    assert groups_per_micro_step(train, 8, 10_000) == 1  # one at least
    for rows, groups, expected in ((8, 6, 1), (3, 6, 1), (16, 6, 2), (48, 6, 6)):
        asked = TrainConfig(group_size=8, rows_per_micro_step=rows)
        assert groups_per_micro_step(asked, groups, 10_000) == expected
    for rows in (12, 32, 56):
        with pytest.raises(ConfigError, match=f"found {rows}; expected at most a group"):
            groups_per_micro_step(TrainConfig(group_size=8, rows_per_micro_step=rows), 6, 10)


# ------------------------------------------------------------------ what is drawn


def test_a_problem_that_comes_twice_in_a_step_has_its_samples_numbered_on(tmp_path, pool):
    built = loop_of(tmp_path, pool, SamplingConfig(max_new_tokens=4), groups_per_step=3, group_size=2)
    seconds = {"sampling": 0.0, "verifying": 0.0}
    with built.collector.current.sampler("step-0") as sampler:
        groups = built.collector._roll(sampler, 1, {0: 5, 1: 7, 2: 5}, seconds, steered=[1])
        again = built.collector._roll(sampler, 1, {2: 5}, seconds, again=True)
    assert [(g.place, g.index, g.steered) for g in groups] == [(0, 5, False), (1, 7, True), (2, 5, False)]
    assert [[e.sample for e in g.episodes] for g in groups] == [[0, 1], [0, 1], [2, 3]]
    assert [[e.sample for e in g.episodes] for g in again] == [[6, 7]]  # beyond all that a step can have
    seeds = [e.seed for g in (*groups, *again) for e in g.episodes]
    assert len(set(seeds)) == len(seeds) and seconds["sampling"] > 0


@pytest.mark.parametrize(
    ("processes", "index", "places"), [(1, 0, range(6)), (3, 0, range(2)), (3, 2, range(4, 6))]
)
def test_each_process_holds_its_share_of_the_groups(processes, index, places):
    of = SimpleNamespace(
        config=quickstart_config(train=TrainConfig(groups_per_step=6)),
        accelerator=SimpleNamespace(num_processes=processes, process_index=index),
    )
    assert Collector.places.fget(of) == places  # type: ignore[attr-defined]


def test_evidence_of_training_falls_on_a_line_to_nothing():
    def steering(**keys: Any) -> Steering:
        config = SteeringConfig.model_validate({"add": {"shots": 1}} | keys)
        return Steering(config, Evidence(quickstart_config().evidence), 0)

    falling = steering(start=0.8, until=4)
    assert [falling.probability(step) for step in range(1, 7)] == pytest.approx([0.8, 0.6, 0.4, 0.2, 0, 0])
    assert [steering(start=0.3).probability(step) for step in (1, 100)] == [0.3, 0.3]
    half = steering(start=0.5)
    drawn = [place in half.at_first(step, range(20)) for step in range(1, 51) for place in range(20)]
    assert 0.45 < sum(drawn) / len(drawn) < 0.55
    assert half.at_first(3, range(20)) == half.chosen(3, range(20)) != half.chosen(4, range(20))
    later = steering(only="unsolved")
    assert later.at_first(1, range(20)) == set() and later.chosen(1, [3, 5]) == {3, 5}


def test_the_adaptive_weights_are_the_variance_under_each_posterior():
    """Beta(a, b) has E[p (1 − p)] = a b / ((a + b)(a + b + 1)); the prior has the weight of two samples, at the level's
    rate (passed + 1) / (judged + 2)."""
    config = CurriculumConfig(kind="adaptive", uniform_share=0.2, forgetting=0.5)
    curriculum = Curriculum(config, [0, 0, 1], seed=0, clock=lambda: 2)
    curriculum.observe(1, [Outcome(0, 4, 4)])
    curriculum.observe(2, [Outcome(0, 1, 2), Outcome(1, 0, 4)])
    curriculum.state_dict()  # what was observed becomes state
    passed, judged = [4 * 0.5 + 1, 0.0, 0.0], [4 * 0.5 + 2, 4.0, 0.0]
    rates = [(3 + 1) / (8 + 2)] * 2 + [1 / 2]
    assert curriculum.pass_rates().tolist() == pytest.approx([rates[0], rates[2]])
    signal = []
    for p, n, rate in zip(passed, judged, rates, strict=True):
        a, b = 2 * rate + p, 2 * (1 - rate) + n - p
        signal.append(a * b / ((a + b) * (a + b + 1)))
    expected = [0.8 * s / sum(signal) + 0.2 / 3 for s in signal]
    assert curriculum._informative().tolist() == pytest.approx(expected)


def test_half_of_a_staged_draw_is_of_the_newest_level():
    curriculum = Curriculum(CurriculumConfig(kind="staged", level="x"), [0, 1, 0, 2, 1, 0], 0, lambda: 0)
    for stage, weights in enumerate(
        ([2, 0, 2, 0, 0, 2], [1, 1.5, 1, 0, 1.5, 1], [0.6, 0.6, 0.6, 3, 0.6, 0.6])
    ):
        curriculum.stage = stage
        assert curriculum._staged().tolist() == pytest.approx([w / 6 for w in weights])
        assert curriculum.metrics() == {"curriculum/stage": stage}


def test_a_source_without_a_weight_has_the_number_of_its_problems():
    source = SourceConfig(world="train")
    assert weight_of(source, 7) == 7.0 and weight_of(source.model_copy(update={"weight": 0.5}), 7) == 0.5
