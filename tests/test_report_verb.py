"""`rlvr report` by its options: each has the effect that --help names, and is refused where it can have none."""

import json
from pathlib import Path

import pytest

from rlvr import api
from rlvr.api import Source, folder_of
from rlvr.cli import main, parse
from rlvr.commands import _formats, _pair
from rlvr.config import ConfigError
from rlvr.rollouts.importers import Options


def rows(path: Path, right: int, **more) -> Path:
    """24 problems × 4 samples, `right` of 8 right by the column `acc`; a reward that is another number."""
    lines = [
        {
            "qid": f"p{i}",
            "acc": float((4 * i + j) % 8 < right),
            "reward": 3.0,
            "kind": "x" if i < 20 else "y",
            **more,
        }
        for i in range(24)
        for j in range(4)
    ]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def document(folder: Path) -> dict:
    return json.loads((folder / "report.json").read_text())


def test_every_option_of_files_reaches_the_report(tmp_path, capsys):
    files = [
        rows(tmp_path / f"{name}.jsonl", right) for name, right in (("base", 2), ("tuned", 4), ("late", 6))
    ]
    for file, heat in zip(files, (1.0, 0.5, 1.0), strict=True):
        file.with_suffix(".settings.json").write_text(json.dumps({"temperature": heat}))
    told = [*map(str, files), "--output", str(tmp_path / "out"), "--title", "My page", "--search-budget", "2"]
    told += ["--name", "tuned=Zoo", "--name", "late=Late", "--replicates", "150", "--map", "problem_id=qid"]
    told += ["--right", "acc>=0.5", "--where", "kind=x"]
    assert main(["report", *told]) == 2
    assert "temperature: 1.0 / 0.5" in capsys.readouterr().err and not (tmp_path / "out").exists()
    assert main(["report", *told, "--allow-mismatch"]) == 0
    said = capsys.readouterr().out
    assert said.startswith("My page\n") and said.endswith(f"Report: {tmp_path / 'out' / 'report.html'}\n")
    found = document(tmp_path / "out")
    assert (found["title"], found["base"], found["main"]) == ("My page", "base", "Zoo")
    assert list(found["policies"]) == ["base", "Zoo", "Late"] and list(found["comparisons"]) == ["Late"]
    assert found["analysis"] == {"replicates": 150, "seed": 0, "search_budget": 2}
    assert found["comparison"]["compression"]["search_budget"] == 2
    for name, rate in (("base", 0.25), ("Zoo", 0.5), ("Late", 0.75)):
        policy = found["policies"][name]
        assert (policy["n_problems"], policy["pass_at_k"]["1"]["value"]) == (20, pytest.approx(rate))
    assert any("--where left out 16 of 96 rows" in note for note in found["notes"])
    assert any("were compared although this differs: temperature" in note for note in found["notes"])


def counts(path: Path, right: int) -> Path:
    path.write_text("problem_id,n,c\n" + "".join(f"p{i},8,{right}\n" for i in range(24)))
    return path


def test_seeds_of_one_policy_are_one_method(tmp_path):
    files = [counts(tmp_path / f"{name}.csv", right) for name, right in (("b", 1), ("s1", 3), ("s2", 5))]
    told = ["report", *map(str, files), "--seeds", "--output", str(tmp_path / "out"), "--replicates", "100"]
    assert main([*told, "--name", "tuned=GRPO"]) == 0
    found = document(tmp_path / "out")
    assert {name: group["runs"] for name, group in found["groups"].items()} == {"GRPO": ["s1", "s2"]}
    assert found["groups"]["GRPO"]["quantities"]["gain"]["value"] == pytest.approx((2 / 8 + 4 / 8) / 2)
    assert found["title"] == "Runs"


def test_options_are_refused_where_they_have_no_effect(tmp_path):
    file, run = counts(tmp_path / "b.csv", 1), tmp_path / "run"
    run.mkdir()
    (run / "config.yaml").write_text("model: m\n")  # what makes a folder that of a run
    for given, words in (
        ({"paths": [file, file], "seeds": True}, "two or more seeds of one policy"),
        ({"paths": [run], "name": {"base": "x"}}, "--name: for files; run folders are called as they are"),
        ({"paths": [run, run], "seeds": True}, "--seeds: for files"),
        ({"paths": [run], "options": Options(right="1")}, "--right: for files of other systems"),
        ({"paths": [file], "name": {"tuned": "x"}}, "--name tuned=…: expected one of base"),
        ({"paths": [file, file], "name": {"c": "x"}}, "--name c=…: expected one of base, tuned$"),
    ):
        paths = given.pop("paths")
        with pytest.raises(ConfigError, match=words):
            api.report(*paths, output=tmp_path / "out", **given)


def test_how_files_of_other_systems_are_read_is_told_by_words():
    def options(*words):
        return _formats(parse(["report", "base.jsonl", *words]))

    assert options() == Options()
    assert options("--filter", "f", "--score", "acc", "--right", "1") == Options("f", "acc", "1")
    assert options("--right", "acc == 1").score == "acc" and options("--right", "acc == 1").right == "== 1"
    assert options("--right", ">=0.5") == Options(right=">=0.5")
    assert options("--score", "acc", "--right", "acc>=0.5") == Options(score="acc", right=">=0.5")
    columns = (("problem_id", "qid"), ("trace", "a=b"), ("answer", "y"))
    assert options("--map", "problem_id=qid,trace=a=b", "--map", "answer=y").columns == columns
    assert options("--where", "a=b,c", "--where", "d=1").where == (("a", "b,c"), ("d", "1"))
    convert = parse(["import", "a.jsonl", "--into", "b.jsonl", "--unjudged"])
    assert _formats(convert).unjudged is True and options().unjudged is False
    for words in (("--map", "qid"), ("--where", "kind")):
        with pytest.raises(ConfigError, match=rf"{words[0]} '{words[1]}': expected key=value"):
            options(*words)
    assert _pair("a=b=c", "--x") == ("a", "b=c")


def test_what_the_verbs_take_where_nothing_is_said():
    report = parse(["report", "base.jsonl"])
    assert (report.base, report.tuned, report.more, report.output) == (
        Path("base.jsonl"),
        None,
        [],
        Path("report"),
    )
    assert (report.search_budget, report.replicates, report.title, report.seeds) == (None, None, None, False)
    three = parse(["report", "a", "b", "c", "d"])
    assert (three.tuned, three.more) == (Path("b"), [Path("c"), Path("d")])
    show = parse(["show", "run"])
    assert (show.limit, show.seed, show.step, show.right, show.status, show.source, show.problem) == (
        5,
        *[None] * 6,
    )
    assert (
        parse(["show", "run", "--wrong"]).right is False and parse(["show", "run", "--right"]).right is True
    )
    watch = parse(["watch", "run"])
    assert (watch.every, watch.output, watch.run) == (30.0, None, Path("run"))
    listing = parse(["list"])
    assert (listing.folder, listing.json) == (Path("runs"), False)
    score = parse(["score", "f", "--verifier", "math"])
    assert (score.output, score.option, score.map, score.labels) == ("-", [], [], None)
    assert parse(["import", "a", "b", "--into", "c"]).files == [Path("a"), Path("b")]


@pytest.mark.parametrize(
    "words, said",
    [
        (["show", "run", "--limit", "-1"], "expected a whole number, 0 or more"),
        (["show", "run", "--limit", "x"], "expected a whole number, 0 or more"),
        (["watch", "run", "--every", "0"], "'0'; expected a number above 0"),
        (["watch", "run", "--every", "inf"], "expected a number above 0"),
        (["show", "run", "--right", "--wrong"], "not allowed with argument"),
        (["score", "f"], "required: --verifier"),
        (["report", "a", "b=c", "--wrong-option"], "unrecognized arguments: --wrong-option"),
        (["list", "runs", "x=1"], "unrecognized arguments: x=1"),
    ],
)
def test_words_that_mean_nothing_are_refused(words, said, capsys):
    with pytest.raises(SystemExit) as stopped:
        parse(words)
    assert stopped.value.code == 2 and said in capsys.readouterr().err


def test_overrides_may_stand_among_options():
    asked = parse(["run", "quickstart", "--output", "x", "train.steps=3", "-q", "seed=2"])
    assert (asked.config, asked.overrides, asked.quiet) == ("quickstart", ["train.steps=3", "seed=2"], True)


def test_where_a_run_lies():
    found = Source(Path("c.yaml"), Path(), Path("runs/c"))
    named, unnamed = (type("C", (), {"name": name}) for name in ("mine", None))
    assert folder_of(unnamed, found, None) == Path("runs/c")  # type: ignore[arg-type]
    assert folder_of(named, found, None) == Path("runs/mine")  # type: ignore[arg-type]
    assert folder_of(named, found, None, sweep=True) == Path("runs/mine-sweep")  # type: ignore[arg-type]
    assert folder_of(named, found, Path("x"), sweep=True) == Path("x")  # type: ignore[arg-type]
