"""Prompts read once, what a model keeps of them, and a step of decoding that works for any causal language model."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from transformers import Cache, PreTrainedModel

from rlvr.launch import signals
from rlvr.policy import Policy

CACHES = ("past_key_values", "cache_params")
"""Names under which models take and return a cache; the second is that of state-space models."""

Selector = Literal["batch_select_indices", "reorder_cache"]
"""transformers' two methods that select rows of a cache; some models have one of them, or one that is right."""


@dataclass(slots=True)
class Prefix:
    """Prompts after one forward pass, left-padded to a common length."""

    cache: Cache | None
    """None for a model that keeps none: it reads its text again for every token."""
    logits: torch.Tensor
    """(prompts, vocabulary): of the first completion token."""
    mask: torch.Tensor
    """(prompts, length): 1 on real tokens, 0 on padding."""
    ids: torch.Tensor
    """(prompts, length)"""
    selector: Selector
    """What selects rows of the cache rightly."""

    def select(self, index: torch.Tensor) -> None:
        """Keep (or repeat) the rows of `index`."""
        if self.cache is not None:
            getattr(self.cache, self.selector)(index)
        self.mask = self.mask[index]
        self.ids = self.ids[index]
        self.logits = self.logits[index]


@torch.no_grad()
def prefill(
    policy: Policy,
    prompts: Sequence[Sequence[int]],
    cached: bool = True,
    selector: Selector = "batch_select_indices",
) -> Prefix:
    """Read each prompt once, and keep what the model keeps of it if `cached`. `abilities.begin` knows what is right for
    a model."""
    signals.check_stop()
    longest = max(map(len, prompts))
    pad = policy.tokenizer.pad_token_id
    ids = torch.tensor([[pad] * (longest - len(p)) + list(p) for p in prompts], device=policy.device)
    mask = torch.tensor([[0] * (longest - len(p)) + [1] * len(p) for p in prompts], device=policy.device)
    logits, cache = _read(policy, ids, mask, positions(mask), cached)
    return Prefix(cache, logits, mask, ids, selector)


def positions(mask: torch.Tensor) -> torch.Tensor:
    """Position ids that count real tokens only. (rows, length) → (rows, length)"""
    return (mask.cumsum(-1) - 1).clamp(min=0)


@torch.no_grad()
def advance(policy: Policy, prefix: Prefix, tokens: torch.Tensor) -> None:
    """Read one more token in each row, (rows,), in place."""
    prefix.mask = torch.cat([prefix.mask, prefix.mask.new_ones(len(tokens), 1)], dim=1)
    prefix.ids = torch.cat([prefix.ids, tokens[:, None]], dim=1)
    ids, place = prefix.ids, positions(prefix.mask)
    if prefix.cache is not None:
        ids, place = ids[:, -1:], place[:, -1:]
    cached = prefix.cache is not None
    prefix.logits, prefix.cache = _read(policy, ids, prefix.mask, place, cached, prefix.cache)


def _read(
    policy: Policy,
    ids: torch.Tensor,
    mask: torch.Tensor,
    place: torch.Tensor,
    cached: bool,
    cache: Cache | None = None,
) -> tuple[torch.Tensor, Cache | None]:
    """The last position's logits, (rows, vocabulary) in float32, and what the model keeps of the text."""
    takes = inspect.signature(base_model(policy.model).forward).parameters
    options: dict[str, Any] = {"position_ids": place, "logits_to_keep": 1}
    options |= {name: cache for name in CACHES if cache is not None}
    if not (
        cache is not None and "cache_params" in takes
    ):  # which takes a mask of the new tokens alone: all real
        options["attention_mask"] = mask
    options = {name: value for name, value in options.items() if name in takes}
    output = policy.model(input_ids=ids, use_cache=cached, **options)
    kept = next((output[name] for name in CACHES if isinstance(output.get(name), Cache)), None)
    return output.logits[:, -1].float(), kept


def base_model(model: Any) -> Any:
    """The transformers model inside a peft model, or the model itself."""
    return model if isinstance(model, PreTrainedModel) else model.get_base_model()
