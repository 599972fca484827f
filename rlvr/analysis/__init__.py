"""What did training buy, of which kind, at what distance, and how sure is that? Arrays in, estimates out.

`summarise` and `compare` answer for whole evaluations (`Samples`), typed as report.json has it (`sections`); every
quantity behind them is a pure function on arrays of counts, in a module named after it. NaN means "not defined".
numpy and scipy only. What each number means, and its source: docs/metrics.md.
"""

from rlvr.analysis.alignment import exact_alignment, sampled_alignment
from rlvr.analysis.bootstrap import ClusterBootstrap, mean_estimates
from rlvr.analysis.compression import churn, clopper_pearson, decompose
from rlvr.analysis.diversity import answer_diversity
from rlvr.analysis.estimate import Estimate
from rlvr.analysis.evidence import evidence_equivalent, mantel_haenszel
from rlvr.analysis.frontier import (
    bernoulli_kl,
    effective_temperature,
    group_signal,
    grpo_iterates,
    kl_efficiency,
    kl_inverse,
    logit_shift,
    policy_gradient,
    tilt,
)
from rlvr.analysis.noise import Audit, audited_rate, correct_for_verifier, fpr_floor
from rlvr.analysis.paired import paired_difference, sign_flip_p
from rlvr.analysis.passk import (
    cot_pass_at_k,
    g_pass_at_k,
    jensen_bound,
    pass_at_k,
    pass_curve,
    pass_hat_k,
    pass_variance,
    unsound_share,
)
from rlvr.analysis.posterior import beta_pass_at_k, beta_posterior, extrapolate, fit_population
from rlvr.analysis.runs import between_runs, contrast, holm
from rlvr.analysis.samples import Answers, LogProbs, Samples, align
from rlvr.analysis.search import coverage, crossover, k_star
from rlvr.analysis.sections.compare import compare, default_budget
from rlvr.analysis.sections.ladder import Rung, ladder
from rlvr.analysis.sections.summary import summarise
from rlvr.analysis.sizing import half_width, planning_inputs, sample_size
from rlvr.analysis.voting import best_of_k, best_of_k_scored, maj_at_k, maj_at_k_known

__all__ = [
    "Answers", "Audit", "ClusterBootstrap", "Estimate", "LogProbs", "Rung", "Samples", "align", "answer_diversity",
    "audited_rate", "bernoulli_kl", "best_of_k", "best_of_k_scored", "beta_pass_at_k", "beta_posterior",
    "between_runs", "churn", "clopper_pearson", "compare", "contrast", "correct_for_verifier", "cot_pass_at_k",
    "coverage", "crossover", "decompose", "default_budget", "effective_temperature", "evidence_equivalent",
    "exact_alignment", "extrapolate", "fit_population", "fpr_floor", "g_pass_at_k", "group_signal", "grpo_iterates",
    "half_width", "holm", "jensen_bound", "k_star", "kl_efficiency", "kl_inverse", "ladder", "logit_shift",
    "maj_at_k", "maj_at_k_known", "mantel_haenszel", "mean_estimates", "paired_difference", "pass_at_k", "pass_curve",
    "pass_hat_k", "pass_variance", "planning_inputs", "policy_gradient", "sample_size", "sampled_alignment",
    "sign_flip_p", "summarise", "tilt", "unsound_share",
]  # fmt: skip
