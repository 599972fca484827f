"""The update: TRL's loss on packed groups, of those groups alone that teach something, with PPO's value loss beside it.

What is trained on is decided in `trainer`; here is how its log-probabilities, values and loss are computed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from accelerate.utils import DistributedType
from peft import PeftModel
from trl.trainer.grpo_config import GRPOConfig

from rlvr.config import ConfigError, PpoSection
from rlvr.launch.processes import stop_if_asked
from rlvr.policy import Policy
from rlvr.training import attention, ppo
from rlvr.training.batch import per_row
from rlvr.training.guard import GuardedTrainer, watched
from rlvr.training.head import add_selected_head
from rlvr.training.malloc import keep_freed_memory
from rlvr.training.packing import pack


class PackedTrainer(GuardedTrainer):
    """TRL's trainer whose update runs packed, wherever the model's attention allows it."""

    policy: Policy
    args: GRPOConfig
    group_size: int
    ppo: PpoSection | None
    attention: attention.Kind | None
    """Of the packed update; None where it runs padded."""
    _values: torch.Tensor | None = None
    """(rows, T) of the last forward pass, where the model has a value head."""

    def choose_update(self, say: Callable[[str], None]) -> None:
        """Decide between packed and padded, say so, and prepare the models for it.

        Raises:
            ConfigError: the update must run padded, and PPO has none of that kind.
        """
        if self.accelerator.device.type == "cpu":
            keep_freed_memory()
        self.attention, self.why_attention = choose_attention(self)
        if self.attention is None and self.ppo:
            raise ConfigError(f"train.algorithm=ppo needs the packed update: {self.why_attention}")
        if self.attention is None:
            say(f"The update runs padded, one row per completion: {self.why_attention}")
            return
        say(f"The update runs packed, attention {self.attention}: {self.why_attention}")
        for model in (self.model, self.ref_model):
            if model is not None:
                plain = base_of(self.accelerator.unwrap_model(model))
                attention.install(plain)
                add_selected_head(plain, self.temperature)

    @watched
    def _get_per_token_logps_and_entropies(
        self,
        model: Any,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor,
        logits_to_keep: int,
        batch_size: int | None = None,
        **others: Any,
    ) -> tuple[torch.Tensor, torch.Tensor | None, torch.Tensor | None]:
        """(rows, T) log-probabilities and entropies of the completions, by groups: see `packing`."""
        if self.attention is None:
            return super()._get_per_token_logps_and_entropies(
                model, input_ids, attention_mask, logits_to_keep, batch_size, **others
            )
        size = max(
            self.group_size,
            (batch_size or len(input_ids)) // self.group_size * self.group_size,
        )
        logprobs, entropies, *values = self._packed(
            model, input_ids, attention_mask, logits_to_keep, size, with_logits=True
        )
        self._values = values[0] if values else None
        return logprobs, entropies, None

    def _packed(
        self,
        model: Any,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor,
        logits_to_keep: int,
        size: int,
        with_logits: bool,
    ) -> list[torch.Tensor]:
        """What the model answers for each completion token, `size` rows at a time, as (rows, T) each."""
        assert self.attention is not None
        parts = []
        for ids, mask in zip(input_ids.split(size), attention_mask.split(size), strict=True):
            if not torch.is_grad_enabled():
                stop_if_asked()  # the whole batch of a step is read here, before its first micro-step
            cut = ids.shape[1] - logits_to_keep
            packed = pack(
                ids[:, :cut], mask[:, :cut], ids[:, cut:], mask[:, cut:], self.group_size, self.attention
            )
            with self.accelerator.autocast():
                answer = model(
                    **packed.inputs, select=packed.select, targets=packed.targets if with_logits else None
                )
            blank = ids.new_zeros(ids.shape[0] * logits_to_keep, dtype=torch.float32)
            parts.append(
                [blank.index_put((packed.place,), v.float()).view(-1, logits_to_keep) for v in answer]
            )
        return [torch.cat(values) for values in zip(*parts, strict=True)]

    @torch.no_grad()
    def _values_of(self, batch: dict[str, Any]) -> torch.Tensor:
        """(rows, T) values of the states before each completion token."""
        mask = batch["completion_mask"]
        (values,) = self._packed(
            self.model,
            torch.cat([batch["prompt_ids"], batch["completion_ids"]], dim=1),
            torch.cat([batch["prompt_mask"], mask], dim=1),
            mask.shape[1],
            self.args.per_device_train_batch_size,
            with_logits=False,
        )
        return values

    def _compute_loss(self, model: Any, inputs: dict[str, Any]) -> torch.Tensor:
        """TRL's loss on the groups that teach something.

        A group whose advantages are all zero has no gradient where nothing else in the loss needs it. It is left
        out of the forward pass, and still counts in every denominator. A micro-step of such groups alone has none.
        """
        if self.ppo:
            loss = super()._compute_loss(model, inputs)
            assert self._values is not None
            processes, parts = self.accelerator.num_processes, self.args.steps_per_generation or 1
            value_loss = ppo.value_loss(self.ppo, self._values, inputs, processes * parts)
            self._metrics["train"]["value_loss"].append(value_loss.item())
            return loss + self.ppo.value_coefficient * value_loss / self.current_gradient_accumulation_steps
        if self._loss_needs_all_groups or not model.training:
            return super()._compute_loss(model, inputs)
        rows = inputs["advantages"].shape[0]
        groups = inputs["advantages"].view(-1, self.group_size)
        live = (groups != 0).any(dim=1)
        # TRL gathers figures per row, so every process keeps as many groups; those it adds have a gradient of zero
        most = int(torch.as_tensor(self.accelerator.gather(live.sum()[None])).max())
        if most == 0 and self._needs_no_forward:
            return no_loss(model)
        live[live.sort(descending=True, stable=True).indices[: max(1, most)]] = True
        if live.all():
            return super()._compute_loss(model, inputs)
        keep = live.repeat_interleave(self.group_size)
        kept = {k: v[keep] if per_row(v, rows) else v for k, v in inputs.items()}
        loss = super()._compute_loss(model, kept)
        if self.loss_type in ("dapo", "cispo", "vespo"):  # divided by the tokens of the whole step already
            return loss
        counted = (
            (kept["completion_mask"], inputs["completion_mask"])
            if self.loss_type == "bnpo"
            else (keep, torch.ones_like(keep))
        )
        return loss * (counted[0].sum() / counted[1].sum().clamp(min=1))

    @property
    def _needs_no_forward(self) -> bool:
        """Whether this micro-step can do without one: DDP reduces gradients after the step's last forward, and sharded
        weights are gathered and let go in every one."""
        kind = self.accelerator.distributed_type
        if kind in (DistributedType.MULTI_GPU, DistributedType.MULTI_CPU):
            return not self.accelerator.sync_gradients
        return kind is DistributedType.NO

    @property
    def _loss_needs_all_groups(self) -> bool:
        return (
            self.beta != 0.0
            or self._entropy_bonus_enabled
            or self.aux_loss_enabled
            or self.top_entropy_quantile < 1
        )

    def create_optimizer(self, model: Any = None) -> torch.optim.Optimizer:
        new = self.optimizer is None
        optimizer = super().create_optimizer(model)
        if new and self.ppo:
            ppo.give_own_rate(optimizer, model or self.policy.model, self.ppo.value_learning_rate)
        return optimizer


def no_loss(model: torch.nn.Module) -> torch.Tensor:
    """Zero, with a gradient of zero in what has none yet: a step without signal still decays weights and moments."""
    trained = [p for p in model.parameters() if p.requires_grad and p.grad is None]
    start = torch.zeros((), device=next(model.parameters()).device, requires_grad=True)
    return start + 0.0 * sum(p.sum() for p in trained)


def base_of(model: Any) -> Any:
    """The transformers model inside a peft model, or the model itself."""
    return model.get_base_model() if isinstance(model, PeftModel) else model


def choose_attention(trainer: PackedTrainer) -> tuple[attention.Kind | None, str]:
    """The attention of the packed update and the reason for it; None where the update must run padded."""
    if trainer.aux_loss_enabled:
        return None, "the router's auxiliary loss is defined on padded rows"
    return attention.choose(base_of(trainer.accelerator.unwrap_model(trainer.model)))
