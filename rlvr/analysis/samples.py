"""What the analysis knows of one policy's evaluation: counts per problem, and more where the file
had more.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Answers:
    """Canonical answers, one row per problem and distinct answer (three arrays of one length).

    `problem` is the row in `Samples.problem_ids`, `count` how many samples gave this answer, `correct`
    whether the verifier accepts it. All accepted spellings of a problem are one class, so at most one row of
    a problem is correct. Samples without an answer are in no row: they abstain (`n` minus the sum of counts).
    """

    problem: Ints
    count: Ints
    correct: Bools

    @classmethod
    def from_dicts(cls, counts: Sequence[Mapping[str, int]], correct: Sequence[str | None]) -> Answers:
        """One dictionary {answer: count} per problem, and which of its keys is correct (None:
        none was seen).
        """
        if len(counts) != len(correct):
            raise ValueError(f"{len(counts)} dictionaries of answers but {len(correct)} correct answers")
        rows = [
            (i, number, answer == right)
            for i, (table, right) in enumerate(zip(counts, correct, strict=True))
            for answer, number in table.items()
        ]
        problem, count, flag = zip(*rows, strict=True) if rows else ((), (), ())
        return cls(np.array(problem, np.int64), np.array(count, np.int64), np.array(flag, bool))

    def select(self, rows: Ints, problems: int) -> Answers:
        """The answers of the problems `rows` (of `problems` in all), renumbered to their order in `rows`."""
        position = np.full(problems, -1)
        position[rows] = np.arange(len(rows))
        new = position[self.problem]
        keep = new >= 0
        return Answers(new[keep], self.count[keep], self.correct[keep])


@dataclass(frozen=True, eq=False)
class LogProbs:
    """Log-probabilities in nats of whole completions, one entry per sample (arrays of one length N).

    `problem` is the row in `Samples.problem_ids`, `score` the verdict, `logp` maps a policy's name to the log
    probability of the sample under that policy (sampling temperature applied, top-p 1, end-of-text included).
    """

    problem: Ints
    score: Bools
    logp: Mapping[str, Floats]

    def select(self, rows: Ints, problems: int) -> LogProbs:
        """The samples of the problems `rows` (of `problems` in all), renumbered to their order in `rows`."""
        position = np.full(problems, -1)
        position[rows] = np.arange(len(rows))
        new = position[self.problem]
        keep = new >= 0
        return LogProbs(
            new[keep], self.score[keep], {name: values[keep] for name, values in self.logp.items()}
        )


@dataclass(frozen=True, eq=False)
class Samples:
    """One policy's evaluation. Arrays have shape (M,), one entry per problem, in the order of `problem_ids`.

    `n` counts scored samples and `c` the correct ones, whose score reaches the verifier's pass mark. Samples that
    could not be judged (score None) are in neither; `excluded` counts them. Truncated and unparsable samples are in
    `n` as wrong, and are counted separately in `truncated` and `no_answer`. `score` is the sum of a problem's scores,
    which differs from `c` where there is partial credit; None where only counts are known. `c_answer` counts right
    answers whatever the reasoning, None where the rows do not tell answers and verdicts apart; `c_sound` counts right
    answers with sound reasoning, NaN for problems whose reasoning nobody looked at, None where nobody looked at all.
    `tokens` is the mean completion length of a problem's samples (NaN: unknown). `traces` counts distinct whole
    traces as `answers` counts answers, where any number of a problem's traces may be correct. `status_counts` maps a
    verdict's status to how many samples got it. `sources` has the name of each problem's source; None where the file
    knows none.
    """

    policy: str
    problem_ids: Sequence[str]
    n: Ints
    c: Ints
    score: Floats | None = None
    c_answer: Floats | None = None
    c_sound: Floats | None = None
    excluded: Ints | None = None
    truncated: Ints | None = None
    no_answer: Ints | None = None
    tokens: Floats | None = None
    status_counts: Mapping[str, Ints] = field(default_factory=dict)
    sources: Sequence[str] | None = None
    answers: Answers | None = None
    traces: Answers | None = None
    logprobs: LogProbs | None = None

    def __post_init__(self) -> None:
        size = len(self.problem_ids)
        if len(set(self.problem_ids)) != size:
            seen: set[str] = set()
            double = next(i for i in self.problem_ids if i in seen or seen.add(i))
            raise ValueError(f"policy {self.policy!r}: problem {double!r} occurs twice")
        for name in (
            "n",
            "c",
            "score",
            "c_answer",
            "c_sound",
            "excluded",
            "truncated",
            "no_answer",
            "tokens",
        ):
            column = getattr(self, name)
            if column is not None and np.shape(column) != (size,):
                raise ValueError(
                    f"policy {self.policy!r}: {name} has shape {np.shape(column)}, expected ({size},)"
                )
        bad = (self.n < 0) | (self.c < 0) | (self.c > self.n)
        if bad.any():
            i = int(np.flatnonzero(bad)[0])
            raise ValueError(
                f"policy {self.policy!r}, problem {self.problem_ids[i]!r}: "
                f"{self.c[i]} correct of {self.n[i]} samples, expected 0 <= correct <= samples"
            )
        if self.c_answer is not None and self.c_sound is not None:
            bad = self.c_sound > self.c_answer
            if bad.any():
                i = int(np.flatnonzero(bad)[0])
                raise ValueError(
                    f"policy {self.policy!r}, problem {self.problem_ids[i]!r}: {self.c_sound[i]:.0f} sound "
                    "right "
                    f"answers among {self.c_answer[i]:.0f} right answers"
                )

    @classmethod
    def from_counts(
        cls, problem_ids: Sequence[str], n: ArrayLike, c: ArrayLike, policy: str = "policy"
    ) -> Samples:
        """From a table of counts. Raises ValueError where a count is not a whole number or c is
        not in 0..n.
        """
        columns = []
        for name, values in (("n", n), ("c", c)):
            column = np.asarray(values, dtype=np.float64)
            if column.size and not np.all(column == np.floor(column)):
                raise ValueError(f"policy {policy!r}: {name} must be whole numbers")
            columns.append(column.astype(np.int64))
        return cls(policy, list(problem_ids), columns[0], columns[1])

    @property
    def mean_score(self) -> Floats | None:
        """(M,) each problem's mean score; NaN without a scored sample, None where only counts are known."""
        if self.score is None:
            return None
        return np.where(self.n > 0, self.score / np.maximum(self.n, 1), np.nan)

    @property
    def statuses(self) -> dict[str, int]:
        """Status → samples that got it; those that none got are left out."""
        totals = {status: int(column.sum()) for status, column in self.status_counts.items()}
        return {status: total for status, total in totals.items() if total}

    def by_source(self) -> dict[str, Samples]:
        """The problems of each source, in the order of their first; empty where the file knows none."""
        rows: dict[str, list[int]] = {}
        for i, name in enumerate(self.sources or ()):
            rows.setdefault(name, []).append(i)
        return {name: self.select(index) for name, index in rows.items()}

    @property
    def n_problems(self) -> int:
        return len(self.problem_ids)

    @property
    def n_samples(self) -> int:
        return int(self.n.sum())

    def select(self, rows: ArrayLike) -> Samples:
        """The problems `rows` (indices), in that order."""
        index = np.asarray(rows, dtype=np.int64)

        def cut(column: NDArray | None) -> NDArray | None:
            return None if column is None else column[index]

        return replace(
            self,
            problem_ids=[self.problem_ids[i] for i in index],
            n=self.n[index],
            c=self.c[index],
            score=cut(self.score),
            c_answer=cut(self.c_answer),
            c_sound=cut(self.c_sound),
            excluded=cut(self.excluded),
            truncated=cut(self.truncated),
            no_answer=cut(self.no_answer),
            tokens=cut(self.tokens),
            status_counts={status: column[index] for status, column in self.status_counts.items()},
            sources=None if self.sources is None else [self.sources[i] for i in index],
            answers=None if self.answers is None else self.answers.select(index, self.n_problems),
            traces=None if self.traces is None else self.traces.select(index, self.n_problems),
            logprobs=None if self.logprobs is None else self.logprobs.select(index, self.n_problems),
        )


def align(base: Samples, tuned: Samples) -> tuple[Samples, Samples]:
    """Both evaluations restricted to their shared problems, in the base's order."""
    row = {identity: i for i, identity in enumerate(tuned.problem_ids)}
    pairs = [(i, row[identity]) for i, identity in enumerate(base.problem_ids) if identity in row]
    if len(pairs) == base.n_problems == tuned.n_problems and all(i == j for i, j in pairs):
        return base, tuned
    return base.select([i for i, _ in pairs]), tuned.select([j for _, j in pairs])
