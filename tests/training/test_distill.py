"""`algorithm: distill`: the policy as the run began, asked with evidence, teaches the policy without it."""

from pathlib import Path
from typing import Any

import pytest
import torch

from rlvr.config import Config, ConfigError, EvidenceConfig, TrainConfig
from rlvr.policy import Policy
from rlvr.sampling.driver import encode
from rlvr.soft_embedding import ahead_of, without
from rlvr.training import arguments
from rlvr.training.collect import Sampled
from rlvr.training.loop import Loop
from rlvr.training.step_batch import StepBatch
from rlvr.worlds import carry
from tests.training.handles import distance, gradient, gradient_of, loop_of, move, prompted, row_by_row
from verifiers import Verdict
from verifiers.pool import VerifierPool

GROUPS, G = 4, 8
EVIDENCE = {"question": "{prompt} "}
"""Another prompt than the plain one, under which the embedded model still solves some."""
LORA = {"adapter": {"kind": "lora", "r": 4}}


@pytest.fixture(scope="module")
def pool():
    with VerifierPool("math", workers=1) as pool:
        yield pool


def distilling(folder: Path, pool: VerifierPool, direction: str, **more: Any) -> Loop:
    distill = {"evidence": EVIDENCE, "direction": direction}
    sizes: dict[str, Any] = {"groups_per_step": GROUPS, "group_size": G} | more
    return loop_of(folder, pool, algorithm="distill", distill=distill, **sizes)


def first_batch(loop: Loop) -> tuple[Sampled, StepBatch]:
    sampled = loop.collector.sample(1, draw=0)
    return sampled, loop.credit.assign(sampled)


def behind(policy: Policy, sampled: Sampled, aided: bool) -> list[list[int]]:
    """The prompts of the step's problems, made by hand."""
    texts = [g.episodes[0].problem.prompt + " " * aided for g in sampled.groups]
    return [policy.tokenizer(text, add_special_tokens=False)["input_ids"] for text in texts]


def alone(model: torch.nn.Module, prompt: list[int], written: list[int]) -> torch.Tensor:
    """(N,) log-probabilities of what was written behind a prompt, by one plain forward pass."""
    ids = torch.tensor([[*prompt, *written]])
    logp = model(input_ids=ids).logits[0, len(prompt) - 1 : -1].log_softmax(-1)
    return logp[range(len(written)), written]


@pytest.mark.parametrize("more", [{}, LORA], ids=["full", "lora"])
def test_forward_is_cross_entropy_of_the_plain_prompt_on_verified_samples_of_the_teacher(
    tmp_path, pool, more
):
    groups, size = 8, 16  # few of the teacher's samples are right
    loop = distilling(tmp_path, pool, "forward", groups_per_step=groups, group_size=size, **more)
    start = loop.collector.current.policy
    aided, plain = (behind(start, loop.collector.sample(1, draw=0), with_it) for with_it in (True, False))
    move(loop.plain, 0.02)  # the policy has moved; the teacher has not
    sampled, batch = first_batch(loop)
    assert [group.episodes[0].prompt_ids for group in sampled.groups] == aided
    assert all(group.steered for group in sampled.groups) and sampled.drawn_by == "base"
    accepted = [
        (prompt, episode.token_ids)
        for prompt, group in zip(plain, sampled.groups, strict=True)
        for episode, verdict in zip(group.episodes, group.verdicts, strict=True)
        if verdict.score == 1
    ]
    assert 0 < len(accepted) < groups * size
    figures = loop.backward(batch, fresh=True)
    ours = gradient_of(loop.plain)
    logp = torch.cat([alone(loop.plain, prompt, written) for prompt, written in accepted])
    assert distance(ours, gradient(loop.plain, -logp.mean())) < 1e-4
    drawn = [
        e.logprobs
        for g in sampled.groups
        for e, v in zip(g.episodes, g.verdicts, strict=True)
        if v.score == 1
    ]
    gap = torch.tensor([nats for row in drawn for nats in row or ()]) - logp.detach()
    assert figures["teacher/kl"] == pytest.approx(gap.mean().item(), abs=1e-4)
    loop.collector.record(1, sampled, batch)
    assert batch.metrics["teacher/correct_share"] == len(accepted) / (groups * size)


def test_the_teacher_draws_as_it_did_whatever_became_of_the_policy(tmp_path, pool):
    loop = distilling(tmp_path, pool, "forward", **LORA)
    before = [e.token_ids for g in loop.collector.sample(1, draw=0).groups for e in g.episodes]
    move(loop.plain, 0.02)
    assert before == [e.token_ids for g in loop.collector.sample(1, draw=0).groups for e in g.episodes]


def test_a_problem_without_a_verified_sample_gives_no_gradient(tmp_path, pool):
    loop = distilling(tmp_path, pool, "forward")
    sampled = loop.collector.sample(1, draw=0)
    for group in sampled.groups:
        group.verdicts = [Verdict(0.0, "incorrect")] * G
        group.rewards = [0.0] * G
    batch = loop.credit.assign(sampled)
    assert not any(group.live for group in batch.groups)
    loop.backward(batch, fresh=True)
    assert not gradient_of(loop.plain).any()


@pytest.mark.parametrize("more", [{}, LORA, {"rows_per_micro_step": 3}], ids=["full", "lora", "parts"])
def test_reverse_advantages_are_two_plain_forward_passes_apart(tmp_path, pool, more):
    loop = distilling(tmp_path, pool, "reverse", **more)
    start = [p.detach().clone() for p in loop.plain.parameters()]
    move(loop.plain, 0.02)
    sampled, batch = first_batch(loop)
    policy = loop.collector.current.policy
    plain, aided = (behind(policy, sampled, with_it) for with_it in (False, True))
    assert [group.episodes[0].prompt_ids for group in sampled.groups] == plain  # on-policy, asked as ever
    assert sampled.drawn_by == "step-0" and not any(group.steered for group in sampled.groups)
    written = [e.token_ids for g in sampled.groups for e in g.episodes]
    with torch.no_grad():
        own = [alone(loop.plain, plain[i // G], ids) for i, ids in enumerate(written)]
        for parameter, value in zip(loop.plain.parameters(), start, strict=True):
            parameter.copy_(value)
        taught = [alone(loop.plain, aided[i // G], ids) for i, ids in enumerate(written)]
    expected = torch.cat([t - o for t, o in zip(taught, own, strict=True)])
    found = torch.cat([group.advantages for group in batch.groups])
    assert found.std() > 0.1 and torch.allclose(found, expected, atol=1e-4)


def test_the_teacher_of_a_soft_prompt_is_the_base_without_it(tmp_path, pool):
    soft = {"adapter": {"kind": "soft_prompt", "tokens": 4, "init_text": "+71}"}}
    loop = distilling(tmp_path, pool, "reverse", **soft)
    sampled, batch = first_batch(loop)
    plain, aided = (behind(loop.collector.current.policy, sampled, with_it) for with_it in (False, True))
    written = [e.token_ids for g in sampled.groups for e in g.episodes]
    with torch.no_grad():
        own = [alone(loop.plain, ahead_of(loop.plain, plain[i // G]), ids) for i, ids in enumerate(written)]
        with without(loop.plain):
            taught = [alone(loop.plain, aided[i // G], ids) for i, ids in enumerate(written)]
    expected = torch.cat([t - o for t, o in zip(taught, own, strict=True)])
    found = torch.cat([group.advantages for group in batch.groups])
    assert found.std() > 0.1 and torch.allclose(found, expected, atol=1e-4)


def test_reverse_is_the_gradient_of_the_kl_of_each_next_token(tmp_path, pool):
    """Σ A ∇ log p over the tokens, every verdict left aside, and its mean as a figure."""
    loop = distilling(tmp_path, pool, "reverse")
    sampled, batch = first_batch(loop)
    weights = torch.cat([group.advantages for group in batch.groups])
    figures = loop.backward(batch, fresh=True)
    ours = gradient_of(loop.plain)
    logp, _ = row_by_row(loop.plain, prompted(batch))
    assert distance(ours, gradient(loop.plain, -(weights * logp).mean())) < 1e-4
    assert figures["teacher/kl"] == pytest.approx(-weights.mean().item(), abs=1e-5)
    loop.collector.record(1, sampled, batch)
    assert "teacher/correct_share" not in batch.metrics  # nobody asked the teacher for samples


def test_evidence_is_a_function_of_the_problem(tmp_path, pool):
    loop = distilling(tmp_path, pool, "reverse")
    distillation = loop.distillation
    assert distillation
    policy, problems = loop.collector.current.policy, carry.problems("train", 3)
    found = [encode(policy, distillation.evidence, [problem])[0] for problem in problems]
    assert found == encode(policy, distillation.evidence, problems)


# ------------------------------------------------------------------ what is refused

GIVEN = {"evidence": {"shots": 2}}


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"algorithm": "distill"}, "go together"),
        ({"distill": GIVEN}, "go together"),
        ({"distill": {"evidence": {}}}, "names no key"),
        ({"distill": {"evidence": {"shot": 2}}}, "has no such key"),
        ({"distill": {"evidence": {"template": "chat"}}}, "training and evaluation share"),
        ({"algorithm": "distill", "distill": GIVEN, "evidence": {"add": {"shots": 1}}}, "without further evidence"),
        ({"algorithm": "distill", "distill": GIVEN, "curriculum": {"refill": 1}}, "refill is for grpo and rloo"),
        (
            {"algorithm": "distill", "distill": GIVEN, "rewards": [{"verifier": "format", "weight": 1}]},
            "trains on the solved samples alone",
        ),
        (
            {"algorithm": "distill", "distill": GIVEN | {"direction": "reverse"}, "reward": "random"},
            "learns from the teacher",
        ),
        (
            {
                "algorithm": "distill",
                "distill": GIVEN | {"direction": "reverse"},
                "rewards": [{"verifier": "format", "weight": 1}],
            },
            "learns from the teacher",
        ),
        (
            {
                "algorithm": "distill",
                "distill": GIVEN | {"direction": "reverse"},
                "shaping": {"per_token": 0.1},
            },
            "learns from the teacher",
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_combined_is_refused(keys, said):
    with pytest.raises(ValueError, match=said):
        TrainConfig.model_validate(keys)


def whole(distill: dict, **more) -> dict:
    return {
        "problems": {"train": {"world": "train"}, "heldout": {"world": "heldout"}},
        "train": {"algorithm": "distill", "distill": distill},
    } | more


@pytest.mark.parametrize(
    ("config", "said"),
    [
        (whole(GIVEN, environment="feedback"), "answers of one turn"),
        (whole({"evidence": {"shots": -1}}), r"train\.distill\.evidence\.shots"),
        (whole({"evidence": {"shots": 0}}), "changes nothing"),
        (
            whole({"evidence": {"hint": {"column": "solution", "position": "answer"}}}),
            "would begin in two places",
        ),
    ],
)
def test_evidence_that_does_not_fit_the_run_is_refused(config, said):
    with pytest.raises(ValueError, match=said):
        Config.model_validate(config)


def test_a_hint_that_begins_both_answers_is_shared():
    hint = {"column": "solution", "position": "answer"}
    config = Config.model_validate(whole({"evidence": {"shots": 2}}, evidence={"hint": hint}))
    assert config.train.distill and config.train.distill.on(config.evidence).hint == config.evidence.hint
    assert config.evidence == EvidenceConfig.model_validate({"hint": hint})


@pytest.mark.parametrize(
    ("direction", "trl", "said"),
    [
        ("forward", {"beta": 0.1}, "no place in train.algorithm=distill"),
        ("forward", {"loss_type": "cispo"}, "no place in train.algorithm=distill"),
        ("reverse", {"importance_sampling_level": "sequence"}, "weighs tokens"),
        ("reverse", {"loss_type": "vespo"}, "weighs tokens"),
        ("reverse", {"off_policy_mask_threshold": 0.1}, "weighs tokens"),
        ("reverse", {"beta": 0.1, "sync_ref_model": True}, "would move the teacher"),
        ("reverse", {"scale_rewards": "none"}, "belongs to grpo"),
    ],
)
def test_arguments_that_have_no_meaning_are_refused(direction, trl, said):
    train = TrainConfig.model_validate(
        {"algorithm": "distill", "distill": GIVEN | {"direction": direction}, "trl": trl}
    )
    with pytest.raises(ConfigError, match=said):
        arguments.check(train)
