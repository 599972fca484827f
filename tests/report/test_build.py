"""The report as a whole: what it writes, what it refuses, what it says."""

import csv
import html
import json
import re

import numpy as np
import pytest
import simulate
from cells import read_page

from rlvr.cli import main
from rlvr.errors import UserError
from rlvr.report import build
from rlvr.report.browser import choose, collect
from rlvr.rollouts.columns import read_columns
from rlvr.rollouts.evaluations import read
from tests.as_json import as_json


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A whole simulated run and its report."""
    folder = tmp_path_factory.mktemp("run")
    arguments = simulate.write_run(folder)
    exact = {
        "base": {"pass_at_k": {"1": 0.19}, "mass_outside_support": 0.001},
        "tuned": {"pass_at_k": {"1": 0.9}},
        "divergence": {"kl_base": 0.1},
        "kl_efficiency": 0.8,
    }
    return build(**arguments, exact=exact, output=folder / "report", title="A run", notes=["A note."])


def test_report_json_keeps_the_contract(run):
    document = json.loads(
        run.json.read_text(), parse_constant=lambda name: pytest.fail(f"{name} in report.json")
    )
    for policy in ("base", "tuned"):
        first = document["policies"][policy]["pass_at_k"]["1"]
        assert {"value", "status", "se", "lo", "hi"} <= first.keys()
        assert first["lo"] <= first["value"] <= first["hi"]
        assert document["policies"][policy]["n_problems"] == 24
        assert document["policies"][policy]["n_samples"] == 24 * 64
    comparison = document["comparison"]
    assert {"gain", "k_star", "crossover", "compression", "ratio_gross", "ratio_net"} <= comparison.keys()
    parts = comparison["compression"]
    assert {
        "within",
        "beyond",
        "unresolved",
        "expansion",
        "forgetting",
        "churn_floor",
        "search_budget",
    } <= set(parts)
    whole = sum(parts[k]["value"] for k in ("within", "beyond", "unresolved", "expansion"))
    assert whole - parts["forgetting"]["value"] == pytest.approx(comparison["gain"]["value"], abs=1e-12)
    assert document["settings"]["base"]["temperature"] == 1.0
    assert list(document["comparisons"]) == ["step-10", "step-20", "step-30"]


def test_every_panel_has_its_numbers_beside_it(run):
    files = {p.name for p in (run.html.parent / "figures").iterdir()}
    drawn = {"curves", "readings", "decomposition", "problems", "frontier", "training", "steps", "verdicts"}
    tables = {"answering", "probes", "limits", "summary", "exact", "controls"}
    quoted = {"headline.md", "headline.tex"}
    assert files == {f"{n}.csv" for n in drawn | tables} | {f"{n}.svg" for n in drawn} | quoted
    with (run.html.parent / "figures" / "curves.csv").open() as file:
        rows = list(csv.DictReader(file))
    first = run.document["policies"]["base"]["pass_at_k"]["1"]["value"]
    assert float(rows[0]["value"]) == first


def markup(run):
    """The page without its script, whose libraries hold the words of all that they could write."""
    return re.sub("<script>.*?</script>", "", read_page(run.html), flags=re.DOTALL)


def test_drawings_use_no_colour_of_their_own(run):
    """Marker colours that are left over would be near black on both themes."""
    page = markup(run)
    assert not re.search(r"#0[0-9a-e]0[0-9a-e]0[0-9a-e]\b", page)
    assert 'style="' not in page, "the security policy allows no inline style"
    assert "var(--tuned)" in page
    svg = (run.html.parent / "figures" / "curves.svg").read_text()
    assert "var(" not in svg and "#0072b2" in svg


def test_the_page_asks_for_nothing_from_outside(run):
    page = markup(run)
    assert not re.search(r'(src|href)="(?!#)', page.replace('xmlns:xlink="http://www.w3.org/1999/xlink"', ""))
    assert "default-src 'none'" in html.unescape(page) and "unsafe" not in page


def test_the_report_is_the_same_each_time(tmp_path):
    base, tuned = simulate.write_pair(tmp_path, problems=8, samples=16)
    one, two = (build(base, tuned, output=tmp_path / name).html.read_text() for name in ("one", "two"))
    assert one == two


def test_probes_say_what_zero_of_n_means(run):
    words = run.document["probes"]["unreachable"]["words"]
    assert "0 of 256 samples on each of 16 problems, before and after" in words
    assert "at most 1.2 % (95 %)" in words
    assert words in run.summary


def test_exact_values_stand_beside_the_estimates(run):
    rows = {row["quantity"]: row for row in run.document["exact"]["rows"]}
    assert rows["base pass@1"]["inside"] is True
    assert rows["tuned pass@1"]["inside"] is False
    fixed = run.document["policies"]["base"]["pass_at_k"]["1"]["se_fixed"]
    assert rows["base pass@1"]["hi"] - rows["base pass@1"]["lo"] == pytest.approx(2 * 1.96 * fixed)
    assert rows["KL(π‖p0), nats"]["estimate"] is not None
    assert "  exact      base pass@1 0.19, tuned pass@1 0.9" in run.summary
    assert "exact values lie in the 95 % interval" in run.summary
    top = read_page(run.html).partition("<nav")[0]
    assert "<p>exact      KL(π‖p0) 0.1, η 0.8</p>" in top and "<p>estimated  KL(π‖p0) " in top


def test_limits_have_rows_in_and_out_of_distribution(run):
    with (run.html.parent / "figures" / "limits.csv").open() as file:
        rows = {row["problems by set and base rate"]: row for row in csv.DictReader(file)}
    assert next(iter(rows)) == "in distribution (held out), all"
    gain = run.document["comparison"]["gain"]
    assert rows["in distribution (held out), all"]["Δ pass@1 ± se"] == (
        f"+{100 * gain['value']:.1f} ± {100 * gain['se']:.1f}"
    )
    assert rows["out of distribution: unreachable, all"]["problems"] == "16"
    assert sum(int(row["problems"]) for name, row in rows.items() if "base rate" in name) == 24


def test_controls_that_were_not_run_are_named(run):
    with (run.html.parent / "figures" / "controls.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["runs"] for row in rows] == ["not in this report"] * 3 + ["no run"]
    assert rows[0]["setting"] == "train.algorithm=rejection"


def test_a_hand_audit_corrects_and_is_counted(tmp_path):
    base, tuned = simulate.write_pair(tmp_path, problems=24, samples=32)
    audit = {"wrong": 200, "false_positives": 4, "right": 250, "false_negatives": 5}
    tuned.with_suffix(".audit.json").write_text(json.dumps(audit))
    report = build(base, tuned, output=tmp_path / "out")
    with (tmp_path / "out" / "figures" / "summary.csv").open() as file:
        rows = {row["quantity"]: row for row in csv.DictReader(file)}
    assert rows["FPR of the verifier, % (of wrong samples audited)"]["tuned"] == "2.0 (4 of 200)"
    assert rows["FNR of the verifier, % (of right samples audited)"]["tuned"] == "2.0 (5 of 250)"
    assert rows["pass@1 corrected for both"]["base"] == "not audited"
    rate = as_json(report.document)["policies"]["tuned"]["pass_at_k"]["1"]["value"]
    corrected = as_json(report.document)["comparison"]["noise"]["corrected_pass_1"]["tuned"]["value"]
    assert corrected == pytest.approx((rate - 0.02) / 0.96)
    assert "2 % false positives (audited)" in read_page(report.html)
    tuned.with_suffix(".audit.json").write_text('{"wrong": 3}')
    with pytest.raises(UserError, match=r"tuned\.audit\.json: expected whole numbers under wrong"):
        build(base, tuned, output=tmp_path / "out")


def test_every_figure_says_on_what_it_was_measured(run):
    page = html.unescape(read_page(run.html))
    figures = re.findall(r"<figcaption>(.*?)</figcaption>", page, flags=re.S)
    said = ("24 problems × 64 samples", "without an answer", "temperature 1.0", "K = 4", "seed 7")
    assert len(figures) == 8 and all(words in text for text in figures for words in said)


def test_the_summary_fits_a_screen(run):
    lines = run.summary.splitlines()
    assert 15 <= len(lines) <= 30
    assert "search compression within 4 samples" in run.summary
    assert re.search(r"pass@1 +\d+\.\d → \d+\.\d +\(\+\d+\.\d, 95 %: .* paired\)", run.summary)


def write_counts(path, rate, tuned_rate, problems=200, samples=64):
    """Counts of both policies with the given rates, drawn from one seeded population."""
    rng = np.random.default_rng(3)
    p = rng.beta(0.5, 1.5, problems)
    counts = zip(rng.binomial(samples, rate(p)), rng.binomial(samples, tuned_rate(p)), strict=True)
    lines = (f"p{i},{samples},{base},{tuned}\n" for i, (base, tuned) in enumerate(counts))
    path.write_text("problem_id,n,c_base,c_tuned\n" + "".join(lines))
    return path


def test_two_runs_of_one_model_are_not_called_a_change(tmp_path):
    said = build(write_counts(tmp_path / "null.csv", lambda p: p, lambda p: p), output=tmp_path).summary
    assert re.search(r"Compression, \d\.\d, is not clearly more than the \d\.\d that noise alone", said)
    assert re.search(r"Forgetting, \d\.\d, is (not clearly more|below the churn floor)", said)
    assert "No measurable part of what 4 samples would add is now in one" in said
    assert "beyond noise from" not in said


def test_a_worse_policy_is_called_worse(tmp_path):
    report = build(write_counts(tmp_path / "worse.csv", lambda p: p, lambda p: p**2), output=tmp_path)
    assert "Training lowered pass@1" in read_page(report.html)
    assert re.search(r"One sample lost \d+ % of what 4 samples would add", report.summary)
    assert "The base is ahead at every k, from one sample on, and beyond noise from k = 1." in report.summary
    assert re.search(r"Forgetting is \d+\.\d points, above the", report.summary)


def test_few_problems_and_a_base_without_success_promise_nothing(tmp_path):
    few = build(write_counts(tmp_path / "few.csv", lambda p: p, lambda p: p**0.5, 5), output=tmp_path / "few")
    assert "Fewer than 20 problems: bootstrap intervals over so few are not to be trusted." in few.summary
    zero = build(write_counts(tmp_path / "zero.csv", lambda p: 0 * p, lambda p: p), output=tmp_path / "zero")
    assert "solved none of these problems in 64 samples each" in zero.summary
    one = write_counts(tmp_path / "one.csv", lambda p: p, lambda p: p**2, samples=1)
    assert "cannot be told from one base sample per problem" in build(one, output=tmp_path / "one").summary


def test_the_real_pair(exams, tmp_path):
    """Qwen2.5-7B on MATH-500: counts published with the reproduction of arXiv 2504.13837, Figure 2."""
    path = exams / "analysis" / "limit_of_rlvr_qwen7b_math500.csv"
    report = build(path, output=tmp_path)
    curve = as_json(report.document)["policies"]["base"]["pass_at_k"]
    assert curve["1"]["value"] == pytest.approx(39291 / 64000, abs=1e-9)
    assert curve["128"]["value"] == pytest.approx(481 / 500, abs=1e-9)
    assert as_json(report.document)["policies"]["tuned"]["pass_at_k"]["128"]["value"] == pytest.approx(
        465 / 500, abs=1e-9
    )
    assert as_json(report.document)["comparison"]["coverage"]["solved"] == {
        "both": 462,
        "base_only": 19,
        "tuned_only": 3,
        "neither": 16,
    }
    assert "Training raised pass@1 from 61.4 to 77.9" in read_page(report.html)


def test_a_single_evaluation_is_a_report_too(tmp_path):
    base, _ = simulate.write_pair(tmp_path, problems=5, samples=8)
    report = build(base, output=tmp_path / "out")
    assert as_json(report.document)["comparison"] is None
    assert "pass@8" in report.summary
    assert "Needs two evaluations" in read_page(report.html)


def change_settings(path, **changes):
    beside = path.with_suffix(".settings.json")
    beside.write_text(json.dumps(json.loads(beside.read_text()) | changes))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("temperature", 0.6),
        ("top_p", 0.95),
        ("max_new_tokens", 128),
        ("stop", ["\n"]),
        ("evidence", {"shots": 4}),
    ],
)
def test_what_was_sampled_differently_is_not_compared(tmp_path, field, value):
    base, tuned = simulate.write_pair(tmp_path, problems=4, samples=8)
    change_settings(tuned, **{field: value})
    here = re.escape(str(value).replace("\n", "\\n"))
    with pytest.raises(UserError, match=rf"(?s)cannot be compared.*{field}: .* / {here}"):
        build(base, tuned, output=tmp_path / "out")
    report = build(base, tuned, output=tmp_path / "out", allow_mismatch=True)
    assert any(field in note for note in as_json(report.document)["notes"])
    assert field in report.summary


def test_other_problems_and_other_texts_are_not_compared(tmp_path):
    base, tuned = simulate.write_pair(tmp_path, problems=4, samples=8)
    text = tuned.read_text()
    tuned.write_text(text.replace("sum-003", "sum-777"))
    with pytest.raises(UserError, match=r"problems: 1 of base are not in tuned\.jsonl \(sum-003\)"):
        build(base, tuned, output=tmp_path / "out")
    tuned.write_text(text.replace("What is 13 + 20?", "What is 13 + 21?"))
    with pytest.raises(UserError, match=r"another text under the same id \(sum-003"):
        build(base, tuned, output=tmp_path / "out")


def test_files_without_settings_are_compared_with_a_note(tmp_path):
    base, tuned = simulate.write_pair(tmp_path, problems=4, samples=8)
    tuned.with_suffix(".settings.json").unlink()
    report = build(base, tuned, output=tmp_path / "out")
    assert any("could not be checked" in note for note in as_json(report.document)["notes"])


def test_the_browser_keeps_every_verdict_of_every_problem(tmp_path):
    base, tuned = simulate.write_pair(tmp_path, problems=24, samples=64)
    columns = read_columns(base)
    chosen = choose(columns, 200)
    assert len(chosen) == 200
    cells = {(int(columns.problem[i]), int(columns.status[i])) for i in range(len(columns))}
    assert {(int(columns.problem[i]), int(columns.status[i])) for i in chosen} == cells
    few = [set(read_columns(p).problem[choose(read_columns(p), 10)].tolist()) for p in (base, tuned)]
    assert few[0] == few[1], "where problems are left out, both files keep the same ones"
    shown = collect([*read(base, "base"), *read(tuned, "tuned")], rows=100)
    assert len(shown["rows"]) == 100 and shown["total"] == 2 * 24 * 64


def test_other_names_for_the_policies_do_not_hide_the_distance(tmp_path):
    base, tuned = simulate.write_pair(tmp_path, problems=12, samples=32)
    expected = as_json(build(base, tuned, output=tmp_path / "one").document)["comparison"]["alignment"]
    for path in (base, tuned):
        text = path.read_text()
        path.write_text(text.replace('"base"', '"Qwen"').replace('"tuned"', '"Qwen-RL"'))
    document = as_json(build(base, tuned, output=tmp_path / "two").document)
    assert expected["status"] == "ok"
    assert document["comparison"]["alignment"]["kl_pi_p0"] == expected["kl_pi_p0"]


def test_several_runs_stand_beside_each_other(tmp_path):
    base, tuned = simulate.write_pair(tmp_path, problems=12, samples=32)
    other = tmp_path / "seed-2"
    other.mkdir()
    _, again = simulate.write_pair(other, problems=12, samples=32, sharpen=5.0)
    report = build(base, tuned, [again], output=tmp_path / "out")
    assert list(as_json(report.document)["comparisons"]) == ["seed-2/tuned"]
    with (tmp_path / "out" / "figures" / "summary.csv").open() as file:
        rows = {row["quantity"]: row for row in csv.DictReader(file)}
    gains = [
        as_json(report.document)["comparison"]["gain"],
        as_json(report.document)["comparisons"]["seed-2/tuned"]["gain"],
    ]
    low, high = sorted(100 * gain["value"] for gain in gains)
    assert rows["Δ pass@1, paired"]["lowest to highest run"] == f"{low:.1f} to {high:.1f}"


def write_scores(path, problems, samples, score):
    rows = (
        {"problem_id": f"p{i}", "sample": j, "score": score(j)}
        for i in range(problems)
        for j in range(samples)
    )
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.mark.parametrize(
    ("problems", "samples", "base", "tuned", "rates"),
    [
        (1, 1, lambda j: 0, lambda j: 1, (0, 1)),
        (1, 4, lambda j: j % 2, lambda j: 1, (0.5, 1)),
        (5, 1, lambda j: 1, lambda j: 0, (1, 0)),
        (5, 8, lambda j: 0, lambda j: j % 2, (0, 0.5)),
        (5, 8, lambda j: 0, lambda j: 0, (0, 0)),
        (5, 8, lambda j: 1, lambda j: 1, (1, 1)),
        (5, 8, lambda j: None if j else 1, lambda j: 1, (1, 1)),
    ],
)
def test_small_and_extreme_evaluations_are_reported(tmp_path, problems, samples, base, tuned, rates):
    files = [write_scores(tmp_path / f"{i}.jsonl", problems, samples, s) for i, s in enumerate((base, tuned))]
    report = build(*files, output=tmp_path / "out")
    found = as_json(report.document)
    first = [found["policies"][name]["pass_at_k"]["1"]["value"] for name in ("base", "tuned")]
    assert (*first, found["comparison"]["gain"]["value"]) == (*rates, rates[1] - rates[0])
    assert "nan" not in read_page(report.html).split("<script")[0].lower().replace("nanoseconds", "")


def test_what_cannot_be_reported_is_refused(tmp_path):
    good = write_scores(tmp_path / "good.jsonl", 3, 4, lambda j: j % 2)
    none = write_scores(tmp_path / "none.jsonl", 3, 4, lambda j: None)
    with pytest.raises(UserError, match=r"none\.jsonl: holds no scored sample; its verdicts: 12 not judged"):
        build(good, none, output=tmp_path / "out")
    other = tmp_path / "other.jsonl"
    other.write_text('{"problem_id": "q", "score": 1}\n')
    with pytest.raises(UserError, match="share no problem"):
        build(good, other, output=tmp_path / "out", allow_mismatch=True)
    for budget in (0, 100):
        with pytest.raises(UserError, match=rf"K = {budget}: expected 1 to 4"):
            build(good, good, output=tmp_path / "out", search_budget=budget)


def test_the_number_of_replicates_reaches_every_interval(tmp_path):
    base, tuned = simulate.write_pair(tmp_path, problems=24, samples=16)
    few, many, again = (
        as_json(build(base, tuned, output=tmp_path / f"report-{i}", replicates=replicates).document)
        for i, replicates in enumerate((100, 2000, 100))
    )
    assert (few["analysis"]["replicates"], many["analysis"]["replicates"]) == (100, 2000)
    assert (few["comparison"]["replicates"], many["comparison"]["replicates"]) == (100, 2000)
    assert few == again
    for interval in (
        lambda d: d["policies"]["base"]["pass_at_k"]["1"],
        lambda d: d["comparison"]["gain"],
        lambda d: d["comparison"]["k_star"],
        lambda d: d["comparison"]["compression"]["within"],
        lambda d: d["comparison"]["alignment"]["kl_pi_p0"],
        lambda d: d["comparison"]["limits"][2]["gain"],
    ):
        a, b = interval(few), interval(many)
        assert a["value"] == b["value"] and (a["lo"], a["hi"]) != (b["lo"], b["hi"])


def test_the_command_line_says_how_many_replicates(tmp_path, capsys):
    base, tuned = simulate.write_pair(tmp_path, problems=8, samples=8)
    ask = ["report", str(base), str(tuned), "--output", str(tmp_path / "out"), "--replicates"]
    assert main([*ask, "300"]) == 0
    document = json.loads((tmp_path / "out" / "report.json").read_text())
    assert document["analysis"]["replicates"] == 300
    assert "300 replicates" in read_page(tmp_path / "out" / "report.html")
    assert main([*ask, "99"]) == 2
    assert "replicates = 99: expected at least 100" in capsys.readouterr().err
