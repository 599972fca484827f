"""The rollout file: what is written comes back, and a killed writer costs one line at most."""

import json
import math
import os
from dataclasses import fields

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rlvr import rollouts
from rlvr.errors import UserError
from rlvr.rollouts import Rollout, TornLine
from rlvr.rollouts.evaluations import read as read_evaluation
from rlvr.rollouts.keys import KEYS
from rlvr.rollouts.types import Episode, Turn
from verifiers import Problem, Verdict

TEXT = st.text(st.characters(codec=None), max_size=30)  # surrogates and control characters included
IDS = st.lists(st.integers(0, 10**6), max_size=4)
TURNS = st.lists(
    st.fixed_dictionaries(
        {"by": st.sampled_from(["policy", "evidence"]), "text": TEXT},
        optional={"token_ids": IDS, "tool": TEXT},
    ),
    min_size=2,
    max_size=3,
)
JSON = st.recursive(
    st.booleans() | st.integers(-9, 9) | st.floats(allow_nan=False) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=4,
)
ROWS = st.builds(
    Rollout,
    problem_id=TEXT,
    sample=st.integers(0, 10**6),
    policy=TEXT,
    prompt=TEXT,
    trace=TEXT,
    answer=st.none() | TEXT,
    complete=st.booleans(),
    tokens=st.integers(0, 10**6),
    logprobs=st.dictionaries(TEXT, st.floats(allow_nan=False), max_size=3),
    score=st.sampled_from([None, 0.0, 1.0]),
    answer_score=st.sampled_from([None, 0.0, 1.0]),
    sound=st.sampled_from([None, 0.0, 1.0]),
    status=TEXT,
    detail=TEXT,
    verifier=TEXT,
    seed=st.integers(0, 2**63),
    reference=st.none() | JSON,
    token_ids=st.none() | IDS,
    turns=st.none() | TURNS,
    extra=st.dictionaries(st.sampled_from(["note", "advantage", "x"]), st.integers(-5, 5) | TEXT),
)


def row(sample: int = 0, **changes) -> Rollout:
    return Rollout("p1", sample, "base", "1+1?", "so \\boxed{2}", "2", True, 9, **changes)


@given(ROWS)
@settings(max_examples=200, deadline=None, derandomize=True)
def test_round_trip(rollout):
    line = rollout.to_json_line()
    assert "\n" not in line
    assert Rollout.from_json(rollouts.parse(line.encode())) == rollout


@given(st.lists(ROWS, min_size=1, max_size=4), st.data())
@settings(max_examples=100, deadline=None, derandomize=True)
def test_a_file_cut_anywhere_keeps_every_whole_row(tmp_path_factory, rows, data):
    path = tmp_path_factory.mktemp("cut") / "base.jsonl"
    rollouts.append(path, rows)
    whole = path.read_bytes()
    cut = data.draw(st.integers(0, len(whole)))
    path.write_bytes(whole[:cut])
    ends = [i for i, byte in enumerate(whole) if byte == 10]
    kept = sum(end <= cut for end in ends)  # a row whose line end alone is missing is whole
    clean = cut == 0 or cut in ends or whole[cut - 1] == 10
    with pytest.warns(TornLine) if not clean else _nothing():
        rollouts.append(path, [row(7)])
    assert list(rollouts.read(path)) == [*rows[:kept], row(7)]


class _nothing:  # noqa: N801
    def __enter__(self): ...
    def __exit__(self, *_): ...


def test_of_an_episode_the_policy_alone_is_judged_counted_and_trained_on():
    """What a tool answered is in the tokens and the turns, and in nothing that is said of the policy."""
    talk = [
        Turn("policy", [5, 6], "2+2?", [-0.25, -0.5]),
        Turn("evidence", [7, 8, 9], "[4]"),
        Turn("policy", [10], " so 5", [-1.0]),
        Turn("evidence", [11], "[no]"),
    ]
    episode = Episode(Problem("p", "2+2", "4"), 0, 1, [1], talk, complete=True)
    assert (episode.trace, episode.transcript) == ("2+2?\n so 5", "2+2?[4] so 5[no]")
    assert (episode.token_ids, episode.tokens) == ([5, 6, 7, 8, 9, 10, 11], 3)
    assert episode.mask == [True, True, False, False, False, True, False]
    assert episode.logprobs == [-0.25, -0.5, -1.0]
    found = episode.row("base", "math", Verdict(0.0, "incorrect", "5"))
    assert (found.trace, found.tokens, found.logprobs) == ("2+2?\n so 5", 3, {"base": -1.75})
    assert found.token_ids == episode.token_ids
    assert [(turn["by"], turn["text"]) for turn in found.turns or []] == [(t.by, t.text) for t in talk]


def test_the_written_keys_are_the_contract():
    keys = "problem_id sample policy prompt trace answer complete tokens logprobs score answer_score sound"
    assert " ".join(json.loads(row().to_json_line())) == keys + " status detail verifier seed"
    turns = [{"by": "policy", "text": "a"}, {"by": "evidence", "text": "b", "token_ids": [3]}]
    whole = row(reference="2", token_ids=[4, 1], turns=turns, extra={"advantage": 0.5})
    keys = keys.replace("prompt trace", "prompt reference trace turns")
    assert (
        " ".join(json.loads(whole.to_json_line()))
        == keys + " status detail verifier seed token_ids advantage"
    )


def test_the_table_of_keys_and_the_row_have_the_same_names():
    assert {key.name for key in KEYS} == {f.name for f in fields(Rollout)} - {"extra"}
    required = {key.name for key in KEYS if key.required}
    with pytest.raises(TypeError) as said:
        Rollout()  # type: ignore[call-arg]
    needed = {key.name for key in KEYS if f"'{key.name}'" in str(said.value)}
    assert required == needed | {"score", "status"}  # these have a default for the moment before the verdict


def test_a_reference_may_hold_what_json_cannot_and_a_score_may_not():
    line = row(reference={"tests": [math.inf]}).to_json_line()
    assert Rollout.from_json(rollouts.parse(line.encode())).reference == {"tests": [math.inf]}
    with pytest.raises(ValueError, match="score is nan; expected a number from 0 to 1"):
        row(reference={"tests": [math.inf]}, score=math.nan).to_json_line()


def test_a_row_that_could_not_be_read_back_is_not_written():
    with pytest.raises(ValueError, match="problem p1, sample 0: turns is "):
        row(turns=[{"by": "policy", "text": "alone"}]).to_json_line()
    with pytest.raises(ValueError, match="problem p1, sample 0: token_ids is "):
        row(token_ids=[-1]).to_json_line()
    with pytest.raises(ValueError, match="extra holds keys of the row itself: seed"):
        row(extra={"seed": 1}).to_json_line()


def test_reading_tolerates_bom_crlf_and_blank_lines(tmp_path):
    path = tmp_path / "base.jsonl"
    path.write_bytes(
        b"\xef\xbb\xbf" + row().to_json_line().encode() + b"\r\n\r\n" + row(1).to_json_line().encode()
    )
    assert [r.sample for r in rollouts.read(path)] == [0, 1]


def test_a_torn_last_line_is_reported_and_a_bad_middle_line_refused(tmp_path):
    path = tmp_path / "base.jsonl"
    good = row().to_json_line()
    path.write_text(good + "\n" + good[:40])
    with pytest.warns(TornLine, match=r"base\.jsonl:2"):
        assert len(list(rollouts.read(path))) == 1
    path.write_text(good[:40] + "\n" + good + "\n")
    with pytest.raises(ValueError, match=r"base\.jsonl:1"):
        list(rollouts.read(path))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"tokens": "9"}, "tokens is '9'; expected an integer"),
        ({"sample": True}, "sample is True"),
        ({"score": "1"}, "score is '1'; expected a number from 0 to 1, or null"),
        ({"logprobs": {"base": "much"}}, r"logprobs\['base'\] is 'much'"),
        ({"problem_id": 3}, "problem_id is 3; expected a string"),
        ({"token_ids": [1, 2.5]}, r"token_ids is \[1, 2.5\]; expected a list of token numbers"),
        ({"token_ids": [True]}, r"token_ids is \[True\]"),
        ({"turns": 3}, "turns is 3; expected a list of two or more"),
        ({"turns": [{"by": "policy", "text": "a"}]}, r"turns is \[\{'by'.*; expected a list of two or more"),
        (
            {"turns": [{"by": "user", "text": "a"}, {"by": "policy", "text": "b"}]},
            r"turns is \[\{'by': 'user'",
        ),
        ({"turns": [{"by": "policy"}, {"by": "policy", "text": "b"}]}, "turns is "),
        (
            {"turns": [{"by": "policy", "text": "a", "token_ids": "9"}, {"by": "policy", "text": "b"}]},
            "turns is ",
        ),
    ],
)
def test_wrong_types_are_named(change, message):
    with pytest.raises(ValueError, match="f:3: " + message):
        Rollout.from_json(json.loads(row().to_json_line()) | change, "f:3")


def test_missing_keys_are_named():
    with pytest.raises(ValueError, match="f:3: a rollout needs trace, score"):
        Rollout.from_json(
            {k: v for k, v in json.loads(row().to_json_line()).items() if k not in ("trace", "score")}, "f:3"
        )


def test_nan_is_refused_and_minus_infinity_kept():
    assert json.loads(row(logprobs={"base": -math.inf}).to_json_line())["logprobs"] == {"base": "-inf"}
    with pytest.raises(ValueError, match="problem p1, sample 0"):
        row(logprobs={"base": math.nan}).to_json_line()


def test_a_failed_write_leaves_the_file_as_it_was(tmp_path, monkeypatch):
    path = tmp_path / "base.jsonl"
    rollouts.append(path, [row()])
    before, pwrite = path.read_bytes(), os.pwrite

    def full(fd, data, at):
        if len(data) < 50:
            raise OSError(28, "No space left on device")
        return pwrite(fd, data[: len(data) // 2], at)

    monkeypatch.setattr(os, "pwrite", full)
    with pytest.raises(OSError, match="No space"):
        rollouts.append(path, [row(1), row(2)])
    assert path.read_bytes() == before


def test_rewrite_is_atomic(tmp_path):
    path = tmp_path / "base.jsonl"
    rollouts.append(path, [row(), row(1)])

    def rows():
        yield row(5)
        raise RuntimeError("killed")

    with pytest.raises(RuntimeError):
        rollouts.rewrite(path, rows())
    assert [r.sample for r in rollouts.read(path)] == [0, 1]
    rollouts.rewrite(path, [row(5)])
    assert [r.sample for r in rollouts.read(path)] == [5]
    assert [p.name for p in tmp_path.iterdir()] == ["base.jsonl"]


def test_settings_stand_beside_the_file(tmp_path):
    path = tmp_path / "base.jsonl"
    assert rollouts.read_settings(path) == {}
    rollouts.write_settings(path, {"temperature": 1.0})
    assert rollouts.settings_path(path) == tmp_path / "base.settings.json"
    assert rollouts.read_settings(path) == {"temperature": 1.0}
    rollouts.settings_path(path).write_text("{")
    with pytest.raises(ValueError, match=r"base\.settings\.json: not JSON"):
        rollouts.read_settings(path)


@given(
    scores=st.lists(
        st.lists(
            st.one_of(st.none(), st.sampled_from([0, 1, 0.5, 0.7, 0.25]), st.floats(0, 1)),
            min_size=1,
            max_size=6,
        ),
        min_size=1,
        max_size=5,
    ),
    mark=st.sampled_from([1.0, 0.7, 0.5, 1e-3]),
)
@settings(max_examples=60, deadline=None)
def test_solved_is_a_score_of_the_pass_mark_or_more_and_the_mean_is_of_what_was_judged(
    scores, mark, tmp_path_factory
):
    """METRICS: V = 1 where score >= pass_mark, null is in no rate; the mean score is that of the same samples."""
    if all(score is None for problem in scores for score in problem):
        return
    file = tmp_path_factory.mktemp("scores") / "base.jsonl"
    lines = [
        json.dumps({"problem_id": f"p{i}", "score": score})
        for i, problem in enumerate(scores)
        for score in problem
    ]
    file.write_text("\n".join(lines) + "\n")
    if mark != 1:
        rollouts.write_settings(file, {"pass_mark": mark})
    evaluation = read_evaluation(file, "base")[0]
    samples = evaluation.samples
    assert evaluation.pass_mark == mark and samples.excluded is not None and samples.mean_score is not None
    for i, problem in enumerate(scores):
        judged = [score for score in problem if score is not None]
        assert (samples.n[i], samples.excluded[i]) == (len(judged), len(problem) - len(judged))
        assert samples.c[i] == sum(score >= mark for score in judged)
        if judged:
            assert samples.mean_score[i] == pytest.approx(sum(judged) / len(judged), abs=1e-12)
        else:
            assert math.isnan(samples.mean_score[i])


@pytest.mark.parametrize("mark", [0, 1.5, "half", True, None])
def test_a_pass_mark_without_a_meaning_is_refused(tmp_path, mark):
    file = tmp_path / "base.jsonl"
    file.write_text('{"problem_id": "p", "score": 1}\n')
    rollouts.write_settings(file, {"pass_mark": mark})
    if mark is True:  # 1
        assert read_evaluation(file, "base")[0].samples.c[0] == 1
        return
    with pytest.raises(UserError, match=r"base.settings.json: pass_mark is .*; expected a number above 0"):
        read_evaluation(file, "base")
