"""What the sandbox can do on this machine, found by trying every layer.

Levels: `strong` (namespaces and seccomp), `standard` (Landlock and seccomp, without root), `weak` (anything less).
"""

from __future__ import annotations

import functools
import json
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from verifiers.code.launcher import interpreter

Level = Literal["strong", "standard", "weak"]
LEVELS: tuple[Level, ...] = ("weak", "standard", "strong")
NEEDS: dict[Level, frozenset[str]] = {
    "strong": frozenset({"namespaces", "seccomp"}),
    "standard": frozenset({"landlock", "seccomp"}),
    "weak": frozenset(),
}


@dataclass(frozen=True)
class Layer:
    """One layer of isolation, and the result of trying it in a process of its own."""

    name: str
    state: Literal["on", "off", "failed"]
    """off: this system does not have it. failed: it does, but an attempt got through."""
    reason: str = ""


def probe() -> list[Layer]:
    """Try every layer in a process of its own. Takes about 0.1 s, once per process."""
    return list(_probe())


@functools.cache
def _probe() -> tuple[Layer, ...]:
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
    """The strongest level that the layers allow; by default those of this machine."""
    on = {layer.name for layer in (probe() if layers is None else layers) if layer.state == "on"}
    return next(name for name in reversed(LEVELS) if NEEDS[name] <= on)


def layers_for(wanted: Level | Literal["auto"]) -> frozenset[str]:
    """The layers to enable: for "auto" all that work, for a level those that it consists of, and Landlock.

    A level that this machine does not have fails when its zygote starts.
    """
    on = {layer.name for layer in probe() if layer.state == "on"}
    if wanted == "auto":
        return (NEEDS["strong"] | NEEDS["standard"]) & on
    return NEEDS[wanted] | ({"landlock"} & on if wanted != "weak" else set())
