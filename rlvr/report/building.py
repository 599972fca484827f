"""From paths to the finished report: read, check, compute, draw, write."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from rlvr import files
from rlvr.errors import UserError
from rlvr.report import Report, browser, page, prose
from rlvr.report.document import assemble
from rlvr.report.figures import (
    Panel,
    View,
    checkpoints,
    controls,
    decomposition,
    evidence,
    frontier,
    passk,
    sampling_caption,
    scatter,
    seeds,
    sources,
    summary,
    tables,
    theme,
    training,
    turns,
    variants,
    verdicts,
)
from rlvr.report.inputs import Inputs

FEWEST_REPLICATES = 100

PANELS = (
    passk.panel,
    decomposition.panel,
    scatter.panel,
    sources.panel,
    turns.panel,
    frontier.panel,
    variants.panel,
    training.panel,
    checkpoints.panel,
    evidence.panel,
    tables.probes,
    tables.exact,
    tables.limits,
    verdicts.panel,
    seeds.panel,
    summary.panel,
    controls.panel,
)


def write(
    inputs: Inputs,
    output: Path,
    *,
    search_budget: int | None,
    replicates: int,
    exact: Mapping[str, Any] | None,
    title: str,
    notes: Sequence[str],
) -> Report:
    """Computes, draws and writes; each file is put in place whole."""
    most = int(inputs.evaluations[0].samples.n.max())
    if search_budget is not None and not 1 <= search_budget <= most:
        raise UserError(
            f"search budget K = {search_budget}: expected 1 to {most}, the base's samples per problem"
        )
    if replicates < FEWEST_REPLICATES:
        raise UserError(
            f"replicates = {replicates}: expected at least {FEWEST_REPLICATES}, for a 95 % interval"
        )
    document = assemble(
        inputs,
        title=title,
        analysis={"replicates": replicates, "seed": 0, "search_budget": search_budget},
        exact=exact,
        notes=[*notes, *inputs.notes],
    )
    view = View(document, inputs.training)
    panels = [_captioned(draw(view), view) for draw in PANELS]
    html = page.render(
        document, panels, browser.collect(inputs.evaluations), prose.headline(document), prose.tiles(document)
    )
    output.mkdir(parents=True, exist_ok=True)
    for name, text in _beside(panels):
        _put(output / "figures" / name, text)
    text = json.dumps(document, indent=1, allow_nan=False)
    _put(output / "report.json", text + "\n")
    _put(output / "report.html", html)
    return Report(prose.summary(document), output / "report.json", output / "report.html", document)


def _captioned(panel: Panel, view: View) -> Panel:
    """With what every figure owes its reader: on what it was measured."""
    if not panel.drawing:
        return panel
    return replace(panel, caption=" ".join(filter(None, (panel.caption, sampling_caption(view)))))


def _beside(panels: Sequence[Panel]) -> Iterator[tuple[str, str]]:
    """The files beside the page: every panel's numbers, and its drawing."""
    for panel in panels:
        if panel.rows:
            yield f"{panel.name}.csv", page.as_csv(panel)
        if panel.drawing:
            yield f"{panel.name}.svg", theme.for_file(panel.drawing)


def _put(path: Path, text: str) -> None:
    """Half a surrogate pair, which is not UTF-8, becomes "?"."""
    path.parent.mkdir(parents=True, exist_ok=True)
    files.replace(path, [text.encode("utf-8", "replace")])
