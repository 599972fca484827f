import re

import pytest
from trl.trainer.grpo_config import GRPOConfig

from rlvr.config import LOSS_TYPES, ConfigError, TrainConfig
from rlvr.training.arguments import check, groups_per_micro_step, groups_per_process, grpo_config
from rlvr.training.objective import Objective
from tests.conftest import quickstart_config


def test_sizes_are_derived(tmp_path):
    config = quickstart_config(
        train=TrainConfig(steps=3, groups_per_step=6, group_size=4, groups_per_micro_step=2)
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


def test_the_micro_step_stays_under_the_token_budget():
    train = TrainConfig(group_size=8)
    assert groups_per_micro_step(train, groups=8, tokens_per_row=100) == 8
    assert groups_per_micro_step(train, groups=8, tokens_per_row=1000) == 2
    assert groups_per_micro_step(train, groups=7, tokens_per_row=1000) == 1
    assert groups_per_micro_step(train, groups=4, tokens_per_row=100_000) == 1


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


@pytest.mark.parametrize("loss_type", sorted(LOSS_TYPES))
def test_the_correction_for_another_engine_has_a_default_that_the_loss_takes(tmp_path, loss_type):
    level = "sequence" if loss_type == "luspo" else "token"
    train = TrainConfig(trl={"loss_type": loss_type, "importance_sampling_level": level})
    args = grpo_config(quickstart_config(train=train), tmp_path, longest_prompt=20)
    correction = Objective.of(args, other_engine=True).correction
    assert correction and correction.mode == ("token_mask" if loss_type == "vespo" else "sequence_mask")
