"""Where definitions end (docs/metrics.md): no samples, no budget, ties, infinities and empty classes.

The oracle holds cases of each function; these are the rules, one at a time.
"""

from __future__ import annotations

import math

import numpy as np
import pytest

from rlvr.analysis import alignment, compression, evidence, frontier, passk, search, sizing, voting
from rlvr.worlds import laws

INF = math.inf


@pytest.mark.parametrize(
    ("n", "c", "k", "value"),
    [
        (0, 0, 0, None),
        (5, 3, -1, None),
        (5, 3, 5.001, None),
        (5, 0, 5, 0.0),
        (5, 5, 0, 0.0),
        (5, 1, 5, 1.0),
        (5, 4, 1.5, 1 - (1 - 1.5 / 5) * (1 - 1.5 / 4) * (1 - 1.5 / 3) * (1 - 1.5 / 2)),
        (5, 4, 2, 1.0),
    ],
)
def test_pass_at_k_ends_where_it_should(n, c, k, value):
    found = float(passk.pass_at_k(n, c, k))
    assert math.isnan(found) if value is None else found == pytest.approx(value, rel=1e-14, abs=0)


def test_real_k_is_continuous_at_certainty():
    """pass@k reaches 1 at k = n - c + 1 and not before."""
    below, at = passk.pass_at_k(64, 5, [60 - 1e-6, 60])
    assert below < 1 == at and below == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("n", [2, 3, 8])
def test_variance_is_undefined_beyond_half_the_samples(n):
    k = n // 2 + 1
    assert math.isnan(passk.pass_variance(n, 1, k)) and passk.pass_variance(n, 1, n // 2) >= 0


def test_a_problem_that_is_always_solved_has_no_headroom_and_one_tuned_sample_is_one_base_sample():
    parts = compression.decompose([4], [4], [4], [4], 4)
    assert parts.headroom[0] == 0 and math.isnan(parts.ratio_gross) and math.isnan(parts.ratio_net)
    assert search.k_star([4], [4], [4], [4]).value == 1
    assert search.crossover([4], [4], [4], [4]).status == "censored_right"


def test_nothing_drawn_wins_no_vote():
    assert voting.maj_at_k_known([0.3, 0.7], 0, 0) == 0
    assert voting.maj_at_k_known([0.3, 0.7], None, 3) == 0
    assert voting.maj_at_k_known([0.3, 0.7], 0, 3) == pytest.approx(0.3**3 + 3 * 0.3**2 * 0.7)


def test_a_common_offset_of_a_table_of_logarithms_changes_nothing():
    """Unnormalised tables: the same policy is the same policy, however its logarithms are shifted."""
    found = alignment.exact_alignment([5.0, 5.0], [-30000.0, -30000.0], [True, False])
    assert found.kl_pi_p0 == 0 and math.isnan(found.efficiency)
    logs = np.array([[0.0, -1.0, -3.0], [-2.0, -0.5, 0.0]])
    near, far = (
        alignment.exact_alignment(logs[0] + x, logs[1] - x, [True, True, False]) for x in (0, 2.0**20)
    )
    assert near.kl_pi_p0 == far.kl_pi_p0 and near.efficiency == far.efficiency


@pytest.mark.parametrize("table", [[-INF, -INF], []])
def test_a_table_without_mass_has_no_divergence(table):
    found = alignment.exact_alignment(table, np.zeros(len(table)), [True, False][: len(table)])
    for name in ("kl_pi_p0", "kl_verified", "kl_unverified", "kl_pi_target", "kl_target_pi", "efficiency"):
        assert math.isnan(getattr(found, name)), name


def test_mass_on_the_wrong_side_is_seen_on_the_logarithm():
    """An unverified atom with ln π = -1e4 has mass, though e^-10000 is 0 in double precision."""
    found = alignment.exact_alignment([0.0, 0.0], [0.0, -1e4], [True, False])
    assert found.kl_pi_target == INF
    gone = alignment.exact_alignment([0.0, 0.0], [0.0, -INF], [True, False])
    assert gone.kl_pi_target == 0 and gone.kl_pi_p0 == pytest.approx(math.log(2))


def test_evidence_on_a_rung_without_success():
    """Log-odds of -inf: the line to the next rung is below every target until it ends."""
    assert evidence.evidence_equivalent([0, 1, 2], [-INF, 1.0, 2.0], 0.0) == (1.0, "ok")
    assert evidence.evidence_equivalent([0, 1], [1.0, 1.0], 1.0) == (0.0, "at_or_below_first")
    assert evidence.evidence_equivalent([0, 1], [0.0, 1.0], 1.5) == (None, "censored_right")


def test_rates_that_no_reward_moves():
    for p in (0.0, 1.0):
        q, kl = frontier.tilt(p, 0.1)
        assert (q, kl) == (p, 0) and math.isnan(frontier.logit_shift(p, 0.1))
        assert frontier.kl_inverse(p, 3.0) == p
        assert frontier.grpo_iterates(p, 0.1, 0.0, 3).tolist() == [p] * 4


def test_tiny_success_rates_keep_their_digits():
    world = laws.strategy_world([1.0], [1e-20], beta=1.0)
    assert world.pass_at_k(1000) == pytest.approx(1e-17, rel=1e-12)
    assert frontier.group_signal(1e-20, 8) == pytest.approx(8e-20, rel=1e-12)


def test_nothing_known_is_not_a_number_and_not_an_answer():
    assert math.isnan(passk.jensen_bound([], 2))
    assert evidence.evidence_equivalent([0, 1], [0.0, 1.0], math.nan) == (None, "no_data")
    assert evidence.evidence_equivalent([0, 1], [0.0, math.nan], 0.5) == (None, "no_data")
    with pytest.raises(ValueError, match="at least 1"):
        sizing.half_width(0.1, 0.1, 0, 4)
    for prior, beta in (([0.0, 0.0], 1.0), ([0.5, 0.5], 0.0)):
        with pytest.raises(ValueError, match="a prior with mass and a positive beta"):
            laws.strategy_world(prior, [0.2, 0.8], beta)
