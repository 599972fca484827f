"""Random numbers in a model's own forward pass, which make the trainer another policy than the one that sampled."""

from __future__ import annotations

import re

from torch import nn
from trl.trainer.utils import disable_dropout_in_model

RATES = re.compile("drop|jitter")
"""In the names of rates: dropout, attention_dropout, layerdrop, resid_pdrop, router_jitter_noise."""


def disable(model: nn.Module) -> None:
    """Set every rate to 0: of dropout modules, and the numbers that modules hand to functions (OPT, Seed-OSS) or to
    their router (Phi-MoE).

    Before adapters are added, whose own dropout is another matter.
    """
    disable_dropout_in_model(model)
    for module in model.modules():
        for name, value in vars(module).items():
            if isinstance(value, float) and RATES.search(name):
                setattr(module, name, 0.0)


def remains(model: nn.Module) -> bool:
    """Whether a dropout module is on: an adapter's."""
    return any(isinstance(module, nn.Dropout) and module.p > 0 for module in model.modules())
