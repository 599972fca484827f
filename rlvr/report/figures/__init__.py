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
from rlvr.report.kinds import told
from rlvr.report.schema import Document, Group
from rlvr.report.words import lost_samples

Cells = Sequence[Any]

SEVERAL = "Needs several samples per problem."
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
    def base(self) -> str:
        """The policy that every other one is compared with: "base", or the name that it was given."""
        return self.document["base"]

    @property
    def comparison(self) -> Comparison | None:
        """Base and main policy; None where there is one evaluation only."""
        return self.document["comparison"]

    @property
    def single(self) -> bool:
        """One sample of each problem: the page is of flips, and of nothing that takes several."""
        return bool(self.comparison and self.comparison["flips"])

    @property
    def comparisons(self) -> dict[str, Comparison]:
        """Every comparison with the base, in the order of the policies."""
        held = {self.main: self.comparison, **self.document["comparisons"]}
        return {name: c for name in self.names if (c := held.get(name))}

    @property
    def groups(self) -> Mapping[str, Group]:
        """Algorithm → its runs and their spread; empty unless there are several runs."""
        return self.document.get("groups") or {}

    @property
    def labels(self) -> dict[str, str]:
        """Entries of a legend by policy: runs of one algorithm, which share its colour, are one entry."""
        several = {a: g["runs"] for a, g in self.groups.items() if len(g["runs"]) > 1}
        seeds = {
            run: f"{algorithm}: {len(runs)} seeds" for algorithm, runs in several.items() for run in runs
        }
        return {name: seeds.get(name, name) for name in (self.base, self.main, *self.names)}

    @property
    def styles(self) -> dict[str, dict[str, Any]]:
        """Line styles by policy: base grey; runs of one algorithm share its colour, any other has its own."""
        group = {run: algorithm for algorithm, g in self.groups.items() for run in g["runs"]}
        names = dict.fromkeys((self.base, self.main, *self.names))
        own = list(dict.fromkeys(group.get(name, name) for name in names))
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


def answers_differ(view: View) -> bool:
    """Whether pass@k of right answers alone is another curve than pass@k, for some policy."""
    return any(
        (alone := policy["answer_pass_at_k"].get(k)) is not None and alone["value"] != e["value"]
        for policy in view.policies.values()
        for k, e in policy["pass_at_k"].items()
    )


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
    """Line styles: base, the first, grey; the second has a colour that no other shares; dashes tell apart the rest,
    once their colours have all been used."""
    first, *rest = theme.RUNS
    out: dict[str, dict[str, Any]] = {name: {"color": theme.colour("base")} for name in names[:1]}
    out |= {name: {"color": theme.colour(first), "linestyle": "-"} for name in names[1:2]}
    for at, name in enumerate(names[2:]):
        dash = ("-", "--", "-.", ":")[at // len(rest) % 4]
        out[name] = {"color": theme.colour(rest[at % len(rest)]), "linestyle": dash}
    return out


def sampling_caption(view: View) -> str:
    """M, n, K, temperature, token limit, verifier, seeds, shares cut and unparsable: what every caption owes the
    reader. Policies beside the base and the main one are counted only; the table of settings has them in full."""
    parts = []
    for name in dict.fromkeys((view.base, view.main)):
        policy = view.policies[name]
        n = policy["samples_per_problem"]
        span = f"{n['min']}" if n["min"] == n["max"] else f"{n['min']}–{n['max']}"
        some = policy["n_problems"]
        problems, samples = f"problem{'' if some == 1 else 's'}", f"sample{'' if span == '1' else 's'}"
        about = f"{name}: {some:,} {problems} × {span} {samples}"
        parts.append(", ".join([about, *lost_samples(policy)]))
    others = [
        policy["samples_per_problem"]
        for name, policy in view.policies.items()
        if name not in (view.base, view.main)
    ]
    if others:
        fewest, most = min(n["min"] for n in others), max(n["max"] for n in others)
        span = f"{fewest}" if fewest == most else f"{fewest}–{most}"
        parts.append(f"{len(others)} more evaluations with {span} samples")
    if (c := view.comparison) and told(c["compression"]):
        parts.append(f"K = {c['compression']['search_budget']}")
    held = view.document["settings"].get(view.base, {})
    words = {
        "temperature": "temperature {}",
        "top_p": "top-p {}",
        "max_new_tokens": "at most {} tokens",
        "verifier": "verifier {}",
        "seed": "seed {}",
    }
    parts += [form.format(held[key]) for key, form in words.items() if held.get(key) is not None]
    return "; ".join(parts) + "."
