"""Does a long run stay flat? 1,000 steps of the embedded model, watched from outside.

    python scripts/study/long_run.py --steps 1000 --figure docs/long-run.png

Once a second: resident memory, open files, threads of the run's process, and how many processes it has (the verifier's
workers among them) with their memory. After a warm-up of a fifth of the steps nothing may grow: memory at the end is
at most a twentieth above that after the warm-up, and no count rises. Draws a figure, prints the verdict; exit code 1
where something grows.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

ALLOWED = 1.05
"""Memory at the end over memory after the warm-up."""
WARM_UP = 0.2
PANELS = {
    "memory_mb": "memory of the run, MB",
    "workers_mb": "memory of its workers, MB",
    "files": "open files",
    "threads": "threads",
    "processes": "processes",
}


@dataclass(frozen=True, slots=True)
class Sample:
    """The run's process, and those below it, at one moment."""

    seconds: float
    step: int
    memory_mb: float
    workers_mb: float
    files: int
    threads: int
    processes: int


def command(folder: Path, steps: int) -> list[str]:
    return [
        "train", "quickstart", "--output", str(folder), "-q", f"train.steps={steps}", "train.groups_per_step=8",
        "train.group_size=4", "train.eval_every=50", "train.eval_samples=4", "problems.heldout.limit=16",
        "problems.probes={}", "train.curriculum.kind=adaptive", "verification.workers=2", "train.trl.beta=0.01",
    ]  # fmt: skip


def field(pid: int, name: str) -> int:
    """A number of /proc/PID/status: kilobytes, or a count."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1])
    return 0


def below(pid: int) -> list[int]:
    """Every process that descends from `pid`."""
    children = [
        int(word)
        for task in Path(f"/proc/{pid}/task").iterdir()
        for word in (task / "children").read_text().split()
    ]
    return children + [inner for child in children for inner in below(child)]


def look(pid: int, folder: Path, began: float) -> Sample | None:
    """One sample; None where a process has just gone."""
    metrics = folder / "metrics.jsonl"
    try:
        others = below(pid)
        return Sample(
            seconds=time.monotonic() - began,
            step=metrics.read_bytes().count(b"\n") if metrics.exists() else 0,
            memory_mb=field(pid, "VmRSS") / 1024,
            workers_mb=sum(field(other, "VmRSS") for other in others) / 1024,
            files=sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir()),
            threads=field(pid, "Threads"),
            processes=1 + len(others),
        )
    except (FileNotFoundError, ProcessLookupError):
        return None


def watch(steps: int, folder: Path) -> list[Sample]:
    """Run it to its end, and what was seen on the way."""
    samples, began = [], time.monotonic()
    with (folder / "errors.txt").open("w+") as errors:
        run = subprocess.Popen(
            [sys.executable, "-m", "rlvr", *command(folder / "run", steps)],
            stdout=subprocess.DEVNULL,
            stderr=errors,
        )
        while run.poll() is None:
            if sample := look(run.pid, folder / "run", began):
                samples.append(sample)
            time.sleep(1)
        errors.seek(0)
        if run.returncode:
            raise SystemExit(f"the run ended with {run.returncode}: {errors.read()[-3000:]}")
    return samples


def verdict(samples: list[Sample], steps: int) -> dict[str, dict[str, float | bool]]:
    """For each thing measured: after the warm-up, at the end, and whether that is flat.

    Memory is compared by medians over a tenth of the steps, counts by their greatest value over the second tenth's
    width after the warm-up and over the last.
    """
    first, width = WARM_UP * steps, 0.1 * steps
    early = [s for s in samples if first <= s.step < first + width]
    # the end of training itself: exporting the model, and workers that go, are not steps
    late = [s for s in samples if steps - width <= s.step < steps]
    found: dict[str, dict[str, float | bool]] = {}
    for name in PANELS:
        memory = name.endswith("_mb")
        of = statistics.median if memory else max
        before, after = (of([getattr(s, name) for s in part]) for part in (early, late))
        found[name] = {
            "before": before,
            "after": after,
            "flat": after <= before * (ALLOWED if memory else 1),
        }
    return found


def draw(samples: list[Sample], steps: int, file: Path) -> None:
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    training = [s for s in samples if 0 < s.step < steps]
    figure, panels = plt.subplots(len(PANELS), 1, figsize=(7, 7.5), sharex=True, layout="constrained")
    for panel, (name, label) in zip(panels, PANELS.items(), strict=True):
        values = [getattr(s, name) for s in training]
        panel.plot([s.step for s in training], values, color="#0072b2", linewidth=1.2)
        panel.axvspan(0, WARM_UP * steps, color="#000000", alpha=0.06, linewidth=0)
        panel.set_ylim(0, 1.25 * max(values))
        panel.set_title(label, loc="left", fontsize=9)
        panel.spines[["top", "right"]].set_visible(False)
        panel.tick_params(labelsize=8)
    panels[-1].set_xlabel("step (grey: warm-up)", fontsize=9)
    figure.savefig(file, dpi=150)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--figure", type=Path, help="draw what was seen into this file")
    parser.add_argument("--json", type=Path, help="write every sample here")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        samples = watch(args.steps, Path(folder))
    found = verdict(samples, args.steps)
    print(f"{args.steps} steps in {samples[-1].seconds:.0f} s, {platform.platform()}")
    print(f"{'':<28}{'after warm-up':>14}{'at the end':>12}")
    for name, row in found.items():
        print(
            f"{PANELS[name]:<28}{row['before']:>14.0f}{row['after']:>12.0f}  {'flat' if row['flat'] else 'GROWS'}"
        )
    if args.figure:
        draw(samples, args.steps, args.figure)
    if args.json:
        args.json.write_text(json.dumps([asdict(s) for s in samples]) + "\n", encoding="utf-8")
    return 0 if all(row["flat"] for row in found.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
