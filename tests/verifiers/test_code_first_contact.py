"""Forty problems with a right program and its wrong twin, written before the classes below were mended.

Letters are those of the field report: A names of the environment, B entries, C and D packages, F text, G numbers,
H several answers, I long integers, J types, K in place, M bodies, O names from the prompt, P files, Q exact integers.
"""

import importlib.util
import json
from pathlib import Path

import pytest

from verifiers.code import CodeVerifier
from verifiers.types import Problem

PATH = Path(__file__).parent / "programs/first_contact.jsonl"
ROWS = [json.loads(line) for line in PATH.read_text().splitlines()]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row['class']}-{row['kind']}")
def test_the_right_program_passes_and_its_twin_does_not(row):
    for package in row["options"].get("packages", ()):
        if importlib.util.find_spec(package) is None:
            pytest.skip(f"{package} is not installed")
    verifier = CodeVerifier(allow_weak=True, **row["options"])
    try:
        problem = Problem(row["id"], row["prompt"], row["reference"])
        right, wrong = (verifier.verify(problem, "", row[twin]) for twin in ("right", "wrong"))
    finally:
        verifier.close()
    assert (right.score, wrong.score) == (1.0, 0.0), (right, wrong)
