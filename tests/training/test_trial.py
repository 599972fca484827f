"""The update is tried before anything is sampled: what is wrong falls back or is refused, in words."""

from typing import Any

import pytest
import torch
from accelerate import Accelerator
from torch import nn

from rlvr.policy import PolicyError
from rlvr.training import dropout
from rlvr.training.forward import Way
from rlvr.training.trial import prove
from tests.training.test_families import build

NEMOTRON = {"head_dim": 8}


def tried(model: Any, **more: Any) -> tuple[Way, str]:
    return prove(model, range(3, 27), Accelerator(cpu=True), 1.0, "test", **more)


def test_what_a_decoder_layer_drops_is_noticed():
    """Nemotron's hands no further keywords on, so our attention never hears of the packed row."""
    model = build("nemotron", NEMOTRON)
    before = vars(model).get("forward"), model.config._attn_implementation
    way, why = tried(model)
    assert way == Way("mask")
    assert "attention split: " in why  # it raises, or differs, by what its attention makes of the mask
    assert (vars(model).get("forward"), model.config._attn_implementation) == before
    assert all(p.grad is None for p in model.parameters())


def test_attention_keeps_its_name_where_ours_does_not_stand_in():
    """Falcon compares the name, and takes another branch under another one."""
    way, _ = tried(build("falcon", {"new_decoder_architecture": True, "num_kv_heads": 2}))
    assert way == Way("mask")


@pytest.mark.parametrize(
    ("family", "changes"),
    [
        ("opt", {"ffn_dim": 48, "word_embed_proj_dim": 32, "layerdrop": 0.0}),
        ("seed_oss", {"attention_dropout": 0.2, "residual_dropout": 0.2, "head_dim": 8}),
    ],
)
def test_dropout_as_a_function_is_off(family, changes):
    with pytest.raises(PolicyError, match=r"model test: .*change in training \(dropout, noise\) by 0\.\d"):
        tried(build(family, changes))
    model = build(family, changes)
    assert tried(model, random=True)[0] == Way("split")  # asked for
    dropout.disable(model)
    assert tried(model)[0] == Way("split")
    assert not dropout.remains(model)


def test_a_router_with_jitter_stays_in_evaluation():
    """Phi-MoE's draws experts at random in training, and its number has a part in evaluation too."""
    experts = {"num_local_experts": 4, "router_jitter_noise": 0.1, "input_jitter_noise": 0.1}
    model = build("phimoe", experts)
    ids = torch.tensor([[3, 4, 5, 6]])
    with torch.no_grad():
        before = model(ids).logits
        dropout.disable(model)
        assert torch.equal(model.train()(ids).logits, before)
    assert tried(model)[0] == Way("split")


class Doubled(nn.Module):
    """A layer that reads the row after it, as no row alone could."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, hidden: torch.Tensor, *args: Any, **kwargs: Any) -> torch.Tensor:
        hidden = self.layer(hidden, *args, **kwargs)
        return hidden + 0.1 * hidden.mean(dim=(0, 1))


def test_what_is_wrong_in_every_way_is_refused_with_name_and_figure():
    model = build("llama", {})
    model.model.layers[0] = Doubled(model.model.layers[0])
    with pytest.raises(PolicyError, match=r"model test: cannot be trained: packed.*; padded, one row"):
        tried(model)


def test_a_gradient_that_is_not_finite_is_refused():
    model = build("llama", {})
    model.model.norm.register_full_backward_hook(lambda _m, found, _o: (found[0] * torch.nan,))
    with pytest.raises(PolicyError, match="its own gradient is not finite"):
        tried(model)


def test_rounding_is_no_fault():
    """In bfloat16 the ways differ by hundredths."""
    model = build("llama", {}).to(torch.bfloat16)
    assert tried(model)[0] == Way("split")


def test_a_head_that_is_more_than_a_product_is_asked_itself():
    model = build("modernbert-decoder", {"layer_types": ["full_attention"] * 2})
    dropout.disable(model)
    way, why = tried(model)
    assert way.own_head
    assert "differ from those of rows read alone" in why
