"""A verifier that does whatever the answer tells it to: the worst that text can make a verifier do."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import time
from pathlib import Path

from verifiers import Problem, Verdict


class Naughty:
    name = "naughty"
    answer_format = "text"

    def __init__(self, log: str | None = None) -> None:
        self.log = log
        self.leaked: list[bytearray] = []

    def warm_up(self) -> None:
        self._note("warm")

    def verify(self, problem: Problem, trace: str, answer: str | None) -> Verdict:
        what, _, argument = (answer or "").partition(" ")
        if what == "hang":
            while True:  # holds the GIL in C, so that nothing in the process can end it
                sum(range(10**9))
        elif what == "sleep":
            time.sleep(float(argument))
        elif what == "segfault":
            ctypes.string_at(0)
        elif what == "killed":  # as by the kernel where the machine's memory is spent
            os.kill(os.getpid(), signal.SIGKILL)
        elif what == "leak":
            self.leaked.append(bytearray(int(argument.split()[0]) * 2**20))
        elif what == "exit":
            os._exit(7)
        elif what == "once":  # dies the first time only, as a worn-out worker would
            if not Path(argument).exists():
                Path(argument).touch()
                os._exit(9)
        elif what == "memory":
            return Verdict(1.0, "correct", str(len(bytearray(10**11))))
        elif what == "unjudged":
            return Verdict(None, "unverifiable", answer, argument)
        elif what == "partly":
            return Verdict(float(argument), "incorrect", answer)
        elif what == "raise":
            raise KeyError(argument)
        elif what == "print":
            print("not a verdict" * 1000, flush=True)
            sys.stdout.buffer.write(b"\0\0\0\1x")
            sys.stdout.flush()
        elif what == "garble":
            os.write(int(sys.argv[2]), b"\0\0\0\1x")  # the socket to the parent
        elif what == "pid":
            return Verdict(1.0, "correct", str(os.getpid()))
        elif what == "modules":
            return Verdict(1.0, "correct", " ".join(sorted(sys.modules)))
        elif what == "fails":  # the first time only, as a sandbox would that has no room for a moment
            if not Path(argument).exists():
                Path(argument).touch()
                return Verdict(None, "error", answer)
        elif what == "nonsense":
            return 7.5  # type: ignore[return-value]
        right = answer == problem.reference
        return Verdict(float(right), "correct" if right else "incorrect", answer)

    def close(self) -> None:
        self._note("close")

    def _note(self, word: str) -> None:
        if self.log is not None:
            with Path(self.log).open("a") as log:
                log.write(f"{word} {os.getpid()}\n")


class Unloadable(Naughty):
    def __init__(self) -> None:
        raise RuntimeError("no such model")


class Patient(Naughty):
    deadline = 1.0  # keeps its own time, and needs this much


class DiesAtBirth(Naughty):
    def warm_up(self) -> None:
        os._exit(3)


class Lenient(Naughty):
    pass_mark = 0.75
