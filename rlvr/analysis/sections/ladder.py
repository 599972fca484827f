"""The evidence ladder: what shots and hints do to the log-odds of success, and how many shots a run is worth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NotRequired, cast

import numpy as np
from typing_extensions import TypedDict

from rlvr.analysis.bootstrap import ClusterBootstrap, mean_estimates, trust
from rlvr.analysis.estimate import NO_DATA, Estimate, EstimateJson, RootJson
from rlvr.analysis.evidence import (
    LogOdds,
    evidence_equivalent,
    log_odds_estimate,
    log_odds_of,
    mantel_haenszel_terms,
)
from rlvr.analysis.intervals import percentile_interval
from rlvr.analysis.samples import Floats, Ints, Samples, align


@dataclass(frozen=True, eq=False)
class Rung:
    """One evaluation of base or tuned policy under some evidence."""

    policy: str
    """"base" or "tuned"."""
    shots: int | None
    """Worked examples in the prompt; None where the evidence differs in anything else (a hint)."""
    label: str
    """What the evidence is called: "4 shots", "hint"."""
    samples: Samples


class RungJson(TypedDict):
    policy: str
    shots: int | None
    label: str
    nats: LogOdds
    """Against the base with the fewest shots."""
    against_own: LogOdds
    """Against the same policy with the fewest shots."""
    pass_1: EstimateJson
    file: NotRequired[str]
    """Name of the rollout file; the report adds it."""


class Ladder(TypedDict):
    n_problems: int
    reference: str
    """Label of the base's rung with the fewest shots."""
    target: str
    """Label of the tuned policy's."""
    rungs: list[RungJson]
    equivalent: RootJson
    """In shots."""


def ladder(rungs: Sequence[Rung], replicates: int = 2000, seed: int = 0) -> Ladder:
    """Pooled log-odds of each rung against the base's rung with the fewest shots, in nats, on shared problems.

    `nats` is against that reference, `against_own` against the same policy's rung with the fewest shots.
    `equivalent` is the smallest number of shots at which the base's line reaches the tuned policy's first rung;
    all intervals come from the same bootstrap replicates over problems.

    Each policy needs a rung. Raises ValueError: the rungs share no problem, or the base has two rungs with the same
    number of shots.
    """
    order = sorted(range(len(rungs)), key=lambda i: _place(rungs[i]))
    rungs = [rungs[i] for i in order]
    held = _shared([rung.samples for rung in rungs])
    first = {policy: _first(rungs, policy) for policy in ("base", "tuned")}
    n, c = (np.stack(x).astype(np.float64) for x in ([s.n for s in held], [s.c for s in held]))
    boot = ClusterBootstrap(n.shape[1], replicates, seed)
    against = _LogOdds.of(n, c, [first["base"]] * len(rungs), boot)
    own = _LogOdds.of(n, c, [first[rung.policy] for rung in rungs], boot)
    rates = mean_estimates(np.divide(c, n, out=np.full(n.shape, np.nan), where=n > 0).T, boot)
    return {
        "n_problems": n.shape[1],
        "reference": rungs[first["base"]].label,
        "target": rungs[first["tuned"]].label,
        "rungs": [
            {
                "policy": rung.policy,
                "shots": rung.shots,
                "label": rung.label,
                "nats": against.estimate(i),
                "against_own": own.estimate(i),
                "pass_1": rates[i].to_json(),
            }
            for i, rung in enumerate(rungs)
        ],
        "equivalent": cast("RootJson", _equivalent(rungs, against, first["tuned"]).to_json()),
    }


def _place(rung: Rung) -> tuple[bool, bool, int]:
    """Base before tuned, shots in their order, hints last."""
    return rung.policy != "base", rung.shots is None, rung.shots or 0


def _first(rungs: Sequence[Rung], policy: str) -> int:
    """The policy's rung with the fewest shots."""
    return next(i for i, rung in enumerate(rungs) if rung.policy == policy)


def _shared(samples: Sequence[Samples]) -> list[Samples]:
    """All of them on the problems that every one of them has, in the first one's order."""
    first = samples[0]
    for other in samples[1:]:
        first = align(first, other)[0]
    if not first.n_problems:
        raise ValueError("the rungs share no problem")
    return [align(first, other)[1] for other in samples]


@dataclass(frozen=True, eq=False)
class _LogOdds:
    """Mantel-Haenszel of R rungs, each against one of them."""

    value: Floats
    """(R,)"""
    replicates: Floats
    """(replicates, R)"""
    used: Ints
    """(R,) problems that both sides were sampled on"""
    problems: int

    @classmethod
    def of(cls, n: Floats, c: Floats, against: Sequence[int], boot: ClusterBootstrap) -> _LogOdds:
        """`n` and `c` are (R, M)."""
        up, down = mantel_haenszel_terms(n[against], c[against], n, c)
        drawn = [boot.sums(side.T) for side in (up, down)]
        used = ((n > 0) & (n[against] > 0)).sum(axis=1)
        return cls(log_odds_of(up.sum(axis=1), down.sum(axis=1)), log_odds_of(*drawn), used, n.shape[1])

    def estimate(self, rung: int) -> LogOdds:
        used = int(self.used[rung])
        found = log_odds_estimate(
            float(self.value[rung]), self.replicates[:, rung], used, self.problems - used
        )
        return cast("LogOdds", found.to_json())


def _equivalent(rungs: Sequence[Rung], odds: _LogOdds, target: int) -> Estimate:
    """In shots. Replicates that never reach the target count as infinite, so that `hi` may be."""
    line = [i for i, rung in enumerate(rungs) if rung.policy == "base" and rung.shots is not None]
    shots = np.array([rungs[i].shots for i in line], dtype=np.float64)
    used = int(odds.used[[*line, target]].min())
    if len(line) < 2 or not np.isfinite(odds.value[[*line, target]]).all():
        return Estimate(None, status=NO_DATA, used=used, excluded=odds.problems - used)
    value, status = evidence_equivalent(shots, odds.value[line], float(odds.value[target]))
    drawn = np.array([_shots_at(shots, row[line], row[target]) for row in odds.replicates])
    lo, hi = percentile_interval(drawn, used)
    return Estimate(
        value,
        float(drawn.std(ddof=1)) if np.isfinite(drawn).all() else None,
        float(lo),
        float(hi),
        trust(used) if status == "ok" else status,
        used,
        odds.problems - used,
        extra={"bound": int(shots[-1]), "share_censored": float(np.mean(np.isinf(drawn)))},
    )


def _shots_at(shots: Floats, line: Floats, target: float) -> float:
    """One replicate's number of shots: infinite where it is censored, NaN where its line is not defined."""
    if np.isnan(target) or not np.isfinite(line).all():
        return np.nan
    value, _ = evidence_equivalent(shots, line, target)
    return np.inf if value is None else value
