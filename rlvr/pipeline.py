"""The pipeline: evaluate the base → train → evaluate the tuned → report."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rlvr import problems as sources
from rlvr import rollouts
from rlvr.config import Config
from rlvr.errors import UserError
from rlvr.evaluation import Examiner
from rlvr.evidence import Evidence, EvidenceConfig
from rlvr.problems import Problems
from rlvr.run import Run, open_run
from rlvr.terminal import Terminal
from verifiers.pool import VerifierPool

if TYPE_CHECKING:
    from rlvr.policy import Policy
    from rlvr.report import Report


def run(config: Config, folder: Path, terminal: Terminal, base: Path | None = None) -> Report | None:
    """Everything, from problems to report (None in all but the main process). What `folder` already holds of this run is not done again.

    Args:
        base: folder against which the config's relative paths are read.
    """
    with prepare(config, terminal, base) as (problems, examiner):
        here = begin(config, folder, terminal)
        evaluate(config, config.model, "base", problems, examiner, here)
        train(config, problems, examiner, here)
        evaluate(config, str(here.model), "tuned", problems, examiner, here)
        rescore(config, problems, examiner, here)
        with one_process() as mine:
            return report(config, problems, here, terminal) if mine else None


def begin(config: Config, folder: Path, terminal: Terminal) -> Run:
    """Open the run folder, one process after the other: the first one writes it."""
    from accelerate import PartialState

    with PartialState().main_process_first():
        here = open_run(config, folder)
    terminal.log_to(here.log)
    return here


@contextmanager
def prepare(
    config: Config, terminal: Terminal, base: Path | None = None
) -> Iterator[tuple[Problems, Examiner]]:
    """Problems, evidence and verifiers: all that can be wrong before a model is loaded."""
    from rlvr.policy import check_location

    check_location(config.model)
    check_sandbox(config)
    problems = sources.load_all(config.problems.train, config.problems.heldout, config.problems.probes, base)
    examined = [*problems.heldout, *chain.from_iterable(problems.probes.values())]
    evidence = Evidence(config.evidence, problems.train, examined)
    problems = replace(problems, train=evidence.without_shots(problems.train))
    for note in problems.notes:
        terminal.say(note)
    verification = config.verification
    with VerifierPool(
        config.verifier,
        dict(config.verifier_options),
        workers=verification.workers or None,
        deadline=verification.deadline,
        memory_mb=verification.memory_mb,
    ) as pool:
        yield problems, Examiner(config, evidence, pool, terminal)


def check_sandbox(config: Config) -> None:
    """Refuse to run untrusted programs below isolation level `standard`, unless the config allows it."""
    if "code" not in config.verifier.split("+") or config.sandbox.allow_weak:
        return
    from verifiers.code import sandbox

    if sandbox.level() == "weak":
        raise UserError(
            "the code verifier's sandbox reaches only level `weak` on this machine (see `rlvr check`). "
            "Set sandbox.allow_weak=true to run untrusted programs all the same."
        )


def evaluate(
    config: Config, model: str, name: str, problems: Problems, examiner: Examiner, here: Run
) -> None:
    """Sample and judge the held-out problems and the probes with the model at `model`."""
    from rlvr.policy import load_policy

    sets = [("held-out", problems.heldout, here.rollouts(name))]
    sets += [(probe, probed, here.rollouts(f"{name}.{probe}")) for probe, probed in problems.probes.items()]
    if all(count_rows(file) == len(probed) * config.sampling.samples for _, probed, file in sets):
        return
    examiner.terminal.say(f"Evaluating the {name} policy ({model})")
    policy = load_policy(config, name, model)
    for label, probed, file in sets:
        examiner.evaluate(policy, probed, file, label=f"{name}, {label}")


def train(config: Config, problems: Problems, examiner: Examiner, here: Run) -> Path:
    """GRPO from the base to `here.model`, with evaluations on held-out problems on the way."""
    from rlvr import training

    if not problems.train:
        raise UserError("problems.train: needed for training, and not given")
    every, samples = config.train.eval_every, config.train.eval_samples

    def on_the_way(policy: Policy, step: int) -> dict[str, float] | None:
        if not every or step % every or step == config.train.steps:
            return None
        file = examiner.evaluate(policy, problems.heldout, here.rollouts(policy.name), samples)
        return pass_rates(file, min(config.analysis.search_budget, samples))

    if not here.model.is_dir():
        examiner.terminal.say(f"Training: {config.train.steps} steps of {config.train.algorithm}")
    return training.train(config, problems.train, examiner, here, on_the_way)


def pass_rates(file: Path, search_budget: int) -> dict[str, float]:
    """Mean pass@1 and pass@K of a finished evaluation, for the training curve."""
    import numpy as np

    from rlvr.analysis.passk import pass_at_k
    from rlvr.report.sources import read

    samples = read(file, file.stem)[0].samples
    rates = {k: pass_at_k(samples.n, samples.c, k) for k in (1, search_budget)}
    return {
        f"eval/pass@{k}": float(np.nanmean(rate)) for k, rate in rates.items() if not np.isnan(rate).all()
    }


def rescore(config: Config, problems: Problems, examiner: Examiner, here: Run) -> None:
    """Add to both files of the comparison the log-probabilities under the other policy (METRICS §5 needs them)."""
    from rlvr.policy import load_policy

    if config.sampling.top_p < 1 or config.sampling.top_k or config.sampling.min_p:
        examiner.terminal.say("Truncated sampling (top-p, top-k or min-p): no distances between the policies")
        return
    with one_process() as mine:
        for name, model, file in (("base", config.model, "tuned"), ("tuned", str(here.model), "base")):
            if mine and not rescored(here.rollouts(file), name):
                policy = load_policy(config, name, model)
                examiner.rescore(policy, problems.heldout, here.rollouts(file))


@contextmanager
def one_process() -> Iterator[bool]:
    """True in the main process, False in the others, which wait at the end of the block."""
    from accelerate import PartialState

    state = PartialState()
    try:
        yield state.is_main_process
    finally:
        state.wait_for_everyone()


def rescored(file: Path, policy: str) -> bool:
    """The rows carry log-probabilities under `policy` (a file is rescored whole or not at all)."""
    first = next(rollouts.read(file), None)
    return first is None or policy in first.logprobs


def report(config: Config, problems: Problems, here: Run, terminal: Terminal) -> Report:
    """Write `report.html` and `report.json`, and show the summary."""
    from rlvr import report as reports

    evaluations = sorted(here.folder.glob("rollouts/step-*[0-9].jsonl"), key=lambda p: int(p.stem[5:]))
    result = reports.build(
        here.rollouts("base"),
        here.rollouts("tuned"),
        more=evaluations,
        output=here.folder,
        search_budget=config.analysis.search_budget,
        metrics=here.metrics,
        probes={
            probe: (here.rollouts(f"base.{probe}"), here.rollouts(f"tuned.{probe}"))
            for probe in problems.probes
        },
        exact=exact_values(config, problems, here),
        title=here.folder.name,
        notes=report_notes(config),
    )
    terminal.show(result.summary)
    terminal.show(f"Report: {result.html}")
    return result


def exact_values(config: Config, problems: Problems, here: Run) -> Mapping[str, Any] | None:
    """What the report estimates, exactly, where the held-out problems are of the enumerable world."""
    if config.problems.heldout.world is None or config.evidence != EvidenceConfig(question="{prompt}"):
        return None
    from rlvr.policy import load_policy
    from rlvr.testbed.enumerate import exact_comparison

    base, tuned = load_policy(config, "base"), load_policy(config, "tuned", here.model)
    temperature = config.sampling.temperature
    return exact_comparison(base.model, tuned.model, base.tokenizer, problems.heldout, temperature)


def report_notes(config: Config) -> list[str]:
    """What a reader must know besides the figures."""
    if "code" in config.verifier.split("+") and config.sandbox.allow_weak:
        return ["sandbox.allow_weak is on: untrusted programs may have run below isolation level `standard`."]
    return []


def count_rows(file: Path) -> int:
    """Whole lines of a rollout file; 0 where there is none."""
    if not file.exists():
        return 0
    with file.open("rb") as stream:
        return sum(chunk.count(b"\n") for chunk in iter(lambda: stream.read(1 << 20), b""))
