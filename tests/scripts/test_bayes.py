"""scripts/bayes: short runs, and the constructions by hand."""

import subprocess
import sys
from typing import Any

import numpy as np
import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from tests.conftest import REPO

sys.path.insert(0, str(REPO / "scripts" / "bayes"))

import best_predictor  # pyright: ignore[reportMissingImports]
import gradient_step  # pyright: ignore[reportMissingImports]
import in_context_and_tuning  # pyright: ignore[reportMissingImports]
import paired  # pyright: ignore[reportMissingImports]
import posterior_prediction  # pyright: ignore[reportMissingImports]
from small_tasks import Task  # pyright: ignore[reportMissingImports]


def test_the_construction_is_one_step_of_gradient_descent_written_out():
    tokens, _ = gradient_step.prompts(3, torch.Generator().manual_seed(1))
    for prompt in tokens.numpy():
        x, y, query = prompt[:-1, :-1], prompt[:-1, -1], prompt[-1, :-1]
        weights = 0.7 / len(x) * sum(y[i] * x[i] for i in range(len(x)))
        said = gradient_step.predicted(torch.from_numpy(prompt[None]), [gradient_step.constructed(0.7)])
        assert said.item() == pytest.approx(query @ weights, abs=1e-12)


def test_steps_are_those_of_gradient_descent():
    tokens, _ = gradient_step.prompts(2, torch.Generator().manual_seed(2))
    for prompt in tokens.numpy():
        x, y, query = prompt[:-1, :-1], prompt[:-1, -1], prompt[-1, :-1]
        w = np.zeros(x.shape[1])
        for _ in range(3):
            w -= 0.5 / len(x) * x.T @ (x @ w - y)
        said = gradient_step.descended(torch.from_numpy(prompt[None]), 0.5, 3)
        assert said.item() == pytest.approx(query @ w, abs=1e-12)


def test_a_context_is_an_edit_of_rank_one_of_a_pretrained_block():
    script = REPO / "scripts" / "bayes" / "context_update.py"
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, check=True, timeout=300)
    difference = float(done.stdout.split("edited weights: ")[1].split()[0])
    assert difference < 1e-12
    assert "rank of ΔW: 1 to 1" in done.stdout
    steps = [line.split()[-1] for line in done.stdout.partition("rank of the step\n")[2].splitlines()]
    assert set(steps) == {"1"}


def test_cross_entropy_alone_finds_the_share_of_heads_and_a_prior_moves_it():
    found = {name: best_predictor.minimised(prior) for name, prior in best_predictor.PRIORS.items()}
    assert found["cross-entropy alone"] == pytest.approx(7 / 10, abs=1e-6)
    assert found["prior flat in P(heads)"] == pytest.approx(8 / 12, abs=1e-6)
    assert 0.5 < found["prior normal in the log-odds"] < 0.7


def test_nobody_pays_less_than_the_mixture_and_a_bet_on_one_coin_is_by_hand():
    flips = best_predictor.MIXTURE.draw(200, 20, np.random.default_rng(0))
    rivals = best_predictor.rivals(flips)
    first = flips[:, 0].numpy() == 1
    # before any flip no coin is likelier than another; after heads the likeliest coin is .95, after tails .1
    assert (rivals["most likely coin"][:, 1] == np.where(first, 0.95, 0.1)).all()
    # P(coin | heads) is as .4 · .1, .3 · .3, .2 · .7, .1 · .95
    assert (
        rivals["coin of highest posterior"][:, :2]
        == np.column_stack([[0.1] * 200, np.where(first, 0.7, 0.1)])
    ).all()
    for q in rivals.values():
        one = best_predictor.excess(q, flips)
        assert one["kl"] > 0
        assert abs(one["paid"] - one["kl"]) < 4 * one["se"]


def test_a_network_comes_nearer_to_the_mixture_with_training():
    curve, by_flip = best_predictor.training(width=8, steps=8, seed=0, number=16)
    assert curve[8] < 0.7 * curve[0]
    assert np.mean(by_flip) == pytest.approx(curve[8])


def test_the_exact_prediction_of_the_regression_is_that_of_its_weights():
    prior = posterior_prediction.PRIORS[0]
    x, y = prior.draw(1, 6, torch.Generator().manual_seed(1))
    features = np.column_stack([np.ones(6), x[0, :, 0]])
    seen, target = features[:4], y[0, :4].numpy()
    covariance = np.linalg.inv(np.eye(2) + seen.T @ seen / 0.25)
    mean = features[4:] @ (covariance @ seen.T @ target / 0.25)
    exact = prior.exact(x, y, 4)
    assert exact.mean[0].numpy() == pytest.approx(mean)
    variance = np.einsum("ij,jk,ik->i", features[4:], covariance, features[4:]) + 0.25
    assert exact.variance[0].numpy() == pytest.approx(variance)


def test_bars_are_read_off_as_they_are_drawn():
    borders = torch.linspace(-4, 4, posterior_prediction.BARS + 1, dtype=torch.float64)
    normal = torch.distributions.Normal(torch.tensor(0.3, dtype=torch.float64), 0.8)
    logs = normal.cdf(borders).diff().log()[None]
    mean, sd, low, high = (float(part) for part in posterior_prediction.read_off(logs, borders))
    assert (mean, sd) == pytest.approx((0.3, 0.8), abs=2e-3)
    assert (low, high) == pytest.approx((0.3 - 1.96 * 0.8, 0.3 + 1.96 * 0.8), abs=2e-3)


def test_a_network_learns_to_predict_and_its_distance_is_that_of_bars():
    prior = posterior_prediction.PRIORS[0]
    far, near = (
        posterior_prediction.compared(prior, posterior_prediction.trained(prior, steps, 0), 5, 64)
        for steps in (2, 40)
    )
    assert 0 < near["kl"] < 0.6 * far["kl"]


@pytest.fixture
def reader() -> in_context_and_tuning.Reader:
    torch.manual_seed(0)
    shape: dict[str, Any] = {
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
    }
    model = LlamaForCausalLM(LlamaConfig(vocab_size=50, max_position_embeddings=128, **shape))
    model.set_attn_implementation("eager")
    return in_context_and_tuning.Reader(model.eval(), 0)


def task_of_two() -> Task:
    draw = torch.Generator().manual_seed(0)
    queries, examples = (torch.randint(3, 50, (number, 4), generator=draw) for number in (5, 6))
    taught, candidates = torch.arange(6) % 2, torch.tensor([1, 2])
    rows = torch.cat([examples, candidates[taught][:, None], torch.full((6, 1), 7)], dim=1)
    return Task(rows, taught, queries, torch.arange(5) % 2, candidates)


def test_examples_that_are_read_once_are_those_before_each_query(reader):
    task = task_of_two()
    whole = torch.cat([torch.zeros(1, dtype=torch.long), task.examples.flatten(), task.queries[2]])[None]
    with torch.no_grad():
        out = reader.model(whole, output_attentions=True)
    found = reader.read(task, task.examples)
    scores = torch.stack([part[0, :, -1, -4:].log() for part in out.attentions])
    assert torch.allclose(found.scores[:, 2], scores - scores.mean(-1, keepdim=True), atol=1e-4)
    said = out.logits[0, -1, task.candidates].argmax()
    assert bool(found.right[2]) == bool(said == task.right[2])


def test_both_tunings_teach_the_examples_and_leave_the_model_as_it_was(reader):
    task = task_of_two()
    of_examples = Task(task.examples, task.taught, task.examples[:, :4], task.taught, task.candidates)
    before = reader.read(of_examples)
    for loss_of in in_context_and_tuning.TUNINGS.values():
        assert reader.tuned(of_examples, loss_of, 60, 3e-2).right.sum() > max(before.right.sum(), 4)
    after = reader.read(of_examples)
    assert torch.equal(before.outputs, after.outputs)


def test_measures_are_one_where_examples_do_what_tuning_does(reader):
    task = task_of_two()
    zero, given = reader.read(task), reader.read(task, task.examples)
    corrections, updates, maps = in_context_and_tuning.alike(zero, given, given)
    assert torch.equal(*corrections)
    assert (updates[0] / updates[1]).numpy() == pytest.approx(np.ones(5), abs=1e-5)
    assert (maps[0] / maps[1]).numpy() == pytest.approx(np.ones(5), abs=1e-5)


def test_examples_and_random_examples_are_compared_query_by_query():
    """Forty queries that count; examples put right those that random ones do, and ten more."""
    counts = np.repeat([1.0, 0.0], [40, 20])
    one, other = (np.arange(60) < right for right in (30, 20))
    found = paired.compared(np.array([[one, counts], [other, counts]]))
    assert {name: (row["value"], row["n"]) for name, row in found.items()} == {
        "examples": (0.75, 40), "random examples": (0.5, 40), "difference": (0.25, 40)
    }  # fmt: skip
    width = {name: row["hi"] - row["lo"] for name, row in found.items()}
    alone = np.hypot(width["examples"], width["random examples"])
    assert found["difference"]["lo"] > 0.1 and width["difference"] < 0.75 * alone  # the shared queries cancel
    nothing = paired.compared(np.zeros((2, 2, 5)))
    assert [row["value"] for row in nothing.values()] == [None] * 3


@pytest.mark.slow
def test_a_trained_layer_is_as_good_as_the_best_step():
    script = REPO / "scripts" / "bayes" / "gradient_step.py"
    command = [sys.executable, script, "--steps", "600"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=900)
    ratio = float(done.stdout.split("layers / steps ")[1].split(";")[0])
    assert 0.98 < ratio < 1.02
    assert float(done.stdout.split("V ⊗ Q: ")[1].split()[0]) > 0.99
