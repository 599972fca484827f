"""`rlvr show`: samples of a run as a person reads them, with the gold answer beside what the verifier said."""

from __future__ import annotations

import json
import random
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rlvr import rollouts
from rlvr.errors import UserError
from rlvr.rollouts.keys import valid_turns
from rlvr.rollouts.rows import TornLine, parse, read_objects, settings_path
from rlvr.run import SWEEP, around, cells
from rlvr.text import line as short
from rlvr.text import number
from verifiers.types import is_score

REFERENCE = 2000
"""Characters of a reference that are shown: the tests of a code problem may be long."""
HEAD, RIGHT, WRONG, FAINT, PLAIN = "bold", "green", "red", "dim", ""
"""Styles of a line, on a terminal."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which samples: all that is given must hold of each."""

    problem: str | None = None
    right: bool | None = None
    """The score reaches the pass mark, or does not. A sample without a score is neither."""
    status: str | None = None
    source: str | None = None
    limit: int = 5
    """Samples; of a training step, groups. 0: all."""
    seed: int | None = None
    """Draw them with it; None: the first sample of each problem, then the second, …; of a step, the first groups."""

    @property
    def words(self) -> str:
        """`wrong, status timeout`"""
        named = (("problem", self.problem), ("status", self.status), ("source", self.source))
        verdict = [] if self.right is None else ["right" if self.right else "wrong"]
        return ", ".join(
            verdict + [f"{name} {short(value, 60)}" for name, value in named if value is not None]
        )


@dataclass(frozen=True, slots=True)
class Place:
    """A sample in the file: what chooses it, and where its row begins."""

    problem: str
    status: str
    source: str
    solved: bool | None
    round: int
    """0, or the round of refilling in which its group was replaced: it was not trained on."""
    trained: bool
    offset: int

    @property
    def group(self) -> tuple[str, int]:
        return self.problem, self.round


def file_of(path: Path, step: int | None = None) -> Path:
    """The rollout file meant by a run's folder, or by the file itself.

    Args:
        step: what this step trained on. Without it: the tuned policy's evaluation; before there is one, what was
            sampled last.

    Raises:
        UserError: there is none; or `path` is a file and a step is asked for.
    """
    if path.is_file():
        if step is not None:
            raise UserError(f"{path}: --step chooses a file of a run's folder, and this is a file")
        return path
    if (path / SWEEP).is_file():
        names = ", ".join(cell.folder.name for cell in cells(path))
        raise UserError(f"{path}: a sweep; expected one of its runs: {names}")
    run = around(path) if path.is_dir() else None
    if run is None:
        raise UserError(f"{path}: expected the folder of a run, or a rollout file")
    steps = run.steps()
    if step is not None:
        if step not in steps:
            there = f"there are {min(steps)} to {max(steps)}" if steps else "there are none yet"
            raise UserError(f"{run.folder}: no samples of training step {step}; {there}")
        return steps[step]
    evaluations = run.evaluations()
    last = [(max(steps), 0, steps[max(steps)])] if steps else []
    last += [(int(file.stem[5:]), 1, file) for file in evaluations[-1:]]
    files = [run.rollouts("tuned"), *(file for *_, file in sorted(last, reverse=True)), run.rollouts("base")]
    for file in files:
        if file.is_file():
            return file
    raise UserError(f"{run.folder}: nothing was sampled yet")


def lines(file: Path, wanted: Wanted) -> Iterator[tuple[str, str]]:
    """The samples asked for, as lines with their style. The same file gives the same samples.

    Raises:
        UserError: a row that cannot be read (it names file and line); no row has the problem, status or source that
            is asked for, whose names are then listed.
    """
    marks = rollouts.pass_marks(*_settings(file))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", TornLine)
        places = list(_places(file, marks))
    for warning in caught:
        yield f"Note: {warning.message}", FAINT
    found = _matching(file, places, wanted)
    shown = _chosen(found, wanted)
    said = f" ({wanted.words})" if wanted.words else ""
    own = sorted(set(marks.values()))
    yield (
        f"{file}: {len(shown)} of {len(found)} samples{said}, {len(places)} in the file; right: a score of "
        f"{' or '.join(number(mark) for mark in own)} or more",
        HEAD,
    )
    groups: dict[tuple[str, int], list[Place]] = {}
    for place in places:
        groups.setdefault(place.group, []).append(place)
    group = None
    with file.open("rb") as stream:
        for place in shown:
            stream.seek(place.offset)
            row = parse(stream.readline())
            if place.group != group:
                group = place.group
                yield from _problem(row, place, groups[group])
            yield from _sample(row, place)


def _settings(file: Path) -> tuple[Path, dict[str, Any]]:
    """Those of the file; a training step has none of its own, and the verifier of its run's evaluations."""
    beside = [settings_path(file), settings_path(file.with_name("base.jsonl"))]
    beside += sorted(file.parent.glob("step-*.settings.json"))
    found = next((path for path in beside if path.is_file()), beside[0])
    of = found.with_name(found.name.replace(".settings.json", ".jsonl"))
    return of, rollouts.read_settings(of)


def _places(file: Path, marks: dict[str, float]) -> Iterator[Place]:
    """Every row of the file: a rollout, or a line that `rlvr score` wrote."""
    for at, offset, row in read_objects(file):
        if not isinstance(row, dict) or not ("trace" in row or "response" in row):
            raise UserError(
                f"{file}:{at}: expected an object with `trace`, or `response` as `rlvr score` writes it (files of "
                "other systems: rlvr import FILE --into OUT.jsonl, then show that)"
            )
        score = row.get("score")
        if score is not None and not is_score(score):
            raise UserError(
                f"{file}:{at}: score is {short(repr(score), 60)}; expected a number from 0 to 1, or null"
            )
        source = str(row.get("source") or "")
        yield Place(
            problem=str(row.get("problem_id", row.get("id", f"line {at}"))),
            status=str(row.get("status") or "not given"),
            source=source,
            solved=None if score is None else score >= marks.get(source, marks[""]),
            round=row["replaced"] if isinstance(row.get("replaced"), int) else 0,
            trained="advantage" in row,
            offset=offset,
        )


def _matching(file: Path, places: Sequence[Place], wanted: Wanted) -> list[Place]:
    for name in ("problem", "status", "source"):
        asked, there = getattr(wanted, name), Counter(getattr(place, name) for place in places)
        if asked is not None and asked not in there:
            some = ", ".join(f"{short(key, 40) or 'none'} ({n})" for key, n in there.most_common(8))
            more = f", and {len(there) - 8} more" if len(there) > 8 else ""
            raise UserError(f"{file}: no sample with {name} {short(asked, 60)!r}; there are {some}{more}")
        places = [place for place in places if asked is None or getattr(place, name) == asked]
    return [place for place in places if wanted.right is None or place.solved is wanted.right]


def _chosen(found: Sequence[Place], wanted: Wanted) -> list[Place]:
    """As many as are wanted, the samples of a group together, groups in the order of the file."""
    groups: dict[tuple[str, int], list[Place]] = {}
    for place in found:
        groups.setdefault(place.group, []).append(place)
    order = {group: number for number, group in enumerate(groups)}
    units = list(groups.values())
    if not any(place.trained for place in found):  # one by one, each problem in turn
        turns = [(n, group, place) for group, own in groups.items() for n, place in enumerate(own)]
        units = [[place] for *_, place in sorted(turns, key=lambda turn: (turn[0], order[turn[1]]))]
    limit = min(wanted.limit or len(units), len(units))
    units = units[:limit] if wanted.seed is None else random.Random(wanted.seed).sample(units, limit)
    return sorted((p for unit in units for p in unit), key=lambda p: (order[p.group], p.offset))


def _problem(row: dict[str, Any], place: Place, group: Sequence[Place]) -> Iterator[tuple[str, str]]:
    """What its samples have in common: the question, and the gold answer."""
    right = sum(p.solved is True for p in group)
    facts = [f"problem {place.problem}", f"{right} of {len(group)} right"]
    facts += [f"source {place.source}"] if place.source else []
    facts += [f"replaced in round {place.round}, not trained on"] if place.round else []
    yield "", PLAIN
    yield f"== {short(', '.join(facts), 400)}", HEAD
    history = row.get("history")
    said = history if isinstance(history, list) else []
    for message in (m for m in said if isinstance(m, dict)):
        yield _indented(f"[{message.get('role')}] {_text(message.get('content'))}"), PLAIN
    if row.get("prompt") is not None:
        yield _indented(f"{'[user] ' if said else ''}{_text(row['prompt'])}{row.get('opened') or ''}"), PLAIN
    if "reference" in row:
        gold = _text(row["reference"])
        cut = f"… ({len(gold) - REFERENCE:,} characters more)" if len(gold) > REFERENCE else ""
        yield f"gold: {_indented(gold[:REFERENCE] + cut).lstrip()}", HEAD


def _sample(row: dict[str, Any], place: Place) -> Iterator[tuple[str, str]]:
    """The verdict, then what the policy wrote; of several turns, who wrote which."""
    score, answer, tokens = row.get("score"), row.get("answer"), row.get("tokens")
    facts = [f"sample {row['sample']}" if "sample" in row else "sample", place.status]
    facts += ["no score" if score is None else f"score {number(score)}"]
    facts += [f"answer {_text(answer)}" if answer is not None else "no answer"]
    facts += [f"{tokens} tokens"] if tokens is not None else []
    facts += ["cut by the token limit"] if row.get("complete") is False else []
    facts += [f"{name} {number(value)}" for name, value in _terms(row)]
    style = {True: RIGHT, False: WRONG, None: FAINT}[place.solved]
    yield "", PLAIN
    yield f"-- {short(', '.join(facts), 400)}", style
    if row.get("detail"):
        yield f"verifier: {short(row['detail'], 400)}", FAINT
    turns = row.get("turns") if valid_turns(row.get("turns")) else None  # anybody's rows may have such a key
    for turn in turns or [{"text": row.get("trace", row.get("response"))}]:
        yield from [(f"  [{turn['by']}]", FAINT)] if "by" in turn else []
        yield _indented(_text(turn["text"])), PLAIN


def _terms(row: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """What a training row says of its reward: the further terms, and the advantage."""
    terms = row.get("rewards")
    yield from (terms.items() if isinstance(terms, dict) else ())
    if isinstance(row.get("advantage"), int | float):
        yield "advantage", row["advantage"]


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _indented(text: str) -> str:
    """Two spaces before each line: what a model wrote cannot look like a verdict."""
    return "\n".join(f"  {part}" for part in text.splitlines() or [""])
