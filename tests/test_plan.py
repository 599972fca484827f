"""`rlvr check CONFIG --on DEVICES`: every figure from its definition, by hand."""

import math
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from rlvr.cli import main
from rlvr.config import Config
from rlvr.errors import UserError
from rlvr.preflight import footprint, foretold, starts
from rlvr.preflight.cost import longest, phases
from rlvr.preflight.devices import DEVICES, Cluster, Device, parse
from rlvr.preflight.footprint import Job
from rlvr.preflight.shape import Shape
from rlvr.preflight.starts import Starts
from rlvr.problems import Problems

QWEN = {  # layers, width, queries, keys, inner, gated, vocabulary, weights, body, as their config.json has them
    "0.5B": Shape(24, 896, 896, 128, 4864, True, 151936, 494_032_768, 357_826_560),
    "1.5B": Shape(28, 1536, 1536, 256, 8960, True, 151936, 1_543_714_304, 1_310_000_000),
    "7B": Shape(28, 3584, 3584, 512, 18944, True, 152064, 7_615_616_512, 6_525_000_000),
}


def llama(layers: int = 2, inner: int = 16) -> LlamaForCausalLM:
    config = LlamaConfig(
        num_hidden_layers=layers, hidden_size=8, num_attention_heads=2, num_key_value_heads=1,
        intermediate_size=inner, vocab_size=32, tie_word_embeddings=False,
    )  # fmt: skip
    return LlamaForCausalLM(config)


def job(
    shape: Shape, on: str | Cluster, adapter: str = "full", most: int = 512, engine: str = "vllm", **train
) -> Job:
    asked = {"steps": 10, "groups_per_step": 8, "group_size": 8, "adapter": {"kind": adapter}} | train
    config = Config.model_validate(
        {
            "problems": {"heldout": {"world": "heldout"}},
            "sampling": {"engine": engine, "max_new_tokens": most, "samples": 16},
            "train": asked,
        }
    )
    own = 4 * shape.weights
    sizes = SimpleNamespace(own=own, reference=0, gradients=own, optimizer=2 * own)
    return Job(config, shape, parse(on) if isinstance(on, str) else on, sizes, 100, False)


@pytest.mark.parametrize(
    "text", ["8xH900", "0xH100-80GB", "8 H100-80GB", "8x", "x", "", "2xhere", "H100-80GB x 8"]
)
def test_an_unknown_device_lists_the_known_ones(text):
    with pytest.raises(UserError) as caught:
        parse(text)
    assert f"--on {text}:" in str(caught.value) and all(name in str(caught.value) for name in DEVICES)


def test_a_number_of_devices_and_a_price_of_ones_own():
    assert parse("8xH100-80GB") == Cluster(8, DEVICES["H100-80GB"])
    assert parse("l4-24gb") == Cluster(1, DEVICES["L4-24GB"])
    assert parse("2xA100-80GB", price=1.25).device.price == 1.25
    assert parse("64xH100-80GB").link < parse("8xH100-80GB").link


def test_this_machine_is_measured():
    found = parse("here")
    assert (
        found.count == 1
        and found.device.flops > 1e8
        and found.device.bandwidth > 1e8
        and found.device.memory > 1e8
    )
    starts = found.device.starts  # of operations in Python: microseconds to some milliseconds
    assert 1e-5 < starts.layer < 0.1 and starts.layer < starts.update_layer < 0.5


def test_a_shape_is_counted_from_the_structure():
    """A layer: q 64, k and v 32 each, o 64, three of 8 × 16 in the MLP: 576."""
    with torch.device("meta"):
        found = Shape.of(llama())
    assert (found.layers, found.width, found.queries, found.keys, found.inner) == (2, 8, 8, 4, 16)
    assert found.gated and found.body == 2 * 576 and found.head == 32 * 8
    assert found.weights == 2 * 576 + 2 * 256 + 5 * 8
    assert found.forward(10) == 2 * 1152 + 2 * (4 * 8 * 10)
    assert found.cache(2) == 2 * 2 * 4 * 2
    assert found.layer("float32") == 4 * (3 * 16 + 2 * 8 + 2 * 4 + 4 * 16)
    assert found.layer("autocast") == (4 + 4 + 2) * 16 + 2 * (2 * 8 + 2 * 4 + 4 * 16)
    assert found.activations(100, "float32", False) == 100 * 2 * found.layer("float32")
    assert found.activations(100, "float32", True) == 100 * (2 * 8 * 4 + found.layer("float32"))


def test_a_model_without_attention_is_refused():
    with pytest.raises(UserError, match="decoders with attention"):
        Shape.of(
            SimpleNamespace(
                config=SimpleNamespace(get_text_config=lambda: SimpleNamespace(model_type="mamba"))
            )
        )


@pytest.mark.parametrize("inner", [16, 64])
def test_what_a_layer_keeps_is_what_autograd_keeps(inner):
    """Bytes that autograd saves of a forward pass, weights not counted: the difference of two models and lengths is
    that of layers and tokens."""

    def saved(layers: int, length: int) -> int:
        model, kept = llama(layers, inner), {}
        weights = {p.untyped_storage().data_ptr() for p in model.parameters()}

        def pack(tensor):
            storage = tensor.untyped_storage()
            if storage.data_ptr() not in weights:
                kept[storage.data_ptr()] = (storage.nbytes(), tensor)  # held, so that no address comes twice
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(pack, lambda x: x):
            out = model.model(input_ids=torch.zeros(1, length, dtype=torch.long), use_cache=False)
        assert out.last_hidden_state.requires_grad
        return sum(size for size, _ in kept.values())

    of_a_layer = (saved(4, 96) - saved(2, 96) - saved(4, 32) + saved(2, 32)) / (2 * 64)
    assert Shape.of(llama(2, inner)).layer("float32") == pytest.approx(of_a_layer, rel=0.05)


@pytest.mark.parametrize(("name", "measured"), [("0.5B", 70e3), ("1.5B", 126e3), ("7B", 276e3)])
def test_layers_of_the_real_widths_keep_what_was_measured(name, measured):
    """Bytes a token and layer under bfloat16 autocast, measured with the real widths on a CPU."""
    assert QWEN[name].layer("autocast") == pytest.approx(measured, rel=0.2)


def test_training_of_all_weights_takes_sixteen_bytes_a_weight():
    found = footprint.training(job(QWEN["0.5B"], "H100-80GB"), "ddp")
    assert sum(found.parts[p] for p in ("weights", "gradients", "optimiser")) == 16 * QWEN["0.5B"].weights
    assert found.parts["vLLM, weights and cache"] == pytest.approx(0.3 * 80e9)
    read = -(-found.rows // 8) * 100 + found.rows * 512
    assert found.update["activations"] == read * 24 * QWEN["0.5B"].layer("autocast")
    assert found.fits and found.rows == 8 * 8 / 8 * -(-found.rows // 8)  # whole groups, or a part of one


def test_what_is_sharded_is_divided_and_what_is_copied_is_not():
    found = {
        shard: footprint.training(job(QWEN["7B"], "8xH100-80GB", engine="transformers"), shard)
        for shard in footprint.SHARDS
    }
    whole = 4.0 * QWEN["7B"].weights
    assert found["ddp"].parts == {
        "weights": whole,
        "reference": 0,
        "gradients": whole,
        "optimiser": 2 * whole,
    }
    assert not found["ddp"].fits  # 122 GB of 80
    assert found["zero2"].parts["weights"] == whole and found["zero2"].parts["gradients"] == whole / 8
    assert found["fsdp2"].parts["weights"] == whole / 8 and found["fsdp2"].parts["optimiser"] == whole / 4
    assert found["fsdp2"].parts["whole copy to sample from"] == whole
    assert footprint.training(job(QWEN["0.5B"], "8xH100-80GB"), "ddp").fits


def test_a_trial_is_foretold_from_work_over_rate():
    """A device of 1 TFLOP/s and 1 GB/s, of which a CPU's shares are reached."""
    device = Device("slow", 64e9, 1e12, 1e9, 1e9, 0.0, "cpu")
    asked = job(QWEN["0.5B"], Cluster(1, device), engine="transformers")
    reached, shape = foretold.REACHED["cpu"], QWEN["0.5B"]
    found = foretold.trial(asked, footprint.training(asked, "ddp"), prompt=100, tokens=200)
    assert found.read == pytest.approx((2 * shape.body + 4 * 24 * 896 * 50) / (reached.read * 1e12))
    assert found.step == pytest.approx(4 * shape.weights / (reached.bandwidth * 1e9))
    products = (2 * shape.body + 4 * 24 * 896 * 200 + 2 * 151936 * 896) / (reached.decode * 1e12)
    assert found.row == pytest.approx(products + 2 * 24 * 128 * 4 * 200 / (reached.bandwidth * 1e9))
    body, head = 3 * (2 * shape.body + 4 * 24 * 896 * 200), 4 * 2 * 151936 * 896 * 1600 / 1700
    assert found.update == pytest.approx((body + head) / (reached.update * 1e12))


def test_operations_that_are_started_one_by_one_take_time_of_their_own():
    """A step of 24 layers: 3 ms and 24 of 1; each row half a millisecond; a pass over two groups of 8 rows, 16 of 200
    tokens and two prompts of 100: 7 ms and 24 of 5, for 3,400 tokens."""
    given = Starts(step=3e-3, layer=1e-3, row=0.5e-3, update=7e-3, update_layer=5e-3)
    plain = Device("slow", 64e9, 1e12, 1e9, 1e9, 0.0, "cpu")
    trials = []
    for device in (plain, replace(plain, starts=given)):
        asked = job(QWEN["0.5B"], Cluster(1, device), engine="transformers", rows_per_micro_step=16)
        trials.append(foretold.trial(asked, footprint.training(asked, "ddp"), prompt=100, tokens=200))
    without, found = trials
    assert found.step - without.step == pytest.approx(27e-3)
    assert found.row - without.row == pytest.approx(0.5e-3)
    assert found.update - without.update == pytest.approx(127e-3 / 3400)
    assert found.read == without.read


def test_what_is_measured_of_starts_is_what_a_line_through_two_sizes_says(monkeypatch):
    """A clock that says 2 ms a step, 3 a layer, 0.25 a row, and 10 and 7 of a pass."""
    monkeypatch.setattr(starts, "stand_in", lambda layers: layers)
    monkeypatch.setattr(starts, "step_of", lambda layers, config, rows: 2e-3 + 3e-3 * layers + 0.25e-3 * rows)
    monkeypatch.setattr(starts, "update_of", lambda layers, config: 10e-3 + 7e-3 * layers)
    found = starts.measured()
    assert [found.step, found.layer, found.row, found.update, found.update_layer] == pytest.approx(
        [2e-3, 3e-3, 0.25e-3, 10e-3, 7e-3]
    )


def test_twice_the_devices_take_half_the_time_as_far_as_rows_go():
    asked = job(QWEN["7B"], "8xH100-80GB", most=64, groups_per_step=512)
    trial = foretold.trial(asked, footprint.training(asked, "fsdp2"), prompt=100, tokens=64)
    problems = Problems([], [None] * 512)  # type: ignore[list-item]
    one, two = (phases(asked.config, problems, trial, devices) for devices in (8, 16))
    assert [p.rows for p in one] == [p.rows for p in two]
    # the exchange of a step is not divided
    assert one[2].seconds[1] - 10 * trial.exchange == pytest.approx(
        2 * (two[2].seconds[1] - 10 * trial.exchange)
    )
    assert one[0].seconds[1] == pytest.approx(2 * two[0].seconds[1])


def test_the_longest_of_several_is_what_drawing_them_gives():
    """Memoryless lengths of 100 in the mean, before 300 cuts them."""
    drawn = np.minimum(np.random.default_rng(0).exponential(100, size=(4000, 8)), 300)
    assert longest(100 * -math.expm1(-3), 300, 8) == pytest.approx(drawn.max(1).mean(), rel=0.02)
    assert longest(300, 300, 8) == 300


def test_the_command_says_what_fits_what_it_costs_and_what_takes_longest(capsys):
    assert main(["check", "quickstart", "--on", "2xH100-80GB", "--price", "1.5", "--tokens", "16"]) == 0
    said = capsys.readouterr().out
    for words in (
        "optimiser",
        "ddp",
        "fsdp2",
        "fits",
        "bottleneck: ",
        "$1.50 an hour",
        "16 tokens in the mean (as you say)",
    ):
        assert words in said
    for phase in ("base", "sampling", "update", "tuned", "rescore"):
        assert f"\n  {phase} " in said


@pytest.mark.parametrize("flag", ["", " --shard fsdp2", " --shard zero3"])
def test_the_command_foretells_the_training_that_it_is_asked_for(capsys, flag):
    """Without --shard, that without shards; all of them fit here."""
    assert main(["check", "quickstart", "--on", "8xH100-80GB", "--tokens", "16", *flag.split()]) == 0
    said = capsys.readouterr().out
    assert f"\nfits with --processes 8{flag}\n" in said
    assert f"\ntime under {flag.rpartition(' ')[2] or 'ddp'}:\n" in said


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["quickstart", "--on", "8xH900"], "known devices: A10-24GB"),
        (["quickstart", "--price", "2"], "which is not asked for"),
        (["--on", "here"], "of which config?"),
        (["quickstart", "seed=1,2", "--on", "L4-24GB"], "foretells one run"),
        (["quickstart", "--on", "L4-24GB", "--processes", "2"], "says how many devices there are"),
        (["quickstart", "--on", "L4-24GB", "--tokens", "64"], "more than sampling.max_new_tokens (32)"),
    ],
)
def test_what_cannot_be_foretold_is_refused(capsys, words, expected):
    assert main(["check", *words]) == 2
    assert expected in capsys.readouterr().err
