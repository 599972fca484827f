"""Who is who in a launch, which engine it has, what a worker sees, when a signal is heard: by the environment alone."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from concurrent.futures import Future
from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any

import pytest
import torch
import torch.distributed as dist

from rlvr import pipeline
from rlvr.config import Config, SamplingConfig
from rlvr.config.schema import VllmSection
from rlvr.errors import UserError
from rlvr.launch import engine, processes, signals, start, workers
from rlvr.launch.phases import Apart
from rlvr.launch.signals import Interrupted
from rlvr.preflight import Preflight, parts
from rlvr.run import Run
from rlvr.sampling import vllm_engine
from rlvr.terminal import Terminal


@pytest.fixture
def alone(monkeypatch):
    """Nothing of a launcher in the environment."""
    for name in list(os.environ):
        if name.startswith(("ACCELERATE_", "FSDP_", "SLURM_")) or name in (*engine.COUNTS, processes.WORKER):
            monkeypatch.delenv(name)
    return monkeypatch


# ------------------------------------------------------------------ places


@pytest.mark.parametrize(
    ("worker", "place", "main", "of_five"),
    [("0/3", (0, 3), True, 2), ("1/3", (1, 3), False, 2), ("2/3", (2, 3), False, 1)],
)
def test_a_worker_knows_its_place_and_its_share(alone, worker, place, main, of_five):
    alone.setenv(processes.WORKER, worker)
    assert processes.place() == processes.local_place() == place and processes.is_main() == main
    assert [processes.of_node(n) for n in (5, 1, 0, 3, 6)] == [of_five, 1, 0, 1, 2]


def test_a_worker_sees_its_share_of_the_gpus(alone, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 4)
    alone.setenv("CUDA_VISIBLE_DEVICES", "4,5,6,7")
    assert [workers._devices(n, 2) for n in (0, 1)] == [
        {"CUDA_VISIBLE_DEVICES": "4,5"}, {"CUDA_VISIBLE_DEVICES": "6,7"},
    ]  # fmt: skip
    alone.setenv("CUDA_VISIBLE_DEVICES", "")
    assert [workers._devices(n, 4)["CUDA_VISIBLE_DEVICES"] for n in range(4)] == ["0", "1", "2", "3"]
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    assert workers._devices(0, 2) == {}


@pytest.mark.parametrize(
    ("worker", "seen", "shared", "said"),
    [
        ("0/4", 2, 2, ""),  # 8 GPUs
        (
            "1/8",
            1,
            2,
            "an engine has 2 GPUs, and this process sees 1, its share among 8 workers; start --processes 4",
        ),
        ("0/2", 1, 4, "an engine has 4 GPUs, and this process sees 1, its share among 2 workers"),
        ("", 1, 2, "an engine has 2 GPUs, and this process sees 1"),
        ("", 0, 2, ""),  # on CPUs vLLM starts as many processes
    ],
)
def test_an_engine_of_several_gpus_needs_them_in_its_share(alone, worker, seen, shared, said):
    """It is refused before vLLM, which is not installed here, is imported."""
    alone.setattr(vllm_engine, "installed", lambda: "0.30.0")
    alone.setattr("torch.cuda.device_count", lambda: seen)
    alone.setenv(processes.WORKER, worker)
    settings = SamplingConfig(engine="vllm", vllm=VllmSection(tensor_parallel_size=shared))
    policy: Any = None
    with pytest.raises(UserError if said else ImportError) as refused:
        alone.setitem(sys.modules, "vllm", None)
        vllm_engine.start(policy, settings, "float32")
    if said:
        assert str(refused.value) == f"sampling.vllm.tensor_parallel_size: {said}"


@pytest.mark.parametrize(("device", "shared"), [("cuda", 2), ("cpu", 1)])
def test_a_run_evaluates_with_a_worker_for_each_engine_and_rescores_with_one_for_each_gpu(
    alone, tmp_path, device, shared
):
    """`auto` takes vLLM on GPUs alone, and transformers scores on one."""
    started = []
    alone.setattr(vllm_engine, "installed", lambda: "0.30.0")
    alone.setattr("rlvr.policy.device", lambda: torch.device(device))
    alone.setattr(workers, "start", lambda count, *rest: started.append(count) or 0)
    alone.setattr(workers, "alone", lambda words: 0)
    alone.setattr(pipeline, "is_done", lambda *asked: False)
    alone.setattr(pipeline, "prepare", lambda *asked, **how: nullcontext((None, None)))
    alone.setattr(pipeline, "begin", lambda *asked: nullcontext(Run(tmp_path)))
    alone.setattr(pipeline, "report", lambda *asked: None)
    alone.setattr(pipeline.cost, "estimate", lambda *asked, **how: [])
    config = Config.model_validate(
        {
            "problems": {"train": {"world": "train"}, "heldout": {"world": "heldout"}},
            "sampling": {"vllm": {"tensor_parallel_size": 2}},
        }
    )
    pipeline.run(config, tmp_path, Terminal(), apart=Apart(4, "ddp", [], 2, 3))
    assert started == [4 // shared, 4 // shared, 4]


@pytest.mark.parametrize(
    ("devices", "count", "shard", "deepspeed", "said"),
    [
        (2, 2, "ddp", False, ""),
        (2, 3, "ddp", False, "--processes 3: one for each GPU, and this machine has 2"),
        (0, 64, "ddp", False, ""),
        (0, 2, "fsdp2", False, "--shard fsdp2: accelerate shards with FSDP on GPUs alone"),
        (2, 2, "fsdp2", False, ""),
        (2, 2, "zero2", False, "--shard zero2: DeepSpeed is not installed"),
        (2, 2, "zero3", False, "--shard zero3: DeepSpeed is not installed"),
        (2, 2, "zero3", True, ""),
    ],
)
def test_what_this_machine_can_start(monkeypatch, devices, count, shard, deepspeed, said):
    monkeypatch.setattr("torch.accelerator.device_count", lambda: devices)
    monkeypatch.setattr(start, "find_spec", lambda name: name if deepspeed else None)
    if not said:
        start.check(count, shard)
        return
    with pytest.raises(UserError) as refused:
        start.check(count, shard)
    assert str(refused.value).startswith(said)


# ------------------------------------------------------------------ engines


@pytest.mark.parametrize(
    ("variables", "name"),
    [
        ({}, "DDP"),
        ({"ACCELERATE_USE_FSDP": "true", "FSDP_VERSION": "2"}, "FSDP2"),
        ({"ACCELERATE_USE_FSDP": "1"}, "FSDP1"),
        ({"ACCELERATE_USE_FSDP": "false"}, "DDP"),
        ({"ACCELERATE_USE_DEEPSPEED": "yes", "ACCELERATE_DEEPSPEED_ZERO_STAGE": "3"}, "DeepSpeed ZeRO-3"),
        ({"ACCELERATE_USE_DEEPSPEED": "ON"}, "DeepSpeed"),
        ({"ACCELERATE_USE_MEGATRON_LM": "True"}, "Megatron-LM"),
    ],
)
def test_the_engine_that_a_launcher_asks_for(alone, variables, name):
    for key, value in variables.items():
        alone.setenv(key, value)
    assert engine.asked() == name


@pytest.mark.parametrize(
    ("fsdp", "alone_reads", "trains", "count", "refused"),
    [
        ("true", "true", True, 2, True),
        ("true", "false", True, 2, False),
        ("true", "true", False, 2, False),
        ("true", "true", True, 1, False),
        ("false", "true", True, 2, False),
    ],
)
def test_training_is_refused_where_only_the_first_process_reads_the_weights(
    alone, tmp_path, fsdp, alone_reads, trains, count, refused
):
    """accelerate's own default for FSDP; an evaluation under the same launcher reads them in each process."""
    alone.setenv("ACCELERATE_USE_FSDP", fsdp)
    alone.setenv("FSDP_VERSION", "2")
    alone.setenv("FSDP_CPU_RAM_EFFICIENT_LOADING", alone_reads)
    kind = SimpleNamespace(value="MULTI_GPU")
    joined = SimpleNamespace(num_processes=count, distributed_type=kind, backend="nccl")
    for module in (engine, parts):
        alone.setattr(module, "processes", lambda: joined)
    config = Config.model_validate(
        {
            "problems": {"train": {"world": "train"}, "heldout": {"world": "heldout"}},
            "train": {"steps": 3},
        }
    )
    state = Preflight(config, tmp_path / "run", None, trains, print)
    with pytest.raises(UserError, match="fsdp_cpu_ram_efficient_loading: true") if refused else nullcontext():
        assert list(parts.launch(state)) == []


def test_how_many_processes_a_launcher_says_it_started(alone):
    assert engine.launched() == 0 and engine.in_force() == "one process"
    alone.setenv("WORLD_SIZE", "2")
    alone.setenv("PMI_SIZE", "x")
    assert engine.launched() == 2
    alone.setenv("SLURM_STEP_NUM_TASKS", "8")
    assert engine.launched() == 8
    assert engine.joining(8, "ddp") is None and engine.joining(2, None)


@pytest.mark.parametrize(
    ("code", "raised"), [(0, None), (3, 3), (130, Interrupted), (143, Interrupted), (137, 137)]
)
@pytest.mark.parametrize("phase", ["base", "train"])
def test_a_phase_ends_with_the_code_of_its_processes(monkeypatch, tmp_path, phase, code, raised):
    from rlvr.errors import PhaseError

    asked: list[Any] = []
    monkeypatch.setattr(workers, "alone", lambda words: asked.append(words) or code)
    monkeypatch.setattr(
        workers, "start", lambda count, words, *codes: asked.append([count, words, *codes]) or code
    )
    apart = Apart(3, "zero3", ["-q"], 2, 3)
    if raised is None:
        apart(phase, tmp_path)
    elif raised is Interrupted:
        with pytest.raises(Interrupted) as stopped:
            apart(phase, tmp_path)
        assert stopped.value.code == code
    else:
        with pytest.raises(PhaseError, match=f"the phase {phase!r} ended with exit code {code}") as failed:
            apart(phase, tmp_path)
        assert failed.value.code == code
    words = ["run", str(tmp_path), "--output", str(tmp_path), "--phase", phase, "-q"]
    words += ["--processes", "3", "--shard", "zero3"]  # which those that do not train are checked for too
    assert asked == [words if phase == "train" else [3, words, 2, 3]]


ENDS = [("pass", 0), ("sys.exit(3)", 3), ("sys.exit(143)", 143), ("os.kill(os.getpid(), 9)", 137),
        ("os.kill(os.getpid(), 15)", 143), ("os.kill(os.getpid(), 6)", 134)]  # fmt: skip


@pytest.mark.parametrize(("program", "code"), ENDS)
def test_the_exit_code_of_a_process_that_a_signal_ended_is_128_and_the_signal(monkeypatch, program, code):
    """As a shell says it, of a training phase and of workers; a worker that is lost is started three times more."""
    started: list[subprocess.Popen[bytes]] = []

    def process(words, environment, said=None):
        command = [sys.executable, "-S", "-c", f"import os, sys; {program}"]
        started.append(subprocess.Popen(command, stderr=said))
        return started[-1]

    monkeypatch.setattr(workers, "_process", process)
    monkeypatch.setattr(workers, "LOOK_SECONDS", 0.01)
    assert workers.alone([]) == code and len(started) == 1
    final = code in (0, 3) or program.startswith("sys")  # asked to end, or told why not to try again
    assert workers.start(1, [], 3, 4) == code
    assert len(started) == 1 + (1 if final else 1 + workers.RESTARTS)


# ------------------------------------------------------------------ signals


def test_a_signal_waits_for_the_end_of_what_holds_it():
    seen = []
    with signals.orderly():
        with pytest.raises(Interrupted) as stopped, signals.held():
            os.kill(os.getpid(), signal.SIGTERM)
            seen.append("inside")
        assert seen == ["inside"] and stopped.value.code == 143 and signals.asked() == signal.SIGTERM
    assert signals.asked() is None


def test_a_signal_is_heard_at_once_where_nothing_holds_it_and_in_what_is_free():
    seen = []
    with signals.orderly(), pytest.raises(Interrupted) as stopped:
        os.kill(os.getpid(), signal.SIGINT)
        seen.append("after")
    assert seen == [] and stopped.value.code == 130
    with signals.orderly(), pytest.raises(Interrupted):
        signals.hold()
        os.kill(os.getpid(), signal.SIGHUP)
        seen.append("held")
        with signals.free():
            seen.append("free")
    assert seen == ["held"]
    signals.reset()


def test_holds_are_counted_and_forgotten_together():
    with signals.orderly():
        signals.hold()
        signals.hold()
        os.kill(os.getpid(), signal.SIGINT)
        signals.release()  # one is left
        with pytest.raises(Interrupted):
            signals.release()
        signals.hold()
        signals.reset()
        with pytest.raises(Interrupted):
            signals.check_stop()


@pytest.mark.parametrize("backend", ["gloo", "nccl"])
def test_whether_to_stop_is_asked_by_cpu_whatever_the_gpus_have_to_do(monkeypatch, tmp_path, backend):
    """On a machine without GPUs: a tensor of theirs could not be made. Their backend gets a group beside it, once."""
    dist.init_process_group("gloo", init_method=f"file://{tmp_path}/met", rank=0, world_size=1)
    made = []
    state = SimpleNamespace(num_processes=2, device=torch.device("cuda"))
    monkeypatch.setattr(processes, "processes", lambda: state)
    monkeypatch.setattr(dist, "get_backend", lambda group: backend)
    monkeypatch.setattr(
        dist, "new_group", lambda backend, timeout: made.append((backend, timeout)) or dist.group.WORLD
    )
    try:
        with signals.orderly():
            processes.stop_if_asked()
            signals.hold()
            os.kill(os.getpid(), signal.SIGTERM)
            with pytest.raises(Interrupted) as stopped:
                processes.stop_if_asked()
        assert stopped.value.code == 143
    finally:
        signals.reset()
        dist.destroy_process_group()
    assert made == ([] if backend == "gloo" else [("gloo", processes.TIMEOUT)])


def test_who_listened_before_listens_again_and_an_ignored_signal_stays_ignored():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with signals.orderly():
            assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
            assert signal.getsignal(signal.SIGTERM) is signals._handle
        assert signal.getsignal(signal.SIGTERM) is not signals._handle
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_futures_own_time_out_is_no_stop():
    future: Future[int] = Future()
    future.set_exception(TimeoutError("its own"))
    with pytest.raises(TimeoutError, match="its own"):
        signals.result(future)
    done: Future[int] = Future()
    done.set_result(4)
    assert signals.result(done) == 4
