"""Where a report's evaluations come from: one function per file format, one result.

A reader takes a path and the name under which the policy goes in the report, and returns the evaluations in
the file: one, or base and tuned where one file holds both. Files of other systems are converted first (`importers`).
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from rlvr.analysis.noise import Audit
from rlvr.analysis.samples import Answers, LogProbs, Samples
from rlvr.errors import UserError
from rlvr.rollouts import importers
from rlvr.rollouts.audits import read_audit
from rlvr.rollouts.columns import Columns, read_columns
from rlvr.rollouts.keys import KEYS
from rlvr.rollouts.places import as_unpacked, kept_folder, matching, unpacked
from rlvr.rollouts.rows import pass_marks, read_settings
from rlvr.text import line

MOST_SOURCES = 20
"""For which there are figures of their own."""
MOST_SAMPLES = 1_000_000
"""Of one problem, in a table of counts; as many as a run may draw."""


@dataclass(frozen=True, slots=True)
class Evaluation:
    """One policy's evaluation, as counts and as rows that can be looked at."""

    name: str
    path: Path
    samples: Samples
    settings: dict[str, Any] = field(default_factory=dict)
    columns: Columns | None = None
    """The rows; None where the file holds counts only."""
    notes: tuple[str, ...] = ()
    audit: Audit | None = None
    """A hand audit of the verifier on this policy's samples."""

    @property
    def pass_mark(self) -> float:
        """The score from which a sample counts as solved."""
        return self.settings.get("pass_mark", 1.0)

    @property
    def absent(self) -> dict[str, str]:
        """Keys of the rollout row that the file lacks → what a report goes without for it."""
        present = self.columns.present if self.columns else frozenset()
        return {key.name: key.needed_for for key in KEYS if key.needed_for and key.name not in present}


def read(
    path: Path, name: str, mixed: bool = False, options: importers.Options = importers.DEFAULTS
) -> list[Evaluation]:
    """The evaluations in a file; two of them, base and tuned, where a CSV has `c_base` and `c_tuned`.

    Args:
        name: what this policy is called in the report.
        mixed: accept a file that several verifiers judged or several policies drew (it is noted) instead of
            refusing it.
        options: how a file of another system is read.

    Raises:
        UserError: the file is missing, empty or malformed; it names file and line.
    """
    path = Path(path)
    if len(several := matching(path)) > 1:
        return _read_converted(several, name, mixed, options, path.name)
    path = several[0]
    if not path.is_file():
        raise UserError(f"{path}: there is no such file" if not path.exists() else f"{path}: is a folder")
    plain = unpacked(path)
    try:
        if importers.recognise(plain, options):
            evaluations = _read_converted([path], name, mixed, options)
        else:
            reader = READERS.get(plain.suffix.lower(), read_jsonl)
            found = reader(plain, name, mixed, as_unpacked(path))
            evaluations = [replace(evaluation, path=path) for evaluation in found]
    except UserError as error:
        raise UserError(str(error).replace(str(plain), str(path))) from None
    for evaluation in evaluations:
        if not evaluation.samples.n_samples:
            said = ", ".join(f"{n} {line(s, 30)}" for s, n in evaluation.samples.statuses.items())
            raise UserError(f"{path}: holds no scored sample" + (f"; its verdicts: {said}" if said else ""))
    return evaluations


def _read_converted(
    paths: Sequence[Path], name: str, mixed: bool, options: importers.Options, pattern: str | None = None
) -> list[Evaluation]:
    """What files of another system hold, through our rows in a temporary file; settings beside one file go before its
    own. `pattern` names several, and then the evaluation."""
    into = kept_folder() / Path(pattern or "rows").with_suffix(".jsonl").name
    done = importers.convert(paths, into, name, options)
    try:
        found = READERS[done.path.suffix](done.path, name, mixed, done.path)
    except UserError as error:
        said = ", ".join(map(str, paths))
        raise UserError(str(error).replace(str(done.path), f"{said}, converted")) from None
    notes = [(*done.notes, *evaluation.notes) for evaluation in found]
    if pattern:
        return [replace(e, notes=said) for e, said in zip(found, notes, strict=True)]
    beside = as_unpacked(paths[0])
    settings, audit = read_settings(beside), read_audit(beside)
    return [
        replace(e, path=paths[0], settings=e.settings | settings, notes=said, audit=audit)
        for e, said in zip(found, notes, strict=True)
    ]


def read_jsonl(path: Path, name: str, mixed: bool, beside: Path) -> list[Evaluation]:
    """A rollout file, ours or anybody's that has `problem_id` and `score`. Settings and audit lie beside `beside`."""
    columns = read_columns(path, name)
    settings = read_settings(beside)
    marks = pass_marks(beside, settings)
    columns = _with_verdicts(columns, marks)
    notes = list(columns.notes)
    faults = [("several policies drew these rows", columns.policies, "expected one evaluation per file")]
    faults += [
        (f"several verifiers judged {f'the rows of {source}' if source else 'these rows'}", found, WHY)
        for source, found in columns.mixed.items()
    ]
    for said, found, why in faults:
        if len(found) > 1:
            named = ", ".join(f"{name!r} from line {first}" for name, first in found.items())
            if not mixed:
                raise UserError(f"{path}: {said} ({named}); {why}")
            notes.append(f"{path.name}: {said} ({named})")
    if columns.verifiers:
        settings.setdefault("verifier", " / ".join(columns.verifiers))
    sources = _sources(columns)
    if sources is None and columns.sources != ("",):
        notes.append(
            f"{path.name}: no figures by `source`: rows of one problem name several, or it has more than "
            f"{MOST_SOURCES} names"
        )
    return [
        Evaluation(
            name,
            path,
            _samples(columns, name, marks, sources),
            settings,
            columns,
            tuple(notes),
            read_audit(beside),
        )
    ]


WHY = "their scores do not compare"


def _with_verdicts(columns: Columns, marks: dict[str, float]) -> Columns:
    """Rows without a status have the one that their score says: correct, incorrect, or not judged."""
    if UNSAID not in columns.statuses:
        return columns
    names = list(dict.fromkeys((*columns.statuses, *FROM_SCORE)))
    right, wrong, unjudged = map(names.index, FROM_SCORE)
    said = np.where(columns.score >= _marks(columns, marks), right, wrong)
    said = np.where(np.isnan(columns.score), unjudged, said)
    status = np.where(columns.status == names.index(UNSAID), said, columns.status)
    return replace(columns, statuses=tuple(names), status=status)


UNSAID = "not given"
"""The status of rows that do not say it, in `columns`."""
FROM_SCORE = ("correct", "incorrect", "not judged")


def _marks(columns: Columns, marks: dict[str, float]) -> np.ndarray:
    """Of each row, the score from which it counts as solved."""
    return np.array([marks.get(source, marks[""]) for source in columns.sources])[columns.source]


def _sources(columns: Columns) -> tuple[str, ...] | None:
    """Of each problem, the name of its source; None where rows say none, or too many, or do not agree."""
    if columns.sources == ("",) or len(columns.sources) > MOST_SOURCES:
        return None
    of = np.zeros(len(columns.problems), np.int64)
    of[columns.problem[::-1]] = columns.source[::-1]  # that of the problem's first row
    if not np.array_equal(of[columns.problem], columns.source):
        return None
    return tuple(columns.sources[code] for code in of)


def read_csv(path: Path, name: str, mixed: bool, beside: Path) -> list[Evaluation]:
    """Counts per problem: `problem_id,n,c`, or `problem_id,n,c_base,c_tuned` for both policies at once. Settings lie
    beside `beside`."""
    settings = read_settings(beside)
    with path.open(newline="", encoding="utf-8-sig", errors="surrogateescape") as file:
        reader = csv.DictReader(file, delimiter="\t" if path.suffix.lower() == ".tsv" else ",")
        header = [h.strip() for h in reader.fieldnames or ()]
        reader.fieldnames = header
        both = {"c_base": "base", "c_tuned": "tuned"}
        counts = both if both.keys() & set(header) and "c" not in header else {"c": name}
        if lacks := [key for key in ("problem_id", "n", *counts) if key not in header]:
            raise UserError(
                f"{path}:1: column {', '.join(lacks)} is missing (found {', '.join(header) or 'nothing'}); "
                "expected problem_id,n,c or problem_id,n,c_base,c_tuned. Columns of other names are named: "
                "--map problem_id=…,n=…,c=…"
            )
        try:
            rows = list(_count_rows(path, reader, list(counts)))
        except csv.Error as error:
            raise UserError(f"{path}:{reader.line_num + 1}: not a line of CSV ({error})") from None
    if not rows:
        raise UserError(f"{path}: no problem in the file")
    ids, n = [row[0] for row in rows], [row[1] for row in rows]
    return [
        Evaluation(policy, path, Samples.from_counts(ids, n, [row[2 + i] for row in rows], policy), settings)
        for i, policy in enumerate(counts.values())
    ]


def _count_rows(path: Path, reader: csv.DictReader, counts: list[str]) -> Iterator[tuple]:
    seen: dict[str, int] = {}
    for row in reader:
        at, problem = reader.line_num, row["problem_id"]
        if None in row:
            raise UserError(f"{path}:{at}: more values than the header has columns")
        if not problem:
            raise UserError(f"{path}:{at}: problem_id is {problem!r}; expected a name")
        if not _is_text(problem):
            raise UserError(f"{path}:{at}: problem_id is {problem!r}; expected text in UTF-8")
        numbers = []
        for key in ("n", *counts):
            try:
                numbers.append(int(row[key]))
            except (TypeError, ValueError):
                raise UserError(
                    f"{path}:{at}: {key} is {line(repr(row[key]), 60)}; expected a whole number"
                ) from None
        n, *correct = numbers
        if not 0 <= n <= MOST_SAMPLES:
            expected = "0 or more" if n < 0 else f"at most {MOST_SAMPLES:,}"
            raise UserError(f"{path}:{at}: n is {line(row['n'], 40)}; expected {expected}")
        for key, c in zip(counts, correct, strict=True):
            if not 0 <= c <= n:
                raise UserError(f"{path}:{at}: {key} is {line(row[key], 40)}; expected 0 to n = {n}")
        if problem in seen:
            raise UserError(f"{path}:{at}: problem {problem!r} is already on line {seen[problem]}")
        seen[problem] = at
        yield problem, *numbers


def _is_text(name: str) -> bool:
    """No byte of it was no UTF-8."""
    return not any("\ud800" <= letter <= "\udfff" for letter in name)


READERS: dict[str, Callable[[Path, str, bool, Path], list[Evaluation]]] = {
    ".csv": read_csv,
    ".tsv": read_csv,
    ".jsonl": read_jsonl,
}


def _samples(
    columns: Columns, name: str, marks: dict[str, float], sources: tuple[str, ...] | None
) -> Samples:
    """Counts per problem, from rows. Solved is a score of its source's mark, or more."""
    size = len(columns.problems)
    pass_mark = _marks(columns, marks)
    scored = ~np.isnan(columns.score)
    right = columns.score >= pass_mark  # NaN is not
    answered = np.where(np.isnan(columns.answer_score), right, columns.answer_score >= pass_mark)

    def count(mask: np.ndarray) -> np.ndarray:
        return np.bincount(columns.problem[mask], minlength=size).astype(np.int64)

    looked = ~np.isnan(columns.sound) & scored
    c_answer = c_sound = None
    if looked.any() or (scored & ~np.isnan(columns.answer_score)).any():
        c_answer = count(answered & scored).astype(float)
    if c_answer is not None and looked.any():
        c_sound = count(answered & scored & (columns.sound == 1.0)).astype(float)
        c_sound[(c_answer > 0) & (count(answered & looked) == 0)] = np.nan
    lengths = columns.tokens >= 0
    with np.errstate(invalid="ignore", divide="ignore"):
        tokens = np.bincount(columns.problem[lengths], columns.tokens[lengths], minlength=size) / count(
            lengths
        )
    return Samples(
        policy=name,
        problem_ids=columns.problems,
        n=count(scored),
        c=count(right),
        score=np.bincount(columns.problem[scored], columns.score[scored], minlength=size).astype(np.float64),
        c_answer=c_answer,
        c_sound=c_sound,
        excluded=count(~scored),
        truncated=count(scored & (columns.complete == 0)) if (columns.complete >= 0).any() else None,
        no_answer=_without_answer(columns, count, scored & ~answered),
        tokens=tokens if lengths.any() else None,
        status_counts={status: count(columns.status == i) for i, status in enumerate(columns.statuses)},
        sources=sources,
        answers=_answers(columns, answered, scored) if columns.answer.any() else None,
        traces=_tallied(columns, columns.trace, right, scored) if columns.trace.any() else None,
        logprobs=_logprobs(columns, right, scored),
    )


def _without_answer(
    columns: Columns, count: Callable[[np.ndarray], np.ndarray], not_right: np.ndarray
) -> np.ndarray | None:
    """Of each problem; what a verifier accepted has an answer, also where the row does not give it."""
    if set(columns.statuses) - {UNSAID, *FROM_SCORE}:  # statuses of its own, which say more than the score
        codes = [i for i, status in enumerate(columns.statuses) if status == "no_answer"]
        return count(not_right & np.isin(columns.status, codes))
    return count(not_right & (columns.answer == 0)) if "answer" in columns.present else None


def _answers(columns: Columns, answered: np.ndarray, scored: np.ndarray) -> Answers:
    """How often each answer was given; whatever the verifier accepts is one class per problem."""
    given = scored & ((columns.answer != 0) | answered)
    return _tallied(columns, np.where(answered, 0, columns.answer), answered, given)


def _tallied(columns: Columns, text: np.ndarray, right: np.ndarray, among: np.ndarray) -> Answers:
    """One row per problem and text, in the order of their first occurrence: hashes differ from run to run."""
    problem, text, right = columns.problem[among].astype(np.int64), text[among], right[among]
    order = np.lexsort((right, text, problem))
    if not len(order):
        return Answers(problem, problem, right)
    keys = [key[order] for key in (problem, text, right)]
    new = np.concatenate([[True], np.any([key[1:] != key[:-1] for key in keys], axis=0)])
    start = np.flatnonzero(new)
    count = np.diff(start, append=len(order))
    by_occurrence = np.argsort(order[start])  # lexsort is stable: a run begins with its earliest row
    first = order[start][by_occurrence]
    return Answers(problem[first], count[by_occurrence].astype(np.int64), right[first])


def _logprobs(columns: Columns, right: np.ndarray, scored: np.ndarray) -> LogProbs | None:
    if not columns.logprobs:
        return None
    nats = {policy: values[scored] for policy, values in columns.logprobs.items()}
    return LogProbs(columns.problem[scored].astype(np.int64), right[scored], nats)


def renamed(evaluation: Evaluation, names: dict[str, str]) -> Evaluation:
    """The same, its log-probabilities under the report's names for the policies instead of the file's own."""
    held = evaluation.samples.logprobs
    if held is None:
        return evaluation
    logp = {names.get(policy, policy): nats for policy, nats in held.logp.items()}
    return replace(evaluation, samples=replace(evaluation.samples, logprobs=replace(held, logp=logp)))
