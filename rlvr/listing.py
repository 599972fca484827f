"""`rlvr list`: the runs in a folder, a line each; read from what they write, while they run as well."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import yaml

from rlvr import rollouts
from rlvr.errors import UserError
from rlvr.launch.processes import is_locked
from rlvr.run import SWEEP, Run, cells, is_whole, read_metrics
from rlvr.terminal import duration
from rlvr.text import line as short
from rlvr.text import points

State = Literal["running", "failed", "finished", "trained", "stopped", "not begun"]
"""`trained`: the model is there and no report, as after `rlvr train`."""
STYLES: dict[str, str] = {"running": "green", "failed": "red", "stopped": "yellow"}


@dataclass(frozen=True, slots=True)
class Entry:
    """One run or, with `cells`, a sweep."""

    folder: str
    state: State
    changed: float
    """Unix time at which something was last written."""
    step: int | None = None
    """The last that was logged."""
    steps: int | None = None
    model: str | None = None
    verifier: str | None = None
    """Those of the held-out problems."""
    base_pass_at_1: float | None = None
    """Held-out pass@1, from 0 to 1, of the whole evaluation."""
    tuned_pass_at_1: float | None = None
    """The same of the tuned policy or, before there is a report, of the last evaluation during training."""
    tuned_step: int | None = None
    """Of that evaluation; None: the tuned policy."""
    alarms: tuple[str, ...] = ()
    """The newest."""
    alarm_step: int | None = None
    error: str | None = None
    """What stopped it; or what of it cannot be read."""
    cells: tuple[Entry, ...] | None = None


def entries(folder: Path) -> list[Entry]:
    """The run or the sweep in `folder`, or those in its subfolders; what was written last comes first.

    Raises:
        UserError: there is no such folder.
    """
    if not folder.is_dir():
        raise UserError(f"{folder}: there is no such folder")
    found = [entry for path in (folder, *folder.iterdir()) if (entry := _entry(path))]
    if found and found[0].folder == str(folder):
        found = found[:1]  # not its parts
    return sorted(found, key=lambda entry: (-entry.changed, entry.folder))


def _entry(path: Path) -> Entry | None:
    if (path / SWEEP).is_file():
        return _sweep(path)
    return _run(Run(path)) if (path / "config.yaml").is_file() and (path / "rollouts").is_dir() else None


def _sweep(path: Path) -> Entry:
    try:
        runs, error = tuple(_run(run) for run in cells(path)), None
    except UNREADABLE as fault:
        runs, error = (), _unread(fault)
    done = bool(runs) and all(run.state == "finished" for run in runs)
    failed = any(run.state == "failed" for run in runs)
    state = "running" if is_locked(path) else "finished" if done else "failed" if failed else "stopped"
    changed = max([path.stat().st_mtime, *(run.changed for run in runs)])
    return Entry(str(path), state, changed, error=error, cells=runs)


def _run(run: Run) -> Entry:
    if not run.folder.is_dir():
        return Entry(str(run.folder), "not begun", 0.0)
    written = [run.folder, run.log, run.metrics, run.report, *run.folder.glob("rollouts/*.jsonl")]
    changed = max(path.stat().st_mtime for path in written if path.exists())
    failed: str | None = None
    facts: dict[str, Any] = {}
    try:
        failed = run.record.get("failed")
        facts = _facts(run)
    except UNREADABLE as fault:
        facts = {"error": _unread(fault)}
    return Entry(str(run.folder), _state(run, failed), changed, **facts)


def _state(run: Run, failed: str | None) -> State:
    if is_locked(run.folder):
        return "running"
    if failed:
        return "failed"
    return "finished" if run.report.exists() else "trained" if run.model.is_dir() else "stopped"


def _facts(run: Run) -> dict[str, Any]:
    """What the run's files say. Raises one of `UNREADABLE`."""
    config = yaml.safe_load((run.folder / "config.yaml").read_text(encoding="utf-8"))
    metrics = read_metrics(run.metrics)
    return {
        "step": metrics[-1]["step"] if metrics else 0,
        "steps": _at(config, "train", "steps"),
        "model": _at(config, "model"),
        "verifier": _verifiers(config),
        "error": run.record.get("failed"),
        **_figures(run, metrics),
        **_newest_alarm(metrics),
    }


UNREADABLE = (OSError, ValueError, KeyError, TypeError, yaml.YAMLError)
"""A file that is cut short, changed by hand, or of another version: the other runs are listed all the same."""


def _unread(fault: Exception) -> str:
    said = str(fault) if isinstance(fault, UserError | OSError) else repr(fault)
    return f"cannot be read: {short(said, 400)}"


def _verifiers(config: Any) -> str | None:
    """Of the held-out problems: the config's, or each source's own."""
    held = _at(config, "problems", "heldout")
    sources = held if isinstance(held, list) else [held]
    names = dict.fromkeys(_at(source, "verifier") or _at(config, "verifier") for source in sources)
    return ", ".join(str(name) for name in names if name) or None


def _figures(run: Run, metrics: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Held-out pass@1 before and after, from the report; before there is one, from what it will be made of."""
    document = run.report.with_suffix(".json")
    if run.report.exists() and document.is_file():
        report = rollouts.parse(document.read_bytes())
        policies = {"base_pass_at_1": "base", "tuned_pass_at_1": _at(report, "main")}
        return {
            key: _at(report, "policies", name, "pass_at_k", "1", "value") for key, name in policies.items()
        }
    base = run.rollouts("base")
    found: dict[str, Any] = {
        "base_pass_at_1": _pass_at_1(base) if base.is_file() and is_whole(base) else None
    }
    evaluated = [line for line in metrics if "eval/pass@1" in line]
    if evaluated:
        found |= {"tuned_pass_at_1": evaluated[-1]["eval/pass@1"], "tuned_step": evaluated[-1]["step"]}
    return found


def _pass_at_1(file: Path) -> float | None:
    """The mean over problems, as in the report."""
    import numpy as np

    from rlvr.analysis.passk import pass_at_k
    from rlvr.rollouts.evaluations import read

    samples = read(file, "base", mixed=True)[0].samples
    value = float(np.nanmean(pass_at_k(samples.n, samples.c, 1)))
    return None if math.isnan(value) else value


def _newest_alarm(metrics: Sequence[dict[str, Any]]) -> dict[str, Any]:
    for line in reversed(metrics):
        if line.get("alarms"):
            return {"alarms": tuple(line["alarms"]), "alarm_step": line["step"]}
    return {}


def _at(value: Any, *keys: str | None) -> Any:
    """What lies under the keys; None where there is no such place, as in a file of another version."""
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value


# ------------------------------------------------------------------ as text


def brief(folder: Path) -> str:
    """One run in a line: state, step, held-out pass@1, newest alarm."""
    _, state, step, _, _, figures, alarm, _ = _cells(_run(Run(folder)))
    named = {"step": step, "pass@1": figures, "alarm": alarm}
    return ", ".join([state, *(f"{name} {text}" for name, text in named.items() if text)])


HEADER = ("run", "state", "step", "model", "verifier", "pass@1", "alarm", "age")


def as_json(found: Sequence[Entry]) -> list[dict[str, Any]]:
    return [asdict(entry) for entry in found]


def table(found: Sequence[Entry]) -> Iterator[tuple[str, str]]:
    """One line for each run, cells indented below their sweep, with the line's style."""
    rows: list[tuple[tuple[str, ...], str]] = [(HEADER, "bold")]
    for entry in found:
        rows.append((_cells(entry), STYLES.get(entry.state, "")))
        for cell in entry.cells or ():
            rows.append((_cells(cell, "  "), STYLES.get(cell.state, "")))
    widths = [max(len(row[n]) for row, _ in rows) for n in range(len(HEADER))]
    for row, style in rows:
        yield "  ".join(f"{text:<{width}}" for text, width in zip(row, widths, strict=True)).rstrip(), style


def _cells(entry: Entry, indent: str = "") -> tuple[str, ...]:
    name = indent + short(Path(entry.folder).name or entry.folder, 60)
    age = duration(max(0.0, time.time() - entry.changed)) if entry.changed else ""
    if entry.cells is not None:
        done = sum(cell.state == "finished" for cell in entry.cells)
        return name, entry.state, f"{done} of {len(entry.cells)} runs", "", "", "", "", age
    step = "" if entry.step is None else f"{entry.step} of {'–' if entry.steps is None else entry.steps}"
    figures = ""
    if entry.base_pass_at_1 is not None or entry.tuned_pass_at_1 is not None:
        at = "" if entry.tuned_step is None else f" (step {entry.tuned_step})"
        figures = f"{points(entry.base_pass_at_1)} → {points(entry.tuned_pass_at_1)}{at}"
    alarm = f"{', '.join(entry.alarms)} (step {entry.alarm_step})" if entry.alarms else ""
    model, verifier = short(entry.model or "", 40), short(entry.verifier or "", 40)
    if entry.error:
        alarm = f"{alarm} {short(entry.error, 60)}".strip()
    return name, entry.state, step, model, verifier, figures, short(alarm, 80), age
