"""Between two turns: who is asked, what is judged, whether there is room; and rows that share a prompt: by hand."""

from __future__ import annotations

from concurrent.futures import Future
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from rlvr.rollouts.types import Episode, Turn
from rlvr.sampling import shared
from rlvr.sampling.prefix import positions
from rlvr.sampling.shared import Block, Branches, SharedCache
from rlvr.sampling.turns import Turns, context
from rlvr.sampling.types import Completion
from verifiers import Problem, Verdict, score

END = 9


class Talk:
    """An environment that answers every turn, its judge, and the policy's side of it."""

    def __init__(self, attempts: bool = False, room: int | None = 14, words: str | None = "so?") -> None:
        self.attempts, self.words = attempts, words
        self.asked: list[Episode] = []
        self.judged: list[tuple[str, str]] = []
        policy = SimpleNamespace(
            tokenizer=SimpleNamespace(decode=lambda ids: f"token {ids}"), stops_at=lambda settings: [END],
            words=lambda text: [7] * 4, context=room, thinking_marks=(),
        )  # fmt: skip
        sampler: Any = SimpleNamespace(policy=policy, settings=SimpleNamespace(max_new_tokens=5))
        evidence: Any = SimpleNamespace(
            between=lambda said, tokenizer, ended, before: f"<{said}|{ended}|{before}>"
        )
        episodes = [Episode(Problem("p", "?", "1"), 0, 1, [1, 2, 3], [], complete=True)]
        self.turns = Turns(sampler, evidence, self.judge, self, episodes)  # type: ignore[arg-type]
        self.episode = episodes[0]

    def judge(self, problem: Problem, text: str) -> Future[Verdict]:
        self.judged.append((problem.opened, text))
        future: Future[Verdict] = Future()
        future.set_result(Verdict(1 / len(self.judged), "incorrect"))
        return future

    def ask(self, episode: Episode) -> Future[Any]:
        self.asked.append(episode)
        return Future()

    def said(self, asked: Future[Any], episode: Episode) -> str | None:
        return self.words

    def speaks(self, text: str, complete: bool = True, last: int = END) -> list[int]:
        """The policy ends a turn of two tokens; the places that go on."""
        self.turns.spoken(0, Completion([5, last], [-0.1, -0.2], text=text, complete=complete))
        return self.turns.answered([0])


@pytest.mark.parametrize(("room", "goes_on"), [(14, True), (13, False), (None, True)])
def test_an_episode_goes_on_where_what_is_said_and_another_turn_fit(room, goes_on):
    """3 of the prompt, 2 written, 4 said, 5 at most to come."""
    talk = Talk(room=room)
    assert talk.speaks("a") == ([0] if goes_on else [])
    assert talk.episode.complete == goes_on and len(talk.asked) == 1
    assert talk.judged == ([] if goes_on else [("", "a")])  # the whole of an episode, once it is over
    if goes_on:
        assert talk.episode.turns[1:] == [Turn("evidence", [7] * 4, f"<so?|token [{END}]|a>")]
        assert context(talk.episode) == [1, 2, 3, 5, END, 7, 7, 7, 7]
        assert talk.episode.mask == [True] * 2 + [False] * 4


def test_what_ended_a_turn_is_said_to_the_template_only_where_it_is_an_end():
    talk = Talk()
    talk.speaks("a", last=6)
    assert talk.episode.turns[1].text == "<so?||a>"


def test_an_environment_that_says_nothing_ends_the_episode():
    talk = Talk(words=None)
    assert talk.speaks("a") == [] and talk.episode.complete and talk.judged == [("", "a")]


def test_what_the_limit_cut_is_judged_and_nobody_is_asked():
    talk = Talk()
    assert talk.speaks("a", complete=False) == [] and not talk.asked and talk.judged == [("", "a")]
    assert not talk.episode.complete


def test_a_second_turn_is_judged_with_the_first():
    talk = Talk(room=None)
    talk.speaks("a")
    talk.words = None
    assert talk.speaks("b") == [] and talk.judged == [("", "a\nb")]


def test_each_attempt_is_judged_by_itself_and_the_last_one_counts():
    talk = Talk(attempts=True, room=None)
    assert talk.speaks("a") == [0]
    assert talk.speaks("b", complete=False) == [] and len(talk.asked) == 1
    assert talk.judged == [("", "a"), ("", "b")]  # nothing twice
    verdicts = [turn.verdict.score for turn in talk.episode.turns if turn.verdict]
    assert verdicts == [1.0, 0.5] and talk.turns.verdicts[0].result().score == 0.5


def test_without_an_environment_the_completion_is_judged_at_once():
    talk = Talk()
    talk.turns.environment = None
    assert talk.speaks("a") == [] and talk.judged == [("", "a")] and not talk.asked


# ------------------------------------------------------------------ rows that share a prompt


def block(*prompts: int) -> Block:
    ones = torch.arange(2.0 * len(prompts)).reshape(len(prompts), 1, 2, 1)
    return Block([ones], [ones + 10], ones.reshape(-1, 1, 1, 2) > 0, ones.reshape(-1, 2), list(prompts))


def test_rows_are_laid_out_by_their_prompts_and_found_again():
    a, b = block(0, 1), block(2)
    found = Branches.of([(a, 1), (b, 0), (a, 1), (a, 0), (b, 0)], torch.device("cpu"))
    assert found.blocks == [a, b]
    assert [rows.tolist() for rows in found.rows] == [[3, 0, 0, 2], [1, 4]]  # 0: no row
    assert found.back.tolist() == [2, 4, 3, 0, 5]


def test_a_block_keeps_the_prompts_that_are_still_read():
    kept = block(4, 5, 6)
    kept.keep([2, 0])
    assert kept.prompts == [6, 4] and kept.logits.tolist() == [[4, 5], [0, 1]]
    assert kept.keys[0].flatten().tolist() == [4, 5, 0, 1] and kept.values[0].flatten().tolist() == [
        14,
        15,
        10,
        11,
    ]
    assert kept.hidden is not None and kept.hidden.flatten().tolist() == [True, True, False, True]


def test_attention_over_two_parts_is_attention_over_both():
    torch.manual_seed(0)
    query, one, two, values = (
        torch.randn(2, 3, 4),
        torch.randn(2, 5, 4),
        torch.randn(2, 6, 4),
        torch.randn(2, 11, 4),
    )
    hidden = torch.zeros(2, 1, 6, dtype=torch.bool)
    hidden[0, :, 4:] = True
    parts = [
        shared._part(query, one, values[:, :5], None),
        shared._part(query, two, values[:, 5:], hidden),
    ]
    scores = query @ torch.cat([one, two], 1).mT
    scores[0, :, 9:] = -torch.inf
    torch.testing.assert_close(shared._merge(*parts), scores.softmax(-1) @ values)


def test_what_a_row_has_read_lies_where_it_reads_it(monkeypatch):
    cache = SharedCache(1, slots=3, capacity=100, device=torch.device("cpu"))
    layer: Any = cache.layers[0]

    def write(read: list[int], value: float) -> torch.Tensor:
        cache.begin_step(read)
        keys = torch.tensor([value + 1000 * row for row in range(len(read))]).reshape(-1, 1, 1, 1)
        return layer.update(keys, -keys)[0].squeeze((1, 3))

    assert write([0, 0, 0], 1).tolist() == [[1], [1001], [2001]] and layer.keys.shape[2] == 32
    assert write([1, 0], 2).tolist() == [[1, 2], [1002, 0]]
    assert cache.unwritten is not None and cache.unwritten.flatten().tolist() == [False, False, False, True]
    assert write([1, 1], 3).tolist() == [[1, 3], [1002, 1003]] and cache.unwritten is None
    assert layer.get_mask_sizes(1) == (2, 0) and layer.get_seq_length() == 1
    write([32, 1, 0], 4)
    assert layer.keys.shape[2] == 64 and layer.keys[0, 0, 32, 0] == 4 and layer.values[0, 0, 1, 0] == -3
    write([64, 1, 0], 5)
    assert layer.keys.shape[2] == layer.values.shape[2] == 100  # never more than there is room for
    # rows 0 and … leave: the last ones take their places
    assert (
        cache.leave([0], 3) == [2, 1] and layer.keys[0, 0, 0, 0] == 2005 and layer.values[0, 0, 0, 0] == -2005
    )
    assert cache.leave([1], 2) == [0] and layer.keys[0, 0, 0, 0] == 2005
    cache.begin_step([0] * 5)
    assert SharedCache(0, 5, 4, torch.device("cpu")).leave([0, 3], 5) == [4, 1, 2]


def test_positions_count_real_tokens_alone():
    mask = torch.tensor([[0, 0, 1, 1, 1], [1, 1, 1, 1, 1]])
    assert positions(mask).tolist() == [[0, 0, 0, 1, 2], [0, 1, 2, 3, 4]]


@pytest.mark.parametrize(
    ("first", "second", "trace"),
    [
        (
            "```python\nprint(98 + 93)\n```\n```output",
            "191",
            "```python\nprint(98 + 93)\n```\n```output\n191",
        ),
        ("so 5\n", "6", "so 5\n6"),
        ("so 5", "\n6", "so 5\n6"),
    ],
)
def test_words_that_another_s_stood_between_are_not_joined(first, second, trace):
    """`output` and `191` were judged as the answer `output191`."""
    turns = [Turn("policy", [5], first), Turn("evidence", [7], "\n191\n```\n"), Turn("policy", [5], second)]
    episode = Episode(Problem("p", "98 + 93 =", "191"), 0, 1, [1], turns, complete=True)
    assert episode.trace == trace
    if second == "191":
        assert score("math", episode.problem, episode.trace).score == 1.0
