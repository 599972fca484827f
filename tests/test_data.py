"""Rows of public data sets become problems as they lie: chat messages, nested columns, several files, known shapes."""

import json

import numpy as np
import pytest

from rlvr.config import SourceConfig
from rlvr.problems import ProblemError, load, load_all
from rlvr.problems.on_disk import Stored
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


@pytest.mark.parametrize("extension", ["jsonl", "json", "parquet", "csv"])
def test_messages_as_prompts_from_every_kind_of_file(tmp_path, extension):
    import pandas

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
