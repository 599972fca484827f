"""Python's functions are the command line's: the same words, the same results."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

import rlvr
from rlvr import api
from rlvr.cli import main
from rlvr.config import ConfigError
from rlvr.errors import UserError

TABLE = "problem_id,n,c_base,c_tuned\n" + "".join(f"p{i},8,{i % 4},{2 * (i % 4)}\n" for i in range(24))


@pytest.fixture
def counts(tmp_path) -> Path:
    file = tmp_path / "counts.csv"
    file.write_text(TABLE)
    return file


def test_importing_rlvr_imports_nothing_heavy_and_its_modules_keep_their_names():
    code = (
        "import sys, rlvr\n"
        "heavy = {'torch', 'transformers', 'datasets', 'numpy', 'pydantic', 'pandas'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
        "import rlvr.report, rlvr.run\n"
        "assert rlvr.report.build and rlvr.run.Run  # modules, whatever was imported before\n"
        "assert rlvr.compare is rlvr.api.compare and 'score' in dir(rlvr)\n"
        "from rlvr.api import report, run\n"
        "assert callable(report) and callable(run) and rlvr.report.build\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_an_unknown_name_says_where_the_functions_are():
    with pytest.raises(AttributeError, match=r"no attribute 'tain'; its functions are in rlvr.api"):
        rlvr.tain  # noqa: B018


def test_a_report_from_python_is_the_command_lines(counts, tmp_path, capsys):
    found = api.report(counts, output=tmp_path / "python", replicates=200)
    words = ["report", str(counts), "--output", str(tmp_path / "shell"), "--replicates", "200"]
    assert main(words) == 0
    assert found.summary in capsys.readouterr().out
    for name in ("report.json", "report.html"):
        assert (tmp_path / "python" / name).read_bytes() == (tmp_path / "shell" / name).read_bytes()


def test_the_tables_hold_what_the_counts_say(counts, tmp_path):
    found = api.report(counts, output=tmp_path / "report", replicates=200)
    curve = found.to_pandas().set_index(["policy", "k"])
    assert curve.loc[("base", 1), "pass_at_k"] == pytest.approx(1.5 / 8)  # mean of 0, 1, 2, 3 of 8
    assert curve.loc[("tuned", 1), "pass_at_k"] == pytest.approx(3 / 8)
    [gain] = found.to_pandas("gains").to_dict("records")
    assert gain["gain"] == pytest.approx(1.5 / 8) and gain["lo"] < gain["gain"] < gain["hi"]
    assert (gain["policy"], gain["base"], gain["problems"]) == ("tuned", "base", 24)
    problems = found.to_pandas("problems")
    assert list(problems["c_tuned"]) == [2 * (i % 4) for i in range(24)]
    with pytest.raises(UserError, match="expected 'pass_at_k', 'gains' or 'problems'"):
        found.to_pandas("rows")  # type: ignore[arg-type]


def test_a_notebook_shows_the_headline_and_nothing_that_a_file_wrote_as_html(tmp_path):
    file = tmp_path / "<b>x.csv"
    file.write_text(TABLE.replace("c_base,c_tuned", "c,d"))
    html = api.report(file, file, file, output=tmp_path / "report", replicates=200)._repr_html_()
    assert "<table>" in html and "pass@1" in html and "did not measurably change" in html
    assert "<b>" not in html and "&lt;b&gt;x" in html


def test_without_pandas_the_error_names_it(counts, tmp_path, monkeypatch):
    found = api.report(counts, output=tmp_path / "report", replicates=200)
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(UserError, match="pip install pandas"):
        found.to_pandas()


def test_scores_from_python_are_the_command_lines(tmp_path, capsys):
    rows = [{"response": rf"\boxed{{{n}}}", "reference": "4"} for n in (4, 5)]
    file = tmp_path / "rows.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    found = api.score(rows, "math")
    assert [row["score"] for row in found.rows] == [1.0, 0.0] and found.summary.accuracy == 0.5
    assert list(found.to_pandas()["status"]) == ["correct", "incorrect"]
    assert main(["score", str(file), "--verifier", "math", "--output", str(tmp_path / "out.jsonl")]) == 0
    assert [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()] == found.rows
    assert "accuracy 50.00%" in found._repr_html_()


def test_overrides_are_words_or_keys_with_values():
    given = {"train.steps": 10, "sampling.stop": ["Q:"], "train.stop.at": None}
    assert api.in_words(given) == ["train.steps=10", 'sampling.stop=["Q:"]', "train.stop.at=null"]
    assert api.in_words(["seed=1"]) == ["seed=1"]


def test_errors_are_the_command_lines(tmp_path):
    with pytest.raises(ConfigError, match="two models or more"):
        api.compare("tiny", on="quickstart")
    with pytest.raises(ConfigError, match="at least one model"):
        api.evaluate()
    with pytest.raises(ConfigError, match="at least one file"):
        api.report(output=tmp_path)
    with pytest.raises(ConfigError, match=r"describe 2 runs .*only `rlvr run`"):
        api.run("quickstart", ["seed=1,2"], output=tmp_path / "run")
    with pytest.raises(ConfigError, match="a config is needed"):
        api.run(None)
