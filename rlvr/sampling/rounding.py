"""How far two computations of the same log-probabilities may differ.

Half of a type's digits, √ε nats, is far above what rounding does to most models and far below what a wrong mask, a
wrong position or a leaked state does: 3e-4 in float32, 0.09 in bfloat16. A model may amplify rounding (many layers,
recurrent states, a router whose choice is nearly a tie), so where two computations differ by more, the model itself is
asked: how far do its numbers move when the answer of every linear layer is changed in its last digit?
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch

from rlvr.policy import Policy

AMPLIFIED = 4
"""Times that movement that is still rounding: a pass rounds in more places than the linear layers. Measured: at most
1.3, on SmolLM2-135M in float32."""


def epsilon(model: Any) -> float:
    """Of the type that the model computes in, here and now (autocast counts)."""
    kind = model.device.type
    types = {model.dtype}
    if torch.is_autocast_enabled(kind):
        types.add(torch.get_autocast_dtype(kind))
    return max(torch.finfo(dtype).eps for dtype in types)


@contextmanager
def shaken(model: Any, step: float) -> Iterator[None]:
    """Every linear layer's and embedding's answer changes by a share of `step`, up or down at random."""
    seed = torch.Generator(model.device).manual_seed(0)

    def shake(_module: Any, _inputs: Any, answer: Any) -> Any:
        if not isinstance(answer, torch.Tensor) or not answer.is_floating_point():
            return None
        up = torch.rand(answer.shape, generator=seed, device=answer.device) < 0.5
        return answer * torch.where(up, 1 + step, 1 - step).to(answer.dtype)

    layers = [m for m in model.modules() if isinstance(m, torch.nn.Linear | torch.nn.Embedding)]
    hooks = [layer.register_forward_hook(shake) for layer in layers]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


@dataclass(slots=True)
class Tolerance:
    """What two computations by one model may differ by, at least √ε.

    Args:
        model: computes.
        movement: how far the numbers move under `shaken`; called only where √ε is exceeded, and once.
        epsilon: of the type that it computes in.
    """

    model: Any
    movement: Callable[[], float]
    epsilon: float
    _moves: float | None = field(default=None, init=False)

    def exceeded(self, found: float) -> str | None:
        """Says so where a difference is more than rounding explains; NaN is."""
        allowed = self.epsilon**0.5
        if found <= allowed:
            return None
        if self._moves is None:
            with shaken(self.model, self.epsilon):
                self._moves = self.movement()
        allowed = max(allowed, AMPLIFIED * self._moves)
        return None if found <= allowed else f"{found:.2g}, where rounding explains {allowed:.1g}"


TEXT = "12+34=46, 5+6=11, 7*8=56, 90-3=87, 1+2=3"
TOKENS = 24


def tokens(policy: Policy) -> list[int]:
    """At least `TOKENS` ordinary tokens to try a model on. On those that no text has, such as the ones of low numbers,
    even a good model's log-probabilities are a matter of rounding."""
    ids = policy.words(TEXT)
    return ids * (1 + TOKENS // len(ids)) if ids else list(range(1, TOKENS + 1))


def apart(found: torch.Tensor, expected: torch.Tensor, least: float = -torch.inf) -> float:
    """The greatest difference of log-probabilities, where the expected one is above `least`; of equal infinities 0."""
    differences = torch.where((found == expected) | (expected <= least), 0.0, found - expected)
    return differences.abs().max().item()
