"""`rlvr check CONFIG` says beforehand what would stop `rlvr run CONFIG`, in the same words."""

import json
from importlib.util import find_spec

import pytest

from rlvr.cli import main
from rlvr.problems import load
from tests.conftest import quickstart_config

PROBED = load(quickstart_config().problems.probes["rare"])[0].prompt

REFUSED = {
    "an example that is a probe's problem": (
        [f'evidence.examples=[{{prompt: {json.dumps(PROBED)}, answer: "1"}}]'],
        "is the held-out problem",
    ),
    "nothing to train on": (["problems.train=null"], "problems.train: needed for training"),
    "nothing to train on, in no step": (["problems.train=null", "train.steps=0"], "problems.train: needed"),
    "a source that is not there": (["problems.probes.rare={file: nowhere.jsonl}"], "there is no file"),
    "overlap": (["problems.train={world: heldout}"], "shares"),
    "an option that the verifier does not have": (["verifier_options.level=9"], "level"),
    "an unknown verifier": (["verifier=maths", "verifier_options={}"], "maths"),
    "a weak sandbox": (["verifier=code", "verifier_options={level: weak}"], "sandbox.allow_weak"),
    "a field that TRL does not have": (["train.trl.bta=0.1"], "train.trl.bta"),
    "a model folder that is not there": (["model=./nowhere"], "no such folder"),
    "a checkpoint that is not there": (
        ["resume=nowhere"],
        "resume=nowhere: expected never, auto, a checkpoint",
    ),
    "a folder with something else in it": ([], "this output folder holds something else"),
}
if not find_spec("vllm"):
    REFUSED["vllm, which is not installed"] = (["sampling.engine=vllm"], "pip install 'rlvr[vllm]'")


@pytest.mark.parametrize("case", REFUSED)
def test_what_stops_a_run_before_its_model_stops_the_check(tmp_path, capsys, case):
    words, expected = REFUSED[case]
    if not words:
        (tmp_path / "thesis.tex").touch()
    said = {}
    for verb in ("check", "run"):
        assert main([verb, "quickstart", "--output", str(tmp_path), *words]) == 2
        said[verb] = capsys.readouterr().err
    assert expected in said["check"]
    assert said["check"] == said["run"]
    assert not (tmp_path / "rollouts").exists()


def test_a_check_writes_nothing(tmp_path, capsys):
    folder = tmp_path / "run"
    assert main(["check", "quickstart", "--output", str(folder)]) == 0
    assert "free" in capsys.readouterr().out
    assert not folder.exists()


def test_a_check_names_a_run_of_another_configuration(tmp_path, capsys):
    from rlvr.run import open_run

    open_run(quickstart_config(), tmp_path)
    (tmp_path / "rollouts" / "base.jsonl").touch()
    assert main(["check", "quickstart", "--output", str(tmp_path)]) == 0
    assert "this run, which would continue" in capsys.readouterr().out
    assert main(["check", "quickstart", "--output", str(tmp_path), "seed=7"]) == 2
    assert "seed: 0 / 7" in capsys.readouterr().err
