"""The registry, and what every world in it promises."""

import subprocess
import sys

import pytest

from rlvr import worlds
from rlvr.config import SourceConfig
from rlvr.problems import ProblemError, load
from rlvr.worlds import NoLawError, Trace
from verifiers.types import Problem


@pytest.fixture(params=worlds.WORLDS.values(), ids=list(worlds.WORLDS))
def world(request):
    return request.param


class Toss:
    """One flip of a biased coin: a second world, with everything that the protocol asks for."""

    name = "toss"
    model = worlds.WORLDS["carry"].model
    splits = ("heldout",)
    strategies = ("flip",)

    def problems(self, split):
        if split not in self.splits:
            raise ValueError(f"unknown split {split!r} of the world toss; expected one of heldout")
        return [Problem("toss-0", "flip=", "heads")]

    def support(self, problem):
        return tuple(
            Trace(side, "flip", p, side == "heads", False) for side, p in (("heads", 0.7), ("tails", 0.3))
        )

    def is_right(self, problem, text):
        return text == problem.reference


def test_a_name_finds_its_world_and_a_bare_split_is_of_carry(world):
    assert worlds.WORLDS[world.name] is world
    assert "/" not in world.name
    for split in world.splits:
        assert worlds.find(f"{world.name}/{split}") == (world, split)
    assert worlds.find("rare") == (worlds.WORLDS["carry"], "rare")


@pytest.mark.parametrize("address", ["cary/heldout", "/heldout", "tiny/"])
def test_an_unknown_world_is_refused_with_the_known_ones(address):
    with pytest.raises(ValueError, match=f"unknown world {address.split('/')[0]!r}; .*carry"):
        worlds.find(address)


def test_a_second_world_is_found_by_its_name_and_carry_stays_the_default(monkeypatch):
    monkeypatch.setitem(worlds.WORLDS, "toss", Toss())
    (problem,) = load(SourceConfig(world="toss/heldout"))
    assert problem.prompt == "flip="
    assert load(SourceConfig(world="heldout"))[0].id == "heldout-0000"
    with pytest.raises(ProblemError, match=r"problems\.train\.world: unknown split 'rare' of the world toss"):
        load(SourceConfig(world="toss/rare"), "problems.train")
    with pytest.raises(ProblemError, match="unknown world 'coin'; expected one of carry, toss"):
        load(SourceConfig(world="coin/heldout"))


def test_splits_hold_distinct_problems_and_an_unknown_one_is_refused_by_name(world):
    problems = [problem for split in world.splits for problem in world.problems(split)]
    assert len({p.id for p in problems}) == len(problems) > 0
    assert world.problems(world.splits[0]) == world.problems(world.splits[0])
    with pytest.raises(ValueError, match=f"'nowhere' of the world {world.name}; .*{', '.join(world.splits)}"):
        world.problems("nowhere")


def test_every_problem_has_a_law_that_sums_to_one_or_says_that_it_has_none(world):
    lawful = 0
    for problem in [problem for split in world.splits for problem in world.problems(split)[:20]]:
        try:
            traces = world.support(problem)
        except NoLawError as error:
            assert problem.id in str(error)
            continue
        lawful += 1
        assert sum(t.probability for t in traces) == pytest.approx(1.0, abs=1e-12)
        assert {t.strategy for t in traces} <= set(world.strategies)
        assert [t.right for t in traces] == [world.is_right(problem, t.text) for t in traces]
    assert lawful


def test_the_model_of_a_world_is_a_folder_of_safetensors(world):
    assert {"config.json", "model.safetensors", "tokenizer.json"} <= {f.name for f in world.model.iterdir()}


def test_worlds_and_exact_tables_load_without_torch():
    code = (
        "import sys, rlvr.worlds.laws, rlvr.exact.table, rlvr.exact.compare\n"
        "assert not {'torch', 'transformers'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
