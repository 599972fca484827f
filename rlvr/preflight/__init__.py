"""What can be known before anything is sampled: `rlvr check` shows it, and `rlvr run`, `train` and `eval` begin so.

One list of checks, from cheap to dear. Each looks at one thing, leaves what it found out for those after it, says what
it saw (shown by `rlvr check` alone), and raises the error that the run would otherwise die of hours later.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from rlvr.preflight import data, golds, parts, training
from rlvr.preflight.state import Preflight

__all__ = ["CHECKS", "GOLDS", "OF_A_MODEL", "Preflight", "go"]

Check = Callable[[Preflight], Iterator[str]]

CHECKS: tuple[Check, ...] = (
    parts.launch,
    # names alone, in milliseconds
    parts.folder,
    parts.model_location,
    parts.verifier,
    parts.environment,
    parts.sandbox,
    parts.engine,
    parts.checkpoint,
    # what the training is asked for, with torch and TRL
    training.hooks,
    training.arguments,
    # rows
    data.problems,
    data.evidence,
    # the model without its weights
    data.template,
    training.structure,
    data.prompts,
    parts.servers,
    data.curriculum,
    training.adapters,
    training.memory,
    training.disk,
)
"""In this order. None of them samples, and none needs the weights."""

OF_A_MODEL: tuple[Check, ...] = (
    parts.model_location,
    parts.engine,
    data.evidence,
    data.template,
    training.structure,
    data.prompts,
    parts.servers,
)
"""Those of a further model that is asked the same questions."""

GOLDS: tuple[Check, ...] = (golds.own_answers, golds.hostile_texts)
"""Those that ask the verifier, in the processes that will judge."""


def go(state: Preflight, checks: Sequence[Check], show: Callable[[str], None] | None = None) -> None:
    """Do the checks one after the other.

    Raises:
        UserError and the verifiers' own errors: the first thing that would stop the run.
    """
    for check in checks:
        for line in check(state):
            if show:
                show(line)
