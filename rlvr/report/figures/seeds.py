"""Several training runs: each method's mean over seeds, beside what one run knows of itself; controls among them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

from rlvr.analysis.estimate import Number, real
from rlvr.analysis.runs import BetweenRuns
from rlvr.report.figures import MIN_SEEDS, Panel, View
from rlvr.report.figures.tables import interval
from rlvr.report.kinds import told
from rlvr.text import number

Followed = Literal["gain", "within", "expansion", "forgetting", "k_star", "kl_pi_p0", "efficiency"]
SHOWN: dict[Followed, tuple[str, float, str]] = {
    "gain": ("Δ pass@1", 100, ".1f"),
    "within": ("C, compression within K", 100, ".1f"),
    "expansion": ("E, expansion", 100, ".1f"),
    "forgetting": ("F, forgetting", 100, ".1f"),
    "k_star": ("k*", 1, ".3g"),
    "kl_pi_p0": ("KL(π‖p0), nats", 1, ".2f"),
    "efficiency": ("η, KL efficiency", 1, ".2f"),
}


def panel(view: View) -> Panel:
    name, short, title = "runs", "Runs", "Methods over seeds"
    if not view.groups:
        why = "Needs several runs: give run folders to `rlvr report`, or sweep: `rlvr run CONFIG seed=1,2,3`."
        return Panel(name, short, title, missing=why)
    return Panel(
        name,
        short,
        title,
        see=_see(view),
        caption="Between runs: mean over training seeds and Student's interval over them, on these problems. Within a "
        "run: the root mean square of the runs' own standard errors, which is about other problems and samples. "
        "The two are different kinds of uncertainty and are not added. A method needs at least "
        f"{MIN_SEEDS} runs.",
        columns=(
            "method",
            "runs",
            "quantity",
            "mean over runs",
            "sd between runs",
            "se within a run",
            "lowest to highest",
        ),
        rows=list(_rows(view)),
    )


def _rows(view: View) -> Iterator[list[Any]]:
    for method, group in view.groups.items():
        curve = group["pass_at_k"].get("1")
        shown: dict[str, tuple[BetweenRuns, float, str]] = {"pass@1": (curve, 100, ".1f")} if curve else {}
        shown |= {
            label: (group["quantities"][key], scale, form) for key, (label, scale, form) in SHOWN.items()
        }
        if not any("expansion" in told(view.comparisons[run]["compression"]) for run in group["runs"]):
            del shown[SHOWN["expansion"][0]]
        for label, (estimate, scale, form) in shown.items():
            if estimate["value"] is not None:
                yield [method, len(group["runs"]), label, *_cells(estimate, scale, form)]


def _cells(e: BetweenRuns, scale: float, form: str) -> list[str]:
    def one(value: Number) -> str:
        return number(scale * real(value), form)

    return [
        interval(e, scale, form),
        one(e.get("sd")),
        one(e.get("se_within")),
        f"{one(e.get('lowest'))} to {one(e.get('highest'))}",
    ]


def _see(view: View) -> str:
    parts = []
    for method, group in view.groups.items():
        gain = group["quantities"]["gain"]
        runs = len(group["runs"])
        few = "" if runs >= MIN_SEEDS else f" ({runs} run{'s' * (runs > 1)}: no statement about the method)"
        parts.append(f"{method}: {interval(gain)} points{few}")
    return "Gain in pass@1, mean over seeds: " + "; ".join(parts) + "."
