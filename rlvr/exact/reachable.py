"""Every trace that a policy writes with at least a given probability, found by following the policy itself.

The traces of the world's law do not exhaust a trained policy: it writes some that the law cannot. So the tree of all
continuations is followed as long as one of the policies gives a branch at least `floor`; each trace left out is less
likely than that, and their total mass is known exactly afterwards.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch

from rlvr.exact.table import Reached
from rlvr.policy import Policy
from rlvr.sampling.abilities import begin
from rlvr.sampling.prefix import Prefix, advance

FLOOR = 1e-5
PROMPTS_AT_ONCE = 16
MOST_PREFIXES = 50_000
"""Prefixes of these prompts that are followed at once; each has a row in both policies' caches."""


class TooManyError(Exception):
    """A policy spreads over more traces than can be followed."""


def reachable(
    policies: Sequence[Policy],
    prompts: Sequence[Sequence[int]],
    max_new_tokens: int,
    temperature: float = 1.0,
    floor: float = FLOOR,
) -> list[Reached]:
    """Per prompt, every complete trace to which some policy gives at least `floor`.

    Args:
        policies: models with one tokenizer.
        prompts: token ids.
        max_new_tokens: traces that are longer, end-of-text included, are not complete.

    Raises:
        TooManyError: a policy spreads over more than `MOST_PREFIXES` prefixes of that probability.
    """
    found: list[Reached] = []
    for start in range(0, len(prompts), PROMPTS_AT_ONCE):
        chunk = prompts[start : start + PROMPTS_AT_ONCE]
        found += _expand(policies, chunk, max_new_tokens, temperature, floor)
    return found


@torch.no_grad()
def _expand(
    policies: Sequence[Policy],
    prompts: Sequence[Sequence[int]],
    max_new_tokens: int,
    temperature: float,
    floor: float,
) -> list[Reached]:
    """Level by level; a row is a prefix, with its log-probability under each policy (policies, rows)."""
    stops = torch.tensor(policies[0].stop_ids, device=policies[0].device)
    prefixes: list[Prefix] = [
        begin(policy, [policy.reads(prompt) for prompt in prompts]) for policy in policies
    ]
    owner = list(range(len(prompts)))
    written: list[list[int]] = [[] for _ in prompts]
    logp = torch.zeros(len(policies), len(prompts), dtype=torch.float64, device=stops.device)
    complete: list[Reached] = [{} for _ in prompts]
    for _ in range(max_new_tokens):
        steps = torch.stack([(prefix.logits.double() / temperature).log_softmax(-1) for prefix in prefixes])
        reach = logp[:, :, None] + steps
        row, token = (reach.amax(0) >= math.log(floor)).nonzero(as_tuple=True)
        ended = torch.isin(token, stops)
        nats = reach[:, row[ended], token[ended]].T.tolist()
        for i, values in zip(row[ended].tolist(), nats, strict=True):
            complete[owner[i]][policies[0].decode(written[i])] = tuple(values)
        row, token = row[~ended], token[~ended]
        if not len(row):
            break
        if len(row) > MOST_PREFIXES:
            raise TooManyError
        logp = reach[:, row, token]
        owner = [owner[i] for i in row.tolist()]
        written = [[*written[i], t] for i, t in zip(row.tolist(), token.tolist(), strict=True)]
        for policy, prefix in zip(policies, prefixes, strict=True):
            prefix.select(row)
            advance(policy, prefix, token)
    return complete
