"""Train the tiny model by every algorithm, with the controls, and under every curriculum; exact figures on the way.

    python scripts/study/algorithm_study.py [--study algorithms controls curricula] [--jobs 2] [--docs [--json FILE]]
    python scripts/study/algorithm_study.py --study smollm2 [--model models/smollm2-135m-instruct]

Every few steps the policy is enumerated (`rlvr.exact.reachable`): pass@1, pass@64 and KL(π‖p0) on the held-out
problems are exact but for the mass of traces that neither policy gives `FLOOR`. Runs land in runs/study/ and go on
where they stopped; finished ones are not done again. Study `smollm2` is the controls on a real model and chain sums:
nothing can be enumerated there, so base and tuned policy are sampled, as in any run. `--docs` writes
docs/algorithms.json, the figures beside it and the tables between the markers of docs/algorithms.md, from whatever is
finished.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch is imported: several runs share the machine

import algorithm_page
import numpy as np

from rlvr import config as configuration
from rlvr import pipeline
from rlvr.config import Config
from rlvr.evaluation import Evaluator, prompt_ids
from rlvr.exact.compare import exact_comparison
from rlvr.exact.reachable import reachable
from rlvr.exact.table import reached_tables
from rlvr.policy import Policy, load_policy
from rlvr.terminal import Terminal
from rlvr.worlds import carry
from verifiers import Problem

REPO = Path(__file__).resolve().parents[2]
FOLDER = REPO / "runs" / "study"
FLOOR = 1e-4
"""Probability of the rarest trace that is followed."""

COMMON = [
    "problems.heldout.limit=64", "problems.probes={}", "train.eval_every=0", "train.steps=60",
    "train.trl.lr_scheduler_type=constant", "train.checkpoint_every=30", "verification.workers=1",
]  # fmt: skip


@dataclass(frozen=True)
class Study:
    """Arms (name → overrides of the recipe) that are compared over seeds."""

    arms: dict[str, list[str]]
    seeds: int
    every: int | None
    """Steps between two exact evaluations; None: the model cannot be enumerated, base and tuned are sampled."""
    recipe: str = "quickstart"


STUDIES = {
    "algorithms": Study(
        {name: [f"train.algorithm={name}"] for name in ("grpo", "rloo", "reinforce", "ppo")}
        | {"rejection": ["train.algorithm=rejection", "train.steps=150"]},
        seeds=3,
        every=5,
    ),
    "controls": Study(
        {name: [f"train.reward={name}"] for name in ("random", "format")},
        seeds=3,
        every=10,
    ),
    "curricula": Study(
        {
            "uniform": [],
            "refill": ["train.curriculum.refill=4"],
            "adaptive": ["train.curriculum.kind=adaptive"],
        },
        seeds=5,
        every=5,
    ),
    "smollm2": Study(
        {name: [f"train.reward={name}"] for name in ("random", "format")},
        seeds=1,
        every=None,
        recipe="smollm2-chain-sum",
    ),
}
SAMPLED = ["sampling.samples=64", "train.eval_every=0", "verification.workers=1"]
"""64 samples on each of the 64 held-out problems: the noise of a difference must be below the 3 points in question."""
MIXED = [
    f"problems.train={{file: {FOLDER / 'mixed.jsonl'}, id: id}}", "train.curriculum.level=level",
    "train.groups_per_step=8", "train.group_size=8", "train.steps=80",
]  # fmt: skip


def overrides(study: str, arm: str, seed: int) -> list[str]:
    common = SAMPLED if STUDIES[study].every is None else COMMON
    more = MIXED if study == "curricula" else []
    return [*common, *more, *STUDIES[study].arms[arm], f"seed={seed}"]


def write_mixed(file: Path) -> None:
    """A third each of what the base seldom solves, of what it almost never solves (1e-5), and of what it cannot.

    `level` is what a generator would know: 0 sums and differences, 1 negative results, 2 sums of 33 digits.
    """
    rng = np.random.default_rng(0)
    easy = [(p.prompt, p.reference) for p in carry.problems("train", 200)]
    negative = [p for p in carry.pretraining_problems() if p.meta["kind"] == "negative"][:200]
    digits = rng.integers(0, 10, size=(200, 2, carry.MAX_NEW_TOKENS))
    numbers = [[int("9" + "".join(map(str, number))) for number in pair] for pair in digits]
    levels = [
        easy,
        [(p.prompt, p.reference) for p in negative],
        [(f"{a}+{b}=", str(a + b)) for a, b in numbers],
    ]
    rows = [
        {"id": f"mixed-{level}-{i}", "prompt": prompt, "reference": reference, "level": level}
        for level, problems in enumerate(levels)
        for i, (prompt, reference) in enumerate(problems)
    ]
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


class Exact:
    """A policy's exact figures on the held-out problems, judged by the run's own verifier."""

    def __init__(self, config: Config, problems: Sequence[Problem], evaluator: Evaluator) -> None:
        self.problems, self.evaluator, self.limit = problems, evaluator, config.sampling.max_new_tokens
        self.base = load_policy(config, "base")
        self.prompts = prompt_ids(self.base, evaluator.evidence, problems, self.limit)
        self.verdicts: dict[tuple[str, str], bool] = {}

    def __call__(self, policy: Policy) -> dict[str, float]:
        found = reachable([self.base, policy], self.prompts, self.limit, floor=FLOOR)
        self._judge([(p, text) for p, texts in zip(self.problems, found, strict=True) for text in texts])
        verified = [
            [self.verdicts[p.id, text] for text in texts]
            for p, texts in zip(self.problems, found, strict=True)
        ]
        base, tuned = (reached_tables(carry.WORLD, self.problems, found, verified, index) for index in (0, 1))
        result = exact_comparison(carry.WORLD, self.problems, base, tuned)
        return {
            "exact/pass@1": result["tuned"]["pass_at_k"]["1"],
            "exact/pass@64": result["tuned"]["pass_at_k"]["64"],
            "exact/kl": result["divergence"]["kl_base"],
            "exact/sound": result["tuned"]["sound_share_of_verified"] or 0.0,
            "exact/outside": result["tuned"]["mass_outside_support"],
        }

    def _judge(self, pairs: Sequence[tuple[Problem, str]]) -> None:
        new = [(problem, text) for problem, text in pairs if (problem.id, text) not in self.verdicts]
        for (problem, text), verdict in zip(new, self.evaluator.pool.score(new), strict=True):
            self.verdicts[problem.id, text] = verdict.score == 1.0

    def base_rates(self) -> list[float]:
        """The base's pass rate on each problem."""
        found = reachable([self.base], self.prompts, self.limit, floor=FLOOR)
        self._judge([(p, text) for p, texts in zip(self.problems, found, strict=True) for text in texts])
        return [
            sum(np.exp(nats[0]) for text, nats in traces.items() if self.verdicts[problem.id, text])
            for problem, traces in zip(self.problems, found, strict=True)
        ]


def run_cell(study: str, arm: str, seed: int, model: str | None) -> None:
    """One training run, with exact evaluations in its metrics.jsonl and the base's pass rates in base.json; or one
    between sampled evaluations of base and tuned policy."""
    from rlvr import training

    words = overrides(study, arm, seed) + ([f"model={model}"] if model else [])
    config = configuration.load(configuration.find(STUDIES[study].recipe), words)
    folder, every = FOLDER / study / f"{arm}-{seed}", STUDIES[study].every
    terminal = Terminal(quiet=True)
    with (
        pipeline.prepare(config, terminal) as (problems, evaluator),
        pipeline.begin(config, folder, terminal) as run,
    ):
        if every is None:
            pipeline.evaluate(config, config.model, "base", problems, evaluator, run)
            pipeline.train(config, problems, evaluator, run)
            pipeline.evaluate(config, str(run.model), "tuned", problems, evaluator, run)
            return
        exact = Exact(config, problems.heldout, evaluator)
        (folder / "base.json").write_text(json.dumps({"pass_rates": exact.base_rates()}))
        training.train(
            config,
            problems.train,
            evaluator,
            run,
            due=lambda step: step % every == 0,
            evaluate=lambda sampler, step: exact(sampler.policy),
        )


def done(study: str, folder: Path) -> bool:
    """Trained, and where it is to be sampled, sampled to the end (for which the cell itself is asked)."""
    return STUDIES[study].every is not None and (folder / "model").is_dir()


def run_all(studies: Sequence[str], seeds: Sequence[int], jobs: int, model: str | None) -> None:
    """Every cell in a process of its own, seed by seed, `jobs` at once. A cell that fails is named at the end."""
    write_mixed(FOLDER / "mixed.jsonl")
    cells = [
        (study, arm, seed)
        for study in studies
        for seed in seeds
        if seed < STUDIES[study].seeds
        for arm in STUDIES[study].arms
        if not done(study, FOLDER / study / f"{arm}-{seed}")
    ]

    def start(cell: tuple[str, str, int]) -> tuple[str, str, int] | None:
        words = [sys.executable, __file__, "--cell", *map(str, cell)]
        words += ["--model", model] if model and STUDIES[cell[0]].every is None else []
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        print(*cell, "done" if done.returncode == 0 else f"failed:\n{done.stderr[-2000:]}", flush=True)
        return None if done.returncode == 0 else cell

    with ThreadPoolExecutor(jobs) as pool:
        failed = [cell for cell in pool.map(start, cells) if cell]
    if failed:
        sys.exit(f"{len(failed)} of {len(cells)} runs failed: {failed}")


def main() -> None:
    parser = argparse.ArgumentParser(description="Algorithms, controls and curricula on the tiny world.")
    tiny = [name for name, study in STUDIES.items() if study.every is not None]
    parser.add_argument("--study", nargs="+", choices=STUDIES, default=tiny)
    parser.add_argument("--seeds", type=int, nargs="+", default=list(range(5)))
    parser.add_argument("--jobs", type=int, default=1, help="runs at once, a core each")
    parser.add_argument(
        "--model", help="where SmolLM2-135M-Instruct lies, for the study smollm2 (default: the Hub)"
    )
    parser.add_argument("--docs", action="store_true", help="only write the page from what is finished")
    parser.add_argument("--cell", nargs=3, metavar=("STUDY", "ARM", "SEED"), help=argparse.SUPPRESS)
    parser.add_argument("--json", type=Path, help="with --docs: write the figures there too")
    options = parser.parse_args()
    if options.json and not options.docs:
        parser.error("--json: needs --docs, which reads the figures from the finished runs")
    if options.cell:
        study, arm, seed = options.cell
        run_cell(study, arm, int(seed), options.model)
    elif not options.docs:
        run_all(options.study, options.seeds, options.jobs, options.model)
    else:
        found: dict[str, Any] = {}
        if "smollm2" in options.study:
            study = STUDIES["smollm2"]
            arms = list(study.arms)
            found["smollm2"] = algorithm_page.write_sampled(
                FOLDER / "smollm2", REPO / "docs", arms, study.seeds
            )
        if set(options.study) & set(tiny):
            found |= algorithm_page.write(FOLDER, REPO / "docs", {name: STUDIES[name] for name in tiny})
        if options.json:
            options.json.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
