"""What the numbers say, in plain words: the page's headline and the terminal's summary."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from rlvr.analysis.estimate import EstimateJson, real
from rlvr.analysis.runs import BetweenRuns
from rlvr.analysis.sections.compare import Comparison
from rlvr.analysis.sections.decomposition import Compression
from rlvr.analysis.sections.ladder import Ladder
from rlvr.report import by_source
from rlvr.report.kinds import told
from rlvr.report.schema import Document, ExactRow, distance_of
from rlvr.report.words import answered, change_of, counted, often, span, span_of
from rlvr.text import number, points, resolved


def headline(document: Document) -> list[str]:
    """Three or four sentences that a reader takes away."""
    policies, comparison = document["policies"], document["comparison"]
    if not comparison:
        curve = policies[document["base"]]["pass_at_k"]
        last = list(curve)[-1]
        return [
            f"pass@1 is {span(curve['1'])} points; with {last} samples at least one is right on "
            f"{span(curve[last])}.",
            *answer_lines(document),
            *mean_scores(document),
        ]
    gain = comparison["gain"]
    kind = _moved(gain)
    first = (
        f"{of_many(document)}Training {kind} pass@1 from {points(gain['base'])} to {points(gain['tuned'])}: "
        f"{points(gain['value'], True)} points "
        f"({span_of(gain)}, paired over {comparison['n_problems']} problems)."
    )
    return [
        *seed_lines(document),
        f"{first} {worth(comparison)}",
        *answer_lines(document),
        *unjudged_lines(comparison),
        *format_lines(comparison),
        *flip_lines(comparison),
        _kinds(comparison["compression"]),
        " ".join(filter(None, (overtaking(comparison), covered(comparison)))),
        *mean_scores(document),
        *filter(None, [by_source.in_short(document)]),
    ]


def folded(document: Document) -> list[str]:
    """What the page keeps folded: how far the policy moved, and what is exactly true of an enumerable world."""
    c = document["comparison"]
    moved = distance_moved(c) if c else ""
    return [
        *([moved] if moved else []),
        *(exact_lines(exact_rows(document), distances_only=True) if c else ()),
    ]


def covered(c: Comparison) -> str:
    """Who solves what at all, and pass@k at the largest k; nothing of one sample a problem."""
    solved = c["coverage"]["solved"]
    known = [k for k, change in c["difference"].items() if change["value"] is not None]
    if c["flips"] or not known or known[-1] == "1":
        return ""
    return (
        f"Of {counted(answered(solved), 'problem')}, in any sample, the base alone solves {solved['base_only']}, "
        f"{c['tuned']} alone {solved['tuned_only']}, both {solved['both']}; pass@{known[-1]}, the largest k of both, "
        f"goes {change_of(c['difference'][known[-1]])}."
    )


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


def mean_scores(document: Document) -> Iterator[str]:
    """Where the verifier gives partial credit: the mean score beside the share that is solved."""
    if not partial_credit(document):
        return
    marks = [number(mark) for mark in pass_marks(document, document["base"])]
    mark = f"{marks[0]} or more" if len(marks) == 1 else f"at least that of its source ({' or '.join(marks)})"
    solved = f"solved, in pass@k and all that follows from it, is a score of {mark}."
    policies, c = document["policies"], document["comparison"]
    before = policies[document["base"]]["mean_score"]
    if not c:
        yield f"The mean score is {span(before)} points; {solved}"
        return
    change = c["mean_score"]
    yield (
        f"The mean score goes from {points(change['base'])} to {points(change['tuned'])}: "
        f"{points(change['value'], True)} points ({span_of(change)}, paired); {solved}"
    )


def answer_lines(document: Document) -> Iterator[str]:
    """Where right answers and right samples differ: which of them the headline is, and the other beside it."""
    c = document["comparison"]
    if c:
        if not c["answers_differ"] or not (alone := c["answer_pass_at_k"].get("1")):
            return
        text = f"By right answers alone, whatever else the verifier asks for, pass@1 goes {change_of(alone)}."
        shown = c["compression"]["certified_simultaneous"]
        if shown["count"] and (found := shown["answered_by_base"]):
            text += (
                f" Of {counted(shown['count'], 'problem')} with certified expansion, the base does find the right "
                f"answer on {found}, though not as the verifier asks."
            )
    else:
        base = document["policies"][document["base"]]
        alone, whole = base["answer_pass_at_k"].get("1"), base["pass_at_k"]["1"]
        if alone is None or alone["value"] == whole["value"]:
            return
        text = f"By right answers alone, whatever else the verifier asks for, pass@1 is {span(alone)}."
    yield f"{VERIFIED} {text}"


VERIFIED = (
    "pass@k counts what the verifier accepts as a whole, here more than a right answer (sound reasoning): that is the "
    "headline, and what all figures rest on."
)


def flip_lines(c: Comparison) -> Iterator[str]:
    """One sample of each problem: the 2 × 2 table and its test, in place of what takes several samples."""
    flips, solved = c["flips"], c["coverage"]["solved"]
    if flips:
        yield (
            f"One sample of each problem: {counted(len(flips['to_right']), 'problem')} went from wrong to right and "
            f"{len(flips['to_wrong'])} from right to wrong (McNemar's exact test: p = "
            f"{number(flips['p_exact'], '.2g')}); {solved['both']} are right both times, {solved['neither']} wrong "
            "both times."
        )
    if c["compression"]["within"]["value"] is None:
        yield (
            "Of which kind the change is (k*, compression, expansion) cannot be told from one base sample per problem."
        )


def of_many(document: Document) -> str:
    """Whose sentences these are, where the report is over several runs."""
    runs = document.get("runs") or ()
    return f"{document['main']}, the first of {len(runs)} runs: " if len(runs) > 1 else ""


def seed_lines(document: Document) -> Iterator[str]:
    """Of several runs of one method, what they are on average, before the sentences on the first of them."""
    for method, group in (document.get("groups") or {}).items():
        if len(group["runs"]) > 1:
            yield f"{method}, {len(group['runs'])} runs: {over_seeds(group['quantities']['gain'])}."


def over_seeds(gain: BetweenRuns) -> str:
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


def format_lines(c: Comparison) -> Iterator[str]:
    """How much of the change is answer format, where the share of samples with an answer has measurably changed."""
    split = c["answering"]
    if split is None or _moved(split["answered"]) == "did not measurably change":
        return
    parts = (split["from_answering"], split["from_being_right"])
    if parts[0]["value"] is None:
        return
    answered, right = split["answered"], split["right_given_answered"]
    answering, being_right = often(answered), often(right)
    yield (
        f"Of the change of {points(c['gain']['value'], True)} points, {points(parts[0]['value'], True)} "
        f"({span_of(parts[0])}) come from answering {answering} ({points(answered['base'])} % of the samples "
        f"have an answer before, {points(answered['tuned'])} % after), {points(parts[1]['value'], True)} "
        f"({span_of(parts[1])}) from being right {being_right} when answered ({points(right['base'])} % before, "
        f"{points(right['tuned'])} % after)."
    )


def _moved(gain: EstimateJson) -> str:
    if real(gain["lo"]) > 0:
        return "raised"
    if real(gain["hi"]) < 0:
        return "lowered"
    return "did not measurably change"


def worth(c: Comparison) -> str:
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
    if real(star["value"]) < 1:
        if real(star["hi"]) < 1:
            return "One tuned sample is worth less than one base sample: the tuned policy is worse."
        return "One tuned sample is not measurably worth more, or less, than one base sample."
    return f"One tuned sample is worth {number(star['value'])} base samples ({span_of(star, 1, '.3g')})."


def _kinds(parts: Compression) -> str:
    held = told(parts)
    if not held:
        return ""
    K, loss = parts["search_budget"], real(parts["forgetting"]["value"])
    which = enough(parts)
    text = (
        f"{f'{which[1:].capitalize()}, training' if which else 'Training'} gained "
        f"{points(real(parts['delta']['value']) + loss)} points and lost {points(loss)}. Of the gain, "
        f"{points(held['within']['value'])} are search compression within {counted(K, 'sample')} "
        f"({span_of(held['within'])}): traces that the base already finds when it may try {counted(K, 'time')}. "
        f"{points(held['beyond']['value'])} are compression beyond that"
    )
    if parts["base_zero"]:
        text += (
            f". On the {counted(parts['base_zero'], 'problem')} with no base success, "
            f"{points(held['unresolved']['value'])} points cannot be resolved with {counted(parts['n_base'], 'sample')}"
        )
        if "expansion" in held:
            shown = parts["certified_simultaneous"]["count"]
            text += f" and {points(held['expansion']['value'])} are expansion, certified on {counted(shown, 'problem')}"
    return " ".join(said for said in (f"{text}.", gained(parts), lost(parts)) if said)


def enough(parts: Compression) -> str:
    """Of which problems the parts are, where it is not all of the gain's."""
    delta = parts["delta"]
    if not delta.get("excluded"):
        return ""
    least = counted(parts["search_budget"], "base sample")
    return f" on the {counted(delta.get('used', 0), 'problem')} with at least {least}"


def gained(parts: Compression) -> str:
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


def net_ratio(net: EstimateJson, search: str) -> str:
    """The share of what search adds that one sample now has, where it is one."""
    if net["value"] is None:
        return ""
    share, span = number(100 * abs(real(net["value"])), ".0f"), span_of(net, 100, ".0f")
    if real(net["hi"]) < 0:
        return f"One sample lost {share} % of what {search} would add to it (R, {span})."
    if not real(net["lo"]) > 0:
        return f"No measurable part of what {search} would add is now in one (R, {span})."
    if real(net["value"]) > 1:
        more = number(real(net["value"]), ".2f")
        return f"One sample gained {more} times what {search} would add to it (R, {span_of(net, 1, '.2f')})."
    return f"{share} % of what {search} would add is now in one ({span})."


def overtaking(c: Comparison) -> str:
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


def exact_rows(document: Document) -> Sequence[ExactRow]:
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
    yield "exact      " + ", ".join(f"{_symbol(name)} {resolved(row['exact'])}" for name, row in some.items())
    yield "estimated  " + ", ".join(
        f"{_symbol(name)} {resolved(row['estimate'])} ({resolved(row['lo'])} to {resolved(row['hi'])})"
        for name, row in some.items()
    )
    yield f"{inside} of {len(known)} exact values lie in the 95 % interval that the samples gave."


def _symbol(quantity: str) -> str:
    return quantity.removesuffix(", nats").removeprefix("KL efficiency ")


def distance_moved(c: Comparison) -> str:
    """How far the policy moved, where log-probabilities say so."""
    a = distance_of(c)
    if not a or a["kl_pi_p0"]["value"] is None:
        return ""
    text = f"The tuned policy lies {number(a['kl_pi_p0']['value'], '.2f')} nats from the base"
    text += f" ({span_of(a['kl_pi_p0'], 1, '.2f')})"
    if (share := a["efficiency"]["value"]) is not None:
        part = f"{number(100 * real(share), '.0f')} %" if real(share) <= 1 else "all, within the error,"
        text += f"; {part} of that went into success (η{'' if real(share) <= 1 else f' = {number(share)}'})"
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
