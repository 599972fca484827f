"""Log-probabilities of given completions under a policy: both files of a comparison under both policies."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Self

import torch

from rlvr.errors import UserError
from rlvr.launch import signals
from rlvr.policy import Policy
from rlvr.rollouts import Rollout
from rlvr.sampling.abilities import abilities, begin


@dataclass(frozen=True, slots=True)
class Written:
    """The tokens after a prompt, and which of them the policy wrote."""

    prompt: int
    """index of the prompt"""
    token_ids: Sequence[int]
    mask: Sequence[int]
    """0 on tokens of a tool or other evidence: they are read, and not counted."""

    @classmethod
    def of(cls, row: Rollout, prompt: int) -> Self:
        """What a rollout row holds. Raises UserError where it has no token ids, for the row or for one of its turns."""
        where = f"problem {row.problem_id}, sample {row.sample}"
        if row.token_ids is None:
            raise UserError(f"{where}: the row has no token_ids to score")
        mask: list[bool] = []
        for turn in row.turns or [{"by": "policy", "token_ids": row.token_ids}]:
            if (ids := turn.get("token_ids")) is None:
                raise UserError(
                    f"{where}: a turn has no token_ids, so whose tokens are to be scored is unknown"
                )
            mask += [turn["by"] == "policy"] * len(ids)
        if len(mask) != len(row.token_ids):
            raise UserError(
                f"{where}: its turns have {len(mask)} token_ids, the row has {len(row.token_ids)}"
            )
        return cls(prompt, array("I", row.token_ids), bytes(mask))  # a tenth of the lists' memory


LOGITS = 2**27
"""Logits held at once: half a gigabyte in float32."""


@torch.no_grad()
def logprobs(
    policy: Policy,
    prompts: Sequence[Sequence[int]],
    rows: Sequence[Written],
    temperature: float,
    progress: Callable[[int], None] | None = None,
) -> list[float]:
    """Nats of what the policy wrote, under the policy at `temperature` (1.0 for greedy sampling's 0), top-p = 1.

    Args:
        prompts: token ids of the distinct prompts.
        rows: rows of one prompt are neighbours.

    Returns:
        One number per row, the sum over the tokens of its mask; 0.0 for an empty completion.
    """
    score = _on_prompts if _shares(policy) else _whole
    totals: list[float] = []
    for part in batches(policy, prompts, rows):
        signals.check_stop()
        totals += score(policy, prompts, rows[part], temperature or 1.0)
        if progress:
            progress(len(rows[part]))
    return totals


def batches(policy: Policy, prompts: Sequence[Sequence[int]], rows: Sequence[Written]) -> list[slice]:
    """Which rows are scored together."""
    longest = max((len(row.token_ids) for row in rows), default=1)
    if not _shares(policy):
        longest += max((len(prompts[row.prompt]) for row in rows), default=0)
    vocabulary = policy.model.config.get_text_config().vocab_size
    size = max(1, min(1024, LOGITS // (longest * vocabulary)))
    return [slice(start, start + size) for start in range(0, len(rows), size)]


def _shares(policy: Policy) -> bool:
    return abilities(policy).why_unshared is None


def _on_prompts(
    policy: Policy,
    prompts: Sequence[Sequence[int]],
    rows: Sequence[Written],
    temperature: float,
) -> list[float]:
    """Each distinct prompt is read once, and long completions in tiles, whose logits fit into memory."""
    distinct = list(dict.fromkeys(row.prompt for row in rows))
    place = {prompt: i for i, prompt in enumerate(distinct)}
    prefix = begin(policy, [prompts[p] for p in distinct])
    prefix.select(torch.tensor([place[row.prompt] for row in rows], device=policy.device))
    ids, real = _right_padded(policy, [row.token_ids for row in rows])
    own, _ = _right_padded(policy, [row.mask for row in rows], pad=0)
    lengths = prefix.mask.sum(-1, keepdim=True)
    found = [_token_logprobs(prefix.logits[:, None], ids[:, :1], temperature)]
    tile = max(1, LOGITS // (len(rows) * prefix.logits.shape[-1]))
    for start in range(0, ids.shape[1] - 1, tile):  # the last token predicts nothing that is asked for
        stop = min(start + tile, ids.shape[1] - 1)
        output = policy.model(
            input_ids=ids[:, start:stop],
            attention_mask=torch.cat([prefix.mask, real[:, :stop]], dim=1),
            position_ids=lengths + torch.arange(start, stop, device=policy.device),
            past_key_values=prefix.cache,
            use_cache=True,
        )
        found.append(_token_logprobs(output.logits.float(), ids[:, start + 1 : stop + 1], temperature))
    return (torch.cat(found, dim=1) * own).sum(-1).tolist()


def _whole(
    policy: Policy,
    prompts: Sequence[Sequence[int]],
    rows: Sequence[Written],
    temperature: float,
) -> list[float]:
    """Each row read with its prompt: a causal model ignores what is to the right."""
    ids, _ = _right_padded(policy, [[*prompts[row.prompt], *row.token_ids] for row in rows])
    masks = [[*[False] * len(prompts[row.prompt]), *row.mask] for row in rows]
    own, _ = _right_padded(policy, masks, pad=0)
    logits = policy.model(input_ids=ids, use_cache=False).logits[:, :-1].float()
    return (_token_logprobs(logits, ids[:, 1:], temperature) * own[:, 1:]).sum(-1).tolist()


def _right_padded(
    policy: Policy, rows: Sequence[Sequence[int]], pad: int | None = None
) -> tuple[torch.Tensor, torch.Tensor]:
    """Values and 1 on the real ones, (rows, longest) each, at least one column."""
    longest = max(1, *map(len, rows))
    fill = policy.tokenizer.pad_token_id if pad is None else pad
    values = torch.tensor([[*row, *[fill] * (longest - len(row))] for row in rows], device=policy.device)
    real = torch.tensor([[1] * len(row) + [0] * (longest - len(row)) for row in rows], device=policy.device)
    return values, real


def _token_logprobs(logits: torch.Tensor, ids: torch.Tensor, temperature: float) -> torch.Tensor:
    """(rows, length) from (rows, length, vocabulary)."""
    logits = logits / temperature
    return logits.gather(-1, ids[..., None])[..., 0] - logits.logsumexp(-1)
