"""What this machine's sandbox can do, found by trying, and attacks of our own that it must withstand.

strong: namespaces and seccomp. standard: Landlock and seccomp, no root needed. weak: anything else.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import secrets
import signal
import socket
import stat
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

Level = Literal["strong", "standard", "weak"]
LEVELS: tuple[Level, ...] = ("weak", "standard", "strong")
NEEDS: dict[Level, frozenset[str]] = {
    "strong": frozenset({"namespaces", "seccomp"}),
    "standard": frozenset({"landlock", "seccomp"}),
    "weak": frozenset(),
}


@dataclass(frozen=True)
class Layer:
    """One layer of isolation, as tried in a throw-away process."""

    name: str
    state: Literal["on", "off", "failed"]
    """off: this system does not offer it. failed: it does, and it did not hold."""
    reason: str = ""


def probe() -> list[Layer]:
    """Try every layer in a throw-away process; about a tenth of a second, once per process."""
    return list(_probe())


@functools.cache
def _probe() -> tuple[Layer, ...]:
    from .launcher import interpreter

    done = subprocess.run(
        interpreter("probing"),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        env={},
        timeout=60,
        check=False,
    )
    try:
        return tuple(Layer(*entry) for entry in json.loads(done.stdout))
    except ValueError:
        reason = done.stderr.decode(errors="replace").strip().split("\n")[-1]
        return (Layer("zygote", "failed", reason or f"exit status {done.returncode}"),)


def level(layers: Sequence[Layer] | None = None) -> Level:
    """The strongest level that the layers allow."""
    on = {layer.name for layer in (probe() if layers is None else layers) if layer.state == "on"}
    return next(name for name in reversed(LEVELS) if NEEDS[name] <= on)


def layers_for(wanted: Level | Literal["auto"]) -> frozenset[str]:
    """The layers to switch on: all that hold for "auto"; for a level, those that it is made of, and Landlock.

    A level above the machine's own fails when its zygote starts.
    """
    on = {layer.name for layer in probe() if layer.state == "on"}
    if wanted == "auto":
        return (NEEDS["strong"] | NEEDS["standard"]) & on
    return NEEDS[wanted] | ({"landlock"} & on if wanted != "weak" else set())


@dataclass(frozen=True)
class Attack:
    """One attack of our own and what came of it."""

    name: str
    held: bool
    reason: str = ""
    """What happened that must not; empty when the sandbox held."""


def self_attack(wanted: Level | Literal["auto"] = "auto") -> list[Attack]:
    """Run the programs of `attacks` at a level, by default this machine's, and look for what they did. Seconds."""
    from ..types import Problem
    from .attacks import PROGRAMS
    from .verifier import CodeVerifier

    verifier = CodeVerifier(level=wanted, allow_weak=True)
    results = []
    try:
        for name, program in PROGRAMS.items():
            with _canaries() as canaries:
                reference = {
                    "entry": "answer",
                    "tests": [{"expected": canaries.secret}],
                    "time_limit": 2,
                    "memory_mb": 256,
                }
                verdict = verifier.verify(Problem(name, "", reference), "", canaries.fill(program))
                damage = canaries.damage()
            if verdict.score != 0.0:
                damage.insert(0, f"scored {verdict.score}: {verdict.detail}")
            results.append(Attack(name, not damage, "; ".join(damage)))
    finally:
        verifier.close()
    return results


@contextlib.contextmanager
def _canaries() -> Iterator[_Canaries]:
    with tempfile.TemporaryDirectory(prefix="rlvr-canary-") as folder, contextlib.ExitStack() as stack:
        yield _Canaries(folder, stack)


class _Canaries:
    """A secret, a folder, listeners and a process that no program may reach."""

    def __init__(self, folder: str, stack: contextlib.ExitStack) -> None:
        self.secret = "rlvr-secret" + secrets.token_hex(8)
        self.folder = Path(folder, "open")
        self.folder.mkdir()
        self.folder.chmod(0o777)
        self.file = Path(folder, "secret")
        self.file.write_text(self.secret)
        self.name = f"rlvr-{secrets.token_hex(8)}"  # its first 15 characters are a process name
        self.listeners = [
            stack.enter_context(socket.socket(*kind))
            for kind in (
                (socket.AF_INET, socket.SOCK_STREAM),
                (socket.AF_UNIX, socket.SOCK_STREAM),
                (socket.AF_UNIX, socket.SOCK_DGRAM),
            )
        ]
        places: list[Any] = [("127.0.0.1", 0), str(self.folder.parent / "s"), str(self.folder.parent / "d")]
        if os.uname().sysname == "Linux":
            places[1:] = ["\0" + self.name, "\0" + self.name + "-d"]
        for listener, place in zip(self.listeners, places, strict=True):
            listener.bind(place)
            listener.setblocking(False)
        for listener in self.listeners[:2]:
            listener.listen()
        environment = {"RLVR_CANARY": self.secret}
        self.process = subprocess.Popen(
            ["sleep", "60"], stdin=-3, stdout=-3, env=environment, start_new_session=True
        )
        stack.callback(self.process.wait)
        stack.callback(self.process.kill)

    def fill(self, program: str) -> str:
        """The program with the names of what it attacks."""
        return program.format(
            file=str(self.file),
            folder=str(self.folder),
            port=self.listeners[0].getsockname()[1],
            name=self.name,
            pid=self.process.pid,
        )

    def damage(self) -> list[str]:
        """What the program did that it must not, in words."""
        found = []
        if list(self.folder.iterdir()) or stat.S_IMODE(self.folder.stat().st_mode) != 0o777:
            found.append("the folder was changed")
        if self.process.poll() is not None:
            found.append("another process was killed")
        elif os.getpriority(os.PRIO_PROCESS, self.process.pid) != os.getpriority(os.PRIO_PROCESS, 0):
            found.append("another process was reniced")
        for comm in Path("/proc").glob("[0-9]*/comm"):
            with contextlib.suppress(OSError):  # most have ended since
                if comm.read_text().strip() == self.name[:15]:
                    found.append("a process was left behind")
                    os.kill(int(comm.parent.name), signal.SIGKILL)
        for listener in self.listeners:
            with contextlib.suppress(BlockingIOError):
                listener.accept() if listener.type == socket.SOCK_STREAM else listener.recv(1)
                found.append("a socket was reached")
        return found
