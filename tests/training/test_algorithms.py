"""Every algorithm through the real loop, on the embedded model."""

import pytest
import torch

from rlvr.training.collect import Sampled
from rlvr.training.loop import Loop
from rlvr.training.step_batch import StepBatch
from tests.training.handles import distance, gradient, gradient_of, loop_of, move, prompted, row_by_row
from verifiers.pool import VerifierPool

GROUPS, G = 4, 8


@pytest.fixture(scope="module")
def pool():
    with VerifierPool("math", workers=1) as pool:
        yield pool


def first_batch(loop: Loop) -> tuple[Sampled, StepBatch]:
    """What the loop draws in its first step, and trains on."""
    sampled = loop.collector.sample(1, draw=0)
    batch = loop.credit.weigh(sampled)
    loop.credit.score(batch, sampled)
    return sampled, batch


def flat(batch: StepBatch, name: str) -> torch.Tensor:
    return torch.cat([getattr(group, name) for group in batch.groups])


def token_ids(sampled: Sampled) -> list[list[int]]:
    return [episode.token_ids for group in sampled.groups for episode in group.episodes]


def test_rejection_is_cross_entropy_on_accepted_samples_of_the_base(tmp_path, pool):
    loop = loop_of(tmp_path / "rejection", pool, algorithm="rejection", groups_per_step=GROUPS, group_size=G)
    move(loop.plain, 0.02)  # the policy has moved away from the base
    sampled, batch = first_batch(loop)
    accepted = [reward == 1 for group in sampled.groups for reward in group.rewards]
    assert 0 < sum(accepted) < GROUPS * G
    assert [length > 0 for group in batch.groups for length in group.lengths] == accepted
    loop.backward(batch, fresh=True)
    ours = gradient_of(loop.plain)
    theirs = gradient(loop.plain, -row_by_row(loop.plain, prompted(batch))[0].mean())
    assert distance(ours, theirs) < 1e-4
    untouched, _ = first_batch(loop_of(tmp_path / "grpo", pool, groups_per_step=GROUPS, group_size=G))
    assert token_ids(sampled) == token_ids(untouched)  # the base's samples, whatever has become of the policy
    assert sampled.drawn_by == "base" and untouched.drawn_by == "step-0"


@pytest.mark.parametrize("algorithm", ["rloo", "reinforce"])
def test_the_gradient_is_the_weighted_sum_of_log_probabilities(tmp_path, pool, algorithm):
    loop = loop_of(tmp_path, pool, algorithm=algorithm, groups_per_step=GROUPS, group_size=G)
    _, batch = first_batch(loop)
    loop.backward(batch, fresh=True)
    ours = gradient_of(loop.plain)
    logp, _ = row_by_row(loop.plain, prompted(batch))
    assert len(logp) == batch.totals.tokens  # skipped groups count in the denominator
    theirs = gradient(loop.plain, -(flat(batch, "advantages") * logp).sum() / len(logp))
    assert distance(ours, theirs) < 1e-4


def test_a_control_reward_leaves_the_verdicts_alone(tmp_path, pool):
    random, _ = first_batch(
        loop_of(tmp_path / "random", pool, reward="random", groups_per_step=GROUPS, group_size=G)
    )
    honest, _ = first_batch(loop_of(tmp_path / "honest", pool, groups_per_step=GROUPS, group_size=G))
    assert [g.rewards for g in random.groups] != [[v.score for v in g.verdicts] for g in random.groups]
    assert [g.verdicts for g in random.groups] == [g.verdicts for g in honest.groups]


def test_under_bfloat16_the_gradient_is_the_same_but_for_rounding(tmp_path, pool):
    whole = loop_of(tmp_path / "float32", pool, groups_per_step=GROUPS, group_size=G)
    half = loop_of(tmp_path / "bfloat16", pool, groups_per_step=GROUPS, group_size=G, trl={"bf16": True})
    _, batch = first_batch(whole)
    found = []
    for loop in (whole, half):
        loop.backward(batch, fresh=True)
        found.append(gradient_of(loop.plain))
    assert 0 < distance(found[1], found[0]) < 0.05
