"""Try every layer, each in a child of its own, and print the results as JSON. Run by `sandbox.probe`."""

from __future__ import annotations

import errno
import json
import os
import resource
import signal
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from verifiers.code import landlock, libc, namespaces, seccomp
from verifiers.code.zygote import LINUX, readable_paths, usage

_ABSENT = {
    errno.ENOSYS,
    errno.EPERM,
    errno.EACCES,
    errno.EOPNOTSUPP,
    errno.EINVAL,
    errno.ENOSPC,
    errno.EUSERS,
}


class DidNotHoldError(Exception):
    """The layer could be enabled and did not stop what it must stop."""


def _refused(act: Callable[[], object], what: str) -> None:
    try:
        act()
    except OSError:
        return
    raise DidNotHoldError(what)


def try_namespaces(folder: str) -> None:
    root = os.path.join(folder, "root")
    Path(root).mkdir()
    secret = Path(folder, "secret")
    secret.write_text("x")
    proc = os.open("/proc", os.O_RDONLY)
    namespaces.enter()
    if os.getpid() != 1:
        raise DidNotHoldError("the PID namespace has another init")
    namespaces.build_tree(root, readable_paths(), {})
    _refused(secret.read_text, "a file outside the tree could be read")
    _refused(lambda: Path("/usr/lib/rlvr-probe").touch(), "the tree could be written")
    pid = os.fork()
    if pid == 0:
        if os.fork() == 0:
            os.setsid()
        while True:
            signal.pause()
    pidfd = os.pidfd_open(pid)
    if usage(namespaces.number_outside(pidfd, proc), proc)[1] == 0:
        raise DidNotHoldError("the memory of a program cannot be seen")
    namespaces.end_everybody_else()
    _refused(lambda: os.kill(-1, 0), "a process survived when its namespace was cleared")
    Path("/tmp/x").write_text("x")
    namespaces.renew_scratch()
    if os.listdir("/tmp"):
        raise DidNotHoldError("a file was left in the scratch folder")


def try_landlock(folder: str) -> None:
    scratch, secret = Path(folder, "scratch"), Path(folder, "secret")
    scratch.mkdir()
    secret.write_text("x")
    rules = landlock.ruleset(readable_paths(), [str(scratch)])
    libc.prctl(libc.PR_SET_NO_NEW_PRIVS, 1)
    landlock.enforce(rules)
    (scratch / "own").write_text("x")
    _refused(secret.read_text, "a file outside could be read")
    _refused(lambda: Path(folder, "new").touch(), "a file outside could be created")


def try_seccomp(folder: str) -> None:
    import socket

    rules = seccomp.Filter()
    libc.prctl(libc.PR_SET_NO_NEW_PRIVS, 1)
    rules.enforce()
    _refused(os.fork, "fork was allowed")
    _refused(socket.socket, "a socket could be opened")
    os.chmod(folder, 0o777)  # seems to succeed
    if os.stat(folder).st_mode & 0o777 != 0o700:
        raise DidNotHoldError("chmod was allowed")
    _refused(lambda: os.kill(os.getppid(), 0), "another process could be signalled")
    os.kill(os.getpid(), 0)


def try_limits(folder: str) -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    _refused(lambda: Path(folder, "big").write_bytes(b"x" * 8192), "RLIMIT_FSIZE does not hold")
    resource.setrlimit(resource.RLIMIT_AS, (256 << 20, 256 << 20))
    try:
        bytearray(512 << 20)
    except MemoryError:
        return
    raise DidNotHoldError("RLIMIT_AS does not hold")


def try_parent_death(folder: str) -> None:
    libc.prctl(libc.PR_SET_PDEATHSIG, signal.SIGKILL)


def in_child(attempt: Callable[[str], None]) -> tuple[str, str]:
    """(state, reason) of an attempt in a fork of this process."""
    reader, writer = os.pipe()
    with tempfile.TemporaryDirectory(prefix="rlvr-probe-") as folder:
        pid = os.fork()
        if pid == 0:
            try:
                attempt(folder)
                answer = ("on", "")
            except OSError as error:
                what = f"{error.strerror} ({errno.errorcode.get(error.errno or 0, error.errno)}) in {error.filename}"
                answer = ("off" if error.errno in _ABSENT else "failed", what)
            except BaseException as error:
                answer = ("failed", f"{type(error).__name__}: {error}")
            os.write(writer, json.dumps(answer).encode())
            os._exit(0)
        os.close(writer)
        text = b""
        while chunk := os.read(reader, 4096):
            text += chunk
        os.close(reader)
        status = os.waitpid(pid, 0)[1]
    if not text:
        return "failed", f"the probe died with wait status {status}"
    state, reason = json.loads(text)
    return state, reason


def main() -> None:
    attempts = {
        "namespaces": try_namespaces,
        "landlock": try_landlock,
        "seccomp": try_seccomp,
        "parent death": try_parent_death,
        "limits": try_limits,
    }
    layers = []
    for name, attempt in attempts.items():
        if not LINUX and name != "limits":
            state, reason = "off", f"Linux only; this is {sys.platform}"
        else:
            state, reason = in_child(attempt)
        if name == "landlock" and state == "on":
            reason = f"ABI {landlock.abi()}"
        if name == "namespaces" and state == "on":
            reason = "as root" if os.geteuid() == 0 else "user namespaces"
        layers.append((name, state, reason))
    json.dump(layers, sys.stdout)
