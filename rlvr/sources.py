"""One source of problems as a stream of rows: a Hub data set, a local file, a procedural generator.

Everything is read lazily. `datasets` and `reasoning_gym` are imported only by the sources that need them.
"""

from __future__ import annotations

import difflib
import json
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from string import Formatter
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from rlvr.errors import UserError
from rlvr.rollouts import TornLine

Row = Mapping[str, Any]
Rows = Iterator[tuple[int, Row]]
"""Rows with their number in the source, from 0; the number survives filters, shuffles and limits."""

KINDS = ("dataset", "file", "generator", "world")
OWN_KEYS = {
    "dataset": ("subset", "split", "revision"),
    "generator": ("parameters", "size", "seed"),
}
MAX_DRAWS = 64
"""Draws from a generator, per problem asked for, after which it counts as exhausted."""


class ProblemError(UserError):
    """A source cannot be read, a row of it is no problem, or two sets overlap. Written for a person."""


class SourceConfig(BaseModel):
    """One source of problems: exactly one of `dataset`, `file`, `generator`, `world`.

    `file` may stand beside `dataset`: then it is the local copy that is read instead.

    >>> SourceConfig(dataset="openai/gsm8k", split="test", prompt="question", reference="answer").label
    'openai/gsm8k/test'
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    dataset: str | None = Field(default=None, description="name of a data set on the Hub")
    subset: str | None = Field(default=None, description="its configuration, where it has several")
    split: str | None = Field(default=None, description='its split; slices such as "test[:200]" work')
    revision: str | None = Field(default=None, description="its commit, tag or branch")
    file: str | None = Field(
        default=None, description="local .jsonl, .json, .parquet or .csv; beside `dataset`, its copy"
    )
    generator: str | None = Field(default=None, description="name of a reasoning_gym task")
    parameters: dict[str, Any] = Field(default={}, description="the task's own parameters")
    size: int = Field(default=1000, ge=1, description="how many distinct problems to generate")
    seed: int = Field(default=0, ge=0, description="seed of the generator")
    world: str | None = Field(default=None, description="a split of the tiny world")
    prompt: str = Field(default="prompt", description="column, or a format string with {columns}")
    reference: str | dict[str, str] = Field(
        default="reference",
        description="column or format string; or a mapping of keys to such (`key?`: where the row has it)",
    )
    id: str | None = Field(default=None, description="column; unset: the source's name and the row's number")
    format: Literal["columns", "humaneval", "mbpp", "apps", "livecodebench"] = Field(
        default="columns", description="`columns` as named above; or rows as a public code data set has them"
    )
    where: dict[str, Any] = Field(
        default={}, description="keep rows whose column has this value (a list: any of these)"
    )
    shuffle_seed: int | None = Field(default=None, description="shuffle with this seed before `limit`")
    limit: int | None = Field(default=None, ge=1, description="at most this many problems")

    @model_validator(mode="after")
    def _one_kind(self) -> SourceConfig:
        kinds = [kind for kind in KINDS if getattr(self, kind) is not None]
        if kinds not in (["dataset"], ["dataset", "file"], ["file"], ["generator"], ["world"]):
            raise ValueError(
                f"a source is one of {', '.join(KINDS)} (a file may stand in for a dataset); "
                f"found {' and '.join(kinds) or 'none of them'}"
            )
        for kind, keys in OWN_KEYS.items():
            if kind not in kinds:
                self._refuse(keys, f"belongs to a {kind}, and this source is a {kinds[-1]}")
        if self.world is not None:
            self._refuse(
                ("prompt", "reference", "id", "where", "format"), "is given by the tiny world itself"
            )
        if self.format != "columns":
            self._refuse(("prompt", "reference", "id"), f"is read off the rows of {self.format}")
        specs = self.reference.values() if isinstance(self.reference, dict) else [self.reference]
        if not specs:
            raise ValueError("`reference` names no column")
        for spec in (self.prompt, *specs):
            columns(spec)
        return self

    def _refuse(self, keys: tuple[str, ...], why: str) -> None:
        for key in keys:
            if getattr(self, key) != type(self).model_fields[key].default:
                raise ValueError(f"`{key}` {why}")

    @property
    def label(self) -> str:
        """Short name of the source, the stem of its problems' ids."""
        if self.file is not None:
            return Path(self.file).stem
        if self.generator is not None:
            return f"{self.generator}-{self.seed}"
        if self.world is not None:
            return f"world-{self.world}"
        return "/".join(part for part in (self.dataset, self.subset, self.split) if part)


def columns(spec: str) -> frozenset[str]:
    """The columns that a column name, or a format string with {columns}, reads.

    >>> sorted(columns("{question} ({unit})")), sorted(columns("question"))
    (['question', 'unit'], ['question'])
    """
    return fields(spec) if is_format(spec) else frozenset([spec])


def is_format(spec: str) -> bool:
    return "{" in spec or "}" in spec


def fields(text: str) -> frozenset[str]:
    """The {names} in a format string. Raises ValueError where it does more than name them."""
    try:
        found = [part[1:] for part in Formatter().parse(text) if part[1] is not None]
    except ValueError as error:
        raise ValueError(
            f"{text!r} is no format string ({error}); write {{{{ }}}} for braces that stay"
        ) from None
    for name, form, conversion in found:
        if not name:
            raise ValueError(
                f"{text!r} has empty braces; name a column, or write {{{{}}}} for braces that stay"
            )
        if form or conversion or "." in name or "[" in name:
            raise ValueError(f"{text!r}: expected plain {{column}} in braces, without format or attribute")
    return frozenset(str(name) for name, _, _ in found)


def short(value: Any, limit: int = 120) -> str:
    """The value on one line, for an error message."""
    text = " ".join(value.split()) if isinstance(value, str) else repr(value)
    return text if len(text) <= limit else text[: limit - 1] + "…"


def rows(source: SourceConfig, where: str, base: Path | None) -> Rows:
    """The rows of a file, a Hub data set or a generator. Raises ProblemError."""
    if source.file is not None:
        path = _find(source.file, where, base)
        reader = READERS.get(path.suffix.lower())
        if reader is None:
            raise ProblemError(f"{where}.file: {path} ends in {path.suffix!r}; expected {', '.join(READERS)}")
        return reader(path, where)
    return _generated(source, where) if source.generator is not None else _hub(source, where)


def _find(file: str, where: str, base: Path | None) -> Path:
    path = Path(file).expanduser()
    folders = [Path()] if path.is_absolute() else [folder for folder in (base, Path.cwd()) if folder]
    places = list(dict.fromkeys(folder / path for folder in folders))
    for place in places:
        if place.is_file():
            return place
    raise ProblemError(f"{where}.file: there is no file {', nor '.join(map(str, places))}")


def _jsonl(path: Path, where: str) -> Rows:
    """Rows as they stand: through Arrow, mixed types fail and nested rows gain keys that they do not have.

    A last line that was cut short (it has no line end either) is left out with a `TornLine` warning.
    """
    number = 0
    with path.open("rb") as lines:
        for count, line in enumerate(lines, 1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except (ValueError, RecursionError) as error:
                if number and isinstance(error, json.JSONDecodeError) and not line.endswith(b"\n"):
                    message = f"{where}.file: {path}:{count}: the last line is cut short and was left out"
                    warnings.warn(message, TornLine, stacklevel=2)
                    return
                raise ProblemError(
                    f"{where}.file: {path}:{count}: no JSON ({error}): {short(line)}"
                ) from None
            if not isinstance(row, dict):
                raise ProblemError(
                    f"{where}.file: {path}:{count}: found {short(row)}; expected a JSON object"
                )
            yield number, row
            number += 1


def _json(path: Path, where: str) -> Rows:
    try:
        found = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise ProblemError(f"{where}.file: {path}: no JSON ({error})") from None
    if not isinstance(found, list) or not all(isinstance(row, dict) for row in found):
        raise ProblemError(f"{where}.file: {path}: found {short(found)}; expected a list of objects")
    yield from enumerate(found)


def _table(path: Path, where: str) -> Rows:
    import datasets
    from datasets.exceptions import DatasetsError

    kind = path.suffix.lower()[1:]
    try:
        table: Any = datasets.load_dataset(kind, data_files=str(path), split="train")
    except (OSError, ValueError, DatasetsError) as error:
        raise ProblemError(f"{where}.file: {path} cannot be read as {kind}: {_causes(error)}") from error
    yield from enumerate(table)


READERS = {".jsonl": _jsonl, ".json": _json, ".parquet": _table, ".csv": _table}


def _hub(source: SourceConfig, where: str) -> Rows:
    import datasets
    from datasets.exceptions import DatasetsError

    try:
        table: Any = datasets.load_dataset(
            str(source.dataset), source.subset, split=source.split, revision=source.revision
        )
    except (OSError, ValueError, DatasetsError) as error:
        raise ProblemError(
            f"{where}.dataset: {source.label} cannot be loaded: {_causes(error)}\n"
            f"Without a network, give a local copy: {where}.file=PATH"
        ) from error
    if isinstance(table, Mapping):
        raise ProblemError(f"{where}.split is missing; {source.dataset} has {', '.join(map(str, table))}")
    yield from enumerate(table)


def _causes(error: BaseException) -> str:
    """What went wrong and what it came from: `datasets` wraps the cause in a message that says little."""
    cause = error.__cause__
    return short(str(error), 300) + (f" ({short(str(cause), 300)})" if cause is not None else "")


def _generated(source: SourceConfig, where: str) -> Rows:
    """Items of a reasoning_gym task, index by index, until `MAX_DRAWS` per problem asked for.

    Columns: `prompt`, `reference`, and what the task's metadata holds. Its own `score_answer` gives partial
    credit to wrong answers and is never consulted.
    """
    try:
        import reasoning_gym
        from reasoning_gym.factory import DATASETS
    except ImportError as error:
        raise ProblemError(
            f"{where}.generator needs the package reasoning-gym: pip install 'rlvr[gym]'"
        ) from error
    name = str(source.generator)
    if name not in DATASETS:
        near = difflib.get_close_matches(name, DATASETS, n=3)
        hint = f"did you mean {' or '.join(near)}?" if near else f"it has {', '.join(sorted(DATASETS))}"
        raise ProblemError(f"{where}.generator: reasoning_gym has no task {name!r}; {hint}")
    start, stop = 0, source.size
    while start < source.size * MAX_DRAWS:
        try:
            items = reasoning_gym.create_dataset(name, **source.parameters, size=stop, seed=source.seed)
        except (TypeError, ValueError, AssertionError) as error:
            raise ProblemError(f"{where}.parameters: reasoning_gym's {name} refuses them: {error}") from error
        for index in range(start, stop):
            item = items[index]
            yield index, {**item.get("metadata", {}), "prompt": item["question"], "reference": item["answer"]}
        start, stop = stop, min(stop * 2, source.size * MAX_DRAWS)
