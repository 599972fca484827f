"""The oracle's function names (ORACLE.md beside the exams) mapped onto rlvr.analysis; arguments and results
reshaped only.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from rlvr.analysis import (
    alignment,
    bootstrap,
    compression,
    curves,
    diversity,
    evidence,
    frontier,
    noise,
    paired,
    passk,
    posterior,
    search,
    sizing,
    voting,
)
from rlvr.analysis.samples import Answers
from rlvr.worlds import laws

Result = dict[str, Any]


def number(value: Any) -> float | str | None:
    """NaN is null, infinities are strings, and so is what the oracle's 60 digits call too large
    for a float.
    """
    if value is None or math.isnan(value := float(value)):
        return None
    return value if abs(value) <= 1e300 else ("inf" if value > 0 else "-inf")


def numbers(**fields: Any) -> Result:
    return {name: number(value) for name, value in fields.items()}


def scalar(function: Callable[..., Any]) -> Callable[..., Result]:
    return lambda **args: {"value": number(function(**args))}


def logs(values: list[Any]) -> np.ndarray:
    return np.array([float(x) for x in values], dtype=np.float64)


def mean_pass(n: list[int], c: list[int], k: float) -> Result:
    values = passk.pass_at_k(n, c, k)
    used = int(np.sum(~np.isnan(values)))
    return {"mean": number(bootstrap.mean_and_se(values)[0]), "used": used, "excluded": len(n) - used}


def mean_se(n: list[int], c: list[int], k: int) -> Result:
    mean, population = bootstrap.mean_and_se(passk.pass_at_k(n, c, k))
    fixed = curves.fixed_se(np.array(n), np.array(c), [k])[0]
    return numbers(mean=mean, se_fixed=fixed, se_population=population)


def bootstrap_exact(**args: Any) -> Result:
    return numbers(**bootstrap.exact_bootstrap(**args))


def paired_comparison(n0: Any, c0: Any, n1: Any, c1: Any, k: int) -> Result:
    base, tuned = passk.pass_at_k(n0, c0, k), passk.pass_at_k(n1, c1, k)
    result = paired.paired_difference(base, tuned)
    return numbers(
        diff=result["difference"],
        se_paired=result["se"],
        se_unpaired=result["se_unpaired"],
        p_signflip=paired.sign_flip_p(tuned - base),
    )


def maj_at_k(counts: list[int], correct: int | None, invalid: int, k: int) -> Result:
    answers = Answers(np.zeros(len(counts), int), np.array(counts), np.arange(len(counts)) == correct)
    return {"value": number(voting.maj_at_k(answers, [sum(counts) + invalid], k)[0])}


def cot_pass(n: int, c: int, c_cot: int, k: int) -> Result:
    return numbers(
        pass_at_k=passk.pass_at_k(n, c, k),
        cot_pass_at_k=passk.cot_pass_at_k(n, c, c_cot, k),
        unsound_share=passk.unsound_share(c, c_cot),
    )


def beta_posterior(n: int, c: int, a: float, b: float, k: float) -> Result:
    post = posterior.beta_posterior(n, c, (a, b))
    return numbers(
        alpha=post.alpha,
        beta=post.beta,
        mean=post.mean,
        var=post.variance,
        lo=post.lo,
        hi=post.hi,
        pass_at_k=posterior.beta_pass_at_k(post.alpha, post.beta, k),
    ) | {"extrapolated": k > n}


def beta_fit(fit: Callable[..., posterior.BetaFit]) -> Callable[..., Result]:
    def result(n: list[int], c: list[int]) -> Result:
        found = fit(n, c)
        return {"a": found.a, "b": found.b, "status": found.status, "loglik": found.loglik}

    return result


def clopper_pearson(**args: Any) -> Result:
    lo, hi = compression.clopper_pearson(**args)
    return numbers(lo=lo, hi=hi)


def k_star(**args: Any) -> Result:
    root = search.k_star(**args)
    return {"k_star": root.value, "status": root.status, "bound": root.bound}


def crossover(**args: Any) -> Result:
    root = search.crossover(**args)
    return {"k_int": root.whole, "k_real": root.value, "status": root.status, "bound": root.bound}


def decompose(K: int, **args: Any) -> Result:
    parts = compression.decompose(search_budget=K, **args)
    used = int(parts.used.sum())
    means = numbers(
        delta=bootstrap.mean_and_se(parts.tuned - parts.base)[0],
        compression_within=bootstrap.mean_and_se(parts.within)[0],
        compression_beyond=bootstrap.mean_and_se(parts.beyond)[0],
        unresolved=bootstrap.mean_and_se(parts.unresolved)[0],
        expansion=bootstrap.mean_and_se(parts.expansion)[0],
        forgetting=bootstrap.mean_and_se(parts.forgetting)[0],
        headroom=bootstrap.mean_and_se(parts.headroom)[0],
        ratio_gross=parts.ratio_gross,
        ratio_net=parts.ratio_net,
    )
    certified = int(parts.certified.sum()) if used else None
    return {"status": "ok" if used else "no_data", "used": used, "certified": certified} | means


def churn_floor(n: list[int], c: list[int]) -> Result:
    floor = compression.churn(n, c)
    return {"floor": number(bootstrap.mean_and_se(floor)[0]), "used": int(np.sum(~np.isnan(floor)))}


def coverage(K: int, **args: Any) -> Result:
    loss, gain = search.coverage(K=K, **args)
    mean = {
        name: bootstrap.mean_and_se(x)[0]
        for name, x in (("loss", loss), ("gain", gain), ("net", loss - gain))
    }
    return numbers(**mean)


def answer_diversity(counts: list[int], k: int) -> Result:
    table = diversity.diversity(counts, k)
    return numbers(**{field.name: getattr(table, field.name)[0] for field in dataclasses.fields(table)})


def kl_discrete(logp0: list[Any], logpi: list[Any], V: list[int]) -> Result:
    exact = alignment.exact_alignment(logs(logp0), logs(logpi), np.array(V, bool))
    fields = {field.name: getattr(exact, field.name) for field in dataclasses.fields(exact)}
    return numbers(p=np.exp(exact.log_p), q=np.exp(exact.log_q), **fields)


def snis(logp0: list[Any], logpi: list[Any], V: list[int]) -> Result:
    found = alignment.sampled_alignment(logs(logp0), logs(logpi), np.array(V, bool))
    with np.errstate(over="ignore"):
        p_is = np.exp(found.log_p_is[0])
    return numbers(
        p_is=p_is,
        log_p_is=found.log_p_is[0],
        ess=found.ess[0],
        ess_verified=found.ess_verified[0],
        k1=found.k1[0],
        k3=found.k3[0],
        kl_verified=found.kl_verified[0],
        kl_target_pi_snis=found.kl_target_pi[0],
    )


def tilt(p: float, beta: float) -> Result:
    q, kl = frontier.tilt(p, beta)
    return numbers(q=q, kl=kl, logit_shift=frontier.logit_shift(p, beta))


def grpo_iterates(**args: Any) -> Result:
    return {"value": frontier.grpo_iterates(**args).tolist()}


def pg_step(probs: list[float], V: list[int], eta: float, steps: int) -> Result:
    return {"value": frontier.policy_gradient(probs, V, eta, steps).tolist()}


def hint_evidence(**args: int) -> Result:
    found = evidence.evidence(**args)
    fields = numbers(nats=found.nats, se=found.se, bits=found.bits, beta_eff=found.beta_eff)
    return fields | {"corrected": None if fields["nats"] is None else bool(found.corrected)}


def evidence_equiv(shots: list[float], logits: list[float], target: float) -> Result:
    value, status = evidence.evidence_equivalent(shots, logits, target)
    return {"shots": value, "status": status}


def verifier_correct(n: int, c: int, fpr: float, fnr: float, k: int) -> Result:
    found = noise.correct_for_verifier(n, c, fpr, fnr, k)
    fields = numbers(p=found.rate, p_clipped=found.clipped, pass_at_k=found.pass_at_k)
    return fields | {"status": str(found.status), "fpr_floor": number(noise.fpr_floor(fpr, k))}


def sample_size(**args: Any) -> Result:
    samples, problems = sizing.sample_size(**args)
    return {"total_samples_fixed": samples, "problems_population": problems}


def coin_mixture(**args: Any) -> Result:
    post, predictive, log_evidence = laws.coin_mixture(**args)
    return {
        "posterior": None if post is None else post.tolist(),
        "predictive": predictive,
        "log_evidence": number(log_evidence),
    }


def markov_predictive(counts: list[int], prior: list[float]) -> Result:
    value = laws.markov_predictive(counts, prior)
    return {"value": None, "status": "no_data"} if np.isnan(value).all() else {"value": value.tolist()}


def hmm_mixture(concepts: list[dict[str, Any]], prior: list[float], obs: list[int]) -> Result:
    post, predictive, log_evidence = laws.hmm_mixture(
        [laws.Hmm.of(**concept) for concept in concepts], prior, obs
    )
    return {
        "posterior": None if post is None else post.tolist(),
        "predictive": None if predictive is None else predictive.tolist(),
        "log_evidence": number(log_evidence),
    }


def strategy_world(prior: list[float], acc: list[float], k: float, beta: float) -> Result:
    world = laws.strategy_world(prior, acc, beta)
    return {
        "p": world.success,
        "pass_at_k": world.pass_at_k(k),
        "posterior": None if world.posterior is None else world.posterior.tolist(),
        "posterior_success": world.posterior_success,
        "strategy_tilt": world.tilted.tolist(),
        "strategy_tilt_success": world.tilted_success,
        "trace_tilt_success": world.trace_tilted_success,
    }


ADAPTER: dict[str, Callable[..., Result]] = {
    "pass_at_k": scalar(passk.pass_at_k),
    "pass_hat_k": scalar(passk.pass_hat_k),
    "g_pass_at_k": scalar(passk.g_pass_at_k),
    "pass_var_unbiased": scalar(passk.pass_variance),
    "pass_var_at_p": scalar(lambda **args: passk.pass_moments_at_p(**args)[1]),
    "mean_pass": mean_pass,
    "mean_se": mean_se,
    "bootstrap_exact": bootstrap_exact,
    "paired": paired_comparison,
    "maj_at_k": maj_at_k,
    "maj_at_k_dist": scalar(voting.maj_at_k_known),
    "best_of_k": scalar(voting.best_of_k),
    "best_of_k_scored": scalar(voting.best_of_k_scored),
    "cot_pass": cot_pass,
    "beta_posterior": beta_posterior,
    "beta_moments": beta_fit(posterior.fit_moments),
    "beta_mle": beta_fit(posterior.fit_likelihood),
    "beta_pass_at_k": lambda a, b, k: {"value": number(posterior.beta_pass_at_k(a, b, k))},
    "clopper_pearson": clopper_pearson,
    "k_star": k_star,
    "crossover": crossover,
    "decompose": decompose,
    "churn_floor": churn_floor,
    "coverage": coverage,
    "diversity": answer_diversity,
    "kl_discrete": kl_discrete,
    "snis": snis,
    "tilt": tilt,
    "kl_inverse": lambda p, eps: {"value": number(frontier.kl_inverse(p, eps))},
    "grpo_iterates": grpo_iterates,
    "pg_step": pg_step,
    "evidence": hint_evidence,
    "mh_log_or": scalar(evidence.mantel_haenszel),
    "evidence_equiv": evidence_equiv,
    "verifier_correct": verifier_correct,
    "sample_size": sample_size,
    "grpo_signal": scalar(frontier.group_signal),
    "coin_mixture": coin_mixture,
    "markov_predictive": markov_predictive,
    "hmm_mixture": hmm_mixture,
    "strategy_world": strategy_world,
}
