"""The real thing: a grid of short runs on the embedded model, stopped and gone on with."""

import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from rlvr import pipeline, rollouts
from rlvr.cli import main
from rlvr.errors import RunError

SHORT = [
    "train.steps=2", "train.groups_per_step=4", "train.group_size=4", "train.eval_every=0", "train.checkpoint_every=1",
    "sampling.samples=8", "analysis.search_budget=4", "analysis.replicates=200", "problems.heldout.limit=20",
    "problems.probes.rare.limit=2", "problems.probes.unreachable.limit=2", "verification.workers=1", "-q",
]  # fmt: skip
GRID = ["seed=1,2", "train.algorithm=grpo,ppo"]
CELLS = [f"seed={seed},train.algorithm={algorithm}" for seed in (1, 2) for algorithm in ("grpo", "ppo")]


def command(folder: Path, *words: str) -> list[str]:
    return ["run", "quickstart", "--output", str(folder), *words, *SHORT]


@pytest.fixture(scope="module")
def swept(tmp_path_factory) -> Path:
    """2 × 2 runs; killed in the second, then the same command again."""
    folder = tmp_path_factory.mktemp("sweep") / "grid"
    words = [sys.executable, "-m", "rlvr", *command(folder, *GRID)]
    process = subprocess.Popen(words, stderr=subprocess.PIPE)
    while not (folder / CELLS[1] / "rollouts" / "train-000001.jsonl").exists():
        assert process.poll() is None, process.communicate()
        time.sleep(0.005)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=600)
    assert process.returncode == 130, said
    assert (folder / CELLS[0] / "report.html").exists() and not (folder / CELLS[1] / "model").exists()
    before = (folder / CELLS[0] / "report.json").stat().st_mtime_ns
    done = subprocess.run(words, capture_output=True, text=True, timeout=900, check=False)
    assert done.returncode == 0, done.stderr
    assert (folder / CELLS[0] / "report.json").stat().st_mtime_ns == before
    return folder


@pytest.mark.slow
def test_every_cell_is_a_run_of_its_own(swept):
    assert json.loads((swept / "sweep.json").read_text())["cells"] == CELLS
    for name in CELLS:
        assert (swept / name / "report.html").exists() and (swept / name / "model").is_dir()


@pytest.mark.slow
def test_a_cell_is_what_the_run_alone_would_have_been(swept, tmp_path):
    alone = tmp_path / "alone"
    assert main(command(alone, "seed=2", "train.algorithm=ppo")) == 0
    cell = swept / CELLS[3]
    same = [*alone.glob("rollouts/*.jsonl"), *alone.glob("rollouts/base*.settings.json")]
    for name in ["model/model.safetensors", *(f"rollouts/{path.name}" for path in same)]:
        assert (cell / name).read_bytes() == (alone / name).read_bytes(), name


@pytest.mark.slow
def test_cells_of_one_seed_share_the_base_and_others_do_not(swept):
    drawn = [
        [(r.trace, r.seed) for r in rollouts.read(swept / name / "rollouts" / "base.jsonl")] for name in CELLS
    ]
    assert drawn[0] == drawn[1] and drawn[2] == drawn[3] and drawn[0] != drawn[2]
    logs = [(swept / name / "log.txt").read_text() for name in CELLS]
    shared = "The evaluation of the base is copied from"
    assert [shared in log for log in logs] == [False, True, False, True]


@pytest.mark.slow
def test_the_report_shows_cells_spread_and_adjusted_p_values(swept, tmp_path):
    document = json.loads((swept / "report.json").read_text())
    assert [run["name"] for run in document["runs"]] == CELLS
    assert {name: group["runs"] for name, group in document["groups"].items()} == {
        "grpo": [CELLS[0], CELLS[2]], "ppo": [CELLS[1], CELLS[3]],
    }  # fmt: skip
    gain = document["groups"]["ppo"]["quantities"]["gain"]
    assert gain["used"] == 2 and gain["sd"] is not None and gain["se_within"] is not None
    gains = [document["comparison"]["gain"], *(c["gain"] for c in document["comparisons"].values())]
    assert len(gains) == 4 and all(g["p_holm"] >= g["p_signflip"] for g in gains)
    assert document["comparison"]["compression"]["search_budget"] == 4
    assert main(["report", str(swept), "--output", str(tmp_path / "again")]) == 0
    again = json.loads((tmp_path / "again" / "report.json").read_text())
    assert again["groups"] == document["groups"] and again["contrasts"] == document["contrasts"]


@pytest.mark.slow
def test_cells_that_differ_by_more_than_the_seed_are_no_seeds_of_each_other(swept, tmp_path):
    one = shutil.copytree(swept / CELLS[0], tmp_path / "a")
    file = one / "config.yaml"
    file.write_text(file.read_text().replace("learning_rate: 0.0003", "learning_rate: 0.001"))
    assert main(["report", str(one), str(swept / CELLS[2]), "--output", str(tmp_path / "out")]) == 0
    groups = json.loads((tmp_path / "out" / "report.json").read_text())["groups"]
    assert list(groups) == ["grpo, train.learning_rate=0.001", "grpo, train.learning_rate=0.0003"]


@pytest.mark.slow
def test_a_changed_cell_is_refused_before_anything_runs(swept, capsys):
    assert main(command(swept, *GRID, "train.learning_rate=1e-2")) == 2
    assert "train.learning_rate: 0.0003 / 0.01" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("config.yaml", "--output"),
        ("thesis.tex", "it is not empty and has no sweep.json"),
    ],
)
def test_a_folder_of_something_else_is_refused(tmp_path, capsys, name, words):
    (tmp_path / name).write_text("seed: 1\n")
    assert main(command(tmp_path, *GRID)) == 2
    assert words in capsys.readouterr().err
    assert [p.name for p in tmp_path.iterdir()] == [name]


def test_a_cell_that_fails_is_named_and_the_others_run(tmp_path, monkeypatch, capsys):
    def run(config, folder, *_, **__):
        ran.append(folder.name)
        if config.seed == 1:
            raise RunError("the verifier judges nothing")

    ran = []
    monkeypatch.setattr(pipeline, "run", run)
    assert main(command(tmp_path / "grid", "seed=0,1,2")) == 3
    assert ran == ["seed=0", "seed=1", "seed=2"]
    assert "Failed: seed=1: the verifier judges nothing" in capsys.readouterr().out


def test_a_fault_nobody_expected_is_named_and_ends_with_code_1(tmp_path, monkeypatch, capsys):
    def run(*_, **__):
        raise RuntimeError("out of memory")

    monkeypatch.setattr(pipeline, "run", run)
    assert main(command(tmp_path / "grid", "seed=0,1")) == 1
    said = capsys.readouterr().out
    assert all(f"Failed: {cell}: RuntimeError('out of memory')\n" in said for cell in ("seed=0", "seed=1"))
    assert main(command(tmp_path / "grid", "seed=0,1")) == 1, "and the same command tries again"


def test_check_checks_every_cell_and_train_refuses_a_grid(tmp_path, capsys):
    assert main(["check", "quickstart", "--output", str(tmp_path / "grid"), *GRID]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if line in CELLS] == CELLS
    assert main(["train", "quickstart", *GRID]) == 2
    assert "4 runs" in capsys.readouterr().err


@pytest.mark.slow
def test_two_processes_go_through_the_same_cells(tmp_path):
    """Under a launcher, which starts them once for all cells."""
    folder = tmp_path / "grid"
    launcher = [
        sys.executable,
        "-m",
        "torch.distributed.run",
        "--standalone",
        "--nproc-per-node=2",
        "-m",
        "rlvr",
    ]
    done = subprocess.run(
        [*launcher, *command(folder, "seed=1,2")], capture_output=True, text=True, timeout=900, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert len(json.loads((folder / "report.json").read_text())["runs"]) == 2
