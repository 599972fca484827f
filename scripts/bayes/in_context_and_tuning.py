"""Do examples in the prompt do what training on them does? Fine-tuning and RLVR, each beside in-context learning.

python scripts/bayes/in_context_and_tuning.py --model FOLDER [--shots N] [--queries N] [--untrained] [--json FILE]

Dai et al. 2023 (arXiv 2212.10559) call in-context learning implicit fine-tuning, on three measures; the controls are
what its critique (arXiv 2311.07772) misses. Six small tasks; the same examples stand in the prompt, are fine-tuned
on (cross-entropy), or trained on by RLVR (answers are sampled and rewarded by rule; the project's advantages and
objective). Both train the matrices of keys and values, as the paper does. On other queries, at their last token:

    corrections  of the queries that tuning puts right, the share that examples in the prompt put right too
    updates      cosine of what examples and tuning change in the attention layers' outputs
    maps         cosine of the scores by which the query's tokens are attended to, with examples and tuned

Each stands beside its control, as many random examples (those of another task), with their difference, query by query.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from paired import SHOWN, compared  # beside this script
from small_tasks import Task, tasks  # this too
from torch import Tensor
from torch.nn.functional import cosine_similarity
from transformers import AutoModelForCausalLM, AutoTokenizer

from rlvr.machine import measured_on
from rlvr.theory.table_policy import objective
from rlvr.training import advantages
from rlvr.training.importance import Tokens
from rlvr.training.objective import Totals, loss


@dataclass(frozen=True)
class Reading:
    """What a model makes of a task's queries; layers L, queries B, heads H, tokens of a query T."""

    right: Tensor
    """(B,)"""
    outputs: Tensor
    """(L, B, width) of the attention layers, at norm 1"""
    scores: Tensor
    """(L, B, H, T) of the query's tokens, less their mean: the logarithm of attention knows them up to a constant."""


class Reader:
    def __init__(self, model: Any, start: int) -> None:
        self.model, self.start = model, torch.tensor([[start]])
        """First token of every prompt, with examples and without."""
        self.weights = [w for name, w in model.named_parameters() if "k_proj.w" in name or "v_proj.w" in name]

    def policy(self, queries: Tensor, candidates: Tensor, **given: Any) -> tuple[Tensor, Any]:
        """(B, C) log-probability of each candidate, of nothing else; and the model's output."""
        out = self.model(queries, logits_to_keep=1, **given)
        return out.logits[:, -1, candidates].log_softmax(-1), out

    @torch.no_grad()
    def read(self, task: Task, examples: Tensor | None = None) -> Reading:
        """The examples are read once; every query goes on from there."""
        before = self.start if examples is None else torch.cat([self.start, examples.reshape(1, -1)], dim=1)
        cache = self.model(before, use_cache=True, logits_to_keep=1).past_key_values
        cache.batch_repeat_interleave(len(task.queries))
        found: list[Tensor] = []
        hooks = [
            layer.self_attn.register_forward_hook(lambda module, given, out: found.append(out[0][:, -1]))
            for layer in self.model.model.layers
        ]
        logps, out = self.policy(task.queries, task.candidates, past_key_values=cache, output_attentions=True)
        for hook in hooks:
            hook.remove()
        outputs = torch.stack(found)
        scores = torch.stack(
            [part[:, :, -1, before.shape[1] :].clamp(min=1e-12).log() for part in out.attentions]
        )
        return Reading(
            logps.argmax(-1) == task.right,
            outputs / outputs.norm(dim=-1, keepdim=True),
            scores - scores.mean(-1, keepdim=True),
        )

    def tuned(
        self, task: Task, loss_of: Callable[[Tensor, Tensor], Tensor], steps: int, rate: float
    ) -> Reading:
        """After steps of Adam on the examples; the model is then as it was."""
        kept = [weight.detach().clone() for weight in self.weights]
        self.model.requires_grad_(False)
        for weight in self.weights:
            weight.requires_grad_()
        optimizer = torch.optim.Adam(self.weights, lr=rate)
        asked = torch.cat([self.start.expand(len(task.examples), -1), task.examples[:, :-2]], dim=1)
        for _ in range(steps):
            value = loss_of(self.policy(asked, task.candidates)[0], task.taught)
            optimizer.zero_grad()
            value.backward()
            optimizer.step()
        found = self.read(task)
        with torch.no_grad():
            for weight, before in zip(self.weights, kept, strict=True):
                weight.copy_(before)
        return found


def fine_tuning(logps: Tensor, right: Tensor) -> Tensor:
    return -logps.gather(1, right[:, None]).mean()


def rlvr(logps: Tensor, right: Tensor, group: int = 16) -> Tensor:
    """A step of GRPO: answers are drawn, the rule rewards them, the trainer's advantages and objective do the rest."""
    drawn = logps.detach().exp().multinomial(group, replacement=True)
    gained = advantages.grpo((drawn == right[:, None]).float()).flatten()
    logp, rows = logps.gather(1, drawn).flatten(), drawn.numel()
    totals = Totals(rows=rows, tokens=rows, micro_steps=1, processes=1)
    tokens = Tokens(torch.arange(rows), rows, gained)
    return loss(objective(), tokens, logp, torch.zeros_like(logp), totals)[0]


TUNINGS = {"fine-tuning": fine_tuning, "RLVR": rlvr}
MEASURES = ("corrections", "updates", "maps")


def alike(zero: Reading, given: Reading, tuned: Reading) -> Tensor:
    """(3, 2, B) by measure: for each query a number, and what it weighs. What examples do beside what tuning does."""
    corrected = tuned.right & ~zero.right
    updates = cosine_similarity(given.outputs - zero.outputs, tuned.outputs - zero.outputs, dim=-1).mean(0)
    maps = cosine_similarity(given.scores, tuned.scores, dim=-1).mean((0, 2))
    everything = torch.ones_like(maps)
    rows = [given.right & corrected, corrected, updates, everything, maps, everything]
    return torch.stack([row.double() for row in rows]).reshape(3, 2, -1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--model", required=True, help="folder of a Llama-like model")
    parser.add_argument("--untrained", action="store_true", help="random weights: the critique's control")
    parser.add_argument("--shots", type=int, default=8, help="examples")
    parser.add_argument("--queries", type=int, default=10, help="of each task")
    parser.add_argument("--steps", type=int, default=6, help="of tuning")
    parser.add_argument("--rate", type=float, default=3e-4)
    parser.add_argument("--json", type=Path, help="write the figures there")
    args = parser.parse_args()
    torch.manual_seed(0)
    tokenizer = AutoTokenizer.from_pretrained(args.model)
    model = AutoModelForCausalLM.from_pretrained(args.model, dtype=torch.float32, attn_implementation="eager")
    if args.untrained:
        model = AutoModelForCausalLM.from_config(model.config, attn_implementation="eager")
    reader = Reader(model, tokenizer.bos_token_id)
    asked = {name: Task.of(pairs, tokenizer, args.shots, args.queries) for name, pairs in tasks().items()}
    others = [*asked.values()][1:] + [*asked.values()][:1]
    right, found = {}, {(tuning, shown): [] for tuning in TUNINGS for shown in SHOWN}
    print(f"right of {args.queries}: without examples, with, with random ones, after {', '.join(TUNINGS)}")
    for (name, task), other in zip(asked.items(), others, strict=True):
        zero, given, random = (reader.read(task, shown) for shown in (None, task.examples, other.examples))
        tuned = [reader.tuned(task, loss_of, args.steps, args.rate) for loss_of in TUNINGS.values()]
        right[name] = [int(reading.right.sum()) for reading in (zero, given, random, *tuned)]
        print(f"  {name:<12}" + "".join(f"{number:6}" for number in right[name]), flush=True)
        for tuning, reading in zip(TUNINGS, tuned, strict=True):
            found[tuning, "examples"].append(alike(zero, given, reading))
            found[tuning, "random examples"].append(alike(zero, random, reading))
    measures: dict[str, dict[str, Any]] = {}
    for tuning in TUNINGS:
        rows = np.stack([torch.cat(found[tuning, shown], dim=2).numpy() for shown in SHOWN], axis=1)
        measures[tuning] = {measure: compared(row) for measure, row in zip(MEASURES, rows, strict=True)}
        for measure, by in measures[tuning].items():
            print(f"{tuning}, {measure}, of {by['difference']['n']} queries")
            for name, one in by.items():
                value = "none" if one["value"] is None else "{value:.3f} ({lo:.3f} to {hi:.3f})".format(**one)
                print(f"  {name:<16}{value}")
    if args.json:
        written = {
            "script": "in_context_and_tuning",
            "measured_on": measured_on(),
            "right": right,
            "measures": measures,
        }
        args.json.write_text(json.dumps(written, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
