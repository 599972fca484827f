"""What rewarding sound reasoning buys: the quickstart under `math` and under `math+reasoning`, same budget.

    python scripts/study/reasoning_reward.py [--seeds 0,1] [--docs docs/reasoning-reward.md] [--json FILE]

Both runs' samples are judged by `math+reasoning` afterwards, so that the shares compare. Runs land in runs/reasoning/
and are not done again when they are finished.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

from rlvr import rollouts
from rlvr.machine import measured_on
from rlvr.worlds import carry
from verifiers import VerifierPool

REPO = Path(__file__).resolve().parents[2]
FOLDER = REPO / "runs" / "reasoning"
REWARDS = ("math", "math+reasoning")


def shares(file: Path) -> dict[str, float]:
    """Share of right answers, share of right answers with sound reasoning, and unsound among the right."""
    problems = {problem.id: problem for problem in carry.problems("heldout")}
    rows = list(rollouts.read(file))
    with VerifierPool("math+reasoning") as pool:
        verdicts = pool.score([(problems[row.problem_id], row.trace) for row in rows])
    counts = Counter((verdict.answer_score == 1.0, verdict.score == 1.0) for verdict in verdicts)
    right = counts[True, True] + counts[True, False]
    return {
        "right": right / len(rows),
        "right_and_sound": counts[True, True] / len(rows),
        "unsound_among_right": counts[True, False] / max(right, 1),
    }


def figures(seed: int, reward: str) -> list[dict[str, Any]]:
    """The shares of both policies of a run."""
    folder = FOLDER / f"{reward}-{seed}"
    words = [
        "run",
        "configs/quickstart.yaml",
        "--output",
        str(folder),
        f"verifier={reward}",
        f"seed={seed}",
        "-q",
    ]
    subprocess.run([sys.executable, "-m", "rlvr", *words], check=True, cwd=REPO, stdout=subprocess.DEVNULL)
    return [
        {"seed": seed, "reward": reward, "policy": name} | shares(folder / "rollouts" / f"{name}.jsonl")
        for name in ("base", "tuned")
    ]


def line(found: dict[str, Any]) -> str:
    """A row of the table, in per cent."""
    shown = [f"{100 * found[name]:.1f}" for name in ("right", "right_and_sound", "unsound_among_right")]
    return f"| {found['seed']} | `{found['reward']}` | {found['policy']} | {' | '.join(shown)} |"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", default="0,1", help="separated by commas")
    parser.add_argument("--docs", type=Path, default=REPO / "docs" / "reasoning-reward.md")
    parser.add_argument("--json", type=Path, help="write the figures there")
    args = parser.parse_args()
    found = [
        row for seed in args.seeds.split(",") for reward in REWARDS for row in figures(int(seed), reward)
    ]
    head = [
        "seed",
        "reward",
        "policy",
        "right answers, %",
        "right and sound, %",
        "unsound among the right, %",
    ]
    table = "\n".join([f"| {' | '.join(head)} |", "|" + "---|" * len(head), *map(line, found)])
    args.docs.write_text(
        "# Rewarding the answer, or the answer and its reasoning\n\n"
        "The quickstart's tiny world, 60 steps of 16 problems × 16 samples, 128 held-out problems × 256 samples, by "
        "`scripts/study/reasoning_reward.py`. Both policies' samples are judged by `math+reasoning`; an unsound right "
        "answer "
        "has a false step, a box that its steps do not lead to, or no steps at all.\n\n"
        f"{table}\n\n"
        "An answer-only reward does not ask for sound reasoning: it amplifies whichever right trace the base and the "
        "first steps happen to favour. The table also shows what asking for it costs in right answers.\n",
        encoding="utf-8",
    )
    print(table)
    if args.json:
        args.json.write_text(json.dumps({"rows": found, "machine": measured_on()}, indent=1) + "\n")


if __name__ == "__main__":
    main()
