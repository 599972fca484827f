"""A report on problems of several sources: every figure over all, and for each source with its own verifier."""

import csv
import json

import numpy as np
import pytest
from cells import read_page

from rlvr.errors import UserError
from rlvr.report import build
from rlvr.rollouts.evaluations import read

SOURCES = {
    "math": ("math", 24, (0.2, 0.5)),
    "code": ("code", 22, (0.05, 0.1)),
    "few": ("math", 3, (0.5, 0.5)),
}
N = 16


def write(folder, policy, which, sources=SOURCES, **more):
    """A file of all sources; `which` of the two rates. A score of 0.5 is right by `code`, whose mark is 0.5."""
    rng = np.random.default_rng(which)
    rows = [
        {
            "problem_id": f"{name}-{i}",
            "sample": j,
            "score": (0.5 if verifier == "code" else 1.0) * float(right := rng.random() < rates[which]),
            "complete": bool(right or j % 4),
            "status": "correct" if right else "timeout" if verifier == "code" else "incorrect",
            "verifier": verifier,
            "source": name,
        }
        | more
        for name, (verifier, problems, rates) in sources.items()
        for i in range(problems)
        for j in range(N)
    ]
    path = folder / f"{policy}.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    marks = {"code": {"pass_mark": 0.5}}
    said = {name: {"verifier": verifier} | marks.get(name, {}) for name, (verifier, *_) in sources.items()}
    settings = {"temperature": 1.0, "verifier": "math / code", "sources": said}
    path.with_suffix(".settings.json").write_text(json.dumps(settings))
    return path, rows


def rate(rows, source=None):
    """pass@1: each problem with the same weight, and each has as many samples here."""
    own = [row["score"] > 0 for row in rows if source in (None, row["source"])]
    return sum(own) / len(own)


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sources")
    return folder, write(folder, "base", 0), write(folder, "tuned", 1)


@pytest.fixture(scope="module")
def report(pair):
    folder, (base, _), (tuned, _) = pair
    return build(base, tuned, output=folder / "out", replicates=200)


def test_every_source_has_the_figures_of_its_own_rows(pair, report):
    _, (_, before), (_, after) = pair
    document = report.document
    assert list(document["by_source"]) == list(SOURCES)
    for name, (_, problems, _) in SOURCES.items():
        part = document["by_source"][name]
        for policy, rows in (("base", before), ("tuned", after)):
            own = [row for row in rows if row["source"] == name]
            summary = part["policies"][policy]
            assert summary["n_problems"] == problems
            assert summary["pass_at_k"]["1"]["value"] == pytest.approx(rate(rows, name))
            assert sum(summary["statuses"].values()) == len(own)
            assert summary["statuses"]["correct"] == sum(row["status"] == "correct" for row in own)
            assert summary["truncated"]["value"] == sum(not row["complete"] for row in own) / len(own)
        c = part["comparison"]
        assert c["gain"]["value"] == pytest.approx(rate(after, name) - rate(before, name))
        parts = c["compression"]
        whole = sum(parts[k]["value"] for k in ("within", "beyond", "unresolved", "expansion"))
        assert whole - parts["forgetting"]["value"] == pytest.approx(c["gain"]["value"], abs=1e-12)
    assert document["policies"]["base"]["pass_at_k"]["1"]["value"] == pytest.approx(rate(before))
    assert sum(document["policies"]["base"]["statuses"].values()) == len(before)


def test_the_shares_of_the_gain_by_source_add_up(report):
    rows = report.document["comparison"]["by_source"]
    assert [row["stratum"] for row in rows] == list(SOURCES)
    assert sum(row["share_of_gain"] for row in rows) == pytest.approx(1)
    for row in rows:
        own = report.document["by_source"][row["stratum"]]["comparison"]["gain"]
        assert (row["gain"]["value"], row["gain"]["lo"]) == (own["value"], own["lo"])


def test_the_page_and_the_terminal_have_a_line_for_each(report):
    with (report.html.parent / "figures" / "sources.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [(row["source"], row["verifier"], row["policy"]) for row in rows] == [
        (name, verifier, policy)
        for name, verifier in [
            *((name, verifier) for name, (verifier, *_) in SOURCES.items()),
            ("all sources", ""),
        ]
        for policy in ("base", "tuned")
    ]
    of = {(row["source"], row["policy"]): row for row in rows}
    assert of["few", "tuned"]["C, within K"] == "– (few problems)"
    assert of["math", "tuned"]["C, within K"][0].isdigit() and of["math", "base"]["C, within K"] == ""
    verdicts = (report.html.parent / "figures" / "verdicts.csv").read_text()
    assert '"tuned, code",timeout' in verdicts and '"base, math",timeout' not in verdicts
    limits = (report.html.parent / "figures" / "limits.csv").read_text()
    assert '"source code, all",22' in limits
    for name, (verifier, problems, _) in SOURCES.items():
        assert f"\n  {name} ({verifier}, {problems} problems): pass@1 " in report.summary
    page = read_page(report.html)
    assert "pass@1 by source: math" in page and "is a score of at least that of its source (0.5 or 1)" in page


def test_one_evaluation_alone_has_its_sources_too(pair, tmp_path):
    _, (base, _), _ = pair
    alone = build(base, output=tmp_path, replicates=200)
    assert alone.document["by_source"]["code"]["comparison"] is None
    assert "\n  code (code, 22 problems): pass@1 " in alone.summary


def test_a_source_of_which_nothing_was_judged_is_said(tmp_path):
    rows = [
        {"problem_id": f"{source}{i}", "sample": j, "score": score, "source": source}
        for source, score in (("math", 1), ("code", None)) for i in range(4) for j in range(4)
    ]  # fmt: skip
    (tmp_path / "base.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    report = build(tmp_path / "base.jsonl", output=tmp_path / "out", replicates=200)
    assert "  code: none of its samples was judged" in report.summary
    assert report.document["by_source"]["code"]["policies"] == {}


def test_rows_without_sources_have_no_such_figures(tmp_path):
    (tmp_path / "base.jsonl").write_text('{"problem_id": "a", "score": 1}\n{"problem_id": "a", "score": 0}\n')
    report = build(tmp_path / "base.jsonl", output=tmp_path / "out", replicates=200)
    assert report.document["by_source"] == {} and not (tmp_path / "out" / "figures" / "sources.csv").exists()


def test_one_verifier_for_each_source_is_no_mixture_and_two_for_one_are(tmp_path):
    path, rows = write(tmp_path, "base", 0)
    assert read(path, "base")[0].settings["verifier"] == "math / code"
    rows[5]["verifier"] = "numeric"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    with pytest.raises(
        UserError, match=r"several verifiers judged the rows of math \('math' .*'numeric' from line 6\)"
    ):
        read(path, "base")


@pytest.mark.parametrize(
    "sources",
    [[f"https://example.org/{i}" for i in range(60)], ["a", "b"] * 30, [{"url": [i]} for i in range(60)]],
    ids=["too many", "several of one problem", "no text"],
)
def test_a_key_of_that_name_in_other_peoples_rows_does_no_harm(tmp_path, sources):
    rows = [{"problem_id": str(i // 3), "score": i % 2, "source": source} for i, source in enumerate(sources)]
    (tmp_path / "base.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    report = build(tmp_path / "base.jsonl", output=tmp_path / "out", replicates=200)
    assert report.document["by_source"] == {}
    assert any("no figures by `source`" in note for note in report.document["notes"])


def test_a_pass_mark_of_a_source_that_is_none_is_refused(tmp_path):
    path, _ = write(tmp_path, "base", 0)
    path.with_suffix(".settings.json").write_text(json.dumps({"sources": {"code": {"pass_mark": 0}}}))
    with pytest.raises(UserError, match="pass_mark is 0; expected a number above 0"):
        read(path, "base")
