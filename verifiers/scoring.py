"""`rlvr score`: verdicts on a file of responses from any system. JSONL in, JSONL out, in order, in constant memory.

With a column of labels the same pass audits the verifier (see `verifiers.audit`).
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import sys
import time
from collections import Counter, deque
from collections.abc import Iterator, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from verifiers.audit import Audit, read_label
from verifiers.pool import VerifierPool, default_workers
from verifiers.self_test import SelfTest, self_test
from verifiers.trl_reward import text_of
from verifiers.types import Problem, Verdict
from verifiers.visible import visible

__all__ = ["RowError", "SelfTest", "Summary", "score_file", "self_test"]

COLUMNS = ("response", "reference", "id", "prompt", "kind")
"""The keys of a row that are read; the first two are required."""
VERDICT_KEYS = ("score", "status", "answer", "detail")
OF_THE_ANSWER = ("answer_score", "sound")
"""Written where the verifier looked at the reasoning too."""
AHEAD = 256  # rows per worker that are submitted before the first of them is written
CACHE = 2000  # verdicts to remember: the samples of one problem are usually next to each other


class RowError(ValueError):
    """A file or row that cannot be scored. The message names file, line and key."""


@dataclass(slots=True)
class Summary:
    """Counts of the verdicts on a file. `str(summary)` is for a person."""

    verifier: str
    rows: int = 0
    seconds: float = 0.0
    statuses: Counter[str] = field(default_factory=Counter)
    solved: int = 0
    judged: int = 0
    score: float = 0.0
    """Sum over the judged rows."""
    partial: bool = False
    """Some score lies between 0 and 1."""
    pass_mark: float = 1.0
    audit: Audit | None = None

    @property
    def accuracy(self) -> float | None:
        """Share of the judged rows whose score reaches the pass mark; None if no row could be judged."""
        return self.solved / self.judged if self.judged else None

    @property
    def mean_score(self) -> float | None:
        """Of the judged rows; None if no row could be judged."""
        return self.score / self.judged if self.judged else None

    def add(self, verdict: Verdict) -> None:
        self.rows += 1
        self.statuses[verdict.status] += 1
        self.pass_mark = verdict.pass_mark
        if verdict.score is not None:
            self.judged += 1
            self.solved += bool(verdict.solved)
            self.score += verdict.score
            self.partial |= 0 < verdict.score < 1

    def __str__(self) -> str:
        rate = f", {self.rows / self.seconds:,.0f} a second" if self.seconds else ""
        lines = [f"{self.verifier}: {self.rows:,} rows in {self.seconds:.1f} s{rate}"]
        lines += [
            f"  {status:<13}{n:>10,}  {n / self.rows:7.2%}" for status, n in self.statuses.most_common()
        ]
        if self.accuracy is not None and not self.partial:
            lines.append(f"  accuracy {self.accuracy:.2%} of the {self.judged:,} judged")
        elif self.accuracy is not None:
            lines.append(
                f"  solved {self.accuracy:.2%} of the {self.judged:,} judged (a score of {self.pass_mark:g} or more); "
                f"mean score {self.mean_score:.4f}"
            )
        if unjudged := self.rows - self.judged:
            lines.append(f"  {unjudged:,} could not be judged, for reasons that are not the responses' fault")
            if self.accuracy is not None:
                right = self.accuracy * self.judged
                low, high = right / self.rows, (right + unjudged) / self.rows
                lines.append(f"  whatever they are, between {low:.2%} and {high:.2%} of all are right")
        if self.audit is not None:
            lines += ["", str(self.audit)]
        return "\n".join(lines)


def score_file(
    file: str | Path,
    verifier: str,
    *,
    options: Mapping[str, Any] | None = None,
    output: str | Path = "-",
    columns: Mapping[str, str] | None = None,
    labels: str | None = None,
    workers: int | None = None,
    deadline: float = 10.0,
    memory_mb: int = 2048,
) -> Summary:
    """Judge every row of a JSONL file and write it as a rollout row: `score, status, answer, detail` are added, and
    what `rlvr report` reads: `problem_id, sample, prompt, trace, reference, verifier`.

    Args:
        file: JSONL, one object a line; "-" is standard input.
        verifier, options: as for `verifiers.load`.
        output: where rows are written, in their order; "-" is standard output. A file is complete or absent.
        columns: standard name → name in the file: {"response": "output", "reference": "gold"}. A row must have
            `response` (text or messages) and `reference`; `id`, `prompt` and `kind` are optional, and so is `opened`
            (see `Problem`). Without `id` a row's `problem_id` names its problem, else its prompt does, else its line;
            samples of a problem are numbered unless the rows number them. A value that would be overwritten (a score of
            the system that wrote the file) is kept under `NAME_before`.
        labels: a column that says whether the response is right (true/false, 1/0, "correct"/"incorrect"); the
            verifier is then audited against it.
        workers, deadline, memory_mb: as for `VerifierPool`.

    The summary is written to standard error and returned. Raises `RowError` for a file or row that cannot be
    read, and what `VerifierPool` raises.
    """
    names = _column_names(columns or {})
    summary = Summary(verifier, audit=Audit() if labels else None)
    began = time.monotonic()
    workers = workers or default_workers()
    waiting: deque[tuple[_Row, Future[Verdict]]] = deque()
    with (
        VerifierPool(
            verifier, options, workers=workers, deadline=deadline, memory_mb=memory_mb, cache=CACHE
        ) as pool,
        _reading(file) as lines,
        _writing(output) as out,
    ):
        drawn: Counter[str] = Counter()

        def write_first() -> None:
            row, future = waiting.popleft()
            verdict = future.result()
            summary.add(verdict)
            if summary.audit is not None:
                summary.audit.add(row.label, verdict, row.line, row.problem, row.kind)
            out.write(row.with_verdict(verdict, verifier, drawn))

        for row in _rows(lines, str(file), names, labels):
            waiting.append((row, pool.submit(row.problem, row.response)))
            if len(waiting) > AHEAD * workers:
                write_first()
        while waiting:
            write_first()
        if not summary.rows:
            raise RowError(f"{file}: no rows; expected JSON objects, one a line")
    summary.seconds = time.monotonic() - began
    print(visible(summary), file=sys.stderr)
    return summary


@dataclass(frozen=True, slots=True)
class _Row:
    line: int
    content: dict[str, Any]
    problem: Problem
    response: str
    kind: str | None
    label: bool

    def with_verdict(self, verdict: Verdict, verifier: str, drawn: Counter[str]) -> bytes:
        """As a line. `drawn` counts the samples of each problem, where the rows do not number them."""
        added = self._as_sample(drawn) | {"verifier": verifier}
        added |= {key: getattr(verdict, key) for key in VERDICT_KEYS}
        if verdict.sound is not None or verdict.answer_score != verdict.score:
            added |= {key: getattr(verdict, key) for key in OF_THE_ANSWER}
        kept = {f"{key}_before": self.content[key] for key, new in added.items() if self._says_else(key, new)}
        row = self.content | kept | added
        try:
            return (json.dumps(row, ensure_ascii=False) + "\n").encode()
        except UnicodeEncodeError:  # a lone surrogate, which JSON can hold and UTF-8 cannot
            return (json.dumps(row) + "\n").encode()

    def _as_sample(self, drawn: Counter[str]) -> dict[str, Any]:
        own, problem = self.content.get("sample"), self.problem
        if type(own) is not int:
            own = drawn[problem.id]
            drawn[problem.id] += 1
        return {
            "problem_id": problem.id,
            "sample": own,
            **({"prompt": problem.prompt} if problem.prompt else {}),
            "trace": self.response,
            "reference": problem.reference,
        }

    def _says_else(self, key: str, new: Any) -> bool:
        return key in self.content and self.content[key] != new and self.content[key] is not None


def _column_names(columns: Mapping[str, str]) -> dict[str, str]:
    for name in columns:
        if name not in COLUMNS:
            raise RowError(
                f"column mapping {name}={columns[name]}: expected one of {', '.join(COLUMNS)} on the left"
            )
    return {name: name for name in COLUMNS} | dict(columns)


def _rows(lines: IO[bytes], file: str, names: Mapping[str, str], labels: str | None) -> Iterator[_Row]:
    for number, raw in enumerate(lines, 1):
        if not raw.strip():
            continue
        where = f"{file}, line {number}"
        content = _parse(raw, where, first=number == 1)
        response, reference = (_required(content, key, names, where) for key in ("response", "reference"))
        if not (isinstance(response, str) or _are_messages(response)):
            found = f"{type(response).__name__} {str(response)[:40]!r}"
            raise RowError(
                f"{where}, key {names['response']!r}: found {found}, expected text or a list of messages"
            )
        prompt = content.get(names["prompt"]) or ""
        prompt = text_of(prompt) if isinstance(prompt, str) or _are_messages(prompt) else str(prompt)
        problem = Problem(
            _problem_id(content, names["id"], prompt, number),
            prompt,
            reference,
            opened=str(content.get("opened") or ""),
        )
        label = True
        if labels is not None:
            if labels not in content:
                raise RowError(f"{where}: no key {labels!r} (labels); found {', '.join(map(repr, content))}")
            label = read_label(content[labels])
            if label is None:
                found = repr(content[labels])[:60]
                raise RowError(
                    f"{where}, key {labels!r}: found {found}, expected true/false, 1/0 or correct/incorrect"
                )
        kind = content.get(names["kind"])
        yield _Row(number, content, problem, text_of(response), None if kind is None else str(kind), label)


def _problem_id(content: Mapping[str, Any], column: str, prompt: str, line: int) -> str:
    for key in (column, "problem_id"):
        if content.get(key) is not None:
            return str(content[key])
    if prompt.strip():
        return hashlib.sha256(prompt.encode("utf-8", "surrogatepass")).hexdigest()[:16]
    return str(line)


def _parse(raw: bytes, where: str, first: bool) -> dict[str, Any]:
    try:
        content = json.loads(raw.decode("utf-8-sig" if first else "utf-8"))
    except UnicodeDecodeError as error:
        raise RowError(f"{where}: not UTF-8 text ({error.reason} at byte {error.start})") from None
    except (ValueError, RecursionError) as error:
        raise RowError(f"{where}: not JSON ({error}); found {raw[:60]!r}") from None
    if not isinstance(content, dict):
        raise RowError(f"{where}: found {type(content).__name__}, expected a JSON object")
    return content


def _required(content: Mapping[str, Any], key: str, names: Mapping[str, str], where: str) -> Any:
    if names[key] in content:
        return content[names[key]]
    likely = {"response": ("output", "completion", "generation"), "reference": ("gold", "answer", "solution")}
    hints = [name for name in likely[key] if name in content]
    hint = f"; is it `--map {key}={hints[0]}`?" if hints else ""
    raise RowError(
        f"{where}: no key {names[key]!r}; found {', '.join(map(repr, content)) or 'no keys'}{hint}"
    )


def _are_messages(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(part, dict) and "content" in part for part in value)


@contextlib.contextmanager
def _reading(file: str | Path) -> Iterator[IO[bytes]]:
    if str(file) == "-":
        yield sys.stdin.buffer
        return
    try:
        lines = Path(file).open("rb")  # noqa: SIM115  (closed below; only opening it is guarded)
    except OSError as error:
        raise RowError(f"{file}: cannot be read ({error.strerror})") from error
    with lines:
        yield lines


@contextlib.contextmanager
def _writing(output: str | Path) -> Iterator[IO[bytes]]:
    """A file is written under a temporary name and renamed when complete; a pipe or device is written directly."""
    if str(output) == "-":
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    path = Path(output)
    direct = path.exists() and not path.is_file()
    partial = path if direct else path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        out = partial.open("wb")
    except OSError as error:
        raise RowError(f"{output}: cannot be written ({error.strerror})") from error
    try:
        with out:
            yield out
        if not direct:
            partial.replace(path)
    finally:
        if not direct:
            partial.unlink(missing_ok=True)
