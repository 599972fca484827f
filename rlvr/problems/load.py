"""Problems of a run: rows of a source become `Problem`s, and no held-out problem is in the training set.

`load` reads one source, `load_all` a run's train, held-out and probe sets. No torch.
"""

from __future__ import annotations

import random
import unicodedata
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from itertools import chain, islice
from pathlib import Path

from rlvr import worlds
from rlvr.config import Sources, each
from rlvr.config.data import SourceConfig
from rlvr.problems.mapping import Mapper, RowProblem
from rlvr.problems.on_disk import stored
from rlvr.problems.rows import Place, ProblemError, Row, Rows, short
from rlvr.problems.shapes import LOOKED_AT, Shape, recognise
from rlvr.problems.sources import MAX_DRAWS, rows
from verifiers.types import Problem

BAD_SHOWN = 5
"""Rows that cannot be read of which the reason is told."""
BAD_AFTER = 1000
"""Rows after which a share of unreadable ones that is too large ends the reading."""


@dataclass(frozen=True, slots=True)
class Problems:
    """The sets of a run: `train` is disjoint from `heldout` and from each probe by normalised prompt."""

    train: Sequence[Problem]
    heldout: Sequence[Problem]
    probes: dict[str, Sequence[Problem]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    """Lines for a person: rows left out because they cannot be read, problems drawn again to keep sets disjoint."""


def normalise(prompt: str) -> str:
    """The form in which prompts are compared for overlap: Unicode NFKC, case folded, white space collapsed.

    >>> normalise("What  is ２+２?") == normalise("what is 2+2?")
    True
    """
    return " ".join(unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", prompt).casefold()).split())


def identity(problem: Problem) -> str:
    """What makes two problems the same: all that the user says, normalised; not the system message."""
    said = [message["content"] for message in problem.history if message["role"] == "user"]
    return normalise("\n".join([*said, problem.prompt]))


def load_all(
    train: Sources | None,
    heldout: Sources | None,
    probes: Mapping[str, SourceConfig] | None = None,
    base: Path | None = None,
) -> Problems:
    """Read a run's sets and check that train is disjoint from the others, whatever source a problem is from.

    A generated train source leaves out the others' problems and draws until it has its size (`notes` says how
    many it left out); any other train set that overlaps is refused. `base` as in `load`.
    Raises ProblemError.
    """
    evaluation: dict[str, Sequence[Problem]] = {}
    notes: list[str] = []
    if heldout is not None:
        evaluation["problems.heldout"] = _load_set(heldout, "problems.heldout", base, notes.append)
    for name, source in (probes or {}).items():
        where = f"problems.probes.{name}"
        evaluation[where] = _load_set(source, where, base, notes.append)
    taken: set[str] = set()
    if any(source.generator is not None for source in each(train)):
        taken = {identity(problem) for problems in evaluation.values() for problem in problems}
    training: Sequence[Problem] = []
    if train is not None:
        training = _load_set(train, "problems.train", base, notes.append, taken)
    for where, problems in evaluation.items():
        refuse_overlap(training, problems, where)
    held = evaluation.pop("problems.heldout", [])
    named = {where.removeprefix("problems.probes."): problems for where, problems in evaluation.items()}
    return Problems(training, held, named, tuple(notes))


def _load_set(
    sources: Sources,
    where: str,
    base: Path | None,
    note: Callable[[str], None],
    taken: Collection[str] | None = None,
) -> Sequence[Problem]:
    """Read the one source of a set, or all of its list, one after the other. `taken`: what a training set's generators
    leave out."""

    def read(source: SourceConfig, where: str) -> Sequence[Problem]:
        if source.generator is None or taken is None:
            return load(source, where, base, note)
        drawn, left_out = _generate(source, where, taken)
        if left_out:
            note(
                f"{where}: left out {left_out} generated problems that are in an evaluation set, and drew others"
            )
        return drawn

    several = not isinstance(sources, SourceConfig)
    found: list[Sequence[Problem]] = []
    ids: set[int] = set()
    for number, source in enumerate(each(sources)):
        problems = read(source, f"{where}.{number}" if several else where)
        if source.name is not None:
            problems = _of_source(problems, source.name, f"{where}.{number}", ids, note)
        found.append(problems)
    return stored(chain.from_iterable(found)) if several else found[0]


def _of_source(
    problems: Sequence[Problem], name: str, where: str, ids: set[int], note: Callable[[str], None]
) -> Sequence[Problem]:
    """The problems, each with the source's name; with ids that begin with it where one of them is in `ids`, the hashes
    of those of the sources before, which are added to."""
    own = {_digest(problem.id) for problem in problems}
    stem = ""
    if shared := len(own & ids):
        stem = f"{name}/"
        own = {_digest(stem + problem.id) for problem in problems}
        if own & ids:
            raise ProblemError(
                f"{where}: ids of {name} are there twice, also as {stem}ID; expected distinct ids"
            )
        note(
            f"{where}: {shared} ids of {name} are in a source before it, so its problems are called {stem}ID"
        )
    ids |= own
    return stored(replace(problem, id=stem + problem.id, source=name) for problem in problems)


def refuse_overlap(train: Iterable[Problem], evaluation: Iterable[Problem], where: str) -> None:
    """Raise ProblemError, with the count and examples, where a prompt of `train` is in `evaluation`."""
    known = {identity(problem): problem for problem in evaluation}
    shared = [(problem, known[text]) for problem in train if (text := identity(problem)) in known]
    if not shared:
        return
    examples = "".join(f"\n  {ours.id} = {other.id}: {short(other.prompt)}" for ours, other in shared[:3])
    raise ProblemError(
        f"problems.train shares {len(shared)} problems with {where} (compared without case, white space and "
        "Unicode variants); an evaluation on them would measure memorisation. Remove them from one of the two, or "
        f"split by other rows.{examples}"
    )


def load(
    source: SourceConfig,
    where: str = "problems",
    base: Path | None = None,
    note: Callable[[str], None] | None = None,
) -> Sequence[Problem]:
    """Read one source. `where` is the config key that error messages name; `note` is told of rows left out.

    A relative `file` is looked for in `base` (the config file's folder), then in the working directory.
    Without `shuffle_seed`, rows after the one that fills `limit` are not read.
    Rows that cannot be a problem (no prompt, no reference, tests that cannot be read) are left out, up to the share
    `bad_rows`. Raises ProblemError: unreadable source, too many bad rows, no row left, a repeated id.
    """
    if source.generator is not None:
        return _generate(source, where, taken=frozenset())[0]
    if source.world is not None:
        return _chosen(_world(source, where), source, where)
    bad = _BadRows(source, where)
    chosen = _chosen(_parse(source, where, rows(source, where, base), bad, base), source, where, bad)
    bad.settle(note)
    return chosen


def _world(source: SourceConfig, where: str) -> list[Problem]:
    try:
        world, split = worlds.find(str(source.world))
        return world.problems(split)
    except ValueError as error:
        raise ProblemError(f"{where}.world: {error}") from error


def _generate(source: SourceConfig, where: str, taken: Collection[str]) -> tuple[Sequence[Problem], int]:
    """`size` distinct problems that are not `taken`, and how many were left out because they were.

    A reasoning_gym item depends on seed + index, so neighbouring seeds share almost all of their items:
    distinctness is by normalised prompt, never by seed.
    """
    seen: set[str] = set()
    left_out = 0

    def fresh() -> Iterator[Problem]:
        nonlocal left_out
        for problem in _parse(source, where, rows(source, where, None), _BadRows(source, where)):
            text = normalise(problem.prompt)
            if text in seen:
                continue
            seen.add(text)
            if text in taken:
                left_out += 1
            else:
                yield problem

    drawn = list(islice(fresh(), source.size))
    if len(drawn) < source.size:
        raise ProblemError(
            f"{where}.generator: {source.generator} with {source.parameters or 'its defaults'} gave "
            f"{len(drawn)} distinct problems in {source.size * MAX_DRAWS} draws ({left_out} more are in "
            f"an evaluation set); expected size = {source.size}: lower it, or widen `parameters`"
        )
    return _chosen(drawn, source, where), left_out


def _chosen(
    problems: Iterable[Problem], source: SourceConfig, where: str, bad: _BadRows | None = None
) -> Sequence[Problem]:
    """Shuffle, limit, and refuse an empty set (where all rows are bad: with their reasons) or a repeated id."""
    if source.shuffle_seed is not None:
        found = stored(problems)
        order = list(range(len(found)))
        random.Random(source.shuffle_seed).shuffle(order)
        problems = (found[i] for i in order)
    at = f"{where} ({', '.join(source.files) or source.label})"
    chosen = stored(_distinct(islice(problems, source.limit), at, bad))
    if not chosen:
        if bad is not None:
            bad.settle(None)
        fitting = f" that fits {source.where}" if source.where else ""
        raise ProblemError(f"{at}: found no row{fitting}; expected at least one")
    return chosen


def _distinct(problems: Iterable[Problem], at: str, bad: _BadRows | None) -> Iterator[Problem]:
    """The problems, each with an id of its own: `ID-copy1` where the config did not name a column of ids.

    Raises ProblemError at the first repeated id, where it did.
    """
    seen: set[int] = set()  # hashes: the ids themselves would be most of what a large set takes
    copies: Counter[str] = Counter()
    for problem in problems:
        identity = problem.id
        while (digest := _digest(identity)) in seen:
            if bad is None or bad.source.id is not None:
                raise ProblemError(f"{at}: id {identity!r} is there twice; expected distinct ids")
            copies[problem.id] += 1
            identity = f"{problem.id}-copy{copies[problem.id]}"
        seen.add(digest)
        yield problem if identity == problem.id else replace(problem, id=identity)
    if bad is not None:
        bad.copies = copies.total()


def _digest(identity: str) -> int:
    return int.from_bytes(blake2b(identity.encode("utf-8", "surrogatepass"), digest_size=8).digest())


# --- from row to problem ----------------------------------------------------------------------------------


@dataclass(slots=True)
class _BadRows:
    """Rows of a source that cannot be a problem: counted, and refused beyond the share `source.bad_rows`."""

    source: SourceConfig
    where: str
    read: int = 0
    count: int = 0
    reasons: list[str] = field(default_factory=list)
    """Of the first `BAD_SHOWN`."""
    shape: str = ""
    """How the rows are read, where the config does not say; one line."""
    copies: int = 0
    """Problems whose id was taken, and that got another."""

    def add(self, error: RowProblem) -> None:
        self.count += 1
        if len(self.reasons) < BAD_SHOWN:
            self.reasons.append(str(error))
        if self.read >= BAD_AFTER and self.too_many:
            self.settle(None)

    @property
    def too_many(self) -> bool:
        return self.count > self.source.bad_rows * self.read

    def settle(self, note: Callable[[str], None] | None) -> None:
        """Tell `note` how rows were read, and which were left out. Raises ProblemError where they are too many."""
        if self.shape and note is not None:
            note(self.shape)
        if self.copies and note is not None:
            note(
                f"{self.where}: {self.copies} rows repeat the id of a row before; theirs end in -copy1, -copy2, …"
            )
        if not self.count:
            return
        share = f"{self.where}: {self.count} of {self.read} rows cannot be read"
        if self.too_many:
            others = "".join(f"\n  {reason}" for reason in self.reasons[1:])
            summary = f"{share}, more than bad_rows = {self.source.bad_rows:g} allows"
            raise ProblemError("\n".join([self.reasons[0], *([summary + others] if self.read > 1 else [])]))
        if note is not None:
            note(f"{share} and are left out:" + "".join(f"\n  {reason}" for reason in self.reasons))


def _looked_at(rows: Rows) -> tuple[list[Row], Rows]:
    """The first rows, from which a shape is told; and all of them, with the error, if one ends them, in its place."""
    first: list[tuple[Place, Row]] = []
    failed: list[ProblemError] = []
    try:
        for found in islice(rows, LOOKED_AT):
            first.append(found)
    except ProblemError as error:
        failed.append(error)

    def everything() -> Rows:
        yield from first
        for error in failed:
            raise error
        yield from rows

    return [row for _, row in first], everything()


def _parse(
    source: SourceConfig, where: str, found: Rows, bad: _BadRows, base: Path | None = None
) -> Iterator[Problem]:
    """Map rows to problems; those that cannot be one are entered in `bad`."""
    kept = ((place, row) for place, row in found if Mapper(source, where).keeps(place, row))
    if source.format == "columns" and None in (source.prompt, source.reference, source.id):
        first, kept = _looked_at(kept)
        shape = recognise(first, source, where)
        bad.shape = shape.said
    else:
        shape = Shape()
    problem_of = Mapper(source, where, shape).reader(base)
    for place, row in kept:
        bad.read += 1
        try:
            problem = problem_of(place, row)
        except RowProblem as error:
            bad.add(error)
            continue
        yield problem
