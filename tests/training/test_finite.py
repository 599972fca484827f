"""Non-finite values (NaN, inf): the step changes nothing, is counted and saved, and too many of them stop the run."""

import json
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file

from rlvr import rollouts
from rlvr.cli import main
from rlvr.run import read_metrics
from rlvr.training.finite import drift
from rlvr.training.importance import Tokens
from rlvr.training.loop import Loop
from rlvr.training.step_batch import StepBatch
from tests.training.test_resume import command


def poison(monkeypatch, at: set[int], where: str) -> None:
    """Steps whose gradient, loss or log-probabilities are not finite: the fault enters through real tensors."""
    real = Loop.backward

    def poisoned(loop: Loop, batch: StepBatch, fresh: bool) -> dict[str, float]:
        if loop.done + 1 not in at:
            return real(loop, batch, fresh)
        if where == "gradient":
            weight = next(p for p in loop.plain.parameters() if p.requires_grad)
            hook = weight.register_hook(lambda gradient: gradient * math.inf)
            try:
                return real(loop, batch, fresh)
            finally:
                hook.remove()
        if where == "loss":
            for group in batch.groups:
                group.advantages = torch.full_like(group.advantages, math.nan)
            return real(loop, batch, fresh)
        head = loop.plain.get_output_embeddings().weight.data
        kept = head.clone()
        head[5] = head[5] + 5 if where == "drift" else math.nan
        try:
            return real(loop, batch, fresh)
        finally:
            head.copy_(kept)

    monkeypatch.setattr(Loop, "backward", poisoned)


@pytest.mark.parametrize("where", ["gradient", "loss", "log-probability"])
def test_a_step_that_is_not_finite_changes_nothing(tmp_path, monkeypatch, where):
    poison(monkeypatch, {2}, where)
    assert main(command(tmp_path / "run", "train.learning_rate=1e-3")) == 0
    one, two, three = (tmp_path / "run" / "checkpoints" / f"checkpoint-{n}" for n in (1, 2, 3))
    weights = [load_file(c / "model.safetensors") for c in (one, two, three)]
    assert all(torch.equal(weights[0][k], weights[1][k]) for k in weights[0])
    assert any(not torch.equal(weights[1][k], weights[2][k]) for k in weights[0])
    states = [torch.load(c / "optimizer.pt", weights_only=True)["optimizer"]["state"] for c in (one, two)]
    assert all(torch.equal(states[0][i][k], states[1][i][k]) for i in states[0] for k in states[0][i])
    rows = read_metrics(tmp_path / "run" / "metrics.jsonl")
    assert [row["skipped"] for row in rows] == [0, 1, 0, 0]
    assert rows[1]["loss"] is None and all(math.isfinite(row["loss"]) for row in rows if not row["skipped"])
    saved = list(rollouts.read(tmp_path / "run" / "rollouts" / "skipped-000002.jsonl"))
    assert saved and {row.extra["not_finite"] for row in saved} == {where}
    trained_on = {
        (r.problem_id, r.sample) for r in rollouts.read(tmp_path / "run" / "rollouts" / "train-000002.jsonl")
    }
    assert {(r.problem_id, r.sample) for r in saved} <= trained_on
    assert f"Step 2 is skipped: its {where} is not finite" in (tmp_path / "run" / "log.txt").read_text()


def test_too_many_in_a_row_stop_the_run_and_the_last_good_weights_stay(tmp_path, monkeypatch, capsys):
    poison(monkeypatch, {2, 3, 4, 5, 6}, "gradient")
    words = command(tmp_path / "run", "train.steps=8", "train.max_skipped=3", "train.checkpoint_every=0")
    assert main(words) == 3
    assert "3 steps in a row were skipped, up to step 4" in capsys.readouterr().err
    folder = tmp_path / "run"
    assert not (folder / "model").exists()
    assert [row["step"] for row in read_metrics(folder / "metrics.jsonl")] == [1, 2, 3, 4]
    manifest = json.loads((folder / "checkpoints" / "checkpoint-4" / "manifest.json").read_text())
    assert manifest["step"] == 4
    assert main(words) == 3  # the next step is no better: at once
    assert "4 steps in a row" in capsys.readouterr().err
    monkeypatch.undo()
    assert main(words) == 0  # the cause is gone


def test_the_sampler_and_the_trainer_agree_and_it_is_measured(tmp_path):
    assert main(command(tmp_path / "run")) == 0
    for row in read_metrics(tmp_path / "run" / "metrics.jsonl"):
        assert 0 <= row["drift/token_mean"] <= row["drift/token_max"] < 1e-3
        assert row["drift/sequence_mean"] <= row["drift/sequence_max"] < 1e-2


def test_a_drift_is_warned_about(tmp_path):
    assert main(command(tmp_path / "run", "train.max_drift=0", "train.steps=1")) == 0
    assert "sampler and trainer differ by" in (tmp_path / "run" / "log.txt").read_text()


def test_a_drift_that_is_a_fault_stops_the_run_with_the_weights_before_it(tmp_path, monkeypatch, capsys):
    poison(monkeypatch, {3}, "drift")
    words = command(
        tmp_path / "run", "train.max_drift=0.01", "train.checkpoint_every=0", "train.learning_rate=1e-3"
    )
    assert main(words) == 3
    (said,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("rlvr: ")]
    assert (
        "step 3: sampler and trainer differ by" in said
        and "more than 10 times train.max_drift (0.01)" in said
    )
    assert [row["step"] for row in read_metrics(tmp_path / "run" / "metrics.jsonl")] == [1, 2]
    assert (tmp_path / "run" / "checkpoints" / "checkpoint-2" / "manifest.json").exists()
    monkeypatch.undo()
    assert main(words) == 0  # the cause is gone


@given(
    st.integers(1, 5).flatmap(
        lambda t: st.lists(
            st.tuples(
                st.lists(st.floats(-9, 0), min_size=t, max_size=t),
                st.lists(st.floats(-9, 0), min_size=t, max_size=t),
                st.integers(0, t),
            ),
            min_size=1,
            max_size=4,
        )
    )
)
@settings(deadline=None, derandomize=True)
def test_drift_is_the_plain_sum(rows):
    trainer, sampler = (torch.tensor([v for r in rows for v in r[i][: r[2]]]) for i in (0, 1))
    number = torch.tensor([i for i, (_, _, n) in enumerate(rows) for _ in range(n)], dtype=torch.long)
    tokens = Tokens(number, len(rows), advantages=torch.zeros(len(number)))
    found = drift(trainer, sampler, tokens).tolist()
    deltas = [[a - b for a, b in zip(x[:n], y[:n], strict=True)] for x, y, n in rows]
    tokens = [abs(d) for row in deltas for d in row]
    sequences = [abs(sum(row)) for row in deltas]
    expected = [
        sum(tokens),
        len(tokens),
        max(tokens, default=0),
        sum(sequences),
        sum(map(bool, deltas)),
        max(sequences),
    ]
    assert found == pytest.approx(expected, abs=1e-4)
