"""Do the 95 % intervals cover the truth 95 % of the time? Simulated populations, the very functions of the
report.

python scripts/study/coverage_study.py [--experiments 1000] [--problems 50 200] [--docs docs/metrics.md] [--json FILE]

Each experiment draws M problems from a known population of (base rate, tuned rate), samples counts, and asks
the functions behind `rlvr.analysis.sections.compare` for their intervals. pass@1, pass@k, the paired gain, k* and R
are held against the population's truth. The parts C, X, U, E, F and ρ are made of positive parts, which noise
in the counts biases: they are held against their expected plug-in values at the same (n0, n1), and their bias
is shown beside the churn floor. Both kinds of truth are exact sums over a grid of the population, not
simulations. One thread; the settings take turns, and `--minutes` ends the study early with the experiments
done so far.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from dataclasses import asdict, dataclass
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before numpy is imported

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import betaincinv
from scipy.stats import binom

from rlvr.analysis.bootstrap import ClusterBootstrap, mean_estimates
from rlvr.analysis.compression import COMPONENTS, churn, decompose
from rlvr.analysis.estimate import EstimateJson
from rlvr.analysis.pair import Pair
from rlvr.analysis.samples import Samples
from rlvr.analysis.sections.decomposition import compression, ratios, roots
from rlvr.machine import measured_on

Floats = NDArray[np.float64]
GRID = 400
MARKERS = (
    "<!-- coverage study: written by scripts/study/coverage_study.py -->",
    "<!-- end of the coverage study -->",
)


@dataclass(frozen=True)
class Population:
    """Base rates from Beta(a, b), with `zero` of the problems beyond the base; `tune` moves the rates."""

    name: str
    a: float
    b: float
    zero: float
    tilt: float  # what tuning adds to the log-odds of a problem the base can solve
    lost: float  # share of problems on which tuning loses part of the rate
    found: float  # tuned rate of a problem beyond the base
    kept: float = 0.5  # what it keeps there

    def grid(self, points: int = GRID) -> tuple[Floats, Floats, Floats]:
        """(base rate, tuned rate, weight) of a fine grid of problems; quantiles, so that sums are
        integrals.
        """
        p = betaincinv(self.a, self.b, (np.arange(points) + 0.5) / points)
        q = p * np.exp(self.tilt) / (1 - p + p * np.exp(self.tilt))
        rates = [
            (p, q, (1 - self.zero) * (1 - self.lost)),
            (p, self.kept * p, (1 - self.zero) * self.lost),
            (np.zeros(1), np.array([self.found]), self.zero),
        ]
        base = np.concatenate([b for b, _, _ in rates])
        tuned = np.concatenate([t for _, t, _ in rates])
        weight = np.concatenate([np.full(len(b), share / len(b)) for b, _, share in rates])
        return base, tuned, weight / weight.sum()


POPULATIONS = (
    Population("strong base, as MATH-500", 0.63, 0.40, 0.02, 1.7, 0.10, 0.15),
    Population("weak base, large gain", 0.30, 1.50, 0.10, 3.0, 0.05, 0.30),
    Population("no change at all", 0.50, 1.00, 0.00, 0.0, 0.00, 0.00),
)
N0, N1, BUDGET = 128, 64, 8
"""Samples per problem of base and tuned, and K = N0/16."""
PASS_K = (1, 8, 32)


def truth(population: Population) -> dict[str, float]:
    """Population values of everything without plug-in bias, by sums over the grid."""
    p, q, w = population.grid()

    def base(k: float) -> float:
        return float(w @ -np.expm1(k * np.log1p(-p)))

    tuned_1, base_1 = float(w @ q), base(1)
    headroom = base(BUDGET) - base_1
    values = {f"base pass@{k}": base(k) for k in PASS_K}
    values |= {f"tuned pass@{k}": float(w @ -np.expm1(k * np.log1p(-q))) for k in PASS_K}
    values |= {f"gain at {k}": values[f"tuned pass@{k}"] - values[f"base pass@{k}"] for k in PASS_K}
    limit = base(N0)
    root = brentq(lambda k: base(k) - tuned_1, 1e-6, N0) if tuned_1 < limit else np.inf
    values["k*"] = float(root)  # pyright: ignore[reportArgumentType]
    values["R"] = (tuned_1 - base_1) / headroom
    return values


def expected_plug_in(population: Population) -> dict[str, float]:
    """E of the parts at (N0, N1): the exact double sum over the binomial counts of every grid problem."""
    p, q, w = population.grid()
    c0, c1 = np.meshgrid(np.arange(N0 + 1), np.arange(N1 + 1), indexing="ij")
    n0, n1 = np.full(c0.size, N0), np.full(c0.size, N1)
    parts = decompose(n0, c0.ravel(), n1, c1.ravel(), BUDGET)
    joint = np.einsum(
        "g,gi,gj->ij",
        w,
        binom.pmf(np.arange(N0 + 1), N0, p[:, None]),
        binom.pmf(np.arange(N1 + 1), N1, q[:, None]),
    )
    values = {name: float(joint.ravel() @ getattr(parts, name)) for name in COMPONENTS}
    values["rho"] = values["within"] / values["headroom"]
    values["churn floor"] = float(
        joint.sum(axis=1) @ churn(np.full(N0 + 1, N0), np.arange(N0 + 1), np.full(N0 + 1, N1))
    )
    return values


def noiseless_parts(population: Population) -> dict[str, float]:
    """The parts of the true rates themselves, so that plug-in minus this is the bias (base-zero
    gain counts as E).
    """
    p, q, w = population.grid()
    gain = np.maximum(q - p, 0)
    headroom = -np.expm1(BUDGET * np.log1p(-p)) - p
    within = np.where(p > 0, np.minimum(gain, headroom), 0)
    values = {
        "within": within,
        "beyond": np.where(p > 0, gain - within, 0),
        "unresolved": np.zeros(len(p)),
        "expansion": np.where(p > 0, 0, gain),
        "forgetting": np.maximum(p - q, 0),
        "headroom": headroom,
    }
    return {name: float(w @ value) for name, value in values.items()}


def experiment(population: Population, problems: int, seed: int, replicates: int) -> dict[str, EstimateJson]:
    """One simulated comparison: the estimates of the report, by name."""
    rng = np.random.default_rng(seed)
    p, q, w = population.grid()
    row = rng.choice(len(p), size=problems, p=w)
    ids = [str(i) for i in range(problems)]
    base = Samples.from_counts(ids, np.full(problems, N0), rng.binomial(N0, p[row]), "base")
    tuned = Samples.from_counts(ids, np.full(problems, N1), rng.binomial(N1, q[row]), "tuned")
    pair = Pair(base, tuned, ClusterBootstrap(problems, replicates, seed))
    parts = decompose(base.n, base.c, tuned.n, tuned.c, BUDGET)
    column = [pair.ks.index(k) for k in PASS_K]
    curves = [curve[:, column] for curve in pair.curves]
    stacked = np.concatenate([*curves, curves[1] - curves[0]], axis=1)
    names = [f"{what}{k}" for what in ("base pass@", "tuned pass@", "gain at ") for k in PASS_K]
    signed = [name.startswith("gain") for name in names]
    estimates = mean_estimates(stacked, pair.boot, signed)
    found: dict[str, EstimateJson] = {
        name: estimate.to_json() for name, estimate in zip(names, estimates, strict=True)
    }
    found["k*"] = roots(pair)["k_star"]
    ratio = ratios(pair, parts)
    found |= {"R": ratio["ratio_net"], "rho": ratio["ratio_gross"]}
    table = compression(pair, parts)
    return found | {name: table[name] for name in COMPONENTS}


@dataclass
class Tally:
    """What happened to one quantity's intervals."""

    covered: int = 0
    too_low: int = 0  # the whole interval below the truth
    too_high: int = 0
    width: float = 0.0
    gamma: int = 0  # intervals of the conservative kind, for means that few problems carry
    undefined: int = 0

    def add(self, found: EstimateJson, true: float) -> None:
        if found["lo"] is None or found["hi"] is None:
            self.undefined += 1
            return
        lo, hi = float(found["lo"]), float(found["hi"])
        slack = 1e-12
        self.too_low += hi < true - slack
        self.too_high += lo > true + slack
        self.covered += lo - slack <= true <= hi + slack
        self.gamma += found.get("interval") == "gamma"
        self.width += hi - lo if np.isfinite(hi) else 0.0

    @property
    def number(self) -> int:
        return self.covered + self.too_low + self.too_high


def study(
    settings: list[tuple[Population, int]], experiments: int, replicates: int, minutes: float
) -> dict[tuple[str, int], dict[str, Tally]]:
    """All experiments, the settings taking turns, until the number or the time is reached."""
    end = time.monotonic() + 60 * minutes
    truths = {population.name: truth(population) | expected_plug_in(population) for population, _ in settings}
    tallies: dict[tuple[str, int], dict[str, Tally]] = {(p.name, m): {} for p, m in settings}
    for seed in range(experiments):
        if time.monotonic() > end:
            break
        for population, problems in settings:
            table = tallies[population.name, problems]
            for name, found in experiment(population, problems, seed, replicates).items():
                table.setdefault(name, Tally()).add(found, truths[population.name][name])
    return tallies


LABELS = {
    "k*": "k*",
    "R": "R (net ratio)",
    "rho": "ρ (gross ratio)",
    "within": "C compression within K",
    "beyond": "X compression beyond K",
    "unresolved": "U unresolved",
    "expansion": "E expansion",
    "forgetting": "F forgetting",
    "headroom": "H headroom",
}


def report(tallies: dict[tuple[str, int], dict[str, Tally]], replicates: int) -> str:
    """A Markdown table per population: truth, bias of the plug-in, and coverage with its misses
    for each M.
    """
    lines = []
    for population in POPULATIONS:
        sizes = [m for name, m in tallies if name == population.name]
        if not sizes:
            continue
        true, clean = truth(population) | expected_plug_in(population), noiseless_parts(population)
        number = min(t.number + t.undefined for m in sizes for t in tallies[population.name, m].values())
        lines += [
            f"**{population.name}**: {number} experiments for each M; n0 = {N0}, n1 = {N1}, K = {BUDGET}, "
            f"{replicates} replicates; churn floor {100 * true['churn floor']:.2f} points.",
            "",
            "| quantity | held against | bias | "
            + " | ".join(f"M = {m}: covered | below, above | width | gamma" for m in sizes)
            + " |",
            "|---|---:|---:|" + "---:|---:|---:|---:|" * len(sizes),
        ]
        for name in tallies[population.name, sizes[0]]:
            bias = f"{true[name] - clean[name]:+.4f}" if name in clean else ""
            cells = [_cells(tallies[population.name, m][name]) for m in sizes]
            lines.append(
                f"| {LABELS.get(name, name)} | {true[name]:.4f} | {bias} | " + " | ".join(cells) + " |"
            )
        lines.append("")
    return "\n".join(lines)


def _cells(tally: Tally) -> str:
    if not tally.number:
        return "undefined | | | "
    share = 100 * tally.covered / tally.number
    mark = "" if 92 <= share <= 98 else " *"
    missed = f"{100 * tally.too_low / tally.number:.1f}, {100 * tally.too_high / tally.number:.1f}"
    width, gamma = tally.width / tally.number, 100 * tally.gamma / tally.number
    return f"{share:.1f} %{mark} | {missed} | {width:.3f} | {gamma:.0f} %"


def main() -> None:
    parser = argparse.ArgumentParser(description="Coverage of the 95 % intervals.")
    parser.add_argument("--experiments", type=int, default=1000)
    parser.add_argument("--problems", type=int, nargs="+", default=[50, 200])
    parser.add_argument("--replicates", type=int, default=1000)
    parser.add_argument("--minutes", type=float, default=60, help="stop after so long, whatever was reached")
    parser.add_argument(
        "--docs", type=Path, help="file whose part between the markers is replaced by the table"
    )
    parser.add_argument("--json", type=Path, help="write the tallies there")
    options = parser.parse_args()
    settings = [(population, m) for population in POPULATIONS for m in options.problems]
    tallies = study(settings, options.experiments, options.replicates, options.minutes)
    text = report(tallies, options.replicates)
    print(text)
    if options.json:
        rows = [
            {"population": population, "problems": m, "quantity": name} | asdict(tally)
            for (population, m), quantities in tallies.items()
            for name, tally in quantities.items()
        ]
        options.json.write_text(json.dumps({"tallies": rows, "machine": measured_on()}, indent=1) + "\n")
    if options.docs:
        page = options.docs.read_text(encoding="utf-8")
        before, rest = page.split(MARKERS[0])
        _, after = rest.split(MARKERS[1])
        options.docs.write_text(f"{before}{MARKERS[0]}\n{text}\n{MARKERS[1]}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
