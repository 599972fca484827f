"""The report of one run from its folder: finished, stopped, or still running, with what it has so far."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rlvr import config as configuration
from rlvr import rollouts
from rlvr.config import Config
from rlvr.errors import UserError
from rlvr.launch.processes import is_locked
from rlvr.report import Report, build
from rlvr.run import Run, is_whole, read_metrics
from rlvr.text import points


def build_run(
    folder: Path,
    *,
    output: Path,
    search_budget: int | None = None,
    allow_mismatch: bool = False,
    replicates: int | None = None,
    title: str | None = None,
    reload: float | None = None,
) -> Report:
    """The report that `rlvr run` writes, of what lies in `folder` now; search budget and replicates are the run's own
    where nobody says another.

    Args:
        reload: as in `build`.

    Raises:
        UserError: it is not a run's folder, or nothing was evaluated yet.
    """
    run = Run(folder)
    if not (folder / "config.yaml").is_file():
        raise UserError(f"{folder}: not the folder of a run, it has no config.yaml")
    config = configuration.load(folder / "config.yaml")
    found = evaluated(run)
    return build(
        found.first,
        found.main,
        found.more,
        output=output,
        search_budget=search_budget or (config.analysis.search_budget if found.main else None),
        allow_mismatch=allow_mismatch,
        metrics=run.metrics,
        probes=_probes(run),
        exact=_exact(run) if found.main == run.rollouts("tuned") else None,
        replicates=replicates or config.analysis.replicates,
        title=title or folder.resolve().name,
        reload=reload,
        names=[found.first.stem, *([found.main.stem] if found.main else [])],
        notes=[*history(config, run), *state(config, run), *found.lacks],
    )


@dataclass(frozen=True, slots=True)
class Found:
    """The evaluations that a run has so far."""

    first: Path
    """The base's; of a run that was trained only, the newest there is."""
    main: Path | None = None
    """The tuned policy's or, before it is there, the newest during training."""
    more: list[Path] = field(default_factory=list)
    lacks: list[str] = field(default_factory=list)
    """What is missing, in words."""


def evaluated(run: Run) -> Found:
    """Raises UserError: nothing was evaluated yet."""
    base, tuned = run.rollouts("base"), run.rollouts("tuned")
    whole = [path for path in run.evaluations() if is_whole(path)]
    if not rollouts.count(base):
        return _trained_only(run, whole)
    lacks = [
        _so_far(path) for path in (base, *run.evaluations(), tuned) if path.exists() and not is_whole(path)
    ]
    if is_whole(tuned):
        return Found(base, tuned, whole, lacks)
    if not whole or not is_whole(base):
        return Found(base, lacks=[*lacks, "The base alone: no other policy is evaluated yet."])
    *more, newest = whole
    instead = (
        f"The tuned policy is not evaluated yet; {newest.stem}, the newest evaluation, stands in its place."
    )
    return Found(base, newest, more, [*lacks, instead])


def _trained_only(run: Run, whole: list[Path]) -> Found:
    """A run whose base has no sample: `rlvr train` asks for none."""
    after = f"`rlvr run {run.folder}` evaluates base and trained model and reports both; steps are not made again."
    if not whole:
        missing = run.rollouts("base").relative_to(run.folder)
        raise UserError(
            f"{run.folder}: nothing to report yet, {missing} has no sample"
            + (f". {after}" if run.metrics.exists() else "")
        )
    newest = whole[-1]
    said = (
        f"The base was not evaluated: this is the training, and {newest.stem}, its newest evaluation. {after}"
    )
    return Found(newest, lacks=[said])


def _so_far(path: Path) -> str:
    settings = rollouts.read_settings(path)
    whole = settings.get("n_problems", 0) * settings.get("samples", 0)
    left_out = "" if path.stem == "base" else " and was left out"
    return f"{path.name} is not finished{left_out}: {rollouts.count(path):,} of {whole:,} samples so far."


def state(config: Config, run: Run) -> Iterator[str]:
    """Whether more is to come; nothing of a finished run, nor of one that was only to train."""
    trained_only = run.model.is_dir() and not run.rollouts("base").exists()
    if not is_locked(run.folder) and (trained_only or is_whole(run.rollouts("tuned"))):
        return
    step = max((row.get("step", 0) for row in read_metrics(run.metrics)), default=0)
    now = "is running" if is_locked(run.folder) else "stopped before its end"
    yield f"This run {now}, after step {step} of {config.train.steps}: a report of what it has so far."


def _probes(run: Run) -> dict[str, tuple[Path, Path]]:
    """Further sets of problems that both policies were asked."""
    found = {}
    for before in sorted(run.folder.glob("rollouts/base.*.jsonl")):
        after = before.with_name(before.name.replace("base", "tuned", 1))
        if is_whole(before) and is_whole(after):
            found[before.stem.removeprefix("base.")] = (before, after)
    return found


def _exact(run: Run) -> dict[str, Any] | None:
    """Exact values that the run's own report has: they rest on the model, not on its samples."""
    written = run.report.with_suffix(".json")
    if not written.exists():
        return None
    exact = json.loads(written.read_text(encoding="utf-8")).get("exact")
    return exact and exact["values"]


def history(config: Config, run: Run) -> Iterator[str]:
    """What a reader of the report should know of how the tuned model came about."""
    record = run.record
    for end in record.get("ends", ()):
        kept = f" What belonged to that end lies in model-{end} and rollouts/."
        yield (
            f"After step {end} the run went on to more steps than it was to have: from step {end + 1} on the learning "
            f"rate is that of the longer schedule.{kept if (run.folder / f'model-{end}').is_dir() else ''}"
        )
    if chosen := record.get("model"):
        yield (
            f"The tuned model is the policy after step {chosen['step']}: the best of {chosen['of']} evaluations during "
            f"training by held-out {chosen['figure']} ({points(chosen['value'])}; of equal ones the earliest). The "
            "largest of several is too high by chance; the tuned figures here are of fresh samples, so they are not "
            "that maximum. The problems are those that chose the step; a set under problems.probes has no part in it."
        )
