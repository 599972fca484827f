"""What moves problems off zero that the base never solves, and does it stay when the help is taken away? On the tiny
world's rare problems (negative differences, right traces of about 1e-5) and on those that no response can hold.

    python scripts/study/boundary.py [--steps 30] [--seeds 0 1] [--arms "hints where unsolved" …] [--json FILE]

Training problems are half ordinary ones and half negative differences other than the rare ones, which are only asked,
plainly, 256 times each: after so many steps of an arm, and once more after as many of verdicts alone behind them. In
all arms but the first, the first half has a help: a curriculum, hints (a beginning of the worked solution, from which
the answer goes on), worked examples, feedback, or a dense reward beside the verdict. The answer alone is judged.
Parts below runs/study/boundary/ that are there are not done again.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch is imported

import numpy as np
from shards import interval, scores

from rlvr import config as configuration
from rlvr import pipeline
from rlvr.analysis.bootstrap import ClusterBootstrap, mean_estimates
from rlvr.analysis.passk import pass_at_k
from rlvr.machine import measured_on
from rlvr.sampling import load_sampler
from rlvr.terminal import Terminal, quiet_libraries
from rlvr.text import points
from rlvr.worlds import carry

FOLDER = Path(__file__).resolve().parents[2] / "runs" / "study" / "boundary"
EACH, AMONG = 128, 64
"""Training problems of either kind; samples of pass@k."""
COMMON = [
    f"problems.train={{file: {FOLDER / 'train.jsonl'}, id: id}}", "verifier=math", "verifier_options={}",
    "problems.probes={}", "analysis.search_budget=null", "verification.workers=1", "seed=0",
]  # fmt: skip
TRAINS = [
    "train.groups_per_step=8", "train.group_size=16", "train.eval_every=0", "train.checkpoint_every=0",
    "train.trl.lr_scheduler_type=constant", "problems.heldout.limit=4",
]  # fmt: skip


def hint(column: str, **more: Any) -> str:
    shown = {"column": column, "share": 1, "position": "answer"}
    return f"train.evidence={json.dumps({'add': {'hint': shown}} | more)}"


def arms(steps: int) -> dict[str, list[tuple[int, list[str]]]]:
    """Of each arm its parts before verdicts alone: steps and overrides."""
    examples = {"add": {"shots": 2, "answer": "{solution}"}, "until": steps}
    reward = {"verifier": f"{Path(__file__).parent / 'begun_right.py'}:begun_right", "weight": 1.0}
    feedback = ["environment=feedback", 'environment_options={turns: 3, message: "{prompt}"}']
    return {
        "verdicts alone": [(steps, [])],
        "curriculum": [(steps, ["train.curriculum.kind=adaptive", "train.curriculum.level=level"])],
        "hints where unsolved": [(steps, [hint("all but the box", only="unsolved")])],
        "annealed hints": [(steps, [hint("all but the box", until=steps)])],
        "hints, shorter and shorter": [
            (steps - steps // 2, [hint("all but the box")]),
            (steps // 2, [hint("first step")]),
        ],
        "annealed examples": [(steps, [f"train.evidence={json.dumps(examples)}"])],
        "feedback": [(steps, [*feedback, "evidence.separator=''"])],
        "dense reward": [(steps, [f"train.rewards={json.dumps([reward])}"])],
    }


def write_problems(file: Path) -> None:
    """Ordinary and negative differences in turn, each with its sound trace and two beginnings of it."""
    drawn = [p for p in carry.pretraining_problems() if p.meta["kind"] == "negative"][:EACH]
    rows = list[dict[str, Any]]()
    for pair in zip(carry.problems("train", EACH), drawn, strict=True):
        for level, problem in enumerate(pair):
            traces = carry.support(problem)
            solution = next(t.text for t in traces if t.right and t.sound and t.strategy == "column")
            begun = solution[: solution.rindex(" \\boxed")]
            first = begun[
                : begun.index(" carry" if " carry" in begun else " borrow" if " borrow" in begun else ",")
            ]
            rows.append({
                "id": problem.id, "prompt": problem.prompt, "reference": problem.reference, "level": level,
                "solution": solution, "all but the box": begun, "first step": first,
            })  # fmt: skip
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def trained(folder: Path, start: str, steps: int, seed: int, overrides: Sequence[str]) -> str:
    words = [*COMMON, *TRAINS, f"model={start}", f"train.steps={steps}", *overrides, f"seed={seed}"]
    config = configuration.load(configuration.find("quickstart"), words)
    terminal = Terminal(quiet=True)
    with (
        pipeline.prepare(config, terminal, folder) as (problems, evaluator),
        pipeline.begin(config, folder, terminal) as run,
    ):
        return str(pipeline.train(config, problems, evaluator, run))


def asked(model: str, folder: Path, samples: int) -> dict[str, np.ndarray]:
    """(problems, samples), 1 where solved, of each split, asked plainly."""
    found = dict[str, np.ndarray]()
    for split, limit, each in (("rare", 16, samples), ("unreachable", 16, samples), ("heldout", 64, 16)):
        words = [*COMMON, f"model={model}", "train.steps=0", f"sampling.samples={each}"]
        words += [f"problems.heldout={{world: {split}, limit: {limit}}}"]
        config = configuration.load(configuration.find("quickstart"), words)
        file = folder / f"asked-{split}.jsonl"
        file.parent.mkdir(parents=True, exist_ok=True)
        with (
            pipeline.prepare(config, Terminal(quiet=True), trains=False) as (problems, evaluator),
            closing(load_sampler(config, "asked", model)) as sampler,
        ):
            evaluator.evaluate(sampler, problems.heldout, file)
        found[split] = scores(file)
    return found


def figures(name: str, when: str, seeds: Sequence[dict[str, np.ndarray]]) -> dict[str, Any]:
    """Over the problems; of each problem the mean of the seeds."""
    of = {split: np.stack([one[split] for one in seeds]) for split in seeds[0]}
    rare = of["rare"].mean(axis=2)
    n, c = of["rare"].shape[2], of["rare"].sum(axis=2).astype(int)
    k = min(AMONG, n)
    columns = np.stack([rare.mean(axis=0), pass_at_k(n, c, k).mean(axis=0)], axis=1)
    one, many = mean_estimates(columns, ClusterBootstrap(len(columns)))
    return {
        "arm": name,
        "after": when,
        "rare": {"pass_at_1": one.to_json(), f"pass_at_{k}": many.to_json()},
        "solved_once": [int((row > 0).sum()) for row in c],
        "unreachable_solved": int(of["unreachable"].sum()),
        "heldout_pass_at_1": float(of["heldout"].mean()),
    }


def table(rows: Sequence[dict[str, Any]], problems: int) -> str:
    """As Markdown."""
    lines = [
        f"| arm | after | rare: pass@1 | pass@{AMONG} | of {problems} solved once, by seed | ordinary: pass@1 |",
        "|---" * 6 + "|",
    ]
    for row in rows:
        one, many = (interval(estimate, points) for estimate in row["rare"].values())
        once = ", ".join(map(str, row["solved_once"]))
        ordinary = points(row["heldout_pass_at_1"])
        lines.append(f"| {row['arm']} | {row['after']} | {one} | {many} | {once} | {ordinary} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    known = list(arms(2))
    parser.add_argument("--steps", type=int, default=30, help="with the help, and again without")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1])
    parser.add_argument("--samples", type=int, default=256)
    parser.add_argument("--arms", nargs="+", choices=known, default=known, metavar="ARM")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there")
    options = parser.parse_args()
    quiet_libraries()
    write_problems(FOLDER / "train.jsonl")
    base = asked("tiny", FOLDER / "base", options.samples)
    rows = [figures("base", "–", [base])]
    for name in options.arms:
        helped, alone = list[dict[str, np.ndarray]](), list[dict[str, np.ndarray]]()
        for seed in options.seeds:
            folder, model = (
                FOLDER / f"{name.replace(' ', '-').replace(',', '')}-{options.steps}-{seed}",
                "tiny",
            )
            for place, (steps, overrides) in enumerate(arms(options.steps)[name]):
                model = trained(folder / f"part-{place}", model, steps, seed, overrides)
            helped.append(asked(model, folder / "helped", options.samples))
            model = trained(folder / "alone", model, options.steps, seed + 100, [])
            alone.append(asked(model, folder / "then", options.samples))
        rows += [figures(name, "it", helped), figures(name, "and verdicts alone", alone)]
        print(table(rows[-2:], len(base["rare"])), flush=True)
    print(f"\n{table(rows, len(base['rare']))}")
    if options.json:
        document = {"machine": measured_on(), "steps": options.steps, "seeds": options.seeds, "rows": rows}
        options.json.write_text(json.dumps(document, indent=1) + "\n")


if __name__ == "__main__":
    main()
