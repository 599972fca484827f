"""The smaller tables of the page, cell by cell: flips, breakdown, attempts, controls, problems; and what is missing."""

import json
import random
import re
from typing import Any

import pytest
from cells import read_page, shown, table, written
from drawing import axes_of

from rlvr.report import build, page
from rlvr.report.figures import Panel, View, clock, controls, flips, seeds, summary, training, turns
from rlvr.report.problem_table import collect
from tests.as_json import as_json
from tests.report.test_prose_directions import within


def write(folder, name, rows):
    path = folder / f"{name}.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def section(report, name):
    found = re.search(rf'<section id="{name}".*?</section>', read_page(report.html), re.DOTALL)
    assert found, name
    return found[0]


@pytest.fixture(scope="module")
def single(tmp_path_factory):
    """One sample of each problem: 8 of 30 right before, 14 after."""
    folder = tmp_path_factory.mktemp("single")
    files = [
        write(folder, name, [{"problem_id": f"p{i}", "score": int(low <= i < high)} for i in range(30)])
        for name, low, high in (("base", 0, 8), ("tuned", 3, 17))
    ]
    return build(*files, output=folder / "out", replicates=100)


def test_flips_are_listed_by_direction(single):
    rows = [(row["problem_id"], row["base"], row["tuned"]) for row in table(single, "flips")]
    expected = [(f"p{i}", "wrong", "right") for i in range(8, 17)]
    assert rows == expected + [(f"p{i}", "right", "wrong") for i in range(3)]
    text = section(single, "flips")
    assert "9 problems went from wrong to right and 3 from right to wrong" in text
    assert (
        "2 × 2: base right, tuned right 5, tuned wrong 3; base wrong, tuned right 9, tuned wrong 13." in text
    )
    absent = section(single, "missing")
    for title in (
        "pass@k, and what training changed of it",
        "Every problem, before and after",
        "Control runs",
    ):
        assert re.search(rf"<dt>{title}</dt><dd>Needs several samples per problem\.</dd>", absent), title
    assert not {row["quantity"] for row in table(single, "summary")} & {
        q.label for q in summary.OF_WHICH_KIND
    }
    found = collect(single.document, {})
    assert found is not None and found["single"] is True
    assert found["rows"][:2] == [["p0", 1, 1, 1, 0], ["p1", 1, 1, 1, 0]]


def test_without_flips_the_page_says_for_whom_they_are(cells_run):
    assert "For one sample of each problem; these files hold several." in section(cells_run, "missing")
    assert flips.panel(View(cells_run.document)).missing


@pytest.fixture(scope="module")
def levelled(tmp_path_factory):
    """Problems of two levels and some without; the tuned policy gains on the second level alone."""
    folder, rng = tmp_path_factory.mktemp("levelled"), random.Random(1)
    rates = {"base": {"1": 0.5, "2": 0.2, None: 0.5}, "tuned": {"1": 0.5, "2": 0.8, None: 0.5}}
    files = []
    for name, own in rates.items():
        rows = []
        for i in range(60):
            level = ("1", "2", "2")[i % 3] if i < 54 else None
            more = {"level": level} if level else {}
            rows += [
                {"problem_id": f"p{i}", "sample": j, "score": int(rng.random() < own[level])} | more
                for j in range(8)
            ]
        files.append(write(folder, name, rows))
    return build(*files, output=folder / "out", replicates=100, names=["before", "after"])


def test_the_breakdown_has_the_rates_of_its_own_problems(levelled):
    rows = table(levelled, "breakdown")
    whole = as_json(levelled.document)["comparison"]["gain"]["value"]
    assert [(row["column"], row["value"], row["problems"]) for row in rows] == [
        ("level", "not given", "6"), ("level", "1", "18"), ("level", "2", "36"),
    ]  # fmt: skip
    held = as_json(levelled.document)["breakdown"]["level"]
    for row, e in zip(rows, held, strict=True):
        assert row["pass@1, before"] == shown(e["base_pass_1"])
        assert row["pass@1, after"] == shown(e["tuned_pass_1"])
        assert row["Δ pass@1, paired"] == shown(e["gain"])
        share = e["gain"]["value"] * e["problems"] / (whole * 60)
        assert row["share of Δ, %"] == written(100 * share, ".0f")
    assert float(rows[2]["share of Δ, %"]) > 80
    assert "Keys of the rows with a few values: level." in section(levelled, "breakdown")
    found = collect(levelled.document, {"level": {f"p{i}": "2" for i in range(5)}})
    assert found is not None
    assert (found["base"], found["tuned"], found["single"], found["columns"]) == (
        "before",
        "after",
        False,
        ["level"],
    )
    assert [row[5] for row in found["rows"][:7]] == ["2"] * 5 + ["–"] * 2
    assert all(row[1:5:2] == [8, 8] for row in found["rows"])


TURNS: Any = [
    {"attempts": t, "reached": reached, "pass_at_k": {"1": within(one, one - 0.02, one + 0.03),
     "2": within(one + 0.1, one + 0.05, one + 0.2), "4": within(one + 0.2, one + 0.1, one + 0.3)}}
    for t, reached, one in ((1, 1.0, 0.3), (2, 0.625, 0.4), (3, 0.25, 0.5))
]  # fmt: skip


def test_attempts_are_drawn_by_their_number(cells_run):
    document: Any = cells_run.document | {"turns": {"base": TURNS, "tuned": TURNS[:2]}}
    view = View(document)
    panel = turns.panel(view)
    expected = [
        [policy, of["attempts"], written(100 * of["reached"]), k, shown(e)]
        for policy, held in (("base", TURNS), ("tuned", TURNS[:2]))
        for of in held
        for k, e in of["pass_at_k"].items()
    ]
    assert [list(row) for row in panel.rows] == expected
    assert panel.see.startswith(
        "base: pass@1 30.0 at the first attempt, 40.0 within 2, 50.0 within 3. tuned: pass@1 "
    )
    (ax,) = axes_of(view, (turns,))["turns"]
    drawn = {found.get_label(): found for found in ax.lines}
    assert list(drawn) == ["base, pass@1", "base, pass@4", "tuned, pass@1", "tuned, pass@4"]
    assert list(drawn["base, pass@1"].get_xdata()) == [1, 2, 3]
    assert list(drawn["base, pass@1"].get_ydata()) == pytest.approx([30, 40, 50])
    assert list(drawn["tuned, pass@4"].get_ydata()) == pytest.approx([50, 60])
    assert (drawn["base, pass@1"].get_linestyle(), drawn["base, pass@4"].get_linestyle()) == ("-", "--")
    assert drawn["base, pass@1"].get_color() == view.styles["base"]["color"]
    assert drawn["tuned, pass@1"].get_color() == view.styles["tuned"]["color"]
    assert (ax.get_xlabel(), ax.get_ylabel(), ax.get_ylim()[0]) == ("attempts, at most", "points", 0)
    assert list(ax.get_xticks()) == [1, 2, 3]
    bands = [{round(y, 6) for _, y in c.get_paths()[0].vertices} for c in ax.collections]
    assert {28.0, 33.0, 38.0, 43.0, 48.0, 53.0} <= bands[0] and {40.0, 60.0, 50.0, 70.0} <= bands[3]


def test_control_runs_are_found_by_their_method(cells_run):
    gain, rate = within(0.02, -0.01, 0.05), within(0.22, 0.2, 0.25)
    groups = {
        name: {"runs": runs, "pass_at_k": {"1": rate}, "quantities": {"gain": gain}}
        for name, runs in (
            ("rejection", ["a"]),
            ("grpo, format reward (control)", ["b", "c"]),
            ("grpo", ["d"]),
        )
    }
    document: Any = cells_run.document | {"groups": groups}
    panel = controls.panel(View(document))
    cells = ["22.0 (20.0 to 25.0)", "2.0 (−1.0 to 5.0)"]
    rows = {row[0]: list(row[2:]) for row in panel.rows}
    assert rows == {
        "SFT on verified base samples (the main control): rejection": ["1", *cells, "train.algorithm=rejection"],
        "random reward": ["not in this report", "–", "–", "train.reward=random"],
        "format-only reward: grpo, format reward (control)": ["2", *cells, "train.reward=format"],
        "base, best of K = 4 (control)": [
            "no run", shown(as_json(cells_run.document)["policies"]["base"]["pass_at_k"]["4"]), "–", "–",
        ],
    }  # fmt: skip
    assert panel.see.startswith("2 of 3 kinds of control run are in this report;")
    nothing: Any = cells_run.document | {"groups": {}}
    assert controls.panel(View(nothing)).missing.startswith("Runs of this pipeline have them")
    assert controls.panel(View(nothing, [{"step": 1}])).see.startswith("0 of 3 kinds")
    theirs: Any = cells_run.document | {
        "groups": {"tuned": groups["grpo"]}
    }  # seeds that another system trained
    assert controls.panel(View(theirs)).missing.startswith("Runs of this pipeline have them")
    alone: Any = cells_run.document | {"comparison": None}
    assert controls.panel(View(alone)).missing.startswith("Needs two evaluations")


def test_methods_over_seeds_say_where_there_are_too_few(cells_run):
    gain = within(0.02, -0.01, 0.05)
    groups = {
        name: {"runs": list(runs), "pass_at_k": {}, "quantities": {"gain": gain}}
        for name, runs in (("grpo", "abc"), ("rloo", "d"), ("ppo", "ef"))
    }
    view: Any = type("V", (), {"groups": groups})
    assert seeds._see(view) == (
        "Gain in pass@1, mean over seeds: grpo: 2.0 (−1.0 to 5.0) points; rloo: 2.0 (−1.0 to 5.0) points (1 run: no "
        "statement about the method); ppo: 2.0 (−1.0 to 5.0) points (2 runs: no statement about the method)."
    )


@pytest.mark.parametrize(
    "n, count, seconds",
    [(0, "0", "0 s"), (119.4, "119", "119 s"), (120, "120", "2 min"), (999, "999", "16.6 min"),
     (1000, "1k", "16.7 min"), (7199, "7.2k", "120 min"), (7200, "7.2k", "2 h"), (1_250_000, "1.25M", "347 h")],
)  # fmt: skip
def test_samples_and_time_are_said_in_their_units(n, count, seconds):
    assert (clock._count(n), clock._time(n)) == (count, seconds)


def test_a_figure_of_training_leaves_out_what_was_not_logged(cells_run):
    """One source is no comparison of sources; several are drawn, each by its name."""
    rows = [
        {"step": i, "reward": i / 10, "group_share/a": 0.5, "group_share/b": 0.5}
        | {"reward/a": i / 20, "reward/b": 0.4, "mixed_share/a": 0.2, "mixed_share/b": 0.3}
        for i in range(1, 6)
    ]
    assert training.sources_in(rows) == ["a", "b"]
    assert training.sources_in([{"group_share/a": 1.0}]) == []
    document: Any = cells_run.document | {"training": {"expected_mixed_share": [None] * 5}}
    panel = training.panel(View(document, rows))
    axes = axes_of(View(document, rows), (training,))["training"]
    shown_here = {ax.get_title(loc="left"): ax for ax in axes if ax.get_visible()}
    assert list(shown_here) == [
        "train reward, points", "train reward by source, points", "both outcomes by source, %",
    ]  # fmt: skip
    by_name = {x.get_label(): x for x in shown_here["train reward by source, points"].lines}
    assert list(by_name["b"].get_ydata()) == pytest.approx([40.0] * 5)
    assert list(by_name["a"].get_ydata()) == pytest.approx([15.0] * 5), "the medians of 5 to 25 are all 15"
    assert "Not in this metrics.jsonl: groups with both outcomes, token entropy," in panel.caption
    assert panel.see == "5 steps: the training reward goes from 15.0 to 45.0 points (medians of 2 steps)."
    empty: Any = cells_run.document | {"training": {"expected_mixed_share": []}}
    assert training.panel(View(empty, [])).missing.startswith("Needs the run's metrics.jsonl;")
    bare: Any = cells_run.document | {"training": {"expected_mixed_share": [None]}}
    assert training.panel(View(bare, [{"step": 1}])).missing.startswith("metrics.jsonl holds no series")


def test_a_csv_cell_is_no_formula_of_a_spreadsheet():
    rows = [["=1+1", "+x", "-y", "@z", "\tq", "plain"], ["+13.1 ± 3.0", "-2.0 %", -3, 0.1, None, True]]
    panel = Panel("p", "P", "P", columns=("a", "b", "c", "d", "e", "=f"), rows=rows)
    assert page.as_csv(panel).splitlines() == [
        "a,b,c,d,e,'=f",
        "'=1+1,'+x,'-y,'@z,'\tq,plain",
        "+13.1 ± 3.0,-2.0 %,-3,0.1,,True",
    ]


def test_the_table_of_settings_says_what_files_lack(tmp_path):
    counts = tmp_path / "base.csv"
    counts.write_text("problem_id,n,c\na,4,1\nb,8,2\n")
    rows = write(tmp_path, "tuned", [{"problem_id": p, "score": 1, "prompt": "?"} for p in "ab"])
    report = build(counts, rows, output=tmp_path / "out", replicates=100)
    held = {row["key"]: row["values"] for row in page.settings_table(report.document)["rows"]}
    assert held["settings"] == ["none beside the file"] * 2
    assert held["rows"] == ["counts only", "–"]
    assert held["samples per problem"] == ["4–8", "1"] and held["samples scored"] == ["12", "2"]
    assert held["keys that the file lacks"][0] == "–"
    assert "trace (traces beside the verdicts); answer (maj@k" in held["keys that the file lacks"][1]
    assert "prompt" not in held["keys that the file lacks"][1].replace("prompts", "")
    assert held["mean score"] == ["–", "1"]
