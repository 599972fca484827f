"""Several models on the same problems: what each is called, how it is asked, sampled one after the other, one report.

`rlvr eval` and `rlvr compare` are this module; one model is a line-up of one.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import closing, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from rlvr import config as configuration
from rlvr import pipeline, preflight, rollouts
from rlvr.config import Config, ConfigError
from rlvr.evaluation import Evaluator
from rlvr.launch.processes import locked, main_process_only, seen_by_all
from rlvr.model_files import ADAPTER
from rlvr.preflight import cost, parts
from rlvr.problems import Problems
from rlvr.run import Run, around, begun
from rlvr.terminal import Terminal

if TYPE_CHECKING:
    from rlvr.report import Report

GREEDY = {"top_p": 1.0, "top_k": 0, "min_p": 0.0, "samples": 1}
"""Of greedy sampling, unless asked for: what cuts the distribution changes nothing, and all samples would be equal."""
NOT_ASKED = ("analysis", "verification", "sandbox", "sampling.servers", "sampling.http")
"""Keys and sections that say nothing of what is sampled, and so are no part of a file's name."""


@dataclass(frozen=True, slots=True)
class Questions:
    """What every model is asked."""

    config: Config
    """Its model is none of theirs."""
    file: Path
    """Where it was read."""
    name: str
    """In files' names and titles: of the problem set, the config, or the run, with what was overridden."""
    base: Path
    """Folder that relative paths start from."""
    template: bool
    """Whether the config says how a prompt is made; if not, each model's tokenizer decides."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A model, and where its samples go."""

    name: str
    config: Config
    file: Path


def named(models: Sequence[str]) -> dict[str, str]:
    """Models by name: `NAME=MODEL`, or the last part of a folder's or Hub name; of a model in a run, the run's name.
    Where two would be called the same, each gets as many parts of its path as it takes.

    >>> named(["Qwen/Qwen2.5-7B", "mine=models/7b"])
    {'Qwen2.5-7B': 'Qwen/Qwen2.5-7B', 'mine': 'models/7b'}
    >>> named(["a/model", "b/model"])
    {'a-model': 'a/model', 'b-model': 'b/model'}

    Raises ConfigError: two models have one name, or a name cannot be a file's.
    """
    given = [_given(word) for word in models]
    longest = max(len(_parts(path)) for _, path in given)
    names: list[str] = []
    for depth in range(1, longest + 1):
        names = [name or _word("-".join(_parts(path)[-depth:])) for name, path in given]
        if len(set(names)) == len(names):
            break
    twice = next((name for i, name in enumerate(names) if name in names[:i]), None)
    if twice is not None:
        raise ConfigError(
            f"two models would be called {twice!r}; name each of them: NAME={given[names.index(twice)][1]}"
        )
    if bad := next((name for name in names if name != _word(name)), None):
        raise ConfigError(f"{bad!r} cannot be a model's name; expected letters, digits, - . and _")
    return {name: path for name, (_, path) in zip(names, given, strict=True)}


def _given(word: str) -> tuple[str, str]:
    """Name and model; the name is "" where none is given. A folder may hold "=" (a cell of a sweep)."""
    name, equals, model = word.partition("=")
    return (name, model) if equals and "/" not in name else ("", word)


def _word(text: str) -> str:
    return re.sub(r"[^\w.-]+", "-", text).strip("-.")


def _parts(model: str) -> tuple[str, ...]:
    """The parts of a path that can name a model: of a run's own model, the run's folder stands for it."""
    path = Path(model)
    kept = [part for part in path.parts if part not in ("/", ".", "..", "~", "checkpoints")]
    run = around(path)
    if run and path.name == "model":
        kept = kept[:-1]
    elif run and len(kept) > 1 and path != run.folder:
        kept = [*kept[:-2], f"{kept[-2]}-{kept[-1]}"]  # a checkpoint, of its run
    return tuple(kept) or (path.resolve().name,)


def questions(name: str | None, overrides: Sequence[str], models: Sequence[str] = ()) -> Questions:
    """What the config, run or packaged problem set `name` asks.

    Greedy sampling (`sampling.temperature=0`) takes one sample a problem, and a search budget that is not asked for
    follows the number of samples.

    Args:
        name: where it is None, the config of the first run that one of the models lies in, else quickstart.
        overrides: `key=value`; keys of training are not read.

    Raises:
        ConfigError: as `configuration.load`.
    """
    own = next(filter(None, (around(Path(model)) for model in models)), None) if name is None else None
    file, run = (own.folder / "config.yaml", own) if own else _found(name or "quickstart")
    # training keys do not matter, and must not cause an error (temperature 0 is fine for an evaluation)
    fixed = ["train.steps=0", "problems.probes={}", *(["base_model=null", "revision=null"] if run else [])]
    config = configuration.load(file, [*fixed, "analysis.search_budget=null", *overrides])
    asked = {override.partition("=")[0].strip() for override in overrides}
    sampling = config.sampling
    if sampling.temperature == 0 and "sampling" not in asked:
        greedy = {key: value for key, value in GREEDY.items() if f"sampling.{key}" not in asked}
        sampling = sampling.model_copy(update=greedy)
    analysis = config.analysis
    if not asked & {"analysis", "analysis.search_budget"}:
        said = configuration.load(file, [*fixed, *overrides, f"sampling.samples={MOST}"]).analysis
        analysis = said if (said.search_budget or 0) <= sampling.samples else analysis
    stem = run.folder.name if run else file.stem
    said = [o for o in overrides if not re.match(rf"({'|'.join(NOT_ASKED)})[.=]", o.strip())]
    return Questions(
        config.model_copy(update={"sampling": sampling, "analysis": analysis}),
        file,
        ",".join(filter(None, (stem, configuration.folder_name(said)))),
        Path(run.record.get("base", "")) if run else file.parent,
        not configuration.is_problem_set(file) or bool(asked & {"evidence", "evidence.template"}),
    )


MOST = 1_000_000
"""Samples that allow any search budget, to read a config's own."""


def _found(name: str) -> tuple[Path, Run | None]:
    """The file of this config, and the run that it is of."""
    if run := begun(Path(name)):
        return run.folder / "config.yaml", run
    return configuration.find(name), None


def places(names: Collection[str], asked: Questions, output: Path | None) -> tuple[Path, dict[str, Path]]:
    """The folder of the report, and each model's rollout file: in `evals/`, where every later command finds it, or all
    in the folder `output`; of one model, `output` is the rollout file.

    Raises ConfigError: `output` is a rollout file for several models, or none for one.
    """
    if output is None:
        files = {name: EVALS / f"{configuration.cut(f'{name}-{asked.name}')}.jsonl" for name in names}
        return EVALS / configuration.cut("-".join([*names, asked.name])), files
    if len(names) == 1:
        if output.suffix != ".jsonl":  # the report's folder has this name without the suffix
            raise ConfigError(
                f"--output {output}: expected the name of a rollout file, such as {output}.jsonl"
            )
        return output.with_suffix(""), dict.fromkeys(names, output)
    if output.suffix == ".jsonl":
        raise ConfigError(f"--output {output}: for {len(names)} models, expected the name of a folder")
    return output, {name: output / "rollouts" / f"{name}.jsonl" for name in names}


EVALS = Path("evals")


def entries(models: Mapping[str, str], asked: Questions, files: Mapping[str, Path]) -> list[Entry]:
    """Each model with its own config and file.

    Raises:
        PolicyError, UserError: a model is not there, or has no tokenizer.
    """
    found = []
    for name, model in models.items():
        adapter = (Path(model) / ADAPTER).is_file()
        base = asked.config.base_model if adapter or len(models) == 1 else None
        config = asked.config.model_copy(update={"model": model, "base_model": base})
        state = preflight.Preflight(config, None, asked.base, False, lambda _: None)
        preflight.go(state, (parts.model_location,))
        found.append(Entry(name, config if asked.template else _by_tokenizer(config), files[name]))
    return found


def _by_tokenizer(config: Config) -> Config:
    """A packaged problem set leaves the template to the model: its chat template where its tokenizer has one, else
    plain text."""
    from rlvr.policy import load_tokenizer

    template = "chat" if load_tokenizer(config).chat_template else "plain"
    return config.model_copy(update={"evidence": config.evidence.model_copy(update={"template": template})})


def templates(lineup: Sequence[Entry]) -> list[str]:
    """What a reader must know of prompts that differ; empty where they do not."""
    by_template = {
        template: [entry.name for entry in lineup if entry.config.evidence.template == template]
        for template in ("chat", "plain")
    }
    if not all(by_template.values()):
        return []
    return [
        f"The prompts differ: {' and '.join(by_template['chat'])} by the chat template of the tokenizer, "
        f"{' and '.join(by_template['plain'])}, whose tokenizer has none, in plain text. evidence.template=plain asks "
        "all in plain text."
    ]


def evaluate(lineup: Sequence[Entry], asked: Questions, output: Path, terminal: Terminal) -> Report | None:
    """Sample and judge what is missing, one model after the other, and report in `output` (None in all but the main
    process). Everything that can be checked is checked for every model before the first is sampled.

    Raises:
        UserError and the verifiers' own errors: the first thing that would stop it.
    """
    configs = [entry.config for entry in lineup]
    notes = templates(lineup)
    for note in notes:
        terminal.say(note)
    with (
        locked(output, "evaluation"),
        pipeline.prepare_each(configs, terminal, base=asked.base, trains=False) as (problems, evaluators),
    ):
        pairs = list(zip(lineup, evaluators, strict=True))
        missing = seen_by_all(lambda: list(_missing(pairs, problems)))
        for line in cost.estimate_each({e.name: evaluator for e, evaluator in missing}, problems):
            terminal.say(line)
        for entry, evaluator in missing:
            _sample(entry, evaluator, problems, output)
        for entry in lineup:
            terminal.say(f"Rollouts: {entry.file}")
        with main_process_only() as is_main:
            return report(lineup, asked, output, notes) if is_main else None


def _missing(
    pairs: Sequence[tuple[Entry, Evaluator]], problems: Problems
) -> Iterator[tuple[Entry, Evaluator]]:
    """Those whose file is not whole. Raises UserError where a file was drawn under other settings."""
    from rlvr.policy import blueprint

    for entry, evaluator in pairs:
        if rollouts.read_settings(entry.file):
            policy = replace(blueprint(entry.config), name=entry.name)
            evaluator.settings_for(policy, problems.heldout, entry.file)
        if not evaluator.complete(problems.heldout, entry.file):
            yield entry, evaluator


def _sample(entry: Entry, evaluator: Evaluator, problems: Problems, output: Path) -> None:
    from rlvr.sampling import load_sampler

    own = entry.file.with_suffix("")
    entry.file.parent.mkdir(parents=True, exist_ok=True)
    with (
        nullcontext() if output in (own, *own.parents) else locked(own, "evaluation"),
        closing(load_sampler(entry.config, entry.name)) as engine,
    ):
        evaluator.evaluate(engine, problems.heldout, entry.file)


def report(lineup: Sequence[Entry], asked: Questions, output: Path, notes: Sequence[str]) -> Report:
    """The report over finished evaluations."""
    from rlvr import report as reports

    first, *others = [entry.file for entry in lineup]
    names = [entry.name for entry in lineup]
    analysis = asked.config.analysis
    return reports.build(
        first,
        others[0] if others else None,
        more=others[1:],
        output=output,
        search_budget=analysis.search_budget,
        replicates=analysis.replicates,
        allow_mismatch=bool(notes),  # only the templates can differ
        title=f"{' and '.join(filter(None, (', '.join(names[:-1]), names[-1])))} on {asked.name.partition(',')[0]}",
        notes=notes,
        names=names,
    )
