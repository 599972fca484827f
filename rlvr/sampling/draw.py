"""Drawing tokens: from logits and uniform numbers to tokens and their log-probabilities."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch.nn.functional import pad
from transformers import LogitsProcessorList, MinPLogitsWarper, TopKLogitsWarper, TopPLogitsWarper

from rlvr.config import SamplingConfig

TILE = 128
"""Tokens whose probabilities are summed before the distribution function is searched."""
NEARLY_ONE = 1 - 2.0**-40
"""Keeps a search below the end of the distribution function, past which no token lies."""
CACHED = 2**20
"""Logits handled at once on a CPU: what stays in its cache between two passes over them."""


@dataclass(frozen=True, slots=True)
class Drawn:
    """One token per row, (rows,) each; the log-probabilities in nats, as in `Completion`."""

    tokens: torch.Tensor
    logprobs: torch.Tensor
    sampling_logprobs: torch.Tensor
    raw_logprobs: torch.Tensor


class Distribution:
    """What a completion token is drawn from, given its logits: temperature, then transformers' own truncation rules
    in transformers' order (top-k, top-p, min-p). Temperature 0 is the likeliest token."""

    def __init__(self, settings: SamplingConfig) -> None:
        self.temperature = settings.temperature
        self.truncation = LogitsProcessorList()
        if settings.top_k:
            self.truncation.append(TopKLogitsWarper(settings.top_k))
        if settings.top_p < 1:
            self.truncation.append(TopPLogitsWarper(settings.top_p))
        if settings.min_p:
            self.truncation.append(MinPLogitsWarper(settings.min_p))

    def draw(self, logits: torch.Tensor, row: torch.Tensor, uniform: torch.Tensor) -> Drawn:
        """One token per row, the distribution function inverted at the row's uniform number.

        Args:
            logits: (any number, vocabulary)
            row: (rows,) which of the logits each row draws from.
            uniform: (rows,) float64 in [0, 1).
        """
        size = max(1, CACHED // logits.shape[-1]) if logits.device.type == "cpu" else 1024
        parts = [
            self._draw(logits[part].float(), numbers)
            for part, numbers in zip(row.split(size), uniform.split(size), strict=True)
        ]
        return Drawn(*(torch.cat(values) for values in zip(*parts, strict=True)))

    def _draw(self, logits: torch.Tensor, uniform: torch.Tensor) -> tuple[torch.Tensor, ...]:
        if self.temperature == 0:
            tokens = logits.argmax(-1)
            raw = _at(logits.log_softmax(-1), tokens)
            return tokens, raw, torch.zeros_like(raw), raw
        scaled = logits if self.temperature == 1 else logits / self.temperature
        probs = scaled.softmax(-1)
        drawn_from = self.truncation(None, scaled).softmax(-1) if self.truncation else probs  # type: ignore[arg-type]
        tokens = invert(drawn_from, uniform)
        logprobs = _at(probs, tokens).log()
        return (
            tokens,
            logprobs,
            _at(drawn_from, tokens).log() if self.truncation else logprobs,
            logprobs if self.temperature == 1 else _at(logits, tokens) - logits.logsumexp(-1),
        )


def invert(probs: torch.Tensor, uniform: torch.Tensor) -> torch.Tensor:
    """The first token whose cumulative probability exceeds `uniform`, which is never one of probability zero.

    Sums over tiles come first, so that the vocabulary is not summed up token by token.

    Args:
        probs: (rows, vocabulary) float32; need not sum to 1 exactly.
        uniform: (rows,) float64 in [0, 1).
    """
    over = -probs.shape[-1] % TILE
    tiles = (pad(probs, (0, over)) if over else probs).unflatten(-1, (-1, TILE))  # a pad of nothing copies
    upto = tiles.sum(-1).double().cumsum(-1)
    height = (uniform * upto[:, -1]).clamp(max=upto[:, -1] * NEARLY_ONE)[:, None]
    tile = torch.searchsorted(upto, height, right=True)
    before = pad(upto, (1, 0)).gather(-1, tile)
    within = tiles.gather(1, tile[..., None].expand(-1, -1, TILE))[:, 0].double().cumsum(-1)
    # a tile's sum in float32 may exceed the sum of its tokens in float64
    rest = torch.minimum(height - before, within[:, -1:] * NEARLY_ONE)
    return (tile * TILE + torch.searchsorted(within, rest, right=True))[:, 0]


def _at(values: torch.Tensor, tokens: torch.Tensor) -> torch.Tensor:
    return values.gather(-1, tokens[:, None])[:, 0]
