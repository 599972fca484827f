"""Dynamic sampling: groups without variance make room for fresh problems, and nothing that was drawn is lost."""

from collections import defaultdict

import pytest

from rlvr import rollouts
from rlvr.cli import main
from rlvr.run import read_metrics

GROUPS, G, ROUNDS = 4, 4, 2
WORDS = [
    "train.steps=4", f"train.groups_per_step={GROUPS}", f"train.group_size={G}", "train.eval_every=0",
    f"train.curriculum.refill={ROUNDS}", "problems.heldout.limit=8", "problems.probes={}", "verification.workers=1",
    "-q",
]  # fmt: skip


@pytest.fixture(scope="module", params=[1, 2], ids=["once", "twice"])
def run(request, tmp_path_factory):
    """(metrics by step, {step: rows}) of a run whose batches are used once, or twice."""
    folder = tmp_path_factory.mktemp("refill") / "run"
    words = [*WORDS, f"train.trl.num_iterations={request.param}"]
    assert main(["train", "quickstart", "--output", str(folder), *words]) == 0
    files = sorted(folder.glob("rollouts/train-*.jsonl"))
    steps = {int(file.stem.removeprefix("train-")): list(rollouts.read(file)) for file in files}
    assert list(steps) == list(range(1, 5, request.param))
    return {row["step"]: row for row in read_metrics(folder / "metrics.jsonl")}, steps


def scores(rows) -> dict[str, list[float]]:
    groups = defaultdict(list)
    for row in rows:
        groups[row.problem_id].append(row.score)
    return groups


def test_every_sample_is_recorded_once_and_the_replaced_ones_are_marked(run):
    _, steps = run
    for rows in steps.values():
        assert len({(row.problem_id, row.sample) for row in rows}) == len(rows)
        trained = [row for row in rows if "replaced" not in row.extra]
        assert len(trained) == GROUPS * G and rows[: len(trained)] == trained
        replaced = scores(rows[len(trained) :])
        assert replaced and all(len(group) == G and len(set(group)) == 1 for group in replaced.values())
        dead = [group for group in scores(trained).values() if len(set(group)) == 1]
        rounds = {row.extra["replaced"] for row in rows[len(trained) :]}
        assert rounds <= set(range(1, ROUNDS + 1))
        assert not dead or rounds == set(
            range(1, ROUNDS + 1)
        )  # dead ones stay only where the rounds are spent


def test_rounds_replace_what_the_round_before_left(run):
    _, steps = run
    for rows in steps.values():
        first, second = (sum(row.extra.get("replaced") == n for row in rows) // G for n in (1, 2))
        assert second <= first


def test_advantages_are_those_of_the_groups_that_took_the_place(run):
    _, steps = run
    for rows in steps.values():
        for row in rows:
            mean = sum(scores(rows)[row.problem_id]) / G
            assert (row.extra["advantage"] > 0) == (row.score > mean)


def test_the_batch_holds_the_tokens_that_were_drawn_last(run):
    """The trainer's own log-probabilities of the batch are those that the sampler wrote beside its rows."""
    metrics, steps = run
    assert all(metrics[step]["drift/token_max"] < 1e-3 for step in steps)


def test_costs_are_of_everything_drawn_and_counted_once(run):
    metrics, steps = run
    for step, rows in steps.items():
        row, groups = metrics[step], scores(rows)
        assert (row["samples"], row["tokens"]) == (len(rows), sum(r.tokens for r in rows))
        assert row["groups/drawn"] == len(groups) == row["groups/replaced"] + GROUPS
        assert row["groups/dead"] == sum(
            len(set(group)) == 1 for group in scores(r for r in rows if "replaced" not in r.extra).values()
        )
        assert row["reward"] == pytest.approx(sum(r.score for r in rows) / len(rows))
        assert row["frac_zero_variance"] == pytest.approx(
            sum(len(set(group)) == 1 for group in groups.values()) / len(groups)
        )
        assert row["mixed_share"] == pytest.approx(1 - row["frac_zero_variance"])  # rewards are verdicts here
        assert row["correct_share"] == pytest.approx(row["reward"])
    for name in ("samples", "tokens", "groups/drawn"):
        assert sum(row[name] for row in metrics.values()) == sum(metrics[step][name] for step in steps)


def test_no_more_is_drawn_than_there_are_problems(tmp_path):
    words = [*WORDS, "train.steps=1", "problems.train.limit=5", "train.curriculum.refill=9"]
    assert main(["train", "quickstart", "--output", str(tmp_path / "run"), *words]) == 0
    (row,) = read_metrics(tmp_path / "run" / "metrics.jsonl")
    assert row["groups/drawn"] == 5 and row["groups/replaced"] == 1


@pytest.mark.parametrize("algorithm", ["ppo", "reinforce", "rejection"])
def test_algorithms_to_which_such_groups_teach_something_refuse(tmp_path, capsys, algorithm):
    words = [*WORDS, f"train.algorithm={algorithm}"]
    assert main(["train", "quickstart", "--output", str(tmp_path / "run"), *words]) == 2
    assert f"curriculum.refill is 2, but with {algorithm} a group without variance" in capsys.readouterr().err
