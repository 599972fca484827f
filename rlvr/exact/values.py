"""The exact lines of a report, where the held-out problems are of a world."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from rlvr import worlds
from rlvr.config import Config, EvidenceConfig, each
from rlvr.exact.compare import exact_comparison
from rlvr.exact.table import reached_tables
from rlvr.problems import Problems
from rlvr.run import Run

if TYPE_CHECKING:
    from rlvr.evaluation import Evaluator


def exact_values(
    config: Config, problems: Problems, evaluator: Evaluator, run: Run
) -> Mapping[str, Any] | None:
    """What the report estimates on the held-out problems, by enumeration. None where it cannot be enumerated:
    the problems are of no world, what is sampled is not the policy on the world's own prompts, or a policy spreads over
    too many traces.

    Enumerated is every trace to which either policy gives at least `reachable.FLOOR`; each is judged by the
    run's own verifier.
    """
    (first, *others) = each(config.problems.heldout)
    source = first.world
    if source is None or others or not _samples_the_policy(config):
        return None
    from rlvr.evaluation import prompt_ids
    from rlvr.exact.reachable import TooManyError, reachable
    from rlvr.policy import load_policy

    world, _ = worlds.find(source)
    policies = [load_policy(config, "base"), load_policy(config, "tuned", run.model)]
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
    base, tuned = (reached_tables(world, asked, reached, verified, index) for index in (0, 1))
    return exact_comparison(world, asked, base, tuned, temperature)


def _samples_the_policy(config: Config) -> bool:
    """Bare prompts, and completions drawn from the policy as it is: not greedy, not truncated, no stop strings."""
    s = config.sampling
    whole = s.temperature > 0 and s.top_p == 1 and not (s.top_k or s.min_p or s.stop)
    return whole and config.evidence == EvidenceConfig(question="{prompt}")
