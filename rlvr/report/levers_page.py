"""The page of `rlvr evidence`, from numbers that `rlvr.analysis` computed; evidence.json and evidence.csv beside it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rlvr.analysis import summarise
from rlvr.analysis.sections.ladder import Ladder
from rlvr.analysis.sections.levers import Levers, TransferCell
from rlvr.report import browser, evidence_ladder, page
from rlvr.report.building import beside, captioned, put
from rlvr.report.comparable import asked_alike
from rlvr.report.document import assemble, jsonable, source_of, turns_of
from rlvr.report.figures import Cells, Panel, View, evidence, levers, turns
from rlvr.report.inputs import Inputs as ReportInputs
from rlvr.report.schema import AnalysisSettings, Document
from rlvr.rollouts.evaluations import Evaluation
from rlvr.text import line, number


@dataclass(frozen=True, slots=True)
class Inputs:
    """What the page shows."""

    title: str
    evaluations: Mapping[tuple[str, str], Evaluation]
    """By policy and the way it is asked; ("base", "base") is the first."""
    main: str | None
    """The run that stands on the evidence ladder: the first that is asked as the base is."""
    levers: Levers
    ceiling: Mapping[str, Any] | None
    """`row`, and `base` and `nats` of `exact.posterior_ceiling`."""
    transfer: list[TransferCell] | None
    replicates: int

    @property
    def analysis(self) -> AnalysisSettings:
        return {"replicates": self.replicates, "seed": 0, "search_budget": self.levers["k"]}


@dataclass(frozen=True, slots=True)
class Page:
    """What `write` wrote."""

    summary: str
    """The table, for a terminal."""
    json: Path
    html: Path


def write(inputs: Inputs, output: Path) -> Page:
    """Draws and writes; each file is put in place whole."""
    document = _document(inputs)
    view = View(document)
    table, figure = (draw(inputs.levers, inputs.ceiling) for draw in (levers.panel, levers.drawn))
    matrix = levers.transfer(inputs.transfer)
    panels = [
        table,
        figure,
        matrix,
        captioned(turns.panel(view), view),
        captioned(evidence.panel(view), view),
    ]
    shown = browser.collect([*inputs.evaluations.values()])
    html = page.render(document, panels, shown, [*_headline(inputs)], [], "evidence.json")
    found: dict[str, Any] = {
        "title": inputs.title,
        "version": document["version"],
        "k": inputs.levers["k"],
        "n_problems": inputs.levers["n_problems"],
        "levers": [*inputs.levers["levers"], *([inputs.ceiling["row"]] if inputs.ceiling else [])],
        "curves": inputs.levers["curves"],
        "ceiling": {key: inputs.ceiling[key] for key in ("base", "nats")} if inputs.ceiling else None,
        "transfer": inputs.transfer,
        "turns": document["turns"],
        "ladder": document["ladder"],
        "policies": document["policies"],
        "settings": document["settings"],
    }
    for name, text in beside(panels):
        put(output / "figures" / name, text)
    put(output / "evidence.json", json.dumps(jsonable(found), indent=1, allow_nan=False) + "\n")
    put(output / "evidence.csv", page.as_csv(figure))
    put(output / "evidence.html", html)
    return Page("\n".join(_lines(inputs, table, matrix)), output / "evidence.json", output / "evidence.html")


def _document(inputs: Inputs) -> Document:
    """That of the base alone, with the other evaluations' figures, settings, attempts, and the ladder."""
    named = {e.name: e for e in inputs.evaluations.values()}
    base = inputs.evaluations["base", "base"]
    document = assemble(
        ReportInputs([base]), title=inputs.title, analysis=inputs.analysis, exact=None, notes=base.notes
    )
    for name, e in named.items():
        if e is not base:
            document["policies"][name] = jsonable(summarise(e.samples, None, inputs.replicates, 0))
            document["settings"][name], document["sources"][name] = e.settings, source_of(e)
    document["turns"] = jsonable(turns_of(inputs.analysis, *named.values()))
    document["ladder"] = jsonable(_ladder(inputs))
    if inputs.main:
        document["main"] = inputs.main
    return document


def _ladder(inputs: Inputs) -> Ladder | None:
    """Base and the main run under other evidence alone: what else is asked, such as turns, is no rung."""
    if inputs.main is None:
        return None
    held = {"base": inputs.evaluations["base", "base"], "tuned": inputs.evaluations[inputs.main, "base"]}
    owners = {"base": "base", inputs.main: "tuned"}
    rungs = [
        evidence_ladder.Further(owners[trained], e)
        for (trained, _), e in inputs.evaluations.items()
        if trained in owners and e not in held.values() and asked_alike(held["base"], e, ("evidence",))
    ]
    return evidence_ladder.section(held["base"], held["tuned"], rungs, inputs.replicates, 0)


def _headline(inputs: Inputs) -> Iterator[str]:
    found = inputs.levers
    count = len(found["levers"]) - 1
    yield f"{count} levers on {found['n_problems']} held-out problems, in nats of log-odds against the same base."
    if inputs.ceiling:
        base = found["levers"][0]["pass_at_1"]["value"]
        yield (
            f"Computed, not sampled: the base solves {number(100 * inputs.ceiling['base'], '.1f')} points at one "
            f"sample (estimated {number(100 * float(base or 0), '.1f')}), and its posterior "
            f"{number(100 * float(inputs.ceiling['row']['pass_at_1']['value']), '.1f')}."
        )


def _lines(inputs: Inputs, table: Panel, matrix: Panel) -> Iterator[str]:
    """Both tables, the first without its last columns, and what is said of them."""
    yield from _padded([[row[i] for i in (0, 2, 3, 4, 5, 6)] for row in (table.columns, *table.rows)])
    if matrix.rows:
        yield ""
        yield from _padded([matrix.columns, *matrix.rows])
    yield from ("", *_headline(inputs), table.see)


def _padded(rows: Sequence[Cells]) -> Iterator[str]:
    cells = [[line(cell, 34) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for row in cells:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
