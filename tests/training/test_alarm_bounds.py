"""Where each alarm begins: just beyond its bound it is raised, just short of it nothing is. The figures have no noise,
so that the bounds alone decide."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import pytest

from rlvr.config import TrainConfig
from rlvr.training.alarms import Alarms, Level, Window, apart

QUIET = {
    "samples": 64, "groups/drawn": 8, "reward": 0.4, "correct_share": 0.4, "reward_std": 0.5,
    "frac_zero_variance": 0.3, "truncated_share": 0.05, "status/no_answer": 0.05, "completion_length": 100.0,
    "entropy/sampled": 0.8,
}  # fmt: skip
CHANGED = 40
"""The last step before anything happens."""


def first(
    kind: str, before: Mapping[str, Any], after: Mapping[str, Any], steps: int = 80, **train: Any
) -> int | None:
    """The step at which the alarm is raised; no other kind is."""
    alarms, found = Alarms(TrainConfig.model_validate(train)), []
    for step in range(1, steps + 1):
        changed = before if step <= CHANGED else after
        line = {k: v for k, v in (QUIET | {"step": step} | dict(changed)).items() if v is not None}
        said = alarms.see(line)
        assert set(said) <= {kind}
        found += [step] * len(said)
    assert len(found) <= 1
    return found[0] if found else None


@pytest.mark.parametrize(
    ("kind", "key"), [("truncation", "truncated_share"), ("no answer", "status/no_answer")]
)
@pytest.mark.parametrize(
    ("low", "high", "raised"),
    [(0.05, 0.29, False), (0.05, 0.31, True), (0.2, 0.39, False), (0.2, 0.41, True), (0.41, 0.2, False)],
)
def test_a_share_counts_from_three_tenths_on_and_a_fifth_above_its_lowest(kind, key, low, high, raised):
    assert (first(kind, {key: low}, {key: high}) is not None) == raised


def test_a_status_that_no_sample_has_is_a_share_of_0():
    assert first("no answer", {"status/no_answer": None}, {"status/no_answer": 0.31}) is not None


@pytest.mark.parametrize(
    ("short", "long", "reward", "raised"),
    [
        (100.0, 195.0, 0.4, False),  # not twice as long
        (100.0, 205.0, 0.4, True),
        (20.0, 50.0, 0.4, False),  # two and a half times, by 30 tokens
        (20.0, 54.0, 0.4, True),
        (100.0, 205.0, 0.6, False),  # it is paid for
        (100.0, 205.0, 0.2, True),
    ],
)
def test_responses_are_long_at_twice_and_by_a_line_and_unpaid(short, long, reward, raised):
    found = first("length", {"completion_length": short}, {"completion_length": long, "reward": reward})
    assert (found is not None) == raised


@pytest.mark.parametrize(
    ("entropy", "solved", "train", "raised"),
    [
        (0.085, 0.4, {}, False),
        (0.075, 0.4, {}, True),  # a tenth of 0.8 is 0.08
        (0.075, 0.69, {}, True),
        (0.075, 0.71, {}, False),  # who knows the answers may be sure of them
        (0.075, 0.4, {"algorithm": "rejection"}, False),  # these samples are the base's
    ],
)
def test_entropy_has_collapsed_at_a_tenth_of_its_highest(entropy, solved, train, raised):
    after = {"entropy/sampled": entropy, "correct_share": solved}
    assert (first("entropy", {}, after, **train) is not None) == raised


def test_without_what_the_sampler_wrote_the_updates_entropy_is_taken():
    both = {"entropy/sampled": None, "entropy": 0.8}
    assert first("entropy", both, both | {"entropy": 0.075}) is not None


def held_out(rates: Mapping[int, float], samples: int = 10**6, reward: float = 0.8) -> int | None:
    """The step of the alarm, where these steps had such held-out rates."""
    alarms = Alarms(TrainConfig(eval_every=10))
    for step in range(1, 101):
        line = QUIET | {"step": step, "reward": 0.4 if step <= CHANGED else reward}
        if step in rates:
            line |= {"eval/pass@1": rates[step], "eval/samples": samples}
        if "held-out" in alarms.see(line):
            return step
    return None


def test_held_out_problems_have_fallen_in_two_evaluations_in_a_row_by_more_than_two_points():
    assert held_out({40: 0.5, 60: 0.475, 80: 0.475}) == 80
    assert held_out({40: 0.5, 60: 0.475}) is None
    assert held_out({40: 0.5, 60: 0.485, 80: 0.485}) is None
    assert held_out({40: 0.5, 60: 0.475, 70: 0.49, 80: 0.475}) is None  # not in a row
    assert held_out({30: 0.5, 40: 0.51, 60: 0.485, 80: 0.485}) == 80  # from the best
    assert held_out({40: 0.5, 60: 0.475, 80: 0.475}, reward=0.4) is None  # the reward has not risen


def test_a_fall_of_held_out_problems_is_beyond_three_standard_errors():
    """Of 64 samples at a rate of a half the difference of two has √(2 · 0.25 / 64) = 0.088."""
    assert held_out({40: 0.5, 60: 0.25, 80: 0.25}, samples=64) is None
    assert held_out({40: 0.5, 60: 0.22, 80: 0.22}, samples=64) == 80


@pytest.mark.parametrize(("share", "raised"), [(0.11, None), (0.09, CHANGED + 5)])
def test_weights_are_stuck_below_a_tenth_over_five_updates(share, raised):
    """After five updates that moved nearly nothing; where all moved before, the window must be full of them."""
    assert first("weights", {}, {"moved_share": share}) == raised


@pytest.mark.parametrize(("groups", "step"), [(8, CHANGED + 19), (15, CHANGED + 10), (150, CHANGED + 10)])
def test_nothing_is_learnt_after_150_equal_groups_and_ten_steps(groups, step):
    dead = {"frac_zero_variance": 1.0, "groups/drawn": groups}
    assert first("equal rewards", {"groups/drawn": groups}, dead) == step
    assert first("equal rewards", {}, dead, algorithm="distill", distill={"evidence": {"shots": 2}}) is None


def test_a_step_with_a_signal_begins_the_count_anew():
    alarms = Alarms(TrainConfig())
    raised = []
    for step in range(1, 60):
        line = QUIET | {"step": step, "frac_zero_variance": 0.9 if step == 15 else 1.0}
        raised += [step] * ("equal rewards" in alarms.see(line))
    assert raised == [15 + 19]


@pytest.mark.parametrize(
    ("before", "solved", "said"),
    [
        (0.2, 0.51, "too easy"),
        (0.2, 0.5, "easier problems"),
        (0.21, 0.1, "a lower train.learning_rate"),  # it was more than twice as much
        (0.2, 0.1, "easier problems"),
    ],
)
def test_the_cure_depends_on_what_is_and_what_was_solved(before, solved, said):
    alarms = Alarms(TrainConfig())
    words = ""
    for step in range(1, 30):
        line = QUIET | {
            "step": step,
            "frac_zero_variance": 1.0,
            "correct_share": solved if step > 1 else before,
        }
        words += alarms.see(line).get("equal rewards", "")
    assert said in words


def _bad(line: Mapping[str, Any]) -> str | None:
    return "bad" if line["bad"] else None


def test_it_is_raised_again_after_more_than_twenty_steps_without_it():
    for gap, times in ((20, 1), (21, 2)):
        alarms = Alarms(TrainConfig())
        alarms.kinds = {"x": _bad}
        bad = {3, 3 + gap}
        raised = [step for step in range(1, 60) if alarms.see({"step": step, "bad": step in bad})]
        assert raised == sorted(bad)[:times]


def test_the_level_of_a_window_by_hand():
    """The last ten values; the noise of a step is half the mean square of neighbours' differences."""
    window = Window("a", "b", absent=None)
    values = [1.0, 3.0] * 6
    levels = [window.add({"step": n, "a": None, "b": value}) for n, value in enumerate(values, 1)]
    assert levels[:9] == [None] * 9
    assert levels[9] == pytest.approx((10, 2.0, math.sqrt(4 / 2 / 10)))
    assert window.add({"step": 13, "b": 99.0, "samples": 0}) is None  # a batch that is used again
    assert window.add({"step": 14}) is None
    found = window.add({"step": 15, "a": 13.0, "b": 0.0})  # the first of its keys
    assert found == pytest.approx((15, (5 * 3 + 4 * 1 + 13) / 10, math.sqrt((11 * 4 + 100) / 12 / 2 / 10)))


def test_apart_is_five_standard_errors_of_the_difference():
    assert not apart(Level(1, 0.0, 3.0), Level(2, 25.0, 4.0))
    assert apart(Level(1, 0.0, 3.0), Level(2, -25.1, 4.0))
