"""The few numbers at the top of the page."""

from __future__ import annotations

from collections.abc import Iterator

from rlvr.analysis.estimate import real
from rlvr.analysis.sections.compare import Comparison
from rlvr.analysis.sections.decomposition import Flips
from rlvr.report.schema import Document
from rlvr.report.words import answered, counted, span_of
from rlvr.text import number, points


def tiles(document: Document) -> list[dict[str, str]]:
    """The few numbers at the top of the page."""
    c = document["comparison"]
    if not c:
        curve = document["policies"][document["base"]]["pass_at_k"]
        return [
            {"label": f"pass@{k}", "value": points(e["value"]), "range": span_of(e)} for k, e in curve.items()
        ][:6]
    gain = c["gain"]
    return [
        *_seed_tiles(document),
        {
            "label": "pass@1",
            "value": f"{points(gain['base'])} → {points(gain['tuned'])}",
            "range": f"{document['base']} → {document['main']}, points",
        },
        {
            "label": "gain, points",
            "value": points(gain["value"], True),
            "range": f"{span_of(gain)}, paired",
        },
        *(_flip_tiles(c["flips"]) if c["flips"] else [*_search_tiles(c), *_coverage_tiles(c)]),
    ]


def _seed_tiles(document: Document) -> Iterator[dict[str, str]]:
    """The mean gain of each method that has several runs."""
    for method, group in (document.get("groups") or {}).items():
        mean = group["quantities"]["gain"]
        if len(group["runs"]) > 1 and mean["value"] is not None:
            yield {
                "label": f"{method}, gain of {len(group['runs'])} runs",
                "value": points(mean["value"], True),
                "range": f"mean, {span_of(mean)} between runs",
            }


def _flip_tiles(flips: Flips) -> list[dict[str, str]]:
    p = f"p = {number(flips['p_exact'], '.2g')}, McNemar's exact test"
    return [
        {"label": "wrong → right", "value": str(len(flips["to_right"])), "range": "problems"},
        {"label": "right → wrong", "value": str(len(flips["to_wrong"])), "range": f"problems; {p}"},
    ]


def _coverage_tiles(c: Comparison) -> list[dict[str, str]]:
    """What many samples show: who solves what at all, and who is ahead at the largest k."""
    solved, last = c["coverage"]["solved"], list(c["difference"])[-1]
    if last == "1":
        return []
    change = c["difference"][last]
    return [
        {
            "label": "solved only before | only after",
            "value": f"{solved['base_only']} | {solved['tuned_only']}",
            "range": f"of {counted(answered(solved), 'problem')}, in any sample",
        },
        {
            "label": f"pass@{last}, points",
            "value": points(change["value"], True),
            "range": f"{points(change['base'])} → {points(change['tuned'])}; {span_of(change)}, paired",
        },
    ]


def _search_tiles(c: Comparison) -> list[dict[str, str]]:
    star, parts = c["k_star"], c["compression"]
    if parts["within"]["value"] is None:
        return []
    value, spread = number(star["value"]), f", {span_of(star, 1, '.3g')}"
    if star["status"] == "censored_right":
        value, spread = f"> {star.get('bound')}", ""
    elif star["value"] is None or real(star["value"]) < 1:
        value, spread = ("–" if star["value"] is None else "< 1"), ""
    shown = parts["certified_simultaneous"]["count"]
    return [
        {"label": "one tuned sample", "value": value, "range": f"base samples{spread}"},
        {
            "label": f"compression within {parts['search_budget']}",
            "value": points(parts["within"]["value"]),
            "range": span_of(parts["within"]),
        },
        {
            "label": "expansion, certified",
            "value": str(shown),
            "range": f"of {counted(parts['base_zero'], 'problem')} with no base success",
        },
    ]
