"""Where the stretches of a packed row lie, as a kernel reads them at once: what sees itself, and who sees what lies
elsewhere in the row.

A layer whose reach is limited (`reach.py`) sees what it would see in a row of its own: positions count from the first
token of the prompt, whichever completion a token is in. Prompts and completions are then cut into blocks whose last
token still sees their first, and a block reads what lies before it as a completion reads its prompt.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch

from rlvr.training.reach import FULL, Reach

_HIDDEN = 1e30
"""Normaliser of a padded query: its weights are exp(score − 1e30) = 0."""
_MASKED_PAIRS = 2**24
"""Pairs of query and key for which a mask is held at once, at most."""


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
    def of(cls, stretches: Sequence[Sequence[int]], device: torch.device) -> Rows:
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


class Pair(NamedTuple):
    """Queries and the keys that they see, as places in the packed row and positions in their text."""

    queries: Sequence[int]
    keys: Sequence[int]
    query_positions: Sequence[int]
    key_positions: Sequence[int]


@dataclass(frozen=True, slots=True)
class Read:
    """Queries and keys that lie before them. No query and no key is twice in one read."""

    queries: Rows
    keys: Rows
    seen: torch.Tensor | None
    """(rows, longest query, longest key); None: every query sees all keys of its row"""

    @classmethod
    def of(cls, pairs: Sequence[Pair], device: torch.device, reach: Reach) -> Read:
        queries, keys = (Rows.of([pair[i] for pair in pairs], device) for i in (0, 1))
        if all(reach.end(pair.key_positions[0]) > max(pair.query_positions) for pair in pairs):
            return cls(queries, keys, None)
        asking, asked = (_padded([pair[i] for pair in pairs], device) for i in (2, 3))
        seen = (asking[:, :, None] < reach.end(asked)[:, None]) & (asked >= 0)[:, None]
        return cls(queries, keys, seen)

    def mask(self, x: torch.Tensor) -> torch.Tensor | None:
        """What a kernel adds to scores in the type of `x`: (rows, 1, 1 or longest query, longest key)."""
        if self.seen is not None:
            # finite, for a kernel may meet a tile of keys of which a query sees none
            least = torch.finfo(x.dtype).min / 2
            return x.new_zeros(self.seen.shape).masked_fill_(~self.seen, least)[:, None]
        if self.keys.padding is None:
            return None
        return x.new_zeros(self.keys.shape).masked_fill_(self.keys.padding, -torch.inf)[:, None, None]


def _padded(positions: Sequence[Sequence[int]], device: torch.device) -> torch.Tensor:
    """(rows, longest), −1 behind the end of each."""
    longest = max(map(len, positions))
    return torch.tensor([[*p, *[-1] * (longest - len(p))] for p in positions], device=device)


@dataclass(frozen=True, slots=True)
class Layout:
    """Who sees whom in one packed row, in batches of about equal size."""

    causal: Sequence[Rows]
    """Prompts and completions, or blocks of them, each of which sees itself up to each token"""
    reads: Sequence[Read]
    """Of blocks, what lies before them in their stretch; of completions, their group's prompt"""

    @classmethod
    def of(
        cls, groups: Sequence[tuple[range, Sequence[range]]], device: torch.device, reach: Reach = FULL
    ) -> Layout:
        """`groups`: where each prompt lies, and behind it its completions."""
        stretches = [
            (stretch, start)
            for prompt, completions in groups
            for stretch, start in ((prompt, 0), *((c, len(prompt)) for c in completions))
        ]
        blocks = [pair for stretch, start in stretches for pair in _itself(stretch, start, reach)]
        before = [pair for stretch, start in stretches for pair in _before(stretch, start, reach)]
        prompts = [
            pair for prompt, completions in groups for pair in _prompt_reads(prompt, completions, reach)
        ]
        masked = reach != FULL
        return cls(
            [Rows.of([pair.queries for pair in batch], device) for batch in _alike(blocks, False)],
            [Read.of(b, device, reach) for pairs in (before, prompts) for b in _alike(pairs, masked)],
        )


def _blocks(length: int, start: int, reach: Reach) -> list[range]:
    """The positions of a stretch whose first token is at `start`, in blocks whose last token sees their first."""
    blocks, stop, first = [], start + length, start
    while first < stop:
        blocks.append(range(first, min(stop, reach.end(first))))
        first = blocks[-1].stop
    return blocks


def _itself(stretch: range, start: int, reach: Reach) -> list[Pair]:
    """The blocks of a stretch, each of which sees itself."""
    blocks = _blocks(len(stretch), start, reach)
    places = [stretch[block.start - start : block.stop - start] for block in blocks]
    return [Pair(p, p, block, block) for p, block in zip(places, blocks, strict=True)]


def _before(stretch: range, start: int, reach: Reach) -> list[Pair]:
    """What the blocks of a stretch see of those before them: of a window, the last one."""
    reads = []
    for block in _blocks(len(stretch), start, reach)[1:]:
        seeing = range(block.start, min(block.stop, reach.end(block.start - 1)))
        seen = [k for k in range(start, block.start) if reach.end(k) > block.start]
        if seeing and seen:
            queries, keys = ([stretch[p - start] for p in positions] for positions in (seeing, seen))
            reads.append(Pair(queries, keys, seeing, seen))
    return reads


def _prompt_reads(prompt: range, completions: Sequence[range], reach: Reach) -> list[Pair]:
    """What all completions of a group see of their prompt."""
    seen = [k for k in range(len(prompt)) if reach.end(k) > len(prompt)]
    if not seen:
        return []
    end = reach.end(len(prompt) - 1) - len(prompt)
    places = [place for c in completions for place in c[:end]]
    positions = [len(prompt) + i for c in completions for i in range(len(c[:end]))]
    per = len(places) if reach == FULL else max(1, _MASKED_PAIRS // len(seen))
    return [
        Pair(places[i : i + per], [prompt[k] for k in seen], positions[i : i + per], seen)
        for i in range(0, len(places), per or 1)
    ]


def _alike(pairs: Sequence[Pair], masked: bool) -> list[list[Pair]]:
    """Pairs in batches, in which padding adds at most a quarter to what is multiplied, or so little that a call of its
    own would cost more."""
    batches: list[list[Pair]] = []
    needed = queries = keys = 0  # of the last batch: what is multiplied without padding, and its longest
    for pair in sorted(pairs, key=lambda pair: (len(pair.queries), len(pair.keys)), reverse=True):
        own = len(pair.queries) * len(pair.keys)
        if batches:
            longest = max(keys, len(pair.keys))
            held = (len(batches[-1]) + 1) * queries * longest
            if held <= 1.25 * (needed + own) + 2**14 and not (masked and held > _MASKED_PAIRS):
                batches[-1].append(pair)
                needed, keys = needed + own, longest
                continue
        batches.append([pair])
        needed, queries, keys = own, len(pair.queries), len(pair.keys)
    return batches
