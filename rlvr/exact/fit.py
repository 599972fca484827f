"""A small network fitted to the law of a world without sampling noise: at every prefix of every trace, the
cross-entropy to the law's exact next-token distribution."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

import numpy as np
import torch
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers
from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

from rlvr.analysis.alignment import exact_alignment
from rlvr.analysis.samples import Floats
from rlvr.exact.enumerate import Tree, law_trees, pack
from rlvr.exact.table import Table
from rlvr.worlds import World
from verifiers.types import Problem

PAD, EOS = 0, 1


def tokenizer_of(words: Sequence[str], characters: str, longest: int = 128) -> PreTrainedTokenizerFast:
    """One token per word and per character; decode(encode(text)) is the text."""
    vocabulary = ["<pad>", "<eos>", "<unk>", *words, *characters]
    core = Tokenizer(models.WordLevel({word: i for i, word in enumerate(vocabulary)}, unk_token="<unk>"))
    pattern = "|".join([*(re.sub(r"([\\{])", r"\\\1", word) for word in words), "."])
    core.pre_tokenizer = pre_tokenizers.Split(Regex(pattern), behavior="isolated")  # type: ignore[assignment]
    core.decoder = decoders.Fuse()  # type: ignore[assignment]
    return PreTrainedTokenizerFast(
        tokenizer_object=core,
        pad_token="<pad>",
        eos_token="<eos>",
        unk_token="<unk>",
        padding_side="left",
        clean_up_tokenization_spaces=False,
        model_max_length=longest,
    )


def fit(
    model: LlamaForCausalLM,
    tokenizer: PreTrainedTokenizerFast,
    world: World,
    problems: Sequence[Problem],
    *,
    steps: int,
    batch: int,
    learning_rate: float,
    seed: int,
    say: Callable[[str], None] = print,
) -> None:
    """AdamW with a one-cycle schedule; `batch` problems a step. Every prefix counts the same, however seldom the law
    reaches it: rare branches are learned too."""
    trees = law_trees(world, problems, tokenizer)
    laws = [
        soft_targets(tree, [t.probability for t in world.support(problem)], model.config.vocab_size)
        for tree, problem in zip(trees, problems, strict=True)
    ]
    optimizer = torch.optim.AdamW(model.parameters(), lr=learning_rate, weight_decay=0.01, betas=(0.9, 0.98))
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, learning_rate, total_steps=steps, pct_start=0.1)
    everything = _packed(trees, laws) if batch >= len(trees) else None
    order = np.random.default_rng(seed)
    for step in range(steps):
        if everything is None:
            chosen = order.choice(len(trees), batch, replace=False)
            inputs, target = _packed([trees[i] for i in chosen], [laws[i] for i in chosen])
        else:
            inputs, target = everything
        logp = model(**inputs, use_cache=False).logits.log_softmax(-1)
        # KL(law‖network) at each prefix; elsewhere the target is 0
        gap = (torch.xlogy(target, target) - target * logp).sum(-1)
        loss = (gap * (target.sum(-1) > 0)).sum() / len(target)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        if step % 50 == 0 or step == steps - 1:
            say(f"step {step:5d}  loss {loss.item():.4f}")


def _packed(trees: Sequence[Tree], laws: Sequence[Floats]) -> tuple[dict[str, torch.Tensor], torch.Tensor]:
    """Inputs of the model, and the law's next-token distribution (trees, N, vocabulary), 0 where there is none."""
    inputs = pack(trees, PAD)
    inputs.pop("parents")
    law = np.zeros((*inputs["input_ids"].shape, laws[0].shape[-1]), dtype=np.float32)
    for row, each in enumerate(laws):
        law[row, : len(each)] = each
    return inputs, torch.from_numpy(law)


def soft_targets(tree: Tree, probabilities: Sequence[float], vocabulary: int) -> Floats:
    """(N, vocabulary) next-token law at each node; zero inside the prompt and at the ends of traces."""
    reach = np.zeros(len(tree.tokens))
    for leaf, p in zip(tree.leaves, probabilities, strict=True):
        node = leaf
        while node >= tree.prompt_length:
            reach[node] += p
            node = tree.parents[node]
    reach[tree.prompt_length - 1] = 1.0
    law = np.zeros((len(tree.tokens), vocabulary))
    for node in range(tree.prompt_length, len(tree.tokens)):
        law[tree.parents[node], tree.tokens[node]] = reach[node] / reach[tree.parents[node]]
    return law


def kl_law(table: Table) -> float:
    """KL(law‖network) of one problem, nats per trace."""
    with np.errstate(divide="ignore"):
        law = np.append(np.log([t.probability for t in table.traces]), -np.inf)
    return float(exact_alignment(table.logp, law, table.verified).kl_pi_p0)
