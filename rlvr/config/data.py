"""Where problems come from, and how a problem becomes a prompt."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from pathlib import Path
from string import Formatter
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, model_validator

from rlvr.config.section import Section

NAMING = ("columns", "code")
"""Formats for which `prompt`, `reference` and `id` may name columns."""
FORMATS = (*NAMING, "humaneval", "mbpp", "apps", "livecodebench")
KINDS = ("dataset", "file", "generator", "world")
OWN_KEYS = {
    "dataset": ("subset", "revision"),
    "generator": ("parameters", "size", "seed"),
}


FILES = (".jsonl", ".json", ".parquet", ".csv", ".tsv", ".arrow", ".ndjson")
COMPRESSED = (".gz", ".bz2", ".xz", ".zst")


def names_a_file(name: str) -> str:
    """`name`, which can be part of a file's name. Raises ValueError."""
    if not name or name.startswith(".") or any(c in "/\\" or not c.isprintable() for c in name):
        raise ValueError(f"{name[:80]!r} cannot be part of a file's name; expected letters, digits, - and _")
    return name


SourceName = Annotated[str, AfterValidator(names_a_file)]


class SourceConfig(Section):
    """One source of problems: exactly one of `dataset`, `file`, `generator`, `world`.

    With both `file` and `dataset`, the file is a local copy of the data set and is read instead.

    >>> SourceConfig(dataset="openai/gsm8k", split="test", prompt="question", reference="answer").label
    'openai/gsm8k/test'
    """

    dataset: str | None = Field(default=None, description="name of a data set on the Hub")
    subset: str | None = Field(default=None, description="its configuration, if it has several")
    split: str | None = Field(
        default=None, description='its split, or a folder\'s; of a data set, slices such as "test[:200]" work'
    )
    revision: str | None = Field(default=None, description="its commit, tag or branch")
    file: str | tuple[str, ...] | None = Field(
        default=None,
        description="local .jsonl, .json, .parquet, .csv (.gz, .bz2, .xz, .zst), a glob, a folder of them or one that "
        "`datasets` saved, or a list of these; with `dataset`: a copy of it, read instead",
    )
    generator: str | None = Field(default=None, description="name of a reasoning_gym task")
    parameters: dict[str, Any] = Field(default={}, description="parameters of the reasoning_gym task")
    size: int = Field(default=1000, ge=1, description="number of distinct problems to generate")
    seed: int = Field(default=0, ge=0, description="seed of the generator")
    world: str | None = Field(
        default=None, description="a split of the tiny model's world `carry`, or `world/split`"
    )
    prompt: str | None = Field(
        default=None,
        description="column of the prompt (text, or chat messages), a path into one (`messages.0.content`), or a "
        "format string with {columns}; unset: recognised (docs/data.md)",
    )
    reference: str | dict[str, str] | None = Field(
        default=None,
        description="column, path or format string; or a mapping of keys to these (`key?`: left out where the row "
        "lacks it); unset: recognised",
    )
    id: str | None = Field(
        default=None,
        description="column of the id; unset: recognised, or else the source's name and the row's number",
    )
    format: str = Field(
        default="columns",
        description="`columns`: as named above; `code`: tests and prompt are recognised, `prompt` and `reference` name "
        "them where that fails; `humaneval`, `mbpp`, `apps`, `livecodebench`: the same, with the columns of that set; "
        "`package.module:function` or `./file.py:function`: a reader of your own, row -> Problem",
    )
    bad_rows: float = Field(
        default=0.05,
        ge=0,
        le=1,
        description="largest share of rows that may be left out because they cannot be read; each is counted, the "
        "first are named",
    )
    where: dict[str, Any] = Field(
        default={}, description="keep rows whose column is this value (or one of a list), or a list with it"
    )
    shuffle_seed: int | None = Field(default=None, description="shuffle with this seed before `limit`")
    limit: int | None = Field(default=None, ge=1, description="at most this many problems")
    name: SourceName | None = Field(
        default=None,
        description="what rows, figures and metrics call this source; unset in a list: from its data set or file",
    )
    verifier: str | None = Field(
        default=None, description="who judges its problems, named as the config's `verifier`; unset: that one"
    )
    verifier_options: dict[str, Any] | None = Field(
        default=None,
        description="options of its verifier; unset: the config's where the verifier is the config's, else none",
    )
    weight: float | None = Field(
        default=None,
        gt=0,
        description="of training sources: share of the groups, relative to the other weights; unset for all: in "
        "proportion to their numbers of problems",
    )

    @model_validator(mode="after")
    def _one_kind(self) -> SourceConfig:
        kinds = [kind for kind in KINDS if getattr(self, kind) is not None]
        if kinds not in (["dataset"], ["dataset", "file"], ["file"], ["generator"], ["world"]):
            raise ValueError(
                f"a source is one of {', '.join(KINDS)} (a file may be given with a dataset); "
                f"found {' and '.join(kinds) or 'none of them'}"
            )
        if self.file is not None and not all(name.strip() for name in self.files or [""]):
            raise ValueError("`file` names no file")
        if "dataset" not in kinds and not self._may_be_folder():
            self._refuse(("split",), f"belongs to a dataset, or a folder; this source is a {kinds[-1]}")
        for kind, keys in OWN_KEYS.items():
            if kind not in kinds:
                self._refuse(keys, f"belongs to a {kind}; this source is a {kinds[-1]}")
        if self.world is not None:
            self._refuse(("prompt", "reference", "id", "where", "format"), "is set by the world itself")
        if self.format not in FORMATS and ":" not in self.format:
            raise ValueError(
                f"format is {self.format!r}; expected {', '.join(FORMATS)}, or a reader as `package.module:function`"
            )
        if self.format not in NAMING:
            self._refuse(("prompt", "reference", "id"), f"is fixed by format: {self.format}")
        if self.format == "code" and isinstance(self.reference, dict):
            raise ValueError("`reference` of format: code is the one column or path that holds the tests")
        if self.reference == {}:
            raise ValueError("`reference` names no column")
        for spec in (self.prompt, *self.references.values()):
            columns(spec or "")
        return self

    def _may_be_folder(self) -> bool:
        return any(stem(name) == Path(name).name for name in self.files)

    @property
    def files(self) -> tuple[str, ...]:
        """The file, or the files."""
        return (self.file,) if isinstance(self.file, str) else self.file or ()

    def _refuse(self, keys: tuple[str, ...], why: str) -> None:
        for key in keys:
            if getattr(self, key) != type(self).model_fields[key].default:
                raise ValueError(f"`{key}` {why}")

    @property
    def references(self) -> dict[str, str]:
        """Keys of the reference, and what each reads; a reference that is one value has the key ""."""
        return {"": self.reference} if isinstance(self.reference, str) else self.reference or {}

    @property
    def label(self) -> str:
        """Short name of the source, the stem of its problems' ids."""
        if self.files:
            names = dict.fromkeys(
                stem(name).strip("*?[]{}-_. ") or Path(name).parent.name for name in self.files
            )
            return "+".join(names)
        if self.generator is not None:
            return f"{self.generator}-{self.seed}"
        if self.world is not None:
            return f"world-{self.world}"
        return "/".join(part for part in (self.dataset, self.subset, self.split) if part)


class Example(Section):
    prompt: str = Field(min_length=1, description="a problem that is in no held-out or probe set")
    answer: str = Field(min_length=1, description="its worked answer")


class HintConfig(Section):
    """The beginning of a right trace."""

    column: str | None = Field(
        default=None,
        description="column of the problem's row that holds a worked solution, or a path into one",
    )
    file: str | None = Field(
        default=None,
        description="rollouts in its place, such as runs/NAME/rollouts/base.jsonl: each problem's first right sample",
    )
    share: float = Field(
        default=0.5,
        gt=0,
        le=1,
        description="share of the words before its answer that is shown; 1: all, the answer too",
    )
    position: Literal["question", "answer"] = Field(
        default="question",
        description="question: with the question, in `format`; answer: the answer begins with it, the policy goes on",
    )
    format: str = Field(default="Hint: {hint}", description="of the hint beside the question, with {hint}")

    @model_validator(mode="after")
    def _coherent(self) -> HintConfig:
        if (self.column is None) == (self.file is None):
            raise ValueError("give `column` or `file`, and not both")
        _only(self.format, "format", "hint")
        return self


class AttemptsConfig(Section):
    """Earlier attempts at the same problem, with what the verifier said of them."""

    file: str = Field(description="rollouts that hold them, such as runs/NAME/rollouts/base.jsonl")
    number: int = Field(default=1, ge=1, description="attempts that are shown, the first in the file")
    which: Literal["wrong", "any"] = Field(
        default="wrong", description="wrong: those below a score of 1; any: as they come, right ones too"
    )
    format: str = Field(
        default="An earlier attempt: {trace}\n{verdict}", description="of one, with {trace} and {verdict}"
    )

    @model_validator(mode="after")
    def _coherent(self) -> AttemptsConfig:
        _only(self.format, "format", "trace", "verdict")
        return self


def _only(text: str, key: str, *names: str) -> None:
    if not fields(text) or fields(text) - {*names}:
        raise ValueError(
            f"`{key}` must hold {', '.join(f'{{{n}}}' for n in names)} and no other; found {text!r}"
        )


class EvidenceConfig(Section):
    template: Literal["plain", "chat"] = Field(
        default="plain", description="plain text, or the chat template of the model's tokenizer"
    )
    chat_template: str | None = Field(
        default=None,
        description="a Jinja file, relative to the config, instead of the model's own template (chat only); the run's "
        "config.yaml holds its text, and the trained model keeps it",
    )
    template_options: dict[str, Any] = Field(
        default={},
        description="variables that the template reads, such as {enable_thinking: false} (chat only)",
    )
    today: datetime.date | None = Field(
        default=None,
        description="the day, such as 2026-11-30, that a template with today's date writes on every day of the run "
        "(chat only); unset: the day on which a prompt is made",
    )
    system: str | None = Field(default=None, description="system message (chat only)")
    instruction: str | None = Field(default=None, description="a text that goes with the questions")
    instruction_position: Literal["before", "after"] | None = Field(
        default=None,
        description="before: once, before everything that is asked or shown; after: after each question; unset: before "
        "in plain text, after in a chat",
    )
    shots: int = Field(
        default=0,
        ge=0,
        description="number of worked examples, drawn from the training problems and then not trained on",
    )
    shots_seed: int = Field(default=0, ge=0, description="seed of that draw")
    shots_choice: Literal["fixed", "random", "nearest"] = Field(
        default="fixed",
        description="fixed: the same for every problem; random: drawn for each from a pool; nearest: the most similar "
        "of the pool, by words (tf-idf)",
    )
    shots_pool: int = Field(
        default=64,
        ge=1,
        description="random, nearest: training problems that may be shown, and are then not trained on",
    )
    examples: tuple[Example, ...] = Field(
        default=(), description="worked examples in full, instead of `shots`"
    )
    hint: HintConfig | None = Field(default=None, description="the beginning of a right trace")
    attempts: AttemptsConfig | None = Field(
        default=None, description="earlier attempts at the problem, marked right or wrong"
    )
    question: str | None = Field(
        default=None, description='format of a question; unset: "Q: {prompt}\\nA:" (plain), "{prompt}" (chat)'
    )
    answer: str | None = Field(
        default=None,
        description="format of an example's answer, from {reference} and the data set's other columns; "
        'unset: " {reference}" (plain), "{reference}" (chat)',
    )
    separator: str = Field(
        default="\n\n",
        description="between instruction, examples and question (plain); after an instruction that goes before (chat)",
    )

    @model_validator(mode="after")
    def _coherent(self) -> EvidenceConfig:
        if self.template == "plain" and self.system is not None:
            raise ValueError("`system` needs template: chat; in plain text, use `instruction`")
        for key in ("chat_template", "template_options", "today"):
            if self.template == "plain" and getattr(self, key):
                raise ValueError(f"`{key}` needs template: chat")
        if self.chat_template is not None and not is_template(self.chat_template):
            raise ValueError(
                f"`chat_template` is {self.chat_template!r}: no Jinja template, and no file was read"
            )
        if self.instruction_position is not None and self.instruction is None:
            raise ValueError("`instruction_position` needs an `instruction`")
        if self.shots_choice != "fixed" and not self.shots:
            raise ValueError(f"`shots_choice` is {self.shots_choice}, and no `shots` are drawn")
        if self.shots and self.examples:
            raise ValueError("give `shots` (drawn) or `examples` (verbatim), not both")
        if self.answer is not None and not fields(self.answer):
            raise ValueError(
                f"`answer` names no {{column}}, so every example would have the answer {self.answer!r}"
            )
        if self.question is not None and fields(self.question) != {"prompt"}:
            raise ValueError(
                f"`question` must hold {{prompt}} and no other column, which could show the answer; "
                f"found {self.question!r}"
            )
        return self


def stem(name: str) -> str:
    """A file's name without the suffixes of its kind and its compression.

    >>> stem("data/train.jsonl.gz"), stem("data/gsm8k.v2")
    ('train', 'gsm8k.v2')
    """
    path = Path(name)
    path = path.with_suffix("") if path.suffix.lower() in COMPRESSED else path
    return path.stem if path.suffix.lower() in FILES else path.name


def is_template(text: str) -> bool:
    """Whether `evidence.chat_template` is a template itself, as config.yaml of a run has it, and not a file's name."""
    return "{{" in text or "{%" in text


def columns(spec: str) -> frozenset[str]:
    """The columns that a column name, or a format string with {columns}, reads.

    >>> sorted(columns("{question} ({unit})")), sorted(columns("question"))
    (['question', 'unit'], ['question'])
    """
    return fields(spec) if is_format(spec) else frozenset([spec])


def is_format(spec: str) -> bool:
    return "{" in spec or "}" in spec


def fields(text: str) -> frozenset[str]:
    """The {names} in a format string. Raises ValueError if it does more than name them."""
    try:
        found = [part[1:] for part in Formatter().parse(text) if part[1] is not None]
    except ValueError as error:
        raise ValueError(
            f"{text!r} is not a format string ({error}); write {{{{ }}}} for literal braces"
        ) from None
    for name, form, conversion in found:
        if not name:
            raise ValueError(
                f"{text!r} has empty braces; name a column, or write {{{{}}}} for literal braces"
            )
        if form or conversion or "[" in name:
            raise ValueError(
                f"{text!r}: expected plain {{column}} or a path {{column.key}} in braces, without format or brackets"
            )
    return frozenset(str(name) for name, _, _ in found)


def fill(text: str, value_of: Callable[[str], Any]) -> str:
    """A format string that `fields` accepts, with the value of each name as text.

    >>> fill("{a.b} + {{c}}", {"a.b": 2}.__getitem__)
    '2 + {c}'
    """
    parts = Formatter().parse(text)
    return "".join(said + ("" if name is None else str(value_of(name))) for said, name, _, _ in parts)
