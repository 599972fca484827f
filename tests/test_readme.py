"""What the README shows runs as it is, and every path that a document names exists."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import REPO
from verifiers import Problem, score
from verifiers.conformance import check

README = (REPO / "README.md").read_text(encoding="utf-8")


@pytest.fixture
def plug_in(tmp_path, monkeypatch) -> Path:
    code = re.search(r"<!-- plug-in -->\n```python\n(.*?)```", README, re.S)
    assert code is not None
    (tmp_path / "my_verifiers.py").write_text(code[1])
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=":")
    monkeypatch.chdir(tmp_path)
    sys.modules.pop("my_verifiers", None)
    return tmp_path


def test_the_plug_in_is_about_twenty_lines(plug_in):
    assert len((plug_in / "my_verifiers.py").read_text().splitlines()) <= 22


def test_the_plug_in_judges(plug_in):
    problem = Problem("p", "A palindrome of five letters", "5")
    assert score("my_verifiers:Palindrome", problem, "I think\nlevel").status == "correct"
    assert score("my_verifiers:Palindrome", problem, "I think\nlever").score == 0.0
    assert score("my_verifiers:Palindrome", Problem("p", "", "five"), "level").score is None


def test_the_plug_in_scores_a_file_from_the_command_line(plug_in):
    rows = [{"response": "noon", "reference": 4}, {"response": "soon", "reference": 4}]
    (plug_in / "responses.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    command = [
        sys.executable,
        "-m",
        "rlvr",
        "score",
        "responses.jsonl",
        "--verifier",
        "my_verifiers:Palindrome",
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    assert [json.loads(line)["score"] for line in done.stdout.splitlines()] == [1.0, 0.0]


def test_the_plug_in_conforms(plug_in):
    check("my_verifiers:Palindrome", fuzz=500).raise_if_failed()


def test_the_config_shown_is_valid(tmp_path):
    from rlvr import config

    shown = re.search(r"```yaml\n(.*?)```", README, re.S)
    assert shown is not None
    (tmp_path / "shown.yaml").write_text(shown[1])
    assert config.load(tmp_path / "shown.yaml").train.adapter.kind == "lora"


DOCUMENTS = [
    *("README.md", "CONTRIBUTING.md", "CHANGELOG.md"),
    *(f"docs/{path.name}" for path in sorted((REPO / "docs").glob("*.md"))),
]
LINK = re.compile(r"\]\(([\w./-]+)\)")
PATH = re.compile(r"(?<![\w./-])((?:configs|docs|rlvr|scripts|tests|verifiers)/[\w./-]*\w)")


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_path_that_is_named_exists(document):
    file = REPO / document
    text = file.read_text(encoding="utf-8")
    missing = [link for link in LINK.findall(text) if not (file.parent / link).exists()]
    missing += [path for path in PATH.findall(LINK.sub("", text)) if not (REPO / path).exists()]
    assert not missing
