"""Candidates: keys of `evidence` from a file, or instructions that the model writes itself."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from rlvr.config import EvidenceConfig
from rlvr.config.steering import with_keys
from rlvr.errors import UserError
from rlvr.evidence import Evidence
from rlvr.text import line
from verifiers import Problem, Verdict
from verifiers.extract import MARKS, after_thoughts

KEYS = (
    *("system", "instruction", "instruction_position", "question", "answer", "separator"),
    *("examples", "shots", "shots_seed", "shots_choice", "shots_pool"),
)
"""What a candidate may change: the prompt, not the template, and nothing that shows a part of the solution."""
SHOWN, SHOWN_OF = 4, 16
"""Solved problems that the model reads before it writes an instruction, drawn anew for each from so many."""
MARKS_AROUND = re.compile(r'^[\s"*]*(instruction\s*:)?[\s"*]*|[\s"*]+$', re.IGNORECASE)
WRITTEN_TOKENS = 64
"""Of an instruction that the model writes."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """One way to ask."""

    name: str
    keys: dict[str, Any]
    """Of `evidence`, in place of the config's own."""
    evidence: EvidenceConfig

    @classmethod
    def of(cls, name: str, keys: dict[str, Any], own: EvidenceConfig, where: str) -> Candidate:
        """Raises UserError: a key that a candidate cannot have, or that does not go with the others."""
        for key in keys:
            if key not in KEYS:
                raise UserError(f"{where}: {key!r} cannot be searched over; expected {', '.join(KEYS)}")
        try:
            return cls(name, keys, with_keys(own, keys, where))
        except ValueError as error:
            raise UserError(str(error)) from None

    @property
    def words(self) -> str:
        """What is other in it, on one line."""
        if list(self.keys) == ["instruction"]:
            return str(self.keys["instruction"])
        return json.dumps(self.keys, ensure_ascii=False) if self.keys else "(as configured)"


def of_file(file: Path, own: EvidenceConfig) -> list[Candidate]:
    """The candidates of a file, after the config's own evidence: an instruction a line, or in YAML a list of mappings,
    each some keys of `evidence`.

    Raises:
        UserError: it cannot be read, holds no candidate or one twice, or a candidate is wrong; names it.
    """
    found = [Candidate("as configured", {}, own)]
    places: dict[str, str] = {}
    for name, keys in _read(file):
        candidate = Candidate.of(name, keys, own, f"{file}: {name}")
        same = places.setdefault(candidate.evidence.model_dump_json(), name)
        if same != name:
            raise UserError(f"{file}: {name} is the same as {same}")
        if candidate.evidence == own:
            raise UserError(
                f"{file}: {name} is what the config has already, which is always among the candidates"
            )
        found.append(candidate)
    if len(found) == 1:
        raise UserError(
            f"{file}: no candidates; expected an instruction a line, or a YAML list of evidence keys"
        )
    return found


def _read(file: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Name and keys of each candidate."""
    try:
        text = file.read_text(encoding="utf-8-sig")
        entries = yaml.safe_load(text) if file.suffix in (".yaml", ".yml") else None
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise UserError(f"{file}: {line(str(error), 200)}") from error
    if file.suffix not in (".yaml", ".yml"):
        for number, words in enumerate(text.splitlines(), 1):
            if words.strip():
                yield f"line {number}", {"instruction": words.strip()}
        return
    if not isinstance(entries, list):
        raise UserError(f"{file}: expected a list of mappings, found {type(entries).__name__}")
    for number, keys in enumerate(entries, 1):
        if not isinstance(keys, dict) or not keys:
            raise UserError(
                f"{file}: entry {number} is {line(repr(keys), 60)}; expected keys of evidence with values"
            )
        yield f"entry {number}", keys


# ------------------------------------------------------------------ written by the model


def requests(number: int, train: Sequence[Problem], evidence: Evidence, seed: int) -> list[Problem]:
    """What the model is asked, once for each instruction: solved training problems, and what would have led to them
    (Zhou et al. 2022, arXiv 2211.01910). `meta["shown"]` has the ids of those that are shown.

    Raises:
        UserError: there are too few training problems.
    """
    if len(train) <= SHOWN_OF:
        raise UserError(
            f"problems.train: {SHOWN_OF} solved problems are shown to the model that writes, and then not asked; "
            f"it has only {len(train)}"
        )
    pool = random.Random(seed).sample(train, SHOWN_OF)
    asked: list[Problem] = []
    for i in range(number):
        shown = random.Random(f"{seed}\x1f{i}").sample(pool, SHOWN)
        solved = "\n\n".join(f"Question: {p.prompt}\nAnswer: {evidence.answer_to(p).strip()}" for p in shown)
        text = (
            f"Here are questions with their right answers.\n\n{solved}\n\n"
            "Write one instruction, in one sentence, that tells somebody how to answer such questions.\nInstruction:"
        )
        asked.append(Problem(f"instruction-{i}", text, "", meta={"shown": [p.id for p in pool]}))
    return asked


class Proposal:
    """In the form of a verifier: 1 where a response has an instruction, which is its answer."""

    name = "instruction"
    answer_format = "text"
    judges_missing_answers = True

    def verify(self, problem: Problem, trace: str, answer: str | None) -> Verdict:
        del trace
        start, unfinished = after_thoughts(answer or "", MARKS, problem.opened)
        found = None if unfinished else instruction((answer or "")[start:])
        return Verdict(float(bool(found)), "correct" if found else "no_answer", found)


def instruction(text: str) -> str | None:
    """The first line of a response that has words, without its marks; None where there is none.

    >>> instruction('\\n Instruction: "Add the numbers."\\nIt works.')
    'Add the numbers.'
    """
    for said in text.splitlines():
        words = MARKS_AROUND.sub("", said)
        if any(c.isalpha() for c in words):
            return words
    return None
