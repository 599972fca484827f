"""What the base all but rules out, for networks, whose weights problems share: ten problems with a hole where the right
digit would be (docs/worlds.md). Trained through the project's own loop."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from rlvr.analysis.samples import Floats
from rlvr.theory.check import Check, Line
from rlvr.theory.networks import base
from rlvr.theory.strategies import SMALL, trained
from rlvr.theory.table_policy import Laws
from rlvr.worlds.strategies import Strategies

HIDDEN = (*(f"{a}+{a + 1}" for a in range(9)), "9+1")
STEPS, GRADED = 80, 40
"""Of training; of them with a graded reward first, where there is one."""
POLICIES = ("base", "transfer", "exploration", "graded", "then binary")
AMONG = 64
"""Samples of pass@k."""
SOLVED = 0.5
"""A problem is reached where the first answer is more often right than wrong."""


@dataclass(frozen=True)
class Run:
    """The policies of one seed: (10,) pass@1 of the hidden problems, by name of the policy."""

    hidden: dict[str, Floats]
    others: dict[str, float]
    """Mean pass@1 of the other problems, b > 0."""


def made(folder: Path, seed: int, steps: int = STEPS, graded: int = GRADED) -> Run:
    """Fit a base, and train it on the other problems, on all, and on all with a graded reward before the verdicts."""
    world = Strategies(hole=HIDDEN)
    begun = base(world, folder / f"hole-base-{seed}", seed)
    names = [problem.id for problem in begun.problems]
    inside = np.array([name in HIDDEN for name in names])
    outside = ~inside & np.array([not name.endswith("+0") for name in names])
    run = Run({}, {})

    def note(policy: str, laws: Laws) -> None:
        rates = laws.rate(laws.log_p0)
        run.hidden[policy], run.others[policy] = rates[inside], float(rates[outside].mean())

    note("base", begun.laws)
    for policy, apart in (("transfer", HIDDEN), ("exploration", ())):
        note(policy, trained(begun, SMALL | {"steps": steps}, leave_out=apart, every=steps, seed=seed)[steps])
    with TemporaryDirectory() as kept:
        dense = Path(kept) / "graded"
        train = SMALL | {"steps": graded}
        note("graded", trained(begun, train, "graded", every=graded, seed=seed, keep=dense)[graded])
        rest = steps - graded
        after = trained(replace(begun, folder=dense), SMALL | {"steps": rest}, every=rest, seed=seed)
    note("then binary", after[rest])
    return run


def reached(runs: Sequence[Run], steps: int = STEPS) -> Check:
    """Exploration, transfer, forgetting."""
    check = Check(
        "Hole", "Ten problems whose right digit the base all but rules out. Does training on the others reach them "
        "(transfer), does training on them too (exploration), and is the little that the base had lost (forgetting)?",
    )  # fmt: skip
    for name, words in (
        ("base", "base"), ("transfer", f"after {steps} steps on the other problems"),
        ("exploration", f"after {steps} steps on all problems"),
    ):  # fmt: skip
        check.lines += _figures(runs, name, words)
    for name, words in (("transfer", "transfer"), ("exploration", "exploration")):
        check.lines += [
            Line.over_seeds(f"reached by {words}, of ten hidden problems", _reached(runs, name), unit=""),
            Line.over_seeds("  lost: less than half of the base's rate", _lost(runs, name), unit=""),
        ]  # fmt: skip
    seeds = len(runs)
    check.lines += [
        Line(f"seeds of {seeds} with expansion by transfer", _seeds(_reached(runs, "transfer"))),
        Line(f"seeds of {seeds} with expansion by exploration", _seeds(_reached(runs, "exploration"))),
        Line(
            f"seeds of {seeds} that forget without practice", _seeds(
                [float(run.hidden["transfer"].mean() < run.hidden["base"].mean()) for run in runs]), unit="",
        ),
        Line.over_seeds(
            "other problems: pass@1 after training on them", [run.others["transfer"] for run in runs], 1.0, least=0.95
        ),
    ]  # fmt: skip
    check.dots = _drawn(runs, ("base", "transfer", "exploration"))
    return check


def dense(runs: Sequence[Run], steps: int = STEPS, graded: int = GRADED) -> Check:
    """A graded reward first, verdicts after it."""
    check = Check(
        "Dense", "A graded reward first (digits nearer to the right one are worth more), then verdicts. Does "
        "pass@k of the hidden problems come off zero, and does it stay once the verdict is yes or no again?",
    )  # fmt: skip
    for name, words in (
        ("base", "base"), ("exploration", f"{steps} steps of verdicts"),
        ("graded", f"{graded} steps of a graded reward"),
        ("then binary", f"and {steps - graded} of verdicts after them"),
    ):  # fmt: skip
        check.lines += _figures(runs, name, words)
        check.lines.append(
            Line.over_seeds("  reached, of ten hidden problems", _reached(runs, name), unit="")
        )
    stays = [run.hidden["then binary"].mean() / max(run.hidden["graded"].mean(), 1e-12) for run in runs]
    check.lines.append(
        Line.over_seeds("pass@1 after the verdicts, of that before them", list(map(float, stays)), unit="")
    )
    check.dots = _drawn(runs, ("base", "exploration", "graded", "then binary"))
    return check


def among(rates: Floats) -> float:
    """Mean pass@64."""
    return float((1 - (1 - rates) ** AMONG).mean())


def _figures(runs: Sequence[Run], name: str, words: str) -> list[Line]:
    return [
        Line.over_seeds(
            f"hidden problems: pass@1, {words}", [float(run.hidden[name].mean()) for run in runs]
        ),
        Line.over_seeds(f"  pass@{AMONG}", [among(run.hidden[name]) for run in runs]),
    ]


def _reached(runs: Sequence[Run], name: str) -> list[float]:
    return [float((run.hidden[name] > SOLVED).sum()) for run in runs]


def _lost(runs: Sequence[Run], name: str) -> list[float]:
    return [float((run.hidden[name] < run.hidden["base"] / 2).sum()) for run in runs]


def _seeds(each: Sequence[float]) -> float:
    return float(sum(one > 0 for one in each))


def _drawn(runs: Sequence[Run], names: Sequence[str]) -> dict[str, dict[str, dict[str, float]]]:
    return {
        f"pass@{AMONG} of the hidden problems, one colour a seed": {
            f"seed {seed}": {name: among(run.hidden[name]) for name in names} for seed, run in enumerate(runs)
        }
    }
