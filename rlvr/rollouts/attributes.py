"""What rows say of their problems beside our keys, such as a level: by which a report can be broken down."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from rlvr.rollouts.columns import Columns
from rlvr.rollouts.evaluations import Evaluation
from rlvr.rollouts.keys import KEYS

Values = dict[str, str]
"""Problem → value."""

MOST_COLUMNS = 8
MOST_VALUES = 30
MOST_CHARACTERS = 60
CHECKED = 2000
"""Problems of which a second row is looked at."""
OURS = {key.name for key in KEYS}


def attributes(evaluations: Sequence[Evaluation]) -> dict[str, Values]:
    """Column → problem → value.

    A column is a key of the rows, or of an object in them (`meta.level`), with a short text, a whole number or a truth
    value, which is the same in all rows of a problem and in all files that have it, and has 2 to 30 values, not one for
    each problem.
    """
    held = [found for e in evaluations if e.columns is not None and (found := _of_file(e.columns))]
    merged: dict[str, Values] = {}
    for found in held:
        for key, values in found.items():
            merged[key] = merged.get(key, {}) | values
    agreed = {
        key: values
        for key, values in merged.items()
        if all(values[problem] == value for found in held for problem, value in found.get(key, {}).items())
        and 2 <= len(set(values.values())) <= MOST_VALUES
        and len(set(values.values())) < len(values)
    }
    return dict(list(agreed.items())[:MOST_COLUMNS])


def _of_file(columns: Columns) -> dict[str, Values]:
    """As `attributes`, of one file; of one row a problem, what may be of the sample is found out by the other file."""
    _, first, size = np.unique(columns.problem, return_index=True, return_counts=True)
    found: dict[str, Values] = {}
    for row in columns.rows(first):
        for key, value in _scalars(row):
            found.setdefault(key, {})[str(row["problem_id"])] = value
    found = {key: values for key, values in found.items() if len(set(values.values())) <= MOST_VALUES}
    last = len(columns) - 1 - np.unique(columns.problem[::-1], return_index=True)[1]
    for row in columns.rows(last[size > 1][:CHECKED]) if found else ():
        said, problem = dict(_scalars(row)), str(row["problem_id"])
        found = {key: values for key, values in found.items() if said.get(key) == values.get(problem)}
    return found


def _scalars(row: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for key, value in row.items():
        if not prefix and key in OURS:
            continue
        if isinstance(value, dict) and not prefix:
            yield from _scalars(value, f"{key}.")
        elif isinstance(value, bool):
            yield f"{prefix}{key}", "yes" if value else "no"
        elif isinstance(value, int | str) and 0 < len(text := str(value)) <= MOST_CHARACTERS:
            yield f"{prefix}{key}", text
