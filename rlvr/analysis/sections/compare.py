"""Base against tuned on shared problems: the `comparison` of report.json, every number with its interval."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NotRequired, cast

import numpy as np
from typing_extensions import TypedDict

from rlvr.analysis.curves import answer_curve, cot_curve, fixed_se, pass_hat_curve, vote_curve, vote_ks
from rlvr.analysis.estimate import Number, plain
from rlvr.analysis.evidence import LogOdds, log_odds_estimate, log_odds_of, mantel_haenszel_terms
from rlvr.analysis.noise import Audit, AuditedRate, audited_rate, fpr_floor
from rlvr.analysis.pair import Change, Pair, changes, no_change, usual_n
from rlvr.analysis.paired import paired_difference, sign_flip_p
from rlvr.analysis.samples import Ints, Samples
from rlvr.analysis.sections.answering import Answering, answering
from rlvr.analysis.sections.decomposition import (
    Compression,
    Coverage,
    Flips,
    Ratios,
    Roots,
    compression,
    coverage_change,
    decomposed,
    flips,
    ratios,
    roots,
)
from rlvr.analysis.sections.distance import Distance, NoDistance, distance
from rlvr.analysis.sections.strata import Stratum, limits, sources, whole
from rlvr.analysis.sections.summary import DiversitySection, diversity_change, summarise
from rlvr.analysis.sections.unjudged import UnjudgedChange, unjudged_change
from rlvr.analysis.sizing import half_width, planning_inputs, sample_size

__all__ = ["compare", "default_budget", "summarise"]

ASSUMED_FPR = (0.001, 0.01)
"""False positive rates whose floor is shown where nobody audited the verifier."""


class Difference(Change):
    """At one k."""

    p_signflip: NotRequired[Number]
    se_unpaired: NotRequired[Number]
    """What two separate intervals would suggest."""
    p_holm: NotRequired[float | None]
    """`p_signflip` adjusted over all runs of the report, which adds it."""


class Evidence(TypedDict):
    """What training did to the log-odds of success."""

    pooled: LogOdds
    unit: str


class Noise(TypedDict):
    fpr_floor: dict[str, dict[str, float]]
    """False positive rate → k → pass@k of a policy that is never right."""
    fpr_assumed: bool
    corrected_pass_1: dict[str, AuditedRate]
    """By policy."""


class Sizing(TypedDict):
    between_var: float
    mean_pq: float
    half_width_fixed: float
    half_width_population: float
    samples_for_1_point_fixed: int
    problems_for_1_point_population: int


class PairedSizing(TypedDict):
    variance: float | None
    problems_for_1_point: int | None


class Comparison(Roots, Ratios):
    """`compare` in report.json; curves map k, written as text, to estimates."""

    base: str
    tuned: str
    n_problems: int
    only_base: int
    only_tuned: int
    replicates: int
    seed: int
    gain: Difference
    unjudged: UnjudgedChange | None
    answering: Answering | None
    mean_score: Change
    answers_differ: bool
    """Some sample has the right answer and is not right as a whole, or the other way round: then pass@k of the answers
    alone (`answer_pass_at_k`) is another number than pass@k."""
    difference: dict[str, Difference]
    p_signflip: dict[str, Number]
    compression: Compression
    coverage: Coverage
    flips: Flips | None
    """Where both policies have one sample of each problem: then there is no k*, no crossover, no part of the gain."""
    answer_pass_at_k: dict[str, Change]
    cot_pass_at_k: dict[str, Change]
    pass_hat_k: dict[str, Change]
    maj_at_k: dict[str, Change]
    diversity: DiversitySection
    alignment: Distance | NoDistance
    evidence: Evidence
    noise: Noise
    limits: list[Stratum]
    whole: Stratum
    by_source: list[Stratum]
    """Empty where the files name no sources."""
    sizing: dict[str, Sizing | PairedSizing]
    """By policy, and `paired`."""


def default_budget(n: Ints) -> int:
    """The search budget K where nobody chose one: a sixteenth of the base's samples, at least 4, and never more than
    there are (docs/metrics.md, "Of which kind is the gain"). Every K that nobody chose is this one.
    """
    usual = usual_n(n)
    return max(1, min(4, usual), usual // 16)


def compare(
    base: Samples,
    tuned: Samples,
    search_budget: int | None = None,
    alpha: float = 0.05,
    replicates: int = 2000,
    seed: int = 0,
    audits: Mapping[str, Audit] | None = None,
) -> Comparison:
    """What training bought, of which kind, at what distance, and how sure that is, over shared problems.

    Args:
        search_budget: K; choose it before looking. None: `default_budget`.
        alpha: error rate of the certificates, shared among the problems that the base never solved.
        replicates: of the cluster bootstrap over problems that all intervals come from.
        audits: hand audits of the verifier by policy name.

    Raises:
        ValueError: the two share no problem.
    """
    pair = Pair.of(base, tuned, replicates, seed)
    budget = default_budget(pair.base.n) if search_budget is None else search_budget
    parts = decomposed(pair, budget, alpha)
    difference, readings = differences(pair), other_differences(pair)
    return {
        "base": base.policy,
        "tuned": tuned.policy,
        "n_problems": pair.base.n_problems,
        "only_base": base.n_problems - pair.base.n_problems,
        "only_tuned": tuned.n_problems - pair.base.n_problems,
        "replicates": replicates,
        "seed": seed,
        "gain": difference.get("1") or {**no_change()},
        "unjudged": unjudged_change(pair),
        "answering": answering(pair),
        "mean_score": score_difference(pair),
        "answers_differ": any(map(answers_differ, (pair.base, pair.tuned))),
        "difference": difference,
        "p_signflip": {k: row.get("p_signflip") for k, row in difference.items()},
        **roots(pair),
        "compression": compression(pair, parts),
        **ratios(pair, parts),
        "coverage": coverage_change(pair, budget),
        "flips": flips(pair),
        "answer_pass_at_k": readings["answer_pass_at_k"],
        "cot_pass_at_k": readings["cot_pass_at_k"],
        "pass_hat_k": readings["pass_hat_k"],
        "maj_at_k": readings["maj_at_k"],
        "diversity": diversity_change(pair),
        "alignment": distance(pair),
        "evidence": pooled_evidence(pair),
        "noise": noise_section(pair, audits or {}),
        "limits": limits(pair, budget, alpha),
        "whole": whole(pair, budget, alpha),
        "by_source": sources(pair, budget, alpha),
        "sizing": sizing_section(pair),
    }


def differences(pair: Pair) -> dict[str, Difference]:
    """Paired tuned - base at every k, with the sign-flip p-value and what separate intervals
    would suggest.
    """
    base, tuned = pair.curves
    rows = changes(pair.ks, base, tuned, pair.boot)
    unpaired = paired_difference(base, tuned)["se_unpaired"]
    both = ~np.isnan(tuned - base)
    fixed = np.hypot(*(fixed_se(x.n, x.c, pair.ks, both) for x in (pair.base, pair.tuned)))
    p = sign_flip_p(tuned - base, seed=pair.boot.seed)
    return {
        k: {
            **row,
            "p_signflip": plain(float(p[q])),
            "se_unpaired": plain(float(unpaired[q])),
            "se_fixed": plain(float(fixed[q])),
        }
        for q, (k, row) in enumerate(rows.items())
    }


def score_difference(pair: Pair) -> Change:
    """Paired tuned - base of the mean score; no data where one file holds counts only."""
    base, tuned = pair.base.mean_score, pair.tuned.mean_score
    if base is None or tuned is None:
        return no_change(pair.base.n_problems)
    return changes(["score"], base[:, None], tuned[:, None], pair.boot)["score"]


def answers_differ(samples: Samples) -> bool:
    """Whether right answers and right samples are not the same number on some problem."""
    return samples.c_answer is not None and bool(np.any(samples.c_answer != samples.c))


def other_differences(pair: Pair) -> dict[str, dict[str, Change]]:
    """Paired differences of answer-only pass@k, CoT-pass@k, pass^k and maj@k; empty where reasoning or answers are not
    known.
    """
    ks = pair.ks
    result: dict[str, dict[str, Change]] = {}
    pass_hat = [pass_hat_curve(x.n, x.c, ks) for x in (pair.base, pair.tuned)]
    answers = [answer_curve(x, ks) for x in (pair.base, pair.tuned)]
    sound = [cot_curve(x, ks) for x in (pair.base, pair.tuned)]
    votes = [vote_curve(x, ks) for x in (pair.base, pair.tuned)]
    for name, (base, tuned), grid in (
        ("answer_pass_at_k", answers, ks),
        ("cot_pass_at_k", sound, ks),
        ("pass_hat_k", pass_hat, ks),
        ("maj_at_k", votes, vote_ks(ks, pair.base.n_problems)),
    ):
        result[name] = {}
        if base is not None and tuned is not None and len(grid):
            result[name] = changes(grid, base, tuned, pair.boot)
    return result


def pooled_evidence(pair: Pair) -> Evidence:
    """What training did to the log-odds of success, in nats: Mantel-Haenszel over problems, and β_eff =
    1/nats.
    """
    counts = [x.astype(np.float64) for x in (pair.base.n, pair.base.c, pair.tuned.n, pair.tuned.c)]
    seen = (counts[0] > 0) & (counts[2] > 0)
    terms = np.stack(mantel_haenszel_terms(*counts), axis=1)
    value = float(log_odds_of(*terms.sum(axis=0)))
    drawn = pair.boot.sums(terms)
    replicates = log_odds_of(drawn[:, 0], drawn[:, 1])
    used = int(seen.sum())
    pooled = log_odds_estimate(value, replicates, used, len(seen) - used)
    return {"pooled": cast("LogOdds", pooled.to_json()), "unit": "nats"}


def noise_section(pair: Pair, audits: Mapping[str, Audit]) -> Noise:
    """pass@k that false positives alone would give, at the audited rates or, without any audit, at assumed ones;
    and pass@1 corrected by the audits.
    """
    held = [audits[samples.policy].fpr for samples in (pair.base, pair.tuned) if samples.policy in audits]
    rates = sorted(set(held)) if held else ASSUMED_FPR
    floor = {str(rate): {str(k): float(fpr_floor(rate, k)) for k in pair.ks} for rate in rates}
    corrected = {
        samples.policy: cast(
            "AuditedRate", audited_rate(samples.n, samples.c, audits[samples.policy]).to_json()
        )
        for samples in (pair.base, pair.tuned)
        if samples.policy in audits
    }
    return {"fpr_floor": floor, "fpr_assumed": not held, "corrected_pass_1": corrected}


def sizing_section(pair: Pair) -> dict[str, Sizing | PairedSizing]:
    """The half-widths (95 %) this comparison reaches on pass@1, and what ± 1 point would need."""
    result: dict[str, Sizing | PairedSizing] = {}
    for samples, curve in zip((pair.base, pair.tuned), pair.curves, strict=True):
        if "2" not in map(str, pair.ks):
            continue
        used = ~np.isnan(curve[:, 1])
        between, mean_pq = planning_inputs(float(curve[used, 0].mean()), float(curve[used, 1].mean()))
        n = int(np.median(samples.n[used]))
        fixed, population = half_width(between, mean_pq, int(used.sum()), n)
        need = sample_size(0.01, between, mean_pq, n)
        result[samples.policy] = {
            "between_var": between,
            "mean_pq": mean_pq,
            "half_width_fixed": fixed,
            "half_width_population": population,
            "samples_for_1_point_fixed": need[0],
            "problems_for_1_point_population": need[1],
        }
    gain = pair.curves[1][:, :1] - pair.curves[0][:, :1]
    variance = float(np.nanvar(gain, ddof=1)) if np.sum(~np.isnan(gain)) > 1 else None
    result["paired"] = {
        "variance": variance,
        "problems_for_1_point": None if variance is None else sample_size(0.01, variance, 0.0, 1)[1],
    }
    return result
