"""The figures of scripts/study/boundary.py and annealed.py, by hand."""

import json
import sys

import numpy as np
import pytest

from rlvr import config as configuration
from rlvr.levers import plan
from tests.conftest import REPO
from verifiers import Problem

sys.path.insert(0, str(REPO / "scripts" / "study"))

import annealed  # pyright: ignore[reportMissingImports]
import boundary  # pyright: ignore[reportMissingImports]
from begun_right import begun_right  # pyright: ignore[reportMissingImports]


def test_half_of_the_problems_are_negative_and_a_hint_is_a_beginning_of_the_solution(tmp_path):
    boundary.write_problems(tmp_path / "train.jsonl")
    rows = [json.loads(line) for line in (tmp_path / "train.jsonl").read_text().splitlines()]
    assert [row["reference"].startswith("-") for row in rows] == [False, True] * boundary.EACH
    for row in rows:
        assert row["solution"] == f"{row['all but the box']} \\boxed{{{row['reference']}}}"
        assert row["all but the box"].startswith(row["first step"]) and "," not in row["first step"]
        assert not row["first step"].endswith((" ", "carry", "borrow"))
    asked = {problem.prompt for problem in boundary.carry.problems("rare")}
    assert not asked & {row["prompt"] for row in rows}


def test_every_arm_is_a_config_and_has_so_many_steps():
    for parts in boundary.arms(7).values():
        assert sum(steps for steps, _ in parts) == 7
        for steps, overrides in parts:
            words = [*boundary.COMMON, *boundary.TRAINS, f"train.steps={steps}", *overrides]
            assert configuration.load(configuration.find("quickstart"), words).train.steps == steps


def test_a_rare_problem_counts_as_solved_once_by_seed():
    """Two problems of four samples in two seeds: 1 of 4 and 0 of 4, then 0 of 4 twice."""
    first = {
        "rare": np.array([[1, 0, 0, 0], [0, 0, 0, 0]]),
        "unreachable": np.zeros((1, 4)),
        "heldout": np.ones((1, 2)),
    }
    second = first | {"rare": np.zeros((2, 4), dtype=int)}
    found = boundary.figures("an arm", "it", [first, second])
    assert found["solved_once"] == [1, 0] and found["heldout_pass_at_1"] == 1
    assert found["rare"]["pass_at_1"]["value"] == pytest.approx(1 / 16)
    assert found["rare"]["pass_at_4"]["value"] == pytest.approx(
        1 / 4
    )  # solved by one seed of two, on one problem of two


def test_the_dense_reward_is_the_share_of_the_solution_that_a_response_begins_with():
    problem = Problem("p", "25-68=", "-43", {"solution": "5-8=-3, 20-60-3=-43"})
    responses = ("", "6", " 5-8=-3", "5-8=-3, 20-60-3=-43 \\boxed{-43}")
    assert [begun_right(problem, text) for text in responses] == pytest.approx([0, 0, 6 / 19, 1])


@pytest.mark.parametrize("task", annealed.TASKS)
def test_both_runs_are_asked_without_examples(task, tmp_path, monkeypatch):
    monkeypatch.setattr(annealed, "FOLDER", tmp_path)
    levers = plan.load(annealed.levers_file(task, "tiny", 20, 0), tmp_path / "out").levers
    assert {name: lever.config.evidence.shots for name, lever in levers.items()} == {
        "base": 0, "with examples": annealed.SHOTS, "plain": 0, "annealed": 0,
    }  # fmt: skip
    plain, steered = (levers[name].training for name in ("plain", "annealed"))
    assert plain and steered and plain.train.evidence is None and steered.train.evidence
    assert (steered.train.evidence.add, steered.train.evidence.until) == ({"shots": annealed.SHOTS}, 15)
    same = {"evidence": None}
    assert plain.train.model_copy(update=same) == steered.train.model_copy(update=same)
