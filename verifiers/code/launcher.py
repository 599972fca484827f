"""The judge's handle on a zygote: start the process, wait until its layers stand, end it."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

START_SECONDS = 20.0  # for a zygote to stand, and for it to fork; past it the sandbox has failed
END_SECONDS = 10.0  # for a killed process to be gone
# The two packages are stand-ins without their `__init__.py`, so that a sandbox process imports this folder's modules by
# their own names and nothing else of `verifiers`.
_BOOT = (
    "import sys, types; folder, module = sys.argv.pop(1), sys.argv.pop(1)\n"
    "for name, path in (('verifiers', []), ('verifiers.code', [folder])):\n"
    "    sys.modules[name] = types.ModuleType(name); sys.modules[name].__path__ = path\n"
    "import importlib; importlib.import_module('verifiers.code.' + module).main()"
)


def interpreter(module: str) -> list[str]:
    """The command line of a fresh, bare interpreter that runs `main()` of a module of this folder."""
    executable = getattr(sys, "_base_executable", "") or sys.executable
    return [executable, "-s", "-S", "-P", "-B", "-X", "utf8", "-c", _BOOT, str(Path(__file__).parent), module]


class SandboxError(Exception):
    """The sandbox failed, through no fault of the program: no verdict can be given."""


class Zygote:
    """A running zygote; one program at a time."""

    def __init__(self, layers: frozenset[str]) -> None:
        self.scratch = tempfile.mkdtemp(prefix="rlvr-sandbox-")
        self.control, theirs = socket.socketpair()
        self.process = subprocess.Popen(
            [*interpreter("zygote"), str(theirs.fileno()), ",".join(sorted(layers)), self.scratch],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={
                "PYTHONHASHSEED": "0",
                "LC_ALL": "C.UTF-8",
            },  # fixed hashes: the same program, the same verdict
            pass_fds=[theirs.fileno()],
            start_new_session=True,
            cwd="/",
        )
        theirs.close()
        try:
            self._await_ready()
        except SandboxError:
            self.close()
            raise
        if "namespaces" in layers:  # it was the place where the tree was built; nothing is there now
            Path(self.scratch).rmdir()

    def _await_ready(self) -> None:
        self.control.settimeout(START_SECONDS)
        text = b""
        try:
            while not text.endswith(b"\n"):
                chunk = self.control.recv(4096)
                if not chunk:
                    raise SandboxError("the zygote ended before it stood")
                text += chunk
        except OSError as error:
            raise SandboxError(f"the zygote did not start within {START_SECONDS:.0f} s: {error}") from None
        if text != b"ready\n":
            raise SandboxError(
                f"the zygote could not set up its layers: {text.decode(errors='replace').strip()}"
            )

    def starved(self) -> float:
        """Seconds that its program was ready to run and got no CPU; 0.0 where the system does not say.

        The kernel's own count, of the program's first thread: https://docs.kernel.org/scheduler/sched-stats.html.
        """
        pid = str(self.process.pid)
        try:
            while children := Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
                pid = children[-1]
            return int(Path(f"/proc/{pid}/schedstat").read_text().split()[1]) / 1e9
        except (OSError, IndexError):  # no such files here, or it has just ended
            return 0.0

    def close(self) -> None:
        """End it and whatever it runs, and remove its folder."""
        self.control.close()
        try:
            self.process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        shutil.rmtree(self.scratch, ignore_errors=True)

    def forget(self) -> None:
        """After a fork, in the child: it is the parent's; only let go of the descriptor."""
        self.control.close()
        self.process.returncode = 0  # so that Popen does not wait for a process that is not ours
