"""What a shell offers for the next word, through argcomplete (`pip install "rlvr[completion]"`)."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any


def complete(parser: argparse.ArgumentParser) -> None:
    """Answer the shell and end the process, where a shell asks."""
    import argcomplete  # type: ignore[import-not-found]

    argcomplete.autocomplete(parser, default_completer=offered)  # pyright: ignore[reportArgumentType] (any callable)


def offered(prefix: str, action: argparse.Action, **_: Any) -> list[str]:
    """Keys of the config where `key=value` is expected, recipes where a config is, else files and folders."""
    from rlvr import config

    if action.dest == "overrides":
        return [f"{key}=" for key, _, _ in config.describe() if "NAME" not in key]
    recipes = [path.stem for path in config.packaged_folder().glob("*.yaml")]
    named = [*recipes, *config.problem_sets()] if action.dest in ("config", "like", "on") else []
    return [*named, *_paths(prefix)]


def _paths(prefix: str) -> list[str]:
    """What is in the folder that has been typed."""
    folder = prefix.rpartition("/")[0] or ("/" if prefix.startswith("/") else "")
    found = sorted(path for path in Path(folder or ".").glob("*") if not path.name.startswith("."))
    names = [str(Path(folder) / path.name) if folder else path.name for path in found]
    return [f"{name}/" if path.is_dir() else name for name, path in zip(names, found, strict=True)]
