"""The small words of a report: a number with its interval, a count with its noun."""

from __future__ import annotations

from rlvr.analysis.estimate import EstimateJson, Number, real
from rlvr.analysis.pair import Change
from rlvr.analysis.sections.decomposition import Solved
from rlvr.analysis.sections.summary import PolicySummary
from rlvr.analysis.sections.turns import OfTurn
from rlvr.text import number, points

NAMELESS = "not given"
"""What is said of a source, or status, where rows do not say it."""


def span(e: EstimateJson) -> str:
    return f"{points(e['value'])} ({span_of(e)})"


def change_of(change: Change) -> str:
    """ "4.6 → 92.6: +88.0 points (95 %: 86.4 to 89.3, paired)", all of it over the same problems."""
    return (
        f"{points(change['base'])} → {points(change['tuned'])}: {points(change['value'], True)} points "
        f"({span_of(change)}, paired)"
    )


def often(change: Change) -> str:
    """How a share has changed, by what its points show."""
    return {"+": "more often", "−": "less often"}.get(points(change["value"], True)[0], "as often")


def span_of(e: EstimateJson, scale: float = 100, form: str = ".1f") -> str:
    """The interval; with a negative scale, that of the negative number."""
    if e["lo"] is None or e["hi"] is None:
        return "no interval"
    lo, hi = sorted((real(e["lo"]) * scale, real(e["hi"]) * scale))
    return f"95 %: {number(lo, form)} to {number(hi, form)}"


def counted(n: int | None, what: str) -> str:
    """1 sample, 2 samples."""
    return f"{n} {what}{'' if n == 1 else 's'}"


def attempts_in_short(policy: str, by_turn: list[OfTurn]) -> str:
    """ "base: pass@1 3.1 at the first attempt, 5.0 within 2, 6.2 within 3." """
    first, *rates = (points(of["pass_at_k"]["1"]["value"]) for of in by_turn)
    later = [f"{rate} within {n}" for n, rate in enumerate(rates, start=2)]
    return f"{policy}: pass@1 {', '.join([f'{first} at the first attempt', *later])}."


def answered(solved: Solved) -> int:
    """Problems with samples of both policies."""
    return solved["both"] + solved["base_only"] + solved["tuned_only"] + solved["neither"]


def lost_samples(policy: PolicySummary) -> list[str]:
    """Shares of samples cut by the token limit and without an answer, in words, where they are known."""
    shares: tuple[tuple[Number, str], ...] = (
        (policy["truncated"]["value"], "cut by the token limit"),
        (policy["no_answer"]["value"], "without an answer"),
    )
    return [f"{number(100 * real(share), '.1f')} % {words}" for share, words in shares if share is not None]
