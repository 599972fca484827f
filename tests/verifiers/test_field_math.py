"""The field exam of math: answers of the forms that users of graders report, judged as a careful person does."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from verifiers import Problem, score

RIGHT = 0.97
"""Smallest share of the rows that count which must be judged as labelled."""
WRONG_ACCEPTED = 1
"""Most wrong answers that may be accepted."""


def test_field_exam(exams: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = exams / "field" / "math_dev.jsonl"
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    rows = [row for row in rows if not row["ambiguous"]]
    judged: Counter[tuple[str, bool]] = Counter()
    refused: list[str] = []
    accepted: list[str] = []
    for row in rows:
        problem = Problem(row["id"], row["prompt"], row["gold"])
        verdict = score("math", problem, row["response"])
        right = (verdict.score == 1.0) == bool(row["label"])
        judged[row["origin"], right] += 1
        if not right:
            (refused if row["label"] else accepted).append(f"{row['id']} ({row['kind']})")
    with capsys.disabled():
        for origin in sorted({row["origin"] for row in rows}):
            print(
                f"\n  {origin}: {judged[origin, True]} of {judged[origin, True] + judged[origin, False]}",
                end="",
            )
        print(f"\n  right answers refused: {', '.join(refused) or 'none'}")
        print(f"  wrong answers accepted: {', '.join(accepted) or 'none'}")
    assert len(accepted) <= WRONG_ACCEPTED, accepted
    assert len(refused) + len(accepted) <= (1 - RIGHT) * len(rows), refused
