"""Rows go to the verifiers while others are decoded, and the order of their verdicts changes nothing."""

import random
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path

import pytest

from rlvr import pipeline, rollouts
from rlvr.config import SamplingConfig
from rlvr.evaluation import Evaluator
from rlvr.evidence import Evidence
from rlvr.problems import load_all
from rlvr.run import open_run
from rlvr.sampling import SampleRequest
from rlvr.sampling.driver import row_seed
from rlvr.sampling.engine import TransformersSampler
from rlvr.sampling.shared import Decoder
from rlvr.terminal import Terminal
from tests.conftest import quickstart_config
from verifiers import Problem, Verdict, load
from verifiers.judging import judge

ORDERS: dict[str, Callable[[list], list]] = {
    "as submitted": list,
    "last first": lambda items: items[::-1],
    "shuffled": lambda items: random.Random(0).sample(items, len(items)),
}


class LateVerdicts:
    """A pool whose verdicts come when the first of them is waited for, all of them, in an order of ours."""

    def __init__(self, order: Callable[[list], list]) -> None:
        self.order = order
        self.verifier = load("math")
        self.pending: list[tuple[Future[Verdict], Problem, str]] = []

    def submit(self, problem: Problem, response: str) -> Future[Verdict]:
        future = Late(self)
        self.pending.append((future, problem, response))
        return future

    def release(self) -> None:
        pending, self.pending = self.pending, []
        for future, problem, response in self.order(pending):
            future.set_result(judge(self.verifier, problem, response))


class Late(Future):
    def __init__(self, pool: LateVerdicts) -> None:
        super().__init__()
        self.pool = pool

    def result(self, timeout: float | None = None) -> Verdict:
        self.pool.release()
        return super().result(timeout)


def test_a_row_is_told_of_while_others_are_decoded(tiny, monkeypatch):
    events: list[str] = []
    step = Decoder.step
    monkeypatch.setattr(Decoder, "step", lambda *args, **kw: (events.append("step"), step(*args, **kw))[1])
    rows = [SampleRequest(0, row_seed(0, "test", "p", s)) for s in range(64)]
    sampler = TransformersSampler(tiny, SamplingConfig(max_new_tokens=32))
    told: dict[int, str] = {}
    done = sampler.generate(
        tiny.encode(["37+48="]), rows, lambda i, c: (events.append("told"), told.update({i: c.text}))[0]
    )
    assert told == {i: completion.text for i, completion in enumerate(done)}
    first = events.index("told")
    assert "step" in events[first:] and events.count("told") == 64


@pytest.fixture(scope="module")
def written(tmp_path_factory) -> dict[str, Path]:
    """An evaluation and two training steps under each order of verdicts."""
    config = quickstart_config(verifier="math", verifier_options={})
    train = config.train.model_copy(
        update={"steps": 2, "groups_per_step": 4, "group_size": 8, "eval_every": 0, "learning_rate": 1e-3}
    )
    sampling = config.sampling.model_copy(update={"samples": 8, "batch_size": 32})  # several blocks
    config = config.model_copy(update={"train": train, "sampling": sampling})
    problems = load_all(config.problems.train, config.problems.heldout)
    problems = replace(problems, heldout=problems.heldout[:64])
    folders = {}
    for name, order in ORDERS.items():
        folders[name] = tmp_path_factory.mktemp("order") / "run"
        evaluator = Evaluator(config, Evidence(config.evidence), LateVerdicts(order), Terminal(quiet=True))  # type: ignore[arg-type]
        here = open_run(config, folders[name])
        pipeline.evaluate(config, config.model, "base", problems, evaluator, here)
        pipeline.train(config, problems, evaluator, here)
    return folders


@pytest.mark.parametrize("file", ["base", "train-000001", "train-000002"])
def test_the_order_of_verdicts_changes_no_row(written, file):
    files = [(folder / "rollouts" / f"{file}.jsonl").read_bytes() for folder in written.values()]
    assert files[0] == files[1] == files[2]
    scores = {row.score for row in rollouts.read(written["shuffled"] / "rollouts" / f"{file}.jsonl")}
    assert scores == {0.0, 1.0}


def test_the_order_of_verdicts_changes_no_weight(written):
    weights = [(folder / "model" / "model.safetensors").read_bytes() for folder in written.values()]
    assert weights[0] == weights[1] == weights[2]
