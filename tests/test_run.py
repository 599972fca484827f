import signal
import sys

import pytest

from rlvr import config as configuration
from rlvr.config import ConfigError
from rlvr.launch import signals
from rlvr.run import differences, open_run, read_metrics
from tests.conftest import quickstart_config


def test_a_new_folder_gets_every_key_and_the_versions(tmp_path):
    config = quickstart_config()
    run = open_run(config, tmp_path / "a" / "run")
    text = (run.folder / "config.yaml").read_text()
    assert configuration.load(run.folder / "config.yaml") == config
    assert "# torch " in text and "# python " in text


def test_the_same_configuration_goes_on(tmp_path):
    config = quickstart_config()
    open_run(config, tmp_path)
    (tmp_path / "rollouts" / "base.jsonl").write_text("")
    (tmp_path / "metrics.jsonl").write_text('{"step": 1}\n')
    before = {file: file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()}
    assert open_run(config, tmp_path).folder == tmp_path
    assert {file: file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()} == before


def test_another_one_is_refused_and_the_keys_are_named(tmp_path):
    open_run(quickstart_config(), tmp_path)
    (tmp_path / "rollouts" / "base.jsonl").write_text("")
    with pytest.raises(ConfigError, match="seed: 0 / 7"):
        open_run(quickstart_config(seed=7), tmp_path)


def test_a_run_that_never_drew_anything_is_replaced(tmp_path):
    open_run(quickstart_config(), tmp_path)
    (tmp_path / "log.txt").write_text("could not load the model")
    open_run(quickstart_config(seed=7), tmp_path)
    assert configuration.load(tmp_path / "config.yaml").seed == 7


def test_somebody_elses_folder_is_left_alone(tmp_path):
    (tmp_path / "thesis.tex").write_text("")
    with pytest.raises(ConfigError, match="something else"):
        open_run(quickstart_config(), tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["thesis.tex"]


def test_differences_name_nested_keys():
    a, b = quickstart_config(), quickstart_config()
    b = b.model_copy(update={"train": b.train.model_copy(update={"steps": 3})})
    assert differences(a, b) == ["train.steps: 60 / 3"]


def test_a_torn_last_line_of_metrics_is_left_out(tmp_path):
    (tmp_path / "m.jsonl").write_text('{"step": 1}\n{"step": 2')
    assert read_metrics(tmp_path / "m.jsonl") == [{"step": 1}]
    assert read_metrics(tmp_path / "none.jsonl") == []


def test_what_a_power_cut_left_after_the_rows_asked_for_is_not_read(tmp_path):
    (tmp_path / "m.jsonl").write_bytes(b'{"step": 1}\n\0\0\0\n')
    assert read_metrics(tmp_path / "m.jsonl", 1) == [{"step": 1}]


class Store:
    """The store of a launch, without processes."""

    def __init__(self) -> None:
        self.values: dict[str, str] = {}

    def set(self, key: str, value: str) -> None:
        self.values[key] = value

    def check(self, keys: list[str]) -> bool:
        return all(key in self.values for key in keys)

    def get(self, key: str) -> bytes:
        return self.values[key].encode()


def test_a_signal_of_another_process_ends_what_each_does_for_itself(monkeypatch):
    monkeypatch.setattr(signals, "POLL_SECONDS", 0.0)
    store, went_on = Store(), False
    with signals.orderly():
        with signals.independently(store):
            signals.check_stop()
            store.set(signals.KEY, "15")
            signals.check_stop()
            went_on = True
        assert (went_on, signals.asked()) == (False, 15)
        signals.check_stop()  # outside of such a block it is a matter for all together
    with signals.orderly():
        assert signals.asked() is None


def test_a_signal_of_its_own_reaches_the_others(monkeypatch):
    monkeypatch.setattr(signals, "POLL_SECONDS", 0.0)
    monkeypatch.setenv("WORLD_SIZE", "2")
    store = Store()
    with signals.orderly():
        signal.raise_signal(signal.SIGHUP)  # noted, where others count on this process
        with signals.independently(store):
            signals.check_stop()
            pytest.fail("it was asked to stop")
        assert store.values == {signals.KEY: "1"}


def test_a_signal_that_a_finalizer_swallowed_still_stops_the_run(monkeypatch):
    """Python ignores what is raised in `__del__`: the next look of a long loop has to raise it again."""
    monkeypatch.setattr(sys, "unraisablehook", lambda lost: None)

    class Finalized:
        def __del__(self) -> None:
            signal.raise_signal(signal.SIGTERM)

    with signals.orderly():
        Finalized()
        assert signals.asked() == signal.SIGTERM
        signals.hold()
        signals.check_stop()  # an update is not cut in two
        signals.reset()
        with pytest.raises(signals.Interrupted) as stop:
            signals.check_stop()
        assert stop.value.code == 143
    assert signals.asked() is None
