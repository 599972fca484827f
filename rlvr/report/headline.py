"""The numbers that a report is quoted by, as a table for a README or a paper."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from rlvr.analysis.sections.compare import Comparison
from rlvr.report.kinds import told
from rlvr.report.schema import Document
from rlvr.report.words import span, span_of
from rlvr.text import is_step, line, points


class Headline(NamedTuple):
    """Plain text; `markdown` and `latex` escape it."""

    columns: list[str]
    rows: list[list[str]]
    caption: str


def headline(document: Document) -> Headline:
    """pass@1, pass@K and pass@k of the largest k: a row for the base, and one for every other policy but evaluations
    during training, with the paired difference."""
    c = document["comparison"]
    if c is None:
        curve = document["policies"][document["base"]]["pass_at_k"]
        ks = list(dict.fromkeys(("1", list(curve)[-1])))
        rows = [[document["base"], _size(document, document["base"]), *(span(curve[k]) for k in ks)]]
        return Headline(["policy", "problems × samples", *_named(ks)], rows, f"Points. {_asked(document)}")
    others = {document["main"]: c, **document["comparisons"]}
    runs = {name: other for name, other in others.items() if not is_step(name) or name == document["main"]}
    ks = _ks(c)
    rows = [
        [
            document["base"],
            _size(document, document["base"]),
            *(points(c["difference"][k]["base"]) for k in ks),
        ]
    ]
    rows += [[name, _size(document, name), *(_cell(other, k) for k in ks)] for name, other in runs.items()]
    caption = (
        f"Points; in brackets the difference to {document['base']}, paired by problem, with its 95 % interval. "
        f"{_asked(document)}"
    )
    return Headline(["policy", "problems × samples", *_named(ks)], rows, caption)


def markdown(found: Headline) -> str:
    lines = [found.columns, ["---"] * len(found.columns), *found.rows]
    table = "\n".join(f"| {' | '.join(map(_in_markdown, cells))} |" for cells in lines)
    return f"{table}\n\n{_in_markdown(found.caption)}\n"


def latex(found: Headline) -> str:
    """A `table` that needs no package."""
    rows = [" & ".join(map(_in_latex, cells)) + r" \\" for cells in (found.columns, *found.rows)]
    return "\n".join(
        [
            r"\begin{table}",
            r"\centering",
            rf"\begin{{tabular}}{{l{'r' * (len(found.columns) - 1)}}}",
            r"\hline",
            rows[0],
            r"\hline",
            *rows[1:],
            r"\hline",
            r"\end{tabular}",
            rf"\caption{{{_in_latex(found.caption)}}}",
            r"\end{table}",
            "",
        ]
    )


def _ks(c: Comparison) -> list[str]:
    """1, the search budget where parts are told by it, and the largest k."""
    budget = [str(c["compression"]["search_budget"])] if told(c["compression"]) else []
    known = [k for k in c["difference"] if c["difference"][k]["value"] is not None]
    return [k for k in dict.fromkeys(("1", *budget, *known[-1:])) if k in c["difference"]]


def _cell(c: Comparison, k: str) -> str:
    change = c["difference"].get(k)
    if change is None or change["value"] is None:
        return "–"
    return f"{points(change['tuned'])} ({points(change['value'], True)}; {span_of(change).removeprefix('95 %: ')})"


def _named(ks: list[str]) -> list[str]:
    return [f"pass@{k}" for k in ks]


def _size(document: Document, name: str) -> str:
    policy = document["policies"][name]
    n = policy["samples_per_problem"]
    each = f"{n['max']}" if n["min"] == n["max"] else f"{n['min']}–{n['max']}"
    return f"{policy['n_problems']} × {each}"


def _asked(document: Document) -> str:
    held = document["settings"].get(document["base"], {})
    words = {
        "temperature": "temperature {}",
        "max_new_tokens": "at most {} tokens",
        "verifier": "verifier {}",
    }
    said = [form.format(line(held[key], 60)) for key, form in words.items() if held.get(key) is not None]
    return " ".join(
        [*([f"{', '.join(said).capitalize()}."] if said else []), f"By rlvr {document['version']}."]
    )


def _in_markdown(text: str) -> str:
    """Names come from files: no table cell, tag or link of their own."""
    return re.sub(r"([\\`*_\[\]<>|])", r"\\\1", line(text, 1000)) if text != "---" else text


_LATEX = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}
_LATEX |= {c: f"\\{c}" for c in "&%$#_{}"} | {"−": "$-$", "×": r"$\times$", "–": "--", "≥": r"$\ge$"}
_LATEX |= {"∞": r"$\infty$", "→": r"$\to$", "…": r"\dots{}", "<": r"\textless{}", ">": r"\textgreater{}"}


def _in_latex(text: str) -> str:
    return "".join(_LATEX.get(c, c) for c in line(text, 1000))


def files(document: Document) -> Iterator[tuple[str, str]]:
    """Name of a file → the table as its text."""
    found = headline(document)
    yield "headline.md", markdown(found)
    yield "headline.tex", latex(found)
