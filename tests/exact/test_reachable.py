"""Following a policy finds every trace above the floor, and nothing below it."""

import numpy as np
import pytest

from rlvr.exact.enumerate import law_trees, trace_logprobs
from rlvr.exact.reachable import reachable
from rlvr.exact.table import labelled
from rlvr.worlds import carry


def test_it_finds_what_is_likelier_than_the_floor_and_nothing_else(tiny):
    problems = carry.problems("heldout", 3)
    prompts = tiny.encode([p.prompt for p in problems])
    for problem, found in zip(
        problems, reachable([tiny], prompts, carry.MAX_NEW_TOKENS, floor=1e-3), strict=True
    ):
        assert all(np.exp(nats) >= 1e-3 for (nats,) in found.values())
        law = carry.support(problem)
        logp = trace_logprobs(tiny.model, tiny.tokenizer, law_trees(carry.WORLD, [problem], tiny.tokenizer))[
            0
        ]
        for trace, nats in zip(law, logp, strict=True):
            if np.exp(nats) > 1.001e-3:
                assert found[trace.text][0] == pytest.approx(nats, abs=1e-4)


def test_a_lower_floor_leaves_less_out(tiny):
    prompt = tiny.encode(["37+48="])
    left = []
    for floor in (1e-2, 1e-3, 1e-4):
        (found,) = reachable([tiny], prompt, carry.MAX_NEW_TOKENS, floor=floor)
        left.append(1 - sum(np.exp(nats) for (nats,) in found.values()))
    assert left[0] > left[1] > left[2] > 0
    assert left[2] < 0.01


def test_two_policies_reach_what_either_reaches(tiny):
    """The same policy given twice."""
    prompt = tiny.encode(["91-58="])
    (once,) = reachable([tiny], prompt, carry.MAX_NEW_TOKENS, floor=1e-3)
    (twice,) = reachable([tiny, tiny], prompt, carry.MAX_NEW_TOKENS, floor=1e-3)
    assert {text: (nats, nats) for text, (nats,) in once.items()} == twice


def test_the_token_limit_cuts(tiny):
    prompts = tiny.encode([p.prompt for p in carry.problems("unreachable", 2)])
    for found in reachable([tiny], prompts, 10, floor=1e-3):
        assert all(len(tiny.tokenizer.encode(text)) < 10 for text in found)


def test_a_trace_beyond_the_law_has_its_label():
    problem = carry.problems("heldout", 1)[0]
    law = carry.support(problem)[0]
    known, other = labelled(carry.WORLD, problem, [law.text, f"so \\boxed{{{problem.reference}}}"])
    assert known == law
    assert (other.strategy, other.right, other.sound, other.probability) == ("elsewhere", True, False, 0.0)


def test_without_a_law_every_trace_is_beyond_it():
    problem = carry.problems("unreachable", 1)[0]
    right, wrong = labelled(carry.WORLD, problem, [f"\\boxed{{{problem.reference}}}", " \\boxed{1}"])
    assert [(t.strategy, t.right, t.sound) for t in (right, wrong)] == [
        ("elsewhere", True, False),
        ("elsewhere", False, False),
    ]
