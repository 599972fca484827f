"""System calls that Python 3.11 does not offer, through ctypes, and a patient fork. Can be imported on any system."""

from __future__ import annotations

import ctypes
import os
import platform
import time

MACHINE = platform.machine()
LIBC = ctypes.CDLL(None, use_errno=True)

FORK_SECONDS = 10.0  # how long a machine that is out of processes is waited for
PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP = 1, 4, 38, 22

# number of the system call on x86-64 and on aarch64
_NUMBERS = {
    "pivot_root": (155, 41),
    "capset": (126, 91),
    "mount_setattr": (442, 442),
    "landlock_create_ruleset": (444, 444),
    "landlock_add_rule": (445, 445),
    "landlock_restrict_self": (446, 446),
}


def syscall(name: str, *args: object) -> int:
    """Make a system call by name. Raises OSError with its errno, or ENOSYS on an unknown machine."""
    column = {"x86_64": 0, "aarch64": 1}.get(MACHINE)
    if column is None:
        raise OSError(38, f"no system call table for {MACHINE}", name)
    words = [ctypes.c_long(a) if isinstance(a, int) else a for a in args]
    return checked(LIBC.syscall(ctypes.c_long(_NUMBERS[name][column]), *words), name)


def prctl(option: int, value: int = 0, pointer: object = None) -> None:
    """prctl(option, value, pointer, 0, 0). Raises OSError."""
    checked(LIBC.prctl(option, ctypes.c_ulong(value), pointer, 0, 0), f"prctl({option})")


def checked(result: int, what: str) -> int:
    """Return `result`; raise OSError if it is -1."""
    if result == -1:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code), what)
    return result


def drop_capabilities() -> None:
    """Empty the effective, permitted and inheritable sets; allowed for any user. Raises OSError."""
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)
    syscall("capset", ctypes.byref(header), ctypes.byref((ctypes.c_uint32 * 6)()))


def fork_patiently() -> int:
    """os.fork(), tried again while the user or the machine has too many processes. Raises BlockingIOError in the end.

    A program beside this one may hold every thread that there is; it is ended for it within a tenth of a second.
    """
    until = time.monotonic() + FORK_SECONDS
    while True:
        try:
            return os.fork()
        except BlockingIOError:
            if time.monotonic() > until:
                raise
            time.sleep(0.05)
