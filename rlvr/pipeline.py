"""The pipeline: prepare → evaluate the base → train → evaluate the tuned → report. `check` is `prepare` alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, nullcontext, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from rlvr import failures, machine, outlook, preflight
from rlvr.config import Config
from rlvr.evaluation import Evaluator, copy_own, pass_rates, rescored, training_budget
from rlvr.launch.processes import locked, main_process_only, processes
from rlvr.preflight import cost
from rlvr.problems import Problems
from rlvr.run import Run, open_run, refuse_foreign
from rlvr.terminal import Terminal
from rlvr.text import points
from verifiers.pool import VerifierPools

if TYPE_CHECKING:
    from rlvr.report import Report
    from rlvr.sampling import Sampler


def run(
    config: Config, folder: Path, terminal: Terminal, base: Path | None = None, sibling: Run | None = None
) -> Report | None:
    """Everything, from problems to report (None in all but the main process). What `folder` holds is not repeated.

    Args:
        base: folder that the config's relative paths start from.
        sibling: a finished run with the same evaluation of the base; its rows are copied.
    """
    with (
        prepare(config, terminal, folder, base) as (problems, evaluator),
        begin(config, folder, terminal, base) as run,
    ):
        if sibling:
            take_base(sibling, run, terminal)
        if not run.rollouts("base").exists():
            for line in cost.estimate(config, problems, evaluator, brief=True):
                terminal.say(line)
        evaluate(config, config.model, "base", problems, evaluator, run)
        train(config, problems, evaluator, run)
        evaluate(config, str(run.model), "tuned", problems, evaluator, run)
        rescore(config, problems, evaluator, run)
        with main_process_only() as is_main:
            return report(config, problems, evaluator, run) if is_main else None


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
    if processes().is_main_process:
        refuse_foreign(folder)
    with locked(folder):
        with processes().main_process_first():
            run = open_run(config, folder, base)
        note_failure(run, None)
        terminal.log_to(run.log)
        for warning in machine.warnings(config):
            terminal.say(warning)
        try:
            yield run
        except Exception as error:
            with suppress(OSError):  # a full disk: what counts is what stopped the run
                note_failure(run, failures.in_words(error) if failures.expected(error) else repr(error))
            raise


def note_failure(run: Run, words: str | None) -> None:
    """Write down, in the main process, what stopped the run; None: it goes on."""
    if processes().is_main_process and words != run.record.get("failed"):
        run.write_down(failed=words)


@contextmanager
def prepare(
    config: Config,
    terminal: Terminal,
    folder: Path | None = None,
    base: Path | None = None,
    trains: bool = True,
    show: Callable[[str], None] | None = None,
) -> Iterator[tuple[Problems, Evaluator]]:
    """Problems, evidence and verifiers, after every check that can be made before something is sampled.

    Args:
        folder: of the run; None for an evaluation.
        show: told what each check saw, in `rlvr check`, which looks closer than a run.

    Raises:
        UserError and the verifiers' own errors: the first thing that would stop the run.
    """
    state = preflight.Preflight(config, folder, base, trains, terminal.say, thorough=show is not None)
    preflight.go(state, preflight.CHECKS, show)
    verification = config.verification
    with (
        VerifierPools(
            {name: (v.name, machine.verifier_options(config, v)) for name, v in state.verifiers.items()},
            workers=verification.workers or None,
            deadline=verification.deadline,
            memory_mb=verification.memory_mb,
        ) as pools,
        state.environment or nullcontext(),
    ):
        state.pools = pools
        preflight.go(state, preflight.GOLDS, show)
        yield (
            state.problems,
            Evaluator(
                config,
                state.evidence,
                pools,
                terminal,
                verifiers=state.verifiers,
                environment=state.environment,
                training_evidence=state.training_evidence,
            ),
        )


def evaluate(
    config: Config, model: str, name: str, problems: Problems, evaluator: Evaluator, run: Run
) -> None:
    """Sample and judge the held-out problems and the probes with the model at `model`."""
    from rlvr.sampling import load_sampler

    sets = [("held-out", problems.heldout, run.rollouts(name))]
    sets += [(probe, probed, run.rollouts(f"{name}.{probe}")) for probe, probed in problems.probes.items()]
    if all(evaluator.complete(probed, file) for _, probed, file in sets):
        return
    evaluator.terminal.say(f"Evaluating the {name} policy ({model})")
    with closing(load_sampler(config, name, model)) as engine:
        for label, probed, file in sets:
            evaluator.evaluate(engine, probed, file, label=f"{name}, {label}")


def take_base(sibling: Run, run: Run, terminal: Terminal) -> None:
    """Copy the base's rows of a run that differs only in its training: they were sampled with the same seeds."""
    with main_process_only() as is_main:
        files = [run.rollouts(path.stem) for path in sorted(sibling.folder.glob("rollouts/base*.jsonl"))]
        if is_main and not any(file.exists() for file in files):
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
        if run.rollouts("base").exists():
            for sentence in outlook.outlook(
                run.rollouts("base"), config.train.group_size, config.sampling.max_new_tokens
            ):
                evaluator.terminal.say(sentence)
        evaluator.terminal.say(f"Training: {config.train.steps} steps of {config.train.algorithm}")
    return training.train(config, problems.train, evaluator, run, due, on_the_way)


def rescore(config: Config, problems: Problems, evaluator: Evaluator, run: Run) -> None:
    """Add the log-probabilities under the other policy to both files of the comparison, which the distances between
    policies need, and those under the base to the evaluations during training."""
    from rlvr.policy import load_policy

    if config.sampling.top_p < 1 or config.sampling.top_k or config.sampling.min_p:
        evaluator.terminal.say(
            "Sampling is truncated (top-p, top-k or min-p): no distances between the policies"
        )
        return
    with main_process_only() as is_main:
        steps = [file.stem for file in run.evaluations()]
        for name, model, files in (
            ("base", config.model, ["tuned", *steps]),
            ("tuned", str(run.model), ["base"]),
        ):
            todo = [
                run.rollouts(file) for file in files if is_main and not rescored(run.rollouts(file), name)
            ]
            if todo:
                policy = load_policy(config, name, model)
                for file in todo:
                    evaluator.rescore(policy, problems.heldout, file)


def history(config: Config, run: Run) -> Iterator[str]:
    """What a reader of the report should know of how the tuned model came about."""
    record = run.record
    for end in record.get("ends", ()):
        kept = f" What belonged to that end lies in model-{end} and rollouts/."
        yield (
            f"After step {end} the run went on to more steps than it was to have: from step {end + 1} on the learning "
            f"rate is that of the longer schedule.{kept if (run.folder / f'model-{end}').is_dir() else ''}"
        )
    if chosen := record.get("model"):
        yield (
            f"The tuned model is the policy after step {chosen['step']}: the best of {chosen['of']} evaluations during "
            f"training by held-out {chosen['figure']} ({points(chosen['value'])}; of equal ones the earliest). The "
            "largest of several is too high by chance; the tuned figures here are of fresh samples, so they are not "
            "that maximum. The problems are those that chose the step; a set under problems.probes has no part in it."
        )


def report(config: Config, problems: Problems, evaluator: Evaluator, run: Run) -> Report:
    """Write `report.html` and `report.json`, and show the summary."""
    from rlvr import report as reports
    from rlvr.exact import exact_values

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
    evaluator.terminal.show(result.summary)
    evaluator.terminal.show(f"Report: {result.html}")
    return result
