"""The rollout row: one sampled completion with its verdict, one line of JSON.

Both halves of the project meet here. The sampler and the verifiers write these rows; the trainer and the
analysis read them, as does whoever has rows from another system. What holds for a whole file (model,
temperature, verifier and its options, versions) is beside it in `NAME.settings.json`.
"""

from __future__ import annotations

import json
import math
import os
import warnings
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, Literal, NotRequired, Self, TypedDict

import orjson

from rlvr import files
from rlvr.errors import UserError
from rlvr.rollouts.keys import KEYS, Key
from rlvr.text import line as short
from verifiers.types import is_score


class TornLine(UserWarning):
    """The last line of a rollout file was cut short, as a killed writer leaves it."""


class TurnJson(TypedDict):
    """One turn of a row that has several: who wrote it decides what is trained on and judged."""

    by: Literal["policy", "evidence"]
    text: str
    token_ids: NotRequired[list[int]]
    score: NotRequired[float | None]
    """Of this turn by itself, where each turn of the policy is an attempt; so `status` and `answer`."""
    status: NotRequired[str]
    answer: NotRequired[str | None]


@dataclass(frozen=True, slots=True)
class Rollout:
    """One sample z, y for problem x, and what the verifier said of it.

    >>> Rollout("p1", 0, "base", "1+1?", "… so \\\\boxed{2}", "2", True, 9, score=1.0, status="correct")
    """

    problem_id: str
    sample: int
    """Number of the draw: (problem_id, sample) is unique in a file."""
    policy: str
    """Who drew it: "base", "step-50", "tuned", …"""
    prompt: str
    """x, the problem's own text (the evidence around it is in the file's settings)."""
    trace: str
    """What the policy wrote, whole: z and the words that state y. Of several turns, its own, one after the other."""
    answer: str | None
    complete: bool
    """It ended by itself; False where the token limit cut it."""
    tokens: int
    logprobs: dict[str, float] = field(default_factory=dict)
    """Policy's name → nats of the whole completion under that policy's sampling distribution."""
    score: float | None = None
    """What the run rewards; None where no verdict was possible or none has been asked for yet."""
    answer_score: float | None = None
    sound: float | None = None
    status: str = ""
    detail: str = ""
    verifier: str = ""
    source: str | None = None
    """Name of the problem's source, where its set has several; None in a set of one source without a name."""
    seed: int = 0
    reference: Any = None
    """What the verifier held the answer against: the problem's reference, a JSON value."""
    token_ids: list[int] | None = None
    """The completion's tokens; None where the row comes from a system that does not keep them."""
    turns: list[TurnJson] | None = None
    """The whole transcript after the prompt; None where the policy's one completion is all of it."""
    extra: dict[str, Any] = field(default_factory=dict)
    """Keys that are not ours; written back at the top level, after ours."""

    @classmethod
    def from_json(cls, obj: Any, where: str = "row") -> Self:
        """The row in a decoded JSON object. `where` ("file:line") opens the message of any error.

        Raises UserError for a missing key or a value of the wrong type.
        """
        if not isinstance(obj, dict):
            raise UserError(f"{where}: expected a JSON object, found {type(obj).__name__}")
        if missing := [key.name for key in KEYS if key.required and key.name not in obj]:
            raise UserError(f"{where}: a rollout needs {', '.join(missing)}")
        values: dict[str, Any] = {
            key.name: _checked(key, obj[key.name], where) for key in KEYS if key.name in obj
        }
        if "logprobs" in values:
            values["logprobs"] = {k: _nats(v, k, where) for k, v in values["logprobs"].items()}
        for name in ("score", "answer_score", "sound"):
            if values.get(name) is not None:
                values[name] = float(values[name])
        return cls(**values, extra={k: v for k, v in obj.items() if k not in values})

    def to_json_line(self) -> str:
        """One line of JSON without its line end. Raises ValueError where it could not be read back: a
        log-probability is NaN, a turn is malformed, or `extra` holds a key of the row itself."""
        named = {key.name: (key, getattr(self, key.name)) for key in KEYS}
        if clash := self.extra.keys() & named.keys():
            raise ValueError(f"extra holds keys of the row itself: {', '.join(sorted(clash))}")
        what = f"problem {self.problem_id}, sample {self.sample}"
        row: dict[str, Any] = {}
        for name, (key, value) in named.items():
            if key.valid:
                _checked(key, value, what)
            if value is not None or key.written_if_none:
                row[name] = value
        # JSON has no infinity, yet a trace that a policy cannot write is honestly −inf: it travels as text.
        row["logprobs"] = {k: v if math.isfinite(v) else str(float(v)) for k, v in self.logprobs.items()}
        if "nan" in row["logprobs"].values():
            raise ValueError(f"{what}: a log-probability is NaN")
        return _dumped(row | self.extra)


def _dumped(row: dict[str, Any]) -> str:
    """JSON, strict but for a NaN or an infinity in the reference, which a code problem may expect as a result.
    `parse` reads those too."""
    try:
        line = json.dumps(row, ensure_ascii=False, allow_nan=False)
    except ValueError:
        json.dumps(
            {k: v for k, v in row.items() if k != "reference"}, allow_nan=False
        )  # raises if it is not that
        line = json.dumps(row, ensure_ascii=False)
    try:
        line.encode()
    except UnicodeEncodeError:  # a lone surrogate is not UTF-8, but can be written as an escape
        line = json.dumps(row)
    return line


def _checked(key: Key, value: Any, where: str) -> Any:
    if (
        not isinstance(value, key.kinds)
        or (isinstance(value, bool) and not {bool, object} & set(key.kinds))
        or (key.valid and not key.valid(value))
    ):
        raise UserError(f"{where}: {key.name} is {short(repr(value), 60)}; expected {key.expected}")
    return value


def _nats(value: Any, policy: str, where: str) -> float:
    try:
        nats = float(value)
    except (TypeError, ValueError, OverflowError):
        nats = math.nan
    if math.isnan(nats) or isinstance(value, bool):
        raise UserError(
            f"{where}: logprobs[{policy!r}] is {short(repr(value), 60)}; expected a number of nats"
        )
    return nats


def parse(line: bytes) -> Any:
    """One line of JSON, decoded. Raises ValueError.

    orjson is several times faster than the standard library but refuses what JSON strictly does not allow
    and other people's files hold all the same: NaN, Infinity, lone surrogates.
    """
    try:
        return orjson.loads(line)
    except orjson.JSONDecodeError:
        try:
            return json.loads(line)
        except RecursionError:
            raise ValueError("nested too deeply") from None


def read_objects(path: Path, lines: range | None = None) -> Iterator[tuple[int, int, Any]]:
    """(line number, byte offset, decoded value) of every line; a byte-order mark, CRLF and blank lines pass.

    Args:
        lines: only these, the first being 0.

    A torn last line is left out with a `TornLine` warning; any other bad line raises UserError.
    Both name file and line.
    """
    with Path(path).open("rb") as file:
        offset = 0
        for number, line in islice(enumerate(file, 1), lines.stop if lines else None):
            start, offset = offset, offset + len(line)
            if lines and number <= lines.start:
                continue
            if number == 1 and line.startswith(b"\xef\xbb\xbf"):
                start, line = 3, line[3:]
            if line.isspace() or not line:
                continue
            try:
                value = parse(line)
            except ValueError as error:
                if line.endswith(b"\n"):
                    raise UserError(f"{path}:{number}: not a line of JSON ({error})") from None
                message = f"{path}:{number}: the last line is cut short and was left out"
                warnings.warn(message, TornLine, stacklevel=2)
            else:
                yield number, start, value


def read(path: Path, lines: range | None = None) -> Iterator[Rollout]:
    """The rows of a file, one at a time. Raises UserError with file and line; see `read_objects`."""
    for number, _, obj in read_objects(path, lines):
        yield Rollout.from_json(obj, f"{path}:{number}")


def count(path: Path) -> int:
    """Whole lines of the file; 0 where there is none."""
    if not path.exists():
        return 0
    with path.open("rb") as stream:
        return sum(chunk.count(b"\n") for chunk in iter(lambda: stream.read(1 << 20), b""))


def is_torn(path: Path) -> bool:
    """The last line has no end; False where there is no file, or nothing in it."""
    if not path.exists() or not path.stat().st_size:
        return False
    with path.open("rb") as stream:
        stream.seek(-1, os.SEEK_END)
        return stream.read() != b"\n"


def append(path: Path, rows: Iterable[Rollout]) -> None:
    """Adds `rows` in one write and waits until they are on disk. One writer at a time.

    A torn last line left by a killed writer is cut off first, with a `TornLine` warning. Where the write
    fails (a full disk), the file is put back to what it was and the error raised.
    """
    data = "".join(row.to_json_line() + "\n" for row in rows).encode()
    path = Path(path)
    fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        end = _sound_end(fd, path)
        if end is None:  # a whole last line, only its line end is missing
            end, data = os.fstat(fd).st_size, b"\n" + data
        try:
            written = 0
            while written < len(data):
                written += os.pwrite(fd, data[written:], end + written)
            os.fsync(fd)
        except OSError:
            os.ftruncate(fd, end)
            raise
    finally:
        os.close(fd)


def _sound_end(fd: int, path: Path) -> int | None:
    """Where the last whole line ends, after cutting off a torn one; None for a whole line without its end."""
    size = os.fstat(fd).st_size
    tail, start = b"", size
    while start > 0 and b"\n" not in tail:
        step = min(1 << 16, start)
        start -= step
        tail = os.pread(fd, step, start) + tail
    last = tail[tail.rfind(b"\n") + 1 :]
    if not last.strip():
        return size
    try:
        parse(last)
        return None
    except ValueError:
        warnings.warn(
            f"{path}: the last line was cut short ({len(last)} bytes) and has been removed",
            TornLine,
            stacklevel=3,
        )
        os.ftruncate(fd, size - len(last))
        return size - len(last)


def rewrite(path: Path, rows: Iterable[Rollout], wait: bool = True) -> None:
    """Puts `rows` in place of the file's content, atomically: a reader sees the old file or the new one.
    `wait` as in `files.replace`."""
    files.replace(Path(path), ((row.to_json_line() + "\n").encode() for row in rows), wait)


def settings_path(path: Path) -> Path:
    """`rollouts/base.jsonl` → `rollouts/base.settings.json`."""
    return Path(path).with_suffix(".settings.json")


def write_settings(path: Path, settings: Mapping[str, Any]) -> None:
    """Writes what holds for the whole rollout file `path` beside it, atomically."""
    text = json.dumps(dict(settings), indent=2, ensure_ascii=False, allow_nan=False)
    files.replace(settings_path(path), [text.encode(), b"\n"])


def read_settings(path: Path) -> dict[str, Any]:
    """The settings beside the rollout file `path`; empty where there are none."""
    beside = settings_path(path)
    if not beside.exists():
        return {}
    try:
        settings = json.loads(beside.read_text(encoding="utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise UserError(f"{beside}: not JSON ({error})") from None
    if not isinstance(settings, dict):
        raise UserError(f"{beside}: expected a JSON object, found {type(settings).__name__}")
    return settings


def pass_marks(path: Path, settings: Mapping[str, Any]) -> dict[str, float]:
    """The score from which a sample counts as solved: by source, under "" where a source has none of its own.

    Args:
        settings: those of the rollout file `path`.

    Raises:
        UserError: one is not a number above 0, at most 1.
    """
    held = settings.get("sources")
    found: dict[str, Any] = {"": settings.get("pass_mark", 1.0)}
    for name, said in held.items() if isinstance(held, dict) else ():
        if isinstance(said, dict):
            found[name] = said.get("pass_mark", 1.0)
    for mark in found.values():
        if not is_score(mark) or mark == 0:
            raise UserError(
                f"{settings_path(path)}: pass_mark is {mark!r}; expected a number above 0, at most 1"
            )
    return found
