"""One forward pass over the samples of a micro-step, as rows that a model reads.

Packed: a group's prompt is read once, nothing is padded to the longest. A group becomes a stretch of tokens: the prompt
without its last token, then for each sample that last token again and the sample without its own last. Every block sees
the prompt and itself, positions restart at the prompt's end, so each token is predicted from exactly what it would be
in a row of its own. The groups of a micro-step lie behind each other in one row; where the attention needs a dense
mask, each has a row of its own.

Padded, for models whose attention takes no such mask: a row per sample, prompt and sample, padded on the right, which
no causal model looks at.

Either way the mask decides which tokens are predicted: those of tools and hints are read, and nothing is asked of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, chain, compress, pairwise, starmap
from typing import Any

import torch

from rlvr.training.attention import Kind, additive, block_mask, flex_mask
from rlvr.training.layout import Layout
from rlvr.training.reach import FULL, Reach

ALIKE = {"full_attention": FULL}


@dataclass(frozen=True, slots=True)
class Sample:
    """What follows the prompt in one row, up to the last token of the policy."""

    token_ids: list[int]
    mask: list[bool]
    """True on the tokens of the policy: these are trained on."""

    @classmethod
    def of(cls, token_ids: Sequence[int], mask: Sequence[bool]) -> Sample:
        """Without what follows the policy's last token: nothing is predicted there."""
        end = max((i for i, own in enumerate(mask, 1) if own), default=0)
        return cls(list(token_ids[:end]), list(mask[:end]))


@dataclass(frozen=True, slots=True)
class Prompted:
    """The samples of one prompt. One without a token of the policy is left out of the forward pass."""

    prompt: list[int]
    samples: Sequence[Sample]


@dataclass(frozen=True, slots=True)
class Packed:
    """N is the number of the policy's tokens, in the order of groups, samples and tokens."""

    inputs: dict[str, Any]
    """What the model's forward takes."""
    counts: torch.Tensor
    """(rows, length) how many of the samples read each token; 0 on padding"""
    select: torch.Tensor
    """(N,) indices into the flattened (rows · length) positions: those that predict a token of the policy"""
    targets: torch.Tensor
    """(N,) those tokens"""
    row: torch.Tensor
    """(N,) to which of the samples each belongs, counted over all groups"""


@dataclass(slots=True)
class _Stretch:
    """One group's stretch of tokens."""

    tokens: list[int]
    positions: list[int]
    blocks: list[int]
    """0 on the prompt, 1… on the samples"""
    prompt: int
    """tokens of the prompt, without its last"""
    lengths: list[int]
    """tokens of each sample that has any"""
    asked: list[bool]
    """per token behind the prompt: the next one is the policy's"""

    @property
    def counts(self) -> list[int]:
        """How many samples read each token."""
        return [max(1, len(self.lengths))] * self.prompt + [1] * (len(self.tokens) - self.prompt)


def pack(
    groups: Sequence[Prompted],
    device: torch.device,
    kind: Kind | None = "split",
    reaches: Mapping[str, Reach] = ALIKE,
) -> Packed:
    """The rows of a micro-step. Where no sample holds a token of the policy, N is 0 and one prompt is read all the
    same.

    Args:
        kind: the attention that will read it, see `attention.choose`; None: padded, a row per sample.
        reaches: of the model's layers, by their kind, see `reach.reaches`.
    """
    samples = [sample for group in groups for sample in group.samples]
    row = [i for i, sample in enumerate(samples) for _ in range(sum(sample.mask))]
    targets = [token for sample in samples for token in compress(sample.token_ids, sample.mask)]
    inputs, counts, select = (
        _padded(groups, device) if kind is None else _packed(groups, device, kind, reaches)
    )
    return Packed(
        inputs,
        counts=torch.tensor(counts, device=device),
        select=torch.tensor(select, dtype=torch.long, device=device),
        targets=torch.tensor(targets, dtype=torch.long, device=device),
        row=torch.tensor(row, dtype=torch.long, device=device),
    )


def _padded(
    groups: Sequence[Prompted], device: torch.device
) -> tuple[dict[str, Any], list[list[int]], list[int]]:
    """Inputs, counts and places of the padded rows."""
    written = [(group.prompt, sample) for group in groups for sample in group.samples if sample.token_ids]
    rows = [[*prompt, *sample.token_ids[:-1]] for prompt, sample in written] or [list(groups[0].prompt)]
    longest = max(map(len, rows))
    select = [
        number * longest + len(prompt) - 1 + i
        for number, (prompt, sample) in enumerate(written)
        for i in compress(range(len(sample.mask)), sample.mask)
    ]
    ids = [[*row, *[0] * (longest - len(row))] for row in rows]
    real = [[1] * len(row) + [0] * (longest - len(row)) for row in rows]
    return (
        {
            "input_ids": torch.tensor(ids, device=device),
            "attention_mask": torch.tensor(real, device=device),
        },
        real,
        select,
    )


def _packed(
    groups: Sequence[Prompted], device: torch.device, kind: Kind, reaches: Mapping[str, Reach]
) -> tuple[dict[str, Any], list[list[int]], list[int]]:
    """Inputs, counts and places of the packed rows."""
    stretches = [_stretch(group) for group in groups if any(sample.token_ids for sample in group.samples)]
    stretches = stretches or [_prompt_alone(groups[0])]
    tokens, positions, blocks, counts, starts = _rows(stretches, below=kind in ("mask", "eager"))
    places, own = torch.tensor(positions, device=device), torch.tensor(blocks, device=device)
    longest = 1 + max(max(s.positions) for s in stretches)
    within = {name: reach.within(longest) for name, reach in reaches.items()}
    distinct = list(dict.fromkeys(within.values()))
    inputs: dict[str, Any] = {"input_ids": torch.tensor(tokens, device=device), "position_ids": places}
    if kind == "split":
        inputs["layouts"] = [Layout.of(_places(stretches), device, reach) for reach in distinct]
        # transformers hands a mask with four axes on as it is, and builds none of its own: here it holds a number
        masks = [torch.full((1, 1, 1, 1), number, device=device) for number in range(len(distinct))]
    elif kind == "flex":
        group = torch.tensor([i for i, s in enumerate(stretches) for _ in s.tokens], device=device)
        masks = [flex_mask(group, own[0], places[0], reach) for reach in distinct]
    else:
        masks = [block_mask(own, places, reach) for reach in distinct]
        masks = [additive(mask) for mask in masks] if kind == "eager" else masks
    of = dict(zip(distinct, masks, strict=True))
    inputs["attention_mask"] = (
        masks[0] if len(masks) == 1 else {name: of[reach] for name, reach in within.items()}
    )
    select = [
        start + s.prompt + i
        for start, s in zip(starts, stretches, strict=True)
        for i in compress(range(len(s.asked)), s.asked)
    ]
    return inputs, counts, select


def _rows(
    stretches: Sequence[_Stretch], below: bool
) -> tuple[list[list[int]], list[list[int]], list[list[int]], list[list[int]], list[int]]:
    """Tokens, positions, blocks and counts of all stretches, behind each other in one row or each in a row of its own,
    and where each stretch starts in the flattened rows."""
    parts = [(s.tokens, s.positions, s.blocks, s.counts) for s in stretches]
    if not below:
        starts = [0, *accumulate(len(s.tokens) for s in stretches)][:-1]
        tokens, positions, blocks, counts = (
            [[*chain.from_iterable(part)]] for part in zip(*parts, strict=True)
        )
        return tokens, positions, blocks, counts, starts
    longest = max(len(s.tokens) for s in stretches)
    tokens, positions, blocks, counts = (
        [[*row, *[fill] * (longest - len(row))] for row in part]
        for part, fill in zip(zip(*parts, strict=True), (0, 0, -1, 0), strict=True)
    )
    return tokens, positions, blocks, counts, [i * longest for i in range(len(stretches))]


def _stretch(group: Prompted) -> _Stretch:
    before = len(group.prompt) - 1
    stretch = _Stretch(group.prompt[:-1], list(range(before)), [0] * before, before, [], [])
    for sample in group.samples:
        if not (length := len(sample.token_ids)):
            continue
        stretch.lengths.append(length)
        stretch.tokens += [group.prompt[-1], *sample.token_ids[:-1]]
        stretch.positions += range(before, before + length)
        stretch.blocks += [len(stretch.lengths)] * length
        stretch.asked += sample.mask
    return stretch


def _prompt_alone(group: Prompted) -> _Stretch:
    """A row must hold something, should every group be empty."""
    length = len(group.prompt)
    return _Stretch(list(group.prompt), list(range(length)), [0] * length, length, [], [])


def _places(stretches: Sequence[_Stretch]) -> list[tuple[range, list[range]]]:
    """Where each prompt lies, and behind it its completions."""
    places: list[tuple[range, list[range]]] = []
    end = 0
    for stretch in stretches:
        prompt = range(end, end + stretch.prompt)
        ends = [*accumulate(stretch.lengths, initial=prompt.stop)]
        places.append((prompt, [*starmap(range, pairwise(ends))]))
        end = ends[-1]
    return places
