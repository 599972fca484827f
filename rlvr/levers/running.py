"""Sample and train what a plan lacks. Files that are there are checked, and not sampled again."""

from __future__ import annotations

import gc
from contextlib import closing
from pathlib import Path

from rlvr import failures, files, pipeline, preflight
from rlvr.config import Config, ConfigError
from rlvr.errors import UserError
from rlvr.launch.processes import locked, main_process_only
from rlvr.levers.plan import BASE, Lever, Plan
from rlvr.policy import load_policy
from rlvr.sampling import load_sampler
from rlvr.sampling.engine import TransformersSampler
from rlvr.terminal import Terminal

MARK = "levers.yaml"
"""In the folder: the file of levers as it was last run."""


def run(plan: Plan, terminal: Terminal) -> None:
    """Everything that is missing, the base first, then what is asked of it, then runs and what is asked of them.

    Raises:
        UserError: before anything is sampled, where a lever cannot be; or a file that is there was drawn otherwise.
    """
    _refuse_foreign(plan.folder)
    with locked(plan.folder, "evidence"):
        check(plan)
        with main_process_only() as is_main:
            if is_main:
                (plan.folder / "rollouts").mkdir(exist_ok=True)
                files.replace(plan.folder / MARK, [plan.file.read_bytes()])
        terminal.log_to(plan.folder / "log.txt")
        for (trained, asked), file in plan.cells.items():
            if trained == BASE:
                _ask(plan, plan.levers[asked].config, BASE, None, file, terminal)
        for lever in plan.runs:
            _train(plan, lever, terminal)
        for (trained, asked), file in plan.cells.items():
            if trained != BASE and file != plan.run_of(trained).rollouts("tuned"):
                model = str(plan.run_of(trained).model)
                _ask(plan, plan.levers[asked].config, trained, model, file, terminal)


def _refuse_foreign(folder: Path) -> None:
    found = [p for p in folder.iterdir() if not p.name.startswith(".")] if folder.is_dir() else []
    if folder.is_file() or (found and not (folder / MARK).exists()):
        raise ConfigError(
            f"{folder}: this output folder holds something else: it is not empty and has no {MARK}"
        )


def check(plan: Plan) -> None:
    """What can be known of each lever before anything is sampled. Raises UserError, with the lever's name."""
    for lever in plan.levers.values():
        if lever.kind in ("picked", "crossed"):
            continue
        folder = plan.run_of(lever.name).folder if lever.training else None
        config = _checkable(lever.training or lever.config, plan.rollouts(plan.levers[BASE]).resolve())
        state = preflight.Preflight(config, folder, plan.base_folder, lever.training is not None, _silent)
        try:
            preflight.go(state, preflight.CHECKS)
        except Exception as error:
            if not failures.expected(error):
                raise
            raise UserError(f"{plan.file}: lever {lever.name}: {failures.in_words(error)}") from error


def _silent(text: str) -> None:
    """What is left out is said when the lever runs."""


def _checkable(config: Config, base: Path) -> Config:
    """Without what is read from the base's rollouts, as long as there are none."""
    if base.exists():
        return config
    shown = {"hint": config.evidence.hint, "attempts": config.evidence.attempts}
    late = {key: None for key, read in shown.items() if read and read.file == str(base)}
    return config.model_copy(update={"evidence": config.evidence.model_copy(update=late)})


def _ask(plan: Plan, config: Config, policy: str, model: str | None, file: Path, terminal: Terminal) -> None:
    """The held-out problems, asked of a policy. A whole file is held against what is asked for, without the weights."""
    if model:
        config = config.model_copy(update={"model": model, "base_model": None, "revision": None})
    with pipeline.prepare(config, terminal, base=plan.base_folder, trains=False) as (problems, evaluator):
        if evaluator.complete(problems.heldout, file):
            held = load_policy(config, policy, weights=False)
            evaluator.evaluate(TransformersSampler(held, config.sampling), problems.heldout, file)
            return
        terminal.say(f"Evidence: {file.stem}")
        with closing(load_sampler(config, policy)) as engine:
            evaluator.evaluate(engine, problems.heldout, file)
    gc.collect()


def _train(plan: Plan, lever: Lever, terminal: Terminal) -> None:
    """The lever's run, without an evaluation of the base under its own evidence: that is another row."""
    run, config = plan.run_of(lever.name), lever.training
    assert config is not None
    with (
        pipeline.prepare(config, terminal, run.folder, plan.base_folder) as (problems, evaluator),
        pipeline.begin(config, run.folder, terminal, plan.base_folder) as begun,
    ):
        terminal.say(f"Evidence: {lever.name}")
        pipeline.train(config, problems, evaluator, begun)
        pipeline.evaluate(config, str(run.model), "tuned", problems, evaluator, begun)
    gc.collect()
