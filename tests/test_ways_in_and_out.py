"""The command line around the verbs: how a verb ends, what is started in several processes; what a person sees, and
what is written to a disk that may be full or hold links."""

from __future__ import annotations

import argparse
import errno
import logging
from collections import namedtuple
from pathlib import Path
from typing import Any

import pytest

from rlvr import commands, files, listing, rollouts
from rlvr.cli import main
from rlvr.config import ConfigError
from rlvr.errors import PhaseError, RunError, UserError
from rlvr.launch import engine, start, workers
from rlvr.launch.processes import WORKER
from rlvr.launch.signals import Interrupted
from rlvr.outlook import outlook
from rlvr.rollouts import Rollout
from rlvr.run import Run, around, begun, contrasted, differing, flat
from rlvr.terminal import Terminal

# ------------------------------------------------------------------ how a verb ends


@pytest.mark.parametrize(
    ("ends", "code", "said"),
    [
        (None, 0, ""),
        (4, 4, ""),
        (UserError("no such thing"), 2, "rlvr: no such thing\n"),
        (RunError("it judges nothing"), 3, "rlvr: it judges nothing\n"),
        (PhaseError("it said why", 143), 143, "rlvr: it said why\n"),
        (
            OSError(errno.ENOSPC, "No space left", "runs"),
            3,
            "rlvr: runs: No space left. Everything written before",
        ),
        (
            KeyboardInterrupt(),
            130,
            "Interrupted; everything written is kept. To continue where it stopped: rlvr list",
        ),
        (Interrupted(15), 143, "Interrupted; everything written is kept."),
        (BrokenPipeError(), 0, ""),
    ],
)
def test_a_verb_ends_with_its_code_and_one_sentence(monkeypatch, capsys, ends, code, said):
    def verb(args: argparse.Namespace) -> int | None:
        if isinstance(ends, BaseException):
            raise ends
        return ends

    monkeypatch.setattr(commands, "list_runs", verb)
    monkeypatch.setattr("sys.stdout", __import__("io").StringIO())  # which a broken pipe replaces
    assert main(["list", "a folder"]) == code
    error = capsys.readouterr().err
    assert said in error and (bool(said) or not error)
    if isinstance(ends, UserError | RunError):
        with pytest.raises(type(ends)):  # with its traceback
            main(["--debug", "list"])


def test_a_fault_of_ours_keeps_its_traceback(monkeypatch):
    monkeypatch.setattr(commands, "list_runs", lambda args: {}["x"])
    with pytest.raises(KeyError):
        main(["list"])


def test_the_command_that_continues_is_quoted_for_a_shell(monkeypatch, capsys):
    def stopped(args: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(commands, "run", stopped)
    assert main(["run", "q", "evidence.question=Now, {prompt}"]) == 130
    assert "rlvr run q 'evidence.question=Now, {prompt}'" in capsys.readouterr().err
    assert main(["run", "q", "--phase", "train"]) == 130
    assert capsys.readouterr().err == ""  # whoever started the phase says so


# ------------------------------------------------------------------ what is started


@pytest.fixture
def started(monkeypatch) -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = []
    for name in (WORKER, *engine.COUNTS):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(workers, "start", lambda count, *_: found.append(("workers", count)) or 0)
    monkeypatch.setattr(
        start,
        "start",
        lambda count, shard, file, words: found.append((f"{shard} by {file.name}", count)) or 0,
    )
    monkeypatch.setattr(workers, "follow_parent", lambda: found.append(("follows", 1)))
    return found


def launched(verb: str, **keys: Any) -> int | None:
    whole = {"processes": None, "shard": None, "on": None, "phase": None} | keys
    return commands.launch(argparse.Namespace(verb=verb, **whole), [verb])


@pytest.mark.parametrize(
    ("verb", "keys", "what"),
    [
        ("train", {}, []),
        ("train", {"processes": 1}, []),
        ("train", {"processes": 2}, [("ddp by ddp.yaml", 2)]),
        ("train", {"processes": 4, "shard": "zero3"}, [("zero3 by zero3.yaml", 4)]),
        ("evaluate", {"processes": 2}, [("workers", 2)]),
        ("compare", {"processes": 3}, [("workers", 3)]),
        ("run", {"processes": 2}, []),  # it starts its phases itself
        ("run", {"processes": 2, "phase": "train"}, [("follows", 1), ("ddp by ddp.yaml", 2)]),
        ("check", {"on": "L4-24GB"}, []),
    ],
)
def test_who_starts_which_processes(started, verb, keys, what):
    assert (launched(verb, **keys) is not None) == bool([name for name, _ in what if name != "follows"])
    assert started == what


def test_processes_that_are_there_already_start_none(started, monkeypatch, capsys):
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert launched("train", processes=8) is None and started == []
    assert "--processes 8, and the launcher started 2: these go on" in capsys.readouterr().err
    monkeypatch.setenv("RANK", "1")
    assert launched("train", processes=8) is None and capsys.readouterr().err == ""
    monkeypatch.delenv("WORLD_SIZE")
    monkeypatch.setenv(WORKER, "0/2")
    assert launched("evaluate", processes=2) is None and started == [("follows", 1)]


@pytest.mark.parametrize(
    ("verb", "keys", "said"),
    [
        ("train", {"shard": "zero3"}, "--shard zero3: among how many"),
        ("train", {"shard": "ddp", "processes": 1}, "--shard ddp: among how many"),
        ("check", {"on": "L4-24GB", "processes": 2}, "says how many devices there are"),
    ],
)
def test_what_says_nothing_together_is_refused(started, verb, keys, said):
    with pytest.raises(UserError, match=said):
        launched(verb, **keys)


# ------------------------------------------------------------------ what a person sees


def test_quiet_shows_results_alone_and_the_log_has_everything(tmp_path, capsys):
    first, second = tmp_path / "a" / "log.txt", tmp_path / "log.txt"
    loud, quiet, other = Terminal(), Terminal(quiet=True), Terminal(main=False)
    quiet.log_to(first)
    loud.say("one [b]")
    quiet.say("two")
    quiet.show("three")
    other.say("four")
    other.show("five")
    other.log_to(tmp_path / "other.txt")
    shown = capsys.readouterr()
    assert shown.err.strip() == "one [b]" and shown.out.strip() == "three"
    assert [line.rpartition(": ")[2] for line in first.read_text().splitlines()] == [
        "one [b]", "two", "three", "four", "five",
    ]  # fmt: skip
    assert not (tmp_path / "other.txt").exists()
    quiet.log_to(second)
    quiet.say("six\x1b[31m")
    assert "six" not in first.read_text() and "\x1b" not in second.read_text()
    assert (
        second.read_text().rstrip().endswith("INFO rlvr: " + second.read_text().rstrip().rpartition(": ")[2])
    )
    for handler in list(logging.getLogger("rlvr").handlers):
        logging.getLogger("rlvr").removeHandler(handler)
        handler.close()


SCORES = {"correct": 1.0, "error": None}


def drawn(file: Path, **statuses: int) -> list[str]:
    rows = [
        Rollout("p", n, "base", "?", "x", None, True, 5, score=SCORES.get(status, 0.0), status=status)
        for n, status in enumerate(status for status, number in statuses.items() for _ in range(number))
    ]  # fmt: skip
    rollouts.append(file, rows)
    return list(outlook(file, 4, 20))


@pytest.mark.parametrize(
    ("statuses", "word", "advised"),
    [
        ({"correct": 10, "incorrect": 5, "no_answer": 5}, "evidence.instruction", False),  # a quarter
        ({"correct": 10, "incorrect": 4, "no_answer": 6}, "evidence.instruction", True),
        ({"correct": 10, "incorrect": 9, "error": 1}, "rlvr check", False),  # a twentieth
        ({"correct": 10, "incorrect": 8, "error": 2}, "rlvr check", True),
    ],
)
def test_advice_on_a_base_begins_beyond_its_share(tmp_path, statuses, word, advised):
    assert any(word in said for said in drawn(tmp_path / "base.jsonl", **statuses)[1:]) == advised


def test_what_a_list_says_of_sources_and_alarms():
    held = [{"verifier": "code"}, {"verifier": None}, {"verifier": "code"}]
    assert listing._verifiers({"verifier": "math", "problems": {"heldout": held}}) == "code, math"
    assert listing._verifiers({"verifier": "math", "problems": {"heldout": {"world": "x"}}}) == "math"
    assert listing._verifiers({}) is None and listing._verifiers({"problems": None}) is None
    lines = [{"step": 1, "alarms": {"a": "…"}}, {"step": 2, "alarms": {"b": "…", "c": "…"}}, {"step": 3}]
    assert listing._newest_alarm(lines) == {"alarms": ("b", "c"), "alarm_step": 2}
    assert listing._newest_alarm([{"step": 1}]) == {}


# ------------------------------------------------------------------ folders


def test_a_run_is_found_from_what_lies_in_it(tmp_path):
    run = tmp_path / "run"
    (run / "rollouts").mkdir(parents=True)
    (run / "config.yaml").touch()
    deep = run / "checkpoints" / "checkpoint-3"
    deep.mkdir(parents=True)
    for path in (run, run / "model", deep):
        assert around(path) == Run(run)
    assert around(deep / "sharded") is None and around(tmp_path) is None
    assert begun(run) == begun(run / "config.yaml") == Run(run) and begun(tmp_path / "x.yaml") is None
    (tmp_path / "grid").mkdir()
    (tmp_path / "grid" / "sweep.json").write_text("{}")
    with pytest.raises(ConfigError, match="a sweep goes on by the command that began it"):
        begun(tmp_path / "grid")


def test_differences_are_named_by_their_whole_keys_and_long_texts_where_they_begin():
    first = {"a": {"b": 1, "c": []}, "list": [{"x": 1}, {"x": 2}], "same": None}
    second = {"a": {"b": 2, "c": []}, "list": [{"x": 1}, {"x": 3, "y": 4}], "new": "n"}
    assert differing(first, second) == [
        ("a.b", "1", "2"), ("list.1.x", "2", "3"), ("list.1.y", "None", "4"), ("new", "None", "'n'"),
    ]  # fmt: skip
    assert flat({"a": {"b": {}}, "c": [1]}) == {"a.b": {}, "c": [1]}
    assert contrasted("x" * 200, "y") == (repr("x" * 200), "'y'")
    one, other = "s" * 300 + "A" + "t" * 300, "s" * 300 + "B" + "t" * 300
    a, b = contrasted(one, other)
    assert a == f"…{('s' * 40 + 'A' + 't' * 99)!r}…" and b == a.replace("A", "B")


Usage = namedtuple("Usage", "total used free")


def test_what_does_not_fit_on_the_disk_is_not_begun(tmp_path, monkeypatch):
    monkeypatch.setattr("shutil.disk_usage", lambda path: Usage(0, 0, 101_000_000))
    files.require_space(tmp_path, 100_000_000, "it")  # and a hundredth
    with pytest.raises(
        OSError, match=r"no space left for it: it takes 101\.0 MB, and 101\.0 MB are free"
    ) as full:
        files.require_space(tmp_path, 100_000_001, "it")
    assert full.value.errno == errno.ENOSPC
    for free, error in ((9, OSError), (10, RuntimeError)):
        monkeypatch.setattr("shutil.disk_usage", lambda path, free=free: Usage(0, 0, free))
        with pytest.raises(error), files.says_when_full(tmp_path, 10, "it"):
            raise RuntimeError("some library's own")
    with pytest.raises(FileNotFoundError), files.says_when_full(tmp_path, 10, "it"):
        raise FileNotFoundError


@pytest.mark.parametrize("place", ["link", "rollouts/link", "checkpoints/link"])
def test_a_link_in_an_output_folder_is_refused(tmp_path, place):
    link = tmp_path / "out" / place
    link.parent.mkdir(parents=True, exist_ok=True)
    files.refuse_links(tmp_path / "out")
    link.symlink_to(tmp_path)
    with pytest.raises(ConfigError, match="link: a link; what is written in an output folder stays in it"):
        files.refuse_links(tmp_path / "out")
    with pytest.raises(ConfigError, match="a link; expected a file of the folder itself"):
        files.append_to(link)


def test_a_finished_folder_is_renamed_into_place(tmp_path):
    staged = tmp_path / "staged"
    (staged / "inner").mkdir(parents=True)
    (staged / "inner" / "a").write_text("x")
    files.publish(staged, tmp_path / "there")
    assert (tmp_path / "there" / "inner" / "a").read_text() == "x" and not staged.exists()
