"""Table 8, second part: the control runs, without which a gain is not the verifier's doing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rlvr.report.figures import SEVERAL, Panel, View
from rlvr.report.figures.tables import interval

CONTROLS = (
    (
        "SFT on verified base samples (the main control)",
        "what pure matching of p(z | x, verified) gives, without RL",
        "train.algorithm=rejection",
        "rejection",
    ),
    ("random reward", "what training gives without any information", "train.reward=random", "random reward"),
    ("format-only reward", "what the form of an answer alone gives", "train.reward=format", "format reward"),
)
"""Name; what it tells; how to run it; what its runs are called among the report's methods."""


def panel(view: View) -> Panel:
    name, short, title = "controls", "Controls", "Control runs"
    c = view.comparison
    if not c:
        return Panel(name, short, title, missing="Needs two evaluations: a base and a tuned policy.")
    if view.single:
        return Panel(name, short, title, missing=SEVERAL)
    ours = any(
        method in group for *_, method in CONTROLS for group in view.groups
    )  # files of other systems have none
    if not view.training and not ours:
        return Panel(name, short, title, missing="Runs of this pipeline have them: see docs/algorithms.md.")
    rows = [row for control in CONTROLS for row in _rows(view, *control)]
    run = sum(row[2] != "not in this report" for row in rows)
    return Panel(
        name,
        short,
        title,
        see=f"{run} of {len(CONTROLS)} kinds of control run are in this report; the base's best of K needs no run.",
        caption="To add them: `rlvr run CONFIG` with the setting in the last column, then `rlvr report` with the "
        "folders of all runs. Best of K of the base is its pass@K: what a verifier that chooses among K samples "
        "reaches without training.",
        columns=("control", "what it tells", "runs", "pass@1, points", "Δ pass@1, points", "setting"),
        rows=[*rows, _best_of_base(view, c["compression"]["search_budget"])],
    )


def _rows(view: View, control: str, tells: str, setting: str, method: str) -> Iterator[list[Any]]:
    """One row per method of the report that is this control; one that says so where there is none."""
    found = {name: group for name, group in view.groups.items() if method in name}
    if not found:
        yield [control, tells, "not in this report", "–", "–", setting]
    for name, group in found.items():
        rate, gain = group["pass_at_k"].get("1"), group["quantities"]["gain"]
        yield [f"{control}: {name}", tells, str(len(group["runs"])), interval(rate), interval(gain), setting]


def _best_of_base(view: View, budget: int) -> list[Any]:
    best = view.policies[view.base]["pass_at_k"].get(str(budget))
    return [
        f"base, best of K = {budget} (control)",
        "what search alone gives",
        "no run",
        interval(best),
        "–",
        "–",
    ]
