"""Which layers get an adapter: names that exist, what they cover, and what must not be among them."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from rlvr.errors import ConfigError

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

LISTED = 8
"""Names in a message."""


def unsuited(model: PreTrainedModel) -> list[str]:
    """Linear layers that the default leaves out, by their full names: the output projection of a Mamba mixer, whose
    kernels take its weight past the layer, and so past an adapter. (Such a mixer has the parameters A_log and D.)"""
    return [
        f"{name}.out_proj"
        for name, module in model.named_modules()
        if hasattr(module, "A_log") and hasattr(module, "D") and hasattr(module, "out_proj")
    ]


def check_targets(model: PreTrainedModel, targets: Any, key: str) -> None:
    """Refuse targets that are not there, and the head.

    Args:
        targets: as peft takes them: full names or their ends, a regular expression on full names, or all-linear.

    Raises:
        ConfigError: names the target, and near ones of the model's.
    """
    if targets == "all-linear":
        return
    names = [name for name, _ in model.named_modules() if name]
    if isinstance(targets, str):
        try:
            matched = [name for name in names if re.fullmatch(targets, name)]
        except re.error as error:
            raise ConfigError(f"{key}: {targets!r} is not a regular expression: {error}") from error
        if not matched:
            raise ConfigError(f"{key}: no layer's full name matches {targets!r}; {known(model)}")
    else:
        matched = []
        for target in targets:
            found = [name for name in names if name == target or name.endswith(f".{target}")]
            if not found:
                near = difflib.get_close_matches(target, leaves(model), n=1, cutoff=0.5)
                hint = f"did you mean {near[0]!r}?" if near else known(model)
                raise ConfigError(f"{key}: the model has no layer {target!r}; {hint}")
            matched += found
    head, inputs = model.get_output_embeddings(), model.get_input_embeddings()
    for name in matched:
        layer = model.get_submodule(name)
        if layer is head:
            raise ConfigError(
                f"{key}: {name} is the head, whose logits the update computes in tiles from its own weight, past an "
                "adapter; take other layers"
            )
        if layer is inputs and head is not None and head.weight is inputs.weight:
            raise ConfigError(
                f"{key}: {name} shares its matrix with the head, so that an adapter on it cannot be merged; take "
                "other layers"
            )


def known(model: PreTrainedModel) -> str:
    found = leaves(model)
    return f"its linear layers are {', '.join(found[:LISTED])}{', …' if len(found) > LISTED else ''}"


def leaves(model: PreTrainedModel) -> list[str]:
    """The last parts of the names of the model's linear layers, in order, without the head."""
    import torch
    from transformers.pytorch_utils import Conv1D

    head = model.get_output_embeddings()
    linear = [
        name.rpartition(".")[2]
        for name, module in model.named_modules()
        if isinstance(module, torch.nn.Linear | Conv1D) and module is not head
    ]
    return list(dict.fromkeys(linear))


def covered(adapted: Any) -> str:
    """In one line: the layers that have an adapter, how much of the model they hold, how much is trained, and whether
    experts are left out.

    Args:
        adapted: a peft model, on the meta device too.
    """
    from peft.tuners.tuners_utils import BaseTunerLayer

    layers = [(n, m) for n, m in adapted.named_modules() if isinstance(m, BaseTunerLayer)]
    within, found = set[int](), list[str]()
    for name, layer in layers:
        parameter = getattr(
            layer, "parameter_name", None
        )  # a layer, or a parameter such as that of the experts
        inner: Any = layer.get_base_layer()
        within |= {id(p) for p in ([getattr(inner, parameter)] if parameter else inner.parameters())}
        found.append(parameter if parameter and parameter != "weight" else name.rpartition(".")[2])
    trained = count(p for p in adapted.parameters() if p.requires_grad)
    own = [(n, p) for n, p in adapted.get_base_model().named_parameters() if ".lora_" not in n]
    total = count(p for _, p in own)
    names = list(dict.fromkeys(found))
    shown = ", ".join(names[:LISTED]) + (", …" if len(names) > LISTED else "")
    line = (
        f"adapters on {len(layers)} layers ({shown}), which hold {share(own_within(own, within), total)} of the "
        f"model's weights; {trained:,} weights are trained"
    )
    experts = [p for n, p in own if p.dim() == 3 and id(p) not in within and "conv" not in n]
    if experts:
        line += f"; the experts, {share(count(experts), total)}, are no layers of their own and get none"
    return line


def own_within(own: Sequence[tuple[str, torch.nn.Parameter]], within: set[int]) -> int:
    return count(p for _, p in own if id(p) in within)


def count(parameters: Iterator[torch.nn.Parameter] | Sequence[torch.nn.Parameter]) -> int:
    return sum(p.numel() for p in parameters)


def share(part: int, whole: int) -> str:
    return f"{part / max(1, whole):.0%}"
