"""A micro-step in one pass, in parts of a group, and what decides between them."""

import dataclasses
import json
import os
from typing import Any

import pytest
import torch
from accelerate import Accelerator
from transformers import AutoModelForCausalLM

from rlvr.config import TrainConfig
from rlvr.errors import RunError
from rlvr.training.forward import Forward, Way
from rlvr.training.memory import LiveBytes, free_memory, parabola
from rlvr.training.objective import Objective
from rlvr.training.pass_size import MemoryTrial, PassSize, candidates, kept, size_of_passes, texts
from rlvr.training.step_batch import StepBatch
from rlvr.worlds import carry
from tests.training.handles import distance, gradient_of, loop_of, move

GROUPS, G = 3, 8
CHANGES: dict[str, dict[str, Any]] = {
    "grpo, KL": {"loss_type": "grpo", "beta": 0.1},
    "dapo": {"loss_type": "dapo"},
    "bnpo": {"loss_type": "bnpo"},
    "gspo": {"loss_type": "grpo", "importance_sampling_level": "sequence"},
    "vespo": {"loss_type": "vespo"},
    "entropy bonus": {"entropy_coefficient": 0.1},
    "entropy quantile and bonus": {"top_entropy_quantile": 0.3, "entropy_coefficient": 0.1},
}


def changed(
    loop: Any, batch: StepBatch, rows: int, objective: Objective
) -> tuple[torch.Tensor, dict[str, float]]:
    """Gradient and figures of the update in passes of so many samples."""
    loop.pass_size.rows, loop.objective = rows, objective
    figures = loop.backward(batch, fresh=False)
    found = gradient_of(loop.plain).clone()
    loop.finite.should_skip(1, 0.0)
    return found, figures


@pytest.fixture(scope="module")
def off_policy(pool, tmp_path_factory):
    """A loop and a batch whose policy has moved since; a group without variance, and uneven advantages."""
    trl = {"beta": 0.1, "num_iterations": 2}
    loop = loop_of(tmp_path_factory.mktemp("loop"), pool, groups_per_step=GROUPS, group_size=G, trl=trl)
    sampled = loop.collector.sample(1, 0)
    batch = loop.credit.weigh(sampled)
    loop.credit.score(batch, sampled)
    for number, group in enumerate(batch.groups):
        weights = torch.randn(G, generator=torch.Generator().manual_seed(number))
        group.advantages = group.per_token(weights if number else torch.zeros(G))
    move(loop.plain, 0.02)
    return loop, batch


@pytest.mark.parametrize(
    ("name", "rows"), [*((name, 3) for name in CHANGES), ("entropy quantile and bonus", 1)]
)
def test_parts_of_a_group_add_up_to_the_gradient_of_the_whole(off_policy, name, rows):
    loop, batch = off_policy
    objective = dataclasses.replace(
        loop.objective, **{"beta": 0.0, "entropy_coefficient": 0.0, **CHANGES[name]}
    )
    before = loop.objective
    try:
        whole, figures = changed(loop, batch, GROUPS * G, objective)
        found, others = changed(loop, batch, rows, objective)
    finally:
        loop.objective = before
    assert distance(found, whole) < 1e-5
    for figure in ("loss", "entropy", "importance_ratio"):
        assert others[figure] == pytest.approx(figures[figure], rel=1e-4, abs=1e-6), figure


@pytest.mark.parametrize("algorithm", ["ppo", "rejection"])
def test_values_and_accepted_samples_do_not_depend_on_the_passes(tmp_path, pool, algorithm):
    loop = loop_of(tmp_path, pool, groups_per_step=GROUPS, group_size=G, algorithm=algorithm)
    sampled, found = loop.collector.sample(1, 0), []
    for rows in (GROUPS * G, 3):
        loop.pass_size.rows = rows
        batch = loop.credit.assign(sampled)
        found.append(changed(loop, batch, rows, loop.objective))
    assert distance(found[1][0], found[0][0]) < 1e-5
    assert found[1][1] == pytest.approx(found[0][1], rel=1e-4, abs=1e-6)


def test_what_a_reference_says_does_not_depend_on_the_passes(off_policy):
    loop, batch = off_policy
    whole = [group.ref for group in batch.groups]
    loop.pass_size.rows = 3
    (micro,) = batch.micro_steps(3)
    with torch.no_grad():
        micro.set("ref", loop.credit.read(loop.reference.model, micro).logprobs)
    for before, group in zip(whole, batch.groups, strict=True):
        torch.testing.assert_close(group.ref, before, atol=1e-5, rtol=1e-5)


def test_passes_by_hand(off_policy):
    _, batch = off_policy
    sizes = {
        rows: [len(p.numbers) for m in batch.micro_steps(rows) for p in m.passes]
        for rows in (24, 16, 8, 5, 3)
    }
    assert sizes == {24: [24], 16: [16, 8], 8: [8] * 3, 5: [4, 4] * 3, 3: [2, 3, 3] * 3}
    (micro,) = batch.live_micro_steps(3)
    assert [p.numbers[0] for p in micro.passes] == [8, 10, 13, 16, 18, 21]  # the first group is dead
    assert micro.counted == batch.totals.tokens
    assert candidates(3, 8) == [24, 16, 8, 4, 3, 2, 1]


# ------------------------------------------------------------------ the trial


def test_live_bytes_are_those_of_tensors_that_are_alive():
    with LiveBytes() as live:
        first = torch.ones(1000)
        second = first.reshape(10, 100) * 2
        assert live.now == live.peak == 8000
        del first
        third = second.t()[:5]
        assert (live.now, live.peak) == (4000, 8000)
        del second, third
    assert (live.now, live.peak) == (0, 8000)


def test_a_parabola_by_hand():
    assert parabola([1, 2, 3], [6, 11, 18]) == pytest.approx((3, 2, 1))
    assert parabola([1, 2, 3], [5, 7, 9]) == pytest.approx((3, 2, 0))
    assert parabola([1, 2, 3], [6, 11, 18], bends=False) == pytest.approx((-3, 7, 0))
    assert parabola([1, 2, 3], [5, 9, 11]) == pytest.approx((5, 2, 0))  # never below a line


def trial_of(loop: Any, prompt: int, completion: int) -> MemoryTrial:
    return MemoryTrial(loop.forward, loop.plain, loop.optimizer.optimizer, prompt, completion, G)


@pytest.mark.parametrize("kind", ["split", "mask", None])
def test_what_is_foretold_is_what_a_pass_takes(kind):
    """From texts of up to 192 tokens to a pass of 1,152 or 2,048."""
    model = AutoModelForCausalLM.from_pretrained(carry.TINY)
    forward = Forward([model], Accelerator(cpu=True), 1.0, Way(kind))
    trial = MemoryTrial(forward, model, torch.optim.AdamW(model.parameters()), 128, 128, G)
    cost = trial.cost()
    with LiveBytes() as live:
        trial.run([texts(128, 128, G)])
    assert cost(G) - trial.optimizer_bytes == pytest.approx(live.peak, rel=0.05)
    assert cost(1) < cost(4) < cost(G) < cost(GROUPS * G)
    assert all(p.grad is None for p in model.parameters())


def test_it_is_found_once_for_a_run_and_said(tmp_path, pool, monkeypatch):
    loop = loop_of(tmp_path / "run", pool, groups_per_step=GROUPS, group_size=G)
    assert loop.pass_size.rows == GROUPS * G
    assert json.loads((tmp_path / "run/pass_size.json").read_text()) == {"rows": GROUPS * G}
    trial, said = trial_of(loop, 64, 64), []
    monkeypatch.setattr("rlvr.training.pass_size.free_memory", lambda: trial.cost()(3) / 0.8 + 1)
    train, arguments = TrainConfig(group_size=G), (GROUPS, trial, Accelerator(cpu=True))
    found = size_of_passes(train, *arguments, tmp_path, said.append)
    assert found.rows == 3
    assert "3 samples of a group of 8" in said[0] and "free" in said[0]
    monkeypatch.setattr("rlvr.training.pass_size.free_memory", lambda: 0)
    assert size_of_passes(train, *arguments, tmp_path, said.append).rows == 3  # the run goes on as it began
    (tmp_path / "pass_size.json").unlink()
    assert size_of_passes(train, *arguments, tmp_path, said.append).rows == 1
    asked = TrainConfig(group_size=G, rows_per_micro_step=5)
    assert size_of_passes(asked, *arguments, tmp_path, said.append).rows == 5
    assert len(said) == 2
    (tmp_path / "pass_size.json").write_text("{}")
    with pytest.raises(RunError, match=r"pass_size.json: expected"):
        kept(tmp_path / "pass_size.json")


def test_free_memory_is_the_machines_or_less():
    assert 2**20 < free_memory() <= os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def test_out_of_memory_in_a_step_is_tried_again_with_half(tmp_path, pool, monkeypatch):
    """As a GPU says it; what was done of the step before is forgotten."""
    loop = loop_of(tmp_path, pool, groups_per_step=GROUPS, group_size=G)
    sampled = loop.collector.sample(1, 0)
    batch = loop.credit.assign(sampled)
    weights = torch.linspace(-1, 1, G)
    for group in batch.groups:
        group.advantages = group.per_token(weights)
    expected = changed(loop, batch, 12, loop.objective)
    said: list[str] = []
    size = loop.pass_size = PassSize(16, tmp_path / "pass_size.json", said.append)
    whole, calls = type(loop.forward).__call__, []

    def full(self, model, groups, logprobs=True):
        calls.append(sum(len(group.samples) for group in groups))
        if len(calls) == 2:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB.")
        return whole(self, model, groups, logprobs)

    monkeypatch.setattr(type(loop.forward), "__call__", full)
    figures = size.fitting(lambda: loop.backward(batch, fresh=False))
    assert calls == [16, 8, 8, 8, 8]
    assert (size.rows, len(said)) == (8, 1) and "8 samples at once" in said[0]
    assert json.loads((tmp_path / "pass_size.json").read_text()) == {"rows": 8}
    assert distance(gradient_of(loop.plain), expected[0]) < 1e-5
    assert figures["loss"] == pytest.approx(expected[1]["loss"], abs=1e-6)
    assert len(loop.finite._suspects) == 2 * 3
    with pytest.raises(RunError, match="one sample does not fit"):
        PassSize(1, None, said.append).halve("CUDA out of memory")
