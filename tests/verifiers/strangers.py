"""A user without rights, what such a user may run of this checkout, and with which interpreter."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import pytest

UID = 61234  # owns nothing anywhere; not `nobody`, who may
REPO = Path(__file__).resolve().parents[2]
AS_STRANGER: dict[str, Any] = {"user": UID, "group": UID, "extra_groups": []}


@cache
def python() -> str | None:
    """An interpreter that the stranger may start; None where there is none, or this is such a user already."""
    if os.geteuid() != 0:
        return None
    for candidate in (sys.executable, "/usr/bin/python3"):
        command = [candidate, "-c", "import sys; sys.exit(sys.version_info < (3, 11))"]
        try:
            if subprocess.run(command, cwd="/", **AS_STRANGER).returncode == 0:
                return candidate
        except OSError:
            continue
    return None


def needed_python() -> str:
    """The interpreter of `python`; a test for which there is none is skipped."""
    found = python()
    if found is None:
        pytest.skip("runs as such a user already, or has no interpreter for one")
    return found


@contextmanager
def checkout() -> Iterator[Path]:
    """A folder with the verifiers and their tests that everybody may read, wherever this checkout lies."""
    with tempfile.TemporaryDirectory(prefix="rlvr-checkout-") as name:
        folder = Path(name)
        for part in ("verifiers", "tests/verifiers"):
            shutil.copytree(REPO / part, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
        for path in (folder, *folder.rglob("*")):
            path.chmod(0o755 if path.is_dir() else 0o644)
        yield folder


def run(command: list[str], **options: Any) -> subprocess.CompletedProcess[str]:
    """Run `command` as the stranger, who has no home."""
    environment = {"HOME": "/", **options.pop("env", {})}
    return subprocess.run(
        command, env=environment, capture_output=True, text=True, **{"cwd": "/", **options}, **AS_STRANGER
    )
