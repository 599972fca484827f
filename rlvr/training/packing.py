"""The packed update: a group's prompt is read once, nothing is padded to the longest, logits only where the loss is.

A group becomes one row: the prompt without its last token, then for each completion that last token again and the
completion without its own last. Every block sees the prompt and itself, positions restart at the prompt's end, so
each completion token is predicted from exactly what it would be in a row of its own.
"""

from __future__ import annotations

import types
from dataclasses import dataclass
from functools import wraps
from typing import Any

import torch
from transformers import PreTrainedModel
from trl.kernels import ChunkedLogProbFunction

VOCABULARY_TILE = 32_768
"""Columns of the logits that are held at once."""


@dataclass(frozen=True, slots=True)
class Packed:
    """Groups as rows. L is the longest row's length, N the number of completion tokens."""

    input_ids: torch.Tensor
    """(groups, L)"""
    position_ids: torch.Tensor
    """(groups, L)"""
    attention_mask: torch.Tensor
    """(groups, 1, L, L), True where a query (third axis) sees a key (last axis)"""
    select: torch.Tensor
    """(N,) indices into the flattened (groups · L): the positions that predict a completion token"""
    targets: torch.Tensor
    """(N,) those tokens"""
    place: torch.Tensor
    """(N,) indices into the flattened (rows · T) of the padded completions"""


def pack(
    prompt_ids: torch.Tensor,
    prompt_mask: torch.Tensor,
    completion_ids: torch.Tensor,
    completion_mask: torch.Tensor,
    group_size: int,
) -> Packed:
    """Pack padded rows whose groups are neighbours.

    Args:
        prompt_ids, prompt_mask: (rows, P), left-padded; the rows of a group hold the same prompt.
        completion_ids, completion_mask: (rows, T), right-padded.
    """
    rows, width = completion_ids.shape
    lengths = completion_mask.sum(1).tolist()
    packed: list[tuple[list[int], list[int], list[int]]] = []  # tokens, positions, block of each position
    select: list[tuple[int, int]] = []
    place: list[int] = []
    for group, first in enumerate(range(0, rows, group_size)):
        prompt = prompt_ids[first][prompt_mask[first].bool()].tolist()
        tokens, positions, blocks = prompt[:-1], list(range(len(prompt) - 1)), [0] * (len(prompt) - 1)
        for block, row in enumerate(range(first, first + group_size), start=1):
            if not lengths[row]:
                continue
            select += [(group, len(tokens) + i) for i in range(lengths[row])]
            place += [row * width + i for i in range(lengths[row])]
            tokens += [prompt[-1], *completion_ids[row, : lengths[row] - 1].tolist()]
            positions += range(len(prompt) - 1, len(prompt) - 1 + lengths[row])
            blocks += [block] * lengths[row]
        packed.append((tokens, positions, blocks))
    longest = max(len(tokens) for tokens, _, _ in packed)
    device = completion_ids.device

    def padded(part: int, fill: int) -> torch.Tensor:
        return torch.tensor(
            [row[part] + [fill] * (longest - len(row[part])) for row in packed], device=device
        )

    index = torch.tensor(place, dtype=torch.long, device=device)
    return Packed(
        input_ids=padded(0, 0),
        position_ids=padded(1, 0),
        attention_mask=block_mask(padded(2, -1)),
        select=torch.tensor([g * longest + i for g, i in select], dtype=torch.long, device=device),
        targets=completion_ids.flatten()[index],
        place=index,
    )


def block_mask(blocks: torch.Tensor) -> torch.Tensor:
    """Who sees whom. Block 0 is the prompt, 1… the completions, −1 padding, which nothing else sees.

    (groups, L) → (groups, 1, L, L)
    """
    length = blocks.shape[1]
    causal = torch.ones(length, length, dtype=torch.bool, device=blocks.device).tril()
    query, key = blocks[:, :, None], blocks[:, None, :]
    seen = causal & (key >= 0) & ((key == 0) | (key == query))
    itself = torch.eye(length, dtype=torch.bool, device=blocks.device)
    return (seen | itself)[:, None]


def why_not(model: PreTrainedModel) -> str | None:
    """The reason why this model cannot take the block mask, None where it can."""
    config = model.config.get_text_config()
    attention = getattr(config, "_attn_implementation", None)
    if attention not in ("sdpa", "eager"):
        return f"attention implementation {attention} takes no block mask"
    kinds = set(getattr(config, "layer_types", None) or ["full_attention"])
    if kinds != {"full_attention"}:
        return f"layers of kind {', '.join(sorted(kinds - {'full_attention'}))} take no block mask"
    if getattr(config, "sliding_window", None) and getattr(config, "use_sliding_window", True):
        return "sliding-window attention takes no block mask"
    return None


def logit_transform(config: Any) -> tuple[float, float | None]:
    """(factor, softcap) between the head's product and the logits, which models name in several ways."""
    for name in ("logit_scale", "output_multiplier", "lm_head_multiplier"):
        if (factor := getattr(config, name, None)) is not None:
            return factor, getattr(config, "final_logit_softcapping", None)
    divisor = getattr(config, "logits_scaling", None) or 1.0
    factor = divisor if config.model_type == "hyperclovax" else 1 / divisor
    return factor, getattr(config, "final_logit_softcapping", None)


def add_selected_head(model: PreTrainedModel, temperature: float) -> None:
    """Teach `model` to answer `model(…, select=…, targets=…)` with (log-probabilities, entropies) of those positions,
    and their values where it has a `value_head`; without `targets`, with (values,) alone.

    The answer goes through the model's own `forward`, so that wrappers (DDP, FSDP, peft) see an ordinary call.
    Without `select` the forward is the one that was there.
    """
    original = model.forward
    scale, softcap = logit_transform(model.config.get_text_config())

    @wraps(type(model).forward)  # `generate` reads the signature
    def forward(
        self: Any,
        *args: Any,
        select: torch.Tensor | None = None,
        targets: torch.Tensor | None = None,
        **kwargs: Any,
    ) -> Any:
        if select is None:
            return original(*args, **kwargs)
        hidden = self.base_model(*args, use_cache=False, **kwargs).last_hidden_state.flatten(0, 1)[select]
        value_head = getattr(self, "value_head", None)
        values = () if value_head is None else (value_head(hidden),)
        if targets is None:
            return values
        head = self.get_output_embeddings()
        logprobs, entropies, *_ = ChunkedLogProbFunction.apply(
            hidden,
            head.weight,
            head.bias,
            targets,
            temperature,
            VOCABULARY_TILE,
            softcap,
            scale,
            ("entropy",),
        )  # type: ignore[misc]
        return logprobs, entropies, *values

    model.forward = types.MethodType(forward, model)
