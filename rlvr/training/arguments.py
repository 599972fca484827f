"""From our config to TRL's: sizes are derived, and every default that decides a result is explicit."""

from __future__ import annotations

import difflib
import math
from dataclasses import fields
from enum import EnumMeta
from functools import cache
from pathlib import Path
from typing import Any, get_args, get_type_hints

import torch
from accelerate.tracking import LOGGER_TYPE_TO_CLASS, get_available_trackers
from accelerate.utils import LoggerType
from pydantic import TypeAdapter, ValidationError
from trl.trainer.grpo_config import GRPOConfig

from rlvr.config import LOSS_TYPES, Config, ConfigError, TrainConfig
from rlvr.launch.processes import processes
from rlvr.policy import device

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
    "activation_checkpointing": False,  # a third more time for less memory: turn it on for long completions
    "disable_dropout": True,
    "report_to": "none",  # trackio, wandb, tensorboard: report_to: [wandb]
    "project": "rlvr",  # of the trackers
    "save_total_limit": 2,
}

OWNED: dict[str, str] = {
    "output_dir": "--output",
    "max_steps": "train.steps",
    "num_train_epochs": "train.steps",
    "learning_rate": "train.learning_rate",
    "num_generations": "train.group_size",
    "per_device_train_batch_size": "train.rows_per_micro_step",
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
    "load_best_model_at_end": "train.keep",
    "metric_for_best_model": "train.best_by",
    "eval_strategy": "train.eval_every",
    "eval_steps": "train.eval_every",
    "seed": "seed",
    "data_seed": "seed",
    "trust_remote_code": "trust_remote_code",
    "model_init_kwargs": "model, revision, dtype and trust_remote_code",
    "chat_template_kwargs": "evidence.template_options",
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
        *("bf16", "fp16", "tf32", "gradient_checkpointing", "gradient_checkpointing_kwargs"),
        *("activation_checkpointing", "activation_checkpointing_kwargs"),
        *("report_to", "run_name", "project", "save_total_limit"),
        *("ddp_find_unused_parameters", "ddp_bucket_cap_mb", "ddp_broadcast_buffers", "ddp_static_graph"),
    ]
)
"""What the loop reads, under TRL's names and with TRL's meaning."""

LAUNCHED = "the launcher brings it: accelerate launch --config_file"
COMPILED = "it was never tried with the packed update"
EVALUATED = "evaluations are set by train.eval_every, train.eval_samples and sampling"
RECORDED = "rollouts/train-*.jsonl hold every sample, metrics.jsonl a line per step"
UPLOADED = "model/ of the run folder is what transformers uploads: hf upload"
DRAWN = "train.curriculum says which problems a step draws, and there is no data loader"
WRITTEN = "checkpoints are written by rlvr: train.checkpoint_every"

REFUSED: dict[str, str] = {
    "repetition_penalty": "log-probabilities would not be those of the policy that is trained",
    "generation_kwargs": "both engines sample by `sampling` alone",
    "cache_implementation": "the sampler has caches of its own",
    "use_cache": "the sampler has caches of its own",
    "use_transformers_paged": "the sampler has caches of its own",
    "use_transformers_continuous_batching": "the sampler batches continuously",
    "transformers_continuous_batching_config": "the sampler batches continuously",
    "max_tool_calling_iterations": "an episode's turns are the environment's to say",
    "neftune_noise_alpha": "noise on embeddings makes sampler and trainer differ",
    "multi_objective_aggregation": "a sample has one reward, made by train.reward and train.shaping",
    "average_tokens_across_devices": "denominators are always those of the whole step",
    "label_smoothing_factor": "the loss is one of train.trl.loss_type",
    "pad_to_multiple_of": "the packed update pads nothing",
    "auto_find_batch_size": "train.rows_per_micro_step says how much is read at once",
    "torch_empty_cache_steps": "train.rows_per_micro_step says how much is read at once",
    "cast_lm_head_to_fp32": "the packed update computes log-probabilities by its own head, which sums in float32",
    "optim_target_modules": "the loop takes plain optimisers, none that wraps layers",
    "use_liger_kernel": "it replaces the forward that the packed update asks for chosen positions",
    "liger_kernel_config": "it replaces the forward that the packed update asks for chosen positions",
    "use_cpu": "the device is the best that the machine has: CUDA_VISIBLE_DEVICES= hides a GPU",
    "full_determinism": "it is torch's to say: torch.use_deterministic_algorithms in a hook's module",
    "debug": "it belongs to transformers' Trainer: rlvr --debug shows where something failed",
    "skip_memory_metrics": "metrics.jsonl has no memory figures",
    "include_num_input_tokens_seen": "metrics.jsonl counts the tokens that were sampled",
    "ds3_gather_for_generation": "sharded weights are always gathered to sample",
    **dict.fromkeys(
        ("do_train", "do_eval", "do_predict"), "the command's verb says it: rlvr train, eval, run"
    ),
    **dict.fromkeys(("torch_compile", "torch_compile_backend", "torch_compile_mode"), COMPILED),
    **dict.fromkeys(
        ("deepspeed", "fsdp", "fsdp_config", "accelerator_config", "parallelism_config"), LAUNCHED
    ),
    **dict.fromkeys(("ddp_backend", "ddp_timeout", "local_rank"), LAUNCHED),
    **dict.fromkeys(("shuffle_dataset", "train_sampling_strategy", "length_column_name"), DRAWN),
    **dict.fromkeys(("ignore_data_skip", "remove_unused_columns", "label_names"), DRAWN),
    **dict.fromkeys(("save_only_model", "save_on_each_node", "enable_jit_checkpoint"), WRITTEN),
    **dict.fromkeys(("restore_callback_states_from_checkpoint",), WRITTEN),
    **dict.fromkeys(("per_device_eval_batch_size", "prediction_loss_only", "include_for_metrics"), EVALUATED),
    **dict.fromkeys(("batch_eval_metrics", "num_generations_eval", "greater_is_better"), EVALUATED),
    **dict.fromkeys(("bf16_full_eval", "fp16_full_eval"), EVALUATED),
    **dict.fromkeys(("logging_first_step", "logging_nan_inf_filter", "log_on_each_node"), RECORDED),
    **dict.fromkeys(
        ("log_level", "log_level_replica", "log_completions", "log_completions_hub_repo"), RECORDED
    ),
    **dict.fromkeys(("log_multimodal", "log_unique_prompts", "num_completions_to_print"), RECORDED),
    "push_to_hub": UPLOADED,
}
"""Keys of GRPOConfig that would change nothing, or for the worse, with the reason."""

CLUSTER = "kubeflow"
"""A name that transformers itself adds to `report_to` inside a Kubeflow job; accelerate has no such tracker."""

RENAMED = {
    "gradient_checkpointing": "activation_checkpointing",
    "gradient_checkpointing_kwargs": "activation_checkpointing_kwargs",
}
"""Names that TRL's documentation uses and transformers has replaced: both are taken."""

REFUSED_FAMILIES = {
    "dataloader_": DRAWN,
    "eval_": EVALUATED,
    "hub_": UPLOADED,
    "trackio_": "accelerate's tracker does not take it",
    "vllm_": "is set by sampling.vllm",
}
"""The same by the first word of a key, for those that are neither understood nor owned."""


def check(train: TrainConfig) -> None:
    """Refuse keys of `train.trl` that GRPOConfig does not have, or that another key of ours decides.

    Raises:
        ConfigError: names the key and the nearest known one.
    """
    for key in train.trl:
        if why := refusal(key):
            raise ConfigError(f"train.trl.{key}: {why}")
    loss_type = train.trl.get("loss_type", DEFAULTS["loss_type"])
    if loss_type not in LOSS_TYPES:
        raise ConfigError(
            f"train.trl.loss_type: found {loss_type!r}; expected one of {', '.join(LOSS_TYPES)}"
        )
    check_values(train)
    if train.algorithm != "grpo" and "scale_rewards" in train.trl:
        raise ConfigError(
            f"train.trl.scale_rewards: {train.algorithm} does not scale rewards; it belongs to grpo"
        )
    if train.imitates:
        for key in ("beta", "entropy_coef", "loss_type"):
            if train.trl.get(key):
                raise ConfigError(f"train.trl.{key}: has no place in train.algorithm={train.algorithm}")
    if train.distill is not None:
        check_distillable(train)


def check_distillable(train: TrainConfig) -> None:
    """Refuse what reads an advantage as the whole completion's, or moves the teacher. Raises ConfigError."""
    trl = DEFAULTS | train.trl
    whole = {
        "importance_sampling_level": trl.get("importance_sampling_level") == "sequence",
        "loss_type": trl["loss_type"] in ("luspo", "vespo"),
        "off_policy_mask_threshold": trl.get("off_policy_mask_threshold") is not None,
    }
    for key in (key for key, asked in whole.items() if asked and not train.imitates):
        raise ConfigError(
            f"train.trl.{key}: {trl[key]} weighs whole completions, and train.distill.direction=reverse weighs tokens"
        )
    if trl.get("sync_ref_model"):
        raise ConfigError("train.trl.sync_ref_model: would move the teacher of train.algorithm=distill too")


def refusal(key: str) -> str | None:
    """Why `train.trl` cannot have this key; None where the loop reads it."""
    if key in UNDERSTOOD:
        return None
    if key in OWNED:
        return f"is set by {OWNED[key]}"
    known = {field.name for field in fields(GRPOConfig)}
    family = next((why for start, why in REFUSED_FAMILIES.items() if key.startswith(start)), None)
    if key in known and (why := REFUSED.get(key, family)):
        return why
    near = difflib.get_close_matches(key, sorted(UNDERSTOOD), n=1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    return ("the loop does not read it" if key in known else "TRL's GRPOConfig has no such field") + hint


RANGES: dict[str, tuple[float, float]] = {
    **dict.fromkeys(("beta", "epsilon", "epsilon_high", "delta", "off_policy_mask_threshold"), (0, math.inf)),
    **dict.fromkeys(
        ("router_aux_loss_coef", "entropy_target", "weight_decay", "max_grad_norm"), (0, math.inf)
    ),
    **dict.fromkeys(
        ("warmup_steps", "save_total_limit", "adam_epsilon", "entropy_coef_delta"), (0, math.inf)
    ),
    **dict.fromkeys(("num_iterations", "ref_model_sync_steps", "ddp_bucket_cap_mb"), (1, math.inf)),
    **dict.fromkeys(("top_entropy_quantile", "ref_model_mixup_alpha"), (0, 1)),
    **dict.fromkeys(("adam_beta1", "adam_beta2"), (0, 1 - 1e-9)),
    **dict.fromkeys(("sapo_temperature_neg", "sapo_temperature_pos"), (1e-9, math.inf)),
    **dict.fromkeys(("vespo_k_pos", "vespo_k_neg", "vespo_lambda_pos", "vespo_lambda_neg"), (0, math.inf)),
    **dict.fromkeys(
        ("vllm_importance_sampling_clip_max", "vllm_importance_sampling_clip_min"), (0, math.inf)
    ),
    **dict.fromkeys(("entropy_coef", "entropy_coef_min", "entropy_coef_max"), (-math.inf, math.inf)),
}
"""Least and greatest value of each number that the loop reads; GRPOConfig itself takes any."""


@cache
def hints() -> dict[str, Any]:
    """The type of each field of GRPOConfig."""
    return get_type_hints(GRPOConfig)


def typed(key: str, value: Any) -> Any:
    """The value of `train.trl.KEY` as GRPOConfig declares it.

    Raises:
        ConfigError: it is of another type, out of range, or none of the names that there are.
    """
    kinds = get_args(hints()[key]) or (hints()[key],)
    if names := next((kind for kind in kinds if isinstance(kind, EnumMeta)), None):
        known = [str(member.value) for member in names]  # type: ignore[attr-defined]
        if value not in known:
            near = difflib.get_close_matches(str(value), known, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"expected one of {', '.join(known)}"
            raise ConfigError(f"train.trl.{key}: found {value!r}; {hint}")
        return value
    if key == "scale_rewards":  # GRPOConfig says text, and takes truth values too
        return value
    try:
        found = TypeAdapter(hints()[key]).validate_python(value)
    except ValidationError as error:
        raise ConfigError(f"train.trl.{key}: {error.errors()[0]['msg']}; found {value!r}") from None
    low, high = RANGES.get(key, (-math.inf, math.inf))
    if isinstance(found, int | float) and not low <= found <= high:
        expected = f"from {low:g} to {high:g}" if high < math.inf else f"at least {low:g}"
        raise ConfigError(f"train.trl.{key}: found {value!r}; expected a number {expected}")
    return found


def check_values(train: TrainConfig) -> None:
    """Refuse values that GRPOConfig takes and the loop cannot follow. Raises ConfigError."""
    trl = DEFAULTS | {key: typed(key, value) for key, value in train.trl.items()}
    if trl["scale_rewards"] not in ("group", "batch", "none", True, False):
        raise ConfigError(
            f"train.trl.scale_rewards: found {trl['scale_rewards']!r}; expected group, batch or none"
        )
    if trl["lr_scheduler_type"] in ("reduce_lr_on_plateau", "greedy"):
        raise ConfigError(
            f"train.trl.lr_scheduler_type: {trl['lr_scheduler_type']} follows a loss, which says little in RL; "
            "take one that is a function of the step"
        )
    if trl.get("sync_ref_model"):
        if not trl["beta"]:
            raise ConfigError(
                "train.trl.sync_ref_model: there is no reference model to move: train.trl.beta is 0"
            )
        if train.adapter.kind != "full":
            raise ConfigError(
                "train.trl.sync_ref_model: with an adapter the reference is what it began with, which stays"
            )


def trackers(report_to: str | list[str] | None) -> list[str]:
    """The trackers that `report_to` names.

    Raises:
        ConfigError: accelerate does not know one, or would leave it out in silence, since it is not installed.
    """
    names = [report_to] if isinstance(report_to, str) else list(report_to or [])
    names = [name for name in names if name not in ("none", CLUSTER)]
    for name in names:
        if name not in LOGGER_TYPE_TO_CLASS:
            known = ", ".join(LOGGER_TYPE_TO_CLASS)
            raise ConfigError(f"train.trl.report_to: found {name!r}; expected some of {known}")
        if name in LoggerType and LoggerType(name) not in get_available_trackers():
            raise ConfigError(f"train.trl.report_to: {name} is not installed")
    return names


def grpo_config(config: Config, output: Path, longest_prompt: int, count: int | None = None) -> GRPOConfig:
    """TRL's arguments for this config.

    Args:
        longest_prompt: tokens, for the size of a micro-step.
        count: of processes that train; None: those of this launch.

    Raises:
        ConfigError: the groups of a step cannot be shared out evenly, or TRL refuses a value.
    """
    check(config.train)
    train, sampling = config.train, config.sampling
    groups = groups_per_process(train.groups_per_step, count or processes().num_processes)
    micro = groups_per_micro_step(train, groups, longest_prompt + sampling.max_new_tokens)
    kind = device().type
    cuda = kind == "cuda"
    asked = {RENAMED.get(key, key): typed(key, value) for key, value in train.trl.items()}
    bf16 = cuda and torch.cuda.is_bf16_supported() and not asked.get("fp16")
    settings: dict[str, Any] = DEFAULTS | {"bf16": bf16} | asked
    if settings.get("fp16") and not cuda:
        raise ConfigError("train.trl.fp16: needs a GPU")
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
            use_cpu=kind == "cpu",
            **settings,
        )
    except (TypeError, ValueError) as error:
        raise ConfigError(f"train.trl: TRL refuses these arguments: {error}") from error


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
    """Groups of a micro-step: what the config says, one where it cuts groups into parts, or the most that stay under
    the token budget. How many passes it takes is `pass_size`'s to say.

    Raises:
        ConfigError: the rows that are asked for are no whole groups, or do not divide those of a process.
    """
    rows = train.rows_per_micro_step
    if rows and rows <= train.group_size:
        return 1
    if rows:
        asked, rest = divmod(rows, train.group_size)
        if rest or groups % asked:
            raise ConfigError(
                f"train.rows_per_micro_step: found {rows}; expected at most a group ({train.group_size} rows), or as "
                f"many whole groups as divide the {groups} of each process"
            )
        return asked
    fitting = [
        n
        for n in range(1, groups + 1)
        if groups % n == 0 and n * train.group_size * tokens_per_row <= MICRO_STEP_TOKENS
    ]
    return max(fitting, default=1)
