"""Checks on the world of strategies with a network, through the project's own loop (docs/worlds.md)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from rlvr.analysis.compression import decompose
from rlvr.analysis.frontier import tilt
from rlvr.analysis.samples import Floats
from rlvr.exact.fit import kl_law
from rlvr.theory.check import Check, Line
from rlvr.theory.networks import Base, laws_of
from rlvr.theory.networks import trained as train_on
from rlvr.theory.table_policy import Laws
from rlvr.theory.tables import SCORED
from rlvr.worlds.strategies import STRATEGIES

KEPT_APART = "0+0"
"""A run wants a held-out problem. This one is not scored: the operand that copy writes is right there."""
STEPS = 60
WITHOUT_KL = {"steps": STEPS}
DRIFT = 0.03
"""What a reward without information may move pass@1 by, in the mean of the seeds; verdicts move it by .9."""
SMALL = {"groups_per_step": 32}
"""Problems a step where more updates tell more than larger ones."""
HELD = {"trl": {"scale_rewards": "none"}}
"""Rewards as they are, as the tilt has them: divided by their deviation they would push harder (T3b)."""


def trained(
    begun: Base,
    train: Mapping[str, Any],
    verifier: str = "answer",
    leave_out: Sequence[str] = (),
    every: int = 10,
    seed: int = 0,
    keep: Path | None = None,
) -> dict[int, Laws]:
    """Exact tables by step, of a run on all problems but those left out; `keep` as in `networks.trained`."""
    (apart,) = (problem for problem in begun.problems if problem.id == KEPT_APART)
    chosen = [problem for problem in begun.problems if problem.id not in {*leave_out, KEPT_APART}]
    judge = f"rlvr.worlds.strategies:{verifier}"
    found = train_on(begun, train, chosen, apart, judge, every, seed, keep)
    return {step: laws_of(tables) for step, tables in found.items()}


def rate(laws: Laws) -> float:
    """Mean pass@1 of the scored problems, of the policy whose tables these are."""
    return float(laws.rate(laws.log_p0)[SCORED].mean())


def sound_rate(laws: Laws) -> float:
    return float(laws.sound_rate(laws.log_p0)[SCORED].mean())


def fitted(begun: Base) -> Check:
    """T1."""
    check = Check("T1", "The base network has the law: its own table is p0 of everything below.")
    known, law = begun.laws, Laws.of(begun.world, "all")
    gap = float(np.mean([kl_law(table) for table in begun.tables]))
    passes = [1 - (1 - each.rate(each.log_p0)[SCORED]) ** 64 for each in (law, known)]
    check.lines = [
        Line.at_most("KL(law‖network) per trace", gap, 0.02, exact=0.0),
        Line("pass@1", rate(known), rate(law), "rate"),
        Line("pass@64", float(passes[1].mean()), float(passes[0].mean()), "rate"),
    ]
    return check


def shares(laws: Laws) -> Floats:
    """(3,) mean probability of each strategy over the scored problems. The world lists its traces by strategy."""
    traces = np.exp(laws.log_p0[SCORED][:, :-1])  # without the mass outside the law
    return traces.reshape(len(SCORED), len(STRATEGIES), -1).sum(-1).mean(0)


Runs = Sequence[Mapping[int, Laws]]
"""By step, a run a seed."""


def compressing(begun: Base, seeds: Sequence[int]) -> Runs:
    """Without a KL term, by verdicts on the answer."""
    return [trained(begun, WITHOUT_KL, seed=seed) for seed in seeds]


def compressed(begun: Base, runs: Runs) -> Check:
    """T2."""
    check = Check(
        "T2", f"Within {STEPS} steps, GRPO without a KL term solves at the first sample what the base solves among 64: "
        "what was found by search is now said at once.",
    )  # fmt: skip
    ends = [run[STEPS] for run in runs]
    away = [begun.laws.alignment(end.log_p0) for end in ends]
    search = 1 - (1 - begun.laws.rate(begun.laws.log_p0)[SCORED]) ** 64
    eta = [begun.laws.efficiency(end.log_p0) for end in ends]
    check.lines = [
        Line.over_seeds(f"pass@1 after {STEPS} steps", [rate(end) for end in ends], 1.0, least=0.95),
        Line("  pass@64 of the base", float(search.mean()), unit="rate"),
        Line.over_seeds("  right by sound reasoning", [sound_rate(end) for end in ends]),
        Line.over_seeds("  share of the KL that bought success, η", eta, 1.0, ""),
        Line.over_seeds(
            "  KL(π_V‖π*), diversity lost among right traces",
            [float(found.kl_verified[SCORED].mean()) for found in away], 0.0, "nats",
        ),
        *(
            Line.over_seeds(f"  share of {name}", [float(shares(end)[place]) for end in ends])
            for place, name in enumerate(STRATEGIES)
        ),
    ]  # fmt: skip
    check.curves = _paths(begun, runs)
    return check


def _paths(begun: Base, runs: Runs) -> dict[str, dict[str, list[float]]]:
    """Over steps: rates and strategies; and on the way, how much success each nat bought."""
    first = runs[0]
    steps = [float(step) for step in first]

    def mean(figure: Callable[[Laws], float]) -> list[float]:
        return [float(np.mean([figure(run[step]) for run in runs])) for step in first]

    p = begun.laws.rate(begun.laws.log_p0)
    tilts = [tilt(p, beta) for beta in np.geomspace(20, 0.03, 60)]
    spent = mean(lambda laws: float(begun.laws.alignment(laws.log_p0).kl_pi_p0.mean()))
    bought = np.interp(
        spent, [0.0, *(kl.mean() for _, kl in tilts)], [p.mean(), *(q.mean() for q, _ in tilts)]
    )
    return {
        "pass@1 and sound reasoning over steps": {
            "step": steps, "pass@1": mean(rate), "right by sound reasoning": mean(sound_rate),
        },
        "strategies over steps": {
            "step": steps,
            **{
                name: mean(lambda laws, place=place: float(shares(laws)[place]))
                for place, name in enumerate(STRATEGIES)
            },
        },
        "success bought with each nat, all problems": {
            "KL(π‖p0), nats": spent, "frontier: the tilt": bought.tolist(),
            "the run": mean(lambda laws: float(laws.rate(laws.log_p0).mean())),
        },
    }  # fmt: skip


def reasoned(begun: Base, runs: Runs) -> Check:
    """What a verifier of the reasoning changes. The runs by verdicts on the answer are those of T2."""
    check = Check(
        "Reasoning",
        "A reward for answer and reasoning chooses the sound strategy; one for the answer does not.",
    )
    checked = [
        trained(begun, WITHOUT_KL, "sound", every=STEPS, seed=seed)[STEPS] for seed in range(len(runs))
    ]
    for words, ends, least in (
        ("rewarded for the answer", [run[STEPS] for run in runs], None),
        ("rewarded for answer and reasoning", checked, 0.95),
    ):
        check.lines += [
            Line.over_seeds(f"{words}: pass@1 after {STEPS} steps", [rate(end) for end in ends], 1.0),
            Line.over_seeds(
                "  share of right traces that is sound", [sound_rate(end) / rate(end) for end in ends],
                None if least is None else 1.0, least=least,
            ),
        ]  # fmt: skip
    base_share = sound_rate(begun.laws) / rate(begun.laws)
    check.lines.append(Line("  of the verified posterior of the base", base_share, unit="rate"))
    return check


def regularised(
    begun: Base, seeds: Sequence[int], betas: Sequence[float] = (0.5,), steps: int = 120
) -> Check:
    """T4b."""
    check = Check(
        "T4b", "With a KL term the network ends between its base and the tilt. What is missing is the realisability "
        "gap: problems share weights, and no setting of them is the tilt of each.",
    )  # fmt: skip
    p = begun.laws.rate(begun.laws.log_p0)[SCORED]
    for beta in betas:
        # with a rate that falls to 0 the end is the optimum, and no point of a walk around it
        train = SMALL | {"steps": steps, "trl": {**HELD["trl"], "beta": beta, "lr_scheduler_type": "linear"}}
        ends = [trained(begun, train, every=steps, seed=seed)[steps] for seed in seeds]
        found, target = [rate(end) for end in ends], float(tilt(p, beta)[0].mean())
        check.lines += [
            Line(f"pass@1 of the base, β = {beta:g}", float(p.mean()), unit="rate"),
            Line.over_seeds(
                "  after training: from the base to the tilt + .03", found, target, least=float(p.mean()),
                most=target + 0.03,
            ),
            Line.over_seeds("  of the tilt's", [q / target for q in found], 1.0, ""),
            Line.over_seeds(
                "  share of the KL that bought success, η", [begun.laws.efficiency(end.log_p0) for end in ends], 1.0,
                "", least=0.6, most=1.0,
            ),
        ]  # fmt: skip
    return check


def unrewarded(begun: Base, seeds: Sequence[int], steps: int = 40) -> Check:
    """T6."""
    check = Check(
        "T6",
        "A reward that is a coin flip teaches nothing: pass@1 walks at random, up in some runs, down in others.",
    )
    train = {"steps": steps, "reward": "random"}
    moved = [rate(trained(begun, train, every=steps, seed=seed)[steps]) - rate(begun.laws) for seed in seeds]
    check.lines = [
        Line.within("mean change of pass@1", float(np.mean(moved)), 0.0, DRIFT, spread=moved),
        Line("  mean |change|: how far a run walks", float(np.mean(np.abs(moved))), unit="rate"),
    ]
    return check


def identity(begun: Base) -> Check:
    """T7."""
    check = Check(
        "T7", "The parts of the gain add up, and nothing is called expansion where the base had any mass."
    )
    p = begun.laws.rate(begun.laws.log_p0)
    q = tilt(p, 0.25)[0]
    endless = 1e12  # samples: counts that are rates
    masked = np.arange(len(p)) < 10
    for name, base_rate in (("no problem masked", p), ("ten problems masked", np.where(masked, 0.0, p))):
        counts = np.round(base_rate * endless), np.full(p.shape, endless), np.round(q * endless)
        parts = decompose(np.full(p.shape, endless), *counts, search_budget=16)
        total = parts.within + parts.beyond + parts.unresolved + parts.expansion - parts.forgetting
        off = float(np.abs(total - (parts.tuned - parts.base)).max())
        exact = float(np.where(masked, q, 0).mean()) if name.startswith("ten") else 0.0
        check.lines += [
            Line.at_most(f"{name}: largest |sum of the parts − gain|", off, 1e-9, "rate", 0.0),
            Line.within("  expansion, mean over problems", float(parts.expansion.mean()), exact, 1e-9),
        ]
    return check
