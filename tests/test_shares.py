"""A rollout file's blocks are shared out through its folder: none is lost or made twice over, whoever dies."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from rlvr import rollouts
from rlvr.errors import RunError
from rlvr.rollouts import Rollout, shares
from rlvr.rollouts.shares import Shares, folder_of, forget, share

WORK = """
import os, signal, sys, time
from pathlib import Path
from rlvr.rollouts.shares import share

out, dies = Path("out"), sys.argv[1:]

def begin(rows):
    time.sleep(0.02)
    if dies and rows.start > 20:
        os.kill(os.getpid(), signal.SIGKILL)
    return rows

def merge(part, own):
    with out.open("a") as file:
        file.write(part.read_text())

def merged(size):
    return out.read_text().count("\\n") if out.exists() else 0

def finish(rows):
    return [f"{row} {os.getpid()}\\n".encode() for row in rows]

share(Path("out.parts"), 103, 5, begin, finish, merge, merged)
"""


def worker(folder: Path, place: str, *words: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-c", WORK, *words], cwd=folder, env=os.environ | {"RLVR_WORKER": place}
    )


def test_every_row_comes_once_and_in_order_although_workers_die(tmp_path):
    workers = [worker(tmp_path, "0/4"), worker(tmp_path, "1/4"), worker(tmp_path, "2/4", "dies")]
    assert [process.wait(timeout=60) for process in workers] == [0, 0, -signal.SIGKILL]
    made = [line.split() for line in (tmp_path / "out").read_text().splitlines()]
    assert [int(row) for row, _ in made] == [*range(103)]
    assert {int(pid) for _, pid in made} <= {process.pid for process in workers}
    assert not (tmp_path / "out.parts").exists()


def test_a_worker_that_begins_when_the_others_have_finished_makes_and_leaves_nothing(tmp_path):
    assert worker(tmp_path, "0/2").wait(timeout=60) == 0
    before = (tmp_path / "out").read_bytes()
    assert worker(tmp_path, "1/2", "dies").wait(timeout=60) == 0  # it would die of its first block
    assert [file.name for file in tmp_path.iterdir()] == ["out"] and (tmp_path / "out").read_bytes() == before


def test_without_the_main_process_the_others_make_what_it_puts_together_later(tmp_path):
    assert worker(tmp_path, "1/2").wait(timeout=60) == 0
    assert not (tmp_path / "out").exists()
    main = worker(tmp_path, "0/1")
    assert main.wait(timeout=60) == 0
    made = [line.split() for line in (tmp_path / "out").read_text().splitlines()]
    assert [int(row) for row, _ in made] == [*range(103)]
    assert str(main.pid) not in {pid for _, pid in made}


def test_blocks_have_the_size_that_the_first_one_chose(tmp_path):
    with Shares(tmp_path / "parts", 10, 4) as first, Shares(tmp_path / "parts", 10, 3) as second:
        assert second.size == first.size == 4
        assert [*map(first.rows, range(len(first)))] == [range(4), range(4, 8), range(8, 10)]


def test_a_block_that_does_not_come_is_named(tmp_path, monkeypatch):
    """Its lock is held by a process that neither ends nor puts anything."""
    holds = "import sys, time; from rlvr.rollouts.shares import Shares; from pathlib import Path\n"
    holds += "with Shares(Path('parts'), 6, 3) as s: print(next(s.take(0)), flush=True); time.sleep(1000)"
    process = subprocess.Popen([sys.executable, "-c", holds], cwd=tmp_path, stdout=subprocess.PIPE)
    assert process.stdout is not None and process.stdout.readline() == b"0\n"
    monkeypatch.setattr(shares, "TIMEOUT", shares.TIMEOUT / 1e6)
    try:
        with pytest.raises(RunError, match=r"000000\.jsonl did not come"):
            share(tmp_path / "parts", 6, 3, list, lambda rows: [b""], lambda part, own: None)
    finally:
        process.kill()
        process.wait()


def test_what_is_left_of_a_removed_evaluation_is_forgotten(tmp_path):
    for file, work in (("tuned", ""), ("tuned", "under-base"), ("base", "under-tuned"), ("base", "")):
        folder_of(tmp_path / f"{file}.jsonl", work).mkdir()
    forget(tmp_path / "tuned.jsonl", "tuned")
    assert [path.name for path in tmp_path.iterdir()] == ["base.parts"]


def test_some_rows_of_a_file_are_read(tmp_path):
    rows = [Rollout(f"p{i}", 0, "base", "?", "", None, True, 0) for i in range(9)]
    rollouts.append(tmp_path / "file.jsonl", rows)
    assert [*rollouts.read(tmp_path / "file.jsonl", range(3, 6))] == rows[3:6]
    assert [*rollouts.read(tmp_path / "file.jsonl", range(7, 9))] == rows[7:]
