"""Problems become prompts: plain text and chat, drawn and given examples, nothing of the held-out set."""

import json

import pytest
from pydantic import ValidationError

from rlvr.config import EvidenceConfig
from rlvr.evidence import Evidence, EvidenceError, render
from verifiers import Problem

TRAIN = [
    Problem(f"t{n}", f"{n} + 1", str(n + 1), {"solution": f"{n} and 1 make {n + 1}."}) for n in range(20)
]
ASKED = Problem("h", "50 + 1", "51")


def given(**keys):
    return EvidenceConfig.model_validate(keys)


class Templated:
    """A tokenizer reduced to what rendering uses, with ChatML's layout."""

    chat_template: str | None = "chatml"

    def apply_chat_template(self, conversation, *, tokenize, add_generation_prompt):
        assert tokenize is False
        assert add_generation_prompt is True
        return "".join(f"<{m['role']}>{m['content']}" for m in conversation) + "<assistant>"


def test_plain_without_anything_is_question_and_answer():
    assert Evidence(given()).text(ASKED) == "Q: 50 + 1\nA:"
    assert Evidence(given(question="{prompt}")).text(ASKED) == "50 + 1"


def test_plain_joins_instruction_examples_and_question():
    config = given(
        instruction="Add {carefully}.",
        examples=({"prompt": "1 {x} 1", "answer": r"\boxed{2}"},),
        separator="\n--\n",
    )
    assert (
        Evidence(config).text(ASKED) == "Add {carefully}.\n--\nQ: 1 {x} 1\nA: \\boxed{2}\n--\nQ: 50 + 1\nA:"
    )


def test_shots_come_from_training_are_the_same_every_time_and_leave_it():
    evidence = Evidence(given(shots=4), TRAIN, [ASKED])
    again = Evidence(given(shots=4), TRAIN, [ASKED])
    assert evidence.text(ASKED) == again.text(ASKED)
    assert evidence.text(ASKED) != Evidence(given(shots=4, shots_seed=1), TRAIN).text(ASKED)
    shown = {shot.id for shot in evidence.shots}
    assert len(shown) == 4
    assert [p.id for p in evidence.without_shots(TRAIN)] == [p.id for p in TRAIN if p.id not in shown]
    for shot in evidence.shots:
        assert f"Q: {shot.prompt}\nA: {shot.reference}\n\n" in evidence.text(ASKED)
    assert "51" not in evidence.text(ASKED)


def test_a_problem_that_is_shown_leaves_training_under_every_spelling():
    again = Problem("again", TRAIN[0].prompt.replace(" ", "  "), "1")
    evidence = Evidence(given(examples=({"prompt": TRAIN[0].prompt, "answer": "1"},)))
    assert evidence.without_shots([*TRAIN, again]) == TRAIN[1:]


def test_an_answer_can_be_another_column():
    evidence = Evidence(given(shots=1, answer=" {solution} #### {reference}"), TRAIN)
    shot = evidence.shots[0]
    assert f"A: {shot.meta['solution']} #### {shot.reference}\n\n" in evidence.text(ASKED)


def test_chat_puts_examples_into_turns():
    config = given(
        template="chat",
        system="Be brief.",
        instruction=r"Use \boxed{}.",
        examples=({"prompt": "1 + 1", "answer": "2"},),
    )
    assert Evidence(config).messages(ASKED) == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "1 + 1\nUse \\boxed{}."},
        {"role": "assistant", "content": "2"},
        {"role": "user", "content": "50 + 1\nUse \\boxed{}."},
    ]
    assert render(Evidence(config), ASKED, Templated()).endswith("<user>50 + 1\nUse \\boxed{}.<assistant>")


def test_rendering_plain_text_asks_nothing_of_the_tokenizer():
    assert render(Evidence(given()), ASKED, None) == "Q: 50 + 1\nA:"  # type: ignore[arg-type]


def test_chat_without_a_template_is_refused():
    tokenizer = Templated()
    tokenizer.chat_template = None
    with pytest.raises(EvidenceError, match="template: plain"):
        render(Evidence(given(template="chat")), ASKED, tokenizer)


def test_a_real_template_renders(tmp_path):
    """Through transformers' own template engine, with a tokenizer built on the spot."""
    from tokenizers import Tokenizer, models
    from transformers import PreTrainedTokenizerFast

    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer(models.WordLevel({"<unk>": 0}, unk_token="<unk>"))
    )
    tokenizer.chat_template = (
        "{% for m in messages %}[{{ m.role }}] {{ m.content }}\n{% endfor %}"
        "{% if add_generation_prompt %}[assistant] {% endif %}"
    )
    evidence = Evidence(given(template="chat", system="Add."))
    assert render(evidence, ASKED, tokenizer) == "[system] Add.\n[user] 50 + 1\n[assistant] "


@pytest.mark.parametrize("template", ["plain", "chat"])
def test_the_description_is_json_and_shows_one_prompt_in_full(template):
    evidence = Evidence(given(template=template, shots=2), TRAIN)
    described = json.loads(json.dumps(evidence.describe()))
    assert described == evidence.describe()
    assert described["shot_ids"] == [shot.id for shot in evidence.shots]
    assert "{prompt}" in json.dumps(described["rendered"])
    assert all(shot.prompt in json.dumps(described["rendered"]) for shot in evidence.shots)


@pytest.mark.parametrize(
    ("keys", "word"),
    [
        ({"system": "x"}, "use `instruction`"),
        ({"shots": 2, "examples": ({"prompt": "a", "answer": "b"},)}, "not both"),
        ({"question": "Q: {}"}, "empty braces"),
        ({"question": "Q: {prompt"}, "is not a format string"),
        ({"question": "Q:"}, "must hold {prompt}"),
        ({"question": "{prompt} ({reference})"}, "could show the answer"),
        ({"answer": " 4"}, "every example would have the answer ' 4'"),
        ({"answer": r" \boxed{}"}, "empty braces"),
        ({"template": "chatml"}, "plain"),
        ({"shot": 3}, "shot"),
    ],
)
def test_evidence_that_contradicts_itself_is_refused(keys, word):
    with pytest.raises(ValidationError) as caught:
        given(**keys)
    assert word in str(caught.value)


def test_too_few_training_problems_are_named():
    with pytest.raises(EvidenceError, match=r"evidence\.shots = 4 .* has only 3;"):
        Evidence(given(shots=4), TRAIN[:3])


def test_an_answer_column_that_is_missing_is_named():
    with pytest.raises(EvidenceError, match=r"\{rationale\} of training problem t\d+ is None.*solution"):
        Evidence(given(shots=1, answer=" {rationale}"), TRAIN)
    code = [Problem(f"c{n}", f"write f{n}", {"tests": []}) for n in range(3)]
    with pytest.raises(EvidenceError, match="expected text"):
        Evidence(given(shots=1), code)


def test_an_example_from_the_held_out_set_is_refused():
    config = given(examples=({"prompt": "50  +  1", "answer": "51"},))
    with pytest.raises(EvidenceError, match="held-out problem h"):
        Evidence(config, TRAIN, [ASKED])


TEMPLATES = {
    "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}": "more than",
    "{{ 'x' * 30000000 }}": "30,000,000 characters",
    "{{ messages.__class__.__mro__[1].__subclasses__() }}": "SecurityError",
    "{{ 1 / 0 }}": "ZeroDivisionError",
    "{% if %}": "TemplateSyntaxError",
}


@pytest.mark.parametrize("template", TEMPLATES)
def test_a_chat_template_that_fails_or_never_ends_is_named(template, tiny, monkeypatch):
    monkeypatch.setattr("rlvr.evidence.TEMPLATE_SECONDS", 2.0)
    monkeypatch.setattr(tiny.tokenizer, "chat_template", template)
    evidence = Evidence(EvidenceConfig(template="chat"))
    with pytest.raises(EvidenceError, match=r"the model's chat template (fails|makes)") as refused:
        render(evidence, Problem("p7", "1 + 1", "2"), tiny.tokenizer)
    assert TEMPLATES[template] in str(refused.value) and "p7" in str(refused.value)
