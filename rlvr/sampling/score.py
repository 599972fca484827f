"""Log-probabilities of given completions under a policy: both files of a comparison under both policies."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch

from rlvr.launch import signals
from rlvr.policy import Policy
from rlvr.sampling.abilities import abilities
from rlvr.sampling.prefix import prefill

LOGITS = 2**27
"""Logits held at once: half a gigabyte in float32."""


@torch.no_grad()
def logprobs(
    policy: Policy,
    prompts: Sequence[Sequence[int]],
    rows: Sequence[tuple[int, Sequence[int]]],
    temperature: float,
    progress: Callable[[int], None] | None = None,
) -> list[float]:
    """Nats of whole completions under the policy at `temperature` (1.0 for greedy sampling's 0), top-p = 1.

    Args:
        prompts: token ids of the distinct prompts.
        rows: (index of the prompt, token ids of the completion), rows of one prompt being neighbours.

    Returns:
        One number per row, the sum over its tokens; 0.0 for an empty completion.
    """
    shares = abilities(policy).why_unshared is None
    longest = max((len(ids) for _, ids in rows), default=1)
    if not shares:
        longest += max((len(prompts[prompt]) for prompt, _ in rows), default=0)
    vocabulary = policy.model.config.get_text_config().vocab_size
    batch_size = max(8, min(1024, LOGITS // (longest * vocabulary)))
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
    rows: Sequence[tuple[int, Sequence[int]]],
    temperature: float,
) -> list[float]:
    """Each distinct prompt is read once."""
    distinct = list(dict.fromkeys(prompt for prompt, _ in rows))
    place = {prompt: i for i, prompt in enumerate(distinct)}
    prefix = prefill(policy, [prompts[p] for p in distinct])
    prefix.select(torch.tensor([place[prompt] for prompt, _ in rows], device=policy.device))
    ids, real = _right_padded(policy, [ids for _, ids in rows])
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
    return (_token_logprobs(logits, ids, temperature) * real).sum(-1).tolist()


def _whole(
    policy: Policy,
    prompts: Sequence[Sequence[int]],
    rows: Sequence[tuple[int, Sequence[int]]],
    temperature: float,
) -> list[float]:
    """Each row read with its prompt: any causal model ignores what stands to the right."""
    ids, _ = _right_padded(policy, [[*prompts[prompt], *ids] for prompt, ids in rows])
    logits = policy.model(input_ids=ids, use_cache=False).logits[:, :-1].float()
    logprobs = _token_logprobs(logits, ids[:, 1:], temperature)
    spans = [(len(prompts[prompt]) - 1, len(ids)) for prompt, ids in rows]
    return [nats[start : start + n].sum().item() for nats, (start, n) in zip(logprobs, spans, strict=True)]


def _right_padded(policy: Policy, rows: Sequence[Sequence[int]]) -> tuple[torch.Tensor, torch.Tensor]:
    """Token ids and 1 on the real ones, (rows, longest) each, at least one column."""
    longest = max(1, *map(len, rows))
    pad = policy.tokenizer.pad_token_id
    ids = torch.tensor([[*row, *[pad] * (longest - len(row))] for row in rows], device=policy.device)
    real = torch.tensor([[1] * len(row) + [0] * (longest - len(row)) for row in rows], device=policy.device)
    return ids, real


def _token_logprobs(logits: torch.Tensor, ids: torch.Tensor, temperature: float) -> torch.Tensor:
    """(rows, length) from (rows, length, vocabulary)."""
    logits = logits / temperature
    return logits.gather(-1, ids[..., None])[..., 0] - logits.logsumexp(-1)
