"""Files whose numbers or nesting nothing can hold are refused in words, with their line."""

import json
from pathlib import Path

import pytest

from rlvr.errors import UserError
from rlvr.rollouts.evaluations import read

ROW = {"problem_id": "p1", "sample": 0, "score": 1.0}
DEEP = "[" * 5000 + "]" * 5000


def with_key(key: str, text: str) -> str:
    return json.dumps(ROW)[:-1] + f', "{key}": {text}}}\n'


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (with_key("logprobs", '{"base": -1' + "0" * 400 + "}"), ":1: logprobs"),
        (with_key("logprobs", '{"base": 1' + "0" * 400 + "}"), ":1: logprobs"),
        (with_key("logprobs", '{"base": -1' + "0" * 5000 + "}"), ":1: "),
        (with_key("mine", DEEP), ":1: not a line of JSON"),
        (with_key("tokens", "1" + "0" * 400), ":1: tokens"),
    ],
)
def test_a_rollout_that_cannot_be_held_is_named(tmp_path: Path, text: str, words: str):
    file = tmp_path / "base.jsonl"
    file.write_text(text)
    with pytest.raises(UserError) as refused:
        read(file, "base")
    assert words in str(refused.value) and len(str(refused.value)) < 600


def test_settings_that_are_nested_without_end_are_named(tmp_path: Path):
    file = tmp_path / "base.jsonl"
    file.write_text(json.dumps(ROW) + "\n")
    (tmp_path / "base.settings.json").write_text('{"x": ' + DEEP + "}")
    with pytest.raises(UserError, match=r"base\.settings\.json: not JSON"):
        read(file, "base")


@pytest.mark.parametrize("n", ["1000000000", "1" + "0" * 400, "1" + "0" * 5000, "-1", "10000000"])
def test_counts_beyond_any_run_are_named(tmp_path: Path, n: str):
    file = tmp_path / "counts.csv"
    file.write_text(f"problem_id,n,c\np1,{n},0\n")
    with pytest.raises(UserError, match=r"counts\.csv:2: n is") as refused:
        read(file, "base")
    assert len(str(refused.value)) < 600
