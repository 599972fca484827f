"""Checks on the world of rule induction: the rule in the policy's own words, before and after RL on verdicts about it
(docs/worlds.md)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from rlvr.exact.fit import kl_law
from rlvr.exact.table import Table
from rlvr.theory.check import Check, Line
from rlvr.theory.networks import Base, Network, trained
from rlvr.worlds.induction import FAVOURITE, ITEMS, RULES, agreement, posterior
from verifiers.types import Problem

NETWORK = Network(ITEMS, "123ab+-?=", width=48, steps=1000, batch=128, learning_rate=4e-3)
STEPS = 50
SPLITS = {
    "train": "examples trained on",
    "heldout": "other examples",
    "relabelled": "those with a and b exchanged",
}


def of(begun: Base, split: str, tables: Sequence[Table]) -> list[tuple[Problem, Table]]:
    wanted = {problem.id for problem in begun.world.problems(split)}
    return [(p, t) for p, t in zip(begun.problems, tables, strict=True) if p.id in wanted]


def rate(rows: Sequence[tuple[Problem, Table]]) -> float:
    """Mean pass@1."""
    return float(np.mean([table.pass_at_1 for _, table in rows]))


def agreed(rows: Sequence[tuple[Problem, Table]]) -> float:
    """Mean share of all items on which the rule that is said and the true one agree."""
    return float(
        np.mean(
            [
                sum(
                    np.exp(logp) * agreement(trace.text, str(problem.reference))
                    for trace, logp in zip(table.traces, table.logp, strict=False)
                )
                for problem, table in rows
            ]
        )
    )


def ceiling(rows: Sequence[tuple[Problem, Table]]) -> float:
    """pass@1 of who always names the rule that the examples make most likely."""
    best = [RULES[int(posterior(problem.meta["examples"]).argmax())] for problem, _ in rows]
    return float(
        np.mean([agreement(said, str(p.reference)) == 1 for said, (p, _) in zip(best, rows, strict=True)])
    )


def habit(rows: Sequence[tuple[Problem, Table]]) -> float:
    """Mean probability of naming the favourite."""
    return float(
        np.mean([t.mass(np.array([*(x.text == FAVOURITE for x in t.traces), False])) for _, t in rows])
    )


def fitted(begun: Base) -> Check:
    """What the network makes of examples before any reward."""
    check = Check(
        "Induction", "From labelled examples the network predicts the next label by the posterior over rules; asked "
        "for the rule in words, it says its favourite half of the time.",
    )  # fmt: skip
    fitted = {problem.id for problem in begun.world.problems("fitted")}
    gaps = [kl_law(t) for p, t in zip(begun.problems, begun.tables, strict=True) if p.id in fitted]
    check.lines = [Line.at_most("KL(law‖network) per answer", float(np.mean(gaps)), 0.03, exact=0.0)]
    for split in ("labels", "heldout labels", *SPLITS):
        rows = of(begun, split, begun.tables)
        law = [sum(x.probability for x in begun.world.support(p) if x.right) for p, _ in rows]
        check.lines.append(
            Line(f"pass@1: {SPLITS.get(split, split)}", rate(rows), float(np.mean(law)), "rate")
        )
    return check


def explained(begun: Base, seeds: Sequence[int], steps: int = STEPS) -> Check:
    """RL on verdicts about the rule that is said."""
    check = Check(
        "Explained", "A verdict on the rule that is said, compared with the true one on every item, makes a policy say "
        "what its own predictions go by. The ceiling is the most likely rule.",
    )  # fmt: skip
    chosen = begun.world.problems("train")
    apart = begun.world.problems("heldout")[0]
    ends = [
        trained(
            begun,
            {"steps": steps, "groups_per_step": 128},
            chosen,
            apart,
            "rlvr.worlds.induction:answer",
            every=steps,
            seed=seed,
        )[steps]
        for seed in seeds
    ]  # fmt: skip
    for split, words in SPLITS.items():
        before = of(begun, split, begun.tables)
        after = [of(begun, split, end) for end in ends]
        found = [rate(rows) for rows in after]
        top = ceiling(before)
        marked = split == "heldout"
        check.lines += [
            Line(f"{words}: the rule is right before", rate(before), unit="rate"),
            Line.within("  after", float(np.mean(found)), top, 0.1, spread=found)
            if marked
            else Line.over_seeds("  after", found, top),
            Line("  items on which the two rules agree, before", agreed(before), unit="rate"),
            Line.over_seeds("  after", [agreed(rows) for rows in after]),
            Line("  names the favourite, before", habit(before), unit="rate"),
            Line.over_seeds("  after", [habit(rows) for rows in after]),
        ]  # fmt: skip
    kept = [rate(of(begun, "heldout labels", end)) for end in ends]
    check.lines += [
        Line(
            "the next label is right (not trained on), before",
            rate(of(begun, "heldout labels", begun.tables)),
            unit="rate",
        ),
        Line.over_seeds("  after", kept),
    ]  # fmt: skip
    return check
