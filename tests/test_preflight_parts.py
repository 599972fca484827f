"""What is checked and foretold before a run, by hand: shares of golds, disk and memory, shapes, footprints, phases."""

from __future__ import annotations

import math
from collections import namedtuple
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from transformers import MixtralConfig, MixtralForCausalLM

from rlvr import machine
from rlvr.config import SamplingConfig, SandboxConfig, TrainConfig
from rlvr.errors import UserError
from rlvr.preflight import Preflight, footprint, foretold, golds, parts, training
from rlvr.preflight.cost import Length, count, phases, unknown
from rlvr.preflight.devices import DEVICES, NETWORK, Cluster
from rlvr.preflight.footprint import Job
from rlvr.preflight.shape import Shape
from rlvr.problems import Problems
from rlvr.source_verifiers import SourceVerifier
from tests.conftest import quickstart_config
from tests.test_estimate import TRIAL, changed
from tests.test_plan import QWEN, job
from verifiers import Problem

# ------------------------------------------------------------------ golds


def golden(**keys: Any) -> Any:
    whole = {
        "tested": 10, "unjudged": [], "gold": "reference", "share_unverifiable": 0.0, "unverifiable": [],
        "share_accepted": 1.0, "own_refused": [("p3", "incorrect")], "share_wrong_accepted": 0.0,
        "wrong_accepted": [("p4", "pass")],
    }  # fmt: skip
    return SimpleNamespace(**whole | keys)


def refused(check: Any, *args: Any) -> str:
    try:
        check(*args)
    except UserError as error:
        return str(error)
    return ""


def test_golds_are_refused_beyond_their_shares_and_not_at_them():
    five = [(f"p{n}", "error") for n in range(5)]
    assert refused(golds.check_judged, golden(unjudged=five), 0.5) == ""
    said = refused(golds.check_judged, golden(unjudged=[*five, ("p9", "x")]), 0.5, "gsm8k")
    assert said.startswith(
        "source gsm8k: 6 of the data's own 10 references could not be judged, first that of p0"
    )
    assert "allows 50%" in said and refused(golds.check_judged, golden(unjudged=five), 1.0) == ""
    bad = {"unverifiable": [("p1", "x"), ("p2", "x")], "share_unverifiable": 0.2}
    assert refused(golds.check_references, golden(**bad), 0.2) == ""
    assert "2 references (20%) can be equalled by no answer, first that of p1" in refused(
        golds.check_references, golden(**bad), 0.19
    )
    assert "2 problems (20%) have tests that cannot be used" in refused(
        golds.check_references, golden(**bad, gold="solution"), 0.1
    )
    assert refused(golds.check_answers, golden(share_accepted=0.9), 0.9) == ""
    assert "accepts 90% of the data's own references" in refused(
        golds.check_answers, golden(share_accepted=0.9), 0.91
    )
    assert refused(golds.check_answers, golden(share_wrong_accepted=0.25), 0.75) == ""
    assert "26% of the programs that are wrong on purpose are accepted, first for p4" in refused(
        golds.check_answers, golden(share_wrong_accepted=0.26), 0.75
    )


def test_where_some_are_tried_three_standard_errors_are_allowed():
    some = [Problem("p", "", "")] * 100
    assert golds.slack(0.1, some, all_of_them=True) == 0
    assert golds.slack(0.1, some, all_of_them=False) == pytest.approx(3 * math.sqrt(0.1 * 0.9 / 100))
    assert golds.slack(0.0, some, all_of_them=False) == 0


# ------------------------------------------------------------------ this machine

Usage = namedtuple("Usage", "total used free")
GB = 10**9


def state(folder: Path, limit: int | None = 2, checkpoint: int = GB, **train: Any) -> Preflight:
    made = Preflight(quickstart_config(train=TrainConfig.model_validate(train)), folder, None, True, print)
    made.sizes = SimpleNamespace(checkpoint=checkpoint, model=3 * GB, in_memory=5 * GB)
    made.arguments = SimpleNamespace(save_total_limit=limit)
    return made


@pytest.mark.parametrize(
    ("limit", "train", "kept"),
    [
        (2, {"steps": 100, "checkpoint_every": 10}, 3),  # two stay while one is written
        (2, {"steps": 100, "checkpoint_every": 0}, 1),
        (2, {"steps": 100, "checkpoint_every": 60}, 2),
        (2, {"steps": 100, "checkpoint_every": 10, "eval_every": 20}, 4),  # and the best
        (0, {"steps": 100, "checkpoint_every": 30}, 4),  # all stay
        (0, {"steps": 7}, 7),  # as often as after every step
        (0, {"steps": 100, "checkpoint_every": 0, "eval_every": 30}, 4),  # each evaluation may be the best
        (0, {"steps": 90, "checkpoint_every": 0, "eval_every": 30}, 3),  # after the last there is none
    ],
)
def test_the_disk_holds_the_checkpoints_that_stay_one_more_and_the_model(
    tmp_path, monkeypatch, limit, train, kept
):
    monkeypatch.setattr("shutil.disk_usage", lambda path: Usage(0, 0, (kept + 3) * GB))
    (said,) = training.disk(state(tmp_path, limit, **train))
    words = f"{kept} checkpoint{'s' * (kept > 1)} of 1.0 GB and the model need {kept + 3}.0 GB"
    assert said == f"disk: {words}; {kept + 3}.0 GB are free"
    monkeypatch.setattr("shutil.disk_usage", lambda path: Usage(0, 0, (kept + 3) * GB - 1))
    with pytest.raises(UserError, match="Choose another disk, or keep less"):
        list(training.disk(state(tmp_path, limit, **train)))


def test_what_the_run_has_written_already_counts_as_free(tmp_path, monkeypatch):
    for name, size in (
        ("checkpoints/checkpoint-1/a", 10),
        ("model/b", 5),
        ("rollouts/c", 100),
        ("report.html", 100),
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"x" * size)
    assert training.already(tmp_path) == 15 and training.already(tmp_path / "none") == 0
    made = state(tmp_path, steps=1, checkpoint=10)
    made.sizes.model = 5
    monkeypatch.setattr("shutil.disk_usage", lambda path: Usage(0, 0, 0))
    assert len(list(training.disk(made))) == 1


def test_the_memory_holds_weights_gradients_and_optimiser(tmp_path, monkeypatch):
    for total, fits in ((5 * GB, True), (5 * GB - 1, False), (0, True)):
        monkeypatch.setattr("rlvr.policy.memory_of", lambda kind, total=total: (total, 4 * GB))
        if fits:
            (said,) = training.memory(state(tmp_path, steps=1))
            assert said == "memory: 5.0 GB for weights, gradients and optimiser" + (
                "; 4.0 GB of 5.0 GB are free" if total else ""
            )
        else:
            with pytest.raises(UserError, match=r"are more than the 5.0 GB of memory of this"):
                list(training.memory(state(tmp_path, steps=1)))
        by_two = state(tmp_path, steps=1)
        by_two.to_train = 2  # in processes that are not there yet; at the least half for each
        assert next(training.memory(by_two)).startswith("memory: 2.5 GB for weights")


def test_a_folder_that_cannot_be_is_named(tmp_path):
    (tmp_path / "file").touch()
    assert parts.existing(tmp_path / "a" / "b") == tmp_path
    with pytest.raises(UserError, match=rf"--output {tmp_path}/file/run: Not a directory: {tmp_path}/file"):
        list(parts.folder(Preflight(quickstart_config(), tmp_path / "file" / "run", None, True, print)))
    (said,) = parts.folder(Preflight(quickstart_config(), tmp_path / "new", None, True, print))
    assert said == f"output folder {tmp_path}/new: free"
    assert list(parts.folder(Preflight(quickstart_config(), None, None, True, print))) == []


def test_steps_are_those_that_the_command_would_take():
    config = quickstart_config(train=TrainConfig(steps=7))
    assert Preflight(config, None, None, True, print).steps == 7
    evaluates = Preflight(config, None, None, False, print)
    assert evaluates.steps == 0
    other = evaluates.asking(quickstart_config(seed=9))
    assert other.config.seed == 9 and evaluates.config.seed == 0
    names = {"auto": False, "never": False, "runs/x": True}
    assert {n: parts.names_checkpoint(quickstart_config(resume=n)) for n in names} == names


@pytest.mark.parametrize(
    ("engine", "training", "said"),
    [("http", False, "set sampling.servers"), ("auto", True, ""), ("transformers", True, "")],
)
def test_an_engine_that_cannot_sample_is_refused(engine, training, said):
    found = refused(parts.check_engine, SamplingConfig(engine=engine), training)
    assert said in found if said else not found


@pytest.mark.parametrize(
    ("verifier", "options", "machine_has", "level"),
    [
        ("math", {}, "weak", None),
        ("code", {}, "weak", "weak"),
        ("code", {}, "strong", "strong"),
        ("code", {"level": "standard"}, "weak", "standard"),
        ("math+code", {"level": "weak"}, "strong", "weak"),
        ("decode", {}, "weak", None),
    ],
)
def test_the_level_of_untrusted_programs(monkeypatch, verifier, options, machine_has, level):
    monkeypatch.setattr("verifiers.code.sandbox.level", lambda: machine_has)
    config = quickstart_config(verifier=verifier, verifier_options=options)
    assert machine.sandbox_level(config) == level
    assert machine.runs_programs(SourceVerifier(verifier)) == (level is not None)
    assert any("WEAK" in said for said in machine.warnings(config)) == (level == "weak")
    tool = quickstart_config(verifier="math", verifier_options={}, environment="python")
    assert machine.sandbox_level(tool) == machine_has
    for one, other in (("weak", "strong"), ("strong", "weak")):  # the lowest of all that run programs
        both = {
            "verifier": "code",
            "verifier_options": {"level": one},
            "environment_options": {"level": other},
        }
        assert machine.sandbox_level(quickstart_config(environment="python", **both)) == "weak"


def test_the_permission_to_be_weak_goes_to_who_runs_programs_and_can_be_taken_back():
    config = quickstart_config(sandbox=SandboxConfig(allow_weak=True))
    assert machine.verifier_options(config, SourceVerifier("code", {"level": "weak"})) == {
        "allow_weak": True, "level": "weak",
    }  # fmt: skip
    assert machine.verifier_options(config, SourceVerifier("math", {})) == {}
    assert machine.verifier_options(config, SourceVerifier("code", {"allow_weak": False})) == {
        "allow_weak": False
    }
    assert machine.verifier_options(quickstart_config(), SourceVerifier("code")) == {}


# ------------------------------------------------------------------ other devices


def test_the_table_of_devices_is_what_their_names_say():
    for name, device in DEVICES.items():
        assert (
            name == device.name and device.memory == float(name.rpartition("-")[2].removesuffix("GB")) * 1e9
        )
        assert device.kind == "cuda" and 1e14 < device.flops < 3e15 and 0 < device.price < 10
        assert device.link < device.bandwidth < device.flops
    order = ["L4-24GB", "A100-80GB", "H100-80GB", "B200-180GB"]
    assert sorted(order, key=lambda name: DEVICES[name].bandwidth) == order
    assert (
        Cluster(8, DEVICES["H100-80GB"]).link == 450e9
        and Cluster(9, DEVICES["H100-80GB"]).link == NETWORK == 50e9
    )
    assert Cluster(16, DEVICES["L4-24GB"]).link == 16e9  # its own link is the narrower


def test_of_a_mixture_a_token_passes_the_experts_that_are_chosen():
    """A layer: q 64, k and v 32 each, o 64, the router 4 × 8; of four experts of 3 × 8 × 16 two are passed."""
    config = MixtralConfig(
        num_hidden_layers=2, hidden_size=8, num_attention_heads=2, num_key_value_heads=1, intermediate_size=16,
        vocab_size=32, num_local_experts=4, num_experts_per_tok=2, tie_word_embeddings=False,
    )  # fmt: skip
    with torch.device("meta"):
        found = Shape.of(MixtralForCausalLM(config))
    assert found.inner == 2 * 16 and found.body == 2 * (192 + 32 + 2 * 384)
    assert found.weights == 2 * (192 + 32 + 4 * 384) + 2 * 256 + 5 * 8


def test_what_an_evaluation_holds():
    asked = job(QWEN["0.5B"], "H100-80GB", engine="transformers")
    found = footprint.evaluation(asked)
    assert found.parts == {"weights": 2.0 * QWEN["0.5B"].weights} and found.rows == 0
    row = 2 * 2 * 24 * 128 * (100 + 512) + 8 * 151936  # keys and values in 16 bits, logits twice in 32
    assert footprint.row(asked) == row and found.batch == 1024
    assert found.sampling == {"cache and logits": 1024.0 * row} and found.fits
    assert found.memory == pytest.approx(0.92 * 80e9) == asked.memory
    few = asked.config.sampling.model_copy(update={"batch_size": 7})
    fewer = Job(
        asked.config.model_copy(update={"sampling": few}), asked.shape, asked.cluster, None, 100, False
    )
    assert footprint.evaluation(fewer).batch == 7
    served = footprint.evaluation(job(QWEN["0.5B"], "H100-80GB"))
    assert served.parts == {"vLLM, weights and cache": pytest.approx(0.9 * 80e9)} and served.batch == 256
    large = footprint.evaluation(job(QWEN["7B"], "RTX4090-24GB", most=2048))
    of_a_row = 2 * 28 * 512 * 2 * (100 + 2048 / 2)
    assert large.batch == int((0.9 * 24e9 - 2 * QWEN["7B"].weights) / of_a_row)


def test_the_head_holds_hidden_states_a_tile_of_logits_and_its_own_gradient():
    asked, shape = job(QWEN["0.5B"], "H100-80GB"), QWEN["0.5B"]
    assert footprint.head(asked, 10_000) == 4 * shape.head + 8 * (10_000 * 896 + 4096 * 8192)
    assert footprint.head(asked, 100) == 4 * shape.head + 8 * (100 * 896 + 100 * 8192)
    adapter = job(QWEN["0.5B"], "H100-80GB", adapter="lora")
    assert footprint.head(adapter, 100) == 8 * (100 * 896 + 100 * 8192)


@pytest.mark.parametrize(
    ("dtype", "kind", "adapter", "precision", "width"),
    [
        ("auto", "cuda", "full", "autocast", 2),
        ("auto", "cuda", "lora", "bfloat16", 2),
        ("bfloat16", "cuda", "full", "bfloat16", 2),
        ("float32", "cuda", "lora", "autocast", 4),
        ("auto", "cpu", "full", "float32", 4),
    ],
)
def test_the_precision_that_a_run_would_have_there(dtype, kind, adapter, precision, width):
    asked = job(QWEN["0.5B"], "H100-80GB", adapter=adapter)
    device = Cluster(1, DEVICES["H100-80GB"] if kind == "cuda" else foretold_cpu())
    found = Job(asked.config.model_copy(update={"dtype": dtype}), asked.shape, device, None, 100, False)
    assert (found.precision, found.width) == (precision, width)


def foretold_cpu() -> Any:
    from rlvr.preflight.devices import Device

    return Device("cpu", 64e9, 1e12, 1e9, 1e9, 0.0, "cpu")


def test_what_goes_between_devices_in_a_step():
    """Gradients twice round the ring; of sharded weights a gathering for each forward and backward of each pass."""
    one, eight = (job(QWEN["0.5B"], on) for on in ("H100-80GB", "8xH100-80GB"))
    own = 4.0 * QWEN["0.5B"].weights
    touched = own + 2 * 2 * own + 2 * own  # of gradients, optimiser and weights, read and written
    memory, link = 0.6 * 3350e9, 0.6 * 450e9
    ddp = footprint.training(one, "ddp")
    assert foretold.exchange(one, ddp) == pytest.approx(touched / memory)
    assert foretold.exchange(eight, footprint.training(eight, "ddp")) == pytest.approx(
        touched / memory + 2 * own / link
    )
    sharded = footprint.training(eight, "fsdp2")
    passes = -(-8 // sharded.rows)
    assert foretold.exchange(eight, sharded) == pytest.approx(
        touched / 8 / memory + (2 * passes * own + own + own) / link
    )


def test_an_update_reads_forward_and_twice_backward():
    shape, rate = QWEN["0.5B"], 0.4 * 989e12
    predicted = 8 * 200 / (100 + 8 * 200)
    body, head = shape.forward(100 + 200 / 2), 2 * shape.head * predicted
    whole, lora = job(shape, "H100-80GB"), job(shape, "H100-80GB", adapter="lora")
    assert foretold.update(whole, 8, 100, 200) == pytest.approx((3 * body + 4 * head) / rate)
    assert foretold.update(lora, 8, 100, 200) == pytest.approx((2 * body + 3 * head) / rate)
    again = Job(whole.config, shape, whole.cluster, whole.sizes, 100, True)
    assert foretold.update(again, 8, 100, 200) == pytest.approx((4 * body + 4 * head) / rate)


# ------------------------------------------------------------------ phases


def of_phases(found: Any = TRIAL, devices: int = 1, sampling: Any = None, **train: Any) -> dict[str, Any]:
    plain = quickstart_config()
    config = quickstart_config(
        train=TrainConfig.model_validate(plain.train.model_dump() | train),
        sampling=sampling or plain.sampling,
    )
    problems = Problems([], [Problem(f"p{n}", "", "") for n in range(100)])
    return {phase.name: phase for phase in phases(config, problems, found, devices)}


def test_a_batch_that_is_used_again_is_drawn_once_and_read_each_time():
    once, twice = of_phases(eval_every=0), of_phases(eval_every=0, trl={"num_iterations": 2})
    assert (once["sampling"].rows, twice["sampling"].rows) == (60 * 16 * 16, 30 * 16 * 16)
    assert twice["update"].seconds[1] == pytest.approx(once["update"].seconds[1])


def test_evaluations_on_the_way_are_those_before_the_last_step():
    for every, times in ((20, 2), (30, 1), (59, 1), (60, 0), (0, 0)):
        found = of_phases(eval_every=every, eval_samples=4)
        assert found["sampling"].rows == 60 * 16 * 16 + times * 100 * 4


def test_a_reference_is_read_forward_only_and_two_devices_share_the_work():
    plain, kl = of_phases(eval_every=0), of_phases(eval_every=0, trl={"beta": 0.1})
    assert kl["update"].seconds[1] == pytest.approx(4 / 3 * plain["update"].seconds[1])
    two = of_phases(changed(exchange=0.5), 2, eval_every=0)
    assert two["update"].seconds[1] == pytest.approx(plain["update"].seconds[1] / 2 + 60 * 0.5)


def test_what_is_cut_is_not_rescored_and_an_evaluation_alone_is_one_phase():
    assert list(of_phases()) == ["base", "sampling", "update", "tuned", "rescore"]
    for keys in ({"top_p": 0.9}, {"top_k": 3}, {"min_p": 0.1}):
        assert "rescore" not in of_phases(sampling=SamplingConfig.model_validate(keys))
    assert list(of_phases(steps=0)) == ["base"]


def test_the_seconds_of_a_phase_are_within_a_factor_of_its_measurement():
    low, expected, high, most = of_phases()["base"].seconds
    found = Length.of(TRIAL, quickstart_config().sampling.max_new_tokens)
    assert found.low == 8 and found.high == 12.5 and found.most == 32
    assert low < expected / 1.5 and high > expected * 1.5 and most > high


def test_tokens_for_people_and_what_cannot_be_estimated():
    assert [count(n) for n in (0, 999, 99_999, 100_000, 12_345_678)] == [
        "0",
        "999",
        "99,999",
        "0.10 M",
        "12.35 M",
    ]
    assert unknown(quickstart_config()) is None
    assert "servers sample" in (unknown(quickstart_config(sampling=SamplingConfig(engine="http"))) or "")
