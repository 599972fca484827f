"""Which file is a rung of the evidence ladder, whose it is and what it is called; how cells and numbers are written."""

import json
import math
from typing import Any

import pytest

from rlvr.errors import UserError
from rlvr.report import evidence_ladder
from rlvr.report.figures import summary
from rlvr.report.figures.tables import interval
from rlvr.report.inputs import Inputs, distinct
from rlvr.rollouts.evaluations import read
from rlvr.text import cell, is_step, line, number, points, shareable, size, step_of
from tests.report.test_prose_directions import within


def evaluation(folder, name, evidence=None, right=4, **settings):
    path = folder / f"{name}.csv"
    path.write_text("problem_id,n,c\n" + "".join(f"p{i},16,{right + i % 3}\n" for i in range(24)))
    held = {"temperature": 1.0, "evidence": {"template": "plain", "shots": 0} | (evidence or {})} | settings
    path.with_suffix(".settings.json").write_text(json.dumps(held))
    return read(path, name)[0]


def owners(held):
    others, rungs = evidence_ladder.split(held, allow=True)
    return [e.name for e in others], [(rung.policy, rung.evaluation.name) for rung in rungs]


def test_a_rung_is_known_by_its_model_else_by_its_policy(tmp_path):
    base = evaluation(tmp_path, "base", model="small", policy="base")
    tuned = evaluation(tmp_path, "tuned", model="big", policy="tuned", right=7)
    of_base = evaluation(tmp_path, "a", {"shots": 2}, model="small", policy="tuned")
    of_tuned = evaluation(tmp_path, "b", {"shots": 2}, model="big", policy="base")
    foreign = evaluation(tmp_path, "c", {"shots": 2}, model="other")
    plain = evaluation(tmp_path, "d", model="other")
    found = owners([base, tuned, of_base, of_tuned, foreign, plain])
    assert found == (["base", "tuned", "c", "d"], [("base", "a"), ("tuned", "b")])
    one, two = (evaluation(tmp_path, name, model="same", policy=name) for name in ("base", "tuned"))
    asked = evaluation(tmp_path, "e", {"shots": 4}, model="same", policy="tuned")
    assert owners([one, two, asked]) == (["base", "tuned"], [("tuned", "e")])
    nameless = [evaluation(tmp_path, name) for name in ("base", "tuned")]
    with pytest.raises(UserError, match=r"e\.csv: was drawn with other evidence than .*base\.csv"):
        evidence_ladder.split([*nameless, asked], allow=False)


def test_rungs_are_called_by_what_differs(tmp_path):
    base = evaluation(tmp_path, "base", model="small")
    tuned = evaluation(tmp_path, "tuned", model="big", right=7)
    held = [base, tuned]
    for name, evidence in (
        ("one", {"shots": 1}),
        ("hint", {"instruction": "Think."}),
        ("other-hint", {"instruction": "Be brief."}),
        ("both", {"shots": 3, "instruction": "Think."}),
        ("seeded", {"shots": 1, "shots_seed": 5}),
    ):
        held.append(evaluation(tmp_path, name, evidence, model="small", right=5))
    held.append(evaluation(tmp_path, "tuned-hint", {"instruction": "Think."}, model="big", right=9))
    _, rungs = evidence_ladder.split(held, allow=False)
    found: Any = evidence_ladder.section(base, tuned, rungs, 100, 0)
    assert [(r["policy"], r["label"], r["shots"], r["file"]) for r in found["rungs"]] == [
        ("base", "0 shots", 0, "base.csv"),
        ("base", "1 shot", 1, "one.csv"),
        ("base", "instruction", None, "hint.csv"),
        ("base", "instruction (other-hint)", None, "other-hint.csv"),
        ("base", "instruction + shots", None, "both.csv"),
        ("base", "1 shot (seeded)", None, "seeded.csv"),
        ("tuned", "0 shots", 0, "tuned.csv"),
        ("tuned", "instruction", None, "tuned-hint.csv"),
    ]
    assert (found["reference"], found["target"], found["n_problems"]) == ("0 shots", "0 shots", 24)
    assert evidence_ladder.section(base, tuned, [], 100, 0) is None


def test_further_files_have_names_of_their_own(tmp_path):
    paths = [tmp_path / "a" / "tuned.csv", tmp_path / "b" / "x.csv", tmp_path / "c" / "x.csv"]
    assert distinct(paths, ["base", "tuned"]) == ["a/tuned", "x", "c/x"]


def test_a_csv_of_both_policies_stands_alone(tmp_path):
    both, one = tmp_path / "both.csv", tmp_path / "one.csv"
    both.write_text("problem_id,n,c_base,c_tuned\na,4,1,2\n")
    one.write_text("problem_id,n,c\na,4,1\n")
    found = Inputs.read(both, None, [], {}, None, False)
    assert [(e.name, e.samples.c.tolist()) for e in found.evaluations] == [("base", [1]), ("tuned", [2])]
    with pytest.raises(UserError, match=r"both\.csv: holds base and tuned already; give it alone"):
        Inputs.read(both, one, [], {}, None, False)
    with pytest.raises(UserError, match=r"both\.csv: holds base and tuned; give it alone"):
        Inputs.read(one, both, [], {}, None, False)


@pytest.mark.parametrize(
    "e, said",
    [
        (within(0.614, 0.579, 0.648), "61.4 (57.9 to 64.8)"),
        (within(0.614, None, 0.648), "61.4"),
        (within(0.614, 0.579, None), "61.4"),
        (within(None, None, None) | {"status": "no_data"}, "–"),
        (within(None, None, None) | {"status": "few_counts"}, "– (few counts)"),
        (within(None, None, None) | {"status": "censored_right", "bound": 64}, "> 64"),
        (within(None, None, None) | {"status": "censored_right"}, "– (censored right)"),
        (within(None, None, None) | {"status": "below_one"}, "< 1"),
        (None, "–"),
        (0.5, "50.0"),
    ],
)
def test_how_an_estimate_stands_in_a_cell(e, said):
    assert interval(e) == said


def test_an_infinite_end_and_another_scale_in_a_cell():
    assert interval(within(3.25, 2.0, 0) | {"hi": "inf"}, 1, ".3g") == "3.25 (2 to ∞)"


@pytest.mark.parametrize(
    "star, shown, bits", [(0.8, "< 1", None), (1.0, "1 (0.5 to 4)", 0.0), (4.0, "4 (0.5 to 4)", 2.0)]
)
def test_a_k_star_below_one_is_no_number_of_samples(star, shown, bits):
    comparison: Any = {"k_star": within(star, 0.5, 4.0) | {"log2": math.log2(star)}}
    assert interval(summary._k_star(comparison), 1, ".3g") == shown
    assert summary._bits(comparison) == bits


def test_numbers_as_a_person_reads_them():
    assert [number(x) for x in (None, math.nan, math.inf, -math.inf, "inf", -0.0, 1234.5, -2.5)] == [
        *("–", "–", "∞", "−∞", "∞", "0", "1.23e+03", "−2.5"),
    ]
    assert [number(x, "+.1f") for x in (0.04, -0.04, 0.05001, -0.06)] == ["0.0", "0.0", "+0.1", "−0.1"]
    assert [points(x) for x in (0.6144, None, 1)] == ["61.4", "–", "100.0"]
    assert [points(x, True) for x in (0.01, -0.01, 0.0)] == ["+1.0", "−1.0", "0.0"]
    assert [cell(x) for x in (True, False, 9999, 10_000, -1_234_567, 0.123456, None, "a\nb")] == [
        *("yes", "no", "9999", "10\u2009000", "−1\u2009234\u2009567", "0.1235", "–", "a b"),
    ]
    assert (line("x" * 5, 5), line("x" * 6, 5), line("a\r\n\tb")) == ("xxxxx", "xxxx…", "a b")
    assert (size(999_999_999), size(1e9), size(4_100_000)) == ("1,000.0 MB", "1.0 GB", "4.1 MB")
    assert [is_step(x) for x in ("step-20", "a/step-3", "step-x", "step-20b", "tuned")] == [
        True,
        True,
        *[False] * 3,
    ]
    assert step_of("step-20") == 20


def test_a_shared_text_names_no_folder():
    assert shareable("at /home/anna/runs/q/model now") == "at …/q/model now"
    assert shareable("~/data/x.jsonl and https://x.org/a/b, openai/gsm8k") == (
        "…/data/x.jsonl and https://x.org/a/b, openai/gsm8k"
    )
