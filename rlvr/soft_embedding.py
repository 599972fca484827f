"""Virtual tokens: ids from the end of a model's vocabulary on, whose embeddings are trained in place of its weights
(Lester et al. 2021, arXiv 2104.08691).

Whoever reads a prompt reads these ids before it, so that sampling, shared prefixes, packing and scoring know nothing of
them. The head predicts none: it has no columns for them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn
from torch.nn import functional


class SoftEmbedding(nn.Module):
    """A model's input embedding, with rows of its own for the ids behind the vocabulary.

    Args:
        vocabulary: the model's own embedding, which stays; a head that shares its matrix goes on sharing it.
        rows: (tokens, width), as the first layer reads them: a family that scales its embeddings does not scale these
            (nor does peft).
    """

    def __init__(self, vocabulary: nn.Module, rows: torch.Tensor) -> None:
        super().__init__()
        self.vocabulary = vocabulary
        self.rows = nn.Parameter(rows)
        self.on = True
        """False: the model is read as it is without them."""

    @property
    def weight(self) -> Any:
        """(vocabulary, width): the model's own matrix."""
        return self.vocabulary.weight

    @property
    def ids(self) -> list[int]:
        """Of the virtual tokens, in order; none while they are off."""
        first = len(self.weight)
        return list(range(first, first + len(self.rows))) if self.on else []

    def forward(self, input_ids: torch.Tensor) -> torch.Tensor:
        """(…) → (…, width)"""
        first = len(self.weight)
        found = self.vocabulary(input_ids.clamp(max=first - 1))
        own = functional.embedding((input_ids - first).clamp(min=0), self.rows).to(found.dtype)
        return torch.where((input_ids >= first)[..., None], own, found)


def of(model: Any) -> SoftEmbedding | None:
    """That of a model, wrapped for several processes or not."""
    return next((module for module in model.modules() if isinstance(module, SoftEmbedding)), None)


def put_on(model: Any, rows: torch.Tensor) -> SoftEmbedding:
    """Give a model virtual tokens; in place."""
    soft = SoftEmbedding(model.get_input_embeddings(), rows)
    model.set_input_embeddings(soft)
    return soft


def ahead_of(model: Any, prompt: Sequence[int]) -> list[int]:
    """What the model reads of a prompt: its virtual tokens, then the prompt's own, whoever read it before."""
    soft = of(model)
    if soft is None:
        return list(prompt)
    first = len(soft.weight)
    return [*soft.ids, *(token for token in prompt if token < first)]


@contextmanager
def without(model: Any) -> Iterator[None]:
    """A block in which the model has no virtual tokens."""
    soft = of(model)
    assert soft is not None
    soft.on = False
    try:
        yield
    finally:
        soft.on = True
