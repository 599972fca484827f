"""From a row to a problem: columns, paths into them and format strings, or a reader of code sets or of one's own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from numbers import Number
from pathlib import Path
from typing import Any

from rlvr.config.data import SourceConfig, columns, fill, is_format
from rlvr.problems.rows import Place, ProblemError, Row, is_blank, short, value_at
from rlvr.problems.shapes import CONVERSATIONS, Shape
from verifiers import registry
from verifiers.code.datasets import READERS, read
from verifiers.code.formats import BadReferenceError
from verifiers.messages import Message, MessagesError, conversation
from verifiers.types import Problem


class RowProblem(ProblemError):  # noqa: N818
    """One row cannot be a problem; the others may be."""


@dataclass(frozen=True, slots=True)
class Mapper:
    """Reads problems from rows; its errors name the source, the row and the column."""

    source: SourceConfig
    where: str
    shape: Shape = field(default_factory=Shape)
    """Where the rows hold what `source` does not name."""

    def fault(self, place: Place, found: str, expected: str, row: Row | None = None) -> RowProblem:
        found_columns = f"; columns found: {', '.join(map(str, row))}" if row is not None else ""
        return RowProblem(
            f"{self.where} ({place.source}), row {place.number} (from 0): {found}; expected {expected}{found_columns}"
        )

    def reader(self, base: Path | None = None) -> Callable[[Place, Row], Problem]:
        """The function that makes a problem of a row, as the source's `format` says. It raises RowProblem."""
        if self.source.format == "columns":
            return self._columns()
        if self.source.format == "code":
            return self._naming(self._code)
        if self.source.format in READERS:
            known = READERS[self.source.format]
            return self._naming(lambda place, row: known(row))
        return self._naming(self._own(base))

    def keeps(self, place: Place, row: Row) -> bool:
        """Whether the row fits the source's `where`."""
        for column, wanted in self.source.where.items():
            try:
                value = value_at(row, column)
            except KeyError:
                raise self.fault(place, f"no column {column!r}", "it, for `where`", row) from None
            any_of = wanted if isinstance(wanted, list) else [wanted]
            held = value if isinstance(value, list) else []
            if value not in any_of and not any(one in any_of for one in held):
                return False
        return True

    def cell(self, key: str, spec: str) -> Callable[[Place, Row], Any]:
        """A function that reads a column, a path or a format string from a row; the config's `key` names it."""
        needed = sorted(columns(spec))

        def cell_of(place: Place, row: Row) -> Any:
            values: dict[str, Any] = {}
            for column in needed:
                try:
                    value = values[column] = value_at(row, column)
                except KeyError:
                    raise self.fault(place, f"no column {column!r}", f"it, for `{key}`", row) from None
                if is_blank(value):
                    raise self.fault(place, f"{column!r} is {value!r}", f"a value for `{key}`")
            return fill(spec, values.__getitem__) if is_format(spec) else values[spec]

        return cell_of

    def reference(self) -> Callable[[Place, Row], Any]:
        """A function that reads the reference. In a mapping, `key?` is left out where its column is empty."""
        specs = self.source.reference
        if specs is None:
            told = self.cell("reference", self.shape.reference)
            return lambda place, row: _as_reference(_alone(told(place, row)))
        if isinstance(specs, str):
            cell = self.cell("reference", specs)
            return lambda place, row: _as_reference(cell(place, row))
        cells = [(key, columns(spec), self.cell(f"reference.{key}", spec)) for key, spec in specs.items()]

        def mapped(place: Place, row: Row) -> dict[str, Any]:
            return {
                key.removesuffix("?"): cell(place, row)
                for key, needed, cell in cells
                if not (key.endswith("?") and any(is_blank(_value(row, column)) for column in needed))
            }

        return mapped

    def _columns(self) -> Callable[[Place, Row], Problem]:
        """Columns that hold neither prompt, reference nor id become `meta`."""
        source = self.source
        prompt = source.prompt or self.shape.prompt
        prompt_of, reference_of, id_of = self.cell("prompt", prompt), self.reference(), self._identity()
        specs = [prompt, *(source.references.values() or [self.shape.reference])]
        spent = frozenset().union(*map(columns, specs))
        spent |= {str(path).partition(".")[0] for path in spent} | {source.id or self.shape.id}
        with_replies = prompt.rpartition(".")[2].lower() in CONVERSATIONS

        def problem(place: Place, row: Row) -> Problem:
            history, text = self._asked(place, prompt_of(place, row), with_replies)
            meta = {key: row[key] for key in row if key not in spent}
            reference = reference_of(place, row)
            return self._checked(place, Problem(id_of(place, row), text, reference, meta, history=history))

        return problem

    def _identity(self) -> Callable[[Place, Row], str]:
        """The id as named; else the recognised one, a number after the source's name; else the row's number."""
        if self.source.id is not None:
            cell = self.cell("id", self.source.id)
            return lambda place, row: str(cell(place, row))
        path = self.shape.id
        if path is None:
            return lambda place, row: place.id

        def recognised(place: Place, row: Row) -> str:
            value = _value(row, path)
            if is_blank(value):
                return place.id
            return f"{place.stem}-{value}" if str(value).isdecimal() else str(value)

        return recognised

    def _asked(
        self, place: Place, prompt: Any, with_replies: bool = False
    ) -> tuple[tuple[Message, ...], str]:
        """The messages before the question, and the question. `with_replies`: an answer after it is left out."""
        try:
            found = conversation(prompt)
        except MessagesError as error:
            raise self.fault(place, f"the prompt's {error}", "messages of text, one of the user") from None
        if found is None and not isinstance(prompt, str):
            raise self.fault(place, f"the prompt is {short(prompt)}", "text, or messages {role, content}")
        history, text, replies = found or ((), prompt, ())
        if replies and not with_replies:
            expected = "the user's: a prompt ends with the question, and an answer in the data is not shown"
            raise self.fault(place, f"the prompt's last message is the {replies[-1]['role']}'s", expected)
        if is_blank(text):
            raise self.fault(place, f"the prompt is {text!r}", "a question")
        return history, text

    def _code(self, place: Place, row: Row) -> Problem:
        """A row of a code set; what the source names is not looked for."""
        source = self.source
        named = {
            key: self.cell(key, str(spec))(place, row)
            for key, spec in (("prompt", source.prompt), ("reference", source.reference))
            if spec is not None
        }
        identity = None if source.id is None else self.cell("id", source.id)(place, row)
        return read(row, named.get("prompt"), named.get("reference"), identity)

    def _own(self, base: Path | None) -> Callable[[Place, Row], Problem]:
        """A reader of the user's own: a row → a Problem, or a mapping with `prompt` and `reference`."""
        reader = own_reader(self.source.format, self.where, base)

        def problem(place: Place, row: Row) -> Problem:
            found = reader(dict(row))
            if isinstance(found, Mapping):
                unknown = set(found) - {"id", "prompt", "reference", "meta"}
                if unknown or not {"prompt", "reference"} <= set(found):
                    raise BadReferenceError(
                        f"{self.source.format} returned {short(found)}; expected prompt, reference (id, meta)"
                    )
                found = Problem(
                    str(found.get("id") or ""), found["prompt"], found["reference"], found.get("meta") or {}
                )
            if not isinstance(found, Problem) or not isinstance(found.prompt, str):
                raise BadReferenceError(
                    f"{self.source.format} returned {short(found)}; expected a verifiers.Problem, or a mapping"
                )
            return found

        return problem

    def _naming(self, reader: Callable[[Place, Row], Problem]) -> Callable[[Place, Row], Problem]:
        """`reader`, with errors that name the row, and an id from the row's place where it has none."""

        def problem(place: Place, row: Row) -> Problem:
            try:
                found = reader(place, row)
            except BadReferenceError as error:
                raise self.fault(place, str(error), "tests that can be read") from None
            except KeyError as error:
                raise self.fault(
                    place, f"no column {error}", f"it, for format {self.source.format}", row
                ) from None
            return self._checked(place, replace(found, id=found.id or place.id))

        return problem

    def _checked(self, place: Place, problem: Problem) -> Problem:
        if not all(_encodable(message["content"]) for message in problem.messages):
            raise self.fault(place, "the prompt holds half a surrogate pair", "text that UTF-8 can hold")
        return problem


def own_reader(spec: str, where: str, base: Path | None) -> Callable[[dict[str, Any]], Any]:
    """The reader that `spec` names; `base` is the config's folder. Raises ProblemError."""
    if base is not None:
        registry.add_folder(base)
    try:
        found = registry.imported(registry.resolve(spec))
    except Exception as error:  # one's own code may raise anything while it is imported
        raise ProblemError(
            f"{where}.format: {spec!r} cannot be imported: {type(error).__name__}: {error}"
        ) from error
    if not callable(found) or isinstance(found, type):
        raise ProblemError(f"{where}.format: {spec!r} is {short(found)}; expected a function of a row")
    return found


def _alone(value: Any) -> Any:
    """The text or number that a list of one holds."""
    alone = isinstance(value, list) and len(value) == 1 and isinstance(value[0], str | int | float)
    return value[0] if alone else value


def _as_reference(value: Any) -> Any:
    """Numbers and dates become text, which is what verifiers of mathematics read; an answer in messages, its text."""
    if isinstance(value, list | tuple) and value and all(map(_is_message, value)):
        return str(value[-1]["content"])
    is_plain = isinstance(value, Number | date) and not isinstance(value, bool)
    return str(value) if is_plain else value


def _is_message(value: Any) -> bool:
    return isinstance(value, Mapping) and "role" in value and isinstance(value.get("content"), str)


def _encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _value(row: Row, path: str) -> Any:
    try:
        return value_at(row, path)
    except KeyError:
        return None
