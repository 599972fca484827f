"""What a run's metrics.jsonl lets expect, step by step, beside what it logged."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from typing_extensions import TypedDict

from rlvr.analysis.frontier import group_signal


class Training(TypedDict):
    """One entry per logged step."""

    step: list[float]
    expected_mixed_share: list[float | None]
    """Share of groups that would hold right and wrong samples if every problem had the step's mean success rate."""
    said: list[str]
    """Alarms, in the order of their steps, and why training stopped early, where it did."""


def training(metrics: Sequence[Mapping[str, Any]]) -> Training:
    """From the rows of metrics.jsonl; those without a step are left out."""
    rows = [row for row in metrics if isinstance(row.get("step"), int | float)]
    return {
        "step": [row["step"] for row in rows],
        "expected_mixed_share": [_mixed(row) for row in rows],
        "said": list(_said(rows)),
    }


def _said(rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    for row in rows:
        alarms = row.get("alarms")
        for words in alarms.values() if isinstance(alarms, dict) else ():
            yield f"Alarm at step {row['step']}: {words}"
    if rows and (why := rows[-1].get("stopped")):
        yield f"Training stopped early, after step {rows[-1]['step']}: {why}"


def _mixed(row: Mapping[str, Any]) -> float | None:
    rate, samples, groups = (row.get(key) for key in ("correct_share", "samples", "groups/drawn"))
    if rate is None or not samples or not groups:
        return None
    return float(group_signal(rate, samples / groups))
