"""A check: what the mathematics says, what was found, and the mark that tells whether the two agree."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

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
        cls, what: str, found: float, exact: float, by: float, unit: str = "rate", **more: object
    ) -> Line:
        """The two may differ by `by`."""
        return cls(what, found, exact, unit, f"within {by:.3g}", abs(found - exact) <= by, **more)  # type: ignore[arg-type]

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
    seconds: float = 0.0

    @property
    def passed(self) -> bool:
        """Every figure that has a mark meets it."""
        return all(line.passed is not False for line in self.lines)


def table(check: Check) -> list[str]:
    """The check as lines of text."""
    rows = [("", "exact", "found", "difference", "mark")]
    for line in check.lines:
        difference = "" if line.exact is None else f"{line.found - line.exact:+.4f}"
        verdict = {True: "  ok", False: "  MISSED", None: ""}[line.passed]
        exact = "" if line.exact is None else f"{line.exact:.4f}"
        found = f"{line.found:.4f}"
        if line.spread:
            found += f" ({min(line.spread):.4f} to {max(line.spread):.4f}, {len(line.spread)} seeds)"
        rows.append(
            (
                cell(f"{line.what}{f', {line.unit}' * bool(line.unit)}"),
                exact,
                found,
                difference,
                line.mark + verdict,
            )
        )
    widths = [max(len(row[i]) for row in rows) for i in range(5)]
    head = f"{check.name}  {check.claim}  ({check.seconds:.0f} s)"
    return [
        head,
        *(
            "  ".join(
                [row[0].ljust(widths[0]), *(row[i].rjust(widths[i]) for i in (1, 2, 3)), row[4]]
            ).rstrip()
            for row in rows
        ),
    ]
