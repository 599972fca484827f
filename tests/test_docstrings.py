"""Examples in docstrings are true: those that show what comes out."""

import doctest
from importlib import import_module
from pathlib import Path

import pytest

from tests.conftest import REPO

NAMES = sorted(
    ".".join(file.relative_to(REPO).with_suffix("").parts).removesuffix(".__init__")
    for file in Path(REPO / "rlvr").rglob("*.py")
    if ">>> " in file.read_text(encoding="utf-8")
)


@pytest.mark.parametrize("name", NAMES)
def test_an_example_gives_what_stands_below_it(name):
    """One without a line below it shows how something is written, not what it gives."""
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
    found = doctest.DocTestFinder(exclude_empty=True).find(import_module(name))
    for shown in found:
        if any(example.want for example in shown.examples):
            runner.run(shown)
    assert not runner.failures
    assert any(shown.examples for shown in found)
