"""What the report verb takes: one run as far as it is, names, seeds, and what `rlvr score` wrote."""

import csv
import json

import pytest

from rlvr import cli
from rlvr import config as configuration
from rlvr.api import _named
from rlvr.errors import UserError
from rlvr.report import RunFiles, build
from rlvr.report.building import _title
from rlvr.report.inputs import Inputs
from rlvr.report.one_run import evaluated, state
from rlvr.rollouts.audits import read_audit
from rlvr.rollouts.evaluations import read
from rlvr.rollouts.rows import read_settings
from rlvr.run import Run


def evaluation(folder, name, rows, of=6):
    """`rows` of the `of` samples that it is to have."""
    path = folder / "rollouts" / f"{name}.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [
        json.dumps({"problem_id": f"p{i % 3}", "score": i % 2, "policy": name}) + "\n" for i in range(rows)
    ]
    path.write_text("".join(lines))
    path.with_suffix(".settings.json").write_text(json.dumps({"n_problems": 3, "samples": of // 3}))


def test_a_run_is_reported_as_far_as_it_is(tmp_path):
    run, config = Run(tmp_path), configuration.load(configuration.find("quickstart"), ["train.steps=60"])
    with pytest.raises(UserError, match=r"nothing to report yet, rollouts/base\.jsonl has no sample"):
        evaluated(run)
    evaluation(tmp_path, "base", 4)
    found = evaluated(run)
    assert (found.main, found.more) == (None, [])
    assert "base.jsonl is not finished: 4 of 6 samples so far." in found.lacks
    evaluation(tmp_path, "base", 6)
    assert evaluated(run).lacks == ["The base alone: no other policy is evaluated yet."]
    evaluation(tmp_path, "step-20", 6)
    evaluation(tmp_path, "step-40", 6)
    evaluation(tmp_path, "tuned", 1)
    (tmp_path / "metrics.jsonl").write_text('{"step": 41}\n')
    found = evaluated(run)
    assert (found.main, found.more) == (run.rollouts("step-40"), [run.rollouts("step-20")])
    assert found.lacks[0] == "tuned.jsonl is not finished and was left out: 1 of 6 samples so far."
    assert "step-40, the newest evaluation, stands in its place" in found.lacks[1]
    assert list(state(config, run)) == [
        "This run stopped before its end, after step 41 of 60: a report of what it has so far."
    ]
    evaluation(tmp_path, "tuned", 6)
    assert evaluated(run).main == run.rollouts("tuned") and not evaluated(run).lacks
    assert not list(state(config, run))


def test_a_run_that_was_only_trained_is_reported_by_its_newest_evaluation(tmp_path):
    run, config = Run(tmp_path), configuration.load(configuration.find("quickstart"), ["train.steps=40"])
    (tmp_path / "metrics.jsonl").write_text('{"step": 40}\n')
    assert list(state(config, run))
    run.model.mkdir()
    assert not list(state(config, run))
    with pytest.raises(UserError, match=rf"nothing to report yet.*`rlvr run {tmp_path}` evaluates base"):
        evaluated(run)
    evaluation(tmp_path, "step-20", 6)
    evaluation(tmp_path, "step-40", 6)
    found = evaluated(run)
    assert (found.first, found.main, found.more) == (run.rollouts("step-40"), None, [])
    assert found.lacks[0].startswith("The base was not evaluated: this is the training, and step-40")


def test_policies_and_page_have_the_names_that_are_given(tmp_path):
    for name in ("base", "tuned", "step-1"):
        (tmp_path / f"{name}.jsonl").write_text('{"problem_id": "p", "score": 1}\n')
    base, tuned, more = (tmp_path / f"{name}.jsonl" for name in ("base", "tuned", "step-1"))
    assert _title(Inputs.read(base, tuned, [more], {}, None, False)) == "Base and tuned"
    names = _named([more], {"base": "Qwen2.5-7B", "tuned": "Zoo", "step-1": "half way"}, True)
    named = Inputs.read(base, tuned, [more], {}, None, False, names=names)
    assert [e.name for e in named.evaluations] == ["Qwen2.5-7B", "Zoo", "half way"]
    assert _title(named) == "Qwen2.5-7B and Zoo"
    assert _title(Inputs.read(base, None, [], {}, None, False)) == "base"


def test_both_policies_of_one_file_of_counts_can_be_named(tmp_path):
    counts = tmp_path / "counts.csv"
    counts.write_text("problem_id,n,c_base,c_tuned\np,4,1,3\nq,4,0,1\n")
    out = tmp_path / "out"
    named = ["--name", "base=Qwen2.5-7B", "--name", "tuned=Zoo", "--replicates", "100", "-q"]
    assert cli.main(["report", str(counts), *named, "--output", str(out)]) == 0
    document = json.loads((out / "report.json").read_text())
    assert (document["base"], document["main"]) == ("Qwen2.5-7B", "Zoo")
    assert document["policies"]["Zoo"]["pass_at_k"]["1"]["value"] == 0.5
    assert document["title"] == "Qwen2.5-7B and Zoo"


def test_a_run_that_goes_on_is_drawn_where_its_evaluations_were(tmp_path):
    """The newest evaluation stands for the tuned policy, at its own step and not at the last that was trained."""
    for name, right in (("base", 1), ("step-30", 2), ("step-60", 3)):
        rows = [{"problem_id": f"p{i}", "score": float(j < right)} for i in range(4) for j in range(4)]
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "metrics.jsonl").write_text("".join(f'{{"step": {step}}}\n' for step in range(1, 85)))
    base, newest, before = (tmp_path / f"{name}.jsonl" for name in ("base", "step-60", "step-30"))
    names, metrics = ["base", "step-60"], tmp_path / "metrics.jsonl"
    build(base, newest, [before], output=tmp_path / "out", names=names, metrics=metrics, replicates=100)
    with (tmp_path / "out" / "figures" / "steps.csv").open(newline="") as file:
        found = {(row["policy"], row["step"]) for row in csv.DictReader(file)}
    assert found == {("base", "0"), ("step-30", "30"), ("step-60", "60")}


def test_a_name_for_no_policy_is_refused(tmp_path, capsys):
    (tmp_path / "base.jsonl").write_text('{"problem_id": "p", "score": 1}\n')
    told = ["report", str(tmp_path / "base.jsonl"), "--name", "tuned=X", "--output", str(tmp_path / "out")]
    assert cli.main(told) == 2
    assert "--name tuned=…: expected one of base" in capsys.readouterr().err


def test_files_that_are_seeds_of_one_policy_are_one_method(tmp_path):
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
    seeds = [tmp_path / "one" / "s.jsonl", tmp_path / "two" / "s.jsonl", tmp_path / "t.jsonl"]
    for path in (tmp_path / "b.jsonl", *seeds):
        path.write_text('{"problem_id": "p", "score": 1}\n{"problem_id": "p", "score": 0}\n')
    runs = RunFiles.of_seeds(tmp_path / "b.jsonl", seeds, "GRPO")
    assert [run.name for run in runs] == ["s", "two/s", "t"]
    assert {run.algorithm for run in runs} == {"GRPO"} and [run.seed for run in runs] == [0, 1, 2]
    inputs = Inputs.of_runs(runs, allow=False)
    assert [e.name for e in inputs.evaluations] == ["base", "s", "two/s", "t"]
    assert not [note for note in inputs.notes if "compared with itself" in note]  # the seeds share their base
    again = RunFiles.of_seeds(tmp_path / "b.jsonl", [tmp_path / "b.jsonl", seeds[0]], "GRPO")
    assert "b.jsonl is compared with itself." in Inputs.of_runs(again, allow=False).notes


def test_what_is_noted_of_several_files_is_said_once(tmp_path):
    for name in ("base", "tuned", "third", "fourth"):
        rows = [{"task_id": "H/0", "completion": "x", "result": "passed", "passed": True}]
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    base, tuned, *more = (tmp_path / f"{name}.jsonl" for name in ("base", "tuned", "third", "fourth"))
    inputs = Inputs.read(base, tuned, [], {}, None, False)
    assert inputs.notes[0] == "base.jsonl, tuned.jsonl: read as HumanEval results"
    inputs = Inputs.read(base, tuned, more, {}, None, False)
    assert inputs.notes[0] == "base.jsonl, tuned.jsonl, third.jsonl, … (4 files): read as HumanEval results"


def test_what_score_wrote_is_read_by_report(tmp_path):
    """Two samples of two problems each; the label of the last says right, and the verifier refuses it."""
    rows = [
        {"id": "q1", "output": "\\boxed{2}", "gold": "2", "score": -1.0, "label": 1},
        {"id": "q1", "output": "\\boxed{3}", "gold": "2", "score": -1.0, "label": 0},
        {"id": "q2", "output": "\\boxed{5}", "gold": "5", "score": 1.0, "label": 1},
        {"id": "q2", "output": "no idea", "gold": "5", "score": -1.0, "label": 1},
    ]
    given, out = tmp_path / "responses.jsonl", tmp_path / "base.jsonl"
    given.write_text("".join(json.dumps(row) + "\n" for row in rows))
    given.with_suffix(".settings.json").write_text('{"temperature": 0.6}')
    columns = ["--map", "response=output", "--map", "reference=gold"]
    told = ["score", str(given), "--verifier", "math", "--labels", "label", "--output", str(out), *columns]
    assert cli.main(told) == 0
    (found,) = read(out, "base")
    assert (list(found.samples.problem_ids), found.samples.n.tolist(), found.samples.c.tolist()) == (
        ["q1", "q2"],
        [2, 2],
        [1, 1],
    )
    assert found.columns is not None
    first = found.columns.rows([0])[0]
    assert (first["trace"], first["reference"], first["score"], first["score_before"]) == (
        *("\\boxed{2}", "2", 1.0, -1.0),
    )
    assert read_settings(out) == {
        "temperature": 0.6,
        "verifier": "math",
        "verifier_options": {},
        "pass_mark": 1.0,
    }
    audit = read_audit(out)
    assert audit is not None
    assert (audit.fpr, audit.fnr) == (0.0, pytest.approx(1 / 3))
