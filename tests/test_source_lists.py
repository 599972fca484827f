"""Sets from several sources: names, verifiers, ids, overlap; and a verifier that judges nothing of one of them."""

import json

import pytest
import yaml

from rlvr import config as configuration
from rlvr.config import Cell, Config, ConfigError
from rlvr.errors import RunError
from rlvr.problems import ProblemError, load_all
from rlvr.run import Run, differences, write_config
from rlvr.source_verifiers import verifiers_of
from rlvr.sweep import Part, _sibling
from rlvr.verdict_health import Outcome, UnjudgedMonitor
from verifiers import Problem
from verifiers.pool import VerifierPools

HELDOUT = {"world": "heldout"}


def config(train=None, heldout=HELDOUT, **more) -> Config:
    return Config.model_validate({"problems": {"train": train, "heldout": heldout}} | more)


def rows(path, *pairs):
    path.write_text("".join(json.dumps({"id": i, "prompt": p, "reference": "1"}) + "\n" for i, p in pairs))
    return {"file": str(path), "id": "id"}


# ------------------------------------------------------------------ config


def test_a_source_of_a_list_is_named_after_what_it_is():
    sources = [
        {"dataset": "openai/gsm8k", "split": "train"},
        {"file": "data/aime.jsonl"},
        {"generator": "chain_sum"},
        {"world": "carry/train"},
        {"file": "other/aime.jsonl"},
        {"file": "x.jsonl", "name": "own"},
    ]
    names = [source.name for source in configuration.each(config(sources).problems.train)]
    assert names == ["gsm8k", "aime", "chain_sum", "world-carry-train", "aime-2", "own"]


def test_one_source_has_a_name_only_where_it_has_a_verifier_of_its_own():
    plain, own = config(HELDOUT), config(HELDOUT | {"verifier": "numeric"})
    assert (
        configuration.each(plain.problems.train)[0].name is None
        and plain.model_dump()["problems"]["train"]["name"] is None
    )
    assert configuration.each(own.problems.train)[0].name == "world-heldout"
    probes = {"rare": {"world": "rare", "verifier": "numeric"}, "plain": {"world": "rare"}}
    named = Config.model_validate({"problems": {"heldout": HELDOUT, "probes": probes}}).problems.probes
    assert (named["rare"].name, named["plain"].name) == ("rare", None)


@pytest.mark.parametrize(
    ("problems", "message"),
    [
        ({"train": []}, "train: the list is empty"),
        ({"heldout": []}, "heldout: the list is empty"),
        (
            {"train": [{"file": "a.jsonl", "weight": 1}, {"file": "b.jsonl"}]},
            "1 of 2 sources have a `weight`",
        ),
        ({"train": [{"file": "a.jsonl", "weight": 0}]}, r"problems\.train\.0\.weight: .* greater than 0"),
        ({"heldout": {"file": "a.jsonl", "weight": 1}}, "heldout: `weight` is for problems.train"),
        ({"train": [{"file": "a.jsonl", "name": "x"}, {"file": "b.jsonl", "name": "x"}]}, "are called 'x'"),
        ({"train": [{"file": "a.jsonl", "name": "a/b"}]}, r"problems\.train\.0\.name: 'a/b' cannot be part"),
        (
            {"train": [{"file": "a.jsonl"}, {"fiel": "b.jsonl"}]},
            r"train\.1\.fiel: unknown key; did you mean 'file'",
        ),
        ({"train": ["a.jsonl"]}, r"problems\.train\.0: .*; found 'a.jsonl'"),
    ],
)
def test_faults_of_a_list_are_told(problems, message):
    with pytest.raises(ConfigError, match=message):
        configuration.validate({"problems": {"heldout": HELDOUT} | problems}, "c.yaml")


def test_overrides_reach_into_a_list(tmp_path):
    file = tmp_path / "c.yaml"
    sources = [{"file": "a.jsonl", "weight": 0.7}, {"file": "b.jsonl", "weight": 0.3}]
    file.write_text(yaml.safe_dump({"problems": {"train": sources, "heldout": HELDOUT}}))
    loaded = configuration.load(file, ["problems.train.1.limit=5", "problems.train.0.weight=2"])
    first, second = configuration.each(loaded.problems.train)
    assert (first.weight, second.limit) == (2, 5)
    for key, wrong in (("2.limit", "2"), ("x", "x")):
        with pytest.raises(ConfigError, match=f"'{wrong}' is no entry of a list of 2; expected 0 to 1"):
            configuration.load(file, [f"problems.train.{key}=5"])
    again = tmp_path / "again.yaml"
    again.write_text(yaml.safe_dump(loaded.model_dump(mode="json")))
    assert configuration.load(again) == loaded


def test_a_source_is_not_called_like_a_term_of_the_reward():
    sources = [{"file": "a.jsonl", "name": "format"}, {"file": "b.jsonl"}]
    with pytest.raises(ValueError, match="'format' is called like a term of the reward"):
        Config.model_validate(
            {
                "problems": {"train": sources, "heldout": HELDOUT},
                "train": {"rewards": [{"verifier": "format", "weight": 0.1}]},
            }
        )


def test_a_difference_inside_a_list_is_named_by_its_key():
    sources = [{"file": "a.jsonl", "weight": 1}, {"file": "b.jsonl", "weight": 1}]
    other = [sources[0], sources[1] | {"weight": 2}]
    assert differences(config(sources), config(other)) == ["problems.train.1.weight: 1.0 / 2.0"]


def test_cells_of_a_sweep_over_weights_share_the_evaluation_of_the_base(tmp_path):
    sources = [{"file": "a.jsonl", "weight": 1}, {"file": "b.jsonl", "weight": 1}]
    parts = []
    for name, weight in (("one", 1), ("two", 2)):
        asked = config([sources[0], sources[1] | {"weight": weight}])
        (tmp_path / name).mkdir()
        write_config(asked, tmp_path / name / "config.yaml")
        parts.append(Part(Cell(name, ()), asked, Run(tmp_path / name)))
    (tmp_path / "one" / "report.html").touch()
    assert parts[0].state == "finished" and _sibling(parts[1], parts) == parts[0].run


# ------------------------------------------------------------------ verifiers


def test_each_source_has_its_verifier_and_the_options_that_are_meant_for_it():
    sources = [
        {"file": "a.jsonl"},
        {"file": "b.jsonl", "verifier": "code"},
        {"file": "c.jsonl", "verifier_options": {"x": 1}},
        {"file": "d.jsonl", "verifier": "code", "verifier_options": {"level": "weak"}},
    ]
    found = verifiers_of(config(sources, verifier="math+reasoning", verifier_options={"y": 2}))
    assert {name: (v.name, v.options) for name, v in found.items()} == {
        "": ("math+reasoning", {"y": 2}),  # of the held-out set
        "a": ("math+reasoning", {"y": 2}),
        "b": ("code", {}),
        "c": ("math+reasoning", {"x": 1}),
        "d": ("code", {"level": "weak"}),
    }


def test_a_name_stands_for_one_verifier():
    sources = [{"file": "x/gsm8k.jsonl"}, {"file": "y.jsonl"}]
    other = [{"file": "z/gsm8k.jsonl", "verifier": "numeric"}]
    with pytest.raises(ConfigError, match=r"problems\.heldout\.0 and problems\.train\.0: .* called 'gsm8k'"):
        verifiers_of(config(sources, other))


def test_pools_judge_by_source_and_share_the_workers():
    of = {"": ("math", {}), "math": ("math", {}), "text": ("exact", {})}
    with VerifierPools(of, workers=5) as pools:
        assert [pool._settings.workers for pool in pools.pools] == [3, 2]
        half = Problem("p", "?", "1/2")
        items = [
            (Problem("p", "?", "1/2", source=source), "so \\boxed{0.5}") for source in ("", "math", "text")
        ]
        assert [verdict.status for verdict in pools.score(items)] == ["correct", "correct", "incorrect"]
        with pytest.raises(ValueError, match="its source 'other' has no verifier"):
            pools.submit(Problem(half.id, "?", "1", source="other"), "1")


# ------------------------------------------------------------------ loading


def test_ids_stay_as_they_are_unless_a_source_before_has_them(tmp_path):
    first = rows(tmp_path / "a.jsonl", ("1", "p"), ("2", "q"))
    second = rows(tmp_path / "b.jsonl", ("2", "r"), ("3", "s"))
    third = rows(tmp_path / "c.jsonl", ("9", "t"))
    loaded = load_all(config([first, second, third]).problems.train, None)
    assert [(p.id, p.source) for p in loaded.train] == [
        ("1", "a"), ("2", "a"), ("b/2", "b"), ("b/3", "b"), ("9", "c"),
    ]  # fmt: skip
    assert loaded.notes == (
        "problems.train.1: 1 ids of b are in a source before it, so its problems are called b/ID",
    )


def test_overlap_is_found_whatever_the_source(tmp_path):
    train = [rows(tmp_path / "a.jsonl", ("1", "p")), rows(tmp_path / "b.jsonl", ("2", "What is  2+2?"))]
    heldout = [rows(tmp_path / "c.jsonl", ("3", "q")), rows(tmp_path / "d.jsonl", ("4", "what is 2+2?"))]
    loaded = config(train, heldout).problems
    with pytest.raises(ProblemError, match=r"shares 1 problems with problems\.heldout .*\n  2 = 4: "):
        load_all(loaded.train, loaded.heldout)


def test_a_fault_names_the_source_of_the_list(tmp_path):
    train = [rows(tmp_path / "a.jsonl", ("1", "p")), {"file": str(tmp_path / "none.jsonl")}]
    with pytest.raises(ProblemError, match=r"problems\.train\.1\.file: there is no file"):
        load_all(config(train).problems.train, None)


# ------------------------------------------------------------------ missing verdicts

BAD, GOOD = "error: no sandbox", ""


def outcomes(**of: str) -> list[Outcome]:
    return [Outcome(why == GOOD, why, name) for name, why in of.items()]


def test_a_source_that_is_not_judged_stops_a_run_in_which_most_is():
    monitor = UnjudgedMonitor(0.5, least=4, rolling=True)
    block = outcomes(math=GOOD) * 9 + outcomes(code=BAD)
    for step in range(3):
        monitor.see(block, f"step {step}")
    with pytest.raises(
        RunError, match=r"step 3: 4 of the last 4 responses to problems of code could not be judged"
    ):
        monitor.see(block, "step 3")


def test_a_small_source_of_an_evaluation_is_not_waited_for():
    monitor = UnjudgedMonitor(0.5, least=80, totals={"math": 200, "code": 20})
    monitor.see(outcomes(math=GOOD) * 200, "base")
    with pytest.raises(RunError, match="20 of the last 20 responses to problems of code"):
        monitor.see(outcomes(code=BAD) * 20, "base")


def test_a_resumed_run_remembers_enough_of_every_source():
    seen = iter(range(100))
    blocks = ([*outcomes(math=GOOD) * 9, *outcomes(code=BAD)] for _ in seen)
    monitor = UnjudgedMonitor(0.5, least=4, rolling=True)
    monitor.remember(blocks, ["math", "code"])
    assert next(seen) == 4  # files read: the fourth had the fourth of `code`
    with pytest.raises(RunError, match="of code"):
        monitor.see(outcomes(math=GOOD), "step 5")
