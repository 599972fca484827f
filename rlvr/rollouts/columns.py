"""A rollout file as columns: what the statistics need of each row, and where in the file its text lies.

A million rows of 1 kB become some 70 MB of arrays; traces stay on disk and are fetched by byte offset when
the page wants to show some.
"""

from __future__ import annotations

import json
import math
import os
import warnings
from array import array
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from rlvr.errors import RewrittenError, UserError
from rlvr.rollouts.keys import KEYS, Names, Numbers
from rlvr.rollouts.rows import TornLine, parse, read_objects
from rlvr.text import line as short

REFERENCE = 2000
"""Characters of a reference that are kept."""


@dataclass(frozen=True, slots=True)
class Columns:
    """One entry per row, in file order; `problem` and `status` are codes into `problems` and `statuses`."""

    path: Path
    problems: tuple[str, ...]
    statuses: tuple[str, ...]
    problem: np.ndarray
    sample: np.ndarray
    score: np.ndarray
    """From 0 to 1, or NaN where the row holds null."""
    sound: np.ndarray
    """1.0 or 0.0 for the reasoning alone, NaN where nobody looked at it."""
    answer_score: np.ndarray
    """As `score`, for the answer alone."""
    complete: np.ndarray
    """1, 0, or −1 where the row does not say."""
    tokens: np.ndarray
    """−1 where the row does not say."""
    status: np.ndarray
    answer: np.ndarray
    """Hash of the canonical answer: equality is all that is asked of it. 0 where there is none."""
    trace: np.ndarray
    """Hash of the whole trace; 0 where the row has none."""
    logprobs: dict[str, np.ndarray]
    """Policy → nats per row, NaN where the row does not say."""
    offset: np.ndarray
    inode: int
    """Of the file that the offsets are of: a run replaces evaluations by rescored ones."""
    prompts: dict[int, str]
    references: dict[int, str]
    """Of each problem, the beginning: the tests of a code problem may be long."""
    present: frozenset[str]
    """Keys of the contract that the first row has."""
    sources: tuple[str, ...]
    """Names of the sources; "" of rows that do not say."""
    source: np.ndarray
    """Code of each row's source."""
    verifiers: dict[str, int]
    """Verifier's name → number of its first line."""
    mixed: dict[str, dict[str, int]]
    """Source that several verifiers judged → verifier's name → number of its first line there."""
    policies: dict[str, int]
    """Name of who drew → number of its first line."""
    notes: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.problem)

    def rows(self, which: Iterable[int]) -> list[dict[str, Any]]:
        """The whole rows with these numbers, read again from the file.

        Raises RewrittenError: another file stands in its place.
        """
        out = []
        with self.path.open("rb") as file:
            if os.fstat(file.fileno()).st_ino != self.inode:
                raise RewrittenError(f"{self.path}: was written anew while it was read; read it again")
            for at in which:
                file.seek(int(self.offset[at]))
                out.append(parse(file.readline()))
        return out


_NUMBERS = {key.name: key.column for key in KEYS if isinstance(key.column, Numbers)}
_NAMES = {key.name: key.column for key in KEYS if isinstance(key.column, Names)}
_EXPECTED = {key.name: key.expected for key in KEYS} | {
    name: c.expected for name, c in (_NUMBERS | _NAMES).items()
}


@dataclass(slots=True)
class _Builder:
    """One array per column, and the names that codes in them refer to."""

    path: Path
    drew: str | None
    codes: dict[str, int] = field(default_factory=dict)
    problem: array = field(default_factory=lambda: array("i"))
    sample: array = field(default_factory=lambda: array("i"))
    offset: array = field(default_factory=lambda: array("q"))
    line: array = field(default_factory=lambda: array("i"))
    columns: dict[str, array] = field(
        default_factory=lambda: (
            {n: array(c.typecode) for n, c in _NUMBERS.items()} | {n: array("i") for n in _NAMES}
        )
    )
    names: dict[str, dict[str, int]] = field(default_factory=lambda: {name: {} for name in _NAMES})
    logprobs: dict[str, array] = field(default_factory=dict)
    drawn: dict[int, int] = field(default_factory=dict)
    """Problem → samples so far, where the rows do not number them."""
    prompts: dict[int, str] = field(default_factory=dict)
    references: dict[int, str] = field(default_factory=dict)
    present: frozenset[str] | None = None

    def read(self, rows: Iterable[tuple[int, int, Any]]) -> None:
        """All rows, as `read_objects` gives them."""
        encoders = {name: column.encode for name, column in _NUMBERS.items()}
        encoders |= {name: _numbered(self.names[name], column) for name, column in _NAMES.items()}
        each = [(name, encode, self.columns[name].append) for name, encode in encoders.items()]
        for number, offset, obj in rows:
            if not isinstance(obj, dict) or "problem_id" not in obj or "score" not in obj:
                raise UserError(f"{self.path}:{number}: {_what_is_missing(obj)}")
            if self.present is None:
                self.present = frozenset(obj)
            get = obj.get
            name = "problem_id"
            try:
                code = self._add_problem(obj[name])
                name = "sample"
                self._add_sample(code, get(name))
                for name, encode, append in each:  # an error names the one at fault
                    append(encode(get(name)))
            except (KeyError, TypeError, OverflowError):
                raise UserError(f"{self.path}:{number}: {_is_wrong(name, obj.get(name))}") from None
            self.offset.append(offset)
            self.line.append(number)
            if nats := get("logprobs"):
                self._add_nats(nats, number, get("policy") or self.drew)
            if code not in self.prompts and isinstance(prompt := get("prompt"), str):
                self.prompts[code] = prompt
            if code not in self.references and (reference := get("reference")) is not None:
                text = reference if isinstance(reference, str) else json.dumps(reference, ensure_ascii=False)
                self.references[code] = text[:REFERENCE]

    def _add_problem(self, name: Any) -> int:
        if not isinstance(name, str):
            if not isinstance(name, int) or isinstance(name, bool):
                raise TypeError
            name = str(name)
        code = self.codes.setdefault(name, len(self.codes))
        self.problem.append(code)
        return code

    def _add_sample(self, problem: int, sample: Any) -> None:
        if sample is None:
            sample = self.drawn.get(problem, 0)
            self.drawn[problem] = sample + 1
        self.sample.append(sample)

    def _add_nats(self, nats: Any, number: int, drew: str | None) -> None:
        if not isinstance(nats, dict):
            raise UserError(f"{self.path}:{number}: {_is_wrong('logprobs', nats)}")
        rows = len(self.problem)
        for policy, value in nats.items():
            column = self.logprobs.setdefault(policy, array("d"))
            if len(column) < rows - 1:
                column.extend([math.nan] * (rows - 1 - len(column)))
            if value is None:
                column.append(math.nan)
                continue
            try:
                nat = math.nan if isinstance(value, bool) else float(value)
            except (TypeError, ValueError, OverflowError):  # an integer of hundreds of digits
                nat = math.nan
            if not nat <= 1e-3:  # a sum of rounded logarithms may come out a hair above 0
                raise UserError(
                    f"{self.path}:{number}: logprobs[{policy!r}] is {_shown(value)}; expected nats of the whole "
                    "completion, at most 0, or null"
                )
            if nat == -math.inf and policy == drew:
                raise UserError(
                    f"{self.path}:{number}: logprobs[{policy!r}] is {value!r} for a sample that {policy!r} drew; "
                    "expected a finite number"
                )
            column.append(nat)

    def first_lines(self, name: str) -> dict[str, int]:
        """Each name of a column of names → number of the line on which it first occurs."""
        codes, first = np.unique(np.asarray(self.columns[name]), return_index=True)
        said = tuple(self.names[name])
        lines = ((said[code], self.line[row]) for code, row in zip(codes, first, strict=True))
        return {name: line for name, line in lines if name}

    def several_verifiers(self) -> dict[str, dict[str, int]]:
        """Sources with more than one verifier → each one's name → number of its first line there."""
        said, sources = tuple(self.names["verifier"]), tuple(self.names["source"])
        if len(said) < 2:
            return {}
        source, verifier = (
            np.asarray(self.columns[name]).astype(np.int64) for name in ("source", "verifier")
        )
        pairs, first = np.unique(source * len(said) + verifier, return_index=True)
        named = np.array([bool(name) for name in said])[pairs % len(said)]
        pairs, first = pairs[named], first[named]
        which, count = np.unique(pairs // len(said), return_counts=True)
        several = set(which[count > 1].tolist())
        found: dict[str, dict[str, int]] = {}
        for pair, row in zip(pairs, first, strict=True):
            if pair // len(said) in several:
                found.setdefault(sources[pair // len(said)], {})[said[pair % len(said)]] = self.line[row]
        return found


def read_columns(path: Path, drew: str | None = None) -> Columns:
    """Reads a rollout file in one pass. Only `problem_id` and `score` must be there.

    Args:
        drew: the policy that drew the rows which do not say.

    Raises:
        UserError: with file and line, for a bad line, a score that is neither from 0 to 1 nor null, a log-probability
            above 0, NaN, or -inf under the policy that drew the sample, and a (problem, sample) that occurs twice.
    """
    path = Path(path)
    b = _Builder(path, drew)
    inode = (
        path.stat().st_ino if path.exists() else 0
    )  # before it is read: one that is replaced meanwhile differs
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", TornLine)
        b.read(read_objects(path))
    if not b.problem:
        raise UserError(f"{path}: no rollout in the file")
    problem, sample, line = np.asarray(b.problem), np.asarray(b.sample), np.asarray(b.line)
    _refuse_duplicates(path, tuple(b.codes), problem, sample, line)
    for nats in b.logprobs.values():
        nats.extend([math.nan] * (len(problem) - len(nats)))
    return Columns(
        path=path,
        problems=tuple(b.codes),
        statuses=tuple(b.names["status"]),
        problem=problem,
        sample=sample,
        status=np.asarray(b.columns["status"]),
        logprobs={k: np.asarray(v) for k, v in b.logprobs.items()},
        offset=np.asarray(b.offset),
        inode=inode,
        prompts=b.prompts,
        references=b.references,
        present=b.present or frozenset(),
        sources=tuple(b.names["source"]),
        source=np.asarray(b.columns["source"]),
        verifiers=b.first_lines("verifier"),
        mixed=b.several_verifiers(),
        policies=b.first_lines("policy"),
        notes=tuple(str(w.message) for w in caught),
        **{name: np.asarray(b.columns[name]) for name in _NUMBERS},
    )


def _numbered(codes: dict[str, int], column: Names) -> Callable[[Any], int]:
    """Name → its number, in the order of occurrence."""

    def encode(value: Any) -> int:
        if value is not None and not isinstance(value, str):
            if not column.lenient:
                raise TypeError
            value = json.dumps(value, ensure_ascii=False)
        return codes.setdefault(value or column.absent, len(codes))

    return encode


def _refuse_duplicates(
    path: Path, names: tuple[str, ...], problem: np.ndarray, sample: np.ndarray, line: np.ndarray
) -> None:
    key = problem.astype(np.int64) << 32 | sample.astype(np.int64) & 0xFFFFFFFF
    order = np.argsort(key, kind="stable")
    twice = np.flatnonzero(np.diff(key[order]) == 0)
    if len(twice):
        pair = min(((order[i], order[i + 1]) for i in twice), key=lambda p: p[1])
        raise UserError(
            f"{path}:{line[pair[1]]}: problem {names[problem[pair[0]]]!r}, sample {sample[pair[0]]} is "
            f"already on line {line[pair[0]]}; rows of the file that occur twice: {len(twice)}"
        )


def _what_is_missing(obj: Any) -> str:
    if not isinstance(obj, dict):
        return f"expected a JSON object, found {type(obj).__name__}"
    lacks = [key for key in ("problem_id", "score") if key not in obj]
    has = ", ".join(sorted(map(str, obj))[:8])
    return (
        f"a scored sample needs {' and '.join(lacks)}; this row has {has or 'no key at all'}; other names are given by "
        "--map problem_id=COLUMN --score COLUMN"
    )


def _is_wrong(name: str, value: Any) -> str:
    return f"{name} is {_shown(value)}; expected {_EXPECTED[name]}"


def _shown(value: Any) -> str:
    try:
        return short(repr(value), 80)
    except ValueError:  # Python refuses the text of an integer of thousands of digits
        return "an integer of thousands of digits"
