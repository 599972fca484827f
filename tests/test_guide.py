"""Each example of docs/verifiers.md runs as it is shown."""

import json
import re
import sys
from pathlib import Path

import pytest
import yaml

import verifiers
from rlvr import config
from tests.conftest import REPO
from verifiers import Problem, VerifierPool
from verifiers.conformance import Example, check

GUIDE = (REPO / "docs" / "verifiers.md").read_text(encoding="utf-8")
PROBLEM = Problem("p", "40 + 2 =", "42")


@pytest.fixture
def graders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file that the guide writes, piece by piece."""
    pieces = re.findall(r"<!-- file: my_graders\.py -->\n```python\n(.*?)```", GUIDE, re.S)
    assert len(pieces) == 4
    (tmp_path / "my_graders.py").write_text("\n\n".join(pieces))
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.chdir(tmp_path)
    sys.modules.pop("my_graders", None)
    return tmp_path


@pytest.mark.parametrize(
    "name, response, score, solved",
    [
        ("digits", "so 42", 1.0, True),
        ("digits", "so 12", 0.5, True),
        ("digits", "so 13", 0.0, False),
        ("contains", "it is 42.", 1.0, True),
        ("contains", "it is 4", 0.0, False),
        ("Digits", "\\boxed{42}", 1.0, True),
        ("Digits", "\\boxed{2}", 0.5, False),
        ("Digits", "\\boxed{3}", 0.0, False),
        ("Judge", "42", 1.0, True),
        ("Judge", "43", 0.0, False),
        ("Batched", "42", 1.0, True),
        ("Batched", "43", 0.0, False),
    ],
)
def test_each_form_judges_here_and_in_a_worker(
    graders: Path, name: str, response: str, score: float, solved: bool
):
    for spec in (f"my_graders:{name}", f"./my_graders.py:{name}"):
        verdict = verifiers.score(spec, PROBLEM, response)
        assert (verdict.score, verdict.solved) == (score, solved)
        with VerifierPool(spec, workers=1) as pool:
            assert pool.score([(PROBLEM, response)]) == [verdict]


def test_options_and_faults_of_the_data_are_as_the_guide_says(graders: Path):
    assert verifiers.score("my_graders:digits", PROBLEM, "so 12", half=0.3).score == 0.3
    assert (
        verifiers.score("my_graders:Digits", Problem("p", "", "many"), "\\boxed{3}").status == "unverifiable"
    )


def test_the_class_conforms_and_so_does_the_test_that_is_shown(graders: Path):
    check("my_graders:Digits", examples=[Example("12", right="12", wrong="13")], fuzz=300).raise_if_failed()
    shown = re.search(r"class TestDigits\(ConformanceTests\):.*?```", GUIDE, re.S)
    assert shown and 'examples = [Example("12", right="12", wrong="13")]' in shown[0]


def test_the_terms_shown_are_a_config(graders: Path):
    shown = re.search(r"```yaml\n(verifier: math\ntrain:\n.*?)```", GUIDE, re.S)
    assert shown
    recipe = (
        yaml.safe_load(config.find("quickstart").read_text())
        | yaml.safe_load(shown[1])
        | {"verifier_options": {}}
    )
    terms = config.validate(json.loads(json.dumps(recipe)), "shown").train.rewards
    assert [(term.name, term.weight) for term in terms] == [("format", 0.1), ("luck", -0.2)]
    for term in terms:
        verifiers.load(term.verifier, **term.verifier_options)
