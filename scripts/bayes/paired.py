"""A measure with examples and with random ones, and their difference on the same queries."""

from __future__ import annotations

from typing import Any

import numpy as np

from rlvr.analysis.bootstrap import ClusterBootstrap
from rlvr.analysis.samples import Floats

SHOWN = ("examples", "random examples")
KINDS = (*SHOWN, "difference")


def compared(rows: Floats) -> dict[str, dict[str, Any]]:
    """(2, 2, B) of `alike`, with examples and with random ones: both means and their difference on the same queries.

    The 95 % intervals draw queries anew, the same ones for both; None where nothing weighs.
    """
    n = int(rows[0, 1].sum())  # both weigh the same queries
    if n == 0:
        return {name: {"value": None, "lo": None, "hi": None, "n": 0} for name in KINDS}
    boot = ClusterBootstrap(rows.shape[-1])
    with np.errstate(invalid="ignore"):
        drawn = [boot.sums(sums) / boot.sums(weights) for sums, weights in rows]
    means = rows[:, 0].sum(-1) / rows[:, 1].sum(-1)
    found = {}
    for name, value, draws in zip(
        KINDS, (*means, means[0] - means[1]), (*drawn, drawn[0] - drawn[1]), strict=True
    ):
        lo, hi = np.nanquantile(draws, (0.025, 0.975))
        found[name] = {"value": float(value), "lo": float(lo), "hi": float(hi), "n": n}
    return found
