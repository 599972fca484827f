"""Who answers the policy: feedback, a tool, facts one after the other; of one's own; and what they do to a run."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from rlvr import config as configuration
from rlvr import environments, rollouts
from rlvr.cli import main
from rlvr.config import EvidenceConfig
from rlvr.environments import BadEnvironment, load
from rlvr.environments.feedback import Feedback
from rlvr.environments.python import PythonTool, called, shortened
from rlvr.environments.restate import Restate
from rlvr.environments.schedule import Schedule
from rlvr.environments.worker import EnvironmentPool
from rlvr.errors import RunError
from rlvr.evidence import Evidence
from rlvr.rendering import EvidenceError
from rlvr.report.browser import collect
from rlvr.rollouts.evaluations import read
from rlvr.rollouts.types import Episode, Turn
from tests.scripted import CHATML, model_folder, tokenizer_of
from tests.training import talkers
from verifiers import Problem, Verdict
from verifiers.registry import imported

SUM = Problem("sum", "What is 12 + 30?", "42", meta={"shards": ["One is 12.", "The other is 30."]})


def episode(*words: str, problem: Problem = SUM, verdict: Verdict | None = None) -> Episode:
    """The policy's and the environment's words in turns; the verdict is on the policy's last."""
    turns = [Turn("evidence" if n % 2 else "policy", [], text) for n, text in enumerate(words)]
    turns[-1] = replace(turns[-1], verdict=verdict)
    return Episode(problem, 0, 0, [], turns, complete=True)


# ------------------------------------------------------------------ what they say


@pytest.mark.parametrize(
    ("verdict", "said"),
    [
        (Verdict(0.0, "incorrect", "41"), "Your answer is not correct. Please try again."),
        (Verdict(0.0, "no_answer"), "Your response has no answer. Please try again."),
        (
            Verdict(0.0, "unsound", "42", "2 + 2 = 5 is false.", answer_score=1.0),
            "Your answer is correct, but the reasoning is not: 2 + 2 = 5 is false. Please try again.",
        ),
        (Verdict(1.0, "correct", "42"), None),
        (Verdict(0.6, "incorrect", pass_mark=0.5), None),
        (Verdict(None, "error"), None),
    ],
)
def test_feedback_tells_what_is_wrong_and_ends_when_it_is_right(verdict, said):
    assert Feedback().answer(episode("41", verdict=verdict)) == said


def test_feedback_ends_after_its_turns_and_shows_no_detail_where_it_is_not_to():
    wrong = Verdict(0.0, "incorrect", "41", "test 1 of 3: got 41")
    assert Feedback().answer(episode("41", "no", "41", verdict=wrong)) is None
    assert Feedback(turns=3, show="verdict").answer(episode("41", "no", "41", verdict=wrong)) == (
        "Your answer is not correct. Please try again."
    )
    asked = Feedback(message="{answer}? {prompt}").answer(episode("41", verdict=wrong))
    assert asked == "41? What is 12 + 30?"


def test_a_schedule_tells_the_rows_facts_one_after_the_other():
    told = Schedule(column="shards")
    assert told.answer(episode("?")) == "One is 12."
    assert told.answer(episode("?", "One is 12.", "?")) == "The other is 30."
    assert told.answer(episode("?", "One is 12.", "?", "The other is 30.", "42")) is None
    again = Schedule(column="shards", recapitulate=True).answer(episode("?", "One is 12.", "?"))
    assert again == "What is 12 + 30?\nOne is 12.\nThe other is 30."
    assert Schedule(pieces=["Now {prompt}"]).answer(episode("?")) == "Now What is 12 + 30?"
    assert told.answer(episode("?", problem=Problem("p", "x", "1"))) is None


def test_restating_names_the_numbers_that_were_left_out_and_no_others():
    ask = "Now solve it, and give the final answer."
    assert Restate().answer(episode("We add 12 and 30.")) == ask
    said = Restate().answer(episode("We add 12 and 13."))
    assert said == f"You left out 30. The task is: What is 12 + 30?\n{ask}"
    assert Restate(correct=False).answer(episode("nothing")) == ask
    big = Problem("p", "Of 1,200 apples 3.50 are sold.", "1")
    assert Restate().answer(episode("1200 and 3.5", problem=big)) == ask
    assert Restate().answer(episode("a", "b", "c")) is None


# ------------------------------------------------------------------ the tool


@pytest.fixture(scope="module")
def tool():
    made = PythonTool(seconds=1.0, characters=60)
    yield made
    made.close()


def fenced(code: str) -> str:
    return f"Let me see.\n```python\n{code}\n```"


@pytest.mark.parametrize(
    ("code", "read"),
    [
        ("print(6 * 7)", "42"),
        ("x = 6\nx * 7", "42"),
        ("def f():\n    return 1", "(no output)"),
        ("print('so far')\n1 / 0", "so far\nZeroDivisionError: division by zero"),
        ("print(", "SyntaxError: '(' was never closed (__main__.py, line 1)"),
        ("while True: pass", "over 1 s"),
        ("print('y' * 100)", "y" * 27 + " [...] " + "y" * 26),
        ("import sys; sys.exit(3)", "the program ended with exit status 3"),
    ],
)
def test_what_a_program_prints_comes_back_and_how_it_fails(tool, code, read):
    assert tool.answer(episode(fenced(code))) == {"role": "tool", "content": read}


def test_a_flood_ends_and_is_cut(tool):
    said = tool.answer(episode(fenced("while True: print('y' * 1000)")))
    assert said["content"].startswith("yyy") and len(said["content"]) <= 60


def test_only_a_turn_that_ends_with_a_program_calls_the_tool(tool):
    assert tool.answer(episode(f"{fenced('1 + 1')}\nSo the answer is 2.")) is None
    assert tool.answer(episode("The answer is \\boxed{2}.")) is None
    twice = f"{fenced('print(1)')}\nNo:\n{fenced('print(2)')}\n```output\n"
    assert tool.answer(episode(twice)) == {"role": "tool", "content": "2"}


def test_calls_are_counted(tool):
    said = [fenced("1 + 1"), "2"] * 4
    assert tool.answer(episode(*said[:7])) == {"role": "tool", "content": "2"}
    assert tool.answer(episode(*said, fenced("1 + 1"))) is None


@pytest.mark.parametrize("arguments", [{"code": "print(3)"}, '{"code": "print(3)"}'])
def test_a_call_in_the_templates_form(tool, arguments):
    call = json.dumps({"name": "python", "arguments": arguments})
    said = tool.answer(episode(f"I compute.\n<tool_call>\n{call}\n</tool_call><|im_end|>"))
    assert said == {"role": "tool", "content": "3"}


@pytest.mark.parametrize(
    "call",
    ['{"name": "shell", "arguments": {"code": "ls"}}', '{"name": "python"}', "{not json}", '{"name": "python", '
     '"arguments": {"code": 3}}', '{"name": "python", "arguments": []}', "{" * 2000 + "}"],
)  # fmt: skip
def test_a_call_that_cannot_be_run_is_answered_in_words(tool, call):
    said = tool.answer(episode(f"<tool_call>{call}</tool_call>"))
    assert said["role"] == "tool" and len(said["content"]) > 20


@given(st.text(st.sampled_from('`python\n{}"<>/_tolcal: 1+')) | st.text())
@settings(max_examples=300, deadline=None)
def test_no_text_of_a_policy_raises(text):
    said = called(text)
    assert said is None or isinstance(said, str) or said.why


@given(st.text() | st.text(min_size=18, max_size=24))
def test_an_output_too_long_loses_its_middle(text):
    assert shortened(text, 20) == (text if len(text) <= 20 else f"{text[:7]} [...] {text[-6:]}")


# ------------------------------------------------------------------ how the policy reads it

TOOLS = "{% if tools %}{{ tools[0].function.name }}{% endif %}" + CHATML


def test_in_plain_text_a_message_is_a_question_and_an_output_a_block():
    evidence = Evidence(EvidenceConfig())
    tokenizer = tokenizer_of()
    said = evidence.between({"role": "user", "content": "Again."}, tokenizer)
    assert said == "\n\nQ: Again.\nA:"
    for answer in (
        "41",
        "41\n",
        "41\n\n",
    ):  # the policy may have written a part of the separator, as its stop string
        said = evidence.between({"role": "user", "content": "Again."}, tokenizer, before=answer)
        assert answer + said == "41\n\nQ: Again.\nA:"
    output = {"role": "tool", "content": "4"}
    assert evidence.between(output, tokenizer) == "\n```output\n4\n```\n"
    call = "```python\n2 + 2\n```\n"
    assert call + evidence.between(output, tokenizer, before=call) == f"{call}```output\n4\n```\n"
    for begun in (f"{call}```output", f"{call}```output\n"):  # the policy wrote the block's head itself
        assert begun + evidence.between(output, tokenizer, before=begun) == f"{call}```output\n4\n```\n"


def test_in_a_chat_the_turn_is_ended_once_and_the_next_begun():
    evidence, tokenizer = Evidence(EvidenceConfig(template="chat")), tokenizer_of(CHATML)
    said = {"role": "user", "content": "Again."}
    behind = "\n<|im_start|>user\nAgain.<|im_end|>\n<|im_start|>assistant\n"
    assert evidence.between(said, tokenizer, "<|im_end|>") == behind
    assert evidence.between(said, tokenizer, "<|endoftext|>") == f"<|im_end|>{behind}"
    output = evidence.between({"role": "tool", "content": "4"}, tokenizer, "<|im_end|>")
    assert output == behind.replace("Again.", "```output\n4\n```")


def test_a_template_with_tools_is_told_of_them_and_gets_their_answers():
    evidence = Evidence(EvidenceConfig(template="chat"), tools=PythonTool.tools)
    tokenizer = tokenizer_of(TOOLS)
    assert evidence.template(tokenizer).render(evidence.messages(SUM), "sum").startswith("python<|im_start|>")
    output = evidence.between({"role": "tool", "content": "4"}, tokenizer, "<|im_end|>")
    assert output == "\n<|im_start|>tool\n4<|im_end|>\n<|im_start|>assistant\n"
    deaf = Evidence(EvidenceConfig(template="chat"), tools=PythonTool.tools)
    assert deaf.template(tokenizer_of(CHATML)).options == {}


def test_a_template_that_leaves_the_message_out_is_refused():
    first = "{{ messages[0].content }}{% if messages|length > 1 %}{{ messages[1].content }}!{% endif %}"
    evidence = Evidence(EvidenceConfig(template="chat"))
    with pytest.raises(EvidenceError, match="leaves out what a user says after an answer"):
        evidence.between({"role": "user", "content": "Again."}, tokenizer_of(first))


# ------------------------------------------------------------------ one's own


@pytest.mark.parametrize(
    ("spec", "options", "said"),
    [
        ("fedback", {}, "there is none of this name; expected feedback, python"),
        ("feedback", {"turn": 2}, "environment_options.turn: feedback takes turns, show, message"),
        ("feedback", {"turns": 1}, "expected at least 2"),
        ("feedback", {"message": "{gold}"}, "message has {gold}"),
        ("schedule", {}, "expected one of `pieces`, `column` and `shards`"),
        ("python", {"calls": 0}, "calls=0"),
        ("./nothing.py:Mine", {}, "there is no file"),
        ("json:dumps", {}, "expected a class with `name` and `answer"),
        ("json:JSONDecoder", {}, "expected a class with `name` and `answer"),
        ("no_such_module:Mine", {}, "cannot be imported"),
    ],
)
def test_what_is_no_environment_is_refused_in_words(spec, options, said):
    with pytest.raises(BadEnvironment) as refused:
        load(spec, options)
    assert said in str(refused.value)


def answer_of(pool: EnvironmentPool, of: Episode):
    future: Future[Verdict] = pool.ask(of)
    return pool.said(future, of)


def test_in_a_worker_it_reads_the_whole_episode(tmp_path):
    (tmp_path / "mine.py").write_text(
        "class Mine:\n    name, attempts = 'mine', True\n"
        "    def answer(self, episode):\n        last = episode.turns[-1]\n"
        "        return {'role': 'user', 'content': f'{episode.problem.meta} {last.text} {last.verdict.status}'}\n"
    )
    with EnvironmentPool(f"{tmp_path}/mine.py:Mine", {}, workers=1) as pool:
        assert pool.attempts
        said = answer_of(pool, episode("41", verdict=Verdict(0.0, "incorrect", "41")))
    assert said == {"role": "user", "content": f"{SUM.meta} 41 incorrect"}


@pytest.mark.parametrize(
    ("which", "why"), [("Raises", "KeyError: 'sum'"), ("Hangs", "timeout"), ("Mumbles", "the answer is 42")]
)
def test_an_environment_that_fails_stops_the_run_in_words(which, why):
    with (
        EnvironmentPool(f"{talkers.__file__}:{which}", {}, workers=1, deadline=1.0) as pool,
        pytest.raises(RunError) as stopped,
    ):
        answer_of(pool, episode("41"))
    assert why in str(stopped.value) and f"environment {which.lower()} on problem sum" in str(stopped.value)


# ------------------------------------------------------------------ runs


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    """The embedded model, which is asked its question again after a wrong answer."""
    folder = tmp_path_factory.mktemp("turns") / "run"
    short = [
        "train.steps=2", "train.groups_per_step=4", "train.group_size=8", "train.eval_every=0",
        "sampling.samples=8", "analysis.search_budget=2", "analysis.replicates=200", "problems.heldout.limit=8",
        "problems.probes={}", "verification.workers=1", "evidence.separator=' '",
        "environment=feedback", "environment_options={turns: 3, message: '{prompt}'}",
    ]  # fmt: skip
    assert main(["run", "quickstart", "--output", str(folder), "-q", *short]) == 0
    return folder


def all_turns(rows: Sequence[rollouts.Rollout]) -> list[list]:
    return [row.turns or [] for row in rows]


@pytest.mark.parametrize("file", ["base", "tuned", "train-000001", "train-000002"])
def test_a_run_with_feedback_judges_each_attempt_and_rewards_the_last(run, file):
    rows = list(rollouts.read(run / "rollouts" / f"{file}.jsonl"))
    talks = [row for row in rows if row.turns]
    assert talks and max(map(len, all_turns(rows))) == 5
    for row in talks:
        own = [turn for turn in row.turns or () if turn["by"] == "policy"]
        said = [turn["text"] for turn in row.turns or () if turn["by"] == "evidence"]
        assert set(said) == {f" {row.prompt}"}
        assert [turn.get("score") for turn in own[:-1]] == [0.0] * (len(own) - 1)
        assert (own[-1].get("score"), own[-1].get("status")) == (row.score, row.status)
    for row in rows:
        if not row.turns:  # one attempt: right, or cut off
            assert row.score == 1.0 or not row.complete


def test_the_reports_browser_shows_who_said_what(run):
    evaluation = read(run / "rollouts" / "base.jsonl", "base")[0]
    shown = {(row[0], row[2]): row[4] for row in collect([evaluation])["rows"]}
    rows = list(rollouts.read(run / "rollouts" / "base.jsonl"))
    place = {name: n for n, name in enumerate(dict.fromkeys(row.problem_id for row in rows))}
    for row in rows:
        text = shown[place[row.problem_id], row.sample]
        if not row.turns:
            assert text == row.trace
            continue
        heads = [", ".join(filter(None, (turn["by"], turn.get("status")))) for turn in row.turns]
        assert [line[1:-1] for line in text.splitlines() if line.startswith("[")] == heads
        assert text.endswith(row.turns[-1]["text"])
    assert any(row.turns for row in rows)


def test_its_settings_and_its_config_say_who_answered(run):
    settings = json.loads((run / "rollouts" / "base.settings.json").read_text())
    assert settings["environment"] == {"name": "feedback", "options": {"turns": 3, "message": "{prompt}"}}
    assert configuration.load(run / "config.yaml").environment == "feedback"


def test_the_tool_answers_a_scripted_policy_in_a_chat(tmp_path):
    code = "```python\nprint(6 * 7)\n```"
    tokenizer = tokenizer_of(CHATML, plain_tokens=(code,))
    newline, writes, end = (tokenizer.encode(text)[-1] for text in ("\n", code, "<|im_end|>"))
    script = {newline: writes, writes: end}
    model = model_folder(tmp_path / "model", tokenizer, script, eos=end)
    (tmp_path / "rows.jsonl").write_text('{"prompt": "6 x 7?", "reference": "42"}\n')
    config = {
        "model": str(model), "problems": {"heldout": {"file": "rows.jsonl"}}, "verifier": "exact",
        "evidence": {"template": "chat"}, "environment": "python", "environment_options": {"calls": 2},
        "sampling": {"samples": 2, "max_new_tokens": 8, "temperature": 0.0}, "train": {"steps": 0},
        "verification": {"workers": 1, "min_accepted": 0},
    }  # fmt: skip
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))
    out = tmp_path / "rows-out.jsonl"
    words = ["eval", str(model), "--config", str(tmp_path / "config.yaml"), "--output", str(out), "-q"]
    assert main(words) == 0
    for row in rollouts.read(out):
        assert row.turns is not None
        assert [turn["by"] for turn in row.turns] == ["policy", "evidence"] * 2 + ["policy"]
        said = row.turns[1]["text"]
        assert said == "\n<|im_start|>user\n```output\n42\n```<|im_end|>\n<|im_start|>assistant\n"
        assert row.trace == "\n".join([code] * 3)


def test_a_wrong_config_is_refused_before_anything_is_sampled(tmp_path, capsys):
    words = ["train", "quickstart", "--output", str(tmp_path / "run"), "-q"]
    assert main([*words, "environment=feedback", "environment_options={turn: 2}"]) == 2
    assert "environment_options.turn" in capsys.readouterr().err
    assert main([*words, "environment_options={turns: 2}"]) == 2
    assert "no `environment`" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


PAGE = (Path(__file__).parents[1] / "docs" / "turns.md").read_text()


def test_every_built_in_one_is_in_the_documentation():
    rows = [line for line in PAGE.splitlines() if line.startswith("| `")][1:]
    assert [row.split("`")[1] for row in rows] == list(environments.BUILT_IN)
    for row, target in zip(rows, environments.BUILT_IN.values(), strict=True):
        for option in inspect.signature(imported(target)).parameters:
            assert f"`{option}`" in row


def test_the_example_of_the_documentation_answers_from_a_worker(tmp_path):
    (code,) = re.findall(r"```python\n(class .*?)```", PAGE, re.DOTALL)
    (tmp_path / "mine.py").write_text(code)
    with EnvironmentPool(f"{tmp_path}/mine.py:Halfway", {"margin": 1}, workers=1) as pool:
        for answer, said in (("44", "Too large."), ("43", None)):
            found = answer_of(pool, episode(answer, verdict=Verdict(0.0, "incorrect", answer)))
            assert (found or {}).get("content") == said
