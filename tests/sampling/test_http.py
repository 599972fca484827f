"""Servers sample as the transformers sampler does, and what is wrong with one is said or got over.

The server of these tests draws by a row's seed as our own sampler does, so rows must be equal.
"""

import logging
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace
from functools import partial

import pytest
import torch

from rlvr import rollouts
from rlvr.cli import main
from rlvr.config import ConfigError, SamplingConfig
from rlvr.errors import RunError, UserError
from rlvr.preflight.parts import check_engine
from rlvr.run import check_folder, open_run
from rlvr.sampling import SampleRequest, load_scorer, servers
from rlvr.sampling.engine import TransformersSampler
from rlvr.sampling.http import from_servers
from rlvr.sampling.score import Written, logprobs
from tests.conftest import quickstart_config
from tests.sampling.served_policy import assert_drawn_by, serving

PROMPTS = ["37+48=", "5+6=", "90-3="]
ROWS = [SampleRequest(i // 8, 2**62 + i) for i in range(24)]


@pytest.fixture(autouse=True)
def soon(monkeypatch):
    """Waits between tries are short."""
    monkeypatch.setattr(servers, "FIRST_WAIT", 0.01)


def asked(*served, **keys):
    urls = [one.url for one in served]
    common = {
        "engine": "http",
        "servers": urls,
        "max_new_tokens": 24,
        "http": {"in_flight": 8, "patience": 5, "timeout": 60},
    }
    return SamplingConfig.model_validate(common | keys)


@contextmanager
def sampling(policy, *faults, **keys):
    """A sampler of servers with these faults, and the servers."""
    with ExitStack() as stack:
        served = [stack.enter_context(serving(policy, **one)) for one in faults or ({},)]
        yield stack.enter_context(closing(from_servers(policy, asked(*served, **keys)))), served


def by_transformers(policy, **keys):
    settings = SamplingConfig.model_validate({"max_new_tokens": 24} | keys)
    return TransformersSampler(policy, settings).generate(policy.encode(PROMPTS), ROWS)


def assert_alike(found, expected):
    for one, two in zip(found, expected, strict=True):
        assert (one.token_ids, one.text, one.complete) == (two.token_ids, two.text, two.complete)
        assert one.logprobs == pytest.approx(two.logprobs, abs=1e-4)


# ------------------------------------------------------------------ what is drawn

DRAWN = {
    "plainly": ({}, {}),
    "with stop strings": ({"stop": ["="]}, {}),
    "with a stop token": ({"stop_token_ids": [9]}, {}),
    "truncated": ({"top_k": 2}, {}),
    "greedily": ({"temperature": 0.0}, {}),
    "at a temperature": ({"temperature": 0.7}, {"processed": True}),
}


@pytest.mark.parametrize("case", DRAWN)
def test_rows_are_those_of_the_transformers_sampler(tiny, case):
    keys, faults = DRAWN[case]
    ended = []
    with sampling(tiny, faults, faults, **keys) as (sampler, served):
        before = [len(one.asked) for one in served]
        found = sampler.generate(tiny.encode(PROMPTS), ROWS, lambda i, row: ended.append((i, row)))
        shares = [len(one.asked) - count for one, count in zip(served, before, strict=True)]
    assert sum(shares) == len(ROWS) and min(shares) > 0
    assert sorted(i for i, _ in ended) == list(range(len(ROWS)))
    assert all(row is found[i] for i, row in ended)
    assert_alike(found, by_transformers(tiny, **keys))


def test_what_was_written_is_scored(tiny):
    prompts = tiny.encode(PROMPTS)
    rows = [
        Written(i // 8, row.token_ids, [n % 3 > 0 for n in range(len(row.token_ids))])
        for i, row in enumerate(by_transformers(tiny))
    ]
    rows += [Written(0, [], []), Written(1, [5, 6, 7], [False] * 3)]
    with sampling(tiny) as (sampler, _):
        found = sampler.logprobs(prompts, rows, 1.0)
    assert found == pytest.approx(logprobs(tiny, prompts, rows, 1.0), abs=1e-3)
    assert found[-2:] == [0.0, 0.0]


UNSCORED = {
    "at another temperature": (
        {"processed": True},
        {"temperature": 0.7},
        "servers score at temperature 1, not at 0.7",
    ),
    "by a server that cannot": (
        {"without": ("prompt_logprobs",)},
        {},
        "no log-probabilities of given tokens",
    ),
}


@pytest.mark.parametrize("case", UNSCORED)
def test_why_servers_do_not_score_is_said(tiny, case):
    faults, keys, words = UNSCORED[case]
    with sampling(tiny, faults, **keys) as (sampler, _):
        assert words in sampler.why_unscored


# ------------------------------------------------------------------ what is refused

REFUSED = {
    "another model": (
        {"models": ("theirs",)},
        {},
        r"none of them has .* \(http://\S+ has theirs\); start one .* vllm serve",
    ),
    "no token ids": ({"without": ("return_token_ids",)}, {}, "gives no token ids"),
    "no log-probabilities": (
        {"without": ("logprobs",)},
        {},
        "without a log-probability for each of its token ids",
    ),
    "another tokenizer": ({"shifted": 1}, {}, "reads text by another tokenizer"),
    "one seed for all": ({"seed": 3}, {}, "the same completion for every `seed`"),
    "no stop tokens": ({"without": ("stop_token_ids",)}, {}, "does not end a completion at a token"),
    "raw log-probabilities": ({}, {"temperature": 0.7}, "--logprobs-mode processed_logprobs"),
    "processed ones": ({"processed": True}, {"top_k": 2}, "--logprobs-mode raw_logprobs"),
    "a server of an error": ({"answers": ["400"]}, {}, "answered 400: .*out of sorts"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_server_that_cannot_give_rows_is_refused_in_a_sentence(tiny, case):
    faults, keys, words = REFUSED[case]
    with pytest.raises(ConfigError, match=words), sampling(tiny, faults, **keys):
        pass


def test_a_server_that_is_not_there_is_refused_with_the_cure(tiny):
    with pytest.raises(ConfigError, match=r"127.0.0.1:9.*start one there, such as vllm serve"):
        from_servers(tiny, SamplingConfig(engine="http", servers=["http://127.0.0.1:9"]))


def test_servers_of_different_weights_are_refused(tiny):
    import copy

    other = replace(tiny, model=copy.deepcopy(tiny.model))
    with torch.no_grad():
        for weight in other.model.parameters():
            weight.mul_(0.8)
    with (
        serving(tiny) as one,
        serving(other) as two,
        pytest.raises(ConfigError, match="have different weights of"),
    ):
        from_servers(tiny, asked(one, two))


def test_prompts_that_a_server_has_no_room_for_are_refused_before_anything_is_sampled(tiny):
    with sampling(tiny, {"room": 25}) as (sampler, (served,)):
        before = len(served.asked)
        longest = max(map(len, tiny.encode(PROMPTS)))
        for attempt in (sampler.block_size, lambda prompts: sampler.generate(prompts, ROWS)):
            with pytest.raises(
                ConfigError, match=f"room for 25: start it with --max-model-len {longest + 24}"
            ):
                attempt(tiny.encode(PROMPTS))
        assert len(served.asked) == before


def test_a_server_needs_room_for_the_longest_row_and_no_more(tiny):
    prompts = tiny.encode(PROMPTS)
    written = [Written(at, [5, 6], [True, True]) for at in range(len(prompts))]
    longest = max(map(len, prompts))
    with sampling(tiny) as (sampler, _):
        for needs, ask in (
            (longest + 24, lambda own: own.block_size(prompts)),  # 24 new tokens
            (longest + 24, lambda own: own.generate(prompts, ROWS[:1])),
            (longest + 3, lambda own: own.logprobs(prompts, written, 1.0)),  # and one that scoring draws
        ):
            for room in (needs, None, needs - 1):
                own = replace(sampler, found=[replace(found, room=room) for found in sampler.found])
                if room == needs - 1:
                    with pytest.raises(ConfigError, match=f"room for {room}: .*--max-model-len {needs}"):
                        ask(own)
                else:
                    assert ask(own)


def test_weights_in_memory_are_asked_of_no_server(tiny):
    with serving(tiny) as served, pytest.raises(ValueError, match="no server has the weights of step-50"):
        from_servers(replace(tiny, name="step-50", weights="memory"), asked(served))


def test_training_by_servers_is_refused():
    settings = SamplingConfig(engine="http", servers=["http://localhost:8000"])
    check_engine(settings, training=False)
    with pytest.raises(UserError, match="training samples from those in memory: train with another engine"):
        check_engine(settings, training=True)
    with pytest.raises(UserError, match=r"set sampling\.servers="):
        check_engine(SamplingConfig(engine="http"), training=False)


# ------------------------------------------------------------------ what is got over


@pytest.fixture(scope="module")
def proven(tiny):
    with sampling(tiny) as (sampler, (served,)):
        yield sampler, served


@pytest.fixture
def one(proven):
    """A sampler, and its one server, nothing wrong with it."""
    yield proven
    proven[1].faults.answers.clear()


@pytest.mark.parametrize("fault", ["drop", "cut", "500", "429"])
def test_a_request_that_fails_is_asked_again_and_no_row_comes_twice(tiny, one, fault):
    ended = []
    sampler, served = one
    served.faults.answers = [fault, "", fault, fault]
    found = sampler.generate(tiny.encode(PROMPTS), ROWS, lambda i, _: ended.append(i))
    assert sorted(ended) == list(range(len(ROWS)))
    assert_alike(found, by_transformers(tiny))


def test_a_request_that_always_fails_stops_the_evaluation(tiny, one):
    sampler, served = one
    served.faults.unlucky = tuple(tiny.encode(PROMPTS)[2])
    with pytest.raises(RunError, match=r"answered 500: .*; the same request failed 8 times"):
        sampler.generate(tiny.encode(PROMPTS), ROWS)
    served.faults.unlucky = ()


def test_a_row_that_is_refused_stops_it_with_the_servers_words(tiny, one):
    sampler, served = one
    served.faults.answers = [
        "",
        *["400"] * 20,
    ]  # more than one: a request that the test before gave up may take it
    with pytest.raises(RunError, match=r"answered 400: .*out of sorts"):
        sampler.generate(tiny.encode(PROMPTS), ROWS)
    served.faults.answers.clear()


def test_the_others_go_on_where_one_is_gone(tiny, caplog):
    with serving(tiny) as stays, ExitStack() as stack:
        leaves = stack.enter_context(serving(tiny))
        sampler = from_servers(tiny, asked(stays, leaves, http={"in_flight": 4, "patience": 0.3}))
        stack.close()
        with caplog.at_level(logging.WARNING, "rlvr.sampling"):
            assert_alike(sampler.generate(tiny.encode(PROMPTS), ROWS), by_transformers(tiny))
    assert "is given up; the others go on" in caplog.text


def test_without_any_it_stops_in_a_bounded_time_and_says_how_to_go_on(tiny):
    with serving(tiny) as served:
        sampler = from_servers(tiny, asked(served, http={"patience": 0.3}))
    with pytest.raises(RunError, match=r"no server has been there for 0 s.*the same command goes on"):
        sampler.generate(tiny.encode(PROMPTS), ROWS)


def test_one_that_comes_back_goes_on(tiny, caplog):
    import threading

    with ExitStack() as stack:
        served = stack.enter_context(serving(tiny))
        sampler = from_servers(tiny, asked(served))
        stack.close()
        again = threading.Timer(0.5, lambda: stack.enter_context(serving(tiny, port=served.port)))
        again.start()
        with caplog.at_level(logging.WARNING, "rlvr.sampling"):
            assert_alike(sampler.generate(tiny.encode(PROMPTS), ROWS), by_transformers(tiny))
    assert "is there again" in caplog.text


def test_one_that_comes_back_with_another_model_is_refused(tiny):
    with ExitStack() as stack:
        served = stack.enter_context(serving(tiny))
        sampler = from_servers(tiny, asked(served))
        stack.close()
        stack.enter_context(serving(tiny, port=served.port, models=("theirs",), answers=["500"]))
        with pytest.raises(RunError, match="came back without"):
            sampler.generate(tiny.encode(PROMPTS), ROWS)


# ------------------------------------------------------------------ whole commands

SMALL = [
    "problems.heldout.limit=3",
    "sampling.samples=4",
    "analysis.search_budget=1",
    "verification.workers=1",
]


def test_an_evaluation_by_servers_has_the_rows_of_one_without(tiny, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    with serving(tiny) as served:
        words = [*SMALL, "sampling.engine=http", f"sampling.servers=[{served.url}]"]
        assert main(["eval", "tiny", *words]) == 0
    assert "estimate: none, since servers sample" in " ".join(capsys.readouterr().err.split())
    assert not any("127.0.0.1" in path.name for path in tmp_path.rglob("*"))
    (file,) = tmp_path.glob("evals/*.jsonl")
    drawn = list(rollouts.read(file))
    assert [row.sample for row in drawn] == [*range(4)] * 3 and len({row.problem_id for row in drawn}) == 3
    assert rollouts.read_settings(file)["dtype"] is None
    assert_drawn_by(tiny, file)


def test_a_run_takes_servers_once_it_is_trained(tmp_path):
    config = quickstart_config()
    run = open_run(config, tmp_path / "run")
    run.rollouts("base").touch()
    by_servers = config.model_copy(
        update={"sampling": config.sampling.model_copy(update={"engine": "http", "servers": ["http://a"]})}
    )
    with pytest.raises(ConfigError, match=r"sampling\.engine: 'auto' / 'http'"):
        check_folder(by_servers, run.folder)
    run.model.mkdir()
    assert check_folder(by_servers, run.folder)
    before = (run.folder / "config.yaml").read_bytes()
    open_run(by_servers, run.folder)
    assert (run.folder / "config.yaml").read_bytes() == before
    more = by_servers.model_copy(update={"train": config.train.model_copy(update={"steps": 999})})
    with pytest.raises(ConfigError, match=r"sampling\.engine"):
        check_folder(more, run.folder)


def test_who_scores_a_run_is_said_where_servers_cannot(tiny):
    said: list[str] = []
    rows = [Written(0, [5, 6, 7], [True] * 3)]
    found = []
    for without in ((), ("prompt_logprobs",)):
        with serving(tiny, without=without) as served:
            policy, score = load_scorer(
                quickstart_config(sampling=asked(served)), "tuned", quickstart_config().model, said.append
            )
            assert policy.name == "tuned"
            score = score or partial(logprobs, policy)
            found += score(tiny.encode(PROMPTS), rows, 1.0)
    assert found[0] == pytest.approx(found[1], abs=1e-3)
    assert len(said) == 1 and "transformers scores here, under the tuned policy" in said[0]
