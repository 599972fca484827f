"""What a user can get wrong in a config: `rlvr check` refuses it, `rlvr run` refuses it in the same words before it has
sampled anything, and neither shows a traceback.

`pytest tests/test_wrong_configs.py -s` prints, for each, the seconds until `rlvr run` refused it.
"""

import json
import shutil
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import pytest

from rlvr.cli import main
from rlvr.worlds.carry import TINY
from verifiers import Verdict

SMALL = [
    "problems.probes={}", "problems.train.limit=32", "problems.heldout.limit=16", "sampling.samples=8",
    "analysis.search_budget=4",
    "train.steps=2", "train.groups_per_step=4", "train.group_size=4", "train.eval_every=0",
]  # fmt: skip


class Down:
    """A verifier whose service is down."""

    name, answer_format = "down", "text"

    def verify(self, problem, trace, answer):
        return Verdict(None, "error", detail="the service does not answer")


class Raises(Down):
    def verify(self, problem, trace, answer):
        raise LookupError("no such table")


class Signature(Down):
    def verify(self, problem):  # type: ignore[override]
        return Verdict(1.0, "correct")


class Undecided(Down):
    def verify(self, problem, trace, answer):  # type: ignore[override]
        return "yes"


class NoHook:
    """Lacks a hook's methods."""


def trl(**keys: object) -> list[str]:
    return [f"train.trl.{key}={json.dumps(value)}" for key, value in keys.items()]


def own(name: str) -> list[str]:
    return [f"verifier={__name__}:{name}", "verifier_options={}"]


def rows(folder: Path, **columns: object) -> list[str]:
    """A set of the config's own, each row with these columns."""
    words = []
    for name, numbers in (("train", range(10, 20)), ("heldout", range(20, 40))):
        lines = [{"prompt": f"{n}+{n}=", "reference": str(2 * n)} | columns for n in numbers]
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
        words += [f"problems.{name}={{file: {folder / name}.jsonl}}"]
    return [*words, "verifier=math", "verifier_options={}"]


def model(folder: Path, *without: str, **config: object) -> list[str]:
    """The tiny model's folder without some of its files, or with another config."""
    copied = folder / "model"
    shutil.copytree(TINY, copied)
    for name in without:
        (copied / name).unlink()
    file = copied / "config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | config))
    return [f"model={copied}"]


def template(folder: Path, text: str) -> list[str]:
    """The tiny model with a chat template."""
    words = model(folder)
    (folder / "model" / "chat_template.jinja").write_text(text)
    return words


def sideways(folder: Path) -> list[str]:
    """A model folder beside the one that is named."""
    shutil.copytree(TINY, folder / "smollm2-135m")
    return [f"model={folder}/smolm2-135m"]


def below_a_file(folder: Path) -> list[str]:
    (folder / "file").touch()
    return ["--output", str(folder / "file" / "run")]


GEMMA = "{% if messages[0].role == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}"
Words = list[str] | Callable[[Path], list[str]]

WRONG: dict[str, tuple[Words, str]] = {
    # the model
    "a model folder, misspelt": (sideways, "there is no such folder; did you mean"),
    "a Hub name, misspelt": (
        ["model=Qwen/Qwen2.5-0.5B-Instrct"],
        "model Qwen/Qwen2.5-0.5B-Instrct: no such folder",
    ),
    "a folder that looks like a Hub name": (["model=models/smolm2"], "model models/smolm2: no such folder"),
    "`tiny`, misspelt": (["model=tinny"], "did you mean tiny?"),
    "the folder of a run that is not there": (["model=runs/a/model"], "there is no such folder"),
    "a revision of a folder": (["revision=v2"], "revision: 'v2' is of a Hub name"),
    "a folder without tokenizer": (
        lambda f: model(f, "tokenizer.json", "tokenizer_config.json"),
        "cannot be loaded",
    ),
    "a folder without weights": (lambda f: model(f, "model.safetensors"), "no file named model.safetensors"),
    "a folder without config": (lambda f: [*model(f), "model=" + str(f)], "the folder has no config.json"),
    "an architecture that nobody knows": (lambda f: model(f, model_type="lama"), "cannot be loaded"),
    # prompts and context
    "completions longer than the context": (
        ["sampling.max_new_tokens=4096"],
        "do not fit the model's context of 128",
    ),
    "chat without a template": (["evidence={template: chat}"], "the model's tokenizer has no chat template"),
    "a system message that the template refuses": (
        lambda f: [*template(f, GEMMA), "evidence={template: chat, system: Be brief.}"],
        "System role not supported",
    ),
    "an empty stop string": (
        ["sampling.stop=['']"],
        "sampling.stop.0: String should have at least 1 character",
    ),
    # data
    "no training problems": (["problems.train=null"], "problems.train: needed for training, and not given"),
    "references as dicts": (
        lambda f: rows(f, reference={"value": "5", "tol": 0.1}),
        "30 references (100%) can be equalled by no answer",
    ),
    "references that no answer equals": (
        lambda f: rows(f, reference="See the proof of Theorem 3, which shows that the map is injective."),
        "can be equalled by no answer",
    ),
    "a level that no column has": (
        lambda f: [*rows(f), "train.curriculum={kind: staged, level: difficulty}"],
        "train.curriculum.level: problem train-0 has no column 'difficulty'",
    ),
    "more examples than problems": (
        ["evidence.shots=100"],
        "evidence.shots = 100 are drawn from the training",
    ),
    # the verifier
    "a verifier that always raises": (own("Raises"), "no such table"),
    "a verifier of another signature": (own("Signature"), "Signature"),
    "a verifier that returns text": (own("Undecided"), "returned str"),
    "a verifier whose service is down": (own("Down"), "references could not be judged, first that of"),
    "an option that math does not have": (["verifier=math", "verifier_options={foo: 1}"], "foo"),
    "a term of the reward, misspelt": (
        ["train.rewards=[{verifier: fromat, weight: 1}]"],
        "did you mean 'format'",
    ),
    # sizes
    "groups that no micro-step divides": (
        ["train.groups_per_step=3", "train.group_size=4", "train.rows_per_micro_step=8"],
        "divide the 3 of each process",
    ),
    # adapters
    "adapters on modules that are not there": (
        ["train.adapter={kind: lora, target_modules: [q_porj]}"],
        "q_porj",
    ),
    "a router's loss without a router": (trl(router_aux_loss_coef=0.1), "no load-balancing loss for llama"),
    # train.trl: names
    "a schedule, misspelt": (
        trl(lr_scheduler_type="cosin"),
        "lr_scheduler_type: found 'cosin'; did you mean 'cosine'",
    ),
    "a schedule without what it needs": (trl(lr_scheduler_type="cosine_with_min_lr"), "lr_scheduler_kwargs"),
    "options that the schedule does not have": (
        trl(lr_scheduler_type="cosine", lr_scheduler_kwargs={"num_cycle": 2}),
        "num_cycle",
    ),
    "an optimiser, misspelt": (trl(optim="adamw_torhc"), "did you mean 'adamw_torch'"),
    "options that the optimiser does not take": (trl(optim_args="foo=bar"), "train.trl.optim_args: "),
    "options that checkpointing does not take": (
        trl(gradient_checkpointing=True, gradient_checkpointing_kwargs={"use_renetrant": False}),
        "use_renetrant",
    ),
    "a tracker, misspelt": (trl(report_to=["tensorbord"]), "train.trl.report_to: found 'tensorbord'"),
    "a loss that TRL does not have": (trl(loss_type="ppo2"), "train.trl.loss_type"),
    "a level of the ratio that nobody knows": (
        trl(importance_sampling_level="word"),
        "importance_sampling_level",
    ),
    # train.trl: values
    "text for a number": (trl(beta="small"), "train.trl.beta"),
    "text for a truth value": (trl(bf16="maybe"), "train.trl.bf16"),
    "a precision that a CPU does not have": (trl(fp16=True), "train.trl.fp16: needs a GPU"),
    "no iteration": (trl(num_iterations=0), "num_iterations: found 0; expected a number at least 1"),
    "a reference that is synced every 0 steps": (
        trl(beta=0.1, sync_ref_model=True, ref_model_sync_steps=0),
        "ref_model_sync_steps: found 0",
    ),
    "a share above 1": (trl(top_entropy_quantile=2), "expected a number from 0 to 1"),
    "a moment's decay above 1": (trl(adam_beta1=1.5), "train.trl.adam_beta1"),
    "a negative clip": (trl(epsilon=-0.2), "train.trl.epsilon: found -0.2"),
    "a negative warm-up": (trl(warmup_steps=-5), "train.trl.warmup_steps"),
    "text for a limit": (trl(save_total_limit="two"), "train.trl.save_total_limit"),
    # train.trl: what the loop does not read, or cannot
    "a key, misspelt": (trl(betta=0.1), "did you mean 'beta'?"),
    "torch.compile": (trl(torch_compile=True), "train.trl.torch_compile"),
    "an upload": (trl(push_to_hub=True), "train.trl.push_to_hub"),
    "Liger": (trl(use_liger_kernel=True), "train.trl.use_liger_kernel"),
    "FSDP without a launch": (trl(fsdp="full_shard"), "train.trl.fsdp"),
    "DeepSpeed without a launch": (trl(deepspeed="ds.json"), "train.trl.deepspeed"),
    "TRL's evaluations": (trl(eval_on_start=True), "train.trl.eval_on_start"),
    "data that is skipped": (trl(ignore_data_skip=True), "train.trl.ignore_data_skip"),
    "columns that are removed": (trl(remove_unused_columns=True), "train.trl.remove_unused_columns"),
    "TRL's switch for vLLM": (trl(use_vllm=True), "train.trl.use_vllm: is set by sampling.engine"),
    # code of one's own, folders
    "a hook that is not there": (["train.hooks=[nosuch:Hook]"], "train.hooks: nosuch:Hook"),
    "a hook that is none": ([f"train.hooks=['{__name__}:NoHook']"], "has no method on_step"),
    "an output below a file": (
        lambda f: [(f / "file").touch() or "--output", str(f / "file" / "run")],
        "Not a directory",
    ),
}
PACKAGES = {
    "wandb": (trl(report_to="wandb"), "wandb is not installed"),
    "trackio": (trl(report_to=["trackio"]), "trackio is not installed"),
    "bitsandbytes": (trl(optim="adamw_bnb_8bit"), "bitsandbytes"),
    "galore_torch": (trl(optim="galore_adamw"), "train.trl.optim"),
    "torchao": (trl(optim="adamw_torch_4bit"), "train.trl.optim"),
    "schedulefree": (trl(optim="schedule_free_adamw"), "train.trl.optim"),
    "vllm": (["sampling.engine=vllm"], "pip install 'rlvr[vllm]'"),
}
WRONG |= {f"{name}, which is not installed": case for name, case in PACKAGES.items() if not find_spec(name)}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_config_is_refused_before_anything_is_sampled(case, tmp_path, capsys, pytestconfig):
    words, expected = WRONG[case]
    given = words if isinstance(words, list) else words(tmp_path)
    folder = tmp_path / "out"
    said: dict[str, str] = {}
    for verb in ("check", "run"):
        began = time.perf_counter()
        assert main([verb, "quickstart", "--output", str(folder), *SMALL, *given]) == 2
        seconds = time.perf_counter() - began
        said[verb] = capsys.readouterr().err
    assert expected in said["check"] and "Traceback" not in said["check"]
    assert said["check"] == said["run"]
    assert not list(tmp_path.rglob("rollouts"))  # not even the folder, in which samples would lie
    if pytestconfig.getoption("capture") == "no":
        with capsys.disabled():
            print(f"{seconds:6.1f} s  {case}: {said['run'].strip().splitlines()[-1][:100]}")
