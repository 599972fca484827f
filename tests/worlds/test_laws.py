"""The closed-form worlds against sums over everything that could have happened."""

from itertools import product

import numpy as np
import pytest

from rlvr.worlds.laws import Hmm, coin_mixture, hmm_mixture, markov_predictive, strategy_world


def test_coin_posterior_by_bayes_rule() -> None:
    thetas, prior = np.array([0.1, 0.3, 0.7, 0.95]), np.array([0.4, 0.3, 0.2, 0.1])
    joint = prior * thetas**3 * (1 - thetas)
    posterior, predictive, log_evidence = coin_mixture(thetas, prior, 3, 1)
    assert posterior == pytest.approx(joint / joint.sum()) and log_evidence == pytest.approx(
        np.log(joint.sum())
    )
    assert predictive == pytest.approx((joint * thetas).sum() / joint.sum())
    assert coin_mixture([0.0, 1.0], [0.5, 0.5], 1, 1) == (None, None, -np.inf)


def test_one_more_head_adds_its_log_ratio() -> None:
    thetas, prior = [0.2, 0.6], [0.5, 0.5]
    before, _, _ = coin_mixture(thetas, prior, 4, 2)
    after, _, _ = coin_mixture(thetas, prior, 5, 2)
    assert before is not None and after is not None
    assert np.log(after[1] / after[0]) - np.log(before[1] / before[0]) == pytest.approx(np.log(3))


def test_markov_predictive_counts_and_prior() -> None:
    assert markov_predictive([3, 1, 0], [0.5] * 3).tolist() == pytest.approx(
        [3.5 / 5.5, 1.5 / 5.5, 0.5 / 5.5]
    )

    with np.errstate(all="raise"):
        undefined = markov_predictive([[0, 0], [1, 0]], [0.0, 0.0])
    assert np.isnan(undefined[0]).all() and undefined[1].tolist() == [1.0, 0.0]


def test_hmm_posterior_by_summing_over_hidden_paths() -> None:
    emit = np.array([[0.7, 0.2, 0.1], [0.1, 0.3, 0.6]])
    concepts = [
        Hmm.of([0.5, 0.5], [[0.9, 0.1], [0.2, 0.8]], emit),
        Hmm.of([0.3, 0.7], [[0.1, 0.9], [0.8, 0.2]], emit),
    ]
    observed, prior = [0, 2, 1, 0], np.array([0.4, 0.6])

    def likelihood(hmm: Hmm, symbols: list[int]) -> float:
        total = 0.0
        for path in product(range(2), repeat=len(symbols)):
            p = hmm.start[path[0]] * hmm.emit[path[0], symbols[0]]
            for t in range(1, len(symbols)):
                p *= hmm.trans[path[t - 1], path[t]] * hmm.emit[path[t], symbols[t]]
            total += p
        return total

    joint = prior * [likelihood(h, observed) for h in concepts]
    posterior, predictive, log_evidence = hmm_mixture(concepts, prior, observed)
    assert posterior == pytest.approx(joint / joint.sum()) and log_evidence == pytest.approx(
        np.log(joint.sum())
    )
    following = [prior @ [likelihood(h, [*observed, s]) for h in concepts] / joint.sum() for s in range(3)]
    assert predictive == pytest.approx(following)


def test_strategy_world_of_the_testbed() -> None:
    # copy .90 (right with chance .001 where b > 0), sloppy .08 (.3), column .02 (.95)
    world = strategy_world([0.90, 0.08, 0.02], [0.001, 0.3, 0.95], 0.5)
    assert world.success == pytest.approx(0.0439) and world.pass_at_k(64) == pytest.approx(0.94, abs=0.005)
    assert world.posterior == pytest.approx([0.0205, 0.5467, 0.4328], abs=1e-4)
    assert world.trace_tilted_success == pytest.approx(0.253, abs=5e-4)
    for beta, success in ((1.0, 0.111), (0.25, 0.715), (0.1, 0.9990)):
        assert strategy_world(
            [0.9, 0.08, 0.02], [0.001, 0.3, 0.95], beta
        ).trace_tilted_success == pytest.approx(success, abs=6e-4)
    cold = strategy_world([0.90, 0.08, 0.02], [0.001, 0.3, 0.95], 1e-4)
    assert cold.tilted_success == pytest.approx(0.95) and cold.trace_tilted_success == pytest.approx(1.0)
    impossible = strategy_world([0.5, 0.5], [0.0, 0.0], 0.1)
    assert impossible.posterior is None and impossible.trace_tilted_success == 0
