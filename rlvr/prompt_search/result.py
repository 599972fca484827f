"""What came of a search: a ranked table, result.json, and the winner as `evidence:` keys and as overrides."""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from typing import Any

import numpy as np
import yaml

from rlvr import files
from rlvr.analysis.bootstrap import ClusterBootstrap, mean_estimates
from rlvr.analysis.estimate import Estimate
from rlvr.prompt_search import Search, Tried
from rlvr.text import line, number, points


def reward_of(one: Tried) -> Estimate:
    """Mean score with its interval over problems."""
    scores = np.array([np.nan if score is None else score for score in one.scores])
    return mean_estimates(scores[:, None], ClusterBootstrap(len(scores)))[0]


def gain_over(winner: Tried, other: Tried) -> Estimate:
    """Winner − other on the problems that both were asked, paired."""
    pairs = list(zip(winner.scores, other.scores, strict=False))
    columns = [[np.nan if a is None or b is None else a - b] for a, b in pairs]
    return mean_estimates(columns, ClusterBootstrap(len(columns)), signed=True)[0]


def as_json(search: Search, ranked: Sequence[Tried]) -> dict[str, Any]:
    """Of result.json: candidates from the best to the worst, and the winner's gain over the config as it is."""
    own = next(one for one in ranked if not one.candidate.keys)
    return {
        "budget": search.budget,
        "tokens": search.used,
        "candidates": [
            {
                "rank": rank,
                "name": one.candidate.name,
                "keys": one.candidate.keys,
                "rounds": one.rounds,
                "problems": len(one.scores),
                "reward": reward_of(one).to_json(),
                "tokens_a_problem": one.tokens / len(one.scores),
            }
            for rank, one in enumerate(ranked, 1)
        ],
        "gain_over_configured": None if ranked[0] is own else gain_over(ranked[0], own).to_json(),
    }


def table(ranked: Sequence[Tried]) -> list[str]:
    """A line a candidate."""
    names = max(9, *(len(one.candidate.name) for one in ranked))
    lines = [f"rank  {'candidate':<{names}}  rounds  problems  reward          95 %  tokens each  what"]
    for rank, one in enumerate(ranked, 1):
        found = reward_of(one)
        interval = f"{points(found.lo)} to {points(found.hi)}"
        lines.append(
            f"{rank:>4}  {one.candidate.name:<{names}}  {one.rounds:>6}  {len(one.scores):>8}  {points(found.value):>6}"
            f"  {interval:>12}  {number(one.tokens / len(one.scores), '.1f'):>11}  {line(one.candidate.words, 60)}"
        )
    return lines


def evidence_yaml(winner: Tried) -> str:
    """The winner as the section `evidence` of a config, every key that is not its default."""
    keys = winner.candidate.evidence.model_dump(mode="json", exclude_defaults=True)
    return yaml.safe_dump({"evidence": keys}, sort_keys=False, allow_unicode=True, width=110)


def overrides(winner: Tried) -> list[str]:
    """The winner as `key=value` overrides of the config that was searched from."""
    return [
        f"evidence.{key}={json.dumps(value, ensure_ascii=False)}"
        for key, value in winner.candidate.keys.items()
    ]


def write(search: Search, ranked: Sequence[Tried], command: Sequence[str]) -> list[str]:
    """`result.json` and `evidence.yaml` in the search's folder; lines for a person.

    Args:
        command: that would train and evaluate with the config that was searched from.
    """
    winner, document = ranked[0], as_json(search, ranked)
    again = shlex.join([*command, *overrides(winner)])
    head = (
        "# Chosen by reward on training problems; held-out problems were not asked. To evaluate it there:\n"
    )
    files.replace(
        search.folder / "result.json", [json.dumps(document, indent=1, ensure_ascii=False).encode()]
    )
    files.replace(search.folder / "evidence.yaml", [f"{head}#   {again}\n{evidence_yaml(winner)}".encode()])
    lines = [*table(ranked), f"{search.used:,} of {search.budget:,} tokens, on training problems alone"]
    if gain := document["gain_over_configured"]:
        lines.append(
            f"{winner.candidate.name} against the config as it is, on {gain['used']} problems that both were asked: "
            f"{points(gain['value'], sign=True)} points ({points(gain['lo'])} to {points(gain['hi'])}); as the best of "
            f"{len(ranked)} it is too high by chance"
        )
    else:
        lines.append("No candidate is better than the config as it is")
    lines.append(
        f"The winner: {search.folder / 'evidence.yaml'}. What it is worth, held-out problems say:\n  {again}"
    )
    return lines
