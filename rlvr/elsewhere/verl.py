"""verl (github.com/volcengine/verl, keys of `trainer/config/ppo_trainer.yaml` as of January 2026).

Written are `train.parquet` and one file for the held-out set and each probe set, in verl's columns; `reward.py`, which
calls our verifiers; and `run.sh`, verl's command with our hyper-parameters. Rollouts are dumped where `rlvr report`
finds them.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as parquet

from rlvr.elsewhere.hand_over import (
    Left,
    Prepared,
    almost,
    chat_template,
    messages,
    not_taken,
    refuse,
    write_reward,
    write_script,
)
from rlvr.policy import place_of

ALGORITHMS = {"grpo": "grpo", "rloo": "rloo"}
AGGREGATION = {
    "dapo": "token-mean",
    "bnpo": "token-mean",
    "grpo": "seq-mean-token-mean",
    "cispo": "token-mean",
}
"""Our loss type → verl's `loss_agg_mode`."""
SCHEDULES = ("constant", "constant_with_warmup", "cosine")
TAKEN = (
    *("train.trl.num_iterations", "train.trl.epsilon", "train.trl.epsilon_high"),
    *("train.trl.use_bias_correction_kl", "train.trl.activation_checkpointing"),
)
"""Keys that this file writes, or speaks of."""


def write(prepared: Prepared, into: Path) -> Iterator[Left]:
    """The files, and what they cannot say.

    Raises UserError: verl has no such algorithm, loss or adapter, or its episodes have one turn.
    """
    _refuse(prepared)
    into.mkdir(parents=True, exist_ok=True)
    for name, problems in prepared.sets.items():
        rows = [row(prepared, name, index, problem) for index, problem in enumerate(problems)]
        parquet.write_table(pa.Table.from_pylist(rows), into / f"{name}.parquet")
    write_reward(prepared.config, into)
    words = [
        shlex.quote(f"{key}={_hydra(value)}") for key, value in settings(prepared, into.resolve()).items()
    ]
    command = " \\\n    ".join(["exec python3 -m verl.trainer.main_ppo", *words])
    write_script(into, "verl", "trainer.n_gpus_per_node=8 trainer.nnodes=1", command)
    yield from _almost(prepared)
    yield from not_taken(prepared.config, TAKEN)


def _refuse(prepared: Prepared) -> None:
    algorithm, loss = prepared.config.train.algorithm, prepared.arguments.loss_type
    own = [
        (algorithm not in ALGORITHMS, "train.algorithm", algorithm, " or ".join(ALGORITHMS)),
        (loss not in AGGREGATION, "train.trl.loss_type", loss, ", ".join(AGGREGATION)),
    ]
    refuse("verl", prepared, own)


def row(prepared: Prepared, name: str, index: int, problem: Any) -> dict[str, Any]:
    """One problem in verl's columns; the whole of it, for the verifier, in `extra_info`."""
    reference = problem.reference
    return {
        "data_source": problem.source or name,
        "prompt": messages(prepared, problem),
        "ability": prepared.config.verifier,
        "reward_model": {
            "style": "rule",
            "ground_truth": reference if isinstance(reference, str) else json.dumps(reference),
        },
        "extra_info": {
            "split": name,
            "index": index,
            "problem_id": problem.id,
            "problem": json.dumps(asdict(problem)),
        },
    }


def settings(prepared: Prepared, into: Path) -> dict[str, Any]:
    """verl's keys, in its own names."""
    config, args = prepared.config, prepared.arguments
    train, sampling, adapter = config.train, config.sampling, config.train.adapter
    actor, rollout = "actor_rollout_ref.actor", "actor_rollout_ref.rollout"
    examined = [str(into / f"{name}.parquet") for name in prepared.sets if name != "train"]
    sequence = args.importance_sampling_level == "sequence"
    found: dict[str, Any] = {
        "algorithm.adv_estimator": ALGORITHMS[train.algorithm],
        "algorithm.norm_adv_by_std_in_grpo": args.scale_rewards == "group",
        "data.train_files": str(into / "train.parquet"),
        "data.val_files": examined,
        "data.train_batch_size": train.groups_per_step,
        "data.max_prompt_length": prepared.longest,
        "data.max_response_length": sampling.max_new_tokens,
        "data.seed": config.seed,
        "actor_rollout_ref.model.path": place_of(config).model,
        "actor_rollout_ref.model.trust_remote_code": config.trust_remote_code,
        "actor_rollout_ref.model.enable_gradient_checkpointing": bool(args.activation_checkpointing),
        f"{actor}.optim.lr": args.learning_rate,
        f"{actor}.optim.weight_decay": args.weight_decay,
        f"{actor}.optim.lr_warmup_steps": int(args.warmup_steps),
        f"{actor}.optim.lr_scheduler_type": "cosine" if args.lr_scheduler_type == "cosine" else "constant",
        f"{actor}.grad_clip": args.max_grad_norm,
        f"{actor}.ppo_mini_batch_size": train.groups_per_step,
        f"{actor}.ppo_epochs": args.num_iterations,
        f"{actor}.use_dynamic_bsz": True,
        f"{actor}.clip_ratio_low": args.epsilon,
        f"{actor}.clip_ratio_high": args.epsilon if args.epsilon_high is None else args.epsilon_high,
        f"{actor}.loss_agg_mode": "seq-mean-token-mean" if sequence else AGGREGATION[args.loss_type],
        f"{actor}.policy_loss.loss_mode": "gspo"
        if sequence
        else "cispo"
        if args.loss_type == "cispo"
        else "vanilla",
        f"{actor}.use_kl_loss": args.beta > 0,
        f"{rollout}.name": "vllm",
        f"{rollout}.n": train.group_size,
        f"{rollout}.temperature": sampling.temperature,
        f"{rollout}.top_p": sampling.top_p,
        f"{rollout}.top_k": sampling.top_k or -1,
        f"{rollout}.val_kwargs.n": train.eval_samples,
        f"{rollout}.val_kwargs.do_sample": sampling.temperature > 0,
        f"{rollout}.val_kwargs.temperature": sampling.temperature,
        f"{rollout}.val_kwargs.top_p": sampling.top_p,
        f"{rollout}.val_kwargs.top_k": sampling.top_k or -1,
        "custom_reward_function.path": str(into / "reward.py"),
        "trainer.total_training_steps": train.steps,
        "trainer.test_freq": train.eval_every or -1,
        "trainer.save_freq": train.checkpoint_every or train.eval_every or train.steps,
        "trainer.val_before_train": True,
        "trainer.rollout_data_dir": str(into / "rollouts"),
        "trainer.validation_data_dir": str(into / "validation"),
        "trainer.default_local_dir": str(into / "checkpoints"),
        "trainer.project_name": "rlvr",
        "trainer.experiment_name": into.name,
        "trainer.logger": ["console"],
    }
    if args.beta > 0:
        found |= {f"{actor}.kl_loss_coef": args.beta, f"{actor}.kl_loss_type": "low_var_kl"}
    if adapter.kind == "lora":
        found[f"{rollout}.load_format"] = "safetensors"  # verl's LoRA needs it
        lora = {"lora_rank": adapter.r or 16, "lora_alpha": adapter.alpha or 32}
        found |= {f"actor_rollout_ref.model.{key}": value for key, value in lora.items()}
        if adapter.target_modules:
            found["actor_rollout_ref.model.target_modules"] = adapter.target_modules
    if template := chat_template(prepared):
        found["actor_rollout_ref.model.custom_chat_template"] = template
    if config.evidence.template == "chat":
        options = config.evidence.template_options.items()
        found |= {f"+data.apply_chat_template_kwargs.{key}": value for key, value in options}
    return found


def _hydra(value: Any) -> str:
    """A value in the grammar of Hydra's overrides: JSON but for lists of words; text in quotes, where it needs them."""
    if isinstance(value, str):
        plain = all(letter.isalnum() or letter in "/._-" for letter in value) and value
        return value if plain else "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"
    if isinstance(value, list | tuple):
        return f"[{','.join(map(_hydra, value))}]"
    return json.dumps(value)


def _almost(prepared: Prepared) -> Iterator[Left]:
    """Keys that have a counterpart which is not quite the same."""
    args = prepared.arguments
    yield from almost("verl", prepared, SCHEDULES)
    if args.beta > 0 and args.use_bias_correction_kl:
        words = "is true: verl's k3 term has the gradient of its estimate, which is not the KL's own"
        yield Left("train.trl.use_bias_correction_kl", words)
    if any(problem.opened for problems in prepared.sets.values() for problem in problems):
        yield Left("thinking_marks", "the prompt opens a thought: verl decodes responses without special tokens, so a "
                   "closing mark that is one is not seen, and such a response has no answer")  # fmt: skip
