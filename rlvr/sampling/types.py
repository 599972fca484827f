"""What flows between a sampler and the rest: completions to draw, completions drawn."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from rlvr.config import SamplingConfig
    from rlvr.policy import Policy
    from rlvr.sampling.score import Written


@dataclass(frozen=True, slots=True)
class SampleRequest:
    """One completion to draw: which of the prompts, and the seed of its random numbers."""

    prompt: int
    seed: int


@dataclass(slots=True)
class Completion:
    """What the policy wrote, with three log-probabilities of each token, in nats.

    The three are equal at temperature 1 without truncation (top-k, top-p, min-p).
    """

    token_ids: list[int] = field(default_factory=list)
    """As sampled, the ending token included."""
    logprobs: list[float] = field(default_factory=list)
    """Under the policy at the sampling temperature (1 where that is 0), before truncation: what rollout rows sum up,
    and what the trainer's importance ratio is of."""
    sampling_logprobs: list[float] = field(default_factory=list)
    """Under the distribution that the token was drawn from: temperature and truncation applied; 0 where greedy."""
    raw_logprobs: list[float] = field(default_factory=list)
    """Under the policy itself: temperature 1, no truncation."""
    text: str = ""
    complete: bool = False
    """It ended by itself (end-of-text or a stop string), not at the token limit."""


OnDone = Callable[[int, Completion], None]
"""Told of each row when it has ended, while others are still being drawn: its index among the rows, what it is."""


class Sampler(Protocol):
    """Has the weights of a policy, and generates with them; the engines differ in speed, not in distribution."""

    @property
    def policy(self) -> Policy: ...
    @property
    def settings(self) -> SamplingConfig: ...

    def generate(
        self, prompts: Sequence[Sequence[int]], rows: Sequence[SampleRequest], on_done: OnDone | None = None
    ) -> list[Completion]:
        """One completion per row, in order. Rows of the same prompt should be neighbours."""
        ...

    def block_size(self, prompts: Sequence[Sequence[int]]) -> int:
        """How many rows to ask for at once."""
        ...

    def close(self) -> None:
        """Give back memory and processes; the sampler is not used afterwards."""
        ...


class Score(Protocol):
    """Says log-probabilities of what was written, as `score.logprobs` does."""

    def __call__(
        self,
        prompts: Sequence[Sequence[int]],
        rows: Sequence[Written],
        temperature: float,
    ) -> list[float]: ...
