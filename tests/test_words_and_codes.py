"""Numbers and names as a person reads them, words of the command line, exit codes: tables of cases."""

from __future__ import annotations

import argparse
import errno
import math
from pathlib import Path
from typing import Any

import pytest

from rlvr import failures, hub
from rlvr.cli import parse
from rlvr.commands import _formats, _pair
from rlvr.config import ConfigError
from rlvr.errors import PhaseError, PolicyError, RunError, UserError
from rlvr.text import cell, is_step, line, number, points, shareable, size, step_of
from rlvr.verbs.options import count, positive, several
from verifiers import BadOption, PoolError, UnknownVerifier, VerifierFailed
from verifiers.scoring import RowError

# ------------------------------------------------------------------ numbers


@pytest.mark.parametrize(
    ("value", "form", "shown"),
    [
        (0.12345, ".3g", "0.123"),
        (None, ".3g", "–"),
        (math.nan, ".1f", "–"),
        (math.inf, ".3g", "∞"),
        (-math.inf, ".3g", "−∞"),
        (-2.5, ".1f", "−2.5"),
        (-0.04, "+.1f", "0.0"),
        (0.04, "+.1f", "0.0"),
        (0.06, "+.1f", "+0.1"),
        (0, ".3g", "0"),
    ],
)
def test_a_number(value, form, shown):
    assert number(value, form) == shown


def test_points_are_hundredths():
    assert [points(x) for x in (0.614, 1, 0, None, math.nan)] == ["61.4", "100.0", "0.0", "–", "–"]
    assert [points(x, sign=True) for x in (0.01, -0.01, 0.0)] == ["+1.0", "−1.0", "0.0"]


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (True, "yes"), (False, "no"), (9999, "9999"), (10_000, "10\u2009000"), (-1_234_567, "−1\u2009234\u2009567"),
        (-5, "-5"), (None, "–"), (0.123456, "0.1235"), ("a\nb", "a b"), ("x" * 401, "x" * 399 + "…"),
        (1e-16, "< 1e-12"), (-1e-16, "0"), (0.0, "0"), (1e-12, "1e−12"), (-2e-12, "−2e−12"),
    ],
)  # fmt: skip
def test_a_cell_of_a_table(value, shown):
    assert cell(value) == shown


def test_a_line_is_one_line_of_a_width():
    assert line("a\r\n\tb") == "a b"
    assert line("x" * 120) == "x" * 120 and line("x" * 121) == "x" * 119 + "…"
    assert line("abcdef", 4) == "abc…"


def test_sizes_and_steps():
    assert [size(n) for n in (0, 999_949_999, 1e9, 23_456_000_000)] == [
        "0.0 MB",
        "999.9 MB",
        "1.0 GB",
        "23.5 GB",
    ]
    assert [is_step(name) for name in ("step-20", "run/step-3", "step-", "tuned-20", "step-2.math")] == [
        True, True, False, False, False,
    ]  # fmt: skip
    assert step_of("run/step-120") == 120


def test_of_a_path_of_this_machine_two_names_are_left():
    said = (
        "model /home/anna/x/model, C:\\Users\\me\\data\\rows.jsonl, ~/runs/a/b, https://x.org/a/b, ./a/b, a/b"
    )
    assert shareable(said) == "model …/x/model, …/data/rows.jsonl, …/a/b, https://x.org/a/b, ./a/b, a/b"


# ------------------------------------------------------------------ names on the Hub


def test_what_else_may_have_been_meant(monkeypatch, tmp_path):
    known = ["Qwen/Qwen2.5-0.5B", "Qwen/Qwen2.5-1.5B", "meta-llama/Llama-3.2-1B", "tiny"]
    assert hub.closest("Qwen/Qwen2.5-0.5", known)[0] == "Qwen/Qwen2.5-0.5B"
    assert hub.closest("qwen2.5-0.5b", known)[0] == "Qwen/Qwen2.5-0.5B"  # without its owner
    assert hub.closest("tinny", known) == ["tiny"] and hub.closest("zzz", known) == []
    assert len(hub.closest("model-x", [f"model-{n}" for n in range(9)])) == 3
    assert hub.folder_of("Qwen/Q", "model") == "models--Qwen--Q"
    assert hub.folder_of("openai/gsm8k", "dataset") == "datasets--openai--gsm8k"
    for folder in ("runs/first/model", "other"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "config.json").touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    (tmp_path / "cache" / "models--Qwen--Qwen2.5-0.5B").mkdir(parents=True)
    assert hub.hint("othr") == "; did you mean other?" and hub.hint("zzzz") == ""
    assert hub.near("Qwen2.5-0.5") == ["Qwen/Qwen2.5-0.5B"]
    assert hub.near("tinyy") == ["tiny"]


# ------------------------------------------------------------------ exit codes


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (UserError("x"), 2), (ConfigError("x"), 2), (PolicyError("x"), 2), (UnknownVerifier("x"), 2),
        (BadOption("x"), 2), (PoolError("x"), 2), (VerifierFailed("x"), 2), (RowError("x"), 2),
        (OSError(errno.ENOENT, "gone"), 2), (OSError(errno.EACCES, "no"), 2), (OSError(errno.EROFS, "no"), 2),
        (OSError(errno.EIO, "no"), 2), (OSError(errno.ESTALE, "no"), 2), (OSError(errno.ENOTDIR, "no"), 2),
        (RunError("x"), 3), (OSError(errno.ENOSPC, "full"), 3), (OSError(errno.EDQUOT, "full"), 3),
        (PhaseError("x", 143), 143), (PhaseError("x", 2), 2),
        (KeyError("x"), 1), (ValueError("x"), 1), (OSError(errno.EINVAL, "x"), 1), (OSError("bare"), 1),
    ],
)  # fmt: skip
def test_an_error_has_its_exit_code_and_only_a_fault_of_ours_a_traceback(error, code):
    assert failures.code(error) == code
    assert failures.expected(error) == (code != 1)
    assert failures.full(error) == (isinstance(error, OSError) and code == 3)


def test_errors_of_the_system_name_the_file():
    assert failures.in_words(UserError("plain")) == "plain"
    gone = FileNotFoundError(errno.ENOENT, "No such file or directory", "a.jsonl")
    assert failures.in_words(gone) == "a.jsonl: No such file or directory (--debug shows where)"
    full = failures.in_words(OSError(errno.ENOSPC, "No space left on device", "runs"))
    assert full.startswith("runs: No space left on device. Everything written before is complete")
    assert failures.in_words(OSError(errno.EDQUOT, "Quota exceeded")).startswith("Quota exceeded. Everything")


# ------------------------------------------------------------------ words of the command line


@pytest.mark.parametrize(
    ("kind", "taken", "refused"),
    [
        (count, {"0": 0, "12": 12}, ["-1", "1.5", "", "x"]),
        (several, {"1": 1, "8": 8}, ["0", "-1", "1.5", ""]),
        (positive, {"0.5": 0.5, "30": 30.0, "999999": 999999.0}, ["0", "-1", "1e6", "inf", "nan", "x", ""]),
    ],
)
def test_numbers_on_the_command_line(kind, taken, refused):
    assert {text: kind(text) for text in taken} == taken
    for text in refused:
        with pytest.raises(argparse.ArgumentTypeError):
            kind(text)


DEFAULTS: dict[str, dict[str, Any]] = {
    "run q": {
        "config": "q", "overrides": [], "output": None, "processes": None, "shard": None, "phase": None,
        "quiet": False, "help_config": False, "verb": "run", "debug": False,
    },
    "train q": {"verb": "train", "phase": None},
    "eval tiny": {"models": ["tiny"], "overrides": [], "config": None, "output": None, "verb": "evaluate"},
    "compare a b --on x": {"models": ["a", "b"], "on": "x", "verb": "compare"},
    "export r": {"source": Path("r"), "step": None, "into": None, "adapter_only": False, "verb": "export"},
    "score f --verifier math": {
        "file": "f", "option": [], "output": "-", "map": [], "labels": None, "verb": "score",
    },
    "report a": {
        "base": Path("a"), "tuned": None, "more": [], "output": Path("report"), "search_budget": None,
        "title": None, "name": [], "seeds": False, "replicates": None, "allow_mismatch": False, "filter": None,
        "score": None, "right": None, "map": [], "where": [], "verb": "report",
    },
    "import f --into o": {"files": [Path("f")], "policy": None, "unjudged": False, "verb": "convert"},
    "show r": {
        "step": None, "problem": None, "right": None, "status": None, "source": None, "limit": 5, "seed": None,
    },
    "watch r": {"run": Path("r"), "output": None, "every": 30.0},
    "list": {"folder": Path("runs"), "json": False, "verb": "list_runs"},
    "evidence f": {"transfer": False, "check": False, "output": None},
    "belief m --hypotheses f": {"output": None, "overrides": []},
    "search-prompts q --write 3 --budget 9": {"write": 3, "candidates": None, "budget": 9, "output": None},
    "worlds": {"names": [], "quick": False, "output": Path("worlds")},
    "check": {"config": None, "on": None, "price": None, "tokens": None, "output": None},
    "init": {"file": None, "like": "quickstart", "schema": None},
}  # fmt: skip


@pytest.mark.parametrize("words", DEFAULTS)
def test_what_a_verb_takes_where_nothing_else_is_said(words):
    found = vars(parse(words.split()))
    assert {key: found[key] for key in DEFAULTS[words]} == DEFAULTS[words]


GIVEN: dict[str, dict[str, Any]] = {
    "run q a=1 -q --processes 2 b=2 --shard zero3 c=3": {
        "overrides": ["a=1", "b=2", "c=3"], "quiet": True, "processes": 2, "shard": "zero3",
    },
    "--debug run q": {"debug": True},
    "run q --debug": {"debug": True},
    "show r --wrong --limit 0 --seed 0 --step 7 --problem p": {
        "right": False, "limit": 0, "seed": 0, "step": 7, "problem": "p",
    },
    "show r --right --status timeout --source math": {"right": True, "status": "timeout", "source": "math"},
    "report a b c d --name base=x --name tuned=y --seeds": {
        "tuned": Path("b"), "more": [Path("c"), Path("d")], "name": ["base=x", "tuned=y"], "seeds": True,
    },
    "export r --step 3 --adapter-only --into x": {"step": 3, "adapter_only": True, "into": Path("x")},
    "eval a b=c seed=1": {"models": ["a", "b=c", "seed=1"]},
}  # fmt: skip


@pytest.mark.parametrize("words", GIVEN)
def test_what_is_said_reaches_its_place(words):
    found = vars(parse(words.split()))
    assert {key: found[key] for key in GIVEN[words]} == GIVEN[words]


@pytest.mark.parametrize(
    "words",
    ["run q --stpes 3", "show r --right --wrong", "show r a=1", "list --jsn", "watch r --every 0", "", "x"],
)
def test_words_that_mean_nothing_end_with_code_2(words, capsys):
    with pytest.raises(SystemExit) as left:
        parse(words.split())
    assert left.value.code == 2 and capsys.readouterr().err


def test_a_pair_is_split_at_its_first_sign():
    assert _pair("a=b=c", "--map") == ("a", "b=c") and _pair("a=", "--map") == ("a", "")
    with pytest.raises(ConfigError, match="--map 'a': expected key=value"):
        _pair("a", "--map")


@pytest.mark.parametrize(
    ("words", "score", "right"),
    [
        ("--score acc --right 1", "acc", "1"),
        ("--right acc>=0.5", "acc", ">=0.5"),
        ("--right >=0.5", None, ">=0.5"),
        ("--score m.x --right m.x<0.1", "m.x", "<0.1"),
        ("", None, None),
    ],
)
def test_which_column_is_right_from_where_on(words, score, right):
    found = _formats(parse(["report", "a", *words.split()]))
    assert (found.score, found.right) == (score, right)


def test_columns_and_rows_of_others_files():
    words = (
        "report a --map problem_id=qid,score=acc --map n=m --where split=test --where x=y=z --filter strict"
    )
    found = _formats(parse(words.split()))
    assert found.columns == (("problem_id", "qid"), ("score", "acc"), ("n", "m"))
    assert (
        found.where == (("split", "test"), ("x", "y=z")) and found.filter == "strict" and not found.unjudged
    )
    assert _formats(parse(["import", "f", "--into", "o", "--unjudged"])).unjudged
    with pytest.raises(ConfigError, match="name two columns"):
        _formats(parse(["report", "a", "--score", "acc", "--right", "f1>0"]))
