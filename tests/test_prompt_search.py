"""The search over prompts: halving under a budget, the same from the same seeds, held-out problems never asked."""

from __future__ import annotations

import json
import shlex
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from rlvr import config as configuration
from rlvr import rollouts
from rlvr.cli import main
from rlvr.config import EvidenceConfig
from rlvr.errors import UserError
from rlvr.prompt_search import Search, Tried, halving
from rlvr.prompt_search.candidates import Candidate, instruction, of_file
from rlvr.prompt_search.result import gain_over
from tests.scripted import model_folder, tokenizer_of, writes
from verifiers import Problem

BUDGET = 2400
CANDIDATES = [{"question": "1+{prompt}"}, {"question": "{prompt}", "shots": 1, "separator": "\n"}]

# ------------------------------------------------------------------ arithmetic


@given(st.integers(1, 300))
def test_after_so_many_rounds_one_is_left(n):
    standing = list(range(n))
    for _ in range(halving.rounds(n)):
        assert len(standing) > 1
        standing = halving.better_half(standing, key=lambda i: -i)
    assert standing == [n - 1]


def test_eight_candidates_by_hand():
    """Jamieson & Talwalkar: log2(8) = 3 rounds, each with a third of the budget: 8, 4 and 2 candidates left in."""
    assert halving.rounds(8) == 3
    used = 0
    for left, costs, share, asked in ((8, 80, 400, 5), (4, 40, 400, 10), (2, 20, 400, 20)):
        room = halving.share(1200 - used, {8: 3, 4: 2, 2: 1}[left])
        assert room == share
        assert halving.affordable([costs] * 100, room) == asked
        used += asked * costs
    assert used == 1200


def test_equal_ones_keep_their_order_and_half_is_rounded_up():
    assert halving.better_half(["a", "b", "c"], key=lambda _: 0) == ["a", "b"]


def test_the_order_is_reward_then_tokens_then_place():
    def one(number: int, scores: list[float | None], tokens: int) -> Tried:
        return Tried(Candidate("", {}, EvidenceConfig()), SimpleNamespace(), number, scores, tokens)  # type: ignore[arg-type]

    high, cheap, first, unjudged = (
        one(3, [1.0, 0.5], 90),
        one(2, [1.0, 0.0], 40),
        one(1, [0.5, None], 60),
        one(0, [None, None], 2),
    )
    same = one(4, [0.5, 0.5], 60)
    assert sorted([unjudged, same, first, cheap, high], key=Tried.order) == [
        high,
        cheap,
        first,
        same,
        unjudged,
    ]
    gain = gain_over(high, first)  # 1.0 - 0.5, and a pair without a verdict
    assert (gain.value, gain.used, gain.excluded) == (0.5, 1, 1)


def test_with_an_environment_an_episode_may_fill_the_context():
    search: Any = SimpleNamespace(
        evaluator=SimpleNamespace(environment=object()),
        sampler=SimpleNamespace(policy=SimpleNamespace(context=128)),
    )
    problems = [Problem("p", "", "")] * 3
    assert Search._costs(search, [None, None], problems) == [256] * 3  # type: ignore[list-item]
    search.sampler.policy.context = None
    with pytest.raises(UserError, match="known context"):
        Search._costs(search, [None, None], problems)  # type: ignore[list-item]


# ------------------------------------------------------------------ a search


def search(folder: Path, candidates: Path, *more: str) -> int:
    given = ["--candidates", str(candidates), "--output", str(folder), "-q"]
    return main(["search-prompts", "quickstart", *given, *(more or ("--budget", str(BUDGET)))])


@pytest.fixture(scope="module")
def file(tmp_path_factory) -> Path:
    made = tmp_path_factory.mktemp("candidates") / "c.yaml"
    made.write_text(json.dumps(CANDIDATES))
    return made


@pytest.fixture(scope="module")
def found(tmp_path_factory, file) -> Path:
    folder = tmp_path_factory.mktemp("search") / "one"
    assert search(folder, file) == 0
    return folder


def rows_of(folder: Path, number: int) -> list[rollouts.Rollout]:
    """What a candidate was asked, in order."""
    files = sorted(folder.glob(f"rollouts/round-*-candidate-{number}.jsonl"))
    return [row for file in files for row in rollouts.read(file)]


def test_everybody_who_is_in_is_asked_the_same_training_problems(found):
    asked = [[row.problem_id for row in rows_of(found, i)] for i in range(3)]
    every = {name for names in asked for name in names}
    assert all(name.startswith("train-") for name in every)
    lengths = sorted(map(len, asked))
    assert 0 < lengths[0] < lengths[1] == lengths[2]  # three, then two of them
    longest = max(asked, key=len)
    assert all(names == longest[: len(names)] for names in asked)
    assert len(set(longest)) == len(longest)  # a problem once, as long as there are others
    shown = rollouts.read_settings(next(found.glob("rollouts/*candidate-2.jsonl")))["evidence"]["shot_ids"]
    assert len(shown) == 1 and not every & set(shown)


def test_tokens_and_rewards_are_those_of_the_rows(found, tiny):
    result = json.loads((found / "result.json").read_text())
    numbers = {"as configured": 0, "entry 1": 1, "entry 2": 2}
    total = 0
    for one in result["candidates"]:
        rows = rows_of(found, numbers[one["name"]])
        assert one["problems"] == len(rows)
        assert one["reward"]["value"] == pytest.approx(sum(row.score or 0.0 for row in rows) / len(rows))
        shown = rollouts.read_settings(next(found.glob(f"rollouts/*candidate-{numbers[one['name']]}.jsonl")))
        around = len(tiny.words(shown["first_prompt"])) - len(tiny.words(rows[0].prompt))
        tokens = sum(len(tiny.words(row.prompt)) + around + row.tokens for row in rows)
        assert one["tokens_a_problem"] == pytest.approx(tokens / len(rows))
        total += tokens
    assert result["tokens"] == total <= BUDGET
    assert [one["rounds"] for one in result["candidates"]] == [2, 2, 1]
    rewards = [one["reward"]["value"] for one in result["candidates"]]
    assert rewards[0] >= rewards[1]


def test_stopped_and_gone_on_it_ends_the_same(found, file, tmp_path):
    again = tmp_path / "again"
    shutil.copytree(found, again)
    whole = {path.name: path.read_bytes() for path in again.glob("rollouts/*.jsonl")}
    torn = sorted(again.glob("rollouts/round-1-*.jsonl"))[-1]
    torn.write_bytes(torn.read_bytes()[:-40])
    for path in again.glob("rollouts/round-2-*"):
        path.unlink()
    (again / "result.json").unlink()
    assert search(again, file) == 0
    assert {path.name: path.read_bytes() for path in again.glob("rollouts/*.jsonl")} == whole
    assert (again / "result.json").read_bytes() == (found / "result.json").read_bytes()


def test_the_winner_is_a_section_of_a_config_and_a_command(found):
    best = json.loads((found / "result.json").read_text())["candidates"][0]
    text = (found / "evidence.yaml").read_text()
    section = yaml.safe_load(text)["evidence"]
    quickstart = configuration.find("quickstart")
    command = next(line for line in text.splitlines() if line.startswith("#   rlvr run"))
    asked = configuration.load(quickstart, shlex.split(command)[4:])
    assert asked.evidence == EvidenceConfig.model_validate(section)
    own = configuration.load(quickstart).evidence
    assert asked.evidence == EvidenceConfig.model_validate(own.model_dump() | best["keys"])


def test_another_search_in_the_folder_is_refused(found, file, capsys):
    assert search(found, file, "--budget", "9999") == 2
    assert f"budget: {BUDGET} / 9999" in capsys.readouterr().err


def test_a_budget_that_pays_for_nothing_is_refused(file, tmp_path, capsys):
    assert search(tmp_path / "poor", file, "--budget", "50") == 2
    said = capsys.readouterr().err
    assert "--budget 50" in said and "3 candidates in each of 2 rounds" in said
    assert not list(tmp_path.glob("poor/rollouts/*"))


# ------------------------------------------------------------------ candidates


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("c.txt", "\n \n", "no candidates"),
        ("c.txt", "Add.\nSubtract.\n Add. \n", "line 3 is the same as line 1"),
        ("c.yaml", "instruction: Add.", "expected a list of mappings, found dict"),
        ("c.yaml", "- Add.", "entry 1 is 'Add.'"),
        ("c.yaml", "- {instruction: Add.}\n- {hint: {column: s}}", "entry 2: 'hint' cannot be searched over"),
        ("c.yaml", "- {shots: -1}", "entry 1.shots: Input should be greater"),
        ("c.yaml", "- {question: '{prompt}'}", "entry 1 is what the config has already"),
        ("c.yaml", "- {question: 'say'}", "must hold {prompt}"),
        ("c.yaml", "- {a: [", "c.yaml"),
        (None, "", "nothing.txt"),
    ],
)
def test_wrong_candidates_are_named(tmp_path, capsys, name, text, said):
    file = tmp_path / (name or "nothing.txt")
    if name:
        file.write_text(text)
    assert search(tmp_path / "out", file) == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_lines_are_instructions_beside_the_configs_own(tmp_path):
    file = tmp_path / "c.txt"
    file.write_text('Add.\n\nSay only the number: 7, not "seven".\n')
    own = EvidenceConfig(shots=2)
    found = of_file(file, own)
    assert [one.name for one in found] == ["as configured", "line 1", "line 3"]
    assert found[2].evidence == EvidenceConfig(shots=2, instruction='Say only the number: 7, not "seven".')


@pytest.mark.parametrize(
    ("response", "read"),
    [
        (" Add them.\nAnd so on.", "Add them."),
        ("\n\n**Instruction:** Add them.", "Add them."),
        ('Instruction: "Add them."', "Add them."),
        ("12\n--\nAdd", "Add"),
        ("  \n7", None),
        ("", None),
    ],
)
def test_an_instruction_is_the_first_line_with_words(response, read):
    assert instruction(response) == read


def test_the_model_writes_candidates_and_is_not_asked_what_it_was_shown(tmp_path, capsys):
    tokenizer = tokenizer_of()
    model = model_folder(tmp_path / "model", tokenizer, writes(tokenizer, ":", "Sum!"))
    options = [f"model={model}", "sampling.temperature=0", "sampling.max_new_tokens=4"]
    options += ["evidence.question='Q: {prompt} A:'", "problems.train.limit=20"]
    given = ["--write", "3", "--budget", "6000", "--output", str(tmp_path / "out")]
    assert main(["search-prompts", "quickstart", *options, *given]) == 0
    said = capsys.readouterr()
    assert "1 different instructions in 3 tries" in said.err
    result = json.loads((tmp_path / "out" / "result.json").read_text())
    assert {json.dumps(one["keys"]) for one in result["candidates"]} == {"{}", '{"instruction": "Sum!"}'}
    asked = [row for i in range(2) for row in rows_of(tmp_path / "out", i)]
    shown = {
        text for row in rollouts.read(tmp_path / "out/rollouts/written.jsonl") for text in row.prompt.split()
    }
    assert asked and not {row.prompt for row in asked} & shown
    assert len({row.problem_id for row in asked}) == 4  # 20, without the 16 that may be shown
    written = sum(
        len(row.prompt) + row.tokens for row in rollouts.read(tmp_path / "out/rollouts/written.jsonl")
    )
    searched = sum(one["problems"] * one["tokens_a_problem"] for one in result["candidates"])
    assert result["tokens"] == pytest.approx(written + searched) and result["tokens"] <= 6000
