"""Coverage of what is measured over several evaluations: rungs of the evidence ladder, and training runs.

Called by tests/analysis/test_coverage.py beside `coverage_whole`. Each function does so many experiments and returns
path → record.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from coverage_study import Population
from coverage_whole import Record

from rlvr.analysis.estimate import Estimate, EstimateJson
from rlvr.analysis.runs import between_runs, contrast
from rlvr.analysis.samples import Samples
from rlvr.analysis.sections.ladder import Rung, ladder

SHOTS = {0: 0.0, 2: 0.5, 4: 0.9, 8: 1.2}
"""Worked examples → what they add to the log-odds of every problem under the base."""
TUNED = {0: 1.0, 4: 1.5}
EQUIVALENT = 4 + 4 * (1.0 - 0.9) / (1.2 - 0.9)
"""Shots at which the base's line reaches the tuned policy's 1.0 nats."""


def of_ladder(population: Population, experiments: int, problems: int, n: int = 24) -> dict[str, Record]:
    """Every problem's log-odds move by the same number of nats, which is then the pooled log-odds ratio too."""
    rates, _, weight = population.grid(100)
    rates = np.clip(rates, 1e-3, 1 - 1e-3)
    asked = [("base", shots, nats) for shots, nats in SHOTS.items()]
    asked += [("tuned", shots, nats) for shots, nats in TUNED.items()]
    moved = [rates * np.exp(nats) / (1 - rates + rates * np.exp(nats)) for _, _, nats in asked]
    records: dict[str, Record] = {"equivalent": Record(EQUIVALENT)}
    for seed in range(experiments):
        rng = np.random.default_rng(seed)
        rows = rng.choice(len(rates), size=problems, p=weight)
        ids = [str(i) for i in range(problems)]
        rungs = [
            Rung(policy, shots, f"{shots} shots", Samples.from_counts(ids, np.full(problems, n), c, policy))
            for (policy, shots, _), rate in zip(asked, moved, strict=True)
            for c in [rng.binomial(n, rate[rows])]
        ]
        found = ladder(rungs, replicates=500, seed=seed)
        records["equivalent"].add(found["equivalent"])
        for rung, (policy, shots, nats), rate in zip(found["rungs"], asked, moved, strict=True):
            own = nats - (TUNED[0] if policy == "tuned" else 0.0)
            for name, truth, e in (
                ("nats", nats, rung["nats"]),
                ("against_own", own, rung["against_own"]),
                ("pass_1", float(weight @ rate), rung["pass_1"]),
            ):
                records.setdefault(f"{policy}, {shots} shots/{name}", Record(truth)).add(e)
    return records


def of_runs(experiments: int) -> dict[str, Record]:
    """Runs whose gain is normal around their method's: Student's t over runs and Welch's interval are exact, or nearly
    so, for as few as three.
    """
    methods: Mapping[str, tuple[float, float, int]] = {
        "a": (0.10, 0.02, 3),
        "b": (0.16, 0.05, 4),
    }  # mean gain, spread between runs, runs
    records = {name: Record(mean) for name, (mean, _, _) in methods.items()}
    records["b - a"] = Record(0.06)
    rng = np.random.default_rng(0)
    for _ in range(experiments):
        held: dict[str, list[EstimateJson | None]] = {
            name: [Estimate(value, 0.01, status="ok").to_json() for value in rng.normal(mean, spread, runs)]
            for name, (mean, spread, runs) in methods.items()
        }
        for name, runs in held.items():
            records[name].add(_row(between_runs(runs)))
        records["b - a"].add(_row(contrast(held["a"], held["b"])))
    return records


def _row(estimate: Estimate) -> dict[str, Any]:
    return {**estimate.to_json()}
