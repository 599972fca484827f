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


@pytest.fixture(scope="session")
def tiny():
    """The embedded policy, as an evaluation loads it."""
    from rlvr.policy import load_policy

    return load_policy(quickstart_config(), "base")


def quickstart_config(**changes):
    """The quickstart's configuration with top-level sections replaced."""
    from rlvr import config

    loaded = config.load(config.find("quickstart"))
    return loaded.model_copy(update=changes)
