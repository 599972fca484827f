"""The rollout driver: requests → judged episodes. The one place that renders, encodes, seeds, samples and judges, for
evaluation and training alike."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace

from rlvr.environments.worker import EnvironmentPool
from rlvr.evidence import Evidence
from rlvr.policy import Policy
from rlvr.prompts import Prompt, prompts
from rlvr.rollouts.types import Episode
from rlvr.sampling.turns import Judge, Turns, context
from rlvr.sampling.types import Completion, Sampler, SampleRequest
from verifiers import Problem, Verdict

Rolled = tuple[Episode, Future[Verdict]]


@dataclass(frozen=True, slots=True)
class Request:
    """One sample to draw."""

    problem: Problem
    sample: int
    stream: str
    """With the run's seed, problem and sample it gives the seed of this draw: an evaluation's name, a step's group."""
    evidence: Evidence | None = None
    """Of this request alone; None: that of the others."""


def roll(
    sampler: Sampler,
    requests: Sequence[Request],
    evidence: Evidence,
    judge: Judge,
    seed: int,
    environment: EnvironmentPool | None = None,
    on_done: Callable[[], None] | None = None,
) -> list[Rolled]:
    """Draw an episode for each request, in order. Whichever has ended goes to the verifiers while others are drawn.

    All requests take their first turn together, then those that the environment answers their second, and so on: what
    is drawn together follows from the requests, never from time. Each turn may take `sampling.max_new_tokens`; an
    episode that has no room left for one in the model's context ends as truncated.

    Args:
        sampler: has the weights, and generates.
        judge: gets the policy's own words, not those of its environment: all of them, or its last attempt.
        seed: the run's.
        on_done: called as each episode ends.
    """
    prompted, which = prompts_of(sampler.policy, requests, evidence)
    read = [prompt.token_ids for prompt in prompted]
    episodes = [
        Episode(asked(r.problem, prompted[i]), r.sample, sample_seed(seed, r), read[i], [], complete=False)
        for r, i in zip(requests, which, strict=True)
    ]
    turns = Turns(sampler, evidence, judge, environment, episodes)
    speaking, turn = list(range(len(episodes))), 0

    def ended(row: int, completion: Completion) -> None:
        turns.spoken(speaking[row], completion)
        if on_done and not environment:
            on_done()

    while speaking or turn == 0:  # those without requests ask too: several processes may share an engine
        seeds = [turn_seed(episodes[i].seed, turn) for i in speaking]
        sampler.generate(read, [SampleRequest(p, s) for p, s in zip(which, seeds, strict=True)], ended)
        again = turns.answered(speaking)
        if on_done and environment:
            for _ in range(len(speaking) - len(again)):
                on_done()
        speaking, turn = again, turn + 1
        read, which = [context(episodes[i]) for i in speaking], list(range(len(speaking)))
    return [(episode, turns.verdicts[i]) for i, episode in enumerate(episodes)]


def prompts_of(
    policy: Policy, requests: Sequence[Request], evidence: Evidence
) -> tuple[list[Prompt], list[int]]:
    """The different prompts, one for each problem under each evidence, and which of them each request has."""
    under: dict[Evidence, dict[str, Problem]] = {}
    for r in requests:
        under.setdefault(r.evidence or evidence, {})[r.problem.id] = r.problem
    made: dict[tuple[str, Evidence], Prompt] = {}
    for own, problems in under.items():
        found = read_by(policy, own, [*problems.values()])
        made |= {(name, own): prompt for name, prompt in zip(problems, found, strict=True)}
    place = {key: i for i, key in enumerate(made)}
    return [*made.values()], [place[r.problem.id, r.evidence or evidence] for r in requests]


def asked(problem: Problem, prompt: Prompt) -> Problem:
    """The problem as it was asked: where the prompt opened a thought, it says so to the verifiers."""
    return replace(problem, opened=prompt.opened) if prompt.opened else problem


def encode(policy: Policy, evidence: Evidence, problems: Sequence[Problem]) -> list[list[int]]:
    """Token ids of each problem's rendered prompt."""
    return [prompt.token_ids for prompt in read_by(policy, evidence, problems)]


def read_by(policy: Policy, evidence: Evidence, problems: Sequence[Problem]) -> list[Prompt]:
    """Each problem's prompt, with the token ids that the policy reads: those of a soft prompt before its own."""
    made = prompts(policy.tokenizer, policy.thinking_marks, evidence, problems)
    return [replace(prompt, token_ids=policy.reads(prompt.token_ids)) for prompt in made]


def sample_seed(seed: int, request: Request) -> int:
    """Seed of a request under the run's `seed`."""
    return row_seed(seed, request.stream, request.problem.id, request.sample)


def row_seed(seed: int, stream: str, problem_id: str, sample: int) -> int:
    """Seed of one sample: a function of the run's seed and of what the sample is, never of when it is drawn."""
    text = f"{seed}\x1f{stream}\x1f{problem_id}\x1f{sample}".encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest()) >> 1


def turn_seed(seed: int, turn: int) -> int:
    """Seed of a turn's random numbers; that of the first is the sample's own."""
    return seed if turn == 0 else row_seed(seed, "turn", "", turn)
