"""Files of scored samples in, a report that can be believed out: terminal, report.json, report.html."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rlvr.rollouts.importers import DEFAULTS, Options

if TYPE_CHECKING:
    from pandas import DataFrame

    from rlvr.report.frames import Table
    from rlvr.report.schema import Document

__all__ = ["REPLICATES", "Report", "RunFiles", "build", "build_runs"]

REPLICATES = 2000
"""Of the cluster bootstrap, where nobody says how many."""


@dataclass(frozen=True, slots=True)
class Report:
    """What `build` wrote."""

    summary: str
    """About 25 lines for a terminal."""
    json: Path
    html: Path
    document: Document
    """The content of report.json."""

    def to_pandas(self, table: Table = "pass_at_k") -> DataFrame:
        """A table with 95 % intervals, rates between 0 and 1: `pass_at_k` (a row for each policy and k), `gains`
        (pass@1 minus the base's, paired), `problems` (counts and rates of base and main policy).

        Raises UserError: pandas is not installed, or the report has no such table.
        """
        from rlvr.report import frames

        return frames.table(self.document, table)

    def _repr_html_(self) -> str:
        from rlvr.report import frames

        return frames.html(self.document)


@dataclass(frozen=True, slots=True)
class RunFiles:
    """One finished training run, as a report over several runs takes it."""

    name: str
    """What the run is called in the report; no two runs share a name, and none is "base"."""
    algorithm: str
    """Runs of one algorithm are seeds of each other: their spread is shown."""
    seed: int
    base: Path
    """The base's evaluation that this run is compared with; runs may share one file."""
    tuned: Path
    metrics: Path | None = None
    """The run's metrics.jsonl, where there is one."""

    @classmethod
    def of_folders(cls, folders: Sequence[Path]) -> list[RunFiles]:
        """The runs that `rlvr run` left there. Raises UserError: one is not a finished run."""
        from rlvr.report.runs import of_folders

        return of_folders(folders)

    @classmethod
    def of_seeds(cls, base: Path, seeds: Sequence[Path], method: str = "tuned") -> list[RunFiles]:
        """Files that are seeds of one policy, each compared with `base`; they are called as their files are."""
        from rlvr.report.inputs import distinct

        return [
            cls(name, method, number, base, path)
            for number, (name, path) in enumerate(zip(distinct(seeds, ["base"]), seeds, strict=True))
        ]


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
    replicates: int = REPLICATES,
    title: str | None = None,
    notes: Sequence[str] = (),
    options: Options = DEFAULTS,
    names: Sequence[str] = (),
    reload: float | None = None,
) -> Report:
    """Compare evaluations and write `report.json`, `report.html` and `figures/` into `output`.

    Args:
        base, tuned: rollout files (JSONL), or CSVs of counts; one CSV alone may hold both policies.
        more: further evaluations (checkpoints, other runs), each compared with the base.
        search_budget: K, chosen before looking; None: `rlvr.analysis.sections.compare.default_budget`.
        allow_mismatch: compare evaluations that were sampled or judged differently; the report says so.
        metrics: a run's metrics.jsonl, for the training curves; what some steps trained on is read from `rollouts/`
            beside it.
        probes: further problem sets (base file, tuned file), reported apart.
        exact: exact values of an enumerable world, shown beside the estimates.
        replicates: of the cluster bootstrap behind every interval, at least 100.
        title: by default what is compared; of one evaluation, its name or its file's.
        options: how files of other systems are read.
        names: what the policies are called, in the order of the files; by default base, tuned, and the files' names.
        reload: seconds after which a browser loads the page anew; None: never.

    Raises:
        UserError: a file cannot be read, or the evaluations cannot be compared.
    """
    from rlvr.report.building import write
    from rlvr.report.inputs import Inputs

    inputs = Inputs.read(base, tuned, more, probes or {}, metrics, allow_mismatch, options, names)
    return write(
        inputs,
        Path(output),
        search_budget=search_budget,
        replicates=replicates,
        exact=exact,
        title=title,
        notes=notes,
        reload=reload,
    )


def build_runs(
    runs: Sequence[RunFiles],
    *,
    output: Path,
    search_budget: int | None = None,
    allow_mismatch: bool = False,
    replicates: int = REPLICATES,
    title: str = "Runs",
    notes: Sequence[str] = (),
    options: Options = DEFAULTS,
) -> Report:
    """Compare several training runs, seeds and algorithms, and write the same files as `build`.

    Each run is compared with its own base file, paired by problem. Runs of one algorithm are grouped: the mean
    over seeds with a between-seed interval (Student's t) is given beside the intervals within each run. In the
    document, `policies` and `comparisons` have one entry per run under its name, `comparison` is that of the
    first run (`main` names it), `runs` lists name, algorithm and seed, and `groups` holds the spread.

    Args:
        runs: at least two; see `RunFiles`.
        search_budget, allow_mismatch, replicates, title, notes, options: as in `build`.

    Raises:
        UserError: a file cannot be read, names clash, or runs cannot be compared.
    """
    from rlvr.report.building import write
    from rlvr.report.inputs import Inputs

    inputs = Inputs.of_runs(runs, allow_mismatch, options)
    return write(
        inputs,
        Path(output),
        search_budget=search_budget,
        replicates=replicates,
        exact=None,
        title=title,
        notes=notes,
    )
