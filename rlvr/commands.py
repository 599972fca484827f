"""The verbs of the command line, each a call of the module that does the work."""

from __future__ import annotations

import argparse
import re
from contextlib import closing
from pathlib import Path

from rlvr import config as configuration
from rlvr.config import ConfigError
from rlvr.launch.processes import locked, main_process_only, processes
from rlvr.terminal import Terminal
from verifiers import add_folder


def run(args: argparse.Namespace) -> int:
    """The whole pipeline."""
    if args.help_config:
        return help_config()
    from rlvr import pipeline, sweep

    file, grid = _file(args.config), configuration.cells(args.overrides)
    if len(grid) > 1:
        return sweep.run(grid, file, _folder(args, file, sweep=True), _terminal(args))
    config = configuration.load(file, args.overrides)
    pipeline.run(config, _folder(args, file), _terminal(args), file.parent)
    return 0


def train(args: argparse.Namespace) -> int:
    """Train only."""
    if args.help_config:
        return help_config()
    from rlvr import pipeline

    file = _file(args.config)
    config = configuration.load(file, configuration.single(args.overrides, "train"))
    folder, terminal = _folder(args, file), _terminal(args)
    with (
        pipeline.prepare(config, terminal, file.parent) as (problems, evaluator),
        pipeline.begin(config, folder, terminal) as run,
    ):
        model = pipeline.train(config, problems, evaluator, run)
    terminal.show(f"Model: {model}")
    return 0


def evaluate(args: argparse.Namespace) -> int:
    """Evaluate one model on the held-out problems, and report on it."""
    from rlvr import pipeline
    from rlvr import report as reports
    from rlvr.sampling import load_sampler

    file = _file(args.config)
    # training keys do not matter, and must not cause an error (temperature 0 is fine for an evaluation)
    overrides = configuration.single(args.overrides, "eval")
    config = configuration.load(file, [f"model={args.model}", "train.steps=0", *overrides])
    terminal = _terminal(args)
    name = re.sub(r"[^\w.-]+", "-", args.model).strip("-")
    output = args.output or Path("evals") / f"{name}-{file.stem}.jsonl"
    if output.suffix != ".jsonl":  # the report's folder has this name without the suffix
        raise ConfigError(f"--output {output}: expected the name of a rollout file, such as {output}.jsonl")
    folder = output.with_suffix("")
    with (
        locked(folder, "evaluation"),
        pipeline.prepare(config, terminal, file.parent, training=False) as (problems, evaluator),
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
    given = [path for path in (args.base, args.tuned, *args.more) if path is not None]
    if len(given) == 1 and (args.base / sweep.LIST).is_file():
        result = sweep.report(args.base, **options)
    elif all(path.is_dir() for path in given):
        result = reports.build_runs(reports.RunFiles.of_folders(given), **options)
    else:
        result = reports.build(args.base, args.tuned, more=args.more, **options)
    terminal = Terminal()
    terminal.show(result.summary)
    terminal.show(f"Report: {result.html}")
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
    file, grid = _file(args.config), configuration.cells(args.overrides)
    if len(grid) > 1:
        for part in sweep.plan(grid, file, _folder(args, file, sweep=True)):
            terminal.show(part.cell.name)
            pipeline.check(part.config, part.run.folder, terminal, file.parent)
        return 0
    config = configuration.load(file, args.overrides)
    pipeline.check(config, _folder(args, file), terminal, file.parent)
    return 0


def help_config() -> int:
    """Every key of the configuration, on standard output."""
    print("Every key, its default and its meaning. `key=null` leaves a key unset.\n")
    for key, default, words in configuration.describe():
        print(f"{key}{f' = {default}' if default else ''}\n    {words}")
    return 0


def _file(name: str | None) -> Path:
    """The config file of this name. One's own code (verifiers, hooks) is looked for in its folder, then in the current
    one."""
    if name is None:
        raise ConfigError(
            "a config is needed: a YAML file, or the name of a packaged recipe such as quickstart"
        )
    file = configuration.find(name)
    add_folder(file.parent)
    add_folder(Path.cwd())
    return file


def _folder(args: argparse.Namespace, file: Path, sweep: bool = False) -> Path:
    """The folder of the run, or the sweep, of this config."""
    return args.output or Path("runs") / (f"{file.stem}-sweep" if sweep else file.stem)


def _terminal(args: argparse.Namespace) -> Terminal:
    from rlvr.terminal import quiet_libraries

    quiet_libraries()
    return Terminal(quiet=args.quiet, main=processes().is_main_process)


def _pair(text: str, option: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not equals:
        raise ConfigError(f"{option} {text!r}: expected key=value")
    return key, value
