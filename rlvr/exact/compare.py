"""The exact lines of a report, where the held-out problems are of the enumerable world."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from rlvr.config import Config, EvidenceConfig
from rlvr.problems import Problems
from rlvr.run import Run

if TYPE_CHECKING:
    from rlvr.evaluation import Evaluator


def exact_values(
    config: Config, problems: Problems, evaluator: Evaluator, here: Run
) -> Mapping[str, Any] | None:
    """What the report estimates, by enumeration; None where the world cannot be enumerated.

    Enumerated is every trace to which either policy gives at least `reachable.FLOOR`; each is judged by the
    run's own verifier.
    """
    if config.problems.heldout.world is None or config.evidence != EvidenceConfig(question="{prompt}"):
        return None
    from rlvr.evaluation import prompt_ids
    from rlvr.exact.reachable import reachable
    from rlvr.policy import load_policy
    from rlvr.worlds.enumerate import Table, exact_comparison, labelled

    policies = [load_policy(config, "base"), load_policy(config, "tuned", here.model)]
    limit, temperature = config.sampling.max_new_tokens, config.sampling.temperature or 1.0
    asked = problems.heldout
    prompts = prompt_ids(policies[0], evaluator.evidence, asked, limit)
    reached = reachable(policies, prompts, limit, temperature)
    pairs = [(problem, text) for problem, texts in zip(asked, reached, strict=True) for text in texts]
    verdicts = iter(evaluator.pool.score(pairs))
    tables: tuple[list[Table], list[Table]] = ([], [])
    for problem, found in zip(asked, reached, strict=True):
        traces = labelled(problem, found)
        verified = [next(verdicts).score == 1.0 for _ in traces]
        for policy, table in enumerate(tables):
            logp = np.array([nats[policy] for nats in found.values()])
            table.append(Table.of(problem, traces, logp, verified))
    return exact_comparison(asked, *tables, temperature)
