"""The verbs of the command line, each a call of the module that does the work."""

from __future__ import annotations

import argparse
import json
import re
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from rlvr import config as configuration
from rlvr.config import Config, ConfigError
from rlvr.launch.processes import locked, main_process_only, processes
from rlvr.rollouts.importers import Options
from rlvr.run import SWEEP, Run, around
from rlvr.terminal import Terminal
from verifiers import add_folder


def run(args: argparse.Namespace) -> int:
    """The whole pipeline."""
    if args.help_config:
        return help_config()
    from rlvr import pipeline, sweep

    source, grid = _source(args.config), configuration.cells(args.overrides)
    config, *_ = configuration.load_cells(source.file, grid)
    if len(grid) > 1:
        folder = _folder(args, source, config, sweep=True)
        return sweep.run(grid, source.file, folder, _terminal(args), source.base)
    pipeline.run(config, _folder(args, source, config), _terminal(args), source.base)
    return 0


def train(args: argparse.Namespace) -> int:
    """Train only."""
    if args.help_config:
        return help_config()
    from rlvr import pipeline

    source = _source(args.config)
    config = configuration.load(source.file, configuration.single(args.overrides, "train"))
    folder, terminal = _folder(args, source, config), _terminal(args)
    with (
        pipeline.prepare(config, terminal, folder, source.base) as (problems, evaluator),
        pipeline.begin(config, folder, terminal, source.base) as run,
    ):
        model = pipeline.train(config, problems, evaluator, run)
    terminal.show(f"Model: {model}")
    return 0


def evaluate(args: argparse.Namespace) -> int:
    """Evaluate one model on the held-out problems, and report on it."""
    from rlvr import pipeline
    from rlvr import report as reports
    from rlvr.sampling import load_sampler

    own = around(Path(args.model)) if args.config is None else None
    file = _source(str(own.folder / "config.yaml") if own else args.config or "quickstart").file
    # training keys do not matter, and must not cause an error (temperature 0 is fine for an evaluation)
    overrides = configuration.single(args.overrides, "eval")
    if own:
        overrides = ["base_model=null", "revision=null", *overrides]
    config = configuration.load(file, [f"model={args.model}", "train.steps=0", *overrides])
    terminal = _terminal(args)
    if own:
        terminal.say(f"Problems and settings are those of {file}")
    name = re.sub(r"[^\w.-]+", "-", args.model).strip("-")
    asked = own.folder.name if own else file.stem
    output = args.output or Path("evals") / f"{name}-{asked}.jsonl"
    if output.suffix != ".jsonl":  # the report's folder has this name without the suffix
        raise ConfigError(f"--output {output}: expected the name of a rollout file, such as {output}.jsonl")
    folder = output.with_suffix("")
    with (
        locked(folder, "evaluation"),
        pipeline.prepare(config, terminal, base=file.parent, trains=False) as (problems, evaluator),
    ):
        with closing(load_sampler(config, name)) as engine:
            evaluator.evaluate(engine, problems.heldout, output)
        with main_process_only() as is_main:
            if is_main:
                result = reports.build(
                    output,
                    None,
                    output=folder,
                    search_budget=config.analysis.search_budget,
                    replicates=config.analysis.replicates,
                    title=name,
                )
                terminal.show(result.summary)
                terminal.show(f"Rollouts: {output}\nReport: {result.html}")
    return 0


def belief(args: argparse.Namespace) -> int:
    """Follow hypotheses through a prompt."""
    from rlvr import belief as beliefs
    from rlvr.policy import load_policy

    asked = beliefs.read(args.hypotheses)
    overrides = configuration.single(args.overrides, "belief")
    config = configuration.load(
        configuration.find("quickstart"), [f"model={args.model}", "train.steps=0", *overrides]
    )
    policy = load_policy(config, "model")
    found = beliefs.follow(policy, asked)
    folder = args.output or Path("beliefs") / args.hypotheses.stem
    beliefs.write(found, asked, policy, folder)
    terminal = _terminal(args)
    terminal.show(beliefs.table(found))
    terminal.show(f"Picture: {folder / 'belief.svg'}")
    return 0


def export(args: argparse.Namespace) -> int:
    """Write a checkpoint or an adapter as a model folder."""
    from rlvr.training import export as exporting

    terminal = _terminal(args)
    source = exporting.chosen(args.source, args.step)
    config = exporting.config_of(source, args.overrides)
    into = args.into or exporting.default_folder(source, args.adapter_only)
    terminal.say(f"Exporting {source} to {into}")
    exporting.export_from_disk(config, into, args.adapter_only)
    terminal.show(f"{'Adapter' if args.adapter_only else 'Model'}: {into}")
    return 0


def score(args: argparse.Namespace) -> int:
    """Verdicts for responses that another system generated."""
    from verifiers.scoring import score_file

    add_folder(Path.cwd())
    options = dict(_pair(text, "--option") for text in args.option)
    columns = dict(_pair(text, "--map") for text in args.map)
    score_file(
        args.file, args.verifier, options=options, output=args.output, columns=columns, labels=args.labels
    )
    return 0


def report(args: argparse.Namespace) -> int:
    """Compare finished rollout files, the runs in several folders, or those of a sweep."""
    from rlvr import report as reports
    from rlvr import sweep

    options = {
        "output": args.output,
        "search_budget": args.search_budget,
        "allow_mismatch": args.allow_mismatch,
    }
    if args.replicates is not None:
        options["replicates"] = args.replicates
    read = _formats(args)
    given = [path for path in (args.base, args.tuned, *args.more) if path is not None]
    if read.given() and any(path.is_dir() for path in given):
        raise ConfigError(
            f"--{next(iter(read.given()))}: for files of other systems; a run's folder needs none"
        )
    if len(given) == 1 and (args.base / SWEEP).is_file():
        result = sweep.report(args.base, **options)
    elif all(path.is_dir() for path in given):
        result = reports.build_runs(reports.RunFiles.of_folders(given), **options)
    else:
        result = reports.build(args.base, args.tuned, more=args.more, options=read, **options)
    terminal = Terminal()
    terminal.show(result.summary)
    terminal.show(f"Report: {result.html}")
    return 0


def convert(args: argparse.Namespace) -> int:
    """Write another system's per-sample files as rollout rows."""
    from rlvr.rollouts import importers

    if args.into.suffix != ".jsonl":
        raise ConfigError(
            f"--into {args.into}: expected the name of a rollout file, such as {args.into}.jsonl"
        )
    done = importers.convert(args.files, args.into, args.policy or args.into.stem, _formats(args))
    terminal = _terminal(args)
    for note in done.notes:
        terminal.say(note)
    terminal.show(
        f"{done.path}: {done.rows} {'problems' if done.path.suffix == '.csv' else 'rows'} ({done.format})"
    )
    return 0


def _formats(args: argparse.Namespace) -> Options:
    """How files of other systems are read; `--right "acc>=0.5"` names the column too."""
    score, right = args.score, args.right
    if named := re.fullmatch(r"\s*([A-Za-z_][\w.@/-]*?)\s*(==?|>=?|<=?)(.+)", right or ""):
        if score not in (None, named[1]):
            raise ConfigError(f"--score {score} and --right {right!r} name two columns")
        score, right = named[1], named[2] + named[3]
    columns = [part for text in args.map for part in text.split(",")]
    return Options(
        filter=args.filter,
        score=score,
        right=right,
        columns=tuple(_pair(text, "--map") for text in columns),
        where=tuple(_pair(text, "--where") for text in args.where),
        unjudged=getattr(args, "unjudged", False),
    )


def show(args: argparse.Namespace) -> int:
    """Samples of a run or a rollout file, as a person reads them."""
    from rlvr import show as showing

    wanted = showing.Wanted(args.problem, args.right, args.status, args.source, args.limit, args.seed)
    terminal = Terminal()
    for text, style in showing.lines(showing.file_of(args.path, args.step), wanted):
        terminal.show(text, style)
    return 0


def list_runs(args: argparse.Namespace) -> int:
    """The runs in a folder, a line each."""
    from rlvr import listing

    found, terminal = listing.entries(args.folder), Terminal()
    if args.json:
        print(json.dumps(listing.as_json(found), indent=1))
    elif not found:
        terminal.say(f"No runs in {args.folder}")
    for text, style in listing.table(found) if found and not args.json else ():
        terminal.show(text, style)
    return 0


def check(args: argparse.Namespace) -> int:
    """What this machine can do; with a config, whether `rlvr run` with the same arguments would start."""
    if args.config is None:
        from rlvr import machine

        terminal = Terminal()
        for line in machine.describe():
            terminal.show(line)
        return 0
    from rlvr import pipeline, sweep

    terminal = _terminal(args)
    source, grid = _source(args.config), configuration.cells(args.overrides)
    config, *_ = configuration.load_cells(source.file, grid)
    if len(grid) > 1:
        for part in sweep.plan(grid, source.file, _folder(args, source, config, sweep=True)):
            terminal.show(part.cell.name)
            pipeline.check(part.config, part.run.folder, terminal, source.base)
        return 0
    pipeline.check(config, _folder(args, source, config), terminal, source.base)
    return 0


def help_config() -> int:
    """Every key of the configuration, on standard output."""
    print("Every key, its default and its meaning. `key=null` leaves a key unset.\n")
    for key, default, words in configuration.describe():
        print(f"{key}{f' = {default}' if default else ''}\n    {words}")
    return 0


@dataclass(frozen=True, slots=True)
class Source:
    """Where a configuration is read."""

    file: Path
    base: Path
    """Folder that its relative paths start from."""
    folder: Path
    """Of the run, where nothing else is said."""


def _source(name: str | None) -> Source:
    """The config of this name; or that of a run, of which the folder is given (or the `config.yaml` in it). One's own
    code (verifiers, hooks) is looked for in its folder, then in the current one.

    Raises:
        ConfigError: there is none.
    """
    if name is None:
        raise ConfigError(
            "a config is needed: a YAML file, the folder of a run, or the name of a packaged recipe such as quickstart"
        )
    if run := _begun(Path(name)):
        source = Source(run.folder / "config.yaml", Path(run.record.get("base", "")), run.folder)
    else:
        file = configuration.find(name)
        source = Source(file, file.parent, Path("runs") / file.stem)
    add_folder(source.base)
    add_folder(Path.cwd())
    return source


def _begun(path: Path) -> Run | None:
    """The run in a folder, which may be named by its `config.yaml` too; None where `path` is no folder of a run."""
    folder = path.parent if path.name == "config.yaml" else path
    if (folder / "config.yaml").is_file() and (folder / "rollouts").is_dir():
        return Run(folder)
    if (path / SWEEP).is_file():
        raise ConfigError(f"{path}: a sweep goes on by the command that began it, or run by run: {path}/NAME")
    return None


def _folder(args: argparse.Namespace, source: Source, config: Config, sweep: bool = False) -> Path:
    """The folder of the run, or the sweep, of this config."""
    if args.output:
        return args.output
    folder = Path("runs") / config.name if config.name else source.folder
    return folder.with_name(f"{folder.name}-sweep") if sweep else folder


def _terminal(args: argparse.Namespace) -> Terminal:
    from rlvr.terminal import quiet_libraries

    quiet_libraries()
    return Terminal(quiet=args.quiet, main=processes().is_main_process)


def _pair(text: str, option: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not equals:
        raise ConfigError(f"{option} {text!r}: expected key=value")
    return key, value
