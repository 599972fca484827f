"""The decomposition: its identity, its cases by hand, certification under a null, the churn floor."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rlvr.analysis.compression import churn, clopper_pearson, decompose

quick = settings(deadline=None, max_examples=80, derandomize=True)


@quick
@given(st.data())
def test_parts_sum_to_the_gain_exactly(data: st.DataObject) -> None:
    size, n0, n1 = (data.draw(st.integers(1, top)) for top in (6, 64, 64))
    c0 = data.draw(st.lists(st.integers(0, n0), min_size=size, max_size=size))
    c1 = data.draw(st.lists(st.integers(0, n1), min_size=size, max_size=size))
    K, simultaneous = data.draw(st.integers(1, 64)), data.draw(st.booleans())
    d = decompose(np.full(size, n0), c0, np.full(size, n1), c1, K, 0.05, simultaneous)
    if n0 < K:
        assert not d.used.any() and np.isnan(d.within).all() and np.isnan(d.ratio_net)
        return
    total = d.within + d.beyond + d.unresolved + d.expansion - d.forgetting
    assert np.allclose(total, d.tuned - d.base, atol=1e-15)
    for part in (d.within, d.beyond, d.unresolved, d.expansion, d.forgetting, d.headroom):
        assert np.all(part >= 0)
    assert np.all(d.within <= d.headroom + 1e-15)
    if not np.isnan(d.ratio_gross):
        assert 0 <= d.ratio_gross <= 1
    assert not np.any(d.certified & ~d.base_zero)


def test_each_kind_by_hand() -> None:
    # K = 2, n0 = 16: pass@2 of 4/16 is 1 - (12·11)/(16·15) = 0.45, headroom 0.2
    d = decompose([16, 16, 16, 16], [4, 4, 0, 8], [10, 10, 10, 10], [4, 9, 6, 3], 2)
    reach = 1 - 0.05 ** (2 / 16)
    assert np.allclose(d.within, [0.15, 0.2, 0, 0])
    assert np.allclose(d.beyond, [0, 0.45, 0, 0])
    assert np.allclose(d.unresolved, [0, 0, reach, 0])
    assert np.allclose(d.expansion, [0, 0, 0.6 - reach, 0])
    assert np.allclose(d.forgetting, [0, 0, 0, 0.2])
    assert d.certified.tolist() == [False, False, False, False]  # 6 of 10 has lower bound .30 < .31


def test_one_attempt_has_no_headroom() -> None:
    d = decompose([32, 32], [4, 8], [32, 32], [8, 4], 1)
    assert np.isnan(d.ratio_gross) and np.isnan(d.ratio_net)


def test_rejects_what_has_no_meaning() -> None:
    with pytest.raises(ValueError, match="search budget"):
        decompose([4], [1], [4], [1], 0)
    with pytest.raises(ValueError, match="alpha"):
        decompose([4], [1], [4], [1], 2, 1.5)
    with pytest.raises(ValueError, match="sided"):
        clopper_pearson(4, 1, sided=3)


def test_pure_search_is_hardly_ever_certified_as_expansion() -> None:
    # The tuned policy is the base with 16 tries: a certificate would be false. At most 2α per problem.
    rng = np.random.default_rng(0)
    p = rng.choice([1e-4, 1e-3, 3e-3, 1e-2], size=40_000)
    c0, c1 = rng.binomial(256, p), rng.binomial(64, 1 - (1 - p) ** 16)
    d = decompose(np.full(p.size, 256), c0, np.full(p.size, 64), c1, 16)
    assert d.base_zero.sum() > 10_000
    assert d.certified.mean() < 0.01


@pytest.mark.parametrize(("n", "c"), [(2, 1), (4, 1), (5, 2), (6, 3), (7, 5), (3, 3), (4, 0)])
def test_churn_equals_enumeration_of_half_splits(n: int, c: int) -> None:
    verdicts, half = [1] * c + [0] * (n - c), n // 2
    gains = []
    for a in combinations(range(n), half):
        rest = [i for i in range(n) if i not in a]
        for b in combinations(rest, half):
            gains.append(max(0, sum(verdicts[i] for i in a) - sum(verdicts[i] for i in b)) / half)
    assert churn([n], [c])[0] == pytest.approx(np.mean(gains))


def test_churn_is_scaled_to_the_real_comparison() -> None:
    assert churn([64], [20], [64])[0] == pytest.approx(churn([64], [20])[0] * np.sqrt((2 / 64) / (2 / 32)))
    assert np.isnan(churn([1, 0], [1, 0])).all()


@quick
@given(st.integers(1, 200), st.data())
def test_clopper_pearson_bounds_have_their_level(n: int, data: st.DataObject) -> None:
    from scipy.stats import binom

    c = data.draw(st.integers(0, n))
    lo, hi = (float(x) for x in clopper_pearson(n, c, 0.1, sided=1))
    assert lo <= c / n <= hi
    if c > 0:
        assert binom.sf(c - 1, n, lo) == pytest.approx(0.1, rel=1e-6)
    if c < n:
        assert binom.cdf(c, n, hi) == pytest.approx(0.1, rel=1e-6)
