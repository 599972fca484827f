"""report.json: every number of the page, with its interval and its n, all of them from `rlvr.analysis`."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rlvr import __version__
from rlvr.analysis.compression import clopper_pearson
from rlvr.analysis.estimate import plain
from rlvr.analysis.sections.compare import compare, summarise
from rlvr.report import evidence_ladder, runs
from rlvr.report.inputs import Inputs
from rlvr.rollouts.evaluations import Evaluation
from rlvr.text import is_step, number

SCHEMA = 1


def assemble(
    inputs: Inputs,
    *,
    title: str,
    search_budget: int | None,
    exact: Mapping[str, Any] | None,
    notes: Sequence[str],
) -> dict[str, Any]:
    """The document of base, tuned and further evaluations, in this order, or of one alone."""
    evaluations = inputs.evaluations
    base, *others = evaluations
    document: dict[str, Any] = {
        "schema": SCHEMA,
        "title": title,
        "version": __version__,
        "policies": {e.name: summarise(e.samples) for e in evaluations},
        "main": others[0].name if others else base.name,
        "comparison": None,
        "comparisons": {},
        "settings": {e.name: e.settings for e in evaluations},
        "sources": {e.name: _source(e) for e in evaluations},
        "notes": list(notes),
    }
    comparisons = {e.name: _compare(inputs.bases.get(e.name, base), e, search_budget) for e in others}
    if comparisons:
        runs.adjust([c for name, c in comparisons.items() if not is_step(name)])
        document["comparison"] = comparisons.pop(document["main"])
        document["comparisons"] = comparisons
    if inputs.runs:
        document |= runs.section(inputs.runs, document)
    document["ladder"] = evidence_ladder.section(base, others[0], inputs.rungs) if others else None
    document["notes"] += _cautions(document)
    document["probes"] = {name: _probe(name, search_budget, *pair) for name, pair in inputs.probes.items()}
    if exact is not None:
        document["exact"] = {"values": exact, "rows": list(_beside(exact, document))}
    return _jsonable(document)


def _compare(base: Evaluation, tuned: Evaluation, search_budget: int | None) -> dict[str, Any]:
    audits = {e.name: e.audit for e in (base, tuned) if e.audit}
    return compare(base.samples, tuned.samples, search_budget, audits=audits)


MUCH_TRUNCATED = 0.2


def _cautions(document: Mapping[str, Any]) -> Iterator[str]:
    """What a reader should know before believing the figures."""
    for name, policy in document["policies"].items():
        cut = policy["truncated"]["value"]
        if cut is not None and cut >= MUCH_TRUNCATED:
            yield (
                f"{number(100 * cut, '.0f')} % of the samples of {name} were cut by the token limit and "
                "count as "
                "wrong unless an answer stood before the cut: the limit decides part of what is measured "
                "here."
            )
    if document["comparison"] and document["comparison"]["gain"]["status"] == "few_problems":
        yield "Fewer than 20 problems: bootstrap intervals over so few are not to be trusted."


def _source(evaluation: Evaluation) -> dict[str, Any]:
    return {
        "file": evaluation.path.name,
        "rows": len(evaluation.columns) if evaluation.columns else None,
        "missing": evaluation.absent,
        "notes": list(evaluation.notes),
    }


def _probe(name: str, search_budget: int | None, base: Evaluation, tuned: Evaluation) -> dict[str, Any]:
    """A set apart: its own figures, the upper bound that 0 of n leaves, and what that means in words."""
    pair = {"base": base.samples, "tuned": tuned.samples}
    correct = {policy: int(s.c.sum()) for policy, s in pair.items()}
    bound = {}
    for policy, s in pair.items():
        zero = (s.c == 0) & (s.n > 0)
        bound[policy] = (
            float(clopper_pearson(s.n[zero], s.c[zero], 0.05, sided=1)[1].max()) if zero.any() else None
        )
    out = {
        "policies": {policy: summarise(s) for policy, s in pair.items()},
        "comparison": _compare(base, tuned, search_budget),
        "correct": correct,
        "upper_bound": bound,
        "settings": {"base": base.settings, "tuned": tuned.settings},
    }
    return out | {"words": probe_words(name, out)}


def probe_words(name: str, probe: Mapping[str, Any]) -> str:
    """ "unreachable: 0 of 256 samples on each of 16 problems, before and after, …" """
    problems, n = (probe["policies"]["base"][key] for key in ("n_problems", "samples_per_problem"))
    each = f"{n['max']} samples on each of {problems} problems"
    before, after = probe["correct"]["base"], probe["correct"]["tuned"]
    certified = probe["comparison"]["compression"]["certified_simultaneous"]["count"]
    bounds = probe["upper_bound"]
    if before == after == 0:
        bound = number(100 * max(bounds.values()), ".2g")
        return (
            f"{name}: 0 of {each}, before and after. The success rate per problem is at most {bound} % (95 "
            "%): it was "
            "out of reach for this many samples and training did not open it. That is not a proof that it "
            "is 0."
        )
    text = f"{name}: {before:,} right before and {after:,} after, of {each}."
    if before == 0 and certified == 0:
        text += (
            f" Training found right answers where {n['max']} base samples hold none, but the base may "
            "solve them at "
            f"a rate of up to {number(100 * bounds['base'], '.2g')} % (95 %): this is not shown to be "
            "expansion."
        )
    if certified:
        text += f" Expansion beyond the search budget is certified on {certified} of {problems} problems."
    return text


def _beside(exact: Mapping[str, Any], document: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Exact values of an enumerable world, each beside its estimate.

    The world's values hold for these very problems, so the interval that must cover them is the one for a
    fixed benchmark (sampling noise alone), not the wider one for a population of problems.
    """
    for policy in ("base", "tuned"):
        for k, value in exact.get(policy, {}).get("pass_at_k", {}).items():
            if estimate := document["policies"][policy]["pass_at_k"].get(k):
                yield _pair(f"{policy} pass@{k}", value, estimate)
    alignment = document["comparison"].get("alignment") or {} if document["comparison"] else {}
    for key, (words, estimated) in _DIVERGENCES.items():
        value = exact.get("divergence", {}).get(key)
        if value is not None:
            yield _pair(words, value, alignment.get(estimated) or {})
    if (value := exact.get("kl_efficiency")) is not None:
        yield _pair("KL efficiency η", value, alignment.get("efficiency") or {})
    for policy in ("base", "tuned"):
        outside = exact.get(policy, {}).get("mass_outside_support")
        if outside is not None:
            yield _pair(f"{policy}: mass of traces outside the enumeration", outside, {})


_DIVERGENCES = {
    "kl_base": ("KL(π‖p0), nats", "kl_pi_p0"),
    "kl_success": ("kl(q‖p), nats", "kl_bernoulli"),
    "kl_forward": ("KL(π_V‖π*), nats", "kl_verified"),
    "kl_reverse": ("KL(π*‖π), nats", "kl_target_pi"),
}


def _pair(quantity: str, value: float, estimate: Mapping[str, Any]) -> dict[str, Any]:
    at, fixed = estimate.get("value"), estimate.get("se_fixed")
    lo, hi = estimate.get("lo"), estimate.get("hi")
    if at is not None and fixed is not None:
        lo, hi = at - 1.96 * fixed, at + 1.96 * fixed
    inside = None if at is None or lo is None or hi is None else bool(lo <= value <= hi)
    return {
        "quantity": quantity,
        "exact": value,
        "estimate": at,
        "lo": lo,
        "hi": hi,
        "inside": inside,
        "problems": estimate.get("used"),
    }


def _jsonable(value: Any) -> Any:
    """Plain JSON: NaN becomes null, infinities strings, keys text."""
    if isinstance(value, Mapping):
        return {str(key): _jsonable(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_jsonable(inner) for inner in value]
    if isinstance(value, float) and not math.isfinite(value):
        return plain(value)
    return value
