"""Which columns hold prompt, reference and id, where the config does not say: told from a source's first rows.

The shapes: verl's (`prompt`, `reward_model.ground_truth`, `extra_info`), TRL's (`prompt` with a column of answers, or
with `completion`), open-instruct's (`messages`, `ground_truth`, `dataset`), and the column names of public sets of
questions. Names are compared by their letters and digits, without case. What could be read in two ways is refused,
with the candidates.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from rlvr.config.data import SourceConfig
from rlvr.problems.rows import ProblemError, Row, is_blank, short, value_at
from verifiers.code.formats import BadReferenceError
from verifiers.code.shapes import FAMILIES, found
from verifiers.messages import MessagesError, conversation

LOOKED_AT = 50
"""Rows from which a shape is told."""

CONVERSATIONS = ("messages", "conversations", "conversation")
"""Columns that hold whole conversations: an answer after the question is left out."""
PROMPTS = (
    "prompt",
    "question problem query instruction messages conversations conversation context_messages problem_statement "
    "responses_create_params.input input",
)
"""The first group of which the rows have a column decides; in it, columns that say the same are one."""
REFERENCES = (
    "reference",
    "reward_model.ground_truth verification_info.ground_truth",
    "answer final_answer ground_truth ground_truth_answer expected_answer gold gold_answer correct_answer "
    "reference_answer target label answers",
    "solution reference_solution gold_solution gold_standard_solution completion output response solutions",
)
"""Final answers before worked solutions."""
IDS = "id unique_id uuid uid problem_id question_id extra_info.index extra_info.id index idx"
NEEDED, SYSTEM = "choices options context passage input", "system system_prompt"
"""Columns that a question is not whole without; a `prompt` may lack a system message only."""
IMAGES = "images image"


_TESTS = frozenset(key for family in FAMILIES for key in family)


@dataclass(frozen=True, slots=True)
class Shape:
    """Where a source's rows hold what the config does not name."""

    prompt: str = "prompt"
    reference: str = "reference"
    id: str | None = None
    said: str = ""
    """One line for a person; empty where nothing had to be recognised."""


def recognise(rows: Sequence[Row], source: SourceConfig, where: str) -> Shape:
    """The shape of a source's first rows; what the source names is not looked for.

    Raises ProblemError: no column or several could be the prompt or the reference, or the question alone is not all.
    """
    if not rows or source.generator is not None:
        return Shape()
    columns = _Columns(rows, where)
    prompt, reference, identity = "prompt", "reference", None
    if source.prompt is None:
        prompt = columns.only("prompt", PROMPTS, _asked)
        columns.refuse_incomplete(prompt)
    if source.reference is None:
        columns.refuse_tests()
        reference = columns.only("reference", REFERENCES, _told)
    if source.id is None:
        identity = columns.identity()
    named = [path for path, key in ((prompt, source.prompt), (reference, source.reference)) if key is None]
    said = columns.say(named, identity) if {*named, identity} - {"prompt", "reference", None} else ""
    return Shape(prompt, reference, identity, said)


@dataclass(frozen=True, slots=True)
class _Columns:
    rows: Sequence[Row]
    where: str

    def values(self, path: str) -> dict[int, Any]:
        """What rows hold there, by the row's place, where they hold something."""
        values = {}
        for place, row in enumerate(self.rows):
            try:
                value = value_at(row, path)
            except KeyError:
                continue
            if not is_blank(value) and value not in ([], {}):
                values[place] = value
        return values

    def written(self, path: str) -> str:
        """The path as the rows write its column: `groundTruth` and `Ground truth` are `ground_truth`."""
        name, dot, rest = path.partition(".")
        names = {_plain(column): column for row in self.rows for column in row}
        return f"{names.get(_plain(name), name)}{dot}{rest}"

    def only(self, key: str, groups: Sequence[str], text_of: Callable[[Any], str]) -> str:
        """The one path of the first group that at least half of the rows fill. Raises ProblemError."""
        for group in groups:
            filled = {path: self.values(path) for path in map(self.written, group.split())}
            likely = [path for path, values in filled.items() if values and 2 * len(values) >= len(self.rows)]
            texts = {path: {n: text_of(value) for n, value in filled[path].items()} for path in likely}
            different = [
                path
                for path in likely[1:]
                if any(texts[path][n] != text for n, text in texts[likely[0]].items() if n in texts[path])
            ]
            if different:
                shown = "".join(
                    f"\n  {path}: {short(next(iter(filled[path].values())))}"
                    for path in (likely[0], *different)
                )
                raise ProblemError(
                    f"{self.where}.{key}: several columns could be it; name the one that is{shown}"
                )
            if likely:
                return likely[0]
        names = ", ".join(dict.fromkeys(str(column) for row in self.rows for column in row))
        hint = ""
        if key == "reference" and any(self.values(self.written(name)) for name in CONVERSATIONS):
            hint = " (an answer in the conversation is reached by a path, such as messages.-1.content)"
        raise ProblemError(
            f"{self.where}.{key}: no column is known to be it; name the one that is{hint}. Columns found: {names}"
        )

    def refuse_incomplete(self, prompt: str) -> None:
        """Raises ProblemError where the question needs another column too, or an image."""
        whole = _plain(prompt) == "prompt"
        text = all(isinstance(value, str) for value in self.values(prompt).values())
        more = f"{'' if whole else NEEDED} {SYSTEM if text else ''} {IMAGES}"
        for path in map(self.written, more.split()):
            if path != prompt and self.values(path):
                show = f"'{{{path}}} {{{prompt}}}'"
                remedy = f"write what is to be shown, such as prompt: {show}, or only prompt: {prompt}"
                if _plain(path) in IMAGES.split():
                    remedy = f"only text can be shown (prompt: {prompt}, without them)"
                raise ProblemError(f"{self.where}.prompt: beside {prompt!r} the rows hold {path!r}; {remedy}")

    def refuse_tests(self) -> None:
        """Raises ProblemError where rows hold tests of programs."""
        try:
            tests = found({key: value for key, value in self.rows[0].items() if key in _TESTS})
        except BadReferenceError:
            return
        if tests:
            raise ProblemError(
                f"{self.where}.reference: the rows hold tests of programs; write format: code, or name the column"
            )

    def identity(self) -> str | None:
        """A column with a name or a number for every row, each once."""
        for path in map(self.written, IDS.split()):
            values = self.values(path).values()
            plain = all(isinstance(value, str | int) and not isinstance(value, bool) for value in values)
            if plain and len(set(map(str, values))) == len(self.rows):
                return path
        return None

    def say(self, named: list[str], identity: str | None) -> str:
        paths = [*named, *(f"{path} as id" for path in (identity,) if path)]
        has = {_plain(column) for row in self.rows for column in row}
        if "rewardmodel" in has and "reward_model.ground_truth" in named:
            shape = "rows in verl's shape"
        elif {"messages", "groundtruth", "dataset"} <= has and "messages" in named:
            shape = "rows in open-instruct's shape"
        elif "prompt" in named:
            shape = "rows in TRL's shape"
        else:
            shape = "columns recognised"
        return f"{self.where}: {shape}: {', '.join(paths)}"


def _plain(name: Any) -> str:
    return "".join(filter(str.isalnum, str(name).lower()))


def _asked(value: Any) -> str:
    """A prompt as it is compared with others."""
    try:
        talk = conversation(value)
    except MessagesError:
        talk = None
    return " ".join((talk.question if talk else str(value)).split())


def _told(value: Any) -> str:
    """A reference as it is compared with others."""
    return " ".join(str(value[0] if isinstance(value, list) and len(value) == 1 else value).split())
