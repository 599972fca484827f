"""What a trainer holds once it is built, or has sampled: no longer optional."""

from typing import Any

from rlvr.training.batch import Sampled
from rlvr.training.trainer import Trainer


def model_of(trainer: Trainer) -> Any:
    assert trainer.model is not None
    return trainer.model


def sampled_of(trainer: Trainer) -> Sampled:
    assert trainer._sampled is not None
    return trainer._sampled
