"""Many verdicts on hostile and honest programs, one after the other: what is left of them, and what it costs the judge.

    python scripts/study/soak_sandbox.py [ROWS.jsonl ...] [--verdicts 20000] [--levels standard strong] [--json FILE]

Rows have `id, entry, tests, code, wrap`, and perhaps `time_limit, memory_mb, tol, strict`, as those of the exam; their
placeholders stay unfilled. Without files, the honest programs of tests/verifiers are judged, and those hostile ones
that need nothing filled in. A test may take 0.3 s at most here, and a row that took longer comes in every 20th round
only. Exits with 1 when a process, a descriptor or a file is left, or memory grew by more than a tenth.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from itertools import count
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests/verifiers"))
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from verifiers.code import CodeVerifier
from verifiers.extract import cut
from verifiers.types import Problem

TIME_LIMIT, SLOW, EVERY = 0.3, 0.2, 20
Row = tuple[Problem, str | None]


def from_files(paths: list[str]) -> list[Row]:
    """The rows of JSONL files as problems with the programs to judge."""
    rows = []
    for path in paths:
        for line in Path(path).read_text().splitlines():
            row = json.loads(line)
            program = cut(row["code"], "code").answer if row.get("wrap") == "response" else row["code"]
            rows.append((Problem(row["id"], "", row | {"time_limit": TIME_LIMIT}), program))
    return rows


def own() -> list[Row]:
    """The programs of tests/verifiers."""
    from honest import ROWS  # pyright: ignore[reportMissingImports]
    from hostile import PROGRAMS  # pyright: ignore[reportMissingImports]
    from judging import hostile_problem  # pyright: ignore[reportMissingImports]

    rows: list[Row] = [
        (Problem(name, "", reference | {"time_limit": TIME_LIMIT}), code)
        for name, (reference, code) in ROWS.items()
    ]
    for name, code in PROGRAMS.items():
        if "@" not in code:
            rows.append((hostile_problem(name, "secret", TIME_LIMIT), code))
    return rows


def in_rounds(rows: list[Row], slow: set[str]) -> Iterator[Row]:
    """The rows over and over; those that are `slow` by then, in every 20th round."""
    for turn in count():
        yield from (row for row in rows if turn % EVERY == 0 or row[0].id not in slow)


def state() -> dict[str, int]:
    """Processes, descriptors and memory of the judge and of everything below it."""
    pids = [str(os.getpid())]
    for pid in pids:  # grows while it is read
        pids += Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    resident = [int(Path(f"/proc/{pid}/statm").read_text().split()[1]) for pid in pids]
    pages_per_mb = (1 << 20) // resource.getpagesize()
    return {
        "processes": len(pids) - 1,
        "descriptors": sum(len(list(Path(f"/proc/{pid}/fd").iterdir())) for pid in pids),
        "judge_mb": resident[0] // pages_per_mb,
        "zygote_mb": sum(resident[1:]) // pages_per_mb,
    }


def soak(level: str, rows: list[Row], verdicts: int) -> dict[str, object]:
    """Judge `verdicts` programs; what there was after each tenth of them. The first tenth is the warm-up."""
    slow: set[str] = set()
    scores: Counter[str] = Counter()
    states: list[dict[str, int]] = []
    with tempfile.TemporaryDirectory() as folder:
        tempfile.tempdir = folder
        verifier = CodeVerifier(level=level)  # type: ignore[arg-type]
        began = time.monotonic()
        for number, (problem, program) in zip(range(verdicts), in_rounds(rows, slow), strict=False):
            if number and number % (verdicts // 10) == 0:
                states.append(state())
            start = time.monotonic()
            verdict = verifier.verify(problem, "", program)
            scores[str(verdict.score)] += 1
            if time.monotonic() - start > SLOW:
                slow.add(problem.id)
        states.append(state())
        left = len([path for path in Path(folder).rglob("*") if path.is_file()])
        verifier.close()
        folders = len(list(Path(folder).iterdir()))
        tempfile.tempdir = None
    return {
        "level": level,
        "rows": len(rows),
        "verdicts": sum(scores.values()),
        "seconds": round(time.monotonic() - began),
        "scores": dict(scores),
        "slow rows": len(slow),
        "after each tenth": states,
        "files left": left,
        "folders left after close": folders,
    }


def leaked(result: dict) -> bool:
    """Whether there is more at the end than after the first tenth, of memory by more than a tenth."""
    before, *_, after = result["after each tenth"]
    grown = any(after[key] > before[key] for key in ("processes", "descriptors"))
    memory = any(after[key] > 1.1 * before[key] + 1 for key in ("judge_mb", "zygote_mb"))
    return grown or memory or bool(result["files left"] or result["folders left after close"])


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("files", nargs="*", metavar="ROWS.jsonl")
    parser.add_argument("--verdicts", type=int, default=20_000)
    parser.add_argument("--levels", nargs="+", default=["standard", "strong"])
    parser.add_argument("--json")
    options = parser.parse_args()
    rows = from_files(options.files) if options.files else own()
    results = [soak(level, rows, options.verdicts) for level in options.levels]
    print(json.dumps(results, indent=1))
    if options.json:
        Path(options.json).write_text(json.dumps(results, indent=1))
    if any(map(leaked, results)):
        raise SystemExit("something is left, or memory has grown")


if __name__ == "__main__":
    main()
