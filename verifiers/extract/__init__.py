"""The one place that cuts a response into trace z and answer y.

What belongs in this package: finding the answer in the text of a response, in every `answer_format`. What an answer
means, and whether it is right, is the business of the verifiers.

- `cut`: the formats, and what goes before what.
- `thinking`: the marks of thoughts.
- `boxes`, `tags`, `announced` (with `statements`, `languages`): where an answer stands in a text.
- `corrections`: answers that are taken back.
- `programs`: fenced code blocks.
"""

from __future__ import annotations

from verifiers.extract.boxes import has_box
from verifiers.extract.cut import Cut, cut, cut_for
from verifiers.extract.programs import last_program
from verifiers.extract.thinking import MARKS, Marks, after_thoughts, opened_by, with_further

__all__ = [
    "MARKS",
    "Cut",
    "Marks",
    "after_thoughts",
    "cut",
    "cut_for",
    "has_box",
    "last_program",
    "opened_by",
    "with_further",
]
