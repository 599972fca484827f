"""A rollout file as columns: what the statistics need of each row, and where in the file its text lies.

A million rows of 1 kB become some 70 MB of arrays; traces stay on disk and are fetched by byte offset when
the page wants to show some.
"""

from __future__ import annotations

import math
import warnings
from array import array
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from rlvr.errors import UserError
from rlvr.rollouts.rows import TornLine, parse, read_objects

_FLAGS = {None: -1, False: 0, True: 1}


@dataclass(frozen=True, slots=True)
class Columns:
    """One entry per row, in file order; `problem` and `status` are codes into `problems` and `statuses`."""

    path: Path
    problems: tuple[str, ...]
    statuses: tuple[str, ...]
    problem: np.ndarray
    sample: np.ndarray
    score: np.ndarray
    """1.0, 0.0, or NaN where the row holds null."""
    sound: np.ndarray
    """As `score`, for the reasoning alone."""
    answer_score: np.ndarray
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
    prompts: dict[int, str]
    references: dict[int, str]
    present: frozenset[str]
    """Keys of the contract that the first row has."""
    verifiers: dict[str, int]
    """Verifier's name → number of its first line."""
    policies: dict[str, int]
    """Name of who drew → number of its first line."""
    notes: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.problem)

    def rows(self, which: Iterable[int]) -> list[dict[str, Any]]:
        """The whole rows with these numbers, read again from the file."""
        out = []
        with self.path.open("rb") as file:
            for at in which:
                file.seek(int(self.offset[at]))
                out.append(parse(file.readline()))
        return out


@dataclass(slots=True)
class _Builder:
    path: Path
    problem: array = field(default_factory=lambda: array("i"))
    sample: array = field(default_factory=lambda: array("i"))
    score: array = field(default_factory=lambda: array("f"))
    sound: array = field(default_factory=lambda: array("f"))
    answer_score: array = field(default_factory=lambda: array("f"))
    complete: array = field(default_factory=lambda: array("b"))
    tokens: array = field(default_factory=lambda: array("i"))
    status: array = field(default_factory=lambda: array("h"))
    answer: array = field(default_factory=lambda: array("q"))
    trace: array = field(default_factory=lambda: array("q"))
    offset: array = field(default_factory=lambda: array("q"))
    line: array = field(default_factory=lambda: array("i"))
    logprobs: dict[str, array] = field(default_factory=dict)


def read_columns(path: Path, drew: str | None = None) -> Columns:
    """Reads a rollout file in one pass. Only `problem_id` and `score` must be there.

    `drew` names the policy that drew the rows which do not say.

    Raises UserError with file and line for a bad line, a score other than 0, 1 or null, a log-probability
    above 0, NaN, or -inf under the policy that drew the sample, and a (problem, sample) that occurs twice.
    """
    path = Path(path)
    b = _Builder(path)
    codes: dict[str, int] = {}
    statuses: dict[str, int] = {}
    drawn: dict[int, int] = {}
    prompts: dict[int, str] = {}
    references: dict[int, str] = {}
    verifiers: dict[str, int] = {}
    policies: dict[str, int] = {}
    present: frozenset[str] | None = None
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", TornLine)
        for number, offset, obj in read_objects(path):
            if not isinstance(obj, dict) or "problem_id" not in obj or "score" not in obj:
                raise UserError(f"{path}:{number}: {_what_is_missing(obj)}")
            get = obj.get
            name = obj["problem_id"]
            if not isinstance(name, str):
                name = _problem_name(name, path, number)
            code = codes.setdefault(name, len(codes))
            if present is None:
                present = frozenset(obj)
            b.problem.append(code)
            sample = get("sample")
            if sample is None:
                sample = drawn.get(code, 0)
                drawn[code] = sample + 1
            try:
                b.sample.append(sample)
                b.score.append(_SCORES[obj["score"]])
                b.sound.append(_SCORES[get("sound")])
                b.answer_score.append(_SCORES[get("answer_score")])
                b.complete.append(_FLAGS[get("complete")])
                b.tokens.append(-1 if (tokens := get("tokens")) is None else tokens)
                status = get("status") or "not given"
                b.status.append(statuses.setdefault(status, len(statuses)))
                b.answer.append(_hash(get("answer")))
                b.trace.append(_hash(get("trace")))
                if (verifier := get("verifier")) and verifier not in verifiers:
                    verifiers[verifier] = number
                if (policy := get("policy")) and policy not in policies:
                    policies[policy] = number
                if not isinstance(status, str) or (tokens is not None and tokens < 0):
                    raise TypeError
            except (KeyError, TypeError, OverflowError):
                raise UserError(f"{path}:{number}: {_what_is_wrong(obj)}") from None
            b.offset.append(offset)
            b.line.append(number)
            if nats := get("logprobs"):
                _add_nats(b, nats, number, policy or drew)
            if code not in prompts and isinstance(prompt := get("prompt"), str):
                prompts[code] = prompt
            if code not in references and (reference := get("reference")) is not None:
                references[code] = str(reference)
    if not b.problem:
        raise UserError(f"{path}: no rollout in the file")
    problem, sample, line = np.asarray(b.problem), np.asarray(b.sample), np.asarray(b.line)
    _refuse_duplicates(path, tuple(codes), problem, sample, line)
    for nats in b.logprobs.values():
        nats.extend([math.nan] * (len(problem) - len(nats)))
    return Columns(
        path=path,
        problems=tuple(codes),
        statuses=tuple(statuses),
        problem=problem,
        sample=sample,
        score=np.asarray(b.score),
        sound=np.asarray(b.sound),
        answer_score=np.asarray(b.answer_score),
        complete=np.asarray(b.complete),
        tokens=np.asarray(b.tokens),
        status=np.asarray(b.status),
        answer=np.asarray(b.answer),
        trace=np.asarray(b.trace),
        logprobs={k: np.asarray(v) for k, v in b.logprobs.items()},
        offset=np.asarray(b.offset),
        prompts=prompts,
        references=references,
        present=present or frozenset(),
        verifiers=verifiers,
        policies=policies,
        notes=tuple(str(w.message) for w in caught),
    )


_SCORES: dict[Any, float] = {0: 0.0, 1: 1.0, None: math.nan}  # 0.0, False, 1.0 and True are equal to these


def _hash(text: Any) -> int:
    """Equal for equal texts, 0 for none. A number is the text it is written as: hash(-1) is hash(-2)."""
    if text is None:
        return 0
    if not isinstance(text, str):
        if not isinstance(text, int | float):
            raise TypeError
        text = str(text)
    return hash(text) or 1


def _add_nats(b: _Builder, nats: Any, number: int, drew: str | None) -> None:
    if not isinstance(nats, dict):
        raise UserError(f"{b.path}:{number}: logprobs is {nats!r}; expected an object of policy name → nats")
    rows = len(b.problem)
    for policy, value in nats.items():
        column = b.logprobs.setdefault(policy, array("d"))
        if len(column) < rows - 1:
            column.extend([math.nan] * (rows - 1 - len(column)))
        if value is None:
            column.append(math.nan)
            continue
        try:
            nat = math.nan if isinstance(value, bool) else float(value)
        except (TypeError, ValueError):
            nat = math.nan
        if not nat <= 1e-3:  # a sum of rounded logarithms may come out a hair above 0
            raise UserError(
                f"{b.path}:{number}: logprobs[{policy!r}] is {value!r}; expected nats of the whole "
                "completion, at most 0, or null"
            )
        if nat == -math.inf and policy == drew:
            raise UserError(
                f"{b.path}:{number}: logprobs[{policy!r}] is {value!r} for a sample that {policy!r} drew; "
                "expected a finite number"
            )
        column.append(nat)


def _refuse_duplicates(
    path: Path, names: tuple[str, ...], problem: np.ndarray, sample: np.ndarray, line: np.ndarray
) -> None:
    key = problem.astype(np.int64) << 32 | sample.astype(np.int64) & 0xFFFFFFFF
    order = np.argsort(key, kind="stable")
    twice = np.flatnonzero(np.diff(key[order]) == 0)
    if len(twice):
        pair = min(((order[i], order[i + 1]) for i in twice), key=lambda p: p[1])
        raise UserError(
            f"{path}:{line[pair[1]]}: problem {names[problem[pair[0]]]!r}, sample {sample[pair[0]]} stands "
            f"already on line {line[pair[0]]}; rows of the file that occur twice: {len(twice)}"
        )


def _problem_name(name: Any, path: Path, number: int) -> str:
    if isinstance(name, int) and not isinstance(name, bool):
        return str(name)
    raise UserError(f"{path}:{number}: problem_id is {name!r}; expected a string")


def _what_is_missing(obj: Any) -> str:
    if not isinstance(obj, dict):
        return f"expected a JSON object, found {type(obj).__name__}"
    lacks = [key for key in ("problem_id", "score") if key not in obj]
    has = ", ".join(sorted(map(str, obj))[:8])
    return f"a scored sample needs {' and '.join(lacks)}; this row has {has or 'no key at all'}"


def _what_is_wrong(obj: dict[str, Any]) -> str:
    for key in ("score", "sound", "answer_score"):
        value = obj.get(key)
        if not (isinstance(value, int | float | None) and value in _SCORES):
            return f"{key} is {value!r}; expected 0, 1 or null"
    for key in ("status", "verifier", "policy"):
        if not isinstance(value := obj.get(key), str | None):
            return f"{key} is {value!r}; expected text"
    for key in ("answer", "trace"):
        if not isinstance(value := obj.get(key), str | int | float | None):
            return f"{key} is {value!r}; expected text or null"
    for key in ("sample", "tokens"):
        value = obj.get(key)
        if not isinstance(value, int | None) or abs(value or 0) >= 2**31:
            return f"{key} is {value!r}; expected an integer"
    if (obj.get("tokens") or 0) < 0:
        return f"tokens is {obj['tokens']}; expected 0 or more"
    return f"complete is {obj.get('complete')!r}; expected true or false"
