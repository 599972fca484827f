"""Every problem before and after: its counts, its rates with intervals, and what became of it."""

from __future__ import annotations

from typing import Literal, cast

import numpy as np
from typing_extensions import TypedDict

from rlvr.analysis.compression import clopper_pearson
from rlvr.analysis.passk import pass_at_k
from rlvr.analysis.posterior import beta_posterior
from rlvr.analysis.samples import Samples, align
from rlvr.analysis.sections.decomposition import Compression

Change = Literal["search", "beyond", "worse", "same", "unresolved", "certified", "unsolved"]
"""Better, better and clearly beyond K, worse, equal; and of problems that the base never solved: solved at times,
certified as expansion, still not solved."""


class Problems(TypedDict):
    """One entry per problem that both policies were sampled on; intervals are 95 %, Beta posterior under Jeffreys'
    prior.
    """

    problem_id: list[str]
    n_base: list[int]
    c_base: list[int]
    n_tuned: list[int]
    c_tuned: list[int]
    base: list[float]
    base_lo: list[float]
    base_hi: list[float]
    tuned: list[float]
    tuned_lo: list[float]
    tuned_hi: list[float]
    change: list[Change]
    median_n_base: float
    unseen_bound: float
    """What 0 of so many samples leaves possible at 95 %."""


def problems(base: Samples, tuned: Samples, compression: Compression) -> Problems:
    """`compression` is the section of the same two evaluations: it says K, and which problems are certified."""
    base, tuned = align(base, tuned)
    both = np.flatnonzero((base.n > 0) & (tuned.n > 0))
    base, tuned = base.select(both), tuned.select(both)
    before, after = beta_posterior(base.n, base.c), beta_posterior(tuned.n, tuned.c)
    median = float(np.median(base.n)) if len(both) else 0.0
    return {
        "problem_id": list(base.problem_ids),
        "n_base": base.n.tolist(),
        "c_base": base.c.tolist(),
        "n_tuned": tuned.n.tolist(),
        "c_tuned": tuned.c.tolist(),
        "base": (base.c / base.n).tolist(),
        "base_lo": before.lo.tolist(),
        "base_hi": before.hi.tolist(),
        "tuned": (tuned.c / tuned.n).tolist(),
        "tuned_lo": after.lo.tolist(),
        "tuned_hi": after.hi.tolist(),
        "change": _changes(base, tuned, compression),
        "median_n_base": median,
        "unseen_bound": float(clopper_pearson(int(median), 0, sided=1)[1]),
    }


def _changes(base: Samples, tuned: Samples, compression: Compression) -> list[Change]:
    """ "Beyond" only where the tuned rate's 95 % interval lies above the base's pass@K."""
    x, y = base.c / base.n, tuned.c / tuned.n
    reach = np.nan_to_num(pass_at_k(base.n, base.c, compression["search_budget"]), nan=1.0)
    clearly = clopper_pearson(tuned.n, tuned.c)[0] > reach
    solved = np.where(y > x, np.where(clearly, "beyond", "search"), np.where(y < x, "worse", "same"))
    certified = np.isin(base.problem_ids, compression["certified_simultaneous"]["problems"])
    first = np.where(certified, "certified", np.where(y > 0, "unresolved", "unsolved"))
    return cast("list[Change]", np.where(base.c == 0, first, solved).tolist())
