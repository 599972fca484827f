"""The pipeline: prepare → evaluate the base → train → evaluate the tuned → report. `check` is `prepare` alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, nullcontext, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from rlvr import failures, machine, outlook, preflight
from rlvr.config import Config
from rlvr.errors import PhaseError
from rlvr.evaluation import Evaluator, copy_own, pass_rates, rescored, training_budget
from rlvr.launch import engine
from rlvr.launch.phases import Apart
from rlvr.launch.processes import is_main, locked, main_process_only, of_node, processes, seen_by_all
from rlvr.preflight import cost
from rlvr.problems import Problems
from rlvr.run import Run, open_run, refuse_foreign
from rlvr.terminal import Terminal
from verifiers import Problem
from verifiers.pool import VerifierPools

if TYPE_CHECKING:
    from rlvr.report import Report
    from rlvr.sampling import Sampler


def run(
    config: Config,
    folder: Path,
    terminal: Terminal,
    base: Path | None = None,
    sibling: Run | None = None,
    apart: Apart | None = None,
) -> Report | None:
    """Everything, from problems to report (None in all but the main process). What `folder` holds is not repeated.

    Args:
        base: folder that the config's relative paths start from.
        sibling: a finished run with the same evaluation of the base; its rows are copied.
        apart: does each phase in processes of its own.
    """
    with (
        prepare(config, terminal, folder, base, to_train=apart and apart.count) as (problems, evaluator),
        begin(config, folder, terminal, base) as run,
    ):
        if sibling:
            take_base(sibling, run, terminal)
        if not run.rollouts("base").exists():
            for line in cost.estimate(config, problems, evaluator, brief=True):
                terminal.say(line)
        if truncated(config):
            terminal.say("Sampling is truncated (top-p, top-k or min-p): no distances between the policies")
        for name, work in PHASES.items():
            if apart is None:
                work(config, problems, evaluator, run)
            elif not is_done(name, config, problems, evaluator, run):
                from rlvr.sampling import gpus_of_an_engine

                apart(name, folder, gpus_of_an_engine(config) if name in SAMPLES else 1)
        with main_process_only() as speaks:
            return report(config, problems, evaluator, run) if speaks else None


def phase(
    name: str,
    config: Config,
    folder: Path,
    terminal: Terminal,
    base: Path | None = None,
    to_train: int | None = None,
) -> None:
    """One phase of a run, for the process that has begun it and holds its folder."""
    with (
        prepare(config, terminal, folder, base, to_train=to_train) as (problems, evaluator),
        noting_failure(run := Run(folder)),
    ):
        terminal.log_to(run.log)
        if processes().num_processes > 1:
            terminal.say(f"Processes: {engine.in_force()}")
        PHASES[name](config, problems, evaluator, run)


def is_done(name: str, config: Config, problems: Problems, evaluator: Evaluator, run: Run) -> bool:
    """Nothing of this phase is left to do."""
    match name:
        case "train":
            return run.model.is_dir()
        case "rescore":
            return not any(unscored(config, run).values())
    return all(evaluator.complete(probed, file) for _, probed, file in questions(name, problems, run))


def check(config: Config, folder: Path, terminal: Terminal, base: Path | None = None) -> None:
    """`run` up to the first sample: shows what was found, and raises what `run` would raise."""
    terminal.show("keys and values are of the right kind")
    with prepare(config, terminal, folder, base, show=terminal.show) as (problems, evaluator):
        for line in cost.estimate(config, problems, evaluator):
            terminal.show(line)
    for warning in machine.warnings(config):
        terminal.show(warning)


@contextmanager
def begin(config: Config, folder: Path, terminal: Terminal, base: Path | None = None) -> Iterator[Run]:
    """Lock the run folder, and open it in one process after the other: the first one writes it. What stops the run is
    written down until it goes on.

    Args:
        base: folder that the config's relative paths start from.
    """
    if is_main():
        refuse_foreign(folder)
    with locked(folder):
        with processes().main_process_first():
            run = open_run(config, folder, base)
        note_failure(run, None)
        terminal.log_to(run.log)
        if processes().num_processes > 1:
            terminal.say(f"Processes: {engine.in_force()}")
        for warning in machine.warnings(config):
            terminal.say(warning)
        with noting_failure(run):
            yield run


@contextmanager
def noting_failure(run: Run) -> Iterator[None]:
    """Write down what stops the run inside the block, but for what a phase's own processes have written down."""
    try:
        yield
    except PhaseError:
        raise
    except Exception as error:
        with suppress(OSError):  # a full disk: what counts is what stopped the run
            note_failure(run, failures.in_words(error) if failures.expected(error) else repr(error))
        raise


def note_failure(run: Run, words: str | None) -> None:
    """Write down, in the main process, what stopped the run; None: it goes on."""
    if is_main() and words != run.record.get("failed"):
        run.write_down(failed=words)


@contextmanager
def prepare(
    config: Config,
    terminal: Terminal,
    folder: Path | None = None,
    base: Path | None = None,
    trains: bool = True,
    show: Callable[[str], None] | None = None,
    to_train: int | None = None,
) -> Iterator[tuple[Problems, Evaluator]]:
    """Problems, evidence and verifiers, after every check that can be made before something is sampled.

    Args:
        folder: of the run; None for an evaluation.
        show: told what each check saw, in `rlvr check`, which looks closer than a run.
        to_train: how many processes will train, where they are not those of this launch.

    Raises:
        UserError and the verifiers' own errors: the first thing that would stop the run.
    """
    with prepare_each([config], terminal, folder, base, trains, show, to_train) as (problems, [evaluator]):
        yield problems, evaluator


@contextmanager
def prepare_each(
    configs: Sequence[Config],
    terminal: Terminal,
    folder: Path | None = None,
    base: Path | None = None,
    trains: bool = True,
    show: Callable[[str], None] | None = None,
    to_train: int | None = None,
) -> Iterator[tuple[Problems, list[Evaluator]]]:
    """The same for configs that differ only in model and evidence: the problems, and an evaluator for each config; they
    share the verifiers' processes.

    Args, Raises: as `prepare`.
    """
    config = configs[0]
    state = preflight.Preflight(config, folder, base, trains, terminal.say, show is not None, to_train)
    preflight.go(state, preflight.CHECKS, show)
    states = [state, *(state.asking(other) for other in configs[1:])]
    for other in states[1:]:
        preflight.go(other, preflight.OF_A_MODEL, show)
    verification = config.verification
    with (
        VerifierPools(
            {name: (v.name, machine.verifier_options(config, v)) for name, v in state.verifiers.items()},
            workers=of_node(verification.workers) or None,
            deadline=verification.deadline,
            memory_mb=verification.memory_mb,
        ) as pools,
        state.environment or nullcontext(),
    ):
        state.pools = pools
        preflight.go(state, preflight.GOLDS, show)
        yield (
            state.problems,
            [
                Evaluator(
                    asking.config,
                    asking.evidence,
                    pools,
                    terminal,
                    verifiers=state.verifiers,
                    environment=state.environment,
                    training_evidence=state.training_evidence,
                )
                for asking in states
            ],
        )


def evaluate(
    config: Config, model: str, name: str, problems: Problems, evaluator: Evaluator, run: Run
) -> None:
    """Sample and judge the held-out problems and the probes with the model at `model`."""
    from rlvr.sampling import load_sampler

    sets = questions(name, problems, run)
    if seen_by_all(lambda: all(evaluator.complete(probed, file) for _, probed, file in sets)):
        return
    evaluator.terminal.say(f"Evaluating the {name} policy ({model})")
    with closing(load_sampler(config, name, model)) as engine:
        for label, probed, file in sets:
            evaluator.evaluate(engine, probed, file, label=f"{name}, {label}")


def questions(name: str, problems: Problems, run: Run) -> list[tuple[str, Sequence[Problem], Path]]:
    """What a policy is asked: the name of each set, its problems, the file of its rows."""
    probes = [(probe, probed, run.rollouts(f"{name}.{probe}")) for probe, probed in problems.probes.items()]
    return [("held-out", problems.heldout, run.rollouts(name)), *probes]


def take_base(sibling: Run, run: Run, terminal: Terminal) -> None:
    """Copy the base's rows of a run that differs only in its training: they were sampled with the same seeds."""
    with main_process_only() as mine:
        files = [run.rollouts(path.stem) for path in sorted(sibling.folder.glob("rollouts/base*.jsonl"))]
        if mine and not any(file.exists() for file in files):
            terminal.say(f"The evaluation of the base is copied from {sibling.folder.name}")
            for file in files:
                copy_own(sibling.rollouts(file.stem), file)


def train(config: Config, problems: Problems, evaluator: Evaluator, run: Run) -> Path:
    """Train from the base to `run.model`, with evaluations on the held-out problems on the way."""
    from rlvr import training

    every, samples = config.train.eval_every, config.train.eval_samples

    def due(step: int) -> bool:
        if step == config.train.steps:
            return config.train.evaluates_last_step
        return bool(every) and step % every == 0

    def on_the_way(engine: Sampler, step: int) -> dict[str, float]:
        file = evaluator.evaluate(engine, problems.heldout, run.rollouts(engine.policy.name), samples)
        return pass_rates(file, training_budget(config))

    if not run.model.is_dir():
        if run.rollouts("base").exists() and config.train.distill is None:  # whose samples are others
            for sentence in outlook.outlook(
                run.rollouts("base"), config.train.group_size, config.sampling.max_new_tokens
            ):
                evaluator.terminal.say(sentence)
        evaluator.terminal.say(f"Training: {config.train.steps} steps of {config.train.algorithm}")
    return training.train(config, problems.train, evaluator, run, due, on_the_way)


def rescore(config: Config, problems: Problems, evaluator: Evaluator, run: Run) -> None:
    """Add the log-probabilities under the other policy to both files of the comparison, which the distances between
    policies need, and those under the base to the evaluations during training."""
    from rlvr.sampling import load_scorer

    todo = seen_by_all(lambda: unscored(config, run))
    for name, model in (("base", config.model), ("tuned", str(run.model))):
        if todo[name]:
            policy, score = load_scorer(config, name, model, evaluator.terminal.say)
            for file in todo[name]:
                evaluator.rescore(policy, problems.heldout, file, score)


def unscored(config: Config, run: Run) -> dict[str, list[Path]]:
    """By policy: the files whose rows lack their log-probabilities under it."""
    under = {"base": [run.rollouts("tuned"), *run.evaluations()], "tuned": [run.rollouts("base")]}
    return {
        name: [file for file in files if not (truncated(config) or rescored(file, name))]
        for name, files in under.items()
    }


def truncated(config: Config) -> bool:
    """Samples are of a cut distribution, whose log-probabilities are others."""
    return config.sampling.top_p < 1 or bool(config.sampling.top_k) or bool(config.sampling.min_p)


PHASES: dict[str, Callable[[Config, Problems, Evaluator, Run], object]] = {
    "base": lambda config, *rest: evaluate(config, config.model, "base", *rest),
    "train": train,
    "tuned": lambda config, problems, evaluator, run: evaluate(
        config, str(run.model), "tuned", problems, evaluator, run
    ),
    "rescore": rescore,
}
"""What `run` does, in order; then it reports."""
SAMPLES = "base", "tuned"
"""Phases in which an engine works that has read the weights from files."""


def report(config: Config, problems: Problems, evaluator: Evaluator, run: Run) -> Report:
    """Write `report.html` and `report.json`, and show the summary."""
    from rlvr import report as reports
    from rlvr.exact import exact_values
    from rlvr.report import card
    from rlvr.report.one_run import history

    result = reports.build(
        run.rollouts("base"),
        run.rollouts("tuned"),
        more=run.evaluations(),
        output=run.folder,
        search_budget=config.analysis.search_budget,
        replicates=config.analysis.replicates,
        metrics=run.metrics,
        probes={
            probe: (run.rollouts(f"base.{probe}"), run.rollouts(f"tuned.{probe}"))
            for probe in problems.probes
        },
        exact=exact_values(config, problems, evaluator, run),
        title=run.folder.name,
        notes=[*machine.warnings(config), *history(config, run)],
    )
    card.write(run, config, result.document)
    evaluator.terminal.show(result.summary)
    evaluator.terminal.show(f"Report: {result.html}")
    return result
