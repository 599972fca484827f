"""`rlvr score`'s logic on real files: order, columns, bad rows, the audit, the self-test."""

from __future__ import annotations

import io
import json
import re
import sys
import tracemalloc
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest

from verifiers import Problem, VerifierFailed
from verifiers.audit import Audit, Share, floor, read_label
from verifiers.scoring import RowError, score_file, self_test
from verifiers.self_test import spread
from verifiers.types import Verdict

HERE = str(Path(__file__).resolve().parent)
NAUGHTY = "naughty:Naughty"  # right is what equals the reference


@pytest.fixture(autouse=True)
def importable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(HERE)


def write(path: Path, rows: list[dict] | str | bytes) -> Path:
    if isinstance(rows, list):
        rows = "".join(json.dumps(row) + "\n" for row in rows)
    path.write_bytes(rows if isinstance(rows, bytes) else rows.encode())
    return path


def read(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_each_row_comes_back_in_order_with_its_verdict(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    rows = [
        {"id": 7, "prompt": "?", "response": "a", "reference": "a", "mine": {"x": [1, None]}},
        {"response": " ", "reference": "a"},
        {"response": "unjudged", "reference": "a"},
        {"response": "émoji 🧮 \ud800", "reference": "a"},
        *[{"response": f"answer {i}", "reference": "answer 3"} for i in range(600)],
    ]
    out = tmp_path / "out.jsonl"
    summary = score_file(write(tmp_path / "in.jsonl", rows), NAUGHTY, output=out, workers=2)
    scored = read(out)
    assert [{k: v for k, v in row.items() if k in old} for row, old in zip(scored, rows, strict=True)] == rows
    sample = {"problem_id": "7", "sample": 0, "trace": "a", "verifier": NAUGHTY}
    assert scored[0] == rows[0] | sample | {"score": 1.0, "status": "correct", "answer": "a", "detail": ""}
    assert [row["status"] for row in scored[:4]] == ["correct", "no_answer", "unverifiable", "incorrect"]
    assert [row["score"] for row in scored[:4]] == [1.0, 0.0, None, 0.0]
    assert [row["answer"] for row in scored[4:]] == [f"answer {i}" for i in range(600)]
    assert summary.rows == 604 and summary.statuses["correct"] == 2 and summary.accuracy == 2 / 603
    captured = capsys.readouterr()
    assert captured.out == "" and "1 could not be judged" in captured.err and "correct" in captured.err


def test_partial_credit_is_solved_from_the_pass_mark_on_and_has_a_mean(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    rows = [{"response": f"partly {score}", "reference": "a"} for score in (0, 0.25, 0.75, 1)]
    file = write(tmp_path / "in.jsonl", [*rows, {"response": "unjudged", "reference": "a"}])
    summary = score_file(file, "naughty:Lenient", output=tmp_path / "out.jsonl", workers=1)
    assert [row["score"] for row in read(tmp_path / "out.jsonl")] == [0, 0.25, 0.75, 1, None]
    assert (summary.accuracy, summary.mean_score) == (0.5, 0.5)
    said = capsys.readouterr().err
    assert "solved 50.00% of the 4 judged (a score of 0.75 or more)" in said and "mean score 0.5000" in said
    summary = score_file(file, NAUGHTY, output=tmp_path / "out.jsonl", workers=1)
    assert (summary.accuracy, summary.mean_score) == (0.25, 0.5)


def test_a_verifier_that_fails_ends_the_file_and_names_the_row(tmp_path: Path):
    rows = [{"response": text, "reference": "a", "id": text} for text in ("a", "raise x", "b")]
    with pytest.raises(VerifierFailed, match=r"on problem 'raise x': KeyError: 'x' \(.*naughty.py, line"):
        score_file(write(tmp_path / "in.jsonl", rows), NAUGHTY, output=tmp_path / "out.jsonl", workers=1)
    assert not (tmp_path / "out.jsonl").exists()


def test_standard_input_and_output(
    monkeypatch: pytest.MonkeyPatch, capsysbinary: pytest.CaptureFixture[bytes]
):
    lines = b'\xef\xbb\xbf{"response": "a", "reference": "a"}\r\n\n{"response": "b", "reference": "a"}'
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(lines)))
    score_file("-", NAUGHTY, workers=1)
    assert [json.loads(line)["score"] for line in capsysbinary.readouterr().out.splitlines()] == [1.0, 0.0]


def test_columns_of_other_names_and_a_gold_that_the_verdict_would_overwrite(tmp_path: Path):
    rows = [{"output": [{"role": "assistant", "content": "a"}], "answer": "a", "status": "done"}]
    out = tmp_path / "out.jsonl"
    columns = {"response": "output", "reference": "answer"}
    score_file(write(tmp_path / "in", rows), NAUGHTY, output=out, columns=columns, workers=1)
    (row,) = read(out)
    assert (row["score"], row["answer"], row["reference"], row["status"]) == (1.0, "a", "a", "correct")
    assert row["status_before"] == "done" and row["trace"] == "a"


def test_samples_are_numbered_and_what_would_be_overwritten_is_kept(tmp_path: Path):
    rows = [
        {"task": 5, "response": "a", "reference": "a", "score": -1.0},
        {"task": 5, "response": "b", "reference": "a", "score": 1},
        {"task": 6, "response": "a", "reference": "a", "score": None},
        {"prompt": "1+1?", "response": "a", "reference": "a"},
        {"prompt": "1+1?", "response": "b", "reference": "a"},
        {"response": "b", "reference": "a"},
        {"problem_id": "own", "sample": 9, "response": "b", "reference": "a"},
    ]
    out = tmp_path / "out.jsonl"
    score_file(write(tmp_path / "in", rows), NAUGHTY, output=out, columns={"id": "task"}, workers=1)
    scored = read(out)
    asked = [row["problem_id"] for row in scored]
    assert [*asked[:3], *asked[5:]] == [
        "5",
        "5",
        "6",
        "6",
        "own",
    ]  # the sixth row says nothing: its line is its name
    assert asked[3] == asked[4] and len(asked[3]) == 16
    assert [row["sample"] for row in scored] == [0, 1, 0, 0, 1, 1, 9]
    assert [row.get("score_before") for row in scored] == [-1.0, 1, None, None, None, None, None]
    assert scored[1]["score"] == 0.0


@pytest.mark.parametrize(
    "content, words",
    [
        (b'{"response": "a", "reference": "a"}\n{"respons', r"in, line 2: not JSON.*found b'{\"respons'"),
        (b'["a"]', "in, line 1: found list, expected a JSON object"),
        (
            b'{"response": "a", "gold": "b"}',
            r"line 1: no key 'reference'; found 'response', 'gold'.*reference=gold",
        ),
        (b'{"output": "a", "reference": "b"}', r"line 1: no key 'response'.*--map response=output"),
        (b'{"response": null, "reference": "b"}', "key 'response': found NoneType 'None', expected text"),
        (b'{"response": 5, "reference": "b"}', "key 'response': found int '5', expected text"),
        (b'{"response": "\xff", "reference": "b"}', "line 1: not UTF-8"),
        (b"[" * 100_000, "line 1: not JSON"),
        (b"\n\n", "no rows"),
    ],
)
def test_a_bad_row_is_named(tmp_path: Path, content: bytes, words: str):
    out = tmp_path / "out"
    out.write_text("old")
    with pytest.raises(RowError, match=words):
        score_file(write(tmp_path / "in", content), NAUGHTY, output=out, workers=1)
    assert out.read_text() == "old" and len(list(tmp_path.iterdir())) == 2


def test_bad_arguments_are_named(tmp_path: Path):
    with pytest.raises(RowError, match="nowhere: cannot be read"):
        score_file(tmp_path / "nowhere", NAUGHTY)
    file = write(tmp_path / "in", [{"response": "a", "reference": "a", "label": "maybe"}])
    with pytest.raises(RowError, match="cannot be written"):
        score_file(file, NAUGHTY, output=tmp_path / "no" / "such" / "folder")
    with pytest.raises(RowError, match="gold=x: expected one of response, reference"):
        score_file(file, NAUGHTY, columns={"gold": "x"})
    with pytest.raises(RowError, match="no key 'truth'"):
        score_file(file, NAUGHTY, output=tmp_path / "out", labels="truth")
    with pytest.raises(RowError, match="key 'label': found 'maybe', expected true/false"):
        score_file(file, NAUGHTY, output=tmp_path / "out", labels="label")


def test_memory_does_not_grow_with_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("verifiers.scoring.AHEAD", 50)
    monkeypatch.setattr("verifiers.scoring.CACHE", 50)

    def peak(rows: int) -> int:
        file = tmp_path / "in"
        with file.open("w") as out:
            out.writelines(
                json.dumps({"response": f"answer {i}" + "x" * 1000, "reference": "a"}) + "\n"
                for i in range(rows)
            )
        tracemalloc.start()
        score_file(file, NAUGHTY, output="/dev/null", workers=1)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return peak

    assert peak(2000) < 1.5 * peak(400)


def test_an_audit_counts_what_was_made(tmp_path: Path):
    made = {(True, "a"): 37, (True, "b"): 3, (False, "b"): 95, (False, "a"): 5, (False, "unjudged x"): 2}
    rows = [
        {
            "id": f"{label}-{response}-{i}",
            "response": response,
            "reference": "a",
            "label": label,
            "kind": str(i % 2),
        }
        for (label, response), n in made.items()
        for i in range(n)
    ]
    summary = score_file(write(tmp_path / "in", rows), NAUGHTY, output="/dev/null", labels="label", workers=2)
    audit = summary.audit
    assert audit is not None
    assert (audit.false_positives.k, audit.false_positives.n) == (5, 100)
    assert (audit.false_negatives.k, audit.false_negatives.n) == (3, 40)
    assert (audit.accuracy.k, audit.accuracy.n, audit.unjudged) == (132, 140, 2)
    assert sum(cells.total() for cells in audit.by_kind.values()) == 142
    assert {miss.id for miss in audit.misses} == {f"False-a-{i}" for i in range(5)} | {
        f"True-b-{i}" for i in range(3)
    }
    text = str(summary)
    for words in (
        "5 of 100",
        "3 of 40",
        "k=256: 100.0%",
        "accepted, labelled wrong (5 of 5 shown)",
        "True-b-2",
    ):
        assert words in text


def test_intervals_are_exact():
    from scipy.stats import binomtest

    for k, n in ((0, 50), (1, 50), (7, 20), (20, 20), (3, 1000)):
        exact = binomtest(k, n).proportion_ci(0.95, "exact")
        assert Share(k, n).interval == pytest.approx((exact.low, exact.high), abs=1e-12)
    assert Share(0, 0).interval == (0.0, 1.0) and Share(0, 0).value is None


def test_the_floor_is_that_of_the_metrics():
    assert floor(0.01, 256) == pytest.approx(
        0.9237, abs=1e-4
    )  # docs/metrics.md: FPR 1 % gives 92 % at k = 256
    assert floor(0.0, 10**6) == 0.0 and floor(1.0, 1) == 1.0
    assert floor(1e-12, 10) == pytest.approx(1e-11, rel=1e-6)


@pytest.mark.parametrize(("accepted", "wrong"), [(0, 5), (1, 8), (3, 40), (2, 2)])
def test_the_floor_of_pass_at_k_goes_up_to_that_of_the_intervals_end(accepted: int, wrong: int):
    """Of no false positive the end is 1 - 0.025^(1/n), of nothing else 1; between them scipy's exact interval."""
    audit = Audit()
    for line in range(wrong):
        right = line < accepted
        verdict = Verdict(float(right), "correct" if right else "incorrect")
        audit.add(False, verdict, line, Problem("p", "", "r"))
    found = re.findall(r"k=(\d+): ([\d.]+)% \(up to ([\d.]+)%\)", str(audit))
    assert [int(k) for k, *_ in found] == [1, 4, 16, 64, 256]
    end = 1 - 0.025 ** (1 / wrong) if not accepted else binomtest(accepted, wrong).proportion_ci().high
    for k, value, most in found:
        for shown, rate in ((value, accepted / wrong), (most, end)):
            assert float(shown) == pytest.approx(100 * (1 - (1 - rate) ** int(k)), abs=0.051)


@given(st.lists(st.tuples(st.booleans(), st.sampled_from([1.0, 0.0, None])), max_size=50))
@settings(deadline=None, max_examples=100, derandomize=True)
def test_every_row_is_in_exactly_one_place(rows: list[tuple[bool, float | None]]):
    audit = Audit()
    status = {1.0: "correct", 0.0: "incorrect", None: "unverifiable"}
    for line, (label, score) in enumerate(rows):
        audit.add(label, Verdict(score, status[score]), line, Problem("p", "", "r"))  # type: ignore[arg-type]
    assert audit.accuracy.n + audit.unjudged == len(rows)
    assert audit.false_positives.n + audit.false_negatives.n == audit.accuracy.n
    assert audit.accuracy.n - audit.accuracy.k == audit.false_positives.k + audit.false_negatives.k
    assert len(audit.misses) == audit.false_positives.k + audit.false_negatives.k
    assert "against the labels" in str(audit)


@pytest.mark.parametrize(
    "value, label",
    [
        *[(True, True), (0, False), (1.0, True), ("Correct", True), ("FALSE", False), ("1", True)],
        *[(2, None), ("maybe", None), (None, None), ([], None), (float("nan"), None)],
    ],
)
def test_labels_are_read_in_the_usual_spellings(value: object, label: bool | None):
    assert read_label(value) is label


def test_self_test_names_the_golds_that_a_verifier_gets_wrong():
    problems = [
        Problem(f"p{i}", "", reference) for i, reference in enumerate(["a", "b", "b", "unjudged x", " ", "c"])
    ]
    problems.append(Problem("tests", "", {"tests": []}))
    for result in (self_test(problems, NAUGHTY), self_test(problems, _instance())):
        assert result.problems == 7 and result.untestable == ["tests"]
        assert result.own_accepted == 4
        assert result.unverifiable == [("p3", "x")]
        assert result.own_refused == [("p4", "no_answer the response is empty")]
        assert (result.neighbours, result.neighbours_refused) == (3, 3)
        assert not result.ok and "own reference refused: p4" in str(result)


def test_self_test_sees_a_verifier_that_accepts_anything():
    problems = [Problem(f"p{i}", "", str(i)) for i in range(5)]
    result = self_test(problems, _Yes())
    assert result.own_accepted == 5 and not result.ok
    assert result.neighbours_accepted == [(f"p{i}", f"p{i + 1}") for i in range(4)]


class _Yes:
    name = "yes"
    answer_format = "boxed"

    def verify(self, problem: Problem, trace: str, answer: str | None) -> Verdict:
        return Verdict(1.0, "correct", answer)


def _instance():
    from naughty import Naughty  # type: ignore[import-not-found]

    return Naughty()


@pytest.mark.parametrize(("count", "most"), [(3, 5), (5, 5), (10, 5), (1000, 7), (11, 10)])
def test_the_problems_that_are_tried_are_spread_over_the_whole_set(count: int, most: int):
    problems = [Problem(str(k), "", "a") for k in range(count)]
    tried = [int(problem.id) for problem in spread(problems, most)]
    steps = [after - before for before, after in zip(tried, [*tried[1:], count], strict=True)]
    assert (tried[0], len(tried)) == (0, min(count, most))
    assert max(steps) - min(steps) <= 1  # up to the end of the set
