"""docs/reliability.md names a test for every fault, and each of them exists."""

import ast
import re

from tests.conftest import REPO

PAGE = (REPO / "docs" / "reliability.md").read_text()


def test_every_fault_has_a_test_that_exists():
    section = PAGE.split("## Faults")[1].split("\n## ")[0]
    rows = [line for line in section.splitlines() if line.startswith("| ")][1:]
    assert len(rows) > 30
    for row in rows:
        named = re.search(r"`(tests/[\w/]+\.py)::(test_\w+)` \|$", row)
        assert named, f"no test: {row}"
        tree = ast.parse((REPO / named[1]).read_text())
        assert named[2] in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}, row


def test_the_exit_codes_are_those_of_the_program():
    from rlvr import cli, interrupt

    codes = {128 + number for number in interrupt.SIGNALS} | {0, 1, cli.BAD_INPUT, cli.STOPPED}
    section = PAGE.split("## Exit codes")[1].split("\n## ")[0]
    found = re.findall(r"^\| ([\d, ]+) \|", section, re.MULTILINE)
    assert {int(code) for cell in found for code in cell.split(", ")} == codes
