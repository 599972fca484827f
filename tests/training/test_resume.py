"""Training that is stopped and goes on: the same weights and the same metrics, whatever stopped it."""

import os
import pickle
import shutil
import signal
import subprocess
import sys
import time
from itertools import count
from pathlib import Path

import pytest
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer

from rlvr.cli import main
from rlvr.errors import UserError
from rlvr.evaluation import Evaluator
from rlvr.run import Run, read_metrics
from rlvr.training import metrics_log
from rlvr.training.checkpoints import Checkpoints, opened, write_manifest
from rlvr.training.collect import Collector
from rlvr.training.finite import FiniteCheck
from rlvr.training.loop import Loop

SHORT = [
    "train.steps=4", "train.groups_per_step=4", "train.group_size=4", "sampling.samples=4",
    "analysis.search_budget=2", "train.rows_per_micro_step=8", "problems.heldout.limit=8", "problems.probes={}",
    "verification.workers=1", "train.checkpoint_every=1", "train.trl.save_total_limit=9", "-q",
]  # fmt: skip
LORA = [
    "train.adapter.kind=lora",
    "train.adapter.r=4",
    "train.adapter.dropout=0.2",
    "train.trl.disable_dropout=false",
    "train.learning_rate=1e-2",
]
TWICE = ["train.trl.num_iterations=2", "train.learning_rate=1e-3"]
REFERENCE = ["train.trl.beta=0.1", "train.trl.sync_ref_model=true", "train.trl.ref_model_sync_steps=3"]
DISTILLED = "train.distill={evidence: {question: '{prompt} '}, direction: forward}"
REFILLED = ["train.curriculum.refill=2", "train.curriculum.kind=adaptive"]


def command(folder: Path, *more: str) -> list[str]:
    return ["train", "quickstart", "--output", str(folder), *SHORT, *more]


def result(folder: Path) -> tuple[bytes, list[dict], dict[str, bytes]]:
    """What a run ends with: the weights, the metrics that are no timings, every rollout."""
    rows = read_metrics(folder / "metrics.jsonl")
    timeless = [
        {k: v for k, v in r.items() if not k.startswith("seconds") and k != "tokens_per_second"} for r in rows
    ]
    rollouts = {path.name: path.read_bytes() for path in sorted(folder.glob("rollouts/*.jsonl"))}
    return (folder / "model" / "model.safetensors").read_bytes(), timeless, rollouts


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


CARRIES = {
    "ppo": ["train.algorithm=ppo", *TWICE],
    "ppo-lora": ["train.algorithm=ppo", "train.trl.num_iterations=2", *LORA],
    "reference": [*TWICE, *REFERENCE],
    "lora-reference": ["train.trl.num_iterations=2", "train.trl.beta=0.1", *LORA],
    "rejection": ["train.algorithm=rejection", *TWICE],
    "rejection-lora": ["train.algorithm=rejection", *LORA],
    "distill": [
        "train.algorithm=distill",
        DISTILLED,
        "train.reward=format",
        *TWICE,
    ],  # few of its answers are right
    "distill-reverse-lora": [
        "train.algorithm=distill",
        DISTILLED.replace("forward", "reverse"),
        "train.trl.num_iterations=2",
        *LORA,
    ],
    "refill": [*TWICE, *REFILLED],
    "staged": [
        "train.curriculum.kind=staged",
        "train.curriculum.level=kind",
        "train.curriculum.advance_at=0.1",
        "train.learning_rate=1e-3",
    ],
    "entropy": [
        "train.trl.use_adaptive_entropy=true",
        "train.trl.entropy_target=9",
        "train.trl.top_entropy_quantile=0.5",
        *TWICE,
    ],
    "schedule": ["train.trl.lr_scheduler_type=cosine", "train.trl.warmup_steps=2", *TWICE],
}
"""What a run has to carry over besides weights and optimiser."""


@pytest.mark.parametrize(
    "kind",
    [
        pytest.param(kind, marks=() if kind in ("ppo-lora", "reference", "schedule") else pytest.mark.slow)
        for kind in CARRIES
    ],
)
def test_what_a_run_carries_comes_back(tmp_path, kind):
    """Cut after step 3: where batches are shared, between the two steps on one."""
    folder, words = tmp_path / "run", CARRIES[kind]
    assert main(command(folder, *words)) == 0
    assert any(row["gradient_norm"] > 0 for row in read_metrics(folder / "metrics.jsonl"))
    there = cut(folder, tmp_path / "cut", 3)
    assert main(command(there, *words)) == 0
    assert result(there) == result(folder)


EVALUATED = [
    "train.trl.num_iterations=2",
    "train.trl.beta=0.01",
    "train.eval_every=2",
    "train.eval_samples=4",
    "train.keep=best",
    *LORA,
]


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory) -> Path:
    """A run with dropout, a shared batch and an evaluation on the way, which nothing stops."""
    folder = tmp_path_factory.mktemp("evaluated") / "run"
    assert main(command(folder, *EVALUATED)) == 0
    return folder


PLACES = {
    "sampling": (Collector, "_roll", 2, 2),  # of the batch that steps 3 and 4 share
    "recording": (Collector, "record", 2, 2),
    "a micro-step": (Loop, "side_losses", 8, 3),  # the second of step 4
    "before the update": (FiniteCheck, "should_skip", 3, 3),
    "the update": (Loop, "update", 2, 2),
    "an evaluation": (Evaluator, "_draw", 1, 2),
    "the line": (metrics_log, "append", 3, 3),
    "a checkpoint": (Checkpoints, "save", 3, 3),
    "the last checkpoint": (Checkpoints, "save", 4, 4),
}
"""What is called, which of its calls the signal comes in, the last step that is kept."""


@pytest.mark.parametrize("place", PLACES)
def test_a_signal_anywhere_keeps_the_last_whole_step(evaluated, tmp_path, monkeypatch, place):
    """The step is dropped or finished, and nothing that it changed on the way is kept."""
    owner, name, number, kept = PLACES[place]
    original, calls = getattr(owner, name), count(1)

    def signalled(*args, **kwargs):
        if next(calls) == number:
            os.kill(os.getpid(), signal.SIGTERM)
        return original(*args, **kwargs)

    monkeypatch.setattr(owner, name, signalled)
    words = command(tmp_path / "run", *EVALUATED)
    words += [] if "checkpoint" in place else ["train.checkpoint_every=0"]
    assert main(words) == 128 + signal.SIGTERM
    monkeypatch.undo()
    saved = [
        int(path.name.removeprefix("checkpoint-")) for path in tmp_path.glob("run/checkpoints/checkpoint-*")
    ]
    assert max(saved) == kept
    assert not (tmp_path / "run" / "model").exists()
    assert main(words) == 0
    assert result(tmp_path / "run") == result(evaluated)
    assert (
        Run(tmp_path / "run").record["model"] == Run(evaluated).record["model"]
    )  # also of a step that was cut short


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


@pytest.mark.slow
@pytest.mark.parametrize("sign", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
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


@pytest.fixture(scope="module")
def shared(tmp_path_factory) -> tuple[Path, list[str]]:
    """A run in which two steps share a batch, with a reference that moves: its checkpoints hold every kind of file."""
    folder, words = tmp_path_factory.mktemp("shared") / "run", [*TWICE, *REFERENCE]
    assert main(command(folder, *words)) == 0
    return folder, words


READ = ["optimizer.pt", "random-0.pt", "batch-0.pt", "model.safetensors", "reference.safetensors"]
UNREAD = ["scheduler.pt", "rng_state.pth", "training_args.bin", "pytorch_model.bin", "scaler.pt"]


@pytest.mark.parametrize("name", [*READ, *UNREAD])
def test_a_pickle_in_a_checkpoint_is_never_run(shared, tmp_path, name):
    """Even where somebody writes a manifest that fits it."""
    folder, words = shared
    there = cut(folder, tmp_path / "cut", 3)
    checkpoint = there / "checkpoints" / "checkpoint-3"
    assert (checkpoint / name).exists() == (name in READ)
    torch.save(Malice(tmp_path / "mark"), checkpoint / name)
    found = opened(checkpoint)
    assert not isinstance(found, str)
    (checkpoint / "manifest.json").unlink()
    write_manifest(checkpoint, {k: found.manifest[k] for k in ("step", "score", "origin")})
    if name in UNREAD:
        assert main(command(there, *words)) == 0
        assert result(there) == result(folder)
    else:
        with pytest.raises(UserError, match="checkpoint-3: does not hold what this run needs") as refused:
            main(["--debug", *command(there, *words)])
        assert isinstance(refused.value.__cause__, pickle.UnpicklingError | SafetensorError)
        assert "weights_only" not in str(refused.value)  # torch's advice would run it
        assert not (there / "model").exists()
    assert not (tmp_path / "mark").exists()


def test_a_checkpoint_is_a_model(shared, tmp_path):
    """Whole weights, as transformers loads them: `model=…/checkpoint-2` begins where that step ended."""
    folder, _ = shared
    checkpoint = folder / "checkpoints" / "checkpoint-2"
    model = AutoModelForCausalLM.from_pretrained(checkpoint)
    stored = load_file(checkpoint / "model.safetensors")
    assert all(torch.equal(model.state_dict()[name], weight) for name, weight in stored.items())
    assert AutoTokenizer.from_pretrained(checkpoint)("1+2=").input_ids
    assert main(command(tmp_path / "run", f"model={checkpoint}", "train.steps=1")) == 0


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
