"""Figure 4: what the distance from the base bought, against the most that it could have bought."""

from __future__ import annotations

from rlvr.report.figures import Panel, View


def panel(view: View) -> Panel:
    name, short, title = "frontier", "Frontier", "Distance from the base, and what it bought"
    return Panel(
        name,
        short,
        title,
        missing="Needs log-probabilities of each completion under base and tuned policy (key logprobs), sampled at "
        "top-p 1; a run of this pipeline writes them.",
    )
