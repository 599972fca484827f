"""Where problems come from: Hub data sets, local files, procedural generators, the tiny world.

One `SourceConfig` names one source; `load` reads it into `Problem`s, `load_all` reads a run's train, held-out
and probe sets and proves that training saw none of the others. No torch; `datasets` and `reasoning_gym` are
imported only where a source needs them.
"""

from __future__ import annotations

import difflib
import json
import random
import unicodedata
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from string import Formatter
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, model_validator

from rlvr.errors import UserError
from verifiers.types import Problem

Row = Mapping[str, Any]
KINDS = ("dataset", "file", "generator", "world")
# Draws from a generator, per problem asked for, before it counts as exhausted.
MAX_DRAWS = 64


class ProblemError(UserError):
    """A source cannot be read, a row of it is no problem, or two sets overlap. Written for a person."""


class SourceConfig(BaseModel):
    """One source of problems: exactly one of `dataset`, `file`, `generator`, `world`.

    `file` may stand beside `dataset`: then it is the local copy that is read instead.

    >>> SourceConfig(dataset="openai/gsm8k", split="test", prompt="question", reference="answer").label
    'openai/gsm8k/test'
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    dataset: str | None = Field(None, description="name of a data set on the Hub")
    subset: str | None = Field(None, description="its configuration, where it has several")
    split: str | None = Field(None, description='its split; slices such as "test[:200]" work')
    revision: str | None = Field(None, description="its commit, tag or branch")
    file: str | None = Field(
        None, description="local .jsonl, .json, .parquet or .csv, read instead of the Hub"
    )
    generator: str | None = Field(None, description="name of a reasoning_gym task")
    parameters: dict[str, Any] = Field({}, description="the task's own parameters")
    size: int = Field(1000, ge=1, description="how many distinct problems to generate")
    seed: int = Field(0, ge=0, description="seed of the generator")
    world: str | None = Field(None, description="a split of the tiny world")
    prompt: str = Field("prompt", description="column, or a format string with {columns}")
    reference: str | dict[str, str] = Field(
        "reference",
        description="column or format string; or a mapping of keys to such (code: {test_code: …})",
    )
    id: str | None = Field(None, description="column; without it, the source's name and the row's number")
    where: dict[str, Any] = Field(
        {}, description="keep rows whose column has this value (a list: any of these)"
    )
    shuffle_seed: int | None = Field(None, description="shuffle with this seed before `limit`")
    limit: int | None = Field(None, ge=1, description="at most this many problems")

    @model_validator(mode="after")
    def _one_kind(self) -> SourceConfig:
        kinds = [kind for kind in KINDS if getattr(self, kind) is not None]
        if kinds not in (["dataset"], ["dataset", "file"], ["file"], ["generator"], ["world"]):
            raise ValueError(
                f"a source is one of {', '.join(KINDS)} (a file may stand in for a dataset); "
                f"found {', '.join(kinds) or 'none of them'}"
            )
        belongs = {"dataset": ("subset", "split", "revision"), "generator": ("parameters", "size", "seed")}
        for kind, keys in belongs.items():
            for key in keys:
                if kind not in kinds and getattr(self, key) != type(self).model_fields[key].default:
                    raise ValueError(f"`{key}` belongs to a {kind} source, and this one is a {kinds[-1]}")
        return self

    @property
    def label(self) -> str:
        """Short name of the source, the stem of its problems' ids."""
        if self.file is not None:
            return Path(self.file).stem
        if self.generator is not None:
            return f"{self.generator}-{self.seed}"
        if self.world is not None:
            return f"world-{self.world}"
        return "/".join(part for part in (self.dataset, self.subset, self.split) if part)


@dataclass(frozen=True, slots=True)
class Problems:
    """What a run works with: `train` is disjoint from `heldout` and from each probe by normalised prompt."""

    train: list[Problem]
    heldout: list[Problem]
    probes: dict[str, list[Problem]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    """Lines for a person: what was drawn anew to keep the sets disjoint."""


def normalise(prompt: str) -> str:
    """The prompt as it is compared for overlap: Unicode NFKC, case folded, white space collapsed."""
    return " ".join(unicodedata.normalize("NFKC", prompt).casefold().split())


def load_all(
    train: SourceConfig | None,
    heldout: SourceConfig | None,
    probes: Mapping[str, SourceConfig] | None = None,
    base: Path | None = None,
) -> Problems:
    """Read a run's sets and prove train disjoint from the others.

    A generated train set steps around the others' problems and draws on until its size holds (`notes` says
    how many it passed over); any other train set that overlaps is refused. Raises ProblemError.
    """
    evaluation = {}
    if heldout is not None:
        evaluation["problems.heldout"] = load(heldout, "problems.heldout", base)
    for name, source in (probes or {}).items():
        evaluation[f"problems.probes.{name}"] = load(source, f"problems.probes.{name}", base)
    notes: list[str] = []
    training: list[Problem] = []
    if train is not None and train.generator is not None:
        taken = {normalise(problem.prompt) for problems in evaluation.values() for problem in problems}
        training, passed_over = _generate(train, "problems.train", taken)
        if passed_over:
            notes.append(
                f"problems.train: passed over {passed_over} generated problems that stand in an evaluation "
                "set, and drew others"
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
    examples = "".join(f"\n  {ours.id} = {theirs.id}: {_short(theirs.prompt)}" for ours, theirs in shared[:3])
    raise ProblemError(
        f"problems.train shares {len(shared)} problems with {where} (compared without case, white space and "
        f"Unicode variants); expected none, since training on them would make the evaluation worthless. "
        f"Drop them from one of the two sets.{examples}"
    )


def load(source: SourceConfig, where: str = "problems", base: Path | None = None) -> list[Problem]:
    """Read one source. `where` is the config key that error messages name.

    A relative `file` is looked for in `base` (the config file's folder), then in the working directory.
    Rows are read lazily: without `shuffle_seed` nothing after the row that fills `limit` is looked at.
    Raises ProblemError: unreadable source, missing column, empty result, duplicate id, a row without prompt
    or reference.
    """
    if source.generator is not None:
        return _generate(source, where, taken=frozenset())[0]
    if source.world is not None:
        problems: Iterator[Problem] = _world(source, where)
    else:
        problems = _parse(source, _rows(source, where, base), where)
    if source.shuffle_seed is not None:
        drawn = list(problems)
        random.Random(source.shuffle_seed).shuffle(drawn)
        problems = iter(drawn)
    return _checked(islice(problems, source.limit), where, source)


# --- rows to problems -------------------------------------------------------------------------------------


def _parse(source: SourceConfig, rows: Iterable[tuple[int, Row]], where: str) -> Iterator[Problem]:
    """Map rows to problems by the source's `prompt`, `reference`, `id` and `where`."""
    prompt_of = _cell("prompt", source.prompt, source, where)
    reference_of = _reference(source, where)
    id_of = _cell("id", source.id, source, where) if source.id is not None else None
    spent = _columns(source.prompt) | {source.id or ""}
    for spec in source.reference.values() if isinstance(source.reference, dict) else [source.reference]:
        spent |= _columns(spec)
    label = source.label
    for number, row in rows:
        if source.where and not _kept(source.where, row, number, source, where):
            continue
        prompt = prompt_of(number, row)
        if not isinstance(prompt, str):
            raise _bad_row(source, where, number, f"prompt is {_short(prompt)}", "text")
        name = f"{label}-{number}" if id_of is None else str(id_of(number, row))
        meta = {column: value for column, value in row.items() if column not in spent}
        yield Problem(name, prompt, reference_of(number, row), meta)


def _columns(spec: str) -> set[str]:
    """The columns that a column name or format string reads."""
    return {name for _, name, _, _ in Formatter().parse(spec) if name is not None} if "{" in spec else {spec}


def _cell(key: str, spec: str, source: SourceConfig, where: str) -> Callable[[int, Row], Any]:
    """How to read a column name or format string off a row, refusing what is missing."""
    is_format = "{" in spec
    try:
        columns = _columns(spec)
    except ValueError as error:
        raise ProblemError(f"{where}.{key}: {spec!r} is no format string ({error})") from None
    if "" in columns or not all(columns):
        raise ProblemError(
            f"{where}.{key}: {spec!r} has empty braces; name a column, or write {{{{}}}} for braces"
        )

    def read(number: int, row: Row) -> Any:
        for column in columns:
            if column not in row:
                raise _bad_row(
                    source, where, number, f"has no column {column!r}", f"{key} there", columns_of=row
                )
            if _blank(row[column]):
                raise _bad_row(source, where, number, f"{column!r} is {row[column]!r}", f"a {key}")
        return spec.format_map(row) if is_format else row[spec]

    return read


def _reference(source: SourceConfig, where: str) -> Callable[[int, Row], Any]:
    """How to read the reference. In a mapping, a key is left out where its column has nothing in this row."""
    if isinstance(source.reference, str):
        cell = _cell("reference", source.reference, source, where)
        return lambda number, row: _as_reference(cell(number, row))
    cells = {key: _cell(f"reference.{key}", spec, source, where) for key, spec in source.reference.items()}
    needs = {key: _columns(spec) for key, spec in source.reference.items()}

    def read(number: int, row: Row) -> dict[str, Any]:
        found = {
            key: cell(number, row)
            for key, cell in cells.items()
            if not any(_blank(row.get(column)) for column in needs[key])
        }
        if not found:
            raise _bad_row(
                source, where, number, "has none of the reference's columns", "at least one", columns_of=row
            )
        return found

    return read


def _as_reference(value: Any) -> Any:
    """A number is what its text says: mathematics is judged as text."""
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


def _kept(conditions: Mapping[str, Any], row: Row, number: int, source: SourceConfig, where: str) -> bool:
    for column, wanted in conditions.items():
        if column not in row:
            raise _bad_row(
                source, where, number, f"has no column {column!r}", "`where` there", columns_of=row
            )
        if row[column] not in (wanted if isinstance(wanted, list) else [wanted]):
            return False
    return True


def _checked(problems: Iterable[Problem], where: str, source: SourceConfig) -> list[Problem]:
    """The problems as a list that is not empty and in which no id stands twice."""
    seen: set[str] = set()
    checked = []
    for problem in problems:
        if problem.id in seen:
            raise ProblemError(
                f"{where} ({source.label}): id {problem.id!r} stands twice; expected distinct ids"
            )
        seen.add(problem.id)
        checked.append(problem)
    if not checked:
        kept = f" that fits {source.where}" if source.where else ""
        raise ProblemError(f"{where} ({source.label}): found no row{kept}; expected at least one")
    return checked


def _blank(value: Any) -> bool:
    return value is None or (isinstance(value, str) and not value.strip())


def _short(value: Any, limit: int = 120) -> str:
    text = " ".join(value.split()) if isinstance(value, str) else repr(value)
    return text if len(text) <= limit else text[: limit - 1] + "…"


def _bad_row(
    source: SourceConfig, where: str, number: int, found: str, expected: str, columns_of: Row | None = None
) -> ProblemError:
    columns = f"; columns found: {', '.join(map(str, columns_of))}" if columns_of is not None else ""
    origin = source.file or source.label
    return ProblemError(
        f"{where} ({origin}): row {number} (the first is 0): {found}; expected {expected}{columns}"
    )


# --- sources ----------------------------------------------------------------------------------------------


def _rows(source: SourceConfig, where: str, base: Path | None) -> Iterator[tuple[int, Row]]:
    if source.file is not None:
        path = _find(source.file, where, base)
        readers = {".jsonl": _jsonl, ".json": _json, ".parquet": _table, ".csv": _table}
        reader = readers.get(path.suffix.lower())
        if reader is None:
            raise ProblemError(f"{where}.file: {path} ends in {path.suffix!r}; expected {', '.join(readers)}")
        return reader(path, where)
    return _hub(source, where)


def _find(file: str, where: str, base: Path | None) -> Path:
    path = Path(file).expanduser()
    places = [path] if path.is_absolute() else [folder / path for folder in (base, Path.cwd()) if folder]
    for place in places:
        if place.is_file():
            return place
    raise ProblemError(f"{where}.file: there is no file {' nor '.join(map(str, places))}")


def _jsonl(path: Path, where: str) -> Iterator[tuple[int, Row]]:
    """Rows as they stand. Through Arrow, mixed types fail and nested rows gain keys that they do not have."""
    number = 0
    with path.open(encoding="utf-8") as lines:
        for count, line in enumerate(lines, 1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except ValueError as error:
                raise ProblemError(
                    f"{where}.file: {path}:{count}: no JSON ({error}): {_short(line)}"
                ) from None
            if not isinstance(row, dict):
                raise ProblemError(
                    f"{where}.file: {path}:{count}: found {_short(row)}; expected a JSON object"
                )
            yield number, row
            number += 1


def _json(path: Path, where: str) -> Iterator[tuple[int, Row]]:
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ProblemError(f"{where}.file: {path}: no JSON ({error})") from None
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise ProblemError(f"{where}.file: {path}: found {_short(rows)}; expected a list of objects")
    yield from enumerate(rows)


def _table(path: Path, where: str) -> Iterator[tuple[int, Row]]:
    import datasets
    from datasets.exceptions import DatasetsError

    kind = path.suffix.lower()[1:]
    try:
        table = datasets.load_dataset(kind, data_files=str(path), split="train")
    except (OSError, ValueError, DatasetsError) as error:
        raise ProblemError(f"{where}.file: {path} cannot be read as {kind}: {error}") from error
    yield from enumerate(table)  # type: ignore[arg-type]


def _hub(source: SourceConfig, where: str) -> Iterator[tuple[int, Row]]:
    import datasets
    from datasets.exceptions import DatasetsError

    try:
        table = datasets.load_dataset(
            str(source.dataset), source.subset, split=source.split, revision=source.revision
        )
    except (OSError, ValueError, DatasetsError) as error:
        raise ProblemError(
            f"{where}.dataset: {source.label} cannot be loaded: {_short(str(error), 400)}\n"
            f"Without a network, give a local copy: {where}.file=PATH"
        ) from error
    if isinstance(table, Mapping):
        raise ProblemError(f"{where}.split is missing; {source.dataset} has {', '.join(map(str, table))}")
    yield from enumerate(table)  # type: ignore[arg-type]


def _world(source: SourceConfig, where: str) -> Iterator[Problem]:
    from rlvr.testbed import world

    try:
        # What is shuffled must be read whole, or the shuffle would only permute the first rows.
        yield from world.problems(str(source.world), source.limit if source.shuffle_seed is None else None)
    except (KeyError, ValueError) as error:
        raise ProblemError(f"{where}.world: {error}") from error


def _generate(source: SourceConfig, where: str, taken: Collection[str]) -> tuple[list[Problem], int]:
    """`size` distinct problems that are not `taken`, and how many were passed over because they were.

    A reasoning_gym item depends on seed + index, so neighbouring seeds share almost all of their items:
    distinctness is by normalised prompt, never by seed. Only its questions and answers are used; its own
    `score_answer` gives partial credit to wrong answers and is not consulted.
    """
    wanted = min(source.size, source.limit or source.size) if source.shuffle_seed is None else source.size
    seen: set[str] = set()
    passed_over = 0
    prompt_of = _cell("prompt", source.prompt, source, where)

    def fresh() -> Iterator[tuple[int, Row]]:
        nonlocal passed_over
        for index, item in _draws(source, where):
            row = {"prompt": item["question"], "reference": item["answer"], **item.get("metadata", {})}
            text = normalise(str(prompt_of(index, row)))
            if text in seen:
                continue
            seen.add(text)
            if text in taken:
                passed_over += 1
                continue
            yield index, row

    drawn = list(islice(_parse(source, fresh(), where), wanted))
    if len(drawn) < wanted:
        raise ProblemError(
            f"{where}.generator: {source.generator} with {source.parameters or 'its defaults'} gave "
            f"{len(drawn)} distinct problems in {source.size * MAX_DRAWS} draws ({passed_over} more stand in "
            f"an evaluation set); expected {wanted}: lower `size`, or widen `parameters`"
        )
    if source.shuffle_seed is not None:
        random.Random(source.shuffle_seed).shuffle(drawn)
    return _checked(islice(drawn, source.limit), where, source), passed_over


def _draws(source: SourceConfig, where: str) -> Iterator[tuple[int, Row]]:
    """Items of the generator, index by index, until MAX_DRAWS per problem asked for."""
    try:
        import reasoning_gym
        from reasoning_gym.factory import DATASETS
    except ImportError as error:
        raise ProblemError(
            f"{where}.generator needs the package reasoning-gym: pip install 'rlvr[gym]'"
        ) from error
    name = str(source.generator)
    if name not in DATASETS:
        near = difflib.get_close_matches(name, DATASETS, n=3)
        hint = f"did you mean {' or '.join(near)}?" if near else f"it has {', '.join(sorted(DATASETS))}"
        raise ProblemError(f"{where}.generator: reasoning_gym has no task {name!r}; {hint}")
    start, stop = 0, source.size
    while start < source.size * MAX_DRAWS:
        try:
            items = reasoning_gym.create_dataset(name, **source.parameters, size=stop, seed=source.seed)
        except (TypeError, ValueError, AssertionError) as error:
            raise ProblemError(f"{where}.parameters: reasoning_gym's {name} refuses them: {error}") from error
        for index in range(start, stop):
            yield index, items[index]
        start, stop = stop, min(stop * 2, source.size * MAX_DRAWS)
