"""The losses against TRL's own (`GRPOTrainer._compute_loss`, TRL 1.16): value, gradient and metrics."""

import json
import math
from dataclasses import replace

import pytest
import torch

from rlvr.training.entropy import EntropyControl
from rlvr.training.importance import MODES
from rlvr.training.objective import LOSSES, Objective, Totals, loss
from tests.training.reference_objective import (
    ROWS,
    Batch,
    T,
    arguments,
    assert_agree,
    draw,
    flat,
    ours,
    result,
    trainer,
    trl,
)

CLIPPED = ["grpo", "dr_grpo", "dapo", "bnpo", "luspo"]
LEVELS = ["token", "sequence"]
BETAS = [{"beta": 0.0}, {"beta": 0.1}, {"beta": 0.1, "use_bias_correction_kl": False}]


@pytest.fixture
def batch() -> Batch:
    return draw()


@pytest.fixture
def compare(tmp_path, batch):
    """Our step and TRL's, held against each other."""

    def run(changed: Batch | None = None, other_engine: bool = False, parts=2, processes=1, **settings):
        numbers = changed or batch
        args = arguments(tmp_path, gradient_accumulation_steps=parts // processes, **settings)
        expected = trl(args, numbers, parts, processes, other_engine)
        found = ours(Objective.of(args, other_engine=other_engine), numbers, parts, processes)
        assert_agree(found, expected)
        return found, expected

    return run


@pytest.mark.parametrize("settings", BETAS, ids=str)
@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("loss_type", LOSSES)
def test_losses(compare, loss_type, level, settings):
    low, high = (0.05, 0.1) if level == "sequence" else (0.2, 0.28)  # a completion's ratio lies closer to one
    bounds = {"epsilon": low, "epsilon_high": high}
    found, _ = compare(loss_type=loss_type, importance_sampling_level=level, **bounds, **settings)
    assert loss_type not in CLIPPED or 0 < found.metrics["clipped_share"] < 1


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("loss_type", LOSSES)
def test_on_policy(compare, batch, loss_type, level):
    """Without `old`, the ratio is one and still has a gradient."""
    changed = replace(batch, old=None)
    found, _ = compare(changed, loss_type=loss_type, importance_sampling_level=level, beta=0.1)
    assert found.metrics["importance_ratio"] == 1


@pytest.mark.parametrize("loss_type", LOSSES)
def test_two_processes(compare, loss_type):
    compare(loss_type=loss_type, parts=4, processes=2, beta=0.1, entropy_coef=0.03)


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("loss_type", CLIPPED)
def test_two_sided_clip(compare, loss_type, level):
    one_sided = compare(loss_type=loss_type, importance_sampling_level=level)[0]
    both = compare(loss_type=loss_type, importance_sampling_level=level, delta=1.3)[0]
    assert both.loss < one_sided.loss  # a large ratio costs less where the advantage is negative


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize(
    "loss_type, mode",
    [(kind, mode) for kind in LOSSES for mode in MODES if kind != "vespo" or mode.startswith("token")],
)
def test_correction_for_the_samplers_engine(compare, loss_type, level, mode):
    found, expected = compare(
        other_engine=True,
        parts=1,
        loss_type=loss_type,
        importance_sampling_level=level,
        vllm_importance_sampling_mode=mode,
        vllm_importance_sampling_clip_min=0.7,
        vllm_importance_sampling_clip_max=1.3,
        beta=0.1,
    )
    assert (found.metrics["sampler/masked_share"] > 0) == mode.endswith("mask")
    if mode.startswith("token"):
        ratio = expected.metrics["sampling/importance_sampling_ratio/mean"]
        assert found.metrics["sampler/ratio"] == pytest.approx(ratio)


def test_no_correction_where_it_is_turned_off(compare):
    found, _ = compare(other_engine=True, vllm_importance_sampling_correction=False)
    assert "sampler/ratio" not in found.metrics


@pytest.mark.parametrize("low, high", [(None, 1.1), (0.9, None)])
@pytest.mark.parametrize("mode", MODES)
def test_one_bound_alone(compare, mode, low, high):
    bounds = {"vllm_importance_sampling_clip_min": low, "vllm_importance_sampling_clip_max": high}
    compare(other_engine=True, vllm_importance_sampling_mode=mode, **bounds)


@pytest.mark.parametrize("loss_type", LOSSES)
def test_off_policy_completions_are_left_out(compare, loss_type):
    """Of those with a negative advantage, the farthest lies 0.170 nats per token from the sampler."""
    settings = {"loss_type": loss_type, "beta": 0.1}
    found, _ = compare(parts=1, off_policy_mask_threshold=0.16, **settings)
    assert found.metrics["off_policy_share"] == pytest.approx(1 / (ROWS - 1))  # one is masked whole
    found, _ = compare(parts=1, off_policy_mask_threshold=0.18, **settings)
    assert found.metrics["off_policy_share"] == 0
    compare(other_engine=True, off_policy_mask_threshold=0.16, **settings)


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("loss_type", LOSSES)
def test_tokens_of_high_entropy_alone(compare, loss_type, level):
    compare(
        loss_type=loss_type,
        importance_sampling_level=level,
        top_entropy_quantile=0.4,
        entropy_coef=0.05,
        beta=0.1,
    )


@pytest.mark.parametrize("loss_type", LOSSES)
def test_advantages_per_token(compare, batch, loss_type):
    """PPO's."""
    spread = torch.randn(ROWS, T, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    compare(replace(batch, advantages=spread), loss_type=loss_type, off_policy_mask_threshold=0.02)


@pytest.mark.parametrize("loss_type", LOSSES)
def test_token_metrics(compare, loss_type):
    found, expected = compare(parts=1, loss_type=loss_type, beta=0.1)
    names = {"entropy": "entropy", "kl": "kl"}
    if loss_type in CLIPPED:
        names |= {"clipped_share": "clip_ratio/region_mean"}
        names |= {f"clipped_share/{side}": f"clip_ratio/{side}_mean" for side in ("low", "high")}
    elif loss_type == "cispo":
        names["clipped_share"] = "cispo_clip_ratio"
    for key, name in names.items():
        assert 0 < found.metrics[key] == pytest.approx(expected.metrics[name], rel=1e-6), name


def test_completion_metrics(compare):
    """TRL counts the masked completion in their denominators as one that is not clipped, whose weight is 1."""
    trained = ROWS - 1
    settings = {"loss_type": "grpo", "importance_sampling_level": "sequence", "epsilon": 0.05}
    found, expected = compare(parts=1, **settings)
    share = found.metrics["clipped_share"]
    assert 0 < share * trained == pytest.approx(expected.metrics["clip_ratio/region_mean"] * ROWS)
    found, expected = compare(parts=1, loss_type="vespo")
    phi = found.metrics["vespo/phi"]
    assert phi * trained + 1 == pytest.approx(expected.metrics["vespo/phi_seq_mean"] * ROWS)


def test_the_gate_of_sapo_is_what_it_does_to_the_gradient(tmp_path, batch):
    """On r A, whose gradient in log π is r A."""
    objective = Objective.of(arguments(tmp_path, loss_type="sapo"), other_engine=False)
    tokens, logp, entropy = flat(batch.leaves(), [0])
    value, metrics = loss(objective, tokens, logp, entropy, Totals(1, len(logp), 1, 1))
    (gradient,) = torch.autograd.grad(value, logp)
    assert tokens.old is not None
    ratio = (logp - tokens.old).exp().detach()
    gate = -gradient * len(logp) / (ratio * tokens.advantages)
    assert metrics["sapo/gate"][0].item() == pytest.approx(gate.sum().item())


def test_the_adaptive_entropy_bonus(tmp_path, batch):
    """Over steps whose entropy lies above, below, and above TRL's target again."""
    args = arguments(
        tmp_path,
        gradient_accumulation_steps=2,
        use_adaptive_entropy=True,
        entropy_coef=0.01,
        entropy_coef_delta=0.02,
        entropy_coef_max=0.025,
        entropy_target=0.6,
        top_entropy_quantile=0.8,
    )
    reference, objective = trainer(args), Objective.of(args, other_engine=False)
    control, restored = EntropyControl.of(args), EntropyControl.of(args)
    assert control
    assert restored
    assert objective.needs_all_groups
    applied = []
    for scale in (2.0, 0.1, 0.1, 0.1, 2.0, 2.0, 2.0, 0.2):
        numbers = replace(batch, entropy=batch.entropy * scale)
        leaves = numbers.leaves()
        total = reference.step_loss(reference.inputs(leaves), parts=2)
        applied.append(control.bonus)
        found = ours(replace(objective, entropy_coefficient=control.bonus), numbers, parts=2)
        assert_agree(found, result(total, leaves, {}))
        control.observe(found.metrics)
        assert control.coefficient == pytest.approx(reference.entropy_coef)
        assert control.measured == pytest.approx(reference._last_world_entropy, rel=1e-6)
        restored.load_state_dict(json.loads(json.dumps(control.state_dict(), allow_nan=False)))
        assert restored == control
    assert set(applied) > {0.0, 0.025}
    before = control.state_dict()
    control.observe({"entropy": math.nan})
    assert control.state_dict() == before


def test_a_wrong_loss_is_noticed(tmp_path, batch):
    """The tolerance is not so wide that a slightly different objective passes."""
    args = arguments(tmp_path, loss_type="dapo", epsilon_high=0.28, beta=0.1)
    expected = trl(args, batch)
    right = Objective.of(args, other_engine=False)
    assert_agree(ours(right, batch), expected)
    for wrong in ({"epsilon_high": 0.29}, {"beta": 0.101}, {"loss_type": "grpo"}, {"delta": 1.2}):
        with pytest.raises(AssertionError):
            assert_agree(ours(replace(right, **wrong), batch), expected)
