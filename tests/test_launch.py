"""`--processes` and `--shard`, before anything is started; `tests/test_processes.py` starts them."""

import signal
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext

import pytest
import torch
from torch.distributed.elastic.multiprocessing.errors import ProcessFailure

from rlvr.cli import main
from rlvr.config import packaged_folder
from rlvr.errors import UserError
from rlvr.launch import engine, start
from rlvr.launch.deadline import within


@pytest.mark.parametrize("verb", [["run", "quickstart"], ["eval", "tiny"], ["check", "quickstart"]])
def test_shares_of_a_model_are_among_several_processes(verb, capsys):
    assert main([*verb, "--shard", "zero3"]) == 2
    assert "--shard zero3: among how many? Give --processes N" in capsys.readouterr().err


NOT_DIVIDED = {
    "groups": (["train.groups_per_step=16"], "16 problems cannot be shared out evenly over 3 processes"),
    "rows": (
        ["train.groups_per_step=9", "train.group_size=4", "train.rows_per_micro_step=8"],
        "divide the 3 of each",
    ),
}


@pytest.mark.skipif(torch.accelerator.is_available(), reason="there must be as many GPUs")
@pytest.mark.parametrize("case", NOT_DIVIDED)
def test_what_the_processes_do_not_divide_is_refused_before_the_base_is_sampled(case, tmp_path, capsys):
    """By the process that would start them, in one sentence."""
    words, expected = NOT_DIVIDED[case]
    command = ["run", "quickstart", "--output", str(tmp_path / "run"), "--processes", "3", *words]
    assert main(command) == 2
    said = capsys.readouterr().err
    assert expected in said and said.count("rlvr: ") == 1
    assert not (tmp_path / "run").exists()


@pytest.mark.skipif(torch.accelerator.is_available(), reason="FSDP can be had here")
def test_fsdp_on_a_cpu_is_refused_in_one_sentence(capsys):
    assert main(["run", "quickstart", "--processes", "2", "--shard", "fsdp2"]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_a_launcher_that_chose_another_engine_is_named(monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("ACCELERATE_USE_DEEPSPEED", "true")
    monkeypatch.setenv("ACCELERATE_DEEPSPEED_ZERO_STAGE", "2")
    assert engine.joining(2, "zero2") is None
    assert engine.joining(8, None) == "--processes 8, and the launcher started 2: these go on"
    with pytest.raises(UserError, match=r"asks for DeepSpeed ZeRO-2; give it configs/accelerate/fsdp2\.yaml"):
        engine.joining(2, "fsdp2")


@pytest.mark.parametrize(("variable", "name"), [("FSDP", "FSDP1"), ("MEGATRON_LM", "Megatron-LM")])
def test_engines_that_the_loop_does_not_know_are_refused(monkeypatch, variable, name):
    monkeypatch.setenv(f"ACCELERATE_USE_{variable}", "true")
    with pytest.raises(UserError, match=f"asks for {name}, whose weights the loop cannot gather"):
        engine.in_force()


@pytest.mark.parametrize("name", engine.COUNTS)
def test_processes_that_were_started_and_have_not_joined_are_said(monkeypatch, name):
    assert engine.warnings() == []
    monkeypatch.setenv(name, "4")
    assert engine.warnings()[0].startswith("The launcher started 4 processes, and 1 joined")


def test_accelerate_that_started_one_process_for_two_is_said(monkeypatch):
    """What its MULTI_CPU leaves in the environment without mpirun."""
    monkeypatch.setenv("MASTER_PORT", "29500")
    monkeypatch.setenv("ACCELERATE_MIXED_PRECISION", "no")
    assert "started one" in engine.warnings()[0]


def test_settings_of_accelerate_are_there_for_every_engine():
    for shard in engine.NAMES:
        assert (packaged_folder() / "accelerate" / f"{shard}.yaml").is_file()


def failure(exitcode: int, timestamp: int) -> ProcessFailure:
    found = ProcessFailure(local_rank=0, pid=1, exitcode=exitcode, error_file="none")
    found.timestamp = timestamp
    return found


def test_the_exit_code_is_that_of_the_first_process_that_failed(capsys):
    assert start.code({0: failure(143, 9), 1: failure(3, 8)}) == 3
    assert capsys.readouterr().err == ""
    assert start.code({0: failure(1, 9), 1: failure(-9, 8)}) == 137
    assert capsys.readouterr().err.startswith(
        "rlvr: process 1 was ended by SIGKILL: the machine may have run"
    )


@pytest.fixture
def rings():
    """Alarms that reach what was set before."""
    found: list[int] = []
    before = signal.signal(signal.SIGALRM, lambda number, _: found.append(number))
    yield found
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


@pytest.mark.parametrize(
    ("seconds", "block", "ends"),
    [
        (0.05, lambda: None, nullcontext()),
        (0.05, lambda: {}[1], pytest.raises(KeyError)),
        (0.01, lambda: time.sleep(5), pytest.raises(TimeoutError, match=r"more than 0\.01 s")),
    ],
)
def test_a_limit_ends_with_its_block(rings, seconds, block, ends):
    """However the block ends: nothing rings afterwards, and who listened before listens again."""
    listening = signal.getsignal(signal.SIGALRM)
    with ends, within(seconds):
        block()
    assert signal.getsignal(signal.SIGALRM) is listening
    assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)
    time.sleep(0.1)
    assert rings == []


def test_in_another_thread_there_is_no_limit(rings):
    def long() -> str:
        with within(0.01):
            time.sleep(0.05)
        return "whole"

    with ThreadPoolExecutor(1) as threads:
        assert threads.submit(long).result() == "whole"
    assert rings == []
