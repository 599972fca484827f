"""What a shell offers for the next word: keys, recipes, files, verbs."""

import argparse
import os
import subprocess
import sys

import pytest

from rlvr.verbs.completion import offered


def action(dest):
    return argparse.Action([], dest)


def test_keys_recipes_and_files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs" / "one").mkdir(parents=True)
    (tmp_path / "mine.yaml").write_text("")
    keys = offered("train.st", action("overrides"))
    assert {"train.steps=", "sampling.samples="} <= set(keys) and all(key.endswith("=") for key in keys)
    assert {"quickstart", "gsm8k", "mine.yaml", "runs/"} <= set(offered("", action("config")))
    assert offered("runs/", action("run")) == ["runs/one/"]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("rlvr wat", {"watch"}),
        ("rlvr run quickstart train.step", {"train.steps="}),
        ("rlvr watch ru", {"runs/"}),
    ],
)
def test_the_shell_is_answered(line, expected, tmp_path):
    pytest.importorskip("argcomplete")
    (tmp_path / "runs").mkdir()
    answer = tmp_path / "answer"
    environment = os.environ | {"_ARGCOMPLETE": "1", "_ARGCOMPLETE_STDOUT_FILENAME": str(answer)}
    environment |= {"COMP_LINE": line, "COMP_POINT": str(len(line)), "_ARGCOMPLETE_IFS": "\n"}
    subprocess.run([sys.executable, "-m", "rlvr"], env=environment, cwd=tmp_path, check=False, timeout=60)
    assert {word.strip() for word in answer.read_text().split("\n")} >= expected
