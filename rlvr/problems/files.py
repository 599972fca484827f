"""Rows of local files: JSONL, JSON, Parquet, CSV and Arrow, compressed or not; lists, globs and folders of them."""

from __future__ import annotations

import csv
import glob
import io
import json
import lzma
import os
import sys
import warnings
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO

from rlvr.config import SourceConfig
from rlvr.config.data import COMPRESSED, FILES, stem
from rlvr.files import opened
from rlvr.problems.rows import Place, ProblemError, Row, Rows, short
from rlvr.rollouts import TornLine

BATCH = 1000
"""Rows of a table that are in memory at once."""


@dataclass(frozen=True, slots=True)
class _Part:
    """One file, or one data set saved by `datasets`."""

    path: Path
    stem: str
    read: Callable[[Path, str], Iterable[Row]]


def file_rows(source: SourceConfig, where: str, base: Path | None) -> Rows:
    """The rows of the source's files, in the order of the list, those of a glob or folder sorted by name.

    A relative name is looked for in `base` (the config file's folder), then in the working directory.
    Raises ProblemError: no such file, an unknown kind of file, a split that is missing, contents that cannot be read.
    """
    given = [source.file] if isinstance(source.file, str) else source.file or ()
    paths = list(dict.fromkeys(chain.from_iterable(_found(name, where, base) for name in given)))
    parts = [part for path in paths for part in _parts(path, source.split, where)]
    names = _distinct_stems(parts)
    return (
        (Place(str(part.path), number, name), row)
        for part, name in zip(parts, names, strict=True)
        for number, row in enumerate(_guarded(part, where))
    )


def _found(name: str, where: str, base: Path | None) -> list[Path]:
    """The file or folder of that name, or those that fit a glob."""
    path = Path(name).expanduser()
    folders = [Path()] if path.is_absolute() else [folder for folder in (base, Path.cwd()) if folder]
    for folder in folders:
        if (folder / path).exists():
            return [folder / path]
        fitting = (folder / name for name in glob.glob(str(path), root_dir=folder, recursive=True))  # noqa: PTH207
        if files := sorted(found for found in fitting if found.is_file()):
            return files
    what = "no file fits" if glob.has_magic(name) else "there is no file"
    raise ProblemError(f"{where}.file: {what} {', nor '.join(dict.fromkeys(str(f / path) for f in folders))}")


def _parts(path: Path, split: str | None, where: str) -> list[_Part]:
    if not path.is_dir():
        return [_file(path, where)]
    if (path / "dataset_dict.json").is_file():
        kept = {
            p.name: [_Part(p, f"{path.name}-{p.name}", _saved)] for p in sorted(path.iterdir()) if p.is_dir()
        }
        return _of_split(kept, split, path, where)
    if (path / "state.json").is_file() and (path / "dataset_info.json").is_file():
        own = json.loads((path / "state.json").read_bytes()).get("_split") or "train"
        return _of_split({own: [_Part(path, path.name, _saved)]}, split, path, where)
    return _of_split(_shards(path, where), split, path, where)


def _shards(folder: Path, where: str) -> dict[str, list[_Part]]:
    """The files below a folder by split, told from their names as the Hub does it; without such names, one split."""
    from datasets.data_files import get_data_patterns, resolve_pattern

    def fitting(pattern: str) -> list[str]:
        with suppress(FileNotFoundError):  # of a split's patterns some fit nothing
            return resolve_pattern(pattern, str(folder))
        return []

    patterns: dict[str, list[str]] = {}
    with suppress(FileNotFoundError):
        patterns = get_data_patterns(str(folder))
    splits: dict[str, list[_Part]] = {}
    for split, names in patterns.items():
        files = {Path(found) for name in names for found in fitting(name)}
        known = [_file(path, where) for path in sorted(files) if _kind(path)[0] in FILES]
        if known:
            splits[str(split)] = [replace(part, stem=_below(folder, part)) for part in known]
    if not splits:
        raise ProblemError(
            f"{where}.file: the folder {folder} holds no {', '.join(FILES)} and no saved data set"
        )
    return splits


def _below(folder: Path, part: _Part) -> str:
    return str(Path(folder.resolve().name, os.path.relpath(part.path, folder)).parent / part.stem)


def _of_split(splits: dict[str, list[_Part]], split: str | None, folder: Path, where: str) -> list[_Part]:
    if split is None and len(splits) == 1:
        return next(iter(splits.values()))
    if split in splits:
        return splits[split]
    what = "is missing" if split is None else f"{split!r} is not there"
    raise ProblemError(f"{where}.split {what}; {folder} has {', '.join(splits)}")


def _file(path: Path, where: str) -> _Part:
    kind, packed = _kind(path)
    if kind not in READERS or (packed and kind in (".parquet", ".arrow")):
        raise ProblemError(
            f"{where}.file: {path} ends in {kind + packed!r}; expected {', '.join(READERS)}, or a folder "
            f"(all but .parquet and .arrow also packed: {', '.join(COMPRESSED)})"
        )
    return _Part(path, stem(path.name), READERS[kind])


def _kind(path: Path) -> tuple[str, str]:
    """The suffix that names the kind of file, and the suffix of its compression."""
    suffix = path.suffix.lower()
    return (path.with_suffix("").suffix.lower(), suffix) if suffix in COMPRESSED else (suffix, "")


def _distinct_stems(parts: Sequence[_Part]) -> list[str]:
    """A name for each part; where two are the same, the paths from the folder that all have in common."""
    names = [part.stem for part in parts]
    if len(set(names)) == len(names):
        return names
    folder = os.path.commonpath([part.path.parent.absolute() for part in parts])
    return [str(part.path.absolute().relative_to(folder)) for part in parts]


def _guarded(part: _Part, where: str) -> Iterator[Row]:
    """The part's rows; what the libraries raise, as a ProblemError that names the file."""
    try:
        yield from part.read(part.path, where)
    except ProblemError:
        raise
    except _UNREADABLE as error:
        kind = "saved data set" if part.path.is_dir() else _kind(part.path)[0][1:]
        raise ProblemError(f"{where}.file: {part.path} cannot be read as {kind}: {causes(error)}") from error


_UNREADABLE = (OSError, EOFError, ValueError, NotImplementedError, lzma.LZMAError, zlib.error, csv.Error)
"""Arrow's errors are ValueErrors and NotImplementedErrors too."""


def causes(error: BaseException) -> str:
    """The message and that of its cause: `datasets` wraps the cause in a message that says little."""
    cause = error.__cause__
    return short(str(error), 300) + (f" ({short(str(cause), 300)})" if cause is not None else "")


# --- one file ---------------------------------------------------------------------------------------------


def _opened(path: Path) -> BinaryIO:
    return opened(path, _kind(path)[1])


def _jsonl(path: Path, where: str) -> Iterator[Row]:
    """Rows exactly as written: through Arrow, mixed types fail and nested rows gain keys that they do not have.

    A last line that was cut short (not valid, without a line end) is left out with a `TornLine` warning.
    """
    read = False
    with _opened(path) as lines:
        for count, text in enumerate(lines, 1):
            if not text.strip():
                continue
            try:
                row = json.loads(text)
            except (ValueError, RecursionError) as error:
                if read and isinstance(error, json.JSONDecodeError) and not text.endswith(b"\n"):
                    message = f"{where}.file: {path}:{count}: the last line is cut short and was left out"
                    warnings.warn(message, TornLine, stacklevel=2)
                    return
                found = short(text.decode(errors="replace"))
                raise ProblemError(
                    f"{where}.file: {path}:{count}: not valid JSON ({error}): {found}"
                ) from None
            if not isinstance(row, dict):
                found = short(row)
                raise ProblemError(f"{where}.file: {path}:{count}: found {found}; expected a JSON object")
            yield row
            read = True


def _json(path: Path, where: str) -> Iterator[Row]:
    """A list of objects, below a key or not, or an object a line: `datasets` writes those to .json files too."""
    with _opened(path) as opened:
        first = opened.readline()
        more = opened.read()
    if more.strip() and _is_object(first):
        yield from _jsonl(path, where)
        return
    try:
        found = json.loads(first + more)
    except (ValueError, RecursionError) as error:
        raise ProblemError(f"{where}.file: {path}: not valid JSON ({error})") from None
    lists = [value for value in found.values() if _are_rows(value)] if isinstance(found, dict) else [found]
    if len(lists) != 1 or not _are_rows(lists[0]):
        raise ProblemError(f"{where}.file: {path}: found {short(found)}; expected a list of objects")
    yield from lists[0]


def _is_object(text: bytes) -> bool:
    try:
        return isinstance(json.loads(text), dict)
    except (ValueError, RecursionError):
        return False


def _are_rows(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(row, dict) for row in value)


def _csv(path: Path, where: str) -> Iterator[Row]:
    """Cells are texts; those that are a number or a truth value, written as Python writes it, become one; an empty
    cell is None. `007`, `1.50`, `NA` and `None` stay as they are."""
    csv.field_size_limit(sys.maxsize)
    with io.TextIOWrapper(_opened(path), "utf-8-sig", newline="") as text:
        lines = csv.reader(text, delimiter="\t" if _kind(path)[0] == ".tsv" else ",", strict=True)
        names = next(lines, [])
        if twice := [name for name in dict.fromkeys(names) if names.count(name) > 1]:
            raise ProblemError(f"{where}.file: {path}: the first line names {', '.join(twice)} twice")
        for cells in lines:
            if not cells:
                continue
            if len(cells) != len(names):
                raise ProblemError(
                    f"{where}.file: {path}:{lines.line_num}: found {len(cells)} cells; expected {len(names)}, as the "
                    f"first line has ({short(', '.join(names))})"
                )
            yield dict(zip(names, map(_cell, cells), strict=True))


def _cell(text: str) -> Any:
    if text in ("", "True", "False"):
        return {"True": True, "False": False}.get(text)
    for kind in (int, float):
        try:
            value = kind(text)
        except ValueError:
            continue
        if str(value) == text and text not in ("nan", "inf", "-inf"):
            return value
    return text


def _parquet(path: Path, where: str) -> Iterator[Row]:
    import pyarrow.parquet

    with pyarrow.parquet.ParquetFile(path) as table:
        for batch in table.iter_batches(batch_size=BATCH):
            yield from batch.to_pylist()


def _arrow(path: Path, where: str) -> Iterator[Row]:
    import datasets

    return table_rows(datasets.Dataset.from_file(str(path)))


def _saved(path: Path, where: str) -> Iterator[Row]:
    import datasets

    return table_rows(datasets.load_from_disk(str(path)))


def table_rows(table: Any) -> Iterator[Row]:
    """The rows of a `datasets.Dataset` as plain values: whatever format it was saved with, and no image decoded."""
    for batch in table.with_format("arrow").iter(BATCH):
        yield from batch.to_pylist()


READERS = dict(zip(FILES, (_jsonl, _json, _parquet, _csv, _csv, _arrow, _jsonl), strict=True))
