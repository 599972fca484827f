"""Memory that an update frees stays with the process for the next layer and the next step."""

from __future__ import annotations

import ctypes
import sys

_TRIM_THRESHOLD, _MMAP_MAX = -1, -4  # <malloc.h>


def keep_freed_memory() -> None:
    """Have glibc keep freed memory. By default it gives a large tensor's pages back to the kernel and asks for new ones
    in the next layer, each of which the kernel clears, hundreds of thousands in an update. The peak hardly changes.

    Other C libraries (macOS, musl) know no such setting and are left as they are.
    """
    if sys.platform != "linux":
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_MMAP_MAX, 0)  # large blocks from the heap as well
        mallopt(_TRIM_THRESHOLD, -1)  # never shrink it
