"""The world of concepts: its documents, its prompts, and the forward algorithm over all concepts at once."""

import numpy as np
import pytest

from rlvr.worlds.concepts import CONCEPTS, ENDS, EXAMPLE, WORDS, Family
from rlvr.worlds.laws import hmm_mixture

SEEN = Family.drawn(0)


def test_all_concepts_at_once_are_each_by_itself():
    words, _ = SEEN.document(4, 12, np.random.default_rng(0))
    logs, following, under = SEEN.read(words)
    assert (logs.shape, following.shape) == ((4, 12, CONCEPTS), (4, 12, WORDS))
    for row in range(4):
        for t in (0, 1, 7, 11):
            posterior, predicted, _ = hmm_mixture(
                SEEN.concepts, [1 / CONCEPTS] * CONCEPTS, words[row, :t].tolist()
            )
            assert np.exp(logs[row, t]) == pytest.approx(posterior, abs=1e-12)
            assert following[row, t] == pytest.approx(predicted, abs=1e-12)
            assert np.exp(logs[row, t]) @ under[row, t] == pytest.approx(predicted, abs=1e-12)


def test_the_words_of_a_document_are_as_likely_as_they_are_said_to_be():
    """Mean log-likelihood of drawn words under their own concept = minus its entropy: the two agree within noise."""
    words, concept = SEEN.document(4000, 6, np.random.default_rng(1))
    _, _, under = SEEN.read(words)
    law = under[np.arange(4000), -1, concept]
    logs = np.log(law, out=np.zeros_like(law), where=law > 0)  # 0 ln 0 = 0
    drawn = np.take_along_axis(logs, words[:, -1:], axis=1)[:, 0]
    expected = (law * logs).sum(-1)
    assert abs((drawn - expected).mean()) < 4 * (drawn - expected).std() / np.sqrt(4000)
    assert (words == 0).mean() == pytest.approx(ENDS * 5 / 6, abs=0.02)  # never first, never twice in a row
    assert not ((words[:, 1:] == 0) & (words[:, :-1] == 0)).any()


def test_an_example_ends_where_the_delimiter_stands_and_nowhere_else():
    words, concept = SEEN.prompt(300, 4, np.random.default_rng(2))
    assert words.shape == (300, 5 * EXAMPLE + 4) and len(set(concept)) == CONCEPTS
    ends = [i for i in range(words.shape[1]) if (i + 1) % (EXAMPLE + 1) == 0]
    assert (words[:, ends] == 0).all()
    assert (np.delete(words, ends, axis=1) > 0).all()


def test_two_families_share_their_words_and_differ_in_what_follows_what():
    other = Family.drawn(1)
    assert (other.emit == SEEN.emit).all()
    everything = [concept.trans for family in (SEEN, other) for concept in family.concepts]
    assert all(trans.sum(-1) == pytest.approx(1) for trans in everything)
    assert min(np.abs(a - b).max() for i, a in enumerate(everything) for b in everything[:i]) > 0.05
