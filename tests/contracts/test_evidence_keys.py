"""What each key of `evidence` does to the text that the policy reads."""

import datetime

import pytest

from rlvr import rollouts
from rlvr.config import EvidenceConfig
from rlvr.evidence import Evidence, render
from rlvr.policy import load_tokenizer
from tests.conftest import quickstart_config
from tests.contracts.keys import shows
from verifiers import Problem

ASKED = Problem("p", "2 + 2", "4")
TRAIN = [Problem(f"t{n}", f"{n} + 10", str(n + 10), {"why": f"{n} and ten"}) for n in range(20)]
TEMPLATE = (
    "{% for m in messages %}<{{ m.role }}>{{ m.content }}</{{ m.role }}>{% endfor %}"
    "<assistant>{% if think is defined and think %}<think>{% endif %}"
)


def prompt(**keys) -> str:
    """Of `ASKED`; in a chat, the template is `TEMPLATE` where no other is named."""
    if keys.get("template") == "chat":
        keys = {"chat_template": TEMPLATE} | keys
    config = EvidenceConfig.model_validate(keys)
    tokenizer = load_tokenizer(quickstart_config(evidence=config))
    return render(Evidence(config, TRAIN), ASKED, tokenizer)


def test_a_plain_prompt_is_the_question():
    assert prompt() == "Q: 2 + 2\nA:"


@shows("evidence.template", "evidence.chat_template", "evidence.template_options")
def test_a_chat_is_written_by_its_template():
    assert prompt(template="chat") == "<user>2 + 2</user><assistant>"
    assert prompt(template="chat", template_options={"think": True}) == "<user>2 + 2</user><assistant><think>"
    other = "{% for m in messages %}[{{ m.content }}]{% endfor %}"
    assert prompt(template="chat", chat_template=other) == "[2 + 2]"


@shows("evidence.today")
def test_the_day_is_the_one_that_is_given():
    dated = "It is {{ strftime_now('%Y-%m-%d') }}." + TEMPLATE
    day = datetime.date(2031, 5, 4)
    assert prompt(template="chat", chat_template=dated, today=day).startswith("It is 2031-05-04.<user>")
    now = datetime.datetime.now().strftime("%Y-%m-%d")
    assert prompt(template="chat", chat_template=dated).startswith(f"It is {now}.")


@shows("evidence.system")
def test_a_system_message_comes_first():
    assert (
        prompt(template="chat", system="Be brief.")
        == "<system>Be brief.</system><user>2 + 2</user><assistant>"
    )


@shows("evidence.instruction", "evidence.instruction_position", "evidence.separator")
def test_an_instruction_goes_before_or_after_the_question():
    told = {"instruction": "Answer in a box."}
    assert prompt(**told) == "Answer in a box.\n\nQ: 2 + 2\nA:"
    assert prompt(**told, separator="\n---\n") == "Answer in a box.\n---\nQ: 2 + 2\nA:"
    chat = told | {"template": "chat"}
    assert prompt(**chat) == "<user>2 + 2\nAnswer in a box.</user><assistant>"
    assert (
        prompt(**chat, instruction_position="before") == "<user>Answer in a box.\n\n2 + 2</user><assistant>"
    )
    before = {"instruction_position": "before", "separator": " | "}
    assert prompt(**chat, **before) == "<user>Answer in a box. | 2 + 2</user><assistant>"
    after = prompt(**told, instruction_position="after")
    assert "2 + 2\nAnswer in a box." in after and not after.startswith("Answer in a box.")


@shows("evidence.examples.prompt", "evidence.examples.answer")
def test_written_examples_stand_before_the_question():
    examples = [{"prompt": "1 + 1", "answer": "2"}, {"prompt": "3 + 3", "answer": "six"}]
    assert prompt(examples=examples) == "Q: 1 + 1\nA: 2\n\nQ: 3 + 3\nA: six\n\nQ: 2 + 2\nA:"
    shown = prompt(template="chat", examples=examples[:1])
    assert shown == "<user>1 + 1</user><assistant>2</assistant><user>2 + 2</user><assistant>"


@shows("evidence.shots", "evidence.shots_seed")
def test_drawn_examples_are_training_problems_of_the_seed_and_are_not_trained_on():
    def drawn(shots, seed=0):
        evidence = Evidence(EvidenceConfig(shots=shots, shots_seed=seed), TRAIN)
        left = evidence.without_shots(TRAIN)
        assert len(left) == len(TRAIN) - shots
        assert not {problem.id for problem in evidence.examples.pool} & {problem.id for problem in left}
        return [problem.id for problem in evidence.examples.pool]

    assert [len(drawn(n)) for n in (0, 1, 4)] == [0, 1, 4]
    assert drawn(4) == drawn(4)
    assert len({tuple(drawn(4, seed)) for seed in range(5)}) == 5
    assert prompt(shots=2).count("Q: ") == 3


@shows("evidence.question", "evidence.answer")
def test_formats_of_questions_and_answers():
    examples = [{"prompt": "1 + 1", "answer": "2"}]
    assert prompt(question="{prompt} =", examples=examples) == "1 + 1 = 2\n\n2 + 2 ="
    one = Evidence(EvidenceConfig(shots=1, answer=" {why}, so {reference}"), TRAIN)
    (shot,) = one.examples.pool
    assert one.text(ASKED) == f"Q: {shot.prompt}\nA: {shot.meta['why']}, so {shot.reference}\n\nQ: 2 + 2\nA:"


@pytest.mark.parametrize("key", ["system", "chat_template", "today"])
def test_plain_text_refuses_what_it_would_not_show(key):
    value = datetime.date(2030, 1, 1) if key == "today" else TEMPLATE
    with pytest.raises(ValueError, match="needs template: chat"):
        EvidenceConfig.model_validate({key: value})


@shows("evidence.shots_choice", "evidence.shots_pool")
def test_examples_are_chosen_for_each_problem_from_a_pool():
    def chosen(**keys) -> tuple[list[list[str]], int]:
        evidence = Evidence(EvidenceConfig(shots=2, **keys), TRAIN)
        left = evidence.without_shots(TRAIN)
        return [[shot.id for shot in evidence.examples.of(problem)] for problem in left], len(left)

    fixed, left = chosen()
    assert len({*map(tuple, fixed)}) == 1 and left == 18
    random, left = chosen(shots_choice="random", shots_pool=8)
    assert len({*map(tuple, random)}) > 4 and left == 12
    assert chosen(shots_choice="random", shots_pool=15)[1] == 5
    nearest = Evidence(EvidenceConfig(shots=1, shots_choice="nearest", shots_pool=19), TRAIN)
    for shot in nearest.examples.pool:
        own = shot.prompt.split()[0]
        alike = Problem("p", f"{own} + {own}", "")
        assert [found.prompt for found in nearest.examples.of(alike)] == [shot.prompt]


@shows(
    "evidence.hint.column", "evidence.hint.share", "evidence.hint.position", "evidence.hint.format",
    "evidence.hint.file",
)  # fmt: skip
def test_a_hint_is_the_beginning_of_a_right_trace(tmp_path):
    asked = TRAIN[2]  # its why: "2 and ten"

    def text(**hint) -> str:
        return Evidence(EvidenceConfig.model_validate({"hint": hint}), base=tmp_path).text(asked)

    assert text(column="why") == "Q: 2 + 10\nHint: 2 and\nA:"
    assert text(column="why", share=0.3) == "Q: 2 + 10\nHint: 2\nA:"
    assert text(column="why", format="({hint})") == "Q: 2 + 10\n(2 and)\nA:"
    assert text(column="why", position="answer") == "Q: 2 + 10\nA: 2 and"
    rollouts.append(tmp_path / "base.jsonl", [tried("12 is it", 1.0)])
    assert text(file="base.jsonl", share=0.6) == "Q: 2 + 10\nHint: 12 is\nA:"


def tried(trace: str, score: float, sample: int = 0) -> rollouts.Rollout:
    return rollouts.Rollout("t2", sample, "base", "?", trace, None, True, 1, score=score, status="correct")


@shows(
    "evidence.attempts.file",
    "evidence.attempts.number",
    "evidence.attempts.which",
    "evidence.attempts.format",
)
def test_earlier_attempts_are_shown_with_their_verdicts(tmp_path):
    rows = [tried("13", 0.0), tried("12", 1.0, 1), tried("14", 0.0, 2)]
    rollouts.append(tmp_path / "base.jsonl", rows)

    def text(**keys) -> str:
        config = EvidenceConfig.model_validate({"attempts": {"file": "base.jsonl"} | keys})
        return Evidence(config, base=tmp_path).text(TRAIN[2])

    assert text() == "Q: 2 + 10\nAn earlier attempt: 13\nIt is not correct.\nA:"
    assert text(format="{trace}!") == "Q: 2 + 10\n13!\nA:"
    assert text(format="{trace}!", number=2) == "Q: 2 + 10\n13!\n14!\nA:"
    assert text(format="{trace}!", number=2, which="any") == "Q: 2 + 10\n13!\n12!\nA:"
    (tmp_path / "other.jsonl").write_bytes((tmp_path / "base.jsonl").read_bytes().replace(b'"13"', b'"15"'))
    assert "15" in text(file="other.jsonl")
