"""The exact law of one policy on one problem, as a table of traces. All figures in nats. No torch."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rlvr.analysis.samples import Floats
from rlvr.worlds import ELSEWHERE, NoLawError, Trace, World
from verifiers.types import Problem

Reached = dict[str, tuple[float, ...]]
"""Complete traces of one problem (without end-of-text) → log-probability under each policy."""


@dataclass(frozen=True, slots=True)
class Table:
    """T traces with their probabilities and verdicts, and one atom for all other traces.

    The last atom, "elsewhere", holds the mass outside the enumeration and counts as a wrong answer.
    """

    traces: tuple[Trace, ...]
    logp: Floats
    """(T + 1,) log-probabilities; they sum to 1 in probability."""
    verified: NDArray[np.bool_]
    """(T + 1,) verdicts V; False for "elsewhere"."""

    @classmethod
    def of(
        cls, problem: Problem, traces: Sequence[Trace], logp: Floats, verified: Sequence[bool] | None = None
    ) -> Table:
        """From the traces' log-probabilities (T,) and verdicts (their `right`, if not given).

        Raises ValueError where the probabilities sum to more than 1.
        """
        outside = -np.expm1(np.logaddexp.reduce(logp))
        if outside < -1e-6:
            raise ValueError(f"problem {problem.id}: the traces' probabilities sum to {1 - outside:.8f} > 1")
        verdicts = [trace.right for trace in traces] if verified is None else verified
        with np.errstate(divide="ignore"):
            return cls(
                tuple(traces), np.append(logp, np.log(max(outside, 0.0))), np.array([*verdicts, False])
            )

    @property
    def sound(self) -> NDArray[np.bool_]:
        """(T + 1,) verified, by steps that are true and lead to the answer."""
        return self.verified & np.array([t.sound for t in self.traces] + [False])

    @property
    def outside(self) -> float:
        """Mass of all traces that were not enumerated."""
        return float(np.exp(self.logp[-1]))

    def mass(self, atoms: NDArray[np.bool_]) -> float:
        """Probability of a set of atoms, given as a mask (T + 1,)."""
        return float(np.exp(self.logp[atoms]).sum())

    @property
    def pass_at_1(self) -> float:
        return self.mass(self.verified)

    def pass_at_k(self, k: int) -> float:
        """1 − (1 − p)^k: exact, since p is known."""
        return float(-np.expm1(k * np.log1p(-min(self.pass_at_1, 1.0)))) if self.pass_at_1 < 1 else 1.0

    def posterior(self) -> Floats:
        """p(z | x, verified), (T + 1,): zero on refused traces; NaN where no verified trace has any mass."""
        verified = float(np.logaddexp.reduce(self.logp[self.verified]))
        if verified == -np.inf:
            return np.full(self.logp.shape, np.nan)
        return np.where(self.verified, np.exp(self.logp - verified), 0.0)

    def strategy_shares(self, strategies: Sequence[str], verified: bool = False) -> dict[str, float]:
        """Mass by strategy and "elsewhere"; with `verified`, shares of the posterior p(z | x, verified)."""
        weights = self.posterior() if verified else np.exp(self.logp)
        shares = dict.fromkeys([*strategies, ELSEWHERE], 0.0) | {ELSEWHERE: float(weights[-1])}
        for trace, weight in zip(self.traces, weights[:-1], strict=True):
            shares[trace.strategy] += float(weight)
        return shares


def labelled(world: World, problem: Problem, texts: Iterable[str]) -> tuple[Trace, ...]:
    """The traces with these texts. Those that the law cannot write (a trained policy can) are "elsewhere", with
    probability 0, and count as not sound; for a problem without a law, all are."""
    try:
        law = {trace.text: trace for trace in world.support(problem)}
    except NoLawError:
        law = {}
    return tuple(
        law.get(text) or Trace(text, ELSEWHERE, 0.0, world.is_right(problem, text), sound=False)
        for text in texts
    )


def reached_tables(
    world: World,
    problems: Sequence[Problem],
    reached: Sequence[Reached],
    verified: Sequence[Sequence[bool]],
    index: int,
) -> list[Table]:
    """One policy's tables, a problem each, over the traces that an enumeration reached.

    Args:
        verified: per problem, the verdicts of its traces in their order.
        index: which policy's log-probabilities to take.
    """
    return [
        Table.of(
            problem,
            labelled(world, problem, found),
            np.array([logp[index] for logp in found.values()]),
            verdicts,
        )
        for problem, found, verdicts in zip(problems, reached, verified, strict=True)
    ]
