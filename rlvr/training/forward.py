"""A micro-step through the model: one forward pass, packed where the attention allows it, and what it says of each of
the policy's tokens."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import torch
from accelerate import Accelerator
from peft import PeftModel

from rlvr.soft_embedding import ahead_of
from rlvr.training import attention
from rlvr.training.head import Selected, add_selected_head
from rlvr.training.malloc import keep_freed_memory
from rlvr.training.packing import Prompted, pack
from rlvr.training.reach import reaches


@dataclass(frozen=True, slots=True)
class Way:
    """How the update reads its rows and makes log-probabilities of them."""

    kind: attention.Kind | None
    """The attention of packed rows; None: padded, a row per sample."""
    own_head: bool = False
    """The model's own head, whose logits are all held at once, in place of ours, which works in tiles."""

    def __str__(self) -> str:
        rows = "padded, one row per completion" if self.kind is None else f"packed, attention {self.kind}"
        return f"{rows}, whole logits of its own head" if self.own_head else rows


class Forward:
    """
    Args:
        models: the prepared policy, and a reference beside it; each is taught to answer for chosen positions.
        temperature: of sampling: log-probabilities are those of the distribution that was drawn from.
        way: what `trial.prove` found to be right.
        balances: a mixture of experts whose router has a loss of its own.
    """

    def __init__(
        self,
        models: Sequence[Any],
        accelerator: Accelerator,
        temperature: float,
        way: Way,
        balances: bool = False,
    ) -> None:
        self.accelerator, self.balances = accelerator, balances
        self.kind: attention.Kind | None = way.kind
        plain = [base_of(accelerator.unwrap_model(model)) for model in models]
        if accelerator.device.type == "cpu":
            keep_freed_memory()
        self.reaches = reaches(plain[0].config.get_text_config())
        for model in plain:
            attention.install(model, way.kind)
            add_selected_head(model, temperature, way.own_head)

    def __call__(
        self, model: Any, groups: Sequence[Prompted], logprobs: bool = True
    ) -> tuple[Selected, torch.Tensor]:
        """Log-probabilities, entropies and values of the policy's tokens, (N,) each, and (N,) the sample of each.

        Args:
            logprobs: False: values alone.
        """
        packed = pack(read_by(model, groups), self.accelerator.device, self.kind, self.reaches)
        router = {"counts": packed.counts} if self.balances and logprobs else {}
        with self.accelerator.autocast():
            answer = model(
                **packed.inputs, **router, select=packed.select, targets=packed.targets if logprobs else None
            )
        return answer, packed.row


def read_by(model: Any, groups: Sequence[Prompted]) -> list[Prompted]:
    """The groups with their prompts as the model reads them: its own virtual tokens before them, or none (a reference,
    and what it drew)."""
    return [replace(group, prompt=ahead_of(model, group.prompt)) for group in groups]


@contextmanager
def as_it_was(model: Any) -> Iterator[None]:
    """A block after which the model has its own forward and attention again."""
    plain = base_of(model)
    config, forward = plain.config.get_text_config(), vars(plain).get("forward")
    implementation = config._attn_implementation
    try:
        yield
    finally:
        config._attn_implementation = implementation
        if forward is None:
            vars(plain).pop("forward", None)
        else:
            plain.forward = forward


def base_of(model: Any) -> Any:
    """The transformers model inside a peft model, or the model itself."""
    return model.get_base_model() if isinstance(model, PeftModel) else model
