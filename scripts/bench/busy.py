"""A few-shot step's sampling on a machine that does other things too: seconds beside none, one and two busy processes.

    python scripts/bench/busy.py --model smollm2 [--rounds 3] [--busy 0 1 2] [--json FILE]

Each setting of threads is a process of its own, asked in turns; a busy process is one thread that computes without end.
The settings are the environment in which torch's thread pool starts: as it is by itself (threads that wait spin), as
`rlvr` starts it (they sleep, `rlvr/launch/cpu.py`), spinning for a while, and one thread. The step is the recipe
smollm2-chain-sum's: 8 problems × 8 completions of at most 12 tokens behind 4 examples; `update` is the forward and
backward pass of these completions.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
SETTINGS: dict[str, dict[str, str]] = {
    "by itself": {},
    "asleep": {"OMP_WAIT_POLICY": "passive"},
    "spin 10000": {"GOMP_SPINCOUNT": "10000"},
    "one thread": {"OMP_NUM_THREADS": "1"},
}
HOG = "while True: pass"


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="smollm2", help="tiny, smollm2 or a folder")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--busy", type=int, nargs="*", default=[0, 1, 2], help="busy processes beside it")
    parser.add_argument("--settings", nargs="*", default=list(SETTINGS), choices=list(SETTINGS))
    parser.add_argument("--update", action="store_true", help="also the update")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args(argv)
    if args.serve:
        serve(args.model, args.update)
        return 0
    workers = {name: Worker(args.model, SETTINGS[name], args.update) for name in args.settings}
    found: dict[int, dict[str, dict[str, list[float]]]] = {}
    for busy in args.busy:
        hogs = [subprocess.Popen([sys.executable, "-c", HOG]) for _ in range(busy)]
        found[busy] = {name: {"sampling": [], "update": []} for name in workers}
        try:
            for turn in range(args.rounds):
                for name, worker in workers.items():
                    for what, seconds in worker.ask(turn).items():
                        found[busy][name][what].append(seconds)
        finally:
            for hog in hogs:
                hog.kill()
                hog.wait()
        for name, times in found[busy].items():
            shown = "  ".join(
                f"{what} {min(t):6.2f} {sorted(t)[len(t) // 2]:6.2f} {max(t):6.2f}"
                for what, t in times.items()
                if t
            )
            print(f"{busy} busy  {name:12} {shown}", flush=True)
    for worker in workers.values():
        worker.close()
    if args.json:
        args.json.write_text(json.dumps(found, indent=1) + "\n")
    return 0


class Worker:
    """A process with its own thread pool, which does a step's sampling when it is asked."""

    def __init__(self, model: str, setting: dict[str, str], update: bool) -> None:
        environment = {
            key: value for key, value in os.environ.items() if not key.startswith(("OMP_", "GOMP_"))
        }
        environment |= setting
        command = [sys.executable, __file__, "--serve", "--model", model, *(["--update"] if update else [])]
        self.process = subprocess.Popen(
            command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.ask(0)  # loads, and warms up

    def ask(self, turn: int) -> dict[str, float]:
        assert self.process.stdin and self.process.stdout
        self.process.stdin.write(f"{turn}\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def close(self) -> None:
        self.process.kill()
        self.process.wait()


def serve(model: str, update: bool) -> None:
    """Answer each line with the seconds of one step's sampling, and of its update."""
    from trainers import SHAPES, Ours, asked_of  # imports torch

    answers, sys.stdout = sys.stdout, sys.stderr
    with asked_of(model, SHAPES["few-shot"]) as asked:
        ours = Ours(asked.loop)
        for _ in sys.stdin:
            began = time.perf_counter()
            batch, _ = ours.sample()
            seconds: dict[str, Any] = {"sampling": time.perf_counter() - began}
            if update:
                seconds["update"] = sum(ours.update(batch, 1).values())
            answers.write(json.dumps(seconds) + "\n")
            answers.flush()


if __name__ == "__main__":
    sys.exit(main())
