"""What vLLM is refused for, and what its one log-probability per token can stand for. No engine is started."""

import re
import tomllib
from concurrent.futures import Future
from dataclasses import replace
from importlib.metadata import packages_distributions, requires, version

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from rlvr.config import EvidenceConfig, SamplingConfig
from rlvr.config.schema import VllmSection
from rlvr.errors import ConfigError, UserError
from rlvr.evidence import Evidence
from rlvr.preflight.parts import check_engine
from rlvr.sampling import takes_vllm, vllm_engine
from rlvr.sampling.driver import roll
from rlvr.sampling.engine import TransformersSampler
from rlvr.sampling.vllm import from_disk
from tests.conftest import REPO
from verifiers import Problem, Verdict


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"temperature": 1.0}, "raw"),
        ({"temperature": 1.0, "top_p": 0.9}, "raw"),  # before truncation
        ({"temperature": 0.0}, "raw"),
        ({"temperature": 0.7}, "processed"),
    ],
)
def test_it_is_after_the_temperature_and_before_truncation(settings, expected):
    assert vllm_engine.nats_of(SamplingConfig(**settings)) == expected
    assert vllm_engine.refused(SamplingConfig(**settings)) is None


REFUSED = {
    "its log-probability can be neither": ({"temperature": 0.7, "top_k": 5}, "before truncation"),
    "truncated in another order": ({"min_p": 0.1, "top_p": 0.9}, "min_p and top_p"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_settings_under_which_engines_would_differ_are_refused(monkeypatch, case):
    settings, words = REFUSED[case]
    monkeypatch.setattr(vllm_engine, "installed", lambda: "0.30.0")
    with pytest.raises(UserError, match=words):
        check_engine(SamplingConfig(engine="vllm", **settings), training=True)
    assert not takes_vllm(SamplingConfig(engine="auto", **settings), "cuda")


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("processes", [1, 2, 3, 4, 6, 8])
@pytest.mark.parametrize("gpus", [1, 2, 3, 4, 8])
def test_the_gpus_of_an_engine_divide_the_processes(gpus, processes, training):
    """Each process is of one engine. A single one that only evaluates may have an engine of any number of GPUs."""
    settings = SamplingConfig(engine="vllm", vllm=VllmSection(tensor_parallel_size=gpus))
    if processes in range(0, 9, gpus) or (processes == 1 and not training):
        vllm_engine.check_parallel(settings, training, processes)
        return
    with pytest.raises(ConfigError, match=rf"size: {gpus} does not divide the {processes} processes"):
        vllm_engine.check_parallel(settings, training, processes)


@pytest.mark.parametrize("processes", [1, 2])
@pytest.mark.parametrize("gpus", [1, 2])
def test_processes_that_share_an_engine_have_no_environment(gpus, processes):
    """It decides the number of turns, and so of calls, which must be the same in each of them."""
    settings = SamplingConfig(engine="vllm", vllm=VllmSection(tensor_parallel_size=gpus))
    vllm_engine.check_parallel(settings, False, processes)
    if processes == gpus == 2:
        with pytest.raises(ConfigError, match="another number of turns, which the environment decides"):
            vllm_engine.check_parallel(settings, False, processes, answered=True)
    else:
        vllm_engine.check_parallel(settings, False, processes, answered=True)


def test_a_process_without_requests_asks_the_engine_too(tiny):
    """Those that share one compute each token together, so none of them may leave a call out."""
    asked: list[int] = []

    class Counting(TransformersSampler):
        def generate(self, prompts, rows, on_done=None):
            asked.append(len(rows))
            return super().generate(prompts, rows, on_done)

    def judge(problem: Problem, text: str) -> Future[Verdict]:
        raise AssertionError("there is nothing to judge")

    assert roll(Counting(tiny, SamplingConfig()), [], Evidence(EvidenceConfig()), judge, seed=0) == []
    assert asked == [0]


@pytest.mark.parametrize("version", ["0.27.1", "0.31.0", "0.33.0+cu129"])
def test_another_version_is_refused_in_a_sentence(monkeypatch, version):
    monkeypatch.setattr(vllm_engine, "installed", lambda: version)
    with pytest.raises(
        UserError, match=re.escape(f"vLLM {version} is installed, and rlvr works with >=0.28,<0.31")
    ):
        check_engine(SamplingConfig(engine="vllm"), training=True)
    assert not takes_vllm(SamplingConfig(), "cuda")


@pytest.mark.parametrize("version", ["0.28.0", "0.30.1", "0.30.0+cpu"])
def test_automatically_it_samples_on_a_gpu_alone(monkeypatch, version):
    monkeypatch.setattr(vllm_engine, "installed", lambda: version)
    assert takes_vllm(SamplingConfig(), "cuda")
    assert not takes_vllm(SamplingConfig(), "cpu") and not takes_vllm(
        SamplingConfig(engine="transformers"), "cuda"
    )


def test_the_extra_asks_for_the_versions_that_the_engine_takes():
    project = tomllib.loads((REPO / "pyproject.toml").read_text())["project"]
    (extra,) = map(Requirement, project["optional-dependencies"]["vllm"])
    assert extra.specifier == SpecifierSet(vllm_engine.VERSIONS)


@pytest.mark.skipif(vllm_engine.installed() is None, reason="vLLM is not installed")
@pytest.mark.parametrize("package", ["torch", "transformers"])
def test_the_vllm_that_is_installed_takes_our_packages(package):
    (name,) = packages_distributions()["vllm"]
    ranges = [r.specifier for r in map(Requirement, requires(name) or ()) if r.name == package]
    assert all(r.contains(version(package)) for r in ranges), (ranges, version(package))


def test_trl_takes_the_newest_of_them():
    """Our losses need nothing of TRL's vLLM part; users who keep its trainer (`as_trl_reward`) do."""
    found = [Requirement(text) for text in requires("trl") or ()]
    ranges = [r.specifier for r in found if r.name == "vllm"]
    assert ranges and all(r.contains("0.30.0") for r in ranges)


def test_weights_that_are_in_memory_alone_are_never_read_from_disk(tiny):
    step = replace(tiny, name="step-50", weights="memory")
    with pytest.raises(ValueError, match="does not hold the weights of step-50"):
        from_disk(step, SamplingConfig(engine="vllm"))


def test_a_policy_without_weights_says_what_an_engine_must_know(tiny):
    from rlvr.policy import load_policy
    from tests.conftest import quickstart_config

    bare = load_policy(quickstart_config(), "base", weights=False)
    assert {p.device.type for p in bare.model.parameters()} == {"meta"}
    assert (bare.stop_ids, bare.context, bare.model.dtype) == (tiny.stop_ids, tiny.context, tiny.model.dtype)
    assert bare.encode(["1+1="]) == tiny.encode(["1+1="])


def test_the_base_is_loaded_at_the_revision_of_the_config_by_whatever_name_it_is_asked_for(monkeypatch):
    from transformers import AutoModelForCausalLM

    from rlvr.policy import PolicyError, load_policy
    from tests.conftest import quickstart_config

    asked = []

    def loading(where, **options):
        asked.append(options["revision"])
        raise OSError("not needed further")

    monkeypatch.setattr(AutoModelForCausalLM, "from_pretrained", loading)
    config = quickstart_config(revision="v2")
    for source in (None, config.model, "rlvr/worlds/tiny"):
        with pytest.raises(PolicyError):
            load_policy(config, "base", source)
    assert asked == ["v2", "v2", None]
