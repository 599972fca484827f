"""What a world is: problems with a known law of traces, and the model that was trained on that law."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from verifiers.types import Problem

ELSEWHERE = "elsewhere"
"""Strategy of a trace that a policy writes and the law does not."""


class NoLawError(ValueError):
    """The world poses this problem, but has no law of its traces."""


@dataclass(frozen=True, slots=True)
class Trace:
    """One response. `text` is what follows the prompt, without end-of-text."""

    text: str
    strategy: str
    """One of the world's strategies, or `ELSEWHERE`."""
    probability: float
    """Under the law, given the problem; 0 where the law cannot write it."""
    right: bool
    """The answer that it gives is the problem's."""
    sound: bool
    """There are steps, each is a true statement, and they lead to the answer that it gives."""


class World(Protocol):
    """Problems whose traces can be listed with their exact probabilities."""

    name: str
    """Its name in the registry and in a config; without a slash."""
    model: Path
    """Folder of the network trained on the law: config.json, model.safetensors, tokenizer files."""
    splits: tuple[str, ...]
    strategies: tuple[str, ...]
    """The latent variable of the law: how a trace came about."""

    def problems(self, split: str) -> list[Problem]:
        """The problems of one split, the same list on every machine.

        Raises ValueError for an unknown split; the message names the known ones.
        """
        ...

    def support(self, problem: Problem) -> tuple[Trace, ...]:
        """Every trace that the law can write for `problem`; their probabilities sum to 1. Raises NoLawError."""
        ...

    def is_right(self, problem: Problem, text: str) -> bool:
        """Whether any text, also one outside the law, gives the problem's answer."""
        ...
