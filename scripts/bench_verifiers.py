"""Our math verifier beside Math-Verify, in one run: the same rows in turns, wall time, no cache.

    python scripts/bench_verifiers.py --exams ../shared/exams [--limit N] [--json FILE]

Each verifier runs in a process of its own; row by row the two are asked in turns, so that a busy machine slows
both alike. Rows: the labelled exam cases, and model outputs with a gold. Then the batch rate of ours through
`verifiers.pool` over the model outputs. The two judge with what their documentation recommends: Math-Verify as
`verify(parse(gold), parse(response))`.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import platform
import statistics
import sys
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

Grader = Callable[[str, str], bool]


def ours() -> Grader:
    from verifiers.math import grade, symbolic

    def judge(gold: str, response: str) -> bool:
        symbolic.clear_cache()
        return grade(gold, response)

    return judge


def math_verify() -> Grader:
    import logging

    from math_verify import parse, verify  # pyright: ignore[reportMissingImports]

    logging.disable(logging.CRITICAL)

    def judge(gold: str, response: str) -> bool:
        return bool(verify(parse(gold if "\\boxed" in gold or "$" in gold else f"${gold}$"), parse(response)))

    return judge


GRADERS: dict[str, Callable[[], Grader]] = {"ours": ours, "math_verify": math_verify}


def serve(name: str, line: Connection) -> None:
    """Answer (gold, response) with (verdict, seconds), until None comes."""
    judge = GRADERS[name]()
    judge("\\frac{1}{2}", "So it is $\\boxed{0.5}$.")
    judge("x+1", "So it is $\\boxed{1+x}$.")
    line.send("ready")
    while (question := line.recv()) is not None:
        start = time.perf_counter()
        verdict = judge(*question)
        line.send((verdict, time.perf_counter() - start))


def load(exams: Path, limit: int | None) -> list[dict[str, Any]]:
    """Rows as {set, gold, response, label}."""
    rows: list[dict[str, Any]] = []
    for line in (exams / "math/cases_dev.jsonl").read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        rows.append({"set": "exam", "gold": row["gold"], "response": row["response"], "label": row["label"]})
    for line in (exams / "data/dev/model_outputs.jsonl").read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        if row["kind"].startswith("math"):
            rows.append({"set": "model_outputs", "gold": row["gold"], "response": row["response"], "label": row["label"], "prompt": row["problem"]})  # fmt: skip
    if limit is not None:
        rows = rows[:: max(1, len(rows) // limit)]
    return rows


def side_by_side(rows: list[dict[str, Any]]) -> dict[str, Any]:
    context = multiprocessing.get_context("spawn")
    lines: dict[str, Connection] = {}
    processes = []
    for name in GRADERS:
        here, there = context.Pipe()
        processes.append(context.Process(target=serve, args=(name, there)))
        processes[-1].start()
        lines[name] = here
    for line in lines.values():
        line.recv()
    seconds: dict[str, list[float]] = {name: [] for name in GRADERS}
    right = dict.fromkeys(GRADERS, 0)
    for number, row in enumerate(rows):
        order = list(GRADERS) if number % 2 == 0 else list(GRADERS)[::-1]
        for name in order:
            lines[name].send((row["gold"], row["response"]))
            verdict, took = lines[name].recv()
            seconds[name].append(took)
            right[name] += verdict == row["label"]
    for line in lines.values():
        line.send(None)
    for process in processes:
        process.join()
    table: dict[str, Any] = {
        name: {
            "median_ms": statistics.median(times) * 1e3,
            "mean_ms": statistics.fmean(times) * 1e3,
            "agreement": right[name] / len(rows),
        }
        for name, times in seconds.items()
    }
    table["ratio"] = {
        "median": table["math_verify"]["median_ms"] / table["ours"]["median_ms"],
        "mean": table["math_verify"]["mean_ms"] / table["ours"]["mean_ms"],
    }
    return table


def batch_rate(rows: list[dict[str, Any]], workers: int) -> dict[str, float]:
    """Verdicts per second of the pool, start-up of the workers not counted."""
    from verifiers import Problem, VerifierPool

    items = [(Problem(str(at), row.get("prompt", ""), row["gold"]), row["response"]) for at, row in enumerate(rows)]
    with VerifierPool("math", workers=workers, cache=0) as pool:
        pool.score(items[:8])
        start = time.perf_counter()
        verdicts = pool.score(items)
        took = time.perf_counter() - start
    agreed = sum((verdict.score == 1.0) == row["label"] for verdict, row in zip(verdicts, rows, strict=True))
    return {"workers": workers, "rows": len(rows), "verdicts_per_s": len(rows) / took, "agreement": agreed / len(rows)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--exams", type=Path, required=True, help="folder with math/cases_dev.jsonl and data/dev/model_outputs.jsonl")
    parser.add_argument("--limit", type=int, help="about so many rows, evenly spread (default: all)")
    parser.add_argument("--workers", type=int, default=2, help="processes of the batch rate (2)")
    parser.add_argument("--json", type=Path, help="write the results here")
    options = parser.parse_args()
    rows = load(options.exams, options.limit)
    result: dict[str, Any] = {"machine": f"{platform.processor() or platform.machine()}, Python {platform.python_version()}"}
    for name in ("exam", "model_outputs"):
        chosen = [row for row in rows if row["set"] == name]
        result[name] = side_by_side(chosen)
        print(f"{name} ({len(chosen)} rows)")
        for grader in GRADERS:
            row = result[name][grader]
            print(f"  {grader:12} median {row['median_ms']:8.3f} ms   mean {row['mean_ms']:8.3f} ms   agrees with labels {row['agreement']:.2%}")
        print(f"  ours is faster by {result[name]['ratio']['median']:.1f} in the median, {result[name]['ratio']['mean']:.1f} in the mean")
    result["batch"] = batch_rate([row for row in rows if row["set"] == "model_outputs"], options.workers)
    print(f"pool: {result['batch']['verdicts_per_s']:,.0f} verdicts/s with {options.workers} workers, agrees {result['batch']['agreement']:.2%}")
    if options.json is not None:
        options.json.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
