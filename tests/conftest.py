"""Fixtures that several rooms share."""

import os
import signal
from pathlib import Path

import pytest
from hypothesis import settings

pytest_plugins = ["tests.selection"]

# Properties are tried on the same examples every time: a run that fails is the change's doing. To look for more:
# HYPOTHESIS_PROFILE=search scripts/test tests/verifiers
settings.register_profile("same", derandomize=True, deadline=None)
settings.register_profile("search", deadline=None, max_examples=1000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "same"))

REPO = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session", autouse=True)
def signals_that_children_hear():
    """`nohup scripts/test &` ignores SIGINT and SIGHUP, and every process that a test starts and stops would inherit
    that. Handlers are not inherited: Python's own for the one, for the other one that lets pytest live on."""
    handlers = {signal.SIGINT: signal.default_int_handler, signal.SIGHUP: lambda *_: None}
    for number, handler in handlers.items():
        if signal.getsignal(number) == signal.SIG_IGN:
            signal.signal(number, handler)


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


@pytest.fixture(scope="session")
def pool():
    """One real worker process of the verifier `math`."""
    from verifiers.pool import VerifierPool

    with VerifierPool("math", workers=1) as pool:
        yield pool


def quickstart_config(**changes):
    """The quickstart's configuration with top-level sections replaced."""
    from rlvr import config

    loaded = config.load(config.find("quickstart"))
    return loaded.model_copy(update=changes)


def pytest_terminal_summary(terminalreporter):
    """One line: at which levels and as which users the exam of code was taken, whether or not it was passed."""
    reports = [report for kind in ("passed", "failed") for report in terminalreporter.stats.get(kind, [])]
    properties = [entry for report in reports for entry in report.user_properties]
    taken = [value for name, value in properties if name == "code exam"]
    if taken:
        terminalreporter.write_line(f"code exam taken: {', '.join(taken)}")
