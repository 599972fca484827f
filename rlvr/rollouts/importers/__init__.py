"""Per-sample files of other systems, read as they lie: one module a format, tried in order, recognised by content.

`convert` writes our rows (or, where a file says only how many samples were right, our table of counts). A report on
such a file is a report on what `convert` wrote. Another format is another module in `FORMATS`.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any

from rlvr import files
from rlvr.errors import UserError
from rlvr.rollouts.importers import (
    eval_plus,
    human_eval,
    inspect_log,
    lighteval,
    live_code_bench,
    lm_eval,
    mapped,
    nemo_gym,
    nemo_skills,
    open_instruct,
    qwen_math,
    simple_evals,
    skyrl,
    trl_completions,
    verifiers_results,
    verifiers_traces,
    verl,
)
from rlvr.rollouts.importers.common import DEFAULTS, Counts, Format, Head, Options, Reading, Row
from rlvr.rollouts.places import as_unpacked, unpacked
from rlvr.rollouts.rows import settings_path, write_settings
from rlvr.text import line as short

__all__ = ["DEFAULTS", "FORMATS", "Imported", "Options", "convert", "recognise"]

FORMATS: tuple[Format, ...] = (
    lm_eval,
    verifiers_results,
    verifiers_traces,
    verl,
    human_eval,
    eval_plus,
    qwen_math,
    inspect_log,
    trl_completions,
    lighteval,
    live_code_bench,
    nemo_skills,
    nemo_gym,
    skyrl,
    open_instruct,
    simple_evals,
    mapped,
)

ONE_POLICY = ("model", "step", "temperature", "top_p", "max_new_tokens", "verifier", "lines")
"""Settings that agree among files that make one evaluation."""


@dataclass(frozen=True, slots=True)
class Imported:
    """What `convert` wrote."""

    path: Path
    """Our rows, or a CSV of counts."""
    format: str
    rows: int
    notes: tuple[str, ...]


def recognise(path: Path, options: Options = DEFAULTS) -> tuple[Format, Head] | None:
    """The format of a file; None for one that is ours, or unknown.

    Raises:
        UserError: an option was given that this format does not read, or the file is only a pointer to one.
    """
    head = Head.of(path)
    if head.start.startswith(b"version https://git-lfs"):
        raise UserError(f"{path}: is a Git LFS pointer, not the file itself; fetch that with `git lfs pull`")
    said = options.given()
    format = None
    if said or not head.has("problem_id", "score"):
        format = next((f for f in FORMATS if f.recognises(head)), None)
    if format is None and said and mapped.readable(head):
        format = mapped
    known = format.OPTIONS if format else frozenset()
    if unread := [_option(name) for name in said if name not in known]:
        what = f"recognised as {format.NAME}, which has" if format else "not a file of another system: it has"
        takes = ", ".join(map(_option, sorted(known))) or "no such option"
        raise UserError(
            f"{path}: {what} no {', '.join(unread)} (it takes {takes}). Where files of one report take different "
            "options, convert them one by one: rlvr import FILE … --into OUT.jsonl"
        )
    return (format, head) if format else None


def files_of(folder: Path) -> list[Path]:
    """The files below a folder that can be read as samples: those of another system, and rows of ours."""

    def readable(path: Path) -> bool:
        plain = unpacked(path)
        return recognise(plain) is not None or Head.of(plain).has("problem_id", "score")

    return [path for path in sorted(folder.rglob("*")) if path.is_file() and readable(path)]


def _option(name: str) -> str:
    return "--map" if name == "columns" else f"--{name}"


def convert(paths: Sequence[Path], into: Path, policy: str, options: Options = DEFAULTS) -> Imported:
    """Reads files of another system that make one evaluation (seeds, shards) and writes them as ours, atomically.

    Args:
        into: rows as JSONL; where the files hold counts only, a CSV of the same name.
        policy: who drew the samples.

    Raises:
        UserError: a file is of no known format, is malformed, or does not go with the others; it names file and line
            and says what to type next.
    """
    plain: dict[Path, Path] = {}
    for i, path in enumerate(paths):
        if path in paths[:i]:
            raise UserError(f"{path}: given twice; its samples would count twice")
        if path.resolve() == into.resolve():
            raise UserError(f"{path}: is the file to read and the file to write")
        if not path.is_file():
            raise UserError(f"{path}: {'is a folder' if path.is_dir() else 'there is no such file'}")
        plain[unpacked(path)] = path
    try:
        return _convert(plain, into, policy, options)
    except UserError as error:
        said = str(error)
        for copy, path in plain.items():
            said = said.replace(str(copy), str(path))
        raise UserError(said) from None


def _convert(plain: Mapping[Path, Path], into: Path, policy: str, options: Options) -> Imported:
    """Of files that are there; `plain` has what each holds, not packed, and where it was given."""
    readings: list[tuple[Format, Reading]] = []
    for path, given in plain.items():
        found = recognise(path, options)
        if found is None:
            raise UserError(f"{path}: not recognised; the formats are {', '.join(f.NAME for f in FORMATS)}")
        readings.append((found[0], Reading(found[1], options, as_unpacked(given))))
    paths = list(plain)
    if len(names := dict.fromkeys(format.NAME for format, _ in readings)) > 1:
        raise UserError(f"{paths[0]} and {len(paths) - 1} more: {' and '.join(names)}; expected one format")
    rows = [_begun(format, reading) for format, reading in readings]
    several = len({reading.task for _, reading in readings}) > 1
    each = chain.from_iterable(
        _named(format, reading, held, several) for (format, reading), held in zip(readings, rows, strict=True)
    )
    first = next(each, None)
    if first is None:
        raise UserError(f"{paths[0]}: recognised as {readings[0][0].NAME}; holds no sample")
    size, settings = 0, {}
    if isinstance(first[1], Counts):
        into = into.with_suffix(".csv")
        table = _sums(chain([first], each))
        size, settings = len(table), _settings([reading for _, reading in readings])
        files.replace(into, _csv_lines(table), wait=False)
    else:

        def lines() -> Iterator[bytes]:
            nonlocal size, settings
            for row in _numbered(chain([first], each), policy):
                size += 1
                yield (json.dumps(row, default=str) + "\n").encode()
            settings = _settings([reading for _, reading in readings])  # what it refuses is not written

        files.replace(into, lines(), wait=False)
    if settings:
        write_settings(into, settings)
    else:
        settings_path(into).unlink(missing_ok=True)
    notes = [
        f"{r.path.name}: read as {f.NAME}{'; ' if r.notes else ''}{'; '.join(r.notes)}" for f, r in readings
    ]
    return Imported(into, readings[0][0].NAME, size, tuple(notes))


def _begun(format: Format, reading: Reading) -> Iterator[Row | Counts]:
    with _as_read(format, reading):
        return format.rows(reading)


def _named(
    format: Format, reading: Reading, rows: Iterator[Row | Counts], several: bool
) -> Iterator[tuple[str, Row | Counts]]:
    """(where it stands, row) of one file, which is of one of several tasks."""
    with _as_read(format, reading):
        for row in rows:
            if isinstance(row, dict) and type(row.get("sample", 0)) is not int:
                raise UserError(
                    f"{reading.at}: sample is {short(repr(row['sample']), 60)}; expected a whole number"
                )
            yield reading.at or str(reading.path), _of_task(row, reading.task) if several else row


@contextmanager
def _as_read(format: Format, reading: Reading) -> Iterator[None]:
    """An error says as what the file was read, and where."""
    try:
        yield
    except UserError as error:
        said = str(error) if str(reading.path) in str(error) else f"{reading.at or reading.path}: {error}"
        raise UserError(f"{said} [recognised as {format.NAME}]") from None
    except (LookupError, TypeError, AttributeError, ArithmeticError, ValueError) as error:
        found = f"{type(error).__name__}: {short(error, 80)}"
        raise UserError(f"{reading.at or reading.path}: not as {format.NAME} is written ({found})") from error


def _of_task(row: Row | Counts, task: str) -> Row | Counts:
    """A row whose problem is of one task of several, which may have a document in common."""
    if isinstance(row, Counts):
        return replace(row, problem_id=f"{task}/{row.problem_id}")
    return row | {"problem_id": f"{task}/{row['problem_id']}", "source": task}


def _numbered(rows: Iterable[tuple[str, Row | Counts]], policy: str) -> Iterator[Row]:
    """Rows with a number of the draw that occurs once: the file's own, or the place among those of its problem."""
    drawn: dict[str, int] = {}
    taken: set[tuple[str, int]] = set()
    for where, row in rows:
        if isinstance(row, Counts):
            raise UserError(f"{where}: {MIXED}")
        problem = row["problem_id"]
        if "sample" in row:
            if (problem, row["sample"]) in taken:
                raise UserError(
                    f"{where}: problem {short(repr(problem), 60)}, sample {row['sample']} occurs twice; files that "
                    "make one evaluation must not repeat samples (--where COLUMN=VALUE keeps one kind of them)"
                )
            taken.add((problem, row["sample"]))
            sample = row["sample"]
        else:
            sample = drawn[problem] = drawn.get(problem, -1) + 1
        yield {"problem_id": problem, "sample": sample, "policy": policy} | row


MIXED = (
    "the samples of some problems can be told apart, those of others are only counted; expected one of both"
)


def _sums(rows: Iterable[tuple[str, Row | Counts]]) -> dict[str, tuple[int, int]]:
    table: dict[str, tuple[int, int]] = {}
    for where, row in rows:
        if not isinstance(row, Counts):
            raise UserError(f"{where}: {MIXED}")
        n, c = table.get(row.problem_id, (0, 0))
        table[row.problem_id] = (n + row.n, c + row.c)
    return table


def _csv_lines(table: dict[str, tuple[int, int]]) -> Iterator[bytes]:
    out = io.StringIO(newline="")
    write = csv.writer(out, lineterminator="\n").writerow
    write(("problem_id", "n", "c"))
    for problem, counts in table.items():
        write((problem, *counts))
    yield out.getvalue().encode()


def _settings(readings: Sequence[Reading]) -> dict[str, Any]:
    """What holds for all files of an evaluation; of several tasks, what holds for one stands under `sources`."""
    tasks = {
        task: _together([r for r in readings if r.task == task])
        for task in dict.fromkeys(r.task for r in readings)
    }
    first, *others = tasks.values()
    common = {key: value for key, value in first.items() if all(held.get(key) == value for held in others)}
    own = {
        task: {key: value for key, value in held.items() if key not in common} for task, held in tasks.items()
    }
    return common | ({"sources": own} if any(own.values()) else {})


def _together(readings: Sequence[Reading]) -> dict[str, Any]:
    """The settings of files that make one evaluation of one task; what differs and may (a seed) is a list."""
    merged: dict[str, Any] = {}
    for key in dict.fromkeys(key for reading in readings for key in reading.settings):
        values = [reading.settings.get(key) for reading in readings]
        merged[key] = values[0] if all(value == values[0] for value in values) else values
        if key in ONE_POLICY and merged[key] is values:
            raise UserError(
                f"{readings[0].path} and {len(values) - 1} more: {key} differs ({short(values, 100)}); "
                "they are not one evaluation"
            )
    return merged
