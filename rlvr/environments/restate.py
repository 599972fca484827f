"""`restate`: the policy says the task again and plans; what it misread is corrected by rule; then it answers."""

from __future__ import annotations

import re

from rlvr.rollouts.types import Episode

NUMBER = re.compile(r"(?<![\w.])\d+(?:,\d{3})*(?:\.\d+)?(?!\w)")


class Restate:
    """After the first turn, in which `evidence.instruction` asks for the task in the policy's own words, it names the
    numbers of the task that are missing there, and asks for the answer.

    Args:
        correct: False asks for the answer alone.
        ask: how the answer is asked for.
    """

    name = "restate"
    attempts = True

    def __init__(self, correct: bool = True, ask: str = "Now solve it, and give the final answer.") -> None:
        self.correct, self.ask = correct, ask

    def answer(self, episode: Episode) -> str | None:
        if len(episode.turns) > 1:
            return None
        return f"{self._correction(episode)}{self.ask}"

    def _correction(self, episode: Episode) -> str:
        said = {_plain(number) for number in NUMBER.findall(episode.turns[0].text)}
        asked = dict.fromkeys(NUMBER.findall(episode.problem.prompt))
        missing = [number for number in asked if _plain(number) not in said]
        if not self.correct or not missing:
            return ""
        return f"You left out {', '.join(missing)}. The task is: {episode.problem.prompt}\n"


def _plain(number: str) -> str:
    """
    >>> _plain("1,200.50"), _plain("7")
    ('1200.5', '7')
    """
    digits = number.replace(",", "")
    return digits.rstrip("0").rstrip(".") if "." in digits else digits
