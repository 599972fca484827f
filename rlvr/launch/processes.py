"""The processes of a launch: who is the main one, what each does for itself, and who holds a folder."""

from __future__ import annotations

import fcntl
import os
import platform
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from rlvr.errors import ConfigError
from rlvr.launch import signals

if TYPE_CHECKING:
    from accelerate import PartialState

POLLING = 0.001
"""Seconds between two looks at whether the other processes have come."""


def processes() -> PartialState:
    """The processes of this launch (`torchrun`, `accelerate launch`), or this one alone."""
    import torch
    from accelerate import PartialState

    # without an accelerator, accelerate joins CPU processes only if told to
    return PartialState(cpu=not torch.accelerator.is_available())


@contextmanager
def main_process_only() -> Iterator[bool]:
    """True in the main process, False in the others, which wait at the end of the block."""
    with independently():
        yield processes().is_main_process


@contextmanager
def independently() -> Iterator[None]:
    """A block in which each process works for itself, for as long as it takes, without a collective.

    Where one is asked to stop, the others leave within a second, at their next `signals.check_stop`. All leave
    together at the block's end, where those that come first wait for the last.

    Raises:
        Interrupted: in every process, where any has been asked to stop. (One that is alone is interrupted anywhere.)
    """
    if processes().num_processes == 1:
        yield
        return
    from torch.distributed.distributed_c10d import _get_default_store

    try:
        with signals.independently(_get_default_store()):
            yield
    finally:
        stop_if_asked()


def stop_if_asked() -> None:
    """In a launch of several processes: leave here, all of them, where any has been asked to stop.

    One that must wait for the others here is not deaf: it is in no call that a signal does not reach.

    Raises:
        Interrupted: in every process. (A process that is alone is interrupted wherever it is.)
    """
    state = processes()
    if state.num_processes == 1:
        return
    import torch
    import torch.distributed as dist

    asked = torch.tensor(signals.asked() or 0, device=state.device)
    work = dist.all_reduce(asked, op=dist.ReduceOp.MAX, async_op=True)
    assert work is not None
    while not work.is_completed():
        signals.exchange()
        time.sleep(POLLING)
    work.wait()
    if number := int(asked):
        raise signals.Interrupted(number)


@contextmanager
def locked(folder: Path, work: str = "run") -> Iterator[None]:
    """Hold `folder` for this launch; the main process locks. The kernel releases the lock if the process dies.

    Raises:
        ConfigError: another process holds it; its pid, host and since when are named.
    """
    if not processes().is_main_process:
        yield
        return
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("a+", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            holder = file.read().strip() or "it does not say who"
            raise ConfigError(f"{folder}: another {work} works in this folder ({holder})") from None
        file.truncate(0)
        file.write(
            f"process {os.getpid()} on {platform.node()}, since {time.strftime('%Y-%m-%d %H:%M:%S %z')}"
        )
        file.flush()
        yield
