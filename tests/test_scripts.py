"""What every script of scripts/bench and scripts/study promises."""

import sys
from importlib.metadata import packages_distributions

import pytest

from tests.conftest import REPO

FILES = sorted(file for room in ("bench", "study") for file in (REPO / "scripts" / room).glob("*.py"))
SCRIPTS = [file for file in FILES if '__name__ == "__main__"' in file.read_text(encoding="utf-8")]


def test_no_file_hides_a_package():
    """The folder of a script comes first on its path: a `verifiers.py` beside it would be taken for our package."""
    taken = {"rlvr", "verifiers", *sys.stdlib_module_names, *packages_distributions()}
    assert FILES
    assert not [file.name for file in FILES if file.stem in taken]


@pytest.mark.parametrize("file", SCRIPTS, ids=lambda file: f"{file.parent.name}/{file.stem}")
def test_its_figures_can_be_had_as_json(file):
    assert 'add_argument("--json"' in file.read_text(encoding="utf-8")
