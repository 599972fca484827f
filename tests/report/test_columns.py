"""Reading rollout files: counts that are right, faults that are named with file and line."""

import json

import numpy as np
import pytest

from rlvr.cli import main
from rlvr.errors import UserError
from rlvr.rollouts.columns import read_columns
from rlvr.rollouts.evaluations import read

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
        (GOOD | {"score": 1.5}, r":2: score is 1\.5; expected a number from 0 to 1, or null"),
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
        (GOOD | {"score": float("nan")}, r":2: score is nan"),
        (GOOD | {"sample": 1, "status": 5}, r":2: status is 5; expected text"),
        (GOOD | {"sample": 1, "verifier": {"name": "math"}}, r":2: verifier is \{'name'"),
        (GOOD | {"sample": 1, "verifier": 5}, r":2: verifier is 5; expected text"),
        (GOOD | {"sample": 1, "policy": ["base"]}, r":2: policy is \['base'\]"),
        (GOOD | {"sample": 1, "answer": {"x": 1}}, r":2: answer is \{'x': 1\}; expected text or null"),
        (GOOD | {"sample": 1, "trace": [1]}, r":2: trace is \[1\]"),
        (GOOD | {"sample": 1, "tokens": -5}, r":2: tokens is -5; expected an integer, 0 or more"),
        (GOOD | {"sample": 1, "logprobs": {"base": float("nan")}}, r":2: logprobs\['base'\] is nan"),
        (GOOD | {"sample": 1, "logprobs": {"base": False}}, r":2: logprobs\['base'\] is False"),
        (GOOD | {"sample": 1, "logprobs": {"base": "-inf"}}, r":2: logprobs\['base'\] is '-inf'"),
        (
            GOOD | {"sample": 1, "policy": "base", "logprobs": {"base": "-inf"}},
            r":2: logprobs\['base'\] is '-inf' for a sample that 'base' drew",
        ),
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


def test_a_line_torn_within_the_file_is_refused(tmp_path):
    whole = json.dumps(GOOD).encode()
    for torn in (whole[:-3], b"\x80\xff"):
        path = tmp_path / "a.jsonl"
        path.write_bytes(whole + b"\n" + torn + b"\n" + whole.replace(b": 0,", b": 1,") + b"\n")
        with pytest.raises(UserError, match=r"a\.jsonl:2: not a line of JSON"):
            read(path, "base")


def test_missing_and_tiny_log_probabilities_are_kept_apart(tmp_path):
    nats = ({"base": None}, {"base": -1e4}, {"base": -1e300}, {"base": "-Infinity"}, {})
    rows = [GOOD | {"sample": i, "logprobs": n, "policy": "tuned"} for i, n in enumerate(nats)]
    logp = read_columns(lines(tmp_path / "a.jsonl", *rows)).logprobs["base"]
    np.testing.assert_array_equal(logp, [np.nan, -1e4, -1e300, -np.inf, np.nan])


def test_numbers_are_answers_too(tmp_path):
    answers = (0, 1, -1, -2, 1.5, "1", None)  # of these only 1 and "1" are one answer
    rows = [GOOD | {"sample": i, "score": 0, "answer": answer} for i, answer in enumerate(answers)]
    table = read(lines(tmp_path / "a.jsonl", *rows), "base")[0].samples.answers
    assert table and table.count.tolist() == [1, 2, 1, 1, 1]


def test_several_policies_in_one_file_are_refused_or_named(tmp_path):
    rows = [GOOD | {"policy": "base"}, GOOD | {"sample": 1, "policy": "tuned"}]
    path = lines(tmp_path / "a.jsonl", *rows)
    with pytest.raises(
        UserError, match=r"several policies drew these rows .'base' from line 1, 'tuned' from line 2"
    ):
        read(path, "base")
    assert "'tuned' from line 2" in read(path, "base", mixed=True)[0].notes[0]


def test_samples_without_a_verdict_are_excluded_and_counted(tmp_path):
    path = lines(
        tmp_path / "a.jsonl", *(GOOD | {"sample": i, "score": s} for i, s in enumerate([None, 1, 0]))
    )
    samples = read(path, "base")[0].samples
    assert (samples.n.tolist(), samples.c.tolist()) == ([2], [1])
    assert samples.excluded is not None and samples.excluded.tolist() == [1]


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
        ("problem_id,n\na,3\n", r"c\.csv:1: column c is missing"),
        ("problem_id,k\na,3\n", r"c\.csv:1: column n, c is missing"),
        ("problem_id,n,c_base\na,3,1\n", r"c\.csv:1: column c_tuned is missing"),
        ("problem_id,n,c\na,3,4\n", r":2: c is 4; expected 0 to n = 3"),
        ("problem_id,n,c\na,3,x\n", r":2: c is 'x'; expected a whole number"),
        ("problem_id,n,c\na,3,1\na,3,1\n", r":3: problem 'a' is already on line 2"),
        ("problem_id,n,c\na,3\n", r":2: c is None"),
        ("problem_id,n,c\n", "no problem in the file"),
        ("problem_id,n,c\na,3,1,2\n", r":2: more values than the header has columns"),
        ("problem_id,n,c\na,-3,-4\n", r":2: n is -3; expected 0 or more"),
        ("problem_id,n,c\na,3,-1\n", r":2: c is -1; expected 0 to n = 3"),
        ("problem_id,n,c\na,nan,0\n", r":2: n is 'nan'; expected a whole number"),
        ("problem_id,n,c\na,3,1.5\n", r":2: c is '1\.5'; expected a whole number"),
        ("n,c,problem_id\n3,1\n", r":2: problem_id is None; expected a name"),
        ("problem_id,n,c\n,3,1\n", r":2: problem_id is ''; expected a name"),
        ("problem_id,n,c\na,3,1\n\xe4,3,1\n", r":3: problem_id is .*; expected text in UTF-8"),
        ("problem_id,n,c_base,c_tuned\na,3,1,4\n", r":2: c_tuned is 4; expected 0 to n = 3"),
    ],
)
def test_bad_counts_are_refused(tmp_path, text, message):
    path = tmp_path / "c.csv"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(UserError, match=message):
        read(path, "base")


def test_one_csv_may_hold_both_policies(tmp_path):
    path = tmp_path / "c.csv"
    path.write_text("\ufeffproblem_id, n, c_base, c_tuned\r\na,4,1,3\r\n", newline="")
    base, tuned = read(path, "whatever")
    assert (base.name, base.samples.c.tolist()) == ("base", [1])
    assert (tuned.name, tuned.samples.c.tolist()) == ("tuned", [3])


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        (
            "torn.jsonl",
            b'{"problem_id": "p", "score": 1}\n{"problem_id": "p", "sc\n',
            "torn.jsonl:2: not a line",
        ),
        ("twice.jsonl", b'{"problem_id": "p", "sample": 0, "score": 1}\n' * 2, "twice.jsonl:2: problem 'p'"),
        ("counts.csv", b"problem_id,n,c\np,3,4\n", "counts.csv:2: c is 4; expected 0 to n = 3"),
        ("bytes.csv", b"problem_id,n,c\n\xff,3,1\n", "bytes.csv:2: problem_id"),
    ],
)
def test_the_command_line_refuses_without_a_traceback(tmp_path, capsys, name, content, message):
    path = tmp_path / name
    path.write_bytes(content)
    assert main(["report", str(path), "--output", str(tmp_path / "out")]) == 2
    said = capsys.readouterr().err
    assert message in said and "Traceback" not in said
    assert not (tmp_path / "out" / "report.html").exists()


def test_settings_that_are_no_json_are_refused(tmp_path, capsys):
    path = lines(tmp_path / "a.jsonl", GOOD)
    path.with_suffix(".settings.json").write_text("{")
    assert main(["report", str(path), "--output", str(tmp_path / "out")]) == 2
    assert "a.settings.json: not JSON" in capsys.readouterr().err


def test_of_a_reference_the_beginning_is_kept_as_text(tmp_path):
    tests = {"tests": [{"stdin": "é" * 5000}], "entry": None}
    rows = [
        GOOD | {"reference": "1/2"},
        {"problem_id": "q", "score": 1, "reference": tests},
        {"problem_id": "r", "score": 1, "reference": 0},
        {"problem_id": "s", "score": 1},
    ]
    columns = read_columns(lines(tmp_path / "a.jsonl", *rows))
    whole = json.dumps(tests, ensure_ascii=False)
    assert columns.references == {0: "1/2", 1: whole[:2000], 2: "0"}
