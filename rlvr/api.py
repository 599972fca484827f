"""The verbs as functions, with the command line's names and types; the command line calls these.

    from rlvr import api
    report = api.compare("base=Qwen/Qwen2.5-7B", "models/tuned", on="math500")
    report.to_pandas()

`rlvr.evaluate`, `rlvr.compare` and `rlvr.score` are these too. `run` and `report` have no such short name: `rlvr.run`
and `rlvr.report` are modules, and a name that is a function or a module by what was imported before helps nobody.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rlvr import config as configuration
from rlvr.config import Config, ConfigError
from rlvr.launch.processes import is_main
from rlvr.rollouts.importers import DEFAULTS, Options
from rlvr.run import SWEEP, begun
from rlvr.terminal import Terminal, quiet_libraries
from verifiers import add_folder

if TYPE_CHECKING:
    from pandas import DataFrame

    from rlvr.report import Report
    from verifiers.scoring import Summary

__all__ = ["Scored", "compare", "evaluate", "report", "run", "score"]

Overrides = Mapping[str, Any] | Sequence[str]
"""`{"train.steps": 100}`, or `["train.steps=100"]` as on the command line."""


def run(
    config: str | Path | None,
    overrides: Overrides = (),
    *,
    output: str | Path | None = None,
    quiet: bool = False,
) -> Report | None:
    """`rlvr run`: evaluate the base, train, evaluate the tuned, report; what the folder holds is not repeated.

    Args:
        config: YAML file, folder of a run to go on with, or a packaged recipe.
        output: folder of the run.

    Returns:
        The report; None in all but the main process of a launch.

    Raises:
        ConfigError: also for overrides that make a sweep, which `rlvr run` takes.
        UserError, RunError: as the command, which says them in its words.
    """
    from rlvr import pipeline

    words = configuration.single(in_words(overrides), "run from Python")
    found = source(config)
    loaded = configuration.load(found.file, words)
    return pipeline.run(loaded, folder_of(loaded, found, _path(output)), terminal_of(quiet), found.base)


def evaluate(
    *models: str,
    config: str | None = None,
    overrides: Overrides = (),
    output: str | Path | None = None,
    quiet: bool = False,
) -> Report | None:
    """`rlvr eval`: sample and judge models on the held-out problems of a config, and report; what was sampled under the
    same settings is not sampled again.

    Args:
        models: folders, Hub names, `NAME=MODEL`; the others are compared with the first.
        config: YAML file, run, recipe or problem set; by default that of the run that a model lies in, else quickstart.
        output: of one model its rollout file, of several a folder.

    Returns, raises: as `run`.
    """
    from rlvr import lineup

    if not models:
        raise ConfigError("evaluate: expected at least one model")
    named = lineup.named(models)
    words = configuration.single(in_words(overrides), "eval")
    asked = lineup.questions(config, words, list(named.values()))
    add_folder(asked.base)  # of verifiers of one's own
    add_folder(Path.cwd())
    folder, files = lineup.places(named, asked, _path(output))
    terminal = terminal_of(quiet)
    if config is None:
        terminal.say(f"Problems and settings are those of {asked.file}")
    return lineup.evaluate(lineup.entries(named, asked, files), asked, folder, terminal)


def compare(
    *models: str,
    on: str,
    overrides: Overrides = (),
    output: str | Path | None = None,
    quiet: bool = False,
) -> Report | None:
    """`rlvr compare`: `evaluate` of two models or more on a problem set (gsm8k, math500, aime25, humaneval) or config.

    Raises ConfigError: fewer than two models; and as `evaluate`.
    """
    if len(models) < 2:
        raise ConfigError("compare: expected two models or more, the base first; `rlvr eval` takes one")
    return evaluate(*models, config=on, overrides=overrides, output=output, quiet=quiet)


def report(
    *paths: str | Path,
    output: str | Path = "report",
    search_budget: int | None = None,
    replicates: int | None = None,
    allow_mismatch: bool = False,
    title: str | None = None,
    name: Mapping[str, str] | None = None,
    seeds: bool = False,
    options: Options = DEFAULTS,
) -> Report:
    """`rlvr report`: compare rollout files (the base first), CSVs of counts, run folders, or the runs of a sweep; or
    report one run, as far as it is.

    Args:
        paths: as of the command.
        output: folder for report.html, report.json and figures.
        search_budget: K.
        replicates: of the bootstrap; unset: a run's or a sweep's own, else 2000.
        title: of the page; by default what is compared.
        name: "base", "tuned" or a further file's name without suffix → what the policy is called.
        seeds: the files after the first are training seeds of one policy.
        options: how files of other systems are read.

    Raises:
        UserError: a file cannot be read, or the evaluations cannot be compared.
    """
    from rlvr import report as reports
    from rlvr import sweep
    from rlvr.report.one_run import build_run

    if not paths:
        raise ConfigError("report: expected at least one file or folder")
    given = [_place(Path(path)) for path in paths]
    common: dict[str, Any] = {
        "output": Path(output),
        "search_budget": search_budget,
        "allow_mismatch": allow_mismatch,
    }
    if replicates is not None:
        common["replicates"] = replicates
    if title is not None:
        common["title"] = title
    folders = all(path.is_dir() for path in given)
    if folders and (name or seeds):
        raise ConfigError(f"--{'name' if name else 'seeds'}: for files; run folders are called as they are")
    if options.given() and any(path.is_dir() for path in given):
        raise ConfigError(
            f"--{next(iter(options.given()))}: for files of other systems; a run's folder needs none"
        )
    first, *others = given
    if not others and (first / SWEEP).is_file():
        return sweep.report(first, **common)
    if folders and not others:
        return build_run(first, **common)
    if folders:
        return reports.build_runs(reports.RunFiles.of_folders(given), **common)
    if seeds:
        if len(others) < 2:
            raise ConfigError("--seeds: expected the base's file and two or more seeds of one policy")
        runs = reports.RunFiles.of_seeds(first, others, (name or {}).get("tuned", "tuned"))
        return reports.build_runs(runs, options=options, **common)
    tuned = others[0] if others else None
    names = _named(others[1:], name or {}, tuned is not None or "tuned" in (name or {}))
    return reports.build(first, tuned, more=others[1:], options=options, names=names, **common)


def _place(path: Path) -> Path:
    """A file, or the folder of a run or of a sweep, as it is; of another folder, its file of samples."""
    if not path.is_dir() or (path / "config.yaml").is_file() or (path / SWEEP).is_file():
        return path
    from rlvr.rollouts import importers, places

    return places.one_of(path, importers.files_of(path))


def _named(more: Sequence[Path], name: Mapping[str, str], pair: bool) -> list[str]:
    """What the policies of a report are called, in the order of its files; `pair`: of two policies at least, which one
    file of counts can hold."""
    from rlvr.report.inputs import distinct

    known = ["base", *(["tuned"] if pair else []), *distinct(more, ["base", "tuned"])]
    if unknown := [key for key in name if key not in known]:
        raise ConfigError(f"--name {unknown[0]}=…: expected one of {', '.join(known)}")
    return [name.get(key, key) for key in known]


@dataclass(frozen=True, slots=True)
class Scored:
    """What `score` found."""

    summary: Summary
    """Counts of the verdicts; as text it is for a person."""
    rows: list[dict[str, Any]] = field(repr=False)
    """Every row, with `score`, `status`, `answer`, `detail`; empty where they went to a file."""

    def to_pandas(self) -> DataFrame:
        """The rows as a table. Raises UserError: pandas is not installed, or the rows went to a file."""
        from rlvr.report.frames import frame

        return frame(self.rows)

    def _repr_html_(self) -> str:
        from html import escape

        return f"<pre>{escape(str(self.summary))}</pre>"


def score(
    file: str | Path | Iterable[Mapping[str, Any]],
    verifier: str,
    *,
    option: Mapping[str, Any] | None = None,
    output: str | Path | None = None,
    map: Mapping[str, str] | None = None,
    labels: str | None = None,
) -> Scored:
    """`rlvr score`: judge responses that another system generated.

    Args:
        file: JSONL with `response` and `reference`; or rows with these keys.
        verifier, option: as of the command.
        output: JSONL with the verdicts added; unset: they are in the result.
        map: our key → the column of the file.
        labels: column that says whether a response is right, to audit the verifier.

    Raises:
        RowError: a file or a row cannot be read.
    """
    from verifiers.scoring import score_file

    add_folder(Path.cwd())
    with tempfile.TemporaryDirectory() as folder:
        given, kept = Path(folder) / "rows.jsonl", Path(folder) / "scored.jsonl"
        if not isinstance(file, str | Path):
            given.write_text("".join(f"{json.dumps(dict(row))}\n" for row in file), encoding="utf-8")
        summary = score_file(
            _unpacked(file) if isinstance(file, str | Path) else given,
            verifier,
            options=option,
            output=output or kept,
            columns=map,
            labels=labels,
        )
        if isinstance(output, str | Path) and str(output) != "-" and Path(output).is_file():
            _beside(file, Path(output), verifier, dict(option or {}), summary)
        text = "" if output else kept.read_text(encoding="utf-8")
    return Scored(summary, [json.loads(line) for line in text.split("\n") if line])


def _unpacked(file: str | Path) -> str | Path:
    from rlvr.rollouts.places import unpacked

    return unpacked(Path(file)) if Path(file).is_file() else file


def _beside(given: Any, output: Path, verifier: str, options: dict[str, Any], summary: Summary) -> None:
    """What `rlvr report` reads beside scored rows: how they were sampled, where the input says it; who judged them; the
    audit by labels, where they are of both kinds."""
    from rlvr.rollouts.audits import write_audit
    from rlvr.rollouts.rows import read_settings, write_settings

    held = read_settings(Path(given)) if isinstance(given, str | Path) and str(given) != "-" else {}
    held |= {"verifier": verifier, "verifier_options": options, "pass_mark": summary.pass_mark}
    write_settings(output, held)
    audit = summary.audit
    if audit and (positives := audit.false_positives).n and (negatives := audit.false_negatives).n:
        counts = {"wrong": positives.n, "false_positives": positives.k}
        write_audit(output, counts | {"right": negatives.n, "false_negatives": negatives.k})


# ------------------------------------------------------------------ what the verbs share


@dataclass(frozen=True, slots=True)
class Source:
    """Where a configuration is read."""

    file: Path
    base: Path
    """Folder that its relative paths start from."""
    folder: Path
    """Of the run, where nothing else is said."""


def source(name: str | Path | None) -> Source:
    """The config of this name; or that of a run, of which the folder is given (or the `config.yaml` in it). One's own
    code (verifiers, hooks) is looked for in its folder, then in the current one.

    Raises:
        ConfigError: there is none.
    """
    if name is None:
        raise ConfigError(
            "a config is needed: a YAML file, the folder of a run, or the name of a packaged recipe such as quickstart"
        )
    if there := begun(Path(name)):
        found = Source(there.folder / "config.yaml", Path(there.record.get("base", "")), there.folder)
    else:
        file = configuration.find(name)
        found = Source(file, file.parent, Path("runs") / file.stem)
    add_folder(found.base)
    add_folder(Path.cwd())
    return found


def folder_of(config: Config, found: Source, output: Path | None, sweep: bool = False) -> Path:
    """The folder of the run, or the sweep, of this config."""
    if output:
        return output
    folder = Path("runs") / config.name if config.name else found.folder
    return folder.with_name(f"{folder.name}-sweep") if sweep else folder


def terminal_of(quiet: bool) -> Terminal:
    """Where a person follows the work."""
    quiet_libraries()
    return Terminal(quiet=quiet, main=is_main())


def in_words(overrides: Overrides) -> list[str]:
    """Overrides as on the command line; values of a mapping as JSON, which is YAML.

    >>> in_words({"train.steps": 10, "sampling.stop": ["Q:"]})
    ['train.steps=10', 'sampling.stop=["Q:"]']
    """
    if isinstance(overrides, Mapping):
        return [f"{key}={json.dumps(value)}" for key, value in overrides.items()]
    return list(overrides)


def _path(given: str | Path | None) -> Path | None:
    return None if given is None else Path(given)
