"""The page's table of problems: every problem that both policies answered, to be sorted and filtered."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypedDict

from rlvr.report.schema import Document


class ProblemTable(TypedDict):
    base: str
    tuned: str
    single: bool
    """One sample of each problem: right or wrong, no rates."""
    columns: list[str]
    """What the rows say of their problems."""
    rows: list[list[Any]]
    """Id, samples and right ones of base and tuned, then a value for each column."""


def collect(document: Document, columns: Mapping[str, Mapping[str, str]]) -> ProblemTable | None:
    """None without base and tuned policy."""
    found, comparison = document["problems"], document["comparison"]
    if not found or not comparison:
        return None
    counts = (found[key] for key in ("problem_id", "n_base", "c_base", "n_tuned", "c_tuned"))
    return {
        "base": document["base"],
        "tuned": document["main"],
        "single": comparison["flips"] is not None,
        "columns": list(columns),
        "rows": [
            [*row, *(values.get(row[0], "–") for values in columns.values())]
            for row in zip(*counts, strict=True)
        ],
    }
