"""What each key of the optimiser, the schedule and the precision does, on weights and gradients that are known."""

import math
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from accelerate import Accelerator
from torch import nn

from rlvr.config import ConfigError, TrainConfig
from rlvr.run import Run
from rlvr.training.arguments import grpo_config
from rlvr.training.build import make_accelerator, precision
from rlvr.training.optimizer import clip, optimizer, schedule
from tests.conftest import quickstart_config
from tests.contracts.keys import shows


def arguments(folder, rate=0.1, **trl):
    train = TrainConfig(steps=10, learning_rate=rate, trl=trl)
    return grpo_config(quickstart_config(train=train), folder, longest_prompt=5)


def weights_after(folder, *gradients, begin=2.0, **keys):
    """One weight after updates with these gradients."""
    model = nn.Linear(1, 1, bias=False)
    nn.init.constant_(model.weight, begin)
    update = optimizer(model, arguments(folder, **keys))
    found = []
    for gradient in gradients:
        model.weight.grad = torch.full_like(model.weight, gradient)
        update.step()
        found.append(model.weight.item())
    return found


def adam(*gradients, begin=2.0, rate=0.1, beta1=0.9, beta2=0.999, epsilon=1e-8, decay=0.0):
    """AdamW by its paper (Loshchilov and Hutter 2019, arXiv 1711.05101, algorithm 2)."""
    weight, first, second, found = begin, 0.0, 0.0, []
    for t, g in enumerate(gradients, start=1):
        first, second = beta1 * first + (1 - beta1) * g, beta2 * second + (1 - beta2) * g * g
        scaled = first / (1 - beta1**t) / (math.sqrt(second / (1 - beta2**t)) + epsilon)
        weight = weight - rate * decay * weight - rate * scaled
        found.append(weight)
    return pytest.approx(found, rel=1e-5)


@shows(
    "train.learning_rate", "train.trl.adam_beta1", "train.trl.adam_beta2", "train.trl.adam_epsilon",
    "train.trl.weight_decay",
)  # fmt: skip
def test_an_update_is_adamws(tmp_path):
    steps = (1.0, 0.1, -0.5)
    assert weights_after(tmp_path, *steps) == adam(*steps)
    assert weights_after(tmp_path, 1.0) == [pytest.approx(2.0 - 0.1)]  # the first step is the rate itself
    assert weights_after(tmp_path, *steps, rate=0.01) == adam(*steps, rate=0.01)
    assert weights_after(tmp_path, *steps, adam_beta1=0.5) == adam(*steps, beta1=0.5)
    assert weights_after(tmp_path, *steps, adam_beta2=0.9) == adam(*steps, beta2=0.9)
    assert weights_after(tmp_path, *steps, adam_epsilon=0.5) == adam(*steps, epsilon=0.5)
    assert weights_after(tmp_path, *steps, weight_decay=0.2) == adam(*steps, decay=0.2)


def test_a_bias_and_a_norm_do_not_decay(tmp_path):
    linear, norm = nn.Linear(1, 1), nn.LayerNorm(1)
    model = nn.Sequential(linear, norm)
    nn.init.constant_(linear.bias, 2.0)
    nn.init.constant_(linear.weight, 2.0)
    update = optimizer(model, arguments(tmp_path, weight_decay=0.2))
    for weight in model.parameters():
        weight.grad = torch.zeros_like(weight)
    update.step()
    assert linear.weight.item() == pytest.approx(2.0 * (1 - 0.1 * 0.2))
    assert (linear.bias.item(), norm.weight.item()) == (2.0, 1.0)


@shows("train.trl.optim", "train.trl.optim_args")
def test_another_optimiser_by_its_name(tmp_path):
    assert weights_after(tmp_path, 1.0, 0.5, optim="sgd") == pytest.approx([1.9, 1.85])
    adagrad = weights_after(tmp_path, 1.0, 0.5, optim="adagrad")
    assert adagrad == pytest.approx([1.9, 1.9 - 0.1 * 0.5 / math.sqrt(1.25)])
    model = nn.Linear(1, 1)
    options = arguments(tmp_path, optim="rmsprop", optim_args="momentum=0.5,alpha=0.9")
    assert {k: optimizer(model, options).defaults[k] for k in ("momentum", "alpha")} == {
        "momentum": 0.5,
        "alpha": 0.9,
    }


def rates(folder, **keys):
    """The learning rate of each of ten steps."""
    args = arguments(folder, rate=1.0, **keys)
    update = optimizer(nn.Linear(1, 1), args)
    plan, found = schedule(update, args, 10), []
    for _ in range(10):
        found.append(update.param_groups[0]["lr"])
        update.step()
        plan.step()
    return pytest.approx(found)


@shows("train.trl.lr_scheduler_type", "train.trl.lr_scheduler_kwargs", "train.trl.warmup_steps")
def test_the_learning_rate_follows_the_schedule(tmp_path):
    assert rates(tmp_path) == [1.0] * 10
    assert rates(tmp_path, lr_scheduler_type="linear") == [1 - n / 10 for n in range(10)]
    cosine = [(1 + math.cos(math.pi * n / 10)) / 2 for n in range(10)]
    assert rates(tmp_path, lr_scheduler_type="cosine") == cosine
    warm = {"lr_scheduler_type": "constant_with_warmup", "warmup_steps": 4}
    assert rates(tmp_path, **warm) == [0, 0.25, 0.5, 0.75] + [1.0] * 6
    floor = {"lr_scheduler_type": "cosine_with_min_lr", "lr_scheduler_kwargs": {"min_lr_rate": 0.5}}
    assert rates(tmp_path, **floor) == [0.5 + 0.5 * rate for rate in cosine]


@shows("train.trl.max_grad_norm")
def test_a_gradient_is_scaled_down_to_the_norm(tmp_path):
    for limit, factor in ((1.0, 1 / 5), (2.5, 1 / 2), (10.0, 1.0), (0.0, 1.0)):
        model = nn.Linear(2, 1, bias=False)
        model.weight.grad = torch.tensor([[3.0, 4.0]])
        args = arguments(tmp_path, max_grad_norm=limit)
        assert clip(Accelerator(), model, args.max_grad_norm) == pytest.approx(5.0)  # before clipping
        assert model.weight.grad[0].tolist() == pytest.approx([3 * factor, 4 * factor], rel=1e-4)
    assert arguments(tmp_path).max_grad_norm == 1.0


@shows("train.trl.bf16", "train.trl.fp16", "train.trl.tf32")
def test_the_precision_of_forward_passes(tmp_path, monkeypatch):
    assert precision(arguments(tmp_path)) == "no"
    assert precision(arguments(tmp_path, bf16=True)) == "bf16"
    with pytest.raises(ConfigError, match=r"train\.trl\.fp16: needs a GPU"):
        arguments(tmp_path, fp16=True)
    assert precision(SimpleNamespace(bf16=False, fp16=True)) == "fp16"  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="tf32 requires Ampere"):
        arguments(tmp_path, tf32=True)
    monkeypatch.setattr("transformers.training_args.is_torch_tf32_available", lambda: True)
    products: Any = torch.backends
    monkeypatch.setattr(products, "fp32_precision", products.fp32_precision)  # to be put back
    for asked, precision_of_products in ((True, "tf32"), (False, "ieee")):
        arguments(tmp_path, tf32=asked)
        assert products.fp32_precision == precision_of_products


DDP = {"ddp_bucket_cap_mb": 7, "ddp_broadcast_buffers": False, "ddp_static_graph": True}


@shows(*(f"train.trl.{name}" for name in (*DDP, "ddp_find_unused_parameters")))
def test_ddp_is_built_with_what_the_keys_say(tmp_path):
    def handed(**trl) -> Any:
        return make_accelerator(arguments(tmp_path, **trl), Run(tmp_path)).ddp_handler

    plain = handed()
    for name, asked in DDP.items():
        key = name.removeprefix("ddp_")
        assert getattr(plain, key) != asked and getattr(handed(**{name: asked}), key) == asked
    assert plain.find_unused_parameters is True
    assert handed(ddp_find_unused_parameters=False).find_unused_parameters is False
    assert handed(activation_checkpointing=True).find_unused_parameters is False
