import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from rlvr.training.advantages import EPSILON, advantages, grpo, reinforce, rejection, rloo, zero_variance

NAN = float("nan")


def test_by_hand():
    # mean 1/4, ddof-1 standard deviation 1/2
    got = grpo(torch.tensor([[1.0, 0.0, 0.0, 0.0]]))
    assert got.tolist()[0] == pytest.approx([0.75 / (0.5 + EPSILON), *[-0.25 / (0.5 + EPSILON)] * 3])


def test_without_scaling_it_is_the_difference_to_the_mean():
    got = grpo(torch.tensor([[1.0, 0.0], [1.0, 1.0]]), scale="none")
    assert got.tolist() == [[0.5, -0.5], [0.0, 0.0]]


def test_batch_scaling_uses_one_deviation():
    rewards = torch.tensor([[1.0, 0.0], [1.0, 1.0]])
    assert grpo(rewards, scale="batch")[0, 0].item() == pytest.approx(0.5 / (0.5 + EPSILON))


def test_samples_without_a_verdict_do_not_move_anything():
    got = grpo(torch.tensor([[1.0, NAN, 0.0, NAN]]))
    assert got[0, 1] == got[0, 3] == 0
    assert got[0, 0].item() == pytest.approx(0.5 / (math.sqrt(0.5) + EPSILON))


@pytest.mark.parametrize("rewards", [[1.0, 1.0, 1.0], [0.1, 0.1, 0.1], [NAN, NAN, NAN], [NAN, 1.0, NAN]])
def test_a_group_of_equal_rewards_teaches_exactly_nothing(rewards):
    rewards = torch.tensor([rewards])
    assert zero_variance(rewards).all()
    assert (grpo(rewards) == 0).all()


def test_an_unknown_scale_is_refused():
    with pytest.raises(ValueError, match="expected 'group', 'batch' or 'none'"):
        grpo(torch.zeros(1, 2), scale="median")


@given(st.lists(st.lists(st.sampled_from([0.0, 1.0, 0.5]), min_size=4, max_size=4), min_size=1, max_size=5))
@settings(deadline=None, max_examples=100, derandomize=True)
def test_advantages_of_a_group_sum_to_zero_and_keep_the_order(rows):
    rewards = torch.tensor(rows)
    got = grpo(rewards)
    assert got.sum(1).abs().max() < 1e-4
    for reward, advantage in zip(rewards, got, strict=True):
        assert (advantage[reward > reward.mean()] > 0).all()


def test_rloo_is_the_difference_to_the_mean_of_the_others():
    got = rloo(torch.tensor([[1.0, 0.0, 0.0, 1.0]]))
    assert got.tolist()[0] == pytest.approx([1 - 1 / 3, -2 / 3, -2 / 3, 1 - 1 / 3])


def test_rloo_leaves_out_samples_without_a_verdict():
    got = rloo(torch.tensor([[1.0, NAN, 0.0, 0.0], [NAN, NAN, NAN, 1.0]]))
    assert got[0].tolist() == pytest.approx([1.0, 0.0, -0.5, -0.5])
    assert (got[1] == 0).all()  # a single reward has no others to be held against


@given(st.lists(st.sampled_from([0.0, 1.0, 0.3, NAN]), min_size=6, max_size=6))
@settings(deadline=None, max_examples=100, derandomize=True)
def test_rloo_against_a_plain_loop(rewards):
    known = [r for r in rewards if not math.isnan(r)]
    for reward, got in zip(rewards, rloo(torch.tensor([rewards]))[0].tolist(), strict=True):
        if math.isnan(reward) or len(known) < 2:
            assert got == 0
        else:
            assert got == pytest.approx(reward - (sum(known) - reward) / (len(known) - 1), abs=1e-6)


def test_reinforce_holds_every_sample_against_the_batch():
    got = reinforce(torch.tensor([[1.0, 1.0], [0.0, NAN], [0.0, 0.0]]))
    assert got.flatten().tolist() == pytest.approx([0.6, 0.6, -0.4, 0.0, -0.4, -0.4])
    assert (reinforce(torch.tensor([[NAN, NAN]])) == 0).all()


def test_rejection_accepts_what_was_rewarded():
    assert rejection(torch.tensor([[1.0, 0.0, NAN, 0.9]])).tolist() == [[1.0, 0.0, 0.0, 1.0]]


@pytest.mark.parametrize("algorithm", ["grpo", "rloo", "reinforce", "rejection"])
def test_advantages_are_finite_whatever_is_missing(algorithm):
    got = advantages(algorithm, torch.tensor([[1.0, 0.0, NAN], [NAN, NAN, NAN], [1.0, 1.0, 1.0]]))
    assert got.isfinite().all() and (got[1] == 0).all()
