"""Log-probabilities of what was written, with somebody else's words in it: the policy's tokens alone are counted."""

from dataclasses import replace

import pytest
import torch

from rlvr.errors import UserError
from rlvr.policy import Policy
from rlvr.rollouts import Rollout
from rlvr.sampling.abilities import abilities
from rlvr.sampling.score import Written, logprobs
from tests.sampling.test_model_families import FAMILIES, PROMPTS, random_policy

TEMPERATURE = 0.7
MASKS = [
    [True, True, False, False, True],
    [False, True, True, False, True, True, True],  # a tool speaks first
    [True, True, True, False],  # and last
    [True],
    [False, False],
    [],
    [True, False, True, False, True, False],
    [True] * 6,
]


def written() -> list[Written]:
    generator = torch.Generator().manual_seed(0)
    rows = []
    for number, mask in enumerate(MASKS):
        ids = torch.randint(2, 20, (len(mask),), generator=generator).tolist()
        rows.append(Written(number // 2, ids, mask))
    return rows


def alone(policy: Policy, row: Written) -> float:
    """By one forward pass over the prompt and the row."""
    prompt = PROMPTS[row.prompt]
    with torch.no_grad():
        logits = policy.model(torch.tensor([[*prompt, *row.token_ids]]), use_cache=False).logits[0]
    logp = (logits[len(prompt) - 1 : -1] / TEMPERATURE).log_softmax(-1)
    return sum(logp[i, token].item() for i, token in enumerate(row.token_ids) if row.mask[i])


@pytest.mark.parametrize("family", FAMILIES)
def test_the_policys_tokens_alone_are_counted(family, tiny):
    policy, rows = random_policy(family, tiny), written()
    found = logprobs(policy, PROMPTS, rows, TEMPERATURE)
    assert found == pytest.approx([alone(policy, row) for row in rows], abs=1e-3)
    assert found[4] == found[5] == 0.0
    everything = [replace(row, mask=[True] * len(row.mask)) for row in rows]
    more = logprobs(policy, PROMPTS, everything, TEMPERATURE)
    assert [a > b for a, b in zip(found, more, strict=True)] == [not all(mask) for mask in MASKS]


def test_the_head_in_tiles_says_the_same_and_holds_no_more_logits_than_allowed(tiny, monkeypatch):
    policy, rows = random_policy(next(f for f in FAMILIES if shares(f, tiny)), tiny), written()
    whole = logprobs(policy, PROMPTS, rows, TEMPERATURE)
    vocabulary = policy.model.config.get_text_config().vocab_size
    monkeypatch.setattr("rlvr.sampling.score.LOGITS", 2 * vocabulary)
    held = []
    head = policy.model.get_output_embeddings()
    assert head is not None
    watch = head.register_forward_hook(lambda *said: held.append(said[-1].numel()))
    try:
        assert logprobs(policy, PROMPTS, rows, TEMPERATURE) == pytest.approx(whole, abs=1e-4)
    finally:
        watch.remove()
    assert max(held) <= 2 * vocabulary < max(map(len, MASKS)) * vocabulary


def shares(family, tiny) -> bool:
    return abilities(random_policy(family, tiny)).why_unshared is None


def test_both_ways_of_reading_are_among_them(tiny):
    assert {shares(family, tiny) for family in FAMILIES} == {True, False}


def row(**changes) -> Rollout:
    return Rollout("p1", 0, "base", "1+1?", "so 2", "2", True, 3, **changes)


def test_the_mask_of_a_row_is_its_turns():
    turns = [
        {"by": "policy", "text": "so", "token_ids": [5, 6]},
        {"by": "evidence", "text": "?", "token_ids": [7]},
        {"by": "policy", "text": "2", "token_ids": [8]},
    ]
    found = Written.of(row(token_ids=[5, 6, 7, 8], turns=turns), 3)
    assert (found.prompt, [*found.token_ids], [*found.mask]) == (3, [5, 6, 7, 8], [True, True, False, True])
    assert [*Written.of(row(token_ids=[5, 6]), 0).mask] == [True, True]


def test_rows_whose_tokens_are_unknown_are_refused():
    turns = [{"by": "policy", "text": "so", "token_ids": [5]}, {"by": "evidence", "text": "?"}]
    with pytest.raises(UserError, match="problem p1, sample 0: a turn has no token_ids"):
        Written.of(row(token_ids=[5, 6], turns=turns), 0)
    turns = [
        {"by": "policy", "text": "so", "token_ids": [5]},
        {"by": "evidence", "text": "?", "token_ids": [7]},
    ]
    with pytest.raises(UserError, match="sample 0: its turns have 2 token_ids, the row has 3"):
        Written.of(row(token_ids=[5, 6, 7], turns=turns), 0)
    with pytest.raises(UserError, match="problem p1, sample 0: the row has no token_ids"):
        Written.of(row(), 0)
