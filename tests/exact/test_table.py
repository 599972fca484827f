"""One policy's exact law on one problem, by hand: three traces, and a tenth of the mass elsewhere."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from rlvr.config import EvidenceConfig, SamplingConfig
from rlvr.exact.compare import exact_comparison, summary
from rlvr.exact.table import Table
from rlvr.exact.values import _samples_the_policy
from rlvr.worlds import Trace
from tests.conftest import quickstart_config
from verifiers import Problem

PROBLEM = Problem("p", "?", "1")
TRACES = [
    Trace("a", "s1", 0.0, right=True, sound=True),
    Trace("b", "s1", 0.0, right=True, sound=False),
    Trace("c", "s2", 0.0, right=False, sound=True),
]


def table(*p: float, verified: list[bool] | None = None) -> Table:
    with np.errstate(divide="ignore"):
        return Table.of(PROBLEM, TRACES, np.log(p), verified)


def test_every_figure_of_a_table():
    found = table(0.5, 0.2, 0.2)
    assert found.outside == pytest.approx(0.1) and found.pass_at_1 == pytest.approx(0.7)
    assert [found.pass_at_k(k) for k in (1, 2, 3)] == pytest.approx([0.7, 1 - 0.3**2, 1 - 0.3**3])
    assert found.mass(found.sound) == pytest.approx(0.5)  # verified, by true steps
    assert found.posterior().tolist() == pytest.approx([5 / 7, 2 / 7, 0, 0])
    assert found.strategy_shares(("s1", "s2")) == pytest.approx({"s1": 0.7, "s2": 0.2, "elsewhere": 0.1})
    assert found.strategy_shares(("s1", "s2"), verified=True) == pytest.approx(
        {"s1": 1, "s2": 0, "elsewhere": 0}
    )


def test_the_verdicts_that_are_given_count_and_not_what_is_right():
    found = table(0.5, 0.2, 0.2, verified=[False, True, True])
    assert found.pass_at_1 == pytest.approx(0.4) and found.mass(found.sound) == pytest.approx(0.2)


def test_a_policy_that_is_never_or_always_right():
    never, always = table(0.0, 0.0, 1.0), table(0.5, 0.5, 0.0)
    assert (never.pass_at_1, never.pass_at_k(9)) == (0, 0) and np.isnan(never.posterior()).all()
    assert always.pass_at_1 == pytest.approx(1) and always.pass_at_k(4) == pytest.approx(1)
    assert never.outside == pytest.approx(0, abs=1e-12)


def test_probabilities_beyond_one_are_refused():
    with pytest.raises(ValueError, match=r"problem p: the traces' probabilities sum to 1\.1"):
        table(0.5, 0.4, 0.2)


WORLD: Any = SimpleNamespace(strategies=("s1", "s2"))


def test_means_over_problems_and_shares_of_what_is_verified():
    """The second problem is never solved: it has no posterior."""
    found = summary(WORLD, [table(0.5, 0.2, 0.2), table(0.0, 0.0, 0.6)], ks=(1, 2))
    assert found["pass_at_k"] == pytest.approx({"1": 0.35, "2": 0.455})
    assert found["sound_share_of_verified"] == pytest.approx(0.5 / 0.7)
    assert found["strategies"] == pytest.approx({"s1": 0.35, "s2": 0.4, "elsewhere": 0.25})
    assert found["posterior_strategies"] == pytest.approx({"s1": 1, "s2": 0, "elsewhere": 0})
    assert found["mass_outside_support"] == pytest.approx((0.1 + 0.4) / 2)
    hopeless = summary(WORLD, [table(0.0, 0.0, 0.6)])
    assert hopeless["sound_share_of_verified"] is None and hopeless["posterior_strategies"]["s1"] is None
    assert list(hopeless["pass_at_k"]) == ["1", "4", "16", "64", "256"]


def test_base_against_tuned_by_the_chain_rule():
    base, tuned = table(0.25, 0.25, 0.25), table(0.5, 0.25, 0.125)
    found = exact_comparison(WORLD, [PROBLEM], [base], [tuned], 0.7)
    p, q = 0.5, 0.75
    kl = 0.5 * np.log(2) + 0.125 * np.log(0.5) + 0.125 * np.log(0.5)
    success = q * np.log(q / p) + (1 - q) * np.log((1 - q) / (1 - p))
    row = {name: values[0] for name, values in found["per_problem"].items()}
    assert row["kl_base"] == pytest.approx(kl) == found["divergence"]["kl_base"]
    assert row["kl_success"] == pytest.approx(success)
    assert row["kl_forward"] == pytest.approx(2 / 3 * np.log(4 / 3) + 1 / 3 * np.log(2 / 3))
    assert row["kl_wrong"] == pytest.approx(0, abs=1e-9)
    assert row["kl_base"] == pytest.approx(
        row["kl_success"] + q * row["kl_forward"] + (1 - q) * row["kl_wrong"]
    )
    assert row["kl_reverse"] == pytest.approx(np.log(0.5 / 0.5) / 2 + np.log(0.5 / 0.25) / 2)
    assert found["kl_efficiency"] == pytest.approx(success / kl)
    assert (row["base_pass_at_1"], row["tuned_pass_at_1"]) == pytest.approx((p, q))
    assert row["base_mass_outside_support"] == pytest.approx(0.25)
    assert (found["n_problems"], found["temperature"], row["problem_id"]) == (1, 0.7, "p")
    same = exact_comparison(WORLD, [PROBLEM], [base], [base])
    assert same["kl_efficiency"] is None and same["divergence"]["kl_base"] == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize(
    ("keys", "whole"),
    [
        ({}, True), ({"temperature": 0.5}, True), ({"temperature": 0.0}, False), ({"top_p": 0.9}, False),
        ({"top_k": 3}, False), ({"min_p": 0.1}, False), ({"stop": ["Q"]}, False),
    ],
)  # fmt: skip
def test_exact_values_are_of_the_policy_as_it_is(keys, whole):
    sampling = SamplingConfig.model_validate(keys)
    bare = EvidenceConfig(question="{prompt}")
    assert _samples_the_policy(quickstart_config(sampling=sampling, evidence=bare)) == whole
    for other in ({"evidence": EvidenceConfig()}, {"evidence": bare, "environment": "feedback"}):
        assert not _samples_the_policy(quickstart_config(sampling=sampling, **other))
