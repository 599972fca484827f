"""How long is a step of PPO beside one of GRPO? Runs in turns, A B A B, on the same machine and the same shape.

    python scripts/bench/algorithms.py [--config quickstart] [--turns 3] [--steps 8] [--json FILE] [key=value …]

`train.reward=random`: no group is without variance, so that GRPO leaves none out of its update. The first two steps of
each run are not counted. Prints, per algorithm, the median seconds of a step and of its parts, and the ratio of the
steps: the median over turns, the least and the greatest.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from rlvr.machine import measured_on
from rlvr.run import read_metrics

PARTS = ("seconds/step", "seconds/sampling", "seconds/update")
WARM_UP = 2


def measure(algorithm: str, folder: Path, options: argparse.Namespace) -> dict[str, float]:
    """Medians over the steps of one run."""
    words = [
        "train", options.config, "--output", str(folder), "-q", f"train.algorithm={algorithm}", "train.reward=random",
        f"train.steps={options.steps}", "train.eval_every=0", "train.checkpoint_every=0", *options.overrides,
    ]  # fmt: skip
    subprocess.run([sys.executable, "-m", "rlvr", *words], check=True, capture_output=True)
    rows = read_metrics(folder / "metrics.jsonl")[WARM_UP:]
    return {part: statistics.median(row[part] for row in rows) for part in PARTS}


def main() -> None:
    parser = argparse.ArgumentParser(description="PPO's step beside GRPO's.")
    parser.add_argument("overrides", nargs="*", metavar="key=value")
    parser.add_argument("--config", default="quickstart")
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--steps", type=int, default=8)
    parser.add_argument("--json", type=Path, help="write the figures there")
    options = parser.parse_args()
    found: dict[str, list[dict[str, float]]] = {"grpo": [], "ppo": []}
    with tempfile.TemporaryDirectory() as folder:
        for turn in range(options.turns):
            for algorithm, turns in found.items():
                turns.append(measure(algorithm, Path(folder) / f"{algorithm}-{turn}", options))
    for algorithm, turns in found.items():
        medians = (f"{part} {statistics.median(turn[part] for turn in turns):.3f}" for part in PARTS)
        print(algorithm, *medians, sep="  ")
    ratios = sorted(
        b["seconds/step"] / a["seconds/step"] for a, b in zip(found["grpo"], found["ppo"], strict=True)
    )
    print(f"ppo / grpo, a step: {statistics.median(ratios):.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f})")
    if options.json:
        ratio = {"min": ratios[0], "median": statistics.median(ratios), "max": ratios[-1]}
        figures = {"ratio": {"step": ratio}, "turns": found, "machine": measured_on()}
        options.json.write_text(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    main()
