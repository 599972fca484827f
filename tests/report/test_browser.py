"""Which rollouts travel in the page, and what of each: all of a short text, both ends of a long one, every turn."""

import json

import pytest

from rlvr.report import browser
from rlvr.report.browser import MAX_STEP_ROWS, MAX_TRACE, collect
from rlvr.report.page import _newest, _see
from rlvr.rollouts.evaluations import read

PROBLEM, POLICY, SAMPLE, STATUS, TRACE, ANSWER, DETAIL, REST = range(8)


def write(folder, name, rows):
    path = folder / f"{name}.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def one(folder, **row):
    """The row as the page has it, and what the page says of its problem."""
    path = write(folder, "base", [{"problem_id": "p", "score": 1} | row])
    found = collect(read(path, "base"))
    (packed,) = found["rows"]
    return packed, found["problems"][0], found


@pytest.mark.parametrize("length", [MAX_TRACE - 1, MAX_TRACE, MAX_TRACE + 1, 50_001])
def test_a_long_text_keeps_its_beginning_and_its_end(tmp_path, length):
    text = "a" * (length // 2) + "b" * (length - length // 2)
    row, about, _ = one(tmp_path, trace=text, prompt=text)
    for shown in (row[TRACE], about["prompt"]):
        if length <= MAX_TRACE:
            assert shown == text
            continue
        cut = f"\n\n[… {length - MAX_TRACE} characters left out …]\n\n"
        assert shown == "a" * (MAX_TRACE // 2) + cut + "b" * (MAX_TRACE // 2)


def test_values_beside_the_text_are_bounded_and_tokens_counted(tmp_path):
    more = {
        "note": "x" * 2500,
        "short": "y" * 2000,
        "held": {"tests": ["z" * 3000]},
        "level": 3,
        "none": None,
    }
    row, about, found = one(
        tmp_path,
        trace="so",
        answer="7" * 2500,
        detail="d" * 600,
        reference={"out": [1, 2]},
        token_ids=[1, 2, 3],
        status="correct",
        sample=4,
        **more,
    )
    assert (row[SAMPLE], row[ANSWER], row[DETAIL]) == (4, "7" * 2000, "d" * 500)
    rest, long = row[REST], json.dumps(more["held"])
    assert rest["note"] == "x" * 2000 + " [… 500 characters left out]"
    assert rest["held"] == f"{long[:2000]} [… {len(long) - 2000} characters left out]"
    assert (rest["short"], rest["level"], rest["none"]) == ("y" * 2000, 3, None)
    assert rest["token_ids"] == "[3 left out]"
    assert rest.keys() == {"score", "status", "sample", "token_ids", *more}
    assert about == {"id": "p", "prompt": "", "reference": '{"out": [1, 2]}'}
    assert (found["policies"], found["statuses"], found["shown"], found["total"]) == (
        ["base"],
        ["correct"],
        1,
        1,
    )


def test_a_row_that_says_little(tmp_path):
    row, *_ = one(tmp_path, response="said")
    assert (row[SAMPLE], row[TRACE], row[ANSWER], row[DETAIL]) == ("–", "said", None, "")
    row, *_ = one(tmp_path, trace="own", response="other", turns=5)
    assert row[TRACE] == "own", "the key is anybody's: 5 are no turns"
    assert row[REST]["turns"] == 5


def test_of_several_turns_the_page_says_who_wrote_which(tmp_path):
    turns = [
        {"by": "policy", "text": "4", "token_ids": [1], "score": 0.0, "status": "incorrect"},
        {"by": "evidence", "text": "No.", "token_ids": [2]},
        {"by": "policy", "text": "5", "token_ids": [3], "score": 1.0, "status": "correct"},
    ]
    row, *_ = one(tmp_path, trace="45", turns=turns)
    assert row[TRACE] == "[policy, incorrect]\n4\n\n[evidence]\nNo.\n\n[policy, correct]\n5"
    assert row[REST]["turns"] == "[3 left out]"


def counted(folder, name, problems, samples, **row):
    rows = [
        {"problem_id": f"p{i}", "sample": j, "score": j % 2, **row}
        for i in range(problems)
        for j in range(samples)
    ]
    return read(write(folder, name, rows), name)[0]


def test_every_evaluation_has_the_same_share_of_the_page(tmp_path):
    held = [counted(tmp_path, "base", 5, 20), counted(tmp_path, "tuned", 5, 2)]
    found = collect(held, rows=40)
    drew = [row[POLICY] for row in found["rows"]]
    assert (drew.count(0), drew.count(1)) == (20, 10)
    assert (found["shown"], found["total"]) == (30, 110)
    for policy in (0, 1):  # of every problem and verdict as many
        cells = [(row[PROBLEM], row[STATUS]) for row in found["rows"] if row[POLICY] == policy]
        assert {cells.count(cell) for cell in cells} == {2 if policy == 0 else 1} and len(set(cells)) == 10
    assert _see(found).startswith("A sample of 30 of 110 rollouts that keeps the variety")
    assert _see(collect(held)) == "All 110 rollouts. Filter them, or click a point in the figure of problems."
    assert _see(collect([])).startswith("The files hold counts only;")


def test_long_traces_leave_room_for_the_other_evaluations(tmp_path, monkeypatch):
    """1,300 characters a row, 26,000 in all: ten rows of each of two."""
    held = [counted(tmp_path, name, 20, 1, trace="x" * 1000) for name in ("base", "tuned")]
    monkeypatch.setattr(browser, "MAX_CHARACTERS", 26_000)
    drew = [row[POLICY] for row in collect(held)["rows"]]
    assert (drew.count(0), drew.count(1)) == (10, 10)


def trained(folder, step, count, trace="x"):
    rows = [
        {"problem_id": f"g{i // 4}", "sample": i % 4, "trace": trace, "reference": {"n": i // 4}}
        for i in range(count)
    ]
    return write(folder, f"train-{step:06d}", rows)


def test_what_a_step_trained_on_is_shown_from_its_first_group_to_its_last(tmp_path):
    base = counted(tmp_path, "base", 2, 2)
    few, many = trained(tmp_path, 1, 8), trained(tmp_path, 2, 400)
    found = collect([base], {1: few, 2: many})
    assert found["policies"] == ["base", "training, step 2", "training, step 1"]
    assert (found["shown"], found["total"]) == (4, 4), "samples of training are no evaluation"
    of = {p: [row for row in found["rows"] if row[POLICY] == p] for p in range(3)}
    assert (len(of[1]), len(of[2])) == (MAX_STEP_ROWS, 8)
    groups = [found["problems"][row[PROBLEM]]["id"] for row in of[1]]
    assert groups == [f"g{i * 400 // MAX_STEP_ROWS // 4}" for i in range(MAX_STEP_ROWS)]
    about = found["problems"][of[1][0][PROBLEM]]
    assert (about["reference"], found["statuses"][of[1][0][STATUS]]) == ('{"n": 0}', "not given")
    assert _newest(found) == 1 and _newest(collect([base])) is None
    said = _see(found)
    assert said.startswith("All 4 rollouts.") and said.endswith(
        " And samples that training steps 1, 2 trained on."
    )


def test_a_step_of_long_samples_is_cut_to_its_share_of_the_page(tmp_path):
    """20,300 characters each: 14 of 64 are below 300,000."""
    long = trained(tmp_path, 1, 64, "x" * 30_000)
    assert len(collect([], {1: long})["rows"]) == 14
    nothing = write(tmp_path, "train-000002", [])
    assert collect([], {2: nothing})["policies"] == ["training, step 2"]
