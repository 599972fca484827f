"""What this machine's sandbox can do, found by trying, and attacks of our own that it must withstand.

strong: namespaces and seccomp. standard: Landlock and seccomp, no root needed. weak: anything else.
"""

from __future__ import annotations

import functools
import json
import subprocess
from dataclasses import dataclass
from typing import Literal

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


@functools.cache
def probe() -> tuple[Layer, ...]:
    """Try every layer in a throw-away process; about a tenth of a second, once per process."""
    from .runner import interpreter

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


def level(layers: tuple[Layer, ...] | None = None) -> Level:
    """The strongest level that the layers allow."""
    on = {layer.name for layer in (probe() if layers is None else layers) if layer.state == "on"}
    return next(name for name in reversed(LEVELS) if NEEDS[name] <= on)


def layers_for(wanted: Level) -> frozenset[str]:
    """The layers to switch on for a level; a level above the machine's own fails when its zygote starts."""
    if wanted == "weak":
        return frozenset()
    on = {layer.name for layer in probe() if layer.state == "on"}
    extra = {"landlock"} & on
    return NEEDS[wanted] | extra
