"""Samples without a verdict: how many, and what pass@k would be if all of them were wrong, or all were right.

They are in no estimate (docs/metrics.md). That is harmless as long as they fall on both policies alike, and not where a
policy has learned to write what cannot be judged: its failures vanish, and its pass@k rises.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from typing_extensions import TypedDict

from rlvr.analysis.bootstrap import ClusterBootstrap, mean_estimates
from rlvr.analysis.estimate import EstimateJson, real
from rlvr.analysis.pair import Pair, both_defined, keyed, means
from rlvr.analysis.passk import pass_curve
from rlvr.analysis.samples import Floats, Ints, Samples


class Bounds(TypedDict):
    """pass@k by k, with every sample that has no verdict as wrong, and as right."""

    lower: dict[str, EstimateJson]
    upper: dict[str, EstimateJson]


class UnjudgedChange(TypedDict):
    """Of the shared problems."""

    share_base: EstimateJson
    share_tuned: EstimateJson
    difference: EstimateJson
    """Tuned - base share, paired."""
    differs: bool
    """The interval of `difference` excludes 0."""
    gain_wrong: EstimateJson
    """pass@1 gained with the samples without a verdict as wrong, of both policies."""
    gain_lower: EstimateJson
    """The least gain that they leave possible: the base's all right, the tuned policy's all wrong."""
    gain_upper: EstimateJson


def bounds(samples: Samples, ks: Sequence[int], boot: ClusterBootstrap) -> Bounds:
    """Bounds of pass@k at `ks`; both are empty where every sample has a verdict."""
    if not _unjudged(samples).any():
        return {"lower": {}, "upper": {}}
    low, high = (keyed(ks, mean_estimates(curve, boot)) for curve in _curves(samples, np.asarray(ks)))
    return {"lower": low, "upper": high}


def unjudged_change(pair: Pair) -> UnjudgedChange | None:
    """Whether one policy has more samples without a verdict, and the gain in any case; None where all have one."""
    shares = [_share(x) for x in (pair.base, pair.tuned)]
    if not np.nansum(shares):
        return None
    base, tuned = both_defined(*shares)
    (base_low, base_high), (tuned_low, tuned_high) = (
        [curve[:, 0] for curve in _curves(x, np.array([1]))] for x in (pair.base, pair.tuned)
    )
    columns = {"difference": tuned - base, "gain_wrong": tuned_low - base_low}
    columns |= {"gain_lower": tuned_low - base_high, "gain_upper": tuned_high - base_low}
    table = means(columns, pair.boot, signed=columns)
    shown = means({"base": base, "tuned": tuned}, pair.boot)
    return {
        "share_base": shown["base"],
        "share_tuned": shown["tuned"],
        "difference": table["difference"],
        "differs": real(table["difference"]["lo"]) > 0 or real(table["difference"]["hi"]) < 0,
        "gain_wrong": table["gain_wrong"],
        "gain_lower": table["gain_lower"],
        "gain_upper": table["gain_upper"],
    }


def _unjudged(samples: Samples) -> Ints:
    return np.zeros(samples.n_problems, np.int64) if samples.excluded is None else samples.excluded


def _share(samples: Samples) -> Floats:
    """Of each problem's samples, those without a verdict; NaN without any sample."""
    drawn = samples.n + _unjudged(samples)
    return np.where(drawn > 0, _unjudged(samples) / np.maximum(drawn, 1), np.nan)


def _curves(samples: Samples, ks: Ints) -> tuple[Floats, Floats]:
    """pass@k per problem at `ks`, (M, Q): the samples without a verdict as wrong, and as right."""
    drawn = samples.n + _unjudged(samples)
    return pass_curve(drawn, samples.c, ks), pass_curve(drawn, samples.c + _unjudged(samples), ks)
