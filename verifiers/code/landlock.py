"""File rules without root: Landlock (Linux ≥ 5.13), https://docs.kernel.org/userspace-api/landlock.html.

The program may read the interpreter's folders and a few devices, and write only in its scratch folder. Landlock does
not cover chmod, chown, utime, sockets by path and, below ABI 3, truncate: seccomp denies those.
"""

from __future__ import annotations

import ctypes
import os
import stat
from collections.abc import Iterable

from verifiers.code.libc import syscall

EXECUTE, WRITE_FILE, READ_FILE, READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3
REMOVE_DIR, REMOVE_FILE, MAKE_DIR, MAKE_REG, MAKE_SYM = 1 << 4, 1 << 5, 1 << 7, 1 << 8, 1 << 12
REFER, TRUNCATE = 1 << 13, 1 << 14
_HANDLED_BY_ABI = {
    1: (1 << 13) - 1,
    2: (1 << 14) - 1,
    3: (1 << 15) - 1,
    4: (1 << 15) - 1,
}  # from 5: ioctl too
_ON_FILES = EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE
READ = READ_FILE | READ_DIR
WRITE = READ | WRITE_FILE | REMOVE_DIR | REMOVE_FILE | MAKE_DIR | MAKE_REG | MAKE_SYM | REFER | TRUNCATE


class _RulesetAttr(ctypes.Structure):
    _fields_ = (("fs", ctypes.c_uint64), ("net", ctypes.c_uint64), ("scoped", ctypes.c_uint64))


class _PathBeneath(ctypes.Structure):
    _pack_ = 1
    _layout_ = "ms"
    _fields_ = (("access", ctypes.c_uint64), ("fd", ctypes.c_int32))


def abi() -> int:
    """The kernel's Landlock version. Raises OSError if the kernel has no Landlock or it is disabled."""
    return syscall("landlock_create_ruleset", 0, 0, 1)


def ruleset(readable: Iterable[str], writable: Iterable[str]) -> int:
    """A ruleset descriptor; build it once, enforce it in many children. Raises OSError."""
    version = abi()
    handled = _HANDLED_BY_ABI.get(version, (1 << 16) - 1)
    attr = _RulesetAttr(
        handled, 3 if version >= 4 else 0, 3 if version >= 6 else 0
    )  # TCP; signals, abstract sockets
    size = 24 if version >= 6 else 16 if version >= 4 else 8
    fd = syscall("landlock_create_ruleset", ctypes.byref(attr), size, 0)
    for path in readable:
        _allow(fd, path, READ & handled)
    for path in writable:
        _allow(fd, path, WRITE & handled)
    return fd


def _allow(fd: int, path: str, access: int) -> None:
    try:
        target = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except (FileNotFoundError, PermissionError):  # nothing there to allow
        return
    try:
        if not stat.S_ISDIR(os.fstat(target).st_mode):
            access &= _ON_FILES
        syscall("landlock_add_rule", fd, 1, ctypes.byref(_PathBeneath(access, target)), 0)
    finally:
        os.close(target)


def enforce(fd: int) -> None:
    """Restrict this process by the ruleset, irrevocably. Needs no_new_privs. Raises OSError."""
    syscall("landlock_restrict_self", fd, 0)
