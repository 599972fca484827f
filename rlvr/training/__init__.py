"""Training: verdicts push the policy toward p(z | x, verified).

`loop` is the step from top to bottom, `objective` the losses. TRL's config vocabulary and kernels are used; nothing
else imports trl.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from rlvr.config import Config
from rlvr.launch.processes import by_main, processes
from rlvr.run import Run
from rlvr.text import points
from verifiers import Problem

if TYPE_CHECKING:
    from rlvr.evaluation import Evaluator
    from rlvr.sampling import Sampler

Evaluate = Callable[["Sampler", int], dict[str, float]]


def train(
    config: Config,
    problems: Sequence[Problem],
    evaluator: Evaluator,
    run: Run,
    due: Callable[[int], bool],
    evaluate: Evaluate,
) -> Path:
    """Train `config.model` on `problems`; continues from the newest whole checkpoint in `run`.

    Args:
        due: whether the policy is evaluated after a step.
        evaluate: called then, with a sampler that has the weights of this moment and the step's number; what it
            returns is added to the step's line in metrics.jsonl.

    Returns:
        The folder of the tuned model (`train.keep` says which step's), loadable by transformers (adapters merged).

    Raises:
        ConfigError: the arguments do not fit together or TRL refuses them.
        PolicyError: the model cannot be loaded.
    """
    import gc

    if not run.model.is_dir():
        _train(config, problems, evaluator, run, due, evaluate)
        # its parts hold each other; what they hold of the device is needed to evaluate the tuned model
        gc.collect()
    return run.model


def _train(
    config: Config,
    problems: Sequence[Problem],
    evaluator: Evaluator,
    run: Run,
    due: Callable[[int], bool],
    evaluate: Evaluate,
) -> None:
    """Train, and write the tuned model. When it returns, nobody else holds the loop or a part of it."""
    from rlvr.training import arguments
    from rlvr.training.build import build, start
    from rlvr.training.checkpoints import Checkpoint, Checkpoints
    from rlvr.training.export import export
    from rlvr.training.metrics_log import hook_classes, rewind

    arguments.check(config.train)
    hooks = [cls() for cls in hook_classes(config.train.hooks)]
    limit = (arguments.DEFAULTS | config.train.trl)["save_total_limit"]
    checkpoints = Checkpoints(run.checkpoints, max(0, limit or 0), evaluator.terminal.say)

    def begin() -> Checkpoint | None:
        """Read and hashed once, before the others read what is left."""
        found = start(checkpoints, config.resume)
        rewind(run.metrics, run.rollouts("train").parent, found.step if found else 0)
        return found

    resumed = by_main(begin)
    done = resumed.step if resumed else 0
    with evaluator.terminal.progress("training", total=config.train.steps, start=done) as advance:
        loop = build(config, problems, evaluator, run, checkpoints, due, evaluate, advance, hooks, done)
        assert loop.checkpoints
        if resumed:
            loop.checkpoints.resume(resumed)
            loop.done = resumed.step
        if done in run.record.get("ends", ()):
            evaluator.terminal.say(
                f"Going on after step {done}. The schedule is that of a run of {config.train.steps} steps from its "
                f"first on: the next one has learning rate {loop.schedule.get_last_lr()[0]:.3g}"
            )
        with closing(loop.collector.current), closing(loop.collector.terms):
            loop.run()
    if config.train.keep == "best" and (best := loop.checkpoints.take_best()):
        name, value, of = config.train.best_by, best.score or 0.0, loop.log.held_out.evaluations
        evaluator.terminal.say(
            f"The model is that of step {best.step}: held-out {name} {points(value)}, the best of {of} evaluations"
        )
        if processes().is_main_process:
            run.write_down(model={"step": best.step, "figure": name, "value": value, "of": of})
    export(loop.policy, loop.adapter, loop.model, loop.accelerator, run.model)
    for tracker in loop.accelerator.trackers:  # `end_training` would end the processes' group too
        tracker.finish()
