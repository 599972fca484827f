"""The one place that cuts a response into trace z and answer y.

What belongs in this package: finding the answer in the text of a response, in every `answer_format`. What an answer
means, and whether it is right, is the business of the verifiers.

- `cut`: boxes, announced answers, lines and whole texts.
- `programs`: fenced code blocks.
"""

from __future__ import annotations

from verifiers.extract.cut import Cut, cut
from verifiers.extract.programs import last_program

__all__ = ["Cut", "cut", "last_program"]
