"""Work on a rollout file, shared out in blocks of rows to processes that have nothing in common but its folder.

Each takes a block that nobody has taken and puts what it made of it into a file of the block's own; the main process
puts these together, in order. Whoever has taken a block holds a lock on one byte of the file `taken`: if it dies, the
kernel lets go and another takes the block. A block that two have made is the same twice and counts once, so locks only
save work; what is in the file does not rest on them.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

from rlvr import files
from rlvr.errors import RunError
from rlvr.launch import signals
from rlvr.launch.processes import TIMEOUT, is_main, place

Begun = TypeVar("Begun")

LOOK_SECONDS = 0.2
"""Between two looks at what others have made."""
AGREEING = 2**40
"""A byte of `taken` that stands for no block: whoever holds it may write the blocks' size."""


def folder_of(file: Path, work: str = "") -> Path:
    """Where the blocks of a rollout file lie while they are made: `base.jsonl` → `base.parts`."""
    return file.with_suffix(f"{work and '.' + work}.parts")


def forget(file: Path, policy: str) -> None:
    """Remove the blocks that are left of an evaluation of `policy` which is not there any more, and of other files
    under that policy."""
    for parts in (*file.parent.glob(f"{file.stem}.*parts"), *file.parent.glob(f"*.under-{policy}.parts")):
        shutil.rmtree(parts, ignore_errors=True)


def share(
    folder: Path,
    total: int,
    size: int,
    begin: Callable[[range], Begun],
    finish: Callable[[Begun], Iterable[bytes]],
    merge: Callable[[Path, bool], None],
    merged: Callable[[int], int] = lambda _: 0,
    in_step: bool = False,
) -> None:
    """Do this process's share of `total` rows. The main process returns when all of it is merged, and `folder` is gone;
    the others when nothing is left to take.

    Args:
        size: rows of a block, unless others who have begun have agreed on another.
        begin: starts a block. The one before is finished meanwhile: its verdicts come while rows are sampled.
        merge: told, in the main process, of each block in order: its file, and whether this process made it.
        merged: says how many rows, of blocks of a size, have been merged before.
        in_step: every process begins as many blocks, empty ones among them: they share an engine that wants all of
            them in every call.

    Raises:
        RunError: `begin`, `finish` or `merge` raised it, here or in another process; or a block that another has taken
            does not come.
    """
    with Shares(folder, total, size) as shares:
        there = merged(shares.size)
        if there >= total:  # the others have finished, and `folder` was gone before this process came
            shares.remove()
            return
        following = first = there // shares.size
        own = set[int]()
        came = time.monotonic()

        def take_in() -> None:
            nonlocal following, came
            while is_main() and following < len(shares) and shares.part(following).exists():
                merge(shares.part(following), following in own)
                following, came = following + 1, time.monotonic()

        def work(blocks: Iterable[int | None]) -> None:
            before: tuple[int, Begun] | None = None
            for block in blocks:
                begun = begin(range(0) if block is None else shares.rows(block))
                if before:
                    shares.put(before[0], finish(before[1]))
                before = None if block is None else (block, begun)
                own.update([] if block is None else [block])
                take_in()
            if before:
                shares.put(before[0], finish(before[1]))
            take_in()

        try:
            work(shares.in_step(first) if in_step else shares.take(first))
        except RunError:
            shares.remove()  # the others stop too
            raise
        while is_main() and following < len(shares):
            signals.check_stop()
            if not folder.exists():
                raise RunError(f"{folder} is gone: another process has given up, and says why")
            if time.monotonic() - came > TIMEOUT.total_seconds():
                raise RunError(f"{shares.part(following)} did not come from the process that has taken it")
            time.sleep(LOOK_SECONDS)
            work([] if in_step else shares.take(following))  # what was taken by somebody who died
        if is_main():
            shares.remove()


class Shares:
    """The blocks of one file: who has taken which, and what was made of them."""

    def __init__(self, folder: Path, total: int, size: int) -> None:
        self.folder, self.total, self.size = folder, total, size

    def __enter__(self) -> Self:
        self.folder.mkdir(parents=True, exist_ok=True)
        self._taken = os.open(
            self.folder / "taken", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666
        )
        fcntl.lockf(self._taken, fcntl.LOCK_EX, 1, AGREEING)
        if agreed := os.pread(self._taken, 32, 0):
            self.size = int(agreed)
        else:
            os.pwrite(self._taken, str(self.size).encode(), 0)
        fcntl.lockf(self._taken, fcntl.LOCK_UN, 1, AGREEING)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._taken)  # and let go of every block

    def __len__(self) -> int:
        return -(-self.total // self.size)

    def rows(self, block: int) -> range:
        """By their number in the file."""
        return range(block * self.size, min(self.total, (block + 1) * self.size))

    def part(self, block: int) -> Path:
        """What was made of a block."""
        return self.folder / f"{block:06d}.jsonl"

    def take(self, first: int) -> Iterator[int]:
        """Blocks from `first` on that nobody has made or taken."""
        return (block for block in range(first, len(self)) if self._takes(block))

    def in_step(self, first: int) -> Iterator[int | None]:
        """The same for the processes of a launch, as many in each of them: None in place of one that is made."""
        own, count = place()
        for start in range(first, len(self), count):
            block = start + own
            yield block if block < len(self) and self._takes(block) else None

    def _takes(self, block: int) -> bool:
        if self._is_made(block):
            return False
        try:
            fcntl.lockf(self._taken, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, block)
        except (BlockingIOError, PermissionError):
            return False
        if made := self._is_made(block):  # meanwhile
            self._let_go(block)
        return not made

    def _is_made(self, block: int) -> bool:
        """Or all are, and the folder is gone."""
        return self.part(block).exists() or not self.folder.exists()

    def _let_go(self, block: int) -> None:
        fcntl.lockf(self._taken, fcntl.LOCK_UN, 1, block)

    def put(self, block: int, lines: Iterable[bytes]) -> None:
        """Write what was made of a block. Where the folder is gone, the work is over."""
        with suppress(FileNotFoundError):
            files.replace(self.part(block), lines)
        self._let_go(block)

    def remove(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)
