"""A policy that is a table: one logit per trace. With it there is no network between an objective and its optimum, so
what the trainer's own objective and advantages do can be held against closed forms to several digits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from rlvr.analysis.alignment import ExactAlignment, exact_alignment
from rlvr.analysis.frontier import kl_efficiency
from rlvr.analysis.samples import Bools, Floats
from rlvr.config.reading import validate
from rlvr.training.advantages import advantages
from rlvr.training.arguments import grpo_config
from rlvr.training.importance import Tokens
from rlvr.training.objective import Objective, Totals, loss
from rlvr.worlds import World


@dataclass(frozen=True)
class Laws:
    """The traces of every problem of a world: (P, T) log-probabilities under the base, verdicts, soundness."""

    log_p0: Floats
    verified: Bools
    sound: Bools

    @classmethod
    def of(cls, world: World, split: str) -> Laws:
        support = [world.support(problem) for problem in world.problems(split)]
        with np.errstate(divide="ignore"):
            log_p0 = np.log([[trace.probability for trace in traces] for traces in support])
        verified = np.array([[trace.right for trace in traces] for traces in support])
        sound = np.array([[trace.right and trace.sound for trace in traces] for traces in support])
        return cls(log_p0, verified, sound)

    def alignment(self, log_pi: Floats) -> ExactAlignment:
        return exact_alignment(self.log_p0, log_pi, self.verified)

    def efficiency(self, log_pi: Floats) -> float:
        """η over all problems."""
        found = self.alignment(log_pi)
        return kl_efficiency(np.exp(found.log_p), np.exp(found.log_q), found.kl_pi_p0)

    def rate(self, log_pi: Floats) -> Floats:
        """(P,) pass@1."""
        return np.where(self.verified, np.exp(log_pi), 0).sum(-1)

    def sound_rate(self, log_pi: Floats) -> Floats:
        """(P,) right by sound reasoning."""
        return np.where(self.sound, np.exp(log_pi), 0).sum(-1)


def objective() -> Objective:
    """The trainer's objective for traces of one token."""
    problems = {key: {"world": "heldout"} for key in ("train", "heldout")}
    train = {"trl": {"loss_type": "dr_grpo"}}
    keys = {"model": "tiny", "problems": problems, "sampling": {"max_new_tokens": 1}, "train": train}
    config = validate(keys, "the table policy")
    return Objective.of(grpo_config(config, Path(), 1), other_engine=False)


def update(
    goal: Objective, optimizer: torch.optim.Optimizer, logp: torch.Tensor, advantage: torch.Tensor
) -> None:
    """One update through the trainer's objective. (N,) completions of one token each."""
    rows = len(logp)
    tokens = Tokens(torch.arange(rows), rows, advantage.detach())
    totals = Totals(rows=rows, tokens=rows, micro_steps=1, processes=1)
    value, _ = loss(goal, tokens, logp, torch.zeros_like(logp), totals)
    optimizer.zero_grad()
    value.backward()
    optimizer.step()


class TablePolicy:
    """
    Args:
        laws: the base, whose logits it begins with.
    """

    def __init__(
        self,
        laws: Laws,
        learning_rate: float,
        optimizer: Callable[..., torch.optim.Optimizer] = torch.optim.Adam,
    ) -> None:
        self.laws = laws
        self.reference = torch.from_numpy(laws.log_p0)
        self.verdicts = torch.from_numpy(laws.verified).double()
        self.logits = self.reference.clone().requires_grad_()
        self.optimizer = optimizer([self.logits], lr=learning_rate)
        self.objective = objective()

    def restart(self) -> None:
        """Begin at the base again."""
        with torch.no_grad():
            self.logits.copy_(self.reference)
        self.optimizer.state.clear()

    @property
    def log_pi(self) -> torch.Tensor:
        """(P, T)"""
        return self.logits.log_softmax(-1)

    def table(self) -> Floats:
        return self.log_pi.detach().numpy()

    def step(self, logp: torch.Tensor, advantage: torch.Tensor) -> None:
        """One update. (N,) completions of one token each."""
        update(self.objective, self.optimizer, logp, advantage)

    def exact_step(self, reward: torch.Tensor, beta: float) -> None:
        """The gradient of E_π[reward] − β KL(π‖p0) without sampling: every trace that the policy can write is a
        completion, weighted by its probability. `reward` is (P, T)."""
        possible = self.reference.isfinite()
        logp = self.log_pi[possible]
        with torch.no_grad():
            value = reward[possible] - beta * (logp - self.reference[possible])
        self.step(logp, logp.detach().exp() * value)

    def sampled_step(
        self,
        group: int,
        generator: torch.Generator,
        beta: float = 0.0,
        scale: str = "none",
        judge: Callable[[torch.Tensor], torch.Tensor] = lambda verdicts: verdicts,
    ) -> None:
        """As the trainer draws: `group` traces a problem, KL in the reward, the group's own baseline.

        Args:
            scale: of the advantages, as in `advantages.grpo`.
            judge: what the verifier makes of the true verdicts, (P, G).
        """
        logp = self.log_pi
        drawn = torch.multinomial(logp.detach().exp(), group, replacement=True, generator=generator)
        chosen, ref = logp.gather(1, drawn), self.reference.gather(1, drawn)
        reward = judge(self.verdicts.gather(1, drawn)) - beta * (chosen.detach() - ref)
        self.step(chosen.reshape(-1), advantages("grpo", reward, scale).reshape(-1))
