"""Rollout files as a run would leave them, drawn from a small seeded population: no model needed."""

import json
from pathlib import Path

import numpy as np

SETTINGS = {
    "model": "simulated",
    "temperature": 1.0,
    "top_p": 1.0,
    "max_new_tokens": 64,
    "stop": [],
    "evidence": {"template": "plain", "shots": 0},
    "verifier": "math+reasoning",
    "seed": 7,
}


def write_pair(
    folder: Path, problems: int = 24, samples: int = 64, sharpen: float = 3.0, seed: int = 0, **more
):
    """base.jsonl and tuned.jsonl whose truth is known: a tuned sample is worth `sharpen` base samples."""
    rng = np.random.default_rng(seed)
    p = rng.beta(0.5, 1.5, problems)
    p[: problems // 8] = 0.0
    q = 1 - (1 - p) ** sharpen
    paths = []
    for policy, rates in (("base", p), ("tuned", q)):
        path = folder / f"{policy}.jsonl"
        rows = (
            row(rng, policy, f"sum-{i:03d}", j, rates[i], p[i], q[i])
            for i in range(problems)
            for j in range(samples)
        )
        with path.open("w") as file:
            file.writelines(json.dumps(r | more) + "\n" for r in rows)
        settings = SETTINGS | {"policy": policy}
        path.with_suffix(".settings.json").write_text(json.dumps(settings))
        paths.append(path)
    return paths


def row(rng, policy, problem, sample, rate, p, q):
    right, sound = rng.random() < rate, rng.random() < 0.9
    a, b = 10 + int(problem[-3:]) % 7, 20 + sample % 5
    complete = bool(right or rng.random() < 0.95)
    answer = str(a + b) if right else (str(a + b + int(rng.integers(1, 4))) if complete else None)
    status = (
        "correct" if right and sound else "unsound" if right else "incorrect" if complete else "no_answer"
    )
    own = -12.0 - float(rng.exponential(2.0))
    shift = np.log(q / p) if right and p > 0 else np.log((1 - q + 1e-9) / (1 - p + 1e-9))
    shift = float(shift) + float(rng.normal(0, 0.1))
    return {
        "problem_id": problem,
        "sample": sample,
        "policy": policy,
        "prompt": f"What is {a} + {b}?",
        "trace": f"First {a}, then {b} more.\nThat makes {answer}.\nSo \\boxed{{{answer}}}",
        "answer": answer,
        "complete": complete,
        "tokens": int(rng.integers(12, 40)) if complete else 64,
        "logprobs": {
            policy: own,
            "tuned" if policy == "base" else "base": own + shift * (1 if policy == "base" else -1),
        },
        "score": float(right and sound),
        "answer_score": float(right),
        "sound": float(sound) if right else None,
        "status": status,
        "detail": ""
        if right and sound
        else "the steps do not lead to the answer"
        if right
        else "differs from the reference",
        "verifier": "math+reasoning",
        "seed": 7,
    }


def write_run(folder: Path, steps: int = 40, seed: int = 0) -> dict:
    """The arguments of `rlvr.report.build` for a whole run: checkpoints, metrics and a set out of reach."""
    base, tuned = write_pair(folder, seed=seed)
    more = []
    for step, sharpen in ((10, 1.3), (20, 2.0), (30, 2.6)):
        part = folder / f"at-{step}"
        part.mkdir()
        _, path = write_pair(part, samples=16, sharpen=sharpen, seed=seed)
        more.append(path.rename(folder / f"step-{step}.jsonl"))
        path.with_suffix(".settings.json").rename(more[-1].with_suffix(".settings.json"))
    apart = folder / "apart"
    apart.mkdir()
    probes = write_pair(apart, problems=16, samples=256, seed=seed, score=0.0, answer_score=0.0, sound=None)
    rng = np.random.default_rng(seed)
    with (folder / "metrics.jsonl").open("w") as file:
        for step in range(1, steps + 1):
            reward = 0.2 + 0.5 * step / steps + float(rng.normal(0, 0.05))
            line = {
                "step": step,
                "reward": reward,
                "frac_zero_variance": float(rng.random() * 0.4),
                "correct_share": reward,
                "mixed_share": 0.6,
                "groups/drawn": 8,
                "seconds/step": 4.0,
                "completion_length": 30 + float(rng.normal()),
                "truncated_share": float(rng.random() * 0.05),
                "samples": 64,
                "tokens": 1900,
                "tokens_per_second": 900.0,
                "seconds/sampling": 2.0 + float(rng.random()),
                "seconds/verifying": 0.3,
                "seconds/update": 1.0 + float(rng.random()),
                "status/correct": reward,
                "status/incorrect": 1 - reward,
                "entropy": 0.9 - 0.5 * step / steps,
                "clipped_share": 0.01,
            }
            if step % 10 == 0:
                line |= {"eval/pass@1": reward, "eval/pass@4": min(1.0, reward + 0.2)}
            file.write(json.dumps(line) + "\n")
    return {
        "base": base,
        "tuned": tuned,
        "more": more,
        "metrics": folder / "metrics.jsonl",
        "probes": {"unreachable": tuple(probes)},
    }
