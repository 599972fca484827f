"""Checks on the world of rules: a statement in the prompt against the usual rule, and RL under the stated one
(docs/worlds.md)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from rlvr.analysis.samples import Floats
from rlvr.exact.fit import kl_law
from rlvr.exact.table import Table
from rlvr.theory.check import Check, Line
from rlvr.theory.networks import Base, Network, trained
from rlvr.worlds.rules import ACT, OTHER, PIECE, other_odds
from verifiers.types import Problem

NETWORK = Network([], "123456789,;=?hl", width=48, positions=48, steps=600, batch=128, learning_rate=3e-3)
STEPS = 25
Chosen = Callable[[Problem], bool]


def of(context: str, digits: int) -> Chosen:
    """Questions of so many digits behind this context."""
    return lambda p: (
        p.meta["context"] == context and len(p.meta["asked"].split(",")) == digits and p.meta["asked"] != "?"
    )


def rate(begun: Base, tables: Sequence[Table], chosen: Chosen) -> float:
    """Mean pass@1, by the rule that the prompt states or, where it states none, by the usual one."""
    return float(np.mean([t.pass_at_1 for p, t in zip(begun.problems, tables, strict=True) if chosen(p)]))


def believed(problem: Problem, table: Table) -> float:
    """ln of P(the smaller wins) / P(the larger wins), as the answer to a question of two digits shows it.

    The answer is by the rule in force with probability ACT, which is taken out again.
    """
    smaller = min(problem.meta["asked"].split(","))
    p = table.mass(np.array([*(trace.text == smaller for trace in table.traces), False]))
    share = np.clip((p - (1 - ACT)) / (2 * ACT - 1), 1e-6, 1 - 1e-6)
    return float(np.log(share / (1 - share)))


def conditioned(begun: Base) -> Check:
    """What the network makes of statements and examples."""
    check = Check(
        "Rules", "A stated rule is evidence against the usual one: each statement or example adds ln 9 = 2.2 nats to "
        "prior odds of −2.9, and the policy follows it once the sum is above 0.",
    )  # fmt: skip
    gap = float(np.mean([kl_law(table) for table in begun.tables]))
    check.lines = [
        Line.at_most("KL(law‖network) per answer", gap, 0.02, exact=0.0),
        *(
            Line.within(
                f"follows the usual rule, {digits} digits, nothing stated",
                rate(begun, begun.tables, of("", digits)),
                _exact(begun, of("", digits)),
                0.03,
            )
            for digits in (2, 3)
        ),
    ]
    for context, words in (("", "nothing stated"), (OTHER, "stated once"), (OTHER * 2, "stated twice")):
        found = [
            believed(p, t) for p, t in zip(begun.problems, begun.tables, strict=True) if of(context, 2)(p)
        ]
        check.lines.append(
            Line.within(
                f"log-odds of the other rule, {words}",
                float(np.mean(found)),
                other_odds(context),
                0.5,
                "nats",
            )
        )
    check.lines += _comprehension(begun)
    rows = [(p, t) for p, t in zip(begun.problems, begun.tables, strict=True) if _evidence(p)]
    exact = np.array([other_odds(p.meta["context"]) for p, _ in rows])
    found = np.array([believed(p, t) for p, t in rows])
    levels = sorted({round(value, 6) for value in exact})
    check.curves["log-odds of the other rule, nats"] = {
        "nats of evidence, by the law": levels,
        "exact": levels,
        "found, mean over contexts": [float(found[np.isclose(exact, level)].mean()) for level in levels],
    }
    near = np.abs(exact) < 4  # beyond that the answer hardly moves
    slope = float(np.polyfit(exact[near], found[near], 1)[0])
    check.lines.append(
        Line.within("nats of a piece of evidence, statement or example", slope * PIECE, PIECE, 0.3, "nats")
    )
    return check


def _evidence(problem: Problem) -> bool:
    return len(problem.meta["asked"].split(",")) == 2


def _exact(begun: Base, chosen: Chosen) -> float:
    """The law's own mean pass@1."""
    right = [
        sum(trace.probability for trace in begun.world.support(problem) if trace.right)
        for problem in begun.problems
        if chosen(problem)
    ]
    return float(np.mean(right))


def _comprehension(begun: Base) -> list[Line]:
    """Asked which rule it is, the network says what it goes by."""
    said: list[float] = []
    exact: list[float] = []
    for problem, table in zip(begun.problems, begun.tables, strict=True):
        if problem.meta["asked"] == "?":
            other = np.array([*(trace.text == OTHER for trace in table.traces), False])
            said.append(table.mass(other))
            exact.append(1 / (1 + np.exp(-other_odds(problem.meta["context"]))))
    off: Floats = np.abs(np.array(said) - np.array(exact))
    return [
        Line.at_most("asked which rule it is: mean |said − posterior|", float(off.mean()), 0.03, "rate", 0.0)
    ]


ASKED = (
    ("stated once, two digits (trained on)", of(OTHER, 2)),
    ("stated once, three digits (not trained on)", of(OTHER, 3)),
    ("nothing stated, two digits", of("", 2)),
    ("nothing stated, three digits", of("", 3)),
)


def rewarded(begun: Base, seeds: Sequence[int], steps: int = STEPS) -> Check:
    """RL on verdicts under a rule that the prompt states once."""
    check = Check(
        "Stated", "RL on verdicts under the stated rule makes the policy follow a statement that did not convince it. "
        "The usual rule stays where bare prompts are among the training problems; where they are not, it is lost.",
    )  # fmt: skip
    usual = rate(begun, begun.tables, of("", 2))
    check.lines = [
        Line(f"before: {words}", rate(begun, begun.tables, kind), _exact(begun, kind), "rate")
        for words, kind in ASKED
    ]
    apart = next(problem for problem in begun.problems if of("", 3)(problem))
    for name, contexts in (("stated alone", (OTHER,)), ("stated and bare", (OTHER, ""))):
        chosen = [p for p in begun.problems if any(of(context, 2)(p) for context in contexts)]
        ends = [
            trained(
                begun, {"steps": steps}, chosen, apart, "rlvr.worlds.rules:answer", every=steps, seed=seed
            )[steps]
            for seed in seeds
        ]
        for words, kind in ASKED:
            after = [rate(begun, end, kind) for end in ends]
            kept = kind is ASKED[2][1] and "" in contexts
            least = 0.95 if kind is ASKED[0][1] else usual if kept else None
            check.lines.append(
                Line.over_seeds(
                    f"trained on {name}: {words}", after, None if least is None else 1.0, least=least
                )
            )
    return check
