"""From paths to the finished report: read, check, compute, draw, write."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from rlvr import files
from rlvr.errors import UserError
from rlvr.report import Report, browser, headline, page, problem_table, prose, tiles
from rlvr.report import summary as terminal
from rlvr.report.document import assemble, in_time
from rlvr.report.figures import (
    Panel,
    View,
    answering,
    breakdown,
    checkpoints,
    controls,
    decomposition,
    evidence,
    flips,
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
from rlvr.rollouts.attributes import attributes

FEWEST_REPLICATES = 100

PANELS = (
    flips.panel,
    passk.panel,
    decomposition.panel,
    scatter.panel,
    sources.panel,
    breakdown.panel,
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
    answering.panel,
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
    title: str | None,
    notes: Sequence[str],
    reload: float | None = None,
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
    columns = attributes(inputs.evaluations[:2])
    document = assemble(
        inputs,
        title=title or _title(inputs),
        analysis={"replicates": replicates, "seed": 0, "search_budget": search_budget},
        exact=exact,
        notes=[*notes, *inputs.notes],
        columns=columns,
    )
    view = View(document, inputs.training)
    panels = [captioned(draw(view), view) for draw in PANELS]
    html = page.render(
        document,
        panels,
        browser.collect(in_time(inputs.evaluations), inputs.steps),
        prose.headline(document),
        tiles.tiles(document),
        folded=prose.folded(document),
        table=problem_table.collect(document, columns),
        quoted=dict(headline.files(document)),
        reload=reload,
    )
    output.mkdir(parents=True, exist_ok=True)
    for name, text in (*beside(panels), *headline.files(document)):
        put(output / "figures" / name, text)
    text = json.dumps(document, indent=1, allow_nan=False)
    put(output / "report.json", text + "\n")
    put(output / "report.html", html)
    return Report(terminal.summary(document), output / "report.json", output / "report.html", document)


def _title(inputs: Inputs) -> str:
    """What is compared; of one evaluation, what it is of."""
    first, *others = inputs.evaluations
    if not others:
        return first.path.stem if first.name == "base" else first.name
    if inputs.runs or (first.name, others[0].name) == ("base", "tuned"):
        return "Base and tuned"
    return f"{first.name} and {others[0].name}"


def captioned(panel: Panel, view: View) -> Panel:
    """With what every figure owes its reader: on what it was measured."""
    if not panel.drawing:
        return panel
    return replace(panel, caption=" ".join(filter(None, (panel.caption, sampling_caption(view)))))


def beside(panels: Sequence[Panel]) -> Iterator[tuple[str, str]]:
    """The files beside the page: every panel's numbers, and its drawing."""
    for panel in panels:
        if panel.rows:
            yield f"{panel.name}.csv", page.as_csv(panel)
        if panel.drawing:
            yield f"{panel.name}.svg", theme.for_file(panel.drawing)


def put(path: Path, text: str) -> None:
    """Half a surrogate pair, which is not UTF-8, becomes "?"."""
    path.parent.mkdir(parents=True, exist_ok=True)
    files.replace(path, [text.encode("utf-8", "replace")])
