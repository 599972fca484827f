"""Records of any container: JSONL, one JSON array or object, CSV, Parquet."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from typing import Any

from rlvr.errors import UserError
from rlvr.rollouts.importers.common import Head, Reading

PARQUET = b"PAR1"


def is_table(head: Head) -> bool:
    """The file is one of the containers that `records` reads."""
    if isinstance(head.first, dict) or head.start.startswith(PARQUET):
        return True
    return (
        isinstance(head.whole, dict | list) if head.start.startswith((b"{", b"[")) else len(header(head)) > 1
    )


def header(head: Head) -> list[str]:
    """Names of a CSV's columns; empty where the file is no text."""
    try:
        with head.path.open(newline="", encoding="utf-8-sig") as file:
            return [name.strip() for name in next(csv.reader(file), [])]
    except (UnicodeDecodeError, csv.Error):
        return []


def parquet_columns(head: Head) -> dict[str, str]:
    """Name → type of a Parquet file's columns; empty for any other file."""
    if not head.start.startswith(PARQUET):
        return {}
    import pyarrow
    import pyarrow.parquet

    try:
        return {field.name: str(field.type) for field in pyarrow.parquet.read_schema(head.path)}
    except (pyarrow.ArrowException, OSError) as error:
        raise UserError(f"{head.path}: not a Parquet file that can be read ({error})") from None


def first_of_array(head: Head) -> dict[str, Any]:
    """The first object of a JSON array; empty for any other file."""
    held = head.whole if head.start.startswith(b"[") else None
    return held[0] if isinstance(held, list) and held and isinstance(held[0], dict) else {}


def records(reading: Reading) -> Iterator[tuple[str, dict[str, Any]]]:
    """("file: where in it", record) of each record, in order.

    One JSON object is a record per key: `{"ID": {…}}`, or `{"ID": true}`, whose value then is `score`; the key is
    `problem_id`.
    """
    for where, record in _each(reading):
        reading.at = where
        if not isinstance(record, dict):
            raise UserError(f"{where}: expected an object, found {type(record).__name__}")
        yield where, record


def _each(reading: Reading) -> Iterator[tuple[str, Any]]:
    head = reading.head
    if head.start.startswith(PARQUET):
        yield from _parquet(reading)
    elif not head.start.startswith((b"{", b"[")):
        yield from _csv(reading)
    elif isinstance(head.first, dict) and not is_keyed(head):
        yield from reading.objects()
    elif isinstance(head.whole, list):
        yield from ((f"{reading.path}: [{i}]", record) for i, record in enumerate(head.whole))
    else:
        for name, value in (head.whole or {}).items():
            record = value if isinstance(value, dict) else {"score": value}
            yield f"{reading.path}: [{name!r}]", {"problem_id": name} | record


def is_keyed(head: Head) -> bool:
    """The file is one object of which every value is a verdict, or every value an object: `{"ID": true, …}`.

    A line of JSONL may hold objects too, so where the first line is JSON, it must be the only one.
    """
    if head.start.startswith(b"[") or (head.first is not None and not _single_line(head)):
        return False
    held = head.whole
    if not isinstance(held, dict) or not held:
        return False
    return all(isinstance(v, bool) for v in held.values()) or all(isinstance(v, dict) for v in held.values())


def _single_line(head: Head) -> bool:
    with head.path.open("rb") as file:
        return sum(1 for _, line in zip(range(2), (line for line in file if line.strip()), strict=False)) == 1


def _csv(reading: Reading) -> Iterator[tuple[str, Any]]:
    with reading.path.open(newline="", encoding="utf-8-sig") as file:
        reader = csv.DictReader(file)
        reader.fieldnames = [name.strip() for name in reader.fieldnames or ()]
        try:
            for row in reader:
                where = f"{reading.path}:{reader.line_num}"
                if None in row or None in row.values():
                    raise UserError(f"{where}: expected {len(reader.fieldnames)} values, one a column")
                yield where, row
        except (csv.Error, UnicodeDecodeError) as error:
            raise UserError(f"{reading.path}:{reader.line_num + 1}: not a line of CSV ({error})") from None


def _parquet(reading: Reading) -> Iterator[tuple[str, Any]]:
    import pyarrow
    import pyarrow.parquet

    try:
        with pyarrow.parquet.ParquetFile(reading.path) as table:
            number = 0
            for batch in table.iter_batches(1024):
                for record in batch.to_pylist():
                    number += 1
                    yield f"{reading.path}: row {number}", record
    except (pyarrow.ArrowException, OSError) as error:
        raise UserError(f"{reading.path}: not a Parquet file that can be read ({error})") from None
