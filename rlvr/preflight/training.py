"""Checks of what the training is asked for: on the model's structure, without its weights and without a sample."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from rlvr.errors import UserError
from rlvr.policy import blueprint
from rlvr.preflight.parts import existing
from rlvr.preflight.state import Preflight
from rlvr.text import size

LOCAL_RUN = Path("run")
"""Stands for the run's folder where none is known; nothing is written to it."""


def hooks(state: Preflight) -> Iterator[str]:
    """The classes of `train.hooks` can be imported, and are hooks."""
    if state.steps and state.config.train.hooks:
        from rlvr.training.metrics_log import hook_classes

        hook_classes(state.config.train.hooks)
    return
    yield


def arguments(state: Preflight) -> Iterator[str]:
    """TRL's arguments can be built, and optimiser, schedule, objective and trackers made of them."""
    if state.steps:
        from rlvr.training import rehearsal

        output = (state.folder or LOCAL_RUN) / "checkpoints"
        state.arguments, state.bytes_per_weight = rehearsal.arguments(state.config, output, state.trainers)
        yield (
            f"training: {state.steps} steps of {state.config.train.algorithm}, {state.arguments.optim.value}, "
            f"learning rate {state.arguments.learning_rate:g}, {state.arguments.lr_scheduler_type.value}"
        )


def structure(state: Preflight) -> Iterator[str]:
    """The model's config and tokenizer can be read, and its structure built."""
    state.policy = blueprint(state.config)
    weights = sum(p.numel() for p in state.policy.model.parameters())
    yield (
        f"model {state.config.model}: {type(state.policy.model).__name__}, {weights / 1e6:,.1f} million weights"
    )


def adapters(state: Preflight) -> Iterator[str]:
    """What is trained can be put on the model: adapters, a value head, the loss of a router."""
    if state.steps:
        from rlvr.training import rehearsal
        from rlvr.training.adapter_check import check

        for line in check(state.config):
            state.say(line)
        state.sizes = rehearsal.sizes(state.config, state.policy, state.arguments, state.bytes_per_weight)
        yield (
            f"trained: {state.sizes.trained_weights:,} of {state.sizes.weights:,} weights"
            f"{', in adapters' if state.config.train.adapter.kind != 'full' else ''}"
        )


def memory(state: Preflight) -> Iterator[str]:
    """Weights, gradients and optimiser fit into this machine's memory (those of activations and caches come on top)."""
    from rlvr.policy import device, memory_of

    kind = device().type
    total, free = memory_of(device())
    if state.sizes is None:
        return
    needed = state.sizes.in_memory // state.trainers  # at the least, where they are sharded
    parts = f"{size(needed)} for weights, gradients and optimiser"
    if total and needed > total:
        raise UserError(
            f"train: {parts} are more than the {size(total)} of memory of this {'machine' if kind == 'cpu' else kind}; "
            "take a smaller model, train.adapter.kind=lora, another train.trl.optim, or several processes"
        )
    yield f"memory: {parts}; {size(free)} of {size(total)} are free" if total else f"memory: {parts}"


def disk(state: Preflight) -> Iterator[str]:
    """The checkpoints that are kept, one that is being written, and the tuned model fit on the disk."""
    if state.sizes is None or state.folder is None:
        return
    import shutil

    train, limit = state.config.train, state.arguments.save_total_limit
    evaluated = (
        (train.steps - 1) // train.eval_every if train.eval_every else 0
    )  # each may be the best so far
    regular = 1 if train.checkpoint_every == 0 else -(-train.steps // (train.checkpoint_every or 1))
    written = min(train.steps, regular + evaluated)
    kept = written if not limit else min(written, limit + 1 + (evaluated > 0))
    needed = kept * state.sizes.checkpoint + state.sizes.model
    free = shutil.disk_usage(existing(state.folder)).free + already(state.folder)
    each = f"{kept} checkpoint{'s' if kept > 1 else ''} of {size(state.sizes.checkpoint)}"
    what = f"{each} and the model need {size(needed)}"
    if needed > free:
        raise UserError(
            f"--output {state.folder}: {what}, and {size(free)} are free there. Choose another disk, or keep less: "
            "train.trl.save_total_limit=1, train.checkpoint_every=0"
        )
    yield f"disk: {what}; {size(free)} are free"


def already(folder: Path) -> int:
    """Bytes of what this run has written already, and would write again or replace."""
    return sum(
        p.stat().st_size
        for part in ("checkpoints", "model")
        for p in (folder / part).rglob("*")
        if p.is_file()
    )
