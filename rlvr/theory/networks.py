"""A world's network: fitted to the law, and trained by the real loop, with its exact table along the way."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, GenerationConfig, LlamaConfig, LlamaForCausalLM

from rlvr import pipeline
from rlvr.config.reading import validate
from rlvr.exact.enumerate import Tree, law_tables, law_trees, trace_logprobs
from rlvr.exact.fit import EOS, PAD, fit, tokenizer_of
from rlvr.exact.table import Table
from rlvr.sampling import Sampler
from rlvr.terminal import Terminal
from rlvr.theory.table_policy import Laws
from rlvr.worlds import World
from rlvr.worlds.strategies import STRATEGIES
from verifiers.types import Problem

NEW_TOKENS = 4


@dataclass(frozen=True)
class Network:
    """Two layers, and how they are fitted to a law."""

    words: Sequence[str]
    """Tokens of more than one character."""
    characters: str
    width: int = 32
    positions: int = 32
    steps: int = 200
    batch: int = 100
    """Problems a step."""
    learning_rate: float = 4e-3


STRATEGIES_NETWORK = Network([*STRATEGIES, " carry 0, ", " carry 1, "], "0123456789+=")


@dataclass(frozen=True)
class Base:
    """A network fitted to the law of a world."""

    folder: Path
    world: World
    problems: Sequence[Problem]
    tables: Sequence[Table]
    """One per problem: its own p0, which all targets are computed from."""

    @cached_property
    def trees(self) -> Sequence[Tree]:
        """What one forward pass reads, a problem each; a trained network has the same tokenizer."""
        return law_trees(self.world, self.problems, AutoTokenizer.from_pretrained(self.folder))

    def tables_of(self, model: Any, tokenizer: Any) -> Sequence[Table]:
        """As `law_tables`, of a network that was trained from this one."""
        logprobs = trace_logprobs(model, tokenizer, self.trees)
        return [
            Table.of(problem, table.traces, logp)
            for problem, table, logp in zip(self.problems, self.tables, logprobs, strict=True)
        ]

    @property
    def laws(self) -> Laws:
        """Its tables as arrays; the mass outside the law is a wrong trace."""
        return laws_of(self.tables)


def laws_of(tables: Sequence[Table]) -> Laws:
    return Laws(
        np.stack([table.logp for table in tables]),
        np.stack([table.verified for table in tables]),
        np.stack([table.sound for table in tables]),
    )


def base(
    world: World, folder: Path, seed: int = 0, network: Network = STRATEGIES_NETWORK, split: str = "all"
) -> Base:
    """A network fitted to the law of a split without sampling noise; kept in `folder`."""
    problems = world.problems(split)
    if not (folder / "model.safetensors").exists():
        torch.manual_seed(seed)
        tokenizer = tokenizer_of(network.words, network.characters)
        model = LlamaForCausalLM(
            LlamaConfig(
                vocab_size=len(tokenizer), hidden_size=network.width, intermediate_size=3 * network.width,
                num_hidden_layers=2, num_attention_heads=2, num_key_value_heads=2,
                max_position_embeddings=network.positions, initializer_range=0.08, tie_word_embeddings=False,
                bos_token_id=None, eos_token_id=EOS, pad_token_id=PAD,
            )
        )  # fmt: skip
        model.generation_config = GenerationConfig(do_sample=True, eos_token_id=EOS, pad_token_id=PAD)
        fit(
            model, tokenizer, world, problems, steps=network.steps, batch=network.batch,
            learning_rate=network.learning_rate, seed=seed, say=lambda line: None,
        )  # fmt: skip
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
    model, tokenizer = AutoModelForCausalLM.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    return Base(folder, world, problems, law_tables(world, model, tokenizer, problems))


def trained(
    begun: Base,
    train: Mapping[str, Any],
    chosen: Sequence[Problem],
    kept_apart: Problem,
    verifier: str,
    every: int = 10,
    seed: int = 0,
    keep: Path | None = None,
) -> dict[int, Sequence[Table]]:
    """Train through the project's own loop; the exact tables of all problems after every so many steps, and at the end.

    Args:
        train: the config's `train`.
        chosen: what is trained on.
        kept_apart: a held-out problem, which a run wants.
        verifier: as a config names it.
        keep: where the trained network goes; unset: nowhere.
    """
    with TemporaryDirectory() as made:
        folder = Path(made)
        _write(folder / "train.jsonl", chosen)
        _write(folder / "heldout.jsonl", [kept_apart])
        config = validate(
            {
                "model": str(begun.folder),
                "seed": seed,
                "problems": {name: {"file": str(folder / f"{name}.jsonl")} for name in ("train", "heldout")},
                "evidence": {"template": "plain", "question": "{prompt}"},
                "verifier": verifier,
                "verification": {"workers": 1},
                "sampling": {"samples": 1, "temperature": 1.0, "max_new_tokens": NEW_TOKENS},
                "train": {
                    "checkpoint_every": 0,
                    "groups_per_step": len(chosen),
                    "group_size": 16,
                    "learning_rate": 1e-3,
                    **train,
                },
                "analysis": {"search_budget": 1},
            },
            "a world's run",
        )
        found: dict[int, Sequence[Table]] = {0: begun.tables}

        def look(sampler: Sampler, step: int) -> dict[str, float]:
            found[step] = begun.tables_of(sampler.policy.model, sampler.policy.tokenizer)
            return {}

        last = config.train.steps
        tuned = _train(config, folder / "run", look, lambda step: step % every == 0 or step == last)
        if keep:
            shutil.copytree(tuned, keep)
    return found


def _train(
    config: Any, folder: Path, look: Callable[[Sampler, int], dict[str, float]], due: Callable[[int], bool]
) -> Path:
    """The folder of the trained network."""
    from rlvr import training

    terminal = Terminal(quiet=True)
    with (
        pipeline.prepare(config, terminal, folder) as (problems, evaluator),
        pipeline.begin(config, folder, terminal) as run,
    ):
        return training.train(config, problems.train, evaluator, run, due, look)


def _write(file: Path, problems: Sequence[Problem]) -> None:
    rows = [{"id": p.id, "prompt": p.prompt, "reference": p.reference, **p.meta} for p in problems]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
