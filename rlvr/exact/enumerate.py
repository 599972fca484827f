"""Log-probabilities of every trace of a world's law under a policy: one forward pass scores all traces of a problem.

The traces are packed as a tree behind their prompt, and each token attends to its own prefix only. All figures in
nats, at a sampling temperature, end-of-text included.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from rlvr.analysis.samples import Floats
from rlvr.exact.table import Table
from rlvr.worlds import World
from verifiers.types import Problem


@dataclass(frozen=True, slots=True)
class Tree:
    """Prompt and traces of one problem as a prefix tree: each node is a token, its ancestors the tokens before."""

    tokens: list[int]
    parents: list[int]
    """Index of the token before; −1 for the first of the prompt."""
    leaves: list[int]
    """For each trace, in order, the node of its end-of-text."""
    prompt_length: int


def plant(prompt: Sequence[int], traces: Sequence[Sequence[int]]) -> Tree:
    """Pack token sequences that follow one prompt as a prefix tree.

    Raises ValueError if a trace is the start of another (then neither would be an outcome of its own).
    """
    tokens, parents = list(prompt), list(range(-1, len(prompt) - 1))
    children: dict[tuple[int, int], int] = {}
    leaves = []
    for trace in traces:
        node = len(prompt) - 1
        for token in trace:
            if (node, token) not in children:
                children[node, token] = len(tokens)
                tokens.append(token)
                parents.append(node)
            node = children[node, token]
        leaves.append(node)
    inner = {parent for parent, _ in children}
    if len(set(leaves)) < len(leaves) or inner & set(leaves):
        raise ValueError(
            "a trace is equal to another one or the start of it; expected distinct complete traces"
        )
    return Tree(tokens, parents, leaves, len(prompt))


def pack(trees: Sequence[Tree], pad: int) -> dict[str, torch.Tensor]:
    """Model inputs for a batch of B trees, padded to N nodes on the right.

    `input_ids` and `position_ids` (depth in the tree) are (B, N); `attention_mask` is (B, 1, N, N), additive,
    zero where the column is the row or one of its ancestors; `parents` (B, N), padding points to itself.
    """
    size = max(len(tree.tokens) for tree in trees)
    ids = np.full((len(trees), size), pad)
    parents = np.tile(np.arange(size), (len(trees), 1))
    depth = np.zeros((len(trees), size), dtype=np.int64)
    sees = np.tile(np.eye(size, dtype=bool), (len(trees), 1, 1))
    for row, tree in enumerate(trees):
        ids[row, : len(tree.tokens)] = tree.tokens
        for node, parent in enumerate(tree.parents):
            if parent < 0:
                continue
            parents[row, node] = parent
            depth[row, node] = depth[row, parent] + 1
            sees[row, node] |= sees[row, parent]
    mask = torch.zeros(sees.shape).masked_fill_(~torch.from_numpy(sees), torch.finfo(torch.float32).min)
    return {
        "input_ids": torch.from_numpy(ids),
        "position_ids": torch.from_numpy(depth),
        "attention_mask": mask[:, None],
        "parents": torch.from_numpy(parents),
    }


def law_trees(world: World, problems: Sequence[Problem], tokenizer: Any) -> list[Tree]:
    """One tree per problem: its prompt, and every trace of the law with end-of-text."""
    eos = [tokenizer.eos_token_id]
    return [
        plant(
            tokenizer.encode(problem.prompt),
            [tokenizer.encode(t.text, add_special_tokens=False) + eos for t in world.support(problem)],
        )
        for problem in problems
    ]


NODES_SQUARED = 2**24
"""At most this many entries in the attention mask of one forward pass, unless a single tree needs more."""


def passes(trees: Sequence[Tree]) -> Iterator[Sequence[Tree]]:
    """Neighbouring trees that fit into one forward pass together."""
    start = 0
    while start < len(trees):
        end, longest = start, 0
        while end < len(trees):
            longest = max(longest, len(trees[end].tokens))
            if end > start and (end + 1 - start) * longest**2 > NODES_SQUARED:
                break
            end += 1
        yield trees[start:end]
        start = end


@torch.no_grad()
def trace_logprobs(
    model: Any, tokenizer: Any, trees: Sequence[Tree], temperature: float = 1.0
) -> list[Floats]:
    """Log-probability of every trace of every tree, in their order, under `model`.

    The model must take a four-dimensional attention mask and position ids, as transformers' decoders do.
    """
    was_training = model.training
    model.eval()
    tables: list[Floats] = []
    for chunk in passes(trees):
        batch = {name: t.to(model.device) for name, t in pack(chunk, tokenizer.pad_token_id).items()}
        parents = batch.pop("parents")
        batch["attention_mask"] = batch["attention_mask"].to(model.dtype)
        logits = model(**batch, use_cache=False).logits.double() / temperature
        rows = torch.arange(len(chunk), device=model.device)[:, None]
        given_parent = logits.log_softmax(-1)[rows, parents, batch["input_ids"]].cpu().numpy()
        for tree, steps in zip(chunk, given_parent, strict=True):
            total = np.zeros(len(tree.tokens))
            for node in range(tree.prompt_length, len(tree.tokens)):
                parent = tree.parents[node]
                total[node] = steps[node] + (total[parent] if parent >= tree.prompt_length else 0.0)
            tables.append(total[tree.leaves])
    model.train(was_training)
    return tables


def law_tables(
    world: World, model: Any, tokenizer: Any, problems: Sequence[Problem], temperature: float = 1.0
) -> list[Table]:
    """The exact table of `model` on each problem, over the traces of the world's law.

    A trace is verified if it is right. Raises NoLawError for a problem that has no law.
    """
    logprobs = trace_logprobs(model, tokenizer, law_trees(world, problems, tokenizer), temperature)
    return [Table.of(p, world.support(p), logp) for p, logp in zip(problems, logprobs, strict=True)]
