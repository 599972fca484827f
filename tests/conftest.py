"""Fixtures that several rooms share."""

import signal
from pathlib import Path

import pytest

REPO = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session", autouse=True)
def signals_that_children_hear():
    """`nohup scripts/test &` ignores SIGINT and SIGHUP, and every process that a test starts and stops would inherit
    that. A handler that does nothing spares pytest as well, and is not inherited."""
    ignored = [s for s in (signal.SIGINT, signal.SIGHUP) if signal.getsignal(s) == signal.SIG_IGN]
    for number in ignored:
        signal.signal(number, lambda *_: None)
    yield
    for number in ignored:
        signal.signal(number, signal.SIG_IGN)


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
