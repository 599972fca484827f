"""Rebuild the shipped tiny model: a small Llama trained on the law of the carry world, without sampling noise.

    python scripts/build/tiny_model.py [--output FOLDER] [--steps N] [--seed S]

Each step packs the trace trees of a batch of problems and minimises, at every prefix of every tree, the
cross-entropy to the law's exact next-token distribution. The held-out and rare problems are not trained on.
Writes nothing unless the network meets the world's requirements. The result depends on seed, thread count
and the machine's floating-point kernels.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import numpy as np
import torch
from transformers import GenerationConfig, LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from rlvr.exact.compare import summary
from rlvr.exact.enumerate import law_tables
from rlvr.exact.fit import EOS, PAD, fit, kl_law, tokenizer_of
from rlvr.worlds import carry

WORDS = [" carry ", " borrow ", " \\boxed{", ", "]
CHARACTERS = "0123456789+-=} "


def build_tokenizer() -> PreTrainedTokenizerFast:
    return tokenizer_of(WORDS, CHARACTERS)


def build_model() -> LlamaForCausalLM:
    """Three layers of width 96, about 0.35 million parameters."""
    config = LlamaConfig(
        vocab_size=3 + len(WORDS) + len(CHARACTERS),
        hidden_size=96,
        intermediate_size=256,
        num_hidden_layers=3,
        num_attention_heads=4,
        num_key_value_heads=4,
        max_position_embeddings=128,
        tie_word_embeddings=False,
        bos_token_id=None,
        eos_token_id=EOS,
        pad_token_id=PAD,
        initializer_range=0.05,
    )
    model = LlamaForCausalLM(config)
    model.generation_config = GenerationConfig(
        do_sample=True,
        temperature=1.0,
        top_k=0,
        top_p=1.0,
        max_new_tokens=carry.MAX_NEW_TOKENS,
        eos_token_id=EOS,
        pad_token_id=PAD,
    )
    return model


def requirements(model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast) -> dict[str, bool]:
    """Print the network's exact figures; say which of the world's requirements it meets."""
    heldout = law_tables(carry.WORLD, model, tokenizer, carry.problems("heldout"))
    rare = law_tables(carry.WORLD, model, tokenizer, carry.problems("rare"))
    figures = summary(carry.WORLD, heldout)
    gap = float(np.mean([kl_law(t) for t in heldout]))
    rare_p = [t.pass_at_1 for t in rare]
    rates = figures["pass_at_k"]
    parameters = sum(p.numel() for p in model.parameters())
    worst = min(t.pass_at_1 for t in heldout)
    trained_on = law_tables(carry.WORLD, model, tokenizer, carry.problems("train", 256))
    trained = float(np.mean([kl_law(t) for t in trained_on]))
    print(
        f"parameters {parameters:,}; KL(law‖network) {gap:.4f} nats per held-out trace, {trained:.4f} train"
    )
    print(
        "held-out pass@k " + ", ".join(f"@{k} {v:.4f}" for k, v in rates.items()) + f"; lowest p {worst:.4f}"
    )
    for name in ("strategies", "posterior_strategies"):
        print(f"{name} " + ", ".join(f"{s} {v:.4f}" for s, v in figures[name].items()))
    print(f"sound share of verified {figures['sound_share_of_verified']:.3f}")
    print("rare " + ", ".join(f"{p:.1e}" for p in sorted(rare_p)))
    print(f"rare: mass outside the support {np.mean([t.outside for t in rare]):.4f}")
    return {
        "at most 0.9 million parameters": parameters <= 900_000,
        "KL(law‖network) ≤ 0.05 nats per trace": gap <= 0.05,
        "mass outside the support ≤ 0.02": figures["mass_outside_support"] <= 0.02,
        "held-out pass@1 in 0.03 … 0.25": 0.03 <= rates["1"] <= 0.25,
        "held-out pass@16 ≥ 0.5": rates["16"] >= 0.5,
        "held-out pass@64 ≥ 0.93": rates["64"] >= 0.93,
        "sound share of verified in 0.3 … 0.7": 0.3 <= figures["sound_share_of_verified"] <= 0.7,
        "every rare problem in 1e-6 … 5e-5": min(rare_p) >= 1e-6 and max(rare_p) <= 5e-5,
    }


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--output", type=Path, default=carry.TINY)
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--batch", type=int, default=16, help="problems per step")
    parser.add_argument("--lr", type=float, default=3e-3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    tokenizer = build_tokenizer()
    model = build_model()
    start = time.perf_counter()
    fit(
        model,
        tokenizer,
        carry.WORLD,
        carry.pretraining_problems(),
        steps=args.steps,
        batch=args.batch,
        learning_rate=args.lr,
        seed=args.seed,
        say=lambda line: print(f"{line}  {time.perf_counter() - start:.0f} s", flush=True),
    )
    missed = [name for name, met in requirements(model, tokenizer).items() if not met]
    if missed:
        print(f"not written; missed: {'; '.join(missed)}", file=sys.stderr)
        return 1
    model.save_pretrained(args.output)
    tokenizer.save_pretrained(args.output)
    print(f"written to {args.output}: {sum(f.stat().st_size for f in args.output.iterdir()):,} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
