"""Run the recipes whose figures are in the README, and write those figures between its markers.

    python scripts/study/readme_results.py [--seeds 0,1,2] [--smollm2 PATH] [--only NAME] [--json FILE]

Runs land in runs/readme/ and are not done again when they are finished (the minutes are then those of the first run,
kept beside it). The recipes run one after the other; nothing else should run on the machine.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import torch

from rlvr.machine import measured_on

REPO = Path(__file__).resolve().parents[2]
FOLDER = REPO / "runs" / "readme"


def run(recipe: str, name: str, *overrides: str) -> dict[str, Any]:
    """The report of one run and how many minutes it took."""
    folder = FOLDER / name
    clock = folder.with_suffix(".minutes")
    began = time.monotonic()
    command = [sys.executable, "-m", "rlvr", "run", recipe, "--output", str(folder), *overrides]
    subprocess.run(command, check=True, cwd=REPO)
    if not clock.exists():
        clock.write_text(f"{(time.monotonic() - began) / 60:.1f}")
    return json.loads((folder / "report.json").read_text()) | {"minutes": float(clock.read_text())}


def points(estimate: dict[str, Any], sign: bool = False) -> str:
    """A rate in points with its 95 % interval."""
    if estimate["value"] is None:
        return "–"
    interval = (
        f" ({100 * estimate['lo']:.1f} to {100 * estimate['hi']:.1f})"
        if estimate.get("lo") is not None
        else ""
    )
    return f"{100 * estimate['value']:{'+' if sign else ''}.1f}{interval}"


def line(label: str, report: dict[str, Any], largest: str) -> str:
    base, tuned = report["policies"]["base"], report["policies"]["tuned"]
    comparison = report["comparison"]
    kinds = comparison["compression"]
    cells = [
        label,
        points(base["pass_at_k"]["1"]),
        points(base["pass_at_k"][largest]),
        points(tuned["pass_at_k"]["1"]),
        points(comparison["gain"], sign=True),
        points(kinds["within"]),
        points(kinds["beyond"]),
        f"{report['minutes']:.1f}",
    ]
    return f"| {' | '.join(cells)} |"


def table(first: str, largest: str, rows: list[str]) -> str:
    head = [
        first,
        "base pass@1",
        f"base pass@{largest}",
        "tuned pass@1",
        "gain, paired",
        "of it compression within K",
        "beyond K",
        "minutes",
    ]
    return "\n".join([f"| {' | '.join(head)} |", "|" + "---|" * len(head), *rows])


def machine() -> str:
    found, gpu = measured_on(), torch.cuda.get_device_name() if torch.cuda.is_available() else "no GPU"
    return f"{found['processor']}, {gpu}, Python {found['python']}"


def write(marker: str, text: str) -> None:
    """Replace what is between `<!-- marker -->` and `<!-- /marker -->` in the README."""
    readme = REPO / "README.md"
    pattern = re.compile(rf"(<!-- {marker} -->\n).*?(<!-- /{marker} -->)", re.S)
    old = readme.read_text(encoding="utf-8")
    if not pattern.search(old):
        raise SystemExit(f"README.md: no markers <!-- {marker} -->")
    readme.write_text(pattern.sub(lambda m: f"{m[1]}{text}\n{m[2]}", old), encoding="utf-8")


def quickstart(seeds: list[int]) -> list[dict[str, Any]]:
    reports = [run("configs/quickstart.yaml", f"quickstart-{seed}", f"seed={seed}") for seed in seeds]
    rows = [line(f"seed {seed}", report, "64") for seed, report in zip(seeds, reports, strict=True)]
    base = reports[0]["policies"]["base"]
    write(
        "quickstart",
        f"The quickstart on {machine()}: {base['n_problems']} held-out problems × "
        f"{base['n_samples'] // base['n_problems']} samples, K = 16, points with 95 % intervals.\n\n"
        f"{table('', '64', rows)}\n\n"
        "By `scripts/study/readme_results.py`. Correct samples in the two sets beside the held-out one, over all "
        "seeds: " + "; ".join(probe_words(reports, name) for name in ("unreachable", "rare")) + ".",
    )
    return reports


def probe_words(reports: list[dict[str, Any]], name: str) -> str:
    """`unreachable: 0 of 4,096 samples before, 0 after` over all seeds."""
    before, after, n = 0, 0, 0
    for report in reports:
        sides = report["probes"][name]["policies"]
        before += sides["base"]["statuses"].get("correct", 0)
        after += sides["tuned"]["statuses"].get("correct", 0)
        n += sides["base"]["n_samples"]
    return f"{name} {before} of {n:,} before training and {after} of {n:,} after"


def smollm2(model: str) -> dict[str, Any]:
    report = run("configs/smollm2-chain-sum.yaml", "smollm2-chain-sum", f"model={model}")
    base = report["policies"]["base"]
    write(
        "smollm2",
        f"SmolLM2-135M-Instruct on two-digit sums and differences, all weights, on {machine()}: "
        f"{base['n_problems']} held-out problems × {base['n_samples'] // base['n_problems']} samples, K = 8.\n\n"
        f"{table('', '16', [line('chain sums', report, '16')])}\n\nBy `scripts/study/readme_results.py`.",
    )
    return report


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", default="0,1,2", help="seeds of the quickstart, separated by commas")
    parser.add_argument("--smollm2", default="models/smollm2-135m-instruct", help="folder or Hub name")
    parser.add_argument("--only", choices=["quickstart", "smollm2"])
    parser.add_argument("--json", type=Path, help="write the reports of the runs there")
    args = parser.parse_args()
    found: dict[str, Any] = {"machine": measured_on()}
    if args.only != "smollm2":
        found["quickstart"] = quickstart([int(seed) for seed in args.seeds.split(",")])
    if args.only != "quickstart":
        found["smollm2"] = smollm2(args.smollm2)
    if args.json:
        args.json.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
