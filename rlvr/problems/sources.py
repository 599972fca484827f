"""One source of problems as a stream of rows: a Hub data set, a local file, a procedural generator.

Rows are read lazily. `datasets` and `reasoning_gym` are imported only by the sources that need them.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from rlvr import hub
from rlvr.config import SourceConfig
from rlvr.problems.files import causes, file_rows, table_rows
from rlvr.problems.rows import Place, ProblemError, Row, Rows

MAX_DRAWS = 64
"""Draws from a generator, per problem asked for, after which it counts as exhausted."""


def rows(source: SourceConfig, where: str, base: Path | None) -> Rows:
    """The rows of a file, a Hub data set or a generator. Raises ProblemError."""
    if source.files:
        return file_rows(source, where, base)
    found = _generated(source, where) if source.generator is not None else _hub(source, where)
    return ((Place(source.label, number, source.label), row) for number, row in found)


def _hub(source: SourceConfig, where: str) -> Iterator[tuple[int, Row]]:
    import datasets
    from datasets.exceptions import DatasetsError

    name = str(source.dataset)
    if not Path(name).exists() and (why := hub.missing(name, "dataset", source.revision)):
        raise ProblemError(
            f"{where}.dataset: {name} is {why}. Without a network, use a local copy: {where}.file=PATH"
        )
    try:
        table: Any = datasets.load_dataset(name, source.subset, split=source.split, revision=source.revision)
    except (OSError, ValueError, DatasetsError) as error:
        raise ProblemError(
            f"{where}.dataset: {source.label} cannot be loaded: {causes(error)}\n"
            f"Without a network, use a local copy: {where}.file=PATH"
        ) from error
    if isinstance(table, Mapping):
        raise ProblemError(f"{where}.split is missing; {source.dataset} has {', '.join(map(str, table))}")
    yield from enumerate(table_rows(table))


def _generated(source: SourceConfig, where: str) -> Iterator[tuple[int, Row]]:
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
