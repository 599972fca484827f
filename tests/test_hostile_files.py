"""Folders and files that somebody else made: links in run folders, odd names, YAML that is larger than it looks."""

from __future__ import annotations

import csv
import io
import logging
import os
import time
from pathlib import Path

import pytest

from rlvr import config as configuration
from rlvr import files
from rlvr.errors import ConfigError
from rlvr.launch.processes import locked
from rlvr.report.page import as_csv
from rlvr.run import Run, check_folder, open_run
from rlvr.terminal import Terminal
from rlvr.training.checkpoints import Checkpoints
from tests.conftest import quickstart_config

ENTRIES = (".lock", "log.txt", "rollouts", "checkpoints", "model", "config.yaml", "rollouts/base.jsonl")
ENTRIES += ("checkpoints/.staging", "checkpoints/checkpoint-3")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "run"
    for inner in ("rollouts", "checkpoints"):
        (made / inner).mkdir(parents=True)
    return made


@pytest.mark.parametrize("entry", ENTRIES)
def test_a_run_folder_with_a_link_is_refused_and_its_target_is_left_alone(folder: Path, entry: str):
    target = folder.parent / "target"
    if "." in entry[1:] or entry == ".lock":
        target.write_text("mine")
    else:
        target.mkdir()
        (target / "mine").touch()
    path = folder / entry
    if path.is_dir():
        path.rmdir()
    path.symlink_to(target)
    with pytest.raises(ConfigError, match="a link"):
        check_folder(quickstart_config(), folder)
    with pytest.raises(ConfigError, match="a link"), locked(folder):
        open_run(quickstart_config(), folder)
    assert (
        target.read_text() == "mine" if target.is_file() else [p.name for p in target.iterdir()] == ["mine"]
    )


def test_neither_lock_nor_log_is_written_through_a_link_that_came_later(folder: Path):
    target = folder.parent / "target"
    target.write_text("mine")
    (folder / "log.txt").symlink_to(target)
    with pytest.raises(ConfigError, match=r"log\.txt: a link"):
        files.append_to(folder / "log.txt")
    with pytest.raises(ConfigError, match=r"log\.txt: a link"):
        Terminal(quiet=True).log_to(folder / "log.txt")
    assert target.read_text() == "mine"


def test_the_log_is_appended_to(folder: Path):
    (folder / "log.txt").write_text("before\n")
    Terminal(quiet=True).log_to(folder / "log.txt")
    Terminal(quiet=True).say("after")
    for handler in list(logging.getLogger("rlvr").handlers):
        logging.getLogger("rlvr").removeHandler(handler)
        handler.close()
    first, second = (folder / "log.txt").read_text().splitlines()
    assert (first, second[-5:]) == ("before", "after")


def test_the_folder_itself_may_be_a_link(folder: Path):
    (folder / "checkpoints").rmdir()
    link = folder.parent / "link"
    link.symlink_to(folder)
    with locked(link):
        open_run(quickstart_config(), link)
    assert (folder / "config.yaml").is_file()


NAMES = ("checkpoint-best", "checkpoint-3 (copy)", "checkpoint-", "checkpoint-1e3", "checkpoint-3.damaged")


def test_copies_that_a_person_made_are_left_alone(folder: Path):
    for name in NAMES:
        (folder / "checkpoints" / name).mkdir()
    for name in ("step-old9.jsonl", "step-20.jsonl", "step-3 (copy 2).jsonl", "step-5.jsonl", "step-.jsonl"):
        (folder / "rollouts" / name).touch()
    said: list[str] = []
    checkpoints = Checkpoints(folder / "checkpoints", 2, said.append)
    assert (checkpoints.newest(), checkpoints.all(), said) == (None, [], [])
    assert {p.name for p in (folder / "checkpoints").iterdir()} == set(NAMES)
    assert [p.name for p in Run(folder).evaluations()] == ["step-5.jsonl", "step-20.jsonl"]


class Panel:
    """A figure's numbers, with texts from files of others."""

    columns = ("problem", "=cmd|' /C calc'!A0")
    rows = (
        ("=1+1", 0.5),
        ("+x", -1.0),
        ("-2+1", None),
        ("@sum", 3),
        ("\t=1", 1),
        ("a=b", 2),
        ("+13.1 ± 3.0", 0),
        ("-", 0),
    )


def test_no_cell_of_a_csv_is_a_formula():
    header, *rows = csv.reader(io.StringIO(as_csv(Panel())))  # type: ignore[arg-type]
    assert all(cell[0] not in "=@\t\r" for row in (header, *rows) for cell in row if cell)
    assert [row[0] for row in rows] == ["'=1+1", "'+x", "'-2+1", "'@sum", "'\t=1", "a=b", "+13.1 ± 3.0", "-"]
    assert [row[1] for row in rows] == [
        "0.5",
        "-1.0",
        "",
        "3",
        "1",
        "2",
        "0",
        "0",
    ]  # numbers are as they were


def laughs(key: str) -> str:
    lines = ["a0: &a0 {x: 1}"] + [
        f"a{n}: &a{n} {{{', '.join(f'k{i}: *a{n - 1}' for i in range(9))}}}" for n in range(1, 9)
    ]
    return "\n".join(lines) + f"\n{key}: *a8\n"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (laughs("model"), "values, counting each use"),
        ("model: " + "[" * 3000 + "]" * 3000, "nested too deeply"),
        ("model: tiny\nseed: " + "9" * 6000, "an integer of 19932 bits"),
        ("model: tiny\nseed: " + "9" * 150_000, "cannot be read"),
        ("model: tiny\nseed: 9999-99-99", "cannot be read"),
        ("model: {" + ", ".join(f"k{n}: [{n}]" for n in range(2000)) + "}", "a section of 2000"),
        ("model: tiny\nseed: 0x" + "f" * 4000, "an integer of 16000 bits"),
        ("model: tiny\nsampling: {temperature: .inf}", "sampling.temperature"),
        ("model: tiny\nsampling: {samples: 1000000000000}", "sampling.samples"),
        (
            "model: tiny\nproblems: {heldout: {world: heldout}, probes: {../x: {world: heldout}}}",
            "'../x' cannot be",
        ),
        (
            "model: tiny\nproblems: {heldout: {world: heldout}, probes: {'a\\x1b': {world: heldout}}}",
            "cannot be",
        ),
    ],
)
def test_a_config_that_cannot_be_meant_is_refused_in_a_few_words(tmp_path: Path, text: str, words: str):
    file = tmp_path / "config.yaml"
    file.write_text(text)
    began = time.process_time()
    with pytest.raises(ConfigError) as raised:
        configuration.load(file)
    assert words in str(raised.value)
    assert len(str(raised.value)) < 2000
    assert time.process_time() - began < 5


def test_an_override_is_read_as_carefully():
    with pytest.raises(ConfigError, match="seed=9999-99-99"):
        configuration.load(configuration.find("quickstart"), ["seed=9999-99-99"])


def test_a_file_that_is_appended_to_is_made_with_the_usual_rights(tmp_path: Path):
    mask = os.umask(0o022)
    try:
        with files.append_to(tmp_path / "new") as file:
            file.write("x")
    finally:
        os.umask(mask)
    assert (tmp_path / "new").stat().st_mode & 0o777 == 0o644
