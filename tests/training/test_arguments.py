"""Every key of TRL's GRPOConfig is read, or refused by name with the reason."""

import ast
import inspect
import re
from dataclasses import fields
from typing import Any

import pytest
import torch
from accelerate.tracking import get_available_trackers
from accelerate.utils import LoggerType
from transformers import Trainer, TrainingArguments
from trl.trainer.grpo_config import GRPOConfig

from rlvr.config import LOSS_TYPES, ConfigError, TrainConfig
from rlvr.config.training import AdapterSection
from rlvr.training.arguments import (
    OWNED,
    REFUSED,
    REFUSED_FAMILIES,
    RENAMED,
    UNDERSTOOD,
    check,
    groups_per_micro_step,
    groups_per_process,
    grpo_config,
    trackers,
)
from rlvr.training.objective import Objective
from tests.conftest import REPO, quickstart_config

FIELDS = sorted(field.name for field in fields(GRPOConfig))


def test_sizes_are_derived(tmp_path):
    config = quickstart_config(
        train=TrainConfig(steps=3, groups_per_step=6, group_size=4, rows_per_micro_step=8)
    )
    args = grpo_config(config, tmp_path, longest_prompt=20)
    assert args.per_device_train_batch_size == 8
    assert args.gradient_accumulation_steps == args.steps_per_generation == 3
    assert args.generation_batch_size == 24
    assert args.num_generations == 4


def test_our_defaults_are_explicit(tmp_path):
    args = grpo_config(quickstart_config(), tmp_path, longest_prompt=20)
    assert (args.loss_type, args.beta, args.scale_rewards, args.num_iterations) == ("dapo", 0.0, "group", 1)
    assert args.report_to == []


def test_any_field_of_trl_is_reachable(tmp_path):
    train = TrainConfig(steps=2, trl={"loss_type": "dr_grpo", "beta": 0.1, "report_to": ["tensorboard"]})
    args = grpo_config(quickstart_config(train=train), tmp_path, longest_prompt=20)
    assert (args.loss_type, args.beta, args.report_to) == ("dr_grpo", 0.1, ["tensorboard"])


def test_both_names_of_activation_checkpointing_are_taken(tmp_path, recwarn):
    for name in ("gradient_checkpointing", "activation_checkpointing"):
        train = TrainConfig(trl={name: True, f"{name}_kwargs": {"use_reentrant": True}})
        args = grpo_config(quickstart_config(train=train), tmp_path, longest_prompt=20)
        assert args.activation_checkpointing is True
        assert args.activation_checkpointing_kwargs == {"use_reentrant": True}
    assert grpo_config(quickstart_config(), tmp_path, longest_prompt=20).activation_checkpointing is False
    assert not [w for w in recwarn if "checkpointing" in str(w.message)]


@pytest.mark.parametrize("name", FIELDS)
def test_no_key_of_trl_is_taken_in_silence(name):
    """A field that a new version of TRL brings belongs to one of the four."""
    family = name.startswith(tuple(REFUSED_FAMILIES)) and name not in {*UNDERSTOOD, *OWNED, *REFUSED}
    assert [name in UNDERSTOOD, name in OWNED, name in REFUSED, family].count(True) == 1
    if name not in UNDERSTOOD:
        with pytest.raises(ConfigError, match=rf"^train\.trl\.{name}: ") as refused:
            check(TrainConfig(trl={name: True}))
        assert "the loop does not read it" not in str(refused.value)


def test_what_is_understood_exists():
    assert set(FIELDS) >= UNDERSTOOD
    assert set(OWNED) - {"callbacks"} <= set(FIELDS)  # the trainer's, which people look for
    assert set(REFUSED) <= set(FIELDS)


def read_in_training() -> set[str]:
    """Names x of `args.x`, `self.args.x` in rlvr/training, and of `…["x"]`; the file that declares them left out."""
    found = set[str]()
    for file in (REPO / "rlvr" / "training").glob("*.py"):
        if file.name == "arguments.py":
            continue
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Attribute) and ast.unparse(node.value).split(".")[-1] == "args":
                found.add(node.attr)
            elif isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant):
                found.add(str(node.slice.value))
    return found


class Recorder:
    """Arguments that remember which of them were read."""

    def __init__(self, args: GRPOConfig) -> None:
        self.args, self.read = args, set[str]()

    def __getattr__(self, name: str) -> Any:
        self.read.add(name)
        return getattr(self.args, name)


def test_what_is_understood_is_read(tmp_path):
    args = grpo_config(quickstart_config(), tmp_path, longest_prompt=20)
    by_transformers: Any = Recorder(args)
    Trainer.get_optimizer_cls_and_kwargs(by_transformers, torch.nn.Linear(1, 1))  # type: ignore[arg-type]
    type(args).get_warmup_steps(by_transformers, 10)
    when_made = {"tf32"} if "self.tf32" in inspect.getsource(TrainingArguments.__post_init__) else set()
    read = read_in_training() | by_transformers.read | when_made
    assert read | {old for old, new in RENAMED.items() if new in read} >= UNDERSTOOD


def test_tf32_is_applied_or_refused(tmp_path):
    """transformers switches it when the arguments are made; without such a GPU it refuses."""
    config = quickstart_config(train=TrainConfig(trl={"tf32": True}))
    before = torch.backends.cuda.matmul.allow_tf32
    try:
        if torch.cuda.is_available() and torch.cuda.get_device_capability()[0] >= 8:
            torch.backends.cuda.matmul.allow_tf32 = False
            grpo_config(config, tmp_path, longest_prompt=20)
            assert torch.backends.cuda.matmul.allow_tf32
        else:
            with pytest.raises(ConfigError, match="tf32 requires Ampere"):
                grpo_config(config, tmp_path, longest_prompt=20)
    finally:
        torch.backends.cuda.matmul.allow_tf32 = before


def test_the_micro_step_stays_under_the_token_budget():
    train = TrainConfig(group_size=8)
    assert groups_per_micro_step(train, groups=8, tokens_per_row=100) == 8
    assert groups_per_micro_step(train, groups=8, tokens_per_row=1000) == 2
    assert groups_per_micro_step(train, groups=7, tokens_per_row=1000) == 1
    assert groups_per_micro_step(train, groups=4, tokens_per_row=100_000) == 1


@pytest.mark.parametrize(("rows", "groups"), [(1, 1), (5, 1), (8, 1), (16, 2), (64, 8)])
def test_rows_are_whole_groups_or_parts_of_one(rows, groups):
    train = TrainConfig(group_size=8, rows_per_micro_step=rows)
    assert groups_per_micro_step(train, groups=8, tokens_per_row=100_000) == groups


@pytest.mark.parametrize("rows", [12, 24, 128])
def test_rows_that_leave_a_rest_are_refused(rows):
    train = TrainConfig(group_size=8, rows_per_micro_step=rows)
    with pytest.raises(ConfigError, match=f"rows_per_micro_step: found {rows}; expected at most a group"):
        groups_per_micro_step(train, groups=8, tokens_per_row=10)


def test_groups_are_shared_out_whole():
    assert groups_per_process(8, 4) == 2
    with pytest.raises(ConfigError, match="take 6 or 9"):
        groups_per_process(8, 3)
    with pytest.raises(ConfigError, match=r"take 4$"):
        groups_per_process(2, 4)


@pytest.mark.parametrize(
    ("trl", "message"),
    [
        ({"num_generations": 4}, "is set by train.group_size"),
        ({"epsilonn": 0.2}, "did you mean 'epsilon'"),
        ({"zzz": 1}, "no such field"),
    ],
)
def test_keys_that_cannot_be_are_refused(trl, message):
    with pytest.raises(ConfigError, match=message):
        check(TrainConfig(trl=trl))


@pytest.mark.parametrize(
    ("train", "message"),
    [
        (TrainConfig(trl={"loss_type": "dapoo"}), "found 'dapoo'; expected one of grpo, dr_grpo, dapo"),
        (TrainConfig(algorithm="rloo", trl={"scale_rewards": "batch"}), "rloo does not scale rewards"),
        (TrainConfig(algorithm="rejection", trl={"beta": 0.1}), "has no place in train.algorithm=rejection"),
        (TrainConfig(trl={"scale_rewards": "std"}), "found 'std'; expected group, batch or none"),
        (TrainConfig(trl={"lr_scheduler_type": "reduce_lr_on_plateau"}), "a function of the step"),
        (TrainConfig(trl={"sync_ref_model": True}), "no reference model to move"),
        (
            TrainConfig(adapter=AdapterSection(kind="lora"), trl={"beta": 0.1, "sync_ref_model": True}),
            "the reference is what it began with",
        ),
    ],
)
def test_keys_that_an_algorithm_does_not_have_are_refused(train, message):
    with pytest.raises(ConfigError, match=message):
        check(train)


def test_every_loss_type_of_trl_is_explained():
    of_loss_type = str(GRPOConfig.__doc__).split("loss_type (`str`")[1].split("mask_truncated")[0]
    documented = re.findall(r'- `"(\w+)"`', of_loss_type)
    assert sorted(documented) == sorted(LOSS_TYPES)


def test_values_that_trl_refuses_are_named(tmp_path):
    train = TrainConfig(
        trl={"vllm_importance_sampling_clip_min": 3.0, "vllm_importance_sampling_clip_max": 1.0}
    )
    with pytest.raises(ConfigError, match=r"train\.trl: TRL refuses"):
        grpo_config(quickstart_config(train=train), tmp_path, longest_prompt=20)


def test_a_tracker_that_is_not_installed_is_refused():
    """accelerate would leave it out in silence."""
    missing = set(map(str, LoggerType)) - set(map(str, get_available_trackers())) - {"all"}
    for name in missing:
        with pytest.raises(ConfigError, match=f"report_to: {name} is not installed"):
            trackers(["none", name])
    with pytest.raises(ConfigError, match=r"found 'wandbb'; expected some of .*wandb"):
        trackers("wandbb")


def test_fp16_needs_a_gpu(tmp_path):
    config = quickstart_config(train=TrainConfig(trl={"fp16": True}))
    if torch.cuda.is_available():
        args = grpo_config(config, tmp_path, longest_prompt=20)
        assert args.fp16 and not args.bf16
    else:
        with pytest.raises(ConfigError, match="fp16: needs a GPU"):
            grpo_config(config, tmp_path, longest_prompt=20)


@pytest.mark.parametrize("loss_type", sorted(LOSS_TYPES))
def test_the_correction_for_another_engine_has_a_default_that_the_loss_takes(tmp_path, loss_type):
    level = "sequence" if loss_type == "luspo" else "token"
    train = TrainConfig(trl={"loss_type": loss_type, "importance_sampling_level": level})
    args = grpo_config(quickstart_config(train=train), tmp_path, longest_prompt=20)
    correction = Objective.of(args, other_engine=True).correction
    assert correction and correction.mode == ("token_mask" if loss_type == "vespo" else "sequence_mask")
