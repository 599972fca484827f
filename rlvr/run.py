"""A run folder: the paths in it, and whether it belongs to a configuration."""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import yaml

from rlvr import config as configuration
from rlvr import files
from rlvr.config import Config
from rlvr.errors import ConfigError

PACKAGES = ("rlvr", "torch", "transformers", "trl", "datasets", "accelerate", "peft", "sympy", "numpy")


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
    def log(self) -> Path:
        return self.folder / "log.txt"

    @property
    def report(self) -> Path:
        """Written last: the run is finished if it exists."""
        return self.folder / "report.html"


def open_run(config: Config, folder: Path) -> Run:
    """Begin or continue the run of `config` in `folder`, whose `config.yaml` has every key. A run that ended before it
    had sampled anything is replaced.

    Raises:
        ConfigError: as `check_folder`.
    """
    if not check_folder(config, folder):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "rollouts").mkdir(exist_ok=True)
        write_config(config, folder / "config.yaml")
    return Run(folder)


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
            f"{folder}: resume=never, and this folder holds a run; choose another with --output"
        )
    refuse_other(configuration.load(folder / "config.yaml"), config, folder)
    return True


def refuse_other(existing: Config, asked: Config, folder: Path) -> None:
    """Raises ConfigError if `folder` holds a run of another configuration; it names the keys."""
    if lines := differences(existing, asked):
        differing = "\n".join(f"  {line}" for line in lines)
        raise ConfigError(
            f"{folder} holds a run of another configuration (in the folder / asked for):\n{differing}\n"
            "Choose another folder with --output, or remove that run."
        )


def refuse_foreign(folder: Path) -> bool:
    """Whether a run has begun in `folder`. Raises ConfigError if it holds something else, or links."""
    files.refuse_links(folder)
    begun = folder.is_dir() and any(
        path.name not in ("config.yaml", "log.txt", "rollouts") and not path.name.startswith(".")
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
    a, b = flat(dict(first)), flat(dict(second))
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


def flat(value: Any, prefix: str = "") -> dict[str, Any]:
    """Nested sections as dotted keys."""
    if not isinstance(value, dict) or not value:
        return {prefix.removesuffix("."): value}
    return {k: v for name, inner in value.items() for k, v in flat(inner, f"{prefix}{name}.").items()}


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
