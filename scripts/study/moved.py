"""What does a trained number bring, and what a token of training? A soft prompt, LoRA at three ranks, all weights and a
distilled prompt from the same base, on the same held-out problems, in nats.

    python scripts/study/moved.py [--steps 30] [--seed 0] [--json FILE] [--figure FILE]

The base is the tiny model that scripts/study/distill_study.py has taught an instruction, so that there is evidence in
the prompt that helps. The levers are written to a file of `rlvr evidence`, which samples, trains and computes the
table; here only the numbers that were trained are counted, and the figure is drawn. The same command goes on where it
was stopped.
"""

from __future__ import annotations

import argparse
import json
import math
import os
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch is imported

import yaml
from distill_study import EVIDENCE, INSTRUCTION, teach
from matplotlib.figure import Figure
from safetensors import safe_open

from rlvr.analysis.estimate import real
from rlvr.cli import main as rlvr

FOLDER = Path(__file__).resolve().parents[2] / "runs" / "study" / "moved"
EVIDENCE_KEYS = yaml.safe_load(EVIDENCE)


def lora(rank: int) -> dict[str, Any]:
    """Ten times the rate of all weights, at every rank (docs/adapters.md)."""
    return {"adapter": {"kind": "lora", "r": rank, "alpha": 16}, "learning_rate": 3e-3}


def soft(text: str) -> dict[str, Any]:
    return {"adapter": {"kind": "soft_prompt", "tokens": 16, "init_text": text}, "learning_rate": 3e-2}


def distilled(**more: Any) -> dict[str, Any]:
    return {"algorithm": "distill", "distill": {"evidence": EVIDENCE_KEYS, "direction": "forward"}} | more


LEVERS: dict[str, dict[str, Any]] = {
    "instruction": {"evidence": EVIDENCE_KEYS},
    "soft prompt, 16": {"train": soft("+71}")},
    "soft prompt, 16, from the instruction": {"train": soft(INSTRUCTION)},
    "LoRA, rank 1": {"train": lora(1)},
    "LoRA, rank 4": {"train": lora(4)},
    "LoRA, rank 16": {"train": lora(16)},
    "all weights": {"train": {}},
    "distilled into all weights": {"train": distilled()},
    "distilled into LoRA, rank 1": {"train": distilled(**lora(1))},
}


def levers_file(steps: int, seed: int) -> Path:
    taught = FOLDER / "taught"
    if not (taught / "model.safetensors").exists():
        teach(taught)
    base = {
        "recipe": "quickstart",
        "model": str(taught),
        "seed": seed,
        "verifier_options": {},
        "problems": {"heldout": {"world": "heldout"}},
        "sampling": {"samples": 32},
        "analysis": {"search_budget": 8},
        "train": {"steps": steps, "groups_per_step": 8, "group_size": 8, "eval_every": 0},
    }
    file = FOLDER / f"seed-{seed}.yaml"
    file.write_text(yaml.safe_dump({"base": base, "levers": LEVERS}, sort_keys=False))
    return file


def trained_numbers(run: Path) -> int:
    """Elements of what a run has trained: of its last checkpoint, which has the adapter alone where there is one."""
    last = max((run / "checkpoints").iterdir(), key=lambda folder: int(folder.name.rpartition("-")[2]))
    (file,) = last.glob("*model.safetensors")
    with safe_open(file, "pt") as weights:
        return sum(math.prod(weights.get_slice(key).get_shape()) for key in weights.keys())  # noqa: SIM118


def rows_of(folder: Path) -> list[dict[str, Any]]:
    """Those of evidence.json that were trained, with the numbers that each trained."""
    rows = json.loads((folder / "evidence.json").read_text())["levers"]
    trained = [row for row in rows if row["kind"] == "trained"]
    return [row | {"numbers": trained_numbers(folder / row["name"])} for row in trained]


def numbers(written: dict[str, Any]) -> dict[str, float]:
    """Of evidence.json, where infinities are words."""
    return {key: real(written[key]) for key in ("value", "lo", "hi")}


def table(rows: list[dict[str, Any]], before: list[dict[str, Any]]) -> str:
    lines = [
        "| | trained numbers | pass@1 | nats against the base | nats per thousand sampled tokens |",
        "|---|---|---|---|---|",
    ]
    for row in [*before, *rows]:
        nats, spent = numbers(row["nats"]), row.get("sampled_tokens") or 0
        interval = f"{nats['value']:.2f} ({nats['lo']:.2f} to {nats['hi']:.2f})"
        each = f"{1000 * nats['value'] / spent:.3f}" if spent else "–"
        rate = 100 * row["pass_at_1"]["value"]
        lines.append(f"| {row['name']} | {row.get('numbers', 0):,} | {rate:.1f} | {interval} | {each} |")
    return "\n".join(lines)


def draw(rows: list[dict[str, Any]], instruction: dict[str, Any], file: Path) -> None:
    """Nats over the numbers that were trained. The tokens sampled for it are nearly the same, and in the table."""
    figure = Figure(figsize=(7.5, 4.2), layout="constrained")
    ax = figure.subplots()
    worth = instruction["nats"]["value"]
    ax.axhline(worth, color="0.6", lw=1, zorder=0)
    for row in rows:
        nats = numbers(row["nats"])
        if not all(map(math.isfinite, nats.values())):
            continue  # nothing was solved: it is in the table
        distilled = row["name"].startswith("distilled")
        error = [[nats["value"] - nats["lo"]], [nats["hi"] - nats["value"]]]
        place = row["numbers"] * (1.12 if distilled else 1)  # beside the one with as many
        ax.errorbar(
            place, nats["value"], error, fmt="s" if distilled else "o", color="C1" if distilled else "C0"
        )
        side = "left" if row["numbers"] < 1e4 else "right"
        gap = 1.07 if side == "left" else 0.93
        label = row["name"].replace("distilled into", "distilled:")
        ax.text(place * gap, nats["value"], label, ha=side, va="bottom" if distilled else "top", fontsize=9)
    ax.text(0.01, worth, "the instruction in the prompt", va="bottom", color="0.4", fontsize=9,
            transform=ax.get_yaxis_transform())  # fmt: skip
    ax.set_xscale("log")
    ax.set_xlabel("numbers that were trained")
    ax.set_ylabel("nats against the base (95 %)")
    ax.spines[["top", "right"]].set_visible(False)
    figure.savefig(file, dpi=110)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there")
    parser.add_argument("--figure", type=Path, default=FOLDER / "moved.png")
    options = parser.parse_args()
    FOLDER.mkdir(parents=True, exist_ok=True)
    file = levers_file(options.steps, options.seed)
    folder = FOLDER / file.stem
    if code := rlvr(["evidence", str(file), "--output", str(folder)]):
        return code
    asked = json.loads((folder / "evidence.json").read_text())["levers"]
    before = [row for row in asked if row["name"] in ("base", "instruction")]
    rows = rows_of(folder)
    print(table(rows, before))
    if options.json:
        options.json.write_text(json.dumps([*before, *rows], indent=1) + "\n")
    draw(rows, before[1], options.figure)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
