"""One source of problems as a stream of rows: a Hub data set, a local file, a procedural generator.

Rows are read lazily. `datasets` and `reasoning_gym` are imported only by the sources that need them.
"""

from __future__ import annotations

import difflib
import json
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from rlvr.config import SourceConfig
from rlvr.errors import UserError
from rlvr.rollouts import TornLine

Row = Mapping[str, Any]
Rows = Iterator[tuple[int, Row]]
"""Rows with their number in the source, from 0; the number survives filters, shuffles and limits."""

MAX_DRAWS = 64
"""Draws from a generator, per problem asked for, after which it counts as exhausted."""


class ProblemError(UserError):
    """A source cannot be read, a row cannot be a problem, or two sets overlap."""


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
    """Rows exactly as written: through Arrow, mixed types fail and nested rows gain keys that they do not have.

    A last line that was cut short (not valid, without a line end) is left out with a `TornLine` warning.
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
                    f"{where}.file: {path}:{count}: not valid JSON ({error}): {short(line)}"
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
        raise ProblemError(f"{where}.file: {path}: not valid JSON ({error})") from None
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
            f"Without a network, use a local copy: {where}.file=PATH"
        ) from error
    if isinstance(table, Mapping):
        raise ProblemError(f"{where}.split is missing; {source.dataset} has {', '.join(map(str, table))}")
    yield from enumerate(table)


def _causes(error: BaseException) -> str:
    """The message and that of its cause: `datasets` wraps the cause in a message that says little."""
    cause = error.__cause__
    return short(str(error), 300) + (f" ({short(str(cause), 300)})" if cause is not None else "")


def _generated(source: SourceConfig, where: str) -> Rows:
    """Items of a reasoning_gym task, index by index, until `MAX_DRAWS` per problem asked for.

    Columns: `prompt`, `reference`, and what the task's metadata holds. Its own `score_answer` gives partial
    credit to wrong answers and is never used.
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
