"""Worked examples in training that fade out, against none: three tasks of reasoning_gym on a small real model.

    python scripts/study/annealed.py [--model FOLDER] [--steps 20] [--tasks products …] [--seed 0] [--json FILE]

Both runs of a task are GRPO on the same problems with the same seed. In one of them a group reads four worked examples
before its question, with a probability that falls from 1 to 0 at three quarters of the steps (annealed examples: CBRL,
arXiv 2603.18953). Held-out problems are asked without examples, always. Per task: pass@1 of the base without and
with the examples and of both runs, and the difference of the runs, paired by problem. Each task is a file of
`rlvr evidence` under runs/study/annealed/; the same command goes on where it was stopped.
"""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch is imported

import yaml
from shards import compared, interval, scores

from rlvr.cli import main as rlvr
from rlvr.machine import measured_on
from rlvr.text import number, points

FOLDER = Path(__file__).resolve().parents[2] / "runs" / "study" / "annealed"
TASKS: dict[str, dict[str, Any]] = {
    "products": {"parameters": {"min_digits": 1, "max_digits": 1}, "verifier": "math", "tokens": 12},
    "needle_haystack": {
        "parameters": {"min_num_statements": 2, "max_num_statements": 3}, "verifier": "exact", "tokens": 8,
    },
    "chain_sum": {
        "parameters": {"min_terms": 2, "max_terms": 2, "min_digits": 1, "max_digits": 1},
        "verifier": "math", "tokens": 12,
    },
}  # fmt: skip
SHOTS = 4


def levers_file(task: str, model: str, steps: int, seed: int) -> Path:
    """Of `rlvr evidence`: the base, the base with examples, and the two runs."""
    keys = TASKS[task]
    source = {"generator": task, "parameters": keys["parameters"]}
    base = {
        "model": model,
        "seed": seed,
        "problems": {
            # few different problems exist of such a size: a group may meet one again, a held-out one never
            "train": source | {"size": 60, "seed": 0},
            "heldout": source | {"size": 24, "seed": 1},
        },
        "evidence": {"template": "plain"},
        "verifier": keys["verifier"],
        "sampling": {"samples": 16, "max_new_tokens": keys["tokens"], "stop": ["\n"]},
        "analysis": {"search_budget": 8},
        "train": {
            "steps": steps, "groups_per_step": 4, "group_size": 8, "eval_every": 0, "checkpoint_every": 0,
            "learning_rate": 2e-5, "trl": {"lr_scheduler_type": "constant"},
        },
    }  # fmt: skip
    steering = {"add": {"shots": SHOTS}, "until": 3 * steps // 4}
    levers = {
        "with examples": {"evidence": {"shots": SHOTS}},
        "plain": {"train": {"algorithm": "grpo"}},
        "annealed": {"train": {"evidence": steering}},
    }
    file = FOLDER / f"{task}-{seed}.yaml"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(yaml.safe_dump({"base": base, "levers": levers}, sort_keys=False))
    return file


def figures(task: str, folder: Path) -> dict[str, Any]:
    """pass@1 of every lever, and how the annealed run does against the plain one."""
    levers = {row["name"]: row for row in json.loads((folder / "evidence.json").read_text())["levers"]}
    runs = [scores(folder / name / "rollouts" / "tuned.jsonl") for name in ("plain", "annealed")]
    difference, nats = compared(*runs)
    return {
        "task": task,
        "pass_at_1": {name: row["pass_at_1"] for name, row in levers.items()},
        "annealed_less_plain": difference.to_json(),
        "nats": nats.to_json(),
    }


def table(found: list[dict[str, Any]]) -> str:
    names = list(found[0]["pass_at_1"])
    lines = [f"| task | {' | '.join(names)} | annealed less plain, points | nats |", "|---" * 7 + "|"]
    for row in found:
        rates = [interval(row["pass_at_1"][name], points) for name in names]
        cells = [
            *rates,
            interval(row["annealed_less_plain"], points, sign=True),
            interval(row["nats"], number, form="+.2f"),
        ]
        lines.append(f"| {row['task']} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="models/smollm2-135m-instruct", help="a folder or a Hub name")
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--tasks", nargs="+", choices=TASKS, default=list(TASKS))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there")
    options = parser.parse_args()
    found = list[dict[str, Any]]()
    for task in options.tasks:
        file = levers_file(task, options.model, options.steps, options.seed)
        folder = FOLDER / file.stem
        if code := rlvr(["evidence", str(file), "--output", str(folder)]):
            return code
        found.append(figures(task, folder))
    print(table(found))
    if options.json:
        document = {"machine": measured_on(), "steps": options.steps, "seed": options.seed, "tasks": found}
        options.json.write_text(json.dumps(document, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
