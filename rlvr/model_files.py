"""What the name of a model stands for: the embedded one, a model's folder, a run, a checkpoint, an adapter with its
base, a Hub name."""

from __future__ import annotations

import json
import shutil
import textwrap
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rlvr import hub
from rlvr.errors import PolicyError
from rlvr.worlds.carry import TINY

ADAPTER = "adapter_config.json"
"""peft's file: a folder that holds it holds an adapter."""
ADAPTER_WEIGHTS = "adapter_model.safetensors"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a model lies."""

    model: str
    """A folder with config.json, or a Hub name; of an adapter: its base."""
    revision: str | None = None
    """Of `model`, where that is a Hub name."""
    adapter: Path | None = None
    """The folder of an adapter on it."""

    def __str__(self) -> str:
        return f"the adapter {self.adapter} on {self.model}" if self.adapter else self.model


def locate(name: str, revision: str | None = None, base: str | None = None) -> Place:
    """What `name` stands for, before anything heavy is imported.

    Args:
        revision: of a Hub name.
        base: of an adapter, in place of what its adapter_config.json says.

    Raises:
        PolicyError: it is a path, and nothing that can be loaded lies there; or an adapter's base is not there.
    """
    folder = TINY if name == "tiny" else Path(name)
    if not folder.is_dir():
        if folder.exists() or looks_like_a_path(name):
            raise PolicyError(
                f"model {name}: expected a folder with config.json or a Hub name; there is no such folder"
                f"{hub.hint(name)}"
            )
        return Place(name, revision)
    if (folder / ADAPTER).is_file():
        return _on_its_base(folder, base)
    if (folder / "config.json").is_file():
        return Place(str(folder), revision)
    if (folder / "config.yaml").is_file():
        return locate(str(model_of_run(folder)), base=base)
    found = ", ".join(sorted(p.name for p in folder.iterdir())[:8]) or "nothing"
    raise PolicyError(f"model {name}: the folder has no config.json; found {found}")


def looks_like_a_path(name: str) -> bool:
    """Whether a name that is no folder was meant as one; a Hub name has at most one slash."""
    return name.startswith((".", "/", "~")) or name.count("/") > 1


def model_of_run(folder: Path) -> Path:
    """The tuned model of a run. Raises PolicyError where it is not written yet; it names the checkpoints."""
    if any((folder / "model" / name).is_file() for name in ("config.json", ADAPTER)):
        return folder / "model"
    there = sorted(
        (p for p in folder.glob("checkpoints/checkpoint-*") if p.name[11:].isdecimal()),
        key=lambda p: int(p.name[11:]),
    )
    names = f"; its checkpoints: {', '.join(map(str, there))}" if there else ", and no checkpoints"
    raise PolicyError(f"model {folder}: a run that has no model/ yet{names}")


def adapter_config(folder: Path) -> dict[str, Any]:
    """peft's description of the adapter in `folder`. Raises PolicyError where it cannot be read."""
    try:
        found = json.loads((folder / ADAPTER).read_text(encoding="utf-8"))
        if not isinstance(found, dict):
            raise ValueError(f"expected keys and values, found {type(found).__name__}")
    except (OSError, ValueError, RecursionError) as error:
        raise PolicyError(f"model {folder}: {ADAPTER} cannot be read: {error}") from error
    return found


BESIDE_THE_WEIGHTS = (
    *(
        "tokenizer*",
        "special_tokens_map.json",
        "added_tokens.json",
        "vocab*",
        "merges.txt",
        "*.model",
        "*.tiktoken",
    ),
    *("chat_template*", "*processor_config.json", "generation_config.json", "README.md", "LICENSE*", "*.py"),
)
"""What a model's folder holds besides its weights and config.json."""


def copy_beside(place: Place, into: Path, kept: bool = False) -> None:
    """Copy what lies beside a model's weights (tokenizer, chat template, generation config, model card), byte for byte.

    Args:
        place: an adapter's own tokenizer comes before that of its base.
        kept: leave files that `into` has already.
    """
    for folder in filter(None, (folder_of(place), place.adapter)):
        for pattern in BESIDE_THE_WEIGHTS:
            for file in folder.glob(pattern):
                card = (
                    folder == place.adapter and file.name == "README.md"
                )  # of the adapter, not of the model
                if file.is_file() and not card and not (kept and (into / file.name).exists()):
                    shutil.copyfile(file, into / file.name)


def folder_of(place: Place) -> Path | None:
    """The folder with a model's files; of a Hub model the cache's, None where there is none."""
    if Path(place.model).is_dir():
        return Path(place.model)
    from transformers.utils.hub import cached_file

    quietly: dict[str, Any] = {
        "_raise_exceptions_for_missing_entries": False,
        "_raise_exceptions_for_connection_errors": False,
    }
    found = None
    for name in ("README.md", "config.json"):
        found = cached_file(place.model, name, revision=place.revision, **quietly)
    return Path(found).parent if found else None


MOST_LAYERS = 2_000


def read_config_json(place: Place) -> dict[str, Any]:
    """The config.json of a model, of the Hub too, after a look at what it may not ask for. Raises PolicyError."""
    from transformers import PretrainedConfig

    try:
        found = PretrainedConfig.get_config_dict(place.model, revision=place.revision)[0]
        _check_config(found)
    except Exception as error:  # what a broken folder provokes has no common class
        raise PolicyError(f"model {place.model}: cannot be loaded: {in_words(error)}") from error
    return found


def _check_config(found: Any) -> None:
    """What a config.json may not ask for: so many layers that building them never ends, code from a third place.

    Raises ValueError.
    """
    for section in (found, found.get("text_config")) if isinstance(found, dict) else ():
        if not isinstance(section, dict):
            continue
        for key in ("num_hidden_layers", "n_layer", "num_layers", "n_layers"):
            layers = section.get(key)
            if isinstance(layers, int) and not 0 <= layers <= MOST_LAYERS:
                raise ValueError(f"config.json: {key} is {layers}; expected 0 to {MOST_LAYERS:,}")
        for key in ("attn_implementation", "_attn_implementation"):  # "org/name" is a kernel to be fetched
            if isinstance(asked := section.get(key), str) and "/" in asked:
                raise ValueError(
                    f"config.json: {key} is {asked!r}, which would fetch and run code from the Hub"
                )


def in_words(error: Exception) -> str:
    text = " ".join(str(error).split())
    return textwrap.shorten(text, 300, placeholder=" …") or type(error).__name__


def whole_name(base: str) -> str:
    """A base's name as an adapter's folder says it: a folder by its whole path, to be found from anywhere."""
    return str(Path(base).resolve()) if Path(base).is_dir() else base


def _on_its_base(folder: Path, base: str | None) -> Place:
    about = adapter_config(folder)
    said, revision = about.get("base_model_name_or_path"), about.get("revision")
    name = base or said
    if not isinstance(name, str) or not name:
        raise PolicyError(f"model {folder}: its {ADAPTER} names no base; name it with base_model=…")
    try:
        place = locate(name, revision if isinstance(revision, str) and base is None else None)
    except PolicyError as error:
        hint = "" if base else f" (its {ADAPTER} says so); name another with base_model=…"
        raise PolicyError(f"model {folder}: an adapter whose base is {name}{hint}: {error}") from error
    if place.adapter:
        raise PolicyError(f"model {folder}: its base {name} is an adapter too; expected a whole model")
    return Place(place.model, place.revision, folder)
