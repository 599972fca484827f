"""Rows, paths, ids and shares of bad rows: each rule of reading problems in a small table."""

from __future__ import annotations

import datetime
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rlvr.config import SourceConfig
from rlvr.problems import load as load_source
from rlvr.problems.files import _cell
from rlvr.problems.load import identity, load_all, normalise, refuse_overlap
from rlvr.problems.mapping import _alone, _as_reference
from rlvr.problems.on_disk import Stored, stored
from rlvr.problems.rows import Place, ProblemError, is_blank, short, value_at
from verifiers import Problem

ROW = {
    "a": 1,
    "a.b": "dotted",
    "list": ["x", {"y": 2}],
    "json": '{"k": [10, 20]}',
    "python": "{'k': 'v'}",
    "text": "[no list",
    "array": np.array([3, 4]),
    "nested": {"a": {"b": None}},
}


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("a", 1), ("a.b", "dotted"), ("list.0", "x"), ("list.-1.y", 2), ("json.k.1", 20), ("json.k.-2", 10),
        ("python.k", "v"), ("array.1", 4), ("nested.a.b", None),
    ],
)  # fmt: skip
def test_a_path_into_a_row(path, value):
    assert value_at(ROW, path) == value


@pytest.mark.parametrize(
    "path", ["b", "list.2", "list.-3", "list.x", "a.c", "json.k.2", "text.0", "nested.a.c", "list.1.y.z", "."]
)
def test_a_path_that_leads_nowhere_is_named(path):
    with pytest.raises(KeyError, match=path):
        value_at(ROW, path)


def test_what_counts_as_nothing():
    assert [is_blank(x) for x in (None, "", " \n", float("nan"))] == [True] * 4
    assert [is_blank(x) for x in (0, 0.0, False, "0", [], {}, "nan")] == [False] * 7


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("a\n b", "a b"),
        ("x" * 120, "x" * 120),
        ("x" * 121, "x" * 119 + "…"),
        ({"a": 1}, "{'a': 1}"),
        (None, "None"),
    ],
)
def test_a_value_in_a_message(value, shown):
    assert short(value) == shown


@pytest.mark.parametrize(
    ("value", "reference"),
    [
        (4, "4"), (0, "0"), (2.5, "2.5"), (Decimal("1.50"), "1.50"), (datetime.date(2026, 1, 2), "2026-01-02"),
        (True, True), ("4", "4"), (["4", "5"], ["4", "5"]), ({"entry": "f"}, {"entry": "f"}),
        ([{"role": "assistant", "content": "so 4"}], "so 4"),
        ([{"role": "user", "content": "?"}, {"role": "assistant", "content": "5"}], "5"),
        ([{"role": "user"}], [{"role": "user"}]), ([], []),
    ],
)  # fmt: skip
def test_what_a_cell_is_as_a_reference(value, reference):
    assert _as_reference(value) == reference and type(_as_reference(value)) is type(reference)


def test_a_list_of_one_answer_is_that_answer():
    assert [_alone(x) for x in (["4"], [4], ["4", "5"], [["4"]], [], "4")] == [
        "4",
        4,
        ["4", "5"],
        [["4"]],
        [],
        "4",
    ]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", None), ("True", True), ("False", False), ("true", "true"), ("7", 7), ("007", "007"), ("-3", -3),
        ("+3", "+3"), ("1.5", 1.5), ("1.50", "1.50"), ("1e3", "1e3"), ("nan", "nan"), ("inf", "inf"), ("None", "None"),
        (" 7", " 7"),
    ],
)  # fmt: skip
def test_what_a_cell_of_a_csv_is(text, value):
    assert _cell(text) == value and type(_cell(text)) is type(value)


def test_two_prompts_are_the_same_without_case_space_and_width():
    same = ["Straße  1/2\t", "strasse 1/2", " STRASSE\u00a01/2", "ｓｔｒａｓｓｅ 1/2"]
    assert len({normalise(text) for text in same}) == 1
    assert normalise("a b") != normalise("ab") and normalise("1+2") != normalise("1-2")
    history = (
        {"role": "system", "content": "S"},
        {"role": "user", "content": "A"},
        {"role": "assistant", "content": "x"},
    )
    assert identity(Problem("p", "B", "1", history=history)) == "a b"


def test_an_overlap_is_counted_over_the_training_set_with_three_examples():
    train = [Problem(f"t{n}", f"Q {n}", "1") for n in range(5)]
    held = [Problem(f"h{n}", f"q  {n}", "1") for n in range(1, 5)]
    with pytest.raises(ProblemError) as refused:
        refuse_overlap(train, held, "problems.heldout")
    said = str(refused.value)
    assert "problems.train shares 4 problems with problems.heldout" in said
    assert said.count(" = h") == 3 and "t1 = h1: q  1".replace("  ", " ") in said
    refuse_overlap(train[:1], held, "problems.heldout")


def source(folder: Path, rows: list[Any], **keys: Any) -> SourceConfig:
    file = folder / "rows.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return SourceConfig.model_validate({"file": str(file), "prompt": "q", "reference": "a"} | keys)


def rows(number: int, **more: Any) -> list[dict[str, Any]]:
    return [
        {"q": f"question {n}", "a": n, "group": n % 3, "tags": ["x", n % 2]} | more for n in range(number)
    ]


@pytest.mark.parametrize(
    ("where", "kept"),
    [
        ({"group": 1}, [1, 4, 7]),
        ({"group": [0, 2]}, [0, 2, 3, 5, 6, 8]),
        ({"group": 1, "a": [4, 5]}, [4]),  # all of them must hold
        ({"tags": 1}, [1, 3, 5, 7]),  # a list with it
        ({"tags": ["y", 0]}, [0, 2, 4, 6, 8]),
    ],
)
def test_which_rows_are_kept_and_under_which_numbers(tmp_path, where, kept):
    found = load_source(source(tmp_path, rows(9), where=where))
    assert [p.id for p in found] == [f"rows-{n}" for n in kept]
    assert [p.reference for p in found] == [str(n) for n in kept]


def test_nothing_that_fits_is_an_error(tmp_path):
    with pytest.raises(ProblemError, match=r"found no row that fits \{'group': 9\}; expected at least one"):
        load_source(source(tmp_path, rows(3), where={"group": 9}))
    with pytest.raises(
        ProblemError, match="no column 'grp'; expected it, for `where`; columns found: q, a, group"
    ):
        load_source(source(tmp_path, rows(3), where={"grp": 1}))


def test_the_limit_takes_the_first_and_a_shuffle_any(tmp_path):
    asked = source(tmp_path, rows(30), limit=5)
    assert [p.id for p in load_source(asked)] == [f"rows-{n}" for n in range(5)]
    mixed = [[p.id for p in load_source(asked.model_copy(update={"shuffle_seed": s}))] for s in (0, 0, 1)]
    assert mixed[0] == mixed[1] != mixed[2] and len(set(mixed[0])) == 5
    assert any(int(name[5:]) >= 5 for name in mixed[0])
    every = load_source(asked.model_copy(update={"shuffle_seed": 0, "limit": None}))
    assert [p.id for p in every][:5] == mixed[0] and len(every) == 30


@pytest.mark.parametrize(
    ("bad", "share", "taken"), [(1, 0.1, True), (2, 0.1, False), (0, 0.0, True), (1, 0.0, False)]
)
def test_so_large_a_share_of_bad_rows_is_left_out(tmp_path, bad, share, taken):
    """Of ten rows."""
    given = rows(10)
    for row in given[:bad]:
        row["a"] = ""
    notes: list[str] = []
    if taken:
        assert len(load_source(source(tmp_path, given, bad_rows=share), note=notes.append)) == 10 - bad
        assert [f"{bad} of 10 rows cannot be read and are left out" in note for note in notes] == [
            True
        ] * bool(bad)
    else:
        with pytest.raises(
            ProblemError, match=rf"{bad} of 10 rows cannot be read, more than bad_rows = {share:g}"
        ):
            load_source(source(tmp_path, given, bad_rows=share))


def test_ids_that_come_twice_are_copies_unless_the_column_was_named(tmp_path):
    given = [row | {"id": f"x{n // 2}"} for n, row in enumerate(rows(5))]
    with pytest.raises(ProblemError, match="id 'x0' is there twice; expected distinct ids"):
        load_source(source(tmp_path, given, id="id"))
    columns_known = [
        {"question": r["q"], "answer": r["a"], "id": i} for i, r in zip("aabac", rows(5), strict=True)
    ]
    notes: list[str] = []
    unnamed = SourceConfig(file=str(tmp_path / "own.jsonl"))
    (tmp_path / "own.jsonl").write_text("".join(json.dumps(row) + "\n" for row in columns_known))
    found = load_source(unnamed, note=notes.append)
    assert len({p.id for p in found}) == 5


def test_every_set_is_held_against_the_training_set_and_probes_are_named(tmp_path):
    def world(split: str) -> SourceConfig:
        return SourceConfig(world=split, limit=4)

    found = load_all(world("train"), world("heldout"), {"rare": world("rare")})
    assert [len(found.train), len(found.heldout), list(found.probes)] == [4, 4, ["rare"]]
    with pytest.raises(ProblemError, match=r"problems.train shares 4 problems with problems.probes.rare"):
        load_all(world("rare"), world("heldout"), {"rare": world("rare")})
    with pytest.raises(ProblemError, match=r"shares 4 problems with problems.heldout"):
        load_all(world("heldout"), world("heldout"))
    assert load_all(None, world("heldout")).train == []


def test_a_set_on_disk_is_a_sequence_like_a_list(monkeypatch):
    monkeypatch.setattr("rlvr.problems.on_disk.IN_MEMORY", 3)
    some = [Problem(f"p{n}", f"ä {n}", {"n": n}, {"m": n}, source="s") for n in range(5)]
    assert stored(iter(some[:3])) == some[:3]
    found = stored(iter(some))
    assert isinstance(found, Stored) and len(found) == 5 and list(found) == some
    assert found[-1] == some[-1] and found[1:4] == some[1:4] and found[::2] == some[::2]
    with pytest.raises(IndexError):
        found[5]


def test_a_row_is_known_by_its_number():
    assert Place("a/rows.jsonl", 7, "rows").id == "rows-7"
