"""The verbs of the command line, each a call of the function or module that does the work."""

from __future__ import annotations

import argparse
import difflib
import json
import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rlvr import api, failures
from rlvr import config as configuration
from rlvr.config import Config, ConfigError
from rlvr.errors import UserError
from rlvr.launch import engine, workers
from rlvr.launch.phases import Apart
from rlvr.launch.processes import WORKER, locked, main_process_only
from rlvr.launch.start import check as check_here
from rlvr.rollouts.importers import Options
from rlvr.terminal import Terminal

if TYPE_CHECKING:
    from rlvr.report import Report


def launch(args: argparse.Namespace, words: Sequence[str]) -> int | None:
    """Start this command in the processes that `--processes` asks for: their exit code. None where there is nothing to
    start: one process is enough, or a launcher has started these already."""
    count, shard = getattr(args, "processes", None), getattr(args, "shard", None)
    if on := getattr(args, "on", None) if args.verb == "check" else None:
        if count is not None:
            raise UserError(f"--processes {count}: --on {on} says how many devices there are; leave it out")
        return None
    if shard and (count or 1) < 2:
        raise UserError(f"--shard {shard}: among how many? Give --processes N, 2 or more")
    if WORKER in os.environ or getattr(args, "phase", None):
        workers.follow_parent()
    if WORKER in os.environ or count is None:
        return None
    if engine.launched():
        said = engine.joining(count, shard)
        if said and os.environ.get("RANK", "0") == "0":
            print(f"rlvr: {said}", file=sys.stderr)
        return None
    if count == 1:
        return None
    if args.verb == "run" and not args.phase:
        return None  # it starts its phases
    if args.verb in ("evaluate", "compare"):
        return workers.start(count, words, failures.BAD_INPUT, failures.STOPPED)
    from rlvr.launch.start import start

    shard = shard or "ddp"
    return start(count, shard, configuration.packaged_folder() / "accelerate" / f"{shard}.yaml", words)


def run(args: argparse.Namespace) -> int:
    """The whole pipeline."""
    if args.help_config:
        return help_config()
    grid, apart = configuration.cells(args.overrides), phases_of(args)
    source = api.source(args.config)
    config, *_ = configuration.load_cells(source.file, grid)
    folder = api.folder_of(config, source, args.output, sweep=len(grid) > 1)
    terminal = api.terminal_of(args.quiet)
    if len(grid) > 1:
        from rlvr import sweep

        return sweep.run(grid, source.file, folder, terminal, source.base, apart)
    from rlvr import pipeline

    if args.phase:
        pipeline.phase(args.phase, config, folder, terminal, source.base, args.processes)
    else:
        pipeline.run(config, folder, terminal, source.base, apart=apart)
    return 0


def phases_of(args: argparse.Namespace) -> Apart | None:
    """How `--processes` does the phases of a run; None: in this process, or in those of the launcher."""
    if (args.processes or 1) < 2 or engine.launched() or args.phase:
        return None
    shard = args.shard or "ddp"
    check_here(args.processes, shard)
    resume = [word for word in args.overrides if word.partition("=")[0].strip() == "resume"]
    quiet = ["-q"] if args.quiet else []
    return Apart(args.processes, shard, [*resume, *quiet], failures.BAD_INPUT, failures.STOPPED)


def train(args: argparse.Namespace) -> int:
    """Train only."""
    if args.help_config:
        return help_config()
    from rlvr import pipeline

    source = api.source(args.config)
    config = configuration.load(source.file, configuration.single(args.overrides, "train"))
    folder, terminal = api.folder_of(config, source, args.output), api.terminal_of(args.quiet)
    with (
        pipeline.prepare(config, terminal, folder, source.base) as (problems, evaluator),
        pipeline.begin(config, folder, terminal, source.base) as run,
    ):
        model = pipeline.train(config, problems, evaluator, run)
    terminal.show(f"Model: {model}")
    terminal.show(f"rlvr run {folder} evaluates it and the base, and reports")
    return 0


def evaluate(args: argparse.Namespace) -> int:
    """Evaluate models on the held-out problems, and report on them."""
    models, overrides = _models([*args.models, *args.overrides])
    found = api.evaluate(
        *models, config=args.config, overrides=overrides, output=args.output, quiet=args.quiet
    )
    return _shown(found)


def compare(args: argparse.Namespace) -> int:
    """Evaluate two or more models on a problem set, and compare them."""
    models, overrides = _models([*args.models, *args.overrides])
    return _shown(api.compare(*models, on=args.on, overrides=overrides, output=args.output, quiet=args.quiet))


def _shown(found: Report | None) -> int:
    """A report on the terminal; there is none in processes that are not the main one."""
    if found:
        terminal = Terminal()
        terminal.show(found.summary)
        terminal.show(f"Report: {found.html}")
    return 0


def _models(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """The models (`MODEL`, `NAME=MODEL`) and the overrides (`key=value`) among the words of a command. What stands
    before `=` is a key where the config has such a section.

    Raises ConfigError: a word is neither, and close to a key.
    """
    roots = {word: re.split("[.=]", word.strip())[0] for word in words if "=" in word}
    overrides = [word for word, root in roots.items() if root in Config.model_fields]
    models = [word for word in words if word not in overrides]
    for word in models:
        near = difflib.get_close_matches(roots.get(word, ""), Config.model_fields, n=1, cutoff=0.8)
        if near and not Path(word.partition("=")[2]).exists():
            raise ConfigError(
                f"{word}: the config has no key {roots[word]!r} (did you mean {near[0]}?), and there is no "
                "folder of a model to be called so"
            )
    return models, overrides


def evidence(args: argparse.Namespace) -> int:
    """Every lever of a file on the same held-out problems, in one table."""
    from rlvr.levers import plan, running, table

    source = api.source(args.config)
    folder, terminal = args.output or source.folder, api.terminal_of(args.quiet)
    asked = plan.load(source.file, folder, args.transfer, configuration.single(args.overrides, "evidence"))
    if args.check:
        running.check(asked)
        terminal.show(f"{source.file}: {len(asked.levers) - 1} levers can be run")
        return 0
    running.run(asked, terminal)
    with main_process_only() as is_main:
        if is_main:
            page = table.build(asked, terminal)
            terminal.show(page.summary)
            terminal.show(f"Page: {page.html}")
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
    terminal = api.terminal_of(args.quiet)
    terminal.show(beliefs.table(found))
    terminal.show(f"Picture: {folder / 'belief.svg'}")
    return 0


def search_prompts(args: argparse.Namespace) -> int:
    """The best prompt among candidates, by reward on training problems."""
    from rlvr import pipeline, prompt_search
    from rlvr.prompt_search import candidates, result

    source = api.source(args.config)
    overrides = configuration.single(args.overrides, "search-prompts")
    config = configuration.load(source.file, ["train.steps=0", *overrides])
    given = candidates.of_file(args.candidates, config.evidence) if args.candidates else args.write
    folder, terminal = (
        args.output or Path("prompts") / (config.name or source.folder.name),
        api.terminal_of(args.quiet),
    )
    with (
        locked(folder, "search"),
        pipeline.prepare(config, terminal, base=source.base, trains=False) as (problems, evaluator),
    ):
        prompt_search.begin(folder, prompt_search.asked(config, given, args.budget))
        search, ranked = prompt_search.search(
            config, given, problems, evaluator, args.budget, folder, source.base
        )
        with main_process_only() as is_main:
            if is_main:
                for line in result.write(search, ranked, ["rlvr", "run", args.config, *overrides]):
                    terminal.show(line)
    return 0


def worlds(args: argparse.Namespace) -> int:
    """The checks on worlds with exact answers; 1 where a mark is missed."""
    from rlvr import theory

    unknown = [name for name in args.names if name not in theory.WORLDS]
    if unknown:
        raise UserError(f"rlvr worlds: unknown world {unknown[0]!r}; expected {', '.join(theory.WORLDS)}")
    return int(not theory.run(args.names, args.quick, args.output, api.terminal_of(args.quiet)))


def export(args: argparse.Namespace) -> int:
    """Write a checkpoint or an adapter as a model folder, or a configuration for another trainer."""
    from rlvr.elsewhere import TARGETS

    if str(args.source) in TARGETS:
        return _hand_over(args)
    from rlvr.training import export as exporting

    terminal = api.terminal_of(args.quiet)
    source = exporting.chosen(args.source, args.step)
    config = exporting.config_of(source, args.overrides)
    into = args.into or exporting.default_folder(source, args.adapter_only)
    terminal.say(f"Exporting {source} to {into}")
    exporting.export_from_disk(config, into, args.adapter_only)
    terminal.show(f"{'Adapter' if args.adapter_only else 'Model'}: {into}")
    return 0


def _hand_over(args: argparse.Namespace) -> int:
    """`rlvr export TARGET CONFIG --into DIR`."""
    from rlvr.elsewhere import hand_over

    target, (name, *overrides) = str(args.source), args.overrides or [""]
    if not name or "=" in name:
        raise UserError(
            f"rlvr export {target}: expected a configuration: rlvr export {target} CONFIG --into DIR"
        )
    if args.into is None:
        raise UserError(f"rlvr export {target}: --into DIR is needed")
    source, terminal = api.source(name), api.terminal_of(args.quiet)
    config = configuration.load(source.file, configuration.single(overrides, "export"))
    left = hand_over(target, config, args.into, source.base, terminal.say)
    terminal.show(f"For {target}: {args.into / 'run.sh'}{', without these keys:' * bool(left)}")
    for each in left:
        terminal.show(f"  {each.key} {each.words}")
    return 0


def score(args: argparse.Namespace) -> int:
    """Verdicts for responses that another system generated."""
    api.score(
        args.file,
        args.verifier,
        option=dict(_pair(text, "--option") for text in args.option),
        output=args.output,
        map=dict(_pair(text, "--map") for text in args.map),
        labels=args.labels,
    )
    return 0


def report(args: argparse.Namespace) -> int:
    """Compare rollout files, the runs in several folders, or those of a sweep; or one run, as far as it is."""
    found = api.report(
        *(path for path in (args.base, args.tuned, *args.more) if path is not None),
        output=args.output,
        search_budget=args.search_budget,
        replicates=args.replicates,
        allow_mismatch=args.allow_mismatch,
        title=args.title,
        name=dict(_pair(text, "--name") for text in args.name),
        seeds=args.seeds,
        options=_formats(args),
    )
    return _shown(found)


def convert(args: argparse.Namespace) -> int:
    """Write another system's per-sample files as rollout rows."""
    from rlvr.rollouts import importers

    if args.into.suffix != ".jsonl":
        raise ConfigError(
            f"--into {args.into}: expected the name of a rollout file, such as {args.into}.jsonl"
        )
    done = importers.convert(args.files, args.into, args.policy or args.into.stem, _formats(args))
    terminal = api.terminal_of(args.quiet)
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


def watch(args: argparse.Namespace) -> int:
    """The report of a running run, written anew as it goes on."""
    from rlvr.report.watch import watch as follow

    terminal = api.terminal_of(args.quiet)
    for line in follow(args.run, args.output or args.run / "watch", args.every):
        terminal.say(line)
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
    if args.on is not None:
        return planned(args)
    if args.price is not None or args.tokens is not None:
        raise UserError("--price and --tokens: of what `--on 8xH100-80GB` foretells, which is not asked for")
    if args.config is None:
        from rlvr import machine

        terminal = Terminal()
        for line in machine.describe():
            terminal.show(line)
        return 0
    from rlvr import pipeline, sweep

    terminal = api.terminal_of(args.quiet)
    source, grid = api.source(args.config), configuration.cells(args.overrides)
    config, *_ = configuration.load_cells(source.file, grid)
    if len(grid) > 1:
        for part in sweep.plan(grid, source.file, api.folder_of(config, source, args.output, sweep=True)):
            terminal.show(part.cell.name)
            pipeline.check(part.config, part.run.folder, terminal, source.base)
        return 0
    pipeline.check(config, api.folder_of(config, source, args.output), terminal, source.base)
    return 0


def planned(args: argparse.Namespace) -> int:
    """What the run would take on other devices, from the model's config."""
    if args.config is None:
        raise UserError(f"--on {args.on}: of which config? rlvr check CONFIG --on {args.on}")
    from rlvr.preflight.devices import parse

    cluster = parse(args.on, args.price)
    from rlvr.preflight.plan import plan

    source, grid = api.source(args.config), configuration.cells(args.overrides)
    if len(grid) > 1:
        raise UserError(f"--on {args.on}: foretells one run, and the overrides are {len(grid)} of them")
    config, *_ = configuration.load_cells(source.file, grid)
    folder = api.folder_of(config, source, args.output)
    plan(config, cluster, api.terminal_of(args.quiet), folder, source.base, args.tokens, args.shard)
    return 0


def init(args: argparse.Namespace) -> int:
    """A config with every key commented; the schema by which an editor checks it."""
    from rlvr import files

    written = {args.schema: configuration.json_schema()} if args.schema else {}
    if args.file or not args.schema:
        file = args.file or Path("config.yaml")
        like = configuration.find(args.like)
        configuration.load(like)  # what is no config is refused by name
        values = configuration.read(like)
        written[file] = configuration.template(values, str(args.schema) if args.schema else None)
        if file.exists():
            raise ConfigError(f"{file}: is there already; give another name")
    for file, text in written.items():
        file.parent.mkdir(parents=True, exist_ok=True)
        files.replace(file, [text.encode()])
        Terminal().show(f"Written: {file}")
    return 0


def help_config() -> int:
    """Every key of the configuration, on standard output."""
    print("Every key, its default and its meaning. `key=null` leaves a key unset.\n")
    for key, default, words in configuration.describe():
        print(f"{key}{f' = {default}' if default else ''}\n    {words}")
    return 0


def _pair(text: str, option: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not equals:
        raise ConfigError(f"{option} {text!r}: expected key=value")
    return key, value
