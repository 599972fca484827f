"""The benchmark of a training step, on the tiny model: what it prints and writes, not how fast anything is."""

import importlib
import json
from types import ModuleType
from typing import Any

import pytest

from tests.conftest import REPO


@pytest.fixture
def step(monkeypatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(REPO / "scripts" / "bench"))
    return importlib.import_module("step")


def test_a_step_beside_trl(step, tmp_path, capsys):
    file = tmp_path / "step.json"
    words = ["--model", "tiny", "--shape", "few-shot", "--dead", "0.5", "--rounds", "1", "--trl-groups", "2"]
    assert step.main([*words, "--json", str(file)]) == 0
    printed = capsys.readouterr().out
    for row in ("sampling", "forward, backward", "optimiser", "memory", "step:", "update:", "GEMM rate"):
        assert row in printed
    result: dict[str, Any] = json.loads(file.read_text())
    assert result["gradient_difference"] < 1e-4
    for name in ("step", "sampling", "update"):
        assert (
            0
            < result["ratio"][name]["min"]
            <= result["ratio"][name]["median"]
            <= result["ratio"][name]["max"]
        )
        assert result["bound"][name] > 1
    assert result["bound"]["update"] > result["bound"]["sampling"]  # half of the groups need no update
    assert result["memory"]["trl"] > result["memory"]["ours"] > 0
    assert result["rows_per_micro_step"] == {"trl": 16, "ours": 64}
    assert result["machine"]["threads"] >= 1


def test_where_the_time_goes(step, tmp_path):
    file = tmp_path / "profile.json"
    words = ["--model", "tiny", "--shape", "few-shot", "--profile", "--json", str(file)]
    assert step.main(words) == 0
    result = json.loads(file.read_text())
    parts = {
        "linear layers",
        "attention",
        "vocabulary head, products",
        "optimiser, norm",
        "between operations",
    }
    assert parts <= result["seconds"].keys()
    assert sum(result["seconds"].values()) >= 0.99 * result["update"]


def test_the_cost_against_the_scale(step):
    cells = step.update.scale(sizes=(2, 4), prompts=(16, 32))["cells"]
    assert [(c["prompt"], c["group_size"]) for c in cells] == [(16, 2), (16, 4), (32, 2), (32, 4)]
    assert [c["distinct"] for c in cells] == [48, 80, 64, 96]
    assert [c["padded"] for c in cells] == [64, 128, 96, 192]
    assert all(
        c[f"{who}_{part}"] > 0 for c in cells for who in ("ours", "trl") for part in ("sampling", "update")
    )


def test_groups_that_do_not_divide_the_step(step, capsys):
    with pytest.raises(SystemExit):
        step.main(["--shape", "long", "--groups", "3"])
    assert "--groups: does not divide the 4 groups of a step" in capsys.readouterr().err
