"""Our math verifier beside Math-Verify, in one run: the same rows in turns, wall time, no cache.

    python scripts/bench/graders.py --exams ../shared/exams [--limit N] [--json FILE]

Each verifier runs in a process of its own; they are asked in turns, a block of rows each, so that a busy machine
slows both alike. Rows: the labelled exam cases, and model outputs with a gold. Then the batch rate of ours through
`verifiers.pool` over the model outputs. The two judge with what their documentation recommends: Math-Verify as
`verify(parse(gold), parse(response))`.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
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


BLOCK = 25
KEYS = ("gold", "response", "label")
GRADERS: dict[str, Callable[[], Grader]] = {"ours": ours, "math_verify": math_verify}


def serve(name: str, line: Connection) -> None:
    """Answer a block of (gold, response) with a list of (verdict, seconds), until None comes."""
    judge = GRADERS[name]()
    judge("\\frac{1}{2}", "So it is $\\boxed{0.5}$.")
    judge("x+1", "So it is $\\boxed{1+x}$.")
    line.send("ready")
    while (block := line.recv()) is not None:
        answers: list[tuple[bool, float]] = []
        for question in block:
            start = time.perf_counter()
            verdict = judge(*question)
            answers.append((verdict, time.perf_counter() - start))
        line.send(answers)


def load(exams: Path, limit: int | None) -> list[dict[str, Any]]:
    """Rows as {set, gold, response, label}."""
    rows: list[dict[str, Any]] = []
    for line in (exams / "math/cases_dev.jsonl").read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        rows.append({"set": "exam"} | {key: row[key] for key in KEYS})
    for line in (exams / "data/dev/model_outputs.jsonl").read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        if row["kind"].startswith("math"):
            rows.append({"set": "model_outputs", "prompt": row["problem"]} | {key: row[key] for key in KEYS})
    if limit is not None:
        rows = rows[:: max(1, len(rows) // limit)]
    return rows


def side_by_side(rows: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Times and agreement of both graders on each set of rows, and on all together."""
    context = multiprocessing.get_context("spawn")
    lines: dict[str, Connection] = {}
    processes = []
    for name in GRADERS:
        here, there = context.Pipe()
        processes.append(context.Process(target=serve, args=(name, there)))
        processes[-1].start()
        lines[name] = here  # pyright: ignore[reportArgumentType]
    for line in lines.values():
        line.recv()
    seconds: dict[str, list[float]] = {name: [] for name in GRADERS}
    right: dict[str, list[bool]] = {name: [] for name in GRADERS}
    for start in range(0, len(rows), BLOCK):
        block = rows[start : start + BLOCK]
        for name, line in lines.items():
            line.send([(row["gold"], row["response"]) for row in block])
            for row, (verdict, took) in zip(block, line.recv(), strict=True):
                seconds[name].append(took)
                right[name].append(verdict == row["label"])
    for line in lines.values():
        line.send(None)
    for process in processes:
        process.join()
    tables = {}
    for name in (*dict.fromkeys(row["set"] for row in rows), "all"):
        chosen = [at for at, row in enumerate(rows) if name in (row["set"], "all")]
        tables[name] = _table(chosen, seconds, right)
    return tables


def _table(
    chosen: list[int], seconds: dict[str, list[float]], right: dict[str, list[bool]]
) -> dict[str, Any]:
    table: dict[str, Any] = {"rows": len(chosen)}
    for name in GRADERS:
        times = [seconds[name][at] for at in chosen]
        table[name] = {
            "median_ms": statistics.median(times) * 1e3,
            "mean_ms": statistics.fmean(times) * 1e3,
            "agreement": statistics.fmean(right[name][at] for at in chosen),
        }
    table["ratio"] = {
        what: table["math_verify"][f"{what}_ms"] / table["ours"][f"{what}_ms"] for what in ("median", "mean")
    }
    return table


def batch_rate(rows: list[dict[str, Any]], workers: int) -> dict[str, float]:
    """Verdicts per second of the pool, start-up of the workers not counted."""
    from verifiers import Problem, VerifierPool

    items = [
        (Problem(str(at), row.get("prompt", ""), row["gold"]), row["response"]) for at, row in enumerate(rows)
    ]
    with VerifierPool("math", workers=workers, cache=0) as pool:
        pool.score(items[:8])
        start = time.perf_counter()
        verdicts = pool.score(items)
        took = time.perf_counter() - start
    agreed = sum((verdict.score == 1.0) == row["label"] for verdict, row in zip(verdicts, rows, strict=True))
    return {
        "workers": workers,
        "rows": len(rows),
        "verdicts_per_s": len(rows) / took,
        "agreement": agreed / len(rows),
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--exams",
        type=Path,
        required=True,
        help="folder with math/cases_dev.jsonl and data/dev/model_outputs.jsonl",
    )
    parser.add_argument("--limit", type=int, help="about so many rows, evenly spread (default: all)")
    parser.add_argument("--workers", type=int, default=2, help="processes of the batch rate (2)")
    parser.add_argument("--json", type=Path, help="write the results here")
    options = parser.parse_args()
    from rlvr.machine import measured_on  # not in the workers, whose imports are part of what is timed

    rows = load(options.exams, options.limit)
    result: dict[str, Any] = {"machine": measured_on()}
    result |= side_by_side(rows)
    for name in ("exam", "model_outputs", "all"):
        table = result[name]
        print(f"{name} ({table['rows']} rows)")
        for grader in GRADERS:
            row = table[grader]
            times = f"median {row['median_ms']:8.3f} ms   mean {row['mean_ms']:8.3f} ms"
            print(f"  {grader:12} {times}   agrees with labels {row['agreement']:.2%}")
        ratio = table["ratio"]
        print(f"  ours is faster by {ratio['median']:.1f} in the median, {ratio['mean']:.1f} in the mean")
    batch = batch_rate([row for row in rows if row["set"] == "model_outputs"], options.workers)
    result["batch"] = batch
    rate = f"{batch['verdicts_per_s']:,.0f} verdicts/s with {options.workers} workers"
    print(f"pool: {rate}, agrees with labels {batch['agreement']:.2%}")
    if options.json is not None:
        options.json.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
