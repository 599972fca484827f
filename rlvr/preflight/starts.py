"""What a model takes besides its products on this machine: operations are started one by one, whatever they compute.

Measured on models of hardly any width, in which nothing else takes time, by the run's own sampler and its own pass.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rlvr.config import Config

if TYPE_CHECKING:
    from rlvr.policy import Policy

LAYERS, ROWS = (2, 6), (2, 34)
"""Of the models and of the batches that are compared."""
PROMPT, TOKENS, TIMES = 8, 8, 8
"""Few tokens and many times: what other processes do to a processor's caches is not in the least of many short ones."""
VOCABULARY = 512
"""Large enough that hardly a row of random tokens ends before its limit."""


@dataclass(frozen=True, slots=True)
class Starts:
    """Seconds. Of the devices in the table they are unknown: what is assumed of these is `foretold.REACHED`."""

    step: float = 0.0
    """Of a decoding step."""
    layer: float = 0.0
    """Of each layer in it."""
    row: float = 0.0
    """Of each row in it."""
    update: float = 0.0
    """Of a forward and backward pass."""
    update_layer: float = 0.0
    """Of each layer in it."""


UNKNOWN = Starts()


def measured() -> Starts:
    """Of this machine, by lines through two measurements each."""
    config = Config.model_validate(
        {
            "problems": {"heldout": {"world": "heldout"}},
            "sampling": {"max_new_tokens": TOKENS, "engine": "transformers"},
            "train": {"steps": 1, "groups_per_step": 1, "group_size": 2},
        }
    )
    few, many = (stand_in(layers) for layers in LAYERS)
    first = step_of(few, config, ROWS[0])
    layer = (step_of(many, config, ROWS[0]) - first) / (LAYERS[1] - LAYERS[0])
    row = (step_of(few, config, ROWS[1]) - first) / (ROWS[1] - ROWS[0])
    update = update_of(few, config)
    update_layer = (update_of(many, config) - update) / (LAYERS[1] - LAYERS[0])
    found = (
        first - LAYERS[0] * layer - ROWS[0] * row,
        layer,
        row,
        update - LAYERS[0] * update_layer,
        update_layer,
    )
    return Starts(*(max(0.0, seconds) for seconds in found))


def stand_in(layers: int) -> Policy:
    """A Llama whose products take no time, with random weights."""
    import torch
    from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM

    from rlvr.model_files import TINY
    from rlvr.policy import Policy

    config = LlamaConfig(
        num_hidden_layers=layers, hidden_size=16, num_attention_heads=2, num_key_value_heads=1,
        intermediate_size=32, vocab_size=VOCABULARY, tie_word_embeddings=True, bos_token_id=None, eos_token_id=1,
    )  # fmt: skip
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = LlamaForCausalLM(config).eval()
    return Policy("stand-in", model, AutoTokenizer.from_pretrained(TINY), "a model of no width")


def step_of(policy: Policy, config: Config, rows: int) -> float:
    """Seconds of a decoding step of so many rows."""
    from rlvr.preflight.trial import sample

    prompts, lengths = [[2 + i % 9 for i in range(PROMPT)]], []

    def draw(tokens: int) -> None:
        lengths.append(max(len(one.token_ids) for one in sample(policy, config, prompts, rows, tokens)[1]))

    whole, begun = least(lambda: draw(TOKENS)), least(lambda: draw(2))  # whose one step makes room for all
    return (whole - begun) / (lengths[0] - 2)


def update_of(policy: Policy, config: Config) -> float:
    """Seconds of a forward and backward pass over a few tokens."""
    from rlvr.training import rehearsal

    return least(rehearsal.update(config, policy, [2] * PROMPT, [[3, 4], [4, 3]]))


def least(work: Callable[[], object]) -> float:
    """Of this process's own time, in which other processes have no part."""
    work()  # what is done once is not measured
    took = []
    for _ in range(TIMES):
        began = time.process_time()
        work()
        took.append(time.process_time() - began)
    return min(took)
