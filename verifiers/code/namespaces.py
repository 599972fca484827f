"""The level `strong`: namespaces with a file tree of their own, for root or where user namespaces are allowed.

The zygote enters user, mount, network, IPC, UTS and PID namespaces once and sets up a read-only tree with one tmpfs of
limited size. It is process 1 of its PID namespace: the init that adopts and reaps what a program leaves, and that no
program can signal. Programs run below it one after the other; before the next one starts, all other processes of the
namespace are ended.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
from collections.abc import Iterable, Mapping
from pathlib import Path

from verifiers.code.libc import (
    LIBC,
    PR_SET_DUMPABLE,
    PR_SET_PDEATHSIG,
    checked,
    fork_patiently,
    prctl,
    syscall,
)

NEWNS, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET = (
    0x20000,
    0x4000000,
    0x8000000,
    0x10000000,
    0x20000000,
    0x40000000,
)
_RDONLY, _NOSUID, _NODEV, _BIND, _REC, _PRIVATE, _DETACH = 1, 2, 4, 4096, 16384, 1 << 18, 2
_AT_RECURSIVE = 0x8000
_DESCRIPTORS = 1024
SCRATCH = "/tmp"
PACKAGES = "/packages"
STDIN = "/tmp/.stdin"  # the target of /dev/stdin, because there is no /proc
SCRATCH_BYTES, SCRATCH_FILES = 64 << 20, 4096
OWN_UID = 61000  # not `nobody`, who may own files


def enter() -> bool:
    """Continue in a child in new namespaces, as their init; this process waits for it and ends with its exit status.

    Returns True if this user may change to OWN_UID, False inside a user namespace. Raises OSError if neither root nor
    user namespaces allow it.
    """
    may_drop = _unshare()
    if (pid := fork_patiently()) != 0:
        os.closerange(0, _DESCRIPTORS)  # so that the end of a pipe is seen when the child closes it
        os._exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) & 0xFF)
    checked(LIBC.sethostname(b"sandbox", 7), "sethostname")  # not the machine's own
    prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    prctl(PR_SET_DUMPABLE, 0)  # a program may have the same uid
    return may_drop


def _unshare() -> bool:
    spaces = NEWNS | NEWNET | NEWIPC | NEWUTS | NEWPID
    if os.geteuid() == 0 and LIBC.unshare(spaces) == 0:
        return True
    uid, gid = os.geteuid(), os.getegid()
    checked(LIBC.unshare(spaces | NEWUSER), "unshare")
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"{OWN_UID} {uid} 1")
    Path("/proc/self/gid_map").write_text(f"{OWN_UID} {gid} 1")
    return False


def end_everybody_else() -> None:
    """As init: kill and reap all other processes of the namespace. A fork cannot escape: the kernel holds its list."""
    try:
        os.kill(-1, signal.SIGKILL)
    except ProcessLookupError:  # none, as is usual: seccomp refuses fork
        return
    with contextlib.suppress(ChildProcessError):
        while True:
            os.wait()


def number_outside(pidfd: int, proc: int) -> int:
    """The process id of `pidfd` in the /proc that is open at `proc`. Raises OSError."""
    fd = os.open(f"self/fdinfo/{pidfd}", os.O_RDONLY, dir_fd=proc)
    try:
        return int(os.read(fd, 1000).split(b"Pid:")[1].split()[0])
    finally:
        os.close(fd)


def build_tree(root: str, readable: Iterable[str], packages: Mapping[str, str]) -> None:
    """Make `root` (an empty folder) the new /: `readable` and `packages` read-only, SCRATCH writable. Raises OSError.

    Packages (name → path) are shown by their names below PACKAGES, wherever they lie.
    """
    _mount(None, "/", None, _REC | _PRIVATE)
    _mount("tmpfs", root, "tmpfs", _NOSUID | _NODEV, "size=1m,mode=755")
    for path in readable:
        _show(path, root)
    os.mkdir(root + PACKAGES, 0o755)
    for name, path in packages.items():
        _bind(path, f"{root}{PACKAGES}/{name}")
    inside = root + SCRATCH
    os.makedirs(inside, exist_ok=True)
    os.symlink(STDIN, root + "/dev/stdin")
    os.symlink("null", root + "/dev/stderr")
    attributes = (ctypes.c_uint64 * 4)(_RDONLY | _NOSUID, 0, 0, 0)
    syscall("mount_setattr", -100, root.encode(), _AT_RECURSIVE, ctypes.byref(attributes), 32)
    fresh_scratch(inside)
    os.chdir(root)
    syscall("pivot_root", b".", b".")
    checked(LIBC.umount2(b".", _DETACH), "umount the old tree")
    os.chdir(SCRATCH)


def _show(path: str, root: str) -> None:
    """Bind `path` at the same place under `root`, and recreate the symbolic links on the way."""
    at = "/"
    for part in Path(path).parts[1:]:
        source, target = os.path.join(at, part), os.path.join(root + at, part)
        if os.path.islink(source):
            if not os.path.lexists(target):
                os.symlink(os.readlink(source), target)
            rest = os.path.relpath(path, source)
            _show(os.path.normpath(os.path.join(os.path.realpath(source), rest)), root)
            return
        at = source
        if at != path and not os.path.isdir(target):
            os.mkdir(target, 0o755)
    if not os.path.exists(path):
        return
    _bind(path, root + path)


def _bind(path: str, target: str) -> None:
    if os.path.isdir(path):
        os.makedirs(target, exist_ok=True)
    elif not os.path.lexists(target):
        Path(target).touch()
    _mount(path, target, None, _BIND | _REC)


def fresh_scratch(path: str = SCRATCH) -> None:
    """Mount an empty tmpfs of limited size at `path`. Raises OSError."""
    options = f"size={SCRATCH_BYTES},nr_inodes={SCRATCH_FILES},mode=700,uid={OWN_UID},gid={OWN_UID}"
    _mount("tmpfs", path, "tmpfs", _NOSUID | _NODEV, options)


def offer_stdin(fd: int) -> None:
    """Copy the file at `fd` to the target of /dev/stdin; its offset does not change. Raises OSError.

    One that would fill half of the scratch folder is not copied: it can be read from the descriptor alone.
    """
    if os.fstat(fd).st_size > SCRATCH_BYTES // 2:
        return
    copy = os.open(STDIN, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o444)
    os.fchmod(copy, 0o444)
    size, at = os.fstat(fd).st_size, 0
    while at < size:
        at += os.sendfile(copy, fd, at, size - at)
    os.close(copy)


def renew_scratch() -> None:
    """Replace the scratch folder of the last program by an empty one. Raises OSError."""
    os.chdir("/")
    checked(LIBC.umount2(SCRATCH.encode(), _DETACH), "umount the scratch folder")
    fresh_scratch()
    os.chdir(SCRATCH)


def _mount(source: str | None, target: str, kind: str | None, flags: int, options: str | None = None) -> None:
    encoded = [None if x is None else x.encode() for x in (source, target, kind, options)]
    source_, target_, kind_, options_ = encoded
    checked(LIBC.mount(source_, target_, kind_, ctypes.c_ulong(flags), options_), f"mount {target}")
