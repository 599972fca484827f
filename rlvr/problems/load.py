"""Problems of a run: rows of a source become `Problem`s, and no held-out problem is in the training set.

`load` reads one source, `load_all` a run's train, held-out and probe sets. No torch.
"""

from __future__ import annotations

import random
import unicodedata
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from itertools import islice
from pathlib import Path
from typing import Any

from rlvr import worlds
from rlvr.config.data import SourceConfig, columns, is_format
from rlvr.problems.on_disk import stored
from rlvr.problems.sources import MAX_DRAWS, ProblemError, Row, Rows, rows, short
from verifiers.code.datasets import READERS
from verifiers.code.formats import BadReferenceError
from verifiers.types import Problem


@dataclass(frozen=True, slots=True)
class Problems:
    """The sets of a run: `train` is disjoint from `heldout` and from each probe by normalised prompt."""

    train: Sequence[Problem]
    heldout: Sequence[Problem]
    probes: dict[str, Sequence[Problem]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    """Lines for a person: what was drawn again to keep the sets disjoint."""


def normalise(prompt: str) -> str:
    """The form in which prompts are compared for overlap: Unicode NFKC, case folded, white space collapsed.

    >>> normalise("What  is ２+２?") == normalise("what is 2+2?")
    True
    """
    return " ".join(unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", prompt).casefold()).split())


def load_all(
    train: SourceConfig | None,
    heldout: SourceConfig | None,
    probes: Mapping[str, SourceConfig] | None = None,
    base: Path | None = None,
) -> Problems:
    """Read a run's sets and check that train is disjoint from the others.

    A generated train set leaves out the others' problems and draws until it has its size (`notes` says how
    many it left out); any other train set that overlaps is refused. `base` as in `load`.
    Raises ProblemError.
    """
    evaluation: dict[str, Sequence[Problem]] = {}
    if heldout is not None:
        evaluation["problems.heldout"] = load(heldout, "problems.heldout", base)
    for name, source in (probes or {}).items():
        evaluation[f"problems.probes.{name}"] = load(source, f"problems.probes.{name}", base)
    notes: list[str] = []
    training: Sequence[Problem] = []
    if train is not None and train.generator is not None:
        taken = {normalise(problem.prompt) for problems in evaluation.values() for problem in problems}
        training, left_out = _generate(train, "problems.train", taken)
        if left_out:
            notes.append(
                f"problems.train: left out {left_out} generated problems that are in an evaluation set, "
                "and drew others"
            )
    elif train is not None:
        training = load(train, "problems.train", base)
    for where, problems in evaluation.items():
        refuse_overlap(training, problems, where)
    held = evaluation.pop("problems.heldout", [])
    named = {where.removeprefix("problems.probes."): problems for where, problems in evaluation.items()}
    return Problems(training, held, named, tuple(notes))


def refuse_overlap(train: Iterable[Problem], evaluation: Iterable[Problem], where: str) -> None:
    """Raise ProblemError, with the count and examples, where a prompt of `train` is in `evaluation`."""
    known = {normalise(problem.prompt): problem for problem in evaluation}
    shared = [(problem, known[text]) for problem in train if (text := normalise(problem.prompt)) in known]
    if not shared:
        return
    examples = "".join(f"\n  {ours.id} = {other.id}: {short(other.prompt)}" for ours, other in shared[:3])
    raise ProblemError(
        f"problems.train shares {len(shared)} problems with {where} (compared without case, white space and "
        "Unicode variants); an evaluation on them would measure memorisation. Remove them from one of the two, or "
        f"split by other rows.{examples}"
    )


def load(source: SourceConfig, where: str = "problems", base: Path | None = None) -> Sequence[Problem]:
    """Read one source. `where` is the config key that error messages name.

    A relative `file` is looked for in `base` (the config file's folder), then in the working directory.
    Without `shuffle_seed`, rows after the one that fills `limit` are not read.
    Raises ProblemError: unreadable source, missing column, no row left, a repeated id, a row without prompt
    or reference.
    """
    if source.generator is not None:
        return _generate(source, where, taken=frozenset())[0]
    found = (
        _world(source, where)
        if source.world is not None
        else _parse(source, where, rows(source, where, base))
    )
    return _chosen(found, source, where)


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
        for problem in _parse(source, where, rows(source, where, None)):
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


def _chosen(problems: Iterable[Problem], source: SourceConfig, where: str) -> Sequence[Problem]:
    """Shuffle, limit, and refuse an empty set or a repeated id."""
    if source.shuffle_seed is not None:
        found = stored(problems)
        order = list(range(len(found)))
        random.Random(source.shuffle_seed).shuffle(order)
        problems = (found[i] for i in order)
    at = f"{where} ({source.file or source.label})"
    chosen = stored(_distinct(islice(problems, source.limit), at))
    if not chosen:
        fitting = f" that fits {source.where}" if source.where else ""
        raise ProblemError(f"{at}: found no row{fitting}; expected at least one")
    return chosen


def _distinct(problems: Iterable[Problem], at: str) -> Iterator[Problem]:
    """The problems, each with an id of its own. Raises ProblemError at the first repeated id."""
    seen: set[int] = set()  # hashes: the ids themselves would be most of what a large set takes
    for problem in problems:
        digest = int.from_bytes(blake2b(problem.id.encode("utf-8", "surrogatepass"), digest_size=8).digest())
        if digest in seen:
            raise ProblemError(f"{at}: id {problem.id!r} is there twice; expected distinct ids")
        seen.add(digest)
        yield problem


# --- from row to problem ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Mapper:
    """Reads cells of rows; its errors name the source, the row and the column."""

    source: SourceConfig
    where: str

    def fault(self, number: int, found: str, expected: str, row: Row | None = None) -> ProblemError:
        found_columns = f"; columns found: {', '.join(map(str, row))}" if row is not None else ""
        origin = self.source.file or self.source.label
        return ProblemError(
            f"{self.where} ({origin}), row {number} (from 0): {found}; expected {expected}{found_columns}"
        )

    def cell(self, key: str, spec: str) -> Callable[[int, Row], Any]:
        """A function that reads a column or a format string from a row; `key` is the config key that names it."""
        needed = sorted(columns(spec))
        formatted = is_format(spec)

        def read(number: int, row: Row) -> Any:
            for column in needed:
                if column not in row:
                    raise self.fault(number, f"no column {column!r}", f"it, for `{key}`", row)
                if _blank(row[column]):
                    raise self.fault(number, f"{column!r} is {row[column]!r}", f"a value for `{key}`")
            return spec.format_map(row) if formatted else row[spec]

        return read

    def reference(self) -> Callable[[int, Row], Any]:
        """A function that reads the reference. In a mapping, `key?` is left out where its column is empty."""
        specs = self.source.reference
        if isinstance(specs, str):
            cell = self.cell("reference", specs)
            return lambda number, row: _as_reference(cell(number, row))
        cells = [(key, columns(spec), self.cell(f"reference.{key}", spec)) for key, spec in specs.items()]

        def read(number: int, row: Row) -> dict[str, Any]:
            return {
                key.removesuffix("?"): cell(number, row)
                for key, needed, cell in cells
                if not (key.endswith("?") and any(_blank(row.get(column)) for column in needed))
            }

        return read

    def keeps(self, number: int, row: Row) -> bool:
        """Whether the row fits the source's `where`."""
        for column, wanted in self.source.where.items():
            if column not in row:
                raise self.fault(number, f"no column {column!r}", "it, for `where`", row)
            if row[column] not in (wanted if isinstance(wanted, list) else [wanted]):
                return False
        return True


def _parse(source: SourceConfig, where: str, numbered: Rows) -> Iterator[Problem]:
    """Map rows to problems. Columns that are neither prompt, reference nor id become `meta`."""
    mapper = _Mapper(source, where)
    if source.format != "columns":
        yield from _parse_code(source, mapper, numbered)
        return
    prompt_of, reference_of = mapper.cell("prompt", source.prompt), mapper.reference()
    id_of = mapper.cell("id", source.id) if source.id is not None else None
    specs = source.reference.values() if isinstance(source.reference, dict) else [source.reference]
    spent = frozenset().union(*map(columns, (source.prompt, *specs)), [source.id])
    label = source.label
    for number, row in numbered:
        if source.where and not mapper.keeps(number, row):
            continue
        prompt, reference = prompt_of(number, row), reference_of(number, row)
        if not isinstance(prompt, str):
            raise mapper.fault(number, f"the prompt is {short(prompt)}", "text")
        if not _encodable(prompt):
            raise mapper.fault(number, "the prompt holds half a surrogate pair", "text that UTF-8 can hold")
        name = f"{label}-{number}" if id_of is None else str(id_of(number, row))
        yield Problem(name, prompt, reference, {key: row[key] for key in row if key not in spent})


def _parse_code(source: SourceConfig, mapper: _Mapper, numbered: Rows) -> Iterator[Problem]:
    """Rows of a public code data set, as `verifiers.code.datasets` reads them."""
    reader = READERS[source.format]
    for number, row in numbered:
        if source.where and not mapper.keeps(number, row):
            continue
        try:
            yield reader(row)
        except BadReferenceError as error:
            raise mapper.fault(number, str(error), "tests that can be read") from None
        except KeyError as error:
            raise mapper.fault(number, f"no column {error}", f"it, for format {source.format}", row) from None


def _blank(value: Any) -> bool:
    return value is None or (isinstance(value, str) and not value.strip())


def _as_reference(value: Any) -> Any:
    """Numbers become text, which is what the verifiers of mathematics read."""
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


def _encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
