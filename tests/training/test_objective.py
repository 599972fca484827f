"""The losses against TRL's own (`GRPOTrainer._compute_loss`, TRL 1.16): value, gradient and metrics, in float64.

TRL's trainer is a real one whose forward passes return given tensors. What it makes of them while it scores a batch
(masks, token count, importance weights of the sampler's engine) and in its loss is its own code.
"""

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pytest
import torch
from accelerate import Accelerator
from datasets import Dataset
from torch import Tensor
from trl.trainer.grpo_config import GRPOConfig
from trl.trainer.grpo_trainer import GRPOTrainer

from rlvr.config import ConfigError
from rlvr.policy import load_policy
from rlvr.training.entropy import EntropyControl, entropy_threshold
from rlvr.training.objective import LOSSES, Objective, Tokens, Totals, loss
from tests.conftest import quickstart_config

CLIPPED = ["grpo", "dr_grpo", "dapo", "bnpo", "luspo"]
LEVELS = ["token", "sequence"]
MODES = ["token_truncate", "token_mask", "sequence_truncate", "sequence_mask"]
BETAS = [{"beta": 0.0}, {"beta": 0.1}, {"beta": 0.1, "use_bias_correction_kl": False}]
LENGTHS = [6, 3, 7, 5, 4, 7, 2, 6]  # what an environment wrote included
HOLES = {1: [1], 5: [2, 3], 7: [0, 4]}  # row → places that an environment wrote
TRUNCATED = 2  # the row without an end: all of it is masked
ROWS, T, LIMIT = len(LENGTHS), max(LENGTHS), 9
TOLERANCE = 1e-9


@dataclass
class Batch:
    """The numbers of a step, (ROWS, T), also where nothing may read them."""

    mask: Tensor
    advantages: Tensor
    logp: Tensor
    entropy: Tensor
    old: Tensor | None
    ref: Tensor
    sampler: Tensor

    def leaves(self) -> "Batch":
        """The same, with gradients of its own."""
        logp, entropy = self.logp.clone().requires_grad_(), self.entropy.clone().requires_grad_()
        return replace(self, logp=logp, entropy=entropy)

    def map(self, change: Callable[[Tensor], Tensor]) -> "Batch":
        values: dict[str, Any] = {k: None if v is None else change(v) for k, v in vars(self).items()}
        return Batch(**values)


@pytest.fixture
def batch() -> Batch:
    """Ratios far enough from one that every clip acts, for both signs of the advantage."""
    generator = torch.Generator().manual_seed(0)

    def noise(scale: float) -> Tensor:
        return scale * torch.randn(ROWS, T, generator=generator, dtype=torch.float64)

    mask = torch.arange(T) < torch.tensor(LENGTHS)[:, None]
    mask[TRUNCATED] = False
    for row, places in HOLES.items():
        mask[row, places] = False
    advantages = torch.tensor([1.1, -0.7, 0.4, -1.3, -0.6, 0.9, -0.2, 1.6], dtype=torch.float64)
    logp = -noise(1.0).abs() - 0.1
    old = logp + noise(0.4)
    sampler = (old + noise(0.3)).float().double()  # TRL holds an engine's numbers in float32
    sampler[3, 1] = math.nan  # the engine gave no number
    return Batch(mask, advantages, logp, noise(1.0).abs() + 0.05, old, logp + noise(0.3), sampler)


# ------------------------------------------------------------------ a step by TRL, and by us


class Reference(GRPOTrainer):
    """TRL's trainer with a batch in the place of its forward passes and of its engine."""

    batch: Batch
    part: slice

    def _get_per_token_logps_and_entropies(self, model, *_, **__):
        if torch.is_grad_enabled():
            return self.batch.logp[self.part], self.batch.entropy[self.part], None
        old = self.batch.logp if self.batch.old is None else self.batch.old
        return (self.batch.ref if model is self.ref_model else old), None, None

    def rollouts(self) -> dict[str, Any]:
        end = next(iter(self.eos_token_ids))
        drawn: dict[str, Any] = {"prompt_ids": [[4]] * ROWS}
        drawn |= {"completion_ids": [], "logprobs": [], "env_mask": []}
        for row, n in enumerate(LENGTHS):
            drawn["completion_ids"].append([5] * (n - 1) + [5 if row == TRUNCATED else end])
            drawn["env_mask"].append([int(t not in HOLES.get(row, ())) for t in range(n)])
            numbers = self.batch.sampler[row, :n].tolist()
            drawn["logprobs"].append([None if math.isnan(x) else x for x in numbers])
        return drawn

    def inputs(self, batch: Batch) -> dict:
        """What TRL's loss is given for `batch`; its advantages and old log-probabilities are the batch's."""
        self.batch = batch
        scored = self._generate_and_score_completions([{"prompt": "a"}] * ROWS)
        scored.pop("old_per_token_logps", None)
        old = {} if batch.old is None else {"old_per_token_logps": batch.old}
        mask = scored["completion_mask"] * scored["tool_mask"]
        assert mask.bool().equal(batch.mask)
        return scored | old | {"advantages": batch.advantages}

    def step_loss(self, inputs: dict[str, Any], parts: int, processes: int = 1) -> Tensor:
        """The mean over `processes` of their micro-steps' losses, whose gradient DDP gives."""
        self.current_gradient_accumulation_steps = parts // processes
        total = torch.zeros((), dtype=torch.float64)
        for part in range(parts):
            self.part = slice(part * ROWS // parts, (part + 1) * ROWS // parts)
            self.accelerator.gradient_state._set_sync_gradients(part == parts - 1)
            per_row = {k: v[self.part] if v.dim() else v for k, v in inputs.items()}
            total = total + self._compute_loss(self.model, per_row) / processes
        return total


@dataclass
class Result:
    loss: float
    gradient: Tensor
    """(2, ROWS, T) in the log-probabilities and the entropies."""
    metrics: dict[str, float]


def arguments(folder, **settings) -> GRPOConfig:
    defaults = {
        "max_completion_length": LIMIT,
        "num_generations": 2,
        "per_device_train_batch_size": 2,
        "mask_truncated_completions": True,
        "vllm_importance_sampling_mode": "token_truncate",
        "report_to": "none",
    }
    return GRPOConfig(output_dir=str(folder), use_cpu=True, bf16=False, **(defaults | settings))


@pytest.fixture(scope="module")
def policy():
    return load_policy(quickstart_config(), "policy")


@pytest.fixture
def trainer_of(policy):
    """TRL's trainer for some arguments."""

    def build(args: GRPOConfig, other_engine: bool = False) -> Reference:
        def rollouts(prompts: list, trainer: Any) -> dict[str, Any]:
            return trainer.rollouts()

        trainer = Reference(
            model=policy.model,
            reward_funcs=[lambda completions, **_: [0.0] * len(completions)],
            args=args,
            train_dataset=Dataset.from_dict({"prompt": ["a"] * ROWS}),
            processing_class=policy.tokenizer,
            rollout_func=rollouts,
        )
        policy.model.train()
        trainer.use_vllm, trainer._last_loaded_step = other_engine, 0  # its constructor would start an engine
        return trainer

    return build


@pytest.fixture
def trl(trainer_of, monkeypatch):
    """A step as TRL takes it."""

    def step(args, batch: Batch, parts: int = 1, processes: int = 1, other_engine: bool = False) -> Result:
        trainer, leaves = trainer_of(args, other_engine), batch.leaves()
        inputs = trainer.inputs(leaves)
        with monkeypatch.context() as patch:
            patch.setattr(Accelerator, "num_processes", processes)
            total = trainer.step_loss(inputs, parts, processes)
        metrics = {name: values[-1] for name, values in trainer._metrics["train"].items() if values}
        return result(total, leaves, metrics)

    return step


def result(total: Tensor, leaves: Batch, metrics: dict[str, float]) -> Result:
    total.backward()
    grads = [torch.zeros_like(x) if x.grad is None else x.grad for x in (leaves.logp, leaves.entropy)]
    return Result(total.item(), torch.stack(grads), metrics)


def flat(batch: Batch, rows: Sequence[int]) -> tuple[Tokens, Tensor, Tensor]:
    """The policy's tokens of some rows, their log-probabilities and entropies."""
    part = batch.map(lambda values: values[list(rows)])
    row = part.mask.nonzero()[:, 0]
    advantages = part.advantages[row] if part.advantages.dim() == 1 else part.advantages[part.mask]
    old = None if part.old is None else part.old[part.mask]
    tokens = Tokens(row, len(rows), advantages, old, part.ref[part.mask], part.sampler[part.mask])
    return tokens, part.logp[part.mask], part.entropy[part.mask]


def ours(
    objective: Objective, batch: Batch, parts: int = 1, processes: int = 1, left_out: Sequence[int] = ()
) -> Result:
    """A step as the training loop takes it; rows `left_out` have no forward pass."""
    leaves, size = batch.leaves(), ROWS // parts
    totals = Totals(ROWS, int(batch.mask.sum()), parts // processes, processes)
    total = torch.zeros((), dtype=torch.float64)
    sums: dict[str, Tensor] = {}
    for first in range(0, ROWS, size):
        kept = [row for row in range(first, first + size) if row not in left_out]
        tokens, logp, entropy = flat(leaves, kept)
        threshold = entropy_threshold(objective.top_entropy_quantile, entropy.detach())
        count = int(batch.mask[first : first + size].sum())
        value, metrics = loss(objective, tokens, logp, entropy, totals, count, threshold)
        total = total + value / processes
        for name, pair in metrics.items():
            assert not pair[0].requires_grad
            assert not pair[1].requires_grad
            sums[name] = sums.get(name, torch.zeros(2)) + torch.stack(pair)
    return result(total, leaves, {name: (s / count).item() for name, (s, count) in sums.items()})


def assert_agree(found: Result, expected: Result) -> None:
    assert expected.gradient[0].norm() > 1e-3
    assert found.loss == pytest.approx(expected.loss, rel=TOLERANCE, abs=1e-12)
    assert (found.gradient - expected.gradient).norm() / expected.gradient.norm() < TOLERANCE


@pytest.fixture
def compare(tmp_path, trl, batch):
    """Our step and TRL's, held against each other."""

    def run(changed: Batch | None = None, other_engine: bool = False, parts=2, processes=1, **settings):
        numbers = changed or batch
        args = arguments(tmp_path, gradient_accumulation_steps=parts // processes, **settings)
        expected = trl(args, numbers, parts, processes, other_engine)
        found = ours(Objective.of(args, other_engine=other_engine), numbers, parts, processes)
        assert_agree(found, expected)
        return found, expected

    return run


# ------------------------------------------------------------------ against TRL


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


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("loss_type", LOSSES)
def test_correction_for_the_samplers_engine(compare, loss_type, level, mode):
    if loss_type == "vespo" and mode.startswith("sequence"):
        pytest.skip("TRL refuses it")
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
    settings = {"loss_type": loss_type, "beta": 0.1, "off_policy_mask_threshold": 0.02}
    found, _ = compare(parts=1, **settings)
    assert 0 < found.metrics["off_policy_share"] < 1
    compare(other_engine=True, vllm_importance_sampling_mode="token_truncate", **settings)


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


def test_the_adaptive_entropy_bonus(tmp_path, trainer_of, batch):
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
    trainer, objective = trainer_of(args), Objective.of(args, other_engine=False)
    control, restored = EntropyControl.of(args), EntropyControl.of(args)
    assert control
    assert restored
    assert objective.needs_all_groups
    applied = []
    for scale in (2.0, 0.1, 0.1, 0.1, 2.0, 2.0, 2.0, 0.2):
        numbers = replace(batch, entropy=batch.entropy * scale)
        leaves = numbers.leaves()
        total = trainer.step_loss(trainer.inputs(leaves), parts=2)
        applied.append(control.bonus)
        found = ours(replace(objective, entropy_coefficient=control.bonus), numbers, parts=2)
        assert_agree(found, result(total, leaves, {}))
        control.observe(found.metrics)
        assert control.coefficient == pytest.approx(trainer.entropy_coef)
        assert control.measured == pytest.approx(trainer._last_world_entropy, rel=1e-6)
        restored.load_state_dict(json.loads(json.dumps(control.state_dict(), allow_nan=False)))
        assert restored == control
    assert set(applied) > {0.0, 0.025}
    before = control.state_dict()
    control.observe({"entropy": math.nan})
    assert control.state_dict() == before


def test_a_wrong_loss_is_noticed(tmp_path, trl, batch):
    """The tolerance is not so wide that a slightly different objective passes."""
    args = arguments(tmp_path, loss_type="dapo", epsilon_high=0.28, beta=0.1)
    expected = trl(args, batch)
    right = Objective.of(args, other_engine=False)
    assert_agree(ours(right, batch), expected)
    for wrong in ({"epsilon_high": 0.29}, {"beta": 0.101}, {"loss_type": "grpo"}, {"delta": 1.2}):
        with pytest.raises(AssertionError):
            assert_agree(ours(replace(right, **wrong), batch), expected)


# ------------------------------------------------------------------ what a step is made of


@pytest.mark.parametrize("parts, processes", [(1, 1), (4, 1), (4, 2)])
@pytest.mark.parametrize("loss_type", LOSSES)
def test_groups_left_out_still_count(tmp_path, trl, batch, loss_type, parts, processes):
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
