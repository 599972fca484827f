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
from typing import Any, Literal

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


@dataclass(frozen=True, slots=True)
class Rows:
    """Stretches of the packed row below each other, padded to the longest: what a kernel reads at once."""

    index: torch.Tensor
    """(rows · longest,) places in the packed row; 0 where there is padding"""
    padding: torch.Tensor | None
    """(rows, longest) True behind a stretch's end; None where all are as long"""
    kept: torch.Tensor
    """(tokens,) into `index`, of all that are no padding"""
    shape: tuple[int, int]

    @classmethod
    def of(cls, stretches: Sequence[range], device: torch.device) -> Rows:
        longest = max(map(len, stretches))
        places = torch.tensor([[*s, *[-1] * (longest - len(s))] for s in stretches], device=device)
        index, padding = places.clamp(min=0).flatten(), places < 0
        kept = (~padding).flatten().nonzero()[:, 0]
        return cls(index, padding if padding.any() else None, kept, (len(stretches), longest))

    def take(self, x: torch.Tensor) -> torch.Tensor:
        """(1, heads, L, d) → (rows, heads, longest, d), anything where there is padding"""
        return x[0].transpose(0, 1).index_select(0, self.index).unflatten(0, self.shape).transpose(1, 2)

    def put(self, x: torch.Tensor, part: torch.Tensor) -> None:
        """The way back, into the places of `x`."""
        tokens, index = part.transpose(1, 2).flatten(0, 1), self.index
        if self.padding is not None:
            tokens, index = tokens.index_select(0, self.kept), index[self.kept]
        x[0].transpose(0, 1).index_copy_(0, index, tokens.to(x.dtype))

    def hide(self, grad: torch.Tensor, norm: torch.Tensor) -> None:
        """Have padded queries leave no gradient."""
        if self.padding is not None:
            padding = self.padding[:, None, :, None]
            grad.masked_fill_(padding, 0.0)
            norm.masked_fill_(padding, _HIDDEN)

    def unseen(self, x: torch.Tensor) -> torch.Tensor | None:
        """What a kernel adds to scores in the type of `x`, so that no query sees a padded key."""
        if self.padding is None:
            return None
        return x.new_zeros(self.shape).masked_fill_(self.padding, -torch.inf)[:, None, None]


@dataclass(frozen=True, slots=True)
class Layout:
    """Who sees whom in one packed row, in batches of about equal size."""

    causal: Sequence[Rows]
    """Prompts and completions, each of which sees itself up to each token"""
    prompted: Sequence[tuple[Rows, Rows]]
    """All completions of a group and the prompt that they see"""

    @classmethod
    def of(cls, groups: Sequence[tuple[range, Sequence[range]]], device: torch.device) -> Layout:
        """`groups`: where each prompt lies, and behind it its completions."""
        stretches = [(s, s) for prompt, completions in groups for s in (prompt, *completions) if len(s)]
        readers = [(range(c[0].start, c[-1].stop), p) for p, c in groups if len(p) and c]
        return cls(
            [Rows.of(queries, device) for queries, _ in _alike(stretches)],
            [(Rows.of(queries, device), Rows.of(keys, device)) for queries, keys in _alike(readers)],
        )


def _alike(pairs: Sequence[tuple[range, range]]) -> list[tuple[list[range], list[range]]]:
    """Queries and their keys in batches, in which padding adds at most a quarter to what is multiplied, or so little
    that a call of its own would cost more."""
    batches: list[tuple[list[range], list[range]]] = []
    for query, key in sorted(pairs, key=lambda pair: (len(pair[0]), len(pair[1])), reverse=True):
        if batches:
            queries, keys = [*batches[-1][0], query], [*batches[-1][1], key]
            needed = sum(len(q) * len(k) for q, k in zip(queries, keys, strict=True))
            if len(queries) * len(queries[0]) * max(map(len, keys)) <= 1.25 * needed + 2**14:
                batches[-1] = queries, keys
                continue
        batches.append(([query], [key]))
    return batches


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
        out = torch.empty_like(query)
        norm = query.new_empty((*query.shape[:3], 1), dtype=torch.float32)
        for rows in layout.causal:
            q, k, v = rows.take(query), *(_repeat(rows.take(x), shared) for x in (key, value))
            own, own_norm = _forward(q, k, v, 0.0, True, scale=scale)
            rows.put(out, own)
            rows.put(norm, own_norm[..., None])
        for queries, keys in layout.prompted:
            q, k, v = _fold(queries.take(query), shared), keys.take(key), keys.take(value)
            read, read_norm = _forward(q, k, v, 0.0, False, attn_mask=keys.unseen(q), scale=scale)
            read, read_norm = _unfold(read, shared), _unfold(read_norm[..., None], shared)
            own_norm = queries.take(norm)
            joint = torch.logaddexp(read_norm, own_norm)
            own = queries.take(out)
            queries.put(out, read * (read_norm - joint).exp() + own * (own_norm - joint).exp())
            queries.put(norm, joint)
        ctx.save_for_backward(query, key, value, out, norm)
        ctx.layout, ctx.scale = layout, scale
        return out

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor) -> tuple[torch.Tensor | None, ...]:  # type: ignore[override]
        query, key, value, out, norm = ctx.saved_tensors
        layout, scale = ctx.layout, ctx.scale
        shared = query.shape[1] // key.shape[1]
        # each half's weights follow from the joint normaliser, so the halves' gradients simply add up
        grads = [torch.empty_like(x) for x in (query, key, value)]  # every place is in some stretch
        for rows in layout.causal:
            g, q, o, n = (rows.take(x) for x in (grad, query, out, norm))
            k, v = (_repeat(rows.take(x), shared) for x in (key, value))
            rows.hide(g, n)
            parts = _backward(g, q, k, v, o, n[..., 0].contiguous(), 0.0, True, scale=scale)
            for total, part in zip(grads, parts, strict=True):
                rows.put(total, _gather_heads(part, total.shape[1]))
        for queries, keys in layout.prompted:
            g, q, o, n = (queries.take(x) for x in (grad, query, out, norm))
            k, v = keys.take(key), keys.take(value)
            queries.hide(g, n)
            g, q, o, n = (_fold(x, shared) for x in (g, q, o, n))
            n, mask = n[..., 0].contiguous(), keys.unseen(q)
            dq, dk, dv = _backward(g, q, k, v, o, n, 0.0, False, attn_mask=mask, scale=scale)
            for rows, total, part in zip(
                (queries, keys, keys), grads, (_unfold(dq, shared), dk, dv), strict=True
            ):
                rows.put(total, rows.take(total).add_(part))
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
    layout: Layout | None = None,
    **kwargs: Any,
) -> tuple[torch.Tensor, Any]:
    """transformers' attention interface: `split` with a layout, `flex` with a block mask, else its `sdpa`."""
    if layout is not None:
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


def install(model: PreTrainedModel, kind: Kind | None) -> None:
    """Make the model's attention understand packed rows; everything else it computes as before.

    The other kinds take the model's own attention, whose name must stay: some models compare it (Falcon).
    """
    config = model.config.get_text_config()
    if kind in ("split", "flex") and config._attn_implementation == "sdpa":
        config._attn_implementation = NAME
