"""PPO's parts by hand and against plain loops; its update against an unpacked forward and backward."""

import shutil
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM

from rlvr.config import LoraSection, PpoSection, TrainConfig
from rlvr.evaluation import Evaluator
from rlvr.evidence import Evidence
from rlvr.run import Run
from rlvr.terminal import Terminal
from rlvr.training import train
from rlvr.training.batch import split_groups
from rlvr.training.ppo import gae, value_losses
from rlvr.worlds import carry
from tests.conftest import quickstart_config
from tests.training import reference_ppo
from tests.training.handles import model_of, sampled_of
from tests.training.test_algorithms import build, gradient, plain_forward, pool  # noqa: F401

NAN = float("nan")


def test_gae_by_hand():
    # δ = (0 + .9·.4 − .2, 1 − .4) = (.16, .6); A = (.16 + .9·.5·.6, .6)
    advantages, returns = gae(torch.tensor([1.0]), torch.tensor([[0.2, 0.4]]), torch.ones(1, 2), 0.9, 0.5)
    assert advantages[0].tolist() == pytest.approx([0.43, 0.6])
    assert returns[0].tolist() == pytest.approx([0.63, 1.0])


def test_gae_stops_at_the_end_of_a_completion():
    values = torch.tensor([[0.5, 0.25, 9.0]])
    advantages, returns = gae(torch.tensor([1.0]), values, torch.tensor([[1, 1, 0]]), 1.0, 1.0)
    assert advantages[0].tolist() == [0.5, 0.75, 0.0] and returns[0].tolist() == [1.0, 1.0, 0.0]


def test_an_empty_completion_has_no_advantage():
    advantages, returns = gae(torch.tensor([1.0]), torch.ones(1, 3), torch.zeros(1, 3), 1.0, 0.9)
    assert (advantages == 0).all() and (returns == 0).all()


@given(
    rows=st.lists(
        st.tuples(st.floats(-2, 2, width=32), st.lists(st.floats(-3, 3, width=32), min_size=1, max_size=7)),
        min_size=1,
        max_size=4,
    ),
    gamma=st.sampled_from([1.0, 0.97]),
    lam=st.sampled_from([0.0, 0.9, 1.0]),
)
@settings(deadline=None, max_examples=100, derandomize=True)
def test_gae_against_the_sum_of_its_definition(rows, gamma, lam):
    values = torch.zeros(len(rows), 7)
    mask = torch.zeros(len(rows), 7)
    for i, (_, of_row) in enumerate(rows):
        values[i, : len(of_row)] = torch.tensor(of_row)
        mask[i, : len(of_row)] = 1
    advantages, returns = gae(torch.tensor([reward for reward, _ in rows]), values, mask, gamma, lam)
    for i, (reward, of_row) in enumerate(rows):
        theirs = reference_ppo.returns_and_advantages(reward, of_row, gamma, lam)
        assert returns[i, : len(of_row)].tolist() == pytest.approx(theirs[0], abs=1e-4)
        assert advantages[i, : len(of_row)].tolist() == pytest.approx(theirs[1], abs=1e-4)


@pytest.mark.parametrize(
    ("value", "old", "target", "expected"),
    [
        (0.6, 0.6, 1.0, 0.08),  # first pass: nothing to clip
        (0.9, 0.5, 1.0, 0.045),  # moved 0.4 the right way: the clipped 0.7 is the worse of the two
        (0.1, 0.5, 1.0, 0.405),  # moved 0.4 the wrong way: the value itself is worse
    ],
)
def test_value_loss_by_hand(value, old, target, expected):
    got = value_losses(torch.tensor(value), torch.tensor(old), torch.tensor(target), clip=0.2)
    assert got.item() == pytest.approx(expected)
    assert reference_ppo.value_error(value, old, target, 0.2) == pytest.approx(expected)


def moved(trainer) -> dict:
    """A batch whose old log-probabilities and values differ from the present ones, so that every clip acts."""
    with torch.no_grad():
        model_of(trainer).value_head.weight.normal_(0, 0.05, generator=torch.Generator().manual_seed(3))
    batch = trainer._generate_and_score_completions(trainer._draw())
    with torch.no_grad():
        logprobs, values = plain_forward(trainer, batch)
        noise = torch.Generator().manual_seed(4)
        batch["old_per_token_logps"] = logprobs + 0.3 * torch.randn(logprobs.shape, generator=noise)
        old = values + 0.3 * torch.randn(values.shape, generator=noise)
        rewards = torch.tensor(sampled_of(trainer).rewards)
        batch["old_values"] = old
        batch["advantages"], batch["returns"] = gae(rewards, old, batch["completion_mask"], 0.99, 0.9)
    return batch


def reference_loss(trainer, batch) -> torch.Tensor:
    logprobs, values = plain_forward(trainer, batch)
    lengths = batch["completion_mask"].sum(1).tolist()

    def rows(tensor):
        return [row[:n] for row, n in zip(tensor, lengths, strict=True)]

    return reference_ppo.loss(
        rows(logprobs),
        rows(batch["old_per_token_logps"]),
        rows(values),
        rows(batch["old_values"]),
        sampled_of(trainer).rewards,
        gamma=0.99,
        lam=0.9,
        low=0.2,
        high=0.28,
        value_clip=0.2,
        value_coefficient=0.1,
    )


def test_the_packed_update_is_the_references(tmp_path, pool):  # noqa: F811
    trainer = build(tmp_path, pool, algorithm="ppo")
    batch = moved(trainer)
    ours = trainer._compute_loss(model_of(trainer), batch)
    ours_gradient = gradient(trainer, ours)
    theirs = reference_loss(trainer, batch)
    theirs_gradient = gradient(trainer, theirs)
    assert ours.item() == pytest.approx(theirs.item(), rel=1e-4)
    assert (ours_gradient - theirs_gradient).norm() / theirs_gradient.norm() < 1e-4
    assert trainer._metrics["train"]["clip_ratio/region_mean"][-1] > 0


def test_the_first_values_are_zero_and_every_group_is_trained_on(tmp_path, pool):  # noqa: F811
    trainer = build(tmp_path, pool, algorithm="ppo")
    batch = trainer._generate_and_score_completions(trainer._draw())
    mask = batch["completion_mask"].bool()
    rewards = torch.tensor(sampled_of(trainer).rewards)
    assert (batch["old_values"] == 0).all()
    assert (batch["returns"][mask] == rewards[:, None].expand_as(mask)[mask]).all()
    batch["returns"] = torch.full_like(batch["returns"], 0.5)
    batch["advantages"] = torch.zeros_like(batch["advantages"])
    assert (
        gradient(trainer, trainer._compute_loss(model_of(trainer), batch)).norm() > 0
    )  # the values still learn


def test_accumulating_micro_steps_changes_nothing(tmp_path, pool):  # noqa: F811
    trainer = build(tmp_path, pool, algorithm="ppo", groups_per_micro_step=2)
    batch = moved(trainer)
    trainer.args.steps_per_generation = trainer.current_gradient_accumulation_steps = 1
    whole = gradient(trainer, trainer._compute_loss(model_of(trainer), batch))
    trainer.args.steps_per_generation = trainer.current_gradient_accumulation_steps = 2
    model_of(trainer).zero_grad()
    for part in split_groups(batch, 2):
        trainer._compute_loss(model_of(trainer), part).backward()
    parts = torch.cat([p.grad.flatten() for p in model_of(trainer).parameters() if p.grad is not None])
    assert (whole - parts).norm() / whole.norm() < 1e-5


def test_a_sample_without_a_verdict_moves_nothing(tmp_path, pool):  # noqa: F811
    trainer = build(tmp_path, pool, algorithm="ppo")
    batch = trainer._generate_and_score_completions(trainer._draw())
    sampled = sampled_of(trainer)
    sampled.rewards[3] = NAN
    local = torch.tensor(sampled.rewards)
    trainer._weigh(batch, sampled, local.view(4, 8), local)
    assert batch["completion_mask"][3].sum() == 0 and (batch["advantages"][3] == 0).all()
    assert batch["num_items_in_batch"] == sum(len(c.token_ids) for c in sampled.completions) - len(
        sampled.completions[3].token_ids
    )
    assert trainer._compute_loss(model_of(trainer), batch).isfinite()


@pytest.mark.parametrize("lora", [None, LoraSection(r=4)], ids=["whole", "lora"])
def test_a_run_goes_on_with_its_values_and_exports_a_policy_without_them(tmp_path, pool, lora):  # noqa: F811
    def trained(name: str, *lengths: int) -> dict[str, torch.Tensor]:
        run = Run(tmp_path / name)
        (run.folder / "rollouts").mkdir(parents=True)
        for steps in lengths:
            shutil.rmtree(run.model, ignore_errors=True)
            section = TrainConfig(
                algorithm="ppo",
                steps=steps,
                checkpoint_every=1,
                lora=lora,
                groups_per_step=4,
                learning_rate=1e-3,
            )
            config = quickstart_config(train=section, verifier="math", verifier_options={})
            evaluator = Evaluator(config, Evidence(config.evidence), pool, Terminal(quiet=True))
            train(config, carry.problems("train", 50), evaluator, run, lambda policy, step: None)
        (weights,) = (run.checkpoints / "checkpoint-2").glob("*model.safetensors")
        return load_file(weights)

    whole, resumed = trained("whole", 2), trained("resumed", 1, 2)
    assert any("value_head" in name and value.abs().sum() > 0 for name, value in whole.items())
    assert whole.keys() == resumed.keys()
    assert all(torch.equal(value, resumed[name]) for name, value in whole.items())
    loaded: Any = AutoModelForCausalLM.from_pretrained(tmp_path / "whole" / "model", output_loading_info=True)
    model, info = loaded
    assert not info["unexpected_keys"] and not info["missing_keys"]
    assert not hasattr(model, "value_head")


def test_the_value_head_has_a_learning_rate_of_its_own(tmp_path, pool):  # noqa: F811
    trainer = build(tmp_path, pool, algorithm="ppo", ppo=PpoSection(value_learning_rate=0.05))
    groups = trainer.create_optimizer().param_groups
    rates = {id(p): group["lr"] for group in groups for p in group["params"]}
    by_name = {name: rates[id(p)] for name, p in model_of(trainer).named_parameters()}
    assert {rate for name, rate in by_name.items() if "value_head" in name} == {0.05}
    assert {rate for name, rate in by_name.items() if "value_head" not in name} == {1e-6}
