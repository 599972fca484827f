"""The figures of a step, each from its definition, on groups that can be counted by hand; and the parts that a step's
groups are read in."""

from __future__ import annotations

import math
from concurrent.futures import Future

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from rlvr.config import TrainConfig
from rlvr.rollouts.types import Episode, Turn
from rlvr.training.metrics_log import Sums
from rlvr.training.objective import Totals
from rlvr.training.packing import Prompted, Sample
from rlvr.training.step_batch import (
    Group,
    StepBatch,
    TokenGroup,
    measure,
    passes,
    rewards_of,
    used_again,
    wait_for_verdicts,
)
from verifiers import Problem, Verdict

RIGHT, WRONG = Verdict(1.0, "correct", "7"), Verdict(0.0, "incorrect", "8")
EMPTY, UNKNOWN = Verdict(0.0, "no_answer"), Verdict(None, "unverifiable")
LATE = Verdict(0.0, "timeout")


def future(verdict: Verdict) -> Future[Verdict]:
    done: Future[Verdict] = Future()
    done.set_result(verdict)
    return done


def group(place: int, source: str, *samples: tuple[Verdict, int, bool]) -> Group:
    """Samples as verdict, number of the policy's tokens, and whether it ended by itself. A tool wrote three more."""
    episodes = [
        Episode(
            Problem(f"p{place}", "3 + 4", "7", source=source),
            sample,
            sample,
            [1],
            [
                Turn("policy", [5] * (tokens - 1), "", [-0.5] * (tokens - 1)),
                Turn("evidence", [8, 8, 8], "no"),
                Turn("policy", [6], "7", [-2.0]),
            ],
            complete,
        )
        for sample, (_, tokens, complete) in enumerate(samples)
    ]
    return Group(place, place, episodes, [future(verdict) for verdict, _, _ in samples])


DRAWN = [
    group(0, "sums", (RIGHT, 2, True), (WRONG, 4, False), (UNKNOWN, 3, True)),
    group(1, "sums", (RIGHT, 1, True), (RIGHT, 2, True), (RIGHT, 3, True)),
    group(2, "words", (EMPTY, 5, False), (LATE, 6, False), (WRONG, 4, True)),
    group(3, "words", (WRONG, 1, True), (WRONG, 1, True), (UNKNOWN, 2, True)),
]
"""The last one was replaced: three are trained on."""
TRAINED = DRAWN[:3]


@pytest.fixture(scope="module")
def figures() -> dict[str, float]:
    wait_for_verdicts(DRAWN, TrainConfig())
    return measure(DRAWN, rewards_of(TRAINED), {"sampling": 2.0, "verifying": 0.5})


KNOWN = [1, 0, 1, 1, 1, 0, 0, 0, 0, 0]
"""Rewards of the ten samples of twelve that have a verdict."""
MEAN = sum(KNOWN) / 10
TOKENS = 2 + 4 + 3 + 1 + 2 + 3 + 5 + 6 + 4 + 1 + 1 + 2
EXPECTED = {
    "reward": MEAN,
    "reward_std": math.sqrt(sum((r - MEAN) ** 2 for r in KNOWN) / 10),
    "correct_share": 4 / 10,  # of those with a verdict
    "frac_zero_variance": 3 / 4,  # of everything that was drawn
    "mixed_share": 1 / 4,  # one group has right and wrong ones
    "groups/drawn": 4,
    "groups/replaced": 1,
    "groups/dead": 2,  # of those that are trained on
    "completion_length": TOKENS / 12,  # the policy's own
    "truncated_share": 3 / 12,
    "samples": 12,
    "tokens": TOKENS,
    "tokens_per_second": TOKENS / 2.0,
    "entropy/sampled": (0.5 * (TOKENS - 12) + 2.0 * 12) / TOKENS,  # mean of −log p over the policy's tokens
    "seconds/sampling": 2.0,
    "seconds/verifying": 0.5,
    "status/correct": 4 / 12,
    "status/incorrect": 4 / 12,
    "status/no_answer": 1 / 12,
    "status/timeout": 1 / 12,
    "status/unverifiable": 2 / 12,
    "reward/sums": 4 / 5,
    "reward/words": 0.0,
    "correct_share/sums": 4 / 5,
    "correct_share/words": 0.0,
    "frac_zero_variance/sums": 1 / 2,
    "frac_zero_variance/words": 1.0,
    "mixed_share/sums": 1 / 2,
    "mixed_share/words": 0.0,
    "group_share/sums": 1 / 2,
    "group_share/words": 1 / 2,
    "completion_length/sums": 15 / 6,
    "completion_length/words": 19 / 6,
    "truncated_share/sums": 1 / 6,
    "truncated_share/words": 2 / 6,
}


@pytest.mark.parametrize("name", EXPECTED)
def test_a_figure_is_what_its_name_says(figures, name):
    assert figures[name] == pytest.approx(EXPECTED[name])


def test_every_figure_has_its_definition_here(figures):
    assert figures.keys() == EXPECTED.keys()


def test_a_source_with_one_group_of_three_has_a_third_of_the_groups():
    figures = measure(TRAINED, rewards_of(TRAINED), {"sampling": 1.0, "verifying": 0.0})
    assert (figures["group_share/sums"], figures["group_share/words"]) == pytest.approx((2 / 3, 1 / 3))


def test_without_a_verdict_there_is_no_reward_and_no_signal():
    unknown = group(0, "", (UNKNOWN, 1, True), (UNKNOWN, 1, True))
    wait_for_verdicts([unknown], TrainConfig())
    figures = measure([unknown], rewards_of([unknown]), {"sampling": 1.0, "verifying": 0.0})
    assert math.isnan(figures["reward"])
    assert (figures["correct_share"], figures["frac_zero_variance"], figures["mixed_share"]) == (0, 1, 0)


def test_a_batch_that_is_used_again_cost_nothing():
    metrics = {"reward": 0.5, "samples": 8.0, "tokens": 90.0, "groups/drawn": 2.0, "groups/replaced": 1.0}
    metrics |= {"tokens_per_second": 45.0, "seconds/sampling": 2.0, "seconds/verifying": 1.0}
    again = used_again(StepBatch([], 1, Totals(8, 90, 1, 1), metrics)).metrics
    assert again == dict.fromkeys(metrics.keys() - {"reward", "tokens_per_second"}, 0) | {"reward": 0.5}


def test_figures_of_passes_are_added_and_divided_once():
    """A mean over all tokens is not the mean of the passes' means."""
    sums = Sums()
    sums.add(entropy=(2.0, 4), kl=(torch.tensor(1.0), torch.tensor(2)), nothing=(0.0, 0))
    sums.add(entropy=(7.0, 2))
    assert sums.result() == {"entropy": 9.0 / 6, "kl": 0.5}


# ------------------------------------------------------------------ what a pass reads


def token_group(number: int, lengths: list[int]) -> TokenGroup:
    """Each token's advantage tells its group and its sample: 100 · group + sample."""
    samples = [Sample.of([9] * length, [True] * length) for length in lengths]
    values = [100.0 * number + sample for sample, length in enumerate(lengths) for _ in range(length)]
    return TokenGroup(
        Prompted([1, number], samples), torch.tensor(values), sampler=torch.tensor(values) + 0.5
    )


@given(
    st.integers(1, 5).flatmap(
        lambda size: st.lists(
            st.lists(st.integers(0, 3), min_size=size, max_size=size), min_size=1, max_size=4
        )
    ),
    st.integers(1, 20),
)
@settings(deadline=None, max_examples=200, derandomize=True)
def test_each_sample_is_in_one_pass_with_its_own_tokens(lengths, rows):
    groups = [token_group(n, of) for n, of in enumerate(lengths)]
    size = len(lengths[0])
    every = list(range(len(groups) * size))
    parts = passes(groups, every, rows)
    assert [number for part in parts for number in part.numbers] == every
    for part in parts:
        assert len(part.numbers) <= max(rows, 1)
        samples = [sample for own in part.prompted for sample in own.samples]
        assert len(samples) == len(part.numbers)
        expected = [
            100.0 * (number // size) + number % size
            for number in part.numbers
            for _ in range(lengths[number // size][number % size])
        ]
        assert part.flat("advantages").tolist() == expected
        assert part.flat("sampler").tolist() == [value + 0.5 for value in expected]
        prompts = {(own.prompt[1]) for own in part.prompted}
        assert prompts == {number // size for number in part.numbers}
