"""What each key does to a training step of the embedded model: its sizes, what is computed how, what is moved."""

from __future__ import annotations

import json
import shutil
from itertools import pairwise
from typing import Any

import pytest
import torch
from peft.tuners.tuners_utils import BaseTunerLayer
from torch.utils.checkpoint import checkpoint

from rlvr import rollouts, soft_embedding
from rlvr.adapters import kind
from rlvr.config import AdapterSection, SamplingConfig, TrainConfig
from rlvr.errors import RunError
from rlvr.policy import load_policy
from rlvr.run import read_metrics
from rlvr.training import ppo
from rlvr.training.loop import Loop
from rlvr.training.objective import Totals
from rlvr.worlds import carry
from tests.conftest import quickstart_config
from tests.contracts.keys import shows
from tests.training.handles import distance, gradient_of, loop_of
from tests.training.test_mixture import mixture  # noqa: F401 (a fixture)

SMALL: dict[str, Any] = {
    "groups_per_step": 4, "group_size": 4, "steps": 2, "learning_rate": 1e-3, "checkpoint_every": 0,
    "reward": "random",  # so that every step has a signal
}  # fmt: skip


@pytest.fixture
def loop(tmp_path, pool):
    def build(model: str = "tiny", sampling: SamplingConfig | None = None, **train: Any) -> Loop:
        number = len(list(tmp_path.iterdir()))
        return loop_of(tmp_path / str(number), pool, sampling, model, **SMALL | train)

    return build


def weights(model: Any) -> torch.Tensor:
    return torch.cat([p.detach().flatten() for p in model.parameters()]).clone()


def lines(loop: Loop) -> list[dict[str, Any]]:
    return read_metrics(loop.log.file)


# ------------------------------------------------------------------ sizes


@shows("train.steps", "train.groups_per_step", "train.group_size", "train.trl.num_iterations")
def test_how_much_a_run_samples(loop):
    for steps, groups, size, iterations in ((1, 4, 4, 1), (2, 2, 3, 1), (3, 2, 3, 2)):
        built = loop(steps=steps, groups_per_step=groups, group_size=size, trl={"num_iterations": iterations})
        built.run()
        found = lines(built)
        assert [line["step"] for line in found] == list(range(1, steps + 1))
        fresh = [(step - 1) % iterations == 0 for step in range(1, steps + 1)]
        assert [line["samples"] for line in found] == [groups * size * new for new in fresh]
        files = sorted(built.collector.rollouts_to.glob("train-*.jsonl"))
        assert [int(f.stem[6:]) for f in files] == [n for n, new in enumerate(fresh, start=1) if new]
        for file in files:
            problems = [row.problem_id for row in rollouts.read(file)]
            assert [problems.count(one) for one in dict.fromkeys(problems)] == [size] * groups


def test_every_step_moves_the_weights_and_draws_with_those_of_the_step_before(loop):
    built = loop(steps=3)
    before = weights(built.plain)
    seen = []
    built.log.hooks = [type("Hook", (), {"on_step": lambda _, line: seen.append(weights(built.plain))})()]
    built.run()
    steps = [before, *seen]
    assert all(not torch.equal(a, b) for a, b in pairwise(steps))
    files = sorted(built.collector.rollouts_to.glob("train-*.jsonl"))
    drawn = [list(rollouts.read(file)) for file in files]
    assert [{row.policy for row in rows} for rows in drawn] == [{"step-0"}, {"step-1"}, {"step-2"}]
    seeds = [row.seed for rows in drawn for row in rows]
    assert len(set(seeds)) == len(seeds), "no two samples of a run have the same random numbers"


@shows("train.rows_per_micro_step")
def test_a_pass_reads_so_many_samples_and_the_gradient_stays(loop):
    read, gradients = {}, {}
    for rows in (0, 8, 4, 3, 1):
        built = loop(rows_per_micro_step=rows)
        batch = built.credit.weigh(built.collector.sample(1, 0))
        for group in batch.groups:
            group.advantages = group.per_token(torch.linspace(-1, 1, 4))
        micro_steps = batch.micro_steps(built.pass_size.rows)
        read[rows] = max(len(part.numbers) for micro in micro_steps for part in micro.passes)
        built.backward(batch, fresh=True)
        gradients[rows] = gradient_of(built.plain)
    assert read == {0: 16, 8: 8, 4: 4, 3: 2, 1: 1}  # of a group of four, two parts have at most three each
    for rows, gradient in gradients.items():
        assert distance(gradient, gradients[0]) < 1e-4, rows


# ------------------------------------------------------------------ the update


def test_one_step_moves_weights_by_the_learning_rate(loop):
    """AdamW's first step is the rate itself, wherever there is a gradient."""
    for rate in (1e-3, 1e-5):
        built = loop(steps=1, learning_rate=rate)
        before = weights(built.plain)
        built.run()
        moved = (weights(built.plain) - before).abs()
        assert float(moved.max()) == pytest.approx(rate, rel=0.05)
        assert lines(built)[0]["learning_rate"] == pytest.approx(rate)


@shows("train.max_skipped")
def test_so_many_steps_in_a_row_may_be_skipped(loop):
    """A gradient that is not finite, in every step."""
    for limit in (2, 4):
        built = loop(steps=9, max_skipped=limit)
        weight = next(p for p in built.plain.parameters() if p.requires_grad)
        weight.register_hook(lambda gradient: gradient * torch.nan)
        with pytest.raises(RunError, match=rf"{limit} steps in a row were skipped, up to step {limit}"):
            built.run()
        assert [line["skipped"] for line in lines(built)] == [1.0] * limit


@shows("train.max_drift")
def test_a_difference_of_sampler_and_trainer_is_said_and_stops_the_run_at_ten_times_as_much(loop):
    """Log-probabilities that the sampler wrote down are moved by 0.3 nats each."""
    for limit, stops in ((0.4, False), (0.2, False), (0.02, True), (0.0, False)):
        built, said = loop(max_drift=limit), []
        built.finite.say = said.append
        built.batch = built.sample(1)
        for group in built.batch.groups:
            assert group.sampler is not None
            group.advantages = group.per_token(torch.linspace(-1, 1, 4))
            group.sampler += 0.3
        built.backward(built.batch, fresh=True)
        if stops:
            with pytest.raises(RunError, match=r"differ by 0\.3 nats per token, more than 10 times"):
                built.finite.should_skip(1, norm=1.0)
        else:
            assert built.finite.should_skip(1, norm=1.0) is False
            assert [("differ by 0.3" in words) for words in said] == [True] * (limit < 0.3)
        assert built.finite.figures["drift/token_mean"] == pytest.approx(0.3, abs=1e-3)


# ------------------------------------------------------------------ the model in training


@pytest.fixture(scope="module")
def dropping(tmp_path_factory) -> str:
    """The embedded model with dropout in its attention."""
    folder = tmp_path_factory.mktemp("models") / "dropping"
    shutil.copytree(carry.TINY, folder)
    about = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(about | {"attention_dropout": 0.5}))
    return str(folder)


@shows("train.trl.disable_dropout")
def test_dropout_of_the_model_is_off_unless_it_is_asked_for(loop, dropping):
    def differs(**trl: Any) -> bool:
        model = loop(dropping, trl=trl).plain.train()
        ids = torch.tensor([[10, 14, 17, 11, 15, 19]])
        with torch.no_grad():
            one, other = (model(input_ids=ids).logits for _ in range(2))
        return not torch.equal(one, other)

    assert not differs()
    assert differs(disable_dropout=False)


@shows(
    *(f"train.trl.{name}_checkpointing" for name in ("activation", "gradient")),
    *(f"train.trl.{name}_checkpointing_kwargs" for name in ("activation", "gradient")),
)
def test_layers_may_be_computed_twice_for_less_memory(loop, monkeypatch):
    """The same gradient, with the layers' forward run again in the backward pass."""
    handed = []
    real = checkpoint
    monkeypatch.setattr(
        "transformers.modeling_utils.checkpoint",
        lambda *a, **k: handed.append(k.get("use_reentrant")) or real(*a, **k),
    )
    found = {}
    for name in ("", "activation_checkpointing", "gradient_checkpointing"):
        for kwargs in (None, {"use_reentrant": True}) if name else (None,):
            handed.clear()
            built = loop(trl={name: True} | ({f"{name}_kwargs": kwargs} if kwargs else {}) if name else {})
            batch = built.credit.weigh(built.collector.sample(1, 0))
            for group in batch.groups:
                group.advantages = group.per_token(torch.linspace(-1, 1, 4))
            calls = []
            layer = built.plain.model.layers[0].self_attn
            layer.register_forward_pre_hook(lambda *_, calls=calls: calls.append(1))
            handed.clear()
            built.backward(batch, fresh=True)
            found[name, bool(kwargs)] = gradient_of(built.plain)
            assert set(handed) == ({kwargs is not None} if name else set())
            assert len(calls) == (2 if name else 1) * len(
                batch.live_micro_steps(built.pass_size.rows)[0].passes
            )
    for gradient in found.values():
        assert distance(gradient, found["", False]) < 1e-5


@shows("train.trl.router_aux_loss_coef")
def test_a_routers_balance_is_trained_with_this_weight(loop, mixture):  # noqa: F811
    losses = {}
    for coefficient in (0.0, 0.1, 0.3):
        torch.manual_seed(0)
        trl = {"router_aux_loss_coef": coefficient} if coefficient else {}
        built = loop(mixture, SamplingConfig(max_new_tokens=8), trl=trl)
        batch = built.credit.weigh(built.collector.sample(1, 0))
        for group in batch.groups:
            group.advantages = torch.zeros_like(group.advantages)
        losses[coefficient] = built.backward(batch, fresh=True)
    assert "router_loss" not in losses[0.0] and losses[0.1]["router_loss"] > 0
    assert losses[0.1]["loss"] == pytest.approx(0.1 * losses[0.1]["router_loss"], rel=1e-4)
    assert losses[0.3]["loss"] == pytest.approx(3 * losses[0.1]["loss"], rel=1e-4)


@shows("train.trl.sync_ref_model", "train.trl.ref_model_sync_steps", "train.trl.ref_model_mixup_alpha")
def test_the_reference_follows_the_policy(loop):
    """Every so many steps it becomes (1 − α) of itself and α of the policy (TR-DPO)."""

    def moved(**trl: Any) -> tuple[list[torch.Tensor], torch.Tensor]:
        """The reference before and after each of two steps, and the policy after each."""
        built = loop(steps=2, trl={"beta": 0.01, **trl})
        assert built.reference
        references, policies = [weights(built.reference.model)], []
        for step in (1, 2):
            built.batch = built.sample(step)
            built.backward(built.batch, fresh=True)
            built.update(step, skip=False)
            references.append(weights(built.reference.model))
            policies.append(weights(built.plain))
        return references, torch.stack(policies)

    stays, _ = moved()
    assert torch.equal(stays[0], stays[1]) and torch.equal(stays[0], stays[2])
    (begun, first, second), policies = moved(
        sync_ref_model=True, ref_model_sync_steps=2, ref_model_mixup_alpha=0.25
    )
    assert torch.equal(begun, first)
    torch.testing.assert_close(second, 0.75 * begun + 0.25 * policies[1])
    (begun, first, _), policies = moved(sync_ref_model=True, ref_model_sync_steps=1)
    torch.testing.assert_close(first, 0.4 * begun + 0.6 * policies[0])  # α is 0.6 where it is not given


# ------------------------------------------------------------------ PPO's value head


@shows("train.ppo.value_coefficient", "train.ppo.value_learning_rate")
def test_the_value_head_learns_at_its_own_rate_and_weight(loop):
    gradients = {}
    for coefficient in (0.0, 0.1, 0.4):
        built = loop(algorithm="ppo", ppo={"value_coefficient": coefficient})
        batch = built.sample(1)
        built.backward(batch, fresh=True)
        gradients[coefficient] = built.plain.value_head.weight.grad.clone()
        returns = torch.cat([group.returns for group in batch.groups if group.returns is not None])
        # values begin at 0, so the derivative of ½ (V − R)² by the bias is −R, averaged over the step's tokens
        expected = -coefficient * returns.mean().item()
        assert built.plain.value_head.bias.grad.item() == pytest.approx(expected, rel=1e-4, abs=1e-9)
    assert not gradients[0.0].any() and gradients[0.1].any()
    torch.testing.assert_close(gradients[0.4], 4 * gradients[0.1])
    for rate in (1e-3, 5e-2):
        built = loop(algorithm="ppo", ppo={"value_learning_rate": rate}, learning_rate=1e-6)
        built.backward(built.sample(1), fresh=True)
        built.update(1, skip=False)
        assert built.plain.value_head.weight.abs().max().item() == pytest.approx(rate, rel=0.05)


@shows("train.ppo.value_clip")
def test_a_value_moves_so_far_in_one_step(loop):
    """½ max((V − R)², (clip(V) − R)²): V is 1, was 0, and should be 2."""
    at = torch.tensor
    for clip, expected in ((0.2, (0.2 - 2) ** 2 / 2), (0.7, (0.7 - 2) ** 2 / 2), (5.0, (1 - 2) ** 2 / 2)):
        settings = TrainConfig.model_validate({"ppo": {"value_clip": clip}}).ppo
        found = ppo.value_loss(settings, at([1.0]), at([0.0]), at([2.0]), Totals(1, 1, 1, 1))
        assert float(found) == pytest.approx(expected)


# ------------------------------------------------------------------ what is trained


def adapted(**keys: Any) -> Any:
    torch.manual_seed(0)
    section = AdapterSection.model_validate({"kind": "lora"} | keys)
    policy = load_policy(quickstart_config(train=TrainConfig(adapter=section)), "policy", for_training=True)
    return kind(section).attach(policy.model)


def layers(model: Any) -> dict[str, Any]:
    return {name: module for name, module in model.named_modules() if isinstance(module, BaseTunerLayer)}


@shows("train.adapter.kind", "train.adapter.r", "train.adapter.target_modules")
def test_what_is_trained(loop):
    """Of a linear layer of n inputs and m outputs, an adapter of rank r has r (n + m) weights."""

    def trained(model: Any) -> int:
        return sum(p.numel() for p in model.parameters() if p.requires_grad)

    full = loop().plain
    assert trained(full) == sum(p.numel() for p in full.parameters())
    linear = {
        name: module
        for name, module in full.named_modules()
        if isinstance(module, torch.nn.Linear) and "lm_head" not in name
    }
    size = sum(m.in_features + m.out_features for m in linear.values())
    assert trained(adapted()) == 16 * size
    assert trained(adapted(r=4)) == 4 * size
    assert len(layers(adapted())) == len(linear)
    chosen = {name for name in linear if name.endswith(("q_proj", "v_proj"))}
    assert len(layers(adapted(target_modules=["q_proj", "v_proj"]))) == len(chosen)
    assert len(layers(adapted(target_modules=r".*\.0\..*_proj"))) == sum(".0." in name for name in linear)


@shows("train.adapter.alpha", "train.adapter.rslora")
def test_how_much_an_adapter_counts(tiny):
    """The layer's output is W x + (alpha / r) B A x, or alpha / √r with rslora."""
    for keys, scale in (
        ({}, 32 / 16),
        ({"r": 4}, 32 / 4),
        ({"alpha": 8}, 8 / 16),
        ({"r": 4, "alpha": 8}, 8 / 4),
        ({"rslora": True}, 32 / 4),
        ({"rslora": True, "r": 9, "alpha": 6}, 6 / 3),
    ):
        layer = next(iter(layers(adapted(**keys)).values()))
        down, up = layer.lora_A["default"].weight, layer.lora_B["default"].weight
        with torch.no_grad():
            up.normal_()
            x = torch.randn(3, down.shape[1])
            torch.testing.assert_close(
                layer(x) - layer.base_layer(x), scale * x @ down.T @ up.T, rtol=1e-4, atol=1e-4
            )


@shows("train.adapter.dropout")
def test_an_adapters_input_may_be_dropped(tiny):
    def silenced(rate: float) -> float:
        """Share of the adapter's inputs that do not reach it in training."""
        layer = next(iter(layers(adapted(dropout=rate)).values())).train()
        shown = layer.lora_dropout["default"](torch.ones(200, 100))
        return float((shown == 0).float().mean())

    assert silenced(0.0) == 0
    assert silenced(0.25) == pytest.approx(0.25, abs=0.02)


@shows("train.adapter.tokens", "train.adapter.init_text")
def test_how_many_virtual_tokens_come_before_a_prompt_and_what_they_begin_as(tiny):
    """Each has a row as wide as an embedding: one of the vocabulary's, drawn, or those of the text, again and again."""

    def rows(**keys: Any) -> Any:
        section = AdapterSection.model_validate({"kind": "soft_prompt"} | keys)
        policy = load_policy(
            quickstart_config(train=TrainConfig(adapter=section)), "policy", for_training=True
        )
        model = kind(section, words=policy.words).attach(policy.model)
        assert len(policy.encode(["1+1="])[0]) == len(tiny.encode(["1+1="])[0]) + (section.tokens or 16)
        soft = soft_embedding.of(model)
        assert soft is not None
        return soft.rows

    vocabulary = tiny.model.get_input_embeddings().weight
    for count, drawn in ((16, rows()), (5, rows(tokens=5))):
        assert len(drawn) == count and all((row == vocabulary).all(dim=1).any() for row in drawn)
    torch.testing.assert_close(
        rows(tokens=5, init_text="1+"), vocabulary[tiny.words("1+1+1")], rtol=0, atol=0
    )
