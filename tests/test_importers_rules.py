"""What every format of other systems shares: what counts as right, settings in our names, samples of several files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from rlvr.cli import main
from rlvr.errors import UserError
from rlvr.rollouts.importers import Options, convert, recognise
from rlvr.rollouts.importers.common import Scale, counted, sampling, text_id, text_of
from tests.test_importers_whole import imported, lines, named


def test_rows_of_ones_own(tmp_path: Path):
    row = {
        "qid": 4,
        "n_try": "2",
        "said": [{"text": "a"}, {"text": "b"}],
        "ok": "yes",
        "len": 7.0,
        "done": "No",
    }
    row |= {
        "gold": [1],
        "set": "hard",
        "kept": 0.5,
        "split": "test",
        "state": "",
        "guess": 3,
        "prompt": "q",
        "logprobs": [1],
    }
    path = lines(
        tmp_path / "own.jsonl", row, row | {"split": "train"}, row | {"n_try": 3, "ok": False, "done": ""}
    )
    columns = {"problem_id": "qid", "sample": "n_try", "trace": "said", "tokens": "len", "complete": "done"}
    columns |= {"reference": "gold", "source": "set", "status": "state", "answer": "guess"}
    shared = {"problem_id": "4", "prompt": "q", "trace": "a\n\nb", "answer": "3", "status": None, "tokens": 7}
    shared |= {"reference": [1], "source": "hard", "kept": 0.5, "split": "test"}
    assert imported(path, columns=tuple(columns.items()), score="ok", where=(("split", "test"),)) == (
        [shared | {"sample": 2, "score": 1.0, "complete": False}, shared | {"sample": 3, "score": 0.0}],
        {"verifier": "ok"},
        "--where left out 1 of 3 rows",
    )
    nested = lines(
        tmp_path / "n.jsonl", {"qid": 1, "level": 2, "tries": [True, {"score": 0.5, "answer": None}, False]}
    )
    rows, *_ = imported(nested, columns=(("problem_id", "qid"), ("samples", "tries")))
    assert rows == [
        {"problem_id": "1", "sample": i, "score": score, "level": 2} | more
        for i, (score, more) in enumerate(((1.0, {}), (0.5, {"answer": None}), (0.0, {})))
    ]
    counts = lines(
        tmp_path / "c.jsonl", {"qid": 1, "tried": 8, "hits": 3.0}, {"qid": 1, "tried": 2, "hits": "1"}
    )
    options = Options(columns=(("problem_id", "qid"), ("n", "tried"), ("c", "hits")))
    done = convert([counts], tmp_path / "counts.jsonl", "me", options)
    assert (done.path.read_text(), done.rows) == ("problem_id,n,c\n1,10,4\n", 1)
    with pytest.raises(UserError, match="--where leaves none of 3 rows"):
        imported(path, columns=tuple(columns.items()), score="ok", where=(("split", "dev"),))


@pytest.mark.parametrize(
    "right, values, scores",
    [
        (None, [True, 1, 1.0, "PASS", " yes ", "C", "correct", "true"], [1.0] * 8),
        (None, [False, 0, 0.0, "Failed", "no", "I", "incorrect", None], [0.0] * 7 + [None]),
        ("1", [1, 1.0, True, "1", -1, 0.5, 10], [1, 1, 1, 1, 0, 0, 0]),
        ("==1", [1, 2], [1, 0]),
        ("A", ["A", "a", "B", 1], [1, 0, 0, 0]),
        (">=0.5", [0.5, 0.49, 1, "0.6"], [1, 0, 1, 1]),
        (">0.5", [0.5, 0.51], [0, 1]),
        ("<=0.5", [0.5, 0.51], [1, 0]),
        ("<0.5", [0.5, 0.49], [0, 1]),
        ("= 2", [2, 1], [1, 0]),
    ],
)
def test_what_counts_as_right(right: str | None, values: list[Any], scores: list[float | None]):
    scale = Scale("acc", right)
    assert [scale(value, "f:1") for value in values] == scores


def test_a_scale_that_is_none_is_asked_about():
    with pytest.raises(
        UserError, match=r"f:3: acc is 0\.5, neither right .* nor wrong .*--right '>=0\.5'; more"
    ):
        Scale("acc", None)(0.5, "f:3", "; more")
    with pytest.raises(UserError, match="f:3: acc is 'x'; --right '>1' needs a number"):
        Scale("acc", ">1")("x", "f:3")
    with pytest.raises(UserError, match="--right '>=x': expected a number after >="):
        Scale("acc", ">=x")
    scale = Scale("acc", "1")
    for value in (1, 0):
        scale(value, "f")
    assert scale.note() == []
    for value in (0, 2, 3, 4, 5, 5):
        scale(value, "f")
    assert scale.note() == [
        "acc has 6 values: 0 (2), 5 (2), 1 (1), 2 (1), 3 (1), …; right is 1, all others are wrong"
    ]


def test_settings_in_our_names():
    given = {
        "temperature": 0,
        "top_k": -1,
        "min_p": 0.1,
        "max_completion_tokens": 5,
        "stop": None,
        "other": 1,
    }
    assert sampling(given) == {"temperature": 0, "top_k": 0, "min_p": 0.1, "max_new_tokens": 5}
    assert sampling({"temperature": 0.8, "do_sample": False}) == {"temperature": 0.0}
    assert sampling({"temperature": 0.8, "do_sample": True, "top_k": 5}) == {"temperature": 0.8, "top_k": 5}
    assert sampling(None) == {} == sampling("words")


def test_texts_and_their_names():
    assert (
        text_of([{"role": "user", "content": "a"}, {"content": [{"text": "b"}, {"text": ""}]}, "c", None])
        == "a\n\nb\n\nc"
    )
    assert (text_of(None), text_of(3), text_of({"text": "t"}), text_of({"content": None})) == (
        "",
        "3",
        "t",
        "",
    )
    assert text_id("q") == named("q") and text_id(" q") != text_id("q")
    with pytest.raises(UserError, match="it has no id, and its prompt is empty"):
        text_id(" \n")
    assert counted(0.75, 4, "f", "m") == (4, 3) and counted(0.3333333333, 3, "f", "m") == (3, 1)
    for mean in (0.3, 1.25, -0.25):
        with pytest.raises(UserError, match="not a whole number of them: no mean of verdicts"):
            counted(mean, 4, "f", "m")


def test_files_that_make_one_evaluation(tmp_path: Path):
    """Samples are numbered through, seeds are a list, and what must agree is said where it differs."""
    row = {"idx": 7, "code": ["a"], "pred": ["1"], "score": [True]}
    files = [lines(tmp_path / f"x_seed{s}_t{t}_.jsonl", row) for s, t in ((1, 0.6), (2, 0.6), (3, 1.0))]
    done = convert(files[:2], tmp_path / "out.jsonl", "me")
    rows = [json.loads(line) for line in done.path.read_text().splitlines()]
    assert [(row["problem_id"], row["sample"]) for row in rows] == [("7", 0), ("7", 1)] and done.rows == 2
    assert json.loads((tmp_path / "out.settings.json").read_text()) == {"seed": [1, 2], "temperature": 0.6}
    assert [note.partition(":")[0] for note in done.notes] == [file.name for file in files[:2]]
    with pytest.raises(
        UserError, match=r"x_seed1_t0\.6_\.jsonl and 1 more: temperature differs \(\[0\.6, 1\.0\]\)"
    ):
        convert([files[0], files[2]], tmp_path / "other.jsonl", "me")
    assert not (tmp_path / "other.jsonl").exists()
    with pytest.raises(UserError, match="given twice; its samples would count twice"):
        convert([files[0], files[0]], tmp_path / "out.jsonl", "me")
    with pytest.raises(UserError, match="is the file to read and the file to write"):
        convert([files[0]], files[0], "me")


def test_options_that_a_format_does_not_read_are_refused_by_name(tmp_path: Path):
    file = lines(tmp_path / "r.jsonl", {"task_id": 1, "completion": "c", "passed": True, "result": "passed"})
    with pytest.raises(
        UserError, match=r"recognised as HumanEval results, which has no --right \(it takes no such option\)"
    ):
        recognise(file, Options(right="1"))
    file = lines(tmp_path / "v.jsonl", {"input": "q", "output": "o", "score": 1, "step": 1})
    with pytest.raises(UserError, match=r"has no --filter, --map \(it takes --right, --score\)"):
        recognise(file, Options(filter="f", columns=(("a", "b"),), score="score"))
    ours = lines(tmp_path / "o.jsonl", {"problem_id": "p", "score": 1})
    assert recognise(ours) is None


def test_import_says_what_it_wrote(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    file = lines(
        tmp_path / "v.jsonl", *({"input": "q", "output": "o", "score": s, "step": 1} for s in (1, 0))
    )
    out = tmp_path / "mine.jsonl"
    assert main(["import", str(file), "--into", str(out)]) == 0
    said = capsys.readouterr()
    assert said.out == f"{out}: 2 rows (verl dump)\n"
    assert "v.jsonl: read as verl dump; the score is score" in said.err
    assert [json.loads(line)["policy"] for line in out.read_text().splitlines()] == ["mine", "mine"]
    assert main(["import", str(file), "--into", str(out), "--policy", "base", "--quiet"]) == 0
    assert json.loads(out.read_text().splitlines()[0])["policy"] == "base"
    assert "read as" not in capsys.readouterr().err
    assert main(["import", str(file), "--into", str(tmp_path / "mine.csv")]) == 2
    assert "expected the name of a rollout file" in capsys.readouterr().err
    table = lines(tmp_path / "c.jsonl", {"q": 1, "n": 4, "c": 1})
    assert main(["import", str(table), "--into", str(out), "--map", "problem_id=q,n=n,c=c"]) == 0
    assert capsys.readouterr().out == f"{tmp_path / 'mine.csv'}: 1 problems (rows of one's own)\n"
    both = ["--right", "score>=0.5", "--score", "acc"]
    assert main(["import", str(file), "--into", str(out), *both]) == 2
    assert "--score acc and --right 'score>=0.5' name two columns" in capsys.readouterr().err
    assert main(["import", str(file), "--into", str(out), "--right", "score>=0.5"]) == 0
    assert [json.loads(line)["score"] for line in out.read_text().splitlines()] == [1.0, 0.0]
