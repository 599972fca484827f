"""The processes of a launch: who is the main one, what each does for itself, and who holds a folder."""

from __future__ import annotations

import errno
import fcntl
import os
import platform
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import cache
from itertools import count
from pathlib import Path
from typing import IO, TYPE_CHECKING, TypeVar, cast

from rlvr.errors import ConfigError
from rlvr.files import append_to, refuse_links
from rlvr.launch import signals

if TYPE_CHECKING:
    from accelerate import PartialState
    from torch._C._distributed_c10d import ProcessGroup, Store

T = TypeVar("T")

TIMEOUT = timedelta(hours=12)
"""How long a collective waits for the slowest process; torch's own 10 minutes (NCCL) are less than writing a large
checkpoint can take. It is not needed to notice a process that died: then the launcher ends the others."""
POLLING, LONGEST_POLLING = 0.001, 0.1
"""Seconds between two looks at whether the others have come: at first, and when it takes long."""
WORKER = "RLVR_WORKER"
"""Environment: "1/8" in the second of eight workers."""
UNSUPPORTED = (errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP)
"""What `flock` says on a file system without locks."""
APPEARS_SECONDS = 20.0
"""How long a network file system may take to show a file that another machine wrote."""
LOOK_SECONDS = 0.05
"""Longer than a look at a lock takes."""
_blocks = count()


def processes() -> PartialState:
    """The processes of this launch (`torchrun`, `accelerate launch`, `srun`), or this one alone."""
    import torch
    from accelerate import PartialState

    # without an accelerator, accelerate joins CPU processes only if asked to
    return PartialState(cpu=not torch.accelerator.is_available(), timeout=TIMEOUT)


def place() -> tuple[int, int]:
    """Which worker this process is, and of how many: those that `workers` started, each by itself, or a launch."""
    if found := os.environ.get(WORKER):
        own, _, count = found.partition("/")
        return int(own), int(count)
    return processes().process_index, processes().num_processes


def is_main() -> bool:
    """This process speaks for the others, and puts together what they made."""
    return place()[0] == 0


def local_place() -> tuple[int, int]:
    """The same among those on this machine."""
    if WORKER in os.environ:
        return place()
    state = processes()
    return state.local_process_index, int(os.environ.get("LOCAL_WORLD_SIZE", state.num_processes))


def of_node(count: int) -> int:
    """This process's part of what a node has `count` of: at least 1; 0 stays 0."""
    own, local = local_place()
    share, rest = divmod(count, local)
    return max(min(count, 1), share + (own < rest))


@contextmanager
def main_process_only() -> Iterator[bool]:
    """True in the main process, False in the others, which wait at the end of the block if they are of its launch."""
    with independently():
        yield is_main()


def by_main(work: Callable[[], T]) -> T:
    """What `work` gives or raises in the main process, which alone does it, in all of them."""
    state = processes()
    found: list[T | Exception | None] = [None]
    if state.is_main_process:
        try:
            found = [work()]
        except Exception as error:
            if state.num_processes == 1:
                raise
            found = [error]
    if state.num_processes > 1:
        from accelerate.utils import broadcast_object_list

        broadcast_object_list(found)
    if isinstance(found[0], Exception):
        raise found[0]
    return cast(T, found[0])


@contextmanager
def independently() -> Iterator[None]:
    """A block in which each process works for itself, for as long as it takes, without a collective.

    Where one is asked to stop, the others leave within a second, at their next `signals.check_stop`. All leave
    together at the block's end, where those that come first wait for the last: at the store, not in
    a collective that could time out.

    Raises:
        Interrupted: in every process, where any has been asked to stop. (One that is alone is interrupted anywhere.)
    """
    if processes().num_processes == 1:
        yield
        return
    from torch.distributed.distributed_c10d import _get_default_store

    store = _get_default_store()
    try:
        with signals.independently(store):
            yield
    finally:
        _wait_for_all(store, f"rlvr/block {next(_blocks)}")
        stop_if_asked()


def seen_by_all(look: Callable[[], T]) -> T:
    """What `look` finds on disk. No process of the launch goes on, and changes it, before all have looked."""
    with independently():
        return look()


def _wait_for_all(store: Store, block: str) -> None:
    """Return once every process has come to the end of `block`, whose name is the same in all and used once. After
    `TIMEOUT` return all the same: the collective that follows fails if a process is gone."""
    if store.add(f"{block}: come", 1) == processes().num_processes:
        store.set(f"{block}: all", "")
    came, waited = time.monotonic(), 0.0
    while not store.check([f"{block}: all"]) and waited < TIMEOUT.total_seconds():
        signals.exchange()
        time.sleep(min(max(POLLING, waited / 20), LONGEST_POLLING))  # `store.wait` would log every time-out
        waited = time.monotonic() - came


def stop_if_asked() -> None:
    """In a launch of several processes: all of them leave at this call if any has been asked to stop.

    They ask each other by CPU: a collective of the GPUs would begin when these have computed all that they were given.
    While a process waits for the others, signals still reach it.

    Raises:
        Interrupted: in every process. (A process that is alone is interrupted wherever it is.)
    """
    state = processes()
    if state.num_processes == 1:
        return
    import torch
    import torch.distributed as dist

    asked = torch.tensor(signals.asked() or 0)
    work = dist.all_reduce(asked, op=dist.ReduceOp.MAX, group=_of_cpus(dist.group.WORLD), async_op=True)
    assert work is not None
    while not work.is_completed():
        signals.exchange()
        time.sleep(POLLING)
    work.wait()
    if number := int(asked):
        raise signals.Interrupted(number)


@cache
def _of_cpus(every: ProcessGroup) -> ProcessGroup:
    """A group of the same processes whose collectives are of CPUs; all of them come here together at first."""
    import torch.distributed as dist

    if dist.get_backend(every) == "gloo":
        return every
    return cast("ProcessGroup", dist.new_group(backend="gloo", timeout=TIMEOUT))


@contextmanager
def locked(folder: Path, work: str = "run") -> Iterator[None]:
    """Hold `folder` for this launch: the main process locks it, and all of them must see it. The kernel releases the
    lock if the process dies.

    Raises:
        ConfigError: another process holds it (its pid, host and since when are named), its file system has no locks,
            it holds links, or the processes of this launch do not share it.
    """
    if not is_main():
        require_shared(folder)
        yield
        return
    folder.mkdir(parents=True, exist_ok=True)
    refuse_links(folder)
    with append_to(folder / ".lock") as file:
        try:
            _lock(file)
        except BlockingIOError:
            file.seek(0)
            holder = file.read().strip() or "it does not say who"
            raise ConfigError(f"{folder}: another {work} works in this folder ({holder})") from None
        except OSError as error:
            if error.errno not in UNSUPPORTED:
                raise
            raise ConfigError(
                f"{folder}: its file system cannot lock files (flock: {error.strerror}), so nothing would keep a "
                f"second {work} out of it; give --output a folder on one that can (on Lustre: mounted with -o flock)"
            ) from error
        file.truncate(0)
        file.write(
            f"process {os.getpid()} on {platform.node()}, since {time.strftime('%Y-%m-%d %H:%M:%S %z')}"
        )
        file.flush()
        require_shared(folder)
        yield


def _lock(file: IO[str]) -> None:
    """Raises BlockingIOError if another process holds it, for longer than it takes to look whether one does."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        time.sleep(LOOK_SECONDS)  # `is_locked` may have been at it
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def is_locked(folder: Path) -> bool:
    """Whether a launch holds `folder`. False where its file system has no locks: then no launch can."""
    try:
        with (folder / ".lock").open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)  # let go of at once
    except BlockingIOError:
        return True
    except FileNotFoundError:
        return False
    except OSError as error:
        if error.errno not in UNSUPPORTED:
            raise
    return False


def require_shared(folder: Path) -> None:
    """Check that all processes of the launch write to the same `folder`: each makes a file there, and looks for the
    main one's.

    Raises:
        ConfigError: in every process, if one does not see it, or cannot write; the paths are named.
    """
    state = processes()
    if state.num_processes == 1:
        return
    from accelerate.utils import broadcast_object_list, gather_object

    token = broadcast_object_list([uuid.uuid4().hex])[0]
    own, of_main = (folder / f".shared-{token}-{number}" for number in (state.process_index, 0))
    fault = ""
    try:
        own.touch()
    except FileNotFoundError:
        pass  # there is no such folder: so it is not the main one's either
    except OSError as error:
        fault = str(error.strerror)
    state.wait_for_everyone()
    until = time.monotonic() + APPEARS_SECONDS
    while not of_main.exists() and not fault and time.monotonic() < until:
        time.sleep(0.1)
    seen = gather_object([(of_main.exists(), fault, f"{folder.resolve()} on {platform.node()}")])
    own.unlink(missing_ok=True)
    for found, fault, place in seen:
        if fault:
            raise ConfigError(
                f"{place} cannot be written to: {fault}; every process of a launch writes there"
            )
        if not found:
            raise ConfigError(
                f"the processes of this launch do not share the output folder: {place} is not the same folder as "
                f"{seen[0][2]}; give --output a folder that every machine mounts"
            )
