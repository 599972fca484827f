"""Training: verdicts push the policy toward p(z | x, verified). The only room that imports trl."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rlvr.config import Config
from rlvr.errors import RunError
from rlvr.launch import signals
from rlvr.launch.processes import processes
from rlvr.run import Run
from verifiers import Problem

if TYPE_CHECKING:
    from rlvr.evaluation import Evaluator
    from rlvr.policy import Policy
    from rlvr.training.checkpoints import Checkpoint, Checkpoints
    from rlvr.training.keeper import Keeper
    from rlvr.training.trainer import Trainer


def train(
    config: Config,
    problems: Sequence[Problem],
    evaluator: Evaluator,
    run: Run,
    evaluate: Callable[[Policy, int], dict[str, float] | None],
) -> Path:
    """Train `config.model` on `problems`; continues from the newest whole checkpoint in `run`.

    Args:
        evaluate: called after every step with the policy and the step's number; what it returns is added to the
            step's line in metrics.jsonl.

    Returns:
        The folder of the tuned model, loadable by transformers (adapters merged).

    Raises:
        ConfigError: the arguments do not fit together or TRL refuses them.
        PolicyError: the model cannot be loaded.
    """
    from rlvr import rollouts
    from rlvr.evaluation import fitting
    from rlvr.policy import load_policy
    from rlvr.training import arguments
    from rlvr.training.callbacks import Journal, rewind
    from rlvr.training.checkpoints import Checkpoints
    from rlvr.training.guard import Guard
    from rlvr.training.keeper import Keeper
    from rlvr.training.trainer import Trainer
    from rlvr.verdict_health import outcome

    if run.model.is_dir():
        return run.model
    arguments.check(config.train)
    policy = load_policy(config, "policy", for_training=True)
    fit, longest = fitting(policy, evaluator.evidence, problems, config.sampling.max_new_tokens)
    if len(fit) < len(problems):
        evaluator.terminal.say(
            f"{len(problems) - len(fit)} of {len(problems)} training problems are left out: their prompts do not fit "
            f"the model's context of {policy.context} tokens together with sampling.max_new_tokens"
        )
    args = arguments.grpo_config(config, run.checkpoints, longest)
    checkpoints = Checkpoints(run.checkpoints, args.save_total_limit or 1, evaluator.terminal.say)
    with processes().main_process_first():
        resumed = start(checkpoints, config.resume)
    done = resumed.step if resumed else 0
    if processes().is_main_process:
        rewind(run.metrics, run.rollouts("train").parent, done)
    with evaluator.terminal.progress("training", total=config.train.steps, start=done) as advance:
        trainer = Trainer(policy, fit, config, evaluator, args, run.rollouts("train").parent)

        def evaluate_now(step: int) -> dict[str, float]:
            with trainer.snapshot(f"step-{step}") as snapshot:
                return evaluate(snapshot, step) or {}

        guard = trainer.guard = Guard(
            config.train.max_skipped,
            config.train.max_drift,
            evaluator.terminal.say,
            lambda step: run.rollouts(f"train-{step - (step - 1) % trainer.num_iterations:06d}"),
        )
        for file in sorted(run.rollouts("train").parent.glob("train-*.jsonl"))[
            -(trainer.watch.blocks or 1) :
        ]:
            trainer.watch.add(map(outcome, rollouts.read(file)))
        journal = Journal(run.metrics, lambda: trainer.sampled_metrics | guard.figures, advance, evaluate_now)
        keeper = trainer.keeper = Keeper(trainer, checkpoints, journal, config.train.checkpoint_every)
        checkpoints.parts |= {"journal": journal, "guard": guard, "curriculum": trainer.curriculum}
        for callback in (journal, keeper, guard):
            trainer.add_callback(callback)
        if resumed:
            keeper.resume(resumed)
        if config.train.steps > done:
            steps(trainer, keeper, resumed)
        elif resumed:
            trainer._load_from_checkpoint(str(resumed.path))
    trainer.export(run.model)
    return run.model


def start(checkpoints: Checkpoints, resume: str) -> Checkpoint | None:
    """Where training begins: the newest whole checkpoint of the run, or what `resume=PATH` names.

    A run that began with PATH goes on from its own checkpoints that came after it.
    """
    from rlvr.training.checkpoints import given

    if resume in ("auto", "never"):
        found = checkpoints.newest()
        checkpoints.origin = found.manifest["origin"] if found else None
        return found
    first = given(Path(resume))
    checkpoints.origin = first.identity
    if own := checkpoints.newest(first.identity):
        return own
    checkpoints.leave(first.step)
    return first


def steps(trainer: Trainer, keeper: Keeper, resumed: Checkpoint | None) -> None:
    """Train to the end, or until something stops the run: then a checkpoint holds the last committed step."""
    try:
        trainer.train(resume_from_checkpoint=str(resumed.path) if resumed else None)
    except (signals.Interrupted, RunError):
        keeper.save_now()
        raise
    finally:
        signals.reset()
