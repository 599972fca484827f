"""Rows of one's own making: `--map problem_id=qid` says where our keys lie, `--score` and `--right` what is right."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rlvr.errors import UserError
from rlvr.rollouts.importers.common import (
    RIGHT,
    WRONG,
    Counts,
    Head,
    Reading,
    Row,
    Scale,
    at,
    keeps,
    text_id,
    text_of,
)
from rlvr.rollouts.importers.records import first_of_array, header, is_keyed, is_table, records
from rlvr.rollouts.keys import KEYS as OURS
from rlvr.text import line as short
from verifiers.types import is_score

NAME = "rows of one's own"
OPTIONS = frozenset({"score", "right", "columns", "where"})

KEYS = (
    "problem_id", "sample", "prompt", "reference", "trace", "answer", "complete", "tokens", "status", "source",
    "n", "c", "samples",
)  # fmt: skip
"""What `--map` may name besides `score`. `samples`: a list of one problem's samples; `n` and `c`: counts."""


def recognises(head: Head) -> bool:
    """What needs no word: a CSV or an array with our two keys, an object of verdicts. All else is read where an option
    says how (`is_table`)."""
    if head.start.startswith(b"["):
        return {"problem_id", "score"} <= first_of_array(head).keys()
    if head.start.startswith(b"{"):
        return is_keyed(head) and all(isinstance(verdict, bool) for verdict in head.whole.values())
    names = header(head) if not head.start.startswith((b"PK", b"PAR1")) else []
    return {"problem_id", "score"} <= set(names) and not {"n", "c"} <= set(names)


readable = is_table

_OF_ROWS = tuple(key for key in KEYS if key not in ("n", "c", "samples"))
_KINDS = {key.name: key.kinds for key in OURS}


def rows(reading: Reading) -> Iterator[Row | Counts]:
    columns = dict(reading.options.columns)
    if unknown := [key for key in columns if key not in (*KEYS, "score")]:
        raise UserError(f"--map {unknown[0]}=…: expected one of {', '.join(('score', *KEYS))}")
    score = columns.pop("score", None)
    if score and reading.options.score and score != reading.options.score:
        raise UserError(f"--map score={score} and --score {reading.options.score} say two things")
    score = score or reading.options.score or "score"
    reading.settings["verifier"] = score
    scale = Scale(score, reading.options.right)
    kept = left = 0
    for where, record in records(reading):
        for sample in _samples(record, columns, where):
            if not keeps(sample, reading.options.where, where):
                left += 1
                continue
            kept += 1
            yield _row(sample, columns, scale, where)
    if reading.options.where:
        if not kept:
            raise UserError(f"{reading.path}: --where leaves none of {left} rows")
        reading.notes.append(f"--where left out {left} of {kept + left} rows")
    reading.notes.extend(scale.note())


def _samples(record: dict[str, Any], columns: Mapping[str, str], where: str) -> Iterator[dict[str, Any]]:
    """The record; or each of the samples in it, with what the record says of all of them."""
    name = columns.get("samples")
    if name is None:
        yield record
        return
    listed = at(record, name, where)
    if not isinstance(listed, list):
        raise UserError(f"{where}: {name} is {short(repr(listed), 60)}; expected a list of samples")
    shared = {key: value for key, value in record.items() if key != name}
    for sample in listed:
        yield shared | (sample if isinstance(sample, dict) else {"score": sample})


def _row(record: dict[str, Any], columns: Mapping[str, str], scale: Scale, where: str) -> Row | Counts:
    found = {key: at(record, columns[key], where) for key in _OF_ROWS if key in columns}
    found |= {key: record[key] for key in _OF_ROWS if key not in columns and key in record}
    if found.get("problem_id") is None:
        if found.get("prompt") is None:
            raise UserError(
                f"{where}: there is no problem_id; name its column with --map problem_id=COLUMN (or prompt=COLUMN); "
                f"found {', '.join(record)}"
            )
        found["problem_id"] = text_id(text_of(found["prompt"]))
    problem = str(found["problem_id"])
    if "n" in columns or "c" in columns:
        n, c = (_whole(at(record, columns.get(key, key), where), key, where) for key in ("n", "c"))
        if not 0 <= c <= n:
            raise UserError(f"{where}: c is {c}; expected 0 to n = {n}")
        return Counts(problem, n, c)
    value = at(record, scale.column, where)
    ours = scale.column == "score" and scale.right is None and is_score(value)
    others = f"; or name another column with --score NAME: {', '.join(map(str, record))}"
    row: Row = {"problem_id": problem, "score": float(value) if ours else scale(value, where, others)}
    for key in ("sample", "tokens"):
        if found.get(key) not in (None, ""):
            row[key] = _whole(found[key], key, where)
    for key in ("prompt", "trace"):
        if found.get(key) is not None:
            row[key] = text_of(found[key])
    for key in ("answer", "status"):
        if key in found:
            row[key] = None if found[key] in (None, "") else str(found[key])
    if found.get("complete") not in (None, ""):
        said = str(found["complete"]).lower()
        if said not in RIGHT | WRONG:
            raise UserError(
                f"{where}: complete is {short(repr(found['complete']), 60)}; expected true or false"
            )
        row["complete"] = said in RIGHT
    row |= {key: found[key] for key in ("reference", "source") if found.get(key) is not None}
    taken = {*row, *KEYS, *columns.values(), scale.column}
    return row | {key: value for key, value in record.items() if key not in taken and _kept(key, value)}


def _whole(value: Any, key: str, where: str) -> int:
    try:
        number = float(value)
        if number != int(number):
            raise ValueError
    except (TypeError, ValueError, OverflowError):
        raise UserError(f"{where}: {key} is {short(repr(value), 60)}; expected a whole number") from None
    return int(number)


def _kept(key: str, value: Any) -> bool:
    """A further column that a row can hold: JSON (Parquet has dates and bytes too), and no key of ours that means
    another thing there (`logprobs` as a list)."""
    return isinstance(value, _KINDS.get(key, (str, int, float, list, dict, type(None))))
