"""Sources become problems, training is disjoint from evaluation, and bad input is named."""

import builtins
import json
import random
import re
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from rlvr import hub, rollouts
from rlvr.config import SourceConfig
from rlvr.config.data import columns, fields, fill
from rlvr.problems import ProblemError, load, load_all, normalise
from verifiers import Problem

SUMS = {
    "generator": "chain_sum",
    "parameters": {"min_terms": 2, "max_terms": 2, "min_digits": 2, "max_digits": 2},
}
SMALL_SUMS = {**SUMS, "parameters": {"min_terms": 2, "max_terms": 2, "min_digits": 1, "max_digits": 1}}

ROWS = [{"q": f"What is {n} + {n}?", "a": 2 * n, "level": n % 3, "name": f"p{n}"} for n in range(9)]


def from_keys(**keys):
    return SourceConfig.model_validate(keys)


def jsonl(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return str(path)


def source(file, **keys):
    return from_keys(**{"file": file, "prompt": "q", "reference": "a", **keys})


def refused(config, *words):
    """Loading raises a ProblemError whose message holds every one of `words`."""
    with pytest.raises(ProblemError) as caught:
        load(config, "problems.train")
    for word in words:
        assert word in str(caught.value)


# --- files ------------------------------------------------------------------------------------------------


@pytest.fixture(params=["jsonl", "json", "parquet", "csv"])
def file(request, tmp_path):
    """The same rows in each format."""
    path = tmp_path / f"rows.{request.param}"
    if request.param == "jsonl":
        jsonl(path, ROWS)
    elif request.param == "json":
        path.write_text(json.dumps(ROWS))
    else:
        pandas = pytest.importorskip("pandas")
        frame = pandas.DataFrame(ROWS)
        frame.to_parquet(path) if request.param == "parquet" else frame.to_csv(path, index=False)
    return str(path)


def test_every_format_gives_the_same_problems(file):
    problems = load(source(file))
    assert [problem.prompt for problem in problems] == [row["q"] for row in ROWS]
    assert [problem.reference for problem in problems] == [str(row["a"]) for row in ROWS]
    assert problems[4] == Problem("rows-4", "What is 4 + 4?", "8", {"level": 1, "name": "p4"})


def test_where_shuffle_and_limit_keep_the_rows_numbers(tmp_path):
    file = jsonl(tmp_path / "rows.jsonl", ROWS)
    assert [p.id for p in load(source(file, where={"level": 1}))] == ["rows-1", "rows-4", "rows-7"]
    assert [p.id for p in load(source(file, where={"level": [0, 2]}, limit=3))] == [
        "rows-0",
        "rows-2",
        "rows-3",
    ]
    shuffled = [p.id for p in load(source(file, id="name", shuffle_seed=1))]
    assert sorted(shuffled) == [f"p{n}" for n in range(9)]
    assert shuffled != sorted(shuffled)
    assert [p.id for p in load(source(file, id="name", shuffle_seed=1, limit=4))] == shuffled[:4]


def test_format_strings_read_several_columns_and_leave_braces_in_values_alone(tmp_path):
    file = jsonl(
        tmp_path / "rows.jsonl", [{"q": "def f(x): return {x}", "tests": "assert f({}) == {1}", "entry": "f"}]
    )
    config = source(
        file, prompt="{q}\n# name: {entry}", reference={"test_code": "{tests}\ncheck({entry})", "tol?": "tol"}
    )
    (problem,) = load(config)
    assert problem.prompt == "def f(x): return {x}\n# name: f"
    assert problem.reference == {"test_code": "assert f({}) == {1}\ncheck(f)"}


def test_rows_of_a_code_set_stay_as_they_stand(exams):
    """Integers beyond 64 bits, keys that only some rows have: Arrow refuses those and fills up these."""
    file = exams / "code" / "honest_dev.jsonl"
    keys = {key: key for key in ("tests",)} | {
        f"{key}?": key for key in ("entry", "time_limit", "tol", "strict")
    }
    problems = load(from_keys(file=str(file), prompt="task", reference=keys, id="id"))
    rows = [json.loads(line) for line in file.open()]
    for problem, row in zip(problems, rows, strict=True):
        assert problem.reference == {key: row[key] for key in problem.reference}
        assert "tests" in problem.reference
    assert any("tol" in p.reference for p in problems)
    assert not all("tol" in p.reference for p in problems)


def test_an_integer_of_thousands_of_digits_is_read_and_written(tmp_path):
    tests = [{"args": [1], "expected": 10**6000 + 1}]
    (problem,) = load(source(jsonl(tmp_path / "rows.jsonl", [{"q": "f", "a": tests}])))
    assert problem.reference == tests
    row = rollouts.Rollout("p1", 0, "base", "f", "z", "y", True, 9, reference=tests)
    assert rollouts.parse(row.to_json_line().encode())["reference"] == tests


def test_a_local_file_stands_in_for_a_hub_data_set_with_other_columns(exams):
    config = from_keys(
        dataset="openai/gsm8k", subset="main", split="test", file=str(exams / "data/dev/gsm8k_test.jsonl"),
        prompt="prompt", reference="gold", limit=5,
    )  # fmt: skip
    problems = load(config)
    assert len(problems) == 5
    assert all(problem.reference.isdigit() for problem in problems)


def test_gsm8k_train_and_test_are_disjoint(exams):
    mapped = {"prompt": "prompt", "reference": "gold", "id": "id"}
    train = from_keys(file=str(exams / "data/train/gsm8k_train2000.jsonl"), **mapped)
    test = from_keys(file=str(exams / "data/dev/gsm8k_test.jsonl"), **mapped)
    found = load_all(train, test)
    assert (len(found.train), len(found.heldout), found.notes) == (2000, 945, ())


def test_relative_files_are_found_beside_the_config_then_in_the_working_directory(tmp_path, monkeypatch):
    beside, working = tmp_path / "configs", tmp_path / "here"
    beside.mkdir()
    working.mkdir()
    monkeypatch.chdir(working)
    jsonl(working / "a.jsonl", ROWS[:1])
    assert len(load(source("a.jsonl"), base=beside)) == 1
    jsonl(beside / "a.jsonl", ROWS[:2])
    assert len(load(source("a.jsonl"), base=beside)) == 2
    with pytest.raises(ProblemError) as caught:
        load(source("b.jsonl"), "problems.heldout", beside)
    assert str(beside / "b.jsonl") in str(caught.value)
    assert str(working / "b.jsonl") in str(caught.value)


def test_a_limit_stops_the_reading(tmp_path):
    file = tmp_path / "rows.jsonl"
    file.write_text(json.dumps(ROWS[0]) + "\n" + "no JSON\n")
    assert len(load(source(str(file), limit=1))) == 1
    refused(source(str(file)), "problems.train.file", "rows.jsonl:2", "not valid JSON")


# --- bad input --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rows", "keys", "words"),
    [
        (ROWS, {"prompt": "question"}, ["row 0", "no column 'question'", "`prompt`", "q, a, level, name"]),
        (ROWS, {"reference": "gold"}, ["no column 'gold'", "`reference`", "columns found"]),
        (ROWS, {"reference": {"test_code": "t"}}, ["no column 't'", "`reference.test_code`"]),
        (ROWS, {"id": "uid"}, ["no column 'uid'", "`id`"]),
        (ROWS, {"where": {"lvl": 1}}, ["no column 'lvl'", "`where`"]),
        (ROWS, {"where": {"level": 7}}, ["no row that fits {'level': 7}"]),
        (ROWS, {"id": "level"}, ["'0' is there twice"]),
        ([], {}, ["found no row"]),
        ([*ROWS[:2], {"q": None, "a": 1}], {}, ["row 2", "'q' is None", "`prompt`"]),
        ([*ROWS[:2], {"q": "  ", "a": 1}], {}, ["row 2", "'q' is '  '"]),
        ([*ROWS[:2], {"q": "x", "a": None}], {}, ["row 2", "'a' is None", "`reference`"]),
        ([*ROWS[:2], {"q": "x"}], {}, ["row 2", "no column 'a'"]),
        ([{"q": ["x"], "a": 1}], {}, ["row 0", "['x']", "text"]),
        ([{"q": "\ud800", "a": 1}], {}, ["row 0", "surrogate"]),
        ([[1, 2]], {}, [":1", "[1, 2]", "JSON object"]),
    ],
)  # fmt: skip
def test_bad_rows_name_source_row_found_and_expected(tmp_path, rows, keys, words):
    file = jsonl(tmp_path / "rows.jsonl", rows)
    refused(source(file, **keys), "problems.train", "rows.jsonl", *words)


def test_unreadable_files_are_named(tmp_path):
    (tmp_path / "latin.jsonl").write_bytes(b'{"q": "caf\xe9", "a": 1}\n')
    refused(source(str(tmp_path / "latin.jsonl")), "latin.jsonl:1", "not valid JSON")
    (tmp_path / "deep.jsonl").write_text("[" * 200_000 + "\n")
    refused(source(str(tmp_path / "deep.jsonl")), "deep.jsonl:1", "not valid JSON")
    (tmp_path / "rows.txt").write_text("x")
    refused(source(str(tmp_path / "rows.txt")), "'.txt'", ".jsonl, .json, .parquet, .csv")
    (tmp_path / "object.json").write_text('{"q": 1}')
    refused(source(str(tmp_path / "object.json")), "list of objects")
    (tmp_path / "rows.parquet").write_text("this is no parquet")
    refused(source(str(tmp_path / "rows.parquet")), "rows.parquet", "cannot be read as parquet")


@pytest.mark.parametrize(
    ("keys", "word"),
    [
        ({}, "found none of them"),
        ({"file": "a.jsonl", "generator": "chain_sum"}, "found file and generator"),
        ({"dataset": "a/b", "world": "train"}, "found dataset and world"),
        (
            {"file": "a.jsonl", "split": "test"},
            "`split` belongs to a dataset, or a folder; this source is a file",
        ),
        ({"dataset": "a/b", "seed": 3}, "`seed` belongs to a generator"),
        ({"world": "train", "prompt": "q"}, "`prompt` is set by the world itself"),
        ({"file": "a.jsonl", "limit": 0}, "limit"),
        ({"file": "a.jsonl", "promt": "q"}, "promt"),
        ({"file": "a.jsonl", "prompt": "Q: {}"}, "empty braces"),
        ({"file": "a.jsonl", "prompt": "Q: {q"}, "is not a format string"),
        ({"file": "a.jsonl", "prompt": "{q[key]}"}, "plain {column} or a path {column.key}"),
        ({"file": "a.jsonl", "prompt": "{q!r:>9}"}, "plain {column}"),
        ({"file": "a.jsonl", "reference": {}}, "names no column"),
    ],
)
def test_a_source_that_contradicts_itself_is_refused_before_anything_is_read(keys, word):
    with pytest.raises(ValidationError, match=None) as caught:
        from_keys(**keys)
    assert word in str(caught.value)


def test_a_config_written_out_in_full_reads_back():
    for keys in ({"file": "a.jsonl"}, SUMS, {"world": "train"}, {"dataset": "a/b", "file": "c.jsonl"}):
        config = from_keys(**keys)
        assert from_keys(**config.model_dump(mode="json")) == config


@given(st.text(alphabet="{}ab!:.[]", max_size=8))
@settings(deadline=None, max_examples=300, derandomize=True)
def test_a_format_string_names_columns_or_is_refused(spec):
    """What `columns` lets through, `fill` can fill from exactly these columns."""
    try:
        needed = columns(spec)
    except ValueError:
        return
    if "{" in spec or "}" in spec:
        fill(spec, dict.fromkeys(needed, "x").__getitem__)
        assert fields(spec) == needed
    else:
        assert needed == {spec}


# --- overlap ----------------------------------------------------------------------------------------------


def test_overlap_is_refused_with_count_and_examples(tmp_path):
    train = jsonl(tmp_path / "train.jsonl", ROWS)
    other = [{"q": "  WHAT is ３ +\u00a03?", "a": 6}, {"q": "what is 5 + 5?", "a": 10}, {"q": "new", "a": 0}]
    heldout = jsonl(tmp_path / "heldout.jsonl", other)
    with pytest.raises(ProblemError) as caught:
        load_all(source(train), source(heldout))
    message = str(caught.value)
    assert "problems.train shares 2 problems with problems.heldout" in message
    assert "train-3 = heldout-0" in message
    with pytest.raises(ProblemError, match=r"shares 2 problems with problems\.probes\.hard"):
        load_all(source(train), None, {"hard": source(heldout)})
    found = load_all(source(train, where={"level": 1}), source(heldout), {"easy": source(heldout)})
    assert [len(found.train), len(found.heldout), len(found.probes["easy"])] == [3, 3, 3]


@given(st.text(max_size=30), st.randoms(use_true_random=False))
@settings(deadline=None, max_examples=200, derandomize=True)
def test_normalising_forgets_case_space_and_width_and_is_idempotent(text, rng: random.Random):
    once = normalise(text)
    assert normalise(once) == once
    assert normalise("  " + once.replace(" ", rng.choice(["\n", "\u00a0", "   "]))) == once
    wide = "".join(chr(ord(c) + 0xFEE0) if "!" <= c <= "~" else c for c in once)
    assert normalise(wide) == once
    assert unicodedata.is_normalized("NFKC", once)


# --- generators and the tiny world ------------------------------------------------------------------------


def test_neighbouring_seeds_share_items_and_training_steps_around_them():
    heldout, train = from_keys(**SUMS, size=64, seed=1), from_keys(**SUMS, size=200, seed=0)
    alone = {normalise(problem.prompt) for problem in load(train)}
    shared = alone & {normalise(problem.prompt) for problem in load(heldout)}
    assert shared, "seeds 0 and 1 no longer share items: this test has lost its point"

    found = load_all(train, heldout, {"more": from_keys(**SUMS, size=32, seed=90)})
    assert (len(found.train), len(found.heldout), len(found.probes["more"])) == (200, 64, 32)
    prompts = [normalise(problem.prompt) for problem in found.train]
    assert len(set(prompts)) == 200
    evaluation = {normalise(p.prompt) for p in [*found.heldout, *found.probes["more"]]}
    assert not evaluation & set(prompts)
    assert len(found.notes) == 1
    assert "left out" in found.notes[0]
    assert load_all(train, heldout, {"more": from_keys(**SUMS, size=32, seed=90)}) == found


def test_generated_problems_are_right_and_carry_their_metadata():
    for problem in load(from_keys(**SUMS, size=50, prompt="What is {expression}?", seed=3)):
        left, sign, right = problem.prompt[8:-1].split()
        assert int(problem.reference) == int(left) + (1 if sign == "+" else -1) * int(right)
        assert problem.meta["num_terms"] == 2


def test_partial_credit_does_not_reach_verdicts():
    """reasoning_gym pays for a wrong answer that contains the right one; we only take question and answer."""
    import reasoning_gym

    task = reasoning_gym.create_dataset("letter_counting", size=1, seed=0)
    assert 0 < task.score_answer(f"{task[0]['answer']}0 or so", task[0]) < 1
    (problem,) = load(from_keys(generator="letter_counting", size=1))
    assert problem.reference == task[0]["answer"]


def test_a_generator_that_runs_dry_says_so():
    refused(from_keys(**SMALL_SUMS, size=1000), "chain_sum", "distinct problems", "expected size = 1000")
    with pytest.raises(ProblemError, match="more are in an evaluation set"):
        load_all(from_keys(**SMALL_SUMS, size=120, seed=0), from_keys(**SMALL_SUMS, size=120, seed=5))


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"generator": "chain_sums"}, ["no task 'chain_sums'", "did you mean chain_sum"]),
        ({"generator": "chain_sum", "parameters": {"terms": 2}}, ["problems.train.parameters", "terms"]),
        ({"generator": "chain_sum", "parameters": {"min_terms": 9, "max_terms": 2}}, ["max_terms must be"]),
        ({"generator": "chain_sum", "prompt": "text"}, ["no column 'text'", "columns found", "expression"]),
        ({"world": "training"}, ["problems.train.world", "'training'", "heldout"]),
        ({"world": "carry/training"}, ["problems.train.world", "'training'", "heldout"]),
        ({"world": "carry/"}, ["problems.train.world", "split ''", "heldout"]),
        ({"world": "cary/heldout"}, ["problems.train.world", "unknown world 'cary'", "carry"]),
    ],
)
def test_bad_generators_and_worlds(keys, words):
    refused(from_keys(**keys), *words)


def test_without_reasoning_gym_the_error_says_what_to_install(monkeypatch):
    real = builtins.__import__

    def missing(name, *rest):
        if name.startswith("reasoning_gym"):
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", missing)
    refused(from_keys(generator="chain_sum"), "pip install 'rlvr[gym]'")


def test_the_tiny_world_is_a_source_like_any_other():
    found = load_all(
        from_keys(world="train"),
        from_keys(world="heldout", limit=10),
        {name: from_keys(world=name) for name in ("rare", "unreachable")},
    )
    assert len(found.heldout) == 10
    assert all(found.probes.values())
    assert load(from_keys(world="heldout", shuffle_seed=1, limit=10)) != found.heldout
    assert load(from_keys(world="carry/heldout", limit=10)) == found.heldout


# --- the Hub ----------------------------------------------------------------------------------------------


def test_a_hub_data_set_is_read_by_name_subset_and_split(monkeypatch):
    """A stand-in for the one call that needs a network: what it is asked, and what is made of its rows."""
    import datasets

    asked = {}

    def load_dataset(name, subset=None, *, split=None, revision=None):
        asked.update(name=name, subset=subset, split=split, revision=revision)
        table = datasets.Dataset.from_list([{"question": "1 + 1?", "answer": "One and one is two.\n#### 2"}])
        return table if split else datasets.DatasetDict({"train": table, "test": table})

    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    monkeypatch.setattr(hub, "missing", lambda *_: None)
    mapped = {"dataset": "openai/gsm8k", "subset": "main", "prompt": "question", "reference": "answer"}
    (problem,) = load(from_keys(**mapped, split="test", revision="v1"))
    assert asked == {"name": "openai/gsm8k", "subset": "main", "split": "test", "revision": "v1"}
    assert problem == Problem("openai/gsm8k/main/test-0", "1 + 1?", "One and one is two.\n#### 2")
    refused(from_keys(**mapped), "problems.train.split is missing", "train, test")


def test_an_unreachable_hub_names_the_way_out(monkeypatch):
    import datasets

    def load_dataset(*_, **__):
        raise ConnectionError("Couldn't reach 'openai/gsm8k' on the Hub")

    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    monkeypatch.setattr(hub, "missing", lambda *_: None)
    refused(from_keys(dataset="openai/gsm8k", split="test"), "Couldn't reach", "problems.train.file=PATH")


def test_a_data_set_that_is_not_there_is_found_out_with_one_request(monkeypatch):
    """`datasets` would retry for half a minute."""
    import datasets

    monkeypatch.setattr(datasets, "load_dataset", lambda *_, **__: pytest.fail("asked for the data set"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    refused(from_keys(dataset="nobody/nothing", split="test"), "not in the cache", "problems.train.file=PATH")


def test_rows_of_public_code_data_sets_are_read_by_their_format(tmp_path):
    file = tmp_path / "rows.jsonl"
    row = {"task_id": 3, "text": "Add.", "test_list": ["assert add(1, 2) == 3"], "test_setup_code": ""}
    file.write_text(json.dumps(row) + "\n")
    (problem,) = load(SourceConfig(file=str(file), format="mbpp"))
    assert (
        problem.id == "3"
        and problem.reference["entry"] == "add"
        and "assert add(1, 2) == 3" in problem.prompt
    )
    with pytest.raises(
        ProblemError, match=r"row 0 .*no column 'question'.*format apps; columns found: task_id"
    ):
        load(SourceConfig(file=str(file), format="apps"))
    file.write_text(json.dumps({**row, "test_list": ["assert 1"]}) + "\n")
    with pytest.raises(ProblemError, match=r"row 0 .*row '3': its assertions do not call a function"):
        load(SourceConfig(file=str(file), format="mbpp"))
    with pytest.raises(ValueError, match="`prompt` is fixed by format: mbpp"):
        SourceConfig(file=str(file), format="mbpp", prompt="text")


NESTED = {
    "extra": {"index": 7, "task": [{"role": "user", "content": "Add two numbers."}]},
    "gold": json.dumps({"inputs": ["1 2\n"], "outputs": ["3\n"]}),
    "kind": {"name": "code"},
}


def test_paths_reach_into_columns_and_into_texts_of_json(tmp_path):
    file = jsonl(tmp_path / "rows.jsonl", [NESTED, {**NESTED, "kind": {"name": "math"}}])
    keys = {"prompt": "extra.task.0.content", "reference": {"tests": "gold.inputs", "entry?": "gold.fn_name"}}
    (problem,) = load(from_keys(file=str(file), id="extra.index", where={"kind.name": "code"}, **keys))
    assert (problem.id, problem.prompt) == ("7", "Add two numbers.")
    assert problem.reference == {"tests": ["1 2\n"]}
    assert set(problem.meta) == {"kind"}
    (problem, _) = load(from_keys(file=str(file), prompt="extra.task", reference="gold", format="code"))
    assert problem.prompt == "Add two numbers."
    assert problem.reference == {"entry": None, "tests": [{"stdin": "1 2\n", "stdout": "3\n"}]}
    assert problem.id == "rows-0"
    refused(
        from_keys(file=str(file), prompt="extra.task.4", reference="gold"),
        "row 0",
        "no column 'extra.task.4'",
    )


def test_bad_rows_are_left_out_counted_and_named_up_to_a_share(tmp_path):
    rows = [{"q": f"q{n}", "a": n} for n in range(30)]
    rows[3], rows[7] = {"q": " ", "a": 1}, {"q": "x"}
    file = jsonl(tmp_path / "rows.jsonl", rows)
    said: list[str] = []
    found = load(source(file, bad_rows=0.1), note=said.append)
    assert [len(found), found[3].id] == [28, "rows-4"]
    (note,) = said
    assert "2 of 30 rows cannot be read and are left out" in note
    assert "row 3 (from 0): 'q' is ' '" in note and "row 7 (from 0): no column 'a'" in note
    refused(
        source(file, bad_rows=0),
        "row 3 (from 0)",
        "2 of 30 rows cannot be read, more than bad_rows = 0 allows",
    )
    said.clear()
    assert len(load(source(file, bad_rows=0.3, limit=5), note=said.append)) == 5
    assert "1 of 6 rows" in said[0]
    assert load_all(None, source(file, bad_rows=0.1)).notes[0].startswith("problems.heldout: 2 of 30 rows")


READER = """
from verifiers import Problem

def read(row):
    if row["a"] % 2:
        return {"prompt": row["q"], "reference": str(row["a"]), "id": f"own-{row['a']}"}
    return Problem("", row["q"], str(row["a"]), {"level": 1})

def nonsense(row):
    return 3

def broken(row):
    raise RuntimeError("my own mistake")

NUMBER = 3
"""


def test_a_reader_of_ones_own_beside_the_config(tmp_path, monkeypatch):
    jsonl(tmp_path / "rows.jsonl", [{"q": f"q{n}", "a": n} for n in range(4)])
    (tmp_path / "my_readers.py").write_text(READER)
    keys = {"file": "rows.jsonl", "where": {"a": [1, 2]}}
    first, second = load(from_keys(**keys, format="./my_readers.py:read"), base=tmp_path)
    assert (first.id, first.prompt, first.reference) == ("own-1", "q1", "1")
    assert (second.id, second.meta) == ("rows-2", {"level": 1})
    monkeypatch.syspath_prepend(str(tmp_path))
    assert len(load(from_keys(**keys, format="my_readers:read"), base=tmp_path)) == 2
    for name, words in (
        ("nonsense", "returned 3; expected a verifiers.Problem"),
        ("NUMBER", "is 3; expected a function of a row"),
        ("missing", "cannot be imported: AttributeError"),
    ):
        with pytest.raises(ProblemError, match=re.escape(words)):
            load(from_keys(**keys, format=f"./my_readers.py:{name}"), base=tmp_path)
    with pytest.raises(RuntimeError, match="my own mistake"):
        load(from_keys(**keys, format="./my_readers.py:broken"), base=tmp_path)
    with pytest.raises(ProblemError, match="nowhere"):
        load(from_keys(**keys, format="./nowhere.py:read"), base=tmp_path)
    with pytest.raises(ValidationError, match="format is 'mbbp'; expected columns, code"):
        from_keys(**keys, format="mbbp")
