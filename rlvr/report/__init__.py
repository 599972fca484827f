"""Two files of scored samples in, a report that can be believed out: terminal, report.json, report.html."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ["Report", "build"]


@dataclass(frozen=True, slots=True)
class Report:
    """What `build` wrote."""

    summary: str
    """About 25 lines for a terminal."""
    json: Path
    html: Path
    document: Mapping[str, Any]
    """The content of report.json."""


def build(
    base: Path,
    tuned: Path | None = None,
    more: Sequence[Path] = (),
    *,
    output: Path,
    search_budget: int | None = None,
    allow_mismatch: bool = False,
    metrics: Path | None = None,
    probes: Mapping[str, tuple[Path, Path]] | None = None,
    exact: Mapping[str, Any] | None = None,
    title: str = "Base and tuned",
    notes: Sequence[str] = (),
) -> Report:
    """Compare evaluations and write `report.json`, `report.html` and `figures/` into `output`.

    Args:
        base, tuned: rollout files (JSONL), or CSVs of counts; one CSV alone may hold both policies.
        more: further evaluations (checkpoints, other runs), each compared with the base.
        search_budget: K, chosen before looking; by default a sixteenth of the base's samples.
        allow_mismatch: compare evaluations that were sampled or judged differently; the report says so.
        metrics: a run's metrics.jsonl, for the training curves.
        probes: further problem sets (base file, tuned file), reported apart.
        exact: exact values of an enumerable world, shown beside the estimates.

    Raises:
        UserError: a file cannot be read, or the evaluations cannot be compared.
    """
    from rlvr.report.building import Inputs, write

    inputs = Inputs.read(base, tuned, more, probes or {}, metrics, allow_mismatch)
    return write(inputs, Path(output), search_budget=search_budget, exact=exact, title=title, notes=notes)
