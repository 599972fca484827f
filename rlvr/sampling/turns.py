"""Between two turns of the policy: its words are judged, and answered by its environment."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field, replace

from rlvr.environments.worker import EnvironmentPool
from rlvr.evidence import Evidence
from rlvr.rollouts.types import Episode, Turn
from rlvr.sampling.types import Completion, Sampler
from rlvr.verdict_health import verdict_of
from verifiers import Problem, Verdict
from verifiers.extract import opened_by

Judge = Callable[[Problem, str], Future[Verdict]]
"""What the policy wrote for a problem → its verdict, some time later (`VerifierPool.submit`)."""


@dataclass(slots=True)
class Turns:
    """Episodes between two of the policy's turns: judged, and answered by their environment."""

    sampler: Sampler
    evidence: Evidence
    judge: Judge
    environment: EnvironmentPool | None
    episodes: list[Episode]
    verdicts: dict[int, Future[Verdict]] = field(default_factory=dict)
    """By place: of the last attempt, or of all that the policy wrote."""
    asked: dict[int, Future[Verdict]] = field(default_factory=dict)
    """By place: what the environment will say."""

    def spoken(self, place: int, completion: Completion) -> None:
        """The policy ended a turn: whoever has to say something of it is asked, while others are sampled."""
        episode, environment = self.episodes[place], self.environment
        turn = Turn("policy", completion.token_ids, completion.text, completion.logprobs)
        episode.turns.append(turn)
        episode.complete = completion.complete
        if environment and environment.attempts:
            problem = replace(episode.problem, opened=self._opened(episode))
            self.verdicts[place] = self.judge(problem, turn.text)
        elif environment and episode.complete:
            self.asked[place] = environment.ask(episode)
        else:
            self.verdicts[place] = self.judge(episode.problem, episode.trace)

    def answered(self, places: Sequence[int]) -> list[int]:
        """Add what the environment says to each of these episodes; those that go on.

        Raises RunError: the environment or the verifier failed.
        """
        if self.environment is None:
            return []
        if self.environment.attempts:
            for place in places:
                turns = self.episodes[place].turns
                turns[-1] = replace(turns[-1], verdict=verdict_of(self.verdicts[place]))
            going = [place for place in places if self.episodes[place].complete]
            self.asked = {place: self.environment.ask(self.episodes[place]) for place in going}
        again = {place for place, said in sorted(self.asked.items()) if self._goes_on(place, said)}
        for place in self.asked.keys() - again - self.verdicts.keys():  # attempts are judged already
            episode = self.episodes[place]
            self.verdicts[place] = self.judge(episode.problem, episode.trace)
        self.asked = {}
        return sorted(again)

    def _goes_on(self, place: int, asked: Future[Verdict]) -> bool:
        """Add the environment's words; False where the episode is over, by its word or for want of room."""
        assert self.environment
        episode, policy = self.episodes[place], self.sampler.policy
        said = self.environment.said(asked, episode)
        if said is None:
            return False
        last = episode.turns[-1].token_ids[-1:]
        ended_with = (
            policy.tokenizer.decode(last)
            if last and last[0] in policy.stops_at(self.sampler.settings)
            else ""
        )
        text = self.evidence.between(said, policy.tokenizer, str(ended_with), episode.turns[-1].text)
        ids = policy.words(text)
        room = policy.context
        if (
            room is not None
            and len(context(episode)) + len(ids) + self.sampler.settings.max_new_tokens > room
        ):
            episode.complete = False
            return False
        episode.turns.append(Turn("evidence", ids, text))
        return True

    def _opened(self, episode: Episode) -> str:
        """The mark with which what the policy read last opened a thought."""
        if len(episode.turns) == 1:
            return episode.problem.opened
        return opened_by(episode.turns[-2].text, self.sampler.policy.thinking_marks)


def context(episode: Episode) -> list[int]:
    """What the policy reads before its next turn."""
    return episode.prompt_ids if not episode.turns else [*episode.prompt_ids, *episode.token_ids]
