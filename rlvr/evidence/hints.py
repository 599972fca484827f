"""Hints and earlier attempts: what is shown of a problem's own solution, or of what somebody wrote for it before."""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rlvr import rollouts
from rlvr.config import AttemptsConfig, HintConfig
from rlvr.config.data import fill
from rlvr.errors import UserError
from rlvr.problems.rows import value_at
from rlvr.rendering import EvidenceError
from rlvr.rollouts import Rollout
from verifiers.types import Problem

WORD = re.compile(r"\s*\S+")
ANSWER = re.compile(r"\\boxed\b|\\fbox\b|####|<answer>")
"""Where a trace gives its answer. A hint that is a part of the trace ends before it."""
WORDS = {1.0: "It is correct.", 0.0: "It is not correct."}


@dataclass(frozen=True)
class Hint:
    """The beginning of a verified trace: of the data's own solution, or of a rollout with a full score."""

    config: HintConfig
    traces: Mapping[str, str]
    """By problem; empty where a column of the row holds the trace."""

    @classmethod
    def of(cls, config: HintConfig, base: Path | None) -> Hint:
        """Raises EvidenceError: the file cannot be read, or no sample in it is right."""
        if config.file is None:
            return cls(config, {})
        traces: dict[str, str] = {}
        for row in _rows(config.file, base):
            if row.score == 1.0:  # the first one: which one is drawn says nothing of how good it is
                traces.setdefault(row.problem_id, row.trace)
        if not traces:
            raise EvidenceError(f"evidence.hint.file: no sample in {config.file} has a score of 1")
        return cls(config, traces)

    def words(self, problem: Problem) -> str:
        """The first words of the trace, about a share of those before its answer; "" where the problem has none. With
        share 1 it is the whole trace, the answer too."""
        trace = self._trace(problem)
        if self.config.share == 1:
            return trace.strip()
        marks = [mark.start() for mark in ANSWER.finditer(trace)]
        found = WORD.findall(trace[: marks[-1]] if marks else trace)
        return "".join(found[: math.ceil(self.config.share * len(found))]).strip()

    def said(self, problem: Problem) -> str:
        """The hint in its format; "" where there is none."""
        hint = self.words(problem)
        return fill(self.config.format, {"hint": hint}.__getitem__) if hint else ""

    def _trace(self, problem: Problem) -> str:
        if self.config.file is not None:
            return self.traces.get(problem.id, "")
        assert self.config.column is not None
        try:
            value = value_at({**problem.meta, "reference": problem.reference}, self.config.column)
        except KeyError:
            return ""
        if not isinstance(value, str):
            raise EvidenceError(
                f"evidence.hint.column: {self.config.column} of problem {problem.id} is {value!r}; expected text"
            )
        return value


@dataclass(frozen=True)
class Attempts:
    """Earlier attempts at the same problem, marked with what the verifier said of them."""

    config: AttemptsConfig
    rows: Mapping[str, Sequence[Rollout]]

    @classmethod
    def of(cls, config: AttemptsConfig, base: Path | None) -> Attempts:
        """Raises EvidenceError: the file cannot be read, or holds no such attempt."""
        found: dict[str, list[Rollout]] = defaultdict(list)
        for row in _rows(config.file, base):
            fits = row.score is not None and (config.which == "any" or row.score < 1.0)
            if fits and len(found[row.problem_id]) < config.number:
                found[row.problem_id].append(row)
        if not any(found.values()):
            raise EvidenceError(f"evidence.attempts.file: {config.file} has no sample that could be shown")
        return cls(config, found)

    def said(self, problem: Problem) -> list[str]:
        return [
            fill(
                self.config.format,
                {
                    "trace": row.trace.strip(),
                    "verdict": WORDS.get(row.score or 0.0, "It is partly correct."),
                }.__getitem__,
            )
            for row in self.rows.get(problem.id, ())
        ]


def _rows(file: str, base: Path | None) -> Iterator[Rollout]:
    path = (base or Path()) / Path(file).expanduser()
    try:
        yield from rollouts.read(path)
    except (OSError, UserError) as error:
        raise EvidenceError(f"evidence: {path} cannot be read as rollouts: {error}") from error
