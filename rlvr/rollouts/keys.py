"""The keys of a rollout row: one table, from which both readers are made.

`Rollout.from_json` (`rows`) reads whole rows as this project writes them and holds each value against `kinds`. The
column reader (`columns`) takes anybody's rows that have `problem_id` and `score`, and keeps those keys that have a
`column`, in whatever spelling it accepts. A new key of the row is one line of `KEYS` and one field of `Rollout`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from verifiers.types import is_score


@dataclass(frozen=True, slots=True)
class Numbers:
    """A column of numbers: one array entry of `typecode` per row."""

    typecode: str
    encode: Callable[[Any], float]
    """JSON value, None where the row lacks the key → number. Raises KeyError or TypeError: not `expected`."""
    expected: str
    """What the error says that the value should have been."""


@dataclass(frozen=True, slots=True)
class Names:
    """A column of names, numbered as they first occur."""

    absent: str = ""
    """The name of rows that do not say."""
    expected: str = "text"
    lenient: bool = False
    """A value that is no text counts as the text it is written as: anybody's rows may have a key of this name."""


@dataclass(frozen=True, slots=True)
class Key:
    name: str
    kinds: tuple[type, ...]
    """Python types of the decoded JSON value; true and false are integers only where `bool` is among them."""
    expected: str
    """What the error says that the value should have been."""
    required: bool = False
    """Without it the row is refused. (Keys that are not required have a default in `Rollout`.)"""
    written_if_none: bool = True
    """False: the key is left out of the line where its value is None."""
    valid: Callable[[Any], bool] | None = None
    """A closer look at a value of the right type."""
    column: Numbers | Names | None = None
    """How the column reader keeps it; None: not as a column of its own."""
    needed_for: str = ""
    """What a report goes without where a file lacks the key; empty: nothing."""


NULL = type(None)
_VERDICTS: dict[Any, float] = {0: 0.0, 1: 1.0, None: math.nan}  # 0.0, False, 1.0 and True are equal to these
_FLAGS: dict[Any, int] = {None: -1, False: 0, True: 1}


def _score(value: Any) -> float:
    """A number from 0 to 1; NaN for None."""
    known = _VERDICTS.get(value)
    if known is not None:
        return known
    if not is_score(value):
        raise TypeError
    return value


def _in_range(value: Any) -> bool:
    return value is None or is_score(value)


def _size(value: Any) -> int:
    """A number of tokens; −1 where the row does not say."""
    if value is None:
        return -1
    if value < 0:
        raise TypeError
    return value


def text_hash(value: Any) -> int:
    """Equal for equal texts, 0 for None. A number is the text it is written as: hash(-1) is hash(-2)."""
    if value is None:
        return 0
    if not isinstance(value, str):
        if not isinstance(value, int | float):
            raise TypeError
        value = str(value)
    return hash(value) or 1


def _token_ids(value: list[Any] | None) -> bool:
    return value is None or all(type(token) is int and token >= 0 for token in value)


def valid_turns(value: Any) -> bool:
    """Two or more turns, each by the policy or evidence; or None."""
    return value is None or (isinstance(value, list) and len(value) > 1 and all(map(_turn, value)))


def _turn(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and value.get("by") in ("policy", "evidence")
        and isinstance(value.get("text"), str)
        and isinstance(ids := value.get("token_ids"), list | None)
        and _token_ids(ids)
    )


_SCORE = Numbers("d", _score, "a number from 0 to 1, or null")
_VERDICT = Numbers("f", _VERDICTS.__getitem__, "0, 1 or null")
_RATE = ((int, float, NULL), "a number from 0 to 1, or null")
_TEXT = Numbers("q", text_hash, "text or null")

KEYS: tuple[Key, ...] = (
    Key("problem_id", (str,), "a string", required=True),
    Key("sample", (int,), "an integer", required=True),
    Key("policy", (str,), "a string", required=True, column=Names()),
    Key("prompt", (str,), "a string", required=True, needed_for="the problems' text beside the rollouts"),
    Key(
        "reference",
        (object,),
        "a JSON value",
        written_if_none=False,
        needed_for="the reference answer beside the rollouts",
    ),
    Key("trace", (str,), "a string", required=True, column=_TEXT, needed_for="traces beside the verdicts"),
    Key(
        "turns",
        (list, NULL),
        'a list of two or more {"by": "policy" or "evidence", "text": …, "token_ids": […]}',
        written_if_none=False,
        valid=valid_turns,
    ),
    Key(
        "answer",
        (str, NULL),
        "a string or null",
        required=True,
        column=_TEXT,
        needed_for="maj@k and the diversity of answers",
    ),
    Key(
        "complete",
        (bool,),
        "true or false",
        required=True,
        column=Numbers("b", _FLAGS.__getitem__, "true or false"),
        needed_for="the share cut by the token limit",
    ),
    Key(
        "tokens",
        (int,),
        "an integer",
        required=True,
        column=Numbers("i", _size, "an integer, 0 or more"),
        needed_for="completion length",
    ),
    Key(
        "logprobs",
        (dict,),
        "an object of policy name → nats",
        needed_for="distance from the base model and posterior alignment",
    ),
    Key("score", *_RATE, required=True, valid=_in_range, column=_SCORE),
    Key("answer_score", *_RATE, valid=_in_range, column=_SCORE),
    Key(
        "sound",
        (int, float, NULL),
        "a number or null",
        column=_VERDICT,
        needed_for="CoT-pass@k and the unsound share",
    ),
    Key(
        "status", (str,), "a string", required=True, column=Names("not given"), needed_for="verdict statuses"
    ),
    Key("detail", (str,), "a string"),
    Key(
        "verifier",
        (str,),
        "a string",
        column=Names(),
        needed_for="a check that one verifier judged all of it",
    ),
    Key(
        "source",
        (str, NULL),
        "a string",
        written_if_none=False,
        column=Names(lenient=True),
    ),
    Key("seed", (int,), "an integer"),
    Key(
        "token_ids",
        (list, NULL),
        "a list of token numbers",
        written_if_none=False,
        valid=_token_ids,
    ),
)
"""In the order in which they are written."""
