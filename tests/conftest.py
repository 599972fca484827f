"""Fixtures that several rooms share."""

from pathlib import Path

import pytest

REPO = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def exams() -> Path:
    """The folder of benchmarks beside a developer's checkout; a user's clone has none, so those tests skip."""
    folder = REPO.parent / "shared" / "exams"
    if not folder.is_dir():
        pytest.skip("the exams are not beside this checkout (../shared/exams)")
    return folder
