"""Awkward but legal: models, tokenizers and data that real life brings, through the command line to the end."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from rlvr import rollouts
from rlvr.cli import main
from rlvr.problems.on_disk import IN_MEMORY, Stored, stored
from rlvr.run import read_metrics
from rlvr.worlds import carry
from rlvr.worlds.carry import TINY
from verifiers import Problem, Verdict

SHORT = [
    "train.steps=2", "train.groups_per_step=4", "train.group_size=4", "train.eval_every=0", "sampling.samples=4",
    "analysis.search_budget=2", "analysis.replicates=100", "problems.heldout.limit=4", "problems.probes={}",
    "verification.workers=1", "-q",
]  # fmt: skip


def command(verb: str, folder: Path, *more: str) -> list[str]:
    return [verb, "quickstart", "--output", str(folder), *SHORT, *more]


def trained(folder: Path, *more: str) -> list[rollouts.Rollout]:
    """What a run of two steps sampled, once it has ended well and its model has been loaded again."""
    assert main(command("train", folder, *more)) == 0
    AutoModelForCausalLM.from_pretrained(folder / "model")
    assert [row["step"] for row in read_metrics(folder / "metrics.jsonl")] == [1, 2]
    return [row for file in sorted(folder.glob("rollouts/train-*.jsonl")) for row in rollouts.read(file)]


def variant(folder: Path, pad: bool = True, eos: bool = True, tied: bool = False, blind: bool = False) -> str:
    """The embedded model without pad or end-of-text token, with tied weights, or blind: all tokens equally likely."""
    model, tokenizer = AutoModelForCausalLM.from_pretrained(TINY), AutoTokenizer.from_pretrained(TINY)
    if not pad:
        tokenizer.pad_token = None
        model.config.pad_token_id = model.generation_config.pad_token_id = None
    if not eos:
        tokenizer.eos_token = None
        model.config.eos_token_id = model.generation_config.eos_token_id = None
    if tied:
        model.config.tie_word_embeddings = True
        model.tie_weights()
        assert model.lm_head.weight is model.get_input_embeddings().weight
    if blind:
        torch.nn.init.zeros_(model.model.norm.weight)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return f"model={folder}"


@pytest.mark.parametrize(
    "kind", [{"pad": False}, {"eos": False}, {"pad": False, "eos": False}, {"tied": True}], ids=str
)
def test_tokenizers_without_pad_or_eos_and_tied_weights(tmp_path, kind):
    rows = trained(tmp_path / "run", variant(tmp_path / "model", **kind))
    assert len(rows) == 2 * 16
    assert any(row.complete for row in rows) == kind.get("eos", True)
    assert all(row.token_ids and row.tokens == len(row.token_ids) for row in rows)
    if kind.get("tied"):
        weights = AutoModelForCausalLM.from_pretrained(tmp_path / "run" / "model")
        assert weights.lm_head.weight is weights.get_input_embeddings().weight


def test_empty_completions(tmp_path):
    rows = trained(tmp_path / "run", variant(tmp_path / "model", blind=True), "train.group_size=16")
    empty = [row for row in rows if row.trace == ""]
    assert empty and all(row.complete and row.tokens == 1 and row.score == 0 for row in empty)


def test_one_problem_and_a_group_larger_than_the_data(tmp_path):
    rows = trained(tmp_path / "run", "problems.train.limit=1", "train.group_size=8")
    assert len({row.problem_id for row in rows}) == 1
    for step in (
        rows[:32],
        rows[32:],
    ):  # it comes four times in a step, and every sample has a number and a seed
        assert sorted(row.sample for row in step) == list(range(32))
        assert len({row.seed for row in step}) == 32


class Mute:
    """A verifier that cannot judge anything."""

    name, answer_format = "mute", "text"

    def verify(self, problem: Problem, trace: str, answer: str | None) -> Verdict:
        return Verdict(None, "unverifiable", detail="\x1b[2Jno idea")


def test_all_verdicts_none(tmp_path, capsys):
    mute = [f"verifier={__name__}:Mute", "verifier_options={}"]
    assert main(command("run", tmp_path / "run", *mute)) == 2
    assert "100%) can be equalled by no answer" in capsys.readouterr().err
    mute += ["verification.max_unverifiable=1"]
    assert main(command("run", tmp_path / "run", *mute)) == 3  # by default it does not train on noise
    said = capsys.readouterr().err
    assert "could not be judged" in said and "⟨001B⟩[2Jno idea" in said and "\x1b" not in said
    assert main(command("train", tmp_path / "borne", *mute, "verification.max_unjudged=1")) == 0
    rows = [row for file in (tmp_path / "borne").glob("rollouts/*.jsonl") for row in rollouts.read(file)]
    assert rows and all(row.score is None for row in rows)
    assert [row["reward"] for row in read_metrics(tmp_path / "borne" / "metrics.jsonl")] == [None, None]
    same = AutoModelForCausalLM.from_pretrained(TINY).state_dict()
    after = AutoModelForCausalLM.from_pretrained(tmp_path / "borne" / "model").state_dict()
    assert all(torch.equal(after[name], same[name]) for name in same)  # nothing was learned from nothing


def lines_of(problems: list[Problem]) -> list[bytes]:
    return [
        json.dumps(
            {"prompt": p.prompt, "reference": p.reference, "colour": [1], "nested": {"x": None}}
        ).encode()
        for p in problems
    ]


def test_files_as_other_systems_leave_them(tmp_path, recwarn):
    """A byte-order mark, Windows line ends, blank lines, unknown keys, a torn last line."""
    train, heldout = carry.problems("train")[:6], carry.problems("heldout")[:4]
    for name, problems in (("train", train), ("heldout", heldout)):
        lines = lines_of(problems)
        data = b"\xef\xbb\xbf" + b"\r\n".join([*lines[:2], b"", *lines[2:], lines[0][:25]])
        (tmp_path / f"{name}.jsonl").write_bytes(data)
    files = [f"problems.{n}={{file: {tmp_path / n}.jsonl}}" for n in ("train", "heldout")]
    assert main(command("run", tmp_path / "run", "problems.heldout={}", *files)) == 0
    base = tmp_path / "run" / "rollouts" / "base.jsonl"
    assert [row.prompt for row in rollouts.read(base)][::4] == [problem.prompt for problem in heldout]
    assert sum("the last line is cut short" in str(w.message) for w in recwarn) == 2

    whole = base.read_bytes()
    rows = [json.dumps(json.loads(line) | {"colour": "green"}).encode() for line in whole.splitlines()]
    base.write_bytes(b"\xef\xbb\xbf" + b"\r\n".join(rows) + b"\r\n" + rows[0][:40])
    tuned = tmp_path / "run" / "rollouts" / "tuned.jsonl"
    assert main(["report", str(base), str(tuned), "--output", str(tmp_path / "report")]) == 0
    found = json.loads((tmp_path / "report" / "report.json").read_text())
    before = json.loads((tmp_path / "run" / "report.json").read_text())
    assert found["policies"]["base"]["pass_at_k"] == before["policies"]["base"]["pass_at_k"]


def test_prompts_longer_than_the_context(tmp_path, capsys):
    """Never cut. In training they are left out and counted; an evaluation does not shrink in silence."""
    some, long = carry.problems("train")[:3], Problem("", "1+" * 100 + "1=", "101")
    (tmp_path / "train.jsonl").write_bytes(b"\n".join(lines_of([*some, long])))
    train = f"problems.train={{file: {tmp_path / 'train.jsonl'}}}"
    rows = trained(tmp_path / "run", train)
    assert {row.prompt for row in rows} <= {problem.prompt for problem in some}
    said = (tmp_path / "run" / "log.txt").read_text()
    assert "1 of 4 training problems are left out: their prompts do not fit" in said

    (tmp_path / "train.jsonl").write_bytes(b"\n".join(lines_of([long])))
    capsys.readouterr()
    assert main(command("train", tmp_path / "none", train)) == 2
    assert "none of the 1 training prompts fits the model's context of 128" in capsys.readouterr().err
    hostile = json.loads(lines_of([long])[0]) | {"name": "\x1b]0;owned\x07"}
    (tmp_path / "heldout.jsonl").write_bytes(json.dumps(hostile).encode())
    heldout = f"problems.heldout={{file: {tmp_path / 'heldout.jsonl'}, id: name}}"
    assert main(command("run", tmp_path / "held", heldout)) == 2
    said = capsys.readouterr().err
    assert "1 of 1 prompts do not fit the model's context of 128" in said
    assert "⟨001B⟩]0;owned⟨0007⟩" in said and "\x1b" not in said


def test_many_problems_lie_on_disk():
    few, many = ([Problem(f"p{i}", f"{i}+1", str(i), {"n": i}) for i in range(n)] for n in (9, IN_MEMORY + 5))
    assert stored(iter(few)) == few
    found = stored(iter(many))
    assert isinstance(found, Stored) and len(found) == len(many)
    assert list(found) == many and found[-1] == many[-1] and found[3:9:2] == many[3:9:2]
    with pytest.raises(IndexError):
        found[len(many)]


GROWTH = """
import resource, sys
from rlvr import problems
from rlvr.config import SourceConfig
source = SourceConfig(file=sys.argv[1], limit=int(sys.argv[2]), shuffle_seed=1)
assert len(problems.load_all(source, SourceConfig(world="heldout")).train) == int(sys.argv[2])
for line in open("/proc/self/status"):
    if line.startswith("VmRSS:"):
        print(int(line.split()[1]))
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads memory from /proc")
def test_the_memory_of_a_set_is_flat_in_its_size(tmp_path):
    file = tmp_path / "many.jsonl"
    with file.open("w") as out:
        for i in range(90_000):
            out.write(
                json.dumps({"prompt": f"{i} plus {i}? {'Think. ' * 50}", "reference": str(2 * i)}) + "\n"
            )
    small, large = (
        int(subprocess.check_output([sys.executable, "-c", GROWTH, str(file), str(n)]))
        for n in (30_000, 90_000)
    )
    # 60,000 problems more, of 600 bytes of text each: 36 MB, and more as objects
    assert large - small < 12_000, f"{small} kB for 30,000 problems, {large} kB for 90,000"
