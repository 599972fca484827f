"""`schedule`: pieces of evidence given one after the other, as in a conversation in which a task is told bit by bit."""

from __future__ import annotations

from collections.abc import Sequence

from rlvr.config.data import fill
from rlvr.problems.rows import value_at
from rlvr.rollouts.types import Episode


class Schedule:
    """Says one piece after each turn of the policy; the last answer counts.

    Args:
        pieces: formats with columns of the problem's row, `{hint}`; the same for every problem.
        column: in their place, the column of the row that holds a problem's own pieces, a list of texts (the facts of
            a task in shards, arXiv 2505.06120). A problem without it is asked once.
        recapitulate: repeat with the last piece what was said before it, the question first.
    """

    name = "schedule"
    attempts = True

    def __init__(
        self, pieces: Sequence[str] = (), column: str | None = None, recapitulate: bool = False
    ) -> None:
        if bool(pieces) == bool(column):
            raise ValueError("expected `pieces` or `column`, and not both")
        self.pieces, self.column, self.recapitulate = tuple(pieces), column, recapitulate

    def answer(self, episode: Episode) -> str | None:
        said = sum(turn.by == "evidence" for turn in episode.turns)
        pieces = self._pieces(episode)
        if said >= len(pieces):
            return None
        if self.recapitulate and said == len(pieces) - 1:
            return "\n".join([episode.problem.prompt, *pieces])
        return pieces[said]

    def _pieces(self, episode: Episode) -> list[str]:
        problem = episode.problem
        if self.column is None:
            columns = {**problem.meta, "prompt": problem.prompt}
            return [fill(piece, lambda name: value_at(columns, name)) for piece in self.pieces]
        pieces = problem.meta.get(self.column, [])
        if not isinstance(pieces, Sequence) or not all(isinstance(piece, str) for piece in pieces):
            raise TypeError(f"{self.column} of problem {problem.id} is {pieces!r}; expected a list of texts")
        return list(pieces)
