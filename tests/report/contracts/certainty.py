"""What a comparison says beside its intervals: evidence in nats, verifier noise, sizing, samples without a verdict."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from statistics import fmean, variance
from typing import Any

import numpy as np

from tests.report.contracts import policy as one
from tests.report.contracts.pair import Pair, Z, moves
from tests.report.contracts.rows import Estimate, Mean, Number, Policy, Ratio, difference


def log_odds(rows: Sequence[tuple[int, int, int, int]], given: dict[str, Any]) -> Ratio:
    """Mantel and Haenszel, in nats; β_eff and its ends are the inverses of what the estimate says."""
    drawn = [(n0, c0, n1, c1) if n0 and n1 else None for n0, c0, n1, c1 in rows]
    up = [None if r is None else r[3] * (r[0] - r[1]) / (r[0] + r[2]) for r in drawn]
    down = [None if r is None else r[1] * (r[2] - r[3]) / (r[0] + r[2]) for r in drawn]
    found = Ratio(up, down, of=lambda top, bottom: math.log(top / bottom))
    lo, hi = given["lo"], given["hi"]
    bounded = lo * hi > 0
    ends = {"beta_eff_lo": 1 / hi if bounded else None, "beta_eff_hi": 1 / lo if bounded else None}
    return Ratio(up, down, {"beta_eff": 1 / found.value if found.value else None, **ends}, of=found.of)


def corrected(pair: Pair, name: str) -> Estimate:
    """Rogan and Gladen; the audit's own errors widen the standard error."""
    audit, policy = pair.audits[name], pair.base if name == pair.before.name else pair.tuned
    fpr, fnr = audit["false_positives"] / audit["wrong"], audit["false_negatives"] / audit["right"]
    sharp = 1 - fpr - fnr
    rate = Mean([(c / n - fpr) / sharp if n else None for n, c in policy.counts])
    value, se = rate.value or 0.0, rate.se or 0.0
    noise = (1 - value) ** 2 * fpr * (1 - fpr) / audit["wrong"] + value**2 * fnr * (1 - fnr) / audit["right"]
    wide = math.sqrt(se**2 + noise / sharp**2)
    return Estimate({
        "value": value, "se": wide, "lo": value - Z * wide, "hi": value + Z * wide, "used": rate.used,
        "excluded": rate.excluded, "status": "ok", "fpr": fpr, "fnr": fnr,
        "audited_wrong": audit["wrong"], "audited_right": audit["right"],
    })  # fmt: skip


def floor(pair: Pair, rate: str, k: str) -> float:
    assert not pair.audits or float(rate) in {a["false_positives"] / a["wrong"] for a in pair.audits.values()}
    return 1 - (1 - float(rate)) ** int(k)


def sizing(pair: Pair, name: str, key: str) -> float:
    """docs/metrics.md, "How many problems and samples"."""
    if name == "paired":
        spread = variance([d for d in moves(pair, 1) if d is not None])
        return {"variance": spread, "problems_for_1_point": math.ceil((Z / 0.01) ** 2 * spread)}[key]
    policy = pair.base if name == pair.before.name else pair.tuned
    other = pair.tuned if policy is pair.base else pair.base
    rows = [c for c, d in zip(policy.counts, other.counts, strict=True) if c[0] >= 2 and d[0] >= 2]
    first, second = (fmean(one.pass_at(n, c, k) or 0.0 for n, c in rows) for k in (1, 2))
    within = second - first
    between = max(first - within - first**2, 0)
    n = int(np.median([n for n, _ in rows]))
    return {
        "between_var": between,
        "mean_pq": within,
        "half_width_fixed": Z * math.sqrt(within / (len(rows) * n)),
        "half_width_population": Z * math.sqrt((between + within / n) / len(rows)),
        "samples_for_1_point_fixed": math.ceil((Z / 0.01) ** 2 * within),
        "problems_for_1_point_population": math.ceil((Z / 0.01) ** 2 * (between + within / n)),
    }[key]


def unjudged(policy: Policy) -> list[Number]:
    return [u / (n + u) if n + u else None for n, u in zip(policy.n, policy.unjudged, strict=True)]


def extreme(pair: Pair, before: str, after: str) -> Mean:
    """Gain in pass@1 with the samples without a verdict as wrong ("lower") or right ("upper")."""
    sides = (one.bounds(pair.base, before, "1"), one.bounds(pair.tuned, after, "1"))
    return Mean(difference(*(side.values for side in sides)))


def both_known(pair: Pair, which: int) -> Mean:
    shares = list(zip(unjudged(pair.base), unjudged(pair.tuned), strict=True))
    return Mean([None if None in row else row[which] for row in shares])


CERTAINTY: dict[str, Callable[..., Any]] = {
    "evidence/unit": lambda p: "nats",
    "noise/fpr_assumed": lambda p: not p.audits,
    "noise/fpr_floor/*/*": floor,
    "noise/corrected_pass_1/*": corrected,
    "sizing/*/*": sizing,
    "unjudged/share_base": lambda p: both_known(p, 0),
    "unjudged/share_tuned": lambda p: both_known(p, 1),
    "unjudged/difference": lambda p: Mean(difference(unjudged(p.base), unjudged(p.tuned))),
    "unjudged/gain_wrong": lambda p: extreme(p, "lower", "lower"),
    "unjudged/gain_lower": lambda p: extreme(p, "upper", "lower"),
    "unjudged/gain_upper": lambda p: extreme(p, "lower", "upper"),
}
"""Pattern under `comparison` → what the figure is."""

SEEN: dict[str, Callable[[Pair, Any, Any], Any]] = {
    "evidence/pooled": lambda p, given, around: log_odds(p.counts, given),
    "unjudged/differs": lambda p, given, around: (
        around["difference"]["lo"] > 0 or around["difference"]["hi"] < 0
    ),
}
"""The same, of figures that rest on an interval which the report gives: the function sees the figure and what is around
it as well."""
