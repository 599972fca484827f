"""The update's forward pass on small random models of many families, packed and padded, against each row read alone."""

import copy
from typing import Any

import pytest
import torch
from accelerate import Accelerator
from torch._dynamo.testing import CompileCounterWithBackend
from torch.nn.attention.flex_attention import create_block_mask, flex_attention
from transformers import AutoConfig, AutoModelForCausalLM

from rlvr.training import attention, dropout
from rlvr.training.forward import Forward
from rlvr.training.packing import Prompted, Sample, pack
from rlvr.training.reach import FULL, Reach
from rlvr.training.trial import prove
from tests.training.handles import distance, gradient, row_by_row

CPU = torch.device("cpu")
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
ALL_FULL = {"layer_types": ["full_attention"] * 2}
PACKED = {
    "llama, tied": ("llama", {"tie_word_embeddings": True}),
    "qwen2": ("qwen2", {"use_sliding_window": False}),
    "qwen3": ("qwen3", {"head_dim": 16}),
    "granite: scaled logits": ("granite", {"logits_scaling": 8.0, "residual_multiplier": 0.5}),
    "cohere: scaled logits": ("cohere", {"logit_scale": 0.25}),
    "gemma": ("gemma", {"head_dim": 16}),
    "gemma2: capped logits and scores": (
        "gemma2",
        {"head_dim": 16, "final_logit_softcapping": 1.0, "attn_logit_softcapping": 2.0} | ALL_FULL,
    ),
    "llama, eager": ("llama", {"attn_implementation": "eager"}),
    "olmo2": ("olmo2", {}),
    "phi: partial rotary, biased head": ("phi", {}),
    "gpt_neox": ("gpt_neox", {}),
    "mixtral, router at rest": ("mixtral", {"num_local_experts": 4, "sliding_window": None}),
}
WINDOW = {"sliding_window": 8}
MIXED = {"layer_types": ["sliding_attention", "full_attention"]}
WINDOWED = {
    "mistral": ("mistral", {}),
    "starcoder2": ("starcoder2", {}),
    "phi3": ("phi3", {}),
    "qwen2": ("qwen2", {"use_sliding_window": True} | MIXED),
    "qwen3": ("qwen3", {"head_dim": 16, "use_sliding_window": True} | MIXED),
    "gemma2": ("gemma2", {"head_dim": 16, "attn_logit_softcapping": 2.0} | MIXED),
    "gemma3": ("gemma3_text", {"head_dim": 16} | MIXED),
    "olmo3": ("olmo3", MIXED),
    "cohere2": ("cohere2", MIXED),
    "exaone4": ("exaone4", MIXED),
    "gpt_oss": ("gpt_oss", {"head_dim": 16, "num_local_experts": 4, "num_experts_per_tok": 2} | MIXED),
    "mixtral": ("mixtral", {"num_local_experts": 4}),
    "ministral": ("ministral", {"head_dim": 8} | MIXED),
    "smollm3": ("smollm3", {"use_sliding_window": True} | MIXED),
    "llama4": (
        "llama4_text",
        {
            "head_dim": 16,
            "attention_chunk_size": 8,
            "num_local_experts": 4,
            "intermediate_size_mlp": 48,
            "layer_types": ["chunked_attention", "full_attention"],
        },
    ),
}
PADDED = {
    "mamba": ("mamba", {"state_size": 4}, "linear_attention"),
    "gpt_neo: absolute positions": (
        "gpt_neo",
        {"num_layers": 2, "num_heads": 4, "attention_types": [[["global", "local"], 1]], "window_size": 4},
        "block mask",
    ),
}
EXPERTS = {
    "mixtral": {"num_local_experts": 4, "num_experts_per_tok": 2, "sliding_window": None},
    "qwen3_moe": {
        "num_experts": 4,
        "num_experts_per_tok": 2,
        "moe_intermediate_size": 16,
        "head_dim": 8,
        "decoder_sparse_step": 1,
    },
}
TEMPERATURE = 0.7
LENGTHS = [[6, 1, 0], [4, 6, 2]]
HOLES = {6: [2, 3], 4: [0, 2]}
"""Length of a sample → places in it that a tool wrote."""


def build(kind: str, changes: dict) -> Any:
    torch.manual_seed(0)
    config = AutoConfig.for_model(kind, **COMMON | changes)
    return AutoModelForCausalLM.from_config(config).float().eval()


def groups(evidence: bool = True, seed: int = 0) -> list[Prompted]:
    """Two groups of three: prompts of 5 and 1 tokens, samples of 0 to 6, some with a tool's words in their middle."""
    generator = torch.Generator().manual_seed(seed)

    def tokens(n: int) -> list[int]:
        return torch.randint(3, 50, (n,), generator=generator).tolist()

    def sample(n: int) -> Sample:
        holes = HOLES.get(n, ()) if evidence else ()
        return Sample.of(tokens(n), [i not in holes for i in range(n)])

    return [
        Prompted(tokens(prompt), [sample(n) for n in of_group])
        for prompt, of_group in zip((5, 1), LENGTHS, strict=True)
    ]


def update(model: Any, balances: bool = False) -> Forward:
    """The forward pass of training on a model, which it changes."""
    accelerator = Accelerator(cpu=True)
    dropout.disable(model)
    way, _ = prove(model, range(3, 27), accelerator, TEMPERATURE, "test", balances)
    return Forward([model], accelerator, TEMPERATURE, way, balances)


def weighted(logprobs: torch.Tensor) -> torch.Tensor:
    """A loss in which each token has another weight."""
    return (logprobs * torch.linspace(-1, 1, len(logprobs))).sum()


def ways(chosen: attention.Kind | None) -> list[attention.Kind | None]:
    """The layouts that must agree on a model: what was chosen for it, the dense mask, and padded."""
    return [chosen, "mask", None] if chosen == "split" else [chosen, None] if chosen else [None]


# ------------------------------------------------------------------ each row alone is the truth


@pytest.mark.parametrize("evidence", [False, True], ids=["whole", "with evidence"])
@pytest.mark.parametrize("name", [*PACKED, *PADDED])
def test_every_layout_equals_row_by_row(name, evidence):
    kind, changes, *reason = (PACKED | PADDED)[name]
    plain, batch = build(kind, changes), groups(evidence)
    expected, _ = row_by_row(plain, batch, TEMPERATURE)
    expected_gradient = gradient(plain, weighted(expected))
    model = copy.deepcopy(plain)
    forward = update(model)
    assert (forward.kind is None) == bool(reason)
    for way in ways(forward.kind):
        forward.kind = way
        answer, row = forward(model, batch)
        lengths = [sum(sample.mask) for group in batch for sample in group.samples]
        assert row.bincount(minlength=6).tolist() == lengths
        torch.testing.assert_close(answer.logprobs, expected, atol=2e-5, rtol=1e-4)
        assert distance(gradient(model, weighted(answer.logprobs)), expected_gradient) < 1e-4, way
    # everything that is not a row of the update is computed as before
    torch.testing.assert_close(row_by_row(model, batch, TEMPERATURE)[0], expected)


@pytest.mark.slow
@pytest.mark.parametrize("evidence", [False, True], ids=["whole", "with evidence"])
def test_flex_attention_equals_row_by_row(evidence):
    """What CUDA chooses, uncompiled; FlexAttention has no gradient on a CPU."""
    model, batch = build("llama", {}), groups(evidence)
    with torch.no_grad():
        expected, _ = row_by_row(model, batch, TEMPERATURE)
        forward = update(model)
        forward.kind = "flex"
        answer, _ = forward(model, batch)
    torch.testing.assert_close(answer.logprobs, expected, atol=2e-5, rtol=1e-4)


@pytest.mark.parametrize("name", ["gpt2", "gpt_neo"])
def test_positions_begin_at_the_prompt(name):
    """With absolute positions a row that is padded on the left is another text. Ours is padded on the right."""
    model, batch = (
        build(name, PADDED["gpt_neo: absolute positions"][1] if name == "gpt_neo" else {}),
        groups(),
    )
    expected, _ = row_by_row(model, batch, TEMPERATURE)
    rows = [[*group.prompt, *sample.token_ids] for group in batch for sample in group.samples]
    left = torch.tensor([[0] * (11 - len(row)) + row for row in rows])
    with torch.no_grad():
        real = (left > 0).long()
        logits = model(input_ids=left, attention_mask=real).logits / TEMPERATURE
    wrong = logits[:, :-1].log_softmax(-1).gather(-1, left[:, 1:, None])[..., 0]
    of_the_last = wrong[-1][-2:]  # the shortest prompt's sample
    forward = update(model)
    forward.kind = None
    answer, _ = forward(model, batch)
    torch.testing.assert_close(answer.logprobs, expected, atol=2e-5, rtol=1e-4)
    assert (of_the_last - expected[-2:]).abs().max() > 1e-2


@pytest.mark.parametrize("kind", ["split", "mask", "eager", "flex", None])
def test_nothing_flows_back_from_what_is_predicted_of_evidence(kind):
    """The last layer's state before a tool's token has a gradient of exactly zero: only the policy's tokens are
    predicted from it. And the tool's tokens are read: other ones change what follows them, and nothing before."""
    model = build("llama", {"attn_implementation": "eager"} if kind == "eager" else {})
    forward = update(model)
    assert forward.kind == ("eager" if kind == "eager" else "split")
    forward.kind, batch = kind, groups()
    packed = pack(batch, CPU, kind)
    last: list[torch.Tensor] = []
    hook = model.base_model.register_forward_hook(
        lambda _module, _inputs, output: last.append(output.last_hidden_state)
    )
    with torch.set_grad_enabled(kind != "flex"):  # which has no gradient on a CPU
        answer, _ = forward(model, batch)
    hook.remove()
    if kind != "flex":
        last[0].retain_grad()
        weighted(answer.logprobs).backward()
        assert last[0].grad is not None
        touched = last[0].grad.flatten(0, 1).abs().sum(-1).nonzero().flatten()
        assert touched.tolist() == packed.select.sort().values.tolist()
    other = copy.deepcopy(batch)
    other[0].samples[0].token_ids[3] = 49 - other[0].samples[0].token_ids[3]
    with torch.no_grad():
        changed, _ = forward(model, other)
    differs = ~torch.isclose(changed.logprobs, answer.logprobs, atol=1e-6, rtol=1e-6)
    assert differs.nonzero().flatten().tolist() == [2, 3]  # the first sample's policy tokens behind the hole


def test_flex_attention_is_not_compiled_anew_for_each_step():
    """A new mask and a new length every step: what is compiled is one graph for the first length, one for any."""
    torch.compiler.reset()  # nothing is there from another test
    mask, attend = CompileCounterWithBackend("eager"), CompileCounterWithBackend("eager")
    make = torch.compile(create_block_mask, backend=mask)
    compiled = torch.compile(flex_attention, backend=attend)
    for length in (256, 384, 300, 777):
        groups, blocks, places = (torch.arange(length) // 100, torch.arange(length) % 4, torch.arange(length))
        found = attention.flex_mask(groups, blocks, places, make=make)
        plain = attention.flex_mask(groups, blocks, places)
        assert torch.equal(found.to_dense(), plain.to_dense())
        query = torch.randn(1, 2, length, 16)
        expected = flex_attention(query, query, query, block_mask=plain)
        torch.testing.assert_close(compiled(query, query, query, block_mask=found), expected)
    assert 1 <= mask.frame_count <= 2 and 1 <= attend.frame_count <= 2


# ------------------------------------------------------------------ windows and chunks


def of_lengths(shapes: list[tuple[int, list[int]]]) -> list[Prompted]:
    """Groups of random tokens, by the lengths of prompt and samples."""
    generator = torch.Generator().manual_seed(1)

    def tokens(n: int) -> list[int]:
        return torch.randint(3, 50, (n,), generator=generator).tolist()

    return [Prompted(tokens(p), [Sample.of(tokens(n), [True] * n) for n in each]) for p, each in shapes]


REACHED = [(20, [25, 2]), (3, [30, 1]), (6, [3, 9])]
"""A window of 8 ends within the prompt, within the completion, between them, or nowhere."""


@pytest.mark.parametrize("name", WINDOWED)
def test_windows_that_rows_reach_and_windows_that_they_do_not(name):
    kind, changes = WINDOWED[name]
    plain = build(kind, WINDOW | changes)
    model = copy.deepcopy(plain)
    forward = update(model)
    chosen = forward.kind
    assert chosen == ("eager" if name in ("gemma2", "gpt_oss") else "split")
    for batch in (of_lengths(REACHED), of_lengths([(3, [4, 2])])):
        expected, _ = row_by_row(plain, batch, TEMPERATURE)
        expected_gradient = gradient(plain, weighted(expected))
        for way in ways(chosen):
            forward.kind = way
            answer, _ = forward(model, batch)
            assert distance(answer.logprobs.detach(), expected.detach()) < 1e-5, way
            assert distance(gradient(model, weighted(answer.logprobs)), expected_gradient) < 1e-5, way


@pytest.mark.parametrize("window", [10, 11, 12, 13])
@pytest.mark.parametrize("way", ["split", "mask", "eager"])
def test_the_last_token_of_a_window(way, window):
    """The longer sample is read up to its twelfth token."""
    plain = build(
        "mistral", {"sliding_window": window, "attn_implementation": "eager" if way == "eager" else "sdpa"}
    )
    batch = of_lengths([(5, [8, 3])])
    expected, _ = row_by_row(plain, batch, TEMPERATURE)
    forward = update(model := copy.deepcopy(plain))
    forward.kind = way
    answer, _ = forward(model, batch)
    assert distance(answer.logprobs.detach(), expected.detach()) < 1e-5
    forward.reaches = {"sliding_attention": FULL}
    unlimited, _ = forward(model, batch)
    assert (distance(unlimited.logprobs.detach(), expected.detach()) < 1e-5) == (window >= 12)


def test_the_mask_of_flex_attention_knows_the_window():
    """What CUDA compiles, as it is on a CPU: the same pairs as in the dense mask."""
    batch, of = of_lengths(REACHED), {"a": FULL, "b": Reach(window=8), "c": Reach(chunk=8)}
    for group in batch:
        tiles = pack([group], CPU, "flex", of).inputs["attention_mask"]
        dense = pack([group], CPU, "mask", of).inputs["attention_mask"]
        for name in of:
            length = dense[name].shape[-1]
            query, key = torch.meshgrid(torch.arange(length), torch.arange(length), indexing="ij")
            assert torch.equal(tiles[name].mask_mod(0, 0, query, key), dense[name][0, 0])


# ------------------------------------------------------------------ mixtures of experts


@pytest.mark.parametrize("name", EXPERTS)
def test_the_routers_loss_is_the_models_own(name):
    """On the padded rows, each of which reads its prompt, however the update reads them; its gradient is the router's
    too."""
    plain, batch = build(name, EXPERTS[name]), groups()
    model = copy.deepcopy(plain)
    forward = update(model, balances=True)
    inputs = pack(batch, CPU, None).inputs
    expected = plain(**inputs, output_router_logits=True).aux_loss
    assert forward.kind == "split"
    for way in ways(forward.kind):
        forward.kind = way
        answer, _ = forward(model, batch)
        assert answer.router_loss is not None
        assert 0 < answer.router_loss.item() == pytest.approx(expected.item(), rel=1e-6)
        assert distance(gradient(model, answer.router_loss), gradient(plain, expected)) < 1e-5
        expected = plain(**inputs, output_router_logits=True).aux_loss
        torch.testing.assert_close(
            answer.logprobs, row_by_row(plain, batch, TEMPERATURE)[0], atol=2e-5, rtol=1e-4
        )


def test_without_log_probabilities_the_router_is_not_asked():
    """PPO's values are read alone."""
    model = build("mixtral", EXPERTS["mixtral"])
    answer, _ = update(model, balances=True)(model, groups(), logprobs=False)
    assert answer.router_loss is None
    assert len(answer.logprobs) == 0


# ------------------------------------------------------------------ what is left out, and why


@pytest.mark.parametrize("name", PADDED)
def test_models_that_must_run_padded_say_why(name):
    kind, changes, reason = PADDED[name]
    chosen, why = attention.choose(build(kind, changes))
    assert chosen is None
    assert reason in why


def without(batch: list[Prompted], *empty: int) -> list[Prompted]:
    """The same with whole groups left out of the loss."""
    return [
        Prompted(
            group.prompt,
            [Sample.of(s.token_ids, [own and n not in empty for own in s.mask]) for s in group.samples],
        )
        for n, group in enumerate(batch)
    ]


@pytest.mark.parametrize("kind", ["split", "mask", None])
def test_groups_without_tokens_are_left_out(kind):
    first_out = pack(without(groups(), 0), CPU, kind)
    # the second group: no prompt but its last token
    shape = (3, 6) if kind is None else (1, 12)
    assert first_out.inputs["input_ids"].shape == shape
    assert first_out.row.min() >= 3
    model = build("llama", {})
    forward = update(model)
    forward.kind = kind
    answer, _ = forward(model, without(groups(), 0, 1))
    assert answer.logprobs.shape == (0,)
    answer.logprobs.sum().backward()  # a gradient of zero, so that every process takes part in the reduction
    assert all(p.grad is None or not p.grad.any() for p in model.parameters())
