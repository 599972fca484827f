"""What the numbers say, in plain words: the page's headline and the terminal's summary."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Literal

from rlvr.analysis.estimate import EstimateJson, real
from rlvr.analysis.runs import BetweenRuns
from rlvr.analysis.sections.compare import Comparison
from rlvr.analysis.sections.decomposition import Compression
from rlvr.analysis.sections.ladder import Ladder
from rlvr.report import by_source
from rlvr.report.schema import Document, ExactRow, distance_of
from rlvr.report.words import attempts_in_short, counted, lost_samples, span, span_of
from rlvr.text import number, points, visible


def headline(document: Document) -> list[str]:
    """Three or four sentences that a reader takes away."""
    policies, comparison = document["policies"], document["comparison"]
    if not comparison:
        curve = policies["base"]["pass_at_k"]
        last = list(curve)[-1]
        return [
            f"pass@1 is {span(curve['1'])} points; with {last} samples at least one is right on "
            f"{span(curve[last])}.",
            *_mean_scores(document),
        ]
    gain = comparison["gain"]
    before, after = (policies[p]["pass_at_k"]["1"]["value"] for p in ("base", document["main"]))
    kind = _moved(gain)
    first = (
        f"{_of_many(document)}Training {kind} pass@1 from {points(before)} to {points(after)}: "
        f"{points(gain['value'], True)} points "
        f"({span_of(gain)}, paired over {comparison['n_problems']} problems)."
    )
    return [
        f"{first} {_worth(comparison)}",
        *unjudged_lines(comparison),
        _kinds(comparison["compression"]),
        f"{_overtaking(comparison)} {_distance(comparison)}",
        *_mean_scores(document),
        *filter(None, [by_source.in_short(document)]),
        *exact_lines(_exact_rows(document), distances_only=True),
    ]


def partial_credit(document: Document) -> bool:
    """Whether scores between 0 and 1 occur, so that the mean score is another number than pass@1."""
    return any(
        policy["mean_score"]["value"] is not None
        and (first := policy["pass_at_k"].get("1")) is not None
        and abs(real(policy["mean_score"]["value"]) - real(first["value"])) > 1e-9
        for policy in document["policies"].values()
    )


def pass_marks(document: Document, policy: str) -> list[float]:
    """The scores from which the samples of `policy` count as solved: that of all, or those of its sources."""
    held = document["settings"].get(policy, {})
    sources = held.get("sources")
    said = sources.values() if isinstance(sources, dict) else ()
    own = {one.get("pass_mark", 1.0) for one in said if isinstance(one, dict)}
    return sorted(own) if len(own) > 1 else [float(held.get("pass_mark", 1.0))]


def _mean_scores(document: Document) -> Iterator[str]:
    """Where the verifier gives partial credit: the mean score beside the share that is solved."""
    if not partial_credit(document):
        return
    marks = [number(mark) for mark in pass_marks(document, "base")]
    mark = f"{marks[0]} or more" if len(marks) == 1 else f"at least that of its source ({' or '.join(marks)})"
    solved = f"solved, in pass@k and all that follows from it, is a score of {mark}."
    policies, c = document["policies"], document["comparison"]
    before = policies["base"]["mean_score"]
    if not c:
        yield f"The mean score is {span(before)} points; {solved}"
        return
    after, change = policies[document["main"]]["mean_score"], c["mean_score"]
    yield (
        f"The mean score goes from {points(before['value'])} to {points(after['value'])}: "
        f"{points(change['value'], True)} points ({span_of(change)}, paired); {solved}"
    )


def _of_many(document: Document) -> str:
    """Whose sentences these are, where the report is over several runs."""
    runs = document.get("runs") or ()
    return f"{document['main']}, the first of {len(runs)} runs: " if len(runs) > 1 else ""


def unjudged_lines(c: Comparison) -> Iterator[str]:
    """A warning where one policy has more samples without a verdict than the other: its failures may be among them."""
    change = c["unjudged"]
    if change is None or not change["differs"]:
        return
    shares = (f"{number(100 * real(change[key]['value']), '.1f')} %" for key in ("share_base", "share_tuned"))
    wrong = change["gain_wrong"]
    yield (
        f"{' of the base samples and '.join(shares)} of the tuned ones have no verdict, which is not the same share: "
        f"with all of them as wrong the gain is {points(wrong['value'], True)} points ({span_of(wrong)}), and whatever "
        f"they are it lies between {points(change['gain_lower']['value'], True)} and "
        f"{points(change['gain_upper']['value'], True)}."
    )


def _moved(gain: EstimateJson) -> str:
    if real(gain["lo"]) > 0:
        return "raised"
    if real(gain["hi"]) < 0:
        return "lowered"
    return "did not measurably change"


def _worth(c: Comparison) -> str:
    star = c["k_star"]
    if star["status"] == "censored_right":
        return (
            f"One tuned sample is worth more than {counted(star.get('bound'), 'base sample')}, all there are."
        )
    if star["status"] == "base_all_zero":
        return (
            f"The base solved none of these problems in {counted(star.get('bound'), 'sample')} each, so how many of "
            "them a tuned sample is worth cannot be said."
        )
    if star["value"] is None:
        return ""
    return f"One tuned sample is worth {number(star['value'])} base samples ({span_of(star, 1, '.3g')})."


def _kinds(parts: Compression) -> str:
    K = parts["search_budget"]
    text = (
        f"Of the {points(parts['delta']['value'], True)} points, {points(parts['within']['value'])} are "
        "search "
        f"compression within {counted(K, 'sample')} ({span_of(parts['within'])}): traces that the base already "
        f"finds when it may try {counted(K, 'time')}. {points(parts['beyond']['value'])} are compression beyond that"
    )
    if parts["base_zero"]:
        shown = parts["certified_simultaneous"]["count"]
        text += (
            f". On the {counted(parts['base_zero'], 'problem')} with no base success, "
            f"{points(parts['unresolved']['value'])} points "
            f"cannot be resolved with {counted(parts['n_base'], 'sample')} and {points(parts['expansion']['value'])} "
            "are expansion, "
            f"certified on {counted(shown, 'problem')}"
        )
    return " ".join(said for said in (f"{text}.", _gained(parts), lost(parts)) if said)


def _gained(parts: Compression) -> str:
    """A warning where compression within K is no larger than noise alone would show it."""
    within, floor = parts["within"], real(parts["churn_floor"]["value"])
    if not within["value"] or not real(within["lo"]) <= floor:
        return ""
    return (
        f"Compression, {points(within['value'])}, is not clearly more than the {points(floor)} that noise alone "
        "would show."
    )


def lost(parts: Compression) -> str:
    """What was forgotten, held against what noise alone shows."""
    forgetting, floor = parts["forgetting"], real(parts["churn_floor"]["value"])
    value = real(forgetting["value"])
    if math.isnan(value):
        return ""
    if value == 0:
        return "Nothing was forgotten."
    if math.isnan(floor):
        return "One sample per problem does not show how much of it is noise."
    if value <= floor:
        return (
            f"Forgetting, {points(value)}, is below the churn floor of {points(floor)}, so it may be noise."
        )
    if not real(forgetting["lo"]) > floor:
        return (
            f"Forgetting, {points(value)}, is not clearly more than the {points(floor)} that noise alone would "
            "show."
        )
    return f"Forgetting is {points(value)} points, above the {points(floor)} that noise alone would show."


def _net(net: EstimateJson, search: str) -> str:
    """The share of what search adds that one sample now has, where it is one."""
    if net["value"] is None:
        return ""
    share, span = number(100 * abs(real(net["value"])), ".0f"), span_of(net, 100, ".0f")
    if real(net["hi"]) < 0:
        return f"One sample lost {share} % of what {search} would add to it (R, {span})."
    if not real(net["lo"]) > 0:
        return f"No measurable part of what {search} would add is now in one (R, {span})."
    return f"{share} % of what {search} would add is now in one ({span})."


def _overtaking(c: Comparison) -> str:
    cross = c["crossover"]
    if cross["value"] is None:
        return f"The base does not overtake up to k = {cross.get('bound')}." if cross.get("bound") else ""
    first = cross.get("first_significant")
    sure = f"and beyond noise from k = {first}" if first else "but nowhere beyond noise"
    start = int(real(cross["value"]))
    if any(real(e["value"]) >= 0 for k, e in c["difference"].items() if int(k) >= start):
        return f"The base is first ahead at k = {start}, {sure}, and does not stay ahead at every larger k."
    if start == 1:
        return f"The base is ahead at every k, from one sample on, {sure}."
    return f"With many samples the base is ahead, from k = {start} on {sure}."


def tiles(document: Document) -> list[dict[str, str]]:
    """The few numbers at the top of the page."""
    c = document["comparison"]
    if not c:
        curve = document["policies"]["base"]["pass_at_k"]
        return [
            {"label": f"pass@{k}", "value": points(e["value"]), "range": span_of(e)} for k, e in curve.items()
        ][:6]
    star, parts = c["k_star"], c["compression"]
    before, after = (document["policies"][p]["pass_at_k"]["1"]["value"] for p in ("base", document["main"]))
    censored = star["status"] == "censored_right"
    return [
        {
            "label": "pass@1",
            "value": f"{points(before)} → {points(after)}",
            "range": f"base → {document['main']}, points",
        },
        {
            "label": "gain, points",
            "value": points(c["gain"]["value"], True),
            "range": f"{span_of(c['gain'])}, paired",
        },
        {
            "label": "one tuned sample",
            "value": f"> {star.get('bound')}" if censored else number(star["value"]),
            "range": "base samples"
            + ("" if censored or star["value"] is None else f", {span_of(star, 1, '.3g')}"),
        },
        {
            "label": f"compression within {parts['search_budget']}",
            "value": points(parts["within"]["value"]),
            "range": span_of(parts["within"]),
        },
        {
            "label": "expansion, certified",
            "value": str(parts["certified_simultaneous"]["count"]),
            "range": f"of {counted(parts['base_zero'], 'problem')} with no base success",
        },
    ]


def summary(document: Document) -> str:
    """About 25 lines for a terminal. Text that came from files cannot steer it."""
    return "\n".join(visible(text) if "\n" not in text else text for text in _lines(document))


def _lines(document: Document) -> Iterator[str]:
    policies, c = document["policies"], document["comparison"]
    yield document["title"]
    for name in ("base", document["main"]) if c else ("base",):
        p = policies[name]
        n = p["samples_per_problem"]
        each = n["max"] if n["min"] == n["max"] else f"{n['min']} to {n['max']}"
        left_out = f", {p['excluded']} samples could not be judged" if p["excluded"] else ""
        about = f"{name}: {p['n_problems']} problems × {each} samples"
        yield f"  {', '.join([about, *lost_samples(p)])}{left_out}"
    yield ""
    if not c:
        for k, e in policies["base"]["pass_at_k"].items():
            yield f"  {f'pass@{k}':<9} {span(e)}"
        yield from (f"  {text}" for text in _mean_scores(document))
    else:
        if whose := _of_many(document):
            yield f"  {whose.rstrip()}"
        yield from _comparison(document, c)
    for text in by_source.lines(document):
        yield f"  {text}"
    for policy, by_turn in document["turns"].items():
        yield f"  {attempts_in_short(policy, by_turn)}"
    for method, group in (document.get("groups") or {}).items():
        yield f"  {method}, {len(group['runs'])} runs: {_over_seeds(group['quantities']['gain'])}"
    if ladder := document["ladder"]:
        yield f"  {evidence_worth(ladder)}"
    for probe in document["probes"].values():
        yield f"  {probe['words']}"
    for text in exact_lines(_exact_rows(document)):
        yield f"  {text}"
    for note in document["notes"]:
        yield f"  Note: {note}"


def _over_seeds(gain: BetweenRuns) -> str:
    """Gain over seeds: the spread between runs beside what one run knows of itself."""
    if gain["value"] is None:
        return "no gain could be measured"
    text = f"pass@1 {points(gain['value'], True)} on average"
    if gain.get("sd") is None:
        return f"{text}; a single run says nothing about the spread between seeds"
    return (
        f"{text} ({span_of(gain)} between seeds, sd {points(gain.get('sd'))}; "
        f"se within a run {points(gain.get('se_within'))})"
    )


def _exact_rows(document: Document) -> Sequence[ExactRow]:
    exact = document.get("exact")
    return exact["rows"] if exact else ()


def exact_lines(rows: Sequence[ExactRow], distances_only: bool = False) -> Iterator[str]:
    """Two lines: what is true of an enumerable world, and what the samples said; then how many agree."""
    known = {row["quantity"]: row for row in rows if row["inside"] is not None}
    rates = () if distances_only else [name for name in known if name.endswith("pass@1")]
    some = {name: row for name, row in known.items() if "@" not in name or name in rates}
    if not some:
        return
    inside = sum(bool(row["inside"]) for row in known.values())
    yield "exact      " + ", ".join(f"{_symbol(name)} {number(row['exact'])}" for name, row in some.items())
    yield "estimated  " + ", ".join(
        f"{_symbol(name)} {number(row['estimate'])} ({number(row['lo'])} to {number(row['hi'])})"
        for name, row in some.items()
    )
    yield f"{inside} of {len(known)} exact values lie in the 95 % interval that the samples gave."


def _symbol(quantity: str) -> str:
    return quantity.removesuffix(", nats").removeprefix("KL efficiency ")


def _distance(c: Comparison) -> str:
    """How far the policy moved, where log-probabilities say so."""
    a = distance_of(c)
    if not a or a["kl_pi_p0"]["value"] is None:
        return ""
    text = f"The tuned policy lies {number(a['kl_pi_p0']['value'], '.2f')} nats from the base"
    text += f" ({span_of(a['kl_pi_p0'], 1, '.2f')})"
    if a["efficiency"]["value"] is not None:
        text += f"; {number(100 * real(a['efficiency']['value']), '.0f')} % of that went into success (η)"
    if a["kl_verified"]["value"] is not None:
        text += (
            f"; from the verified posterior, KL(π_V‖π*), {number(a['kl_verified']['value'], '.2f')} "
            f"({span_of(a['kl_verified'], 1, '.2f')}; ESS {number(a['ess_verified']['value'], '.0f')})"
        )
    return text + "."


def evidence_worth(ladder: Ladder) -> str:
    """What training is worth in worked examples."""
    worth, reference, target = ladder["equivalent"], ladder["reference"], ladder["target"]
    trained = next(r for r in ladder["rungs"] if r["policy"] == "tuned" and r["label"] == target)["nats"]
    text = (
        f"Evidence: training moved the log-odds of success (tuned, {target}) by {number(trained['value'], '+.2f')} "
        f"nats ({span_of(trained, 1, '.2f')}) against the base with {reference}"
    )
    if worth["status"] == "censored_right":
        return f"{text}: more than any number of shots tried, up to {worth.get('bound')}."
    if worth["status"] == "at_or_below_first":
        return f"{text}: no more than {reference} already give the base."
    if worth["value"] is None:
        return f"{text}; these files do not show how many shots that is worth."
    return f"{text}: worth {number(worth['value'])} shots ({span_of(worth, 1, '.3g')})."


def _comparison(document: Document, c: Comparison) -> Iterator[str]:
    policies, parts = document["policies"], c["compression"]
    ks = list(c["difference"])
    for k in dict.fromkeys([ks[0], *[k for k in ks if k == str(parts["search_budget"])], ks[-1]]):
        b, t = (policies[p]["pass_at_k"].get(k) for p in ("base", document["main"]))
        if b and t:
            d = c["difference"][k]
            yield (
                f"  {f'pass@{k}':<9} {points(b['value'])} → {points(t['value'])}   "
                f"({points(d['value'], True)}, {span_of(d)}, paired)"
            )
    for text in unjudged_lines(c):
        yield f"  {text}"
    yield from (f"  {text}" for text in _mean_scores(document))
    yield f"  {_worth(c)}"
    yield (
        f"  Of which kind is the change of {points(parts['delta']['value'], True)} (search budget K = "
        f"{parts['search_budget']}, n0 = {parts['n_base']}, α = {number(parts['alpha'])})?"
    )
    K = counted(parts["search_budget"], "sample")
    zero = f" on the {counted(parts['base_zero'], 'problem')} with no base success"
    kinds: tuple[tuple[Literal["within", "beyond", "unresolved", "expansion"], str], ...] = (
        ("within", f"search compression within {K}"),
        ("beyond", f"compression beyond {K}"),
        ("unresolved", f"unresolved{zero}"),
        ("expansion", f"expansion{zero}, certified on {parts['certified_simultaneous']['count']}"),
    )
    for key, words in kinds:
        if parts["base_zero"] or key in ("within", "beyond"):
            noise = f". {said}" if key == "within" and (said := _gained(parts)) else ""
            yield f"    {points(parts[key]['value'], True):>6}  {words} ({span_of(parts[key])}){noise}"
    yield (
        f"    {points(-real(parts['forgetting']['value']), True):>6}  forgetting "
        f"({span_of(parts['forgetting'])}). {lost(parts)}"
    )
    if said := _net(c["ratio_net"], K):
        yield f"  {said}"
    yield f"  {_overtaking(c)}"
    if distance := _distance(c):
        yield f"  {distance}"
    solved = c["coverage"]["solved"]
    yield (
        f"  Solved at least once: both {solved['both']}, base only {solved['base_only']}, tuned only "
        f"{solved['tuned_only']}, neither {solved['neither']}."
    )
    if not parts["expansion_can_be_shown"]:
        yield (
            f"  Expansion can hardly be shown: that takes {16 * parts['search_budget']} base samples "
            "per problem."
        )
