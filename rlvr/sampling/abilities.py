"""What of the engine a model can use, found out by decoding a few tokens both ways, once per model.

Every causal language model that transformers loads can be sampled from. One that cannot share prompts gets a copy of
the prompt in each row; one that cannot ignore padding is given prompts of one length at a time; one that keeps no cache
reads its text again for every token. The log says which, and why.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

import torch
from transformers import Cache, PreTrainedModel

from rlvr.policy import Policy, PolicyError
from rlvr.sampling.prefix import advance, base_model, prefill
from rlvr.sampling.shared import Decoder, UnsupportedError

PROMPTS = [[1, 2, 3, 4, 5, 6], [7, 8, 9]]
NEXT = [[8, 9], [10, 11]]

log = logging.getLogger("rlvr.sampling")
_known: WeakKeyDictionary[PreTrainedModel, Abilities] = WeakKeyDictionary()


@dataclass(frozen=True, slots=True)
class Abilities:
    """What a model can do, and what a row of its cache takes."""

    why_unshared: str | None
    """Why it cannot be decoded on shared prefixes; None where it can."""
    why_unpadded: str | None
    """Why prompts of different lengths cannot be read together; None where they can."""
    bytes_per_row: int
    bytes_per_token: int


def abilities(policy: Policy) -> Abilities:
    """Those of the policy's model."""
    model = base_model(policy.model)
    if model not in _known:
        _known[model] = found = _find(policy)
        if found.why_unshared is not None:
            log.warning(
                "%s: sampling gives each row a copy of its prompt: %s", policy.source, found.why_unshared
            )
        if found.why_unpadded is not None:
            log.warning(
                "%s: sampling reads prompts of one length at a time: %s", policy.source, found.why_unpadded
            )
    return _known[model]


@torch.no_grad()
def _find(policy: Policy) -> Abilities:
    model = base_model(policy.model)
    return Abilities(
        why_unpadded=_why_not_padded(policy),
        why_unshared=_why_not_shared_by_config(model) or _why_not_shared_by_trial(policy),
        **_footprint(policy),
    )


def _why_not_padded(policy: Policy) -> str | None:
    """A prompt read beside a longer one, and by itself, against plain forward passes over the whole text.

    Raises:
        PolicyError: its cache cannot be trusted.
    """
    together, alone, text = prefill(policy, PROMPTS), prefill(policy, PROMPTS[1:]), list(PROMPTS[1])
    reason = None
    for tokens in ([], *NEXT):
        if tokens:
            advance(policy, together, torch.tensor(tokens, device=policy.device))
            advance(policy, alone, torch.tensor(tokens[1:], device=policy.device))
        text += tokens[1:]
        ids = torch.tensor([text], device=policy.device)
        plain = policy.model(input_ids=ids, use_cache=False).logits[:, -1].float()
        if differ := _differ(policy, alone.logits, plain):
            raise PolicyError(f"model {policy.source}: cannot be sampled from: with its cache {differ}")
        if reason is None and (differ := _differ(policy, together.logits[1:], plain)):
            reason = f"with padding {differ}"
    return reason


def _why_not_shared_by_config(model: PreTrainedModel) -> str | None:
    config = model.config.get_text_config()
    if not model._can_set_attn_implementation():
        return f"{type(model).__name__} does not follow transformers' attention interface"
    kinds = set(getattr(config, "layer_types", None) or ["full_attention"])
    if kinds != {"full_attention"}:
        return f"it has layers of kind {', '.join(sorted(kinds - {'full_attention'}))}"
    if getattr(config, "sliding_window", None) and getattr(config, "use_sliding_window", True):
        return "its attention has a sliding window"
    return None


def _why_not_shared_by_trial(policy: Policy) -> str | None:
    plain = prefill(policy, PROMPTS)
    if plain.cache is None:
        return "it keeps no cache of transformers' kind and reads its text again for every token"
    if other := {type(layer).__name__ for layer in plain.cache.layers} - {"DynamicLayer"}:
        return f"its cache has layers of kind {', '.join(sorted(other))}"
    decoder = Decoder(policy, slots=2, capacity=2)
    block = decoder.load(PROMPTS, [0, 1])
    decoder.place([(block, 0), (block, 1)])
    for step, tokens in enumerate(NEXT):
        advance(policy, plain, torch.tensor(tokens, device=policy.device))
        try:
            logits = decoder.step(tokens, [step, step], [len(p) for p in PROMPTS])
        except UnsupportedError as reason:
            return str(reason)
        if differ := _differ(policy, logits.float(), plain.logits):
            return f"there {differ}"
    return None


def _differ(policy: Policy, these: torch.Tensor, those: torch.Tensor) -> str | None:
    found = (these - those).abs().max().item()
    allowed = 64 * _rounding(policy) * those.abs().max().item()
    if found <= allowed:
        return None
    return f"its logits differ by {found:.2g}, where rounding explains {allowed:.2g}"


def _rounding(policy: Policy) -> float:
    kind = policy.device.type
    dtype = torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else policy.model.dtype
    return max(torch.finfo(dtype).eps, torch.finfo(policy.model.dtype).eps)


def _footprint(policy: Policy) -> dict[str, int]:
    """Bytes that a row takes whatever its length, and per token."""
    prefix = prefill(policy, PROMPTS)
    rows, length = prefix.ids.shape
    if prefix.cache is None:  # the logits of all that it reads again
        return {"bytes_per_row": 0, "bytes_per_token": 4 * policy.model.config.get_text_config().vocab_size}
    held = list(_tensors(prefix.cache))
    growing = sum(t.nbytes for t in held if t.dim() == 4 and t.shape[-2] == length)
    per_row = (sum(t.nbytes for t in held) - growing) // rows
    return {"bytes_per_row": per_row, "bytes_per_token": growing // (rows * length)}


def _tensors(cache: Cache) -> Iterator[torch.Tensor]:
    for layer in cache.layers:
        for value in vars(layer).values():
            values: Any = value.values() if isinstance(value, dict) else [value]
            yield from (v for v in values if isinstance(v, torch.Tensor))
