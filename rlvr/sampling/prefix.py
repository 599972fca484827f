"""Prompts read once: their keys and values, and a step of decoding that works for any causal language model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from transformers import Cache

from rlvr.policy import Policy


@dataclass(slots=True)
class Prefix:
    """Prompts after one forward pass, left-padded to a common length."""

    cache: Cache
    logits: torch.Tensor
    """(prompts, vocabulary): of the first completion token."""
    mask: torch.Tensor
    """(prompts, length): 1 on prompt tokens, 0 on padding."""

    def select(self, index: torch.Tensor) -> None:
        """Keep (or repeat) the rows of `index`."""
        self.cache.batch_select_indices(index)
        self.mask = self.mask[index]
        self.logits = self.logits[index]


@torch.no_grad()
def prefill(policy: Policy, prompts: Sequence[Sequence[int]]) -> Prefix:
    """Read each prompt once."""
    longest = max(map(len, prompts))
    pad = policy.tokenizer.pad_token_id
    ids = torch.tensor([[pad] * (longest - len(p)) + list(p) for p in prompts], device=policy.device)
    mask = torch.tensor([[0] * (longest - len(p)) + [1] * len(p) for p in prompts], device=policy.device)
    output = policy.model(
        input_ids=ids, attention_mask=mask, position_ids=positions(mask), use_cache=True, logits_to_keep=1
    )
    return Prefix(output.past_key_values, output.logits[:, -1].float(), mask)


def positions(mask: torch.Tensor) -> torch.Tensor:
    """Position ids that count real tokens only. (rows, length) → (rows, length)"""
    return (mask.cumsum(-1) - 1).clamp(min=0)


@torch.no_grad()
def advance(policy: Policy, prefix: Prefix, tokens: torch.Tensor) -> None:
    """Read one more token in each row, (rows,), in place."""
    prefix.mask = torch.cat([prefix.mask, prefix.mask.new_ones(len(tokens), 1)], dim=1)
    output = policy.model(
        input_ids=tokens[:, None],
        attention_mask=prefix.mask,
        position_ids=prefix.mask.sum(-1, keepdim=True) - 1,
        past_key_values=prefix.cache,
        use_cache=True,
    )
    prefix.cache, prefix.logits = output.past_key_values, output.logits[:, -1].float()
