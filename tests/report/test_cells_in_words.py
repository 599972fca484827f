"""Cells that are written for people: rates in points with their intervals, and the reason where there is none."""

import pytest
from cells import KINDS, read_page, shown, spoken, table, written

from rlvr.report import build
from tests.as_json import as_json


def test_sources(cells_awkward):
    report, _ = cells_awkward
    document = as_json(report.document)
    rows = {(row["source"], row["policy"]): row for row in table(report, "sources")}
    whole = {"policies": document["policies"], "comparison": document["comparison"]}
    held = {**document["by_source"], "all sources": whole}
    assert rows.keys() == {(source, policy) for source in held for policy in ("base", "tuned")}
    for (source, policy), row in rows.items():
        summary, c = held[source]["policies"][policy], held[source]["comparison"]
        curve, n = summary["pass_at_k"], summary["samples_per_problem"]
        last = max(curve, key=int)
        assert row["problems"] == str(summary["n_problems"])
        assert row["samples each"] == f"{n['min']}–{n['max']}"
        assert row["pass@1, points"] == shown(curve["1"])
        assert row["largest k"] == f"pass@{last}: {shown(curve[last])}"
        few = c["n_problems"] < 20
        for kind, letter in zip(
            KINDS,
            ("C, within K", "X, beyond K", "U, unresolved", "E, expansion", "F, forgetting"),
            strict=True,
        ):
            of_kind = "– (few problems)" if few else shown(spoken(c["compression"]).get(kind))
            assert row[letter] == (of_kind if policy == "tuned" else "")
        assert row["Δ pass@1, paired"] == (shown(c["gain"]) if policy == "tuned" else "")
        assert row["cut by the limit, %"] == written(100 * summary["truncated"]["value"])
        assert row["no answer, %"] == written(100 * summary["no_answer"]["value"])
        assert row["not judged"] == str(summary["excluded"])


LABELS = {
    "Δ pass@1, paired": (("gain",), 100, ".1f"),
    "… from answering more often": (("answering", "from_answering"), 100, ".1f"),
    "… from being right when answered": (("answering", "from_being_right"), 100, ".1f"),
    "p, sign flips": (("gain", "p_signflip"), 1, ".2g"),
    "… Holm-adjusted over the runs": (("gain", "p_holm"), 1, ".2g"),
    "k*, base samples worth one tuned sample": (("k_star",), 1, ".3g"),
    "log₂ k*, bits of search": (("k_star", "log2"), 1, ".2f"),
    "R_K, net compression ratio": (("ratio_net",), 1, ".2f"),
    "ρ_K, gross compression ratio": (("ratio_gross",), 1, ".2f"),
    "C, compression within K": (("compression", "within"), 100, ".1f"),
    "X, compression beyond K": (("compression", "beyond"), 100, ".1f"),
    "U, unresolved": (("compression", "unresolved"), 100, ".1f"),
    "E, expansion": (("compression", "expansion"), 100, ".1f"),
    "F, forgetting": (("compression", "forgetting"), 100, ".1f"),
    "churn floor of gain and forgetting": (("compression", "churn_floor"), 100, ".1f"),
    "problems with no base success": (("compression", "base_zero"), 1, ".0f"),
    "… with certified expansion": (("compression", "certified_simultaneous", "count"), 1, ".0f"),
    "base overtakes at k": (("crossover",), 1, ".4g"),
    "… beyond noise from k": (("crossover", "first_significant"), 1, ".4g"),
    "pass@K lost, problem by problem": (("coverage", "loss"), 100, ".1f"),
    "pass@K gained, problem by problem": (("coverage", "gain"), 100, ".1f"),
    "log-odds of success against the base, nats": (("evidence", "pooled"), 1, ".2f"),
    "KL(π‖p0), nats": (("alignment", "kl_pi_p0"), 1, ".2f"),
    "KL(π_V‖π*), nats": (("alignment", "kl_verified"), 1, ".2f"),
    "KL(π*‖π), nats": (("alignment", "kl_target_pi"), 1, ".2f"),
    "η, KL efficiency": (("alignment", "efficiency"), 1, ".2f"),
    "effective sample size among verified": (("alignment", "ess_verified"), 1, ".0f"),
}
"""Label of a row of the summary → where its number is in a comparison, its scale and its form."""
ALONE = " of right answers alone"
SERIES = {"pass": "pass_at_k", "maj": "maj_at_k", "CoT-pass": "cot_pass_at_k"}


def test_the_summary_table(cells_run):
    document = as_json(cells_run.document)
    changes = {"tuned": document["comparison"], **document["comparisons"]}
    rows = table(cells_run, "summary")
    assert {row["quantity"] for row in rows} >= LABELS.keys() - {
        "… beyond noise from k",
        "base overtakes at k",
        "E, expansion",  # certified on no problem here
    }
    assert any(row["quantity"].endswith(ALONE) for row in rows)
    for row in rows:
        label = row["quantity"]
        if label in LABELS:
            place, scale, form = LABELS[label]
            assert row["base"] == ""
            for name, c in changes.items():
                e = {**c, "compression": {**c["compression"], "expansion": None, **spoken(c["compression"])}}
                for key in place:
                    e = e and e.get(key)
                assert row[name] == shown(e, scale, form), (label, name)
            continue
        for name in ("base", *changes):
            policy = document["policies"][name]
            if label == "pass^4":
                e = policy["pass_hat_k"]["4"]
            elif label.startswith(("cut by", "without")):
                e = policy["truncated" if label.startswith("cut") else "no_answer"]
            elif label.startswith(("FPR", "FNR", "pass@1 corrected")):
                assert row[name] == "not audited"
                continue
            else:
                series, _, k = label.removesuffix(ALONE).partition("@")
                e = policy["answer_pass_at_k" if label.endswith(ALONE) else SERIES[series]].get(k)
            assert row[name] == shown(e), (label, name)


def test_a_root_that_was_not_reached_is_said_to_lie_beyond(tmp_path):
    """Of a base that solves nothing else, one tuned sample is worth more than all there are."""
    lines = [f"p{i},8,{8 * (i < 5)},{8 * (i < 20)}" for i in range(25)]
    (tmp_path / "counts.csv").write_text("problem_id,n,c_base,c_tuned\n" + "\n".join(lines) + "\n")
    report = build(tmp_path / "counts.csv", output=tmp_path, replicates=100)
    row = next(r for r in table(report, "summary") if r["quantity"].startswith("k*"))
    assert row["tuned"] == "> 8"
    assert "One tuned sample is worth more than 8 base samples" in report.summary
    assert "k* &gt; 8" in read_page(report.html) or "k* > 8" in read_page(report.html)


def test_limits_and_probes(cells_run):
    document = as_json(cells_run.document)
    whole = document["comparison"]["whole"]
    held = {"in distribution (held out), all": whole}
    held |= {f"base rate {row['stratum']}": row for row in document["comparison"]["limits"]}
    probe = document["probes"]["unreachable"]
    held["out of distribution: unreachable, all"] = probe["comparison"]["whole"]
    rows = {row["problems by set and base rate"]: row for row in table(cells_run, "limits")}
    assert rows.keys() == held.keys()
    columns = {"base pass@1": "base_pass_1", "base pass@4": "base_pass_k"}
    columns |= {"tuned pass@1": "tuned_pass_1", "tuned pass@4": "tuned_pass_k"}
    for name, row in rows.items():
        e = held[name]
        for column, key in columns.items():
            assert row[column] == (shown(e[key], 100, ".0f") if e[key]["used"] else "–"), (name, column)
        gain = e["gain"]
        if gain["se"] is not None:
            sign = "" if round(100 * gain["value"], 1) == 0 else "+" if gain["value"] > 0 else ""
            assert (
                row["Δ pass@1 ± se"] == f"{sign}{written(100 * gain['value'])} ± {written(100 * gain['se'])}"
            )
        assert (row["problems"], row["certified expansion"]) == (str(e["problems"]), str(e["certified"]))
        for column, key, scale, form in (
            ("share of Δ, %", "share_of_gain", 100, ".0f"),
            ("unsound, %", "unsound_share", 100, ".0f"),
            ("base samples to the first hit, 1/p", "samples_to_first_hit", 1, ".3g"),
        ):
            assert row[column] == shown(e[key], scale, form), (name, column)
    for row in table(cells_run, "probes"):
        policy = probe["policies"][row["policy"]]
        assert row["problems"] == str(policy["n_problems"]) and row["samples each"] == "256"
        assert (row["correct samples"], row["problems solved"]) == ("0", "0")
        assert row["pass@1, points"] == shown(policy["pass_at_k"]["1"])
        assert row["largest k"] == f"pass@256: {shown(policy['pass_at_k']['256'])}"
        assert row["upper bound of p where 0 correct"] == f"{100 * (1 - 0.05 ** (1 / 256)):.2g} %"


def test_exact_values(cells_run):
    document = as_json(cells_run.document)
    policies, found = document["policies"], document["comparison"]["alignment"]
    held = {
        "base pass@1": (0.2, policies["base"]["pass_at_k"]["1"]),
        "base pass@4": (0.5, policies["base"]["pass_at_k"]["4"]),
        "tuned pass@1": (0.9, policies["tuned"]["pass_at_k"]["1"]),
        "KL(π‖p0), nats": (0.1, found["kl_pi_p0"]),
        "kl(q‖p), nats": (0.2, found["kl_bernoulli"]),
        "KL(π_V‖π*), nats": (0.3, found["kl_verified"]),
        "KL(π*‖π), nats": (0.4, found["kl_target_pi"]),
        "KL efficiency η": (0.8, found["efficiency"]),
    }
    rows = {row["quantity"]: row for row in table(cells_run, "exact")}
    outside = rows.pop("base: mass of traces outside the enumeration")
    assert (outside["exact"], outside["estimated"], outside["inside the interval"]) == ("0.001", "", "")
    assert rows.keys() == held.keys()
    for name, row in rows.items():
        value, e = held[name]
        fixed = e.get("se_fixed")
        lo, hi = (
            (e["lo"], e["hi"]) if fixed is None else (e["value"] - 1.96 * fixed, e["value"] + 1.96 * fixed)
        )
        assert [float(row[key]) for key in ("exact", "estimated", "lo", "hi")] == pytest.approx(
            [value, e["value"], lo, hi]
        )
        assert row["inside the interval"] == str(lo <= value <= hi) and row["problems"] == str(e["used"])


def test_controls(cells_run):
    document = as_json(cells_run.document)
    best = next(row for row in table(cells_run, "controls") if row["control"].startswith("base, best of"))
    assert best["control"] == "base, best of K = 4 (control)"
    assert best["pass@1, points"] == shown(document["policies"]["base"]["pass_at_k"]["4"])
