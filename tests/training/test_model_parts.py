"""Parts of the update and of an export, each by hand: how far layers look, what becomes of logits, which weights were
moved, and what of a model is written."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from rlvr.config import Config, ConfigError
from rlvr.errors import RunError, UserError
from rlvr.run import Run, write_config
from rlvr.training import export
from rlvr.training.checkpoints import write_manifest
from rlvr.training.head import log_probabilities, logit_transform
from rlvr.training.optimizer import Movement, part
from rlvr.training.pass_size import SHARE, find
from rlvr.training.reach import FULL, Reach, reaches
from rlvr.training.trial import compared
from tests.conftest import quickstart_config

# ------------------------------------------------------------------ the model


@pytest.mark.parametrize(
    ("reach", "ends"),
    [
        (Reach(window=3), [3, 4, 5, 6, 7]),  # a token is seen by itself and two more
        (Reach(chunk=3), [3, 3, 3, 6, 6]),
        (FULL, [2**40] * 5),
    ],
)
def test_how_far_a_token_is_seen(reach, ends):
    assert [reach.end(position) for position in range(5)] == ends
    assert reach.end(torch.arange(5)).tolist() == ends
    assert reach.within(3) is FULL  # texts of three tokens end before it
    assert reach.within(4) == reach


def test_the_reach_of_layers_by_their_names():
    def found(**keys: Any) -> dict[str, Reach]:
        return reaches(SimpleNamespace(**keys))

    assert found() == {"sliding_attention": FULL}
    assert found(sliding_window=8) == {"sliding_attention": Reach(window=8)}
    assert found(sliding_window=8, use_sliding_window=False) == {"sliding_attention": FULL}
    mixed = found(
        sliding_window=8,
        attention_chunk_size=5,
        layer_types=["full_attention", "chunked_attention", "sliding_attention", "mamba", "full_attention"],
    )
    assert list(mixed.items()) == [
        ("full_attention", FULL),
        ("chunked_attention", Reach(chunk=5)),
        ("sliding_attention", Reach(window=8)),
    ]


@pytest.mark.parametrize(
    ("keys", "factor", "cap"),
    [
        ({}, 1.0, None),
        ({"logit_scale": 0.25}, 0.25, None),  # Cohere
        ({"lm_head_multiplier": 0.5}, 0.5, None),  # Falcon-H1
        ({"logits_scaling": 8.0}, 1 / 8, None),  # Granite divides
        ({"logits_scaling": 8.0, "model_type": "hyperclovax"}, 8.0, None),
        ({"final_logit_softcapping": 30.0}, 1.0, 30.0),  # Gemma 2
        ({"output_logit_soft_cap": 15.0, "output_multiplier": 2.0}, 2.0, 15.0),
    ],
)
def test_what_models_do_to_the_heads_product(keys, factor, cap):
    assert logit_transform(SimpleNamespace(**{"model_type": "x"} | keys)) == (factor, cap)


@pytest.mark.parametrize("cap", [None, 2.0])
@pytest.mark.parametrize("bias", [False, True])
def test_log_probabilities_by_their_definition(cap, bias):
    """log softmax(cap · tanh(s (h W + b) / cap) / T), its entropy, and the gradient of both."""
    generator = torch.Generator().manual_seed(0)
    hidden, weight, shift = (torch.randn(*s, generator=generator) for s in ((5, 4), (2051, 4), (2051,)))
    targets = torch.tensor([0, 7, 1024, 2050, 3])
    temperature, scale = 0.7, 1.5
    answers = []
    for own in (True, False):
        h, w, b = (x.clone().requires_grad_() for x in (hidden, weight, shift))
        used = b if bias else None
        if own:
            found = log_probabilities(h, w, used, targets, temperature, scale, cap)
        else:
            z = scale * (h @ w.T + (used if used is not None else 0))
            z = (z if cap is None else cap * torch.tanh(z / cap)) / temperature
            logp = z.log_softmax(-1)
            found = logp[range(5), targets], -(logp.exp() * logp).sum(-1)
        (found[0] * torch.arange(1.0, 6.0) + found[1] * torch.arange(5.0, 0.0, -1)).sum().backward()
        grads = [h.grad, w.grad] + ([b.grad] if bias else [])
        answers.append([*(x.detach() for x in found), *grads])
    for one, other in zip(*answers, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)


def test_the_share_that_an_update_moved():
    linear = nn.Linear(4, 100, dtype=torch.bfloat16)
    model = nn.Sequential(nn.Embedding(3, 4, dtype=torch.bfloat16), linear, nn.Linear(4, 9))
    looks = Movement(model)
    assert [tuple(w.shape) for w in looks.weights] == [(100, 4)]  # neither an embedding, a bias, nor 32 bits
    before = looks.look()
    assert looks.since(before) == {"moved_share": 0.0} and looks.since([]) == {}
    with torch.no_grad():
        linear.weight[:25] += 1
    assert looks.since(before) == {"moved_share": 0.25}
    assert Movement(None).look() == []
    assert part(torch.arange(5000)).tolist() == list(range(0, 4096, 4))
    assert len(part(torch.arange(100))) == 100


def test_the_smallest_weights_are_compared_and_one_at_least():
    big, small, still = nn.Linear(4096, 1025, bias=False), nn.Linear(3, 1), nn.Linear(2, 1)
    still.requires_grad_(False)
    found = compared(nn.ModuleList([big, small, still]))
    assert [p.numel() for p in found] == [1, 3]
    assert [p.numel() for p in compared(big)] == [4096 * 1025]


def test_on_a_cpu_the_most_samples_are_taken_that_fit_into_most_of_what_is_free(monkeypatch):
    monkeypatch.setattr("rlvr.training.pass_size.free_memory", lambda: 1000)
    trial: Any = SimpleNamespace(cost=lambda: lambda rows: rows * 100.0)
    assert SHARE == 0.8
    for most, rows in (([32, 16, 8, 4], 8), ([9, 4], 4), ([32, 16], 16)):  # the last one is not tried
        assert find(trial, most, torch.device("cpu"))[0] == rows


# ------------------------------------------------------------------ export


@pytest.fixture
def run(tmp_path) -> Run:
    """A run folder with checkpoints of two steps."""
    made = Run(tmp_path / "run")
    (made.folder / "rollouts").mkdir(parents=True)
    write_config(quickstart_config(seed=7), made.folder / "config.yaml")
    for step in (9, 10):
        folder = made.checkpoints / f"checkpoint-{step}"
        folder.mkdir(parents=True)
        (folder / "model.safetensors").write_bytes(b"x")
        write_manifest(folder, {"step": step, "score": None, "origin": None})
    return made


def test_the_last_checkpoint_is_exported_or_the_one_that_is_named(run, tmp_path):
    assert export.chosen(run.folder, None) == run.checkpoints / "checkpoint-10"
    assert export.chosen(run.folder, 9) == run.checkpoints / "checkpoint-9"
    assert export.chosen(tmp_path, None) == tmp_path
    (run.checkpoints / "checkpoint-10" / "model.safetensors").write_bytes(b"y")
    for source, step, said in (
        (run.folder, 11, r"nothing to export of step 11: its checkpoints are of steps 9, 10"),
        (run.folder, None, "checkpoint-10: cannot be used: model.safetensors is not what was written"),
        (tmp_path, 3, "--step 3: .* is no run's folder"),
    ):
        with pytest.raises(UserError, match=said):
            export.chosen(source, step)


def test_an_export_lands_beside_what_it_was_made_of(run, tmp_path):
    source = run.checkpoints / "checkpoint-9"
    assert export.default_folder(source, False) == run.folder / "model-step-9"
    assert export.default_folder(source, True) == run.folder / "adapter-step-9"
    alone = tmp_path / "lora"
    assert export.default_folder(alone, False) == tmp_path / "lora-merged"
    assert export.default_folder(alone, True) == tmp_path / "lora-adapter"


def test_an_export_reads_its_runs_config_and_few_overrides(run, tmp_path):
    source = run.checkpoints / "checkpoint-9"
    config = export.config_of(source, ["dtype=bfloat16"])
    assert (config.model, config.seed, config.dtype) == (str(source), 7, "bfloat16")
    alone: Config = export.config_of(tmp_path / "lora", ["base_model=tiny"])
    assert (alone.model, alone.base_model, alone.seed) == (str(tmp_path / "lora"), "tiny", 0)
    with pytest.raises(ConfigError, match=r"export: train.steps=3: expected one of base_model, dtype, trust"):
        export.config_of(source, ["train.steps=3"])


def test_what_was_written_is_held_against_the_model(tmp_path):
    """Every weight, to the last bit; a shared one may be missing, an infinite buffer may be there."""
    a, b = torch.arange(4.0), torch.ones(2, 2)
    state = {"a": a, "b": b, "shared": a}

    def proven(written: dict[str, torch.Tensor], buffers: tuple[str, ...] = ()) -> str:
        save_file(written, tmp_path / "model.safetensors")
        try:
            export.prove(tmp_path, state, buffers)
        except RunError as error:
            return str(error)
        return ""

    assert proven({"a": a, "b": b}) == ""
    assert proven({"a": a, "b": b, "bound": torch.tensor([math.inf])}, ("bound",)) == ""
    assert "bound is empty or not finite" in proven({"a": a, "b": b, "bound": torch.tensor([math.inf])})
    assert "bound is empty" in proven({"a": a, "b": b, "bound": torch.tensor([math.nan])}, ("bound",))
    assert "b was not written" in proven({"a": a})
    assert "b was written with other values" in proven({"a": a, "b": b + 1e-6})
    assert "b was written as [4], it is [2, 2]" in proven({"a": a, "b": b.flatten()})
    assert "a is empty or not finite" in proven({"a": torch.empty(0), "b": b})
