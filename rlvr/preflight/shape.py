"""A model's shape, as far as its memory and its work follow from it: from its config and its structure, no weights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from rlvr.errors import UserError

Precision = Literal["float32", "autocast", "bfloat16"]
"""Of the update: weights and products in float32; float32 weights under bfloat16 autocast; all in bfloat16."""
EXPERTS = "num_experts", "num_local_experts", "n_routed_experts"


@dataclass(frozen=True, slots=True)
class Shape:
    """A decoder of layers with attention and an MLP."""

    layers: int
    width: int
    """Of the residual stream."""
    queries: int
    keys: int
    """Widths of all query heads, and of all key heads (values have as many)."""
    inner: int
    """Width of the MLP; of a mixture, of the experts that a token passes."""
    gated: bool
    vocabulary: int
    weights: int
    """All of them."""
    body: int
    """Those that a token is multiplied with, without the head."""

    @classmethod
    def of(cls, model: Any) -> Shape:
        """Raises UserError: the model's config lacks what a decoder with attention has."""
        config = model.config.get_text_config()
        try:
            heads, width = config.num_attention_heads, config.hidden_size
            size = getattr(config, "head_dim", None) or width // heads
            chosen = getattr(config, "num_experts_per_tok", None)
            inner = config.intermediate_size
            if chosen:
                inner = chosen * (getattr(config, "moe_intermediate_size", None) or inner)
            of_all = next((n for name in EXPERTS if (n := getattr(config, name, None))), chosen)
            whole = {id(e.weight) for e in (model.get_input_embeddings(), model.get_output_embeddings()) if e}
            body, gated = 0.0, False
            for name, weight in model.named_parameters():
                gated = gated or "gate" in name
                if weight.ndim >= 2 and id(weight) not in whole:
                    body += weight.numel() * (chosen / of_all if chosen and ".experts" in name else 1)
            return cls(
                layers=config.num_hidden_layers,
                width=width,
                queries=heads * size,
                keys=(getattr(config, "num_key_value_heads", None) or heads) * size,
                inner=inner,
                gated=gated,
                vocabulary=config.vocab_size,
                weights=sum(weight.numel() for weight in model.parameters()),
                body=int(body),
            )
        except AttributeError as error:
            raise UserError(
                f"--on: memory and time are known of decoders with attention; {config.model_type} is another: {error}"
            ) from error

    @property
    def head(self) -> int:
        return self.vocabulary * self.width

    def forward(self, context: float) -> float:
        """FLOP of a token that sees so many, without the head: two for each weight, and for each pair and width of the
        queries two for its score and two for its value."""
        return 2 * self.body + 4 * self.layers * self.queries * context

    def cache(self, size: int) -> int:
        """Bytes of a token's keys and values, of `size` bytes a number."""
        return 2 * self.layers * self.keys * size

    def layer(self, precision: Precision) -> int:
        """Bytes of a token that a layer keeps for its backward pass, in transformers' own modules with an attention
        that keeps nothing for each pair.

        Two norms (input, normalised, output), queries, keys, values, the attention's output; of the MLP its two
        products, the activation and what is multiplied.
        """
        norms, attention = 2 * self.width, 2 * self.queries + 2 * self.keys
        mlp = (4 if self.gated else 2) * self.inner
        if precision == "float32":
            return 4 * (3 * norms + attention + mlp)
        # norms compute in float32: under autocast what comes in is float32 too, and bfloat16 what the product reads
        return (4 + 4 + 2 if precision == "autocast" else 4 + 2 + 2) * norms + 2 * (attention + mlp)

    def activations(self, tokens: float, precision: Precision, checkpointing: bool) -> float:
        """Bytes that a pass over so many tokens keeps in its layers; with checkpointing each layer's input, and all of
        one layer at a time."""
        if not checkpointing:
            return tokens * self.layers * self.layer(precision)
        stream = self.width * (2 if precision == "bfloat16" else 4)
        return tokens * (self.layers * stream + self.layer(precision))
