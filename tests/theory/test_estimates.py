"""Estimates from samples against tables: the truths by another way, and that a wrong one is noticed."""

import numpy as np
import pytest

from rlvr.theory import estimates
from rlvr.theory.tables import laws

KNOWN = laws()


@pytest.fixture(scope="module")
def tuned():
    return estimates.moved(KNOWN, steps=40)


def test_the_truths_hold_together(tuned):
    exact = estimates.truths(KNOWN, tuned, samples=64)
    p = KNOWN.rate(KNOWN.log_p0)
    assert np.mean(1 - (1 - p) ** exact["k*"]) == pytest.approx(exact["tuned pass@1"], abs=1e-9)
    gained = exact["within 16 samples"] + exact["beyond 16"] - exact["forgetting"]
    assert (
        0 < exact["gain"] - gained < 0.04
    )  # the rest is of problems without a base success: 64 samples miss 6 %
    assert exact["KL(π‖p0), nats"] > exact["kl(q‖p), nats"] > 0
    pi, p0 = np.exp(tuned), np.exp(KNOWN.log_p0)
    by_hand = np.where(pi > 0, pi * np.log(pi / p0), 0).sum(-1).mean()
    assert exact["KL(π‖p0), nats"] == pytest.approx(by_hand, abs=1e-9)
    right, base = (np.where(KNOWN.verified, law, 0) for law in (pi, p0))
    right, base = (law / law.sum(-1, keepdims=True) for law in (right, base))
    forward = (right * np.log(np.where(right > 0, right, 1) / np.where(base > 0, base, 1))).sum(-1).mean()
    assert exact["KL(π_V‖π*), nats"] == pytest.approx(forward, abs=1e-9)


def test_the_intervals_hold_what_is_exact_and_not_something_else(tuned, monkeypatch):
    monkeypatch.setattr(estimates, "moved", lambda known: tuned)
    check = estimates.covered(experiments=10)
    assert check.passed, [line.what for line in check.lines if line.passed is False]
    assert sum(line.passed is True for line in check.lines) == 16
    true = estimates.truths(KNOWN, tuned, 256)
    monkeypatch.setattr(estimates, "truths", lambda *_: true | {"η": true["η"] - 0.1, "k*": 2 * true["k*"]})
    missed = [
        before.what
        for before, line in zip(check.lines, estimates.covered(experiments=3).lines[1:], strict=False)
        if line.passed is False
    ]
    assert {name.partition(",")[0] for name in missed} >= {"k*", "η"}
