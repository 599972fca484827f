"""Attention over packed groups: every completion reads its prompt, no prompt is read twice.

Four ways to the same numbers, `choose` takes the first that the device and the model allow:

- `split`: a prompt attends to itself, completions attend to their prompt and each to itself; the two halves of a
  completion's softmax are joined by their normalisers, as blocks are in FlashAttention (Dao et al. 2022, arXiv
  2205.14135, §3.1). Work grows with the pairs that count, there is no mask. On CPU.
- `flex`: FlexAttention with a block-sparse mask (Dong et al. 2024, arXiv 2412.05496). On CUDA.
- `mask`: the model's own SDPA with a dense boolean mask, one row per group.
- `eager`: its eager attention, with the same mask as a term that is added to the scores. Models whose scores are capped
  (Gemma 2) or have sinks (gpt-oss) load with it, as transformers' SDPA knows neither.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal

import torch
from torch.nn.attention.flex_attention import BlockMask, create_block_mask
from transformers import AttentionInterface, AttentionMaskInterface, PreTrainedModel
from transformers.integrations.flex_attention import flex_attention_forward
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

from rlvr.training.layout import Layout
from rlvr.training.reach import FULL, KINDS, Reach

Kind = Literal["split", "flex", "mask", "eager"]
NAME = "packed"
"""Under which our attention is registered with transformers. It is `sdpa` wherever no packed row comes in."""

_forward = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu
_backward = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu_backward


class SplitAttention(torch.autograd.Function):
    """Causal attention in which each completion sees its group's prompt and itself, as far as the layout reaches.

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
        out = torch.empty_like(query)
        norm = query.new_empty((*query.shape[:3], 1), dtype=torch.float32)
        for rows in layout.causal:
            q, k, v = rows.take(query), *(_repeat(rows.take(x), shared) for x in (key, value))
            own, own_norm = _forward(q, k, v, 0.0, True, scale=scale)
            rows.put(out, own)
            rows.put(norm, own_norm[..., None])
        for read in layout.reads:
            folded = shared if read.seen is None else 1  # a mask would have to be folded too
            q = _fold(read.queries.take(query), folded)
            k, v = (_repeat(read.keys.take(x), shared // folded) for x in (key, value))
            found, found_norm = _forward(q, k, v, 0.0, False, attn_mask=read.mask(q), scale=scale)
            found, found_norm = _unfold(found, folded), _unfold(found_norm[..., None], folded)
            before, before_norm = read.queries.take(out), read.queries.take(norm)
            joint = torch.logaddexp(found_norm, before_norm)
            read.queries.put(out, found * (found_norm - joint).exp() + before * (before_norm - joint).exp())
            read.queries.put(norm, joint)
        ctx.save_for_backward(query, key, value, out, norm)
        ctx.layout, ctx.scale = layout, scale
        return out

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor) -> tuple[torch.Tensor | None, ...]:  # type: ignore[override]
        query, key, value, out, norm = ctx.saved_tensors
        layout, scale = ctx.layout, ctx.scale
        shared = query.shape[1] // key.shape[1]
        # each half's weights follow from the joint normaliser, so the parts' gradients simply add up
        grads = [torch.empty_like(x) for x in (query, key, value)]  # every place is in some stretch
        for rows in layout.causal:
            g, q, o, n = (rows.take(x) for x in (grad, query, out, norm))
            k, v = (_repeat(rows.take(x), shared) for x in (key, value))
            rows.hide(g, n)
            parts = _backward(g, q, k, v, o, n[..., 0].contiguous(), 0.0, True, scale=scale)
            for total, part in zip(grads, parts, strict=True):
                rows.put(total, _gather_heads(part, total.shape[1]))
        for read in layout.reads:
            folded = shared if read.seen is None else 1
            g, q, o, n = (read.queries.take(x) for x in (grad, query, out, norm))
            k, v = (_repeat(read.keys.take(x), shared // folded) for x in (key, value))
            read.queries.hide(g, n)
            g, q, o, n = (_fold(x, folded) for x in (g, q, o, n))
            n, mask = n[..., 0].contiguous(), read.mask(q)
            dq, dk, dv = _backward(g, q, k, v, o, n, 0.0, False, attn_mask=mask, scale=scale)
            for rows, total, part in zip(
                (read.queries, read.keys, read.keys), grads, (_unfold(dq, folded), dk, dv), strict=True
            ):
                rows.put(total, rows.take(total).add_(_gather_heads(part, total.shape[1])))
        return (*grads, None, None)


def _repeat(x: torch.Tensor, times: int) -> torch.Tensor:
    """Each key-value head once for every query head that reads it. (b, h, n, d) → (b, h · times, n, d)"""
    return x if times == 1 else x.transpose(1, 2).repeat_interleave(times, dim=2).transpose(1, 2)


def _gather_heads(x: torch.Tensor, heads: int) -> torch.Tensor:
    """The transpose of `_repeat`: sums over the query heads of each of `heads` key-value heads."""
    return x if x.shape[1] == heads else x.unflatten(1, (heads, -1)).sum(2)


def _fold(x: torch.Tensor, times: int) -> torch.Tensor:
    """Query heads that read the same keys become further queries. (b, h · times, n, d) → (b, h, times · n, d)"""
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
    layouts: Sequence[Layout] | None = None,
    **kwargs: Any,
) -> tuple[torch.Tensor, Any]:
    """transformers' attention interface: `split` with layouts, of which the layer's mask holds the number; `flex` with
    a block mask, else its `sdpa`."""
    if layouts is not None:
        layout = layouts[int(attention_mask)]
        scale = scaling if scaling is not None else query.shape[-1] ** -0.5
        query, key = (
            query.to(value.dtype),
            key.to(value.dtype),
        )  # autocast leaves those in float32 that were rotated
        return SplitAttention.apply(query, key, value, layout, scale).transpose(1, 2).contiguous(), None  # type: ignore[union-attr]
    if isinstance(attention_mask, BlockMask):
        return flex_attention_forward(module, query, key, value, attention_mask, scaling=scaling, **kwargs)
    return sdpa_attention_forward(module, query, key, value, attention_mask, scaling=scaling, **kwargs)


AttentionInterface.register(NAME, packed_attention)
AttentionMaskInterface.register(NAME, sdpa_mask)


def block_mask(blocks: torch.Tensor, positions: torch.Tensor, reach: Reach = FULL) -> torch.Tensor:
    """Who sees whom, dense. Block 0 is the prompt, 1… the completions, −1 padding, which nothing else sees.

    (groups, L) and the positions in the text → (groups, 1, L, L)
    """
    length = blocks.shape[1]
    causal = torch.ones(length, length, dtype=torch.bool, device=blocks.device).tril()
    query, key = blocks[:, :, None], blocks[:, None, :]
    seen = causal & (key >= 0) & ((key == 0) | (key == query))
    if reach != FULL:
        seen &= positions[:, :, None] < reach.end(positions)[:, None, :]
    itself = torch.eye(length, dtype=torch.bool, device=blocks.device)
    return (seen | itself)[:, None]


def additive(seen: torch.Tensor) -> torch.Tensor:
    """The same as eager attention takes it: 0 where a query sees a key, the least float where it does not."""
    return torch.zeros(seen.shape, device=seen.device).masked_fill(~seen, torch.finfo(torch.float32).min)


_compiled_block_mask = torch.compile(create_block_mask)
"""Without an (L, L) tensor. Two compilations serve every length: the first one's, and a dynamic one."""


def flex_mask(
    groups: torch.Tensor,
    blocks: torch.Tensor,
    positions: torch.Tensor,
    reach: Reach = FULL,
    make: Callable[..., BlockMask] | None = None,
) -> BlockMask:
    """The same for several groups in one row, by tiles. (L,) each: a token's group, its block in it, its position.

    `make`: `create_block_mask`, compiled on CUDA by default.
    """
    ends = reach.end(positions)

    def seen(_batch: Any, _head: Any, query: torch.Tensor, key: torch.Tensor) -> torch.Tensor:
        own = (blocks[key] == 0) | (blocks[key] == blocks[query])
        return (query >= key) & (groups[query] == groups[key]) & own & (positions[query] < ends[key])

    length, make = len(groups), make or (_compiled_block_mask if groups.is_cuda else create_block_mask)
    return make(seen, None, None, length, length, device=str(groups.device))


def choose(model: PreTrainedModel) -> tuple[Kind | None, str]:
    """How this model can be updated on packed rows, and why; None where it cannot."""
    config = model.config.get_text_config()
    asked = config._attn_implementation
    kinds = getattr(config, "layer_types", None)
    if others := set(kinds or ()) - KINDS:
        return None, f"layers of kind {', '.join(sorted(others))} take no block mask"
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


def install(model: PreTrainedModel, kind: Kind | None) -> None:
    """Make the model's attention understand packed rows; everything else it computes as before.

    The other kinds take the model's own attention, whose name must stay: some models compare it (Falcon).
    """
    config = model.config.get_text_config()
    if kind in ("split", "flex") and config._attn_implementation == "sdpa":
        config._attn_implementation = NAME
