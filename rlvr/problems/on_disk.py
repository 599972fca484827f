"""Large sets of problems: beyond some thousands they are kept on disk and read one by one."""

from __future__ import annotations

import os
import pickle
import tempfile
from array import array
from collections.abc import Iterable, Sequence
from itertools import chain, islice
from typing import overload

from verifiers.types import Problem

IN_MEMORY = 20_000
"""Problems that are kept as a list; one takes about 600 bytes and its text."""


class Stored(Sequence[Problem]):
    """Problems in an unnamed temporary file (no other process can write to it), with eight bytes each in memory."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self._file = tempfile.TemporaryFile(prefix="rlvr-")  # noqa: SIM115 (closed with the last reference)
        self._ends = array("Q", [0])
        for problem in problems:
            data = pickle.dumps(problem.values(), pickle.HIGHEST_PROTOCOL)
            self._file.write(data)
            self._ends.append(self._ends[-1] + len(data))
        self._file.flush()

    def __len__(self) -> int:
        return len(self._ends) - 1

    @overload
    def __getitem__(self, index: int) -> Problem: ...
    @overload
    def __getitem__(self, index: slice) -> list[Problem]: ...
    def __getitem__(self, index: int | slice) -> Problem | list[Problem]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        place = range(len(self))[index]
        start, end = self._ends[place], self._ends[place + 1]
        return Problem(*pickle.loads(os.pread(self._file.fileno(), end - start, start)))


def stored(problems: Iterable[Problem]) -> Sequence[Problem]:
    """`problems` as a sequence: a list if they are few, else on disk.

    Raises:
        OSError: no space left for temporary files (TMPDIR).
    """
    rest = iter(problems)
    first = list(islice(rest, IN_MEMORY + 1))
    return first if len(first) <= IN_MEMORY else Stored(chain(first, rest))
