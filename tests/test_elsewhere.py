"""`rlvr export verl`: the same prompts to the token, the same verdicts, the same settings, and what is lost by name."""

import importlib.util
import json
import shlex
from pathlib import Path

import pyarrow.parquet as parquet
import pytest
from transformers import AutoTokenizer

from rlvr import config as configuration
from rlvr.cli import main
from rlvr.evidence import Evidence
from rlvr.tokens import encode
from rlvr.worlds import carry

SMALL = ["problems.heldout.limit=4", "problems.train.limit=6"]


def exported(folder: Path, *words: str) -> Path:
    assert main(["export", "verl", "quickstart", "--into", str(folder), "-q", *SMALL, *words]) == 0
    return folder


def settings(folder: Path) -> dict[str, str]:
    """Of the script: what follows the module's name, as the shell reads it."""
    words = shlex.split((folder / "run.sh").read_text().replace("\\\n", " "), comments=True)
    pairs = [word.partition("=") for word in words[words.index("verl.trainer.main_ppo") + 1 : -1]]
    return {key: value for key, _, value in pairs}


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    return exported(tmp_path_factory.mktemp("verl") / "out")


def test_verl_reads_the_same_tokens(made):
    tokenizer = AutoTokenizer.from_pretrained(carry.TINY)
    template = settings(made)["actor_rollout_ref.model.custom_chat_template"][1:-1].replace("\\'", "'")
    config = configuration.load(configuration.find("quickstart"), SMALL)
    evidence = Evidence(config.evidence)
    for split in ("train", "heldout"):
        rows = parquet.read_table(made / f"{split}.parquet").to_pylist()
        problems = {problem.id: problem for problem in carry.problems(split)}
        assert len(rows) == {"train": 6, "heldout": 4}[split]
        for row in rows:
            problem = problems[row["extra_info"]["problem_id"]]
            ours = encode(tokenizer, [evidence.text(problem)])[0]
            theirs = tokenizer.apply_chat_template(
                row["prompt"],
                chat_template=template,
                add_generation_prompt=True,
                tokenize=True,
                return_dict=False,
            )
            assert theirs == ours
            assert row["reward_model"] == {"style": "rule", "ground_truth": problem.reference}


def test_the_reward_is_our_verdict(made):
    spec = importlib.util.spec_from_file_location("verl_reward_written", made / "reward.py")
    assert spec and spec.loader
    reward = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(reward)
    row = parquet.read_table(made / "heldout.parquet").to_pylist()[0]
    problem = {problem.id: problem for problem in carry.problems("heldout")}[row["extra_info"]["problem_id"]]
    sound = next(trace.text for trace in carry.support(problem) if trace.sound)
    asked = row["data_source"], row["reward_model"]["ground_truth"], row["extra_info"]
    try:
        assert reward.compute_score(asked[0], sound, *asked[1:]) == {
            "score": 1.0, "acc": 1.0, "judged": 1.0, "status": "correct",
        }  # fmt: skip
        assert reward.compute_score(asked[0], "12}", *asked[1:])["score"] == 0.0
        broken = json.loads(asked[2]["problem"]) | {"reference": ""}
        nobody = reward.compute_score(asked[0], sound, asked[1], {"problem": json.dumps(broken)})
        assert (nobody["score"], nobody["judged"]) == (0.0, 0.0)
    finally:
        reward.pools().close()


def test_hyper_parameters_have_verls_names(tmp_path):
    words = [
        "train.trl.loss_type=grpo", "train.trl.scale_rewards=none", "train.trl.beta=0.04", "train.steps=70",
        "train.groups_per_step=12", "train.group_size=6", "train.learning_rate=2e-6", "train.trl.epsilon=0.1",
        "train.trl.num_iterations=2", "sampling.temperature=0.7", "sampling.max_new_tokens=20", "seed=5",
        "train.adapter={kind: lora, r: 8}", "train.trl.lr_scheduler_type=cosine", "train.trl.warmup_steps=3",
    ]  # fmt: skip
    found = settings(exported(tmp_path / "out", *words))
    actor, rollout = "actor_rollout_ref.actor.", "actor_rollout_ref.rollout."
    expected = {
        "algorithm.adv_estimator": "grpo", "algorithm.norm_adv_by_std_in_grpo": "false", "data.seed": "5",
        "data.train_batch_size": "12", f"{actor}ppo_mini_batch_size": "12",
        f"{rollout}n": "6", f"{rollout}temperature": "0.7", "data.max_response_length": "20",
        f"{actor}loss_agg_mode": "seq-mean-token-mean", f"{actor}use_kl_loss": "true", f"{actor}kl_loss_coef": "0.04",
        f"{actor}clip_ratio_low": "0.1", f"{actor}clip_ratio_high": "0.28", f"{actor}ppo_epochs": "2",
        f"{actor}optim.lr": "2e-06", f"{actor}optim.lr_scheduler_type": "cosine", f"{actor}optim.lr_warmup_steps": "3",
        "actor_rollout_ref.model.lora_rank": "8", "actor_rollout_ref.model.lora_alpha": "32",
        "trainer.total_training_steps": "70",
    }  # fmt: skip
    assert {key: found.get(key) for key in expected} == expected


LEFT_ALONE = {
    "algorithm.norm_adv_by_std_in_grpo": "true", "actor_rollout_ref.actor.use_kl_loss": "false",
    "actor_rollout_ref.actor.loss_agg_mode": "token-mean", "actor_rollout_ref.actor.policy_loss.loss_mode": "vanilla",
    "actor_rollout_ref.actor.clip_ratio_low": "0.2", "actor_rollout_ref.actor.clip_ratio_high": "0.28",
    "actor_rollout_ref.actor.grad_clip": "1.0", "actor_rollout_ref.actor.ppo_epochs": "1",
    "actor_rollout_ref.rollout.top_k": "-1", "actor_rollout_ref.rollout.top_p": "1.0",
    "actor_rollout_ref.rollout.val_kwargs.do_sample": "true", "actor_rollout_ref.rollout.val_kwargs.top_k": "-1",
    "actor_rollout_ref.model.enable_gradient_checkpointing": "false", "trainer.val_before_train": "true",
}  # fmt: skip


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["train.eval_every=0", "train.checkpoint_every=0"],
         LEFT_ALONE | {"trainer.test_freq": "-1", "trainer.save_freq": "60"}),
        (["train.eval_every=7", "train.trl.importance_sampling_level=sequence", "train.trl.loss_type=grpo"],
         {"trainer.test_freq": "7", "trainer.save_freq": "7",
          "actor_rollout_ref.actor.loss_agg_mode": "seq-mean-token-mean",
          "actor_rollout_ref.actor.policy_loss.loss_mode": "gspo"}),
        (["train.checkpoint_every=5", "train.trl.loss_type=cispo", "sampling.top_k=4", "sampling.top_p=0.9",
          "train.algorithm=rloo"],
         {"trainer.save_freq": "5", "actor_rollout_ref.actor.policy_loss.loss_mode": "cispo",
          "actor_rollout_ref.rollout.top_k": "4", "actor_rollout_ref.rollout.val_kwargs.top_k": "4",
          "actor_rollout_ref.rollout.val_kwargs.top_p": "0.9", "algorithm.adv_estimator": "rloo"}),
    ],
)  # fmt: skip
def test_what_verl_is_told_of_the_rest(tmp_path, words, expected):
    found = settings(exported(tmp_path / "out", *words))
    assert {key: found.get(key) for key in expected} == expected
    assert (
        "actor_rollout_ref.actor.kl_loss_coef" not in found
        and "actor_rollout_ref.model.lora_rank" not in found
    )
    assert found["actor_rollout_ref.rollout.val_kwargs.n"] == "16"
    sets = found["data.val_files"].strip("[]").split(",")
    assert [Path(name).name for name in sets] == ["heldout.parquet", "unreachable.parquet", "rare.parquet"]
    assert Path(found["data.train_files"]).name == "train.parquet"


def test_what_verl_does_not_have_is_named(tmp_path, capsys):
    words = [
        "train.curriculum.kind=adaptive",
        "train.keep=best",
        "sampling.stop=['#']",
        "train.trl.optim=sgd",
    ]
    text = (exported(tmp_path / "out", *words) / "NOT-CARRIED-OVER.md").read_text()
    named = [line.split("`")[1] for line in text.splitlines() if line.startswith("- ")]
    assert {"train.curriculum.kind", "train.keep", "sampling.stop", "train.trl.optim"} <= {*named}
    assert {"train.trl.lr_scheduler_type", "sampling.samples"} <= {*named}  # of the quickstart itself
    assert not {"train.steps", "evidence.question", "analysis.search_budget"} & {*named}
    assert "train.keep is 'best'" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["train.algorithm=ppo"], "train.algorithm is 'ppo'; expected grpo or rloo"),
        (["train.trl.loss_type=vespo"], "train.trl.loss_type is 'vespo'"),
        (["environment=feedback", "evidence.separator=' '"], "environment is 'feedback'"),
        (["train.reward=random"], "train.reward is 'random'"),
        (["problems.train=null", "train.steps=0"], "problems.train: needed"),
    ],
)
def test_another_training_is_refused(tmp_path, capsys, words, said):
    assert main(["export", "verl", "quickstart", "--into", str(tmp_path / "out"), *words]) == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_the_command_asks_for_what_it_needs(tmp_path, capsys):
    for words, said in (
        (["verl"], "expected a configuration"),
        (["verl", "quickstart"], "--into DIR is needed"),
        (["verl", "quickstart", "--into", str(tmp_path)], "not empty"),
    ):
        (tmp_path / "mine").touch()
        assert main(["export", *words]) == 2
        assert said in capsys.readouterr().err
