"""Twins: for each form of an answer that graders get wrong, a response that is right and one that only looks so.

A row of `pairs/*.jsonl` has the keys `kind, gold, right, wrong, prompt`; `right` and `wrong` are whole responses.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from verifiers import Problem, score

ROWS = [
    pytest.param(json.loads(line), id=f"{path.stem}-{number}")
    for path in sorted((Path(__file__).parent / "pairs").glob("*.jsonl"))
    for number, line in enumerate(path.read_text().splitlines(), 1)
]


@pytest.mark.parametrize("row", ROWS)
def test_the_right_one_scores_and_its_twin_does_not(row: dict[str, Any]) -> None:
    problem = Problem("pair", row.get("prompt", ""), row["gold"])
    right, wrong = (score(row.get("verifier", "math"), problem, row[key]) for key in ("right", "wrong"))
    assert (right.score, wrong.score) == (1.0, 0.0), (row["kind"], row["gold"], right, wrong)
