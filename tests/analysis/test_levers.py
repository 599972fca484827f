"""The table of levers, against sums over problems written out here."""

import dataclasses
import math
from typing import Any

import numpy as np
import pytest

from rlvr.analysis.samples import Answers, Samples
from rlvr.analysis.sections.levers import Lever, Pick, exact_row, levers, transfer

IDS = [f"p{i}" for i in range(30)]
N = 16


def samples(name, rate, seed, ids=IDS):
    """Answers "right" and three wrong ones; a right one in four is not solved."""
    rng = np.random.default_rng(seed)
    tables, solved = [], []
    for _ in ids:
        right = rng.binomial(N, rate)
        wrong = rng.multinomial(N - right, [0.5, 0.3, 0.2])
        tables.append({"right": int(right), **{str(i): int(m) for i, m in enumerate(wrong)}})
        solved.append(right - right // 4)
    answers = Answers.from_dicts(tables, ["right"] * len(ids))
    tokens = rng.uniform(10, 20, len(ids))
    n = np.full(len(ids), N, dtype=np.int64)
    return Samples(name, ids, n, np.array(solved, np.int64), tokens=tokens, answers=answers)


def odds(base, other):
    """Mantel and Haenszel's pooled log odds ratio, problem by problem."""
    up = down = 0.0
    for n0, c0, n1, c1 in zip(base.n, base.c, other.n, other.c, strict=True):
        up += c1 * (n0 - c0) / (n0 + n1)
        down += c0 * (n1 - c1) / (n0 + n1)
    return math.log(up / down)


@pytest.fixture(scope="module")
def rows():
    base, more = samples("base", 0.2, 1), samples("more", 0.35, 2)
    return [
        Lever("base", "base", base, prompt_tokens=6.0),
        Lever("more", "asked", more, prompt_tokens=20.0, amounts={"shots": 2.0}),
        Lever("best", "picked", base, prompt_tokens=6.0, pick=Pick("base", "best", 4)),
        Lever("best of more", "picked", more, prompt_tokens=20.0, pick=Pick("more", "best", 4)),
        Lever(
            "run",
            "trained",
            samples("run", 0.27, 3),
            prompt_tokens=6.0,
            said_tokens=np.full(len(IDS), 30.0),
            sampled_tokens=500,
            trained_tokens=300,
        ),
        Lever("strong", "trained", samples("strong", 0.9, 4), prompt_tokens=6.0),
    ]


@pytest.fixture(scope="module")
def found(rows):
    return levers(rows, k=4, replicates=200)


def test_rates_nats_and_tokens_are_the_sums_over_problems(rows, found):
    base = rows[0].samples
    for row, said in zip(rows, found["levers"], strict=True):
        if row.pick:
            continue
        own = row.samples
        assert said["pass_at_1"]["value"] == pytest.approx(np.mean(own.c / own.n))
        some = [1 - math.comb(n - c, 4) / math.comb(n, 4) for n, c in zip(own.n, own.c, strict=True)]
        assert said["pass_at_k"]["value"] == pytest.approx(np.mean(some))
        assert said["nats"]["value"] == pytest.approx(odds(base, own))
        assert said["nats"]["lo"] <= said["nats"]["value"] <= said["nats"]["hi"]
    tokens = {said["name"]: said["tokens"]["value"] for said in found["levers"]}
    assert tokens["base"] == pytest.approx(6 + np.mean(base.tokens))
    assert tokens["best"] == pytest.approx(6 + 4 * np.mean(base.tokens))  # the prompt is read once
    assert tokens["run"] == pytest.approx(6 + 30)  # what an environment said counts too
    assert [said["training_tokens"] for said in found["levers"]] == [0, 0, 0, 0, 800, 0]


def test_what_is_picked_from_the_bases_own_samples_never_stands_beside_itself(rows, found):
    base, said = rows[0].samples, found["levers"][2]
    up = down = 0.0
    for n, c in zip(base.n.tolist(), base.c.tolist(), strict=True):
        # one sample beside 4 of the other n − 1, of which all are wrong, or not
        none_of_c = math.comb(n - 1 - c, 4) / math.comb(n - 1, 4)
        none_of_less = math.comb(n - c, 4) / math.comb(n - 1, 4)
        up += (n - c) / n * (1 - none_of_c)
        down += c / n * none_of_less
    assert said["pass_at_k"] is None
    assert said["nats"]["value"] == pytest.approx(math.log(up / down))
    some = [1 - math.comb(n - c, 4) / math.comb(n, 4) for n, c in zip(base.n, base.c, strict=True)]
    assert said["pass_at_1"]["value"] == pytest.approx(np.mean(some))


def test_what_is_picked_from_another_row_is_independent_of_the_base(rows, found):
    base, more = rows[0].samples, rows[1].samples
    up = down = 0.0
    for n0, c0, n, c in zip(base.n, base.c, more.n, more.c, strict=True):
        rate, groups = 1 - math.comb(n - c, 4) / math.comb(n, 4), n / 4
        up += groups * rate * (n0 - c0) / (n0 + groups)
        down += c0 * groups * (1 - rate) / (n0 + groups)
    assert found["levers"][3]["nats"]["value"] == pytest.approx(math.log(up / down))


def test_a_row_is_worth_the_amount_at_which_the_line_meets_it(rows, found):
    assert found["curves"] == {"shots": {"base": 0.0, "more": 2.0}}
    of = {said["name"]: said["equivalent"] for said in found["levers"]}
    assert of["base"] == of["more"] == {}
    share = odds(rows[0].samples, rows[4].samples) / odds(rows[0].samples, rows[1].samples)
    assert of["run"]["shots"]["value"] == pytest.approx(2 * share)
    assert of["strong"]["shots"]["status"] == "censored_right"
    assert (of["strong"]["shots"]["value"], of["strong"]["shots"]["bound"]) == (None, 2.0)


def test_a_row_is_held_against_as_many_samples_as_take_its_tokens(rows, found):
    """Of a base that writes 4 tokens after a prompt of 6, a row of 14 tokens buys 2 samples."""

    def of(name, tokens, correct):
        n, text = [4, 4], np.full(2, float(tokens))
        return dataclasses.replace(Samples.from_counts(["a", "b"], n, correct), tokens=text)

    told = Lever("told", "asked", of("told", 4, [2, 4]), prompt_tokens=10.0)
    costly = Lever("costly", "asked", of("costly", 12, [3, 4]), prompt_tokens=6.0)
    brief = Lever("brief", "asked", of("brief", 1, [1, 1]), prompt_tokens=6.0)
    base = Lever("base", "base", of("base", 4, [1, 2]), prompt_tokens=6.0)
    said: dict[str, Any] = {
        row["name"]: row["equal_tokens"] for row in levers([base, told, costly, brief], 2, 100)["levers"]
    }
    assert said["base"] is None
    # pass@2 of 1 and 2 right of 4: 1 − 3/6 and 1 − 1/6; pass@3: 1 − 1/4 and 1
    assert (said["told"]["samples"], said["costly"]["samples"], said["brief"]["samples"]) == (2, 3, 1)
    assert said["told"]["value"] == pytest.approx((0.5 - 1 / 2 + 1 - 5 / 6) / 2)
    assert said["costly"]["value"] == pytest.approx((0.75 - 3 / 4 + 1 - 1) / 2)
    assert said["brief"]["value"] == pytest.approx(
        (0.25 - 1 / 4 + 0.25 - 1 / 2) / 2
    )  # one sample is the least


def test_what_is_picked_is_held_against_a_verifiers_choice_of_as_many(rows, found):
    by = {said["name"]: said["equal_tokens"] for said in found["levers"]}
    assert by["best"] is None  # it is that choice itself
    majority = levers(
        [rows[0], Lever("majority", "picked", rows[0].samples, 6.0, pick=Pick("base", "majority", 4))], 4
    )
    one: dict[str, Any] = {**majority["levers"][1]}
    assert one["equal_tokens"]["samples"] == pytest.approx(4)
    several = (majority["levers"][0]["pass_at_k"] or {})["value"]
    assert one["equal_tokens"]["value"] == pytest.approx(one["pass_at_1"]["value"] - several)
    assert one["equal_tokens"]["lo"] <= one["equal_tokens"]["value"] <= one["equal_tokens"]["hi"]


def test_only_problems_that_every_row_has_are_counted(rows):
    part = samples("part", 0.5, 9, IDS[5:])
    found = levers([rows[0], Lever("part", "asked", part)], k=1, replicates=100)
    assert found["n_problems"] == 25
    assert found["levers"][0]["pass_at_1"]["value"] == pytest.approx(np.mean(rows[0].samples.c[5:] / N))


def test_transfer_by_hand():
    def counts(*c):
        return Samples.from_counts(["a", "b"], [10, 10], c)

    cells = {
        ("base", "base"): counts(2, 4),
        ("base", "told"): counts(5, 5),
        ("run", "base"): counts(6, 8),
        ("run", "told"): counts(8, 9),
    }
    found = {(c["trained"], c["asked"]): c for c in transfer(cells, "base", replicates=100)}
    # run asked plain against the base asked plain: (6·8 + 8·6)/20 over (2·4 + 4·2)/20
    assert found["run", "base"]["nats"]["value"] == pytest.approx(math.log(96 / 16))
    assert found["run", "base"]["gain"]["value"] == pytest.approx(math.log(96 / 16))
    # run told: against the base plain (8·8 + 9·6) over (2·2 + 4·1); against the base told (8·5 + 9·5) over (5·2 + 5·1)
    assert found["run", "told"]["nats"]["value"] == pytest.approx(math.log(118 / 8))
    assert found["run", "told"]["gain"]["value"] == pytest.approx(math.log(85 / 15))
    assert found["base", "base"]["nats"]["value"] == found["base", "told"]["gain"]["value"] == 0
    assert found["run", "told"]["pass_at_1"]["value"] == pytest.approx(0.85)


def test_a_computed_row_has_no_interval():
    row = exact_row("posterior", 1.0, 1.0, 20.0, 6.0)
    assert (row["nats"]["value"], row["tokens"]["value"], row["pass_at_1"]["lo"]) == ("inf", 26.0, None)
    assert exact_row("posterior", 0.9, 0.9, 20.0, 6.0)["nats"]["value"] is None
