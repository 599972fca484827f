"""The packed update on small random models of many families, against each row read on its own."""

import copy

import pytest
import torch
from torch._dynamo.testing import CompileCounterWithBackend
from torch.nn.attention.flex_attention import create_block_mask, flex_attention
from transformers import AutoConfig, AutoModelForCausalLM

from rlvr.training import attention
from rlvr.training.head import add_selected_head
from rlvr.training.packing import pack

COMMON = {
    "vocab_size": 50,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 64,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
FULL = {"layer_types": ["full_attention"] * 2}
PACKED = {
    "llama, tied": ("llama", {"tie_word_embeddings": True}),
    "qwen2": ("qwen2", {"use_sliding_window": False}),
    "qwen3": ("qwen3", {"head_dim": 16}),
    "granite: scaled logits": ("granite", {"logits_scaling": 8.0, "residual_multiplier": 0.5}),
    "cohere: scaled logits": ("cohere", {"logit_scale": 0.25}),
    "gemma": ("gemma", {"head_dim": 16}),
    "gemma2: capped logits and scores": (
        "gemma2",
        {"head_dim": 16, "final_logit_softcapping": 1.0, "attn_logit_softcapping": 2.0} | FULL,
    ),
    "llama, eager": ("llama", {"attn_implementation": "eager"}),
    "olmo2": ("olmo2", {}),
    "phi: partial rotary, biased head": ("phi", {}),
    "gpt_neox": ("gpt_neox", {}),
}
PADDED = {
    "mistral": ({"sliding_window": 8}, "sliding"),
    "gemma2": ({"head_dim": 16, "sliding_window": 8}, "sliding"),
    "mamba": ({"state_size": 4}, "linear_attention"),
}
TEMPERATURE = 0.7
GROUP, ROWS = 3, 6


def build(kind: str, changes: dict):
    torch.manual_seed(0)
    config = AutoConfig.for_model(kind, **COMMON | changes)
    return AutoModelForCausalLM.from_config(config).float().eval()


def rows() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Two groups of three: prompts of 5 and 1 tokens, completions of 0 to 6."""
    generator = torch.Generator().manual_seed(0)
    prompt, completion = (torch.randint(3, 50, (ROWS, n), generator=generator) for n in (5, 6))
    prompt_mask, completion_mask = torch.ones_like(prompt), torch.ones_like(completion)
    for group, length in enumerate((5, 1)):
        first = group * GROUP
        prompt[first : first + GROUP] = prompt[first]
        prompt_mask[first : first + GROUP, : 5 - length] = 0
    for row, length in enumerate((6, 1, 0, 4, 6, 2)):
        completion_mask[row, length:] = 0
    return prompt, prompt_mask, completion, completion_mask


def one_by_one(model, prompt, prompt_mask, completion, completion_mask) -> torch.Tensor:
    found = []
    for p, pm, c, cm in zip(prompt, prompt_mask, completion, completion_mask, strict=True):
        p, c = p[pm.bool()], c[cm.bool()]
        if len(c):
            logits = model(input_ids=torch.cat([p, c])[None]).logits[0, len(p) - 1 : -1] / TEMPERATURE
            found.append(logits.log_softmax(-1).gather(-1, c[:, None])[:, 0])
    return torch.cat(found)


def gradient(model, logprobs: torch.Tensor) -> torch.Tensor:
    model.zero_grad()
    weights = torch.linspace(-1, 1, len(logprobs))
    (logprobs * weights).sum().backward()
    return torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None])


@pytest.mark.parametrize("name", PACKED)
def test_packed_equals_row_by_row(name):
    kind, changes = PACKED[name]
    plain = build(kind, changes)
    batch = rows()
    expected = one_by_one(plain, *batch)
    expected_gradient = gradient(plain, expected)
    model = copy.deepcopy(plain)
    chosen, why = attention.choose(model)
    assert chosen is not None, why
    attention.install(model)
    add_selected_head(model, TEMPERATURE)
    ways: list[attention.Kind] = [chosen, "mask"] if chosen == "split" else [chosen]
    for way in ways:
        packed = pack(*batch, group_size=GROUP, kind=way)
        logprobs, _ = model(**packed.inputs, select=packed.select, targets=packed.targets)
        torch.testing.assert_close(logprobs, expected, atol=2e-5, rtol=1e-4)
        assert (gradient(model, logprobs) - expected_gradient).norm() / expected_gradient.norm() < 1e-4, way
    # everything that is not a packed row is computed as before
    torch.testing.assert_close(one_by_one(model, *batch), expected)


def test_flex_attention_equals_row_by_row():
    """What CUDA chooses, uncompiled; FlexAttention has no gradient on a CPU."""
    plain = build("llama", {})
    batch = rows()
    with torch.no_grad():
        expected = one_by_one(plain, *batch)
        attention.install(plain)
        add_selected_head(plain, TEMPERATURE)
        packed = pack(*batch, group_size=GROUP, kind="flex")
        logprobs, _ = plain(**packed.inputs, select=packed.select, targets=packed.targets)
    torch.testing.assert_close(logprobs, expected, atol=2e-5, rtol=1e-4)


def test_flex_attention_is_not_compiled_anew_for_each_step():
    """A new mask and a new length every step: what is compiled is one graph for the first length, one for any (which
    may be there already, from another test)."""
    mask, attend = CompileCounterWithBackend("eager"), CompileCounterWithBackend("eager")
    make = torch.compile(create_block_mask, backend=mask)
    compiled = torch.compile(flex_attention, backend=attend)
    for length in (256, 384, 300, 777):
        groups, blocks = torch.arange(length) // 100, torch.arange(length) % 4
        found = attention.flex_mask(groups, blocks, make)
        assert torch.equal(found.to_dense(), attention.flex_mask(groups, blocks).to_dense())
        query = torch.randn(1, 2, length, 16)
        expected = flex_attention(query, query, query, block_mask=attention.flex_mask(groups, blocks))
        torch.testing.assert_close(compiled(query, query, query, block_mask=found), expected)
    assert 1 <= mask.frame_count <= 2 and 1 <= attend.frame_count <= 2


@pytest.mark.parametrize("kind", PADDED)
def test_models_that_must_run_padded_say_why(kind):
    changes, reason = PADDED[kind]
    chosen, why = attention.choose(build(kind, changes))
    assert chosen is None
    assert reason in why


def test_groups_without_tokens_are_left_out():
    prompt, prompt_mask, completion, completion_mask = rows()
    completion_mask[:GROUP] = 0
    packed = pack(prompt, prompt_mask, completion, completion_mask, GROUP)
    assert packed.inputs["input_ids"].shape == (1, 12)  # the second group: no prompt but its last token
    assert packed.place.min() >= GROUP * completion.shape[1]
    nothing = pack(prompt, prompt_mask, completion, torch.zeros_like(completion_mask), GROUP)
    model = build("llama", {})
    attention.install(model)
    add_selected_head(model, TEMPERATURE)
    logprobs, _ = model(**nothing.inputs, select=nothing.select, targets=nothing.targets)
    assert logprobs.shape == (0,)
    logprobs.sum().backward()  # a gradient of zero, so that every process takes part in the reduction
    assert all(p.grad is None or not p.grad.any() for p in model.parameters())
