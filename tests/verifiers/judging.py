"""Judge every hostile and honest program at a level and say what went wrong. Needs no package, so that any user may.

python judging.py LEVEL     prints one line per failure
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

if __name__ == "__main__":
    sys.path[:0] = [str(Path(__file__).resolve().parent), str(Path(__file__).resolve().parents[2])]

from honest import ROWS
from hostile import PROGRAMS

from verifiers.code import CodeVerifier, attacks, runner, sandbox
from verifiers.types import Problem

TIME_LIMIT = 0.5


def hostile_problem(name: str, secret: str, time_limit: float = TIME_LIMIT) -> Problem:
    limits = {"time_limit": time_limit, "memory_mb": 256}
    if name.startswith("stdin"):
        return Problem(name, "", {"entry": None, "tests": [{"stdin": "", "stdout": secret}], **limits})
    return Problem(name, "", {"entry": "answer", "tests": [{"expected": secret}], **limits})


def fill(program: str, canaries: attacks.Canaries) -> str:
    """A hostile program with the names of what it is after."""
    places = {"file": canaries.file, "folder": canaries.folder, "name": canaries.name}
    places |= {"port": canaries.listeners[0].getsockname()[1], "pid": canaries.process.pid}
    for word, place in places.items():
        program = program.replace(f"@{word}@", str(place))
    return program


def descendants(root: int) -> list[int]:
    """Process ids of everybody below `root` (Linux)."""
    found, pending = [], [root]
    while pending:
        pid = pending.pop()
        try:
            children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        except OSError:  # it has ended since
            continue
        found += map(int, children)
        pending += map(int, children)
    return found


def failures(level: sandbox.Level) -> list[str]:
    """What was hacked, hurt, hung or refused; empty when all is well."""
    verifier, found = CodeVerifier(level=level), []
    patience = TIME_LIMIT + runner.STARVED_SECONDS + 4
    try:
        verifier.verify(hostile_problem("first", ""), "", "")  # what starts the sandbox is not timed
        for name, program in PROGRAMS.items():
            with attacks.canaries() as canaries:
                problem = hostile_problem(name, canaries.secret)
                began = time.monotonic()
                verdict = verifier.verify(problem, "", fill(program, canaries))
                hung = time.monotonic() - began > patience
                damage = canaries.damage()
            if verdict.score != 0.0 or damage or hung or not verdict.detail.isprintable():
                found.append(f"{name}: {verdict}, {damage}, hung: {hung}")
        for name, (reference, program) in ROWS.items():
            verdict = verifier.verify(Problem(name, "", {**reference, "time_limit": 10}), "", program)
            if verdict.score != 1.0:
                found.append(f"{name}: {verdict}")
    finally:
        verifier.close()
    return found


if __name__ == "__main__":
    print(*failures(sys.argv[1]), sep="\n")  # type: ignore[arg-type]
