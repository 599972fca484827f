"""Checks on the world of strategies with a network, through the project's own loop (docs/worlds.md)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from rlvr.analysis.compression import decompose
from rlvr.analysis.frontier import tilt
from rlvr.analysis.samples import Floats
from rlvr.exact.fit import kl_law
from rlvr.theory.check import Check, Line
from rlvr.theory.networks import Base, base, laws_of
from rlvr.theory.networks import trained as train_on
from rlvr.theory.table_policy import Laws
from rlvr.theory.tables import SCORED
from rlvr.worlds.strategies import Strategies

KEPT_APART = "0+0"
"""A run wants a held-out problem. This one is not scored: the operand that copy writes is right there."""
WITHOUT_KL = {"steps": 100}
HELD = {"trl": {"scale_rewards": "none"}}
"""Rewards as they are, as the tilt has them: divided by their deviation they would push harder (T3b)."""


def trained(
    begun: Base,
    train: Mapping[str, Any],
    verifier: str = "answer",
    leave_out: Sequence[str] = (),
    every: int = 10,
    seed: int = 0,
) -> dict[int, Laws]:
    """Exact tables by step, of a run on all problems but those left out."""
    (apart,) = (problem for problem in begun.problems if problem.id == KEPT_APART)
    chosen = [problem for problem in begun.problems if problem.id not in {*leave_out, KEPT_APART}]
    judge = f"rlvr.worlds.strategies:{verifier}"
    found = train_on(begun, train, chosen, apart, judge, every, seed)
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
        Line.at_most("KL(law‖network) per trace", gap, 0.02),
        Line("pass@1", rate(known), rate(law), "rate"),
        Line("pass@64", float(passes[1].mean()), float(passes[0].mean()), "rate"),
    ]
    return check


def compressed(begun: Base, seeds: Sequence[int]) -> Check:
    """T2."""
    check = Check(
        "T2",
        "Within 100 steps, GRPO without a KL term solves at the first sample what the base solves among 64.",
    )
    runs = [trained(begun, WITHOUT_KL, seed=seed) for seed in seeds]
    ends = [run[100] for run in runs]
    rates, sound = [rate(end) for end in ends], [sound_rate(end) for end in ends]
    eta = [begun.laws.efficiency(end.log_p0) for end in ends]
    lost = [float(begun.laws.alignment(end.log_p0).kl_verified[SCORED].mean()) for end in ends]
    check.lines = [
        Line(
            "pass@1 after 100 steps",
            float(np.mean(rates)),
            unit="rate",
            mark="at least 0.95 for each seed",
            passed=min(rates) >= 0.95,
            spread=rates,
        ),
        Line("  right by sound reasoning", float(np.mean(sound)), unit="rate", spread=sound),
        Line("  share of the KL that bought success, η", float(np.mean(eta)), spread=eta),
        Line(
            "  KL(π_V‖π*), diversity lost among right traces", float(np.mean(lost)), unit="nats", spread=lost
        ),
    ]
    steps = [float(step) for step in runs[0]]
    check.curves["pass@1 and sound reasoning over steps"] = {
        "step": steps,
        "pass@1": [float(np.mean([rate(run[step]) for run in runs])) for step in runs[0]],
        "right by sound reasoning": [
            float(np.mean([sound_rate(run[step]) for run in runs])) for step in runs[0]
        ],
    }
    return check


def reasoned(begun: Base) -> Check:
    """What a verifier of the reasoning changes."""
    check = Check(
        "Reasoning",
        "A reward for answer and reasoning chooses the sound strategy; one for the answer does not.",
    )
    for verifier in ("answer", "sound"):
        end = trained(begun, WITHOUT_KL, verifier=verifier, every=100)[100]
        share = sound_rate(end) / rate(end)
        name = f"{verifier}: pass@1 after 100 steps", "  share of right traces that is sound"
        sought = (
            Line.at_least(name[1], share, 0.95) if verifier == "sound" else Line(name[1], share, unit="rate")
        )
        check.lines += [Line(name[0], rate(end), unit="rate"), sought]
    return check


def regularised(begun: Base, betas: Sequence[float] = (0.5,), steps: int = 150) -> Check:
    """T4b."""
    check = Check(
        "T4b",
        "With a KL term the network ends between its base and the tilt, as its weights are shared.",
    )
    p = begun.laws.rate(begun.laws.log_p0)[SCORED]
    for beta in betas:
        train = {"steps": steps, "trl": {**HELD["trl"], "beta": beta}}
        end = trained(begun, train, every=steps)[steps]
        found, target = rate(end), float(tilt(p, beta)[0].mean())
        eta = begun.laws.efficiency(end.log_p0)
        check.lines += [
            Line(
                f"pass@1 at β = {beta:g}",
                found,
                target,
                "rate",
                "above the base, and at most the tilt + .03",
                float(p.mean()) < found <= target + 0.03,
            ),
            Line("  of the tilt's", found / target),
            Line(
                "  share of the KL that bought success, η", eta, mark="from 0.6 to 1", passed=0.6 <= eta <= 1
            ),
        ]
    return check


def unrewarded(begun: Base, seeds: Sequence[int], steps: int = 40) -> Check:
    """T6."""
    check = Check("T6", "A reward that is a coin flip teaches nothing: what moves pass@1 is drift.")
    train = {"steps": steps, "reward": "random"}
    moved = [rate(trained(begun, train, every=steps, seed=seed)[steps]) - rate(begun.laws) for seed in seeds]
    mean = float(np.mean(np.abs(moved)))
    check.lines = [
        Line.at_most(f"mean |change of pass@1| over {len(seeds)} seeds", mean, 0.03, "rate", 0.0),
        Line("  mean change", float(np.mean(moved)), 0.0, "rate", spread=moved),
    ]
    return check


def hole(folder: Path, seeds: Sequence[int], steps: int) -> Check:
    """Boundary: what the base all but rules out."""
    hidden = [f"{a}+{a + 1}" for a in range(9)] + ["9+1"]
    world = Strategies(hole=tuple(hidden))
    places = [i for i, problem in enumerate(world.problems()) if problem.id in hidden]
    check = Check(
        "Hole", "Ten problems whose right digit the base all but rules out: whether RL on the others reaches them "
        "(transfer), and RL on all (exploration).",
    )  # fmt: skip
    ends: dict[str, list[Floats]] = {"base": [], "transfer": [], "exploration": []}
    for seed in seeds:
        begun = base(world, folder / f"hole-base-{seed}", seed)
        ends["base"].append(_in(begun.laws, places))
        for name, apart in (("transfer", hidden), ("exploration", [])):
            end = trained(
                begun,
                {"steps": steps},
                leave_out=apart,
                every=steps,
                seed=seed,
            )
            ends[name].append(_in(end[steps], places))
    for name, words in (
        ("base", "base"), ("transfer", f"after {steps} steps on the other problems"),
        ("exploration", f"after {steps} steps on all problems"),
    ):  # fmt: skip
        rates = [float(q.mean()) for q in ends[name]]
        among = [float((1 - (1 - q) ** 64).mean()) for q in ends[name]]
        check.lines += [
            Line(f"hole pass@1, {words}", float(np.mean(rates)), unit="rate", spread=rates),
            Line("  pass@64", float(np.mean(among)), unit="rate", spread=among),
        ]
    return check


def _in(laws: Laws, places: Sequence[int]) -> Floats:
    return laws.rate(laws.log_p0)[list(places)]


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
