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
    common: int = 0,
) -> Prefix:
    """Read each prompt once, and keep what the model keeps of it if `cached`. `abilities.begin` knows what is right for
    a model.

    Args:
        common: first tokens that all prompts have in common, and that are read once for all of them; for models whose
            cache has a place for each token. Padding is then behind them.
    """
    signals.check_stop()
    longest = max(map(len, prompts))
    pad = policy.tokenizer.pad_token_id
    rows = [(list(p[:common]), longest - len(p), list(p[common:])) for p in prompts]
    ids = torch.tensor([[*one, *[pad] * gap, *own] for one, gap, own in rows], device=policy.device)
    mask = torch.tensor(
        [[*[1] * common, *[0] * gap, *[1] * len(own)] for _, gap, own in rows], device=ids.device
    )
    place, cache = positions(mask), None
    if common:
        _, cache = _read(policy, ids[:1, :common], mask[:1, :common], place[:1, :common], cached)
        assert cache is not None
        cache.batch_repeat_interleave(len(prompts))
    logits, cache = _read(policy, ids[:, common:], mask, place[:, common:], cached, cache)
    return Prefix(cache, logits, mask, ids, selector)


def in_common(prompts: Sequence[Sequence[int]]) -> int:
    """How many first tokens these prompts have in common, less one where a prompt has no other.

    >>> in_common([[1, 2, 3], [1, 2, 4, 5]]), in_common([[1, 2], [1, 2, 4]])
    (2, 1)
    """
    ordered = sorted(map(list, prompts))
    first, last = ordered[0], ordered[-1]  # which differ first of all
    most = min(map(len, prompts)) - 1
    return next((i for i in range(most) if first[i] != last[i]), most)


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
