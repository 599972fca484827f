"""From our config to TRL's: sizes are derived, and every default that decides a result is explicit."""

from __future__ import annotations

import difflib
from dataclasses import fields
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig
from trl.trainer.grpo_config import GRPOConfig

from rlvr.config import LOSS_TYPES, Config, ConfigError, TrainConfig
from rlvr.launch.processes import processes
from rlvr.policy import device
from rlvr.training.ppo import VALUE_HEAD

MICRO_STEP_TOKENS = 16_384
"""Tokens (padding included) of one forward and backward, when the config does not say."""

DEFAULTS: dict[str, Any] = {
    "loss_type": "dapo",  # token mean over the step: no length bias between groups (DAPO, arXiv 2503.14476, §3.3)
    "scale_rewards": "group",  # GRPO's own; "none" is Dr. GRPO
    "vllm_importance_sampling_mode": "sequence_mask",  # TRL's own; vespo: token_mask. With vLLM alone
    "beta": 0.0,  # no KL term, no reference model; the report measures KL(π‖p0) all the same
    "use_bias_correction_kl": True,  # where there is a KL term, its gradient is the KL's own (arXiv 2512.02556)
    "num_iterations": 1,  # on policy: the importance ratio is 1, clipping never acts
    "epsilon": 0.2,
    "epsilon_high": 0.28,  # DAPO's clip-higher; acts with num_iterations > 1 only
    "lr_scheduler_type": "constant",
    "warmup_steps": 0,
    "weight_decay": 0.0,
    "max_grad_norm": 1.0,
    "optim": "adamw_torch_fused",
    "gradient_checkpointing": False,  # a third more time for less memory: turn it on for long completions
    "disable_dropout": True,
    "report_to": "none",  # trackio, wandb, tensorboard: report_to: [wandb]
    "save_total_limit": 2,
}

OWNED: dict[str, str] = {
    "output_dir": "--output",
    "max_steps": "train.steps",
    "num_train_epochs": "train.steps",
    "learning_rate": "train.learning_rate",
    "num_generations": "train.group_size",
    "per_device_train_batch_size": "train.groups_per_micro_step",
    "gradient_accumulation_steps": "train.groups_per_step",
    "generation_batch_size": "train.groups_per_step",
    "steps_per_generation": "train.groups_per_step",
    "max_completion_length": "sampling.max_new_tokens",
    "temperature": "sampling.temperature",
    "top_p": "sampling.top_p",
    "top_k": "sampling.top_k",
    "min_p": "sampling.min_p",
    "use_vllm": "sampling.engine",
    "save_steps": "train.checkpoint_every",
    "save_strategy": "train.checkpoint_every",
    "logging_steps": "metrics.jsonl, which has a line per step",
    "logging_strategy": "metrics.jsonl, which has a line per step",
    "load_best_model_at_end": "the best checkpoint, which stays in checkpoints/",
    "metric_for_best_model": "held-out pass@1, which says what the best checkpoint is",
    "eval_strategy": "train.eval_every",
    "eval_steps": "train.eval_every",
    "seed": "seed",
    "data_seed": "seed",
    "trust_remote_code": "trust_remote_code",
    "model_init_kwargs": "model, revision, dtype and trust_remote_code",
    "chat_template_kwargs": "evidence",
    "reward_weights": "train.shaping",
    "callbacks": "train.hooks",
    "resume_from_checkpoint": "resume",
    "disable_tqdm": "-q",
}
"""Keys of GRPOConfig that another key of ours decides."""

UNDERSTOOD = frozenset(
    [
        *(
            "loss_type",
            "scale_rewards",
            "num_iterations",
            "epsilon",
            "epsilon_high",
            "delta",
            "importance_sampling_level",
        ),
        *("sapo_temperature_neg", "sapo_temperature_pos"),
        *("vespo_k_pos", "vespo_lambda_pos", "vespo_k_neg", "vespo_lambda_neg"),
        *("mask_truncated_completions", "off_policy_mask_threshold", "top_entropy_quantile"),
        *(
            "entropy_coef",
            "use_adaptive_entropy",
            "entropy_coef_min",
            "entropy_coef_max",
            "entropy_coef_delta",
        ),
        *("entropy_target", "router_aux_loss_coef", "disable_dropout"),
        *(
            "beta",
            "use_bias_correction_kl",
            "sync_ref_model",
            "ref_model_mixup_alpha",
            "ref_model_sync_steps",
        ),
        *("vllm_importance_sampling_correction", "vllm_importance_sampling_mode"),
        *("vllm_importance_sampling_clip_max", "vllm_importance_sampling_clip_min"),
        *("lr_scheduler_type", "lr_scheduler_kwargs", "warmup_steps", "weight_decay", "max_grad_norm"),
        *("optim", "optim_args", "adam_beta1", "adam_beta2", "adam_epsilon"),
        *("bf16", "fp16", "tf32", "use_cpu", "gradient_checkpointing", "gradient_checkpointing_kwargs"),
        *("report_to", "run_name", "project", "save_total_limit"),
        *("ddp_find_unused_parameters", "ddp_bucket_cap_mb", "ddp_broadcast_buffers", "ddp_static_graph"),
    ]
)
"""What the loop reads, under TRL's names and with TRL's meaning."""

REFUSED: dict[str, str] = {
    "repetition_penalty": "log-probabilities would not be those of the policy that is trained",
    "generation_kwargs": "both engines sample by `sampling` alone",
    "cache_implementation": "the sampler has caches of its own",
    "use_transformers_paged": "the sampler has caches of its own",
    "use_transformers_continuous_batching": "the sampler batches continuously",
    "transformers_continuous_batching_config": "the sampler batches continuously",
    "neftune_noise_alpha": "noise on embeddings makes sampler and trainer differ",
    "save_only_model": "a run could not go on from such a checkpoint",
    "ignore_data_skip": "problems are a function of the step: there is nothing to skip",
    "remove_unused_columns": "problems have no columns that a model reads",
    "multi_objective_aggregation": "a sample has one reward, made by train.reward and train.shaping",
    "use_liger_kernel": "it replaces the forward that the packed update asks for chosen positions",
    "torch_compile": "it was never tried with the packed update",
    "deepspeed": "the launcher brings it: accelerate launch --config_file",
    "fsdp": "the launcher brings it: accelerate launch --config_file",
    "fsdp_config": "the launcher brings it: accelerate launch --config_file",
    "accelerator_config": "the launcher brings it: accelerate launch --config_file",
    "push_to_hub": "model/ of the run folder is what transformers uploads: huggingface-cli upload",
    "log_completions": "rollouts/train-*.jsonl hold every sample",
}
"""Keys of GRPOConfig that would change nothing here, or for the worse, with the reason."""


def check(train: TrainConfig) -> None:
    """Refuse keys of `train.trl` that GRPOConfig does not have, or that another key of ours decides.

    Raises:
        ConfigError: names the key and the nearest known one.
    """
    known = {field.name for field in fields(GRPOConfig) if field.init}
    for key in train.trl:
        if key in OWNED:
            raise ConfigError(f"train.trl.{key}: is set by {OWNED[key]}")
        if key in REFUSED:
            raise ConfigError(f"train.trl.{key}: {REFUSED[key]}")
        if key.startswith("vllm_") and key not in UNDERSTOOD:
            raise ConfigError(f"train.trl.{key}: is set by sampling.vllm")
        if key not in UNDERSTOOD:
            near = difflib.get_close_matches(key, sorted(UNDERSTOOD), n=1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            why = "the loop does not read it" if key in known else "TRL's GRPOConfig has no such field"
            raise ConfigError(f"train.trl.{key}: {why}{hint}")
    loss_type = train.trl.get("loss_type", DEFAULTS["loss_type"])
    if loss_type not in LOSS_TYPES:
        raise ConfigError(
            f"train.trl.loss_type: found {loss_type!r}; expected one of {', '.join(LOSS_TYPES)}"
        )
    if train.algorithm != "grpo" and "scale_rewards" in train.trl:
        raise ConfigError(
            f"train.trl.scale_rewards: {train.algorithm} does not scale rewards; it belongs to grpo"
        )
    if train.algorithm == "rejection":
        for key in ("beta", "entropy_coef", "loss_type"):
            if train.trl.get(key):
                raise ConfigError(f"train.trl.{key}: has no place in train.algorithm=rejection")


def grpo_config(config: Config, output: Path, longest_prompt: int) -> GRPOConfig:
    """TRL's arguments for this config on this many processes.

    Args:
        longest_prompt: tokens, for the size of a micro-step.

    Raises:
        ConfigError: the groups of a step cannot be shared out evenly, or TRL refuses a value.
    """
    check(config.train)
    train, sampling = config.train, config.sampling
    groups = groups_per_process(train.groups_per_step, processes().num_processes)
    micro = groups_per_micro_step(train, groups, longest_prompt + sampling.max_new_tokens)
    kind = device().type
    cuda = kind == "cuda"
    settings: dict[str, Any] = (
        DEFAULTS | {"bf16": cuda and torch.cuda.is_bf16_supported(), "use_cpu": kind == "cpu"} | train.trl
    )
    if settings["loss_type"] == "vespo" and "vllm_importance_sampling_mode" not in train.trl:
        settings["vllm_importance_sampling_mode"] = "token_mask"  # the loss takes one ratio per token
    try:
        return GRPOConfig(
            output_dir=str(output),
            max_steps=train.steps,
            learning_rate=train.learning_rate,
            num_generations=train.group_size,
            per_device_train_batch_size=micro * train.group_size,
            gradient_accumulation_steps=groups // micro,
            max_completion_length=sampling.max_new_tokens,
            temperature=sampling.temperature,
            top_p=sampling.top_p,
            top_k=sampling.top_k,
            min_p=sampling.min_p or None,
            save_strategy="no",  # `CheckpointPolicy` says when
            logging_steps=1,
            eval_strategy="no",
            seed=config.seed,
            trust_remote_code=config.trust_remote_code,
            disable_tqdm=True,
            remove_unused_columns=False,
            dataloader_num_workers=0,
            **settings,
        )
    except (TypeError, ValueError) as error:
        raise ConfigError(f"train.trl: TRL refuses these arguments: {error}") from error


def lora_config(train: TrainConfig) -> LoraConfig | None:
    """peft's configuration of the adapters, None for full weights. PPO's value head is trained whole."""
    lora = train.lora
    if lora is None:
        return None
    whole = [VALUE_HEAD] if train.algorithm == "ppo" else None
    return LoraConfig(
        r=lora.r,
        lora_alpha=lora.alpha,
        lora_dropout=lora.dropout,
        target_modules=lora.target_modules,
        task_type="CAUSAL_LM",
        modules_to_save=whole,
        exclude_modules=whole,
    )


def groups_per_process(groups: int, processes: int) -> int:
    """Whole groups for each process; a group is never split between two."""
    share, rest = divmod(groups, processes)
    if rest:
        near = sorted({max(1, share) * processes, (share + 1) * processes})
        raise ConfigError(
            f"train.groups_per_step: {groups} problems cannot be shared out evenly over {processes} processes; "
            f"take {' or '.join(map(str, near))}"
        )
    return share


def groups_per_micro_step(train: TrainConfig, groups: int, tokens_per_row: int) -> int:
    """Groups of one forward and backward: what the config says, or the most that stay under the token budget."""
    if train.groups_per_micro_step:
        if groups % train.groups_per_micro_step:
            raise ConfigError(
                f"train.groups_per_micro_step: {train.groups_per_micro_step} does not divide the "
                f"{groups} groups of each process"
            )
        return train.groups_per_micro_step
    fitting = [
        n
        for n in range(1, groups + 1)
        if groups % n == 0 and n * train.group_size * tokens_per_row <= MICRO_STEP_TOKENS
    ]
    return max(fitting, default=1)
