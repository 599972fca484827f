"""A run folder: the paths in it, and whether it belongs to a configuration."""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import yaml

from rlvr import config as configuration
from rlvr import files, rollouts
from rlvr.config import Config
from rlvr.errors import ConfigError
from rlvr.rollouts.shares import forget

PACKAGES = ("rlvr", "torch", "transformers", "trl", "datasets", "accelerate", "peft", "sympy", "numpy")

RECORD = "run.json"
SWEEP = "sweep.json"
"""In a sweep's folder: the names of its cells, in the order of the command."""


@dataclass(frozen=True, slots=True)
class Run:
    """The folder of one run; everything in it is append-only or written atomically."""

    folder: Path

    def rollouts(self, name: str) -> Path:
        return self.folder / "rollouts" / f"{name}.jsonl"

    def evaluations(self) -> list[Path]:
        """Those made during training, in the order of their steps."""
        steps = (p for p in self.folder.glob("rollouts/step-*.jsonl") if p.stem[5:].isdecimal())
        return sorted(steps, key=lambda p: int(p.stem[5:]))

    def steps(self) -> dict[int, Path]:
        """Training step → the samples that it trained on."""
        files = ((path.stem[6:], path) for path in self.folder.glob("rollouts/train-*.jsonl"))
        return {int(number): path for number, path in sorted(files) if number.isdecimal()}

    @property
    def metrics(self) -> Path:
        return self.folder / "metrics.jsonl"

    @property
    def checkpoints(self) -> Path:
        return self.folder / "checkpoints"

    @property
    def model(self) -> Path:
        """The tuned model. It is renamed into place when training has ended, so it is complete if it exists."""
        return self.folder / "model"

    @property
    def record(self) -> dict[str, Any]:
        """`run.json`, what a run writes down of itself: `base`, the folder that its relative paths start from; `ends`,
        the steps after which it went on with more than it was to have; `model`, which checkpoint the tuned model is;
        `failed`, the error that stopped it, until it goes on."""
        file = self.folder / RECORD
        return json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}

    def write_down(self, **entries: Any) -> None:
        """Add to `record`, or replace what it says."""
        text = json.dumps(self.record | entries, indent=1)
        files.replace(self.folder / RECORD, [text.encode(), b"\n"])

    @property
    def log(self) -> Path:
        return self.folder / "log.txt"

    @property
    def report(self) -> Path:
        """Written last: the run is finished if it exists."""
        return self.folder / "report.html"


def around(path: Path) -> Run | None:
    """The run whose folder `path` is, or in which it lies as a model or a checkpoint."""
    for folder in (path, *path.parents[:2]):
        if (folder / "config.yaml").is_file() and (folder / "rollouts").is_dir():
            return Run(folder)
    return None


def begun(path: Path) -> Run | None:
    """The run in a folder, which may be named by its `config.yaml` too; None where `path` is no folder of a run."""
    folder = path.parent if path.name == "config.yaml" else path
    if (folder / "config.yaml").is_file() and (folder / "rollouts").is_dir():
        return Run(folder)
    if (path / SWEEP).is_file():
        raise ConfigError(f"{path}: a sweep goes on by the command that began it, or run by run: {path}/NAME")
    return None


def cells(sweep: Path) -> list[Run]:
    """The runs of the sweep in a folder, in its order; those that have not begun have no folder."""
    names = json.loads((sweep / SWEEP).read_text(encoding="utf-8"))["cells"]
    return [Run(sweep / name) for name in names]


def open_run(config: Config, folder: Path, base: Path | None = None) -> Run:
    """Begin or continue the run of `config` in `folder`, whose `config.yaml` has every key. A run that ended before it
    had sampled anything is replaced.

    Args:
        base: folder that the config's relative paths start from.

    Raises:
        ConfigError: as `check_folder`.
    """
    run = Run(folder)
    if not check_folder(config, folder):
        (folder / "rollouts").mkdir(parents=True, exist_ok=True)
        write_config(config, folder / "config.yaml")
        run.write_down(base=str((base or Path()).resolve()))
    elif changes(existing := configuration.load(folder / "config.yaml"), config, run):
        if run.model.is_dir():
            if ended(run) < config.train.steps:
                set_aside(run, ended(run))
        elif existing.train.steps < config.train.steps:
            note_end(run, newest_checkpoint(run))
        write_config(config, folder / "config.yaml")  # last: after a kill, the same command does the rest
    return run


def check_folder(config: Config, folder: Path) -> bool:
    """Whether the run of `config` has begun in `folder`.

    Raises:
        ConfigError: the folder holds a run of another configuration (it names the keys), a run although `resume` is
            `never`, or something else.
    """
    if not refuse_foreign(folder):
        return False
    if config.resume == "never":
        raise ConfigError(
            f"{folder}: resume=never, and this folder holds a run; choose another with name=NAME or --output, or leave "
            "resume out to go on with it"
        )
    existing = configuration.load(folder / "config.yaml")
    refuse_other(existing, config, folder)
    if changes(existing, config, Run(folder)):
        refuse_end(existing, config, Run(folder))
    return True


GOES_ON = "train.steps", "train.stop.patience", "train.stop.at"
"""Keys that may change while a run goes on in its folder: they say where it ends, not how it gets there."""


def refuse_other(existing: Config, asked: Config, folder: Path) -> None:
    """Raises ConfigError if `folder` holds a run of another configuration, and not one that goes on with more steps; it
    names the keys."""
    fewer = asked.train.steps < existing.train.steps
    lines = changes(existing, asked, Run(folder))
    if fewer or any(line.partition(":")[0] not in GOES_ON for line in lines):
        differing = "\n".join(f"  {line}" for line in lines)
        raise ConfigError(
            f"{folder} holds a run of another configuration (in the folder / asked for):\n{differing}\n"
            "A run goes on in its folder with more train.steps or another train.stop, and nothing else. Choose another "
            f"folder with name=NAME or --output (there, resume={folder} begins where this run is), or remove that run."
        )


def changes(existing: Config, asked: Config, run: Run) -> list[str]:
    """`differences`, without the engine where the training is over: what is left to sample, each draws alike."""
    over = run.model.is_dir() and asked.train.steps == existing.train.steps
    lines = differences(existing, asked)
    return [line for line in lines if not (over and line.startswith("sampling.engine:"))]


def refuse_end(existing: Config, asked: Config, run: Run) -> None:
    """Raises ConfigError if the run has ended, and cannot go on as it is asked to."""
    if not run.model.is_dir() or not (end := ended(run)) or end >= asked.train.steps:
        return
    why = read_metrics(run.metrics)[-1].get("stopped")
    if why and existing.train.stop == asked.train.stop:
        raise ConfigError(
            f"{run.folder}: training stopped early, after step {end} ({why}), and would at once stop again with more "
            "train.steps; change train.stop too, such as train.stop.patience=null"
        )
    if not (run.checkpoints / f"checkpoint-{end}").is_dir():
        raise ConfigError(
            f"{run.folder}: the run ended at step {end} and could go on from checkpoints/checkpoint-{end}, which is "
            "not there any more"
        )


def ended(run: Run) -> int:
    """The last step that was logged."""
    return max((row["step"] for row in read_metrics(run.metrics)), default=0)


def set_aside(run: Run, step: int) -> None:
    """What belongs to the end of a run that goes on gets the number of its last step: the tuned model, its evaluation,
    the report. May be repeated after a kill."""
    forget(run.rollouts("tuned"), "tuned")
    evaluated = any("eval/samples" in row for row in read_metrics(run.metrics) if row["step"] == step)
    name = f"tuned-{step}" if evaluated else f"step-{step}"  # that name is taken by the evaluation on the way
    for file in sorted(run.folder.glob("rollouts/tuned.jsonl")) + sorted(
        run.folder.glob("rollouts/tuned.*.jsonl")
    ):
        rename_policy(file, file.with_name(file.name.replace("tuned", name, 1)), "tuned", name)
    base = run.rollouts("base")
    if base.exists():
        rename_policy(base, base, "tuned", name)
    note_end(run, step)
    for before, after in (
        (run.report, f"report-{step}.html"),
        (run.report.with_suffix(".json"), f"report-{step}.json"),
        (run.model, f"model-{step}"),  # last: where there is one, the rest may be left to do
    ):
        if before.exists():
            before.rename(before.with_name(after))


def note_end(run: Run, step: int) -> None:
    """Write down that the run goes on after `step` under a longer schedule; of a run that begins anew, nothing."""
    ends = run.record.get("ends", [])
    if step and step not in ends:
        run.write_down(ends=[*ends, step], model=None)


def newest_checkpoint(run: Run) -> int:
    """Its step; 0 where there is none."""
    names = (path.name.removeprefix("checkpoint-") for path in run.checkpoints.glob("checkpoint-*"))
    return max((int(name) for name in names if name.isdecimal()), default=0)


def rename_policy(file: Path, into: Path, policy: str, name: str) -> None:
    """A rollout file in which `policy` is called `name`. An evaluation that was not finished is dropped instead."""
    settings = rollouts.read_settings(file)
    if into == file or is_whole(file):
        if settings.get("policy") == policy:
            settings |= {"policy": name}
        rollouts.write_settings(into, settings)
        rollouts.rewrite(into, (_renamed(row, policy, name) for row in rollouts.read(file)))
    if into != file:
        file.unlink()
        rollouts.settings_path(file).unlink(missing_ok=True)


def is_whole(evaluation: Path) -> bool:
    """Every sample that the evaluation is to have is in its file."""
    settings = rollouts.read_settings(evaluation)
    return 0 < rollouts.count(evaluation) == settings.get("n_problems", 0) * settings.get("samples", 0)


def _renamed(row: rollouts.Rollout, policy: str, name: str) -> rollouts.Rollout:
    nats = {name if key == policy else key: value for key, value in row.logprobs.items()}
    return replace(row, policy=name if row.policy == policy else row.policy, logprobs=nats)


def refuse_foreign(folder: Path) -> bool:
    """Whether a run has begun in `folder`. Raises ConfigError if it holds something else, or links."""
    files.refuse_links(folder)
    begun = folder.is_dir() and any(
        path.name not in ("config.yaml", RECORD, "log.txt", "rollouts") and not path.name.startswith(".")
        for path in (*folder.iterdir(), *folder.glob("rollouts/*"))
    )
    if folder.is_file() or (begun and not (folder / "config.yaml").exists()):
        raise ConfigError(
            f"{folder}: this output folder holds something else: it is not empty and has no config.yaml of a run"
        )
    return begun


def write_config(config: Config, file: Path) -> None:
    """Write every key, below the versions that the run began with."""
    header = "".join(f"# {name} {found}\n" for name, found in versions().items())
    text = yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False, allow_unicode=True)
    files.replace(
        file, [f"# Every key of this run, which began with these versions\n{header}{text}".encode()]
    )


def differences(first: Config, second: Config) -> list[str]:
    """`key: value / value` for every key in which two configurations differ."""
    both = first.model_dump(mode="json"), second.model_dump(mode="json")
    return [f"{key}: {a} / {b}" for key, a, b in differing(*both)]


def differing(first: Mapping[str, Any], second: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """The dotted keys in which two nested mappings differ, with both values, shown."""
    a, b = flat(dict(first), lists=True), flat(dict(second), lists=True)
    keys = [key for key in sorted(a.keys() | b.keys()) if a.get(key) != b.get(key)]
    return [(key, *contrasted(a.get(key), b.get(key))) for key in keys]


SHOWN = 200
"""Characters of a text that an error shows."""


def contrasted(a: Any, b: Any) -> tuple[str, str]:
    """Two values that differ; long texts from shortly before their first difference."""
    if not (isinstance(a, str) and isinstance(b, str)) or max(len(a), len(b)) <= SHOWN:
        return repr(a), repr(b)
    same = next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))
    cut = slice(max(0, same - 40), same + SHOWN // 2)
    return f"…{a[cut]!r}…", f"…{b[cut]!r}…"


def flat(value: Any, prefix: str = "", lists: bool = False) -> dict[str, Any]:
    """Nested sections as dotted keys; with `lists`, those in lists of sections too, as `problems.train.0.file`."""
    if lists and isinstance(value, list | tuple) and value and all(isinstance(v, dict) for v in value):
        value = dict(enumerate(value))
    if not isinstance(value, dict) or not value:
        return {prefix.removesuffix("."): value}
    return {k: v for name, inner in value.items() for k, v in flat(inner, f"{prefix}{name}.", lists).items()}


def versions() -> dict[str, str]:
    """Python, the platform and the packages that a run's results depend on."""
    found = {"python": platform.python_version(), "platform": platform.platform()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    return found


def read_metrics(file: Path, first: int | None = None) -> list[dict[str, Any]]:
    """The rows of a metrics file; a last line that a kill cut short is left out.

    Args:
        first: read this many rows and nothing after them, where a power cut may have left anything.
    """
    lines = file.read_bytes().splitlines(keepends=True) if file.exists() else []
    return [json.loads(line) for line in lines[:first] if line.endswith(b"\n")]
