"""The update three ways on the same samples: the loop's, TRL's `GRPOTrainer`, and `scripts/grpo_from_scratch.py`."""

import dataclasses
import importlib.util
import sys
from collections.abc import Sequence
from typing import Any

import pytest
import torch

from rlvr.config import AdapterSection, SamplingConfig
from rlvr.policy import load_policy
from rlvr.rollouts.types import Turn
from rlvr.training.loop import Loop
from rlvr.training.objective import loss as loss_of
from rlvr.training.step_batch import StepBatch
from tests.conftest import REPO, quickstart_config
from tests.training.handles import gradient_of, loop_of, move, prompted, row_by_row
from tests.training.reference_step import (
    DEAD,
    GROUPS,
    LIMIT,
    ROWS,
    Found,
    G,
    Step,
    assert_agree,
    awkward,
    batch_of,
    by_loop,
    by_trl,
    episodes_of,
    per_row,
    scored,
    trl_of,
    with_numbers,
)

LOSSES = ["grpo", "dr_grpo", "dapo", "bnpo", "luspo", "cispo", "sapo", "vespo"]
LAYOUTS = ["packed", "padded"]


def load_oracle():
    spec = importlib.util.spec_from_file_location(
        "grpo_from_scratch", REPO / "scripts" / "grpo_from_scratch.py"
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # its dataclasses look their module up
    spec.loader.exec_module(module)
    return module


oracle = load_oracle()


# ------------------------------------------------------------------ the same step for all three


@pytest.fixture(scope="module")
def make(pool, tmp_path_factory):
    """A loop whose update is packed or padded; in a step some completions are truncated, which are left out."""

    def built(
        layout="packed", micro_steps=1, rows=0, temperature=1.0, lora=None, limit=LIMIT, **trl: Any
    ) -> Loop:
        loop = loop_of(
            tmp_path_factory.mktemp("loop"),
            pool,
            SamplingConfig(max_new_tokens=limit, temperature=temperature),
            layout=layout,
            groups_per_step=GROUPS,
            group_size=G,
            rows_per_micro_step=rows or ROWS // micro_steps,
            adapter=lora or AdapterSection(),
            trl={"mask_truncated_completions": True} | trl,
        )
        assert (loop.forward.kind is None) == (layout == "padded")
        return loop

    return built


@pytest.fixture(scope="module")
def drawn(make) -> Step:
    """An older policy (ratios far enough from one that clipping acts), a reference, a group without variance, and
    truncated completions."""
    loop = make()
    return awkward(loop, loop.collector.sample(1, 0))


@pytest.fixture(scope="module")
def answered(make) -> Step:
    """The same, with what an environment wrote within the samples."""
    loop = make()
    sampled = loop.collector.sample(1, 0)
    for group in sampled.groups:
        for number, episode in enumerate(group.episodes):
            (turn,) = episode.turns
            cut = len(turn.token_ids) // 2
            parts = [slice(0, cut), slice(cut, None)]
            first, second = (Turn("policy", turn.token_ids[part], "", turn.logprobs[part]) for part in parts)
            if number != 1:
                episode.turns = [first, Turn("evidence", [5, 9, 14][: 1 + number % 3], ""), second]
    return awkward(loop, sampled)


def from_scratch(
    loop: Loop, step: Step, objective: Any = None, old: Sequence[Any] = (), ref: Sequence[Any] = ()
) -> tuple[float, torch.Tensor]:
    """By the script, on the loop's weights. `old`, `ref`: per row, in place of the step's numbers."""
    old, ref = old or per_row(step, step.old), ref or per_row(step, step.ref)
    advantages = step.advantages.flatten().tolist()
    rows = [
        oracle.Sample(e.prompt_ids, e.token_ids, advantages[i], old[i], ref[i], e.complete)
        for i, e in enumerate(episodes_of(step))
    ]
    asked = objective or oracle_objective(loop)
    # bnpo divides by the tokens of a micro-step: the one loss that depends on how a step is cut
    pieces = GROUPS // loop.credit.groups_per_micro_step if asked.loss == "bnpo" else 1
    loop.plain.zero_grad()
    total = 0.0
    for first in range(0, ROWS, ROWS // pieces):
        value = oracle.loss(loop.plain, rows[first : first + ROWS // pieces], asked) / pieces
        value.backward()
        total += value.item()
    return total, gradient_of(loop.plain)


def oracle_objective(loop: Loop) -> Any:
    asked = loop.objective
    return oracle.Objective(
        loss=asked.loss_type,
        sequence=asked.importance_sampling_level == "sequence",
        beta=asked.beta,
        unbiased_kl=asked.use_bias_correction_kl,
        low=asked.epsilon_low,
        high=asked.epsilon_high,
        temperature=loop.args.temperature,
        max_new_tokens=asked.max_completion_length,
    )


def three_ways(loop: Loop, step: Step) -> Found:
    """Loss and gradient of one step by each implementation."""
    trainer = trl_of(loop, step)
    inputs = with_numbers(scored(trainer), step, loop.objective.beta)
    return {
        "loop": by_loop(loop, batch_of(loop, step)),
        "trl": by_trl(trainer, inputs),
        "from scratch": from_scratch(loop, step),
    }


# ------------------------------------------------------------------ they agree


def test_the_step_holds_what_it_should(make, drawn):
    loop = make()
    batch = batch_of(loop, drawn)
    kept = torch.cat([group.old for group in batch.groups if group.old is not None])
    ratio = (row_by_row(loop.plain, prompted(batch))[0] - kept).exp()
    assert 0.2 < ((ratio < 0.8) | (ratio > 1.28)).float().mean() < 0.8
    assert [group.live for group in batch.groups].count(False) == 1
    assert [length for group in batch.groups for length in group.lengths].count(0) >= 3
    assert all(any(group.lengths) for group in batch.groups)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("beta", [0.0, 0.1])
@pytest.mark.parametrize("loss_type", LOSSES)
def test_losses_and_gradients(make, drawn, loss_type, beta, layout):
    assert_agree(three_ways(make(layout, loss_type=loss_type, beta=beta), drawn))


def test_kl_without_the_ratio(make, drawn):
    assert_agree(three_ways(make(beta=0.1, use_bias_correction_kl=False), drawn))


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("loss_type", LOSSES)
def test_sequence_level_importance(make, drawn, loss_type, layout):
    """GSPO clips a completion's geometric mean ratio, which lies close to one: narrower bounds, so that they act."""
    options = {"importance_sampling_level": "sequence", "epsilon": 0.02, "epsilon_high": 0.02}
    assert_agree(three_ways(make(layout, loss_type=loss_type, **options), drawn))


@pytest.mark.parametrize("micro_steps", [2, GROUPS])
@pytest.mark.parametrize("loss_type", LOSSES)
def test_gradient_accumulation(make, drawn, loss_type, micro_steps):
    """With as many micro-steps as groups one of them has no gradient, and no forward pass."""
    assert_agree(three_ways(make(micro_steps=micro_steps, loss_type=loss_type), drawn))


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("loss_type", ["grpo", "dr_grpo", "dapo", "bnpo"])
def test_lora(make, drawn, loss_type, layout):
    loop = make(layout, lora=AdapterSection(kind="lora", r=4), loss_type=loss_type, beta=0.1)
    move(loop.plain, 0.05)  # B begins at zero, and half of the gradient with it
    assert_agree(three_ways(loop, drawn))


@pytest.mark.parametrize("loss_type", ["grpo", "dapo"])
@pytest.mark.parametrize("lora", [None, AdapterSection(kind="lora", r=4)])
def test_gradient_checkpointing(make, drawn, loss_type, lora):
    loop = make(lora=lora, loss_type=loss_type, activation_checkpointing=True)
    assert loop.plain.is_gradient_checkpointing
    assert_agree(three_ways(loop, drawn))


@pytest.mark.parametrize("layout", LAYOUTS)
def test_temperature(make, drawn, layout):
    assert_agree(three_ways(make(layout, temperature=0.7, loss_type="dapo"), drawn))


@pytest.mark.parametrize("layout", LAYOUTS)
def test_entropy_bonus(make, drawn, layout):
    """The textbook script has none: ours against TRL's."""
    results = three_ways(make(layout, loss_type="dapo", entropy_coef=0.05), drawn)
    del results["from scratch"]
    assert_agree(results, "trl")


@pytest.mark.parametrize("layout", LAYOUTS)
def test_tokens_of_high_entropy(make, answered, layout):
    """The threshold is over the policy's tokens of a micro-step; what an environment wrote does not move it."""
    options = {"top_entropy_quantile": 0.5, "entropy_coef": 0.05, "loss_type": "dapo"}
    loop = make(layout, micro_steps=2, **options)
    trainer = trl_of(loop, answered)
    inputs = with_numbers(scored(trainer), answered, 0.0)
    assert_agree({"loop": by_loop(loop, batch_of(loop, answered)), "trl": by_trl(trainer, inputs)}, "trl")


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("level", ["token", "sequence"])
@pytest.mark.parametrize("loss_type", LOSSES)
def test_what_an_environment_wrote(make, answered, loss_type, level, layout):
    """Against TRL, whose `env_mask` says the same; the textbook script knows completions alone."""
    loop = make(layout, micro_steps=2, loss_type=loss_type, importance_sampling_level=level, beta=0.1)
    trainer = trl_of(loop, answered)
    inputs = with_numbers(scored(trainer), answered, 0.1)
    batch = batch_of(loop, answered)
    holes = sum(not own for g in batch.groups for s in g.prompted.samples for own in s.mask)
    assert holes > GROUPS
    assert batch.totals.tokens == inputs["num_items_in_batch"]
    assert_agree({"loop": by_loop(loop, batch), "trl": by_trl(trainer, inputs)}, "trl")


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("lora", [None, AdapterSection(kind="lora", r=4)], ids=["whole", "lora"])
@pytest.mark.parametrize("loss_type", ["grpo", "dapo", "vespo"])
def test_several_updates_on_a_batch(make, loss_type, lora, layout):
    """`num_iterations`: advantages, log-probabilities of the policy that sampled and of the reference are what each
    implementation makes of the samples, before the weights move."""
    # the limit is the quickstart's: some samples are right
    loop = make(layout, 2, lora=lora, limit=32, loss_type=loss_type, beta=0.1, num_iterations=2)
    move(loop.plain, 0.003 if lora is None else 0.02, seed=1)  # the policy is no longer its reference
    sampled = loop.collector.sample(3, 2)
    batch = loop.credit.weigh(sampled)
    loop.credit.score(batch, sampled)
    step = Step(sampled, torch.zeros(GROUPS, G), torch.zeros(0), torch.zeros(0))
    trainer = trl_of(loop, step)
    inputs = scored(trainer)
    groups = [[oracle.Sample(e.prompt_ids, e.token_ids) for e in g.episodes] for g in sampled.groups]
    for group, drawn in zip(groups, sampled.groups, strict=True):
        oracle.set_advantages(group, drawn.rewards)
    step.advantages = torch.tensor([[s.advantage for s in group] for group in groups])
    reference = load_policy(quickstart_config(), "reference").model
    with torch.no_grad():
        now, ref = (
            [oracle.log_probs(model, sample, 1.0) for group in groups for sample in group]
            for model in (loop.plain, reference)
        )
    move(loop.plain, 0.02 if lora is None else 0.05)
    trainer.model.load_state_dict(loop.plain.state_dict())  # type: ignore[union-attr]
    results = {
        "loop": by_loop(loop, batch),
        "trl": by_trl(trainer, inputs),
        "from scratch": from_scratch(loop, step, old=now, ref=ref),
    }
    assert 0 < sum(group.live for group in batch.groups) < GROUPS
    assert inputs["advantages"].tolist() == pytest.approx(step.advantages.flatten().tolist(), abs=1e-5)
    assert_agree(results)


def test_a_wrong_loss_is_noticed(make, drawn):
    """The tolerance is not so wide that a slightly different objective passes."""
    loop = make(loss_type="dapo", beta=0.1)
    right = three_ways(loop, drawn)
    changed = dataclasses.replace(oracle_objective(loop), high=loop.objective.epsilon_high + 0.01)
    wrong = from_scratch(loop, drawn, changed)
    with pytest.raises(AssertionError):
        assert_agree(right | {"from scratch": wrong})


# ------------------------------------------------------------------ groups without a gradient


def without_signal(loop: Loop, step: Step) -> StepBatch:
    return batch_of(loop, dataclasses.replace(step, advantages=torch.zeros(GROUPS, G)))


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_group_without_signal_has_a_gradient_of_exactly_zero(make, drawn, layout):
    """Where it is read all the same, since another process needs the forward pass."""
    loop = make(layout)
    batch = without_signal(loop, drawn)
    (micro,) = batch.micro_steps(ROWS)
    (part,) = micro.passes
    answer, row = loop.forward(loop.model, part.prompted)
    value, _ = loss_of(loop.objective, part.tokens(row), answer.logprobs, answer.entropies, batch.totals)
    loop.plain.zero_grad()
    value.backward()
    assert gradient_of(loop.plain).abs().max() == 0


@pytest.mark.parametrize("loss_type", ["grpo", "dapo", "bnpo"])
def test_a_micro_step_without_signal_has_no_forward_pass(make, drawn, loss_type):
    loop = make(micro_steps=GROUPS, loss_type=loss_type)
    expected = three_ways(loop, drawn)["trl"]
    read: list[int] = []
    hook = loop.plain.register_forward_hook(lambda *_: read.append(1))
    found = by_loop(loop, batch_of(loop, drawn))
    hook.remove()
    assert len(read) == GROUPS - 1  # one group is without variance
    assert_agree({"loop": found, "trl": expected}, "trl")


def test_a_group_without_signal_is_left_out_of_its_micro_step(make, drawn):
    loop = make()
    batch = batch_of(loop, drawn)
    (micro,) = batch.live_micro_steps(ROWS)
    (part,) = micro.passes
    assert len(part.groups) == GROUPS - 1
    assert part.numbers == [n for n in range(ROWS) if n // G != DEAD]
    assert micro.counted == batch.totals.tokens > len(part.flat("advantages"))


def test_without_any_signal_every_weight_has_a_gradient_of_zero(make, drawn):
    """So that the optimiser's step stays what it is."""
    loop = make()
    loop.backward(without_signal(loop, drawn), fresh=False)
    assert [p.grad.abs().max().item() if p.grad is not None else None for p in loop.plain.parameters()] == [
        0.0 for _ in loop.plain.parameters()
    ]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_engines_logprobs_are_the_trainers(make, layout):
    """What was sampled with is what is trained on, so the first importance ratio is one."""
    loop = make(layout)
    batch = loop.credit.weigh(loop.collector.sample(1, 0))
    answer, _ = loop.forward(loop.model, prompted(batch))
    written = torch.cat([group.sampler for group in batch.groups if group.sampler is not None])
    assert len(written) == batch.totals.tokens > 0
    assert answer.logprobs.tolist() == pytest.approx(written.tolist(), abs=1e-4)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_log_probabilities_of_the_sampling_policy_are_without_dropout(make, layout):
    """Before the first update of a run as before any later one: what was drawn is what is compared with."""
    adapter = AdapterSection(kind="lora", r=4, dropout=0.5)
    loop = make(layout, lora=adapter, beta=0.1, num_iterations=2, disable_dropout=False)
    move(loop.plain, 0.05)  # an adapter begins at zero, and dropping its input would change nothing
    sampled = loop.collector.sample(1, 0)
    for _ in range(2):
        batch = loop.credit.weigh(sampled)
        loop.credit.score(batch, sampled)
        for group in batch.groups:
            assert group.old is not None
            assert group.sampler is not None
            torch.testing.assert_close(group.old, group.sampler, atol=1e-4, rtol=1e-4)
        loop.backward(batch, fresh=True)
