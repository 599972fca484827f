"""From paths to the finished report: read, check, compute, draw, write."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rlvr.errors import UserError
from rlvr.report import Report, browser, comparable, page, words
from rlvr.report.document import assemble
from rlvr.report.figures import (
    Panel,
    View,
    decomposition,
    frontier,
    passk,
    scatter,
    steps,
    summary,
    tables,
    theme,
    training,
    variants,
    verdicts,
)
from rlvr.report.sources import Evaluation, read, renamed
from rlvr.rollouts import read_objects

PANELS = (
    passk.panel,
    decomposition.panel,
    scatter.panel,
    frontier.panel,
    variants.panel,
    training.panel,
    steps.panel,
    tables.evidence,
    tables.probes,
    tables.exact,
    tables.limits,
    verdicts.panel,
    summary.panel,
)


@dataclass(frozen=True, slots=True)
class Inputs:
    """Everything that was read, checked to be comparable."""

    evaluations: list[Evaluation]
    probes: dict[str, list[Evaluation]]
    training: list[dict[str, Any]]
    notes: list[str]

    @classmethod
    def read(
        cls,
        base: Path,
        tuned: Path | None,
        more: Sequence[Path],
        probes: Mapping[str, tuple[Path, Path]],
        metrics: Path | None,
        allow: bool,
    ) -> Inputs:
        """Reads all files and refuses what cannot be compared."""
        held = _evaluations(base, tuned, more, allow)
        notes = [note for evaluation in held for note in evaluation.notes]
        for other in held[1:]:
            notes += comparable.check(held[0], other, allow)
        apart = {}
        for name, (before, after) in probes.items():
            apart[name] = _named([read(before, "base", allow)[0], read(after, "tuned", allow)[0]])
            notes += comparable.check(apart[name][0], apart[name][1], allow)
        return cls(held, apart, _metrics(metrics), list(dict.fromkeys(notes)))


def _evaluations(base: Path, tuned: Path | None, more: Sequence[Path], allow: bool) -> list[Evaluation]:
    first = read(base, "base", allow)
    if len(first) == 2:
        if tuned is not None:
            raise UserError(
                f"{base}: holds base and tuned already; give it alone, or two files with a column c"
            )
        return first
    if tuned is None:
        return first
    second = read(tuned, "tuned", allow)
    if len(second) == 2:
        raise UserError(f"{tuned}: holds base and tuned; give it alone")
    held = [first[0], second[0]]
    for path in more:
        name = path.stem
        if name in (e.name for e in held):
            name = f"{path.parent.name}/{name}"
        held += read(path, name, allow)
    return _named(held)


def _named(evaluations: Sequence[Evaluation]) -> list[Evaluation]:
    """The same, with the report's names for the policies in their log-probabilities too.

    A file has its own name for its policy ("my-run") and may hold log-probabilities under the others' names.
    """
    own = [e.columns.policies if e.columns else () for e in evaluations]
    first = {p[0]: e.name for e, p in zip(evaluations[:2], own[:2], strict=True) if len(p) == 1}
    return [
        renamed(e, first | ({p[0]: e.name} if len(p) == 1 else {}))
        for e, p in zip(evaluations, own, strict=True)
    ]


def _metrics(path: Path | None) -> list[dict[str, Any]]:
    if path is None or not Path(path).exists():
        return []
    return [obj for _, _, obj in read_objects(path) if isinstance(obj, dict)]


def write(
    inputs: Inputs,
    output: Path,
    *,
    search_budget: int | None,
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
    document = assemble(
        inputs.evaluations,
        title=title,
        search_budget=search_budget,
        probes=inputs.probes,
        exact=exact,
        notes=[*notes, *inputs.notes],
    )
    view = View(document, inputs.evaluations, inputs.training)
    panels = [draw(view) for draw in PANELS]
    html = page.render(
        document, panels, browser.collect(inputs.evaluations), words.headline(document), words.tiles(document)
    )
    output.mkdir(parents=True, exist_ok=True)
    for name, text in _beside(panels):
        _put(output / "figures" / name, text)
    text = json.dumps(document, indent=1, allow_nan=False)
    _put(output / "report.json", text + "\n")
    _put(output / "report.html", html)
    return Report(words.summary(document), output / "report.json", output / "report.html", document)


def _beside(panels: Sequence[Panel]) -> Iterator[tuple[str, str]]:
    """The files beside the page: every panel's numbers, and its drawing."""
    for panel in panels:
        if panel.rows:
            yield f"{panel.name}.csv", page.as_csv(panel)
        if panel.drawing:
            yield f"{panel.name}.svg", theme.for_file(panel.drawing)


def _put(path: Path, text: str) -> None:
    """Atomic: a reader sees the old file or the new one. Half a surrogate pair, not UTF-8, becomes "?"."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
        file.write(text.encode("utf-8", "replace"))
    Path(file.name).chmod(0o644)
    Path(file.name).replace(path)
