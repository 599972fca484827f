"""Rows in the published forms of open code sets load by their line of config, and are judged as the set means."""

import json

import pytest
import yaml

from rlvr.config.data import SourceConfig
from rlvr.problems import load
from tests.conftest import REPO
from tests.verifiers.code_sets import CASES as FIRST
from tests.verifiers.code_sets_more import MORE
from verifiers.code import CodeVerifier

CASES = [*FIRST, *MORE]


@pytest.fixture(scope="module")
def verifier():
    made = CodeVerifier(allow_weak=True)
    yield made
    made.close()


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_row_loads_by_its_line_of_config_and_is_judged_as_the_set_means(case, verifier, tmp_path):
    file = tmp_path / "rows.jsonl"
    file.write_text(json.dumps(case.row) + "\n")
    (problem,) = load(SourceConfig(file=str(file), **case.source))
    assert case.asks in problem.prompt
    right, wrong = (verifier.verify(problem, "", program) for program in (case.right, case.wrong))
    assert (right.score, wrong.score) == (1.0, 0.0), (right, wrong)
    for solution in problem.meta.get("solutions", ()):
        verdict = verifier.verify(problem, "", solution)
        assert verdict.score == 1.0, verdict


def test_every_set_keeps_the_solutions_that_it_publishes(tmp_path):
    published = (
        "solution",
        "canonical_solution",
        "code",
        "completion",
        "gold_standard_solution",
        "solutions",
    )
    published += ("solution_code",)
    for case in CASES:
        file = tmp_path / "rows.jsonl"
        file.write_text(json.dumps(case.row) + "\n")
        (problem,) = load(SourceConfig(file=str(file), **case.source))
        has = any(case.row.get(key) not in (None, "", {"language": [], "solution": []}) for key in published)
        assert has == bool(problem.meta.get("solutions")), case.name


def test_each_line_of_config_in_the_docs_is_one_that_a_row_is_tested_with():
    text = (REPO / "docs" / "code-sets.md").read_text()
    lines = {line.split("`")[1] for line in text.split("\n") if line.startswith("|") and "`{" in line}
    tested = [case.source for case in CASES]
    assert len(lines) >= 8
    for line in lines:
        source = yaml.safe_load(line)
        SourceConfig(dataset="owner/name", **source)
        assert {key: value for key, value in source.items() if key != "where"} in tested, line
