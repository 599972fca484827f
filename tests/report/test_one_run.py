"""The report of a run from its folder: its own search budget and replicates, sets apart, exact values, its history."""

import json

import pytest
import simulate

from rlvr import config as configuration
from rlvr.report.one_run import _exact, _probes, build_run, history, state
from rlvr.run import open_run
from tests.as_json import as_json

EXACT = {"base": {"pass_at_k": {"1": 0.2}}, "tuned": {"pass_at_k": {"1": 0.5}}}


def whole(path, samples, problems=8):
    beside = path.with_suffix(".settings.json")
    held = json.loads(beside.read_text()) if beside.exists() else {}
    beside.write_text(json.dumps(held | {"n_problems": problems, "samples": samples}))


@pytest.fixture
def config():
    asked = ["train.steps=30", "analysis.search_budget=2", "analysis.replicates=150"]
    return configuration.load(configuration.find("quickstart"), asked)


@pytest.fixture
def run(config, tmp_path):
    """Base and tuned of 8 problems × 4 samples, one evaluation on the way, and a set apart."""
    run = open_run(config, tmp_path / "my-run")
    folder = run.folder / "rollouts"
    for path in simulate.write_pair(folder, problems=8, samples=4):
        whole(path, 4)
    (tmp_path / "more").mkdir()
    base, tuned = simulate.write_pair(tmp_path / "more", problems=8, samples=4, seed=3)
    for path, name in ((base, "base.far"), (tuned, "tuned.far"), (base, "base.near"), (tuned, "step-10")):
        (folder / f"{name}.jsonl").write_text(path.read_text())
        (folder / f"{name}.settings.json").write_text(path.with_suffix(".settings.json").read_text())
        whole(folder / f"{name}.jsonl", 4)
    run.metrics.write_text('{"step": 30, "reward": 0.5}\n')
    return run


def test_a_run_is_reported_as_it_would_report_itself(run, tmp_path):
    run.report.with_suffix(".json").write_text(json.dumps({"exact": {"values": EXACT, "rows": []}}))
    run.write_down(model={"step": 20, "of": 3, "figure": "pass@1", "value": 0.625})
    document = as_json(build_run(run.folder, output=tmp_path / "out").document)
    assert document["analysis"] == {"replicates": 150, "seed": 0, "search_budget": 2}
    assert (document["title"], document["base"], document["main"]) == ("my-run", "base", "tuned")
    assert list(document["comparisons"]) == ["step-10"] and list(document["probes"]) == ["far"]
    assert document["exact"]["values"] == EXACT and document["training"]["step"] == [30]
    assert document["notes"][0].startswith("The tuned model is the policy after step 20: the best of 3")
    assert not any("This run" in note for note in document["notes"])


def test_before_the_tuned_policy_is_evaluated_nothing_is_said_of_it(run, tmp_path):
    run.report.with_suffix(".json").write_text(json.dumps({"exact": {"values": EXACT, "rows": []}}))
    run.rollouts("tuned").unlink()
    asked = {"search_budget": 3, "replicates": 100, "title": "So far"}
    document = as_json(build_run(run.folder, output=tmp_path / "out", **asked).document)
    assert document["analysis"] == {"replicates": 100, "seed": 0, "search_budget": 3}
    assert (document["title"], document["main"], document["comparisons"]) == ("So far", "step-10", {})
    assert "exact" not in document, "exact values are of the tuned policy"
    assert any("step-10, the newest evaluation, stands in its place" in note for note in document["notes"])


def test_sets_apart_are_those_that_both_policies_finished(run):
    far = run.rollouts("base.far"), run.rollouts("tuned.far")
    assert _probes(run) == {"far": far}
    whole(far[1], 5)
    assert _probes(run) == {}
    whole(far[1], 4)
    whole(far[0], 5)
    assert _probes(run) == {}


def test_exact_values_are_those_of_the_runs_own_report(run):
    assert _exact(run) is None
    written = run.report.with_suffix(".json")
    written.write_text("{}")
    assert _exact(run) is None
    written.write_text(json.dumps({"exact": {"values": EXACT}}))
    assert _exact(run) == EXACT


def test_what_became_of_a_run_is_told(run, config):
    assert not list(history(config, run)) and not list(state(config, run))
    run.write_down(ends=[10, 20], model={"step": 20, "of": 3, "figure": "pass@4", "value": 0.625})
    (run.folder / "model-20").mkdir()
    first, second, chosen = history(config, run)
    assert first == (
        "After step 10 the run went on to more steps than it was to have: from step 11 on the learning rate is that "
        "of the longer schedule."
    )
    assert second.endswith("longer schedule. What belonged to that end lies in model-20 and rollouts/.")
    assert chosen.startswith(
        "The tuned model is the policy after step 20: the best of 3 evaluations during training by held-out pass@4 "
        "(62.5; of equal ones the earliest)."
    )
