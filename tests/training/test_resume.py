"""Training that is stopped and goes on: the same weights and the same metrics, whatever stopped it."""

import os
import pickle
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from rlvr.cli import main
from rlvr.run import read_metrics
from rlvr.training.checkpoints import opened, write_manifest

SHORT = [
    "train.steps=4", "train.groups_per_step=4", "train.group_size=4", "sampling.samples=4",
    "analysis.search_budget=2", "train.groups_per_micro_step=2", "problems.heldout.limit=8", "problems.probes={}",
    "verification.workers=1", "train.checkpoint_every=1", "train.trl.save_total_limit=9", "-q",
]  # fmt: skip
LORA = [
    "train.lora.r=4",
    "train.lora.dropout=0.2",
    "train.trl.disable_dropout=false",
    "train.learning_rate=1e-2",
]
TWICE = ["train.trl.num_iterations=2", "train.learning_rate=1e-3"]
REFILLED = ["train.curriculum.refill=2", "train.curriculum.kind=adaptive"]


def command(folder: Path, *more: str) -> list[str]:
    return ["train", "quickstart", "--output", str(folder), *SHORT, *more]


def result(folder: Path) -> tuple[bytes, list[dict]]:
    rows = read_metrics(folder / "metrics.jsonl")
    timeless = [
        {k: v for k, v in r.items() if not k.startswith("seconds") and k != "tokens_per_second"} for r in rows
    ]
    return (folder / "model" / "model.safetensors").read_bytes(), timeless


def cut(folder: Path, to: Path, step: int) -> Path:
    """The run as a kill right after checkpoint `step` leaves it."""
    shutil.copytree(folder, to)
    shutil.rmtree(to / "model")
    for checkpoint in (to / "checkpoints").glob("checkpoint-*"):
        if int(checkpoint.name.removeprefix("checkpoint-")) > step:
            shutil.rmtree(checkpoint)
    return to


@pytest.fixture(scope="module", params=["whole", "lora", "iterations"])
def finished(request, tmp_path_factory) -> tuple[Path, list[str]]:
    more = {"whole": [], "lora": LORA, "iterations": [*TWICE, *REFILLED]}[request.param]
    folder = tmp_path_factory.mktemp(request.param) / "run"
    assert main(command(folder, *more)) == 0
    return folder, more


@pytest.mark.parametrize("step", [1, 3, 4])
def test_from_every_checkpoint_the_run_ends_the_same(finished, tmp_path, step):
    """With dropout (random states), inside a batch that two steps share, and after the last step."""
    folder, more = finished
    there = cut(folder, tmp_path / "run", step)
    assert main(command(there, *more)) == 0
    assert result(there) == result(folder)


def test_a_damaged_checkpoint_is_named_and_the_one_before_it_used(finished, tmp_path):
    folder, more = finished
    there = cut(folder, tmp_path / "run", 3)
    optimizer = there / "checkpoints" / "checkpoint-3" / "optimizer.pt"
    optimizer.write_bytes(optimizer.read_bytes()[:-1])
    assert main(command(there, *more)) == 0
    said = (there / "log.txt").read_text()
    assert "checkpoint-3 is damaged" in said and "optimizer.pt has" in said
    assert result(there) == result(folder)


SIGNALLED = """
import os, sys, threading, time
from pathlib import Path
from rlvr.cli import main

def send():
    while not Path(sys.argv[1]).exists():
        time.sleep(0.001)
    os.kill(os.getpid(), int(sys.argv[2]))

threading.Thread(target=send, daemon=True).start()
sys.exit(main(sys.argv[3:]))
"""
"""The command, with a signal as soon as a file is there: from inside, so that a busy machine does not make it late."""


@pytest.mark.parametrize(
    "sign",
    [
        signal.SIGTERM,
        pytest.param(signal.SIGINT, marks=pytest.mark.slow),
        pytest.param(signal.SIGHUP, marks=pytest.mark.slow),
    ],
)
def test_a_signal_leaves_a_checkpoint_of_the_last_step_and_its_code(finished, tmp_path, sign):
    folder, more = finished
    words = command(tmp_path / "run", *more, "train.checkpoint_every=0")
    at = tmp_path / "run" / "rollouts" / "train-000003.jsonl"
    process = subprocess.Popen(
        [sys.executable, "-c", SIGNALLED, str(at), str(int(sign)), *words], stderr=subprocess.PIPE, text=True
    )
    _, said = process.communicate(timeout=120)
    assert process.returncode == 128 + sign, said
    assert "To continue where it stopped: rlvr train quickstart" in said and "Traceback" not in said
    left = [
        int(p.name.removeprefix("checkpoint-"))
        for p in (tmp_path / "run" / "checkpoints").glob("checkpoint-*")
    ]
    assert left and max(left) >= 2, left
    assert main(words) == 0
    assert result(tmp_path / "run") == result(folder)


def wait_for(path: Path, process: subprocess.Popen) -> None:
    until = time.monotonic() + 120
    while not path.exists() and process.poll() is None and time.monotonic() < until:
        time.sleep(0.002)
    assert path.exists(), process.stderr.read() if process.stderr else ""


@pytest.mark.slow
def test_a_second_signal_stops_at_once_and_what_was_written_stays(tmp_path):
    words = command(tmp_path / "run", "train.steps=400")
    process = subprocess.Popen([sys.executable, "-m", "rlvr", *words], stderr=subprocess.PIPE, text=True)
    wait_for(tmp_path / "run" / "rollouts" / "train-000003.jsonl", process)
    process.send_signal(signal.SIGTERM)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode in (130, 143) and "Traceback" not in said
    assert len(read_metrics(tmp_path / "run" / "metrics.jsonl")) >= 2
    assert (tmp_path / "run" / "checkpoints" / "checkpoint-2" / "manifest.json").exists()


class Malice:
    """Unpickled, it leaves a file behind."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self):
        return os.mkdir, (str(self.mark),)


@pytest.mark.parametrize(
    "name", ["optimizer.pt", "scheduler.pt", "rng_state.pth", "batch-0.pt", "training_args.bin"]
)
def test_a_pickle_in_a_checkpoint_is_never_run(tmp_path, name):
    """Even where somebody writes a manifest that fits it."""
    words = command(tmp_path / "run", *TWICE)
    assert main(words) == 0
    there = cut(tmp_path / "run", tmp_path / "cut", 3)
    checkpoint = there / "checkpoints" / "checkpoint-3"
    torch.save(Malice(tmp_path / "mark"), checkpoint / name)
    found = opened(checkpoint)
    assert not isinstance(found, str)
    (checkpoint / "manifest.json").unlink()
    write_manifest(checkpoint, {k: found.manifest[k] for k in ("step", "score", "origin")})
    if name == "training_args.bin":
        assert main(command(there, *TWICE)) == 0  # nobody reads it
    else:
        with pytest.raises((pickle.UnpicklingError, RuntimeError)):
            main(["--debug", *command(there, *TWICE)])
    assert not (tmp_path / "mark").exists()


def test_resume_never_refuses_a_begun_folder_and_leaves_no_trace_in_the_config(tmp_path, capsys):
    words = command(tmp_path / "run", "train.steps=1")
    assert main([*words, "resume=never"]) == 0
    assert "resume" not in (tmp_path / "run" / "config.yaml").read_text()
    assert main([*words, "resume=never"]) == 2
    assert "resume=never, and this folder holds a run" in capsys.readouterr().err
    assert main([*words, "resume=auto"]) == 0


def test_resume_from_a_checkpoint_of_another_run(tmp_path, capsys):
    assert main(command(tmp_path / "one")) == 0
    more = [f"resume={tmp_path / 'one' / 'checkpoints' / 'checkpoint-2'}"]
    assert main(command(tmp_path / "two", *more)) == 0
    assert result(tmp_path / "two")[0] == result(tmp_path / "one")[0]
    assert [row["step"] for row in result(tmp_path / "two")[1]] == [3, 4]
    assert main(command(tmp_path / "three", "resume=nowhere")) == 2
    assert (
        "resume=nowhere: expected never, auto, a checkpoint folder or a run folder" in capsys.readouterr().err
    )
