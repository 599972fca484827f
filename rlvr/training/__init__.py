"""Training: verdicts push the policy toward p(z | x, verified). The only room that imports trl."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rlvr.config import Config
from rlvr.run import Run, processes
from verifiers import Problem

if TYPE_CHECKING:
    from rlvr.evaluation import Examiner
    from rlvr.policy import Policy


def train(
    config: Config,
    problems: Sequence[Problem],
    examiner: Examiner,
    run: Run,
    evaluate: Callable[[Policy, int], dict[str, float] | None],
) -> Path:
    """Train `config.model` on `problems`; continues from the last checkpoint in `run`.

    Args:
        evaluate: called after every step with the policy and the step's number; what it returns is added to the
            step's line in metrics.jsonl.

    Returns:
        The folder of the tuned model, loadable by transformers (adapters merged).

    Raises:
        ConfigError: the arguments do not fit together or TRL refuses them.
        PolicyError: the model cannot be loaded.
    """
    from transformers.trainer_utils import get_last_checkpoint

    from rlvr.evaluation import prompt_ids
    from rlvr.policy import load_policy
    from rlvr.training import arguments
    from rlvr.training.callbacks import Journal, rewind
    from rlvr.training.trainer import Trainer

    if run.model.is_dir():
        return run.model
    arguments.check(config.train)
    policy = load_policy(config, "policy", for_training=True)
    longest = max(map(len, prompt_ids(policy, examiner.evidence, problems, config.sampling.max_new_tokens)))
    args = arguments.grpo_config(config, run.checkpoints, longest)
    checkpoint = get_last_checkpoint(str(run.checkpoints)) if run.checkpoints.is_dir() else None
    done = int(checkpoint.rpartition("-")[2]) if checkpoint else 0
    if processes().is_main_process:
        rewind(run.metrics, run.rollouts("train").parent, done)
    with examiner.terminal.progress("training", total=config.train.steps, start=done) as advance:
        trainer = Trainer(policy, problems, config, examiner, args, run.rollouts("train").parent)

        def evaluate_now(step: int) -> dict[str, float]:
            with trainer.snapshot(f"step-{step}") as snapshot:
                return evaluate(snapshot, step) or {}

        trainer.add_callback(Journal(run.metrics, lambda: trainer.sampled_metrics, advance, evaluate_now))
        if config.train.steps > done:
            trainer.train(resume_from_checkpoint=checkpoint)
    trainer.export(run.model)
    return run.model
