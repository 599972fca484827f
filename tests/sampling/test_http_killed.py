"""A server goes away in the middle of an evaluation: it is waited for, or the same command goes on."""

import signal
import subprocess
import sys
import time
from contextlib import ExitStack
from threading import Thread

import pytest

from rlvr import rollouts
from rlvr.cli import main
from tests.conftest import REPO
from tests.sampling.served_policy import assert_drawn_by, free_port, serving

pytestmark = pytest.mark.slow
PROBLEMS, SAMPLES = 8, 16
SMALL = [f"problems.heldout.limit={PROBLEMS}", f"sampling.samples={SAMPLES}", "analysis.search_budget=1"]


def evaluation(file, url, patience):
    http = f"sampling.http={{in_flight: 2, patience: {patience}}}"
    words = ["eval", "tiny", "-q", "--output", str(file), "verification.workers=1", "sampling.engine=http"]
    return main([*words, *SMALL, http, f"sampling.servers=[{url}]"])


def once_rows_are_there(file, then):
    """Call `then` in the middle."""

    def wait():
        while rollouts.count(file) == 0:
            time.sleep(0.02)
        then()

    watcher = Thread(target=wait, daemon=True)
    watcher.start()
    return watcher


def assert_whole(policy, file):
    rows = list(rollouts.read(file))
    assert len({(row.problem_id, row.sample) for row in rows}) == len(rows) == PROBLEMS * SAMPLES
    assert_drawn_by(policy, file)


def test_one_that_is_killed_and_started_again_is_waited_for(tiny, tmp_path):
    port = free_port()
    command = [sys.executable, "-m", "tests.sampling.served_policy", str(port)]
    process = subprocess.Popen(command, cwd=REPO, stdout=subprocess.PIPE, text=True)
    assert process.stdout
    url, file = process.stdout.readline().strip(), tmp_path / "rows.jsonl"
    with ExitStack() as stack:

        def kill_and_start():
            assert rollouts.count(file) < PROBLEMS * SAMPLES, "it was over too soon"
            process.send_signal(signal.SIGKILL)
            process.wait()
            time.sleep(0.5)
            stack.enter_context(serving(tiny, port=port))

        watcher = once_rows_are_there(file, kill_and_start)
        assert evaluation(file, url, patience=300) == 0
        watcher.join()
        assert process.returncode == -signal.SIGKILL
    assert_whole(tiny, file)


def test_where_it_stays_away_the_command_stops_and_goes_on_with_another(tiny, tmp_path, capsys):
    file = tmp_path / "rows.jsonl"
    with ExitStack() as stack:
        served = stack.enter_context(serving(tiny))
        watcher = once_rows_are_there(file, stack.close)
        assert evaluation(file, served.url, patience=0.5) == 3
        watcher.join()
    said = " ".join(capsys.readouterr().err.split())
    assert "no server has been there for 0 s" in said and "the same command goes on" in said
    before = file.read_bytes()
    assert 0 < rollouts.count(file) < PROBLEMS * SAMPLES
    with serving(tiny) as served:
        assert evaluation(file, served.url, patience=0.5) == 0
    assert file.read_bytes().startswith(before)
    assert_whole(tiny, file)
