"""What the report estimates from samples, where the truth is a sum over every trace (docs/worlds.md)."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from scipy.stats import binom

from rlvr.analysis.compression import decompose
from rlvr.analysis.estimate import EstimateJson, RootJson, real
from rlvr.analysis.pair import Change
from rlvr.analysis.posterior import beta_posterior
from rlvr.analysis.samples import Floats, Ints, LogProbs, Samples
from rlvr.analysis.sections.compare import compare, summarise
from rlvr.theory.check import Check, Line
from rlvr.theory.table_policy import Laws, TablePolicy
from rlvr.theory.tables import laws

BUDGET = 16
"""The search budget K of the parts of the gain."""
REPLICATES = 400
LEAST = 0.9
"""Of the 95 % intervals, how many have to hold the exact value."""


def covered(experiments: int = 100, samples: int = 256) -> Check:
    """Each experiment draws problems and samples anew, as the intervals mean it."""
    check = Check(
        "Estimates", "What the report estimates from 256 samples a problem is what the tables say: of its 95 % "
        f"intervals, at least {100 * LEAST:.0f} % hold the exact value.",
    )  # fmt: skip
    known = laws()
    tuned = moved(known)
    exact = truths(known, tuned, samples)
    rng = np.random.default_rng(0)
    inside: dict[str, list[bool]] = {name: [] for name in exact}
    means: dict[str, list[float]] = {name: [] for name in exact}
    for _ in range(experiments):
        rows = rng.integers(len(known.log_p0), size=len(known.log_p0))
        evaluations = (drawn(known, policy, tuned, rows, samples, rng) for policy in ("base", "tuned"))
        for name, (value, lo, hi) in estimates(known, *evaluations).items():
            means[name].append(value)
            inside[name].append(lo <= exact[name] <= hi)
    for name, value in exact.items():
        check.lines += [
            Line(f"{name}, mean of {experiments} estimates", float(np.mean(means[name])), value),
            Line.at_least("  intervals that hold it", float(np.mean(inside[name])), LEAST, "rate", 0.95),
        ]
    check.lines += _these_problems(known, tuned, samples, rng)
    return check


def moved(known: Laws, steps: int = 40) -> Floats:
    """(P, T) A policy on its way without a KL term: better, and not at its base's posterior."""
    policy = TablePolicy(known, known.log_p0.size, torch.optim.SGD)
    for _ in range(steps):
        policy.exact_step(policy.verdicts, 0.0)
    return policy.table()


def truths(known: Laws, tuned: Floats, samples: int) -> dict[str, float]:
    """By the name of an estimate, its exact value over all problems of the world."""
    found = known.alignment(tuned)
    p, q = np.exp(found.log_p), np.exp(found.log_q)
    return {
        **{f"base pass@{k}": float(np.mean(1 - (1 - p) ** k)) for k in (1, 16, 64)},
        "tuned pass@1": float(q.mean()),
        "gain": float((q - p).mean()),
        "k*": search_budget(p, float(q.mean())),
        **_parts(p, q, samples),
        "KL(π‖p0), nats": float(found.kl_pi_p0.mean()),
        "KL(π_V‖π*), nats": float(found.kl_verified.mean()),
        "kl(q‖p), nats": float(found.kl_bernoulli.mean()),
        "η": known.efficiency(tuned),
    }


def search_budget(p: Floats, target: float) -> float:
    """The real k at which the base's mean pass@k is `target`, by bisection."""
    low, high = 1e-9, 1e9
    for _ in range(200):
        middle = (low * high) ** 0.5
        low, high = (middle, high) if np.mean(1 - (1 - p) ** middle) < target else (low, middle)
    return high


def _parts(p: Floats, q: Floats, samples: int) -> dict[str, float]:
    """Expected parts of the gain: they are defined by counts, and so summed over all counts that can come out."""
    counts = np.arange(samples + 1)
    c0, c1 = (each.ravel() for each in np.meshgrid(counts, counts, indexing="ij"))
    n = np.full(c0.shape, samples)
    parts = decompose(n, c0, n, c1, BUDGET)
    names = ("within", "beyond", "forgetting")
    table = np.stack([getattr(parts, name) for name in names])
    mean = np.zeros(len(names))
    for before, after in zip(p, q, strict=True):
        weight = np.outer(binom.pmf(counts, samples, before), binom.pmf(counts, samples, after)).ravel()
        mean += table @ weight / len(p)
    return dict(
        zip((f"within {BUDGET} samples", f"beyond {BUDGET}", "forgetting"), mean.tolist(), strict=True)
    )


def estimates(known: Laws, base: Samples, tuned: Samples) -> dict[str, tuple[float, float, float]]:
    """Value and 95 % interval by name, as the report has them."""
    before, after = (summarise(each, replicates=REPLICATES)["pass_at_k"] for each in (base, tuned))
    found = compare(base, tuned, search_budget=BUDGET, replicates=REPLICATES)
    parts, far = found["compression"], found["alignment"]
    assert far["status"] == "ok"
    named: Mapping[str, EstimateJson | RootJson | Change] = {
        **{f"base pass@{k}": before[str(k)] for k in (1, 16, 64)},
        "tuned pass@1": after["1"],
        "gain": found["gain"],
        "k*": found["k_star"],
        f"within {BUDGET} samples": parts["within"],
        f"beyond {BUDGET}": parts["beyond"],
        "forgetting": parts["forgetting"],
        "KL(π‖p0), nats": far["kl_pi_p0"],
        "KL(π_V‖π*), nats": far["kl_verified"],
        "kl(q‖p), nats": far["kl_bernoulli"],
        "η": far["efficiency"],
    }
    return {name: (real(each["value"]), real(each["lo"]), real(each["hi"])) for name, each in named.items()}


def drawn(
    known: Laws, policy: str, tuned: Floats, rows: Ints, samples: int, rng: np.random.Generator
) -> Samples:
    """An evaluation of one policy on problems `rows` of the world, with log-probabilities under both."""
    table = np.exp(tuned if policy == "tuned" else known.log_p0)[rows]
    traces = np.stack([rng.choice(table.shape[1], samples, p=law / law.sum()) for law in table])
    at = rows[:, None], traces
    right = known.verified[at]
    return Samples(
        policy,
        [f"{place}: {row}" for place, row in enumerate(rows)],
        np.full(len(rows), samples),
        right.sum(1),
        logprobs=LogProbs(
            np.repeat(np.arange(len(rows)), samples),
            right.ravel(),
            {"base": known.log_p0[at].ravel(), "tuned": tuned[at].ravel()},
        ),
    )


def _these_problems(known: Laws, tuned: Floats, samples: int, rng: np.random.Generator) -> list[Line]:
    """Each problem once: the interval of its own rate, and T8."""
    rows = np.arange(len(known.log_p0))
    base, after = (drawn(known, name, tuned, rows, samples, rng) for name in ("base", "tuned"))
    held = []
    for evaluation, rate in ((base, known.rate(known.log_p0)), (after, known.rate(tuned))):
        interval = beta_posterior(evaluation.n, evaluation.c)
        held.append(float(np.mean((interval.lo <= rate) & (rate <= interval.hi))))
    far = compare(base, after, search_budget=BUDGET, replicates=REPLICATES)["alignment"]
    assert far["status"] == "ok"
    forward = far["kl_verified"]
    exact = float(known.alignment(tuned).kl_verified.mean())
    off = abs(real(forward["value"]) - exact) / real(forward.get("se_fixed"))
    return [
        Line.at_least("intervals of a problem's own base rate that hold it", held[0], LEAST, "rate", 0.95),
        Line.at_least("intervals of its tuned rate", held[1], LEAST, "rate", 0.95),
        Line("T8: KL(π_V‖π*) of these problems, nats", real(forward["value"]), exact),
        Line.at_most("  distance in standard errors", off, 3.0, ""),
    ]
