"""What each key does between a verdict and the update: rewards, advantages, which tokens have a part, PPO's estimates.

One step is sampled by the real loop and judged by the real verifier; each key is then shown on these groups."""

from __future__ import annotations

import math
import statistics
from typing import Any

import pytest
import torch

from rlvr.config import SamplingConfig, TrainConfig
from rlvr.training.collect import Sampled
from rlvr.training.loop import Loop
from rlvr.training.step_batch import StepBatch, measure, rewards_of, wait_for_verdicts
from tests.contracts.keys import shows
from tests.training.handles import loop_of

GROUPS, SIZE = 3, 4
SIZES: dict[str, Any] = {"groups_per_step": GROUPS, "group_size": SIZE, "steps": 2}
REWARDS = [[1.0, 0.0, 0.0, 0.0], [1.0, 1.0, 0.0, 1.0], [1.0, 1.0, 1.0, 1.0]]


@pytest.fixture
def loop(tmp_path, pool):
    def build(**train: Any) -> Loop:
        number = len(list(tmp_path.iterdir()))
        return loop_of(tmp_path / str(number), pool, SamplingConfig(max_new_tokens=13), **SIZES | train)

    return build


@pytest.fixture(scope="module")
def sampled(tmp_path_factory, pool) -> Sampled:
    """A judged step; thirteen tokens are too few for some of its samples."""
    loop = loop_of(tmp_path_factory.mktemp("base"), pool, SamplingConfig(max_new_tokens=13), **SIZES)
    found = loop.collector.sample(1, 0)
    complete = [episode.complete for group in found.groups for episode in group.episodes]
    assert any(complete) and not all(complete), "all or none are cut off: these tests have lost their point"
    return found


def rewarded(sampled: Sampled, **train: Any) -> torch.Tensor:
    """(groups, G) by these settings."""
    wait_for_verdicts(sampled.groups, TrainConfig.model_validate(train))
    return rewards_of(sampled.groups)


def weighed(loop: Loop, sampled: Sampled, rewards: list[list[float]]) -> StepBatch:
    for group, row in zip(sampled.groups, rewards, strict=True):
        group.rewards = row
    return loop.credit.weigh(sampled)


def per_sample(batch: StepBatch) -> list[list[float]]:
    return [group.per_sample(group.advantages) for group in batch.groups]


# ------------------------------------------------------------------ rewards


@shows("train.reward", "train.random_rate")
def test_what_is_rewarded(sampled):
    verdicts = torch.tensor([[float(v.score or 0) for v in g.verdicts] for g in sampled.groups])
    answered = torch.tensor([[float(v.answer is not None) for v in g.verdicts] for g in sampled.groups])
    assert not torch.equal(verdicts, answered)
    assert torch.equal(rewarded(sampled), verdicts)
    assert torch.equal(rewarded(sampled, reward="format"), answered)
    coins = {rate: rewarded(sampled, reward="random", random_rate=rate) for rate in (0.01, 0.5, 0.99)}
    assert torch.equal(coins[0.5], rewarded(sampled, reward="random"))
    assert coins[0.01].mean() < 0.2 < coins[0.5].mean() < 0.8 < coins[0.99].mean()
    assert (coins[0.5] <= coins[0.99]).all(), "a sample has one coin"


@shows("train.shaping.overlong", "train.shaping.per_token")
def test_penalties_on_length(sampled):
    plain = rewarded(sampled)
    lengths = torch.tensor([[float(e.tokens) for e in g.episodes] for g in sampled.groups])
    cut = torch.tensor([[float(not e.complete) for e in g.episodes] for g in sampled.groups])
    torch.testing.assert_close(rewarded(sampled, shaping={"overlong": 0.3}), plain - 0.3 * cut)
    torch.testing.assert_close(rewarded(sampled, shaping={"per_token": 0.01}), plain - 0.01 * lengths)


TERM = """
from verifiers import Verdict

class Term:
    name, answer_format = "term", "text"

    def __init__(self, score=0.5):
        self.score = score

    def verify(self, problem, trace, answer):
        return Verdict(self.score, "correct")
"""


@shows(
    "train.rewards.verifier", "train.rewards.verifier_options", "train.rewards.weight", "train.rewards.name"
)  # fmt: skip
def test_further_terms_are_added_with_their_weights_and_logged_by_name(loop, tmp_path_factory):
    file = tmp_path_factory.mktemp("term") / "term.py"
    file.write_text(TERM)
    terms = [
        {"verifier": f"{file}:Term", "weight": 0.4},
        {"verifier": f"{file}:Term", "weight": -2.0, "verifier_options": {"score": 0.25}, "name": "less"},
    ]
    built = loop(rewards=terms)
    try:
        found = built.collector.sample(1, 0)
    finally:
        built.collector.terms.close()
    for group in found.groups:
        for verdict, reward in zip(group.verdicts, group.rewards, strict=True):
            assert reward == pytest.approx(verdict.score + 0.4 * 0.5 - 2.0 * 0.25)
    figures = measure(found.drawn, rewards_of(found.groups), found.seconds)
    assert (figures["reward/Term"], figures["reward/less"]) == (0.5, 0.25)
    assert figures["reward"] == pytest.approx(figures["reward/verdict"] - 0.3)
    assert figures["correct_share"] == figures["reward/verdict"]


# ------------------------------------------------------------------ advantages


def deviation(row: list[float]) -> float:
    return statistics.stdev(row) + 1e-4


BATCH = [reward for row in REWARDS for reward in row]
MEAN = statistics.mean(BATCH)
DEFINED = {
    "grpo": [[(r - statistics.mean(row)) / deviation(row) for r in row] for row in REWARDS],
    "rloo": [[r - (sum(row) - r) / (SIZE - 1) for r in row] for row in REWARDS],
    "reinforce": [[r - MEAN for r in row] for row in REWARDS],
    "rejection": REWARDS,
    "ppo": REWARDS,  # values begin at 0, and nothing is discounted
}


@shows("train.algorithm")
@pytest.mark.parametrize("name", DEFINED)
def test_how_rewards_become_advantages(loop, sampled, name):
    built = loop(algorithm=name)
    batch = weighed(built, sampled, REWARDS)
    built.credit.score(batch, sampled)
    for found, expected in zip(per_sample(batch), DEFINED[name], strict=True):
        kept = [value for value in expected if value or name != "rejection"]
        assert [value for value in found if value or name != "rejection"] == pytest.approx(kept, abs=1e-5)
    everything = sum(episode.tokens for group in sampled.groups for episode in group.episodes)
    assert (batch.totals.tokens < everything) == (name == "rejection")  # what is not accepted is not there


@shows("train.trl.scale_rewards")
def test_what_advantages_are_divided_by(loop, sampled):
    by = {
        "group": [deviation(row) for row in REWARDS],
        "batch": [deviation(BATCH)] * GROUPS,
        "none": [1.0] * GROUPS,
    }
    for scale, divisors in by.items():
        found = per_sample(weighed(loop(trl={"scale_rewards": scale}), sampled, REWARDS))
        for values, row, divisor in zip(found, REWARDS, divisors, strict=True):
            centred = [reward - statistics.mean(row) for reward in row]
            assert values == pytest.approx([value / divisor for value in centred], abs=1e-5)


@shows("train.trl.mask_truncated_completions")
def test_what_the_token_limit_cut_off_may_be_left_out(loop, sampled):
    whole = sum(e.tokens for g in sampled.groups for e in g.episodes)
    ended = sum(e.tokens for g in sampled.groups for e in g.episodes if e.complete)
    plain = weighed(loop(), sampled, REWARDS)
    masked = weighed(loop(trl={"mask_truncated_completions": True}), sampled, REWARDS)
    assert (plain.totals.tokens, masked.totals.tokens) == (whole, ended)
    assert masked.totals.rows == GROUPS * SIZE
    for group, rows in zip(masked.groups, sampled.groups, strict=True):
        assert group.lengths == [e.tokens if e.complete else 0 for e in rows.episodes]


@pytest.mark.parametrize("algorithm", ["grpo", "rloo", "reinforce", "ppo", "rejection"])
def test_what_was_cut_off_is_left_out_besides_what_the_algorithm_leaves_out(loop, sampled, algorithm):
    """Rejection trains on accepted samples alone, PPO on none without a reward: with the mask as without."""
    missing = float("nan") if algorithm == "ppo" else 0.0
    rewards = [[1.0, 0.0, 1.0, 0.0], [missing, 1.0, missing, 1.0], [0.0, 0.0, 1.0, 1.0]]
    lacks = {"rejection": lambda r: r == 0, "ppo": math.isnan}.get(algorithm, lambda r: False)
    plain = weighed(loop(algorithm=algorithm), sampled, rewards)
    masked = weighed(loop(algorithm=algorithm, trl={"mask_truncated_completions": True}), sampled, rewards)
    for one, other, own, group in zip(plain.groups, masked.groups, rewards, sampled.groups, strict=True):
        lengths = [0 if lacks(r) else e.tokens for r, e in zip(own, group.episodes, strict=True)]
        assert one.lengths == lengths
        ended = [n if e.complete else 0 for n, e in zip(lengths, group.episodes, strict=True)]
        assert other.lengths == ended


@shows("train.ppo.gamma", "train.ppo.gae_lambda")
def test_ppos_estimates(loop, sampled):
    """By the definition: δ_t = r_t + γ V_{t+1} − V_t, and A_t = Σ (γ λ)^l δ_{t+l} (arXiv 1506.02438, eq. 16)."""

    def estimated(**ppo: float) -> tuple[list[float], list[float], list[float]]:
        built = loop(algorithm="ppo", ppo=ppo)
        head = built.plain.value_head
        with torch.no_grad():
            head.weight.copy_(torch.linspace(-0.1, 0.1, head.weight.numel())[None])
        batch = weighed(built, sampled, REWARDS)
        built.credit.score(batch, sampled)
        first = batch.groups[0]
        end = first.lengths[0]
        assert first.values is not None and first.returns is not None
        return tuple(of[:end].tolist() for of in (first.values, first.advantages, first.returns))  # type: ignore

    for ppo in ({}, {"gamma": 0.9}, {"gae_lambda": 0.5}, {"gamma": 0.9, "gae_lambda": 0.5}):
        values, advantages, returns = estimated(**ppo)
        assert max(map(abs, values)) > 0.01
        gamma, lam = ppo.get("gamma", 1.0), ppo.get("gae_lambda", 1.0)
        rewards = [0.0] * (len(values) - 1) + [REWARDS[0][0]]
        deltas = [r + gamma * v1 - v for r, v, v1 in zip(rewards, values, [*values[1:], 0.0], strict=True)]
        expected = [
            sum((gamma * lam) ** n * delta for n, delta in enumerate(deltas[t:])) for t in range(len(values))
        ]
        assert advantages == pytest.approx(expected, abs=1e-5)
        assert returns == pytest.approx([a + v for a, v in zip(expected, values, strict=True)], abs=1e-5)
