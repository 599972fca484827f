"""What flows between a sampler and the rest: rows to draw, completions drawn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Row:
    """One sample to draw: which of the prompts, and the seed of its random numbers."""

    prompt: int
    seed: int


@dataclass(slots=True)
class Completion:
    """What the policy wrote."""

    token_ids: list[int] = field(default_factory=list)
    """As sampled, the ending token included."""
    logprobs: list[float] = field(default_factory=list)
    """Nats per token under the policy at the sampling temperature, before top-p, top-k and min-p."""
    text: str = ""
    complete: bool = False
    """It ended by itself (end-of-text or a stop string), not at the token limit."""


class Sampler(Protocol):
    """Draws completions; the engines differ in speed, not in distribution."""

    def generate(self, prompts: Sequence[Sequence[int]], rows: Sequence[Row]) -> list[Completion]:
        """One completion per row, in order. Rows of the same prompt should be neighbours."""
        ...

    def block_size(self, prompts: Sequence[Sequence[int]]) -> int:
        """How many rows to ask for at once."""
        ...
