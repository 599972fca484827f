"""Decoding on shared prefixes: a prompt's keys and values are stored once, and read once for all rows that go on
from it.

A row's attention is over [its prompt | its own completion]. The two parts are computed apart and merged by their
softmax normalisers (Dao et al. 2023, Flash-Decoding; Ye et al. 2024, cascade inference; Juravsky et al. 2024,
Hydragen). The rows of a prompt become one matrix product against its keys, nothing is copied when rows join, and only
a completion's own keys are ever written. transformers takes both as a cache and an attention function of ours, so any
model that follows its attention interface can be decoded like this; `abilities` says which cannot.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

import torch
from transformers import AttentionInterface, Cache
from transformers.cache_utils import CacheLayerMixin

from rlvr.policy import Policy
from rlvr.sampling.prefix import Prefix, base_model, in_common, prefill

NAME = "rlvr_shared_prefix"
FIRST_LENGTH = 32
"""Tokens of a completion for which there is room at first; doubled where they do not suffice."""
WORTH_SHARING = 16
"""First tokens in common from which on they are read apart from the rest, in a pass of their own."""

_decoding: ContextVar[SharedCache] = ContextVar("_decoding")


@dataclass(eq=False, slots=True)
class Block:
    """Prompts that were read together, g of them, left-padded to P tokens."""

    keys: list[torch.Tensor]
    """Per layer (g, heads, P, width), heads those of keys and values."""
    values: list[torch.Tensor]
    hidden: torch.Tensor | None
    """(g, 1, 1, P), True on padding; None where there is none."""
    logits: torch.Tensor
    """(g, vocabulary): of the first completion token."""
    prompts: list[int]
    """Which prompts, by the caller's numbers."""

    @classmethod
    def of(cls, prefix: Prefix, prompts: Sequence[int]) -> Block:
        assert prefix.cache is not None
        layers: list[Any] = prefix.cache.layers
        hidden = prefix.mask[:, None, None] == 0
        return cls(
            keys=[layer.keys for layer in layers],
            values=[layer.values for layer in layers],
            hidden=hidden if hidden.any() else None,
            logits=prefix.logits,
            prompts=list(prompts),
        )

    def keep(self, places: Sequence[int]) -> None:
        """Forget the other prompts."""
        index = torch.tensor(places, device=self.logits.device)
        self.keys = [keys[index] for keys in self.keys]
        self.values = [values[index] for values in self.values]
        self.hidden = None if self.hidden is None else self.hidden[index]
        self.logits = self.logits[index]
        self.prompts = [self.prompts[place] for place in places]


@dataclass(slots=True)
class Branches:
    """Which rows go on from which prompts of the blocks.

    A block's rows are laid out as (g, m), m the most rows of any of its prompts, so that one batched product
    serves all of them.
    """

    blocks: list[Block]
    rows: list[torch.Tensor]
    """Per block (g · m,): row numbers, 0 where a prompt has fewer rows than m."""
    back: torch.Tensor
    """(rows,): where each row is in the blocks' layouts, put one behind the other."""

    @classmethod
    def of(cls, places: Sequence[tuple[Block, int]], device: torch.device) -> Branches:
        """From each row's (block, place of its prompt in it)."""
        members: dict[int, tuple[Block, list[list[int]]]] = {}
        for row, (block, place) in enumerate(places):
            if id(block) not in members:
                members[id(block)] = block, [[] for _ in block.prompts]
            members[id(block)][1][place].append(row)
        layouts, back, start = [], [0] * len(places), 0
        for _, groups in members.values():
            most = max(map(len, groups))
            for place, group in enumerate(groups):
                for i, row in enumerate(group):
                    back[row] = start + place * most + i
            layouts.append([row for group in groups for row in [*group, *[0] * (most - len(group))]])
            start += len(groups) * most
        return cls(
            blocks=[block for block, _ in members.values()],
            rows=[torch.tensor(layout, device=device) for layout in layouts],
            back=torch.tensor(back, device=device),
        )


class _Layer(CacheLayerMixin):
    """One layer's keys and values of the completions, (slots, heads, length, width); row i lies in slot i."""

    def __init__(self, cache: SharedCache) -> None:
        super().__init__()
        self.cache = cache

    def lazy_initialization(self, key_states: torch.Tensor, value_states: torch.Tensor) -> None:
        slots, length = self.cache.slots, min(FIRST_LENGTH, self.cache.capacity)
        self.keys = key_states.new_zeros(slots, key_states.shape[1], length, key_states.shape[3])
        self.values = value_states.new_zeros(slots, value_states.shape[1], length, value_states.shape[3])
        self.is_initialized = True

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *args: Any, **kwargs: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Write one token's keys and values in each row; return all of them, those not yet written too."""
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        assert self.keys is not None and self.values is not None
        cache = self.cache
        while self.keys.shape[2] < cache.width:
            more = min(self.keys.shape[2], cache.capacity - self.keys.shape[2])
            self.keys = torch.cat([self.keys, torch.zeros_like(self.keys[:, :, :more])], dim=2)
            self.values = torch.cat([self.values, torch.zeros_like(self.values[:, :, :more])], dim=2)
        self.keys[cache.row, :, cache.read] = key_states[:, :, 0]
        self.values[cache.row, :, cache.read] = value_states[:, :, 0]
        live = len(cache.row)
        return self.keys[:live, :, : cache.width], self.values[:live, :, : cache.width]

    def move(self, to: torch.Tensor, source: torch.Tensor, width: int) -> None:
        assert self.keys is not None and self.values is not None
        self.keys[to, :, :width] = self.keys[source, :, :width]
        self.values[to, :, :width] = self.values[source, :, :width]

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        return self.cache.width, 0

    def get_seq_length(self) -> int:
        return self.cache.width - 1

    def get_max_length(self) -> int:
        return -1


class SharedCache(Cache):
    """Keys and values of the completions that are being decoded, for at most `slots` rows of `capacity` tokens."""

    def __init__(self, layers: int, slots: int, capacity: int, device: torch.device) -> None:
        self.slots, self.capacity, self.device = slots, capacity, device
        super().__init__(layers=[_Layer(self) for _ in range(layers)])
        self.branches = Branches([], [], torch.empty(0, dtype=torch.long, device=device))
        self.begin_step([])

    def begin_step(self, read: Sequence[int]) -> None:
        """Say how many tokens of each row's completion have been read before this step."""
        self.read = torch.tensor(read, dtype=torch.long, device=self.device)
        self.row = torch.arange(len(read), device=self.device)
        self.width = max(read, default=0) + 1
        self.unwritten = None
        if read and min(read) < max(read):  # which is asked here, where no device need be waited for
            later = torch.arange(self.width, device=self.device) > self.read[:, None]
            self.unwritten = later[:, None, None]

    def leave(self, rows: Sequence[int], live: int) -> list[int]:
        """Close the gaps that `rows` leave among the first `live` ones with the last of them.

        Returns:
            The old numbers of the rows that stay, in their new order.
        """
        gone = set(rows)
        stay = live - len(gone)
        to = [row for row in range(stay) if row in gone]
        source = [row for row in range(stay, live) if row not in gone]
        if to:
            index = torch.tensor([to, source], device=self.device)
            for layer in self.layers:
                assert isinstance(layer, _Layer)
                layer.move(index[0], index[1], self.width)
        moved = dict(zip(to, source, strict=True))
        return [moved.get(row, row) for row in range(stay)]


def attention(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    scaling: float | None = None,
    dropout: float = 0.0,
    **others: Any,
) -> tuple[torch.Tensor, None]:
    """transformers' attention interface for one new token per row.

    Args:
        query: (rows, query heads, 1, width)
        key, value: (rows, heads, length, width): of the rows' own completions.
    """
    for name in ("softcap", "s_aux", "position_bias", "sliding_window"):
        if others.get(name) is not None:
            raise UnsupportedError(f"its attention has {name}")
    cache = _decoding.get()
    layer: int = module.layer_idx  # type: ignore[assignment]
    rows, heads = len(query), key.shape[1]
    query = (query * (query.shape[-1] ** -0.5 if scaling is None else scaling)).view(
        rows, heads, -1, query.shape[-1]
    )
    own = _part(query, key, value, cache.unwritten)
    parts = []
    for block, index in zip(cache.branches.blocks, cache.branches.rows, strict=True):
        prompts = len(block.prompts)
        if block.keys[layer].shape[1::2] != key.shape[1::2]:  # compressed, as DeepSeek's
            raise UnsupportedError("its cache holds keys in another form than its attention reads")
        # (g · m, heads, r, width) → (g, heads, m · r, width), r query heads to one of keys
        laid = query[index].unflatten(0, (prompts, -1)).transpose(1, 2)
        part = _part(laid.flatten(2, 3), block.keys[layer], block.values[layer], block.hidden)
        parts.append([x.view(*laid.shape[:-1], -1).transpose(1, 2).flatten(0, 1) for x in part])
    prefix = parts[0] if len(parts) == 1 else [torch.cat(x) for x in zip(*parts, strict=True)]
    back = cache.branches.back
    merged = _merge(own, [x[back] for x in prefix])
    return merged.to(value.dtype).reshape(rows, 1, -1, value.shape[-1]), None


def _part(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, hidden: torch.Tensor | None
) -> list[torch.Tensor]:
    """Attention over some of the keys: the highest score, the sum of exp(score - highest), and the values weighted
    by these. (…, n, width) × (…, keys, width) → (…, n, 1), (…, n, 1), (…, n, width), in float32"""
    scores = (query @ key.transpose(-1, -2)).float()
    if hidden is not None:
        scores = scores.masked_fill_(hidden, -torch.inf)
    highest = scores.amax(-1, keepdim=True)
    weights = scores.sub_(highest).exp_()
    return [highest, weights.sum(-1, keepdim=True), (weights.to(value.dtype) @ value).float()]


def _merge(one: Sequence[torch.Tensor], two: Sequence[torch.Tensor]) -> torch.Tensor:
    """Attention over the keys of both parts."""
    highest = torch.maximum(one[0], two[0])
    first, second = (one[0] - highest).exp_(), (two[0] - highest).exp_()
    return (one[2] * first + two[2] * second) / (one[1] * first + two[1] * second)


AttentionInterface.register(NAME, attention)  # no mask function of this name: transformers then makes no mask


@dataclass(slots=True)
class Decoder:
    """One policy's rows, decoded on shared prefixes. Row i is the i-th of every list that a method takes."""

    policy: Policy
    slots: int
    capacity: int
    cache: SharedCache | None = field(default=None, init=False)

    def load(self, prompts: Sequence[Sequence[int]], numbers: Sequence[int]) -> Block:
        """Read prompts, under the numbers that the caller has for them; what all of them begin with, once."""
        common = in_common(prompts) if len(prompts) > 1 else 0
        block = Block.of(
            prefill(self.policy, prompts, common=common if common >= WORTH_SHARING else 0), numbers
        )
        if self.cache is None:
            self.cache = SharedCache(len(block.keys), self.slots, self.capacity, self.policy.device)
        return block

    def place(self, places: Sequence[tuple[Block, int]]) -> None:
        """Say from which prompt each row goes on, whenever that has changed."""
        assert self.cache is not None
        self.cache.branches = Branches.of(places, self.policy.device)

    def step(self, tokens: Sequence[int], read: Sequence[int], lengths: Sequence[int]) -> torch.Tensor:
        """Read one more token in each row.

        Args:
            tokens: the token to read.
            read: how many tokens of the completion have been read before it.
            lengths: of the rows' prompts.

        Returns:
            (rows, vocabulary): logits of the next token.
        """
        assert self.cache is not None
        self.cache.begin_step(read)
        device = self.policy.device
        with decoding(self.policy.model, self.cache):
            output = self.policy.model(
                input_ids=torch.tensor(tokens, device=device)[:, None],
                position_ids=torch.tensor(lengths, device=device)[:, None] + self.cache.read[:, None],
                past_key_values=self.cache,
                use_cache=True,
            )
        return output.logits[:, -1]

    def leave(self, rows: Sequence[int], live: int) -> list[int]:
        """See `SharedCache.leave`."""
        assert self.cache is not None
        return self.cache.leave(rows, live)


@contextmanager
def decoding(model: Any, cache: SharedCache) -> Iterator[None]:
    """The model's attention is ours meanwhile."""
    base = base_model(model)
    before = base.config._attn_implementation
    active = _decoding.set(cache)
    base.set_attn_implementation(NAME)
    try:
        yield
    finally:
        base.set_attn_implementation(before)
        _decoding.reset(active)


class UnsupportedError(Exception):
    """The attention has a part that the shared-prefix one lacks; the message says which."""
