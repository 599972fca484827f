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
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers
from transformers import GenerationConfig, LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from rlvr.analysis.alignment import exact_alignment
from rlvr.exact.compare import summary
from rlvr.exact.enumerate import Tree, law_tables, law_trees, pack
from rlvr.exact.table import Table
from rlvr.worlds import carry

WORDS = [" carry ", " borrow ", " \\boxed{", ", "]
VOCABULARY = ["<pad>", "<eos>", "<unk>", *WORDS, *"0123456789+-=} "]
PAD, EOS = 0, 1


def build_tokenizer() -> PreTrainedTokenizerFast:
    """One token per character, but for the few words above; decode(encode(text)) is the text."""
    core = Tokenizer(models.WordLevel({word: i for i, word in enumerate(VOCABULARY)}, unk_token="<unk>"))
    pattern = " carry | borrow | \\\\boxed\\{|, |."
    core.pre_tokenizer = pre_tokenizers.Split(Regex(pattern), behavior="isolated")  # type: ignore[assignment]
    core.decoder = decoders.Fuse()  # type: ignore[assignment]
    return PreTrainedTokenizerFast(
        tokenizer_object=core,
        pad_token="<pad>",
        eos_token="<eos>",
        unk_token="<unk>",
        padding_side="left",
        clean_up_tokenization_spaces=False,
        model_max_length=128,
    )


def build_model() -> LlamaForCausalLM:
    """Three layers of width 96, about 0.35 million parameters."""
    config = LlamaConfig(
        vocab_size=len(VOCABULARY),
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


def soft_targets(tree: Tree, probabilities: list[float]) -> np.ndarray:
    """(N, vocabulary) next-token law at each node; zero inside the prompt and at the ends of traces."""
    reach = np.zeros(len(tree.tokens))
    for leaf, p in zip(tree.leaves, probabilities, strict=True):
        node = leaf
        while node >= tree.prompt_length:
            reach[node] += p
            node = tree.parents[node]
    reach[tree.prompt_length - 1] = 1.0
    law = np.zeros((len(tree.tokens), len(VOCABULARY)))
    for node in range(tree.prompt_length, len(tree.tokens)):
        law[tree.parents[node], tree.tokens[node]] = reach[node] / reach[tree.parents[node]]
    return law


def train(model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, args: argparse.Namespace) -> None:
    problems = carry.pretraining_problems()
    trees = law_trees(carry.WORLD, problems, tokenizer)
    laws = [
        soft_targets(tree, [t.probability for t in carry.support(problem)])
        for tree, problem in zip(trees, problems, strict=True)
    ]
    optimizer = torch.optim.AdamW(model.parameters(), lr=args.lr, weight_decay=0.01, betas=(0.9, 0.98))
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, args.lr, total_steps=args.steps, pct_start=0.1)
    order = np.random.default_rng(args.seed)
    start = time.perf_counter()
    for step in range(args.steps):
        chosen = order.choice(len(trees), args.batch, replace=False)
        batch = pack([trees[i] for i in chosen], PAD)
        batch.pop("parents")
        logp = model(**batch, use_cache=False).logits.log_softmax(-1)
        law = np.zeros(logp.shape, dtype=np.float32)
        weight = np.zeros(logp.shape[:2], dtype=np.float32)
        for row, i in enumerate(chosen):
            nodes = len(trees[i].tokens)
            law[row, :nodes] = laws[i]
            # Every prefix counts the same, however seldom the law reaches it: rare branches are learned too.
            weight[row, :nodes] = law[row, :nodes].sum(-1) > 0
        target = torch.from_numpy(law)
        gap = (torch.xlogy(target, target) - target * logp).sum(-1)  # KL(law‖network) at each prefix
        loss = (gap * torch.from_numpy(weight)).sum() / args.batch
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        if step % 50 == 0 or step == args.steps - 1:
            print(f"step {step:5d}  loss {loss.item():.4f}  {time.perf_counter() - start:.0f} s", flush=True)


def kl_law(table: Table) -> float:
    """KL(law‖network) of one problem, nats per trace."""
    law = np.append(np.log([t.probability for t in table.traces]), -np.inf)
    return float(exact_alignment(table.logp, law, table.verified).kl_pi_p0)


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
    train(model, tokenizer, args)
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
