"""A verifier errs: what that does to rates and to pass@k, and how far it can be undone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import gammaln, xlogy

from rlvr.analysis.bootstrap import mean_and_se, trust
from rlvr.analysis.estimate import NO_DATA, Estimate, EstimateJson
from rlvr.analysis.passk import log_failure
from rlvr.analysis.samples import Floats
from rlvr.analysis.sizing import Z


@dataclass(frozen=True, slots=True)
class Audit:
    """A hand audit of one policy's samples: how many truly wrong and right ones were checked, and
    misjudged.
    """

    wrong: int
    false_positives: int
    right: int
    false_negatives: int

    def __post_init__(self) -> None:
        if not (0 <= self.false_positives <= self.wrong and 0 <= self.false_negatives <= self.right):
            raise ValueError(f"more misjudged samples than audited ones: {self}")
        if min(self.wrong, self.right) < 1:
            raise ValueError(f"error rates need audited samples on both sides: {self}")

    @property
    def fpr(self) -> float:
        return self.false_positives / self.wrong

    @property
    def fnr(self) -> float:
        return self.false_negatives / self.right


@dataclass(frozen=True, eq=False)
class Corrected:
    """Per problem (M,): success rate corrected for verifier errors, unclipped and clipped, and corrected
    pass@k.

    NaN where undefined. `status` says why, or that a value is not a rate: "ok", "no_data" (n = 0 or k > n),
    "not_identified" (a verifier no better than chance, J <= 0) or "outside_unit_interval".
    """

    rate: Floats
    clipped: Floats
    pass_at_k: Floats
    status: NDArray[np.str_]


class AuditedRate(EstimateJson):
    """`audited_rate` in report.json."""

    fpr: float
    fnr: float
    audited_wrong: int
    audited_right: int


def fpr_floor(fpr: ArrayLike, k: ArrayLike) -> Floats:
    """pass@k that false positives alone produce: 1-(1-FPR)^k."""
    with np.errstate(divide="ignore"):
        return -np.expm1(np.asarray(k, dtype=np.float64) * np.log1p(-np.asarray(fpr, dtype=np.float64))) + 0.0


def correct_for_verifier(n: ArrayLike, c: ArrayLike, fpr: float, fnr: float, k: int = 1) -> Corrected:
    """Undo known error rates (Rogan & Gladen 1978), J = 1-FPR-FNR.

    pass@k is unbiased: 1 - J^{-k} Σ_j C(k,j) (-FNR)^{k-j} F_j; its variance grows like J^{-2k}, so keep k <=
    16. It assumes error rates that do not depend on the problem (guessable answers) or the policy (reward
    hacking).
    """
    for name, rate in (("fpr", fpr), ("fnr", fnr)):
        if not 0 <= rate <= 1:
            raise ValueError(f"{name} must lie in [0, 1], got {rate}")
    n, c = np.broadcast_arrays(np.asarray(n, dtype=np.float64), np.asarray(c, dtype=np.float64))
    youden = 1 - fpr - fnr
    nothing = np.full(n.shape, np.nan)
    defined = (n > 0) & (k <= n)
    if youden <= 1e-15:
        return Corrected(nothing, nothing, nothing, np.where(defined, "not_identified", "no_data"))
    with np.errstate(invalid="ignore", divide="ignore"):
        rate = np.where(defined, (c / n - fpr) / youden, np.nan)
    value = np.where(defined, 1 - _corrected_failure(n, c, fnr, youden, k), np.nan)
    if k == 1:
        value = rate
    outside = np.where((rate < 0) | (rate > 1), "outside_unit_interval", "ok")
    return Corrected(rate, np.clip(rate, 0, 1), value, np.where(defined, outside, "no_data"))


def _corrected_failure(n: Floats, c: Floats, fnr: float, youden: float, k: int) -> Floats:
    j = np.arange(k + 1)
    choose = gammaln(k + 1) - gammaln(j + 1) - gammaln(k - j + 1)
    log_size = choose + xlogy(k - j, fnr) - k * np.log(youden)
    sign = np.where((k - j) % 2 == 0, 1.0, -1.0)
    fail = np.exp(log_size + log_failure(n[..., None], c[..., None], j))
    return np.sum(sign * fail, axis=-1)


def corrected_variance(variance: ArrayLike, rate: ArrayLike, audit: Audit) -> Floats:
    """Variance of a corrected rate: that of the uncorrected one over J², plus that of the audited error
    rates.
    """
    rate, youden = np.asarray(rate, dtype=np.float64), 1 - audit.fpr - audit.fnr
    of_fpr = audit.fpr * (1 - audit.fpr) / audit.wrong
    of_fnr = audit.fnr * (1 - audit.fnr) / audit.right
    return (np.asarray(variance) + (1 - rate) ** 2 * of_fpr + rate**2 * of_fnr) / youden**2


def audited_rate(n: ArrayLike, c: ArrayLike, audit: Audit) -> Estimate:
    """Mean pass@1 over problems corrected by an audit; population SE widened by the audit's own
    uncertainty.
    """
    found = correct_for_verifier(n, c, audit.fpr, audit.fnr)
    used = int(np.sum(~np.isnan(found.rate)))
    extra = {"fpr": audit.fpr, "fnr": audit.fnr, "audited_wrong": audit.wrong, "audited_right": audit.right}
    if not used:
        status = "not_identified" if np.any(found.status == "not_identified") else NO_DATA
        return Estimate(None, status=status, excluded=len(found.rate), extra=extra)
    mean, se = mean_and_se(found.rate)
    wide = float(np.sqrt(corrected_variance((se * (1 - audit.fpr - audit.fnr)) ** 2, mean, audit)))
    status = trust(used) if 0 <= mean <= 1 else "outside_unit_interval"
    lo, hi = float(mean) - Z * wide, float(mean) + Z * wide
    return Estimate(float(mean), wide, lo, hi, status, used, len(found.rate) - used, extra)
