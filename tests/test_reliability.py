"""docs/reliability.md names a test for every fault, docs/sandbox.md for every promise, docs/scale.md for every check.
Each of them exists."""

import ast
import re

import pytest

from tests.conftest import REPO

PAGE = (REPO / "docs" / "reliability.md").read_text()


@pytest.mark.parametrize(
    ("page", "heading", "least"),
    [
        ("reliability.md", "## Faults", 30),
        ("sandbox.md", "## What is promised", 12),
        ("scale.md", "## What is checked", 18),
    ],
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
