"""What the trainer hands to vLLM: the policy's weights of this moment, under the names of a checkpoint."""

import copy

import pytest
import torch
from accelerate import Accelerator
from peft import LoraConfig, get_peft_model

from rlvr.training import ppo
from rlvr.training.current_policy import Frozen
from rlvr.training.vllm_sync import named_weights


@pytest.fixture
def adapted(tiny):
    """A bfloat16 base with adapters that do something."""
    torch.manual_seed(0)
    model = get_peft_model(
        copy.deepcopy(tiny.model).bfloat16(), LoraConfig(r=2, lora_alpha=4, target_modules="all-linear")
    )
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_B" in name:
                parameter.normal_(std=0.05)
    return model


def given(model) -> dict[str, torch.Tensor]:
    return {name: weight.clone() for name, weight in named_weights(model, Accelerator(cpu=True))}


def checkpoint(model) -> dict[str, torch.Tensor]:
    return {name: p.detach() for name, p in model.named_parameters()}


def test_whole_weights_go_as_they_are_without_the_value_head(tiny):
    model = copy.deepcopy(tiny.model)
    expected = checkpoint(model)
    ppo.add_value_head(model)
    found = given(model)
    assert found.keys() >= expected.keys()
    assert found.keys() <= model.state_dict().keys() - {"value_head.weight", "value_head.bias"}
    assert all(torch.equal(found[name], expected[name]) for name in expected)


def test_adapters_are_merged_and_the_base_stays_to_the_bit(adapted, tiny):
    before = checkpoint(adapted)
    found = given(adapted)
    for _ in range(20):
        given(adapted)
    assert all(torch.equal(before[name], p) for name, p in adapted.named_parameters())
    merged = checkpoint(copy.deepcopy(adapted).float().merge_and_unload())
    assert found.keys() >= merged.keys() and merged.keys() == checkpoint(tiny.model).keys()
    for name, weight in merged.items():
        torch.testing.assert_close(found[name].float(), weight, atol=1e-6, rtol=1e-6)
    moved = [n for n in merged if not torch.equal(found[n], checkpoint(tiny.model)[n].bfloat16())]
    assert moved == [n for n in merged if "proj" in n]


def test_with_its_adapters_off_it_is_the_base(adapted, tiny):
    """What rejection sampling draws from."""
    with Frozen(adapted).weights(adapted) as drawing:
        found = given(drawing)
    assert all(torch.equal(found[n], w.bfloat16()) for n, w in checkpoint(tiny.model).items())


def test_adapters_beside_a_value_head(tiny):
    model = copy.deepcopy(tiny.model)
    ppo.add_value_head(model)
    whole = [ppo.VALUE_HEAD]
    adapted = get_peft_model(
        model, LoraConfig(target_modules="all-linear", modules_to_save=whole, exclude_modules=whole)
    )
    assert given(adapted).keys() >= checkpoint(tiny.model).keys()
    assert not [name for name in given(adapted) if ppo.VALUE_HEAD in name or "lora" in name]


def test_adapters_on_a_mixtures_experts_and_router_are_merged_as_peft_does():
    from transformers import AutoConfig, AutoModelForCausalLM

    sizes = {"hidden_size": 32, "num_hidden_layers": 1, "vocab_size": 64, "num_attention_heads": 2}
    experts = {
        "num_experts": 4,
        "num_experts_per_tok": 2,
        "moe_intermediate_size": 48,
        "num_key_value_heads": 2,
    }
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(AutoConfig.for_model("qwen3_moe", **sizes, **experts))
    adapted = get_peft_model(model, LoraConfig(r=2, target_modules="all-linear", init_lora_weights=False))
    found = given(adapted)
    merged = checkpoint(copy.deepcopy(adapted).merge_and_unload())
    assert found.keys() == merged.keys()
    for name, weight in merged.items():
        torch.testing.assert_close(found[name], weight, atol=1e-6, rtol=1e-6)
