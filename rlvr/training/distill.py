"""Evidence → weights: the policy as the run began, asked with evidence, teaches the policy that is asked without it.

Forward: the teacher's verified samples become samples of the plain prompt, and the loss is cross-entropy on them: the
gradient of KL(teacher given verified ‖ policy), from samples (context distillation, Askell et al. 2021, arXiv
2112.00861; Snell et al. 2022, arXiv 2209.15189; here of what the verifier accepts). Reverse: the policy's own samples,
each token weighed by log p of the teacher minus its own: the gradient of KL(policy ‖ teacher) of each next token where
the policy went, without what a token does to later ones (on-policy self-distillation, arXiv 2601.19897, 2601.20802).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch

from rlvr.config import DistillConfig
from rlvr.evaluation import Evaluator
from rlvr.evidence import Evidence
from rlvr.policy import Policy
from rlvr.sampling.driver import encode
from rlvr.training.current_policy import Frozen
from rlvr.training.importance import Tokens
from rlvr.training.objective import Pair, mean
from rlvr.training.packing import Prompted
from rlvr.training.step_batch import Group, StepBatch, TokenGroup


@dataclass(frozen=True, slots=True)
class Distillation:
    config: DistillConfig
    policy: Policy
    plain: Evidence
    """What the policy is asked with, in training as in evaluation."""
    evidence: Evidence
    """What the teacher is asked with: a function of the problem alone."""
    teacher: Frozen

    @classmethod
    def of(cls, evaluator: Evaluator, policy: Policy, frozen: Frozen | None) -> Distillation | None:
        """None where `train.distill` is not given."""
        config = evaluator.config.train.distill
        if config is None:
            return None
        assert frozen and evaluator.training_evidence, "the teacher of train.distill was not built"
        return cls(config, policy, evaluator.evidence, evaluator.training_evidence, frozen)

    @property
    def forward(self) -> bool:
        """The teacher draws what is trained on; else it judges what the policy drew, token by token."""
        return self.config.direction == "forward"

    def unaided(self, groups: Sequence[TokenGroup], drawn: Sequence[Group]) -> list[TokenGroup]:
        """What the teacher wrote, behind the policy's own prompts. The sampler's log-probabilities stay the teacher's:
        nothing but `kl` reads them."""
        return [_behind(group, ids) for group, ids in zip(groups, self._ids(self.plain, drawn), strict=True)]

    def aided(self, batch: StepBatch, drawn: Sequence[Group]) -> StepBatch:
        """The same samples behind the teacher's prompts."""
        ids = self._ids(self.evidence, drawn)
        return replace(batch, groups=[_behind(g, i) for g, i in zip(batch.groups, ids, strict=True)])

    def kl(self, tokens: Tokens, logp: torch.Tensor) -> dict[str, Pair]:
        """`teacher/kl`, in nats per token that is trained on. Forward: mean of log p of the teacher, as it drew them,
        minus that of the policy, on verified samples; empty where the engine gave no log-probabilities. Reverse: minus
        the mean advantage, an unbiased estimate of KL(policy ‖ teacher) where the policy went.

        Args:
            logp: (N,) of the policy.
        """
        if not self.forward:
            return {"teacher/kl": mean(-tokens.advantages)}
        if tokens.sampler is None:
            return {}
        return {"teacher/kl": mean(tokens.sampler - logp.detach())}

    def _ids(self, evidence: Evidence, drawn: Sequence[Group]) -> list[list[int]]:
        """The prompts of these groups under `evidence`, as tokens."""
        return encode(self.policy, evidence, [group.episodes[0].problem for group in drawn])


def _behind(group: TokenGroup, ids: list[int]) -> TokenGroup:
    return replace(group, prompted=Prompted(ids, group.prompted.samples))
