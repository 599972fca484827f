"""What the base all but rules out: counts by hand, and the real loop from graded rewards to verdicts."""

from dataclasses import replace

import numpy as np
import pytest

from rlvr.theory import boundary
from rlvr.theory.networks import STRATEGIES_NETWORK, base
from rlvr.theory.strategies import SMALL, trained
from rlvr.worlds.strategies import Strategies


def run(**hidden: list[float]) -> boundary.Run:
    return boundary.Run(
        {name: np.array(rates) for name, rates in hidden.items()}, dict.fromkeys(hidden, 0.99)
    )


FOUND = run(
    base=[0.01, 0.01, 0.2], transfer=[0.001, 0.02, 0.2], exploration=[0.0, 0.6, 0.9], graded=[0.1, 0.1, 0.1],
    **{"then binary": [0.0, 0.0, 0.6]},
)  # fmt: skip
LOST = run(
    base=[0.01, 0.01, 0.2], transfer=[0.0, 0.0, 0.0], exploration=[0.0, 0.0, 0.3], graded=[0.0, 0.0, 0.3],
    **{"then binary": [0.0, 0.0, 0.3]},
)  # fmt: skip


def test_reached_and_lost_by_hand():
    check = boundary.reached([FOUND, LOST])
    by_name = {line.what.strip(): line for line in check.lines}
    assert by_name["reached by exploration, of ten hidden problems"].spread == (2.0, 0.0)
    assert by_name["reached by transfer, of ten hidden problems"].spread == (0.0, 0.0)
    lost = [line.spread for line in check.lines if line.what.startswith("  lost")]
    assert lost == [(1.0, 3.0), (1.0, 2.0)]  # under transfer, under exploration
    assert by_name["seeds of 2 with expansion by exploration"].found == 1
    assert by_name["seeds of 2 with expansion by transfer"].found == 0
    assert by_name["seeds of 2 that forget without practice"].found == 1  # FOUND: .221 of .22
    assert check.passed


def test_what_stays_of_a_graded_reward_by_hand():
    line = boundary.dense([FOUND, LOST]).lines[-1]
    assert line.spread == pytest.approx((2.0, 1.0))


def test_pass_at_64_is_of_each_problem():
    assert boundary.among(np.array([0.0, 1.0, 0.01])) == pytest.approx((1 + 1 - 0.99**64) / 3)


@pytest.mark.slow
def test_the_real_loop_goes_on_from_the_graded_policy(tmp_path):
    """The base is fitted for a short time; steps are few."""
    world = Strategies(hole=boundary.HIDDEN)
    begun = base(world, tmp_path / "hole-base-0", network=replace(STRATEGIES_NETWORK, steps=60))
    found = boundary.made(tmp_path, 0, steps=2, graded=1)
    assert found.hidden.keys() == set(boundary.POLICIES) and all(len(q) == 10 for q in found.hidden.values())
    places = [i for i, problem in enumerate(begun.problems) if problem.id in boundary.HIDDEN]
    assert found.hidden["base"] == pytest.approx(begun.laws.rate(begun.laws.log_p0)[places])
    assert len({rates.tobytes() for rates in found.hidden.values()}) == len(boundary.POLICIES)
    kept, train = tmp_path / "kept", SMALL | {"steps": 2}
    first = trained(begun, train, "graded", every=2, keep=kept)[2]
    still = trained(replace(begun, folder=kept), train | {"learning_rate": 1e-12}, every=2)[2]
    assert np.abs(np.exp(still.log_p0) - np.exp(first.log_p0)).max() < 1e-5
    assert np.abs(np.exp(still.log_p0) - np.exp(begun.laws.log_p0)).max() > 1e-3
