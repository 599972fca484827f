"""The terminal's summary of a report."""

from __future__ import annotations

from collections.abc import Iterator

from rlvr.analysis.estimate import real
from rlvr.analysis.sections.compare import Comparison
from rlvr.report import by_source
from rlvr.report.kinds import Part, told
from rlvr.report.prose import (
    answer_lines,
    distance_moved,
    enough,
    evidence_worth,
    exact_lines,
    exact_rows,
    flip_lines,
    format_lines,
    gained,
    lost,
    mean_scores,
    net_ratio,
    of_many,
    over_seeds,
    overtaking,
    unjudged_lines,
    worth,
)
from rlvr.report.schema import Document
from rlvr.report.words import attempts_in_short, counted, lost_samples, span, span_of
from rlvr.text import is_step, number, points, visible


def summary(document: Document) -> str:
    """About 25 lines for a terminal. Text that came from files cannot steer it."""
    return "\n".join(visible(text) if "\n" not in text else text for text in _lines(document))


def _lines(document: Document) -> Iterator[str]:
    policies, c = document["policies"], document["comparison"]
    yield document["title"]
    for name in (document["base"], document["main"]) if c else (document["base"],):
        p = policies[name]
        n = p["samples_per_problem"]
        each = n["max"] if n["min"] == n["max"] else f"{n['min']} to {n['max']}"
        left_out = f", {p['excluded']} samples could not be judged" if p["excluded"] else ""
        samples = f"{each} sample{'' if each == 1 else 's'}"
        about = f"{name}: {counted(p['n_problems'], 'problem')} × {samples}"
        yield f"  {', '.join([about, *lost_samples(p)])}{left_out}"
    yield ""
    if not c:
        for k, e in policies[document["base"]]["pass_at_k"].items():
            yield f"  {f'pass@{k}':<9} {span(e)}"
        yield from (f"  {text}" for text in (*answer_lines(document), *mean_scores(document)))
    else:
        if whose := of_many(document):
            yield f"  {whose.rstrip()}"
        yield from _comparison(document, c)
        yield from _others(document)
    for text in by_source.lines(document):
        yield f"  {text}"
    for policy, by_turn in document["turns"].items():
        yield f"  {attempts_in_short(policy, by_turn)}"
    for method, group in (document.get("groups") or {}).items():
        yield f"  {method}, {len(group['runs'])} runs: {over_seeds(group['quantities']['gain'])}"
    if ladder := document["ladder"]:
        yield f"  {evidence_worth(ladder)}"
    for probe in document["probes"].values():
        yield f"  {probe['words']}"
    for text in exact_lines(exact_rows(document)):
        yield f"  {text}"
    for note in document["notes"]:
        yield f"  Note: {note}"


def _others(document: Document) -> Iterator[str]:
    """A line for each further policy; runs have theirs by method, evaluations during training are in the figures."""
    for name, c in document["comparisons"].items() if not document.get("groups") else ():
        if not is_step(name):
            gain = c["gain"]
            yield (
                f"  {name}: pass@1 {points(gain['base'])} → {points(gain['tuned'])} "
                f"({points(gain['value'], True)}, {span_of(gain)}, paired)"
            )


def _comparison(document: Document, c: Comparison) -> Iterator[str]:
    parts, ks = c["compression"], list(c["difference"])
    for k in dict.fromkeys([*ks[:1], *[k for k in ks if k == str(parts["search_budget"])], *ks[-1:]]):
        d = c["difference"][k]
        yield (
            f"  {f'pass@{k}':<9} {points(d['base'])} → {points(d['tuned'])}   "
            f"({points(d['value'], True)}, {span_of(d)}, paired)"
        )
    said = (*answer_lines(document), *unjudged_lines(c), *format_lines(c), *mean_scores(document))
    yield from (f"  {text}" for text in (*said, worth(c), *flip_lines(c)) if text)
    if told(parts):
        yield from _parts(c)
    for text in (overtaking(c), distance_moved(c)):
        if text:
            yield f"  {text}"
    if not c["flips"]:
        solved = c["coverage"]["solved"]
        yield (
            f"  Solved at least once: both {solved['both']}, base only {solved['base_only']}, tuned only "
            f"{solved['tuned_only']}, neither {solved['neither']}."
        )
    if told(parts) and not parts["expansion_can_be_shown"]:
        yield (
            f"  Expansion can hardly be shown: that takes {16 * parts['search_budget']} base samples "
            "per problem."
        )


def _parts(c: Comparison) -> Iterator[str]:
    parts, held = c["compression"], told(c["compression"])
    yield (
        f"  Of which kind is the change of {points(parts['delta']['value'], True)}{enough(parts)} (search budget K = "
        f"{parts['search_budget']}, n0 = {parts['n_base']}, α = {number(parts['alpha'])})?"
    )
    K = counted(parts["search_budget"], "sample")
    zero = f" on the {counted(parts['base_zero'], 'problem')} with no base success"
    kinds: dict[Part, str] = {
        "within": f"search compression within {K}",
        "beyond": f"compression beyond {K}",
        "unresolved": f"unresolved{zero}"
        + ("" if "expansion" in held else "; expansion is certified on none"),
        "expansion": f"expansion{zero}, certified on {parts['certified_simultaneous']['count']}",
    }
    for key, part in held.items():
        if parts["base_zero"] or key in ("within", "beyond"):
            noise = f". {said}" if key == "within" and (said := gained(parts)) else ""
            yield f"    {points(part['value'], True):>6}  {kinds[key]} ({span_of(part)}){noise}"
    yield (
        f"    {points(-real(parts['forgetting']['value']), True):>6}  forgetting "
        f"({span_of(parts['forgetting'], -100)}). {lost(parts)}"
    )
    if said := net_ratio(c["ratio_net"], K):
        yield f"  {said}"
