"""What the readers of other systems' files share: what they are given, what they yield, and the scale of scores."""

from __future__ import annotations

import hashlib
import json
import operator
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

from rlvr.errors import UserError
from rlvr.rollouts.rows import parse, read_objects
from rlvr.text import line as short

Row = dict[str, Any]
"""One sample in our keys, as far as the file knows them: `problem_id` and `score` always. A key that the file does not
know is left out, never filled in (so this is no `Rollout`, which must say whether a trace is complete). Without
`sample`, rows are numbered per problem in their order."""


@dataclass(frozen=True, slots=True)
class Counts:
    """One problem of a file that says how many samples were right, but not which."""

    problem_id: str
    n: int
    c: int


@dataclass(frozen=True, slots=True)
class Options:
    """What the user says of files that can be read in several ways; each is an option of the command line."""

    filter: str | None = None
    """Of lm-evaluation-harness: whose answers are read."""
    score: str | None = None
    """Which of several verdicts is the score: the name of a column, a metric, a scorer."""
    right: str | None = None
    """The score that counts as right: a value ("1"), or a bound (">=0.5")."""
    columns: tuple[tuple[str, str], ...] = ()
    """(our key, column of the file), for rows of one's own; a dot reaches into a column."""
    where: tuple[tuple[str, str], ...] = ()
    """(column, value) that a row must have to be read."""
    unjudged: bool = False
    """Every sample, without a verdict: for `rlvr score`, where a file does not say which samples were right."""

    def given(self) -> dict[str, Any]:
        """The options that were set."""
        return {f.name: value for f in fields(self) if (value := getattr(self, f.name))}


DEFAULTS = Options()
"""Nothing was said."""


@dataclass
class Head:
    """The beginning of a file, by which its format is recognised."""

    path: Path
    start: bytes
    """A few bytes."""
    first: Any
    """The first line that is not blank, decoded; None where it is no JSON."""

    @classmethod
    def of(cls, path: Path) -> Head:
        with path.open("rb") as file:
            start = file.read(64).removeprefix(b"\xef\xbb\xbf").lstrip()
            file.seek(0)
            if not start.startswith((b"{", b"[")):
                return cls(path, start, None)
            line = next((line for line in file if line.strip()), b"").removeprefix(b"\xef\xbb\xbf")
        try:
            return cls(path, start, parse(line))
        except ValueError:
            return cls(path, start, None)

    @cached_property
    def whole(self) -> Any:
        """The file as one JSON value; None where it is none."""
        if self.first is None and not self.start.startswith((b"{", b"[")):
            return None
        try:
            return parse(self.path.read_bytes().removeprefix(b"\xef\xbb\xbf"))
        except ValueError:
            return None

    def has(self, *keys: str) -> bool:
        """The first line is an object with all of these keys."""
        return isinstance(self.first, dict) and all(key in self.first for key in keys)

    def holds(self, *keys: str) -> bool:
        """The file as a whole is one object with all of these keys (a line of JSONL may look like one)."""
        if self.first is not None and not self.has(*keys):
            return False
        return isinstance(self.whole, dict) and all(key in self.whole for key in keys)


@dataclass
class Reading:
    """One file being read: the reader adds to `settings` and `notes` while it yields its rows."""

    head: Head
    options: Options
    beside: Path
    """The file as it was given, without the ending of its packing: what lies beside it is named after that."""
    task: str = ""
    """Which of several tasks the file is of, where it says so: known before the first row is asked for."""
    settings: dict[str, Any] = field(default_factory=dict)
    """What holds for the whole file, in our names where we have them (temperature, top_p, max_new_tokens, model,
    verifier)."""
    notes: list[str] = field(default_factory=list)
    """What the user has to know of how the file was read."""

    at: str = ""
    """Where it stands ("file:line"), for the error about a row of another shape."""

    @property
    def path(self) -> Path:
        return self.head.path

    def objects(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """("file:line", object) of each line. Raises UserError for a line that is no object."""
        for number, _, obj in read_objects(self.path):
            where = self.at = f"{self.path}:{number}"
            if not isinstance(obj, dict):
                raise UserError(f"{where}: expected a JSON object, found {type(obj).__name__}")
            yield where, obj

    def one_step(self, step: Any, where: str) -> None:
        """Every row is of one step. Raises UserError: the policy moved between the rows of this file."""
        first = self.settings.setdefault("step", step)
        if step != first:
            raise UserError(
                f"{where}: step {step} after step {first}: the policy moved; give one file a step"
            )


class Format(Protocol):
    """A file format of another system: a module of this folder.

    >>> from rlvr.rollouts.importers import human_eval
    >>> human_eval.NAME, sorted(human_eval.OPTIONS)
    ('HumanEval results', [])
    """

    @property
    def NAME(self) -> str: ...  # noqa: N802
    @property
    def OPTIONS(self) -> frozenset[str]:  # noqa: N802
        """Fields of `Options` that it reads; any other is refused."""
        ...

    def recognises(self, head: Head) -> bool:
        """By content, never by the file's name."""
        ...

    def rows(self, reading: Reading) -> Iterator[Row | Counts]:
        """All rows, or all counts. Raises UserError with file and line, and what to type next."""
        ...


RIGHT = frozenset({"1", "1.0", "true", "correct", "c", "pass", "passed", "yes"})
WRONG = frozenset({"0", "0.0", "false", "incorrect", "i", "fail", "failed", "no"})
_BOUND = re.compile(r"\s*(>=|>|<=|<|==?)?\s*(.+?)\s*")
_COMPARE = {">=": operator.ge, ">": operator.gt, "<=": operator.le, "<": operator.lt}


class Scale:
    """One file's verdicts → 1.0, 0.0 or None. The scale is stated, never guessed from the values.

    >>> Scale("acc", None)(True, "f:1"), Scale("acc", None)("fail", "f:1"), Scale("score", ">=0.5")(0.7, "f:1")
    (1.0, 0.0, 1.0)

    Args:
        column: the name of the score in the file.
        right: `Options.right`.
    """

    def __init__(self, column: str, right: str | None) -> None:
        self.column, self.right = column, right
        self.seen: Counter[str] = Counter()
        how, text = "", ""
        if right is not None:
            match = _BOUND.fullmatch(right)
            if match is None:
                raise UserError(f"--right {right!r}: expected a value (1) or a bound ('>=0.5')")
            how, text = match[1] or "", match[2]
        self._compare, self._text, self._bound = _COMPARE.get(how), text, _number(text)
        if self._compare and self._bound is None:
            raise UserError(f"--right {right!r}: expected a number after {how}")

    def __call__(self, value: Any, where: str, others: str = "") -> float | None:
        """The score; None for null. `others` closes the error: what else could be the score.

        Raises:
            UserError: the value is on no scale that is known, and nothing was stated.
        """
        if value is None:
            return None
        said = value if isinstance(value, str) else str(value)
        if self.right is None:
            if said.strip().lower() in RIGHT:
                return 1.0
            if said.strip().lower() in WRONG:
                return 0.0
            raise UserError(
                f"{where}: {self.column} is {short(repr(value), 60)}, neither right (1, true, pass, …) nor wrong "
                f"(0, false, fail, …); say what counts as right, such as --right 1 or --right '>=0.5'{others}"
            )
        self.seen[said] += 1
        number = _number(value)
        if self._compare is None:
            equal = (
                number == self._bound
                if self._bound is not None and number is not None
                else said == self._text
            )
            return float(equal)
        if number is None or self._bound is None:
            raise UserError(
                f"{where}: {self.column} is {short(repr(value), 60)}; --right {self.right!r} needs a number"
            )
        return float(self._compare(number, self._bound))

    def note(self) -> list[str]:
        """What was seen, where it was more than one right and one wrong value."""
        if len(self.seen) < 3:
            return []
        shown = ", ".join(f"{short(value, 20)} ({count})" for value, count in self.seen.most_common(5))
        return [
            f"{self.column} has {len(self.seen)} values: {shown}{', …' if len(self.seen) > 5 else ''}; right is "
            f"{self.right}, all others are wrong"
        ]


def _number(value: Any) -> float | None:
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        return None


class Names:
    """Names of documents: one whose text stands twice in a data set is two documents, `NAME` and `NAME/2`."""

    def __init__(self) -> None:
        self._seen: Counter[str] = Counter()

    def __call__(self, name: str) -> str:
        self._seen[name] += 1
        return name if self._seen[name] == 1 else f"{name}/{self._seen[name]}"


def text_id(text: str) -> str:
    """A problem's name where the file has none: equal for equal texts, in every process.

    Raises UserError: there is no text, by which all problems would be one.
    """
    if not text.strip():
        raise UserError("nothing says which problem this is: it has no id, and its prompt is empty")
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def text_of(value: Any) -> str:
    """Text, chat messages or their parts as plain text, one after the other."""
    if isinstance(value, list):
        return "\n\n".join(text for part in value if (text := text_of(part)))
    if isinstance(value, Mapping):
        return text_of(value.get("content", value.get("text", "")))
    return "" if value is None else str(value)


def sampling(given: Any) -> dict[str, Any]:
    """Generation settings in our names, of those that are there."""
    if not isinstance(given, Mapping):
        return {}
    names = {
        "temperature": "temperature", "top_p": "top_p", "top_k": "top_k", "min_p": "min_p",
        "max_gen_toks": "max_new_tokens",
        "max_tokens": "max_new_tokens", "max_new_tokens": "max_new_tokens", "max_completion_tokens": "max_new_tokens",
        "max_output_tokens": "max_new_tokens",
        "until": "stop", "stop": "stop",
    }  # fmt: skip
    found = {ours: given[theirs] for theirs, ours in names.items() if given.get(theirs) is not None}
    if found.get("top_k") == -1:  # vLLM's word for all
        found["top_k"] = 0
    if given.get("do_sample") is False:
        found["temperature"] = 0.0
    return found


def at(record: Mapping[str, Any], path: str, where: str) -> Any:
    """The value of a column, or of a key in it: `extra_info.id`. Raises UserError: there is none."""
    if path in record:
        return record[path]
    value: Any = record
    for part in path.split("."):
        if not isinstance(value, Mapping) or part not in value:
            raise UserError(f"{where}: there is no column {path!r}; found {', '.join(map(str, record))}")
        value = value[part]
    return value


def keeps(record: Mapping[str, Any], wanted: Iterable[tuple[str, str]], where: str) -> bool:
    """The record has these values (`Options.where`). Raises UserError: it has no such column."""
    found = ((at(record, name, where), text) for name, text in wanted)
    return all(text == value or text == json.dumps(value, default=str) for value, text in found)


def counted(mean: float, n: int, where: str, name: str) -> tuple[int, int]:
    """(n, c) of a mean over n verdicts. Raises UserError: it is none, for c would be no whole number from 0 to n."""
    c = round(mean * n)
    if abs(mean * n - c) > 1e-6 or not 0 <= c <= n:
        raise UserError(
            f"{where}: {name} is {mean} over {n} samples, not a whole number of them: no mean of verdicts; choose "
            "another with --score"
        )
    return n, c


def list_of(obj: Mapping[str, Any], key: str, where: str, length: int | None = None) -> list[Any]:
    """The list under `key`. Raises UserError: it is no list, or not of this length."""
    value = obj.get(key)
    if not isinstance(value, list):
        raise UserError(f"{where}: {key} is {short(repr(value), 60)}; expected a list")
    if length is not None and len(value) != length:
        raise UserError(f"{where}: {key} has {len(value)} entries; expected {length}, one a sample")
    return value
