"""Base against tuned by their exact tables; nats. No torch."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from rlvr.analysis.alignment import exact_alignment
from rlvr.exact.table import Table
from rlvr.worlds import World
from verifiers.types import Problem


def exact_comparison(
    world: World,
    problems: Sequence[Problem],
    base: Sequence[Table],
    tuned: Sequence[Table],
    temperature: float = 1.0,
) -> dict[str, Any]:
    """Base against tuned by their exact tables, one per problem; JSON-able, means over problems.

    Keys: per policy (`base`, `tuned`) what `summary` gives; `divergence`: the means of `divergences`;
    `kl_efficiency` = Σ kl(q‖p) / Σ KL(π‖p0) over problems (None where KL(π‖p0) is 0 or infinite);
    `per_problem`: the same as lists.

    Traces that are in no table are one atom "elsewhere", counted as wrong. So each exact pass@1 is a lower
    bound, short by at most `mass_outside_support`, and KL(π‖p0) is that of the coarsened laws, a lower bound
    too (data processing).
    """
    split = [divergences(b, t) for b, t in zip(base, tuned, strict=True)]
    per_problem: dict[str, Any] = {"problem_id": [problem.id for problem in problems]}
    for name, policy in (("base", base), ("tuned", tuned)):
        per_problem[f"{name}_pass_at_1"] = [t.pass_at_1 for t in policy]
        per_problem[f"{name}_sound_share"] = [_share(t.mass(t.sound), t.pass_at_1) for t in policy]
        per_problem[f"{name}_mass_outside_support"] = [t.outside for t in policy]
    for name in split[0]:
        per_problem[name] = [row[name] for row in split]
    spent = sum(row["kl_base"] or 0.0 for row in split)
    return {
        "n_problems": len(problems),
        "temperature": temperature,
        "base": summary(world, base),
        "tuned": summary(world, tuned),
        "divergence": {name: _mean(row[name] for row in split) for name in split[0]},
        "kl_efficiency": _share(sum(row["kl_success"] or 0.0 for row in split), spent),
        "per_problem": per_problem,
    }


def divergences(base: Table, tuned: Table) -> dict[str, float | None]:
    """How far one problem's tuned policy π went from p0, and which way.

    With V the verdict, p, q the success rates, π* = p0(· | V=1), π_V = π(· | V=1):
    kl_base = KL(π‖p0) = kl_success + q · kl_forward + (1 − q) · kl_wrong, the chain rule over V, where
    kl_success = kl(q‖p), kl_forward = KL(π_V‖π*), kl_wrong = KL(π_¬V‖p0_¬V); kl_reverse = KL(π*‖π).
    None where a policy gives a class no mass, so that there is nothing to condition on; inf where p0 (in
    kl_reverse: π) rules out what the other does.
    """
    found = exact_alignment(base.logp, tuned.logp, base.verified)
    nats = {
        "kl_base": found.kl_pi_p0,
        "kl_success": found.kl_bernoulli,
        "kl_forward": found.kl_verified,
        "kl_wrong": found.kl_unverified,
        "kl_reverse": found.kl_target_pi,
    }
    return {name: None if np.isnan(value) else float(value) for name, value in nats.items()}


def summary(world: World, policy: Sequence[Table], ks: Sequence[int] = (1, 4, 16, 64, 256)) -> dict[str, Any]:
    """One policy's exact figures, means over problems.

    Keys: `pass_at_k`; `sound_share_of_verified`; `strategies`, the shares of all traces; `posterior_strategies`,
    those of the posterior p(z | x, verified), over problems that have one; `mass_outside_support`. None where
    nothing is verified.
    """
    right = sum(t.pass_at_1 for t in policy)
    shares = [t.strategy_shares(world.strategies) for t in policy]
    posterior = [t.strategy_shares(world.strategies, verified=True) for t in policy if t.pass_at_1 > 0]
    return {
        "pass_at_k": {str(k): _mean(t.pass_at_k(k) for t in policy) for k in ks},
        "sound_share_of_verified": _share(sum(t.mass(t.sound) for t in policy), right),
        "strategies": {s: _mean(each[s] for each in shares) for s in shares[0]},
        "posterior_strategies": {s: _mean(each[s] for each in posterior) for s in shares[0]},
        "mass_outside_support": _mean(t.outside for t in policy),
    }


def _share(part: float, whole: float) -> float | None:
    """None where the whole is 0 or infinite."""
    return part / whole if 0 < whole < np.inf else None


def _mean(values: Iterable[float | None]) -> float | None:
    """Over the values that are defined; None where there are none."""
    defined = [value for value in values if value is not None]
    return float(np.mean(defined)) if defined else None
