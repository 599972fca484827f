"""`schedule`: pieces of evidence given one after the other, as in a conversation in which a task is told bit by bit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, get_args

from rlvr.config.data import fill
from rlvr.environments.shards import By, cut
from rlvr.problems.rows import value_at
from rlvr.rollouts.types import Episode
from verifiers import Problem


class Schedule:
    """Says one piece after each turn of the policy; the last answer counts.

    Args:
        pieces: formats with columns of the problem's row, `{hint}`; the same for every problem.
        column: in their place, the column of the row that holds a problem's own pieces, a list of texts (the facts of
            a task in shards, arXiv 2505.06120). A problem without it is asked once.
        shards: in their place, the problem itself is cut, by `sentence` or by `term`, and the first piece is asked in
            place of it. A problem that cannot be cut is asked as it is.
        question: whether the piece that asks comes `first` or `last`; of shards alone, as the two that follow.
        backwards: the facts in reversed order.
        at_once: every piece in the first message.
        recapitulate: repeat with the last piece what was said before it, the question first.
        joined: stands between pieces that are said together.
    """

    name = "schedule"
    attempts = True

    def __init__(
        self,
        pieces: Sequence[str] = (),
        column: str | None = None,
        shards: By | None = None,
        question: Literal["first", "last"] = "first",
        backwards: bool = False,
        at_once: bool = False,
        recapitulate: bool = False,
        joined: str = "\n",
    ) -> None:
        if sum(map(bool, (pieces, column, shards))) != 1:
            raise ValueError("expected one of `pieces`, `column` and `shards`")
        if shards is not None and shards not in get_args(By):
            raise ValueError(f"`shards` is {shards!r}; expected {' or '.join(get_args(By))}")
        if question not in ("first", "last"):
            raise ValueError(f"`question` is {question!r}; expected first or last")
        if shards is None and (question == "last" or backwards or at_once):
            raise ValueError("`question`, `backwards` and `at_once` belong to `shards`")
        if at_once and recapitulate:
            raise ValueError("`recapitulate` needs several turns, and `at_once` has one")
        self.pieces, self.column = tuple(pieces), column
        self.shards: By | None = shards
        self.question: Literal["first", "last"] = question
        self.backwards, self.at_once = backwards, at_once
        self.recapitulate, self.joined = recapitulate, joined

    def opening(self, problem: Problem) -> str:
        """What is asked first."""
        if self.shards is None:
            return problem.prompt
        pieces = self._shards(problem)
        return self.joined.join(pieces) if self.at_once else pieces[0]

    def answer(self, episode: Episode) -> str | None:
        said = sum(turn.by == "evidence" for turn in episode.turns)
        pieces = self._pieces(episode)
        if said >= len(pieces):
            return None
        if self.recapitulate and said == len(pieces) - 1:
            return self.joined.join([self.opening(episode.problem), *pieces])
        return pieces[said]

    def _pieces(self, episode: Episode) -> list[str]:
        """What is said after the first message."""
        problem = episode.problem
        if self.shards is not None:
            return [] if self.at_once else self._shards(problem)[1:]
        if self.column is None:
            columns = {**problem.meta, "prompt": problem.prompt}
            return [fill(piece, lambda name: value_at(columns, name)) for piece in self.pieces]
        pieces = problem.meta.get(self.column, [])
        if not isinstance(pieces, Sequence) or not all(isinstance(piece, str) for piece in pieces):
            raise TypeError(f"{self.column} of problem {problem.id} is {pieces!r}; expected a list of texts")
        return list(pieces)

    def _shards(self, problem: Problem) -> list[str]:
        assert self.shards
        found = cut(problem.prompt, self.shards)
        return found.pieces(self.question, self.backwards) if found.facts else [problem.prompt]
