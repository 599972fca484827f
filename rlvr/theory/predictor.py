"""A small network that reads a sequence of symbols and predicts the next: how it is trained, what it predicts, and what
it holds at each position. The laws of the sequences are known, so each of its predictions has an exact counterpart."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional
from transformers import LlamaConfig, LlamaForCausalLM

from rlvr.analysis.samples import Floats

Draw = Callable[[int, np.random.Generator], Tensor]
"""(number, random) → (number, T) symbols 0, 1, …"""


def network(seed: int, symbols: int, width: int = 32, layers: int = 2) -> Any:
    """One token a symbol, and one more, before the first."""
    torch.manual_seed(seed)
    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=symbols + 1, hidden_size=width, intermediate_size=3 * width, num_hidden_layers=layers,
            num_attention_heads=2, num_key_value_heads=2, max_position_embeddings=256, tie_word_embeddings=False,
            bos_token_id=None, eos_token_id=None, pad_token_id=None, initializer_range=0.08,
        )
    )  # fmt: skip


def log_predictive(model: Any, sequences: Tensor) -> Tensor:
    """(B, T) → (B, T, symbols) log-probabilities of the symbol at each position, given those before it."""
    out = model(input_ids=_read(model, sequences), use_cache=False).logits
    return out[..., :-1].log_softmax(-1)


def hidden(model: Any, sequences: Tensor) -> list[Floats]:
    """(B, T, width) where each prediction is made: behind the embedding, and behind each layer."""
    with torch.no_grad():
        out = model(input_ids=_read(model, sequences), use_cache=False, output_hidden_states=True)
    return [layer.double().numpy() for layer in out.hidden_states]


def _read(model: Any, sequences: Tensor) -> Tensor:
    start = torch.full((len(sequences), 1), model.config.vocab_size - 1)
    return torch.cat([start, sequences[:, :-1]], dim=1)


def training(
    model: Any, draw: Draw, steps: int, seed: int, batch: int = 128, learning_rate: float = 3e-3
) -> Iterator[int]:
    """Log loss on drawn sequences: AdamW, one cycle. Yields the number of each step that was made."""
    random = np.random.default_rng(seed)
    optimizer = torch.optim.AdamW(model.parameters(), lr=learning_rate)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, learning_rate, total_steps=steps)
    for step in range(1, steps + 1):
        drawn = draw(batch, random)
        loss = functional.nll_loss(log_predictive(model, drawn).flatten(0, 1), drawn.flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        yield step


def trained(model: Any, draw: Draw, steps: int, seed: int, **more: Any) -> Any:
    """`training` to its end."""
    for _ in training(model, draw, steps, seed, **more):
        pass
    return model.eval()


@torch.no_grad()
def gap(model: Any, sequences: Tensor, exact: Floats) -> Floats:
    """(T,) mean KL(exact‖network) at each position, in nats. `exact`: (B, T, symbols) probabilities."""
    q = log_predictive(model, sequences).double().numpy()
    with np.errstate(divide="ignore", invalid="ignore"):
        terms = np.where(exact > 0, exact * (np.log(exact) - q), 0.0)
    return terms.sum(-1).mean(0)
