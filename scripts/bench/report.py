"""How fast the report is, and how much memory it takes: a million rollouts, and the page of ten thousand.

    python scripts/bench/report.py [--update docs/metrics.md] [--problems 5000] [--samples 200] [--json FILE]

Two files, base and tuned, each of `problems` × `samples` rows of 1 kB that hold every key of `rlvr.rollouts`, the
log-probabilities under both policies among them; every trace is another one. They lie in a temporary folder that is
removed at the end, also after a failure (about 1 GB each). Measured, one process, one after the other:

- reading each file into counts per problem;
- all statistics: both summaries and the comparison, 2,000 bootstrap replicates throughout;
- 2,000 cluster-bootstrap replicates of the mean pass@k at every k from 1 to `samples`, drawing included;
- the most memory that was resident, of which so much after the first file;
- the page of the two files, the page of 10,000 rollouts of 1 kB, and the page of 10,000 problems: time from files to
  page, its size; and where a Chromium is installed, time to load, per filtering by text, and in the table of problems
  per sorting, per filtering, and to open one.

Exit code 1 where a target is missed; the targets hold for the sizes that are set by default.
"""

from __future__ import annotations

import argparse
import json
import platform
import resource
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import orjson

REPO = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(REPO), str(REPO / "tests" / "report")]

ROW_BYTES = 1000
START, END = "<!-- report speed: written by scripts/bench/report.py -->", "<!-- end of the report speed -->"


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the table; `limit` is the target that `value` must stay below, in the same unit."""

    what: str
    value: float
    unit: str
    limit: float | None = None

    @property
    def missed(self) -> bool:
        return self.limit is not None and self.value >= self.limit

    def __str__(self) -> str:
        digits = ".0f" if self.value >= 100 else ".1f"
        limit = "" if self.limit is None else f"< {self.limit:g} {self.unit}" + (" MISSED" * self.missed)
        return f"| {self.what} | {self.value:,{digits}} {self.unit} | {limit} |"


def rows(policy: str, problems: int, samples: int, sharpen: float = 3.0) -> Iterator[bytes]:
    """Lines of about `ROW_BYTES`; a sample of the tuned policy is worth `sharpen` of the base's."""
    rng = np.random.default_rng(0)
    rates = rng.beta(0.5, 1.5, problems)
    rates[: problems // 20] = 0.0
    rng = np.random.default_rng([len(policy), samples])
    tuned_rates = 1 - (1 - rates) ** sharpen
    for i, (p, q) in enumerate(zip(rates, tuned_rates, strict=True)):
        right = rng.random(samples) < (q if policy == "tuned" else p)
        own = -20.0 - rng.exponential(5.0, samples)
        shift = np.where(right, np.log((q + 1e-9) / (p + 1e-9)), np.log((1 - q + 1e-9) / (1 - p + 1e-9)))
        other = np.minimum(own - shift if policy == "tuned" else own + shift, 0.0)
        wrong = rng.zipf(1.7, samples)
        for j in range(samples):
            row: dict[str, Any] = {
                "problem_id": f"problem-{i:05d}",
                "sample": j,
                "policy": policy,
                "prompt": f"What is the number of problem {i}?",
                "reference": "42",
                "trace": "",
                "answer": "42" if right[j] else f"no {wrong[j]}",
                "complete": bool(wrong[j] < 1000),
                "tokens": 200 + j,
                "logprobs": {policy: own[j], "base" if policy == "tuned" else "tuned": other[j]},
                "score": float(right[j]),
                "answer_score": float(right[j]),
                "sound": 1.0 if right[j] else None,
                "status": "correct" if right[j] else "incorrect",
                "detail": "" if right[j] else "differs from the reference",
                "verifier": "math",
                "seed": 0,
            }
            head = f"Sample {j} of problem {i}: "
            fill = ROW_BYTES - 1 - len(head) - len(orjson.dumps(row, option=orjson.OPT_SERIALIZE_NUMPY))
            row["trace"] = head + ("and so the next step follows from it, " * 30)[: max(fill, 0)]
            yield orjson.dumps(row, option=orjson.OPT_SERIALIZE_NUMPY) + b"\n"


def write(folder: Path, problems: int, samples: int) -> tuple[Path, Path]:
    """base.jsonl and tuned.jsonl."""
    paths = folder / "base.jsonl", folder / "tuned.jsonl"
    for path in paths:
        with path.open("wb") as file:
            file.writelines(rows(path.stem, problems, samples))
    return paths


def resident_mb() -> float:
    """The most memory this process has held, in MB."""
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most * (1 if platform.system() == "Darwin" else 1024) / 1e6


def statistics(paths: tuple[Path, Path], problems: int, samples: int) -> Iterator[Line]:
    from rlvr.analysis.bootstrap import ClusterBootstrap
    from rlvr.analysis.passk import pass_curve
    from rlvr.analysis.sections.compare import compare, summarise
    from rlvr.rollouts.evaluations import read

    size = paths[0].stat().st_size / 1e6
    total = problems * samples
    before = resident_mb()
    evaluations = []
    for path in paths:
        began = time.perf_counter()
        evaluations += read(path, path.stem)
        took = time.perf_counter() - began
        yield Line(f"reading {path.name}, {total:,} rows, {size:,.0f} MB", took, "s", 20)
        if len(evaluations) == 1:
            yield Line(
                f"memory after it (interpreter and libraries: {before:,.0f} MB)",
                resident_mb(),
                "MB",
                round(size / 2),
            )
    base, tuned = (evaluation.samples for evaluation in evaluations)
    began = time.perf_counter()
    summarise(base), summarise(tuned)
    compare(base, tuned)
    yield Line("all statistics of both and of their comparison", time.perf_counter() - began, "s", 10)
    began = time.perf_counter()
    curve = pass_curve(base.n, base.c, np.arange(1, samples + 1))
    replicates = ClusterBootstrap(problems, 2000, seed=0).means(curve)
    took = time.perf_counter() - began
    yield Line(f"2,000 cluster-bootstrap replicates of pass@1 … pass@{replicates.shape[1]}", took, "s", 5)
    yield Line("the most memory at any time, both files", resident_mb(), "MB", round(size))


TABLE = """(async () => {
  const took = {"sort": [], "filter": [], "open a problem": []};
  const timed = (into, act) => {
    const began = performance.now(); act(); document.body.offsetHeight; into.push(performance.now() - began); };
  const form = document.getElementById("each-filters");
  const problems = document.getElementById("each-count").textContent.split(" of ")[1];
  for (const head of document.querySelectorAll("#each-table th button"))
    for (const again of [1, 2]) timed(took["sort"], () => head.click());
  for (const text of ["1", "77", "nowhere", ""]) {
    form.elements.id.value = text;
    timed(took["filter"], () => form.dispatchEvent(new Event("submit", {cancelable: true})));
  }
  for (const link of [...document.querySelectorAll("#each-table tbody a")].slice(0, 5)) {
    const began = performance.now();
    await new Promise(done => { addEventListener("hashchange", done, {once: true}); link.click(); });
    document.body.offsetHeight; took["open a problem"].push(performance.now() - began);
  }
  return {problems, took};
})()"""
"""Milliseconds in the table of problems: a click on each column's head, twice; four searches; five problems' links."""


def page(paths: tuple[Path, Path], total: int) -> Iterator[Line]:
    """The page of two files of `total` rows together: built, and opened in a real browser."""
    from chromium import Browser, find  # pyright: ignore[reportMissingImports]  # beside the tests

    from rlvr.report import build

    began = time.perf_counter()
    report = build(*paths, output=paths[0].parent / "report")
    took = time.perf_counter() - began
    size = report.html.stat().st_size / 1e6
    yield Line(f"from two files of {total:,} rows together to report.html, {size:.1f} MB", took, "s")
    if find() is None:
        print("no Chromium on this machine: the page is not opened", file=sys.stderr)
        return
    with Browser() as browser:
        loads = []
        for _ in range(5):
            began = time.perf_counter()
            browser.open(report.html.as_uri())
            loads.append(1000 * (time.perf_counter() - began))
        shown = browser.run("document.getElementById('count').textContent")
        filters = browser.run(
            "(() => { const form = document.getElementById('filters'), took = [];"
            "for (const text of ['follows', 'no 3', 'nowhere', '', 'problem 77:', 'no 1', 'sample 12', '']) {"
            "  form.elements.text.value = text; const began = performance.now();"
            "  form.dispatchEvent(new Event('submit', {cancelable: true}));"
            "  document.body.offsetHeight; took.push(performance.now() - began); }"
            "return took; })()"
        )
        table = browser.run(TABLE)
        if browser.errors:
            raise RuntimeError(f"the page complains: {browser.errors}")
    yield Line(
        f"that page in Chromium, with {shown.split(' of ')[-1]} rollouts to browse: to load, median of {len(loads)}",
        float(np.median(loads)),
        "ms",
    )
    yield Line(f"the same: to filter by text and draw, slowest of {len(filters)}", max(filters), "ms")
    for what, took in table["took"].items():
        yield Line(
            f"its table of {table['problems']} problems: to {what}, slowest of {len(took)}", max(took), "ms"
        )


def measure(problems: int, samples: int) -> Iterator[Line]:
    with tempfile.TemporaryDirectory(prefix="bench-report-") as folder:
        paths = write(Path(folder), problems, samples)
        yield from statistics(paths, problems, samples)
        yield from page(paths, 2 * problems * samples)
    with tempfile.TemporaryDirectory(prefix="bench-report-") as folder:
        yield from page(write(Path(folder), 100, 50), 10_000)
    with tempfile.TemporaryDirectory(prefix="bench-report-") as folder:
        yield from page(write(Path(folder), 10_000, 2), 40_000)


def update(path: Path, text: str) -> None:
    """Puts `text` between the markers in the file."""
    old = path.read_text(encoding="utf-8")
    before, found, rest = old.partition(START)
    _, closed, after = rest.partition(END)
    if not (found and closed):
        raise SystemExit(f"{path}: no markers {START} … {END}")
    path.write_text(f"{before}{START}\n{text}\n{END}{after}", encoding="utf-8")


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--problems", type=int, default=5000)
    parser.add_argument("--samples", type=int, default=200)
    parser.add_argument("--update", type=Path, metavar="FILE", help="write the table between its markers")
    parser.add_argument("--json", type=Path, help="write the figures there")
    args = parser.parse_args()
    lines: list[Line] = []
    for line in measure(args.problems, args.samples):
        print(line, flush=True)
        lines.append(line)
    from rlvr.machine import measured_on  # behind what is measured, whose memory its imports would be part of

    machine = measured_on()
    if args.update:
        names = f"{machine['processor']}, Python {machine['python']}, numpy {machine['numpy']}"
        head = f"On {names}:\n\n| | measured | target |\n|---|---:|---:|"
        update(args.update, "\n".join([head, *map(str, lines)]))
    if args.json:
        figures = {"machine": machine, "lines": [asdict(line) for line in lines]}
        args.json.write_text(json.dumps(figures, indent=1) + "\n")
    return int(any(line.missed for line in lines))


if __name__ == "__main__":
    raise SystemExit(main())
