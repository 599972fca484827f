"""Log-probabilities of chosen positions through the model's own forward, logits in tiles."""

from __future__ import annotations

import types
from functools import wraps
from typing import Any

import torch
from transformers import PreTrainedModel
from trl.kernels import ChunkedLogProbFunction

VOCABULARY_TILE = {"cpu": 1024, "cuda": 8192}
"""Columns of the logits that are held at once, for at most 4,096 tokens (TRL's `TOKEN_CHUNK_SIZE`). On a CPU the tile
stays in the cache: with 512 tokens and 49,152 columns, 1,024 took 0.8 s and 32,768 took 2.2 s on 2 cores."""


def logit_transform(config: Any) -> tuple[float, float | None]:
    """(factor, softcap) between the head's product and the logits, which models name in several ways."""
    for name in ("logit_scale", "output_multiplier", "lm_head_multiplier"):
        if (factor := getattr(config, name, None)) is not None:
            return factor, getattr(config, "final_logit_softcapping", None)
    divisor = getattr(config, "logits_scaling", None) or 1.0
    factor = divisor if config.model_type == "hyperclovax" else 1 / divisor
    return factor, getattr(config, "final_logit_softcapping", None)


def add_selected_head(model: PreTrainedModel, temperature: float) -> None:
    """Teach `model` to answer `model(…, select=…, targets=…)` with (log-probabilities, entropies) of those positions,
    and their values where it has a `value_head`; without `targets`, with (values,) alone. Each is (N,).

    `select` (N,) indexes the flattened (rows · L) positions, `targets` (N,) are the tokens that follow them. The
    answer goes through the model's own `forward`, so that wrappers (DDP, FSDP, peft) see an ordinary call. Without
    `select` the forward is the one that was there.
    """
    original = model.forward
    scale, softcap = logit_transform(model.config.get_text_config())

    @wraps(type(model).forward)  # `generate` reads the signature
    def forward(
        self: Any,
        *args: Any,
        select: torch.Tensor | None = None,
        targets: torch.Tensor | None = None,
        **kwargs: Any,
    ) -> Any:
        if select is None:
            return original(*args, **kwargs)
        hidden = self.base_model(*args, use_cache=False, **kwargs).last_hidden_state.flatten(0, 1)[select]
        value_head = getattr(self, "value_head", None)
        values = () if value_head is None else (value_head(hidden),)
        if targets is None:
            return values
        head = self.get_output_embeddings()
        logprobs, entropies, *_ = ChunkedLogProbFunction.apply(
            hidden,
            head.weight,
            head.bias,
            targets,
            temperature,
            VOCABULARY_TILE.get(hidden.device.type, 8192),
            softcap,
            scale,
            ("entropy",),
        )  # type: ignore[misc]
        return logprobs, entropies, *values

    model.forward = types.MethodType(forward, model)
