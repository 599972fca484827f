"""The split of a gain into answering and being right, by hand."""

import numpy as np
import pytest

from rlvr.analysis.pair import Pair
from rlvr.analysis.samples import Samples
from rlvr.analysis.sections.answering import answering
from rlvr.analysis.sections.compare import compare


def samples(policy: str, *problems: tuple[int, int, int]) -> Samples:
    """From (samples, without an answer, right)."""
    n, silent, c = (np.array(column) for column in zip(*problems, strict=True))
    return Samples(policy, [f"p{i}" for i in range(len(n))], n, c, no_answer=silent)


def split(base: Samples, tuned: Samples):
    return answering(Pair.of(base, tuned, 200, 0))


def test_the_parts_are_each_shares_change_times_the_others_mean():
    """Half of the base's samples have an answer and half of those are right; after, all have one and 3 of 4 are."""
    base = samples("base", *[(4, 4, 0), (4, 0, 2)] * 20)
    found = split(base, samples("tuned", *[(4, 0, 3), (4, 0, 3)] * 20))
    assert found is not None
    assert (found["answered"]["base"], found["answered"]["tuned"]) == (0.5, 1.0)
    assert found["right_given_answered"]["base"] == pytest.approx(0.5)
    assert found["right_given_answered"]["tuned"] == pytest.approx(0.75)
    assert found["from_answering"]["value"] == pytest.approx(0.5 * (0.5 + 0.75) / 2)
    assert found["from_being_right"]["value"] == pytest.approx(0.25 * (0.5 + 1) / 2)


def test_format_alone_and_skill_alone():
    before = samples("base", *[(8, 4, 2)] * 30)
    format_alone = split(before, samples("tuned", *[(8, 0, 4)] * 30))
    skill_alone = split(before, samples("tuned", *[(8, 4, 3)] * 30))
    assert format_alone and format_alone["from_being_right"]["value"] == pytest.approx(0, abs=1e-12)
    assert skill_alone and skill_alone["from_answering"]["value"] == pytest.approx(0, abs=1e-12)


def test_the_parts_add_up_to_the_gain_over_the_same_problems():
    """Problems that one policy never sampled are in neither."""
    rng = np.random.default_rng(0)
    sides = []
    for policy in ("base", "tuned"):
        n = rng.integers(0, 9, 50)
        silent = rng.binomial(n, 0.3)
        sides.append(samples(policy, *zip(n, silent, rng.binomial(n - silent, 0.5), strict=True)))
    found, gain = split(*sides), compare(*sides, replicates=50)["gain"]
    assert found is not None
    parts = [found[name] for name in ("from_answering", "from_being_right")]
    assert sum(float(part["value"] or 0) for part in parts) == pytest.approx(gain["value"], abs=1e-12)
    assert {part["used"] for part in parts} == {gain["used"]} and gain["excluded"] > 0


def test_a_rare_change_has_an_interval_of_some_width():
    """One sample of 160 has no answer: what 40 such problems leave open is not nothing."""
    base = samples("base", (4, 1, 2), *[(4, 0, 2)] * 39)
    found = split(base, samples("tuned", *[(4, 0, 2)] * 40))
    assert found is not None
    for name in ("answered", "from_answering"):
        lo, value, hi = (float(found[name][key] or 0) for key in ("lo", "value", "hi"))
        assert lo < 0 < value < hi and hi - lo > 0.05, name


def test_without_any_answer_there_are_no_parts():
    never = split(samples("base", *[(4, 4, 0)] * 25), samples("tuned", *[(4, 1, 2)] * 25))
    assert never is not None
    assert never["answered"]["value"] == 0.75 and never["right_given_answered"]["base"] is None
    for name in ("right_given_answered", "from_answering", "from_being_right"):
        assert never[name]["value"] is None and never[name]["status"] == "no_data"


def test_nothing_to_split_where_all_answer_or_nobody_says():
    all_answer = samples("base", *[(4, 0, 2)] * 25)
    assert split(all_answer, all_answer) is None
    counts = Samples.from_counts([f"p{i}" for i in range(25)], [4] * 25, [2] * 25)
    assert split(counts, samples("tuned", *[(4, 1, 2)] * 25)) is None
