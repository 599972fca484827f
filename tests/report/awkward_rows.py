"""Two rollout files with all that rows may lack: problems of one file alone, unequal and odd numbers of samples,
samples without a verdict, an answer, an end, log-probabilities or a look at the reasoning; partial credit; sources."""

import json
import math
import random
from pathlib import Path
from typing import Any

Row = dict[str, Any]
PROBLEMS = 36
BASE_SAMPLES = (32, 32, 17, 32, 33, 32)
TUNED_SAMPLES = (16, 17, 16, 16)
OPENED = {12: 0.5, 18: 0.9, 24: 0.97}
"""Problems that the base never solves, and how often the tuned policy does."""


def write(folder: Path) -> dict[str, list[Row]]:
    """base.jsonl and tuned.jsonl in `folder`; the same rows by policy."""
    rng = random.Random(5)
    rates = {f"p{i:02d}": 0.0 if i % 6 == 0 else rng.betavariate(0.7, 1.6) for i in range(PROBLEMS)}
    found: dict[str, list[Row]] = {}
    for policy, own, skipped in (("base", BASE_SAMPLES, 35), ("tuned", TUNED_SAMPLES, 34)):
        rows = []
        for i, (problem, rate) in enumerate(rates.items()):
            if i == skipped:
                continue
            tuned = OPENED.get(i, 0.02) if rate == 0 else 0.6 * rate if i % 7 == 3 else 1 - (1 - rate) ** 2.5
            samples = 3 if i == 20 else own[i % len(own)]
            rows += [
                _row(rng, policy, problem, j, rate if policy == "base" else tuned) for j in range(samples)
            ]
        for row in rows:
            if row["problem_id"] == "p21":  # nobody could judge one problem
                row |= {"score": None, "answer_score": None, "status": "error", "sound": None}
        found[policy] = rows
        path = folder / f"{policy}.jsonl"
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        settings = {"temperature": 1.0, "top_p": 1.0, "evidence": {"shots": 0}, "verifier": "math+reasoning"}
        path.with_suffix(".settings.json").write_text(json.dumps(settings | {"policy": policy}))
    return found


def _row(rng: random.Random, policy: str, problem: str, sample: int, rate: float) -> Row:
    right, number = rng.random() < rate, int(problem[1:])
    wrong = None if rng.random() < 0.2 else rng.choice(["1", "2", "2", "3"])
    answer = rng.choice(["42", "42.0"]) if right else wrong
    sound = None if number % 5 == 4 else float(rng.random() < 0.8)
    score = float(right and sound != 0.0)
    if not right and rng.random() < 0.1:
        score = 0.5
    status = (
        "correct" if score == 1 else "unsound" if right else "no_answer" if answer is None else "incorrect"
    )
    own = -4.0 - rng.expovariate(0.3)
    moved = math.log(1.5) if right else math.log(0.8)
    other = own - (moved if policy == "tuned" else -moved) + rng.gauss(0, 0.2)
    row: Row = {
        "problem_id": problem,
        "sample": sample,
        "policy": policy,
        "prompt": f"Problem {number}?",
        "trace": f"{rng.choice(['so', 'thus', 'hence'])} {answer}",
        "answer": answer,
        "complete": rng.random() < 0.9,
        "tokens": rng.randint(5, 60),
        "score": score,
        "answer_score": float(right),
        "sound": sound,
        "status": status,
        "verifier": "math+reasoning",
        "source": "easy" if number % 3 else "hard",
        "logprobs": {policy: own, "tuned" if policy == "base" else "base": min(other, 0.0)},
    }
    if rng.random() < 0.05:
        row |= {"score": None, "answer_score": None, "sound": None, "status": "unverifiable"}
    if rng.random() < 0.1:
        del row["complete"]
    if rng.random() < 0.1:
        del row["tokens"]
    if rng.random() < 0.1:
        del row["logprobs"]
    return row


def counts(rows: list[Row]) -> dict[str, tuple[int, int]]:
    """Of each problem, the samples with a verdict and the right ones."""
    found: dict[str, tuple[int, int]] = {}
    for row in rows:
        n, c = found.get(row["problem_id"], (0, 0))
        found[row["problem_id"]] = (n + (row["score"] is not None), c + (row["score"] == 1))
    return found
