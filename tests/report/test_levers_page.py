"""The page of `rlvr evidence`: table, figure and matrix, each cell the number of the analysis."""

import json
import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from cells import shown, written
from drawing import axes_of
from matplotlib.colors import to_hex

from rlvr.analysis.samples import Samples
from rlvr.analysis.sections.levers import Lever, Pick, exact_row, levers, transfer
from rlvr.report import levers_page
from rlvr.report.figures import levers as drawings
from rlvr.report.figures import theme
from rlvr.rollouts.evaluations import read

IDS = [f"p{i}" for i in range(24)]


def samples(name, *c):
    found = Samples.from_counts(IDS, [16] * 24, [c[i % len(c)] for i in range(24)], name)
    return replace(found, tokens=np.full(24, 10.0 + len(name)))


@pytest.fixture(scope="module")
def found():
    base = samples("base", 2, 5, 8)
    rows = [
        Lever("base", "base", base, prompt_tokens=6.0),
        Lever("8 shots", "asked", samples("a", 9, 12, 15), prompt_tokens=80.0, amounts={"shots": 8.0}),
        Lever("2 shots", "asked", samples("b", 4, 7, 10), prompt_tokens=20.0, amounts={"shots": 2.0}),
        Lever("2 again", "asked", samples("c", 1, 2, 3), prompt_tokens=20.0, amounts={"shots": 2.0}),
        Lever("best of 4", "picked", base, prompt_tokens=6.0, pick=Pick("base", "best", 4)),
        Lever("grpo", "trained", samples("d", 6, 9, 12), sampled_tokens=700, trained_tokens=500),
        Lever("all", "crossed", samples("e", 16)),
    ]
    return levers(rows, k=4, replicates=200)


CEILING = {"row": exact_row("posterior", 1.0, 1.0, 20.0, 6.0), "base": 0.3, "nats": 1.25}


def test_the_curve_of_an_amount_goes_up_by_it(found):
    """In the order of the amounts, whatever that of the rows; of two rows with one amount the first is on it."""
    assert list(found["curves"]["shots"].items()) == [("base", 0.0), ("2 shots", 2.0), ("8 shots", 8.0)]
    of = {row["name"]: row["equivalent"] for row in found["levers"]}
    assert of["base"] == of["2 shots"] == of["8 shots"] == {} and of["2 again"].keys() == {"shots"}
    assert 2 < of["grpo"]["shots"]["value"] < 8
    assert (of["2 again"]["shots"]["value"], of["2 again"]["shots"]["status"]) == (0.0, "at_or_below_first")


def test_what_training_took_is_told_apart(found):
    row = next(row for row in found["levers"] if row["name"] == "grpo")
    assert (row["sampled_tokens"], row["trained_tokens"], row["training_tokens"]) == (700, 500, 1200)
    assert [row["prompt_tokens"] for row in found["levers"]] == [6.0, 80.0, 20.0, 20.0, 6.0, None, None]
    assert (found["k"], found["n_problems"]) == (4, 24)
    exact: Any = CEILING["row"]
    assert (exact["kind"], exact["prompt_tokens"], exact["pass_at_k"]["value"]) == ("exact", 6.0, 1.0)


def test_each_cell_of_the_table(found):
    panel = drawings.panel(found, CEILING)
    columns = list(panel.columns)
    assert columns[:5] == ["lever", "kind", "pass@1, points", "pass@4, points", "nats against the base"]
    assert columns[5:7] == ["tokens a problem", "against as many tokens of samples, points"]
    assert columns[7:9] == ["training: tokens sampled", "and trained on"]
    assert columns[-1] == "worth, in shots"
    words = {
        "base": "the base",
        "asked": "asked otherwise",
        "picked": "picked from k samples",
        "trained": "trained",
    }
    words |= {"crossed": "trained, and asked otherwise", "exact": "computed"}
    rows: list[Any] = [*found["levers"], CEILING["row"]]
    for cells, row in zip(panel.rows, rows, strict=True):
        several, nats = row["pass_at_k"], row["nats"]
        assert list(cells[:4]) == [
            row["name"], words[row["kind"]], shown(row["pass_at_1"]), shown(several) if several else "–",
        ]  # fmt: skip
        assert cells[4] == ("0" if row["kind"] == "base" else shown(nats, 1, ".2f"))
        trained = (700, 500) if row["name"] == "grpo" else (0, 0)
        more = row["equal_tokens"]
        beside = f"{shown(more)} with {written(more['samples'])}" if more else "–"
        assert list(cells[5:9]) == [shown(row["tokens"], 1), beside, *trained]
        assert bool(more) is (row["name"] not in ("base", "best of 4", "posterior"))
    worth = {cells[0]: cells[-1] for cells in panel.rows}
    own = next(row for row in found["levers"] if row["name"] == "grpo")["equivalent"]["shots"]
    assert worth["grpo"] == shown(own, 1, ".3g")
    assert (worth["base"], worth["2 shots"], worth["8 shots"]) == (
        *("0 (on the curve)", "2 (on the curve)", "8 (on the curve)"),
    )
    assert (worth["2 again"], worth["posterior"]) == ("0", "–")
    assert "Over 24 problems." in panel.caption and panel.caption.endswith(
        "at 1.25 nats from the base (KL, the mean of ln 1/p)."
    )
    assert len(drawings.panel(found, None).rows) == len(found["levers"])


def test_what_is_beyond_all_that_was_tried_is_said(found):
    worth: Any = {"value": None, "status": "censored_right", "bound": 8.0, "lo": None, "hi": None}
    assert drawings._amount("x", worth, {}) == "> 8"
    assert drawings._amount("x", None, {}) == "–"


def test_the_sentence_names_the_best_of_each_kind_and_what_hurts(found):
    nats = {row["name"]: shown(row["nats"], 1, ".2f") for row in found["levers"]}
    said = drawings.worth(found)
    assert said.startswith(
        f"What moves the base most: asked otherwise, 8 shots ({nats['8 shots']} nats); picked from its own samples, "
        f"best of 4 ({nats['best of 4']} nats); trained, grpo ({nats['grpo']} nats)."
    )
    assert said.endswith(" Worse than the base beyond noise: 2 again.")


def test_every_number_of_the_figure_is_in_its_table(found):
    panel = drawings.drawn(found, CEILING)
    columns = list(panel.columns)
    rows: list[Any] = [*found["levers"], CEILING["row"]]
    for cells, row in zip(panel.rows, rows, strict=True):
        held = dict(zip(columns, cells, strict=True))
        several = row["pass_at_k"] or {"value": None, "lo": None, "hi": None}
        expected = {"lever": row["name"], "kind": row["kind"]}
        expected |= {
            "pass@1": row["pass_at_1"]["value"],
            "lo": row["pass_at_1"]["lo"],
            "hi": row["pass_at_1"]["hi"],
        }
        expected |= {
            f"pass@k{end}": several[key] for end, key in (("", "value"), (" lo", "lo"), (" hi", "hi"))
        }
        expected |= {
            f"nats{end}": row["nats"][key] for end, key in (("", "value"), (" se", "se"), (" lo", "lo"))
        }
        expected |= {"nats hi": row["nats"]["hi"], "problems": row["nats"]["used"]}
        expected |= {
            f"tokens{end}": row["tokens"][key] for end, key in (("", "value"), (" lo", "lo"), (" hi", "hi"))
        }
        expected |= {"prompt tokens": row["prompt_tokens"], "sampled tokens": row["sampled_tokens"]}
        expected |= {"trained tokens": row["trained_tokens"]}
        more = row["equal_tokens"] or dict.fromkeys(("samples", "value", "lo", "hi"))
        expected |= {"as many tokens: samples": more["samples"], "less their pass@k": more["value"]}
        expected |= {"less lo": more["lo"], "less hi": more["hi"]}
        assert {key: held[key] for key in expected} == expected
        own = row["equivalent"].get("shots")
        ends = [own[key] for key in ("value", "lo", "hi", "status")] if own else [None] * 4
        assert [held[f"worth, in shots{end}"] for end in ("", ", lo", ", hi", ", status")] == ends


COLOURS = {"base": "base", "asked": "run4", "picked": "run2", "trained": "tuned"}


def test_each_lever_stands_at_its_nats_in_the_colour_of_its_kind(found):
    module: Any = type("M", (), {"panel": staticmethod(lambda _: drawings.drawn(found, None))})
    (ax,) = axes_of(None, (module,))["nats"]
    shown_rows = found["levers"]
    assert shown_rows[-1]["nats"]["value"] == "inf", "where all is right, the log-odds have no end"
    assert [label.get_text() for label in ax.get_yticklabels()] == [row["name"] for row in shown_rows]
    assert (
        ax.get_xlabel() == "log-odds of success against the base, nats"
        and ax.get_ylim()[0] > ax.get_ylim()[1]
    )
    dots = {
        (float(x), float(y)): to_hex(found_line.get_color())
        for found_line in ax.lines
        if found_line.get_marker() == "o"
        for x, y in zip(found_line.get_xdata(), found_line.get_ydata(), strict=True)
        if not math.isnan(x)
    }
    assert dots == {
        (row["nats"]["value"], i): to_hex(theme.colour(COLOURS[row["kind"]]))
        for i, row in enumerate(shown_rows[:-1])
    }
    arrows = [
        (x.get_marker(), float(x.get_xdata()[0]), x.get_ydata()[0]) for x in ax.lines if x.get_marker() == ">"
    ]
    assert arrows == [(">", ax.get_xlim()[1], len(shown_rows) - 1)]
    bars = [
        (sorted(map(float, x.get_xdata())), float(x.get_ydata()[0]))
        for x in ax.lines
        if len(x.get_xdata()) == 2 and x.get_marker() == "None" and x.get_ydata()[0] == x.get_ydata()[1]
    ]
    for i, row in enumerate(shown_rows[1:-1], 1):
        assert ([row["nats"]["lo"], row["nats"]["hi"]], float(i)) in bars, row["name"]
    labels = [text.get_text() for text in ax.figure.legends[0].get_texts()]
    kinds = [
        "the base",
        "asked otherwise",
        "picked from k samples",
        "trained",
        "trained, and asked otherwise",
    ]
    assert labels == kinds


def test_each_cell_of_the_matrix():
    cells = transfer(
        {
            ("base", "base"): samples("a", 2, 5, 8),
            ("base", "shots"): samples("b", 4, 7, 10),
            ("grpo", "base"): samples("c", 6, 9, 12),
            ("grpo", "shots"): samples("d", 9, 12, 15),
        },
        "base",
        replicates=100,
    )
    by = {(c["trained"], c["asked"]): c for c in cells}
    panel = drawings.transfer(cells)
    assert list(panel.columns) == ["trained under", "figure", "asked: base", "asked: shots"]
    expected = []
    for i in ("base", "grpo"):
        both = [by[i, j] for j in ("base", "shots")]
        expected.append([i, "pass@1", *(shown(c["pass_at_1"]) for c in both)])
        expected.append([i, "nats", *(shown(c["nats"], 1, ".2f") for c in both)])
        if i != "base":
            expected.append([i, "training adds, nats", *(shown(c["gain"], 1, ".2f") for c in both)])
    expected[1][2] = "0"
    assert [list(row) for row in panel.rows] == expected
    assert panel.see == f"grpo adds {shown(by['grpo', 'base']['gain'], 1, '.2f')} nats asked as the base is."
    assert drawings.transfer(None).missing.startswith("`rlvr evidence FILE --transfer`")


@pytest.fixture(scope="module")
def written_page(found, tmp_path_factory):
    folder, evaluations = tmp_path_factory.mktemp("levers"), {}
    for trained, asked, counts in (
        ("base", "base", (2, 5, 8)),
        ("base", "2 shots", (4, 7, 10)),
        ("grpo", "base", (6, 9, 12)),
    ):
        name = trained if asked == "base" else asked
        path = folder / f"{name}.csv"
        path.write_text("problem_id,n,c\n" + "".join(f"{p},16,{counts[i % 3]}\n" for i, p in enumerate(IDS)))
        shots = 2 if asked == "2 shots" else 0
        settings = {"temperature": 1.0, "model": trained, "evidence": {"shots": shots}}
        path.with_suffix(".settings.json").write_text(json.dumps(settings))
        evaluations[trained, asked] = read(path, name)[0]
    inputs = levers_page.Inputs("My levers", evaluations, "grpo", found, CEILING, None, 100)
    return levers_page.write(inputs, folder / "out"), found


def test_the_file_has_every_number_of_the_page(written_page):
    page, found = written_page
    held = json.loads(page.json.read_text())
    assert (held["title"], held["k"], held["n_problems"]) == ("My levers", 4, 24)
    assert [row["name"] for row in held["levers"]] == [*(row["name"] for row in found["levers"]), "posterior"]
    assert held["ceiling"] == {"base": 0.3, "nats": 1.25} and held["transfer"] is None
    assert held["curves"] == found["curves"] and held["policies"].keys() == {"base", "2 shots", "grpo"}
    assert held["settings"]["2 shots"]["evidence"] == {"shots": 2}
    rungs = [(rung["policy"], rung["shots"], rung["file"]) for rung in held["ladder"]["rungs"]]
    assert rungs == [("base", 0, "base.csv"), ("base", 2, "2 shots.csv"), ("tuned", 0, "grpo.csv")]
    odds = math.log((6 * 14 + 9 * 11 + 12 * 8) / (2 * 10 + 5 * 7 + 8 * 4))
    assert held["ladder"]["rungs"][2]["nats"]["value"] == pytest.approx(odds)
    assert (page.json.parent / "evidence.csv").read_text().startswith("lever,kind,pass@1,lo,hi,")


def test_the_terminal_has_the_table_and_what_was_computed(written_page):
    page, found = written_page
    lines = page.summary.splitlines()
    assert (
        lines[0].split("  ")[0] == "lever"
        and "nats against the base" in lines[0]
        and "pass@4" not in lines[0][:30]
    )
    names = [line.split("  ")[0] for line in lines[1 : len(found["levers"]) + 2]]
    assert names == [*(row["name"] for row in found["levers"]), "posterior"]
    assert "6 levers on 24 held-out problems, in nats of log-odds against the same base." in lines
    estimate = written(100 * found["levers"][0]["pass_at_1"]["value"])
    assert (
        f"Computed, not sampled: the base solves 30.0 points at one sample (estimated {estimate}), and its posterior "
        "100.0." in lines
    )
    assert lines[-1] == drawings.worth(found)
    text = page.html.read_text()
    assert "<h1>My levers</h1>" in text and "<code>evidence.json</code>" in text
