"""The training run: algorithm, loss, schedule, adapters, curriculum."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, model_validator

from rlvr.config.section import Section
from rlvr.config.steering import DistillConfig, SteeringConfig


def _listed(head: str, lines: dict[str, str], *more: str) -> str:
    """A description with a line for each value, for `--help-config`."""
    return "\n    ".join([head, *(f"  {name}: {words}" for name, words in lines.items()), *more])


ADAPTERS = {
    "full": "all weights, no adapter",
    "lora": "low-rank updates beside weights that stay (Hu et al. 2021, arXiv 2106.09685)",
    "soft_prompt": "virtual tokens before each prompt; all weights stay (Lester et al. 2021, arXiv 2104.08691)",
}

RATE = {"full": 1e-6, "lora": 1e-5, "soft_prompt": 1e-2}
"""Learning rates where the config has none. Low-rank updates want about ten times the rate of all weights, at every
rank, as long as the update is alpha / r times B A (Schulman et al. 2025, LoRA Without Regret). An embedding moves by
about the rate in each of its numbers and steps; that of soft prompts is measured (docs/adapters.md)."""


KEYS_OF = {
    "full": (),
    "lora": ("r", "alpha", "dropout", "target_modules", "rslora"),
    "soft_prompt": ("tokens", "init_text"),
}


class AdapterSection(Section):
    """A key of another kind than `kind` is refused where it is not at its default."""

    kind: Literal["full", "lora", "soft_prompt"] = Field(
        default="full", description=_listed("what is trained; see docs/adapters.md", ADAPTERS)
    )
    r: int | None = Field(
        default=None,
        ge=1,
        description="lora: rank; unset: 16, or that of the adapter that `model` names",
    )
    alpha: int | None = Field(
        default=None,
        ge=1,
        description="lora: scale, the update is alpha / r times B A; unset: 32, or that of the adapter at `model`",
    )
    dropout: float | None = Field(
        default=None,
        ge=0,
        lt=1,
        description="lora: dropout on an adapter's input; unset: 0, or that of the adapter at `model`",
    )
    target_modules: str | list[str] | None = Field(
        default=None,
        description="lora: the layers that get an adapter, as names or one regular expression; unset: all linear "
        "layers but the head, or those of the adapter at `model`",
    )
    rslora: bool = Field(
        default=False,
        description="lora: alpha / √r in place of alpha / r (Kalajdzievski 2023, arXiv 2312.03732)",
    )
    tokens: int | None = Field(
        default=None,
        ge=1,
        description="soft_prompt: virtual tokens before each prompt, which count as tokens of it; unset: 16, or those "
        "of the adapter at `model`",
    )
    init_text: str | None = Field(
        default=None,
        description="soft_prompt: begin with the embeddings of this text, repeated until there are enough; unset: of "
        "tokens of the vocabulary drawn with the seed",
    )

    @model_validator(mode="after")
    def _of_its_kind(self) -> AdapterSection:
        for kind, names in KEYS_OF.items():
            given = [name for name in names if getattr(self, name) != _default(self, name)]
            if given and kind != self.kind:
                raise ValueError(
                    f"{given[0]} belongs to kind: {kind}, and kind is {self.kind}: write kind: {kind} beside it"
                )
        return self


def _default(section: Section, name: str) -> Any:
    return type(section).model_fields[name].get_default(call_default_factory=True)


class ShapingConfig(Section):
    """Reward terms that are not verdicts. They never reach the analysis."""

    overlong: float = Field(
        default=0.0, ge=0, description="subtracted from the reward of a truncated completion"
    )
    per_token: float = Field(
        default=0.0, ge=0, description="subtracted from the reward for each completion token"
    )


class RewardTerm(Section):
    """A further term of the reward that is no verdict: it is trained on, logged by itself, and never reported."""

    verifier: str = Field(description="what scores it, from 0 to 1: named as the config's `verifier` is")
    verifier_options: dict[str, Any] = Field(
        default_factory=dict, description="keyword options of this verifier"
    )
    weight: float = Field(allow_inf_nan=False, description="what its score is multiplied by; may be negative")
    name: str = Field(
        default="", description="under which it is logged, as reward/NAME; empty: the verifier's"
    )

    @model_validator(mode="before")
    @classmethod
    def _named(cls, term: Any) -> Any:
        if isinstance(term, dict) and not term.get("name") and isinstance(term.get("verifier"), str):
            term = term | {"name": term["verifier"].rpartition(":")[2]}
        return term

    @model_validator(mode="after")
    def _has_weight(self) -> RewardTerm:
        if self.weight == 0:
            raise ValueError(f"weight of {self.verifier!r} is 0: leave the term out")
        return self


class CurriculumConfig(Section):
    kind: Literal["uniform", "adaptive", "staged"] = Field(
        default="uniform",
        description="uniform: epochs of all problems; adaptive: drawn by the expected variance p(1 - p) under running "
        "pass rates; staged: level by level, from easy to hard",
    )
    level: str | None = Field(
        default=None,
        description="column of the training problems that orders them from easy to hard; `staged` needs it, "
        "`adaptive` estimates problems that it has not drawn from it",
    )
    forgetting: float = Field(
        default=0.95,
        gt=0,
        le=1,
        description="weight of a verdict in the pass rates, relative to one of the next step",
    )
    uniform_share: float = Field(
        default=0.1, gt=0, le=1, description="share of `adaptive` draws that ignore the pass rates"
    )
    advance_at: float = Field(
        default=0.7, gt=0, lt=1, description="pass rate of the newest level at which `staged` adds the next"
    )
    refill: int = Field(
        default=0,
        ge=0,
        description="rounds in which a step may replace groups without variance by fresh problems (DAPO's "
        "dynamic sampling, arXiv 2503.14476, bounded); for grpo and rloo. Replaced samples are recorded and counted, "
        "not trained on",
    )

    @model_validator(mode="after")
    def _coherent(self) -> CurriculumConfig:
        if self.kind == "staged" and self.level is None:
            raise ValueError("kind: staged needs `level`, the column that orders the problems")
        return self


class PpoSection(Section):
    gamma: float = Field(default=1.0, gt=0, le=1, description="discount per token")
    gae_lambda: float = Field(
        default=1.0,
        ge=0,
        le=1,
        description="1: advantages are return minus value; below 1: the values count more",
    )
    value_coefficient: float = Field(
        default=0.1, ge=0, description="weight of the value loss, which also trains the shared layers"
    )
    value_clip: float = Field(
        default=0.2,
        gt=0,
        description="how far a value may move in one step; acts only with trl.num_iterations > 1",
    )
    value_learning_rate: float = Field(
        default=1e-3, gt=0, description="learning rate of the value head, whose weights start at zero"
    )


class StopSection(Section):
    """Early stopping, at an evaluation. The learning-rate schedule is that of `steps` all the same."""

    patience: int | None = Field(
        default=None,
        ge=1,
        description="stop after this many evaluations in a row without a new best of `best_by`; unset: never",
    )
    at: float | None = Field(
        default=None,
        gt=0,
        le=1,
        description="stop once `best_by` is at least this (0.9 is 90 points); unset: never",
    )


ALGORITHMS = {
    "grpo": "reward minus the group's mean, over its deviation (Shao et al. 2024, arXiv 2402.03300)",
    "rloo": "reward minus the mean of the group's others (Ahmadian et al. 2024, arXiv 2402.14740)",
    "reinforce": "reward minus the batch's mean (Williams 1992)",
    "ppo": "return minus a learnt value, per token; see train.ppo (Schulman et al. 2017, arXiv 1707.06347)",
    "rejection": "no RL: cross-entropy on verified samples of the base (RFT, Yuan et al. 2023, arXiv 2308.01825)",
    "distill": "no reward: the base, asked with evidence, teaches the policy without it; see train.distill",
}

LOSS_TYPES = {
    "grpo": "clipped ratio, mean per completion, then over completions (Shao et al. 2024, arXiv 2402.03300)",
    "dr_grpo": "the same, summed and divided by max_new_tokens: no length bias (Liu et al. 2025, arXiv 2503.20783)",
    "dapo": "the default: mean over all tokens of the step (Yu et al. 2025, arXiv 2503.14476)",
    "bnpo": "mean over the tokens of the micro-step (TRL's own; depends on how the step is cut)",
    "cispo": "clips the detached ratio, not the objective (MiniMax-M1, 2025, arXiv 2506.13585)",
    "sapo": "a smooth gate in place of the clip (Gao et al. 2025, arXiv 2511.20347)",
    "luspo": "sequence-level ratio, each completion scaled by its length (arXiv 2602.05261); takes "
    "importance_sampling_level: sequence",
    "vespo": "smooth gamma weighting of the sequence-level ratio (arXiv 2602.10693)",
}
"""TRL 1.16's values of `loss_type`. GSPO is `grpo` with a sequence-level ratio."""

GSPO = (
    "importance_sampling_level: sequence with loss_type: grpo is GSPO, one ratio per completion "
    "(Zheng et al. 2025, arXiv 2507.18071)"
)


class TrainConfig(Section):
    algorithm: Literal["grpo", "rloo", "reinforce", "ppo", "rejection", "distill"] = Field(
        default="grpo", description=_listed("how rewards become advantages", ALGORITHMS)
    )
    reward: Literal["verdict", "random", "format"] = Field(
        default="verdict",
        description="what is rewarded: the verdict, or one of two controls that ignore it: `random`, a coin flip per "
        "sample; `format`, 1 if an answer could be extracted. Verdicts are recorded in any case",
    )
    rewards: list[RewardTerm] = Field(
        default_factory=list,
        description="further terms, added to it with their weights: [{verifier: format, weight: 0.1}]. Each is logged "
        "by itself; none reaches `score` or the report",
    )
    random_rate: float = Field(
        default=0.5, gt=0, lt=1, description="probability of reward 1 under `reward: random`"
    )
    steps: int = Field(default=100, ge=0, description="optimiser steps; each samples new problems")
    groups_per_step: int = Field(default=8, ge=1, description="problems per step, over all processes")
    group_size: int = Field(default=8, ge=2, description="samples per problem and step (G)")
    rows_per_micro_step: int = Field(
        default=0,
        ge=0,
        description="samples per forward and backward pass: whole groups, or fewer than group_size, and each part of a "
        "group reads its prompt anew; 0: what fits into memory, found by trial",
    )
    eval_every: int = Field(
        default=0, ge=0, description="steps between evaluations on the held-out problems; 0: none"
    )
    eval_samples: int = Field(default=16, ge=1, description="samples per problem in these evaluations")
    keep: Literal["last", "best"] = Field(
        default="last",
        description="which weights become `model/`: those after the last step, or those of the evaluation during "
        "training with the highest `best_by` (the earliest of equal ones; the last step is evaluated too)",
    )
    best_by: Literal["pass@1", "pass@K", "mean_score"] = Field(
        default="pass@1",
        description="the held-out figure of these evaluations that says which checkpoint is the best; K is "
        "analysis.search_budget, at most eval_samples",
    )
    stop: StopSection = Field(default=StopSection(), description="when to stop before the last step")
    checkpoint_every: int | None = Field(
        default=None,
        ge=0,
        description="steps between checkpoints; 0: only after the last; unset: as often as possible while saving takes "
        "at most 1 % of the time. An evaluation that is the best so far has one in any case",
    )
    max_skipped: int = Field(
        default=5,
        ge=1,
        description="consecutive steps skipped for non-finite values (NaN, inf) at which the run stops",
    )
    max_drift: float = Field(
        default=0.05,
        ge=0,
        description="warn if sampler and trainer differ by more nats per token than this (mean of a step), and stop at "
        "ten times as much; 0: warn of every difference, stop at none",
    )
    learning_rate: float = Field(
        default=RATE["full"],
        gt=0,
        description=f"peak learning rate of AdamW; where it is not given and adapter.kind is lora: {RATE['lora']}; "
        f"soft_prompt: {RATE['soft_prompt']}",
    )
    shaping: ShapingConfig = Field(
        default=ShapingConfig(), description="penalties on length, added to the reward; off by default"
    )
    curriculum: CurriculumConfig = Field(
        default=CurriculumConfig(), description="which problems a step trains on"
    )
    evidence: SteeringConfig | None = Field(
        default=None,
        description="evidence that only training prompts have, and that may go away over the steps (docs/evidence.md)",
    )
    distill: DistillConfig | None = Field(
        default=None,
        description="of algorithm: distill: the teacher's evidence, and the direction (docs/evidence.md)",
    )
    ppo: PpoSection = Field(default=PpoSection(), description="settings of algorithm: ppo")
    adapter: AdapterSection = Field(
        default=AdapterSection(), description="what is trained: all weights, or an adapter beside them (peft)"
    )
    hooks: list[str] = Field(
        default_factory=list,
        description="your own code between steps: classes `my_module:MyHook` with on_step, on_evaluation, "
        "on_checkpoint (rlvr.training.metrics_log.Hook)",
    )
    trl: dict[str, Any] = Field(
        default_factory=dict,
        description=_listed(
            "any further field of TRL's GRPOConfig (beta, epsilon, report_to, …). loss_type is one of",
            LOSS_TYPES,
            f"  {GSPO}",
        ),
    )

    @model_validator(mode="before")
    @classmethod
    def _of_before(cls, data: Any) -> Any:
        if isinstance(data, dict) and "lora" in data:
            keys = data["lora"] if isinstance(data["lora"], dict) else {}
            written = ", ".join(["kind: lora", *(f"{key}: {value}" for key, value in keys.items())])
            now = "leave it out" if data["lora"] is None else f"write train.adapter: {{{written}}}"
            raise ValueError(f"lora: adapters are under train.adapter now; {now}")
        return data

    @model_validator(mode="before")
    @classmethod
    def _rate_of_the_kind(cls, data: Any) -> Any:
        adapter = data.get("adapter") if isinstance(data, dict) else None
        kind = adapter.get("kind") if isinstance(adapter, dict) else getattr(adapter, "kind", None)
        if isinstance(kind, str) and kind in RATE and "learning_rate" not in data:
            return data | {"learning_rate": RATE[kind]}
        return data

    @model_validator(mode="after")
    def _evaluated(self) -> TrainConfig:
        asked = {
            "keep: best": self.keep == "best",
            "stop.patience": self.stop.patience is not None,
            "stop.at": self.stop.at is not None,
        }
        for key, given in asked.items():
            if given and not self.eval_every:
                raise ValueError(f"{key} goes by evaluations during training, and eval_every is 0: set it")
        return self

    @property
    def evaluates_last_step(self) -> bool:
        """The last step is a candidate like those before it; else only the tuned evaluation follows it."""
        return self.keep == "best" or self.stop != StopSection()

    @model_validator(mode="after")
    def _terms(self) -> TrainConfig:
        names = [term.name for term in self.rewards]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"rewards: two terms are called {twice[0]!r}; give them a `name` each")
        if self.rewards and self.imitates:
            raise ValueError(
                f"rewards: {self.algorithm} trains on the solved samples alone, so a further term does nothing"
            )
        return self

    @property
    def imitates(self) -> bool:
        """Cross-entropy on accepted samples of the policy as the run began; else on-policy."""
        forward = self.distill is not None and self.distill.direction == "forward"
        return self.algorithm == "rejection" or (self.algorithm == "distill" and forward)

    @model_validator(mode="after")
    def _distillable(self) -> TrainConfig:
        if (self.algorithm == "distill") != (self.distill is not None):
            raise ValueError(
                "algorithm: distill and `distill: {evidence: {…}}`, the teacher's evidence, go together; one of them "
                "is missing"
            )
        if self.distill is None:
            return self
        if self.evidence is not None:
            raise ValueError(
                "evidence: algorithm: distill asks the policy without further evidence, always; what the teacher has "
                "is distill.evidence"
            )
        if self.distill.direction == "reverse":
            rewarded = {"reward": self.reward != "verdict", "rewards": bool(self.rewards)}
            rewarded |= {"shaping": self.shaping != ShapingConfig()}
            for key in (key for key, given in rewarded.items() if given):
                raise ValueError(
                    f"{key}: distill.direction: reverse learns from the teacher, not from a reward"
                )
        return self

    @model_validator(mode="after")
    def _refillable(self) -> TrainConfig:
        if self.curriculum.refill and self.algorithm not in ("grpo", "rloo"):
            raise ValueError(
                f"curriculum.refill is {self.curriculum.refill}, but with {self.algorithm} a group without variance "
                "also contributes to the gradient; refill is for grpo and rloo"
            )
        return self
