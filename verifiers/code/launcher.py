"""The verifier's handle on a zygote: start the process, wait until its layers are set up, end it."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

START_SECONDS = 20.0  # for a zygote to be ready, and for it to fork; past it the sandbox has failed
END_SECONDS = 10.0  # for a killed process to end
# Both packages are created without their `__init__.py`, so that a sandbox process imports modules of this folder under
# their usual names, and nothing else of `verifiers`.
_BOOT = (
    "import sys, types; folder, module = sys.argv.pop(1), sys.argv.pop(1)\n"
    "for name, path in (('verifiers', []), ('verifiers.code', [folder])):\n"
    "    sys.modules[name] = types.ModuleType(name); sys.modules[name].__path__ = path\n"
    "import importlib; importlib.import_module('verifiers.code.' + module).main()"
)


def interpreter(module: str) -> list[str]:
    """The command line of a fresh, bare interpreter that runs `main()` of a module in this folder."""
    executable = getattr(sys, "_base_executable", "") or sys.executable
    return [executable, "-s", "-S", "-P", "-B", "-X", "utf8", "-c", _BOOT, str(Path(__file__).parent), module]


class SandboxError(Exception):
    """The sandbox failed, which is not the program's fault: there is no verdict."""


class Zygote:
    """A running zygote; one program at a time."""

    def __init__(self, layers: frozenset[str], packages: Mapping[str, str] | None = None) -> None:
        """`packages`: what programs may import beside the standard library, as `packages.locate` gives it."""
        self.scratch = tempfile.mkdtemp(prefix="rlvr-sandbox-")
        self.control, zygote_end = socket.socketpair()
        command = [*interpreter("zygote"), str(zygote_end.fileno()), ",".join(sorted(layers)), self.scratch]
        command += [f"{name}={path}" for name, path in (packages or {}).items()]
        try:
            self.process = _start_patiently(command, zygote_end.fileno())
        except OSError as error:
            self.control.close()
            Path(self.scratch).rmdir()
            raise SandboxError(f"no process can be started: {error}") from None
        finally:
            zygote_end.close()
        try:
            self._await_ready()
        except SandboxError:
            self.close()
            raise
        if "namespaces" in layers:  # the mount point of the tree; empty in this namespace
            Path(self.scratch).rmdir()

    def _await_ready(self) -> None:
        self.control.settimeout(START_SECONDS)
        text = b""
        try:
            while not text.endswith(b"\n"):
                chunk = self.control.recv(4096)
                if not chunk:
                    raise SandboxError("the zygote ended before it was ready")
                text += chunk
        except OSError as error:
            raise SandboxError(f"the zygote did not start within {START_SECONDS:.0f} s: {error}") from None
        if text != b"ready\n":
            raise SandboxError(
                f"the zygote could not set up its layers: {text.decode(errors='replace').strip()}"
            )

    def starved(self) -> float:
        """Seconds in which its program was ready to run and got no CPU; 0.0 if the system does not report it.

        The kernel's own count, of the program's first thread: https://docs.kernel.org/scheduler/sched-stats.html.
        """
        pid = str(self.process.pid)
        try:
            while children := Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
                pid = children[-1]
            return int(Path(f"/proc/{pid}/schedstat").read_text().split()[1]) / 1e9
        except (OSError, IndexError):  # this system has no such files, or the process has just ended
            return 0.0

    def close(self) -> None:
        """End it and the program that it runs, and remove its folder."""
        self.control.close()
        try:
            self.process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        shutil.rmtree(self.scratch, ignore_errors=True)

    def forget(self) -> None:
        """In a forked child: close the descriptor and leave the zygote to the parent."""
        self.control.close()
        self.process.returncode = 0  # so that Popen does not wait for it: it is not a child of this process


def _start_patiently(command: list[str], passed: int) -> subprocess.Popen:
    """Start a zygote; try again while there are too many processes. Raises OSError.

    A program beside it may hold every thread that this user is allowed, until its own zygote ends it.
    """
    until = time.monotonic() + START_SECONDS
    while True:
        try:
            return subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env={"PYTHONHASHSEED": "0", "LC_ALL": "C.UTF-8"},  # fixed hashes: same program, same verdict
                pass_fds=[passed],
                start_new_session=True,
                cwd="/",
            )
        except BlockingIOError:
            if time.monotonic() > until:
                raise
            time.sleep(0.1)
