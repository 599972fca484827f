"""Whether two files may be compared: every setting that decides what is sampled or how it is judged must agree."""

import json
from dataclasses import replace

import pytest

from rlvr.errors import UserError
from rlvr.report import comparable
from rlvr.rollouts.evaluations import read

SETTINGS = {
    "temperature": 1.0,
    "top_p": 1.0,
    "top_k": 0,
    "min_p": None,
    "max_new_tokens": 64,
    "stop": [],
    "evidence": {"template": "plain", "shots": 0},
    "verifier": "math",
    "verifier_options": {},
    "sources": {"a": {"verifier": "math"}},
    "pass_mark": 1.0,
    "environment": None,
}
"""The settings that must agree, as one file has them."""
OTHER = {
    "temperature": 0.6,
    "top_p": 0.95,
    "top_k": 20,
    "min_p": 0.05,
    "max_new_tokens": 32,
    "stop": ["\n"],
    "evidence": {"template": "plain", "shots": 4},
    "verifier": "exact",
    "verifier_options": {"percent": "free"},
    "sources": {"a": {"verifier": "exact"}},
    "pass_mark": 0.5,
    "environment": {"name": "calculator", "turns": 3},
}
"""As the other file may have them."""
OF_THE_POLICY = {
    "policy": "tuned",
    "model": "another",
    "dtype": "float32",
    "seed": 2,
    "versions": {"torch": "x"},
}
ABSENT = {"pass_mark", "environment"}
"""Keys that files of before they existed lack, and what they were then is known."""


def pair(folder, base, tuned):
    found = []
    for name, settings in (("base", base), ("tuned", tuned)):
        path = folder / f"{name}.jsonl"
        path.write_text(json.dumps({"problem_id": "p", "sample": 0, "prompt": "1?", "score": 1}) + "\n")
        path.with_suffix(".settings.json").write_text(json.dumps(settings))
        found += read(path, name)
    return found


def without(key):
    return {k: v for k, v in SETTINGS.items() if k != key}


@pytest.mark.parametrize("key", SETTINGS)
def test_files_that_differ_in_a_setting_are_not_compared(tmp_path, key):
    base, tuned = pair(tmp_path, SETTINGS, SETTINGS | {key: OTHER[key]})
    for one, two in ((base, tuned), (tuned, base)):
        with pytest.raises(UserError, match=f"(?s)cannot be compared.*\n  {key}: "):
            comparable.check(one, two)
        (note,) = comparable.check(one, two, allow=True)
        assert f"were compared although this differs: {key}: " in note
    if key != "pass_mark":
        assert not comparable.check(base, tuned, besides=(key,))


def test_what_belongs_to_the_policy_may_differ(tmp_path):
    assert not comparable.check(*pair(tmp_path, SETTINGS, SETTINGS | OF_THE_POLICY))


@pytest.mark.parametrize("key", sorted(SETTINGS.keys() - ABSENT))
def test_a_setting_that_one_file_does_not_say_is_named(tmp_path, key):
    base, tuned = pair(tmp_path, SETTINGS, without(key))
    assert comparable.check(base, tuned) == [
        f"tuned.jsonl does not say its {key}: could not be checked against base."
    ]
    assert comparable.check(tuned, base)[0].startswith(f"tuned.jsonl does not say its {key}")


@pytest.mark.parametrize("key", sorted(ABSENT))
def test_what_an_older_file_does_not_say_is_known(tmp_path, key):
    base, tuned = pair(tmp_path, SETTINGS, without(key))
    assert not comparable.check(base, tuned)
    base, tuned = pair(tmp_path, SETTINGS | {key: OTHER[key]}, without(key))
    with pytest.raises(UserError, match=f"(?s)cannot be compared.*\n  {key}: "):
        comparable.check(base, tuned)


def test_what_is_noted_of_two_files_of_one_name_names_it_once(tmp_path):
    """As an evaluation harness calls them, in a folder for each model."""
    found = []
    for name in ("base", "tuned"):
        (tmp_path / name).mkdir()
        (evaluation,) = pair(tmp_path / name, SETTINGS, SETTINGS)[:1]
        found.append(replace(evaluation, notes=("base.jsonl: read as ours", f"of {name}")))
    assert comparable.notes(found) == ["base.jsonl: read as ours", "of base", "of tuned"]


def test_the_list_of_settings_is_whole():
    assert set(comparable.MUST_AGREE) | ABSENT == SETTINGS.keys()
