"""The evidence ladder: what shots and hints do to the log-odds of success, and how many shots a run is worth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NotRequired, cast

import numpy as np
from typing_extensions import TypedDict

from rlvr.analysis.bootstrap import ClusterBootstrap, mean_estimates
from rlvr.analysis.estimate import Estimate, EstimateJson, RootJson
from rlvr.analysis.evidence import LogOdds
from rlvr.analysis.samples import Samples
from rlvr.analysis.sections.pooled import PooledOdds, shared


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
    held = shared([rung.samples for rung in rungs])
    first = {policy: _first(rungs, policy) for policy in ("base", "tuned")}
    n, c = (np.stack(x).astype(np.float64) for x in ([s.n for s in held], [s.c for s in held]))
    boot = ClusterBootstrap(n.shape[1], replicates, seed)
    against = PooledOdds.of(n, c, [first["base"]] * len(rungs), boot)
    own = PooledOdds.of(n, c, [first[rung.policy] for rung in rungs], boot)
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


def _equivalent(rungs: Sequence[Rung], odds: PooledOdds, target: int) -> Estimate:
    """In shots, on the base's line."""
    line = [i for i, rung in enumerate(rungs) if rung.policy == "base" and rung.shots is not None]
    return odds.equivalent([rungs[i].shots or 0 for i in line], line, target)
