"""The packed update: a group's prompt is read once, nothing is padded to the longest, logits only where the loss is.

A group becomes a stretch of tokens: the prompt without its last token, then for each completion that last token again
and the completion without its own last. Every block sees the prompt and itself, positions restart at the prompt's end,
so each completion token is predicted from exactly what it would be in a row of its own. The groups of a micro-step lie
behind each other in one row; where the attention needs a dense mask, each has a row of its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate, pairwise, starmap
from typing import Any

import torch

from rlvr.training.attention import Kind, Layout, additive, block_mask, flex_mask


@dataclass(frozen=True, slots=True)
class Packed:
    """Groups as rows. L is the longest row's length, N the number of completion tokens."""

    inputs: dict[str, Any]
    """What the model's forward takes: `input_ids` and `position_ids` (rows, L), and who sees whom."""
    select: torch.Tensor
    """(N,) indices into the flattened (rows · L): the positions that predict a completion token"""
    targets: torch.Tensor
    """(N,) those tokens"""
    place: torch.Tensor
    """(N,) indices into the flattened (completions · T) of the padded completions"""


@dataclass(slots=True)
class _Group:
    """One group's stretch of tokens."""

    tokens: list[int]
    positions: list[int]
    blocks: list[int]
    """0 on the prompt, 1… on the completions"""
    prompt: int
    """tokens of the prompt, without its last"""
    completions: list[int]
    """tokens of each completion that has any"""
    place: list[int]


def pack(
    prompt_ids: torch.Tensor,
    prompt_mask: torch.Tensor,
    completion_ids: torch.Tensor,
    completion_mask: torch.Tensor,
    group_size: int,
    kind: Kind = "split",
) -> Packed:
    """Pack padded rows whose groups are neighbours.

    Groups without a completion token (all truncated and masked) are left out.

    Args:
        prompt_ids, prompt_mask: (completions, P), left-padded; those of a group hold the same prompt.
        completion_ids, completion_mask: (completions, T), right-padded.
        kind: the attention that will read it, see `attention.choose`.
    """
    device = completion_ids.device
    groups = _groups(prompt_ids, prompt_mask, completion_ids, completion_mask, group_size)
    full = [group for group in groups if group.completions]
    groups = full or groups[:1]
    place = torch.tensor([i for g in groups for i in g.place], dtype=torch.long, device=device)
    if kind in ("mask", "eager"):
        longest = max(len(g.tokens) for g in groups)
        starts = [i * longest for i in range(len(groups))]
        rows = [[*g.tokens] + [0] * (longest - len(g.tokens)) for g in groups]
        positions = [[*g.positions] + [0] * (longest - len(g.tokens)) for g in groups]
        blocks = [[*g.blocks] + [-1] * (longest - len(g.tokens)) for g in groups]
        seen = block_mask(torch.tensor(blocks, device=device))
        who = {"attention_mask": additive(seen) if kind == "eager" else seen}
    else:
        starts = [sum(len(g.tokens) for g in groups[:i]) for i in range(len(groups))]
        rows, positions = [[t for g in groups for t in g.tokens]], [[p for g in groups for p in g.positions]]
        if kind == "split":
            # transformers hands a mask with four axes on as it is, and builds none of its own
            who = {
                "attention_mask": torch.empty(1, 1, 1, 1, device=device),
                "layout": _layout(groups, device),
            }
        else:
            number = [i for i, g in enumerate(groups) for _ in g.tokens]
            blocks = [b for g in groups for b in g.blocks]
            who = {
                "attention_mask": flex_mask(
                    torch.tensor(number, device=device), torch.tensor(blocks, device=device)
                )
            }
    select = [
        start + g.prompt + i
        for start, g in zip(starts, groups, strict=True)
        for i in range(sum(g.completions))
    ]
    return Packed(
        inputs={
            "input_ids": torch.tensor(rows, device=device),
            "position_ids": torch.tensor(positions, device=device),
            **who,
        },
        select=torch.tensor(select, dtype=torch.long, device=device),
        targets=completion_ids.flatten()[place],
        place=place,
    )


def _groups(
    prompt_ids: torch.Tensor,
    prompt_mask: torch.Tensor,
    completion_ids: torch.Tensor,
    completion_mask: torch.Tensor,
    group_size: int,
) -> list[_Group]:
    rows, width = completion_ids.shape
    lengths = completion_mask.sum(1).tolist()
    groups = []
    for first in range(0, rows, group_size):
        prompt = prompt_ids[first][prompt_mask[first].bool()].tolist()
        before = len(prompt) - 1
        group = _Group(prompt[:-1], list(range(before)), [0] * before, before, [], [])
        for row in range(first, first + group_size):
            if not (length := lengths[row]):
                continue
            group.completions.append(length)
            group.tokens += [prompt[-1], *completion_ids[row, : length - 1].tolist()]
            group.positions += range(before, before + length)
            group.blocks += [len(group.completions)] * length
            group.place += [row * width + i for i in range(length)]
        if not group.completions and first == 0:  # a row must hold something, should every group be empty
            group.tokens, group.positions, group.blocks = prompt, list(range(before + 1)), [0] * (before + 1)
            group.prompt = before + 1
        groups.append(group)
    return groups


def _layout(groups: list[_Group], device: torch.device) -> Layout:
    places: list[tuple[range, list[range]]] = []
    end = 0
    for group in groups:
        prompt = range(end, end + group.prompt)
        ends = [*accumulate(group.completions, initial=prompt.stop)]
        places.append((prompt, [*starmap(range, pairwise(ends))]))
        end = ends[-1]
    return Layout.of(places, device)
