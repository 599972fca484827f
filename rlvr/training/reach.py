"""How far back the layers of a model look: all of them to the first token, or some through a sliding window or within
chunks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeVar

from torch import Tensor

Position = TypeVar("Position", int, Tensor)
_NEVER = 2**40


@dataclass(frozen=True, slots=True)
class Reach:
    """What a layer's attention adds to causality. Positions count from the first token of a text."""

    window: int | None = None
    """Tokens that one sees, itself included; None: all before it"""
    chunk: int | None = None
    """A text is cut into chunks of so many tokens, and a token sees those of its own (Llama 4)."""

    def end(self, position: Position) -> Position:
        """The first position behind the token at `position` that does not see it any more."""
        if self.window is not None:
            return position + self.window
        if self.chunk is not None:
            return position - position % self.chunk + self.chunk
        return position * 0 + _NEVER

    def within(self, length: int) -> Reach:
        """The same for texts of up to so many tokens: unlimited where none is longer than it reaches."""
        return self if self.end(0) < length else FULL


FULL = Reach()
KINDS = {"full_attention", "sliding_attention", "chunked_attention"}
"""transformers' kinds of layers that a mask of who sees whom describes"""


def reaches(config: Any) -> dict[str, Reach]:
    """The reach of each kind of layer of a text model's config, under the name by which the model asks for its mask.
    Where it names no kinds all layers are alike."""
    window = getattr(config, "sliding_window", None) if getattr(config, "use_sliding_window", True) else None
    of = {
        "full_attention": FULL,
        "sliding_attention": Reach(window=window),
        "chunked_attention": Reach(chunk=getattr(config, "attention_chunk_size", None)),
    }
    kinds = getattr(config, "layer_types", None) or ["sliding_attention"]
    return {kind: of[kind] for kind in dict.fromkeys(kinds) if kind in KINDS}
