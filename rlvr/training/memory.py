"""Memory of an update: what it takes, and what is there."""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psutil
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


def parabola(x: Sequence[int], y: Sequence[float], bends: bool = True) -> tuple[float, float, float]:
    """(constant, slope, curve) through three points; a line through the last two where it would bend down, or must not
    bend."""
    first, second = ((y[i + 1] - y[i]) / (x[i + 1] - x[i]) for i in (0, 1))
    curve = max(0.0, (second - first) / (x[2] - x[0])) if bends else 0.0
    slope = max(0.0, second - curve * (x[1] + x[2]))
    return y[2] - slope * x[2] - curve * x[2] ** 2, slope, curve


class LiveBytes(TorchDispatchMode):
    """Counts the bytes of tensors that are made within it and are alive, and their peak. Unlike the process's memory
    this is the same on every run, and knows nothing of what an allocator keeps."""

    def __init__(self) -> None:
        super().__init__()
        self.now = self.peak = 0
        self._known: set[int] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        found = func(*args, **(kwargs or {}))
        for tensor in tree_leaves(found):
            if isinstance(tensor, torch.Tensor):
                self._count(tensor.untyped_storage())
        return found

    def _count(self, storage: torch.UntypedStorage) -> None:
        key, size = storage._cdata, storage.nbytes()
        if key in self._known:
            return
        self._known.add(key)
        self.now += size
        self.peak = max(self.peak, self.now)
        weakref.finalize(storage, self._forget, key, size)

    def _forget(self, key: int, size: int) -> None:
        self._known.discard(key)
        self.now -= size


def free_memory() -> int:
    """Bytes that this machine, or the container's limit, still has."""
    free = psutil.virtual_memory().available
    group = Path("/sys/fs/cgroup")
    with_limit = [
        ("memory.max", "memory.current"),
        ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes"),
    ]
    for limit, used in with_limit:
        if (group / limit).exists() and (text := (group / limit).read_text().strip()).isdecimal():
            free = min(free, max(0, int(text) - int((group / used).read_text())))
    return free
