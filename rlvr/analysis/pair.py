"""Two evaluations on their shared problems, with the bootstrap replicates that all their intervals share."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from typing_extensions import TypedDict

from rlvr.analysis.bootstrap import ClusterBootstrap, mean_and_se, mean_estimates, trust
from rlvr.analysis.compression import safe_ratio
from rlvr.analysis.estimate import NO_DATA, Estimate, EstimateJson, Number, plain
from rlvr.analysis.intervals import bca_interval, percentile_interval, rare_ratio_interval
from rlvr.analysis.passk import pass_curve
from rlvr.analysis.samples import Floats, Ints, Samples, align


def usual_n(n: Ints) -> int:
    """The smallest number of samples above half the median: how deep the curves of this evaluation go.

    A few problems that lost most of their samples should not shorten everybody's curve; beyond their own n
    they are left out and counted as excluded.
    """
    some = n[n > 0]
    return int(some[some >= np.median(some) / 2].min()) if len(some) else 0


def powers_of_two(top: int) -> list[int]:
    """1, 2, 4, … up to `top`, and `top` itself; empty if top < 1."""
    return sorted(
        {*(2**i for i in range(max(top, 0).bit_length()) if 2**i <= top), *([top] if top > 0 else [])}
    )


def keyed(ks: Sequence[int], estimates: Sequence[Estimate]) -> dict[str, EstimateJson]:
    """{"1": estimate, "2": …}, as report.json has it."""
    return {str(k): estimate.to_json() for k, estimate in zip(ks, estimates, strict=True)}


class _Ends(TypedDict):
    base: Number
    tuned: Number


class Change(EstimateJson, _Ends):
    """Paired tuned - base, with the two means that it is the difference of: all three over the same problems."""


def changes(keys: Sequence[object], base: Floats, tuned: Floats, boot: ClusterBootstrap) -> dict[str, Change]:
    """The change of each column of (M, Q), by key. Problems where one side is NaN are in neither mean."""
    base, tuned = both_defined(base, tuned)
    rows = mean_estimates(tuned - base, boot, signed=True)
    before, after = (mean_and_se(side)[0] for side in (base, tuned))
    return {
        str(key): {**rows[q].to_json(), "base": plain(before[q]), "tuned": plain(after[q])}
        for q, key in enumerate(keys)
    }


def no_change(excluded: int = 0) -> Change:
    """Where nothing says it."""
    return {
        **Estimate(None, status=NO_DATA, excluded=excluded).to_json(),
        "base": None,
        "tuned": None,
    }


def means(
    columns: dict[str, Floats], boot: ClusterBootstrap, signed: Collection[str] = ()
) -> dict[str, EstimateJson]:
    """Named columns of one value per problem -> named estimates of their means; `signed` may have
    either sign.
    """
    table = mean_estimates(
        np.stack(list(columns.values()), axis=1), boot, [name in signed for name in columns]
    )
    return {name: estimate.to_json() for name, estimate in zip(columns, table, strict=True)}


def ratio_estimate(
    top: Floats, bottom: Floats, boot: ClusterBootstrap, signed: bool = False, empty: str = NO_DATA
) -> EstimateJson:
    """Σ top/Σ bottom over problems (M,), NaN left out, with its bootstrap interval; status `empty` if Σ
    bottom is 0.

    BCa for shares; the percentile interval for ratios that may have either sign.
    """
    known = ~np.isnan(top) & ~np.isnan(bottom)
    columns = np.where(known[:, None], np.stack([top, bottom], axis=1), 0.0)
    used, excluded = int(known.sum()), int((~known).sum())
    value = float(safe_ratio(*columns.sum(axis=0)))
    if np.isnan(value):
        return Estimate(None, status=empty, used=used, excluded=excluded).to_json()
    drawn = boot.sums(columns)
    replicates = safe_ratio(drawn[:, 0], drawn[:, 1])
    if signed:
        lo, hi = percentile_interval(replicates, used)
    else:
        influence = columns[:, 0] - value * columns[:, 1]
        lo, hi = bca_interval(replicates, value, influence, used)
        lo, hi = rare_ratio_interval(columns[known, 0], columns[known, 1], lo, hi)
    se = float(np.nanstd(replicates, ddof=1))
    return Estimate(value, se, float(lo), float(hi), trust(used), used, excluded).to_json()


@dataclass(frozen=True, eq=False)
class Pair:
    """`base` and `tuned` restricted to shared problems, in the same order."""

    base: Samples
    tuned: Samples
    boot: ClusterBootstrap

    @classmethod
    def of(cls, base: Samples, tuned: Samples, replicates: int, seed: int) -> Pair:
        """Raises ValueError if they share no problem."""
        shared_base, shared_tuned = align(base, tuned)
        if not shared_base.n_problems:
            raise ValueError(f"{base.policy!r} and {tuned.policy!r} share no problem: nothing to compare")
        return cls(shared_base, shared_tuned, ClusterBootstrap(shared_base.n_problems, replicates, seed))

    @cached_property
    def top(self) -> int:
        """The largest k that both policies usually reach."""
        return min(usual_n(self.base.n), usual_n(self.tuned.n))

    @cached_property
    def ks(self) -> list[int]:
        return powers_of_two(self.top)

    @cached_property
    def curves(self) -> tuple[Floats, Floats]:
        """pass@k per problem at `ks`, (M, Q) each; NaN in both where either is undefined."""
        ks = np.asarray(self.ks)
        return both_defined(
            pass_curve(self.base.n, self.base.c, ks), pass_curve(self.tuned.n, self.tuned.c, ks)
        )


def both_defined(base: Floats, tuned: Floats) -> tuple[Floats, Floats]:
    """Both arrays with NaN wherever either has it, so that their means rest on the same problems."""
    missing = np.isnan(base) | np.isnan(tuned)
    return np.where(missing, np.nan, base), np.where(missing, np.nan, tuned)
