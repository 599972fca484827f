"""Episodes in which somebody answers the policy: their words are read, and neither judged, counted nor trained on.

Real ones, drawn by the driver from the embedded model and judged by a verifier process.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from statistics import mean, stdev

import pytest
import torch

import verifiers
from rlvr import rollouts
from rlvr.config import EvidenceConfig, SamplingConfig
from rlvr.environments.worker import EnvironmentPool
from rlvr.evaluation import Evaluator
from rlvr.evidence import Evidence
from rlvr.policy import Policy
from rlvr.rollouts.types import Episode
from rlvr.sampling.driver import Request, Rolled, roll
from rlvr.sampling.engine import TransformersSampler
from rlvr.sampling.turns import context
from rlvr.terminal import Terminal
from rlvr.training.collect import Sampled
from rlvr.training.packing import pack
from rlvr.training.step_batch import Group, measure, rewards_of, wait_for_verdicts
from rlvr.worlds import carry
from tests.conftest import quickstart_config
from tests.training import talkers
from tests.training.handles import distance, gradient, gradient_of, loop_of, prompted, row_by_row
from tests.training.talkers import Betrayer, Insatiable, Prompter
from verifiers import Problem

PROBLEMS, G = 4, 4
LIMIT = SamplingConfig(max_new_tokens=32)


def plain() -> EvidenceConfig:
    """The quickstart's prompts; what is said in the middle of an episode is put there as it is."""
    return quickstart_config().evidence.model_copy(update={"separator": ""})


@pytest.fixture(scope="module")
def served() -> Iterator[Callable[[type | None], EnvironmentPool | None]]:
    """Environments of this file in worker processes, as a run has them."""
    with ExitStack() as stack:
        pools: dict[type | None, EnvironmentPool | None] = {None: None}

        def of(environment: type | None) -> EnvironmentPool | None:
            if environment is not None and environment not in pools:
                spec = f"{talkers.__file__}:{environment.__name__}"
                pools[environment] = stack.enter_context(EnvironmentPool(spec, {}, workers=1))
            return pools[environment]

        yield of


def requests(problems: Sequence[Problem], size: int = G) -> list[Request]:
    return [Request(problem, sample, "turns") for problem in problems for sample in range(size)]


@pytest.fixture(scope="module")
def ask(tiny, pool, served):
    """Roll out requests with an environment."""

    def asked(environment: type | None, of: Sequence[Request], seed: int = 0) -> list[Rolled]:
        sampler = TransformersSampler(tiny, LIMIT)
        return roll(sampler, of, Evidence(plain()), pool.submit, seed, served(environment))

    return asked


@pytest.fixture(scope="module")
def problems() -> list[Problem]:
    return carry.problems("train", PROBLEMS)


@pytest.fixture(scope="module")
def talks(ask, problems) -> list[Rolled]:
    return ask(Prompter, requests(problems))


def own(episode: Episode) -> list[int]:
    """Places of the policy's tokens among those after the prompt."""
    return [i for i, policy in enumerate(episode.mask) if policy]


def read_alone(policy: Policy, episode: Episode) -> torch.Tensor:
    """Log-probabilities of the policy's tokens, with everything before them read."""
    ids = torch.tensor([[*episode.prompt_ids, *episode.token_ids]])
    with torch.no_grad():
        logp = policy.model(input_ids=ids).logits[0, len(episode.prompt_ids) - 1 : -1].log_softmax(-1)
    return logp[range(logp.shape[0]), episode.token_ids][own(episode)]


# ------------------------------------------------------------------ what an episode is


def test_the_environment_speaks_in_the_middle(tiny, talks):
    answered = [episode for episode, _ in talks if len(episode.turns) == 3]
    assert len(answered) > len(talks) / 2
    for episode in answered:
        first, between, last = episode.turns
        assert (first.by, between.by, last.by) == ("policy", "evidence", "policy")
        assert between.token_ids == tiny.words(between.text)
        assert between.logprobs == []
        assert tiny.tokenizer.unk_token_id not in between.token_ids
        assert f"\\boxed{{{episode.problem.reference}}}" in between.text
        assert len(last.token_ids) > 1
        assert episode.complete == (last.token_ids[-1] in tiny.stop_ids)


def test_the_policy_reads_what_was_said_to_it(tiny, talks):
    """The log-probabilities of its second turn are those behind its first and the answer to it."""
    for episode, _ in talks:
        assert episode.logprobs == pytest.approx(read_alone(tiny, episode).tolist(), abs=1e-4)


def test_tokens_and_log_probabilities_are_the_policys_alone(talks):
    for episode, verdict in talks:
        row = episode.row("base", "math", verdict.result())
        spoken = [turn for turn in episode.turns if turn.by == "policy"]
        assert row.tokens == sum(len(turn.token_ids) for turn in spoken) == len(own(episode))
        assert row.logprobs == {"base": pytest.approx(sum(sum(turn.logprobs) for turn in spoken))}
        assert row.trace.replace("\n", "") == "".join(turn.text for turn in spoken).replace("\n", "")
        assert row.token_ids is not None
        assert (len(row.token_ids) > row.tokens) == (len(episode.turns) > 1)


def test_the_first_turn_is_that_of_an_episode_without_an_environment(ask, problems, talks):
    alone = ask(None, requests(problems))
    assert [e.turns[0] for e, _ in alone] == [e.turns[0] for e, _ in talks]
    assert all(len(episode.turns) == 1 for episode, _ in alone)


@pytest.mark.parametrize("environment", [Prompter, Betrayer, Insatiable])
def test_the_same_requests_give_the_same_episodes_whatever_else_is_asked_for(ask, problems, environment):
    every = requests(problems)
    whole = ask(environment, every)
    few = [every[i] for i in (9, 2, 3, 14)]
    for some in (few, few[:1]):
        found = ask(environment, some)
        for request, (episode, _) in zip(some, found, strict=True):
            expected, _ = whole[every.index(request)]
            assert (episode.seed, episode.complete) == (expected.seed, expected.complete)
            assert [(t.by, t.token_ids) for t in episode.turns] == [
                (t.by, t.token_ids) for t in expected.turns
            ]
            assert episode.logprobs == pytest.approx(expected.logprobs, abs=1e-4)
    assert ask(environment, every)[5][0].turns == whole[5][0].turns
    other = ask(environment, every, seed=1)
    assert [e.token_ids for e, _ in other] != [e.token_ids for e, _ in whole]


def test_each_turn_has_random_numbers_of_its_own(ask, problems):
    """Asked the same a second time, the policy does not say the same as the first time."""
    twice = [episode for episode, _ in ask(Insatiable, requests(problems[:1], 16))]
    assert any(e.turns[0].token_ids != e.turns[2].token_ids for e in twice if len(e.turns) > 2)
    assert len({tuple(e.turns[2].token_ids) for e in twice if len(e.turns) > 2}) > 1


def test_an_episode_without_room_ends_incomplete(tiny, ask, problems):
    room = tiny.context
    assert room is not None
    for episode, verdict in ask(Insatiable, requests(problems)):
        assert not episode.complete
        assert episode.turns[-1].by == "policy"
        assert len(context(episode)) <= room
        last = episode.turns[-1]
        asked = tiny.words(episode.problem.prompt)
        full = len(context(episode)) + len(asked) + LIMIT.max_new_tokens > room
        assert full or len(last.token_ids) == LIMIT.max_new_tokens
        assert verdict.result() == verifiers.score("math", episode.problem, episode.trace)


# ------------------------------------------------------------------ who is judged


def test_what_the_environment_says_is_not_the_policys_answer(ask, problems):
    """Judged as a whole, every one of these transcripts is right."""
    rolled = ask(Betrayer, requests(problems))
    answered = [pair for pair in rolled if len(pair[0].turns) == 3]
    assert len(answered) > len(rolled) / 2
    wrong = 0
    for episode, verdict in answered:
        as_one = verifiers.score("math", episode.problem, episode.transcript)
        alone = verifiers.score("math", episode.problem, episode.turns[0].text)
        assert as_one.score == 1.0
        assert verdict.result().score == alone.score
        assert verdict.result().answer == alone.answer
        wrong += alone.score == 0.0
    assert wrong > len(answered) / 2


def test_the_policys_last_word_is_judged(talks):
    for episode, verdict in talks:
        assert verdict.result() == verifiers.score("math", episode.problem, episode.trace)


def test_each_episode_is_judged_once_and_counted_once(tiny, pool, problems, served):
    judged: list[tuple[str, str]] = []
    done: list[int] = []

    def judge(problem: Problem, text: str):
        judged.append((problem.id, text))
        return pool.submit(problem, text)

    evidence = Evidence(plain())
    every = requests(problems)
    sampler = TransformersSampler(tiny, LIMIT)
    rolled = roll(sampler, every, evidence, judge, 0, served(Prompter), on_done=lambda: done.append(1))
    assert sorted(judged) == sorted((e.problem.id, e.trace) for e, _ in rolled)
    assert len(done) == len(every)


# ------------------------------------------------------------------ what is trained on


@pytest.mark.parametrize("layout", ["packed", "padded"])
def test_the_update_trains_on_the_policys_tokens_alone(tmp_path, pool, problems, served, layout):
    """The gradient of a step on such episodes is that of its policy's tokens, each row read alone; what a step says of
    itself counts the policy's tokens."""
    loop = loop_of(tmp_path, pool, layout=layout, groups_per_step=PROBLEMS, group_size=G)
    evidence = loop.collector.evaluator.evidence
    with loop.collector.current.sampler("step-0") as sampler:
        rolled = roll(sampler, requests(problems), evidence, pool.submit, 0, served(Prompter))
    parts = [rolled[n * G : (n + 1) * G] for n in range(PROBLEMS)]
    groups = [Group(n, n, [e for e, _ in part], [v for _, v in part]) for n, part in enumerate(parts)]
    wait_for_verdicts(groups, loop.config)
    sampled = Sampled("step-0", groups, seconds={"sampling": 1.0, "verifying": 1.0})
    generator = torch.Generator().manual_seed(0)
    for group in groups:  # so that each teaches something
        group.rewards = torch.rand(G, generator=generator).tolist()
    batch = loop.credit.weigh(sampled)

    episodes = [episode for group in groups for episode in group.episodes]
    packed = pack(prompted(batch), torch.device("cpu"), loop.forward.kind)
    assert packed.targets.tolist() == [e.token_ids[i] for e in episodes for i in own(e)]
    assert batch.totals.tokens == len(packed.targets) == sum(episode.tokens for episode in episodes)
    weights = torch.cat([group.advantages for group in batch.groups])
    logprobs, _ = row_by_row(loop.plain, prompted(batch))
    expected = gradient(loop.plain, -(weights * logprobs).sum() / batch.totals.tokens)
    loop.backward(batch, fresh=True)
    assert distance(gradient_of(loop.plain), expected) < 1e-4
    assert not loop.finite.should_skip(1, 1.0)
    assert 0 <= loop.finite.figures["drift/token_max"] < 1e-3  # the sampler's numbers lie at the right tokens

    figures = measure(groups, rewards_of(groups), sampled.seconds)
    assert figures["tokens"] == batch.totals.tokens
    assert figures["completion_length"] == pytest.approx(batch.totals.tokens / len(episodes))
    loop.collector.record(1, sampled, batch)
    (file,) = loop.collector.rollouts_to.glob("train-*.jsonl")
    rows = list(rollouts.read(file))
    assert [[(turn["by"], turn.get("token_ids")) for turn in row.turns or ()] for row in rows] == [
        [(turn.by, turn.token_ids) for turn in e.turns] if len(e.turns) > 1 else [] for e in episodes
    ]
    assert [row.extra["advantage"] for row in rows] == pytest.approx(
        [(r - mean(g.rewards)) / (stdev(g.rewards) + 1e-4) for g in groups for r in g.rewards], abs=1e-5
    )
    assert any(row.turns for row in rows)


# ------------------------------------------------------------------ rows


@pytest.fixture
def file(tmp_path, talks):
    rows = [episode.row("base", "math", verdict.result()) for episode, verdict in talks]
    rollouts.append(tmp_path / "talks.jsonl", rows)
    return tmp_path / "talks.jsonl"


def test_rows_keep_their_turns(file, talks):
    rows = list(rollouts.read(file))
    for row, (episode, verdict) in zip(rows, talks, strict=True):
        assert row == episode.row("base", "math", verdict.result())
        assert row.token_ids == episode.token_ids
        if len(episode.turns) == 1:
            assert row.turns is None
            continue
        assert row.turns is not None
        known = [asdict(turn) for turn in episode.turns]
        assert row.turns == [{k: turn[k] for k in ("by", "text", "token_ids")} for turn in known]
        assert "".join(turn["text"] for turn in row.turns) == episode.transcript


def test_rescoring_finds_what_was_recorded(tiny, pool, file, problems):
    config = quickstart_config()
    evaluator = Evaluator(config, Evidence(plain()), pool, Terminal(quiet=True))
    again = Policy("again", tiny.model, tiny.tokenizer, tiny.source)
    evaluator.rescore(again, problems, file)
    rows = list(rollouts.read(file))
    assert any(row.turns for row in rows)
    for row in rows:
        assert row.logprobs["again"] == pytest.approx(row.logprobs["base"], abs=1e-4)
