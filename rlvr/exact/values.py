"""The exact lines of a report, where the held-out problems are of a world."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from rlvr import worlds
from rlvr.config import Config, EvidenceConfig, each
from rlvr.exact.compare import exact_comparison
from rlvr.exact.table import Table, reached_tables
from rlvr.problems import Problems
from rlvr.run import Run
from rlvr.worlds import World

if TYPE_CHECKING:
    from rlvr.evaluation import Evaluator
    from rlvr.policy import Policy


def exact_values(
    config: Config, problems: Problems, evaluator: Evaluator, run: Run
) -> Mapping[str, Any] | None:
    """What the report estimates on the held-out problems, by enumeration. None where it cannot be enumerated:
    the problems are of no world, what is sampled is not the policy on the world's own prompts, or a policy spreads over
    too many traces.

    Enumerated is every trace to which either policy gives at least `reachable.FLOOR`; each is judged by the
    run's own verifier.
    """
    found = _enumerated(config, problems, evaluator, {"base": config.model, "tuned": run.model})
    if found is None:
        return None
    world, (base, tuned), _ = found
    return exact_comparison(world, problems.heldout, base, tuned, config.sampling.temperature)


def posterior_ceiling(
    config: Config, problems: Problems, evaluator: Evaluator, k: int
) -> Mapping[str, float] | None:
    """p(z | x, verified), the base's own posterior: no training that only sharpens the base goes beyond it. Means over
    problems; None where it cannot be enumerated, as in `exact_values`.

    Keys: `base`, the base's exact pass@1; `pass_at_1` and `pass_at_k` of the posterior, whose every trace is right
    where there is one; `nats`, KL(posterior || base) = ln 1/p over problems that have one; `tokens` of a trace of the
    posterior, with its end.
    """
    found = _enumerated(config, problems, evaluator, {"base": config.model})
    if found is None:
        return None
    _, (tables,), policies = found
    reached = [table for table in tables if table.pass_at_1 > 0]
    share = len(reached) / len(tables)
    words = {t.text for table in reached for t in table.traces}
    length = dict(zip(words, map(len, map(policies[0].words, words)), strict=True))
    tokens = [
        sum(p * (length[t.text] + 1) for t, p in zip(table.traces, table.posterior()[:-1], strict=True))
        for table in reached
    ]
    return {
        "base": float(np.mean([table.pass_at_1 for table in tables])),
        "pass_at_1": share,
        "pass_at_k": share,
        "nats": float(np.mean([-np.log(table.pass_at_1) for table in reached])) if reached else np.nan,
        "tokens": float(np.mean(tokens)) if reached else np.nan,
    }


def _enumerated(
    config: Config, problems: Problems, evaluator: Evaluator, models: Mapping[str, str | Path]
) -> tuple[World, list[list[Table]], list[Policy]] | None:
    """World, tables by policy and problem, and the policies."""
    (first, *others) = each(config.problems.heldout)
    source = first.world
    if source is None or others or not _samples_the_policy(config):
        return None
    from rlvr.evaluation import prompt_ids
    from rlvr.exact.reachable import TooManyError, reachable
    from rlvr.policy import load_policy

    world, _ = worlds.find(source)
    policies = [load_policy(config, name, model) for name, model in models.items()]
    limit, temperature = config.sampling.max_new_tokens, config.sampling.temperature
    asked = problems.heldout
    prompts = prompt_ids(policies[0], evaluator.evidence, asked, limit)
    try:
        reached = reachable(policies, prompts, limit, temperature)
    except TooManyError:  # of another model than the world's own
        evaluator.terminal.say("No exact values: the policy spreads over too many traces to enumerate them")
        return None
    pairs = [(problem, text) for problem, texts in zip(asked, reached, strict=True) for text in texts]
    verdicts = iter(evaluator.pool.score(pairs))
    verified = [[bool(next(verdicts).solved) for _ in texts] for texts in reached]
    tables = [reached_tables(world, asked, reached, verified, index) for index in range(len(policies))]
    return world, tables, policies


def _samples_the_policy(config: Config) -> bool:
    """Bare prompts, one turn, and completions of the policy as it is: not greedy, not truncated, no stop strings."""
    s = config.sampling
    whole = s.temperature > 0 and s.top_p == 1 and not (s.top_k or s.min_p or s.stop)
    bare = config.environment is None and config.evidence == EvidenceConfig(question="{prompt}")
    return whole and bare
