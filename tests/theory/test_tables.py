"""Table policies under the trainer's objective, against closed forms that are computed here once more."""

import numpy as np
import pytest
import torch

from rlvr.theory import tables
from rlvr.theory.check import Check, Line, table
from rlvr.theory.table_policy import Laws, TablePolicy


def small(p=(0.1, 0.3), wrong=3):
    """Problems of one right and some wrong traces."""
    law = np.array([[q, *([(1 - q) / wrong] * wrong)] for q in p])
    verified = np.zeros(law.shape, dtype=bool)
    verified[:, 0] = True
    return Laws(np.log(law), verified, verified)


@pytest.mark.parametrize("beta", [1.0, 0.3])
def test_with_a_kl_term_the_odds_of_success_rise_by_one_over_beta(beta):
    known = small()
    policy = TablePolicy(known, 0.05)
    for _ in range(300):
        policy.exact_step(policy.verdicts, beta)
    q = known.rate(policy.table())
    assert np.log(q / (1 - q)) - np.log([0.1 / 0.9, 0.3 / 0.7]) == pytest.approx([1 / beta] * 2, abs=1e-3)
    assert known.efficiency(policy.table()) == pytest.approx(1, abs=1e-4)


def test_one_exact_step_is_the_gradient_of_expected_reward():
    """∂E[V]/∂logit_z = π_z (V_z − q), and plain gradient descent moves along it."""
    known = small((0.2,))
    policy = TablePolicy(known, known.log_p0.size, torch.optim.SGD)
    policy.exact_step(policy.verdicts, 0.0)
    pi, verdicts = np.exp(known.log_p0), known.verified
    expected = pi * (verdicts - 0.2)
    assert (policy.logits.detach().numpy() - known.log_p0) == pytest.approx(expected, abs=1e-6)


def test_sampled_steps_find_the_same_tilt():
    known = small((0.2, 0.4))
    policy, generator = TablePolicy(known, 0.02), torch.Generator().manual_seed(0)
    for step in range(600):
        policy.optimizer.param_groups[0]["lr"] = 0.02 * (1 - step / 600)
        policy.sampled_step(64, generator, beta=1.0)
    odds = np.array([0.2 / 0.8, 0.4 / 0.6]) * np.e
    assert known.rate(policy.table()) == pytest.approx(odds / (1 + odds), abs=0.02)


def test_what_has_no_probability_gets_none():
    known = small((0.2, 0.4))
    log_p0 = known.log_p0.copy()
    log_p0[0, 0] = -np.inf
    known = Laws(log_p0, known.verified, known.sound)
    for sampled in (False, True):
        policy, generator = TablePolicy(known, 0.05), torch.Generator().manual_seed(0)
        for _ in range(50):
            if sampled:
                policy.sampled_step(16, generator)
            else:
                policy.exact_step(policy.verdicts, 0.0)
        rates = known.rate(policy.table())
        assert rates[0] == 0
        assert rates[1] > 0.6
        assert np.exp(policy.table()[0, 1:]) == pytest.approx(1 / 3, abs=1e-12)


def test_a_verifier_that_says_yes_at_random_leaves_the_log_odds():
    check = tables.erring_verifier(grid=(-0.1, 0.0, 0.1), steps=60, seeds=2)
    lost, nothing, gained = (line.found for line in check.lines[:3])
    assert lost < -0.03 < nothing < 0.03 < gained
    assert abs(check.lines[-1].found) < 0.05


@pytest.mark.parametrize("make", [tables.masked, tables.tilted])
def test_the_checks_meet_their_marks(make):
    check = make()
    assert check.passed
    assert any(line.passed for line in check.lines)


@pytest.mark.slow
@pytest.mark.parametrize("make", [tables.sampled, tables.recurrence, tables.without_kl])
def test_the_longer_checks_meet_their_marks(make):
    assert make().passed


def test_a_line_that_misses_its_mark_says_so_and_fails_its_check():
    lines = [Line.within("a", 0.5, 0.52, 0.01), Line.at_most("b", 0.1, 0.2), Line("c", 3.0)]
    check = Check("T0", "claim", lines)
    assert [line.passed for line in lines] == [False, True, None]
    assert not check.passed
    assert Check("T0", "claim", lines[1:]).passed
    text = "\n".join(table(check))
    assert "-0.0200  within 0.01: MISSED" in text
    assert "at most 0.2: met" in text
    assert [row.split()[-1] for row in text.splitlines()[2:]] == ["MISSED", "met", "shown"]


def test_a_mark_over_seeds_holds_for_each_of_them():
    line = Line.over_seeds("a", [0.9, 0.97, 0.98], 1.0, least=0.95)
    assert (line.found, line.passed) == (pytest.approx(0.95), False)
    assert Line.over_seeds("a", [0.96, 0.98], least=0.95, most=0.98).passed
    assert Line.over_seeds("a", [0.96, 0.98], most=0.97).passed is False
    assert Line.over_seeds("a", [0.1, 0.2]).passed is None
    measured = Line.over_seeds("a", [1.0, 2.0, 3.0]).as_json()["model"]
    assert measured == {"value": 2.0, "status": "ok", "seeds": [1.0, 2.0, 3.0], "se": pytest.approx(3**-0.5)}
