"""A sweep: the cells of a grid one after the other, each a run in its own folder, and a report over all of them."""

from __future__ import annotations

import gc
import json
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rlvr import config as configuration
from rlvr import failures, files, pipeline
from rlvr.config import Cell, Config, ConfigError, each
from rlvr.errors import UserError
from rlvr.launch.phases import Apart
from rlvr.launch.processes import locked, main_process_only, processes
from rlvr.run import SWEEP, Run, cells, check_folder, differences
from rlvr.terminal import Terminal

if TYPE_CHECKING:
    from rlvr.report import Report


@dataclass(frozen=True, slots=True)
class Part:
    """A cell of the grid with its configuration and its run."""

    cell: Cell
    config: Config
    run: Run

    @property
    def state(self) -> str:
        if self.run.report.exists():
            existing = configuration.load(self.run.folder / "config.yaml")
            return "goes on" if differences(existing, self.config) else "finished"
        return "begun" if self.run.metrics.exists() or self.run.rollouts("base").exists() else "new"


def run(
    grid: Sequence[Cell],
    file: Path,
    folder: Path,
    terminal: Terminal,
    base: Path,
    apart: Apart | None = None,
) -> int:
    """Run every cell that is not finished, then write the report. A cell that fails does not stop the others.

    Args:
        base: folder that the config's relative paths start from.
        apart: as of `pipeline.run`.

    Returns:
        0, or the exit code of the first cell that failed.

    Raises:
        ConfigError: before anything runs; a cell's configuration is not valid, or a folder holds something else.
    """
    parts = plan(grid, file, folder)
    with locked(folder, "sweep"):
        with main_process_only() as is_main:
            if is_main:
                names = json.dumps({"cells": [part.cell.name for part in parts]}, indent=1)
                files.replace(folder / SWEEP, [names.encode(), b"\n"])
        terminal.say(f"A sweep of {len(parts)} runs in {folder}:")
        for part in parts:
            terminal.say(f"  {part.cell.name} ({part.state})")
        tried = ((part, _attempt(part, parts, base, terminal, apart)) for part in parts)
        failed = {part.cell.name: error for part, error in tried if error}
        terminal.log_to(folder / "log.txt")
        with main_process_only() as is_main:
            if is_main:
                _conclude(folder, failed, terminal)
    return failures.code(next(iter(failed.values()))) if failed else 0


def plan(grid: Sequence[Cell], file: Path, folder: Path) -> list[Part]:
    """The cells with their folders. Raises ConfigError if a folder already holds something else."""
    if (folder / "config.yaml").exists():
        raise ConfigError(f"{folder} holds a single run; choose another folder for the sweep with --output")
    found = [p for p in folder.iterdir() if not p.name.startswith(".")] if folder.is_dir() else []
    if folder.is_file() or (found and not (folder / SWEEP).exists()):
        raise ConfigError(
            f"{folder}: this output folder holds something else: it is not empty and has no {SWEEP} of a sweep"
        )
    configs = configuration.load_cells(file, grid)
    parts = [Part(cell, config, Run(folder / cell.name)) for cell, config in zip(grid, configs, strict=True)]
    for part in parts:
        if part.state != "new":
            check_folder(part.config, part.run.folder)
    return parts


def _attempt(
    part: Part, parts: Sequence[Part], base: Path, terminal: Terminal, apart: Apart | None
) -> Exception | None:
    """Run one cell unless it is finished. Returns the error that stopped it, if any."""
    if part.state == "finished":
        return None
    terminal.say(f"Cell {part.cell.name}")
    try:
        pipeline.run(part.config, part.run.folder, terminal, base, _sibling(part, parts), apart)
    except Exception as error:
        # not all processes of a launch may have failed, and a full disk is full for the next cell too
        if processes().num_processes > 1 or failures.full(error):
            raise
        expected = failures.expected(error)
        words = failures.in_words(error) if expected else "".join(traceback.format_exception(error))
        terminal.say(f"Cell {part.cell.name} failed: {words}")
        traceback.clear_frames(error.__traceback__)  # they hold the model
        return error.with_traceback(None)
    finally:
        gc.collect()
    return None


def _sibling(part: Part, parts: Sequence[Part]) -> Run | None:
    """A finished cell with the same evaluation of the base: everything but training, the training sources' weights and
    analysis is equal."""

    def without_training(config: Config) -> Config:
        sources = [source.model_copy(update={"weight": None}) for source in each(config.problems.train)]
        problems = config.problems.model_copy(update={"train": sources})
        return config.model_copy(update={"train": None, "analysis": None, "problems": problems})

    same = (
        p.run
        for p in parts
        if p.state == "finished" and without_training(p.config) == without_training(part.config)
    )
    return next(same, None)


def _conclude(folder: Path, failed: dict[str, Exception], terminal: Terminal) -> None:
    """Write the report over the finished cells, and name those that failed."""
    for name, error in failed.items():
        words = failures.in_words(error) if failures.expected(error) else repr(error)
        terminal.show(f"Failed: {name}: {words}")
    if failed:
        terminal.show("The same command runs only these again.")
    if len(finished(folder)[0]) < 2:
        terminal.show("No report on the sweep: fewer than two of its runs are finished.")
        return
    result = report(folder, folder)
    terminal.show(result.summary)
    terminal.show(f"Report: {result.html}")


def finished(folder: Path) -> tuple[list[Run], list[str]]:
    """The finished runs of the sweep in `folder`, and the names of its other cells."""
    runs = cells(folder)
    return [r for r in runs if r.report.exists()], [r.folder.name for r in runs if not r.report.exists()]


def report(
    folder: Path,
    output: Path,
    search_budget: int | None = None,
    allow_mismatch: bool = False,
    replicates: int | None = None,
    title: str | None = None,
) -> Report:
    """The report over a sweep's finished cells; search budget and replicates are those of their configurations, where
    all have the same.

    Raises:
        UserError: fewer than two are finished, or they cannot be compared.
    """
    from rlvr import report as reports

    runs, missing = finished(folder)
    if not runs:
        raise UserError(f"{folder}: none of the {len(missing)} runs of this sweep is finished")
    analyses = [configuration.load(r.folder / "config.yaml").analysis for r in runs]
    budgets, drawn = {a.search_budget for a in analyses}, {a.replicates for a in analyses}
    return reports.build_runs(
        reports.RunFiles.of_folders([r.folder for r in runs]),
        output=output,
        search_budget=search_budget or (budgets.pop() if len(budgets) == 1 else None),
        allow_mismatch=allow_mismatch,
        replicates=replicates or (drawn.pop() if len(drawn) == 1 else reports.REPLICATES),
        title=title or folder.name,
        notes=[f"Not finished, so not in this report: {', '.join(missing)}"] if missing else [],
    )
