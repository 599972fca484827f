"""What each key of `train.trl` that belongs to the loss does, on five tokens whose loss can be computed by hand."""

import math
from typing import Any

import pytest
import torch

from rlvr.config import LOSS_TYPES, SamplingConfig, TrainConfig
from rlvr.training.arguments import grpo_config
from rlvr.training.entropy import EntropyControl, entropy_threshold
from rlvr.training.importance import Tokens
from rlvr.training.objective import Objective, Totals, loss
from tests.conftest import quickstart_config
from tests.contracts.keys import shows

LENGTHS, LIMIT = (2, 3), 10
ADVANTAGES = (1.0, 1.0, -1.0, -1.0, -1.0)
RATIOS = (1.5, 0.5, 1.5, 0.5, 3.0)
"""π/π_old of the two tokens of a good completion and the three of a bad one."""
OLD = (-1.0, -2.0, -1.5, -0.5, -3.0)
REFERENCE = (-0.7, -2.5, -1.4, -1.0, -2.0)
ENTROPIES = (0.1, 0.9, 0.5, 0.2, 0.7)
SAMPLER = (2.0, 2.0, 1.0, 1.0, 1.5)
"""π_old/π_sampler: what another engine's probabilities were off by."""


def arguments(tmp_path, **trl):
    train, sampling = TrainConfig(steps=1, trl=trl), SamplingConfig(max_new_tokens=LIMIT)
    return grpo_config(quickstart_config(train=train, sampling=sampling), tmp_path, longest_prompt=5)


def f64(values):
    return torch.tensor(values, dtype=torch.float64)


def found(tmp_path, ratios=RATIOS, other_engine=False, **trl):
    """Loss, gradient in the log-probabilities, and metrics as (sum, count)."""
    objective = Objective.of(arguments(tmp_path, **trl), other_engine=other_engine)
    old = f64(OLD)
    logp = (old + f64(ratios).log()).requires_grad_()
    tokens = Tokens(
        row=torch.tensor([0, 0, 1, 1, 1]),
        rows=2,
        advantages=f64(ADVANTAGES),
        old=old,
        ref=f64(REFERENCE),
        sampler=old - f64(SAMPLER).log() if other_engine else None,
    )
    entropies, quantile = f64(ENTROPIES), objective.top_entropy_quantile
    threshold = entropy_threshold(quantile, entropies) if quantile < 1 else None
    value, metrics = loss(objective, tokens, logp, entropies, Totals(2, 5, 1, 1), entropy_threshold=threshold)
    (gradient,) = torch.autograd.grad(value, logp)
    return value.item(), gradient.tolist(), {name: (float(s), float(n)) for name, (s, n) in metrics.items()}


def value(tmp_path, **trl):
    return found(tmp_path, **trl)[0]


def clipped(low=0.8, high=1.28, ratios=RATIOS, most=math.inf):
    """−min(r A, clip(r) A) of each token."""
    return [
        -min(min(r, most) * a, min(max(r, low), high) * a) for r, a in zip(ratios, ADVANTAGES, strict=True)
    ]


def close(number):
    return pytest.approx(number, rel=1e-5)


def test_by_default_it_is_the_mean_of_the_clipped_losses_over_all_tokens(tmp_path):
    assert clipped() == close([-1.28, -0.5, 1.5, 0.8, 3.0])
    number, gradient, metrics = found(tmp_path)
    assert number == close((-1.28 - 0.5 + 1.5 + 0.8 + 3.0) / 5)
    # d/dlogp of −r A is −r A; no gradient where the ratio is clipped: the first token from above, the fourth from below
    assert gradient == close([0, -0.5 / 5, 1.5 / 5, 0, 3.0 / 5])
    assert metrics["clipped_share/high"] == (1, 5) and metrics["clipped_share/low"] == (1, 5)


@shows("train.trl.epsilon", "train.trl.epsilon_high", "train.trl.delta")
def test_ratios_count_within_the_bounds(tmp_path):
    assert value(tmp_path, epsilon=0.4) == close(sum(clipped(low=0.6)) / 5)
    assert value(tmp_path, epsilon_high=0.1) == close(sum(clipped(high=1.1)) / 5)
    assert value(tmp_path, delta=2.0) == close(sum(clipped(most=2.0)) / 5)
    assert found(tmp_path, epsilon=0.6)[2]["clipped_share/low"] == (0, 5)
    assert found(tmp_path, epsilon_high=0.6)[2]["clipped_share/high"] == (0, 5)


def sapo(ratio, advantage, positive=1.0, negative=1.05):
    t = positive if advantage > 0 else negative
    return -4 / t / (1 + math.exp(-t * (ratio - 1))) * advantage


def vespo(product, positive=(2.0, 3.0), negative=(3.0, 2.0)):
    """−φ(w) A log π of each token; `product`: of a completion's ratios."""
    losses = []
    for r, a, old, row in zip(RATIOS, ADVANTAGES, OLD, (0, 0, 1, 1, 1), strict=True):
        (k, rate), w = positive if a >= 0 else negative, product[row]
        losses.append(-math.exp(rate) * w**k * math.exp(-rate * w) * a * (old + math.log(r)))
    return losses


WHOLE = (1.5 * 0.5, 1.5 * 0.5 * 3.0)


@shows("train.trl.loss_type")
@pytest.mark.parametrize("name", LOSS_TYPES)
def test_each_loss_is_its_paper_s(tmp_path, name):
    good, bad = sum(clipped()[:2]), sum(clipped()[2:])
    means = [WHOLE[0] ** (1 / 2), WHOLE[1] ** (1 / 3)]  # one ratio per completion
    of_sequences = [-min(means[0], 1.28), max(means[1], 0.8)]
    gates = [sapo(r, a) for r, a in zip(RATIOS, ADVANTAGES, strict=True)]
    logp = [old + math.log(r) for old, r in zip(OLD, RATIOS, strict=True)]
    defined = {
        "grpo": (good / 2 + bad / 3) / 2,
        "dr_grpo": (good + bad) / (2 * LIMIT),
        "dapo": (good + bad) / 5,
        "bnpo": (good + bad) / 5,
        "luspo": (2 * of_sequences[0] + 3 * of_sequences[1]) / 2,
        "cispo": sum(-min(r, 0.28) * a * n for r, a, n in zip(RATIOS, ADVANTAGES, logp, strict=True)) / 5,
        "sapo": (sum(gates[:2]) / 2 + sum(gates[2:]) / 3) / 2,
        "vespo": sum(vespo(WHOLE)) / 5,
    }
    level: dict[str, Any] = {"importance_sampling_level": "sequence"} if name == "luspo" else {}
    assert value(tmp_path, loss_type=name, **level) == close(defined[name])


@shows("train.trl.importance_sampling_level")
def test_a_completion_may_have_one_ratio(tmp_path):
    """The geometric mean of its tokens' (GSPO, eq. 7)."""
    means = [(1.5 * 0.5) ** (1 / 2), (1.5 * 0.5 * 3.0) ** (1 / 3)]
    expected = (-min(means[0], 1.28) + max(means[1], 0.8)) / 2
    asked: dict[str, Any] = {"loss_type": "grpo", "importance_sampling_level": "sequence"}
    assert value(tmp_path, **asked) == close(expected)
    assert found(tmp_path, **asked)[2]["importance_ratio"] == (close(sum(means)), close(2))


@shows("train.trl.sapo_temperature_pos", "train.trl.sapo_temperature_neg")
def test_the_gates_temperatures(tmp_path):
    def expected(**temperatures):
        gates = [sapo(r, a, **temperatures) for r, a in zip(RATIOS, ADVANTAGES, strict=True)]
        return (sum(gates[:2]) / 2 + sum(gates[2:]) / 3) / 2

    assert value(tmp_path, loss_type="sapo", sapo_temperature_pos=2.0) == close(expected(positive=2.0))
    assert value(tmp_path, loss_type="sapo", sapo_temperature_neg=2.0) == close(expected(negative=2.0))


@shows(
    "train.trl.vespo_k_pos", "train.trl.vespo_lambda_pos", "train.trl.vespo_k_neg", "train.trl.vespo_lambda_neg"
)  # fmt: skip
@pytest.mark.parametrize(
    ("key", "positive", "negative"),
    [
        ("vespo_k_pos", (1.0, 3.0), (3.0, 2.0)),
        ("vespo_lambda_pos", (2.0, 1.0), (3.0, 2.0)),
        ("vespo_k_neg", (2.0, 3.0), (1.0, 2.0)),
        ("vespo_lambda_neg", (2.0, 3.0), (3.0, 1.0)),
    ],
)
def test_the_gammas_shape(tmp_path, key, positive, negative):
    assert value(tmp_path, loss_type="vespo", **{key: 1.0}) == close(
        sum(vespo(WHOLE, positive, negative)) / 5
    )


@shows("train.trl.beta", "train.trl.use_bias_correction_kl")
def test_the_distance_to_the_reference_is_added(tmp_path):
    """k3 = π_ref/π − log π_ref/π − 1, times π/π_old where its gradient is to be the KL's own."""
    estimates = []
    for ref, old, r in zip(REFERENCE, OLD, RATIOS, strict=True):
        log = ref - (old + math.log(r))
        estimates.append(math.exp(log) - log - 1)
    plain, with_ratio = sum(estimates) / 5, sum(k * r for k, r in zip(estimates, RATIOS, strict=True)) / 5
    assert value(tmp_path, beta=0.1, use_bias_correction_kl=False) - value(tmp_path) == close(0.1 * plain)
    assert value(tmp_path, beta=0.1) - value(tmp_path) == close(0.1 * with_ratio)
    assert value(tmp_path, beta=0.4) - value(tmp_path) == close(0.4 * with_ratio)
    assert found(tmp_path, beta=0.1)[2]["kl"] == (close(5 * with_ratio), 5)


@shows("train.trl.off_policy_mask_threshold")
def test_a_bad_completion_that_has_become_unlikely_is_left_out(tmp_path):
    """Where the mean of log π_old − log π is above the threshold; a good one never is."""
    ratios = (0.5, 0.5, 0.5, 0.9, 0.9)
    distance = -(math.log(0.5) + 2 * math.log(0.9)) / 3
    both = clipped(ratios=ratios)
    for threshold, losses in ((distance * 1.01, both), (distance * 0.99, both[:2])):
        number, _, metrics = found(tmp_path, ratios, off_policy_mask_threshold=threshold)
        assert number == close(sum(losses) / 5)
        assert metrics["off_policy_share"] == (close(0 if losses is both else 1), close(2))


@shows("train.trl.top_entropy_quantile")
def test_tokens_of_high_entropy_alone_are_trained_on(tmp_path):
    """Of five entropies, the 60th percentile lies between 0.5 and 0.7: two are above it."""
    number, gradient, metrics = found(tmp_path, top_entropy_quantile=0.4)
    assert number == close((clipped()[1] + clipped()[4]) / 5)
    assert [g != 0 for g in gradient] == [False, True, False, False, True]
    assert metrics["entropy/high"] == (close(0.9 + 0.7), 2)


@shows("train.trl.entropy_coef")
def test_entropy_may_be_paid_for(tmp_path):
    assert value(tmp_path, entropy_coef=0.3) == close(value(tmp_path) - 0.3 * sum(ENTROPIES) / 5)


@shows(
    *(f"train.trl.{name}" for name in ("use_adaptive_entropy", "entropy_coef_min", "entropy_coef_max")),
    *(f"train.trl.{name}" for name in ("entropy_coef_delta", "entropy_target")),
)
def test_what_is_paid_follows_the_entropy(tmp_path):
    """It grows by the step after each entropy at or below the target, shrinks after any other, within its bounds; and
    is paid while the entropy is at most the target."""

    def paid(*entropies, **keys):
        control = EntropyControl.of(arguments(tmp_path, use_adaptive_entropy=True, **keys))
        assert control
        bonuses = [control.bonus]
        for entropy in entropies:
            control.observe({"entropy": entropy})
            bonuses.append(control.bonus)
        return pytest.approx(bonuses)

    assert EntropyControl.of(arguments(tmp_path, entropy_coef=0.1)) is None
    low, high = 0.1, 0.3  # of the default target, 0.2
    assert paid(low, low, low, entropy_coef=0.1) == [0, 0.105, 0.11, 0.115]
    assert paid(low, high, low, entropy_coef=0.1) == [0, 0.105, 0, 0.105]
    assert paid(low, low, entropy_coef=0.1, entropy_coef_delta=0.05) == [0, 0.15, 0.2]
    assert paid(low, low, entropy_coef=0.1, entropy_coef_max=0.103) == [0, 0.103, 0.103]
    assert paid(high, low, entropy_coef=0.1, entropy_coef_min=0.098) == [0, 0, 0.103]
    assert paid(high, low, entropy_coef=0.1, entropy_coef_delta=0.2) == [0, 0, 0.2]  # not below 0
    assert paid(high, entropy_coef=0.1, entropy_target=0.4) == [0, 0.105]


@shows(
    *(f"train.trl.vllm_importance_sampling_{name}" for name in ("correction", "mode", "clip_max", "clip_min"))
)
def test_another_engines_probabilities_are_corrected_for(tmp_path):
    """By π_old/π_sampler: of completions 4 and 1.5, of tokens as in SAMPLER; masked, or truncated, out of bounds."""

    def weighted(weights, **keys):
        keys = {f"vllm_importance_sampling_{name}": value for name, value in keys.items()}
        expected = sum(w * ell for w, ell in zip(weights, clipped(), strict=True)) / 5
        assert found(tmp_path, other_engine=True, **keys)[0] == close(expected), keys

    weighted([0, 0, 1.5, 1.5, 1.5])  # sequence_mask above 3
    weighted([1] * 5, correction=False)
    weighted([4, 4, 1.5, 1.5, 1.5], clip_max=5.0)
    weighted([4, 4, 0, 0, 0], clip_max=5.0, clip_min=1.6)
    weighted([3, 3, 1.5, 1.5, 1.5], mode="sequence_truncate")
    weighted([3, 3, 2.5, 2.5, 2.5], mode="sequence_truncate", clip_min=2.5)
    weighted([0, 0, 1, 1, 1.5], mode="token_mask", clip_max=1.9)
    weighted([1.9, 1.9, 1.2, 1.2, 1.5], mode="token_truncate", clip_max=1.9, clip_min=1.2)
    assert found(tmp_path)[0] == close(sum(clipped()) / 5)  # the trainer's own engine needs none
