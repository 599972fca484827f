"""Every recipe for a model on the Hub can be checked offline, on local copies: small models of the same family, and
rows with the columns that the real sets have."""

import json

import pytest
from transformers import AutoModelForCausalLM, LlamaConfig, Qwen2Config

from rlvr import config as configuration
from rlvr import pipeline
from rlvr.cli import main
from rlvr.errors import UserError
from rlvr.preflight.devices import parse
from rlvr.preflight.plan import plan
from rlvr.terminal import Terminal
from tests.scripted import CHATML, tokenizer_of
from tests.verifiers.code_sets import SUM

GSM8K = [
    {
        "question": f"Ann has {n} plums and buys {n + 2}. How many has she?",
        "answer": f"{n} + {n + 2} = {2 * n + 2}\n#### {2 * n + 2}",
    }
    for n in range(12)
]
MATH = [
    {
        "problem": f"Compute ${n}^2$.", "level": f"Level {1 + n % 5}", "type": "Algebra",
        "solution": f"We have ${n}^2 = \\boxed{{{n * n}}}$.",
    }
    for n in range(20, 40)
]  # fmt: skip
MATH_500 = [
    {
        "problem": f"Compute ${n}^3$.", "solution": f"It is $\\boxed{{{n**3}}}$.", "answer": str(n**3),
        "subject": "Algebra", "level": 2, "unique_id": f"test/algebra/{n}.json",
    }
    for n in range(2, 8)
]  # fmt: skip
DEEPSCALER = [
    {"problem": f"Find ${n} + 10$.", "answer": str(n + 10), "solution": f"$\\boxed{{{n + 10}}}$"}
    for n in range(8)
]
AIME = [
    {"problem": f"Find the remainder of ${n}$ by 1000.", "answer": str(n % 1000), "id": str(n)}
    for n in range(995, 1005)
]
CODE = [
    {
        "source": "apps", "task_type": "verifiable_code", "in_source_id": str(n), "problem_id": f"vfc_{n}",
        "problem_statement": f"Solve the following ({n}): read two numbers on a line and print their sum.",
        "gold_standard_solution": f"```python\n{SUM}```",
        "metadata": {"difficulty": "EASY", "memory_limit": None, "problem_url": None, "time_limit": None},
        "verification_info": {
            "language": "python",
            "test_cases": [
                {"fn_name": None, "input": f"{a} {n}\n", "output": f"{a + n}\n", "type": "stdin_stdout"} for a in (1, 7)
            ],
        },
    }
    for n in range(3)
]  # fmt: skip
HUMANEVAL = [
    {
        "task_id": f"HumanEval/{n}",
        "prompt": f'def plus_{n}(x: int) -> int:\n    """Add {n} to x.\n    """\n',
        "canonical_solution": f"    return x + {n}\n",
        "test": f"def check(candidate):\n    assert candidate(1) == {1 + n}\n    assert candidate(5) == {5 + n}\n",
        "entry_point": f"plus_{n}",
    }
    for n in range(2)
]
RECIPES = {
    "qwen2.5-0.5b-gsm8k": ("qwen2", GSM8K[:8], GSM8K[8:]),
    "qwen2.5-1.5b-gsm8k": ("qwen2", GSM8K[:8], GSM8K[8:]),
    "qwen2.5-math-1.5b-math": ("qwen2", MATH, MATH_500),
    "qwen2.5-math-7b-math": ("qwen2", MATH, MATH_500),
    "r1-distill-1.5b-8k": ("qwen2", DEEPSCALER, AIME),
    "qwen2.5-coder-1.5b-code": ("qwen2", CODE, HUMANEVAL),
    "smollm2-360m-gsm8k": ("llama", GSM8K[:8], GSM8K[8:]),
    "smollm2-gsm8k": ("llama", GSM8K[:8], GSM8K[8:]),
}
VARIANTS = {
    "qwen2.5-0.5b-gsm8k": ["train.adapter.kind=full"],
    "qwen2.5-1.5b-gsm8k": ["train.adapter={kind: full}", "train.learning_rate=1e-6"],
}
"""As the recipes' headers say."""
FAMILIES = {"qwen2": Qwen2Config, "llama": LlamaConfig}


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """A folder of each family, two layers of width 32, with a tokenizer of bytes and a chat template."""
    folders, tokenizer = {}, tokenizer_of(CHATML, eos="<|im_end|>")
    for name, family in FAMILIES.items():
        folders[name] = tmp_path_factory.mktemp(name)
        made = family(
            vocab_size=-(-len(tokenizer) // 8) * 8, hidden_size=32, intermediate_size=64, num_hidden_layers=2,
            num_attention_heads=4, num_key_value_heads=2, max_position_embeddings=32768,
            eos_token_id=tokenizer.eos_token_id, bos_token_id=None, pad_token_id=None,
        )  # fmt: skip
        AutoModelForCausalLM.from_config(made).save_pretrained(folders[name])
        tokenizer.save_pretrained(folders[name])
    return folders


def words(models, folder, name, train=None) -> list[str]:
    """The overrides that point a recipe at local copies."""
    family, ours, heldout = RECIPES[name]
    for which, rows in (("train", train or ours), ("heldout", heldout)):
        (folder / f"{which}.jsonl").write_text(
            "".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8"
        )
    files = [f"problems.{which}.file={folder / which}.jsonl" for which in ("train", "heldout")]
    return [f"model={models[family]}", *files, "sandbox.allow_weak=true", "verification.workers=1"]


def test_no_recipe_for_a_model_on_the_hub_is_left_out():
    files = {file.stem for file in configuration.packaged_folder().glob("*.yaml")}
    assert files - set(RECIPES) == {
        "quickstart",
        "evidence-tiny",
        "evidence-smollm2",
        "smollm2-chain-sum",
    }  # their problems are generated


@pytest.mark.parametrize("name", RECIPES)
def test_what_a_run_checks_first_passes_on_local_copies(models, tmp_path, name):
    config = configuration.load(configuration.find(name), words(models, tmp_path, name))
    seen = []
    with pipeline.prepare(config, Terminal(quiet=True), tmp_path / "run", show=seen.append) as (problems, _):
        assert problems.train and problems.heldout
    assert any("references accepted" in line or "solutions accepted" in line for line in seen), seen


@pytest.mark.parametrize(("name", "further"), [(n, []) for n in RECIPES] + [*VARIANTS.items()])
def test_what_it_takes_on_gpus_can_be_foretold(models, tmp_path, capsys, name, further):
    config = configuration.load(configuration.find(name), [*words(models, tmp_path, name), *further])
    plan(config, parse("8xH100-80GB"), Terminal(), tmp_path / "run")
    said = capsys.readouterr().out
    assert "fits" in said and "bottleneck: " in said and "does not fit" not in said


def test_a_column_that_a_recipe_names_and_the_set_does_not_have_is_refused(models, tmp_path):
    rows = [{"question": row["problem"], **{k: v for k, v in row.items() if k != "problem"}} for row in MATH]
    name = "qwen2.5-math-7b-math"
    config = configuration.load(configuration.find(name), words(models, tmp_path, name, rows))
    with (
        pytest.raises(UserError, match="problem"),
        pipeline.prepare(config, Terminal(quiet=True), tmp_path / "run"),
    ):
        pass


@pytest.mark.slow
@pytest.mark.parametrize("name", RECIPES)
def test_the_check_passes(models, tmp_path, name):
    assert main(["check", name, *words(models, tmp_path, name), "--output", str(tmp_path / "run")]) == 0
