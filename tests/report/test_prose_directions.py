"""Every word that states a direction, a certainty or a bound: said exactly where the numbers say so.

A real comparison, one of whose numbers is changed at a time; what is to be said follows from docs/metrics.md.
"""

import copy
from typing import Any

import pytest

from rlvr.analysis.samples import Samples
from rlvr.analysis.sections.compare import compare
from rlvr.analysis.sections.summary import summarise
from rlvr.report import by_source, prose
from rlvr.report.document import probe_words
from rlvr.report.figures import evidence, passk, scatter, seeds
from tests.as_json import as_json


@pytest.fixture(scope="module")
def known():
    """A comparison of 30 problems, 8 of which the base never solves."""
    ids = [f"p{i}" for i in range(30)]
    base = Samples.from_counts(ids, [64] * 30, [0] * 8 + [2 * i for i in range(22)], "base")
    tuned = Samples.from_counts(ids, [64] * 30, [1] * 8 + [3 * i for i in range(21)] + [20], "tuned")
    return as_json(compare(base, tuned, 4, replicates=100)), as_json(summarise(base, replicates=100))


def changed(section, **numbers):
    """A copy; `a__b=1` changes ["a"]["b"]."""
    new = copy.deepcopy(section)
    for place, value in numbers.items():
        *path, last = place.split("__")
        node = new
        for key in path:
            node = node[key]
        node[last] = value
    return new


def within(value: float | None, lo: float | None, hi: float | None) -> Any:
    return {"value": value, "lo": lo, "hi": hi, "se": 0.1, "status": "ok", "used": 30, "excluded": 0}


@pytest.mark.parametrize(
    "lo, hi, said",
    [
        (0.01, 0.2, "raised"),
        (0.0, 0.2, "did not measurably change"),
        (-0.1, 0.2, "did not measurably change"),
        (-0.2, 0.0, "did not measurably change"),
        (-0.2, -0.01, "lowered"),
        (None, None, "did not measurably change"),
    ],
)
def test_whether_pass_at_1_moved(lo, hi, said):
    assert prose._moved(within(0.05, lo, hi)) == said


@pytest.mark.parametrize(
    "forgetting, floor, said",
    [
        (within(None, None, None), 0.02, ""),
        (within(0.0, 0.0, 0.0), 0.02, "Nothing was forgotten."),
        (within(0.03, 0.02, 0.04), None, "One sample per problem does not show how much of it is noise."),
        (
            within(0.02, 0.01, 0.03),
            0.03,
            "Forgetting, 2.0, is below the churn floor of 3.0, so it may be noise.",
        ),
        (
            within(0.03, 0.01, 0.05),
            0.02,
            "Forgetting, 3.0, is not clearly more than the 2.0 that noise alone would show.",
        ),
        (
            within(0.03, 0.02, 0.05),
            0.02,
            "Forgetting, 3.0, is not clearly more than the 2.0 that noise alone would show.",
        ),
        (
            within(0.03, 0.025, 0.05),
            0.02,
            "Forgetting is 3.0 points, above the 2.0 that noise alone would show.",
        ),
    ],
)
def test_forgetting(known, forgetting, floor, said):
    parts = changed(known[0]["compression"], forgetting=forgetting, churn_floor__value=floor)
    assert prose.lost(parts) == said


@pytest.mark.parametrize(
    "part, floor, warned",
    [
        (within(0.05, 0.01, 0.09), 0.02, True),
        (within(0.05, 0.02, 0.09), 0.02, True),
        (within(0.05, 0.03, 0.09), 0.02, False),
        (within(0.0, 0.0, 0.0), 0.02, False),
        (within(0.05, 0.03, 0.09), None, False),
    ],
)
def test_compression_that_noise_would_show_too(known, part, floor, warned):
    parts = changed(known[0]["compression"], within=part, churn_floor__value=floor)
    said = "Compression, 5.0, is not clearly more than the 2.0 that noise alone would show."
    assert prose.gained(parts) == (said if warned else "")


@pytest.mark.parametrize(
    "net, said",
    [
        (within(0.4, 0.1, 0.7), "40 % of what 4 samples would add is now in one (95 %: 10 to 70)."),
        (
            within(0.4, 0.0, 0.7),
            "No measurable part of what 4 samples would add is now in one (R, 95 %: 0 to 70).",
        ),
        (
            within(-0.1, -0.3, 0.1),
            "No measurable part of what 4 samples would add is now in one (R, 95 %: −30 to 10).",
        ),
        (
            within(-0.3, -0.5, -0.1),
            "One sample lost 30 % of what 4 samples would add to it (R, 95 %: −50 to −10).",
        ),
        (
            within(1.86, 1.2, 2.5),
            "One sample gained 1.86 times what 4 samples would add to it (R, 95 %: 1.20 to 2.50).",
        ),
        (within(None, None, None), ""),
    ],
)
def test_the_share_of_search_that_one_sample_has(net, said):
    assert prose.net_ratio(net, "4 samples") == said


CURVE = {
    "1": within(0.1, 0, 0.2),
    "2": within(0.05, 0, 0.1),
    "4": within(-0.02, -0.1, 0),
    "8": within(-0.05, -0.1, 0),
}


@pytest.mark.parametrize(
    "cross, curve, said",
    [
        (
            {"value": None, "status": "censored_right", "bound": 64, "first_significant": None},
            CURVE,
            "The base does not overtake up to k = 64.",
        ),
        (
            {"value": 3.0, "status": "ok", "bound": None, "first_significant": 8},
            CURVE,
            "With many samples the base is ahead, from k = 3 on and beyond noise from k = 8.",
        ),
        (
            {"value": 3.0, "status": "ok", "bound": None, "first_significant": None},
            CURVE,
            "With many samples the base is ahead, from k = 3 on but nowhere beyond noise.",
        ),
        (
            {"value": 3.0, "status": "ok", "bound": None, "first_significant": 4},
            CURVE | {"8": within(0.01, -0.1, 0.1)},
            "The base is first ahead at k = 3, and beyond noise from k = 4, and does not stay ahead at every larger k.",
        ),
        (
            {"value": 1.0, "status": "base_ahead_at_1", "bound": None, "first_significant": 1},
            {k: within(-0.1, -0.2, 0) for k in CURVE},
            "The base is ahead at every k, from one sample on, and beyond noise from k = 1.",
        ),
        (
            {"value": 1.0, "status": "base_ahead_at_1", "bound": None, "first_significant": None},
            CURVE,
            "The base is first ahead at k = 1, but nowhere beyond noise, and does not stay ahead at every larger k.",
        ),
    ],
)
def test_where_the_base_overtakes(known, cross, curve, said):
    comparison = changed(known[0], crossover=known[0]["crossover"] | cross, difference=curve)
    assert prose.overtaking(comparison) == said


@pytest.mark.parametrize(
    "star, said",
    [
        (
            {"value": None, "status": "censored_right", "bound": 64},
            "One tuned sample is worth more than 64 base samples, all there are.",
        ),
        (
            {"value": None, "status": "base_all_zero", "bound": 64},
            "The base solved none of these problems in 64 samples each, so how many of them a tuned sample is worth "
            "cannot be said.",
        ),
        ({"value": None, "status": "no_data"}, ""),
        (
            {"value": 3.25, "status": "ok", "lo": 2.5, "hi": 4.0},
            "One tuned sample is worth 3.25 base samples (95 %: 2.5 to 4).",
        ),
        (
            {"value": 0.8, "status": "ok", "lo": 0.6, "hi": 0.9},
            "One tuned sample is worth less than one base sample: the tuned policy is worse.",
        ),
        (
            {"value": 0.8, "status": "ok", "lo": 0.6, "hi": 1.3},
            "One tuned sample is not measurably worth more, or less, than one base sample.",
        ),
        (
            {"value": 3.25, "status": "ok", "lo": 2.5, "hi": "inf"},
            "One tuned sample is worth 3.25 base samples (95 %: 2.5 to ∞).",
        ),
    ],
)
def test_what_a_tuned_sample_is_worth(known, star, said):
    assert prose.worth(changed(known[0], k_star=known[0]["k_star"] | star)) == said


def test_of_which_kind_the_gain_is(known):
    parts = changed(
        known[0]["compression"],
        search_budget=4,
        delta=within(0.123, 0.1, 0.2),
        within=within(0.07, 0.05, 0.09),
        beyond=within(0.02, 0.0, 0.04),
        unresolved=within(0.03, 0.0, 0.05),
        expansion=within(0.011, 0.0, 0.02),
        expansion_high=within(0.041, 0.0, 0.07),
        forgetting=within(0.009, 0.0, 0.02),
        base_zero=8,
        n_base=64,
        certified_simultaneous__count=1,
        churn_floor__value=0.01,
    )
    said = prose._kinds(parts)
    assert said.startswith(
        "Training gained 13.2 points and lost 0.9. Of the gain, 7.0 are search compression within 4 samples (95 %: 5.0 "
        "to 9.0): traces that the base already finds when it may try 4 times. 2.0 are compression beyond that. On the "
        "8 problems with no base success, 3.0 points cannot be resolved with 64 samples and 1.1 are expansion, "
        "certified on 1 problem."
    )
    none = prose._kinds(changed(parts, certified_simultaneous__count=0))
    assert "4.1 points cannot be resolved with 64 samples." in none and "expansion" not in none
    without = prose._kinds(changed(parts, base_zero=0))
    assert "2.0 are compression beyond that." in without and "expansion" not in without


@pytest.mark.parametrize("differs", [True, False])
def test_samples_without_a_verdict(known, differs):
    change = {"differs": differs, "gain_wrong": within(0.05, 0.01, 0.09)}
    change |= {"share_base": within(0.02, 0, 1), "share_tuned": within(0.13, 0, 1)}
    change |= {"gain_lower": within(-0.04, 0, 0), "gain_upper": within(0.15, 0, 0)}
    said = list(prose.unjudged_lines(changed(known[0], unjudged=change)))
    words = (
        "2.0 % of the base samples and 13.0 % of the tuned ones have no verdict, which is not the same share: with all "
        "of them as wrong the gain is +5.0 points (95 %: 1.0 to 9.0), and whatever they are it lies between −4.0 and "
        "+15.0."
    )
    assert said == [words][: int(differs)]


@pytest.mark.parametrize("lo, hi", [(0.01, 0.3), (-0.3, -0.01), (-0.1, 0.3)])
def test_how_much_is_answer_format(known, lo, hi):
    rose = lo > 0
    split = {
        "answered": within(0.15 if rose else -0.15, lo, hi) | {"base": 0.7, "tuned": 0.85 if rose else 0.55},
        "right_given_answered": within(-0.02, -0.1, 0.1) | {"base": 0.5, "tuned": 0.48},
        "from_answering": within(0.074 if rose else -0.074, 0.05, 0.1),
        "from_being_right": within(-0.016, -0.05, 0.02),
    }
    said = list(prose.format_lines(changed(known[0], answering=split, gain__value=0.058)))
    more, after, part = ("more", "85.0", "+7.4") if rose else ("less", "55.0", "−7.4")
    words = (
        f"Of the change of +5.8 points, {part} (95 %: 5.0 to 10.0) come from answering {more} often (70.0 % of the "
        f"samples have an answer before, {after} % after), −1.6 (95 %: −5.0 to 2.0) from being right less often when "
        "answered (50.0 % before, 48.0 % after)."
    )
    assert said == ([words] if lo * hi > 0 else [])
    assert not list(prose.format_lines(changed(known[0], answering=None)))


def rung(policy, label, value, own=0.0, lo=-1.0, hi=1.0):
    return {
        "policy": policy,
        "label": label,
        "nats": within(value, 0.4, 1.6),
        "against_own": within(own, lo, hi),
    }


@pytest.mark.parametrize(
    "worth, said",
    [
        ({"value": 3.5, "status": "ok", "lo": 2.0, "hi": 5.5}, "worth 3.5 shots (95 %: 2 to 5.5)."),
        (
            {"value": None, "status": "censored_right", "bound": 8},
            "more than any number of shots tried, up to 8.",
        ),
        ({"value": 0.0, "status": "at_or_below_first"}, "no more than 0 shots already give the base."),
    ],
)
def test_what_training_is_worth_in_shots(worth, said):
    rungs = [rung("base", "0 shots", 0.0), rung("tuned", "0 shots", 1.0), rung("tuned", "8 shots", 0.3)]
    ladder = {
        "reference": "0 shots",
        "target": "0 shots",
        "rungs": rungs,
        "equivalent": within(None, None, None) | worth,
    }
    assert prose.evidence_worth(ladder) == (  # type: ignore[arg-type]
        "Evidence: training moved the log-odds of success (tuned, 0 shots) by +1.00 nats (95 %: 0.40 to 1.60) against "
        f"the base with 0 shots: {said}"
    )


@pytest.mark.parametrize(
    "own, lo, hi, sure",
    [
        (-0.5, -0.8, -0.2, "beyond noise"),
        (-0.5, -1.2, 0.2, "though not beyond noise"),
        (0.5, 0.2, 0.8, None),
        (0.0, -0.1, 0.1, None),
    ],
)
def test_evidence_that_makes_the_tuned_policy_worse(own, lo, hi, sure):
    rungs = [rung("base", "8 shots", 1.0, own, lo, hi), rung("tuned", "8 shots", 0.3, own, lo, hi)]
    said = list(evidence._setbacks(rungs))  # type: ignore[arg-type]
    assert len(said) == (sure is not None)
    assert all(
        "the tuned policy does worse than without" in text and text.endswith(f", {sure}.") for text in said
    )


EACH = "of 64 samples on each of 30 problems"


@pytest.mark.parametrize(
    "before, after, certified, said",
    [
        (0, 0, 0, f"0 {EACH}, before and after. The success rate per problem is at most 4.6 %"),
        (0, 7, 0, f"0 right before and 7 after, {EACH}. Training found right answers where 64 base samples hold none, "
         "but the base may solve them at a rate of up to 4.6 % (95 %)"),
        (3, 7, 0, f"3 right before and 7 after, {EACH}."),
        (0, 900, 5, "Expansion beyond the search budget is certified on 5 of 30 problems."),
    ],
)  # fmt: skip
def test_a_set_apart(known, before, after, certified, said):
    comparison = changed(known[0], compression__certified_simultaneous__count=certified)
    probe = {
        "policies": {"base": known[1]},
        "comparison": comparison,
        "correct": {"base": before, "tuned": after},
    }
    probe["upper_bound"] = {"base": 1 - 0.05 ** (1 / 64), "tuned": 0.01}
    words = probe_words("far", probe)  # type: ignore[arg-type]
    assert words.startswith("far: ") and said in words
    assert ("before and after. " in words) is (before == after == 0)
    assert ("not shown to be expansion" in words) is (before == 0 < after and certified == 0)
    assert ("certified on" in words) is (certified > 0)


def test_every_problem_in_words():
    counted = {
        "search": 6,
        "beyond": 2,
        "worse": 3,
        "same": 5,
        "unresolved": 4,
        "certified": 1,
        "unsolved": 7,
    }
    said = scatter._see([kind for kind, count in counted.items() for _ in range(count)])  # type: ignore[misc]
    assert said.startswith("8 problems got better among those that the base solves at times, 3 worse.")
    assert "2 of them lie above it beyond noise." in said
    assert (
        "Of 12 problems with no base success, 5 are solved at times after training; expansion is certified for 1."
        in said
    )
    assert "Of 1 problem with no base success, 1 is solved at times" in scatter._see(["certified"])


@pytest.mark.parametrize(
    "cross, said",
    [
        ({"value": None, "bound": 64}, "The base never overtakes up to k = 64."),
        ({"value": 3.0, "first_significant": 8}, "The base is ahead from k = 3 on, beyond noise from k = 8."),
        ({"value": 3.0, "first_significant": None}, "The base is ahead from k = 3 on, nowhere beyond noise."),
    ],
)
def test_what_to_see_in_the_curves(known, cross, said):
    class View:
        comparison = changed(known[0], crossover=known[0]["crossover"] | cross, gain=within(0.1, -0.05, 0.25))
        groups, main = {}, "seed-0"

    text = passk._see(View)  # type: ignore[arg-type]
    assert text.endswith(said) and text.startswith("One sample: +10.0 points (−5.0 to +25.0);")
    assert "The dotted line finds the base samples that one tuned" in text
    View.groups = {"grpo": {}}  # the figure has their mean, and no dotted line
    text = passk._see(View)  # type: ignore[arg-type]
    assert text.startswith("seed-0, the first run, one sample: +10.0 points") and "dotted" not in text
    assert "The base samples that one tuned sample is worth: k* = " in text


def test_rates_by_source_and_over_seeds(known):
    gain = within(-0.02, -0.05, 0.01) | {"base": 0.145, "tuned": 0.125}
    policies = {"base": known[1], "tuned": changed(known[1], pass_at_k__1__value=0.125)}
    part = {
        "policies": changed(policies, base__pass_at_k__1__value=0.145),
        "comparison": changed(known[0], gain=gain),
    }
    document = {"base": "base", "main": "tuned", "by_source": {"a": part, "b": part}, "settings": {}}
    assert by_source.in_short(document) == (  # type: ignore[arg-type]
        "pass@1 by source: a 14.5 → 12.5 (−2.0), b 14.5 → 12.5 (−2.0)."
    )
    assert next(iter(by_source.lines(document))).startswith(  # type: ignore[arg-type]
        "a (30 problems): pass@1 14.5 → 12.5 (−2.0, 95 %: −5.0 to 1.0, paired)"
    )
    assert prose.over_seeds(gain | {"sd": 0.03, "se_within": 0.01}) == (  # type: ignore[arg-type]
        "pass@1 −2.0 on average (95 %: −5.0 to 1.0 between seeds, sd 3.0; se within a run 1.0)"
    )

    class View:
        groups = {"grpo": {"runs": ["one"], "quantities": {"gain": within(0.04, None, None)}}}  # noqa: RUF012

    assert "grpo: 4.0 points (1 run: no statement about the method)." in seeds._see(View)  # type: ignore[arg-type]
