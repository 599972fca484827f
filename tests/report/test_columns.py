"""Reading rollout files: counts that are right, faults that are named with file and line."""

import json

import numpy as np
import pytest

from rlvr.errors import UserError
from rlvr.report.columns import read_columns
from rlvr.report.sources import read

GOOD = {"problem_id": "p", "sample": 0, "score": 1.0}


def lines(path, *rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_two_keys_are_enough(tmp_path):
    path = lines(tmp_path / "a.jsonl", {"problem_id": 7, "score": 1}, {"problem_id": 7, "score": False})
    (evaluation,) = read(path, "base")
    assert evaluation.samples.problem_ids == ("7",)
    assert (evaluation.samples.n.tolist(), evaluation.samples.c.tolist()) == ([2], [1])
    assert evaluation.samples.truncated is None and evaluation.samples.logprobs is None
    assert {"trace", "logprobs", "status"} <= set(evaluation.absent)


def test_counts_of_every_kind(tmp_path):
    rows = [
        {
            "score": 1.0,
            "answer_score": 1.0,
            "sound": 1.0,
            "status": "correct",
            "answer": "4",
            "complete": True,
        },
        {
            "score": 0.0,
            "answer_score": 1.0,
            "sound": 0.0,
            "status": "unsound",
            "answer": "4.0",
            "complete": True,
        },
        {
            "score": 0.0,
            "answer_score": 0.0,
            "sound": None,
            "status": "incorrect",
            "answer": "5",
            "complete": True,
        },
        {
            "score": 0.0,
            "answer_score": 0.0,
            "sound": None,
            "status": "no_answer",
            "answer": None,
            "complete": False,
        },
        {
            "score": None,
            "answer_score": None,
            "sound": None,
            "status": "error",
            "answer": None,
            "complete": True,
        },
    ]
    rows = [
        {"problem_id": "p", "sample": i, "tokens": 10 * i, "trace": f"t{i}"} | row
        for i, row in enumerate(rows)
    ]
    samples = read(lines(tmp_path / "a.jsonl", *rows), "base")[0].samples
    columns = ("n", "c", "c_answer", "c_sound", "excluded", "truncated", "no_answer", "tokens")
    assert [getattr(samples, name)[0] for name in columns] == [4, 1, 2, 1, 1, 1, 1, 20]
    # both accepted spellings are one answer; the sample without an answer abstains
    assert samples.answers and samples.traces
    assert (samples.answers.count.tolist(), samples.answers.correct.tolist()) == ([2, 1], [True, False])
    assert samples.traces.count.tolist() == [1, 1, 1, 1]
    assert samples.statuses == {"correct": 1, "unsound": 1, "incorrect": 1, "no_answer": 1, "error": 1}


def test_log_probabilities_are_aligned_with_their_rows(tmp_path):
    rows = [
        GOOD,
        GOOD | {"sample": 1, "logprobs": {"base": -2.0}},
        GOOD | {"sample": 2, "logprobs": {"tuned": "-inf", "base": -10000}},
    ]
    logp = read_columns(lines(tmp_path / "a.jsonl", *rows)).logprobs
    np.testing.assert_array_equal(logp["base"], [np.nan, -2.0, -10000.0])
    np.testing.assert_array_equal(logp["tuned"], [np.nan, np.nan, -np.inf])


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (
            {"sample": 1, "score": 1.0},
            r"a\.jsonl:2: a scored sample needs problem_id; this row has sample, score",
        ),
        ({"problem_id": "p"}, r":2: a scored sample needs score"),
        (GOOD | {"score": 0.5}, r":2: score is 0\.5; expected 0, 1 or null"),
        (GOOD | {"score": "yes"}, r":2: score is 'yes'"),
        (GOOD | {"score": [1]}, r":2: score is \[1\]"),
        (GOOD | {"sample": "x"}, r":2: sample is 'x'"),
        (GOOD | {"sample": 1, "tokens": 2**40}, r":2: tokens is"),
        (GOOD | {"sample": 1, "complete": "no"}, r":2: complete is 'no'"),
        (GOOD | {"problem_id": None}, r":2: problem_id is None"),
        (GOOD | {"sample": 1, "logprobs": {"base": 3.5}}, r":2: logprobs\['base'\] is 3\.5.*at most 0"),
        (GOOD | {"sample": 1, "logprobs": {"base": "much"}}, r":2: logprobs\['base'\]"),
        (GOOD | {"sample": 1, "logprobs": [1]}, r":2: logprobs is \[1\]"),
        (["p", 1], r":2: expected a JSON object, found list"),
        (GOOD, r":2: problem 'p', sample 0 .* line 1"),
    ],
)
def test_a_bad_row_is_refused_with_file_and_line(tmp_path, row, message):
    with pytest.raises(UserError, match=message):
        read(lines(tmp_path / "a.jsonl", GOOD, row), "base")


def test_an_empty_and_a_missing_file_are_refused(tmp_path):
    with pytest.raises(UserError, match="no rollout in the file"):
        read(lines(tmp_path / "a.jsonl"), "base")
    with pytest.raises(UserError, match="no such file"):
        read(tmp_path / "b.jsonl", "base")


def test_a_torn_last_line_is_noted(tmp_path):
    path = lines(tmp_path / "a.jsonl", GOOD)
    path.write_text(path.read_text() + '{"problem_id": "p", "sam')
    (evaluation,) = read(path, "base")
    assert evaluation.samples.n_samples == 1
    assert "a.jsonl:2" in evaluation.notes[0]


def test_mixed_verifiers_are_refused_or_named(tmp_path):
    rows = [GOOD | {"verifier": "math"}, GOOD | {"sample": 1, "verifier": "lenient"}]
    path = lines(tmp_path / "a.jsonl", *rows)
    with pytest.raises(UserError, match="'math' from line 1, 'lenient' from line 2"):
        read(path, "base")
    assert "'lenient' from line 2" in read(path, "base", mixed=True)[0].notes[0]


def test_rows_can_be_fetched_again(tmp_path):
    rows = [GOOD | {"sample": i, "trace": "ä" * i} for i in range(5)]
    path = lines(tmp_path / "a.jsonl", *rows)
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n"))
    assert read_columns(path).rows([0, 3]) == [rows[0], rows[3]]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("problem_id,n\na,3\n", r"c\.csv:1: column c_base, c_tuned is missing"),
        ("problem_id,n,c\na,3,4\n", r":2: c is 4; expected 0 to n = 3"),
        ("problem_id,n,c\na,3,x\n", r":2: c is 'x'; expected a whole number"),
        ("problem_id,n,c\na,3,1\na,3,1\n", r":3: problem 'a' is already on line 2"),
        ("problem_id,n,c\na,3\n", r":2: c is None"),
        ("problem_id,n,c\n", "no problem in the file"),
    ],
)
def test_bad_counts_are_refused(tmp_path, text, message):
    path = tmp_path / "c.csv"
    path.write_text(text)
    with pytest.raises(UserError, match=message):
        read(path, "base")


def test_one_csv_may_hold_both_policies(tmp_path):
    path = tmp_path / "c.csv"
    path.write_text("\ufeffproblem_id, n, c_base, c_tuned\r\na,4,1,3\r\n", newline="")
    base, tuned = read(path, "whatever")
    assert (base.name, base.samples.c.tolist()) == ("base", [1])
    assert (tuned.name, tuned.samples.c.tolist()) == ("tuned", [3])
