"""Log-probabilities of chosen positions through the model's own forward, logits in tiles."""

from __future__ import annotations

import sys
import types
from collections.abc import Callable, Iterator, Sequence
from functools import wraps
from typing import Any, NamedTuple

import torch
from transformers import PreTrainedModel
from trl.kernels import ChunkedLogProbFunction

TILE = 1024
"""Tokens, and columns of their logits, that are held at once on a CPU: few enough to stay in its cache."""
GPU_TILE, GPU_TOKENS = 8192, 4096
"""Columns held at once on a GPU, and of how many tokens at most (TRL's `TOKEN_CHUNK_SIZE`)."""


SOFTCAPS = "final_logit_softcapping", "logits_soft_cap", "output_logit_soft_cap"


def logit_transform(config: Any) -> tuple[float, float | None]:
    """(factor, softcap) between the head's product and the logits, which models name in several ways."""
    caps = (getattr(config, name, None) for name in SOFTCAPS)
    softcap = next((cap for cap in caps if cap is not None), None)
    for name in ("logit_scale", "output_multiplier", "lm_head_multiplier"):
        if (factor := getattr(config, name, None)) is not None:
            return factor, softcap
    divisor = getattr(config, "logits_scaling", None) or 1.0
    return divisor if config.model_type == "hyperclovax" else 1 / divisor, softcap


class Selected(NamedTuple):
    """A model's answer at chosen positions, (N,) each."""

    logprobs: torch.Tensor
    entropies: torch.Tensor
    """Both are empty where no targets were given."""
    values: torch.Tensor | None = None
    router_loss: torch.Tensor | None = None
    """() the load-balancing loss of a mixture of experts."""


def whole(weight: Any) -> Any:
    """A head's weight or bias, gathered where FSDP has sharded it: the hidden states are not."""
    return weight.full_tensor() if hasattr(weight, "full_tensor") else weight


def balancing(model: Any) -> Callable[..., torch.Tensor] | None:
    """The load-balancing loss of the model's family in transformers (Fedus et al. 2021, arXiv 2101.03961, eq. 4)."""
    return getattr(sys.modules[type(model).__module__], "load_balancing_loss_func", None)


def router_loss(model: Any, router_logits: Sequence[torch.Tensor], counts: torch.Tensor) -> torch.Tensor:
    """That loss of a forward pass.

    Args:
        router_logits: per layer (rows · L, experts).
        counts: (rows, L), how many samples read each token: 0 on padding, more than 1 on a prompt that they share.
    """
    own, config = balancing(model), model.config.get_text_config()
    assert own is not None  # else `build.router_coefficient` has refused it
    return own(tuple(router_logits), config.num_experts, config.num_experts_per_tok, counts.float())


def trunk(model: PreTrainedModel) -> Any:
    """The model without its head."""
    if model.base_model is not model:
        return model.base_model
    return next((m for m in model.children() if isinstance(m, PreTrainedModel)), model)  # Llama 4 names none


def add_selected_head(model: PreTrainedModel, temperature: float, own: bool = False) -> None:
    """Teach `model` to answer `model(…, select=…, targets=…)` with a `Selected`: log-probabilities and entropies of
    those positions (neither without `targets`), values where it has a `value_head`, the router's loss with `counts`.

    `select` (N,) indexes the flattened (rows · L) positions, `targets` (N,) are the tokens that follow them. The
    answer goes through the model's own `forward`, so that wrappers (DDP, FSDP, peft) see an ordinary call. Without
    `select` the forward is the one that was there.

    Args:
        own: take the logits of the model's own head, for all positions at once: it is more than a product (ModernBERT's
            has a layer before it), which `trial.prove` finds out.
    """
    original = model.forward
    scale, softcap = logit_transform(model.config.get_text_config())

    @wraps(type(model).forward)  # `generate` reads the signature
    def forward(
        self: Any,
        *args: Any,
        select: torch.Tensor | None = None,
        targets: torch.Tensor | None = None,
        counts: torch.Tensor | None = None,
        **kwargs: Any,
    ) -> Any:
        if select is None:
            return original(*args, **kwargs)
        if counts is not None:
            kwargs["output_router_logits"] = True
        value_head = getattr(self, "value_head", None)
        if own and targets is not None:
            if value_head is not None:
                kwargs["output_hidden_states"] = True
            outputs = original(*args, use_cache=False, **kwargs)
            last = outputs.logits if value_head is None else outputs.hidden_states[-1]
        else:
            outputs = trunk(self)(*args, use_cache=False, **kwargs)
            last = outputs.last_hidden_state
        hidden = last.flatten(0, 1)[select]
        values = None if value_head is None else value_head(hidden)
        if targets is None:
            return Selected(hidden.new_empty(0), hidden.new_empty(0), values)
        if own:
            logprobs, entropies = of_logits(outputs.logits.flatten(0, 1)[select] / temperature, targets)
        else:
            head = self.get_output_embeddings()
            logprobs, entropies = log_probabilities(
                hidden, whole(head.weight), whole(head.bias), targets, temperature, scale, softcap
            )
        balance = None if counts is None else router_loss(self, outputs.router_logits, counts)
        return Selected(logprobs, entropies, values, balance)

    model.forward = types.MethodType(forward, model)


def of_logits(logits: torch.Tensor, targets: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """(N,) log-probabilities of `targets`, and (N,) entropies, from whole (N, vocabulary) logits."""
    log_p = logits.float().log_softmax(-1)
    entropies = -(log_p.exp() * log_p.clamp(min=torch.finfo(log_p.dtype).min)).sum(-1)
    return log_p.gather(-1, targets[:, None])[:, 0], entropies


def log_probabilities(
    hidden: torch.Tensor,
    weight: torch.Tensor,
    bias: torch.Tensor | None,
    targets: torch.Tensor,
    temperature: float,
    scale: float = 1.0,
    softcap: float | None = None,
) -> tuple[torch.Tensor, torch.Tensor]:
    """(N,) log-probabilities of `targets` under softmax(cap(scale · (hidden · weightᵀ + bias)) / temperature), and (N,)
    entropies of that distribution, without the (N, vocabulary) logits. Both can be differentiated.

    On a CPU in float32 by `TiledLogProb`, else by TRL's kernel.

    Args:
        hidden: (N, width). weight: (vocabulary, width). bias: (vocabulary,).
        softcap: cap(z) = softcap · tanh(z / softcap); None where there is none.
    """
    on_cpu = hidden.device.type == "cpu"
    if on_cpu and hidden.dtype == weight.dtype == torch.float32 and not torch.is_autocast_enabled("cpu"):
        return TiledLogProb.apply(hidden, weight, bias, targets, temperature, scale, softcap)  # type: ignore[return-value]
    columns = TILE if on_cpu else GPU_TILE
    logprobs, entropies, *_ = ChunkedLogProbFunction.apply(
        hidden, weight, bias, targets, temperature, columns, softcap, scale, ("entropy",)
    )  # type: ignore[misc]
    return logprobs, entropies


class TiledLogProb(torch.autograd.Function):
    """`log_probabilities` with few passes over memory: TRL's fallback without Triton makes a dozen over each tile.

    Factors go into `hidden` and `bias` where that is possible, and the target's own part of the gradient, which is one
    column of each token's logits, is added apart.
    """

    @staticmethod
    def forward(
        ctx: Any,
        hidden: torch.Tensor,
        weight: torch.Tensor,
        bias: torch.Tensor | None,
        targets: torch.Tensor,
        temperature: float,
        scale: float,
        softcap: float | None,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        ctx.set_materialize_grads(False)  # the entropy is mostly a metric alone
        cap = None if softcap is None else softcap / temperature
        factor = scale / temperature if softcap is None else scale / softcap
        hidden, bias = hidden * factor, None if bias is None else bias * factor
        target = (hidden * weight[targets]).sum(-1)
        target = _capped(target if bias is None else target + bias[targets], cap)
        highest = torch.full_like(target, -torch.inf)
        total, moment = torch.zeros_like(target), torch.zeros_like(target)
        for rows, columns in _tiles(len(hidden), len(weight)):
            z = _logits(hidden[rows], weight, bias, columns, cap)
            before, top = highest[rows], torch.maximum(highest[rows], z.amax(-1))
            weights, fade = (z - top[:, None]).exp_(), (before - top).exp_()
            total[rows] = total[rows] * fade + weights.sum(-1)
            moment[rows] = moment[rows] * fade + weights.mul_(z).sum(-1)
            highest[rows] = top
        log_total = highest + total.log()
        entropy = log_total - moment / total
        ctx.save_for_backward(hidden, weight, bias, targets, target, log_total, entropy)
        ctx.factor, ctx.cap = factor, cap
        return target - log_total, entropy

    @staticmethod
    def backward(  # type: ignore[override]
        ctx: Any, grad: torch.Tensor | None, grad_entropy: torch.Tensor | None
    ) -> tuple[torch.Tensor | None, ...]:
        hidden, weight, bias, targets, target, log_total, entropy = ctx.saved_tensors
        grad = torch.zeros_like(target) if grad is None else grad
        own = (grad if ctx.cap is None else grad * _slope(target, ctx.cap))[:, None]
        to_hidden, to_weight, to_bias = (
            torch.zeros_like(x) if needed else None
            for x, needed in zip((hidden, weight, bias), ctx.needs_input_grad, strict=False)
        )
        if to_hidden is not None:
            torch.mul(weight[targets], own, out=to_hidden)
        if to_weight is not None:
            to_weight.index_add_(0, targets, hidden * own)
        if to_bias is not None:
            to_bias.index_add_(0, targets, own[:, 0])
        for rows, columns in _tiles(len(hidden), len(weight)):
            z = _logits(hidden[rows], weight, bias, columns, ctx.cap)
            slope = None if ctx.cap is None else _slope(z, ctx.cap)
            # of z_j: −g p_j for the log-probability, −g' p_j (log p_j + entropy) for the entropy
            log_p, factor = z.sub_(log_total[rows, None]), -grad[rows, None]
            if grad_entropy is not None:
                factor = factor - (log_p + entropy[rows, None]).mul_(grad_entropy[rows, None])
            part = log_p.exp_().mul_(factor)
            if slope is not None:
                part.mul_(slope)
            if to_hidden is not None:
                to_hidden[rows].addmm_(part, weight[columns])
            if to_weight is not None:
                to_weight[columns].addmm_(part.t(), hidden[rows])
            if to_bias is not None:
                to_bias[columns] += part.sum(0)
        to_hidden, to_bias = (None if x is None else x.mul_(ctx.factor) for x in (to_hidden, to_bias))
        return to_hidden, to_weight, to_bias, None, None, None, None


def _tiles(tokens: int, vocabulary: int) -> Iterator[tuple[slice, slice]]:
    for first in range(0, tokens, TILE):
        for start in range(0, vocabulary, TILE):
            yield slice(first, first + TILE), slice(start, start + TILE)


def _logits(
    hidden: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None, columns: slice, cap: float | None
) -> torch.Tensor:
    z = hidden @ weight[columns].t()
    return _capped(z if bias is None else z.add_(bias[columns]), cap)


def _capped(z: torch.Tensor, cap: float | None) -> torch.Tensor:
    return z if cap is None else z.tanh_().mul_(cap)


def _slope(capped: torch.Tensor, cap: float) -> torch.Tensor:
    """Of cap · tanh(z) in z, from its value."""
    return cap - capped * capped / cap
