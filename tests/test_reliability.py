"""docs/reliability.md names a test for every fault, docs/sandbox.md for every promise, and each of them exists."""

import ast
import re

import pytest

from tests.conftest import REPO

PAGE = (REPO / "docs" / "reliability.md").read_text()


@pytest.mark.parametrize(
    ("page", "heading", "least"),
    [("reliability.md", "## Faults", 30), ("sandbox.md", "## What is promised", 12)],
)
def test_every_row_of_the_table_names_tests_that_exist(page, heading, least):
    section = (REPO / "docs" / page).read_text().split(heading)[1].split("\n## ")[0]
    rows = [line for line in section.splitlines() if line.startswith("| ")][1:]
    assert len(rows) > least
    for row in rows:
        named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", row.rsplit("|", 2)[1])
        assert named, f"no test: {row}"
        for path, test in named:
            tree = ast.parse((REPO / path).read_text())
            assert test in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}, row


def test_the_exit_codes_are_those_of_the_program():
    from rlvr import failures
    from rlvr.launch import signals

    of_its_own = {0, failures.BUG, failures.BAD_INPUT, failures.STOPPED}
    codes = {128 + number for number in signals.SIGNALS} | of_its_own
    section = PAGE.split("## Exit codes")[1].split("\n## ")[0]
    found = re.findall(r"^\| ([\d, ]+) \|", section, re.MULTILINE)
    assert {int(code) for cell in found for code in cell.split(", ")} == codes
