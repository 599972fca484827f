"""A check: what the mathematics says, what was found, and the mark that tells whether the two agree."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from rlvr.text import cell


@dataclass(frozen=True, slots=True)
class Line:
    """One figure. `exact` and `found` are in `unit`."""

    what: str
    found: float
    exact: float | None = None
    unit: str = ""
    """"nats", "rate", … empty: a number."""
    mark: str = ""
    """What must hold, in words; empty: shown, and nothing is asked of it."""
    passed: bool | None = None
    """Whether it holds; None where there is no mark."""
    spread: Sequence[float] = ()
    """The figure of each seed, where it is a mean over several."""

    @classmethod
    def within(
        cls,
        what: str,
        found: float,
        exact: float,
        by: float,
        unit: str = "rate",
        spread: Sequence[float] = (),
    ) -> Line:
        """The two may differ by `by`."""
        return cls(what, found, exact, unit, f"within {by:.3g}", abs(found - exact) <= by, spread)

    @classmethod
    def at_most(
        cls, what: str, found: float, most: float, unit: str = "nats", exact: float | None = None
    ) -> Line:
        return cls(what, found, exact, unit, f"at most {most:.3g}", found <= most)

    @classmethod
    def at_least(
        cls, what: str, found: float, least: float, unit: str = "rate", exact: float | None = None
    ) -> Line:
        return cls(what, found, exact, unit, f"at least {least:.3g}", found >= least)

    @classmethod
    def over_seeds(
        cls,
        what: str,
        each: Sequence[float],
        exact: float | None = None,
        unit: str = "rate",
        least: float | None = None,
        most: float | None = None,
    ) -> Line:
        """The mean over seeds; the mark, where there is one, has to hold for each of them."""
        marks = {"at least": least, "at most": most}
        words = [f"{name} {mark:.3g}" for name, mark in marks.items() if mark is not None]
        passed = None
        if words:
            passed = all((least is None or least <= one) and (most is None or one <= most) for one in each)
            words.append("for each seed")
        return cls(what, float(np.mean(each)), exact, unit, " ".join(words), passed, tuple(each))

    def as_json(self) -> dict[str, Any]:
        """`exact` and `model`, with the figure of each seed and the standard error of their mean."""
        measured: dict[str, Any] = {"value": self.found, "status": "ok"}
        if self.spread:
            measured["seeds"] = list(self.spread)
        if len(self.spread) > 1:
            measured["se"] = float(np.std(self.spread, ddof=1) / len(self.spread) ** 0.5)
        return {
            "what": self.what.strip(), "unit": self.unit, "exact": self.exact, "model": measured, "mark": self.mark,
            "met": self.passed,
        }  # fmt: skip


@dataclass(slots=True)
class Check:
    """The figures behind one claim."""

    name: str
    """T1, T2, … of the list in docs/worlds.md."""
    claim: str
    lines: list[Line] = field(default_factory=list)
    curves: dict[str, dict[str, list[float]]] = field(default_factory=dict)
    """Name of a figure → its curves, by name; `x` is shared."""
    dots: dict[str, dict[str, dict[str, float]]] = field(default_factory=dict)
    """Name of a figure → its series → the value of each category; all series have the same categories."""
    cpu: float = 0.0
    """Seconds of CPU that it took, with what had to be made for it, over all of its processes."""

    @property
    def passed(self) -> bool:
        """Every figure that has a mark meets it."""
        return all(line.passed is not False for line in self.lines)


HEAD = ("", "exact", "found", "difference", "mark")


def cells(line: Line) -> tuple[str, str, str, str, str]:
    """What a table shows of a line, under `HEAD`."""
    found = f"{line.found:.4f}"
    if line.spread:
        found += f" ({min(line.spread):.4f} to {max(line.spread):.4f}, {len(line.spread)} seeds)"
    return (
        cell(f"{line.what}{f', {line.unit}' * bool(line.unit)}"),
        "–" if line.exact is None else f"{line.exact:.4f}",
        found,
        "–" if line.exact is None else f"{line.found - line.exact:+.4f}",
        {True: f"{line.mark}: met", False: f"{line.mark}: MISSED", None: "shown"}[line.passed],
    )


def table(check: Check) -> list[str]:
    """The check as lines of text."""
    rows = [HEAD, *map(cells, check.lines)]
    widths = [max(len(row[i]) for row in rows) for i in range(5)]
    return [
        f"{check.name}  {check.claim}  ({check.cpu:.0f} s of CPU)",
        *(
            "  ".join(
                [row[0].ljust(widths[0]), *(row[i].rjust(widths[i]) for i in (1, 2, 3)), row[4]]
            ).rstrip()
            for row in rows
        ),
    ]
