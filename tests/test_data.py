"""Rows of public data sets become problems as they lie: chat messages, nested columns, several files, known shapes."""

import bz2
import gzip
import json
import lzma
import re
from datetime import date
from decimal import Decimal
from pathlib import Path

import datasets
import numpy as np
import pandas
import pyarrow
import pyarrow.parquet
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from rlvr.config import SourceConfig
from rlvr.problems import ProblemError, load, load_all
from rlvr.problems.on_disk import Stored
from rlvr.problems.shapes import CONVERSATIONS, NEEDED, PROMPTS, REFERENCES
from verifiers.messages import MessagesError, conversation

SYSTEM = {"role": "system", "content": "Think in steps."}
EARLIER = ({"role": "user", "content": "What is 1 + 1?"}, {"role": "assistant", "content": "2"})
ASKED = {"role": "user", "content": "And times 3?"}


def from_keys(**keys):
    return SourceConfig.model_validate(keys)


def jsonl(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return str(path)


def refused(config, *words):
    with pytest.raises(ProblemError) as caught:
        load(config, "problems.train")
    for word in words:
        assert word in str(caught.value)


# --- messages ---------------------------------------------------------------------------------------------

MESSAGES = [SYSTEM, *EARLIER, ASKED]
PARTS = [{**m, "content": [{"type": "text", "text": m["content"]}]} for m in MESSAGES]
SHAREGPT = [
    {"from": {"user": "human", "assistant": "gpt"}.get(m["role"], m["role"]), "value": m["content"]}
    for m in MESSAGES
]


@pytest.mark.parametrize(
    "cell",
    [
        MESSAGES,
        PARTS,
        SHAREGPT,
        tuple(MESSAGES),
        json.dumps(MESSAGES),
        repr(MESSAGES),
        np.array(MESSAGES, dtype=object),
        np.array([{**m, "content": np.array([m["content"]], dtype=object)} for m in MESSAGES], dtype=object),
        [{**m, "name": None, "tool_calls": None} for m in MESSAGES],
        f"  {json.dumps(MESSAGES, indent=2)}",
        {key: [m[key] for m in MESSAGES] for key in ("role", "content")},
    ],
)
def test_messages_in_every_form_are_the_same_conversation(cell):
    found = conversation(cell)
    assert found is not None
    assert found.history == (SYSTEM, *EARLIER)
    assert (found.question, found.replies) == ("And times 3?", ())


@pytest.mark.parametrize(
    "cell", ["What is [1]?", "[1, 2] has which role?", "[{'role' or 'from'}]", [], [1], [{"a": 1}], None, 3]
)
def test_anything_else_is_no_conversation(cell):
    assert conversation(cell) is None


@pytest.mark.parametrize(
    ("cell", "word"),
    [
        ([SYSTEM], "(system) hold none of the user"),
        ([{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "?"}]}], "message 0 (from 0, user)"),
        ([{"role": "assistant", "content": None, "tool_calls": [{}]}, ASKED], "message 0 (from 0, assistant)"),
    ],
)  # fmt: skip
def test_messages_that_are_not_text_are_refused(cell, word):
    with pytest.raises(MessagesError) as caught:
        conversation(cell)
    assert word in str(caught.value)


def test_messages_that_an_array_printed_are_not_taken_for_a_question(tmp_path):
    """What `to_csv` writes for a column that was read from Parquet: without commas, so nothing reads it."""
    frame = pandas.DataFrame({"prompt": [MESSAGES], "answer": [6]})
    frame.to_parquet(tmp_path / "rows.parquet")
    pandas.read_parquet(tmp_path / "rows.parquet").to_csv(tmp_path / "rows.csv", index=False)
    refused(from_keys(file=str(tmp_path / "rows.csv")), "row 0", "begins as messages do")
    assert conversation(ASKED) == conversation(json.dumps(ASKED)) == ((), "And times 3?", ())


@pytest.mark.parametrize("extension", ["jsonl", "json", "parquet", "csv"])
def test_messages_as_prompts_from_every_kind_of_file(tmp_path, extension):
    rows = [{"prompt": MESSAGES, "reference": "6"}, {"prompt": [ASKED], "reference": "3"}]
    path = tmp_path / f"rows.{extension}"
    if extension == "jsonl":
        jsonl(path, rows)
    elif extension == "json":
        path.write_text(json.dumps(rows))
    elif extension == "parquet":
        pandas.DataFrame(rows).to_parquet(path)
    else:
        pandas.DataFrame(rows).to_csv(path, index=False)
    first, second = load(from_keys(file=str(path)))
    assert (first.prompt, first.reference, first.messages) == ("And times 3?", "6", MESSAGES)
    assert (second.history, second.messages) == ((), [ASKED])
    assert Stored([first, second])[:] == [first, second]


def test_a_prompt_that_ends_with_an_answer_is_refused(tmp_path):
    file = jsonl(tmp_path / "rows.jsonl", [{"prompt": [ASKED, EARLIER[1]], "reference": "6"}])
    refused(from_keys(file=file), "row 0", "last message is the assistant's", "expected the user's")
    file = jsonl(tmp_path / "rows.jsonl", [{"prompt": [SYSTEM], "reference": "6"}])
    refused(from_keys(file=file), "row 0", "the prompt's messages (system) hold none of the user")


def test_the_same_question_under_another_system_message_is_an_overlap(tmp_path):
    train = jsonl(tmp_path / "a.jsonl", [{"prompt": [SYSTEM, ASKED], "reference": "6"}])
    heldout = jsonl(tmp_path / "b.jsonl", [{"prompt": [ASKED], "reference": "6"}])
    with pytest.raises(ProblemError, match="shares 1 problems"):
        load_all(from_keys(file=train), from_keys(file=heldout))
    later = jsonl(tmp_path / "c.jsonl", [{"prompt": MESSAGES, "reference": "6"}])
    assert len(load_all(from_keys(file=train), from_keys(file=later)).train) == 1


def test_rows_of_code_sets_keep_their_system_message(tmp_path):
    tests = {"inputs": ["1 2\n"], "outputs": ["3\n"]}
    file = jsonl(tmp_path / "rows.jsonl", [{"prompt": [SYSTEM, ASKED], "tests": tests}])
    (problem,) = load(from_keys(file=file, format="code"))
    assert (problem.prompt, problem.history) == ("And times 3?", (SYSTEM,))


# --- files ------------------------------------------------------------------------------------------------

ROWS = [{"q": f"What is {n} + {n}?", "a": 2 * n, "info": {"n": n}} for n in range(5)]
KEYS = {"prompt": "q", "reference": "a"}
LINES = "".join(json.dumps(row) + "\n" for row in ROWS)
FLAT = pandas.DataFrame(ROWS).drop(columns="info")


def prompts(**keys):
    return [problem.prompt for problem in load(from_keys(**KEYS, **keys))]


WHOLE = [row["q"] for row in ROWS]


def zst(path, text):
    with pyarrow.output_stream(str(path), compression="zstd") as out:
        out.write(text.encode())


PACKERS = {
    "rows.jsonl.gz": lambda path: path.write_bytes(gzip.compress(LINES.encode())),
    "rows.jsonl.bz2": lambda path: path.write_bytes(bz2.compress(LINES.encode())),
    "rows.ndjson.xz": lambda path: path.write_bytes(lzma.compress(LINES.encode())),
    "rows.jsonl.zst": lambda path: zst(path, LINES),
    "rows.json.zst": lambda path: zst(path, json.dumps(ROWS, indent=1)),
    "rows.csv.gz": lambda path: FLAT.to_csv(path, index=False),
    "rows.tsv.xz": lambda path: FLAT.to_csv(path, index=False, sep="\t"),
    "rows.tsv": lambda path: FLAT.to_csv(path, index=False, sep="\t"),
    "lines.json": lambda path: datasets.Dataset.from_list(ROWS).to_json(path),
    "records.json": lambda path: FLAT.to_json(path, orient="records"),
    "below.json": lambda path: path.write_text(json.dumps({"version": 1, "data": ROWS})),
    "rows.parquet": lambda path: pyarrow.parquet.write_table(pyarrow.Table.from_pylist(ROWS), path),
    "saved": lambda path: datasets.Dataset.from_list(ROWS).save_to_disk(path, num_shards=2),
    "with_format": lambda path: datasets.Dataset.from_list(ROWS).with_format("numpy").save_to_disk(path),
}


@pytest.mark.parametrize("name", PACKERS)
def test_files_as_the_libraries_write_them(tmp_path, name):
    PACKERS[name](tmp_path / name)
    problems = load(from_keys(file=str(tmp_path / name), **KEYS))
    stem = name.partition(".")[0]
    assert [(p.id, p.prompt, p.reference) for p in problems] == [
        (f"{stem}-{n}", row["q"], str(row["a"])) for n, row in enumerate(ROWS)
    ]


def test_a_shard_of_a_saved_set_is_a_file_too(tmp_path):
    datasets.Dataset.from_list(ROWS).save_to_disk(tmp_path / "saved", num_shards=2)
    assert prompts(file=str(tmp_path / "saved" / "*.arrow")) == WHOLE


def test_an_image_in_another_column_is_not_decoded(tmp_path):
    features = datasets.Features(
        {"q": datasets.Value("string"), "a": datasets.Value("int64"), "i": datasets.Image()}
    )
    rows = [{"q": row["q"], "a": row["a"], "i": {"bytes": b"not an image", "path": None}} for row in ROWS]
    datasets.Dataset.from_list(rows, features=features).save_to_disk(tmp_path / "saved")
    assert prompts(file=str(tmp_path / "saved")) == WHOLE


def test_lists_and_globs_in_a_stated_order_with_ids_that_stay(tmp_path):
    for number, row in enumerate(ROWS):
        jsonl(tmp_path / f"part-{number}.jsonl", [row, {**row, "q": f"{row['q']} Again."}])
    everything = load(from_keys(file="part-*.jsonl", **KEYS), base=tmp_path)
    assert [p.id for p in everything[:4]] == ["part-0-0", "part-0-1", "part-1-0", "part-1-1"]
    files = ["part-3.jsonl", "part-[0-1].jsonl", str(tmp_path / "part-3.jsonl")]
    chosen = load(from_keys(file=files, **KEYS), base=tmp_path)
    assert [p.id for p in chosen] == ["part-3-0", "part-3-1", "part-0-0", "part-0-1", "part-1-0", "part-1-1"]
    assert {p.id for p in chosen} < {p.id for p in everything}
    (tmp_path / "sub").mkdir()
    (tmp_path / "part-1.jsonl").rename(tmp_path / "sub" / "part-0.jsonl")
    same = load(from_keys(file=["part-0.jsonl", "sub/part-0.jsonl"], limit=3, **KEYS), base=tmp_path)
    assert [p.id for p in same] == ["part-0.jsonl-0", "part-0.jsonl-1", "sub/part-0.jsonl-0"]
    assert [p.id for p in load(from_keys(file="**/part-0.jsonl", **KEYS), base=tmp_path)][2:] == [
        "sub/part-0.jsonl-0",
        "sub/part-0.jsonl-1",
    ]


def test_folders_of_shards_and_their_splits(tmp_path):
    folder = tmp_path / "set"
    (folder / "data").mkdir(parents=True)
    (folder / "README.md").write_text("# A set")
    for number, rows in enumerate((ROWS[:2], ROWS[2:4])):
        table = pyarrow.Table.from_pylist(rows)
        pyarrow.parquet.write_table(table, folder / "data" / f"train-0000{number}-of-00002.parquet")
    assert prompts(file=str(folder)) == WHOLE[:4]
    assert prompts(file=str(folder), split="train") == WHOLE[:4]
    pyarrow.parquet.write_table(
        pyarrow.Table.from_pylist(ROWS[4:]), folder / "data" / "test-00000-of-00001.parquet"
    )
    assert prompts(file=str(folder), split="test") == WHOLE[4:]
    assert load(from_keys(file=str(folder), split="test", **KEYS))[0].id == "set/data/test-00000-of-00001-0"
    refused(from_keys(file=str(folder), **KEYS), "split is missing", "train, test")
    refused(from_keys(file=str(folder), split="dev", **KEYS), "split 'dev' is not there", "train, test")

    (tmp_path / "plain").mkdir()
    (tmp_path / "plain" / "b.jsonl").write_text(LINES)
    with gzip.open(tmp_path / "plain" / "a.jsonl.gz", "wt") as file:
        file.write(json.dumps({"q": "First?", "a": 1}) + "\n")
    assert prompts(file=str(tmp_path / "plain")) == ["First?", *WHOLE]
    (tmp_path / "empty").mkdir()
    refused(from_keys(file=str(tmp_path / "empty"), **KEYS), "the folder", "empty holds no .jsonl")


@pytest.mark.parametrize("names", [("a_train.jsonl", "a_test.jsonl"), ("train/0.jsonl", "test/0.jsonl")])
def test_splits_are_told_from_names_of_files_and_folders(tmp_path, names):
    for name, rows in zip(names, (ROWS, ROWS[1:2]), strict=True):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        jsonl(tmp_path / name, rows)
    assert prompts(file=str(tmp_path), split="train") == WHOLE
    assert prompts(file=str(tmp_path), split="test") == WHOLE[1:2]
    refused(from_keys(file=str(tmp_path), **KEYS), "split is missing", "train, test")


def test_a_list_fits_where_it_holds_the_value(tmp_path):
    tags = (["math"], ["if", "math"], ["if"], "math", [])
    rows = [{"q": f"Q{n}", "a": n, "dataset": each} for n, each in enumerate(tags)]
    file = jsonl(tmp_path / "rows.jsonl", rows)
    assert prompts(file=file, where={"dataset": "math"}) == ["Q0", "Q1", "Q3"]
    assert prompts(file=file, where={"dataset": ["math", "if"]}) == ["Q0", "Q1", "Q2", "Q3"]


def test_a_saved_dictionary_of_sets_needs_its_split(tmp_path):
    whole = datasets.Dataset.from_list(ROWS)
    datasets.DatasetDict({"train": whole, "test": whole.select([1])}).save_to_disk(tmp_path / "saved")
    keys = {"file": str(tmp_path / "saved"), **KEYS}
    assert [p.id for p in load(from_keys(split="test", **keys))] == ["saved-test-0"]
    assert len(load(from_keys(split="train", **keys))) == 5
    refused(from_keys(**keys), "problems.train.split is missing", "test, train")
    refused(from_keys(split="dev", **keys), "problems.train.split 'dev'", "test, train")
    whole.save_to_disk(tmp_path / "one")
    assert len(load(from_keys(file=str(tmp_path / "one"), split="train", **KEYS))) == 5
    refused(
        from_keys(file=str(tmp_path / "one"), split="test", **KEYS),
        "split 'test' is not there",
        "one has train",
    )
    with pytest.raises(ValidationError, match="`split` belongs to a dataset, or a folder"):
        from_keys(file=["a.jsonl", "b.parquet"], split="test")
    for nothing in ([], "", ["a.jsonl", " "]):
        with pytest.raises(ValidationError, match="`file` names no file"):
            from_keys(file=nothing)


def test_errors_name_the_file_and_the_row_in_it(tmp_path):
    good = jsonl(tmp_path / "good.jsonl", ROWS)
    bad = jsonl(tmp_path / "bad.jsonl", [ROWS[0], {"q": "No answer?"}])
    refused(from_keys(file=[good, bad], bad_rows=0, **KEYS), "bad.jsonl), row 1 (from 0): no column 'a'")
    refused(from_keys(file=[good, str(tmp_path / "none.jsonl")], **KEYS), "there is no file", "none.jsonl")
    refused(from_keys(file=str(tmp_path / "*.parquet"), **KEYS), "no file fits", "*.parquet")
    packed = gzip.compress(LINES.encode() * 300)
    for name, data in {
        "torn.jsonl.gz": packed[: len(packed) // 2],
        "no.jsonl.gz": LINES.encode(),
        "no.jsonl.zst": b"plain text",
        "no.jsonl.xz": b"plain text",
        "no.arrow": b"plain text",
        "latin.csv": b"q,a\ncaf\xe9,1\n",
        "cells.csv": b"q,a\nx,1,2\n",
        "quote.csv": b'q,a\n"x,1\n',
        "twice.csv": b"q,a,q\nx,1,y\n",
        "object.json": b'{"a": [1]}',
    }.items():
        (tmp_path / name).write_bytes(data)
        refused(from_keys(file=str(tmp_path / name), **KEYS), "problems.train.file", name)
    refused(from_keys(file=str(tmp_path / "cells.csv"), **KEYS), "cells.csv:2: found 3 cells; expected 2")
    (tmp_path / "rows.parquet.gz").write_bytes(b"")
    refused(from_keys(file=str(tmp_path / "rows.parquet.gz"), **KEYS), "'.parquet.gz'; expected .jsonl")


def test_cells_of_csv_stay_as_they_are_written(tmp_path):
    answers = [
        "007",
        "1.50",
        "NA",
        "None",
        "nan",
        "1e3",
        "12345678901234567890123",
        "1/2",
        "x,y",
        "a\nb",
        "-3",
    ]
    path = tmp_path / "rows.csv"
    pandas.DataFrame({"q": [f"Question {n}?" for n in range(len(answers))], "a": answers, "k": True}).to_csv(
        path, index=False
    )
    problems = load(from_keys(file=str(path), where={"k": True}, **KEYS))
    assert [p.reference for p in problems] == answers


words = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), min_size=1, max_size=20)


@given(
    st.lists(
        st.tuples(words.filter(str.strip), words.filter(str.strip), st.lists(words, min_size=1, max_size=3)),
        min_size=1,
        max_size=4,
    )
)
@settings(deadline=None, max_examples=12, derandomize=True)
def test_nested_rows_read_the_same_from_every_file(tmp_path_factory, drawn):
    folder = tmp_path_factory.mktemp("rows")
    rows = [
        {
            "chat": [
                *({"role": "system", "content": text} for text in before),
                {"role": "user", "content": asked},
            ],
            "model": {"gold": ["other", gold]},
            "info": json.dumps({"n": number}),
        }
        for number, (asked, gold, before) in enumerate(drawn)
    ]
    jsonl(folder / "rows.jsonl", rows)
    (folder / "rows.json").write_text(json.dumps(rows))
    pandas.DataFrame(rows).to_parquet(folder / "pandas.parquet")
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), folder / "arrow.parquet")
    datasets.Dataset.from_list(rows).save_to_disk(folder / "saved")
    texts = [{**row, "chat": json.dumps(row["chat"]), "model": json.dumps(row["model"])} for row in rows]
    pandas.DataFrame(texts).to_csv(folder / "rows.csv", index=False)
    keys = {"prompt": "chat", "reference": "{model.gold.-1}", "id": "info.n"}
    for name in ("rows.jsonl", "rows.json", "pandas.parquet", "arrow.parquet", "saved", "rows.csv"):
        problems = load(from_keys(file=str(folder / name), **keys))
        assert [p.messages for p in problems] == [row["chat"] for row in rows], name
        assert [p.reference for p in problems] == [row["model"]["gold"][-1] for row in rows], name
        assert [p.id for p in problems] == [str(n) for n in range(len(rows))], name


def test_paths_in_templates(tmp_path):
    row = {"info": {"q": "2 + 2", "unit.name": "kg"}, "a.b": 4, "meta": json.dumps({"hint": ["x", "y"]})}
    file = jsonl(tmp_path / "rows.jsonl", [row])
    (problem,) = load(from_keys(file=file, prompt="{info.q} ({meta.hint.-1}) {{x}}", reference="a.b"))
    assert (problem.prompt, problem.reference) == ("2 + 2 (y) {x}", "4")
    refused(from_keys(file=file, prompt="{info.p}", reference="a.b"), "no column 'info.p'", "for `prompt`")


# --- shapes of rows that need no keys ---------------------------------------------------------------------

USER = [{"role": "user", "content": "What is 2 + 3?"}]
REPLY = {"role": "assistant", "content": "2 + 3 = 5"}
VERL = {
    "data_source": "openai/gsm8k", "prompt": USER, "ability": "math",
    "reward_model": {"style": "rule", "ground_truth": "5"},
    "extra_info": {"split": "train", "index": 0, "answer": "2 + 3 = 5\n#### 5", "question": "What is 2 + 3?"},
}  # fmt: skip
PROBLEM = {"problem": "What is 2 + 3?"}
ROW_SHAPES = {
    "verl": (VERL, "verl's shape: prompt, reward_model.ground_truth, extra_info.index as id"),
    "verl, JSON in texts": (
        {**VERL, "prompt": json.dumps(USER), "reward_model": json.dumps(VERL["reward_model"])},
        "verl's shape: prompt, reward_model.ground_truth, extra_info.index as id",
    ),
    "DAPO-Math": (
        {**VERL, "reward_model": {"ground_truth": "5", "style": "rule"}, "extra_info": {"index": "a-b"}},
        "verl's shape",
    ),
    "TRL, text": ({"prompt": "What is 2 + 3?", "solution": "5"}, "TRL's shape: prompt, solution"),
    "TRL, messages": ({"prompt": [SYSTEM, *USER], "ground_truth": 5}, "TRL's shape: prompt, ground_truth"),
    "TRL, made from a set": ({**PROBLEM, "prompt": USER, "answer": "5"}, "TRL's shape: prompt, answer"),
    "TRL, countdown": ({"target": 5, "nums": [2, 3], "prompt": USER}, "TRL's shape: prompt, target"),
    "prompt-completion": (
        {"prompt": USER, "completion": [{"role": "assistant", "content": "5"}]},
        "TRL's shape: prompt, completion",
    ),
    "open-instruct": (
        {"messages": USER, "ground_truth": "5", "dataset": "gsm8k"},
        "open-instruct's shape: messages, ground_truth",
    ),
    "open-instruct, lists": (
        {"messages": USER, "ground_truth": ["5"], "dataset": ["gsm8k"]},
        "open-instruct's shape: messages, ground_truth",
    ),
    "a whole conversation": ({"messages": [*USER, REPLY], "answer": "5"}, "columns recognised: messages, answer"),
    "ShareGPT": (
        {"conversations": [{"from": "human", "value": "What is 2 + 3?"}, {"from": "gpt", "value": "5"}], "answer": "5"},
        "conversations, answer",
    ),
    "GSM8K": ({"question": "What is 2 + 3?", "answer": "5"}, "question, answer"),
    "MATH": ({**PROBLEM, "level": "Level 1", "type": "Algebra", "solution": "5"}, "problem, solution"),
    "MATH-500": ({**PROBLEM, "solution": "2 + 3 = 5", "answer": "5", "unique_id": "t/0"}, "answer, unique_id as id"),
    "AIME": (
        {"ID": "2024-I-1", "Problem": "What is 2 + 3?", "Solution": "…", "Answer": 5},
        "Problem, Answer, ID as id",
    ),
    "OpenR1-Math": (
        {**PROBLEM, "solution": "…", "answer": "5", "messages": [*USER, REPLY], "uuid": "u", "generations": ["…"]},
        "problem, answer, uuid as id",
    ),
    "DeepMath": ({"question": "What is 2 + 3?", "final_answer": "5", "r1_solution_1": "…"}, "question, final_answer"),
    "Big-Math": ({**PROBLEM, "answer": "5", "source": "orca", "domain": ["Math"]}, "problem, answer"),
    "OpenMathReasoning": ({**PROBLEM, "expected_answer": "5", "generated_solution": "…"}, "expected_answer"),
    "OlympiadBench": (
        {"question": "What is 2 + 3?", "final_answer": ["5"], "solution": ["…"], "context": None},
        "question, final_answer",
    ),
    "SYNTHETIC-2": (
        {"problem_id": "v0", "prompt": "What is 2 + 3?", "verification_info": json.dumps({"ground_truth": "5"})},
        "prompt, verification_info.ground_truth, problem_id as id",
    ),
    "slime": ({"prompt": USER, "label": "5"}, "prompt, label"),
    "other spellings": (
        {"Question": "What is 2 + 3?", "groundTruth": 5, "Unique ID": "a"},
        "Question, groundTruth, Unique ID as id",
    ),
    "a system prompt twice": ({"prompt": USER, "system_prompt": "Add.", "answer": "5"}, "prompt, answer"),
}  # fmt: skip


@pytest.mark.parametrize("name", ROW_SHAPES)
@pytest.mark.parametrize("extension", ["jsonl", "parquet"])
def test_rows_of_public_sets_need_no_keys(tmp_path, name, extension):
    row, said = ROW_SHAPES[name]
    if extension == "jsonl":
        jsonl(tmp_path / "rows.jsonl", [row])
    else:
        pyarrow.parquet.write_table(pyarrow.Table.from_pylist([row]), tmp_path / "rows.parquet")
    notes: list[str] = []
    (problem,) = load(
        from_keys(file=str(tmp_path / f"rows.{extension}")), "problems.train", note=notes.append
    )
    assert (problem.prompt, problem.reference) == ("What is 2 + 3?", "5")
    (note,) = notes
    assert note.startswith("problems.train: ")
    assert said in note
    if name == "TRL, messages":
        assert problem.history == (SYSTEM,)


def test_columns_that_were_not_read_stay_for_the_report_and_for_reward_functions(tmp_path):
    file = jsonl(tmp_path / "rows.jsonl", [VERL])
    (problem,) = load(from_keys(file=file))
    assert problem.id == "rows-0"
    assert problem.meta == {key: VERL[key] for key in ("data_source", "ability", "extra_info")}


asked_names = st.sampled_from([name for name in PROMPTS[1].split() if "." not in name])
told_names = st.sampled_from([name for group in REFERENCES for name in group.split()])
noise = st.dictionaries(
    st.text("abcxyz_", min_size=1, max_size=6).map("x_{}".format),
    st.none() | st.integers() | st.text(max_size=5),
    max_size=3,
)


@given(asked_names, told_names, noise, words.filter(str.strip), st.integers(0, 10**30), st.randoms())
@settings(deadline=None, max_examples=50, derandomize=True)
def test_every_known_pair_of_columns_is_recognised_among_others(
    tmp_path_factory, asked, told, others, text, gold, rng
):
    cell = rng.choice([text, [{"role": "user", "content": text}]])
    if asked in CONVERSATIONS:
        cell = [SYSTEM, {"role": "user", "content": text}, REPLY]
    written = {"plain": asked, "title": asked.title(), "words": asked.replace("_", " ")}
    row = {written[rng.choice(sorted(written))]: cell, **others}
    outer, dot, inner = told.partition(".")
    row[outer] = {inner: str(gold)} if dot else rng.choice([str(gold), [str(gold)]])
    columns = list(row.items())
    rng.shuffle(columns)
    path = tmp_path_factory.mktemp("rows") / "rows.jsonl"
    (problem,) = load(from_keys(file=jsonl(path, [dict(columns)]), id="id" if "id" in row else None))
    assert (problem.prompt, problem.reference) == (text, str(gold))
    assert set(problem.meta) == set(others)


def test_explicit_keys_win(tmp_path):
    row = {**VERL, "answer": "7", "question": "Other?", "id": 3}
    file = jsonl(tmp_path / "rows.jsonl", [row])
    (problem,) = load(from_keys(file=file, prompt="question", reference="answer", id="extra_info.split"))
    assert (problem.id, problem.prompt, problem.reference) == ("train", "Other?", "7")
    (problem,) = load(from_keys(file=file, reference="extra_info.answer"))
    assert (problem.id, problem.prompt, problem.reference) == (
        "rows-3",
        "What is 2 + 3?",
        "2 + 3 = 5\n#### 5",
    )
    config = from_keys(file=file, prompt="question")
    assert from_keys(**config.model_dump(mode="json")) == config


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ({"question": "A?", "problem": "B?", "answer": 1}, ["problems.train.prompt", "question: A?", "problem: B?"]),
        ({"question": "A?", "messages": [{"role": "user", "content": "A? Box it."}], "answer": 1}, ["messages"]),
        ({"prompt": "A?", "answer": 1, "ground_truth": 2}, ["train.reference", "answer: 1", "ground_truth: 2"]),
        ({"instruction": "Add.", "input": "1 + 1", "output": "2"}, ["instruction: Add.", "input: 1 + 1"]),
        ({"text": "A?", "answer": 1}, ["problems.train.prompt: no column is known", "Columns found: text, answer"]),
        ({"prompt": "A?", "nums": [1]}, ["problems.train.reference: no column is known", "prompt, nums"]),
        ({"messages": [*USER, REPLY]}, ["problems.train.reference", "such as messages.-1.content"]),
        ({"question": "A?", "choices": ["1", "2"], "answer": 0}, ["'choices'", "prompt: '{choices} {question}'"]),
        ({"problem": "<image> A?", "images": ["a.png"], "answer": 0}, ["'images'", "only text can be shown"]),
        ({"prompt": USER, "images": ["a.png"], "answer": 0}, ["'images'", "only text can be shown"]),
        ({"prompt": "A?", "system": "Box it.", "answer": 0}, ["'system'", "prompt: '{system} {prompt}'"]),
        ({"question": "Add.", "input_output": '{"inputs": ["1"], "outputs": ["2"]}', "answer": 1}, ["format: code"]),
        ({**VERL, "reward_model": {"ground_truth": '{"inputs": ["1"], "outputs": ["2"]}'}}, ["format: code"]),
    ],
)  # fmt: skip
def test_what_could_be_read_in_two_ways_is_refused_with_the_candidates(tmp_path, row, words):
    refused(from_keys(file=jsonl(tmp_path / "rows.jsonl", [row] * 3)), *words)


def test_references_that_tables_hold_become_text(tmp_path):
    values = {"n": Decimal("1.50"), "d": date(2024, 2, 29), "f": 0.5}
    pyarrow.parquet.write_table(
        pyarrow.Table.from_pylist([{"prompt": "A?", **values}]), tmp_path / "rows.parquet"
    )
    for column, text in (("n", "1.50"), ("d", "2024-02-29"), ("f", "0.5")):
        (problem,) = load(from_keys(file=str(tmp_path / "rows.parquet"), prompt="prompt", reference=column))
        assert problem.reference == text
    (tmp_path / "rows.jsonl").write_text('{"prompt": "A?", "answer": NaN}\n')
    refused(
        from_keys(file=str(tmp_path / "rows.jsonl"), reference="answer"), "'answer' is nan; expected a value"
    )


@pytest.mark.parametrize("column", NEEDED.split())
def test_a_column_that_a_question_needs_does_no_harm_where_it_is_empty(tmp_path, column):
    file = jsonl(tmp_path / "rows.jsonl", [{"question": "A?", column: None, "answer": 1}])
    assert load(from_keys(file=file))[0].prompt == "A?"
    file = jsonl(tmp_path / "rows.jsonl", [{"question": "A?", column: "B", "answer": 1}])
    assert load(from_keys(file=file, prompt=f"{{question}} {{{column}}}"))[0].prompt == "A? B"


def test_columns_that_say_the_same_are_one_and_rows_without_one_are_bad(tmp_path):
    rows = [
        {"problem": f"Q{n}?", "question": f"Q{n}?", "answer": n, "final_answer": str(n)} for n in range(60)
    ]
    rows[7]["answer"] = rows[9]["problem"] = None
    found = load(from_keys(file=jsonl(tmp_path / "rows.jsonl", rows)))
    assert [p.prompt for p in found] == [f"Q{n}?" for n in range(60) if n != 7]


def test_ids_come_from_a_column_that_has_one_for_every_row(tmp_path):
    rows = [{"prompt": f"Q{n}?", "answer": n, "id": n // 2, "uid": f"u{n}"} for n in range(4)]
    assert [p.id for p in load(from_keys(file=jsonl(tmp_path / "a.jsonl", rows)))] == ["u0", "u1", "u2", "u3"]
    rows = [{"prompt": f"Q{n}?", "answer": n, "index": n % 60} for n in range(130)]
    notes: list[str] = []
    found = load(from_keys(file=jsonl(tmp_path / "b.jsonl", rows)), note=notes.append)
    assert [found[n].id for n in (0, 59, 60, 120)] == ["b-0", "b-59", "b-0-copy1", "b-0-copy2"]
    assert "70 rows repeat the id of a row before" in notes[1]
    refused(from_keys(file=str(tmp_path / "b.jsonl"), id="index"), "id '0' is there twice")
    rows = [{"prompt": f"Q{n}?", "answer": n, "id": None} for n in range(2)]
    assert [p.id for p in load(from_keys(file=jsonl(tmp_path / "c.jsonl", rows)))] == ["c-0", "c-1"]


def test_a_row_that_cannot_be_read_is_met_where_it_stands(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text(
        '{"question": "A?", "answer": 1}\n' * 3 + "broken\n" + '{"question": "A?", "answer": 1}\n'
    )
    assert len(load(from_keys(file=str(path), limit=3))) == 3
    refused(from_keys(file=str(path), limit=4), "rows.jsonl:4: not valid JSON")


def test_a_curriculum_orders_by_a_nested_column(tmp_path):
    from rlvr.training.curriculum import levels_of

    rows = [{**VERL, "extra_info": {"index": n, "level": {"rank": 9 - n}}} for n in range(3)]
    problems = load(from_keys(file=jsonl(tmp_path / "rows.jsonl", rows)))
    assert levels_of(problems, "extra_info.level.rank") == [2, 1, 0]


@pytest.mark.slow
def test_a_run_from_verls_parquet_as_it_is(tmp_path):
    """The row's system message reaches the policy, and the verifier judges its question, from a file without a key."""
    from rlvr.cli import main
    from tests.scripted import CHATML, model_folder, tokenizer_of, writes

    tokenizer = tokenizer_of(CHATML)
    model_folder(tmp_path / "model", tokenizer, writes(tokenizer, "\n", "5", "<|im_end|>"))
    for split, asked in (("train", "What is 2 + 3?"), ("test", "What is 1 + 4?")):
        row = {**VERL, "prompt": [SYSTEM, {"role": "user", "content": asked}]}
        pandas.DataFrame([row]).to_parquet(tmp_path / f"{split}.parquet")
    config = {
        "model": str(tmp_path / "model"),
        "problems": {"train": {"file": "train.parquet"}, "heldout": {"file": "test.parquet"}},
        "evidence": {"template": "chat"},
        "verifier": "math",
        "sampling": {"samples": 2, "max_new_tokens": 8},
        "analysis": {"search_budget": 1, "replicates": 100},
        "verification": {"workers": 1},
        "train": {"steps": 1, "groups_per_step": 1, "group_size": 2, "eval_every": 0},
    }
    (tmp_path / "c.yaml").write_text(json.dumps(config))
    assert main(["check", str(tmp_path / "c.yaml")]) == 0
    assert main(["run", str(tmp_path / "c.yaml"), "--output", str(tmp_path / "run"), "-q"]) == 0
    for name, asked in (("base", "What is 1 + 4?"), ("train-000001", "What is 2 + 3?")):
        for line in (tmp_path / "run" / "rollouts" / f"{name}.jsonl").read_text().splitlines():
            row = json.loads(line)
            assert (row["prompt"], row["history"], row["score"]) == (asked, [SYSTEM], 1.0)


def test_every_line_of_the_document_is_a_source():
    text = (Path(__file__).parent.parent / "docs" / "data.md").read_text()
    lines = re.findall(r"`(\{(?:file|dataset):.*?\})`(?=[: |,.]|$)", text, re.MULTILINE)
    assert len(lines) >= 12
    for line in lines:
        from_keys(**yaml.safe_load(line.replace("\\\\n", "\\n")))
