"""Does verification hide behind sampling? The same evaluation and training steps, judged at once and slowly, in turns.

    python scripts/bench/overlap.py --model smollm2|tiny|PATH [--seconds 0.05] [--workers 8] [--steps 3] [--json FILE]

Verdicts are those of the `math` verifier; the slow contender waits `--seconds` before each, and no verdict comes from
the pool's cache. It waits, it does not compute: what is measured is the order of work, not a contest for cores. Workers
must suffice: a pool gives workers / seconds verdicts a second at most, and what sampling yields is printed beside it.
Both contenders must write the same rows, or the script fails: a late verdict changes nothing that is sampled later.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from common import MODELS, REPO

from rlvr import config as configs
from rlvr import pipeline, rollouts
from rlvr.config import Config
from rlvr.evaluation import Evaluator
from rlvr.evidence import Evidence
from rlvr.machine import measured_on
from rlvr.policy import load_policy
from rlvr.problems import load_all
from rlvr.run import open_run
from rlvr.sampling.engine import TransformersSampler
from rlvr.terminal import Terminal
from verifiers.pool import VerifierPool


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="smollm2", help="smollm2, tiny or a folder")
    parser.add_argument("--seconds", type=float, default=0.05, help="a verdict of the slow verifier")
    parser.add_argument("--workers", type=int, default=8)
    parser.add_argument("--problems", type=int, default=24, help="of the evaluation, 16 samples each")
    parser.add_argument("--rounds", type=int, default=3, help="evaluations of each contender")
    parser.add_argument("--steps", type=int, default=3, help="training steps of each contender; 0: none")
    parser.add_argument("--json", type=Path, help="write the figures there")
    args = parser.parse_args(argv)
    config = recipe(args)
    pools = {
        name: VerifierPool("waiting_verifier:Waiting", {"seconds": wait}, workers=args.workers, cache=0)
        for name, wait in (("instant", 0.0), ("slow", args.seconds))
    }
    with tempfile.TemporaryDirectory() as folder, pools["instant"], pools["slow"]:
        result = {
            "evaluation": evaluations(config, pools, Path(folder), args.rounds),
            "training": training(config, pools, Path(folder)) if args.steps else {},
            "seconds_per_verdict": args.seconds,
            "workers": args.workers,
            "machine": measured_on() | {"threads": torch.get_num_threads()},
        }
    show(result)
    if args.json:
        args.json.write_text(json.dumps(result, indent=1) + "\n")
    return 0


def recipe(args: argparse.Namespace) -> Config:
    name, folder = MODELS.get(args.model, ("smollm2-chain-sum", args.model))
    words = ["verifier=math", "verifier_options={}", "sampling.samples=16", "sampling.engine=transformers"]
    words += [f"train.steps={max(1, args.steps)}", "train.eval_every=0", "problems.probes={}"]
    words += [f"model={REPO / folder}", f"problems.heldout.size={args.problems}"] if folder else []
    words += [] if folder else [f"problems.heldout.limit={args.problems}"]
    return configs.load(configs.find(name), words)


def evaluations(
    config: Config, pools: dict[str, VerifierPool], folder: Path, rounds: int
) -> dict[str, dict[str, Any]]:
    """Seconds of whole evaluations, and of the rows that they wrote."""
    problems = load_all(config.problems.train, config.problems.heldout)
    evidence = Evidence(config.evidence, problems.train, problems.heldout)
    sampler = TransformersSampler(load_policy(config, "base"), config.sampling)
    terminal = Terminal(quiet=True)
    seconds: dict[str, list[float]] = {name: [] for name in pools}
    written: dict[str, list[Any]] = {}
    for number in range(rounds + 1):  # the first one warms up: workers, the trial of the model
        for name, pool in pools.items():
            file = folder / f"{name}-{number}" / "base.jsonl"
            file.parent.mkdir()
            began = time.perf_counter()
            Evaluator(config, evidence, pool, terminal).evaluate(sampler, problems.heldout, file)
            if number:
                seconds[name].append(time.perf_counter() - began)
            written[name] = what_was_written(file)
    assert written["instant"] == written["slow"], "a late verdict changed what was sampled"
    rows = len(written["slow"])
    return {name: {"seconds": those, "rows": rows} for name, those in seconds.items()}


def training(config: Config, pools: dict[str, VerifierPool], folder: Path) -> dict[str, dict[str, Any]]:
    """Seconds of each step from metrics.jsonl, and those that it waited for verdicts."""
    problems = load_all(config.problems.train, config.problems.heldout)
    evidence = Evidence(config.evidence, problems.train, problems.heldout)
    problems = replace(problems, train=evidence.without_shots(problems.train))
    found: dict[str, dict[str, Any]] = {}
    written: dict[str, list[Any]] = {}
    for turn, name in enumerate(("instant", "slow", "slow", "instant")):
        here = open_run(config, folder / f"train-{turn}")
        pipeline.train(config, problems, Evaluator(config, evidence, pools[name], Terminal(quiet=True)), here)
        metrics = [json.loads(line) for line in here.metrics.read_text().splitlines()]
        for key, column in (("seconds", "step"), ("waited", "verifying"), ("sampling", "sampling")):
            found.setdefault(name, {}).setdefault(key, []).extend(row[f"seconds/{column}"] for row in metrics)
        files = sorted(here.rollouts("train").parent.glob("train-*.jsonl"))
        written[name] = [row for file in files for row in what_was_written(file)]
    assert written["instant"] == written["slow"], "a late verdict changed what was sampled"
    return found


def what_was_written(file: Path) -> list[Any]:
    return [(r.problem_id, r.sample, r.token_ids, r.score) for r in rollouts.read(file)]


def show(result: dict[str, Any]) -> None:
    wait, workers = result["seconds_per_verdict"], result["workers"]
    print(f"{1000 * wait:.0f} ms a verdict, {workers} workers: {workers / wait:.0f} verdicts/s at most")
    for kind in ("evaluation", "training"):
        if not (figures := result[kind]):
            continue
        instant, slow = figures["instant"]["seconds"], figures["slow"]["seconds"]
        ratio = [b / a for a, b in zip(instant, slow, strict=True)]
        print(
            f"  {kind}: instant {statistics.median(instant):.2f} s, slow {statistics.median(slow):.2f} s; "
            f"slow / instant {statistics.median(ratio):.3f} ({min(ratio):.3f}–{max(ratio):.3f})"
        )
        if kind == "evaluation":
            rows = figures["slow"]["rows"]
            print(
                f"    {rows} rows, {rows / statistics.median(instant):.0f} a second; "
                f"without overlap {wait * rows / workers:.2f} s more"
            )
        else:
            for name, those in figures.items():
                waited = statistics.median(
                    w / s for w, s in zip(those["waited"], those["seconds"], strict=True)
                )
                print(f"    {name}: waits for verdicts {waited:.1%} of a step")


if __name__ == "__main__":
    sys.exit(main())
