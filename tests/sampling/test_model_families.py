"""Sampling from models of many families, randomly initialised: shared where it can be, with a reason where not."""

import copy
from dataclasses import replace
from functools import cache, wraps
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, DynamicCache
from transformers.models.auto.configuration_auto import CONFIG_MAPPING

from rlvr.config import SamplingConfig
from rlvr.policy import Policy, PolicyError
from rlvr.sampling import SampleRequest
from rlvr.sampling import abilities as able
from rlvr.sampling.abilities import abilities
from rlvr.sampling.engine import TransformersSampler
from rlvr.sampling.score import Written, logprobs
from rlvr.sampling.shared import Decoder

PROMPTS = [
    [5, 6, 7, 8],
    list(range(5, 17)),
    [9, 8, 7, 6],
    [12, 11, 10, 9, 8, 7, 6],
]  # longer than WINDOW, too
WINDOW = 6
COMMON = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "intermediate_size": 64,
    "max_position_embeddings": 64,
}
LATENT = {"kv_lora_rank": 8, "q_lora_rank": 16, "qk_rope_head_dim": 8, "qk_nope_head_dim": 8, "v_head_dim": 8}
EXPERTS = {"n_routed_experts": 4, "n_group": 1, "topk_group": 1, "num_experts_per_tok": 2}
FAMILIES: dict[str, tuple[dict, str | None]] = {
    "llama": ({}, None),
    "qwen2": ({}, None),
    "qwen3": ({"head_dim": 8}, None),
    "gpt2": ({"n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 64}, None),
    "gpt_neox": ({}, None),
    "mistral": ({"sliding_window": WINDOW}, "sliding window"),
    "gemma3_text": ({"head_dim": 8, "sliding_window": WINDOW}, "layers of kind sliding_attention"),
    "bloom": ({"n_head": 4, "n_layer": 2}, "attention interface"),
    "deepseek_v3": (
        {
            **LATENT,
            **EXPERTS,
            "num_key_value_heads": 4,
            "moe_intermediate_size": 32,
            "first_k_dense_replace": 1,
        },
        "another form",
    ),
    "mamba": ({"state_size": 8}, "linear_attention"),
    "jamba": (
        {"attn_layer_period": 2, "attn_layer_offset": 1, "mamba_d_state": 8, "use_mamba_kernels": False},
        "linear_attention",
    ),
    "falcon_h1": (
        {
            "mamba_d_ssm": 64,
            "mamba_n_heads": 4,
            "mamba_d_head": 16,
            "mamba_d_state": 8,
            "mamba_chunk_size": 8,
        },
        "hybrid",
    ),
    "rwkv": ({"attention_hidden_size": 32}, "attention interface"),  # keeps no cache of transformers' kind
}


@pytest.fixture
def policy(request, tiny):
    return random_policy(request.param, tiny)


@cache
def random_policy(family: str, tiny: Policy) -> Policy:
    kind: Any = CONFIG_MAPPING[family]
    own, _ = FAMILIES[family]
    tokens = {"vocab_size": len(tiny.tokenizer), "pad_token_id": 0, "eos_token_id": 1, "bos_token_id": None}
    known = vars(kind())
    config = kind(**{k: v for k, v in COMMON.items() if k in known} | tokens | own)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = AutoModelForCausalLM.from_config(config).eval()
    with torch.no_grad():
        for weights in model.parameters():  # far from uniform, so that no argmax is a near-tie
            if weights.dim() == 2:
                weights.mul_(4)
    return Policy("base", model, tiny.tokenizer, family)


def alone(policy: Policy, prompt: list[int], n: int) -> list[int]:
    """The likeliest tokens by plain forward passes, without cache, padding or batch."""
    ids = list(prompt)
    while len(ids) < len(prompt) + n and (len(ids) == len(prompt) or ids[-1] not in policy.stop_ids):
        with torch.no_grad():
            ids.append(int(policy.model(torch.tensor([ids]), use_cache=False).logits[0, -1].argmax()))
    return ids[len(prompt) :]


@pytest.mark.parametrize("policy", FAMILIES, indirect=True)
def test_greedy_tokens_are_those_of_plain_forward_passes(policy):
    rows = [SampleRequest(i, 0) for i in range(len(PROMPTS)) for _ in range(2)]
    drawn = TransformersSampler(policy, SamplingConfig(temperature=0, max_new_tokens=12)).generate(
        PROMPTS, rows
    )
    assert [c.token_ids for c in drawn] == [alone(policy, p, 12) for p in PROMPTS for _ in range(2)]


@pytest.mark.parametrize("policy", ["llama", "gpt2"], indirect=True)
def test_a_row_that_joins_late_begins_with_its_own_prompt(policy):
    """Also when the prompts that were read before its own have no row left, and are forgotten."""
    prompts = [PROMPTS[0], PROMPTS[2], PROMPTS[0][::-1]]
    settings = SamplingConfig(temperature=0, max_new_tokens=4, batch_size=3)
    order = [0, 1, 2, 2, 2, 1, 2, 2, 0, 1]
    drawn = TransformersSampler(policy, settings).generate(prompts, [SampleRequest(i, 0) for i in order])
    wanted = [alone(policy, prompt, 4) for prompt in prompts]
    assert len({tokens[0] for tokens in wanted}) > 1
    assert [c.token_ids for c in drawn] == [wanted[i] for i in order]


def test_a_prompt_that_stays_in_a_block_keeps_all_that_was_read_of_it(tiny):
    prompts = [[5, 6, 7, 8], [9, 8], [12, 11, 10]]
    decoder = Decoder(random_policy("llama", tiny), slots=3, capacity=4)
    whole, some = decoder.load(prompts, [7, 8, 9]), decoder.load(prompts, [7, 8, 9])
    some.keep([2, 0])
    assert some.prompts == [9, 7]
    parts = (
        ("keys", whole.keys),
        ("values", whole.values),
        ("hidden", [whole.hidden]),
        ("logits", [whole.logits]),
    )
    for name, tensors in parts:
        kept = getattr(some, name)
        for one, other in zip(tensors, kept if isinstance(kept, list) else [kept], strict=True):
            assert one is not None and torch.equal(one[[2, 0]], other), name
    assert whole.logits is not None and not torch.equal(whole.logits[0], whole.logits[2])


REASONS = {
    "why_uncached": "reads the whole text again for every token, which is slow",
    "why_unshared": "gives each row a copy of its prompt",
    "why_unpadded": "reads prompts of one length at a time",
}


@pytest.mark.parametrize("given", [*([name] for name in REASONS), [*REASONS], []])
def test_the_log_says_what_is_done_and_why(tiny, monkeypatch, caplog, given):
    why = {name: f"because of {name}" if name in given else None for name in REASONS}
    found = replace(abilities(tiny), **why)
    monkeypatch.setattr(able, "_known", {})
    monkeypatch.setattr(able, "_find", lambda policy: found)
    with caplog.at_level("WARNING", "rlvr.sampling"):
        assert abilities(tiny) == abilities(tiny) == found
    assert caplog.messages == [
        f"{tiny.source}: sampling {REASONS[name]}: because of {name}" for name in REASONS if name in given
    ]


@pytest.mark.parametrize("policy", FAMILIES, indirect=True)
def test_rescoring_agrees_with_sampling_while_rows_leave_and_join(policy):
    settings = SamplingConfig(max_new_tokens=12, batch_size=5)
    rows = [SampleRequest(i, 10 * i + s) for i in range(len(PROMPTS)) for s in range(4)]
    drawn = TransformersSampler(policy, settings).generate(PROMPTS, rows)
    assert len({len(c.token_ids) for c in drawn}) > 1 or len(drawn[0].token_ids) == 12
    pairs = [
        Written(row.prompt, c.token_ids, [True] * len(c.token_ids))
        for row, c in zip(rows, drawn, strict=True)
    ]
    assert logprobs(policy, PROMPTS, pairs, 1.0) == pytest.approx([sum(c.logprobs) for c in drawn], abs=1e-3)


@pytest.mark.parametrize("family", FAMILIES)
def test_who_cannot_share_says_why(family, tiny):
    found, expected = abilities(random_policy(family, tiny)).why_unshared, FAMILIES[family][1]
    assert found is None if expected is None else expected in (found or "")


def test_a_model_that_cannot_ignore_padding_is_known(tiny):
    assert "differ" in (abilities(random_policy("rwkv", tiny)).why_unpadded or "")
    assert abilities(random_policy("llama", tiny)).why_unpadded is None


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_padded_path_that_is_wrong_is_found_in_every_type(tiny, dtype):
    """Rounding in bfloat16 is a thousand times float32's, and still far from what a mask that is lost does."""
    sound = replace(tiny, model=copy.deepcopy(tiny.model).to(dtype))
    assert abilities(sound).why_unpadded is None
    broken = replace(tiny, model=copy.deepcopy(sound.model))
    whole = broken.model.forward

    @wraps(whole)
    def without_mask(*args: Any, **options: Any) -> Any:
        return whole(*args, **options | {"attention_mask": None})

    broken.model.forward = without_mask
    assert "differ by" in (abilities(broken).why_unpadded or "")


def test_the_cache_is_measured(tiny):
    llama, mamba = (abilities(random_policy(family, tiny)) for family in ("llama", "mamba"))
    assert (llama.bytes_per_row, llama.bytes_per_token) == (
        0,
        2 * 2 * 2 * 8 * 4,
    )  # layers, k and v, heads, width
    assert mamba.bytes_per_row > 0 == mamba.bytes_per_token


def test_a_cache_of_two_halves_is_selected_whole(tiny):
    """Falcon-H1's layers have attention and a state: one of transformers' methods leaves the state behind."""
    found = abilities(random_policy("falcon_h1", tiny))
    assert found.why_uncached is None
    assert found.selector == "reorder_cache"


def test_a_cache_whose_rows_cannot_be_selected_is_not_used(tiny, monkeypatch):
    """And rows of the same number, in another order, would read each other's."""
    policy = random_policy("qwen2", tiny)
    greedy = SamplingConfig(temperature=0, max_new_tokens=6)
    rows = [SampleRequest(i, 0) for i in range(len(PROMPTS)) for _ in range(2)]
    expected = [c.token_ids for c in TransformersSampler(policy, greedy).generate(PROMPTS, rows)]
    for method in ("batch_select_indices", "reorder_cache"):
        monkeypatch.setattr(DynamicCache, method, lambda self, index: None)
    monkeypatch.setattr("rlvr.sampling.abilities._known", {})
    assert "cannot be selected" in (abilities(policy).why_uncached or "")
    assert [c.token_ids for c in TransformersSampler(policy, greedy).generate(PROMPTS, rows)] == expected


def test_rounding_that_a_model_amplifies_is_no_fault(tiny):
    """The states of a recurrent model with large weights move by more than most models' through rounding alone."""
    policy = random_policy("mamba", tiny)
    model = copy.deepcopy(policy.model)
    with torch.no_grad():
        for weights in model.parameters():
            if weights.dim() == 2:
                weights.mul_(2)
    assert abilities(replace(policy, model=model)).why_uncached is None


def test_numbers_that_are_not_finite_are_refused(tiny):
    policy = random_policy("qwen3", tiny)
    broken = copy.deepcopy(policy.model)
    with torch.no_grad():
        broken.model.norm.weight[0] = torch.nan
    with pytest.raises(PolicyError, match="model qwen3: cannot be sampled from"):
        abilities(replace(policy, model=broken))
