"""The update's passes: packed beside padded rows for models with sliding windows, and the memory of parts of a group.

    python scripts/bench/passes.py windows [--rounds 5] [--json FILE]
    python scripts/bench/passes.py memory [--size 16] [--prompt 256] [--completion 1792] [--json FILE]

`windows`: forward and backward of one group, packed and padded in turns (A B A B) on the same random weights, for rows
that do not reach the window and for rows that do. Prints the ratio of the times (median, least and greatest), and how
far log-probabilities and gradients are apart.

`memory`: forward and backward of one group in one pass and in 2, 4, … parts, each in a fresh process: the peak of the
resident memory above what it was before, the seconds, and the relative difference of the gradient.
"""

from __future__ import annotations

import argparse
import copy
import json
import statistics
import subprocess
import sys
import tempfile
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from trainers import Peak
from transformers import AutoConfig, AutoModelForCausalLM

from rlvr.machine import measured_on
from rlvr.training.forward import Forward, Way
from rlvr.training.packing import Prompted, Sample

SIZES = {
    "vocab_size": 4096,
    "hidden_size": 128,
    "intermediate_size": 384,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 32,
    "max_position_embeddings": 8192,
}
MIXED = {"layer_types": ["sliding_attention", "sliding_attention", "sliding_attention", "full_attention"]}
SMALL = {"hidden_size": 64, "intermediate_size": 192, "num_hidden_layers": 2, "num_attention_heads": 2}
FAMILIES = {"gemma3_text": MIXED, "mistral": {}, "llama": {}}
WINDOWS = {"not reached": 4096, "reached": 128}


def model_of(family: str, **changes: Any) -> Any:
    torch.manual_seed(0)
    config = AutoConfig.for_model(family, **SIZES | FAMILIES[family] | changes)
    return AutoModelForCausalLM.from_config(config).float()


def group_of(size: int, prompt: int, completion: int) -> Prompted:
    generator = torch.Generator().manual_seed(0)

    def tokens(n: int) -> list[int]:
        return torch.randint(5, 4096, (n,), generator=generator).tolist()

    return Prompted(tokens(prompt), [Sample(tokens(completion), [True] * completion) for _ in range(size)])


def update(forward: Forward, model: Any, parts: list[Prompted]) -> tuple[float, torch.Tensor]:
    """Seconds of forward and backward, a part after the other, and the log-probabilities."""
    model.zero_grad()
    began, found = time.perf_counter(), []
    for part in parts:
        answer, _ = forward(model, [part])
        weights = torch.linspace(-1, 1, len(answer.logprobs) // len(part.samples)).repeat(len(part.samples))
        (answer.logprobs * weights).sum().backward()
        found.append(answer.logprobs.detach())
    return time.perf_counter() - began, torch.cat(found)


def gradient(model: Any) -> torch.Tensor:
    return torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None])


def apart(found: torch.Tensor, expected: torch.Tensor) -> float:
    return float((found - expected).norm() / expected.norm())


# ---------------------------------------------------------------------- windows


def windows(options: argparse.Namespace) -> dict[str, Any]:
    found = {}
    group = group_of(options.size, options.prompt, options.completion)
    for family in ("mistral", "gemma3_text"):
        for name, window in WINDOWS.items():
            plain = model_of(family, sliding_window=window)
            ways: dict[Any, tuple[Forward, Any]] = {}
            for kind in ("split", None):
                model = copy.deepcopy(plain)
                ways[kind] = Forward([model], Accelerator(cpu=True), 1.0, Way(kind)), model
            turns: list[dict[Any, tuple[float, torch.Tensor]]] = []
            for _ in range(options.rounds + 1):
                turns.append({kind: update(*way, [group]) for kind, way in ways.items()})
            counted, last = turns[1:], turns[-1]
            ratios = sorted(turn[None][0] / turn["split"][0] for turn in counted)
            found[f"{family}, window of {window} {name}"] = {
                "packed": min(turn["split"][0] for turn in counted),
                "padded": min(turn[None][0] for turn in counted),
                "ratio": {"min": ratios[0], "median": statistics.median(ratios), "max": ratios[-1]},
                "logprobs": apart(last["split"][1], last[None][1]),
                "gradients": apart(gradient(ways["split"][1]), gradient(ways[None][1])),
            }
    for name, row in found.items():
        ratio = row["ratio"]
        print(
            f"{name}: padded / packed {ratio['median']:.2f} ({ratio['min']:.2f}–{ratio['max']:.2f}), least seconds "
            f"{row['padded']:.2f} / {row['packed']:.2f}; log-probabilities apart {row['logprobs']:.1e}, gradients "
            f"{row['gradients']:.1e}"
        )
    return found


# ---------------------------------------------------------------------- memory


def one_way(options: argparse.Namespace) -> None:
    """In a process of its own: the group in `parts` parts; figures on standard output, the gradient into a file."""
    model = model_of("llama", **SMALL)
    forward = Forward([model], Accelerator(cpu=True), 1.0, Way("split"))
    group = group_of(options.size, options.prompt, options.completion)
    ends = [options.size * n // options.parts for n in range(options.parts + 1)]
    parts = [Prompted(group.prompt, group.samples[first:last]) for first, last in pairwise(ends)]
    update(forward, model, [group_of(2, 16, 16)])
    peak = Peak(torch.device("cpu"))
    seconds = [update(forward, model, parts)[0] for _ in range(options.rounds)]
    torch.save(gradient(model), options.gradient)
    print(json.dumps({"peak": peak.bytes(), "seconds": min(seconds)}))


def memory(options: argparse.Namespace) -> dict[str, Any]:
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        whole = None
        for parts in options.counts:
            file = Path(folder) / f"{parts}.pt"
            words = [
                f"--{name}={getattr(options, name)}" for name in ("size", "prompt", "completion", "rounds")
            ]
            command = [sys.executable, __file__, "memory", *words, f"--parts={parts}", f"--gradient={file}"]
            answer = subprocess.run(command, check=True, capture_output=True, text=True).stdout
            here = torch.load(file, weights_only=True)
            whole = here if whole is None else whole
            found[str(parts)] = json.loads(answer.splitlines()[-1]) | {"gradients": apart(here, whole)}
    first = found[str(options.counts[0])]
    for parts, row in found.items():
        print(
            f"{parts} parts: peak {row['peak'] / 2**20:.0f} MiB ({row['peak'] / first['peak']:.2f} of one), least "
            f"seconds {row['seconds']:.1f} ({row['seconds'] / first['seconds']:.2f}); gradients apart "
            f"{row['gradients']:.1e}"
        )
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description="Packed beside padded rows; memory of parts of a group.")
    parser.add_argument("what", choices=["windows", "memory"])
    parser.add_argument("--rounds", type=int, default=3, help="of which the least seconds count")
    parser.add_argument("--size", type=int, default=16, help="samples of the group")
    parser.add_argument("--prompt", type=int, default=256, help="tokens")
    parser.add_argument("--completion", type=int, default=64, help="tokens")
    parser.add_argument("--counts", type=int, nargs="+", default=[1, 2, 4], help="parts of a group")
    parser.add_argument("--json", type=Path, help="write the figures there")
    parser.add_argument("--parts", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--gradient", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.parts:
        return one_way(options)
    found = windows(options) if options.what == "windows" else memory(options)
    if options.json:
        about = {"threads": torch.get_num_threads(), **measured_on()}
        options.json.write_text(json.dumps({options.what: found, "machine": about}, indent=1) + "\n")
    return None


if __name__ == "__main__":
    main()
