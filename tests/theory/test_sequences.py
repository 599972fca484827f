"""Networks that predict symbols: chains, concepts, guesses by reward, and what can be read from activations."""

import numpy as np
import pytest
import torch

from rlvr.analysis.frontier import bernoulli_kl
from rlvr.theory import chains, coins, concepts, guesses, predictor, readout
from rlvr.theory.check import Check
from rlvr.theory.page import drawings
from rlvr.worlds.laws import coin_mixture


def test_a_chains_next_symbol_by_hand():
    """0 1 1 2: nothing is known of the first, of what follows the first 0 and the first 1; then 1 was followed by
    1 once."""
    found = chains.predictive(torch.tensor([[0, 1, 1, 2]]))[0]
    assert found[:3] == pytest.approx(np.full((3, 3), 1 / 3))
    assert found[3] == pytest.approx([0.5 / 2.5, 1.5 / 2.5, 0.5 / 2.5])
    counted = chains.predictive(torch.tensor([[0, 1, 1, 2]]), ordered=False)[0]
    assert counted[3] == pytest.approx([0.5 / 3.5, 2.5 / 3.5, 0.5 / 3.5])


def test_drawn_chains_are_as_likely_as_bayes_rule_says():
    """Σ ln P(next) − Σ ln of the frequencies alone is positive: order tells; and probabilities are calibrated."""
    drawn = chains.draw(400, np.random.default_rng(0))
    assert drawn.shape == (400, chains.LONG) and set(drawn.unique().tolist()) == {0, 1, 2}
    law = chains.predictive(drawn)
    of_it = np.take_along_axis(law, drawn.numpy()[..., None], axis=-1)
    assert of_it.mean() == pytest.approx((law**2).sum(-1).mean(), abs=0.01)
    counted = np.take_along_axis(chains.predictive(drawn, ordered=False), drawn.numpy()[..., None], axis=-1)
    assert np.log(of_it).mean() > np.log(counted).mean() + 0.1


def test_the_gap_to_its_own_prediction_is_nothing_and_to_another_by_hand():
    model = predictor.network(0, 3, width=8)
    drawn = chains.draw(5, np.random.default_rng(0))[:, :7]
    own = predictor.log_predictive(model, drawn).double().exp().detach().numpy()
    assert predictor.gap(model, drawn, own) == pytest.approx(np.zeros(7), abs=1e-6)
    sure = np.zeros_like(own)
    sure[..., 1] = 1.0
    assert predictor.gap(model, drawn, sure) == pytest.approx(-np.log(own[..., 1]).mean(0), abs=1e-6)


def test_a_prediction_reads_what_lies_before_it_alone():
    model = predictor.network(0, 3, width=8)
    drawn = chains.draw(4, np.random.default_rng(0))[:, :9]
    changed = drawn.clone()
    changed[:, 4] = (changed[:, 4] + 1) % 3
    one, other = (predictor.log_predictive(model, each) for each in (drawn, changed))
    assert torch.equal(one[:, :5], other[:, :5]) and not torch.allclose(one[:, 5:], other[:, 5:])


def test_the_last_activations_are_those_that_the_prediction_is_made_of():
    model = predictor.network(0, 3, width=8, layers=3)
    drawn = chains.draw(4, np.random.default_rng(0))[:, :9]
    layers = predictor.hidden(model, drawn)
    assert [layer.shape for layer in layers] == [(4, 9, 8)] * 4
    out = model.lm_head(torch.from_numpy(layers[-1]).float())[..., :3].log_softmax(-1)
    assert torch.allclose(out, predictor.log_predictive(model, drawn), atol=1e-5)


def test_training_lowers_the_loss():
    model = predictor.network(0, 3, width=8)
    drawn = chains.draw(64, np.random.default_rng(1))[:, :20]
    exact = chains.predictive(drawn)
    before = predictor.gap(model, drawn, exact).mean()

    def short(number: int, random: np.random.Generator) -> torch.Tensor:
        return chains.draw(number, random)[:, :20]

    steps = list(predictor.training(model, short, 40, 0, batch=32))
    assert steps == list(range(1, 41))
    assert predictor.gap(model, drawn, exact).mean() < 0.7 * before


# ------------------------------------------------------------------ activations


def test_what_is_linear_in_the_activations_is_read_whole_and_what_is_not_there_not_at_all():
    random = np.random.default_rng(0)
    inside = random.normal(size=(200, 5, 6))
    linear = inside @ random.normal(size=(6, 2)) + 3.0
    assert readout.r_squared(inside, linear) == pytest.approx(1.0, abs=1e-4)
    assert readout.r_squared(inside, readout.shuffled(linear)) == pytest.approx(0.0, abs=0.1)
    assert readout.r_squared(inside, random.normal(size=(200, 5, 2))) == pytest.approx(0.0, abs=0.1)


def test_a_readout_is_judged_on_other_sequences_than_it_was_fitted_on():
    random = np.random.default_rng(0)
    inside = random.normal(size=(100, 3, 4))
    target = inside[..., :1].copy()
    target[50:] *= -1  # in the other half it is the opposite
    assert readout.r_squared(inside, target) < -1


def test_the_control_keeps_what_the_position_tells():
    target = np.broadcast_to(np.arange(4.0)[:, None], (30, 4, 1)) + np.arange(30.0)[:, None, None] * 0
    assert (readout.shuffled(target) == target).all()
    different = np.arange(30.0)[:, None, None] * np.ones((30, 4, 1))
    mixed = readout.shuffled(different)
    assert (mixed != different).any() and sorted(mixed[:, 0, 0]) == sorted(different[:, 0, 0])


def test_the_posterior_over_coins_is_the_mixtures():
    flips = torch.tensor([[1, 0, 1, 1, 0]])
    found = coins.posterior(flips)[0]
    for t in range(5):
        heads = int(flips[0, :t].sum())
        assert found[t] == pytest.approx(coin_mixture(coins.COINS, coins.PRIOR, heads, t - heads)[0])


def test_examples_are_evidence_of_the_concept_and_of_no_unseen_one():
    """By the forward algorithm alone, with a network that knows nothing."""
    model = predictor.network(0, 10, width=8)
    weights = np.zeros((9, 10))
    seen = {n: concepts.prompted(model, concepts.SEEN, n, weights, number=1000) for n in (0, 8)}
    unseen = {
        n: concepts.mean(
            [concepts.prompted(model, family, n, weights, number=1000) for family in concepts.UNSEEN]
        )
        for n in (0, 8)
    }
    assert seen[0].posterior < 0.3 < 0.8 < seen[8].posterior
    assert seen[8].odds > seen[0].odds + 3
    risen, flat = (kind[8].bayes - kind[0].bayes for kind in (seen, unseen))
    assert risen > 0.1 > 3 * flat and seen[8].bayes <= seen[8].ceiling
    assert unseen[8].bayes + 0.1 < unseen[8].ceiling
    assert seen[8].read == 0 and seen[8].network <= seen[8].ceiling


# ------------------------------------------------------------------ guesses


def test_the_tilt_of_a_guess_by_hand():
    """Right with θ for heads, 1 − θ for tails: the log-odds of heads grow by (2θ − 1)/β."""
    model, target = coins.network(0, width=8), coins.TARGETS[0]
    flips = target.draw(3, 4, np.random.default_rng(0))
    p = torch.sigmoid(coins.logits(model, flips)).double().detach().numpy()
    up = p * np.exp(0.7 / 0.5)
    down = (1 - p) * np.exp(0.3 / 0.5)
    assert guesses.tilted(model, target, flips, 0.5) == pytest.approx(up / (up + down), abs=1e-6)


def test_a_reward_for_right_guesses_makes_sure_and_a_price_of_kl_keeps():
    model, target = coins.network(0, width=8), coins.TARGETS[0]
    flips = target.draw(32, coins.FLIPS, np.random.default_rng(1))
    before = torch.sigmoid(coins.logits(model, flips)).detach()
    free, dear = (
        torch.sigmoid(coins.logits(guesses.tuned(model, target, 40, beta, rows=8), flips)).detach()
        for beta in (0.0, 100.0)
    )
    assert free.mean() > before.mean() + 0.05
    moved = float(np.asarray(bernoulli_kl(before.numpy(), dear.numpy())).mean())
    assert moved < 0.01


def test_every_series_of_a_figure_of_dots_is_drawn_and_named():
    check = Check(
        "Name",
        "claim",
        dots={"regret": {"one": {"a way": 0.1, "b way": 0.01}, "two": {"a way": 1.0, "b way": 2.0}}},
    )
    (drawing,) = drawings(check)
    for words in ("regret", "one", "two", "a way", "b way", ">0.1</text>"):
        assert words in drawing
    assert "$" not in drawing
    narrow = Check("Name", "claim", dots={"rate": {"one": {"a": 0.7, "b": 0.95}}})
    (drawing,) = drawings(narrow)
    assert "$" not in drawing and ">0.8</text>" in drawing
