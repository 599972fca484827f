"""One policy's evaluation in numbers: the entry of `policies` in report.json."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from typing import Literal, cast

import numpy as np
from typing_extensions import TypedDict

from rlvr.analysis.bootstrap import ClusterBootstrap, mean_estimates
from rlvr.analysis.curves import (
    answer_curve,
    cot_curve,
    fixed_se,
    g_pass_curve,
    pass_hat_curve,
    vote_curve,
    vote_ks,
)
from rlvr.analysis.diversity import diversity
from rlvr.analysis.estimate import NO_DATA, Estimate, EstimateJson, Number, plain
from rlvr.analysis.pair import Pair, both_defined, keyed, means, powers_of_two, ratio_estimate, usual_n
from rlvr.analysis.passk import jensen_bound, pass_curve
from rlvr.analysis.posterior import extrapolate, fit_population
from rlvr.analysis.samples import Answers, Floats, Ints, Samples
from rlvr.analysis.sections.unjudged import Bounds, bounds

DIVERSITY_K = 8
"""Rarefied distinct answers are those expected among this many samples, few enough for the small evaluations during
training too; problems with fewer are excluded."""


class Share(EstimateJson):
    """A share of the scored samples and the count behind it."""

    count: int | None


class DiversityMeans(TypedDict):
    """Each measure of `diversity.Diversity`, averaged over problems."""

    status: Literal["ok"]
    rarefied_k: int
    entropy: EstimateJson
    entropy_mm: EstimateJson
    distinct: EstimateJson
    rarefied: EstimateJson
    unseen_mass: EstimateJson
    collision: EstimateJson
    hill1: EstimateJson


class NoDiversity(TypedDict):
    """The file holds no answers, or no traces."""

    status: Literal["no_data"]


class DiversitySection(TypedDict):
    answers: DiversityMeans | NoDiversity
    correct_traces: DiversityMeans | NoDiversity


class Extrapolated(EstimateJson):
    """pass@k beyond the samples, from the fitted population; lo and hi bracket it."""

    extrapolated: Literal[True]


class Population(TypedDict):
    """The Beta distribution of success rates fitted to the counts."""

    a: Number
    b: Number
    status: str
    method: str
    pass_at_k: dict[str, Extrapolated]
    jensen_bound: dict[str, float]


class Range(TypedDict):
    min: int
    max: int


class PolicySummary(TypedDict):
    """One policy alone; curves map k, written as text, to estimates."""

    policy: str
    n_problems: int
    n_samples: int
    samples_per_problem: Range
    excluded: int | None
    truncated: Share
    no_answer: Share
    statuses: dict[str, int]
    tokens: EstimateJson
    solved: int
    mean_score: EstimateJson
    """Mean over problems of their mean score: pass@1, unless the verifier gives partial credit."""
    pass_at_k: dict[str, EstimateJson]
    pass_at_k_bounds: Bounds
    pass_hat_k: dict[str, EstimateJson]
    g_pass_at_k: dict[str, dict[str, EstimateJson]]
    """τ, then k."""
    maj_at_k: dict[str, EstimateJson]
    answer_pass_at_k: dict[str, EstimateJson]
    """Of right answers, whatever else the verifier asks for (sound reasoning); empty where rows do not say."""
    cot_pass_at_k: dict[str, EstimateJson]
    unsound_share: EstimateJson
    diversity: DiversitySection
    population: Population


def summarise(
    samples: Samples, ks: Sequence[int] | None = None, replicates: int = 2000, seed: int = 0
) -> PolicySummary:
    """Every quantity of one policy alone.

    Args:
        ks: of the curves; by default the powers of two up to the usual number of samples.
        replicates: of the cluster bootstrap.
    """
    ks = powers_of_two(usual_n(samples.n)) if ks is None else list(ks)
    boot = ClusterBootstrap(samples.n_problems, replicates, seed)
    n, c = samples.n, samples.c
    votes, sound, answers = vote_curve(samples, ks), cot_curve(samples, ks), answer_curve(samples, ks)
    return {
        "policy": samples.policy,
        "n_problems": samples.n_problems,
        "n_samples": samples.n_samples,
        "samples_per_problem": {"min": int(n.min()) if len(n) else 0, "max": int(n.max(initial=0))},
        "excluded": None if samples.excluded is None else int(samples.excluded.sum()),
        "truncated": share(samples.truncated, samples),
        "no_answer": share(samples.no_answer, samples),
        "statuses": dict(samples.statuses),
        "tokens": nothing(samples)
        if samples.tokens is None
        else means({"tokens": samples.tokens}, boot)["tokens"],
        "solved": int(np.sum(c > 0)),
        "mean_score": mean_score(samples, boot),
        "pass_at_k": pass_at_k_estimates(n, c, ks, boot),
        "pass_at_k_bounds": bounds(samples, ks, boot),
        "pass_hat_k": keyed(ks, mean_estimates(pass_hat_curve(n, c, ks), boot)),
        "g_pass_at_k": {
            str(tau): keyed(ks, mean_estimates(g_pass_curve(n, c, ks, tau), boot)) for tau in (0.5, 0.75)
        },
        "maj_at_k": {} if votes is None else keyed(vote_ks(ks, len(n)), mean_estimates(votes, boot)),
        "answer_pass_at_k": {} if answers is None else keyed(ks, mean_estimates(answers, boot)),
        "cot_pass_at_k": {} if sound is None else keyed(ks, mean_estimates(sound, boot)),
        "unsound_share": unsound(samples, boot),
        "diversity": {
            "answers": diversity_means(samples.answers, samples, boot),
            "correct_traces": diversity_means(samples.traces, samples, boot, correct=True),
        },
        "population": population(n, c),
    }


def pass_at_k_estimates(
    n: Ints, c: Ints, ks: Sequence[int], boot: ClusterBootstrap
) -> dict[str, EstimateJson]:
    """pass@k with the population SE, and beside it the SE for these problems only (null where
    some n < 2k).
    """
    rows = keyed(ks, mean_estimates(pass_curve(n, c, np.asarray(ks)), boot))
    for k, fixed in zip(ks, fixed_se(n, c, ks), strict=True):
        rows[str(k)]["se_fixed"] = plain(float(fixed))
    return rows


def mean_score(samples: Samples, boot: ClusterBootstrap) -> EstimateJson:
    """The mean score, each problem with the same weight, as pass@1 has it."""
    scores = samples.mean_score
    return nothing(samples) if scores is None else means({"score": scores}, boot)["score"]


def nothing(samples: Samples, status: str = NO_DATA) -> EstimateJson:
    return Estimate(None, status=status, excluded=samples.n_problems).to_json()


def share(column: Ints | None, samples: Samples) -> Share:
    """A count of samples and its share of the scored ones."""
    if column is None or samples.n_samples == 0:
        return {"count": None, **nothing(samples)}
    count = int(column.sum())
    return {"count": count, **Estimate(count / samples.n_samples, used=samples.n_problems).to_json()}


def unsound(samples: Samples, boot: ClusterBootstrap) -> EstimateJson:
    """Share of right answers whose reasoning is not sound: a ratio of sums, with its bootstrap interval."""
    if samples.c_sound is None or samples.c_answer is None:
        return nothing(samples)
    return ratio_estimate(samples.c_answer - samples.c_sound, samples.c_answer, boot)


def diversity_means(
    counts: Answers | None, samples: Samples, boot: ClusterBootstrap, correct: bool = False
) -> DiversityMeans | NoDiversity:
    """Each diversity measure averaged over problems; with `correct`, among the verified samples only."""
    if counts is None:
        return {"status": "no_data"}
    return _diversity(means(diversity_columns(counts, samples, correct), boot))


def _diversity(table: dict[str, EstimateJson]) -> DiversityMeans:
    return cast("DiversityMeans", {"status": "ok", "rarefied_k": DIVERSITY_K, **table})


def diversity_columns(counts: Answers, samples: Samples, correct: bool) -> dict[str, Floats]:
    """Each diversity measure per problem; NaN where a problem has no such sample."""
    keep = counts.correct if correct else np.ones(len(counts.count), dtype=bool)
    n = np.bincount(counts.problem[keep], counts.count[keep], minlength=samples.n_problems)
    table = diversity(counts.count[keep], DIVERSITY_K, counts.problem[keep], samples.n_problems)
    return {field.name: np.where(n > 0, getattr(table, field.name), np.nan) for field in fields(table)}


def diversity_change(pair: Pair) -> DiversitySection:
    """Paired tuned - base of every diversity measure, on problems where both are defined."""

    def change(base: Answers | None, tuned: Answers | None, correct: bool) -> DiversityMeans | NoDiversity:
        if base is None or tuned is None:
            return {"status": "no_data"}
        before = diversity_columns(base, pair.base, correct)
        after = diversity_columns(tuned, pair.tuned, correct)
        differences = {key: np.subtract(*both_defined(after[key], before[key])) for key in before}
        return _diversity(means(differences, pair.boot, signed=differences))

    return {
        "answers": change(pair.base.answers, pair.tuned.answers, correct=False),
        "correct_traces": change(pair.base.traces, pair.tuned.traces, correct=True),
    }


def population(n: Ints, c: Ints) -> Population:
    """The fitted Beta population, its extrapolation (flagged, bracketed, to 8 n at most) and
    Jensen's bound.
    """
    fit = fit_population(n, c)
    top = usual_n(n)
    deep = n >= max(top, 1)
    beyond: dict[str, Extrapolated] = {}
    for k in [top * 2, top * 4, top * 8] if fit.status == "ok" and top else []:
        value, lower, upper = extrapolate(n[deep], c[deep], k, fit)
        beyond[str(k)] = {
            **Estimate(
                value, lo=lower, hi=upper, used=int(deep.sum()), excluded=int((~deep).sum())
            ).to_json(),
            "extrapolated": True,
            "interval": "sensitivity bracket",
        }
    rates = c[n > 0] / n[n > 0]
    bound = {str(k): jensen_bound(rates, k) for k in powers_of_two(top) if k >= 2} if len(rates) else {}
    return {
        "a": plain(fit.a),
        "b": plain(fit.b),
        "status": fit.status,
        "method": fit.method,
        "pass_at_k": beyond,
        "jensen_bound": bound,
    }
