"""Attention over packed groups: every completion reads its prompt, no prompt is read twice.

Four ways to the same numbers, `choose` takes the first that the device and the model allow:

- `split`: a prompt attends to itself, completions attend to their prompt and each to itself; the two halves of a
  completion's softmax are joined by their normalisers, as blocks are in FlashAttention (Dao et al. 2022, arXiv
  2205.14135, §3.1). Work grows with the pairs that count, there is no mask. On CPU.
- `flex`: FlexAttention with a block-sparse mask (Dong et al. 2024, arXiv 2412.05496). On CUDA.
- `mask`: the model's own SDPA with a dense boolean mask, one row per group.
- `eager`: its eager attention, with the same mask as a term that is added to the scores.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import torch
from torch.nn.attention.flex_attention import BlockMask, create_block_mask
from transformers import AttentionInterface, AttentionMaskInterface, PreTrainedModel
from transformers.integrations.flex_attention import flex_attention_forward
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

Kind = Literal["split", "flex", "mask", "eager"]
NAME = "packed"
"""Under which our attention is registered with transformers. It is `sdpa` wherever no packed row comes in."""

_forward = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu
_backward = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu_backward
_HIDDEN = 1e30
"""Normaliser of a padded query: its weights are exp(score − 1e30) = 0."""


class Span(NamedTuple):
    """Where a group lies in the packed row: its prompt (without the last token), then its completions."""

    prompt: slice
    completions: slice


@dataclass(frozen=True, slots=True)
class Layout:
    """Where prompts and completions lie in one packed row."""

    spans: Sequence[Span]
    index: torch.Tensor
    """(completions, longest) places in the row of each completion's tokens; anything where `padding`"""
    padding: torch.Tensor
    """(completions, longest) True behind a completion's end"""


class SplitAttention(torch.autograd.Function):
    """Causal attention in which each completion sees its group's prompt and itself.

    Args:
        query: (1, heads, L, d), key and value: (1, key-value heads, L, d).

    Returns:
        (1, heads, L, d)
    """

    @staticmethod
    def forward(
        ctx: Any, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, layout: Layout, scale: float
    ) -> torch.Tensor:
        shared = query.shape[1] // key.shape[1]
        wide_key, wide_value = _repeat(key, shared), _repeat(value, shared)
        out = torch.empty_like(query)
        norm = query.new_zeros(query.shape[:3], dtype=torch.float32)
        kept = ~layout.padding
        places = layout.index[kept]
        if len(places):
            q, k, v = (_by_completion(x, layout) for x in (query, wide_key, wide_value))
            own, own_norm = _forward(q, k, v, 0.0, True, scale=scale)
            out[0, :, places] = own.transpose(1, 2)[kept].transpose(0, 1)
            norm[0, :, places] = own_norm.transpose(1, 2)[kept].transpose(0, 1)
        for prompt, completions in layout.spans:
            if prompt.start == prompt.stop:
                continue
            out[:, :, prompt], norm[:, :, prompt] = _forward(
                *(x[:, :, prompt] for x in (query, wide_key, wide_value)), 0.0, True, scale=scale
            )
            if completions.start == completions.stop:
                continue
            k, v = key[:, :, prompt], value[:, :, prompt]
            read, read_norm = _forward(_fold(query[:, :, completions], shared), k, v, 0.0, False, scale=scale)
            read, read_norm = _unfold(read, shared), _unfold(read_norm[..., None], shared)
            own_norm = norm[:, :, completions, None]
            joint = torch.logaddexp(read_norm, own_norm)
            out[:, :, completions] = (
                read * (read_norm - joint).exp() + out[:, :, completions] * (own_norm - joint).exp()
            )
            norm[:, :, completions] = joint[..., 0]
        ctx.save_for_backward(query, key, value, out, norm)
        ctx.layout, ctx.scale = layout, scale
        return out

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor) -> tuple[torch.Tensor | None, ...]:  # type: ignore[override]
        query, key, value, out, norm = ctx.saved_tensors
        layout, scale = ctx.layout, ctx.scale
        shared = query.shape[1] // key.shape[1]
        wide_key, wide_value = _repeat(key, shared), _repeat(value, shared)
        # each half's weights follow from the joint normaliser, so the halves' gradients simply add up
        kept = ~layout.padding
        places = layout.index[kept]
        grads = [torch.empty_like(x) for x in (query, key, value)]  # every place is in some span
        if len(places):
            q, k, v = (_by_completion(x, layout) for x in (query, wide_key, wide_value))
            g, o = (_by_completion(x, layout) for x in (grad, out))
            n = _by_completion(norm[..., None], layout)[..., 0]
            n = n.masked_fill(layout.padding[:, None], _HIDDEN).contiguous()
            g = g.masked_fill(layout.padding[:, None, :, None], 0.0)
            found = _backward(g, q, k, v, o, n, 0.0, True, scale=scale)
            for total, part in zip(grads, found, strict=True):
                flat = part.transpose(1, 2)[kept].transpose(0, 1)[None]
                total[0, :, places] = _gather_heads(flat, total.shape[1])[0]
        for prompt, completions in layout.spans:
            if prompt.start == prompt.stop:
                continue
            parts = _backward(
                *(x[:, :, prompt] for x in (grad, query, wide_key, wide_value, out)),
                norm[:, :, prompt].contiguous(),
                0.0,
                True,
                scale=scale,
            )
            for total, part in zip(grads, parts, strict=True):
                total[:, :, prompt] = _gather_heads(part, total.shape[1])
            if completions.start == completions.stop:
                continue
            dq, dk, dv = _backward(
                *(_fold(x[:, :, completions], shared) for x in (grad, query)),
                *(x[:, :, prompt] for x in (key, value)),
                _fold(out[:, :, completions], shared),
                _fold(norm[:, :, completions, None], shared)[..., 0].contiguous(),
                0.0,
                False,
                scale=scale,
            )
            grads[0][:, :, completions] += _unfold(dq, shared)
            grads[1][:, :, prompt] += dk
            grads[2][:, :, prompt] += dv
        return (*grads, None, None)


def _by_completion(x: torch.Tensor, layout: Layout) -> torch.Tensor:
    """(1, heads, L, d) → (completions, heads, longest, d), padded"""
    return x[0].transpose(0, 1)[layout.index].transpose(1, 2)


def _repeat(x: torch.Tensor, times: int) -> torch.Tensor:
    """Each key-value head once for every query head that reads it. (1, h, n, d) → (1, h · times, n, d)"""
    # (the heads of a token stay neighbours in memory, as the model wrote them: tokens are what is gathered)
    return x if times == 1 else x.transpose(1, 2).repeat_interleave(times, dim=2).transpose(1, 2)


def _gather_heads(x: torch.Tensor, heads: int) -> torch.Tensor:
    """The transpose of `_repeat`: sums over the query heads of each of `heads` key-value heads."""
    return x if x.shape[1] == heads else x.unflatten(1, (heads, -1)).sum(2)


def _fold(x: torch.Tensor, times: int) -> torch.Tensor:
    """Query heads that read the same keys become further queries. (1, h · times, n, d) → (1, h, times · n, d)"""
    return x if times == 1 else x.unflatten(1, (-1, times)).flatten(2, 3)


def _unfold(x: torch.Tensor, times: int) -> torch.Tensor:
    return x if times == 1 else x.unflatten(2, (times, -1)).flatten(1, 2)


def packed_attention(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: Any,
    scaling: float | None = None,
    layout: Layout | None = None,
    **kwargs: Any,
) -> tuple[torch.Tensor, Any]:
    """transformers' attention interface: `split` with a layout, `flex` with a block mask, else its `sdpa`."""
    if layout is not None:
        scale = scaling if scaling is not None else query.shape[-1] ** -0.5
        return SplitAttention.apply(query, key, value, layout, scale).transpose(1, 2).contiguous(), None  # type: ignore[union-attr]
    if isinstance(attention_mask, BlockMask):
        return flex_attention_forward(module, query, key, value, attention_mask, scaling=scaling, **kwargs)
    return sdpa_attention_forward(module, query, key, value, attention_mask, scaling=scaling, **kwargs)


AttentionInterface.register(NAME, packed_attention)
AttentionMaskInterface.register(NAME, sdpa_mask)


def block_mask(blocks: torch.Tensor) -> torch.Tensor:
    """Who sees whom, dense. Block 0 is the prompt, 1… the completions, −1 padding, which nothing else sees.

    (groups, L) → (groups, 1, L, L)
    """
    length = blocks.shape[1]
    causal = torch.ones(length, length, dtype=torch.bool, device=blocks.device).tril()
    query, key = blocks[:, :, None], blocks[:, None, :]
    seen = causal & (key >= 0) & ((key == 0) | (key == query))
    itself = torch.eye(length, dtype=torch.bool, device=blocks.device)
    return (seen | itself)[:, None]


def additive(seen: torch.Tensor) -> torch.Tensor:
    """The same as eager attention takes it: 0 where a query sees a key, the least float where it does not."""
    return torch.zeros(seen.shape, device=seen.device).masked_fill(~seen, torch.finfo(torch.float32).min)


_compiled_block_mask = torch.compile(create_block_mask)
"""Without an (L, L) tensor. Two compilations serve every length: the first one's, and a dynamic one."""


def flex_mask(
    groups: torch.Tensor, blocks: torch.Tensor, make: Callable[..., BlockMask] | None = None
) -> BlockMask:
    """The same for several groups in one row, by tiles. Both (L,): each position's group, and its block in it.

    `make`: `create_block_mask`, compiled on CUDA by default.
    """

    def seen(_batch: Any, _head: Any, query: torch.Tensor, key: torch.Tensor) -> torch.Tensor:
        own = (blocks[key] == 0) | (blocks[key] == blocks[query])
        return (query >= key) & (groups[query] == groups[key]) & own

    length, make = len(groups), make or (_compiled_block_mask if groups.is_cuda else create_block_mask)
    return make(seen, None, None, length, length, device=str(groups.device))


def choose(model: PreTrainedModel) -> tuple[Kind | None, str]:
    """How this model can be updated on packed rows, and why; None where it cannot."""
    config = model.config.get_text_config()
    asked = config._attn_implementation
    kinds = getattr(config, "layer_types", None)
    if others := set(kinds or ()) - {"full_attention"}:
        return None, f"layers of kind {', '.join(sorted(others))} take no block mask"
    if not kinds and getattr(config, "sliding_window", None) and getattr(config, "use_sliding_window", True):
        return None, "sliding-window attention takes no block mask"
    if not (model._supports_sdpa or model._supports_attention_backend):
        return None, f"{config.model_type} has no attention that takes a block mask"
    if asked not in ("sdpa", "eager", NAME):
        return None, f"attention implementation {asked} takes no block mask"
    if asked == "eager":
        return "eager", "the model was loaded with it"
    if not model._supports_attention_backend or getattr(config, "attn_logit_softcapping", None):
        return "mask", f"{config.model_type} computes its attention itself"
    if getattr(config, "kv_lora_rank", None):
        return "mask", "latent attention has keys and values of different widths"
    if model.device.type == "cuda" and model._supports_flex_attn:
        return "flex", "CUDA"
    if model.device.type == "cpu":
        return "split", "CPU"
    return "mask", f"no special attention for {model.device.type}"


def install(model: PreTrainedModel) -> None:
    """Make the model's attention understand packed rows; everything else it computes as before."""
    config = model.config.get_text_config()
    if config._attn_implementation == "sdpa":
        config._attn_implementation = NAME
