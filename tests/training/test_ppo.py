"""PPO's parts by hand and against plain loops; its update against each row read alone, packed and padded."""

import shutil
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM

from rlvr.config import AdapterSection, PpoSection, TrainConfig
from rlvr.evaluation import Evaluator
from rlvr.evidence import Evidence
from rlvr.rollouts.types import Turn
from rlvr.run import Run
from rlvr.terminal import Terminal
from rlvr.training import ppo, train
from rlvr.training.collect import Sampled
from rlvr.training.loop import Loop
from rlvr.training.ppo import gae, value_losses
from rlvr.training.step_batch import StepBatch
from rlvr.worlds import carry
from tests.conftest import quickstart_config
from tests.training import reference_ppo
from tests.training.handles import distance, gradient, gradient_of, loop_of, prompted, row_by_row

NAN = float("nan")
GROUPS, G = 4, 8
GAMMA, LAM, COEFFICIENT = 0.99, 0.9, 0.1
LAYOUTS = ["packed", "padded"]


def test_gae_by_hand():
    # δ = (0 + .9·.4 − .2, 1 − .4) = (.16, .6); A = (.16 + .9·.5·.6, .6)
    advantages, returns = gae(torch.tensor([1.0]), torch.tensor([[0.2, 0.4]]), torch.ones(1, 2), 0.9, 0.5)
    assert advantages[0].tolist() == pytest.approx([0.43, 0.6])
    assert returns[0].tolist() == pytest.approx([0.63, 1.0])


def test_gae_stops_at_the_end_of_a_completion():
    values = torch.tensor([[0.5, 0.25, 9.0]])
    advantages, returns = gae(torch.tensor([1.0]), values, torch.tensor([[1, 1, 0]]), 1.0, 1.0)
    assert advantages[0].tolist() == [0.5, 0.75, 0.0] and returns[0].tolist() == [1.0, 1.0, 0.0]


def test_an_empty_completion_has_no_advantage():
    advantages, returns = gae(torch.tensor([1.0]), torch.ones(1, 3), torch.zeros(1, 3), 1.0, 0.9)
    assert (advantages == 0).all() and (returns == 0).all()


NUMBERS = st.floats(-3, 3, width=32)
GAMMAS, LAMBDAS = st.sampled_from([1.0, 0.97]), st.sampled_from([0.0, 0.9, 1.0])


@given(
    rows=st.lists(
        st.tuples(st.floats(-2, 2, width=32), st.lists(NUMBERS, min_size=1, max_size=7)),
        min_size=1,
        max_size=4,
    ),
    gamma=GAMMAS,
    lam=LAMBDAS,
)
@settings(deadline=None, max_examples=100, derandomize=True)
def test_gae_against_the_sum_of_its_definition(rows, gamma, lam):
    values = torch.zeros(len(rows), 7)
    mask = torch.zeros(len(rows), 7)
    for i, (_, of_row) in enumerate(rows):
        values[i, : len(of_row)] = torch.tensor(of_row)
        mask[i, : len(of_row)] = 1
    advantages, returns = gae(torch.tensor([reward for reward, _ in rows]), values, mask, gamma, lam)
    for i, (reward, of_row) in enumerate(rows):
        expected = reference_ppo.returns_and_advantages(reward, of_row, gamma, lam)
        assert returns[i, : len(of_row)].tolist() == pytest.approx(expected[0], abs=1e-4)
        assert advantages[i, : len(of_row)].tolist() == pytest.approx(expected[1], abs=1e-4)


EPISODES = st.lists(
    st.tuples(st.floats(-2, 2, width=32), st.lists(st.tuples(NUMBERS, st.booleans()), max_size=7)),
    min_size=1,
    max_size=4,
)


@given(EPISODES, GAMMAS, LAMBDAS)
@settings(deadline=None, max_examples=200, derandomize=True)
def test_an_estimate_steps_over_evidence(episodes, gamma, lam):
    """Values and masks of whole episodes, wherever a tool wrote in them: at their beginning, middle and end."""
    section = PpoSection(gamma=gamma, gae_lambda=lam)
    own = [(row, value) for row, (_, of_row) in enumerate(episodes) for value, policy in of_row if policy]
    rewards = [reward if any(policy for _, policy in of_row) else NAN for reward, of_row in episodes]
    row = torch.tensor([row for row, _ in own], dtype=torch.long)
    values = torch.tensor([value for _, value in own], dtype=torch.float32)
    advantages, returns = ppo.estimate(section, values, row, torch.tensor(rewards))
    expected: tuple[list[float], list[float]] = [], []
    for reward, of_row in episodes:
        of_episode = reference_ppo.of_episode(
            reward, [value for value, _ in of_row], [policy for _, policy in of_row], gamma, lam
        )
        for numbers, flat in zip(of_episode, expected, strict=True):
            flat += [number for number in numbers if number is not None]
    assert returns.tolist() == pytest.approx(expected[0], abs=1e-4)
    assert advantages.tolist() == pytest.approx(expected[1], abs=1e-4)


def test_an_estimate_over_evidence_by_hand():
    """The tool's token between two actions has no part in it, however much its state is worth."""
    section = PpoSection(gamma=0.9, gae_lambda=0.5)
    advantages, returns = ppo.estimate(section, torch.tensor([0.2, 0.4]), torch.tensor([0, 0]), torch.ones(1))
    assert advantages.tolist() == pytest.approx([0.43, 0.6])
    assert returns.tolist() == pytest.approx([0.63, 1.0])
    of_episode = reference_ppo.of_episode(1.0, [0.2, 99.0, 0.4], [True, False, True], 0.9, 0.5)
    assert [a for a in of_episode[1] if a is not None] == pytest.approx([0.43, 0.6])


@pytest.mark.parametrize(
    ("value", "old", "target", "expected"),
    [
        (0.6, 0.6, 1.0, 0.08),  # first pass: nothing to clip
        (0.9, 0.5, 1.0, 0.045),  # moved 0.4 the right way: the clipped 0.7 is the worse of the two
        (0.1, 0.5, 1.0, 0.405),  # moved 0.4 the wrong way: the value itself is worse
    ],
)
def test_value_loss_by_hand(value, old, target, expected):
    got = value_losses(torch.tensor(value), torch.tensor(old), torch.tensor(target), clip=0.2)
    assert got.item() == pytest.approx(expected)
    assert reference_ppo.value_error(value, old, target, 0.2) == pytest.approx(expected)


# ------------------------------------------------------------------ the loop's update


@pytest.fixture
def build(tmp_path, pool):
    def built(layout: str = "packed", **changes: Any) -> Loop:
        section = PpoSection(gamma=GAMMA, gae_lambda=LAM, value_coefficient=COEFFICIENT)
        loop = loop_of(
            tmp_path / layout, pool, layout=layout, **{"algorithm": "ppo", "ppo": section} | changes
        )
        assert (loop.forward.kind is None) == (layout == "padded")
        return loop

    return built


def interrupted(sampled: Sampled) -> Sampled:
    """The same samples with a tool's words in the middle of every other."""
    for group in sampled.groups:
        for episode in group.episodes[::2]:
            (turn,) = episode.turns
            cut = len(turn.token_ids) // 2
            first, second = (
                Turn("policy", turn.token_ids[part], "", turn.logprobs[part])
                for part in (slice(cut), slice(cut, None))
            )
            episode.turns = [first, Turn("evidence", [5, 9, 14], ""), second]
    return sampled


def with_values(loop: Loop, evidence: bool = False) -> tuple[Sampled, StepBatch]:
    """A batch of a policy whose values are not zero."""
    with torch.no_grad():
        loop.plain.value_head.weight.normal_(0, 0.05, generator=torch.Generator().manual_seed(3))
    sampled = loop.collector.sample(1, 0)
    sampled = interrupted(sampled) if evidence else sampled
    batch = loop.credit.weigh(sampled)
    loop.credit.score(batch, sampled)
    return sampled, batch


def moved(loop: Loop, evidence: bool = False) -> tuple[Sampled, StepBatch]:
    """A batch whose old log-probabilities and values differ from the present ones, so that every clip acts."""
    sampled, batch = with_values(loop, evidence)
    noise, first = torch.Generator().manual_seed(4), 0
    rewards = [reward for group in sampled.groups for reward in group.rewards]
    with torch.no_grad():
        logprobs, values = row_by_row(loop.plain, prompted(batch))
    assert values is not None
    for group in batch.groups:
        part = slice(first, first + len(group.advantages))
        group.old = logprobs[part] + 0.3 * torch.randn(len(group.advantages), generator=noise)
        group.values = values[part] + 0.3 * torch.randn(len(group.advantages), generator=noise)
        first = part.stop
    for number, group in enumerate(batch.groups):
        row = torch.arange(G).repeat_interleave(torch.tensor(group.lengths))
        own = torch.tensor(rewards[number * G : (number + 1) * G])
        assert group.values is not None
        group.advantages, group.returns = ppo.estimate(loop.config.ppo, group.values, row, own)
    return sampled, batch


def reference_loss(loop: Loop, sampled: Sampled, batch: StepBatch) -> torch.Tensor:
    """By the plain loops, each row read alone."""
    logprobs, values = row_by_row(loop.plain, prompted(batch))
    assert values is not None
    lengths = [length for group in batch.groups for length in group.lengths]
    old, old_values = (
        torch.cat([getattr(group, name) for group in batch.groups]) for name in ("old", "values")
    )
    ours, before, values_now, values_before = (
        list(flat.split(lengths)) for flat in (logprobs, old, values, old_values)
    )
    return reference_ppo.loss(
        ours,
        before,
        values_now,
        values_before,
        [reward for group in sampled.groups for reward in group.rewards],
        gamma=GAMMA,
        lam=LAM,
        low=0.2,
        high=0.28,
        value_clip=0.2,
        value_coefficient=COEFFICIENT,
    )


@pytest.mark.parametrize("evidence", [False, True], ids=["whole", "with evidence"])
@pytest.mark.parametrize("lora", [None, AdapterSection(kind="lora", r=4)], ids=["whole", "lora"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_update_is_the_references(build, layout, lora, evidence):
    loop = build(layout, adapter=lora or AdapterSection())
    sampled, batch = moved(loop, evidence)
    figures = loop.backward(batch, fresh=False)
    found = gradient_of(loop.plain)
    expected = reference_loss(loop, sampled, batch)
    assert distance(found, gradient(loop.plain, expected)) < 1e-4
    assert figures["loss"] == pytest.approx(expected.item(), rel=1e-4)
    assert 0 < figures["clipped_share"] < 1
    assert figures["value_loss"] > 0


@pytest.mark.parametrize("layout", LAYOUTS)
def test_estimates_come_from_the_values_of_the_policys_own_tokens(build, layout):
    """What the loop scores a batch with, from values that each row alone has at each of its policy's tokens."""
    loop = build(layout, rows_per_micro_step=2 * G)
    sampled, batch = with_values(loop, evidence=True)
    assert len(batch.micro_steps(GROUPS * G)) == 2
    assert len({sum(group.rewards) for group in sampled.groups}) > 1
    episodes = [episode for group in sampled.groups for episode in group.episodes]
    rewards = [reward for group in sampled.groups for reward in group.rewards]
    assert any(not all(episode.mask) for episode in episodes)
    expected: list[list[float]] = [[], [], []]
    for episode, reward in zip(episodes, rewards, strict=True):
        ids = torch.tensor([episode.prompt_ids + episode.token_ids])
        with torch.no_grad():
            states = loop.plain(input_ids=ids, output_hidden_states=True).hidden_states[-1][0]
            values = loop.plain.value_head(states[len(episode.prompt_ids) - 1 : -1]).tolist()
        of_episode = reference_ppo.of_episode(reward, values, episode.mask, GAMMA, LAM)
        own = [value for value, policy in zip(values, episode.mask, strict=True) if policy]
        for flat, numbers in zip(expected, (*of_episode, own), strict=True):
            flat += [number for number in numbers if number is not None]
    for name, numbers in zip(("returns", "advantages", "values"), expected, strict=True):
        found = torch.cat([getattr(group, name) for group in batch.groups])
        assert found.tolist() == pytest.approx(numbers, abs=1e-4), name


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_first_values_are_zero_and_every_group_is_trained_on(build, layout):
    loop = build(layout, ppo=PpoSection())
    sampled = loop.collector.sample(1, 0)
    batch = loop.credit.weigh(sampled)
    loop.credit.score(batch, sampled)
    for drawn, group in zip(sampled.groups, batch.groups, strict=True):
        assert group.values is not None
        assert group.returns is not None
        assert (group.values == 0).all()
        assert group.returns.equal(group.per_token(torch.tensor(drawn.rewards)))
        group.returns = torch.full_like(group.returns, 0.5)
        group.advantages = torch.zeros_like(group.advantages)
    loop.backward(batch, fresh=False)
    assert gradient_of(loop.plain).norm() > 0  # the values still learn


def test_accumulating_micro_steps_changes_nothing(build):
    loop = build(rows_per_micro_step=2 * G)
    _, batch = moved(loop)
    assert len(batch.micro_steps(GROUPS * G)) == 2
    in_parts = loop.backward(batch, fresh=False), gradient_of(loop.plain)
    batch.groups_per_micro_step = GROUPS
    batch.totals = type(batch.totals)(batch.totals.rows, batch.totals.tokens, 1, 1)
    whole = loop.backward(batch, fresh=False), gradient_of(loop.plain)
    assert distance(in_parts[1], whole[1]) < 1e-5
    for name in ("loss", "value_loss", "clipped_share"):
        assert in_parts[0][name] == pytest.approx(whole[0][name], rel=1e-5), name


def test_a_sample_without_a_verdict_moves_nothing(build):
    loop = build()
    sampled = loop.collector.sample(1, 0)
    sampled.groups[0].rewards[3] = NAN
    batch = loop.credit.weigh(sampled)
    loop.credit.score(batch, sampled)
    first = batch.groups[0]
    assert first.lengths[3] == 0
    assert first.prompted.samples[3].token_ids == []
    assert first.per_sample(first.advantages)[3] == 0
    drawn = [episode.tokens for group in sampled.groups for episode in group.episodes]
    assert batch.totals.tokens == sum(drawn) - drawn[3]
    figures = loop.backward(batch, fresh=False)
    assert torch.tensor(figures["loss"]).isfinite()
    assert gradient_of(loop.plain).isfinite().all()


# ------------------------------------------------------------------ whole runs


@pytest.mark.parametrize(
    ("layout", "lora"),
    [(layout, lora) for layout in ("packed", "padded") for lora in (None, AdapterSection(kind="lora", r=4))],
    ids=["packed", "packed, lora", "padded", "padded, lora"],
)
def test_a_run_goes_on_with_its_values_and_exports_a_policy_without_them(
    tmp_path, pool, monkeypatch, layout, lora
):
    if layout == "padded":
        monkeypatch.setattr("rlvr.training.attention.choose", lambda model: (None, "the test asks for it"))

    def trained(name: str, *lengths: int) -> dict[str, torch.Tensor]:
        run = Run(tmp_path / name)
        (run.folder / "rollouts").mkdir(parents=True)
        for steps in lengths:
            shutil.rmtree(run.model, ignore_errors=True)
            section = TrainConfig(
                algorithm="ppo",
                steps=steps,
                checkpoint_every=1,
                adapter=lora or AdapterSection(),
                groups_per_step=4,
                learning_rate=1e-3,
            )
            config = quickstart_config(train=section, verifier="math", verifier_options={})
            evaluator = Evaluator(config, Evidence(config.evidence), pool, Terminal(quiet=True))
            train(
                config,
                carry.problems("train", 50),
                evaluator,
                run,
                lambda step: False,
                lambda sampler, step: {},
            )
        (weights,) = (run.checkpoints / "checkpoint-2").glob("*model.safetensors")
        return load_file(weights)

    whole, resumed = trained("whole", 2), trained("resumed", 1, 2)
    assert any("value_head" in name and value.abs().sum() > 0 for name, value in whole.items())
    assert whole.keys() == resumed.keys()
    assert all(torch.equal(value, resumed[name]) for name, value in whole.items())
    loaded: Any = AutoModelForCausalLM.from_pretrained(tmp_path / "whole" / "model", output_loading_info=True)
    model, info = loaded
    assert not info["unexpected_keys"] and not info["missing_keys"]
    assert not hasattr(model, "value_head")


@pytest.mark.parametrize("lora", [None, AdapterSection(kind="lora", r=4)], ids=["whole", "lora"])
def test_the_value_head_has_a_learning_rate_of_its_own(build, lora):
    loop = build(ppo=PpoSection(value_learning_rate=0.05), adapter=lora or AdapterSection())
    rates = {id(p): (g["lr"], g["weight_decay"]) for g in loop.optimizer.param_groups for p in g["params"]}
    by_name = {name: rates[id(p)] for name, p in loop.plain.named_parameters() if p.requires_grad}
    assert {rate for name, rate in by_name.items() if "value_head" in name} == {(0.05, 0.0)}
    assert {rate for name, (rate, _) in by_name.items() if "value_head" not in name} == {
        1e-5 if lora else 1e-6
    }
