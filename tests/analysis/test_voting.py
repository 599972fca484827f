"""maj@k and best-of-k against enumeration of all subsets, and what must hold at k = 1 and 2."""

from itertools import combinations, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rlvr.analysis.passk import pass_at_k
from rlvr.analysis.samples import Answers
from rlvr.analysis.voting import best_of_k, best_of_k_scored, maj_at_k, maj_at_k_known

quick = settings(deadline=None, max_examples=40, derandomize=True)


def vote(draws: tuple[int, ...]) -> float:
    """Chance that answer 0 wins the vote among `draws`; -1 abstains."""
    valid = [a for a in draws if a >= 0]
    if not valid:
        return 0.0
    votes = np.bincount(valid)
    modes = np.flatnonzero(votes == votes.max())
    return float(0 in modes) / len(modes)


def table(*counts: list[int]) -> Answers:
    """One problem per list; its first answer is the correct one."""
    rows = [(i, m, j == 0) for i, problem in enumerate(counts) for j, m in enumerate(problem)]
    problem, count, correct = zip(*rows, strict=True)
    return Answers(np.array(problem), np.array(count), np.array(correct))


@quick
@given(st.lists(st.integers(0, 4), min_size=1, max_size=4), st.integers(0, 2), st.data())
def test_majority_equals_enumeration(counts: list[int], invalid: int, data: st.DataObject) -> None:
    n = sum(counts) + invalid
    if n == 0 or n > 11:
        return
    k = data.draw(st.integers(1, n))
    samples = [a for a, m in enumerate(counts) for _ in range(m)] + [-1] * invalid
    exact = np.mean([vote(s) for s in combinations(samples, k)])
    assert maj_at_k(table(counts), [n], k)[0] == pytest.approx(exact, abs=1e-12)


def test_many_problems_at_once_equal_one_by_one() -> None:
    rng = np.random.default_rng(0)
    counts = [rng.multinomial(30, rng.dirichlet(np.full(5, 0.5))).tolist() for _ in range(300)]
    together = maj_at_k(table(*counts), np.full(300, 32), 12)
    single = [maj_at_k(table(c), [32], 12)[0] for c in counts[:40]]
    assert np.allclose(together[:40], single, rtol=1e-12)


def test_first_and_second_vote_are_the_success_rate() -> None:
    answers = table([7, 5, 4], [2, 9, 5])
    assert np.allclose(maj_at_k(answers, [16, 16], 1), [7 / 16, 2 / 16])
    assert np.allclose(maj_at_k(answers, [16, 16], 2), [7 / 16, 2 / 16])


def test_edges_of_the_vote() -> None:
    assert np.isnan(maj_at_k(table([1]), [1], 2)[0])
    nothing = Answers(np.zeros(0, int), np.zeros(0, int), np.zeros(0, bool))
    assert maj_at_k(nothing, [4], 2)[0] == 0.0  # everybody abstained
    with pytest.raises(ValueError, match="5 answers among 3 samples"):
        maj_at_k(table([5]), [3], 2)


@pytest.mark.parametrize("probs", [[0.4, 0.3, 0.3], [0.25, 0.5, 0.25], [0.1, 0.2, 0.3]])
def test_known_distribution_equals_enumeration(probs: list[float]) -> None:
    rest = 1 - sum(probs)
    for k in (1, 3, 4):
        outcomes = [*range(len(probs)), -1]
        weight = [*probs, rest]
        exact = sum(vote(d) * np.prod([weight[a] for a in d]) for d in product(outcomes, repeat=k))
        assert maj_at_k_known(probs, 0, k) == pytest.approx(exact, abs=1e-12)


def test_best_of_k_with_a_perfect_verifier_is_pass_at_k() -> None:
    assert best_of_k(5, 0, 0, 11, 4, "abstain") == pytest.approx(pass_at_k(16, 5, 4))
    assert best_of_k(0, 0, 3, 5, 2, "random") == pytest.approx(3 / 8)
    assert np.isnan(best_of_k(1, 1, 1, 1, 5))
    with pytest.raises(ValueError, match="fallback"):
        best_of_k(1, 1, 1, 1, 2, "guess")


@quick
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 1)), min_size=1, max_size=8), st.data())
def test_best_scored_equals_enumeration(samples: list[tuple[int, int]], data: st.DataObject) -> None:
    k = data.draw(st.integers(1, len(samples)))
    values = []
    for subset in combinations(samples, k):
        top = max(score for score, _ in subset)
        values.append(np.mean([right for score, right in subset if score == top]))
    scores, correct = zip(*samples, strict=True)
    assert best_of_k_scored(scores, correct, k) == pytest.approx(np.mean(values), abs=1e-12)
