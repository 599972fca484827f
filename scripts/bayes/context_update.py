"""A context acts on a token as an edit of the weights does, of rank 1 for each token.

python scripts/bayes/context_update.py [--model tiny|FOLDER] [--layer N] [--context TEXT] [--token TEXT]
                                       [--json FILE]

A block of a transformer reads a token x after a context C: attention makes A(C, x) of it, the MLP goes on from there.
The same block without the context, but with edited weights, has the same output (Dherin et al. 2025, arXiv
2507.16003, theorem 2.2): each matrix W that reads A becomes

    W + ΔW,   ΔW = W (A(C, x) − A(x)) A(x)ᵀ / ‖A(x)‖²

and the residual stream gets what the attention added. Printed: how exactly that holds on a pretrained block, the rank
of ΔW, how many directions the edits of all tokens of a text need together, and the edits as the context arrives.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import AutoModelForCausalLM, AutoTokenizer

from rlvr.machine import measured_on
from rlvr.worlds import carry

TEXTS = {
    "tiny": ("7+8=15 carry 10, 10+30+40+5=", "8"),
    "model": ("Translate this sentence into German: Why is the sky", " blue"),
}


@dataclass(frozen=True)
class Block:
    """One decoder layer of a Llama-like model, in double precision."""

    layer: Any
    rotary: Any

    def after_attention(self, hidden: Tensor) -> Tensor:
        """(T, width): the residual stream after attention, causal."""
        x = hidden[None]
        places = torch.arange(len(hidden))[None]
        blocked = torch.full((len(hidden), len(hidden)), torch.finfo(x.dtype).min, dtype=x.dtype).triu(1)
        read, _ = self.layer.self_attn(
            self.layer.input_layernorm(x),
            position_embeddings=self.rotary(x, places),
            attention_mask=blocked[None, None],
        )
        return (x + read)[0]

    def read_by_mlp(self, stream: Tensor) -> Tensor:
        """A: what the MLP's first matrices read."""
        return self.layer.post_attention_layernorm(stream)

    def output(self, stream: Tensor, read: Tensor, edits: Sequence[Tensor | float] = (0.0, 0.0)) -> Tensor:
        """(width,) of one token, its gate and up matrices edited."""
        mlp = self.layer.mlp
        gate, up = (
            (m.weight + edit) @ read for m, edit in zip((mlp.gate_proj, mlp.up_proj), edits, strict=True)
        )
        return stream + mlp.down_proj(mlp.act_fn(gate) * up)

    def edits(self, alone: Tensor, with_context: Tensor) -> list[Tensor]:
        """ΔW of the gate and up matrices, from A(x) and A(C, x)."""
        change = with_context - alone
        return [
            torch.outer(m.weight @ change, alone) / alone.square().sum()
            for m in (self.layer.mlp.gate_proj, self.layer.mlp.up_proj)
        ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--model", default="tiny", help="`tiny`, or the folder of a Llama-like model")
    parser.add_argument("--layer", type=int, help="which block (default: the middle one)")
    parser.add_argument("--context", help="text before the token")
    parser.add_argument("--token", help="the text whose last token is read")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there")
    args = parser.parse_args()
    defaults = TEXTS["tiny" if args.model == "tiny" else "model"]
    where = carry.TINY if args.model == "tiny" else args.model
    tokenizer = AutoTokenizer.from_pretrained(where)
    model = AutoModelForCausalLM.from_pretrained(where, dtype=torch.float64, attn_implementation="eager")
    number = len(model.model.layers) // 2 if args.layer is None else args.layer
    text = (args.context or defaults[0]) + (args.token or defaults[1])
    ids = tokenizer(text, return_tensors="pt", add_special_tokens=False).input_ids
    with torch.no_grad():
        hidden = model(ids, output_hidden_states=True).hidden_states[number][0]
        found = report(
            Block(model.model.layers[number], model.model.rotary_emb),
            hidden,
            [tokenizer.decode(i) for i in ids[0]],
        )
    if args.json:
        where = {
            "script": "context_update",
            "machine": measured_on(),
            "model": Path(where).name,
            "layer": number,
        }
        args.json.write_text(json.dumps(where | {"text": text} | found), encoding="utf-8")


def report(block: Block, hidden: Tensor, names: Sequence[str]) -> dict[str, Any]:
    alone = [block.after_attention(h[None])[0] for h in hidden]
    read = block.after_attention(hidden)
    edits, worst, ranks = [], 0.0, []
    for single, whole in zip(alone[1:], read[1:], strict=True):
        edit = block.edits(block.read_by_mlp(single), block.read_by_mlp(whole))
        target = block.output(whole, block.read_by_mlp(whole))
        edited = block.output(single, block.read_by_mlp(single), edit) + (whole - single)
        worst = max(worst, float((edited - target).norm() / target.norm()))
        ranks += [int(torch.linalg.matrix_rank(part)) for part in edit]
        edits.append(edit[0])
    print(f"{len(edits)} tokens with a context; {hidden.shape[1]} wide")
    print(f"largest relative difference, context against edited weights: {worst:.1e}")
    print(f"rank of ΔW: {min(ranks)} to {max(ranks)}")
    together = torch.cat(edits, dim=1)
    print(f"rank of the edits of all tokens together: {int(torch.linalg.matrix_rank(together))}")
    print("\nthe last token, as the tokens before it arrive:")
    print(f"{'context up to':>16}  ‖ΔW‖/‖W‖  rank of the step")
    weights = block.layer.mlp.gate_proj.weight.norm()
    arriving = []
    before, last = torch.zeros_like(edits[0]), block.read_by_mlp(alone[-1])
    for end in range(1, len(hidden)):
        stream = block.after_attention(torch.cat([hidden[:end], hidden[-1:]]))[-1]
        edit = block.edits(last, block.read_by_mlp(stream))[0]
        rank = int(torch.linalg.matrix_rank(edit - before, atol=1e-12 * float(weights)))
        print(f"{names[end - 1]!r:>16}  {float(edit.norm() / weights):9.4f}  {rank:16d}")
        arriving.append([names[end - 1], float(edit.norm() / weights), rank])
        before = edit
    values = torch.linalg.svdvals(together)
    return {
        "worst": worst,
        "ranks": [min(ranks), max(ranks)],
        "singular values": (values / values[0])[: 2 * len(edits)].tolist(),
        "arriving": arriving,
    }


if __name__ == "__main__":
    main()
