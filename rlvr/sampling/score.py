"""Log-probabilities of given completions under a policy: both files of a comparison under both policies."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch

from rlvr.policy import Policy
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
    longest = max((len(ids) for _, ids in rows), default=1)
    vocabulary = policy.model.config.get_text_config().vocab_size
    batch_size = max(8, min(1024, LOGITS // (longest * vocabulary)))
    totals: list[float] = []
    for start in range(0, len(rows), batch_size):
        batch = rows[start : start + batch_size]
        totals += _batch(policy, prompts, batch, temperature or 1.0)
        if progress:
            progress(len(batch))
    return totals


def _batch(
    policy: Policy,
    prompts: Sequence[Sequence[int]],
    rows: Sequence[tuple[int, Sequence[int]]],
    temperature: float,
) -> list[float]:
    distinct = list(dict.fromkeys(prompt for prompt, _ in rows))
    place = {prompt: i for i, prompt in enumerate(distinct)}
    prefix = prefill(policy, [prompts[p] for p in distinct])
    prefix.select(torch.tensor([place[prompt] for prompt, _ in rows], device=policy.device))
    longest = max(1, *(len(ids) for _, ids in rows))
    pad = policy.tokenizer.pad_token_id
    ids = torch.tensor([[*ids, *[pad] * (longest - len(ids))] for _, ids in rows], device=policy.device)
    real = torch.tensor(
        [[1] * len(ids) + [0] * (longest - len(ids)) for _, ids in rows], device=policy.device
    )
    logits = prefix.logits[:, None]
    if longest > 1:  # the last token predicts nothing that is asked for
        lengths = prefix.mask.sum(-1, keepdim=True)
        output = policy.model(
            input_ids=ids[:, :-1],
            attention_mask=torch.cat([prefix.mask, real[:, :-1]], dim=1),
            position_ids=lengths + torch.arange(longest - 1, device=policy.device),
            past_key_values=prefix.cache,
            use_cache=True,
        )
        logits = torch.cat([logits, output.logits.float()], dim=1)
    logits = logits / temperature
    token_logprobs = logits.gather(-1, ids[..., None])[..., 0] - logits.logsumexp(-1)
    return (token_logprobs * real).sum(-1).tolist()
