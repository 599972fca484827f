"""Mathematics and programs in one run: two sources with weights, each with its own verifier, to a report by source."""

import json
from collections import Counter, defaultdict

import pytest
import yaml

from rlvr import rollouts
from rlvr.cli import main
from rlvr.errors import RunError
from rlvr.run import read_metrics
from rlvr.worlds import find

STEPS, GROUPS, G = 4, 4, 4


def write(path, problems, program: bool) -> dict:
    """The tiny model writes sums; for the source of programs the same sum is a function's result."""
    with path.open("w") as file:
        for problem in problems:
            row = {"id": problem.id, "prompt": problem.prompt, "reference": problem.reference}
            if program:
                row |= {"tests": f"assert add() == {problem.reference}", "entry_point": "add"}
                row["solution"] = f"def add():\n    return {problem.reference}"
            file.write(json.dumps(row) + "\n")
    return {"file": str(path), "id": "id"} | ({"format": "code", "verifier": "code"} if program else {})


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    folder = tmp_path_factory.mktemp("mixed")
    world, _ = find("carry/train")
    train, heldout = world.problems("train"), world.problems("heldout")
    sources = {
        "train": [
            write(folder / "sums.jsonl", train[:40], False) | {"weight": 3, "name": "sums"},
            write(folder / "programs.jsonl", train[40:60], True) | {"weight": 1},
        ],
        "heldout": [
            write(folder / "held.jsonl", heldout[:12], False) | {"name": "sums"},
            write(folder / "held_programs.jsonl", heldout[12:18], True),
        ],
    }
    data = {
        "model": "tiny",
        "problems": sources,
        "evidence": {"question": "{prompt}"},
        "verifier": "math",
        "sampling": {"samples": 8, "max_new_tokens": 48},
        "train": {
            "steps": STEPS,
            "groups_per_step": GROUPS,
            "group_size": G,
            "eval_every": 2,
            "eval_samples": 4,
        },
        "analysis": {"search_budget": 2, "replicates": 200},
        "verification": {"workers": 2},
        "sandbox": {"allow_weak": True},
    }
    file = folder / "mixed.yaml"
    file.write_text(yaml.safe_dump(data))
    return file


@pytest.fixture(scope="module")
def run(config):
    folder = config.parent / "run"
    assert main(["run", str(config), "--output", str(folder), "-q"]) == 0
    return folder


@pytest.mark.slow
def test_each_step_has_its_groups_by_weight_and_each_source_its_verifier(run):
    drawn = Counter()
    for step in range(1, STEPS + 1):
        rows = list(rollouts.read(run / "rollouts" / f"train-{step:06d}.jsonl"))
        assert Counter(row.source for row in rows) == {"sums": 3 * G, "programs": G}
        drawn.update(row.problem_id for row in rows)
        assert all(row.verifier == {"sums": "math", "programs": "code"}[str(row.source)] for row in rows)
    assert set(drawn.values()) == {G}  # no problem comes twice before its source is exhausted


@pytest.mark.slow
def test_held_out_rows_settings_and_metrics_go_by_source(run):
    rows = list(rollouts.read(run / "rollouts" / "base.jsonl"))
    assert Counter(row.source for row in rows) == {"sums": 12 * 8, "held_programs": 6 * 8}
    assert {row.status for row in rows if row.source == "held_programs"} <= {
        "no_answer",
        "incorrect",
        "crash",
    }
    settings = rollouts.read_settings(run / "rollouts" / "base.jsonl")
    assert settings["verifier"] == "math / code"
    assert {name: s["verifier"] for name, s in settings["sources"].items()} == {
        "sums": "math",
        "held_programs": "code",
    }
    by_step = read_metrics(run / "metrics.jsonl")
    for step, row in enumerate(by_step, 1):
        groups = defaultdict(list)
        for rolled in rollouts.read(run / "rollouts" / f"train-{step:06d}.jsonl"):
            groups[rolled.source].append(rolled.score)
        for name, scores in groups.items():
            assert row[f"reward/{name}"] == pytest.approx(sum(scores) / len(scores))
        assert (row["group_share/sums"], row["group_share/programs"]) == (0.75, 0.25)
    assert "eval/pass@1/sums" in by_step[1] and "eval/pass@1/held_programs" in by_step[1]


@pytest.mark.slow
def test_the_report_has_every_source(run):
    report = json.loads((run / "report.json").read_text())
    assert set(report["by_source"]) == {"sums", "held_programs"}
    gain = report["by_source"]["sums"]["comparison"]["gain"]
    assert gain["used"] == 12 and report["comparison"]["n_problems"] == 18
    page = (run / "report.html").read_text()
    assert "Each source by itself" in page and "train reward by source" in page


@pytest.mark.slow
def test_a_stopped_run_draws_the_same_and_ends_the_same(run, config, monkeypatch):
    """Stopped after a checkpoint in the middle, with a curriculum's pass rates in it."""
    words = ["train", str(config), "-q", "train.curriculum.kind=adaptive", "train.eval_every=0"]
    whole, cut = config.parent / "whole", config.parent / "cut"
    assert main([*words, "--output", str(whole), "train.checkpoint_every=2"]) == 0
    from rlvr.training import loop

    plain = loop.Loop.sample

    def stopped(self, step):
        if step == 4:
            raise RunError("stopped here")
        return plain(self, step)

    monkeypatch.setattr(loop.Loop, "sample", stopped)
    assert main([*words, "--output", str(cut), "train.checkpoint_every=2"]) == 3
    monkeypatch.undo()
    assert main([*words, "--output", str(cut), "train.checkpoint_every=2"]) == 0
    for step in range(1, STEPS + 1):
        name = f"rollouts/train-{step:06d}.jsonl"
        assert (whole / name).read_bytes() == (cut / name).read_bytes()
    weights = "model/model.safetensors"
    assert (whole / weights).read_bytes() == (cut / weights).read_bytes()


@pytest.mark.slow
def test_check_judges_every_source_by_itself(config, capsys):
    words = ["check", str(config), "--output", str(config.parent / "checked")]
    assert main(words) == 0
    said = capsys.readouterr().out
    assert "verifier math on sums: 52 of 52 references" in said
    assert "verifier code on held_programs: 6 of 6 solutions" in said
    wrong = config.parent / "held_programs.jsonl"
    kept = wrong.read_text()
    wrong.write_text(kept.replace("return ", "return 1 + "))
    assert main(words) == 2
    assert "source held_programs: the verifier accepts 0%" in capsys.readouterr().err
    wrong.write_text(kept)
