"""What the evaluation of the base says about training, before hours are spent on it; `rlvr run` logs it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from rlvr.analysis.passk import pass_at_k, pass_hat_k
from rlvr.analysis.samples import Samples
from rlvr.rollouts.evaluations import read

TRUNCATED, NO_ANSWER, UNJUDGED, MIXED = 0.1, 0.25, 0.05, 0.1
"""Shares beyond which (for MIXED: below which) a line of advice is given."""


def outlook(base: Path, group_size: int, max_new_tokens: int) -> Iterator[str]:
    """Plain sentences on a finished evaluation of the base: the outlook first, then advice where something is off.

    The share of mixed groups is exact for groups drawn from the evaluation's own samples without replacement,
    and so unbiased for fresh ones: pass@G − pass^G, averaged over problems.
    """
    evaluation = read(base, "base", mixed=True)[0]
    samples, columns = evaluation.samples, evaluation.columns
    assert columns is not None
    statuses, drawn = Counter(samples.statuses), sum(samples.statuses.values())
    mixed = _mixed(samples, group_size)
    known = columns.complete >= 0
    truncated = float((columns.complete[known] == 0).mean()) if known.any() else 0.0
    shares = {name: count / drawn for name, count in statuses.items()}

    said = f"The base policy: pass@1 {100 * float(np.nanmean(samples.c / np.maximum(samples.n, 1))):.1f}"
    if mixed is not None:
        said += (
            f"; {100 * mixed:.0f} % of groups of {group_size} have right and wrong answers (only these teach)"
        )
    yield f"{said}; {100 * truncated:.0f} % of samples were cut at {max_new_tokens} tokens"

    yield from _of_sources(samples, group_size)
    if truncated > TRUNCATED:
        yield (
            f"Advice: {100 * truncated:.0f} % of samples reach the token limit and count as wrong: raise "
            "sampling.max_new_tokens, or end them earlier with sampling.stop"
        )
    if (share := shares.get("no_answer", 0.0)) > NO_ANSWER:
        yield (
            f"Advice: {100 * share:.0f} % of samples have no answer in the form that the verifier reads: describe "
            "the form in the prompt (evidence.instruction) or show it (evidence.shots)"
        )
    if (share := sum(shares.get(name, 0.0) for name in ("error", "unverifiable"))) > UNJUDGED:
        yield f"Advice: {100 * share:.0f} % of samples could not be judged: `rlvr check CONFIG` tests the references"
    if mixed is not None and mixed < MIXED:
        yield (
            f"Advice: only {100 * mixed:.0f} % of groups would teach anything: larger groups (train.group_size), "
            "easier problems, or more evidence in the prompt"
        )


def _mixed(samples: Samples, group_size: int) -> float | None:
    """Share of groups with right and wrong answers; None where no problem has samples for a group."""
    teaches = pass_at_k(samples.n, samples.c, group_size) - pass_hat_k(samples.n, samples.c, group_size)
    return float(np.nanmean(teaches)) if not np.isnan(teaches).all() else None


def _of_sources(samples: Samples, group_size: int) -> Iterator[str]:
    """A sentence for each source of several: what is hopeless in one of them does not show in the mean."""
    for name, part in samples.by_source().items():
        drawn = max(1, sum(part.statuses.values()))
        said = f"On {name}: pass@1 {100 * float(np.nanmean(part.c / np.maximum(part.n, 1))):.1f}"
        if (mixed := _mixed(part, group_size)) is not None:
            said += f"; {100 * mixed:.0f} % of groups of {group_size} teach"
        if share := part.statuses.get("no_answer", 0) / drawn:
            said += f"; {100 * share:.0f} % of samples have no answer"
        yield said
