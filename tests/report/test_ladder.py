"""The evidence ladder: which files are rungs of it, what it says, and what it refuses."""

import csv
import json
import shutil
from math import log
from typing import Any

import numpy as np
import pytest
import simulate
from cells import read_page, table, text

from rlvr.analysis.samples import Samples
from rlvr.analysis.sections.ladder import Rung, ladder
from rlvr.errors import UserError
from rlvr.report import build
from tests.as_json import as_json

MODELS = {"base": "small-model", "tuned": "runs/one/model"}


def write(folder, name, policy, nats, model=None, problems=24, samples=64, **evidence):
    """A file whose every problem's log-odds lie `nats` above the zero-shot base's."""
    rng = np.random.default_rng(sum(map(ord, name)))
    start = np.linspace(-2.5, 1.5, problems)
    rates = 1 / (1 + np.exp(-(start + nats)))
    path = folder / f"{name}.jsonl"
    with path.open("w") as file:
        for i, rate in enumerate(rates):
            scores = (rng.random(samples) < rate).astype(float)
            file.writelines(
                json.dumps({"problem_id": f"p{i}", "sample": j, "prompt": f"{i}?", "score": s}) + "\n"
                for j, s in enumerate(scores)
            )
    asked = {"template": "plain", "instruction": None, "shots": 0, "shot_ids": [], "rendered": ""} | evidence
    settings = simulate.SETTINGS | {"policy": name, "model": model or MODELS[policy], "evidence": asked}
    path.with_suffix(".settings.json").write_text(json.dumps(settings))
    return path


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pair")
    return write(folder, "base", "base", 0.0), write(folder, "tuned", "tuned", 1.0)


def rungs(folder):
    return [
        write(folder, f"base-{shots}", "base", 0.25 * shots, shots=shots, shot_ids=[*map(str, range(shots))])
        for shots in (8, 2)
    ] + [
        write(folder, "tuned-8", "tuned", 0.6, shots=8),
        write(folder, "base-hint", "base", 0.7, instruction="Think first."),
        write(folder, "tuned-hint", "tuned", 1.2, instruction="Think first."),
    ]


@pytest.fixture(scope="module")
def report(pair, tmp_path_factory):
    folder = tmp_path_factory.mktemp("ladder")
    return build(*pair, more=rungs(folder), output=folder / "report")


def test_files_that_differ_in_evidence_alone_are_rungs(report):
    assert report.document["comparisons"] == {}
    assert list(report.document["policies"]) == ["base", "tuned"]
    found = report.document["ladder"]
    assert [(r["policy"], r["label"], r["shots"], r["file"]) for r in found["rungs"]] == [
        ("base", "0 shots", 0, "base.jsonl"),
        ("base", "2 shots", 2, "base-2.jsonl"),
        ("base", "8 shots", 8, "base-8.jsonl"),
        ("base", "instruction", None, "base-hint.jsonl"),
        ("tuned", "0 shots", 0, "tuned.jsonl"),
        ("tuned", "8 shots", 8, "tuned-8.jsonl"),
        ("tuned", "instruction", None, "tuned-hint.jsonl"),
    ]
    assert found["rungs"][0]["nats"]["value"] == 0


def test_the_ladder_finds_what_the_files_were_made_with(report):
    found = report.document["ladder"]
    for rung, truth in zip(found["rungs"], (0, 0.5, 2.0, 0.7, 1.0, 0.6, 1.2), strict=True):
        assert rung["nats"]["value"] == pytest.approx(truth, abs=3 * (rung["nats"]["se"] or 0) + 1e-9)
    worth = found["equivalent"]
    assert worth["status"] == "ok" and worth["lo"] < 4 < worth["hi"] and worth["hi"] - worth["lo"] < 3
    setback = found["rungs"][5]["against_own"]
    assert setback["value"] == pytest.approx(-0.4, abs=0.3)


def test_page_table_and_terminal_say_it(report):
    shots = f"worth {report.document['ladder']['equivalent']['value']:.3g} shots (95 %: "
    page = read_page(report.html)
    assert shots in page and shots in report.summary
    assert "With 8 shots the tuned policy does worse than without" in page
    figures = report.html.parent / "figures"
    with (figures / "evidence.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [float(row["nats"]) for row in rows] == [
        r["nats"]["value"] for r in report.document["ladder"]["rungs"]
    ]
    assert (figures / "evidence.svg").exists()


def test_more_than_any_number_of_shots_tried_is_censored(pair, tmp_path):
    two = write(tmp_path, "two", "base", 0.3, shots=2)
    document = as_json(build(*pair, more=[two], output=tmp_path / "report").document)
    worth = document["ladder"]["equivalent"]
    assert (worth["value"], worth["status"], worth["bound"]) == (None, "censored_right", 2)
    assert worth["share_censored"] > 0.95
    assert "more than any number of shots tried, up to 2" in read_page(tmp_path / "report" / "report.html")


def test_without_rungs_the_page_says_how_to_make_one(pair, tmp_path):
    report = build(*pair, output=tmp_path / "report")
    assert report.document["ladder"] is None
    assert "evidence.shots=4 --output base-4.jsonl" in read_page(report.html)


def test_a_rung_must_agree_in_everything_else(pair, tmp_path):
    fewer = write(tmp_path, "fewer", "base", 0.5, problems=20, shots=4)
    with pytest.raises(UserError, match=r"problems: 4 of base are not in fewer\.jsonl"):
        build(*pair, more=[fewer], output=tmp_path / "report")
    hot = write(tmp_path, "hot", "base", 0.5, shots=4)
    beside = hot.with_suffix(".settings.json")
    beside.write_text(beside.read_text().replace('"temperature": 1.0', '"temperature": 0.6'))
    with pytest.raises(UserError, match=r"temperature: 1\.0 / 0\.6") as refusal:
        build(*pair, more=[hot], output=tmp_path / "report")
    assert "evidence" not in str(refusal.value)


def test_another_model_is_no_rung(pair, tmp_path):
    other = write(tmp_path, "other", "base", 0.5, model="large-model", shots=4)
    with pytest.raises(UserError, match=r"other\.jsonl.*small-model / runs/one/model / large-model"):
        build(*pair, more=[other], output=tmp_path / "report")
    document = build(*pair, more=[other], output=tmp_path / "report", allow_mismatch=True).document
    assert document["ladder"] is None and list(document["comparisons"]) == ["other"]
    assert any("evidence" in note for note in document["notes"])


def test_a_second_draw_of_as_many_shots_stands_beside_the_line(pair, tmp_path):
    four = [write(tmp_path, f"four-{seed}", "base", 0.8, shots=4, shots_seed=seed) for seed in (0, 1)]
    found = as_json(build(*pair, more=four, output=tmp_path / "report").document)["ladder"]
    assert [(r["label"], r["shots"]) for r in found["rungs"][:3]] == [
        ("0 shots", 0), ("4 shots", 4), ("4 shots (four-1)", None),
    ]  # fmt: skip


def test_a_rung_stands_at_all_its_worked_examples(pair, tmp_path):
    """Those that are drawn, those that are given, and both."""
    given = [{"prompt": f"{i}?", "answer": str(i)} for i in range(9)]
    asked = {(3, 0): 3, (0, 5): 5, (1, 6): 7, (4, 9): 13}
    files = []
    for drawn, of in asked:
        more: dict[str, Any] = {"examples": given[:of]} if of else {}
        files.append(write(tmp_path, f"{drawn}-and-{of}", "base", 0.5, shots=drawn, **more))
    found = as_json(build(*pair, more=files, output=tmp_path / "report", replicates=100).document)["ladder"]
    own = {rung["file"]: (rung["shots"], rung["label"]) for rung in found["rungs"]}
    assert {file.name: own[file.name] for file in files} == {
        f"{drawn}-and-{of}.jsonl": (shots, f"{shots} shots") for (drawn, of), shots in asked.items()
    }


def test_evidence_that_another_program_wrote_is_refused_as_a_mismatch(pair, tmp_path):
    path = tmp_path / "words.jsonl"
    shutil.copy(pair[0], path)
    settings = json.loads(pair[0].with_suffix(".settings.json").read_text()) | {"evidence": "four shots"}
    path.with_suffix(".settings.json").write_text(json.dumps(settings))
    with pytest.raises(UserError, match=r"evidence: .* / four shots"):
        build(*pair, more=[path], output=tmp_path / "report")


def rung(policy, shots, c, n=10):
    return Rung(
        policy, shots, f"{shots} shots", Samples.from_counts([*map(str, range(len(c)))], [n] * len(c), c)
    )


def test_pooled_log_odds_by_hand():
    counts = [1, 4, 6], [3, 5, 9], [2, 8, 8]
    found = ladder([rung("tuned", 0, counts[2]), rung("base", 4, counts[1]), rung("base", 0, counts[0])])
    shots = (3 * 9 + 5 * 6 + 9 * 4) / (1 * 7 + 4 * 5 + 6 * 1)  # Σ c1 (n - c0) / Σ c0 (n - c1), all n = 10
    training = (2 * 9 + 8 * 6 + 8 * 4) / (1 * 8 + 4 * 2 + 6 * 2)
    assert found["rungs"][1]["nats"]["value"] == pytest.approx(log(shots))
    assert found["rungs"][2]["nats"]["value"] == pytest.approx(log(training))
    assert found["rungs"][2]["against_own"]["value"] == 0
    assert found["equivalent"]["status"] == "censored_right"  # training gave more than the most shots did


def test_a_base_without_success_has_no_equivalent_and_nothing_is_zero():
    found = ladder([rung("base", 0, [0, 0]), rung("base", 4, [0, 3]), rung("tuned", 0, [1, 5])])
    assert found["rungs"][0]["nats"]["value"] is None
    assert found["rungs"][1]["nats"]["value"] == "inf"
    assert found["equivalent"]["value"] is None and found["equivalent"]["status"] == "no_data"


def test_every_cell_of_the_table_is_its_rungs(report):
    rungs = as_json(report.document)["ladder"]["rungs"]
    rows = table(report, "evidence")
    assert len(rows) == len(rungs)
    for row, rung in zip(rows, rungs, strict=True):
        nats, own, rate = rung["nats"], rung["against_own"], rung["pass_1"]
        expected = {
            "policy": rung["policy"],
            "evidence": rung["label"],
            "shots": rung["shots"],
            "file": rung["file"],
        }
        expected |= {"problems": nats["used"], "nats": nats["value"], "status": nats["status"]}
        expected |= {key: nats[key] for key in ("se", "lo", "hi")}
        expected |= {"nats against own first rung": own["value"], "own lo": own["lo"], "own hi": own["hi"]}
        expected |= {"pass@1": rate["value"], "pass@1 lo": rate["lo"], "pass@1 hi": rate["hi"]}
        assert row == {key: text(value) for key, value in expected.items()}
