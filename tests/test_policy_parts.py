"""Loading a policy, and what is trained of it: names, types, ends, adapters and what they may not be."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch
from peft import LoraConfig

from rlvr.adapter_targets import check_targets, leaves, share
from rlvr.adapters import Lora, check_same, name_of, targets
from rlvr.config import AdapterSection, ConfigError, SamplingConfig, TrainConfig
from rlvr.errors import UserError
from rlvr.model_files import ADAPTER, Place
from rlvr.policy import (
    PolicyError,
    blueprint,
    load_policy,
    load_tokenizer,
    memory_of,
    place_of,
    resolve_dtype,
)
from rlvr.soft_prompt import check_tokens, is_one, tokens_ahead, virtual_tokens
from rlvr.training import rehearsal
from rlvr.training.adapter_check import FOUR_BITS, check_resume, quantisation
from tests.conftest import quickstart_config


def test_where_a_source_lies_and_whose_revision_is_whose(tmp_path):
    config = quickstart_config(model="org/base", revision="v2")
    assert place_of(config) == place_of(config, "org/base") == Place("org/base", "v2")
    assert place_of(config, "org/other") == Place("org/other", None)


def test_a_policy_knows_its_name_its_source_and_its_ends(tiny):
    assert (tiny.name, tiny.weights, tiny.adapter, tiny.own_template) == ("base", "disk", None, True)
    assert not tiny.model.training and tiny.tokenizer.padding_side == "left" and tiny.context == 128
    ended = replace(tiny, turn_end=7)
    assert ended.stop_ids == [*tiny.stop_ids, 7] and tiny.tokenizer.eos_token_id in tiny.stop_ids
    stops = ended.stops_at(SamplingConfig(stop_token_ids=[9, 7]))
    assert stops == [*tiny.stop_ids, 7, 9]
    ids = tiny.words("1+1=2")
    end = tiny.tokenizer.eos_token_id
    assert tiny.decode([*ids, end]) == "1+1=2"
    assert (
        replace(tiny, turn_end=ids[-1]).decode(ids) == "1+1="
        and replace(tiny, turn_end=ids[0]).decode(ids) == "1+1=2"
    )


def test_an_id_beyond_the_vocabulary_ends_nothing(tiny):
    size = len(tiny.tokenizer)
    load_tokenizer(quickstart_config(sampling=SamplingConfig(stop_token_ids=[size - 1])))
    with pytest.raises(PolicyError, match=f"stop_token_ids: {size} is no token of model"):
        load_tokenizer(quickstart_config(sampling=SamplingConfig(stop_token_ids=[size])))


def test_weights_that_are_trained_whole_stay_in_32_bits_and_a_named_type_is_taken():
    def dtype(for_training: bool, **keys: Any) -> torch.dtype:
        policy = load_policy(quickstart_config(**keys), "policy", for_training=for_training, weights=False)
        assert all(p.is_meta for p in policy.model.parameters())
        return policy.model.dtype

    assert dtype(True) == dtype(False) == torch.float32
    assert dtype(True, dtype="bfloat16") == torch.bfloat16
    assert resolve_dtype("float16") == torch.float16
    if not torch.cuda.is_available():
        assert resolve_dtype("auto") == torch.float32


def test_the_memory_of_the_machine_is_what_the_system_says():
    total, free = memory_of(torch.device("cpu"))
    assert 0 < free <= total <= psutil.virtual_memory().total
    assert memory_of(torch.device("mps")) == (0, 0)


# ------------------------------------------------------------------ adapters


@pytest.mark.parametrize(
    ("asked", "taken"),
    [
        (None, "all-linear"), ("q_proj", ["q_proj"]), ("model.layers.0.q_proj", ["model.layers.0.q_proj"]),
        (r".*\.q_proj", r".*\.q_proj"), ("q_proj|v_proj", "q_proj|v_proj"), (["a", "b"], ["a", "b"]),
    ],
)  # fmt: skip
def test_a_single_name_is_no_regular_expression(asked, taken):
    assert targets(asked) == taken


def test_a_new_adapter_has_the_rank_and_scale_of_the_config_or_16_and_32(tiny):
    made = Lora(AdapterSection(kind="lora")).config(tiny.model)
    assert (made.r, made.lora_alpha, made.lora_dropout, made.use_rslora) == (16, 32, 0.0, False)
    assert (
        made.target_modules == "all-linear" and made.modules_to_save is None and made.exclude_modules is None
    )
    own = AdapterSection(kind="lora", r=4, alpha=5, dropout=0.1, target_modules="q_proj", rslora=True)
    made = Lora(own, ["value_head"]).config(tiny.model)
    assert (made.r, made.lora_alpha, made.lora_dropout, made.use_rslora) == (4, 5, 0.1, True)
    assert made.target_modules == {"q_proj"} and made.modules_to_save == ["value_head"]
    assert set(made.exclude_modules or ()) == {"value_head"}


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({}, ""), ({"r": 8, "alpha": 16}, ""), ({"target_modules": ["v_proj", "q_proj"]}, ""), ({"dropout": 0.3}, ""),
        ({"r": 4}, "train.adapter.r is 4, and it has 8"), ({"alpha": 8}, "alpha is 8, and it has 16"),
        ({"target_modules": "q_proj"}, "target_modules is"), ({"rslora": True}, "rslora is True, and it has False"),
    ],
)  # fmt: skip
def test_what_contradicts_an_adapter_that_is_there(asked, said):
    there = LoraConfig(r=8, lora_alpha=16, target_modules=["q_proj", "v_proj"])
    try:
        check_same(AdapterSection.model_validate({"kind": "lora"} | asked), there, "it")
        found = ""
    except ConfigError as error:
        found = str(error)
    assert said in found and bool(said) == bool(found)


def test_layers_that_get_an_adapter_are_there_and_are_not_the_head(tiny):
    model = tiny.model
    names = leaves(model)
    assert "q_proj" in names and "lm_head" not in names and len(set(names)) == len(names)
    for fine in ("all-linear", ["q_proj"], ["model.layers.0.self_attn.q_proj"], r".*\.0\..*q_proj"):
        check_targets(model, fine, "key")
    for wrong, said in (
        (["q_prj"], "the model has no layer 'q_prj'; did you mean 'q_proj'"),
        (["proj"], "the model has no layer 'proj'"),
        (["xyz"], "its linear layers are"),
        ("q_proj", "no layer's full name matches 'q_proj'"),
        ("(", "is not a regular expression"),
        (["lm_head"], "lm_head is the head"),
        (".*head", "lm_head is the head"),
    ):
        with pytest.raises(ConfigError) as refused:
            check_targets(model, wrong, "key")
        assert said in str(refused.value) and str(refused.value).startswith("key: ")
    assert share(1, 3) == "33%" and share(0, 0) == "0%"


def folder(path: Path, **about: Any) -> Path:
    path.mkdir(parents=True)
    (path / ADAPTER).write_text(json.dumps({"base_model_name_or_path": "tiny"} | about))
    return path


def test_how_many_virtual_tokens_come_first(tmp_path):
    soft = folder(tmp_path / "soft", peft_type="PROMPT_TUNING", num_virtual_tokens=5)
    lora = folder(tmp_path / "lora", peft_type="LORA")
    assert is_one(soft) and not is_one(lora) and not is_one(None)
    assert (name_of(soft), name_of(lora), virtual_tokens(soft)) == ("soft_prompt", "lora", 5)
    plain, trains, seven = (
        AdapterSection(), AdapterSection(kind="soft_prompt"), AdapterSection(kind="soft_prompt", tokens=7),
    )  # fmt: skip
    assert [tokens_ahead(one, None) for one in (plain, trains, seven)] == [0, 16, 7]
    assert [tokens_ahead(one, soft) for one in (plain, trains)] == [5, 5] and tokens_ahead(plain, lora) == 0
    check_tokens(trains, 5, "it")
    check_tokens(seven, 7, "it")
    with pytest.raises(ConfigError, match="tokens is 7, and it has 5"):
        check_tokens(seven, 5, "it")
    with pytest.raises(PolicyError, match="an adapter of kind IA3; expected LORA or PROMPT_TUNING"):
        name_of(folder(tmp_path / "ia3", peft_type="IA3"))
    for wrong in (0, "5", None):
        with pytest.raises(PolicyError, match="expected num_virtual_tokens above 0"):
            virtual_tokens(
                folder(tmp_path / f"wrong{wrong}", peft_type="PROMPT_TUNING", num_virtual_tokens=wrong)
            )


@pytest.mark.parametrize(
    ("about", "found"),
    [
        ({}, None),
        ({"quantization_config": {"quant_method": "gptq"}}, "gptq"),
        ({"quantization_config": {"quant_method": "bitsandbytes", "load_in_4bit": True}}, FOUR_BITS),
        (
            {"quantization_config": {"quant_method": "bitsandbytes", "load_in_8bit": True}},
            "bitsandbytes, 8 bits",
        ),
        ({"quantization_config": {}}, "by no known method"),
    ],
)
def test_how_weights_are_quantised(tmp_path, about, found):
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "llama"} | about))
    assert quantisation(Place(str(tmp_path))) == found


@pytest.mark.parametrize(
    ("holds", "asked", "said"),
    [
        (None, {"kind": "full"}, ""),
        (None, {"kind": "lora"}, "a checkpoint of train.adapter.kind full, and this run's is lora"),
        ({"peft_type": "LORA", "r": 16, "lora_alpha": 32, "target_modules": ["q_proj"]}, {"kind": "lora"}, ""),
        ({"peft_type": "LORA", "r": 8, "lora_alpha": 32, "target_modules": ["q_proj"]}, {"kind": "lora"},
         "train.adapter.r is 16"),
        ({"peft_type": "LORA", "r": 16, "lora_alpha": 16, "target_modules": ["q_proj"]}, {"kind": "lora"},
         "train.adapter.alpha is 32"),
        ({"peft_type": "LORA"}, {"kind": "full"}, "kind lora, and this run's is full"),
        ({"peft_type": "PROMPT_TUNING", "num_virtual_tokens": 16}, {"kind": "soft_prompt"}, ""),
        ({"peft_type": "PROMPT_TUNING", "num_virtual_tokens": 5}, {"kind": "soft_prompt"}, "tokens is 16"),
        ({"peft_type": "PROMPT_TUNING", "num_virtual_tokens": 5}, {"kind": "soft_prompt", "tokens": 5}, ""),
    ],
)  # fmt: skip
def test_a_checkpoint_is_of_the_training_that_is_asked_for(tmp_path, holds, asked, said):
    checkpoint = tmp_path / "checkpoint-3"
    if holds is None:
        checkpoint.mkdir()
    else:
        folder(checkpoint, **holds)
    config = quickstart_config(train=TrainConfig.model_validate({"adapter": asked}))
    if not said:
        check_resume(config, checkpoint)
        return
    with pytest.raises(UserError) as refused:
        check_resume(config, checkpoint)
    assert said in str(refused.value) and f"model={checkpoint}" in str(refused.value)


@pytest.mark.parametrize(
    ("train", "copies"),
    [
        ({}, False), ({"trl": {"beta": 0.1}}, True), ({"algorithm": "rejection"}, True),
        ({"adapter": {"kind": "lora", "r": 4}}, False),
        ({"adapter": {"kind": "lora", "r": 4}, "trl": {"beta": 0.1}}, False),
        ({"adapter": {"kind": "soft_prompt", "tokens": 5}}, False),
    ],
)  # fmt: skip
def test_what_a_training_holds(tmp_path, train, copies):
    """AdamW keeps two numbers of 32 bits for each trained weight; a reference is a copy unless the base is there."""
    config = quickstart_config(train=TrainConfig.model_validate({"steps": 1} | train))
    args, per_weight = rehearsal.arguments(config, tmp_path)
    assert per_weight == pytest.approx(8, abs=0.01)
    policy = blueprint(config)
    count = sum(p.numel() for p in policy.model.parameters())
    found = rehearsal.sizes(config, policy, args, 8.0)
    trained = {"full": count, "soft_prompt": 5 * policy.model.config.hidden_size}.get(
        config.train.adapter.kind, found.trained_weights
    )
    assert found.weights == count and found.own == 4 * count and found.trained_weights == trained
    assert (found.gradients, found.optimizer) == (4 * trained, 8 * trained)
    assert found.reference == (4 * count if copies else 0)
    assert found.checkpoint == 12 * trained and found.in_memory == found.own + found.reference + 12 * trained
    assert found.model == (4 * trained if config.train.adapter.kind == "soft_prompt" else 4 * count)
    if config.train.adapter.kind == "lora":
        assert 0 < trained < count and trained % 4 == 0
