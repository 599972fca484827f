"""One policy's evaluation in numbers: the entry of `policies` in report.json."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from rlvr.analysis.bootstrap import ClusterBootstrap, mean_estimates
from rlvr.analysis.estimate import NO_DATA, Estimate, plain
from rlvr.analysis.passk import pass_curve, pass_hat_k, pass_variance
from rlvr.analysis.samples import Floats, Ints, Samples


def powers_of_two(top: int) -> list[int]:
    """1, 2, 4, … up to `top`, and `top` itself; empty if top < 1."""
    return sorted(
        {*(2**i for i in range(max(top, 0).bit_length()) if 2**i <= top), *([top] if top > 0 else [])}
    )


def usual_n(n: Ints) -> int:
    """The number of samples that a problem of this evaluation usually has: the smallest above half the median.

    Curves end here. A few problems that lost most of their samples should not shorten everybody's curve; they are
    left out beyond their own n and counted as excluded.
    """
    some = n[n > 0]
    return int(some[some >= np.median(some) / 2].min()) if len(some) else 0


def keyed(ks: Sequence[int], estimates: Sequence[Estimate]) -> dict[str, dict[str, Any]]:
    """{"1": estimate, "2": …}, as report.json has it."""
    return {str(k): estimate.to_json() for k, estimate in zip(ks, estimates, strict=True)}


def summarise(
    samples: Samples, ks: Sequence[int] | None = None, replicates: int = 2000, seed: int = 0
) -> dict[str, Any]:
    """Every quantity of one policy alone. `ks` defaults to the powers of two up to the usual number of samples."""
    ks = powers_of_two(usual_n(samples.n)) if ks is None else list(ks)
    boot = ClusterBootstrap(samples.n_problems, replicates, seed)
    n, c = samples.n, samples.c
    return {
        "policy": samples.policy,
        "n_problems": samples.n_problems,
        "n_samples": samples.n_samples,
        "samples_per_problem": {"min": int(n.min(initial=0)) if len(n) else 0, "max": int(n.max(initial=0))},
        "excluded": _total(samples.excluded),
        "truncated": share(samples.truncated, samples),
        "no_answer": share(samples.no_answer, samples),
        "statuses": dict(samples.statuses),
        "tokens": _tokens(samples, boot),
        "pass_at_k": _curve_with_fixed_se(n, c, ks, boot),
        "pass_hat_k": keyed(ks, mean_estimates(_columns(pass_hat_k, n, c, ks), boot)),
        "solved": int(np.sum(c > 0)),
    }


def _columns(function: Any, n: Ints, c: Ints, ks: Sequence[int]) -> Floats:
    return np.asarray(function(n[:, None], c[:, None], np.asarray(ks)[None, :])).reshape(len(n), len(ks))


def _curve_with_fixed_se(n: Ints, c: Ints, ks: Sequence[int], boot: ClusterBootstrap) -> dict[str, Any]:
    """pass@k with the population SE, and beside it the SE for these problems only (NaN where 2k > n)."""
    rows = keyed(ks, mean_estimates(pass_curve(n, c, np.asarray(ks)), boot))
    for k, fixed in zip(ks, fixed_se(n, c, ks), strict=True):
        rows[str(k)]["se_fixed"] = plain(float(fixed))
    return rows


def fixed_se(n: Ints, c: Ints, ks: Sequence[int]) -> Floats:
    """√(Σ v̂)/M over problems with n >= k: the error for a fixed benchmark. NaN unless all of these have n >= 2k."""
    variance = _columns(pass_variance, n, c, ks)
    used = (n[:, None] >= np.asarray(ks)[None, :]) & (n[:, None] > 0)
    total = np.where(used, variance, 0.0).sum(axis=0)  # NaN stays where a used problem is too shallow
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(used.any(axis=0), np.sqrt(total) / used.sum(axis=0), np.nan)


def _total(column: Ints | None) -> int | None:
    return None if column is None else int(column.sum())


def share(column: Ints | None, samples: Samples) -> dict[str, Any]:
    """A count of samples and its share of the scored ones."""
    if column is None:
        return {"count": None, **Estimate(None, status=NO_DATA).to_json()}
    total = samples.n_samples
    value = column.sum() / total if total else None
    return {
        "count": int(column.sum()),
        **Estimate(value, status="ok" if total else NO_DATA, used=total).to_json(),
    }


def _tokens(samples: Samples, boot: ClusterBootstrap) -> dict[str, Any]:
    if samples.tokens is None:
        return Estimate(None, status=NO_DATA, excluded=samples.n_problems).to_json()
    return mean_estimates(samples.tokens[:, None], boot)[0].to_json()
