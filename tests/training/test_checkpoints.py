"""Checkpoints by themselves: what is committed, what is noticed, what is kept."""

import errno
import json
import os

import pytest

from rlvr.errors import UserError
from rlvr.training.checkpoints import Checkpoints, damage, given


class Part:
    """A part of the run that has state."""

    def __init__(self, value: int = 0) -> None:
        self.value = value

    def state_dict(self):
        return {"value": self.value}

    def load_state_dict(self, state):
        self.value = state["value"]


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def checkpoints(tmp_path, said) -> Checkpoints:
    return Checkpoints(tmp_path / "checkpoints", keep=2, say=said.append)


def save(checkpoints: Checkpoints, step: int, score: float | None = None, size: int = 10) -> None:
    def write() -> None:
        folder = checkpoints.staging / f"checkpoint-{step}"
        folder.mkdir()
        (folder / "model.safetensors").write_bytes(bytes([step]) * 1000)
        (folder / "optimizer.pt").write_bytes(b"o" * 500)

    checkpoints.save(step, size, write, score)


def steps(checkpoints: Checkpoints) -> list[int]:
    return [c.step for c in checkpoints.all()]


def test_what_was_saved_is_whole_and_the_newest(checkpoints):
    for step in (1, 2):
        save(checkpoints, step)
    found = checkpoints.newest()
    assert found is not None and found.step == 2 and damage(found.path) is None
    assert {p.name for p in found.path.iterdir()} == {
        "model.safetensors",
        "optimizer.pt",
        "state.json",
        "manifest.json",
    }
    assert not checkpoints.staging.joinpath("checkpoint-2").exists()


def flip(folder):
    data = bytearray((folder / "model.safetensors").read_bytes())
    data[500] ^= 1
    (folder / "model.safetensors").write_bytes(data)


DAMAGE = {
    "a flipped bit": (flip, "model.safetensors is not what was written"),
    "a torn file": (
        lambda f: os.truncate(f / "optimizer.pt", 499),
        "optimizer.pt has 499 bytes, 500 were written",
    ),
    "a missing file": (lambda f: (f / "optimizer.pt").unlink(), "optimizer.pt is missing"),
    "a planted file": (
        lambda f: (f / "pytorch_model.bin").write_bytes(b"x"),
        "pytorch_model.bin does not belong",
    ),
    "a planted link": (
        lambda f: (f / "rng_state.pth").symlink_to("/etc/passwd"),
        "rng_state.pth does not belong",
    ),
    "no manifest": (lambda f: (f / "manifest.json").unlink(), "has no manifest.json"),
    "a torn manifest": (lambda f: os.truncate(f / "manifest.json", 30), "manifest.json cannot be read"),
    "another manifest": (
        lambda f: (f / "manifest.json").write_text('{"files": [1], "step": 2}'),
        "cannot be read",
    ),
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_damage_is_noticed_named_and_stepped_around(checkpoints, said, kind):
    for step in (1, 2):
        save(checkpoints, step)
    harm, words = DAMAGE[kind]
    harm(checkpoints.folder / "checkpoint-2")
    found = checkpoints.newest()
    assert found is not None and found.step == 1
    assert len(said) == 1 and "checkpoint-2 is damaged" in said[0] and words in said[0]
    assert (checkpoints.folder / "checkpoint-2.damaged").is_dir()
    save(checkpoints, 2)
    assert steps(checkpoints) == [1, 2]


def test_the_last_ones_stay_and_the_best(checkpoints):
    for step, score in enumerate([None, 0.3, None, 0.6, None, 0.6, 0.5, None], start=1):
        save(checkpoints, step, score)
    assert steps(checkpoints) == [4, 7, 8]
    assert [(c.step, c.score) for c in checkpoints.scored()] == [(4, 0.6), (7, 0.5)]


def test_the_best_is_the_earliest_of_the_highest_and_whole(checkpoints, said):
    assert checkpoints.best() is None
    for step, score in enumerate([0.2, 0.6, 0.6], start=1):
        save(checkpoints, step, score)
    best = checkpoints.best()
    assert best is not None and best.step == 2
    flip(best.path)
    best = checkpoints.best()
    assert best is not None and best.step == 3
    assert len(said) == 1 and "checkpoint-2 is damaged" in said[0]


def test_a_checkpoint_that_is_saved_again_has_the_score_that_came_meanwhile(checkpoints):
    """A run stopped in an evaluation saves before it has a score, and again when it has gone on."""
    save(checkpoints, 1)
    save(checkpoints, 1, 0.5)
    assert [(c.step, c.score) for c in checkpoints.all()] == [(1, 0.5)]
    assert [p.name for p in checkpoints.folder.iterdir()] == ["checkpoint-1"]


def test_a_save_that_fails_leaves_the_older_ones(checkpoints):
    save(checkpoints, 1)

    def fails() -> None:
        (checkpoints.staging / "checkpoint-2").mkdir()
        raise RuntimeError("killed")

    with pytest.raises(RuntimeError):
        checkpoints.save(2, 10, fails)
    found = checkpoints.newest()
    assert found is not None and found.step == 1
    assert not checkpoints.staging.exists()


def test_a_checkpoint_larger_than_the_disk_is_not_begun(checkpoints):
    save(checkpoints, 1)
    with pytest.raises(OSError, match=r"no space left for checkpoint-2: it takes .* MB are free") as caught:
        save(checkpoints, 2, size=1 << 60)
    assert caught.value.errno == errno.ENOSPC
    assert steps(checkpoints) == [1]


def test_the_state_of_every_part_comes_back(checkpoints):
    checkpoints.parts["curriculum"] = Part(7)
    save(checkpoints, 1)
    found = checkpoints.newest()
    part = checkpoints.parts["curriculum"] = Part()
    checkpoints.restore(found)
    assert part.value == 7
    checkpoints.parts["another"] = Part()
    with pytest.raises(UserError, match="nothing for 'another'"):
        checkpoints.restore(found)


def test_resume_from_a_path(checkpoints, tmp_path, said):
    for step in (1, 2):
        save(checkpoints, step)
    assert given(checkpoints.folder / "checkpoint-1").step == 1
    assert given(tmp_path).step == 2
    flip(checkpoints.folder / "checkpoint-2")
    assert given(tmp_path).step == 1
    for path, words in (
        ("checkpoints/checkpoint-2", "is not what was written"),
        ("nowhere", "there is none"),
    ):
        with pytest.raises(UserError, match=words):
            given(tmp_path / path)


def test_a_line_that_began_at_a_path_goes_on_from_its_own(tmp_path, said):
    from rlvr.training.build import start

    folder = tmp_path / "checkpoints"
    for step in (1, 2, 3):
        save(Checkpoints(folder, 5, said.append), step)
    there = str(folder / "checkpoint-1")
    line = Checkpoints(folder, 1, said.append)
    first = start(line, there)
    assert first is not None and first.step == 1 and steps(line) == [1]
    save(line, 2)
    again = Checkpoints(folder, 1, said.append)
    found = start(again, there)
    assert found is not None and found.step == 2 and again.origin == first.identity
    for step in (3, 4):
        save(again, step)
    assert steps(again) == [1, 4]  # where the line began stays, so that the same command goes on
    assert json.loads((folder / "checkpoint-4" / "manifest.json").read_text())["origin"] == first.identity
    auto = Checkpoints(folder, 1, said.append)
    found = start(auto, "auto")
    assert found is not None and found.step == 4 and auto.origin == first.identity
