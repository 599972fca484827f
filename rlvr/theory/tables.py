"""Checks on table policies: the trainer's objective and advantages against closed forms (docs/worlds.md)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from rlvr.analysis.frontier import grpo_iterates, tilt
from rlvr.analysis.samples import Floats
from rlvr.theory.check import Check, Line
from rlvr.theory.table_policy import Laws, TablePolicy
from rlvr.worlds.strategies import Strategies

SCORED = [i for i, problem in enumerate(Strategies().problems()) if not problem.id.endswith("+0")]
"""Problems b > 0: with b = 0 the copied operand is right."""


def laws(**variant: float) -> Laws:
    return Laws.of(Strategies(**variant), "all")  # type: ignore[arg-type]


def rate(known: Laws, log_pi: Floats) -> float:
    return float(known.rate(log_pi)[SCORED].mean())


def tilted() -> Check:
    """T3."""
    check = Check(
        "T3", "A KL term holds the policy at the tilt: logit q = logit p + 1/β, and no nat is wasted."
    )
    known = laws()
    for beta in (1.0, 0.5, 0.25):
        policy = TablePolicy(known, 0.05)
        for _ in range(300):
            policy.exact_step(policy.verdicts, beta)
        found = policy.table()
        target = tilt(known.rate(known.log_p0), beta)[0]
        gap = float(np.abs(known.rate(found) - target)[SCORED].max())
        check.lines += [
            Line(f"pass@1 at β = {beta:g}", rate(known, found), float(target[SCORED].mean()), "rate"),
            Line.at_most("  largest difference over problems", gap, 0.002, "rate", 0.0),
            Line.at_least(
                "  share of the KL that bought success, η", known.efficiency(found), 0.999, "", 1.0
            ),
        ]
    return check


def sampled(steps: int = 1500) -> Check:
    """T4."""
    check = Check(
        "T4", "The sampled estimator, groups of 16 with the group's baseline, ends at the same tilt."
    )
    known = laws()
    policy, generator = TablePolicy(known, 0.02), torch.Generator().manual_seed(0)
    for step in range(steps):
        policy.optimizer.param_groups[0]["lr"] = 0.02 * (1 - step / steps)
        policy.sampled_step(16, generator, beta=0.5)
    found, target = policy.table(), tilt(known.rate(known.log_p0), 0.5)[0]
    gap = float(np.abs(known.rate(found) - target)[SCORED].max())
    check.lines = [
        Line.within("pass@1 at β = 0.5", rate(known, found), float(target[SCORED].mean()), 0.01),
        Line.at_most("  largest difference over problems", gap, 0.01, "rate", 0.0),
        Line("  share of the KL that bought success, η", known.efficiency(found), 1.0),
    ]
    return check


def recurrence(rounds: int = 6) -> Check:
    """GRPO with standardised rewards, each round solved exactly."""
    check = Check(
        "T3b", "Standardised rewards push harder than the tilt: logit q' = logit p + 1/(β √(q(1 − q) + ε)), whose "
        "fixed point lies above it (arXiv 2503.06639).",
    )  # fmt: skip
    known, epsilon = laws(), 0.01
    for beta in (1.0, 4.0):
        policy = TablePolicy(known, 0.05)
        p = known.rate(known.log_p0)
        path = grpo_iterates(p, beta, epsilon, rounds)
        found = [rate(known, policy.table())]
        for _ in range(rounds):
            q = torch.from_numpy(known.rate(policy.table()))[:, None]
            reward = (policy.verdicts - q) / (q * (1 - q) + epsilon).sqrt()
            policy.restart()
            for _ in range(300):
                policy.exact_step(reward, beta)
            found.append(rate(known, policy.table()))
        exact = path[:, SCORED].mean(1).tolist()
        check.curves[f"pass@1, β = {beta:g}"] = {
            "round": [*map(float, range(rounds + 1))],
            "exact": exact,
            "found": found,
        }
        plain = float(tilt(p, beta)[0][SCORED].mean())
        check.lines += [
            Line.within(
                f"pass@1 after {n} round{'s' * (n > 1)}, β = {beta:g}",
                found[n],
                float(path[n, SCORED].mean()),
                0.005,
            )
            for n in (1, 2, rounds)
        ]
        check.lines.append(Line.at_least(f"  above the plain tilt at β = {beta:g}", found[-1] - plain, 0.0))
    return check


def without_kl(steps: int = 3000) -> Check:
    """Which verified traces win where nothing holds the policy."""
    check = Check(
        "Control", "A reward for the answer does not choose sound reasoning: without a KL term the gradient favours "
        "the single most likely right trace, and which one that is, the base decides.",
    )  # fmt: skip
    for name, known, sound in (
        ("sloppy's carry a coin flip", laws(), True),
        ("sloppy's carry nearly fixed", laws(sloppy_carry=0.99), False),
    ):
        policy = TablePolicy(known, known.log_p0.size, torch.optim.SGD)  # the loss is a mean over all traces
        for _ in range(steps):
            policy.exact_step(policy.verdicts, 0.0)
        found = policy.table()
        share = known.sound_rate(known.log_p0)[SCORED].sum() / known.rate(known.log_p0)[SCORED].sum()
        mark = Line.at_least if sound else Line.at_most
        right = float(known.sound_rate(found)[SCORED].mean())
        lost = float(known.alignment(found).kl_verified[SCORED].mean())
        check.lines += [
            Line(f"{name}: sound share of the verified posterior", float(share), unit="rate"),
            Line.at_least("  pass@1", rate(known, found), 0.99, exact=1.0),
            mark("  right by sound reasoning", right, 0.95 if sound else 0.05, "rate", float(sound)),
            Line("  share of the KL that bought success, η", known.efficiency(found), 1.0),
            Line("  KL(π_V‖π*), diversity lost among right traces", lost, 0.0, "nats"),
        ]
    return check


def masked(steps: int = 100) -> Check:
    """T5."""
    check = Check(
        "T5", "What the base rules out stays ruled out: no reward, no gradient, no step of any size."
    )
    whole = laws()
    blocked = np.zeros(whole.verified.shape, dtype=bool)
    blocked[SCORED[:10]] = whole.verified[SCORED[:10]]
    known = Laws(np.where(blocked, -np.inf, whole.log_p0), whole.verified, whole.sound)
    for name in ("exact gradient", "sampled"):
        policy, generator = TablePolicy(known, 0.05), torch.Generator().manual_seed(0)
        for _ in range(steps):
            if name == "sampled":
                policy.sampled_step(16, generator, scale="group")
            else:
                policy.exact_step(policy.verdicts, 0.0)
        found = known.rate(policy.table())
        moved = (policy.logits - policy.reference).detach()[SCORED[:10]].nan_to_num(nan=0.0).abs().max()
        check.lines += [
            Line.within(
                f"{name}: largest pass@1 of ten masked problems", float(found[SCORED[:10]].max()), 0.0, 0.0
            ),
            Line.within("  largest change of their logits", float(moved), 0.0, 0.0, ""),
            Line.at_least("  pass@1 of the others", float(found[SCORED[10:]].mean()), 0.9, exact=1.0),
        ]
    return check


ERRORS = (-0.5, -0.25, -0.1, 0.0, 0.1, 0.25, 0.5, 1.0)


def erring_verifier(grid: Sequence[float] = ERRORS, steps: int = 200, seeds: int = 5) -> Check:
    """J = true-positive rate − false-positive rate (arXiv 2601.04411)."""
    check = Check(
        "J", "A verifier that errs teaches as long as it says yes to right answers more often than to wrong ones: "
        "J > 0.",
    )  # fmt: skip
    known = laws()
    moved: dict[float, list[float]] = {}
    for j in grid:
        moved[j] = [_moved(known, j, steps, seed) for seed in range(seeds)]
        check.lines.append(
            Line.over_seeds(
                f"shift of the log-odds of success at J = {j:g}",
                moved[j],
                0.0 if j == 0 else None,
                "nats",
                least=0.0 if j > 0 else None,
                most=0.0 if j < 0 else None,
            )
        )
    low, high = -0.1, 0.1
    crossings = [low + (high - low) * a / (a - b) for a, b in zip(moved[low], moved[high], strict=True)]
    check.lines.append(
        Line.within(
            "J at which nothing is learnt", float(np.mean(crossings)), 0.0, 0.02, "", spread=crossings
        )
    )
    check.curves["shift of the log-odds of success, nats"] = {
        "J": list(grid), "mean over problems": [float(np.mean(moved[j])) for j in grid],
    }  # fmt: skip
    return check


def _moved(known: Laws, j: float, steps: int, seed: int) -> float:
    """Mean shift of the log-odds of success of the scored problems."""
    policy, generator = TablePolicy(known, 0.01), torch.Generator().manual_seed(seed)

    def judge(verdicts: torch.Tensor) -> torch.Tensor:
        yes = 0.5 + (verdicts - 0.5) * j  # true positives .5 + J/2, false positives .5 − J/2
        return (torch.rand(yes.shape, generator=generator, dtype=yes.dtype) < yes).double()

    for _ in range(steps):
        policy.sampled_step(16, generator, scale="group", judge=judge)
    p, q = known.rate(known.log_p0)[SCORED], known.rate(policy.table())[SCORED]
    return float((np.log(q / (1 - q)) - np.log(p / (1 - p))).mean())
