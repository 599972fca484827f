"""From the files of a plan to the table: rows, transfer matrix, attempts, ladder; evidence.json, .csv and the page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from rlvr import pipeline, rollouts
from rlvr.analysis import default_budget
from rlvr.analysis.samples import Floats
from rlvr.analysis.sections.levers import Lever as Row
from rlvr.analysis.sections.levers import LeverJson, exact_row, levers, transfer
from rlvr.config import Config, EvidenceConfig, each
from rlvr.exact import posterior_ceiling
from rlvr.levers.plan import BASE, Lever, Plan
from rlvr.report import levers_page
from rlvr.rollouts.evaluations import Evaluation, read
from rlvr.run import Run, read_metrics
from rlvr.terminal import Terminal

OF_SHOTS = {"shots", "shots_choice", "shots_seed", "shots_pool", "answer"}


def build(plan: Plan, terminal: Terminal) -> levers_page.Page:
    """Read everything, compute, write. Raises UserError: a file is missing or cannot be read."""
    held = {pair: read(file, plan.name(*pair))[0] for pair, file in plan.cells.items()}
    base = held[BASE, BASE]
    analysis = plan.levers[BASE].config.analysis
    k = plan.k or analysis.search_budget or default_budget(base.samples.n)
    rows = [_row(plan, lever, held[lever.trained, lever.asked]) for lever in plan.levers.values()]
    found = levers(rows, k, analysis.replicates)
    ceiling = _ceiling(plan, k, rows[0].prompt_tokens, terminal)
    matrix = None
    if plan.transfer:
        cells = {(i, j): held[i, j].samples for i in plan.transfer[0] for j in plan.transfer[1]}
        matrix = transfer(cells, BASE, analysis.replicates)
    return levers_page.write(
        levers_page.Inputs(
            title=plan.folder.name,
            evaluations=held,
            main=next((run.name for run in plan.runs if run.asked == BASE), None),
            levers=found,
            ceiling=ceiling,
            transfer=matrix,
            replicates=analysis.replicates,
        ),
        plan.folder,
    )


def _row(plan: Plan, lever: Lever, evaluation: Evaluation) -> Row:
    sampled, trained = training_tokens(plan.run_of(lever.trained)) if lever.trained != BASE else (0, 0)
    return Row(
        name=lever.name,
        kind=lever.kind,
        samples=evaluation.samples,
        prompt_tokens=evaluation.settings.get("prompt_tokens"),
        said_tokens=_said(evaluation) if evaluation.settings.get("environment") else None,
        sampled_tokens=sampled,
        trained_tokens=trained,
        pick=lever.pick,
        amounts=amounts(plan.levers[BASE].config, lever.config) if lever.kind == "asked" else None,
    )


def _said(evaluation: Evaluation) -> Floats:
    """(M,) mean tokens after the prompt, the environment's too."""
    place = {name: i for i, name in enumerate(evaluation.samples.problem_ids)}
    total, count = np.zeros((2, len(place)))
    for row in rollouts.read(evaluation.path):
        if row.score is not None:
            total[place[row.problem_id]] += len(row.token_ids or ())
            count[place[row.problem_id]] += 1
    return np.divide(total, count, out=np.full(len(place), np.nan), where=count > 0)


def training_tokens(run: Run) -> tuple[int, int]:
    """Completion tokens that a run sampled, and those that its updates read: of samples with an advantage, once for
    each step that trained on them."""
    sampled = trained = last = 0
    for line in read_metrics(run.metrics):
        file = run.rollouts(f"train-{line['step']:06d}")
        if file.exists():  # else the step used the batch before it once more
            rows = [(row.tokens, row.extra.get("advantage")) for row in rollouts.read(file)]
            sampled += sum(tokens for tokens, _ in rows)
            last = sum(tokens for tokens, advantage in rows if advantage)
        trained += last
    return sampled, trained


def amounts(base: Config, asked: Config) -> dict[str, float]:
    """Kinds of evidence of which `asked` has more than the base, and nothing else, and how much.

    >>> base = Config(problems={"heldout": {"world": "heldout"}}, train={"steps": 0})
    >>> amounts(base, base.model_copy(update={"evidence": EvidenceConfig(shots=4)}))
    {'shots': 4.0}
    """
    few = {"samples": base.sampling.samples}  # how often a problem is asked is no other way to ask
    if asked.sampling.model_copy(update=few) != base.sampling:
        return {}
    if any(getattr(base, key) != getattr(asked, key) for key in ("environment", "environment_options")):
        return {}
    before, after = base.evidence, asked.evidence
    differing = {key for key in EvidenceConfig.model_fields if getattr(before, key) != getattr(after, key)}
    if "shots" in differing and differing <= OF_SHOTS and not before.shots:
        return {
            "shots" if after.shots_choice == "fixed" else f"{after.shots_choice} shots": float(after.shots)
        }
    if differing == {"hint"} and after.hint and not before.hint:
        return {f"hint ({after.hint.position})": after.hint.share}
    if differing == {"attempts"} and after.attempts and not before.attempts:
        return {f"{after.attempts.which} attempts": float(after.attempts.number)}
    return {}


def _ceiling(plan: Plan, k: int, prompt_tokens: float | None, terminal: Terminal) -> Mapping[str, Any] | None:
    config = plan.levers[BASE].config
    if not any(source.world for source in each(config.problems.heldout)):
        return None
    with pipeline.prepare(config, terminal, base=plan.base_folder, trains=False) as (problems, evaluator):
        found = posterior_ceiling(config, problems, evaluator, k)
    if found is None:
        return None
    row: LeverJson = exact_row(
        "exact posterior", found["pass_at_1"], found["pass_at_k"], found["tokens"], prompt_tokens
    )
    return {"row": row, "base": found["base"], "nats": found["nats"]}
