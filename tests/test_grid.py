"""Which words stand for several runs, and which do not."""

import pytest
import yaml

from rlvr.config import ConfigError, cells, load_cells, single
from rlvr.config.grid import LONGEST_NAME, cut, split


@pytest.mark.parametrize(
    ("value", "parts"),
    [
        ("7", ["7"]),
        ("1,2, 3", ["1", "2", "3"]),
        ("[1,2]", ["[1,2]"]),
        ("[1,2],[3]", ["[1,2]", "[3]"]),
        ("{a: 1, b: [2, 3]},{}", ["{a: 1, b: [2, 3]}", "{}"]),
        ("'a,b'", ["'a,b'"]),
        ("'it''s, c',d", ["'it''s, c'", "d"]),
        (r'"a\",b",c', [r'"a\",b"', "c"]),
        ("['a]',b],c", ["['a]',b]", "c"]),
        ("don't,won't", ["don't", "won't"]),
        ("[1,2", ["[1,2"]),
        ("", [""]),
    ],
)
def test_commas_outside_of_brackets_and_quotes_separate(value, parts):
    assert split(value) == parts


def test_the_grid_is_every_combination_the_last_key_fastest():
    grid = cells(["seed=1,2", "train.steps=3", "train.algorithm=grpo,ppo"])
    assert [cell.name for cell in grid] == [
        "seed=1,train.algorithm=grpo", "seed=1,train.algorithm=ppo",
        "seed=2,train.algorithm=grpo", "seed=2,train.algorithm=ppo",
    ]  # fmt: skip
    assert grid[2].overrides == ("seed=2", "train.steps=3", "train.algorithm=grpo")


def test_nothing_swept_is_one_run_with_the_words_as_they_are():
    words = ["train.steps=1", "train.steps=2", "sampling.stop=[a, b]"]
    (cell,) = cells(words)
    assert cell.name == "" and list(cell.overrides) == words


def test_names_are_folders_and_differ_where_values_do():
    long = "x" * 300
    grid = cells([f"model=./a/b,./a-b,..,{long},{long}y", "evidence.question='{prompt}: ',\"{prompt},\""])
    names = [cell.name for cell in grid]
    assert len(set(names)) == len(names) == 10
    assert all("/" not in name and len(name) <= LONGEST_NAME + 7 for name in names)
    assert names[0].startswith("model=.-a-b~")


def test_cells_that_differ_at_the_end_of_a_long_name_have_folders_of_their_own():
    """No value is long; many keys are swept, and the last one differs."""
    keys = [f"train.curriculum.forgetting.key{i}=0.1,0.2" for i in range(6)]
    names = [cell.name for cell in cells(keys)]
    assert all(len(",".join(keys)) > LONGEST_NAME and len(name) <= LONGEST_NAME + 7 for name in names)
    assert len(set(names)) == len(names) == 2**6
    assert len({cut("a" * LONGEST_NAME + end) for end in ("", "b", "c", "bc")}) == 4


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["seed=1,,2"], "empty value"),
        (["seed=1,"], "empty value"),
        (["seed=,1"], "empty value"),
        (["seed=1,2", "seed=3"], "given 2 times"),
        (["resume=auto,never"], "cannot be swept"),
    ],
)
def test_what_is_no_grid_is_refused(words, message):
    with pytest.raises(ConfigError, match=message):
        cells(words)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["sed=1,2"], "sed=1: .*\n.*did you mean 'seed'"),
        (["seed=1,x"], "seed=x: .*\n.*found 'x'"),
        (["=1,2"], "expected key=value"),
        (["train.learning_rate=0.001,1e-3"], "are the same run"),
        (["seed=1,1"], "are the same run"),
    ],
)
def test_a_cell_that_cannot_be_is_named_before_anything_runs(tmp_path, words, message):
    file = tmp_path / "c.yaml"
    file.write_text(yaml.safe_dump({"problems": {"heldout": {"world": "heldout"}}}))
    with pytest.raises(ConfigError, match=message):
        load_cells(file, cells(words))


def test_a_verb_that_takes_no_sweep_says_so():
    assert single(["seed=1"], "train") == ["seed=1"]
    with pytest.raises(ConfigError, match=r"rlvr train: .* 2 runs"):
        single(["seed=1,2"], "train")
