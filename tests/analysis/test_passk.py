"""pass@k and its relatives: hand-worked cases, enumeration, identities."""

from itertools import combinations
from math import comb

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rlvr.analysis.curves import by_counts, fixed_se
from rlvr.analysis.passk import (
    cot_pass_at_k,
    g_pass_at_k,
    jensen_bound,
    pass_at_k,
    pass_curve,
    pass_hat_k,
    pass_moments_at_p,
    pass_variance,
    unsound_share,
)

quick = settings(deadline=None, max_examples=60, derandomize=True)


@st.composite
def counts(draw: st.DrawFn, top: int = 60) -> tuple[int, int, int]:
    n = draw(st.integers(1, top))
    return n, draw(st.integers(0, n)), draw(st.integers(1, n))


@quick
@given(counts())
def test_equals_the_ratio_of_binomial_coefficients(case: tuple[int, int, int]) -> None:
    n, c, k = case
    assert pass_at_k(n, c, k) == pytest.approx(1 - comb(n - c, k) / comb(n, k), rel=1e-12, abs=1e-15)
    assert pass_hat_k(n, c, k) == pytest.approx(comb(c, k) / comb(n, k), rel=1e-12, abs=1e-300)


def test_equals_enumeration_of_all_subsets() -> None:
    verdicts = [1, 1, 0, 0, 0, 1, 0]
    for k in range(1, 8):
        subsets = list(combinations(verdicts, k))
        assert pass_at_k(7, 3, k) == pytest.approx(np.mean([max(s) for s in subsets]))
        assert pass_hat_k(7, 3, k) == pytest.approx(np.mean([min(s) for s in subsets]))
        assert g_pass_at_k(7, 3, k, 0.5) == pytest.approx(
            np.mean([sum(s) >= max(1, -(-k // 2)) for s in subsets])
        )


def test_undefined_is_nan_and_never_zero() -> None:
    assert np.isnan(pass_at_k([0, 5, 5], [0, 2, 2], [1, 6, -1])).all()
    assert np.isnan(pass_curve([0, 3], [0, 1], [1, 4])).tolist() == [[True, True], [False, True]]
    assert pass_at_k(5, 0, 3) == 0.0 and pass_at_k(5, 2, 0) == 0.0 and pass_at_k(5, 2, 4) == 1.0


@quick
@given(counts(), st.floats(0.01, 0.99))
def test_real_k_is_increasing_concave_and_meets_the_whole_values(
    case: tuple[int, int, int], share: float
) -> None:
    n, c, k = case
    below, between, above = pass_at_k(n, c, np.array([k - 1, k - 1 + share, k]))
    assert below - 1e-12 <= between <= above + 1e-12
    assert between >= (1 - share) * below + share * above - 1e-12


@quick
@given(counts(40))
def test_curve_agrees_with_single_values(case: tuple[int, int, int]) -> None:
    n, c, k = case
    ks = np.unique([1, k, n, n + 1])
    single = [float(pass_at_k(n, c, j)) for j in ks]
    assert np.allclose(
        pass_curve(np.array([n]), np.array([c]), ks)[0], single, rtol=1e-13, atol=0, equal_nan=True
    )
    assert np.allclose(by_counts(pass_at_k, np.array([n]), np.array([c]), list(ks)), [single], equal_nan=True)


@pytest.mark.parametrize(("n", "k"), [(6, 1), (6, 2), (8, 4), (9, 3)])
@pytest.mark.parametrize("p", [0.0, 0.13, 0.5, 1.0])
def test_unbiased_in_mean_and_variance(n: int, k: int, p: float) -> None:
    c = np.arange(n + 1)
    weight = np.array([comb(n, int(x)) * p**x * (1 - p) ** (n - x) for x in c])
    f, v = pass_at_k(n, c, k), pass_variance(n, c, k)
    mean = weight @ f
    assert mean == pytest.approx(1 - (1 - p) ** k, abs=1e-14)
    spread = weight @ (f - mean) ** 2
    assert weight @ v == pytest.approx(spread, abs=1e-14)
    exact_mean, exact_variance = pass_moments_at_p(n, p, k)
    assert exact_mean == pytest.approx(mean, abs=1e-14) and exact_variance == pytest.approx(spread, abs=1e-14)


def test_pass_at_1_is_exactly_the_success_rate() -> None:
    n = np.arange(1, 300)
    assert np.array_equal(pass_at_k(n, n // 3, 1), (n // 3) / n)


def test_ceiling_of_tau_k_is_not_fooled_by_rounding() -> None:
    # 0.1 · 30 is 3.0000000000000004 in floating point; at least 3 of 30 must be right, not 4
    exactly_three = g_pass_at_k(30, 3, 30, 0.1)
    assert exactly_three == pytest.approx(1.0)


def test_large_counts_keep_their_digits() -> None:
    # 1 - (1 - 1/4)(1 - 1/4)…: with n = 10^6 and k = n/4 the product of four terms is known to 1e-12
    n, k = 1_000_000, 250_000
    expected = 1 - np.prod([(n - k - j) / (n - j) for j in range(4)])
    assert pass_at_k(n, 4, k) == pytest.approx(expected, rel=1e-12)


def test_what_underflows_is_certain_and_cheap() -> None:
    assert pass_at_k(2**31, 2**30, 2**29) == 1.0 and pass_hat_k(2**31, 2**30, 2**29) == 0.0
    assert pass_variance(10**7, 10**6, 10**5) == 0.0


def test_cot_pass_counts_sound_answers_only() -> None:
    assert cot_pass_at_k(10, 5, 2, 3) == pass_at_k(10, 2, 3)
    assert np.array_equal(unsound_share([5, 0], [2, 0]), [0.6, np.nan], equal_nan=True)
    with pytest.raises(ValueError, match="more sound"):
        cot_pass_at_k(10, 2, 5, 3)


def test_fixed_standard_error_needs_twice_the_samples_everywhere() -> None:
    n, c = np.array([8, 8]), np.array([2, 4])
    by_hand = np.sqrt(np.sum((c / n) * (1 - c / n) / (n - 1))) / 2
    assert fixed_se(n, c, [1])[0] == pytest.approx(by_hand)
    assert np.isnan(fixed_se(np.array([8, 5]), c, [4])[0])


@quick
@given(st.lists(st.floats(0, 1), min_size=1, max_size=20), st.integers(2, 50))
def test_jensen_bound_holds(rates: list[float], k: int) -> None:
    p = np.array(rates)
    assert np.mean(1 - (1 - p) ** k) <= jensen_bound(p, k) + 1e-12
