"""Evidence that training prompts have for a while, or that a teacher has; held-out problems never."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field, ValidationError, model_validator

from rlvr.config.data import EvidenceConfig, HintConfig
from rlvr.config.section import Section


class SteeringConfig(Section):
    add: dict[str, Any] = Field(
        description="keys of `evidence` that are other in training prompts, such as {shots: 4} or "
        "{hint: {column: solution}}"
    )
    only: Literal["always", "unsolved"] = Field(
        default="always",
        description="always: groups are drawn with it from the start; unsolved: a group without a solved sample is "
        "drawn once more with it, in its place",
    )
    start: float = Field(default=1.0, gt=0, le=1, description="probability of a group at the first step")
    until: int | None = Field(
        default=None,
        ge=1,
        description="steps after which the probability is 0, falling on a line; unset: it stays as it is",
    )

    @model_validator(mode="after")
    def _coherent(self) -> SteeringConfig:
        _keys_of_evidence("add", self.add)
        return self

    def on(self, evidence: EvidenceConfig) -> EvidenceConfig:
        """The evidence of a steered prompt. Raises ValueError: the two do not go together."""
        return with_keys(evidence, self.add, "train.evidence.add")


class DistillConfig(Section):
    """The policy as the run began, asked with evidence, teaches the policy that is asked without it."""

    evidence: dict[str, Any] = Field(
        description="keys of `evidence` that are other in the teacher's prompts, such as {shots: 4} or "
        "{hint: {column: solution}}"
    )
    direction: Literal["forward", "reverse"] = Field(
        default="forward",
        description="forward: cross-entropy on verified samples of the teacher (context distillation, arXiv 2112.00861 "
        "and 2209.15189, of what the verifier accepts); reverse: samples of the policy itself, each token weighed by "
        "log p of the teacher minus its own (on-policy self-distillation, arXiv 2601.19897 and 2601.20802)",
    )

    @model_validator(mode="after")
    def _coherent(self) -> DistillConfig:
        _keys_of_evidence("evidence", self.evidence)
        return self

    def on(self, evidence: EvidenceConfig) -> EvidenceConfig:
        """The evidence of the teacher's prompt. Raises ValueError: the two do not go together, are the same, or the
        teacher's answer begins with what the policy would have to write."""
        found = with_keys(evidence, self.evidence, "train.distill.evidence")
        if found == evidence:
            raise ValueError(
                "train.distill.evidence changes nothing: the teacher reads what the policy reads"
            )
        if _beginning(found) != _beginning(evidence):
            raise ValueError(
                "train.distill.evidence.hint.position: the answers of teacher and policy would begin in two places; "
                "take position: question"
            )
        return found


def _beginning(evidence: EvidenceConfig) -> HintConfig | None:
    """What the answer begins with, before the policy writes."""
    return evidence.hint if evidence.hint and evidence.hint.position == "answer" else None


def _keys_of_evidence(name: str, keys: dict[str, Any]) -> None:
    """Raises ValueError: none, a key that `evidence` does not have, or one that both prompts share."""
    if not keys:
        raise ValueError(f"`{name}` names no key of evidence")
    for key in keys:
        if key not in EvidenceConfig.model_fields:
            raise ValueError(
                f"`{name}.{key}`: evidence has no such key; it has {', '.join(EvidenceConfig.model_fields)}"
            )
    if other := {"template", "chat_template", "template_options", "today"} & keys.keys():
        raise ValueError(f"`{name}.{min(other)}` is of the template, which training and evaluation share")


def with_keys(evidence: EvidenceConfig, keys: Mapping[str, Any], where: str) -> EvidenceConfig:
    """The evidence with some of its keys replaced. Raises ValueError, which begins with `where`: they do not go
    together."""
    try:
        return EvidenceConfig.model_validate({**evidence.model_dump(), **keys})
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise ValueError(f"{where}{'.' if place else ''}{place}: {first['msg']}") from None
