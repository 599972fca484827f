"""Alarms on made series, one for each kind, none where nothing happens; on real ones, none where all is well."""

import json
import math
import random
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from rlvr.config import TrainConfig
from rlvr.config.training import ShapingConfig
from rlvr.training.alarms import CALM, EQUAL_GROUPS, WINDOW, Alarms
from tests.conftest import REPO

Change = Callable[[int], dict[str, Any]]


def lines(
    steps: int, change: Change = lambda step: {}, groups: int = 8, size: int = 8
) -> Iterator[dict[str, Any]]:
    """A run in which nothing happens but `change`, with the noise of its samples."""
    draw = random.Random(0)
    n = groups * size

    def share(p: float) -> float:
        return sum(draw.random() < p for _ in range(n)) / n

    for step in range(1, steps + 1):
        solved = share(0.4)
        yield {
            "step": step, "samples": n, "groups/drawn": groups, "reward": solved, "correct_share": solved,
            "reward_std": 0.5, "frac_zero_variance": share(0.3), "truncated_share": share(0.1),
            "completion_length": 100 + draw.gauss(0, 60) / math.sqrt(n), "status/no_answer": share(0.15),
            "entropy/sampled": 0.8 + draw.gauss(0, 0.3) / math.sqrt(n),
        } | change(step)  # fmt: skip


def raised(change: Change, steps: int = 100, **train: Any) -> dict[str, list[tuple[int, str]]]:
    alarms, found = Alarms(TrainConfig(**train)), dict[str, list[tuple[int, str]]]()
    for line in lines(steps, change):
        for name, words in alarms.see(line).items():
            found.setdefault(name, []).append((line["step"], words))
    return found


def later(step: int, **figures: Any) -> dict[str, Any]:
    return figures if step > 40 else {}


MADE: dict[str, tuple[Change, str]] = {
    "equal rewards": (
        lambda step: later(step, frac_zero_variance=1.0, correct_share=0.1),
        "a lower train.learning_rate",
    ),
    "truncation": (lambda step: later(step, truncated_share=0.45), "sampling.max_new_tokens"),
    "no answer": (lambda step: later(step, **{"status/no_answer": 0.6}), "evidence.instruction"),
    "length": (lambda step: later(step, completion_length=250.0), "set train.shaping.overlong"),
    "entropy": (lambda step: later(step, **{"entropy/sampled": 0.02}), "train.trl.entropy_coef"),
    "held-out": (
        lambda step: (
            later(step, reward=0.8)
            | ({"eval/pass@1": 0.5 if step <= 40 else 0.4, "eval/samples": 2048} if step % 20 == 0 else {})
        ),
        "train.keep=best",
    ),
    "weights": (lambda step: {"moved_share": 0.99 if step <= 40 else 0.01}, "dtype=float32"),
}


@pytest.mark.parametrize("kind", MADE)
def test_each_kind_is_raised_once_and_names_the_key_to_change(kind):
    change, key = MADE[kind]
    found = raised(change, eval_every=20)
    assert list(found) == [kind]
    ((step, words),) = found[kind]
    assert 40 < step <= 80
    assert key in words


def test_what_goes_well_raises_nothing():
    """Long answers that are paid, certainty of what is right, rising held-out figures."""

    def improves(step: int) -> dict[str, Any]:
        p = min(0.95, 0.1 + step / 80)
        return {
            "reward": p, "correct_share": p, "completion_length": 100.0 + 4 * step, "eval/pass@1": p,
            "entropy/sampled": 0.8 * (1 - p), "eval/samples": 2048, "moved_share": 0.98,
            "frac_zero_variance": 1.0 if step % 15 else 0.9,
        }  # fmt: skip

    assert raised(improves) == {}


def test_an_alarm_comes_again_after_it_was_over():
    bad = {*range(30, 50), *range(90, 110)}
    found = raised(lambda step: {"truncated_share": 0.6} if step in bad else {}, steps=120)
    first, again = (step for step, _ in found["truncation"])
    assert 30 < first < 50 and 90 < again < 110


def test_one_that_wavers_is_raised_once():
    found = raised(lambda step: {"moved_share": 0.01 if step % CALM else 0.9})
    assert len(found["weights"]) == 1


@pytest.mark.parametrize(
    ("train", "figures"),
    [
        ({"algorithm": "grpo"}, {"frac_zero_variance": 1.0}),
        ({"algorithm": "reinforce"}, {"reward_std": 0.0}),
        ({"algorithm": "rejection"}, {"correct_share": 0.0}),
    ],
)
def test_what_an_algorithm_cannot_learn_from(train, figures):
    """Rewards that are equal within groups teach REINFORCE all the same, whose baseline is the batch's mean."""
    ((step, words),) = raised(lambda step: figures, **train)["equal rewards"]
    assert step == -(-EQUAL_GROUPS // 8) >= WINDOW and "nothing is learnt" in words
    others = {"frac_zero_variance": 1.0, "reward_std": 0.0, "correct_share": 0.0}
    assert "equal rewards" not in raised(
        lambda step: {k: v for k, v in others.items() if k not in figures}, **train
    )


@pytest.mark.parametrize(
    ("solved", "cut", "train", "said"),
    [
        (1.0, 0.0, {}, "100 % solved). The problems are too easy"),
        (0.0, 1.0, {}, "The token limit cuts 100 % of them. Try: a higher sampling.max_new_tokens"),
        (0.0, 0.0, {}, "0 % solved). Try: easier problems in problems.train"),
        (0.0, 0.0, {"reward": "format"}, "The control train.reward=format has nothing left to tell apart"),
    ],
)
def test_the_cure_fits_what_else_the_line_says(solved, cut, train, said):
    figures = {"frac_zero_variance": 1.0, "correct_share": solved, "truncated_share": cut}
    ((_, words),) = raised(lambda step: figures, **train)["equal rewards"]
    assert said in words


def test_what_was_solved_before_is_named():
    """As where the first step of too high a learning rate ruins the model, which then runs to the limit."""
    ruined = {"frac_zero_variance": 1.0, "correct_share": 0.0, "truncated_share": 0.9}
    ((_, words),) = raised(lambda step: {"correct_share": 0.05} if step == 1 else ruined)["equal rewards"]
    assert "At step 1 5 % were solved. Try: a lower train.learning_rate" in words


def test_a_batch_that_is_used_again_counts_once():
    """Its line repeats the figures, with nothing drawn."""
    found = raised(lambda step: {"frac_zero_variance": 1.0} | ({"samples": 0} if step % 2 else {}))
    ((step, _),) = found["equal rewards"]
    assert step == 2 * -(-EQUAL_GROUPS // 8)


def test_words_fit_what_is_set_already():
    change, _ = MADE["length"]
    ((_, words),) = raised(change, shaping=ShapingConfig(overlong=0.5))["length"]
    assert "raise train.shaping.overlong" in words
    change, _ = MADE["held-out"]
    ((_, words),) = raised(change, eval_every=20, keep="best")["held-out"]
    assert "train.keep" not in words


def test_a_run_that_goes_on_raises_what_an_untouched_one_would():
    change, _ = MADE["truncation"]
    every = list(lines(100, change))
    whole = Alarms(TrainConfig())
    said = [whole.see(line) for line in every]
    for cut in (30, 45, 50, 70):
        resumed = Alarms(TrainConfig(), every[:cut])
        assert [resumed.see(line) for line in every[cut:]] == said[cut:]


@pytest.mark.parametrize(("groups", "size"), [(2, 4), (4, 8), (16, 16)])
def test_noise_raises_nothing(groups, size):
    """Every share moves as if the problems of a step decided half of it."""
    draw = random.Random(1)
    alarms, n = Alarms(TrainConfig(eval_every=10)), groups * size

    def share(p: float) -> float:
        rates = [draw.betavariate(2 * p, 2 * (1 - p)) for _ in range(groups)]
        return sum(draw.random() < rate for rate in rates for _ in range(size)) / n

    for step in range(1, 3001):
        solved = share(0.4)
        line = {
            "step": step, "samples": n, "groups/drawn": groups, "reward": solved, "correct_share": solved,
            "reward_std": 0.5, "frac_zero_variance": 0.5, "truncated_share": share(0.3),
            "completion_length": draw.gauss(200, 200 / math.sqrt(groups)), "status/no_answer": share(0.3),
            "entropy/sampled": draw.gauss(0.5, 0.2), "moved_share": 0.9,
        }  # fmt: skip
        if step % 10 == 0:
            line |= {"eval/pass@1": sum(draw.random() < 0.4 for _ in range(512)) / 512, "eval/samples": 512}
        assert alarms.see(line) == {}


def series(name: str) -> list[dict[str, Any]]:
    """The real metrics of a run of the embedded model, the keys that alarms read."""
    text = (REPO / "tests" / "training" / "series" / f"{name}.jsonl").read_text()
    return [json.loads(line) for line in text.splitlines()]


@pytest.mark.parametrize("name", ["quickstart", "small-groups"])
def test_real_runs_that_go_well_raise_nothing(name):
    """The quickstart's 60 steps, of 16 groups of 16 and of 8 groups of 8: entropy falls to a fifth, answers grow by
    four fifths, and in the end a third of the groups teach nothing."""
    alarms, lines = Alarms(TrainConfig(eval_every=10)), series(name)
    assert len(lines) == 60 and lines[-1]["reward"] > 0.8 > lines[0]["reward"]
    assert [alarms.see(line) for line in lines] == [{}] * 60


def test_a_real_run_in_16_bits_raises_one():
    """Full weights in bfloat16 at a learning rate of 1e-6: 8 steps of 4 groups of 4."""
    alarms = Alarms(TrainConfig(learning_rate=1e-6))
    ((step, raised),) = [(line["step"], said) for line in series("bfloat16") if (said := alarms.see(line))]
    assert step == 5 and "changes 0.2 % of the weights" in raised["weights"]


def test_of_virtual_tokens_that_hide_the_task_a_text_to_begin_with_is_named():
    dead = {"frac_zero_variance": 1.0, "correct_share": 0.0}
    for keys, named in (({}, True), ({"init_text": "<pad>"}, False)):
        ((_, words),) = raised(lambda step: dead, adapter={"kind": "soft_prompt"} | keys)["equal rewards"]
        assert ("train.adapter.init_text" in words) == named
