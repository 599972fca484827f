"""Every key of the configuration has a test that shows what it does: a new key brings its own."""

from importlib import import_module
from pathlib import Path

from tests.contracts.keys import KEYS, SHOWN, shows


def test_every_key_has_a_test_that_shows_what_it_does():
    for file in sorted(Path(__file__).parent.glob("test_*.py")):
        import_module(f"tests.contracts.{file.stem}")
    missing = KEYS - SHOWN.keys()
    assert not missing, f"keys without a test in tests/contracts: {sorted(missing)}"


def test_the_sets_of_problems_and_trls_keys_are_among_them():
    assert {"problems.*.limit", "train.trl.beta", "train.stop.patience", "resume"} <= KEYS
    assert not {"train.trl", "problems.train", "sampling.vllm"} & KEYS


def test_a_test_of_a_key_that_does_not_exist_is_refused():
    try:
        shows("sampling.top_pp")
    except ValueError as error:
        assert "sampling.top_pp" in str(error)
    else:
        raise AssertionError("a key that does not exist was taken")
