"""Every cell of the tables beside the figures: the number of report.json that its row and column name, or a count from
the rows of the files. Which number that is, is written down here a second time."""

import json
import statistics
from collections import Counter

import pytest
from awkward_rows import counts
from cells import FIELDS, cells, spoken, table, text, written
from scipy.stats import beta

from tests.as_json import as_json


def test_curves(cells_run):
    document = as_json(cells_run.document)
    expected = {(name, k): e for name, p in document["policies"].items() for k, e in p["pass_at_k"].items()}
    changes = {"tuned": document["comparison"], **document["comparisons"]}
    expected |= {(f"{name} − base", k): e for name, c in changes.items() for k, e in c["difference"].items()}
    rows = table(cells_run, "curves")
    assert {(row["series"], row["k"]): row for row in rows}.keys() == expected.keys() and len(rows) == len(
        expected
    )
    for row in rows:
        e = expected[row["series"], row["k"]]
        assert [row[key] for key in (*FIELDS, "status", "se_fixed", "problems")] == cells(
            e, "status", "se_fixed", "used"
        )


def test_readings(cells_run):
    document = as_json(cells_run.document)
    expected = {
        (reading, name, k): e
        for reading in ("answer_pass_at_k", "maj_at_k", "cot_pass_at_k", "pass_hat_k")
        for name, policy in document["policies"].items()
        for k, e in policy[reading].items()
    }
    rows = {(row["reading"], row["policy"], row["k"]): row for row in table(cells_run, "readings")}
    assert rows.keys() == expected.keys()
    for key, row in rows.items():
        assert [row[f] for f in (*FIELDS, "problems", "status")] == cells(expected[key], "used", "status")


def test_decomposition(cells_run):
    document = as_json(cells_run.document)
    changes = {"tuned": document["comparison"], **document["comparisons"]}
    parts = (
        "delta",
        "headroom",
        "churn_floor",
        "compression_low",
        "compression_high",
        "expansion_high",
    )
    ratios = ("ratio_gross", "ratio_net", "efficiency_gap")
    expected = {(name, part): c["compression"][part] for name, c in changes.items() for part in parts}
    expected |= {
        (name, part): e for name, c in changes.items() for part, e in spoken(c["compression"]).items()
    }
    expected |= {(name, ratio): c[ratio] for name, c in changes.items() for ratio in ratios}
    rows = {(row["run"], row["part"]): row for row in table(cells_run, "decomposition")}
    assert rows.keys() == expected.keys()
    for key, row in rows.items():
        assert [row[f] for f in (*FIELDS, "problems", "status")] == cells(expected[key], "used", "status")


def test_frontier(cells_run):
    document = as_json(cells_run.document)
    changes = {"tuned": document["comparison"], **document["comparisons"]}
    names = (
        "kl_pi_p0 kl_pi_p0_k3 kl_bernoulli kl_within_verified kl_within_unverified kl_verified kl_target_pi "
        "efficiency"
    )
    expected = {}
    for name, c in changes.items():
        found = c["alignment"]
        quantities = (*names.split(), "certain_success", "ess", "ess_verified")
        expected |= {(name, q): cells(found[q], "status") for q in quantities}
        share = found["certain_success"]["share_base_zero"]
        expected[name, "share of problems with c0 = 0"] = [text(share), *[""] * 4]
        for point in found["frontier"]:
            at = f"frontier at β = {point['beta']}"
            expected |= {
                (name, f"{at}: {w}"): [text(point[q]), *[""] * 4] for w, q in (("KL", "kl"), ("q", "q"))
            }
    rows = {
        (row["run"], row["quantity"]): [row[f] for f in (*FIELDS, "status")]
        for row in table(cells_run, "frontier")
    }
    assert rows == expected


def test_steps(cells_run):
    document = as_json(cells_run.document)
    changes = {10: "step-10", 20: "step-20", 30: "step-30", 40: "tuned"}
    expected = {}
    for step, name in {0: "base", **changes}.items():
        policy = document["policies"][name]
        expected |= {(step, f"pass@{k}"): cells(e, "status") for k, e in policy["pass_at_k"].items()}
        expected[step, "distinct answers among 8"] = cells(
            policy["diversity"]["answers"]["rarefied"], "status"
        )
        if step == 0:
            continue
        c = document["comparisons"].get(name, document["comparison"])
        expected |= {(step, kind): cells(e, "status") for kind, e in spoken(c["compression"]).items()}
        expected[step, "k*"] = cells(c["k_star"], "status")
        for words, key in (
            ("KL(π‖p0)", "kl_pi_p0"),
            ("KL(π_V‖π*)", "kl_verified"),
            ("KL(π*‖π)", "kl_target_pi"),
        ):
            expected[step, words] = cells(c["alignment"][key], "status")
        odds = c["evidence"]["pooled"]
        bounded = odds["lo"] * odds["hi"] > 0
        ends = [1 / odds["hi"], 1 / odds["lo"], odds["status"]] if bounded else [None, None, "unbounded"]
        expected[step, "β_eff"] = [text(x) for x in (1 / odds["value"], None, *ends)]
    rows = {(int(row["step"]), row["quantity"]): row for row in table(cells_run, "steps")}
    plain = {key: row for key, row in rows.items() if not key[1].endswith("these problems only")}
    assert plain.keys() == expected.keys()
    for key, row in plain.items():
        found = [row[f] for f in (*FIELDS, "status")]
        assert found == expected[key], key
        assert row["policy"] == {0: "base", **changes}[key[0]]
    for (step, quantity), row in rows.items():
        if quantity.endswith("these problems only"):
            e = document["policies"][row["policy"]]["pass_at_k"][
                quantity.partition(",")[0].removeprefix("pass@")
            ]
            held = e["se_fixed"]
            ends = [None, None] if held is None else [e["value"] - 1.96 * held, e["value"] + 1.96 * held]
            assert [row[f] for f in FIELDS] == [text(x) for x in (e["value"], held, *ends)], (step, quantity)


def test_problems_are_those_of_the_rows(cells_awkward):
    report, rows = cells_awkward
    base, tuned = counts(rows["base"]), counts(rows["tuned"])
    certified = report.document["comparison"]["compression"]["certified_simultaneous"]["problems"]
    budget = report.document["comparison"]["compression"]["search_budget"]
    shared = [name for name in base if name in tuned and base[name][0] and tuned[name][0]]
    expected = {name: (*base[name], *tuned[name]) for name in shared}
    found = {row["problem_id"]: row for row in table(report, "problems")}
    assert found.keys() == expected.keys()
    kinds = set()
    for name, (n0, c0, n1, c1) in expected.items():
        row = found[name]
        assert [int(row[key]) for key in ("n base", "c base", "n tuned", "c tuned")] == [n0, c0, n1, c1]
        for policy, n, c in (("base", n0, c0), ("tuned", n1, c1)):
            ends = beta.ppf([0.025, 0.975], 0.5 + c, 0.5 + n - c)  # Jeffreys' prior
            lo, hi = (0 if c == 0 else ends[0]), (1 if c == n else ends[1])
            assert [float(row[f"{policy}{end}"]) for end in ("", " lo", " hi")] == pytest.approx(
                [c / n, lo, hi]
            )
        reach = 1 - _all_wrong(n0, c0, budget)
        lower = beta.ppf(0.025, c1, n1 - c1 + 1) if c1 else 0.0
        if c0 == 0:
            first = "first solved, unresolved" if c1 else "never solved"
            kind = "first solved, certified" if name in certified else first
        elif c1 / n1 > c0 / n0:
            kind = "better, clearly beyond K" if lower > reach else "better"
        else:
            kind = "worse" if c1 / n1 < c0 / n0 else "equal"
        assert row["kind"] == kind, name
        kinds.add(kind)
    assert len(kinds) >= 5, "the rows hold most kinds"


def _all_wrong(n, c, k):
    if k > n:
        return 0.0  # so few samples do not show that K of them miss
    share = 1.0
    for j in range(k):
        share *= max(n - c - j, 0) / (n - j)
    return share


def test_verdicts_are_those_of_the_rows(cells_awkward):
    report, rows = cells_awkward
    expected = {
        (policy, s): n for policy in rows for s, n in Counter(r["status"] for r in rows[policy]).items()
    }
    for policy in rows:
        for source in ("easy", "hard"):
            said = Counter(r["status"] for r in rows[policy] if r["source"] == source)
            expected |= {(f"{policy}, {source}", status): n for status, n in said.items()}
    total = Counter()
    for (policy, _), n in expected.items():
        total[policy] += n
    found = table(report, "verdicts")
    assert {(row["policy"], row["status"]): int(row["samples"]) for row in found} == expected
    for row in found:
        assert float(row["share"]) == pytest.approx(int(row["samples"]) / total[row["policy"]])


def test_answer_format_is_that_of_the_rows(cells_run):
    """Means over problems; base and tuned have the same ones here, and as many samples of each."""
    shares = {}
    for policy in ("base", "tuned"):
        path = cells_run.html.parents[1] / f"{policy}.jsonl"
        rows = [json.loads(line) for line in path.read_text().splitlines()]
        answered = statistics.mean(row["status"] != "no_answer" for row in rows)
        shares[policy] = answered, statistics.mean(row["score"] for row in rows) / answered
    found = table(cells_run, "answering")
    for at, row in enumerate(found[:2]):
        assert [row[policy] for policy in shares] == [written(100 * both[at]) for both in shares.values()]
    (a0, r0), (a1, r1) = shares.values()
    parts = ((a1 - a0) * (r0 + r1) / 2, (r1 - r0) * (a0 + a1) / 2, a1 * r1 - a0 * r0)
    assert [row["points of the gain"].split()[0] for row in found] == [written(100 * part) for part in parts]


def test_training(cells_run):
    logged = [
        json.loads(line) for line in (cells_run.html.parents[1] / "metrics.jsonl").read_text().splitlines()
    ]
    rows = table(cells_run, "training")
    assert len(rows) == len(logged)
    for row, line in zip(rows, logged, strict=True):
        p, group = line["correct_share"], line["samples"] / line["groups/drawn"]
        expected = float(row.pop("expected_mixed_share"))
        assert expected == pytest.approx(1 - p**group - (1 - p) ** group)
        assert {key: value for key, value in row.items() if value} == {
            key: text(v) for key, v in line.items()
        }
