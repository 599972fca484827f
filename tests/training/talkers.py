"""Environments that tests name by this file."""

from rlvr.rollouts.types import Episode


class Prompter:
    """Says the right answer, and asks once more."""

    name = "prompter"

    def answer(self, episode: Episode) -> str | None:
        if len(episode.turns) > 1:
            return None
        return f" \\boxed{{{episode.problem.reference}}}{episode.problem.prompt}"


class Betrayer:
    """Says the right answer last: the embedded policy then writes nothing but its end."""

    name = "betrayer"

    def answer(self, episode: Episode) -> str | None:
        return None if len(episode.turns) > 1 else f" \\boxed{{{episode.problem.reference}}}"


class Insatiable:
    """Asks again and again."""

    name = "insatiable"

    def answer(self, episode: Episode) -> str | None:
        return episode.problem.prompt


class Raises:
    name = "raises"

    def answer(self, episode: Episode) -> str | None:
        return {}[episode.problem.id]


class Hangs:
    name = "hangs"

    def answer(self, episode: Episode) -> str | None:
        while True:
            pass


class Mumbles:
    """Its answer is no message."""

    name = "mumbles"

    def answer(self, episode: Episode) -> object:
        return 42
