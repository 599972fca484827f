"""What the losses promise beside TRL: sums over micro-steps, evidence, formulas by hand, and what is refused."""

import math
from dataclasses import replace

import pytest
import torch

from rlvr.config import ConfigError
from rlvr.training.entropy import entropy_threshold
from rlvr.training.importance import MODES
from rlvr.training.objective import LOSSES, Objective, Tokens, Totals, loss
from tests.training.reference_objective import (
    ROWS,
    TRUNCATED,
    Batch,
    T,
    arguments,
    assert_agree,
    draw,
    flat,
    ours,
    trl,
)

LEVELS = ["token", "sequence"]


@pytest.fixture
def batch() -> Batch:
    return draw()


# ------------------------------------------------------------------ what a step is made of


@pytest.mark.parametrize("parts, processes", [(1, 1), (4, 1), (4, 2)])
@pytest.mark.parametrize("loss_type", LOSSES)
def test_groups_left_out_still_count(tmp_path, batch, loss_type, parts, processes):
    """Two groups of two whose advantages are zero; with four parts, micro-steps of such groups alone among them."""
    dead = [2, 3, 6, 7]
    advantages = batch.advantages.clone()
    advantages[dead] = 0
    numbers = replace(batch, advantages=advantages)
    args = arguments(tmp_path, loss_type=loss_type, gradient_accumulation_steps=parts // processes)
    objective = Objective.of(args, other_engine=False)
    assert not objective.needs_all_groups
    found = ours(objective, numbers, parts, processes, left_out=dead)
    assert_agree(found, trl(args, numbers, parts, processes))
    assert_agree(found, ours(objective, numbers, parts, processes))


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("loss_type", LOSSES)
def test_evidence_in_the_middle_changes_nothing_for_other_tokens(tmp_path, batch, loss_type, level):
    """The same completions with what the environment wrote cut out, and the policy's tokens moved together."""
    args = arguments(tmp_path, loss_type=loss_type, importance_sampling_level=level, beta=0.1)
    objective = Objective.of(args, other_engine=False)
    order = (~batch.mask).long().argsort(dim=1, stable=True)
    closed = batch.map(lambda values: values.gather(1, order) if values.dim() == 2 else values)
    with_hole, without = ours(objective, batch), ours(objective, closed)
    assert with_hole.loss == without.loss
    assert with_hole.gradient.gather(2, order.expand(2, -1, -1)).equal(without.gradient)
    assert not with_hole.gradient[0][~batch.mask].any()


@pytest.mark.parametrize("loss_type", LOSSES)
def test_a_micro_step_without_tokens_has_a_loss_of_zero(tmp_path, batch, loss_type):
    settings = {
        "beta": 0.1,
        "entropy_coef": 0.1,
        "top_entropy_quantile": 0.5,
        "off_policy_mask_threshold": 0.1,
    }
    objective = Objective.of(arguments(tmp_path, loss_type=loss_type, **settings), other_engine=True)
    leaves = batch.leaves()
    tokens, logp, entropy = flat(leaves, [TRUNCATED])
    threshold = entropy_threshold(0.5, entropy)
    value, _ = loss(objective, tokens, logp, entropy, Totals(ROWS, 30, 2, 1), 0, threshold)
    value.backward()
    assert value == 0
    assert leaves.logp.grad is not None
    assert not leaves.logp.grad.any()


# ------------------------------------------------------------------ from first principles


def by_hand(batch: Batch, low: float, high: float, level: str, loss_type: str) -> tuple[float, dict]:
    """The clipped losses and d loss / d log π of each token, in loops over floats."""
    assert batch.old is not None
    places = {row: [t for t in range(T) if batch.mask[row, t]] for row in range(ROWS)}
    all_tokens = sum(map(len, places.values()))
    total, gradient = 0.0, {}
    for row, own in places.items():
        advantage = float(batch.advantages[row])
        logs = {t: float(batch.logp[row, t] - batch.old[row, t]) for t in own}
        for t in own:
            log_ratio = sum(logs.values()) / len(own) if level == "sequence" else logs[t]
            ratio = math.exp(log_ratio)
            weight = 1 / (ROWS * len(own)) if loss_type == "grpo" else 1 / all_tokens
            kept = ratio <= 1 + high if advantage > 0 else ratio >= 1 - low
            bound = 1 + high if advantage > 0 else 1 - low
            total -= weight * advantage * (ratio if kept else bound)
            reached = (
                own if level == "sequence" else [t]
            )  # the tokens whose log-probability the ratio depends on
            for other in reached if kept else ():
                slope = -weight * advantage * ratio / len(reached)
                gradient[row, other] = gradient.get((row, other), 0.0) + slope
    return total, gradient


@pytest.mark.parametrize("loss_type, level", [("grpo", "token"), ("dapo", "token"), ("grpo", "sequence")])
def test_grpo_dapo_and_gspo_by_hand(tmp_path, batch, loss_type, level):
    settings = {
        "loss_type": loss_type,
        "importance_sampling_level": level,
        "epsilon": 0.1,
        "epsilon_high": 0.15,
    }
    total, gradient = by_hand(batch, 0.1, 0.15, level, loss_type)
    found = ours(Objective.of(arguments(tmp_path, **settings), other_engine=False), batch)
    dense = torch.zeros(ROWS, T, dtype=torch.float64)
    for place, slope in gradient.items():
        dense[place] = slope
    assert 0 < dense.count_nonzero() < batch.mask.sum()  # some are clipped
    assert found.loss == pytest.approx(total, rel=1e-12)
    assert torch.allclose(found.gradient[0], dense, rtol=1e-12, atol=1e-15)


def test_rejection_sampling_is_cross_entropy(tmp_path, batch):
    """Accepted completions alone, advantage 1, on policy: the gradient of −mean log π."""
    accepted = [0, 5, 7]
    leaves = replace(batch, advantages=torch.ones(ROWS, dtype=torch.float64), old=None).leaves()
    tokens, logp, entropy = flat(leaves, accepted)
    objective = Objective.of(arguments(tmp_path), other_engine=False)
    value, _ = loss(objective, tokens, logp, entropy, Totals(ROWS, len(logp), 1, 1))
    (found,) = torch.autograd.grad(value, logp, retain_graph=True)
    (expected,) = torch.autograd.grad(-logp.mean(), logp)
    assert torch.allclose(found, expected, rtol=1e-12)


def test_the_gradient_of_a_sum_over_completions():
    row = torch.tensor([0, 0, 2, 2, 2, 3])
    tokens = Tokens(row, 5, torch.zeros(6))
    values = torch.randn(6, dtype=torch.float64, requires_grad=True)
    assert tokens.row_sum(torch.ones(6)).tolist() == [2, 2, 3, 3, 3, 1]
    assert torch.autograd.gradcheck(tokens.row_sum, values)


# ------------------------------------------------------------------ what is refused


def test_missing_numbers_are_named(tmp_path, batch):
    tokens, logp, entropy = flat(batch, range(ROWS))
    bare = replace(tokens, ref=None, sampler=None)
    totals = Totals(ROWS, len(logp), 1, 1)
    for settings, missing in (
        ({"beta": 0.1}, "reference"),
        ({"top_entropy_quantile": 0.2}, "entropy_threshold"),
        ({}, "sampler"),
    ):
        objective = Objective.of(arguments(tmp_path, **settings), other_engine=missing == "sampler")
        with pytest.raises(ValueError, match=missing):
            loss(objective, bare, logp, entropy, totals)


def test_settings_that_do_not_exist_are_refused(tmp_path):
    for settings, named in (
        ({"importance_sampling_level": "sequence_token"}, "importance_sampling_level"),
        ({"vllm_importance_sampling_mode": "token"}, "vllm_importance_sampling_mode"),
        ({"loss_type": "vespo", "vllm_importance_sampling_mode": MODES[2]}, "vllm_importance_sampling_mode"),
    ):
        with pytest.raises(ConfigError, match=f"train.trl.{named}"):
            Objective.of(arguments(tmp_path, **settings), other_engine=True)


@pytest.mark.parametrize("row", [[0, 2, 1], [-1, 0, 1], [0, 1, 3]])
def test_rows_out_of_order_are_refused(row):
    with pytest.raises(ValueError, match="ascend"):
        Tokens(torch.tensor(row), 3, torch.zeros(3))


def test_tensors_of_another_length_are_refused():
    with pytest.raises(ValueError, match="ref has shape"):
        Tokens(torch.tensor([0, 1]), 2, torch.zeros(2), ref=torch.zeros(3))
