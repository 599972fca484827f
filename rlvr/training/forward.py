"""A micro-step through the model: one forward pass, packed where the attention allows it, and what it says of each of
the policy's tokens."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from accelerate import Accelerator
from peft import PeftModel

from rlvr.training import attention
from rlvr.training.head import Selected, add_selected_head
from rlvr.training.malloc import keep_freed_memory
from rlvr.training.packing import Prompted, pack
from rlvr.training.reach import reaches


class Forward:
    """
    Args:
        models: the prepared policy, and a reference beside it; each is taught to answer for chosen positions.
        temperature: of sampling: log-probabilities are those of the distribution that was drawn from.
        balances: a mixture of experts whose router has a loss of its own, which is defined on padded rows.
        say: tells a person which kind of update runs, and why.
    """

    def __init__(
        self,
        models: Sequence[Any],
        accelerator: Accelerator,
        temperature: float,
        balances: bool,
        say: Callable[[str], None],
    ) -> None:
        self.accelerator, self.balances = accelerator, balances
        plain = [base_of(accelerator.unwrap_model(model)) for model in models]
        if accelerator.device.type == "cpu":
            keep_freed_memory()
        self.kind: attention.Kind | None
        self.kind, self.why = choose_attention(plain[0], balances)
        packed = "padded, one row per completion" if self.kind is None else f"packed, attention {self.kind}"
        self.reaches = reaches(plain[0].config.get_text_config())
        say(f"The update runs {packed}: {self.why}")
        for model in plain:
            if self.kind is not None:
                attention.install(model)
            add_selected_head(model, temperature)

    def __call__(
        self, model: Any, groups: Sequence[Prompted], logprobs: bool = True
    ) -> tuple[Selected, torch.Tensor]:
        """Log-probabilities, entropies and values of the policy's tokens, (N,) each, and (N,) the sample of each.

        Args:
            logprobs: False: values alone.
        """
        packed = pack(groups, self.accelerator.device, self.kind, self.reaches)
        router = {"output_router_logits": True} if self.balances and logprobs else {}
        with self.accelerator.autocast():
            answer = model(
                **packed.inputs, **router, select=packed.select, targets=packed.targets if logprobs else None
            )
        return answer, packed.row


def choose_attention(model: Any, balances: bool) -> tuple[attention.Kind | None, str]:
    """The attention of the packed update and the reason for it; None where the update must run padded."""
    if balances:
        return None, "the router's auxiliary loss is defined on padded rows"
    return attention.choose(model)


def base_of(model: Any) -> Any:
    """The transformers model inside a peft model, or the model itself."""
    return model.get_base_model() if isinstance(model, PeftModel) else model
