"""What a run's metrics.jsonl lets expect, step by step, beside what it logged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from typing_extensions import TypedDict

from rlvr.analysis.frontier import group_signal


class Training(TypedDict):
    """One entry per logged step."""

    step: list[float]
    expected_mixed_share: list[float | None]
    """Share of groups that would hold right and wrong samples if every problem had the step's mean success rate."""


def training(metrics: Sequence[Mapping[str, Any]]) -> Training:
    """From the rows of metrics.jsonl; those without a step are left out."""
    rows = [row for row in metrics if isinstance(row.get("step"), int | float)]
    return {"step": [row["step"] for row in rows], "expected_mixed_share": [_mixed(row) for row in rows]}


def _mixed(row: Mapping[str, Any]) -> float | None:
    rate, samples, groups = (row.get(key) for key in ("correct_share", "samples", "groups/drawn"))
    if rate is None or not samples or not groups:
        return None
    return float(group_signal(rate, samples / groups))
