"""A run's sets of problems: none of the training set is in another, in any spelling; and which rows a seed takes."""

import pytest

from rlvr.problems import ProblemError, load, load_all, normalise, refuse_overlap
from tests.test_problems import ROWS, jsonl, source
from verifiers import Problem


@pytest.mark.parametrize(
    "one, other",
    [("Straße 7?", "STRASSE 7?"), ("Ὀδυσσεύς?", "ὈΔΥΣΣΕΎΣ?"), ("ﬁve?", "FIVE?"), ("Ångström", "ÅNGSTRÖM")],
)
def test_case_is_forgotten_in_every_script(one, other):
    assert normalise(one) == normalise(other)
    train, held = [Problem("t", one, "1")], [Problem("h", other, "1")]
    with pytest.raises(ProblemError, match="t = h"):
        refuse_overlap(train, held, "problems.heldout")


@pytest.mark.parametrize("shared", ["heldout", "near", "far"])
def test_no_training_problem_is_in_any_set_of_an_evaluation(tmp_path, shared):
    names = ("heldout", "near", "far")
    sets = {name: [{"q": f"{name} {i}", "a": i} for i in range(3)] for name in names}
    sets[shared].append({"q": "What is 1 + 1?", "a": 2})
    files = {name: source(jsonl(tmp_path / f"{name}.jsonl", rows)) for name, rows in sets.items()}
    train = source(jsonl(tmp_path / "train.jsonl", ROWS))
    probes = {name: files[name] for name in ("near", "far")}
    where = "problems.heldout" if shared == "heldout" else f"problems.probes.{shared}"
    with pytest.raises(ProblemError, match=rf"shares 1 problems with {where}"):
        load_all(train, files["heldout"], probes)


def test_every_shuffle_seed_takes_another_subset_and_the_same_one_again(tmp_path):
    file = jsonl(tmp_path / "rows.jsonl", [{"q": f"{i}?", "a": i} for i in range(40)])
    taken = [tuple(p.id for p in load(source(file, shuffle_seed=seed, limit=10))) for seed in range(5)]
    assert len({frozenset(ids) for ids in taken}) == 5
    assert taken[3] == tuple(p.id for p in load(source(file, shuffle_seed=3, limit=10)))
    every = [p.id for p in load(source(file, shuffle_seed=1))]
    assert every != sorted(every, key=lambda name: int(name.split("-")[1])) and len(set(every)) == 40
