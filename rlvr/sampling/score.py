"""Log-probabilities of given completions under a policy: both files of a comparison under both policies."""

from __future__ import annotations

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
    mask: Sequence[bool]
    """False on tokens of a tool or other evidence: they are read, and not counted."""

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
        return cls(prompt, row.token_ids, mask)


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
    shares = abilities(policy).why_unshared is None
    longest = max((len(row.token_ids) for row in rows), default=1)
    if not shares:
        longest += max((len(prompts[row.prompt]) for row in rows), default=0)
    vocabulary = policy.model.config.get_text_config().vocab_size
    batch_size = max(1, min(1024, LOGITS // (longest * vocabulary)))
    totals: list[float] = []
    for start in range(0, len(rows), batch_size):
        signals.check_stop()
        batch = rows[start : start + batch_size]
        totals += (_on_prompts if shares else _whole)(policy, prompts, batch, temperature or 1.0)
        if progress:
            progress(len(batch))
    return totals


def _on_prompts(
    policy: Policy,
    prompts: Sequence[Sequence[int]],
    rows: Sequence[Written],
    temperature: float,
) -> list[float]:
    """Each distinct prompt is read once."""
    distinct = list(dict.fromkeys(row.prompt for row in rows))
    place = {prompt: i for i, prompt in enumerate(distinct)}
    prefix = begin(policy, [prompts[p] for p in distinct])
    prefix.select(torch.tensor([place[row.prompt] for row in rows], device=policy.device))
    ids, real = _right_padded(policy, [row.token_ids for row in rows])
    own, _ = _right_padded(policy, [row.mask for row in rows], pad=0)
    logits = prefix.logits[:, None]
    if ids.shape[1] > 1:  # the last token predicts nothing that is asked for
        lengths = prefix.mask.sum(-1, keepdim=True)
        output = policy.model(
            input_ids=ids[:, :-1],
            attention_mask=torch.cat([prefix.mask, real[:, :-1]], dim=1),
            position_ids=lengths + torch.arange(ids.shape[1] - 1, device=policy.device),
            past_key_values=prefix.cache,
            use_cache=True,
        )
        logits = torch.cat([logits, output.logits.float()], dim=1)
    return (_token_logprobs(logits, ids, temperature) * own).sum(-1).tolist()


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
