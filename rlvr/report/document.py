"""report.json: every number of the page, with its interval and its n, all of them from `rlvr.analysis`."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

from rlvr import __version__
from rlvr.analysis import compare, summarise
from rlvr.analysis.compression import unseen_bound
from rlvr.analysis.estimate import EstimateJson, plain, real
from rlvr.analysis.noise import Audit
from rlvr.analysis.pair import Pair
from rlvr.analysis.samples import Samples
from rlvr.analysis.sections.compare import Comparison
from rlvr.analysis.sections.problems import problems
from rlvr.analysis.sections.strata import Stratum, by_columns
from rlvr.analysis.sections.training import training
from rlvr.analysis.sections.turns import OfTurn, turns
from rlvr.report import evidence_ladder, runs
from rlvr.report.inputs import Inputs
from rlvr.report.schema import (
    VERSION,
    AnalysisSettings,
    Document,
    ExactRow,
    OfSource,
    Probe,
    Source,
    distance_of,
)
from rlvr.rollouts.attempts import solved_attempts
from rlvr.rollouts.evaluations import Evaluation
from rlvr.text import is_step, number, step_of


def assemble(
    inputs: Inputs,
    *,
    title: str,
    analysis: AnalysisSettings,
    exact: Mapping[str, Any] | None,
    notes: Sequence[str],
    columns: Mapping[str, Mapping[str, str]] | None = None,
) -> Document:
    """The document of base, tuned and further evaluations, in this order, or of one alone.

    Args:
        columns: what the rows say of their problems: column → problem → value.
    """
    evaluations = inputs.evaluations
    base, *others = evaluations
    replicates, seed = analysis["replicates"], analysis["seed"]
    document: Document = {
        "schema": VERSION,
        "title": title,
        "version": __version__,
        "analysis": analysis,
        "policies": {e.name: summarise(e.samples, None, replicates, seed) for e in in_time(evaluations)},
        "base": base.name,
        "main": others[0].name if others else base.name,
        "comparison": None,
        "comparisons": {},
        "settings": {e.name: e.settings for e in evaluations},
        "sources": {e.name: source_of(e) for e in evaluations},
        "notes": list(notes),
        "ladder": evidence_ladder.section(base, others[0], inputs.rungs, replicates, seed)
        if others
        else None,
        "probes": {name: _probe(name, analysis, *pair) for name, pair in inputs.probes.items()},
        "by_source": _by_source(analysis, *evaluations[:2]),
        "breakdown": {},
        "turns": turns_of(analysis, *evaluations[:2]),
        "problems": None,
        "training": training(inputs.training),
    }
    comparisons = {e.name: _compare(inputs.bases.get(e.name, base), e, analysis) for e in others}
    if comparisons:
        runs.adjust([c for name, c in comparisons.items() if not is_step(name)])
        document["comparison"] = comparisons.pop(document["main"])
        document["comparisons"] = comparisons
        document["problems"] = problems(
            base.samples, others[0].samples, document["comparison"]["compression"]
        )
        document["breakdown"] = _breakdown(base, others[0], columns or {}, document["comparison"], analysis)
    if inputs.runs:
        runs.add(document, inputs.runs)
    document["notes"] += _cautions(document)
    if exact is not None:
        document["exact"] = {"values": dict(exact), "rows": list(_beside(exact, document))}
    return cast("Document", jsonable(document))


def in_time(evaluations: Sequence[Evaluation]) -> list[Evaluation]:
    """The base, evaluations during training by their step, then all others as they were given: so they stand everywhere
    on the page."""
    base, *rest = evaluations
    return [base, *sorted(rest, key=lambda e: step_of(e.name) if is_step(e.name) else math.inf)]


def _compare(base: Evaluation, tuned: Evaluation, analysis: AnalysisSettings) -> Comparison:
    audits = {e.name: e.audit for e in (base, tuned) if e.audit}
    return _of_samples(base.samples, tuned.samples, analysis, audits)


def _of_samples(
    base: Samples, tuned: Samples, analysis: AnalysisSettings, audits: Mapping[str, Audit] | None = None
) -> Comparison:
    return compare(
        base,
        tuned,
        analysis["search_budget"],
        replicates=analysis["replicates"],
        seed=analysis["seed"],
        audits=audits,
    )


def _breakdown(
    base: Evaluation,
    tuned: Evaluation,
    columns: Mapping[str, Mapping[str, str]],
    comparison: Comparison,
    analysis: AnalysisSettings,
) -> dict[str, list[Stratum]]:
    if not columns:
        return {}
    pair = Pair.of(base.samples, tuned.samples, analysis["replicates"], analysis["seed"])
    return by_columns(pair, columns, comparison["compression"]["search_budget"])


def _by_source(analysis: AnalysisSettings, *evaluations: Evaluation) -> dict[str, OfSource]:
    """What the document says of all problems, for those of each source. An audit of the verifier is of all of them."""
    parts = {e.name: e.samples.by_source() for e in evaluations}
    found: dict[str, OfSource] = {}
    for name in parts[evaluations[0].name]:
        own = {e: held[name] for e, held in parts.items() if name in held and held[name].n_samples}
        policies = {
            e: summarise(samples, None, analysis["replicates"], analysis["seed"])
            for e, samples in own.items()
        }
        pair = list(own.values())
        both = _of_samples(pair[0], pair[1], analysis) if len(pair) == 2 else None
        found[name] = {"policies": policies, "comparison": both}
    return found


def turns_of(analysis: AnalysisSettings, *evaluations: Evaluation) -> dict[str, list[OfTurn]]:
    """Only files whose settings name an environment have several turns; others are not read a second time."""
    told = [e for e in evaluations if e.settings.get("environment")]
    attempts = {e.name: solved_attempts(e.path, e.pass_mark) for e in told}
    return {
        name: turns(problems, analysis["replicates"], analysis["seed"])
        for name, problems in attempts.items()
        if problems
    }


MUCH_TRUNCATED = 0.2


def _cautions(document: Document) -> Iterator[str]:
    """What a reader should know before believing the figures."""
    yield from document["training"]["said"]
    for name, policy in document["policies"].items():
        cut = real(policy["truncated"]["value"])
        if cut >= MUCH_TRUNCATED:
            yield (
                f"{number(100 * cut, '.0f')} % of the samples of {name} were cut by the token limit and count as "
                "wrong unless an answer came before the cut: the limit decides part of what is measured."
            )
    if document["comparison"] and document["comparison"]["gain"]["status"] == "few_problems":
        yield "Fewer than 20 problems: bootstrap intervals over so few are not to be trusted."


def source_of(evaluation: Evaluation) -> Source:
    return {
        "file": evaluation.path.name,
        "rows": len(evaluation.columns) if evaluation.columns else None,
        "missing": evaluation.absent,
        "notes": list(evaluation.notes),
    }


def _probe(name: str, analysis: AnalysisSettings, base: Evaluation, tuned: Evaluation) -> Probe:
    """A set apart: its own figures, the upper bound that 0 of n leaves, and what that means in words."""
    pair = {"base": base.samples, "tuned": tuned.samples}
    probe: Probe = {
        "policies": {
            policy: summarise(s, None, analysis["replicates"], analysis["seed"]) for policy, s in pair.items()
        },
        "comparison": _compare(base, tuned, analysis),
        "correct": {policy: int(s.c.sum()) for policy, s in pair.items()},
        "upper_bound": {policy: unseen_bound(s.n, s.c) for policy, s in pair.items()},
        "settings": {"base": base.settings, "tuned": tuned.settings},
        "words": "",
    }
    probe["words"] = probe_words(name, probe)
    return probe


def probe_words(name: str, probe: Probe) -> str:
    """ "unreachable: 0 of 256 samples on each of 16 problems, before and after, …" """
    about = probe["policies"]["base"]
    problems, most = about["n_problems"], about["samples_per_problem"]["max"]
    each = f"{most} samples on each of {problems} problems"
    before, after = probe["correct"]["base"], probe["correct"]["tuned"]
    certified = probe["comparison"]["compression"]["certified_simultaneous"]["count"]
    bounds = {policy: real(bound) for policy, bound in probe["upper_bound"].items()}
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
            f" Training found right answers where {most} base samples hold none, but the base may "
            "solve them at "
            f"a rate of up to {number(100 * bounds['base'], '.2g')} % (95 %): this is not shown to be "
            "expansion."
        )
    if certified:
        text += f" Expansion beyond the search budget is certified on {certified} of {problems} problems."
    return text


def _beside(exact: Mapping[str, Any], document: Document) -> Iterator[ExactRow]:
    """Exact values of an enumerable world, each beside its estimate.

    The world's values hold for these very problems, so the interval that must cover them is the one for a
    fixed benchmark (sampling noise alone), not the wider one for a population of problems. Where the samples of no
    problem differ, as with 0 right of all, that error is 0 and says nothing: then it is the wider one.
    """
    for policy in ("base", "tuned"):
        for k, value in exact.get(policy, {}).get("pass_at_k", {}).items():
            if estimate := document["policies"][policy]["pass_at_k"].get(k):
                yield _pair(f"{policy} pass@{k}", value, estimate)
    distance = distance_of(document["comparison"]) if document["comparison"] else None
    divergence = exact.get("divergence", {})
    for words, value, estimate in (
        ("KL(π‖p0), nats", divergence.get("kl_base"), distance and distance["kl_pi_p0"]),
        ("kl(q‖p), nats", divergence.get("kl_success"), distance and distance["kl_bernoulli"]),
        ("KL(π_V‖π*), nats", divergence.get("kl_forward"), distance and distance["kl_verified"]),
        ("KL(π*‖π), nats", divergence.get("kl_reverse"), distance and distance["kl_target_pi"]),
        ("KL efficiency η", exact.get("kl_efficiency"), distance and distance["efficiency"]),
    ):
        if value is not None:
            yield _pair(words, value, estimate)
    for policy in ("base", "tuned"):
        outside = exact.get(policy, {}).get("mass_outside_support")
        if outside is not None:
            yield _pair(f"{policy}: mass of traces outside the enumeration", outside, None)


def _pair(quantity: str, value: float, estimate: EstimateJson | None) -> ExactRow:
    at, lo, hi = (estimate["value"], estimate["lo"], estimate["hi"]) if estimate else (None, None, None)
    if estimate and at is not None and (fixed := estimate.get("se_fixed")):
        lo, hi = real(at) - 1.96 * real(fixed), real(at) + 1.96 * real(fixed)
    inside = None if at is None or lo is None or hi is None else bool(real(lo) <= value <= real(hi))
    return {
        "quantity": quantity,
        "exact": value,
        "estimate": at,
        "lo": lo,
        "hi": hi,
        "inside": inside,
        "problems": estimate["used"] if estimate else None,
    }


def jsonable(value: Any) -> Any:
    """Plain JSON: NaN becomes null, infinities strings, keys text."""
    if isinstance(value, Mapping):
        return {str(key): jsonable(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [jsonable(inner) for inner in value]
    if isinstance(value, float) and not math.isfinite(value):
        return plain(value)
    return value
