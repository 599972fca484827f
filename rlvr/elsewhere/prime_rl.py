"""prime-rl (github.com/PrimeIntellect-ai/prime-rl, its config classes at commit 559b447, August 2026).

Written are `train.jsonl` and one file for the held-out set and each probe set; `rlvr_problems.py`, a taskset of the
package `verifiers` that prime-rl samples; `reward.py`, a process of ours that it asks for verdicts; `rl.toml`, its
configuration with our hyper-parameters; and `run.sh`. `rlvr report` reads the episodes that prime-rl writes.
"""

from __future__ import annotations

import json
import re
import shlex
import shutil
import sys
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rlvr import files
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
from rlvr.source_verifiers import verifiers_of

MODULE = "rlvr_problems"
SCHEDULES = ("constant", "constant_with_warmup", "linear", "cosine")
TAKEN = (
    *("train.adapter.dropout", "sampling.min_p", "train.trl.adam_beta1", "train.trl.adam_beta2"),
    *(
        "train.trl.num_iterations",
        "train.trl.epsilon",
        "train.trl.epsilon_high",
        "train.trl.activation_checkpointing",
    ),
)
"""Keys that this file writes, or speaks of."""


def write(prepared: Prepared, into: Path) -> Iterator[Left]:
    """The files, and what they cannot say.

    Raises UserError: prime-rl has no such algorithm, loss or adapter, or its episodes have one turn.
    """
    _refuse(prepared)
    into.mkdir(parents=True, exist_ok=True)
    judge = " / ".join(dict.fromkeys(verifier.name for verifier in verifiers_of(prepared.config).values()))
    for name, problems in prepared.sets.items():
        rows = (
            {"prompt": messages(prepared, problem), "problem": asdict(problem), "verifier": judge}
            for problem in problems
        )
        files.replace(into / f"{name}.jsonl", (json.dumps(row).encode() + b"\n" for row in rows))
    write_reward(prepared.config, into)
    shutil.copyfile(Path(__file__).with_name("prime_rl_taskset.py"), into / f"{MODULE}.py")
    found = settings(prepared, into.resolve())
    files.replace(into / "rl.toml", [f"{key} = {_toml(value)}\n".encode() for key, value in found.items()])
    here = shlex.quote(str(into.resolve()))
    path = f'export PYTHONPATH={here}"${{PYTHONPATH:+:$PYTHONPATH}}"  # {MODULE}'
    sizes = "--deployment.num-train-gpus 4 --deployment.num-infer-gpus 4 --trainer.model.seq-len 16384"
    write_script(into, "prime-rl", sizes, "# In prime-rl's folder:", path, f"exec uv run rl @ {here}/rl.toml")
    yield from _almost(prepared)
    yield from not_taken(prepared.config, TAKEN)


def _refuse(prepared: Prepared) -> None:
    algorithm, args = prepared.config.train.algorithm, prepared.arguments
    level = args.importance_sampling_level
    own = [
        (algorithm not in ("grpo", "rloo"), "train.algorithm", algorithm, "grpo or rloo"),
        (args.loss_type not in ("dapo", "bnpo"), "train.trl.loss_type", args.loss_type, "dapo or bnpo"),
        (level != "token", "train.trl.importance_sampling_level", level, "token"),
        (args.beta > 0, "train.trl.beta", args.beta, "0: it has no KL to the base"),
    ]
    refuse("prime-rl", prepared, own)


def settings(prepared: Prepared, into: Path) -> dict[str, Any]:
    """prime-rl's keys, in its own names."""
    config, args = prepared.config, prepared.arguments
    train, sampling, adapter = config.train, config.sampling, config.train.adapter
    length = prepared.longest + sampling.max_new_tokens
    found: dict[str, Any] = {
        "output_dir": str(into),
        "run.name": "run",
        "max_steps": train.steps,
        "seq_len": length,
        "model.name": place_of(config).model,
        "tokenizer.trust_remote_code": config.trust_remote_code,
        "ckpt.interval": train.checkpoint_every or train.eval_every or train.steps,
        "inference.vllm.max_model_len": length,
        "inference.vllm.seed": config.seed,
        "inference.vllm.trust_remote_code": config.trust_remote_code,
        "trainer.model.trust_remote_code": config.trust_remote_code,
        "trainer.optim.type": "adamw",
        "trainer.optim.lr": args.learning_rate,
        "trainer.optim.weight_decay": args.weight_decay,
        "trainer.optim.betas1": args.adam_beta1,
        "trainer.optim.betas2": args.adam_beta2,
        "trainer.optim.max_norm": args.max_grad_norm or "None",
        "trainer.loss.type": "default",
        "trainer.loss.kl_tau": 0.0,
        "orchestrator.algo.type": "grpo",
        "orchestrator.batch_size": train.groups_per_step * train.group_size,
        "orchestrator.group_size": train.group_size,
        "orchestrator.max_off_policy_steps": 0,
        "orchestrator.renderer.name": "default",  # the chat template itself
        "orchestrator.train.filter_zero_advantages": False,  # their tokens count in the denominator
        "orchestrator.train.sampling.temperature": sampling.temperature,
        "orchestrator.train.sampling.max_completion_tokens": sampling.max_new_tokens,
        "orchestrator.train.sampling.extra_body": {"top_k": sampling.top_k or -1, "min_p": sampling.min_p},
        "orchestrator.train.source": [_source("train", into)],
        "orchestrator.eval.interval": train.eval_every or max(1, train.steps),
        "orchestrator.eval.group_size": train.eval_samples,
        "orchestrator.eval.sampling.temperature": sampling.temperature,
        "orchestrator.eval.sampling.top_p": sampling.top_p,
        "orchestrator.eval.sampling.top_k": sampling.top_k or -1,
        "orchestrator.eval.sampling.min_p": sampling.min_p,
        "orchestrator.eval.sampling.max_completion_tokens": sampling.max_new_tokens,
        "orchestrator.eval.source": [_source("heldout", into)],
    }
    if train.algorithm == "rloo":  # r − mean of the others = G / (G − 1) (r − mean)
        found["trainer.loss.adv_tau"] = train.group_size / (train.group_size - 1)
    if adapter.kind == "lora":
        lora = {"rank": adapter.r or 16, "alpha": adapter.alpha or 32, "dropout": adapter.dropout or 0.0}
        found |= {f"trainer.model.lora.{key}": value for key, value in lora.items()}
        if wanted := adapter.target_modules:
            found["trainer.model.lora.target_modules"] = [wanted] if isinstance(wanted, str) else wanted
    if template := chat_template(prepared):
        found["tokenizer.chat_template"] = template
    if config.evidence.template == "chat":
        options = config.evidence.template_options.items()
        found |= {f"orchestrator.renderer.{key}": value for key, value in options}
    return found | _schedule(prepared)


def _source(name: str, into: Path) -> dict[str, Any]:
    """One set as prime-rl's source: our taskset, one turn without tools, verdicts from the Python that exports."""
    taskset = {"id": MODULE, "file": str(into / f"{name}.jsonl"), "task": {"python": sys.executable}}
    agent = {"harness": {"id": "null"}, "runtime": {"type": "subprocess"}, "max_turns": 1}
    return {"name": name, "env": {"taskset": taskset, "agent": agent}}


def _schedule(prepared: Prepared) -> dict[str, Any]:
    """The learning rate's course. A constant one with a warm-up is prime-rl's `linear` without decay."""
    args, steps = prepared.arguments, prepared.config.train.steps
    kind, warmup = str(args.lr_scheduler_type.value), int(args.warmup_steps)
    found: dict[str, Any] = {"type": "constant"}
    if kind == "cosine":
        found = {"type": "cosine", "warmup_steps": warmup}
    elif kind == "linear" or (kind == "constant_with_warmup" and warmup):
        decay = max(0, steps - warmup) if kind == "linear" else 0
        found = {"type": "linear", "warmup_steps": warmup, "decay_steps": decay}
    return {f"trainer.scheduler.{key}": value for key, value in found.items()}


def _toml(value: Any) -> str:
    """A value on one line; a string of JSON is one of TOML."""
    if isinstance(value, Mapping):
        pairs = (f"{key if re.fullmatch('[A-Za-z0-9_-]+', key) else json.dumps(key)} = {_toml(of)}"
                 for key, of in value.items())  # fmt: skip
        return "{" + ", ".join(pairs) + "}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_toml, value))}]"
    return json.dumps(value, ensure_ascii=False)


def _almost(prepared: Prepared) -> Iterator[Left]:
    """Keys that have a counterpart which is not quite the same."""
    config, args = prepared.config, prepared.arguments
    yield from almost("prime-rl", prepared, SCHEDULES)
    if args.activation_checkpointing:
        yield Left(
            "train.trl.activation_checkpointing",
            "is true: not written; prime-rl has keys of its own for memory",
        )
    high = args.epsilon if args.epsilon_high is None else args.epsilon_high
    words = f"is {args.epsilon}, and epsilon_high {high}: prime-rl clips no ratio; it masks tokens whose probability "
    yield Left("train.trl.epsilon", f"{words}moved by over 0.2")
    if config.train.algorithm == "grpo" and args.scale_rewards == "group":
        yield Left(
            "train.trl.scale_rewards", "is group: prime-rl's advantage is the reward less the group's mean"
        )
    if args.num_iterations > 1:
        yield Left("train.trl.num_iterations", f"is {args.num_iterations}: prime-rl reads a batch once")
    if config.sampling.top_p != 1.0:
        yield Left("sampling.top_p", f"is {config.sampling.top_p}: prime-rl trains on samples of top_p 1")
    for name in config.problems.probes:
        words = f"{name}.jsonl is written, but not evaluated: all evaluations of a step share one file there"
        yield Left(f"problems.probes.{name}", words)
