"""What share of an instruction's worth stays in the weights without it, for how many tokens: distillation, forward and
reverse, beside GRPO, on the tiny world.

    python scripts/study/distill_study.py [--seeds 0 1] [--thousand-tokens 40] [--json FILE]

The embedded model reads no instruction: any text before the question lowers its pass@1. So it is first taught one, on
the world's own traces: behind ` carry ` four of five traces are of the sound strategy, without it they are as before.
That model is the base of every run. Its pass@1 with the instruction and without give what the evidence is worth; each
run is asked without it, after as many sampled tokens as the others. Nats are pooled log-odds ratios over the held-out
problems (Mantel-Haenszel) against the base without instruction, intervals from a bootstrap over problems, which all
figures of a seed share. Runs land in runs/study/distill/; finished ones are not done again.
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
import torch

from rlvr import config as configuration
from rlvr import pipeline
from rlvr.analysis.bootstrap import ClusterBootstrap
from rlvr.analysis.evidence import log_odds_of, mantel_haenszel_terms
from rlvr.policy import load_policy
from rlvr.rollouts.evaluations import read
from rlvr.run import read_metrics
from rlvr.sampling import load_sampler
from rlvr.terminal import Terminal
from rlvr.worlds import carry
from verifiers import Problem

FOLDER = Path(__file__).resolve().parents[2] / "runs" / "study" / "distill"
INSTRUCTION = " carry "
EVIDENCE = f"{{instruction: '{INSTRUCTION}', separator: ''}}"
SOUND = 0.8
"""Share of sound traces behind the instruction, beside what the law has of them."""
COMMON = [
    "problems.heldout.limit=64", "problems.probes={}", "sampling.samples=16", "analysis.search_budget=4",
    "train.eval_every=1", "train.checkpoint_every=0", "train.trl.lr_scheduler_type=constant", "verification.workers=1",
]  # fmt: skip
ARMS = {
    "forward": ["train.algorithm=distill", f"train.distill={{evidence: {EVIDENCE}, direction: forward}}"],
    "reverse": ["train.algorithm=distill", f"train.distill={{evidence: {EVIDENCE}, direction: reverse}}"],
    "grpo": ["train.algorithm=grpo"],
}
Counts = tuple[np.ndarray, np.ndarray]


def teach(folder: Path, steps: int = 100, batch: int = 64, rate: float = 1e-3) -> None:
    """The embedded model, taught what `INSTRUCTION` means."""
    words = ["problems.heldout.limit=4", "problems.probes={}"]
    policy = load_policy(
        configuration.load(configuration.find("quickstart"), words), "taught", for_training=True
    )
    rng, model = np.random.default_rng(0), policy.model.train()
    problems = carry.problems("train")
    optimizer = torch.optim.AdamW(model.parameters(), lr=rate, weight_decay=0.0)
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = rate * (1 - step / steps)
        drawn = [
            written(problems[i], rng, aided=bool(n % 2))
            for n, i in enumerate(rng.choice(len(problems), batch))
        ]
        rows = [(policy.words(prompt), [*policy.words(trace), policy.stop_ids[0]]) for prompt, trace in drawn]
        longest = max(len(prompt) + len(trace) for prompt, trace in rows)
        ids, labels = torch.zeros(batch, longest, dtype=torch.long), torch.full((batch, longest), -100)
        for i, (prompt, trace) in enumerate(rows):  # padded on the right, where nobody looks
            ids[i, : len(prompt) + len(trace)] = torch.tensor([*prompt, *trace])
            labels[i, len(prompt) : len(prompt) + len(trace)] = torch.tensor(trace)
        optimizer.zero_grad()
        model(input_ids=ids, labels=labels).loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
    model.eval().save_pretrained(folder)
    policy.tokenizer.save_pretrained(folder)


def written(problem: Problem, rng: np.random.Generator, aided: bool) -> tuple[str, str]:
    """A prompt and a trace of the law; behind the instruction mostly a sound one."""
    traces = carry.support(problem)
    if aided and rng.random() < SOUND:
        traces = [trace for trace in traces if trace.strategy == "column"]
    weights = np.array([trace.probability for trace in traces])
    text = traces[rng.choice(len(traces), p=weights / weights.sum())].text
    return (INSTRUCTION if aided else "") + problem.prompt, text


def evaluated(model: str, name: str, words: Sequence[str] = ()) -> Counts:
    """(n, c) of each held-out problem under the model at `model`."""
    file = FOLDER / f"{name}.jsonl"
    config = configuration.load(configuration.find("quickstart"), [*COMMON, f"model={model}", *words])
    with pipeline.prepare(config, Terminal(quiet=True), trains=False) as (problems, evaluator):
        if not evaluator.complete(problems.heldout, file):
            with closing(load_sampler(config, name, model)) as sampler:
                evaluator.evaluate(sampler, problems.heldout, file)
    samples = read(file, name)[0].samples
    return samples.n.astype(float), samples.c.astype(float)


def trained(arm: str, seed: int, base: str, tokens: float) -> tuple[str, float]:
    """The model after the first step with which a run of `arm` has sampled `tokens`, and how many it had sampled."""
    from rlvr import training

    folder = FOLDER / f"{arm}-{seed}"
    words = [*COMMON, *ARMS[arm], f"model={base}", f"seed={seed}", "train.steps=200", "train.stop.at=1"]
    config = configuration.load(configuration.find("quickstart"), words)
    with (
        pipeline.prepare(config, Terminal(quiet=True), folder) as (problems, evaluator),
        pipeline.begin(config, folder, Terminal(quiet=True)) as run,
    ):
        file = run.metrics

        def spent(*_: Any) -> dict[str, float]:
            """`train.stop.at` ends the run by this figure: 1 once the tokens are spent."""
            return {"eval/pass@1": float(sampled() + last(run.folder) >= tokens)}

        def sampled() -> float:
            return sum(line["tokens"] for line in read_metrics(file))

        training.train(config, problems.train, evaluator, run, due=lambda step: True, evaluate=spent)
        return str(run.model), sampled()


def last(folder: Path) -> float:
    """Tokens of the step whose line is not written yet."""
    from rlvr import rollouts

    newest = max((folder / "rollouts").glob("train-*.jsonl"))
    return sum(row.tokens or 0 for row in rollouts.read(newest))


def nats(before: Counts, after: Counts, boot: ClusterBootstrap) -> tuple[float, np.ndarray]:
    """Pooled log-odds ratio, and its bootstrap replicates."""
    up, down = mantel_haenszel_terms(before[0], before[1], after[0], after[1])
    return float(log_odds_of(up.sum(), down.sum())), log_odds_of(boot.sums(up), boot.sums(down))


def quantity(value: float, replicates: np.ndarray) -> dict[str, float]:
    low, high = np.quantile(replicates, [0.025, 0.975])
    return {"value": value, "lo": float(low), "hi": float(high)}


def study(seeds: Sequence[int], tokens: float) -> dict[str, Any]:
    base = FOLDER / "taught"
    if not (base / "model.safetensors").exists():
        teach(base)
    plain = evaluated(str(base), "base")
    aided = evaluated(
        str(base), "base-instructed", [f"evidence.instruction='{INSTRUCTION}'", "evidence.separator=''"]
    )
    boot = ClusterBootstrap(len(plain[0]))
    worth, drawn = nats(plain, aided, boot)
    found: dict[str, Any] = {
        "base": {"pass@1": rate(plain), "instructed": rate(aided), "nats": quantity(worth, drawn)},
        "runs": [],
    }
    for seed in seeds:
        for arm in ARMS:
            model, spent = trained(arm, seed, str(base), tokens)
            after = evaluated(model, f"{arm}-{seed}-tuned")
            left, again = nats(plain, after, boot)
            row = {
                "arm": arm,
                "seed": seed,
                "tokens": spent,
                "pass@1": rate(after),
                "nats": quantity(left, again),
                "share": quantity(left / worth, again / drawn),
                "nats_per_thousand_tokens": quantity(1000 * left / spent, 1000 * again / spent),
            }
            found["runs"].append(row)
            print(json.dumps(row), flush=True)
    return found


def rate(counts: Counts) -> float:
    return float((counts[1] / counts[0]).mean())


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1])
    parser.add_argument("--thousand-tokens", type=float, default=40.0, help="sampled in each run")
    parser.add_argument("--json", type=Path, help="write the figures there")
    options = parser.parse_args()
    FOLDER.mkdir(parents=True, exist_ok=True)
    found = study(options.seeds, 1000 * options.thousand_tokens)
    print(json.dumps(found["base"]))
    if options.json:
        options.json.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
