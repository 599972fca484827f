"""A YAML file and `key=value` overrides, read and validated."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from rlvr.config.data import is_template
from rlvr.config.explain import explain
from rlvr.config.schema import Config
from rlvr.errors import ConfigError


def find(name: str | Path) -> Path:
    """The config file `name`: a path, one of the packaged recipes (`quickstart`, `configs/quickstart.yaml`), or a
    packaged problem set (`gsm8k`). A bare `quickstart` is the recipe, whatever file of that name is in the working
    directory.

    Raises:
        ConfigError: neither exists.
    """
    path = Path(name)
    packaged = packaged_folder()
    if path.name == str(name):
        for recipe in (packaged / f"{name}.yaml", packaged / SETS / f"{name}.yaml"):
            if recipe.is_file():
                return recipe
    if path.is_file():
        return path
    candidates = [packaged / path.name, packaged / f"{path.name}.yaml"]
    if path.parent in (Path(), Path("configs")):
        for candidate in candidates:
            if candidate.is_file():
                return candidate
    known = sorted(p.name for p in packaged.glob("*.yaml"))
    raise ConfigError(
        f"{name}: no such config file. Recipes that come with the package: {', '.join(known)}; problem sets to "
        f"evaluate on: {', '.join(problem_sets())}"
    )


SETS = "sets"
"""Folder of the packaged problem sets: configs that say what is asked, and neither a model nor a template."""


def problem_sets() -> list[str]:
    """The names of the packaged ones."""
    return sorted(path.stem for path in (packaged_folder() / SETS).glob("*.yaml"))


def is_problem_set(file: Path) -> bool:
    """Whether a config is a packaged problem set."""
    return file.parent == packaged_folder() / SETS


def packaged_folder() -> Path:
    """The folder of the recipes: inside an installed package, or at the top of a checkout."""
    package = Path(__file__).resolve().parent.parent
    installed = package / "configs"
    return installed if installed.is_dir() else package.parent / "configs"


def load(path: Path, overrides: Sequence[str] = ()) -> Config:
    """Read a YAML config and apply `key.sub=value` overrides (values are YAML).

    Raises:
        ConfigError: unreadable file, unknown key (with the nearest known one), wrong type, incoherent values.
    """
    return built(read(path), overrides, path.parent, str(path))


def read(path: Path) -> dict[str, Any]:
    """The keys and values of a YAML file. Raises ConfigError: it cannot be read, or holds something else."""
    try:
        data = _yaml(path.read_text(encoding="utf-8-sig"))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read: {error}") from error
    except yaml.YAMLError as error:
        raise ConfigError(f"{path}: not valid YAML: {error}") from error
    if not isinstance(data, dict):
        raise ConfigError(f"{path}: expected keys and values, found {type(data).__name__}")
    return data


def built(data: dict[str, Any], overrides: Sequence[str], folder: Path, where: str) -> Config:
    """The configuration that plain `data`, which is changed, becomes with overrides.

    Args:
        folder: that a chat template's file is relative to.
        where: opens the message of an error.

    Raises:
        ConfigError: as `load`.
    """
    for text in overrides:
        override(data, text)
    _read_template(data.get("evidence"), folder)
    return validate(data, where)


def validate(data: dict[str, Any], where: str) -> Config:
    """Turn plain data into a `Config`, or raise a `ConfigError` that lists every fault."""
    try:
        return Config.model_validate(data)
    except ValidationError as error:
        faults = "\n".join(f"  {line}" for line in explain(error))
        raise ConfigError(
            f"{where}: the configuration has {error.error_count()} fault(s):\n{faults}"
        ) from None


MAX_TEMPLATE = 1_000_000
"""Bytes of a chat template's file; the longest in use have some ten thousand."""


def _read_template(evidence: Any, folder: Path) -> None:
    """Put the text of the file that `evidence.chat_template` names in its place, as a part of the config: a run whose
    file changed is another run. A relative path starts from the config's folder, else from the current one.

    Raises ConfigError: it cannot be read, or is not text.
    """
    name = evidence.get("chat_template") if isinstance(evidence, dict) else None
    if not isinstance(name, str) or is_template(name) or name.strip().lower() in ("", "none", "unset"):
        return
    found = [path for path in (folder / name, Path(name)) if path.is_file()]
    if not found:
        raise ConfigError(f"evidence.chat_template: {folder / name} is no file; expected a Jinja template")
    try:
        if found[0].stat().st_size > MAX_TEMPLATE:
            raise ConfigError(f"evidence.chat_template: {found[0]} has more than {MAX_TEMPLATE:,} bytes")
        text = found[0].read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"evidence.chat_template: {found[0]} cannot be read: {error}") from error
    if not is_template(text):
        raise ConfigError(
            f"evidence.chat_template: {found[0]} is no Jinja template: it has no {{{{ }}}} and no {{% %}}"
        )
    evidence["chat_template"] = text


MAX_VALUES = 100_000
"""Of a config; a sweep over many values has hundreds."""


class _Loader(yaml.SafeLoader):
    """YAML 1.1 reads `1e-5` as text (it requires `1.0e-5`); this reads the number, as YAML 1.2 does. And of a key that
    is given twice, YAML's own loader keeps the last in silence."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: dict[str, int] = {}
        for key, _ in node.value:
            line = key.start_mark.line + 1
            if isinstance(key, yaml.ScalarNode) and key.value != "<<":
                if key.value in seen:
                    raise yaml.YAMLError(
                        f"line {line}: {key.value} is given twice, first in line {seen[key.value]}"
                    )
                seen[key.value] = line
        return super().construct_mapping(node, deep)


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"^[-+]?[0-9]+(\.[0-9]*)?[eE][-+]?[0-9]+$"), list("-+0123456789")
)


def _yaml(text: str) -> Any:
    """Plain data (the loader is a SafeLoader). Raises YAMLError, also for what Python cannot hold."""
    try:
        data = yaml.load(text, Loader=_Loader)
    except RecursionError:
        raise yaml.YAMLError("nested too deeply") from None
    except ValueError as error:  # a date of month 99, an integer of thousands of digits
        raise yaml.YAMLError(f"a value that cannot be read: {error}") from error
    _refuse_bomb(data)
    return data


def _refuse_bomb(data: Any) -> None:
    """Anchors that are used again and again make a short file long. Raises YAMLError."""
    pending, seen = [data], 0
    while pending:
        value = pending.pop()
        inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
        seen += len(inner)
        if seen > MAX_VALUES:
            raise yaml.YAMLError(f"more than {MAX_VALUES:,} values, counting each use of an anchor")
        pending += inner


def override(data: dict[str, Any], text: str) -> None:
    """Apply one `key.sub=value` to plain data. Raises ConfigError."""
    key, equals, value = text.partition("=")
    if not equals or not key:
        raise ConfigError(f"override {text!r}: expected key=value, such as train.steps=100")
    *parents, last = key.strip().split(".")
    node: Any = data
    for parent in parents:
        place = _place(node, parent, text)
        if isinstance(node, dict) and node.get(place) is None:
            node[place] = {}
        node = node[place]
        if not isinstance(node, dict | list):
            raise ConfigError(f"override {text!r}: {parent!r} holds a value, not a section")
    try:
        node[_place(node, last, text)] = _yaml(value)
    except yaml.YAMLError as error:
        raise ConfigError(f"override {text!r}: the value is not valid YAML: {error}") from error


def _place(node: dict[str, Any] | list[Any], part: str, text: str) -> Any:
    """Where `part` of an override's key is: a key of a section, the number of an entry of a list."""
    if isinstance(node, dict):
        return part
    if not part.isdecimal() or int(part) >= len(node):
        raise ConfigError(
            f"override {text!r}: {part!r} is no entry of a list of {len(node)}; expected 0 to {len(node) - 1}"
        )
    return int(part)
