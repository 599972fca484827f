"""What a key is where nobody says it, and where its values end: a changed default or bound changes runs in silence."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from rlvr import config as configuration
from rlvr.config import Config, SourceConfig, TrainConfig
from rlvr.config.data import columns, fill, stem
from rlvr.config.explain import _short, describe
from rlvr.config.reading import override
from rlvr.config.schema import SamplingConfig
from rlvr.config.sets import derived
from rlvr.config.training import RATE, AdapterSection
from rlvr.errors import ConfigError
from rlvr.training.arguments import DEFAULTS as TRL

MINIMAL = {"problems": {"heldout": {"world": "heldout"}}}

DEFAULTS: dict[str, Any] = {
    "model": "tiny", "dtype": "auto", "trust_remote_code": False, "verifier": "math", "resume": "auto", "seed": 0,
    "sampling.engine": "auto", "sampling.samples": 64, "sampling.temperature": 1.0, "sampling.top_p": 1.0,
    "sampling.top_k": 0, "sampling.min_p": 0.0, "sampling.max_new_tokens": 512, "sampling.batch_size": 0,
    "sampling.vllm.tensor_parallel_size": 1, "sampling.vllm.enforce_eager": False, "sampling.vllm.sleep": False,
    "sampling.http.in_flight": 64, "sampling.http.timeout": 3600.0, "sampling.http.patience": 600.0,
    "verification.workers": 0, "verification.deadline": 10.0, "verification.memory_mb": 2048,
    "verification.max_unjudged": 0.5, "verification.max_unverifiable": 0.1, "verification.min_accepted": 0.9,
    "analysis.search_budget": None, "analysis.replicates": 2000, "sandbox.allow_weak": False,
    "evidence.template": "plain", "evidence.shots": 0, "evidence.shots_seed": 0, "evidence.shots_choice": "fixed",
    "evidence.shots_pool": 64, "evidence.separator": "\n\n",
    "train.algorithm": "grpo", "train.reward": "verdict", "train.random_rate": 0.5, "train.steps": 100,
    "train.groups_per_step": 8, "train.group_size": 8, "train.rows_per_micro_step": 0, "train.eval_every": 0,
    "train.eval_samples": 16, "train.keep": "last", "train.best_by": "pass@1", "train.stop.patience": None,
    "train.stop.at": None, "train.checkpoint_every": None, "train.max_skipped": 5, "train.max_drift": 0.05,
    "train.learning_rate": 1e-6, "train.shaping.overlong": 0.0, "train.shaping.per_token": 0.0,
    "train.curriculum.kind": "uniform", "train.curriculum.forgetting": 0.95, "train.curriculum.uniform_share": 0.1,
    "train.curriculum.advance_at": 0.7, "train.curriculum.refill": 0, "train.ppo.gamma": 1.0,
    "train.ppo.gae_lambda": 1.0, "train.ppo.value_coefficient": 0.1, "train.ppo.value_clip": 0.2,
    "train.ppo.value_learning_rate": 1e-3, "train.adapter.kind": "full", "train.adapter.rslora": False,
}  # fmt: skip


def value_of(config: Config, key: str) -> Any:
    found: Any = config
    for part in key.split("."):
        found = getattr(found, part)
    return found


def test_what_a_key_is_where_nobody_says_it():
    config = Config.model_validate(MINIMAL)
    assert {key: value_of(config, key) for key in DEFAULTS} == DEFAULTS


def test_the_loss_that_is_trained_where_nobody_says_it():
    """DAPO's mean over tokens and its clip-higher, GRPO's deviation, no KL, on policy, AdamW at a constant rate."""
    assert TRL == {
        "loss_type": "dapo", "scale_rewards": "group", "vllm_importance_sampling_mode": "sequence_mask",
        "beta": 0.0, "use_bias_correction_kl": True, "num_iterations": 1, "epsilon": 0.2, "epsilon_high": 0.28,
        "lr_scheduler_type": "constant", "warmup_steps": 0, "weight_decay": 0.0, "max_grad_norm": 1.0,
        "optim": "adamw_torch_fused", "activation_checkpointing": False, "disable_dropout": True,
        "report_to": "none", "project": "rlvr", "save_total_limit": 2,
    }  # fmt: skip


def test_sources_hints_and_steering_where_nobody_says_more():
    source = SourceConfig(file="a.jsonl")
    assert (source.size, source.seed, source.bad_rows, source.format) == (1000, 0, 0.05, "columns")
    evidence = Config.model_validate(MINIMAL | {"evidence": {"hint": {"column": "a"}}}).evidence
    assert evidence.hint and (evidence.hint.share, evidence.hint.position, evidence.hint.format) == (
        0.5, "question", "Hint: {hint}",
    )  # fmt: skip
    attempts = Config.model_validate(MINIMAL | {"evidence": {"attempts": {"file": "a"}}}).evidence.attempts
    assert attempts and (attempts.number, attempts.which) == (1, "wrong")
    train = TrainConfig.model_validate({"evidence": {"add": {"shots": 1}}})
    assert train.evidence and (train.evidence.only, train.evidence.start, train.evidence.until) == (
        "always",
        1.0,
        None,
    )
    distill = {"algorithm": "distill", "distill": {"evidence": {"shots": 1}}}
    taught = TrainConfig.model_validate(distill)
    assert taught.distill and taught.distill.direction == "forward"


def test_the_rate_is_that_of_what_is_trained_unless_it_is_said():
    """Low-rank updates want about ten times the rate of all weights (Schulman et al. 2025)."""
    assert RATE == {"full": 1e-6, "lora": 1e-5, "soft_prompt": 1e-2}
    for kind, rate in RATE.items():
        assert TrainConfig.model_validate({"adapter": {"kind": kind}}).learning_rate == rate
        assert TrainConfig(adapter=AdapterSection.model_validate({"kind": kind})).learning_rate == rate
        said = TrainConfig.model_validate({"adapter": {"kind": kind}, "learning_rate": 3e-4})
        assert said.learning_rate == 3e-4


BOUNDS: dict[str, tuple[list[Any], list[Any]]] = {
    # key: what is taken at the very end, what is refused beyond it
    "sampling.samples": ([1, 1_000_000], [0, 1_000_001]),
    "sampling.temperature": ([0.1, 5.0], [-0.1]),
    "sampling.top_p": ([0.01, 1.0], [0.0, 1.01]),
    "sampling.top_k": ([0], [-1]),
    "sampling.min_p": ([0.0, 1.0], [-0.1, 1.1]),
    "sampling.max_new_tokens": ([1], [0]),
    "sampling.batch_size": ([0], [-1]),
    "sampling.vllm.gpu_memory_utilization": ([0.1, 1.0, None], [0.0, 1.1]),
    "sampling.vllm.tensor_parallel_size": ([1], [0]),
    "sampling.http.in_flight": ([1, 4096], [0, 4097]),
    "sampling.http.timeout": ([0.1], [0.0]),
    "sampling.http.patience": ([0.0], [-1.0]),
    "verification.workers": ([0, 1024], [-1, 1025]),
    "verification.deadline": ([0.1], [0.0]),
    "verification.memory_mb": ([64], [63]),
    "verification.max_unjudged": ([0.0, 1.0], [-0.1, 1.1]),
    "verification.max_unverifiable": ([0.0, 1.0], [-0.1, 1.1]),
    "verification.min_accepted": ([0.0, 1.0], [-0.1, 1.1]),
    "analysis.replicates": ([100], [99]),
    "analysis.search_budget": ([1, 64, None], [0, 65]),  # no more than there are samples
    "seed": ([0, 2**63 - 1], [-1, 2**63]),
    "train.steps": ([0], [-1]),
    "train.groups_per_step": ([1], [0]),
    "train.group_size": ([2], [1]),
    "train.rows_per_micro_step": ([0], [-1]),
    "train.eval_every": ([0], [-1]),
    "train.eval_samples": ([1], [0]),
    "train.checkpoint_every": ([0, None], [-1]),
    "train.max_skipped": ([1], [0]),
    "train.max_drift": ([0.0], [-0.1]),
    "train.learning_rate": ([1e-12], [0.0, -1e-6]),
    "train.random_rate": ([0.01, 0.99], [0.0, 1.0]),
    "train.shaping.overlong": ([0.0], [-0.1]),
    "train.shaping.per_token": ([0.0], [-0.1]),
    "train.curriculum.forgetting": ([0.01, 1.0], [0.0, 1.1]),
    "train.curriculum.uniform_share": ([0.01, 1.0], [0.0, 1.1]),
    "train.curriculum.advance_at": ([0.01, 0.99], [0.0, 1.0]),
    "train.curriculum.refill": ([0], [-1]),
    "train.ppo.gamma": ([0.01, 1.0], [0.0, 1.1]),
    "train.ppo.gae_lambda": ([0.0, 1.0], [-0.1, 1.1]),
    "train.ppo.value_coefficient": ([0.0], [-0.1]),
    "train.ppo.value_clip": ([0.01], [0.0]),
    "train.ppo.value_learning_rate": ([1e-9], [0.0]),
    "evidence.shots": ([0], [-1]),
    "evidence.shots_seed": ([0], [-1]),
    "evidence.shots_pool": ([1], [0]),
}


@pytest.mark.parametrize("key", BOUNDS)
def test_where_the_values_of_a_key_end(key):
    def given(value: Any) -> Config:
        data: dict[str, Any] = {"problems": MINIMAL["problems"]}
        node = data
        *parents, last = key.split(".")
        for parent in parents:
            node = node.setdefault(parent, {})
        node[last] = value
        return Config.model_validate(data)

    taken, refused = BOUNDS[key]
    for value in taken:
        assert value_of(given(value), key) == value
    for value in refused:
        with pytest.raises(
            ValidationError, match=key.replace(".", r"\n?\.") if "." not in key else key.split(".")[-1]
        ):
            given(value)


@pytest.mark.parametrize(
    ("section", "keys"),
    [
        ({"adapter": {"kind": "lora", "r": 0}}, "r"),
        ({"adapter": {"kind": "lora", "alpha": 0}}, "alpha"),
        ({"adapter": {"kind": "lora", "dropout": 1.0}}, "dropout"),
        ({"adapter": {"kind": "soft_prompt", "tokens": 0}}, "tokens"),
        ({"eval_every": 1, "stop": {"patience": 0}}, "patience"),
        ({"eval_every": 1, "stop": {"at": 0.0}}, "at"),
        ({"eval_every": 1, "stop": {"at": 1.1}}, "at"),
        ({"evidence": {"add": {"shots": 1}, "start": 0.0}}, "start"),
        ({"evidence": {"add": {"shots": 1}, "until": 0}}, "until"),
        ({"rewards": [{"verifier": "format", "weight": 0}]}, "weight of 'format' is 0"),
        ({"rewards": [{"verifier": "format", "weight": float("nan")}]}, "weight"),
    ],
)
def test_values_of_inner_sections_end_too(section, keys):
    with pytest.raises(ValidationError, match=keys):
        TrainConfig.model_validate(section)


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"train": {"steps": 1}, "sampling": {"temperature": 0}}, "greedy samples of a group are all equal"),
        ({"environment_options": {"turns": 2}}, "environment_options are given, and no `environment`"),
        ({"analysis": {"search_budget": 65}}, r"search_budget \(65\) is above sampling.samples \(64\)"),
        ({"train": {"curriculum": {"kind": "staged"}}}, "staged needs `level`"),
        ({"train": {"algorithm": "ppo", "curriculum": {"refill": 1}}}, "refill is for grpo and rloo"),
        ({"train": {"algorithm": "rejection", "curriculum": {"refill": 1}}}, "refill is for grpo and rloo"),
        ({"train": {"algorithm": "distill"}}, "go together"),
        ({"train": {"distill": {"evidence": {"shots": 1}}}}, "go together"),
        ({"train": {"keep": "best"}}, "keep: best goes by evaluations"),
        ({"train": {"eval_every": 0, "stop": {"patience": 1}}}, "stop.patience goes by evaluations"),
        ({"train": {"algorithm": "rejection", "rewards": [{"verifier": "format", "weight": 1}]}}, "does nothing"),
        ({"train": {"rewards": [{"verifier": "a:format", "weight": 1}, {"verifier": "b:format", "weight": 2}]}},
         "two terms are called 'format'"),
        ({"train": {"adapter": {"kind": "lora", "tokens": 4}}}, "tokens belongs to kind: soft_prompt"),
        ({"train": {"adapter": {"kind": "full", "r": 4}}}, "r belongs to kind: lora"),
        ({"evidence": {"shots_choice": "random"}}, "no `shots` are drawn"),
        ({"evidence": {"instruction_position": "after"}}, "needs an `instruction`"),
        ({"environment": "feedback", "train": {"algorithm": "distill", "distill": {"evidence": {"shots": 2}}}},
         "compares answers of one turn"),
    ],
)  # fmt: skip
def test_what_does_not_go_together_is_refused(keys, said):
    with pytest.raises(ValidationError, match=said):
        Config.model_validate(MINIMAL | keys)


@pytest.mark.parametrize(
    "keys",
    [
        {"train": {"steps": 0}, "sampling": {"temperature": 0}},
        {"train": {"algorithm": "rloo", "curriculum": {"refill": 2}}},
        {"train": {"keep": "best", "eval_every": 5}},
        {
            "train": {
                "algorithm": "distill",
                "distill": {"evidence": {"shots": 2}},
                "shaping": {"overlong": 0.1},
            }
        },
        {"evidence": {"instruction": "Add.", "instruction_position": "after"}},
    ],
)
def test_what_goes_together_is_taken(keys):
    Config.model_validate(MINIMAL | keys)


def test_who_imitates_and_when_the_last_step_is_evaluated():
    def train(**keys: Any) -> TrainConfig:
        return TrainConfig.model_validate(keys)

    teacher = {"evidence": {"shots": 1}}
    assert train(algorithm="rejection").imitates and not train().imitates
    assert train(algorithm="distill", distill=teacher).imitates
    assert not train(algorithm="distill", distill=teacher | {"direction": "reverse"}).imitates
    assert not train(eval_every=2).evaluates_last_step
    assert train(eval_every=2, keep="best").evaluates_last_step
    assert train(eval_every=2, stop={"at": 0.5}).evaluates_last_step


# ------------------------------------------------------------------ reading


def test_overrides_reach_entries_of_lists_and_begin_sections():
    data: dict[str, Any] = {"problems": {"train": [{"file": "a"}, {"file": "b"}]}, "train": None}
    for text in ("problems.train.1.limit=3", "train.stop.at=0.5", "name=x=y", " seed = 4"):
        override(data, text)
    assert data == {
        "problems": {"train": [{"file": "a"}, {"file": "b", "limit": 3}]},
        "train": {"stop": {"at": 0.5}},
        "name": "x=y",
        "seed": 4,
    }
    for text, said in (
        ("problems.train.2.limit=1", "'2' is no entry of a list of 2; expected 0 to 1"),
        ("problems.train.last=1", "'last' is no entry"),
        ("seed.a=1", "'seed' holds a value, not a section"),
        ("=1", "expected key=value"),
        ("a=[1", "not valid YAML"),
    ):
        with pytest.raises(ConfigError, match=said):
            override(data, text)


@pytest.mark.parametrize(
    ("text", "value"),
    [("1e-3", 1e-3), ("1e3", 1000.0), ("-2E+2", -200.0), ("1.e2", 100.0), ("1", 1), ("yes", True), ("null", None),
     ("'1e3'", "1e3"), ("e3", "e3"), ("1e", "1e")],
)  # fmt: skip
def test_numbers_are_read_as_yaml_1_2_has_them(text, value):
    data: dict[str, Any] = {}
    override(data, f"a={text}")
    assert data["a"] == value and type(data["a"]) is type(value)


def test_a_key_that_stands_twice_is_refused(tmp_path):
    file = tmp_path / "c.yaml"
    file.write_text("seed: 1\nproblems: {heldout: {world: heldout}}\nseed: 2\n")
    with pytest.raises(ConfigError, match="line 3: seed is given twice, first in line 1"):
        configuration.load(file)
    file.write_text("a: &x {b: 1}\nc: {<<: *x, d: 2}\ne: {<<: *x, d: 2}\n")
    assert configuration.read(file)["c"] == {"b": 1, "d": 2}


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("a", "'a'"), ("x" * 80, repr("x" * 80)), ("x" * 81, repr("x" * 80 + "…")), ([1, 2, 3, 4], "[1, 2, 3, 4]"),
        ([1] * 5, "a list of 5"), ({"a": 1}, "{'a': 1}"), ([[1]], "a list of 1"), (None, "None"),
        (2**201, "an integer of 202 bits"),
    ],
)  # fmt: skip
def test_what_a_message_shows_of_a_value(value, shown):
    assert _short(value) == shown


def test_every_key_is_told_with_its_default():
    told = {key: default for key, default, _ in describe()}
    assert told["train.group_size"] == "8" and told["problems.heldout"] == "" and told["model"] == '"tiny"'
    assert told["problems.probes.NAME.limit"] == "null" and told["train.rewards.verifier"] == "required"


@pytest.mark.parametrize(
    ("keys", "label", "name"),
    [
        ({"dataset": "openai/gsm8k", "subset": "main", "split": "test"}, "openai/gsm8k/main/test", "gsm8k"),
        ({"file": "data/aime.v2.jsonl.gz"}, "aime.v2", "aime.v2"),
        ({"file": "data/*.jsonl"}, "data", "data"),
        ({"file": ("a.csv", "b/c.parquet", "d/a.csv")}, "a+c", "a-c"),
        ({"generator": "chain_sum", "seed": 3}, "chain_sum-3", "chain_sum"),
        ({"world": "heldout"}, "world-heldout", "world-heldout"),
        ({"dataset": "a/b", "file": "x/rows.json"}, "rows", "b"),
    ],
)
def test_what_a_source_is_called(keys, label, name):
    source = SourceConfig.model_validate(keys)
    assert source.label == label and derived(source) == name


def test_formats_name_columns_and_paths():
    assert columns("a") == {"a"} and columns("{a} {b.c} {{x}}") == {"a", "b.c"}
    assert fill("{a}{{{a}}}", {"a": "1"}.__getitem__) == "1{1}"
    assert [stem(n) for n in ("a.jsonl.zst", "a.b.tsv", "a.tar", "a.GZ", "x/y.arrow")] == [
        "a", "a.b", "a.tar", "a", "y",
    ]  # fmt: skip


def test_thinking_marks_are_an_option_of_every_verifier():
    config = Config.model_validate(MINIMAL | {"thinking_marks": [["<a>", "</a>"]]})
    assert config.marks_option == {"thinking_marks": [["<a>", "</a>"]]}
    assert Config.model_validate(MINIMAL).marks_option == {}


def test_servers_are_addresses():
    assert SamplingConfig(servers=["http://node1:8000", "https://a/v1"]).servers
    for wrong in ("node1:8000", "ftp://a", "http://", "http:// a"):
        with pytest.raises(ValidationError):
            SamplingConfig(servers=[wrong])
