"""What a cluster does to a run's folder: it fills, it turns read-only, it vanishes, two runs want it."""

import ctypes
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from rlvr import preflight
from rlvr.cli import main
from rlvr.preflight import training
from rlvr.run import read_metrics
from tests.training.test_resume import result, wait_for

SHORT = [
    "train.steps=4", "train.groups_per_step=4", "train.group_size=4", "train.checkpoint_every=1",
    "sampling.samples=8", "analysis.search_budget=2", "analysis.replicates=200", "problems.heldout.limit=16",
    "problems.probes={}", "verification.workers=1", "sampling.batch_size=16", "-q",
]  # fmt: skip


def command(folder: Path, *more: str, verb: str = "run") -> list[str]:
    return [verb, "quickstart", "--output", str(folder), *SHORT, *more]


@pytest.fixture
def disk(tmp_path) -> Iterator[Path]:
    """A file system of our own, of 16 MB."""
    place = tmp_path / "disk"
    place.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", str(place)],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        pytest.skip(f"mounting is not permitted here: {done.stderr.strip()}")
    yield place
    subprocess.run(["umount", "--lazy", str(place)], check=True)


def remount(place: Path, option: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{option}", str(place)], check=True)


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("trained") / "run"
    assert main(command(folder, verb="train")) == 0
    return folder


def test_a_disk_too_small_for_the_next_checkpoint(trained, disk, capsys, monkeypatch):
    words = command(disk / "run", verb="train")
    checkpoint = trained / "checkpoints" / "checkpoint-4"
    size = f"size={16 * sum(p.stat().st_size for p in checkpoint.iterdir()) // 10}"
    remount(disk, size)
    assert main(words) == 2  # seen before anything is sampled
    assert "3 checkpoints of" in (said := capsys.readouterr().err) and "are free there" in said
    assert not (disk / "run").exists()
    remount(disk, "size=200m")
    monkeypatch.setattr(
        training, "disk", lambda state: remount(disk, size) or iter(())
    )  # it fills after the check
    monkeypatch.setattr(preflight, "CHECKS", (*preflight.CHECKS[:-1], training.disk))
    assert main(words) == 3
    said = capsys.readouterr().err
    assert "no space left for checkpoint-2" in said and "MB are free" in said and "free some space" in said
    assert [p.name for p in (disk / "run" / "checkpoints").glob("checkpoint-*")] == ["checkpoint-1"]
    monkeypatch.undo()
    remount(disk, "size=200m")
    assert main(words) == 0
    assert result(disk / "run") == result(trained)


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory) -> Path:
    """A run without a training step, on a disk with space."""
    folder = tmp_path_factory.mktemp("elsewhere") / "run"
    assert main(command(folder, "train.steps=0")) == 0
    return folder


@pytest.mark.parametrize("left", [0, 3000, 60_000])
def test_a_disk_that_fills_in_the_middle_of_anything(elsewhere, disk, capsys, left):
    """`left` bytes: not the config, then not the first rollouts, then not the whole evaluation."""
    words = command(disk / "run", "train.steps=0")
    filler = disk / "filler"
    free = shutil.disk_usage(disk).free
    filler.write_bytes(b"x" * (free - left // 4096 * 4096))
    assert main(words) == 3
    assert (
        "No space left on device" in (said := capsys.readouterr().err)
        and "the same command continues" in said
    )
    remount(disk, "size=200m")
    assert main(words) == 0
    for name in ("base", "tuned"):
        there, here = (folder / "rollouts" / f"{name}.jsonl" for folder in (disk / "run", elsewhere))
        assert there.read_bytes() == here.read_bytes()


def test_a_read_only_disk(disk, capsys):
    words = command(disk / "run", verb="train")
    remount(disk, "size=200m,ro")
    assert main(words) == 2
    assert "Read-only file system" in (said := capsys.readouterr().err) and "Traceback" not in said
    remount(disk, "rw")
    assert main(words) == 0


def test_a_folder_without_permission(tmp_path):
    (tmp_path / "closed").mkdir(mode=0o500)
    words = [sys.executable, "-m", "rlvr", *command(tmp_path / "closed" / "run")]
    may = without_override if os.geteuid() == 0 else None
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=120, preexec_fn=may)
    assert done.returncode == 2, done.stderr
    assert "Permission denied" in done.stderr and "Traceback" not in done.stderr
    assert not list((tmp_path / "closed").iterdir())


def without_override() -> None:
    """Root may write everywhere, by a capability: the program that is started next does not get it."""
    pr_capbset_drop, cap_dac_override = 24, 1
    if ctypes.CDLL(None, use_errno=True).prctl(pr_capbset_drop, cap_dac_override, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl")


def test_an_output_below_a_file(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    assert main(command(tmp_path / "file" / "run")) == 2
    assert "Not a directory" in capsys.readouterr().err


PATIENT = """
import time
from verifiers import Verdict

class Verifier:
    name, answer_format, deadline = "patient", "text", 1000.0

    def verify(self, problem, trace, answer):
        open("judging", "a").close()
        time.sleep(1000)
        return Verdict(1.0, "correct")
"""


@pytest.mark.parametrize(
    "phase",
    [
        "sampling",
        pytest.param("verifying", marks=pytest.mark.slow),
        pytest.param("evaluation", marks=pytest.mark.slow),
    ],
)
def test_a_signal_is_heard_in_the_middle_of_anything(tmp_path, phase):
    """Within 30 s, where the phase alone takes longer."""
    (tmp_path / "patient.py").write_text(PATIENT)
    many = ["train.group_size=2048", "train.groups_per_step=16", "train.rows_per_micro_step=2048"]
    verb, sign, more = {
        "sampling": ("train", tmp_path / "run" / "log.txt", many),
        "verifying": ("train", tmp_path / "judging", ["verifier=patient:Verifier", "verifier_options={}"]),
        "evaluation": (
            "run",
            tmp_path / "run" / "rollouts" / "base.settings.json",
            ["sampling.samples=20000"],
        ),
    }[phase]
    words = command(Path("run"), *more, verb=verb)
    process = subprocess.Popen(
        [sys.executable, "-m", "rlvr", *words], cwd=tmp_path, stderr=subprocess.PIPE, text=True
    )
    wait_for(sign, process)
    while phase == "sampling" and "The update runs" not in sign.read_text():
        time.sleep(0.01)
    time.sleep(1)
    asked = time.monotonic()
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 143, said
    assert time.monotonic() - asked < 30
    assert not (tmp_path / "run" / "rollouts" / "train-000001.jsonl").exists()  # it was in the middle


@pytest.mark.slow
def test_a_folder_that_vanishes_under_the_run(tmp_path):
    folder = tmp_path / "run"
    words = command(folder, "train.steps=400", "sampling.samples=2", verb="train")
    process = subprocess.Popen([sys.executable, "-m", "rlvr", *words], stderr=subprocess.PIPE, text=True)
    wait_for(folder / "rollouts" / "train-000003.jsonl", process)
    folder.rename(tmp_path / "elsewhere")
    _, said = process.communicate(timeout=120)
    assert process.returncode == 2, said
    assert "No such file or directory" in said and "Traceback" not in said
    assert not folder.exists()
    (tmp_path / "elsewhere").rename(folder)
    steps = len(read_metrics(folder / "metrics.jsonl"))
    assert steps >= 2


@pytest.mark.slow
def test_a_second_run_in_the_folder_is_refused_and_a_crash_leaves_no_lock(tmp_path, capsys):
    folder = tmp_path / "run"
    words = command(folder, "train.steps=400", verb="train")
    process = subprocess.Popen([sys.executable, "-m", "rlvr", *words], stderr=subprocess.DEVNULL)
    wait_for(folder / "rollouts" / "train-000001.jsonl", process)
    assert main(words) == 2
    said = capsys.readouterr().err
    assert (
        "another run works in this folder" in said
        and f"process {process.pid} on " in said
        and "since 2" in said
    )
    process.send_signal(signal.SIGKILL)
    process.wait()
    began = len(read_metrics(folder / "metrics.jsonl"))
    again = subprocess.Popen([sys.executable, "-m", "rlvr", *words], stderr=subprocess.PIPE, text=True)
    until = time.monotonic() + 120
    while len(read_metrics(folder / "metrics.jsonl")) <= began + 1 and time.monotonic() < until:
        assert again.poll() is None, again.stderr.read() if again.stderr else ""
        time.sleep(0.05)
    again.kill()
    again.wait()
    assert len(read_metrics(folder / "metrics.jsonl")) > began


def test_a_second_evaluation_into_the_same_file_is_refused(tmp_path, capsys):
    words = ["eval", "tiny", "--output", str(tmp_path / "out.jsonl"), "sampling.samples=20000", "-q"]
    process = subprocess.Popen([sys.executable, "-m", "rlvr", *words], stderr=subprocess.DEVNULL)
    wait_for(tmp_path / "out.settings.json", process)
    assert main(words) == 2
    said = capsys.readouterr().err
    assert "another evaluation works in this folder" in said and f"process {process.pid} on " in said
    process.kill()
    process.wait()
    assert main([*words[:-2], "sampling.samples=4", "problems.heldout.limit=4", "-q"]) == 2  # other settings
    said = capsys.readouterr().err  # of the settings, not of somebody who works there
    assert "works in this folder" not in said and "another file" in said


def test_an_evaluation_needs_a_name_for_its_rollouts(tmp_path, capsys):
    assert main(["eval", "tiny", "--output", str(tmp_path / "out"), "-q"]) == 2
    assert "expected the name of a rollout file, such as" in capsys.readouterr().err
