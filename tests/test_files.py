"""A file is rewritten whole or not at all, whatever stops the writing; nothing else is left beside it."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from rlvr import files, rollouts
from rlvr.launch.signals import Interrupted
from rlvr.rollouts import Rollout

STOPS = [
    KeyboardInterrupt(),
    SystemExit(3),
    Interrupted(2),
    OSError(28, "No space left on device"),
    MemoryError(),
]


def stopped(after: int, error: BaseException) -> Iterator[bytes]:
    """Some of the new content; then whatever stops a run."""
    yield from [b"new\n"] * after
    raise error


@pytest.mark.parametrize("error", STOPS, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("after", [0, 1, 100_000])
def test_what_stops_the_writing_leaves_the_old_file_and_nothing_else(tmp_path, error, after):
    file = tmp_path / "metrics.jsonl"
    file.write_bytes(b"old\n")
    for target, there in ((file, [file]), (tmp_path / "fresh.jsonl", [file])):
        with pytest.raises(type(error)):
            files.replace(target, stopped(after, error))
        assert sorted(tmp_path.iterdir()) == there, "a temporary file is left"
    assert file.read_bytes() == b"old\n"


@pytest.mark.parametrize("step", ["chmod", "replace"])
def test_nor_does_ctrl_c_between_writing_and_renaming(tmp_path, monkeypatch, step):
    file = tmp_path / "run.json"
    file.write_bytes(b"old\n")

    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, step, interrupt)
    with pytest.raises(KeyboardInterrupt):
        files.replace(file, [b"new\n"])
    monkeypatch.undo()
    assert [path.name for path in tmp_path.iterdir()] == ["run.json"] and file.read_bytes() == b"old\n"


def test_a_file_that_is_rewritten_can_be_read_by_whoever_could_before(tmp_path):
    """A temporary file is private, and a result is not: what the umask leaves."""
    before = os.umask(0o027)
    try:
        files.replace(tmp_path / "report.json", [b"{}"])
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "report.json").stat().st_mode) == 0o640


def test_a_reader_sees_the_old_file_until_the_new_one_is_whole(tmp_path):
    file = tmp_path / "rows.jsonl"
    file.write_bytes(b"old\n")

    def watched() -> Iterator[bytes]:
        for _ in range(3):
            assert file.read_bytes() == b"old\n"
            yield b"new\n"

    files.replace(file, watched())
    assert file.read_bytes() == b"new\n" * 3


def row(sample: int) -> Rollout:
    return Rollout("p", sample, "base", "1 + 1", "2", "2", True, 1, score=1.0)


def drawn(file: Path) -> list[int]:
    return [found.sample for found in rollouts.read(file)]


@pytest.mark.parametrize(
    ("end", "kept"),
    [("", [0, 1]), ("whole", [0, 1, 2]), ("torn", [0, 1])],
)
def test_what_is_appended_to_a_file_that_another_program_ended(tmp_path, end, kept):
    """A last row without its line end is a row where it is whole, as editors and other systems leave it; what a kill
    tore is dropped."""
    file = tmp_path / "base.jsonl"
    rollouts.append(file, [row(0), row(1)])
    last = row(2).to_json_line().rstrip("\n")
    with file.open("a") as stream:
        stream.write({"": "", "whole": last, "torn": last[:-9]}[end])
    rollouts.append(file, [row(7)])
    assert drawn(file) == [*kept, 7]


def test_a_folder_that_has_vanished_is_not_made_again(tmp_path):
    with pytest.raises(FileNotFoundError):
        files.replace(tmp_path / "gone" / "rows.jsonl", [b"new\n"])
    assert not (tmp_path / "gone").exists()
