"""The report's figures and tables: each module draws one, from numbers that `rlvr.analysis` computed.

A module exposes `panel(view)`. What it returns holds the drawing, the numbers in it as rows, and a sentence
that says what to see; where the data do not exist, only a line that says what is missing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from rlvr.analysis.estimate import Number, real
from rlvr.analysis.sections.compare import Comparison
from rlvr.analysis.sections.summary import PolicySummary
from rlvr.report.figures import theme
from rlvr.report.schema import Document, Group
from rlvr.report.words import lost_samples

Cells = Sequence[Any]

MIN_SEEDS = 3
"""From so many runs of one algorithm on, their mean is drawn."""


@dataclass(frozen=True, slots=True)
class View:
    """What a figure may look at."""

    document: Document
    """The content of report.json."""
    training: Sequence[Mapping[str, Any]] = ()
    """Rows of the main run's metrics.jsonl."""

    @property
    def main(self) -> str:
        """The policy that the page is about: "tuned", or the first of several runs."""
        return self.document["main"]

    @property
    def comparison(self) -> Comparison | None:
        """Base and main policy; None where there is one evaluation only."""
        return self.document["comparison"]

    @property
    def comparisons(self) -> dict[str, Comparison]:
        """Every comparison with the base, the main one first."""
        main = self.comparison
        return {self.main: main, **self.document["comparisons"]} if main else {}

    @property
    def groups(self) -> Mapping[str, Group]:
        """Algorithm → its runs and their spread; empty unless there are several runs."""
        return self.document.get("groups") or {}

    @property
    def styles(self) -> dict[str, dict[str, Any]]:
        """Line styles by policy: base grey; runs of one algorithm share its colour, any other has its own."""
        group = {run: algorithm for algorithm, g in self.groups.items() for run in g["runs"]}
        own = list(dict.fromkeys(group.get(name, name) for name in self.names))
        shades = styles(own)
        return {name: shades[group.get(name, name)] for name in self.names}

    @property
    def policies(self) -> Mapping[str, PolicySummary]:
        return self.document["policies"]

    @property
    def names(self) -> list[str]:
        return list(self.policies)


@dataclass(frozen=True, slots=True)
class Panel:
    """One figure or table with its numbers."""

    name: str
    short: str
    """Its name in the page's navigation."""
    title: str
    see: str = ""
    """One sentence: what to see."""
    caption: str = ""
    columns: Cells = ()
    rows: Sequence[Cells] = ()
    drawing: str | None = None
    """SVG in marker colours; None for a table."""
    missing: str = ""
    """What is missing, where the data do not exist."""
    points: Sequence[str] = field(default_factory=tuple)
    """Problem ids of the elements with `data-problem`, by number."""


def pct(value: Number) -> float:
    """A rate as points for drawing; NaN where it is not defined."""
    return 100 * real(value)


def log2_axis(ax: Axes, top: int, ticks: int = 11) -> None:
    """k on a log₂ axis that says 1, 2, 4, …, at most `ticks` of them."""
    ax.set_xscale("log", base=2)
    powers = [2**i for i in range(top.bit_length()) if 2**i <= top]
    ax.xaxis.set_major_locator(FixedLocator(powers[:: -(-len(powers) // ticks)]))
    ax.xaxis.set_minor_locator(NullLocator())
    ax.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}"))


def styles(names: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Line colours: base grey, every other policy one colour; dashes tell the fifth from the first."""
    out: dict[str, dict[str, Any]] = {}
    others = 0
    for name in names:
        if name == "base":
            out[name] = {"color": theme.colour("base")}
            continue
        dash = ("-", "--", "-.", ":")[others // len(theme.RUNS) % 4]
        out[name] = {"color": theme.colour(theme.RUNS[others % len(theme.RUNS)]), "linestyle": dash}
        others += 1
    return out


def sampling_caption(view: View) -> str:
    """M, n, K, temperature, token limit, verifier, seeds, shares cut and unparsable: what every caption owes the
    reader. Policies beside the base and the main one are counted only; the table of settings has them in full."""
    parts = []
    for name in dict.fromkeys(("base", view.main)):
        policy = view.policies[name]
        n = policy["samples_per_problem"]
        span = f"{n['min']}" if n["min"] == n["max"] else f"{n['min']}–{n['max']}"
        about = f"{name}: {policy['n_problems']:,} problems × {span} samples"
        parts.append(", ".join([about, *lost_samples(policy)]))
    others = [
        policy["samples_per_problem"]
        for name, policy in view.policies.items()
        if name not in ("base", view.main)
    ]
    if others:
        fewest, most = min(n["min"] for n in others), max(n["max"] for n in others)
        span = f"{fewest}" if fewest == most else f"{fewest}–{most}"
        parts.append(f"{len(others)} more evaluations with {span} samples")
    if c := view.comparison:
        parts.append(f"K = {c['compression']['search_budget']}")
    held = view.document["settings"].get("base", {})
    words = {
        "temperature": "temperature {}",
        "top_p": "top-p {}",
        "max_new_tokens": "at most {} tokens",
        "verifier": "verifier {}",
        "seed": "seed {}",
    }
    parts += [form.format(held[key]) for key, form in words.items() if held.get(key) is not None]
    return "; ".join(parts) + "."
