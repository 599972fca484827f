"""What is read of rows beside counts: sources, attributes, attempts, audits, what a file lacks; where each ends."""

import json
import math

import pytest

from rlvr.errors import UserError
from rlvr.report.document import turns_of
from rlvr.rollouts.attempts import solved_attempts
from rlvr.rollouts.attributes import attributes
from rlvr.rollouts.audits import read_audit, write_audit
from rlvr.rollouts.columns import read_columns
from rlvr.rollouts.evaluations import Evaluation, read, renamed
from rlvr.rollouts.keys import text_hash, valid_turns


def write(folder, rows, name="base", **settings):
    path = folder / f"{name}.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    if settings:
        path.with_suffix(".settings.json").write_text(json.dumps(settings))
    return path


def one(path, **options) -> Evaluation:
    (found,) = read(path, "base", **options)
    return found


@pytest.mark.parametrize("names", [1, 20, 21])
def test_figures_by_source_are_for_up_to_twenty(tmp_path, names):
    rows = [{"problem_id": f"p{i}", "score": i % 2, "source": f"s{i}"} for i in range(names)]
    found = one(write(tmp_path, rows))
    assert (found.samples.sources is not None) is (names <= 20)
    said = (
        "base.jsonl: no figures by `source`: rows of one problem name several, or it has more than 20 names"
    )
    assert list(found.notes) == [said] * (names > 20)
    if names <= 20:
        assert found.samples.sources == tuple(f"s{i}" for i in range(names))


def silent_of(found):
    return found.samples.no_answer.tolist()


def test_a_sample_without_an_answer_is_known_by_its_status_or_by_its_answer(tmp_path):
    """Where rows have statuses of their own, those say it; else a null answer does, unless the verifier accepted it."""
    plain = [
        {"problem_id": "p", "score": s, "answer": a} for s, a in ((1, "4"), (0, None), (0, "5"), (1, None))
    ]
    assert silent_of(one(write(tmp_path, plain))) == [1]
    stated = [
        row | {"status": s}
        for row, s in zip(plain, ("correct", "no_answer", "no_answer", "correct"), strict=True)
    ]
    assert silent_of(one(write(tmp_path, stated))) == [2]
    silent = [{"problem_id": "p", "score": s} for s in (0, 1)]
    assert one(write(tmp_path, silent)).samples.no_answer is None


SOUND = {  # a problem's samples, (answer_score, sound) → its sound ones among the right ones; None: nobody looked
    "looked at, all sound": ([(1, 1), (1, 1), (0, None)], 2), "one of two": ([(1, 1), (1, 0), (0, 0)], 1),
    "none": ([(1, 0), (1, 0)], 0), "some looked at": ([(1, 1), (1, None), (0, None)], 1),
    "right ones not looked at": ([(1, None), (1, None)], None),
    "only wrong ones looked at": ([(1, None), (0, 1)], None),
    "only wrong ones there, looked at": ([(0, 1), (0, 0)], 0), "only wrong ones there": ([(0, None), (0, None)], 0),
}  # fmt: skip


def test_sound_answers_are_known_where_a_right_one_was_looked_at(tmp_path):
    rows = [
        {"problem_id": name, "sample": i, "score": a if s is None else a * s, "answer_score": a}
        | ({} if s is None else {"sound": s})
        for name, (samples, _) in SOUND.items()
        for i, (a, s) in enumerate(samples)
    ]
    samples = one(write(tmp_path, rows)).samples
    assert samples.c_sound is not None
    found = [None if math.isnan(c) else c for c in samples.c_sound]
    assert dict(zip(samples.problem_ids, found, strict=True)) == {name: c for name, (_, c) in SOUND.items()}


def columns_of(folder, count, value):
    """The attributes of problems whose row says `value(i)`, in two samples each."""
    rows = [
        {"problem_id": f"p{i}", "sample": j, "score": 1, "level": value(i)}
        for i in range(count)
        for j in range(2)
    ]
    return attributes([one(write(folder, rows))])


def test_problems_are_sorted_by_two_to_thirty_short_values(tmp_path):
    for values, kept in ((1, False), (2, True), (30, True), (31, False)):
        found = columns_of(tmp_path, 64, lambda i, values=values: f"v{i % values}")
        assert bool(found) is kept, values
    assert not columns_of(tmp_path, 6, lambda i: f"v{i}"), "one for each problem sorts nothing"
    for length, kept in ((60, True), (61, False)):
        assert bool(columns_of(tmp_path, 6, lambda i, length=length: f"{i % 2}" * length)) is kept, length
    found = columns_of(tmp_path, 4, lambda i: i > 1)
    assert found == {"level": {"p0": "no", "p1": "no", "p2": "yes", "p3": "yes"}}
    assert not columns_of(tmp_path, 6, lambda i: [0.5, "", None][i % 3])
    many = [{"problem_id": f"p{i}", "score": 1} | {f"k{n}": i % 2 for n in range(12)} for i in range(4)]
    assert list(attributes([one(write(tmp_path, many))])) == [f"k{n}" for n in range(8)]


@pytest.mark.parametrize("name", ["status", "source", "policy", "verifier", "seed", "level"])
def test_in_an_object_a_column_may_have_the_name_of_a_key_of_ours(tmp_path, name):
    """`meta.status` says something of the problem, whatever `status` means in a row."""
    rows = [{"problem_id": f"p{i}", "score": 1, "meta": {name: f"v{i % 2}"}} for i in range(4)]
    assert attributes([one(write(tmp_path, rows))]) == {
        f"meta.{name}": {f"p{i}": f"v{i % 2}" for i in range(4)}
    }


def test_attributes_of_two_files_must_agree(tmp_path):
    def held(name, level):
        rows = [{"problem_id": f"p{i}", "score": 1, "level": level(i)} for i in range(4)]
        return one(write(tmp_path, rows, name))

    base, tuned, other = (
        held("base", lambda i: i % 2),
        held("tuned", lambda i: i % 2),
        held("other", lambda i: i // 2),
    )
    assert attributes([base, tuned]).keys() == {"level"} and not attributes([base, other])


def test_an_attempt_is_solved_from_the_pass_mark_on(tmp_path):
    def turn(score):
        return {"by": "policy", "text": "x", "token_ids": [1], "score": score}

    between = {"by": "evidence", "text": "no", "token_ids": [2]}
    row = {
        "policy": "base",
        "prompt": "?",
        "trace": "x",
        "answer": None,
        "complete": True,
        "tokens": 1,
        "status": "?",
    }
    talks = [
        {"problem_id": "a", "sample": 0, "score": 1.0, "turns": [turn(0.4), between, turn(0.5)]},
        {"problem_id": "a", "sample": 1, "score": None, "turns": [turn(0.4), between, turn(0.5)]},
        {"problem_id": "b", "sample": 0, "score": 0.5, "turns": [turn(None), between, turn(None)]},
        {"problem_id": "b", "sample": 1, "score": 0.4},
    ]
    path = write(tmp_path, [row | talk for talk in talks])
    assert solved_attempts(path, 0.5) == [[[False, True]], [[True], [False]]]
    assert solved_attempts(path) == [[[False, False]], [[False], [False]]]
    assert solved_attempts(write(tmp_path, [row | talks[3]])) == []


@pytest.mark.parametrize(("mark", "first", "second"), [(0.5, 0.5, 1.0), (0.8, 0.0, 0.5), (1.0, 0.0, 0.0)])
def test_pass_at_t_attempts_is_by_the_files_pass_mark(tmp_path, mark, first, second):
    def turn(score):
        return {"by": "policy", "text": "x", "token_ids": [1], "score": score, "status": "?"}

    between = {"by": "evidence", "text": "no", "token_ids": [2]}
    common = {"policy": "base", "prompt": "?", "trace": "x", "answer": None, "complete": True, "tokens": 1}
    rows = [
        common | {"problem_id": problem, "sample": 0, "score": b, "status": "?", "turns": [turn(a), between, turn(b)]}
        for problem, a, b in (("a", 0.5, 0.7), ("b", 0.4, 0.9))
    ]  # fmt: skip
    path = write(tmp_path, rows, pass_mark=mark, environment={"name": "feedback", "options": {}})
    (found,) = turns_of({"replicates": 50, "seed": 0, "search_budget": 1}, one(path)).values()
    assert [of["pass_at_k"]["1"]["value"] for of in found] == [first, second]


def test_an_audit_is_four_whole_numbers_that_can_be(tmp_path):
    path = write(tmp_path, [{"problem_id": "p", "score": 1}])
    counts = {"wrong": 50, "false_positives": 2, "right": 80, "false_negatives": 6}
    assert read_audit(path) is None
    assert write_audit(path, counts | {"more": 1}).name == "base.audit.json"
    found = read_audit(path)
    assert found is not None and (found.fpr, found.fnr) == (2 / 50, 6 / 80)
    assert one(path).audit == found
    for change, words in (
        (
            {"wrong": 50.0},
            r"expected whole numbers under wrong, false_positives, right, false_negatives, found \[50\.0",
        ),
        ({"wrong": True}, "expected whole numbers"),
        ({"false_positives": 51}, "more misjudged samples than audited ones"),
        ({"right": 0, "false_negatives": 0}, "audited samples on both sides"),
    ):
        path.with_suffix(".audit.json").write_text(json.dumps(counts | change))
        with pytest.raises(UserError, match=words):
            read_audit(path)


def test_what_a_file_lacks_is_said_with_what_it_is_for(tmp_path):
    row = {
        "problem_id": "p",
        "score": 1,
        "prompt": "?",
        "trace": "t",
        "status": "correct",
        "verifier": "math",
    }
    found = one(write(tmp_path, [row]))
    assert found.absent == {
        "reference": "the reference answer beside the rollouts",
        "answer": "maj@k and the diversity of answers",
        "complete": "the share cut by the token limit",
        "tokens": "completion length",
        "logprobs": "distance from the base model and posterior alignment",
        "sound": "CoT-pass@k and the unsound share",
    }
    assert found.settings["verifier"] == "math" and found.pass_mark == 1.0
    said = one(write(tmp_path, [row], verifier="mine", pass_mark=0.25))
    assert said.settings["verifier"] == "mine" and said.pass_mark == 0.25
    counts = tmp_path / "c.csv"
    counts.write_text("problem_id,n,c\np,1,1\n")
    assert one(counts).absent.keys() > found.absent.keys()


def test_columns_are_numbered_by_their_lines(tmp_path):
    """A blank line between: what an error or a note names is the line of the file."""
    rows = [
        {"problem_id": "p", "score": 1, "policy": "a"}, {"problem_id": "q", "score": 0, "policy": "b", "verifier": "v"},
        {"problem_id": 7, "score": 0.5, "verifier": "w", "tokens": 3, "complete": False},
    ]  # fmt: skip
    path = tmp_path / "base.jsonl"
    path.write_text("\n".join(["", json.dumps(rows[0]), "  ", *map(json.dumps, rows[1:]), ""]))
    found = read_columns(path)
    assert (found.policies, found.verifiers) == ({"a": 2, "b": 4}, {"v": 4, "w": 5})
    assert found.problems == ("p", "q", "7") and found.sample.tolist() == [0, 0, 0]
    assert (found.tokens.tolist(), found.complete.tolist()) == ([-1, -1, 3], [-1, -1, 0])
    assert found.mixed == {"": {"v": 4, "w": 5}} and found.present == {"problem_id", "score", "policy"}
    assert found.rows([2, 0]) == [rows[2], rows[0]]
    with pytest.raises(
        UserError, match=r"several policies drew these rows \('a' from line 2, 'b' from line 4\)"
    ):
        read(path, "base")
    assert [note.partition(" (")[0] for note in one(path, mixed=True).notes] == [
        "base.jsonl: several policies drew these rows", "base.jsonl: several verifiers judged these rows",
    ]  # fmt: skip
    twice = [{"problem_id": "p", "sample": i, "score": 1} for i in (0, 1, 0, 1)]
    with pytest.raises(UserError, match=r":3: problem 'p', sample 0 is already on line 1; .* occur twice: 2"):
        read_columns(write(tmp_path, twice))


def test_names_in_log_probabilities_are_the_reports(tmp_path):
    rows = [{"problem_id": "p", "score": 1, "policy": "run", "logprobs": {"run": -1.0, "other": -2.0}}]
    found = renamed(one(write(tmp_path, rows)), {"run": "tuned"})
    assert found.samples.logprobs is not None
    assert {name: nats.tolist() for name, nats in found.samples.logprobs.logp.items()} == {
        "tuned": [-1.0], "other": [-2.0],
    }  # fmt: skip
    plain = one(write(tmp_path, [{"problem_id": "p", "score": 1}]))
    assert renamed(plain, {"run": "tuned"}) is plain


def test_texts_are_equal_where_they_are_written_alike():
    assert text_hash("1") == text_hash(1) and text_hash(1.5) == text_hash("1.5") != text_hash("1.50")
    assert text_hash(None) == 0 != text_hash("") and text_hash(-1) != text_hash(-2)
    with pytest.raises(TypeError):
        text_hash([1])


@pytest.mark.parametrize(
    "turns, valid",
    [
        (None, True),
        ([], False),
        ([{"by": "policy", "text": "a"}], False),
        ([{"by": "policy", "text": "a"}, {"by": "evidence", "text": "b"}], True),
        ([{"by": "policy", "text": "a"}, {"by": "user", "text": "b"}], False),
        ([{"by": "policy", "text": "a"}, {"by": "evidence", "text": 5}], False),
        ([{"by": "policy", "text": "a", "token_ids": [1, 0]}, {"by": "evidence", "text": "b"}], True),
        ([{"by": "policy", "text": "a", "token_ids": [1, -1]}, {"by": "evidence", "text": "b"}], False),
        ([{"by": "policy", "text": "a", "token_ids": [True]}, {"by": "evidence", "text": "b"}], False),
        ("text", False),
    ],
)
def test_which_turns_are_some(turns, valid):
    assert valid_turns(turns) is valid
