"""Starting the processes of a launch: `rlvr train … --processes N` is `accelerate launch -m rlvr train …`."""

from __future__ import annotations

import logging
import os
import signal
import sys
from collections.abc import Iterable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from rlvr.errors import UserError
from rlvr.launch.engine import Shard

GRACE = 24 * 3600
"""Seconds that processes may take to stop after a signal: they write a checkpoint. A second one ends them at once."""


def start(count: int, shard: Shard, settings: Path, words: Sequence[str]) -> int:
    """Run `rlvr` with these words in `count` processes of this machine, one for each GPU where it has some.

    Args:
        settings: of accelerate, which say how weights are shared out.

    Returns:
        The exit code: of the process that failed first; 128 + n after signal n.

    Raises:
        UserError: this machine cannot hold so many, or cannot share weights out so.
    """
    check(count, shard)
    from accelerate.commands.launch import launch_command, launch_command_parser
    from torch.distributed.elastic.multiprocessing.api import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError

    options = ["--config_file", str(settings), "--num_processes", str(count), "--main_process_port", "0"]
    if "OMP_NUM_THREADS" not in os.environ:
        options += ["--num_cpu_threads_per_process", str(max(1, cores() // count))]
    logging.disable()  # the launcher's own account; the processes say for themselves what happened
    os.environ["TORCH_ELASTIC_SHUTDOWN_TIMEOUT"] = str(GRACE)
    try:
        launch_command(launch_command_parser().parse_args([*options, "-m", "rlvr", *words]))
    except SignalException as stop:
        end(children(), stop.sigval)  # where a second signal came while they were stopping
        return 128 + stop.sigval
    except ChildFailedError as failed:
        return code(failed.failures)
    return 0


def code(failures: dict[int, Any]) -> int:
    """The exit code of a launch in which processes failed: that of the first one. What was killed could not say so."""
    rank, first = min(failures.items(), key=lambda item: item[1].timestamp)
    if first.exitcode >= 0:
        return first.exitcode
    name = signal.Signals(-first.exitcode).name
    hint = ": the machine may have run out of memory" if name == "SIGKILL" else ""
    print(
        f"rlvr: process {rank} was ended by {name}{hint}; the same command continues where it stopped",
        file=sys.stderr,
    )
    return 128 - first.exitcode


def check(count: int, shard: Shard) -> None:
    """Raises UserError where `count` processes cannot be started here, or not in this way."""
    import torch

    devices = torch.accelerator.device_count()
    if 0 < devices < count:
        raise UserError(f"--processes {count}: one for each GPU, and this machine has {devices}")
    if shard == "fsdp2" and not devices:
        raise UserError(
            "--shard fsdp2: accelerate shards with FSDP on GPUs alone, and this machine has none; leave --shard out"
        )
    if shard in ("zero2", "zero3") and find_spec("deepspeed") is None:
        raise UserError(f"--shard {shard}: DeepSpeed is not installed: pip install deepspeed")


def cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def children() -> list[Any]:
    import psutil  # accelerate's

    return psutil.Process().children()


def end(left: Iterable[Any], number: int) -> None:
    """Pass a signal on to processes, and wait for them."""
    import psutil

    for process in left:
        process.send_signal(number)
    psutil.wait_procs(left)
