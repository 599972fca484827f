"""Evidence that training prompts have for a while, and held-out problems never."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, ValidationError, model_validator

from rlvr.config.data import EvidenceConfig
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
        if not self.add:
            raise ValueError("`add` names no key of evidence")
        for key in self.add:
            if key not in EvidenceConfig.model_fields:
                raise ValueError(
                    f"`add.{key}`: evidence has no such key; it has {', '.join(EvidenceConfig.model_fields)}"
                )
        if other := {"template", "chat_template", "template_options", "today"} & self.add.keys():
            raise ValueError(f"`add.{min(other)}` is of the template, which training and evaluation share")
        return self

    def on(self, evidence: EvidenceConfig) -> EvidenceConfig:
        """The evidence of a steered prompt. Raises ValueError: the two do not go together."""
        try:
            return EvidenceConfig.model_validate(evidence.model_dump() | self.add)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"]))
            raise ValueError(f"train.evidence.add{'.' if where else ''}{where}: {first['msg']}") from None
