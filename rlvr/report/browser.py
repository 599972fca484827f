"""Which rollouts travel in the page, and as what."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from typing import Any, TypedDict

import numpy as np

from rlvr.rollouts.columns import Columns
from rlvr.rollouts.evaluations import Evaluation
from rlvr.rollouts.keys import valid_turns

MAX_ROWS = 10_000
MAX_CHARACTERS = 12_000_000
MAX_TRACE = 20_000
"""Characters of one trace; a longer one keeps its beginning and its end."""


def choose(columns: Columns, rows: int, seed: int = 0) -> np.ndarray:
    """Up to `rows` row numbers, in file order, which keep the variety of problems and verdicts.

    First one random row of every (problem, status), then a second one, and so on. Where even the first round
    is too much, whole problems are left out, in an order that depends on their names alone, so that two files
    of the same problems keep the same ones.
    """
    if len(columns) <= rows:
        return np.arange(len(columns))
    shuffled = np.random.default_rng(seed).permutation(len(columns))
    cell = columns.problem.astype(np.int64) * len(columns.statuses) + columns.status
    order = shuffled[np.argsort(cell[shuffled], kind="stable")]
    start = np.flatnonzero(np.diff(cell[order], prepend=-1))
    rank = np.empty(len(columns), np.int64)
    rank[order] = np.arange(len(order)) - np.repeat(start, np.diff(start, append=len(order)))
    by_name = np.array([_hash(name, seed) for name in columns.problems])
    return np.sort(np.lexsort((by_name[columns.problem], rank))[:rows])


def _hash(name: str, seed: int) -> int:
    text = f"{seed}\x1f{name}".encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.blake2b(text, digest_size=7).digest())


class About(TypedDict):
    """A problem, as the browser shows it."""

    id: str
    prompt: str
    reference: str


class Browser(TypedDict):
    """What travels in the page; rows refer to the other lists by number (see `_packed`)."""

    problems: list[About]
    policies: list[str]
    statuses: list[str]
    rows: list[list[Any]]
    total: int
    """Rows of the files, shown or not."""


def collect(evaluations: Sequence[Evaluation], rows: int = MAX_ROWS) -> Browser:
    """What the page's browser shows: problems, policies, statuses, and rows that refer to them by number."""
    held = [e for e in evaluations if e.columns is not None]
    problems: dict[str, int] = {}
    about: list[About] = []
    statuses: dict[str, int] = {}
    out: list[list[Any]] = []
    left = MAX_CHARACTERS
    total = sum(len(e.columns) for e in held if e.columns)
    for number, evaluation in enumerate(held):
        columns = evaluation.columns
        assert columns is not None
        codes = {name: code for code, name in enumerate(columns.problems)}
        budget = left // (len(held) - number)
        share = rows // len(held)
        chosen = columns.rows(choose(columns, share))
        # Long traces make a heavy page: the rows that fit are counted from the average before they are taken.
        weight = sum(min(len(_said(r)), MAX_TRACE) + 100 for r in chosen)
        if weight > budget:
            chosen = columns.rows(choose(columns, max(1, int(len(chosen) * budget / weight))))
        for row in chosen:
            problem = str(row["problem_id"])
            if problem not in problems:
                problems[problem] = len(about)
                code = codes[problem]
                about.append(
                    {
                        "id": problem,
                        "prompt": _shortened(columns.prompts.get(code, "")),
                        "reference": columns.references.get(code, ""),
                    }
                )
            status = statuses.setdefault(row.get("status") or "not given", len(statuses))
            out.append(_packed(row, problems[problem], number, status))
            left -= len(out[-1][4]) + 100
    return {
        "problems": about,
        "policies": [e.name for e in held],
        "statuses": list(statuses),
        "rows": out,
        "total": total,
    }


def _packed(row: dict[str, Any], problem: int, policy: int, status: int) -> list[Any]:
    tokens, complete, answer = row.get("tokens"), row.get("complete"), row.get("answer")
    nats = [[name, _finite(value)] for name, value in (row.get("logprobs") or {}).items()]
    return [
        problem,
        policy,
        row.get("sample", "–"),
        status,
        _shortened(_said(row)),
        None if answer is None else str(answer)[:2000],
        str(row.get("detail") or "")[:500],
        -1 if complete is None else int(complete),
        -1 if tokens is None else tokens,
        nats,
    ]


def _said(row: dict[str, Any]) -> str:
    """What the policy wrote; of several turns, who wrote which, and the verdict on each attempt."""
    turns = row.get("turns") if valid_turns(row.get("turns")) else None  # anybody's rows may have such a key
    if not turns:
        return str(row.get("trace") or row.get("response") or "")
    heads = [", ".join(filter(None, (turn["by"], turn.get("status")))) for turn in turns]
    return "\n\n".join(f"[{head}]\n{turn['text']}" for head, turn in zip(heads, turns, strict=True))


def _finite(value: Any) -> float | None:
    value = math.nan if value is None else float(value)
    return round(value, 4) if math.isfinite(value) else None


def _shortened(text: str) -> str:
    if len(text) <= MAX_TRACE:
        return text
    half = MAX_TRACE // 2
    return f"{text[:half]}\n\n[… {len(text) - 2 * half} characters left out …]\n\n{text[-half:]}"
