"""Random numbers in a model's own forward pass, which make the trainer another policy than the one that sampled."""

from __future__ import annotations

import types

from torch import nn
from trl.trainer.utils import disable_dropout_in_model


def disable(model: nn.Module) -> None:
    """Turn off whatever draws random numbers in training: dropout modules; the rates that modules hand to functions
    (OPT, Seed-OSS: attention_dropout, layerdrop, resid_pdrop); routers with jitter (Phi-MoE).

    Before adapters are added, whose own dropout is another matter.
    """
    disable_dropout_in_model(model)
    for module in model.modules():
        numbers = {name: value for name, value in vars(module).items() if isinstance(value, float) and value}
        if any("jitter" in name for name in numbers):
            stay_in_evaluation(module)  # the number has a part in evaluation too
        for name in numbers:
            if "drop" in name:
                setattr(module, name, 0.0)


def stay_in_evaluation(module: nn.Module) -> None:
    """`model.train()` passes this module over."""
    module.eval()
    module.train = types.MethodType(lambda self, mode=True: self, module)


def remains(model: nn.Module) -> bool:
    """Whether a dropout module is on: an adapter's."""
    return any(isinstance(module, nn.Dropout) and module.p > 0 for module in model.modules())
