"""What the keys of a whole run do: the model, who judges and under which limits, the report's thresholds, the seed."""

import json
import shutil
from pathlib import Path

import peft
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM

import verifiers
from rlvr import api, machine, pipeline, rollouts
from rlvr.config import (
    AnalysisConfig,
    Config,
    ConfigError,
    ProblemsConfig,
    SamplingConfig,
    SandboxConfig,
    SourceConfig,
    TrainConfig,
)
from rlvr.errors import UserError
from rlvr.evaluation import Evaluator
from rlvr.evidence import Evidence
from rlvr.policy import PolicyError, load_policy
from rlvr.preflight import Preflight, parts
from rlvr.problems import Problems
from rlvr.run import open_run
from rlvr.sampling.engine import TransformersSampler
from rlvr.source_verifiers import verifiers_of
from rlvr.terminal import Terminal
from rlvr.training.source_mix import SourceMix
from rlvr.worlds import carry
from tests.conftest import quickstart_config
from tests.contracts.keys import shows
from tests.report.simulate import write_pair
from verifiers import Problem
from verifiers.pool import VerifierPool

TINY = carry.TINY

# ------------------------------------------------------------------ the model


@pytest.fixture(scope="module")
def other(tmp_path_factory) -> Path:
    """The embedded model with other weights."""
    folder = tmp_path_factory.mktemp("models") / "other"
    shutil.copytree(TINY, folder)
    weights = load_file(folder / "model.safetensors")
    save_file(
        {name: 0.5 * value for name, value in weights.items()}, folder / "model.safetensors", {"format": "pt"}
    )
    return folder


def logits(policy) -> torch.Tensor:
    with torch.no_grad():
        return policy.model(torch.tensor([policy.encode(["37+48="])[0]])).logits[0]


@shows("model")
def test_the_model_is_the_one_that_is_named(tiny, other):
    policy = load_policy(quickstart_config(model=str(other)), "base")
    assert policy.source == str(other)
    assert not torch.equal(logits(policy), logits(tiny))


@shows("base_model")
def test_an_adapter_goes_on_the_base_that_is_named(tiny, other, tmp_path):
    model = peft.get_peft_model(
        AutoModelForCausalLM.from_pretrained(TINY), peft.LoraConfig(target_modules=["q_proj"], r=2)
    )
    model.save_pretrained(tmp_path)  # as it begins: it changes nothing
    about = json.loads((tmp_path / "adapter_config.json").read_text())
    assert about["base_model_name_or_path"] == str(TINY)
    alone = load_policy(quickstart_config(model=str(tmp_path)), "base")
    torch.testing.assert_close(logits(alone), logits(tiny))
    named = load_policy(quickstart_config(model=str(tmp_path), base_model=str(other)), "base")
    torch.testing.assert_close(
        logits(named), logits(load_policy(quickstart_config(model=str(other)), "base"))
    )


@shows("dtype")
def test_weights_are_kept_in_the_type_that_is_named(tiny):
    assert tiny.model.dtype == torch.float32
    for name in ("bfloat16", "float16", "float32"):
        assert load_policy(quickstart_config(dtype=name), "base").model.dtype == getattr(torch, name)


@shows("revision")
def test_the_hub_is_asked_for_the_revision(monkeypatch):
    asked = []

    def loading(where, **options):
        asked.append((where, options["revision"]))
        raise OSError("no network here")

    monkeypatch.setattr("transformers.AutoTokenizer.from_pretrained", loading)
    monkeypatch.setattr("rlvr.policy.read_config_json", lambda place: {})
    for revision in (None, "v2"):
        with pytest.raises(PolicyError):
            load_policy(quickstart_config(model="a/b", revision=revision), "base")
    assert asked == [("a/b", None), ("a/b", "v2")]


OWN = """
from transformers import LlamaConfig, LlamaForCausalLM

class Config(LlamaConfig):
    model_type = "own_llama"

class Model(LlamaForCausalLM):
    config_class = Config
"""


@shows("trust_remote_code")
def test_code_that_comes_with_a_model_runs_with_permission_alone(tmp_path, monkeypatch):
    monkeypatch.setattr("transformers.dynamic_module_utils.HF_MODULES_CACHE", str(tmp_path / "cache"))
    folder = tmp_path / "own"
    shutil.copytree(TINY, folder)
    (folder / "own.py").write_text(OWN)
    about = json.loads((folder / "config.json").read_text())
    about |= {
        "model_type": "own_llama",
        "auto_map": {"AutoConfig": "own.Config", "AutoModelForCausalLM": "own.Model"},
    }
    (folder / "config.json").write_text(json.dumps(about))
    with pytest.raises(PolicyError, match="custom code"):
        load_policy(quickstart_config(model=str(folder)), "base")
    trusted = load_policy(quickstart_config(model=str(folder), trust_remote_code=True), "base")
    assert type(trusted.model).__module__.startswith("transformers_modules")


# ------------------------------------------------------------------ who judges


@shows("verifier", "verifier_options")
def test_the_verifier_that_is_named_judges_with_its_options():
    problem, response = Problem("p", "What share is it?", "50"), r"so \boxed{50\%}"

    def said(**keys):
        config = quickstart_config(**keys)
        judge = verifiers_of(config)[""]
        return verifiers.score(verifiers.load(judge.name, **judge.options), problem, response).status

    assert said(verifier="math", verifier_options={}) == "incorrect"
    assert said(verifier="math", verifier_options={"percent": "free"}) == "correct"
    assert said(verifier="exact", verifier_options={}) != "correct"


@shows("thinking_marks")
def test_what_stands_between_the_marks_is_never_the_answer():
    problem, response = Problem("p", "", "4"), r"[[hm]] perhaps \boxed{4} [[/hm]]"

    def said(**keys):
        judge = verifiers_of(quickstart_config(verifier="math", verifier_options={}, **keys))[""]
        return verifiers.score(verifiers.load(judge.name, **judge.options), problem, response).status

    assert said() == "correct"
    assert said(thinking_marks=(("[[hm]]", "[[/hm]]"),)) == "no_answer"


@shows("sandbox.allow_weak")
def test_programs_run_in_a_weak_sandbox_with_permission_alone():
    asked = {"verifier": "code", "verifier_options": {"level": "weak"}}
    with pytest.raises(UserError, match=r"Set sandbox\.allow_weak=true"):
        list(parts.sandbox(Preflight(quickstart_config(**asked), None, None, False, print)))
    allowed = quickstart_config(**asked, sandbox=SandboxConfig(allow_weak=True))
    list(parts.sandbox(Preflight(allowed, None, None, False, print)))
    assert machine.loaded(allowed, verifiers_of(allowed)[""]).name == "code"
    assert any("WEAK" in words for words in machine.warnings(allowed))


# ------------------------------------------------------------------ the report


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory):
    """A folder with a finished evaluation of the base and of the tuned policy."""
    folder = tmp_path_factory.mktemp("evaluated")
    write_pair(folder, problems=24, samples=64)
    return folder


NO_WORLD = ProblemsConfig(heldout=SourceConfig(file="rows.jsonl"))


def reported(evaluated: Path, into: Path, **keys) -> dict:
    config = quickstart_config(problems=NO_WORLD, analysis=AnalysisConfig(**keys))
    run = open_run(config, into)
    shutil.copytree(evaluated, into / "rollouts", dirs_exist_ok=True)
    evaluator = Evaluator(config, Evidence(config.evidence), None, Terminal(quiet=True))  # type: ignore[arg-type]
    pipeline.report(config, Problems([], [Problem("p", "q", "1")]), evaluator, run)
    return json.loads((into / "report.json").read_text())


@shows("analysis.search_budget", "analysis.replicates")
def test_the_report_has_the_budget_and_the_replicates_that_are_asked_for(evaluated, tmp_path):
    plain = reported(evaluated, tmp_path / "plain", replicates=200)
    other = reported(evaluated, tmp_path / "other", search_budget=32, replicates=1000)
    parts = [found["comparison"]["compression"] for found in (plain, other)]
    assert [part["search_budget"] for part in parts] == [4, 32]  # a sixteenth of 64 samples, and as asked
    assert parts[0]["within"]["value"] < parts[1]["within"]["value"], (
        "a larger search reaches more of the gain"
    )
    assert [found["analysis"]["replicates"] for found in (plain, other)] == [200, 1000]
    few, many = (found["comparison"]["gain"] for found in (plain, other))
    assert few["value"] == many["value"] and (few["lo"], few["hi"]) != (many["lo"], many["hi"])
    assert many["hi"] - many["lo"] == pytest.approx(few["hi"] - few["lo"], rel=0.3)


# ------------------------------------------------------------------ the run itself


@shows("name")
def test_the_folder_has_the_name_of_the_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    source = api.source("quickstart")
    assert api.folder_of(quickstart_config(), source, None) == Path("runs/quickstart")
    assert api.folder_of(quickstart_config(name="mine"), source, None) == Path("runs/mine")
    there = tmp_path / "there"
    assert api.folder_of(quickstart_config(name="mine"), source, there) == there


@shows("resume")
def test_a_folder_that_holds_a_run_goes_on_or_is_refused(tmp_path):
    open_run(quickstart_config(), tmp_path)
    (tmp_path / "rollouts" / "base.jsonl").touch()
    open_run(quickstart_config(), tmp_path)
    with pytest.raises(ConfigError, match="resume=never, and this folder holds a run"):
        open_run(quickstart_config(resume="never"), tmp_path)
    open_run(quickstart_config(resume="never"), tmp_path / "new")


@shows("seed")
def test_the_seed_decides_every_sample_and_the_order_of_the_problems(tiny, tmp_path):
    problems, train = carry.problems("heldout", 4), carry.problems("train", 40)

    def drawn(seed: int, folder: str, name: str = "base") -> list[str]:
        config = quickstart_config(
            seed=seed,
            sampling=SamplingConfig(samples=8, max_new_tokens=32),
            verifier="math",
            verifier_options={},
        )
        (tmp_path / folder).mkdir()
        evaluator = Evaluator(config, Evidence(config.evidence), pool, Terminal(quiet=True))
        sampler = TransformersSampler(tiny, config.sampling)
        return [
            row.trace
            for row in rollouts.read(
                evaluator.evaluate(sampler, problems, tmp_path / folder / f"{name}.jsonl")
            )
        ]

    def order(seed: int) -> list[int]:
        return SourceMix.of(quickstart_config(seed=seed), train, lambda: 0).draw(0, 8)[0]

    with VerifierPool("math", workers=1) as pool:
        first = drawn(0, "one")
        assert drawn(0, "again") == first
        assert drawn(1, "other") != first
        assert drawn(0, "tuned", "tuned") != first  # each evaluation derives its own
    assert order(0) == order(0) and order(0) != order(1)


def test_the_keys_of_one_attempt_are_no_part_of_the_run():
    config = Config.model_validate(quickstart_config().model_dump() | {"name": "mine", "resume": "never"})
    assert not {"name", "resume"} & config.model_dump(mode="json").keys()
    assert TrainConfig().steps == 100  # the default that --help-config shows
