"""Two processes over gloo do what one does: the same evaluation rows, the same update; killed, they go on."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from rlvr import rollouts
from rlvr.testbed.world import TINY

# sgd: the weights' change is the gradient, which AdamW's first step would reduce to its sign
WORDS = [
    "train.steps=1", "train.groups_per_step=8", "train.group_size=8", "train.eval_every=0", "train.trl.optim=sgd",
    "train.learning_rate=1.0", "train.trl.max_grad_norm=0", "sampling.samples=6", "analysis.search_budget=2",
    "analysis.replicates=200", "problems.heldout.limit=21", "problems.probes={}", "verification.workers=1", "-q",
    "train.curriculum.refill=2",
]  # fmt: skip


def launch(processes: int) -> list[str]:
    launcher = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}", "-m", "rlvr"]
    return [sys.executable, *(launcher if processes > 1 else ["-m", "rlvr"])]


def run(folder: Path, processes: int) -> Path:
    done = subprocess.run(
        [*launch(processes), "run", "quickstart", "--output", str(folder), *WORDS],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return folder


@pytest.fixture(scope="module")
def one_and_two(tmp_path_factory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("processes")
    return run(folder / "one", 1), run(folder / "two", 2)


@pytest.mark.parametrize("name", ["base", "train-000001"])
def test_the_same_rows_in_the_same_order(one_and_two, name):
    one, two = (list(rollouts.read(folder / "rollouts" / f"{name}.jsonl")) for folder in one_and_two)
    assert [(r.problem_id, r.sample, r.seed) for r in one] == [(r.problem_id, r.sample, r.seed) for r in two]
    assert [(r.extra["token_ids"], r.score) for r in one] == [(r.extra["token_ids"], r.score) for r in two]


def test_the_same_update(one_and_two):
    before = load_file(TINY / "model.safetensors")
    moves = [
        torch.cat([(weights[k] - before[k]).flatten() for k in sorted(before)])
        for weights in (load_file(folder / "model" / "model.safetensors") for folder in one_and_two)
    ]
    assert moves[0].norm() > 0
    assert (moves[0] - moves[1]).norm() / moves[0].norm() < 1e-4


def test_one_report(one_and_two):
    for folder in one_and_two:
        assert (folder / "report.json").stat().st_size > 0
        assert sum(1 for _ in (folder / "metrics.jsonl").open()) == 1


LONGER = [
    "train.steps=6", "train.groups_per_step=4", "train.group_size=4", "train.checkpoint_every=2", "train.eval_every=3",
    "train.eval_samples=4", "train.trl.num_iterations=2", "train.learning_rate=1e-3", "problems.heldout.limit=8",
    "sampling.samples=4", "analysis.search_budget=2", "problems.probes={}", "verification.workers=1", "-q",
]  # fmt: skip


def test_two_processes_that_are_killed_go_on_and_end_the_same(tmp_path):
    def command(folder: Path) -> list[str]:
        return [*launch(2), "train", "quickstart", "--output", str(folder), *LONGER]

    alone, killed = tmp_path / "alone", tmp_path / "killed"
    assert subprocess.run(command(alone), capture_output=True, check=False).returncode == 0
    process = subprocess.Popen(
        command(killed), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    while not (killed / "rollouts" / "train-000003.jsonl").exists():
        assert process.poll() is None
        time.sleep(0.002)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert not (killed / "model").exists()
    done = subprocess.run(command(killed), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    for name in ["model/model.safetensors", *(f"rollouts/{p.name}" for p in alone.glob("rollouts/*.jsonl"))]:
        assert (killed / name).read_bytes() == (alone / name).read_bytes(), name
