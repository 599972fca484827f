"""A sweep: `seed=1,2 train.algorithm=grpo,ppo` is a grid of four combinations, each a run of its own."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

from rlvr.config.reading import load
from rlvr.config.schema import Config
from rlvr.errors import ConfigError

_TOKEN = re.compile(
    r"""(?<![^\s\[{,:])"(?:\\.|[^"\\])*"|(?<![^\s\[{,:])'(?:''|[^'])*'|.""", re.DOTALL
)  # quoted text begins where a YAML value can; an apostrophe inside a word is not a quote
LONGEST_VALUE, LONGEST_NAME = 32, 160
"""Characters in a folder's name; what is longer is cut and gets a digest."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One combination of a grid."""

    name: str
    """Its swept keys, as a folder's name: `seed=1,train.algorithm=grpo`."""
    overrides: tuple[str, ...]
    """All of the command's overrides, with one value for each key."""


def split(value: str) -> list[str]:
    """The values between the commas outside of brackets and quotes, as in a YAML list without its brackets.

    >>> split("1, 2"), split("[1,2],[3]"), split("'a,b'")
    (['1', '2'], ['[1,2]', '[3]'], ["'a,b'"])
    """
    parts, depth = [""], 0
    for token in _TOKEN.findall(value):
        depth = max(0, depth + (token in "[{") - (token in "]}"))
        if token == "," and not depth:
            parts.append("")
        else:
            parts[-1] += token
    return [part.strip() for part in parts] if len(parts) > 1 else [value]


def cells(overrides: Sequence[str]) -> list[Cell]:
    """Every combination of the overrides' values, the last key changing fastest; one cell if nothing is swept.

    Raises:
        ConfigError: a value between commas is empty, or a swept key is given twice, or it is `resume`.
    """
    pairs = [
        (key.strip(), equals, split(value)) for key, equals, value in (o.partition("=") for o in overrides)
    ]
    swept = [key for key, _, values in pairs if len(values) > 1]
    given = Counter(key for key, _, _ in pairs)
    for key, _, values in pairs:
        if key not in swept:
            continue
        if given[key] > 1:
            raise ConfigError(f"{key}: given {given[key]} times, and once with several values; give it once")
        if "" in values:
            raise ConfigError(
                f"{key}={','.join(values)}: there is an empty value between the commas. Values with commas of their "
                f"own are written in brackets or quotes ({key}='\"a, b\"')"
            )
    if "resume" in swept:
        raise ConfigError("resume: applies to one attempt at a run and cannot be swept")
    if "name" in swept:
        raise ConfigError(
            "name: names the folder, in which each run of a sweep has its own; it cannot be swept"
        )
    return [
        Cell(
            _folder(
                [(key, value) for (key, _, _), value in zip(pairs, combination, strict=True) if key in swept]
            ),
            tuple(
                f"{key}{equals}{value}" for (key, equals, _), value in zip(pairs, combination, strict=True)
            ),
        )
        for combination in product(*(values for _, _, values in pairs))
    ]


def single(overrides: Sequence[str], verb: str) -> Sequence[str]:
    """The overrides as they are. Raises ConfigError: they are a grid, which `rlvr VERB` does not take."""
    if len(grid := cells(overrides)) > 1:
        raise ConfigError(
            f"rlvr {verb}: the overrides describe {len(grid)} runs (a comma outside of brackets and quotes separates "
            "values); only `rlvr run` and `rlvr check` take a sweep"
        )
    return overrides


def load_cells(file: Path, grid: Sequence[Cell]) -> list[Config]:
    """The configuration of every cell.

    Raises:
        ConfigError: one is not valid (it is named), or two are the same.
    """
    found: list[Config] = []
    for cell in grid:
        try:
            config = load(file, cell.overrides)
        except ConfigError as error:
            raise ConfigError(f"{cell.name}: {error}" if cell.name else str(error)) from None
        if config in found:
            raise ConfigError(f"cells {grid[found.index(config)].name} and {cell.name} are the same run")
        found.append(config)
    return found


def folder_name(overrides: Sequence[str]) -> str:
    """The overrides as a part of a file's name.

    >>> folder_name(["seed=1", "sampling.samples=4"])
    'seed=1,sampling.samples=4'
    """
    return _folder([(key.strip(), value) for key, _, value in (o.partition("=") for o in overrides)])


def _folder(swept: Sequence[tuple[str, str]]) -> str:
    """`key=value,…`: readable, allowed in any file system, different for different values."""
    return cut(",".join(f"{key}={_word(value)}" for key, value in swept))


def cut(name: str) -> str:
    """A name that a file system takes, different for different names."""
    return name if len(name) <= LONGEST_NAME else f"{name[:LONGEST_NAME]}~{_digest(name)}"


def _word(value: str) -> str:
    plain = re.sub(r"[^\w.+-]+", "-", value, flags=re.ASCII).strip("-")
    return (
        value
        if value == plain and len(value) <= LONGEST_VALUE
        else f"{plain[:LONGEST_VALUE]}~{_digest(value)}"
    )


def _digest(text: str) -> str:
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=3).hexdigest()
