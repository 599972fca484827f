"""Which way of reading is tried for which model, by its config: the update's attention, the sampler's sharing."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from rlvr.elsewhere import prime_rl, verl
from rlvr.sampling.abilities import _why_not_shared_by_config
from rlvr.training import attention, trial
from rlvr.training.forward import Way


def model(device: str = "cpu", **keys: Any) -> Any:
    own = {"_supports_sdpa": True, "_supports_attention_backend": True, "_supports_flex_attn": True}
    config = {"model_type": "x", "_attn_implementation": "sdpa"} | {
        k: v for k, v in keys.items() if k not in own
    }
    made = SimpleNamespace(
        **own | {k: v for k, v in keys.items() if k in own}, device=SimpleNamespace(type=device)
    )
    made.config = SimpleNamespace(get_text_config=lambda: SimpleNamespace(**config))
    made._can_set_attn_implementation = lambda: keys.get("can_set", True)
    return made


@pytest.mark.parametrize(
    ("of", "kind", "why"),
    [
        (model(), "split", "CPU"),
        (model("cuda"), "flex", "CUDA"),
        (model("cuda", _supports_flex_attn=False), "mask", "no special attention for cuda"),
        (model("mps"), "mask", "no special attention for mps"),
        (model(_attn_implementation="eager"), "eager", "loaded with it"),
        (model(_attn_implementation="flash_attention_2"), None, "attention implementation flash_attention_2"),
        (model(_attn_implementation=attention.NAME), "split", "CPU"),
        (model(_supports_attention_backend=False), "mask", "x computes its attention itself"),
        (model(_supports_attention_backend=False, _supports_sdpa=False), None, "x has no attention"),
        (model(attn_logit_softcapping=50.0), "mask", "computes its attention itself"),
        (model("cuda", kv_lora_rank=512), "mask", "latent attention"),
        (model(layer_types=["full_attention", "linear_attention"]), None, "layers of kind linear_attention"),
        (model(layer_types=["full_attention", "sliding_attention", "chunked_attention"]), "split", "CPU"),
    ],
)
def test_how_a_model_is_updated_on_packed_rows(of, kind, why):
    found = attention.choose(of)
    assert found[0] == kind and why in found[1]


@pytest.mark.parametrize(
    ("of", "kinds"),
    [
        (model(), ["split", "mask", None]),
        (model("cuda"), ["flex", "mask", None]),
        (model(_attn_implementation="eager"), ["eager", None]),
        (model("mps"), ["mask", None]),
        (model(layer_types=["mamba"]), [None]),
    ],
)
def test_packed_rows_are_tried_before_padded_ones_and_our_head_before_the_models(of, kinds):
    assert [way for way, _ in trial.ways(of)] == [Way(kind, own) for own in (False, True) for kind in kinds]
    assert str(Way(None)) == "padded, one row per completion"
    assert str(Way("mask", True)) == "packed, attention mask, whole logits of its own head"


@pytest.mark.parametrize(
    ("keys", "why"),
    [
        ({}, None),
        ({"can_set": False}, "does not follow transformers' attention interface"),
        ({"layer_types": ["full_attention", "full_attention"]}, None),
        ({"layer_types": ["full_attention", "sliding_attention"]}, "layers of kind sliding_attention"),
        ({"sliding_window": 4096}, "sliding window"),
        ({"sliding_window": 4096, "use_sliding_window": False}, None),
        ({"sliding_window": None}, None),
    ],
)
def test_who_cannot_share_prompts_by_its_config(keys, why):
    found = _why_not_shared_by_config(model(**keys))
    assert found is None if why is None else why in (found or "")


# ------------------------------------------------------------------ values for other trainers


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("a/b-c_1.5", "a/b-c_1.5"), ("a b", "'a b'"), ("", "''"), ("it's", r"'it\'s'"), ("a\\b", r"'a\\b'"),
        (True, "true"), (None, "null"), (0.1, "0.1"), (3, "3"), (["x", "y z"], "[x,'y z']"), ((1, 2), "[1,2]"),
        ({"a": 1}, '{"a": 1}'),
    ],
)  # fmt: skip
def test_a_value_in_hydras_grammar(value, written):
    assert verl._hydra(value) == written


@pytest.mark.parametrize(
    ("kind", "warmup", "expected"),
    [
        ("constant", 5, {"type": "constant"}),
        ("cosine", 5, {"type": "cosine", "warmup_steps": 5}),
        ("linear", 0, {"type": "linear", "warmup_steps": 0, "decay_steps": 60}),
        ("linear", 10, {"type": "linear", "warmup_steps": 10, "decay_steps": 50}),
        ("constant_with_warmup", 10, {"type": "linear", "warmup_steps": 10, "decay_steps": 0}),
        ("constant_with_warmup", 0, {"type": "constant"}),
        ("polynomial", 10, {"type": "constant"}),
    ],
)
def test_the_course_of_the_learning_rate_in_prime_rls_words(kind, warmup, expected):
    args = SimpleNamespace(lr_scheduler_type=SimpleNamespace(value=kind), warmup_steps=warmup)
    prepared: Any = SimpleNamespace(arguments=args, config=SimpleNamespace(train=SimpleNamespace(steps=60)))
    assert prime_rl._schedule(prepared) == {
        f"trainer.scheduler.{key}": value for key, value in expected.items()
    }


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("a\"b", '"a\\"b"'), (True, "true"), (1.5, "1.5"), (["a", 1], '["a", 1]'),
        ({"a-b": 1, "c d": [True]}, '{a-b = 1, "c d" = [true]}'),
    ],
)  # fmt: skip
def test_a_value_of_toml_on_one_line(value, written):
    assert prime_rl._toml(value) == written
