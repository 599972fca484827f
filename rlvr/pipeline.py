"""The pipeline: evaluate the base → train → evaluate the tuned → report."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from rlvr import machine, preflight
from rlvr import problems as sources
from rlvr.config import Config
from rlvr.errors import UserError
from rlvr.evaluation import Evaluator, copy_own, pass_rates, rescored
from rlvr.evidence import Evidence
from rlvr.launch.processes import locked, one_process, processes
from rlvr.problems import Problems
from rlvr.run import Run, open_run, refuse_foreign
from rlvr.terminal import Terminal
from verifiers.pool import VerifierPool

if TYPE_CHECKING:
    from rlvr.policy import Policy
    from rlvr.report import Report


def run(
    config: Config, folder: Path, terminal: Terminal, base: Path | None = None, twin: Run | None = None
) -> Report | None:
    """Everything, from problems to report (None in all but the main process). What `folder` holds is not done again.

    Args:
        base: folder against which the config's relative paths are read.
        twin: a finished run whose base policy was asked the very same; its rows are taken over.
    """
    with prepare(config, terminal, base) as (problems, evaluator), begin(config, folder, terminal) as here:
        if twin:
            take_base(twin, here, terminal)
        evaluate(config, config.model, "base", problems, evaluator, here)
        train(config, problems, evaluator, here)
        evaluate(config, str(here.model), "tuned", problems, evaluator, here)
        rescore(config, problems, evaluator, here)
        with one_process() as mine:
            return report(config, problems, evaluator, here) if mine else None


@contextmanager
def begin(config: Config, folder: Path, terminal: Terminal) -> Iterator[Run]:
    """Hold the run folder, and open it one process after the other: the first one writes it."""
    if processes().is_main_process:
        refuse_foreign(folder)
    with locked(folder):
        with processes().main_process_first():
            here = open_run(config, folder)
        terminal.log_to(here.log)
        for warning in machine.warnings(config):
            terminal.say(warning)
        yield here


@contextmanager
def prepare(
    config: Config, terminal: Terminal, base: Path | None = None
) -> Iterator[tuple[Problems, Evaluator]]:
    """Problems, evidence and verifiers: all that can be wrong before a model is loaded."""
    machine.check_parts(config)
    problems = sources.load_all(config.problems.train, config.problems.heldout, config.problems.probes, base)
    examined = [*problems.heldout, *chain.from_iterable(problems.probes.values())]
    evidence = Evidence(config.evidence, problems.train, examined)
    problems = replace(problems, train=evidence.without_shots(problems.train))
    for note in problems.notes:
        terminal.say(note)
    verification = config.verification
    with VerifierPool(
        config.verifier,
        machine.verifier_options(config),
        workers=verification.workers or None,
        deadline=verification.deadline,
        memory_mb=verification.memory_mb,
    ) as pool:
        yield problems, Evaluator(config, evidence, pool, terminal)


def evaluate(
    config: Config, model: str, name: str, problems: Problems, evaluator: Evaluator, here: Run
) -> None:
    """Sample and judge the held-out problems and the probes with the model at `model`."""
    from rlvr.policy import load_policy

    sets = [("held-out", problems.heldout, here.rollouts(name))]
    sets += [(probe, probed, here.rollouts(f"{name}.{probe}")) for probe, probed in problems.probes.items()]
    if all(evaluator.complete(probed, file) for _, probed, file in sets):
        return
    evaluator.terminal.say(f"Evaluating the {name} policy ({model})")
    policy = load_policy(config, name, model)
    for label, probed, file in sets:
        evaluator.evaluate(policy, probed, file, label=f"{name}, {label}")


def take_base(twin: Run, here: Run, terminal: Terminal) -> None:
    """Take over the base's rows of a run that differs in its training alone, which were drawn with the same seeds."""
    with one_process() as mine:
        files = [here.rollouts(path.stem) for path in sorted(twin.folder.glob("rollouts/base*.jsonl"))]
        if mine and not any(file.exists() for file in files):
            terminal.say(f"The base's evaluation is that of {twin.folder.name}")
            for file in files:
                copy_own(twin.rollouts(file.stem), file)


def train(config: Config, problems: Problems, evaluator: Evaluator, here: Run) -> Path:
    """GRPO from the base to `here.model`, with evaluations on held-out problems on the way."""
    from rlvr import training

    if not problems.train:
        raise UserError("problems.train: needed for training, and not given")
    every, samples = config.train.eval_every, config.train.eval_samples

    def on_the_way(policy: Policy, step: int) -> dict[str, float] | None:
        if not every or step % every or step == config.train.steps:
            return None
        file = evaluator.evaluate(policy, problems.heldout, here.rollouts(policy.name), samples)
        return pass_rates(file, min(config.analysis.search_budget, samples))

    if not here.model.is_dir():
        if here.rollouts("base").exists():
            for sentence in preflight.outlook(here.rollouts("base"), config):
                evaluator.terminal.say(sentence)
        evaluator.terminal.say(f"Training: {config.train.steps} steps of {config.train.algorithm}")
    return training.train(config, problems.train, evaluator, here, on_the_way)


def rescore(config: Config, problems: Problems, evaluator: Evaluator, here: Run) -> None:
    """Add to both files of the comparison the log-probabilities under the other policy, which distances need; to the
    evaluations during training those under the base, whose model is at hand."""
    from rlvr.policy import load_policy

    if config.sampling.top_p < 1 or config.sampling.top_k or config.sampling.min_p:
        evaluator.terminal.say(
            "Truncated sampling (top-p, top-k or min-p): no distances between the policies"
        )
        return
    with one_process() as mine:
        steps = [file.stem for file in here.evaluations()]
        for name, model, files in (
            ("base", config.model, ["tuned", *steps]),
            ("tuned", str(here.model), ["base"]),
        ):
            todo = [here.rollouts(file) for file in files if mine and not rescored(here.rollouts(file), name)]
            if todo:
                policy = load_policy(config, name, model)
                for file in todo:
                    evaluator.rescore(policy, problems.heldout, file)


def report(config: Config, problems: Problems, evaluator: Evaluator, here: Run) -> Report:
    """Write `report.html` and `report.json`, and show the summary."""
    from rlvr import report as reports
    from rlvr.exact import exact_values

    result = reports.build(
        here.rollouts("base"),
        here.rollouts("tuned"),
        more=here.evaluations(),
        output=here.folder,
        search_budget=config.analysis.search_budget,
        replicates=config.analysis.replicates,
        metrics=here.metrics,
        probes={
            probe: (here.rollouts(f"base.{probe}"), here.rollouts(f"tuned.{probe}"))
            for probe in problems.probes
        },
        exact=exact_values(config, problems, evaluator, here),
        title=here.folder.name,
        notes=machine.warnings(config),
    )
    evaluator.terminal.show(result.summary)
    evaluator.terminal.show(f"Report: {result.html}")
    return result
