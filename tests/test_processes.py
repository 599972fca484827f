"""Two processes over gloo do what one does: the same evaluation rows, the same update; killed, they go on."""

import errno
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
import torch
from safetensors.torch import load_file

from rlvr import rollouts
from rlvr.cli import main
from rlvr.errors import ConfigError
from rlvr.evaluation import copy_own
from rlvr.launch import processes
from rlvr.run import read_metrics
from rlvr.worlds.carry import TINY

# sgd: the weights' change is the gradient, which AdamW's first step would reduce to its sign
WORDS = [
    "train.steps=1", "train.groups_per_step=8", "train.group_size=8", "train.eval_every=0", "train.trl.optim=sgd",
    "train.learning_rate=1.0", "train.trl.max_grad_norm=0", "sampling.samples=6", "analysis.search_budget=2",
    "analysis.replicates=200", "problems.heldout.limit=21", "problems.probes={}", "verification.workers=1", "-q",
    "train.curriculum.refill=2", "sampling.batch_size=7",
]  # fmt: skip
"""126 samples of the base are three blocks of 56, eight batches of seven each."""


def launch(processes: int, *words: str) -> list[str]:
    return [sys.executable, "-m", "rlvr", *words, "--processes", str(processes)]


def run(folder: Path, processes: int) -> Path:
    done = subprocess.run(
        launch(processes, "run", "quickstart", "--output", str(folder), *WORDS),
        capture_output=True,
        text=True,
        timeout=1800,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return folder


@pytest.fixture(scope="module")
def one_and_two(tmp_path_factory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("processes")
    return run(folder / "one", 1), run(folder / "two", 2)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["base", "train-000001"])
def test_the_same_rows_in_the_same_order(one_and_two, name):
    one, two = (list(rollouts.read(folder / "rollouts" / f"{name}.jsonl")) for folder in one_and_two)
    assert [(r.problem_id, r.sample, r.seed) for r in one] == [(r.problem_id, r.sample, r.seed) for r in two]
    assert [(r.token_ids, r.score) for r in one] == [(r.token_ids, r.score) for r in two]


@pytest.mark.slow
def test_log_probabilities_are_the_same_to_the_bit_and_under_the_policy_that_each_has_trained_nearly(
    one_and_two,
):
    one, two = ([*rollouts.read(folder / "rollouts" / "base.jsonl")] for folder in one_and_two)
    assert [r.logprobs["base"] for r in one] == [r.logprobs["base"] for r in two]
    assert [r.logprobs["tuned"] for r in one] == pytest.approx([r.logprobs["tuned"] for r in two], abs=1e-3)
    assert all({*r.logprobs} == {"base", "tuned"} for r in one + two)
    assert not [*one_and_two[1].glob("rollouts/*.parts")]


def moved(folder: Path) -> torch.Tensor:
    """How far training has moved the weights, flat."""
    before = load_file(TINY / "model.safetensors")
    after = load_file(folder / "model" / "model.safetensors")
    return torch.cat([(after[k] - before[k]).flatten() for k in sorted(before)])


@pytest.mark.slow
def test_the_same_update(one_and_two):
    moves = [moved(folder) for folder in one_and_two]
    assert moves[0].norm() > 0
    assert (moves[0] - moves[1]).norm() / moves[0].norm() < 1e-4


def same_metrics(first: Path, second: Path) -> None:
    """All figures but timings, which are those of the whole step whatever the processes hold of it."""
    one, two = (read_metrics(folder / "metrics.jsonl") for folder in (first, second))
    assert len(one) == len(two)
    for a, b in zip(one, two, strict=True):
        assert a.keys() == b.keys()
        figures = {k for k in a if not k.startswith("seconds") and k != "tokens_per_second"}
        assert {"loss", "entropy", "gradient_norm", "drift/token_mean", "clipped_share"} <= figures or not a[
            "loss"
        ]
        # a drift is the rounding of two computations, and which rows lie side by side decides how they round
        noise = {k: 1e-4 if k.startswith("drift") else 2e-6 for k in figures}
        differing = {k: (a[k], b[k]) for k in figures if a[k] != pytest.approx(b[k], rel=1e-4, abs=noise[k])}
        assert not differing, f"step {a['step']}"


@pytest.mark.slow
def test_the_same_figures(one_and_two):
    same_metrics(*one_and_two)


HOLDING = """
import os, time
from verifiers import Verdict

class Verifier:
    name, answer_format, deadline = "holding", "text", 1000.0

    def verify(self, problem, trace, answer):
        if os.environ.get("RLVR_WORKER") == os.environ.get("HELD", "nobody"):
            try:
                open("held", "x").close()
                time.sleep(1000)
            except FileExistsError:
                pass
        return Verdict(float(len(trace) % 2), "correct" if len(trace) % 2 else "incorrect")
"""
"""In the worker `HELD` the first verdict does not come; it does where that worker is started again."""
EVALUATION = [
    "eval", "tiny", "problems.heldout.limit=8", "sampling.samples=16", "sampling.batch_size=4",
    "sampling.temperature=2", "verification.workers=1", "verifier=holding:Verifier", "verifier_options={}", "-q",
    "--output", "tiny.jsonl",
]  # fmt: skip
"""Four blocks of 32 rows: eight batches of four each."""


@pytest.fixture(scope="module")
def rows_of_one(tmp_path_factory) -> bytes:
    folder = tmp_path_factory.mktemp("one")
    (folder / "holding.py").write_text(HOLDING)
    done = subprocess.run(launch(1, *EVALUATION), capture_output=True, text=True, check=False, cwd=folder)
    assert done.returncode == 0, done.stderr[-3000:]
    rows = (folder / "tiny.jsonl").read_bytes()
    assert rows.count(b"\n") == 128
    return rows


@pytest.mark.slow
@pytest.mark.parametrize("lost", ["0/2", "1/3"])
def test_workers_have_the_rows_of_one_process_and_one_that_is_killed_is_started_again(
    rows_of_one, tmp_path, lost
):
    """It is killed with a block that it has sampled and not judged, and whose lock it holds."""
    (tmp_path / "holding.py").write_text(HOLDING)
    all_of_them = subprocess.Popen(
        launch(int(lost[-1]), *EVALUATION),
        cwd=tmp_path,
        env=os.environ | {"HELD": lost},
        stderr=subprocess.PIPE,
        text=True,
    )
    while not (tmp_path / "held").exists():
        assert all_of_them.poll() is None
        time.sleep(0.05)
    workers = psutil.Process(all_of_them.pid).children()
    next(worker for worker in workers if worker.environ()["RLVR_WORKER"] == lost).kill()
    _, said = all_of_them.communicate(timeout=1800)
    assert all_of_them.returncode == 0, said
    assert said.count("ended by SIGKILL: it is started again (1 of 3 times)") == 1, said
    assert (tmp_path / "tiny.jsonl").read_bytes() == rows_of_one
    assert not (tmp_path / "tiny.parts").exists()


HOLDING_A_SCORE = """
import os, sys, time

if "RLVR_WORKER" in os.environ and "rescore" in sys.orig_argv:
    from rlvr.sampling import score

    say = score.logprobs

    def logprobs(*asked):
        try:
            os.symlink(str(os.getpid()), "held")
            time.sleep(1000)
        except FileExistsError:
            return say(*asked)

    score.logprobs = logprobs
"""
"""As `sitecustomize`: the first worker that scores a block stays in it, and `held` says which process it is."""


@pytest.mark.slow
def test_a_worker_that_is_killed_while_it_scores_is_started_again(one_and_two, tmp_path):
    """It is killed with a block that it has taken. Every row is there once, as if nothing had happened."""
    finished, folder = one_and_two[1], tmp_path / "run"
    names = [f"rollouts/{name}.jsonl" for name in ("base", "tuned")]
    shutil.copytree(finished, folder)
    for name in names:
        copy_own(finished / name, folder / name)
        assert (folder / name).read_bytes() != (finished / name).read_bytes()
    (tmp_path / "sitecustomize.py").write_text(HOLDING_A_SCORE)
    paths = [str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])]
    all_of_them = subprocess.Popen(
        launch(2, "run", "quickstart", "--output", str(folder), *WORDS),
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(paths)},
        stderr=subprocess.PIPE,
        text=True,
    )
    while not (held := tmp_path / "held").is_symlink():
        assert all_of_them.poll() is None, all_of_them.communicate()
        time.sleep(0.05)
    os.kill(int(str(held.readlink())), signal.SIGKILL)
    _, said = all_of_them.communicate(timeout=1800)
    assert all_of_them.returncode == 0, said
    assert said.count("ended by SIGKILL: it is started again (1 of 3 times)") == 1, said
    assert [(folder / name).read_bytes() for name in names] == [
        (finished / name).read_bytes() for name in names
    ]
    assert not [*folder.glob("rollouts/*.parts")]


FEW = [
    "train.steps=8", "train.groups_per_step=4", "train.group_size=4", "train.rows_per_micro_step=4",
    "train.eval_every=0", "train.trl.optim=sgd", "train.learning_rate=0.1", "train.trl.max_grad_norm=0",
    "problems.heldout.limit=8", "problems.probes={}", "verification.workers=1", "-q",
]  # fmt: skip


def live_groups(folder: Path, step: int) -> list[bool]:
    """Which of a step's groups have a gradient: they hold right and wrong answers."""
    scores = [row.score for row in rollouts.read(folder / "rollouts" / f"train-{step:06d}.jsonl")]
    return [len(set(scores[i : i + 4])) == 2 for i in range(0, len(scores), 4)]


@pytest.mark.slow
def test_the_same_gradient_where_a_process_has_nothing_to_learn_from(tmp_path):
    """Steps in which both processes have a live group, one of them, neither; and others that are live in another
    micro-step than the other process's."""
    for number in (1, 2):
        words = ["train", "quickstart", "--output", str(tmp_path / str(number)), *FEW]
        done = subprocess.run(launch(number, *words), capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr[-3000:]
    one, two = tmp_path / "1", tmp_path / "2"
    live = [live_groups(two, step) for step in range(1, 9)]
    assert {(any(step[:2]), any(step[2:])) for step in live} >= {(True, True), (True, False), (False, False)}
    same_metrics(one, two)
    assert [row["gradient_norm"] > 0 for row in read_metrics(two / "metrics.jsonl")] == [*map(any, live)]
    assert (moved(one) - moved(two)).norm() / moved(one).norm() < 1e-4


@pytest.mark.slow
def test_one_report(one_and_two):
    one, two = ((folder / "log.txt").read_text() for folder in one_and_two)
    assert "Processes: DDP, 2 processes, gloo" in two and "Processes:" not in one
    for folder in one_and_two:
        assert (folder / "report.json").stat().st_size > 0
        assert sum(1 for _ in (folder / "metrics.jsonl").open()) == 1


LONGER = [
    "train.steps=6", "train.groups_per_step=4", "train.group_size=4", "train.checkpoint_every=1", "train.eval_every=3",
    "train.eval_samples=4", "train.trl.num_iterations=2", "train.learning_rate=1e-3", "problems.heldout.limit=8",
    "sampling.samples=4", "analysis.search_budget=2", "problems.probes={}", "verification.workers=1", "-q",
    "train.trl.save_total_limit=9",
]  # fmt: skip


def longer(folder: Path) -> list[str]:
    return launch(2, "train", "quickstart", "--output", str(folder), *LONGER)


@pytest.fixture(scope="module")
def alone(tmp_path_factory) -> Path:
    """A run of two processes that nothing interrupted."""
    folder = tmp_path_factory.mktemp("alone") / "run"
    done = subprocess.run(longer(folder), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return folder


NOTING_READS = """
import os, sys

def noting(event, asked):
    if event == "open" and str(asked[0]).endswith("random-0.pt") and "r" in (asked[1] or ""):
        with open("reads", "a") as file:
            file.write(os.environ["RANK"])

if "RANK" in os.environ:
    sys.addaudithook(noting)
"""
"""As `sitecustomize`: who reads process 0's own file of a checkpoint. Only hashing it makes another process read it."""


def goes_on_as(alone: Path, stopped: Path) -> None:
    assert not (stopped / "model").exists()
    (stopped.parent / "sitecustomize.py").write_text(NOTING_READS)
    paths = [str(stopped.parent), *filter(None, [os.environ.get("PYTHONPATH")])]
    done = subprocess.run(
        longer(stopped),
        cwd=stopped.parent,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(paths)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    reads = (stopped.parent / "reads").read_text() if (stopped.parent / "reads").exists() else ""
    assert set(reads) == {"0"}, "a checkpoint is hashed once, by the main process"
    for name in ["model/model.safetensors", *(f"rollouts/{p.name}" for p in alone.glob("rollouts/*.jsonl"))]:
        assert (stopped / name).read_bytes() == (alone / name).read_bytes(), name


@pytest.mark.slow
def test_two_processes_that_are_killed_go_on_and_end_the_same(alone, tmp_path):
    killed = tmp_path / "killed"
    process = subprocess.Popen(
        longer(killed), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    while not (killed / "rollouts" / "train-000003.jsonl").exists():
        assert process.poll() is None
        time.sleep(0.002)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    goes_on_as(alone, killed)


@pytest.mark.slow
def test_two_processes_stop_at_the_same_step_and_take_the_same_weights(tmp_path):
    """A step of this learning rate ruins the model, so the first of its evaluations is the best."""
    ends = [
        "train.steps=5",
        "train.eval_every=1",
        "train.eval_samples=2",
        "train.keep=best",
        "train.stop.patience=2",
    ]
    words = [
        "train.groups_per_step=4",
        "train.group_size=4",
        "train.learning_rate=0.3",
        "train.trl.optim=adamw_torch",
    ]
    words += [
        "problems.heldout.limit=4",
        "problems.probes={}",
        "verification.workers=1",
        "sampling.samples=16",
        "-q",
    ]
    command = launch(2, "train", "quickstart", "--output", str(tmp_path), *ends, *words)
    done = subprocess.run(command, capture_output=True, text=True, timeout=1800, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    assert [line["step"] for line in read_metrics(tmp_path / "metrics.jsonl")] == [1, 2, 3]
    best, model = (tmp_path / "checkpoints" / "checkpoint-1", tmp_path / "model")
    first, taken = (load_file(folder / "model.safetensors") for folder in (best, model))
    assert all(torch.equal(taken[name], first[name]) for name in taken)


@pytest.mark.slow
@pytest.mark.parametrize("step", [3, 4])
def test_two_processes_go_on_inside_and_behind_a_batch_that_two_steps_share(alone, tmp_path, step):
    stopped = tmp_path / "stopped"
    shutil.copytree(alone, stopped)
    shutil.rmtree(stopped / "model")
    for later in range(step + 1, 7):
        shutil.rmtree(stopped / "checkpoints" / f"checkpoint-{later}")
    goes_on_as(alone, stopped)


@pytest.mark.slow
def test_one_process_does_not_go_on_inside_a_batch_of_two(alone, tmp_path, capsys):
    stopped = tmp_path / "stopped"
    shutil.copytree(alone, stopped)
    shutil.rmtree(stopped / "model")
    for later in range(4, 7):
        shutil.rmtree(stopped / "checkpoints" / f"checkpoint-{later}")
    assert main(["train", "quickstart", "--output", str(stopped), *LONGER]) == 2
    assert "checkpoint-3: its batch lies on 2 processes; start as many" in capsys.readouterr().err


PATIENT = """
import os, time
from verifiers import Verdict

class Verifier:
    name, answer_format, deadline = "patient", "text", 1000.0

    def verify(self, problem, trace, answer):
        if os.environ["RANK"] == "0" and os.path.exists("run/rollouts/train-000001.jsonl"):
            open("judging", "a").close()
            time.sleep(1000)
        return Verdict(float(len(trace) % 2), "correct" if len(trace) % 2 else "incorrect")
"""
"""Judges the first step at once, and in the second holds up process 0 alone."""


def ranks(words: list[str], *folders: Path) -> list[subprocess.Popen[str]]:
    """Two processes without a launcher, whose exit codes are their own and which nobody signals but the test; both in
    the one folder, or each in its own. `words` are Python's."""
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    launch = {"WORLD_SIZE": "2", "MASTER_ADDR": "localhost", "MASTER_PORT": str(port)}
    return [
        subprocess.Popen(
            [sys.executable, *words],
            cwd=folders[rank % len(folders)],
            env=os.environ | launch | {"RANK": str(rank), "LOCAL_RANK": str(rank)},
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]


PHASES = {
    "sampling": (
        "train",
        ["train.group_size=2048", "train.groups_per_step=16", "train.rows_per_micro_step=2048"],
    ),
    "verifying": ("train", ["verifier=patient:Verifier", "verifier_options={}"]),
    "evaluation": ("run", ["sampling.samples=20000"]),
}


def ending(process: subprocess.Popen[str]) -> str:
    """The line that says how to go on, or all that was said where there is none."""
    assert process.stderr is not None
    said = ""
    for line in process.stderr:
        if "To continue" in line:
            return line
        said += line
    return said


@pytest.mark.slow
@pytest.mark.parametrize(("phase", "signalled"), [("sampling", 1), ("verifying", 1), ("evaluation", 0)])
def test_a_signal_to_one_process_stops_both_in_a_long_phase(tmp_path, phase, signalled):
    """Within 30 s, while the phase goes on for minutes. While verifying, process 1 waits for process 0."""
    (tmp_path / "patient.py").write_text(PATIENT)
    verb, more = PHASES[phase]
    folder = tmp_path / "run"
    words = [verb, "quickstart", "--output", "run", *LONGER, "train.checkpoint_every=0", *more]
    two = ranks(["-m", "rlvr", *words], tmp_path)
    begun = {
        "sampling": lambda: "The update runs" in (folder / "log.txt").read_text(),
        "verifying": lambda: (tmp_path / "judging").exists(),
        "evaluation": lambda: (folder / "rollouts" / "base.settings.json").exists(),
    }[phase]
    while not (folder / "log.txt").exists() or not begun():
        assert all(process.poll() is None for process in two)
        time.sleep(0.05)
    time.sleep(1)
    asked = time.monotonic()
    two[signalled].send_signal(signal.SIGTERM)
    last_words = [ending(process) for process in two]
    assert (
        time.monotonic() - asked < 30
    )  # all is saved; how long an interpreter cleans up is the machine's affair
    assert all("To continue where it stopped" in words for words in last_words), last_words
    assert [process.wait(timeout=1800) for process in two] == [143, 143]
    left = [path.name for path in folder.glob("checkpoints/checkpoint-*")]
    assert left == (["checkpoint-2"] if phase == "verifying" else [])
    drawn = [path.name for path in folder.glob("rollouts/*.jsonl")]
    assert drawn == (["train-000001.jsonl"] if phase == "verifying" else [])  # the phase was cut short


SLOW = """
import sys, time
from datetime import timedelta
from torch.distributed.distributed_c10d import _set_pg_timeout
from rlvr.launch import processes
from torch.distributed import group

state = processes.processes()
assert group.WORLD._get_backend(state.device).options._timeout == processes.TIMEOUT >= timedelta(hours=1)
_set_pg_timeout(timedelta(seconds=6))
with processes.main_process_only() as is_main:
    if is_main:
        time.sleep(15)
sys.stderr.write("all went on\\n")
if is_main:
    time.sleep(15)
state.wait_for_everyone()  # a collective: here the time-out acts
"""


@pytest.mark.slow
def test_a_process_may_work_longer_than_a_collective_waits(tmp_path):
    main, other = ranks(["-c", SLOW], tmp_path)
    (_, of_main), (_, of_other) = main.communicate(timeout=1800), other.communicate(timeout=300)
    assert "all went on" in of_main and "all went on" in of_other, (of_main, of_other)
    assert of_other.startswith("all went on")  # nothing is logged while it waits
    assert other.returncode != 0 and "imed out" in of_other


@pytest.mark.slow
def test_two_machines_that_do_not_share_the_output_folder_are_refused(tmp_path):
    folders = tmp_path / "a", tmp_path / "b"
    for folder in folders:
        folder.mkdir()
    two = ranks(["-m", "rlvr", "run", "quickstart", "--output", "run", *LONGER], *folders)
    for process in two:
        _, said = process.communicate(timeout=1800)
        assert process.returncode == 2
        assert "do not share the output folder" in said
        assert all(str(folder / "run") in said for folder in folders), said
    assert not list(tmp_path.glob("*/run/rollouts/*"))


def test_a_file_system_without_locks_is_named(tmp_path, monkeypatch):
    def flock(*_):
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(processes.fcntl, "flock", flock)
    with pytest.raises(ConfigError, match="cannot lock files"), processes.locked(tmp_path):
        pytest.fail("it is not locked")
