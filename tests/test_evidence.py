"""Problems become prompts: plain text and chat, drawn and given examples, nothing of the held-out set."""

import json

import pytest
from pydantic import ValidationError

from rlvr import rollouts
from rlvr.config import EvidenceConfig
from rlvr.evidence import Evidence, EvidenceError, render
from rlvr.rollouts import Rollout
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

    def apply_chat_template(self, conversation, *, tokenize, add_generation_prompt, **options):
        assert tokenize is False and not options
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
    shown = {shot.id for shot in evidence.examples.pool}
    assert len(shown) == 4
    assert [p.id for p in evidence.without_shots(TRAIN)] == [p.id for p in TRAIN if p.id not in shown]
    for shot in evidence.examples.pool:
        assert f"Q: {shot.prompt}\nA: {shot.reference}\n\n" in evidence.text(ASKED)
    assert "51" not in evidence.text(ASKED)


def test_a_problem_that_is_shown_leaves_training_under_every_spelling():
    again = Problem("again", TRAIN[0].prompt.replace(" ", "  "), "1")
    evidence = Evidence(given(examples=({"prompt": TRAIN[0].prompt, "answer": "1"},)))
    assert evidence.without_shots([*TRAIN, again]) == TRAIN[1:]


def test_an_answer_can_be_another_column():
    evidence = Evidence(given(shots=1, answer=" {solution} #### {reference}"), TRAIN)
    shot = evidence.examples.pool[0]
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


SYSTEM = {"role": "system", "content": "Row's own."}
EARLIER = ({"role": "user", "content": "1 + 1"}, {"role": "assistant", "content": "2"})


def test_a_rows_own_messages_keep_their_system_message_and_their_turns():
    config = given(
        template="chat",
        system="Be brief.",
        instruction="Box it.",
        examples=({"prompt": "0 + 1", "answer": "1"},),
    )
    shown = [{"role": "user", "content": "0 + 1\nBox it."}, {"role": "assistant", "content": "1"}]
    asked = {"role": "user", "content": "50 + 1\nBox it."}
    full = Problem("h", "50 + 1", "51", history=(SYSTEM, *EARLIER))
    assert Evidence(config).messages(full) == [SYSTEM, *shown, *EARLIER, asked]
    without = Problem("h", "50 + 1", "51", history=EARLIER)
    brief = {"role": "system", "content": "Be brief."}
    assert Evidence(config).messages(without) == [brief, *shown, *EARLIER, asked]
    assert Evidence(given(template="chat")).messages(full) == full.messages


def test_examples_that_are_conversations_show_their_turns_without_their_system_message():
    train = [Problem(f"t{n}", f"{n} + 1", str(n + 1), history=(SYSTEM, *EARLIER)) for n in range(3)]
    (shot,) = Evidence(given(template="chat", shots=1), train).examples.pool
    assert Evidence(given(template="chat", shots=1), train).messages(ASKED) == [
        *EARLIER,
        {"role": "user", "content": shot.prompt},
        {"role": "assistant", "content": shot.reference},
        {"role": "user", "content": "50 + 1"},
    ]


def test_plain_text_writes_messages_as_it_writes_examples():
    config = given(instruction="Add.", examples=({"prompt": "0 + 1", "answer": "1"},), separator="|")
    full = Problem("h", "50 + 1", "51", history=(SYSTEM, *EARLIER, {"role": "tool", "content": "(2)"}))
    assert Evidence(config).text(full) == "Add.|Row's own.|Q: 0 + 1\nA: 1|Q: 1 + 1\nA: 2|(2)|Q: 50 + 1\nA:"


def test_two_conversations_are_the_same_problem_by_what_the_user_says():
    asked = Problem("a", "And twice that?", "4", history=EARLIER)
    other = Problem("b", "And twice that?", "6", history=({"role": "user", "content": "1 + 2"},))
    spoken = Problem("c", "and twice THAT?", "4", history=(SYSTEM, *EARLIER))
    with pytest.raises(EvidenceError, match="held-out problem c"):
        Evidence(given(shots=1), [asked, asked], [spoken])
    assert Evidence(given(shots=1), [asked, asked], [other]).without_shots([asked, other]) == [other]


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
    assert described["shot_ids"] == [shot.id for shot in evidence.examples.pool]
    assert "{prompt}" in json.dumps(described["rendered"])
    assert all(shot.prompt in json.dumps(described["rendered"]) for shot in evidence.examples.pool)


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
    if "range" in template:  # the one that never ends
        monkeypatch.setattr("rlvr.rendering.TEMPLATE_SECONDS", 2.0)
    monkeypatch.setattr(tiny.tokenizer, "chat_template", template)
    evidence = Evidence(EvidenceConfig(template="chat"))
    with pytest.raises(EvidenceError, match=r"the model's chat template (fails|makes)") as refused:
        render(evidence, Problem("p7", "1 + 1", "2"), tiny.tokenizer)
    assert TEMPLATES[template] in str(refused.value) and "p7" in str(refused.value)


# ------------------------------------------------------------------ examples chosen for each problem


def shown(evidence: Evidence, problem: Problem) -> list[str]:
    return [message["content"] for message in evidence.messages(problem)[:-1] if message["role"] == "user"]


MORE = [Problem(f"m{n}", f"{n} + 1", str(n + 1)) for n in range(100)]


def test_random_examples_differ_between_problems_and_come_back_with_the_seed():
    evidence = Evidence(given(template="chat", shots=3, shots_choice="random", shots_pool=20), MORE)
    each = {problem.id: tuple(shown(evidence, problem)) for problem in MORE}
    again = Evidence(given(template="chat", shots=3, shots_choice="random", shots_pool=20), MORE)
    assert all(tuple(shown(again, problem)) == each[problem.id] for problem in MORE)
    assert len(set(each.values())) > 90
    assert {len(set(prompts)) for prompts in each.values()} == {3}
    other = given(template="chat", shots=3, shots_choice="random", shots_pool=20, shots_seed=1)
    assert shown(Evidence(other, MORE), ASKED) != shown(evidence, ASKED)
    pool = {problem.id for problem in evidence.examples.pool}
    assert len(pool) == 20
    assert {p.id for p in evidence.without_shots(MORE)} == {p.id for p in MORE} - pool


def test_the_nearest_examples_share_rare_words_and_the_nearest_comes_last():
    asked = Problem("p", "How many red apples are in the basket?", "3")
    pool = [
        Problem("a", "How many are in the box?", "1"),
        Problem("b", "What is the area of the circle?", "2"),
        Problem("c", "The basket holds red apples. How many?", "3"),
        Problem("d", "Name the basket.", "4"),
        Problem("e", "Solve x = 1.", "5"),
    ]
    config = given(template="chat", shots=2, shots_choice="nearest", shots_pool=4)
    found = Evidence(config, [*pool, Problem("z", "z", "z")])
    prompts = shown(found, asked)
    assert len(prompts) == 2
    in_pool = {problem.prompt for problem in found.examples.pool}
    best = next(p.prompt for p in (pool[2], pool[0], pool[3]) if p.prompt in in_pool)
    assert prompts[-1] == best


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"shots_choice": "nearest"}, "no `shots` are drawn"),
        ({"hint": {}}, "give `column` or `file`"),
        ({"hint": {"column": "a", "file": "b"}}, "give `column` or `file`"),
        ({"hint": {"column": "a", "format": "{gold}"}}, "`format` must hold"),
        ({"hint": {"column": "a", "share": 0}}, "greater than 0"),
        ({"attempts": {"file": "a", "format": "no field"}}, "`format` must hold"),
        ({"attempts": {}}, "Field required"),
    ],
)
def test_pieces_that_make_no_sense_are_refused(keys, said):
    with pytest.raises(ValidationError) as refused:
        given(**keys)
    assert said in str(refused.value)


def test_too_small_a_pool_names_its_key():
    with pytest.raises(EvidenceError, match=r"evidence\.shots_pool = 64 .* has only 20"):
        Evidence(given(shots=2, shots_choice="random"), TRAIN)


# ------------------------------------------------------------------ hints and attempts


def test_a_hint_is_the_first_words_of_the_rows_solution():
    evidence = Evidence(given(hint={"column": "solution", "share": 0.4}))
    asked = TRAIN[3]
    assert evidence.text(asked) == "Q: 3 + 1\nHint: 3 and\nA:"  # two of five words
    assert evidence.text(ASKED) == "Q: 50 + 1\nA:"  # its row has no solution
    whole = Evidence(given(hint={"column": "solution", "share": 1.0, "format": "It goes {hint}"}))
    assert whole.text(asked) == "Q: 3 + 1\nIt goes 3 and 1 make 4.\nA:"


def test_a_hint_can_be_the_beginning_of_the_answer():
    keys = {"column": "solution", "share": 0.4, "position": "answer"}
    assert Evidence(given(hint=keys)).text(TRAIN[3]) == "Q: 3 + 1\nA: 3 and"
    chat = Evidence(given(hint=keys, template="chat", instruction="Add."))
    assert render(chat, TRAIN[3], Templated()) == "<user>3 + 1\nAdd.<assistant>3 and"


@pytest.mark.parametrize(
    ("trace", "share", "shown"),
    [
        ("7+8=15 \\boxed{15}", 0.75, "7+8=15"),  # of two words, one is before the answer
        (
            "so \\boxed{1} no, a b c \\boxed{15}",
            0.99,
            "so \\boxed{1} no, a b c",
        ),  # the last one is the answer
        ("a b c d #### 15", 0.5, "a b"),
        ("a b <answer>15</answer>", 0.6, "a b"),
        ("\\boxed{15}", 0.9, ""),
        ("7+8=15 \\boxed{15}", 1.0, "7+8=15 \\boxed{15}"),
    ],
)
def test_a_part_of_a_trace_never_has_its_answer(trace, share, shown):
    problem = Problem("p", "7+8", "15", {"solution": trace})
    hint = Evidence(given(hint={"column": "solution", "share": share})).hint
    assert hint is not None
    assert hint.words(problem) == shown


def rows(file, *samples):
    found = [
        Rollout(problem_id, n, "base", "?", trace, None, True, 1, score=score, status="correct")
        for n, (problem_id, score, trace) in enumerate(samples)
    ]
    rollouts.append(file, found)


def test_a_hint_from_rollouts_is_a_verified_trace_and_never_a_wrong_one(tmp_path):
    rows(tmp_path / "base.jsonl", ("t3", 0.0, "3 + 1 = 5"), ("t3", 1.0, "3 + 1 is 4"), ("t4", 0.0, "no"))
    evidence = Evidence(given(hint={"file": "base.jsonl", "share": 0.5}), base=tmp_path)
    assert evidence.text(TRAIN[3]) == "Q: 3 + 1\nHint: 3 + 1\nA:"
    assert evidence.text(TRAIN[4]) == "Q: 4 + 1\nA:"
    rows(tmp_path / "wrong.jsonl", ("t3", 0.0, "3 + 1 = 5"))
    with pytest.raises(EvidenceError, match=r"no sample in wrong\.jsonl has a score of 1"):
        Evidence(given(hint={"file": "wrong.jsonl"}), base=tmp_path)
    with pytest.raises(EvidenceError, match=r"nowhere\.jsonl cannot be read"):
        Evidence(given(hint={"file": "nowhere.jsonl"}), base=tmp_path)


def test_attempts_are_marked_with_their_verdicts_and_right_ones_stay_away_unless_asked_for(tmp_path):
    file = ("t3", 1.0, "It is 4."), ("t3", 0.0, "It is 5. "), ("t3", 0.0, "It is 6.")
    rows(tmp_path / "base.jsonl", *file)
    wrong = Evidence(given(attempts={"file": "base.jsonl", "number": 2}), base=tmp_path)
    assert wrong.text(TRAIN[3]) == (
        "Q: 3 + 1\nAn earlier attempt: It is 5.\nIt is not correct.\nAn earlier attempt: It is 6.\n"
        "It is not correct.\nA:"
    )
    asked = {"file": "base.jsonl", "which": "any", "format": "{trace} {verdict}"}
    assert (
        Evidence(given(attempts=asked), base=tmp_path).text(TRAIN[3])
        == "Q: 3 + 1\nIt is 4. It is correct.\nA:"
    )


def test_settings_name_the_new_pieces_only_where_they_are_used(tmp_path):
    assert not {"hint", "attempts", "shots_choice", "shots_pool"} & Evidence(given()).describe().keys()
    hinted = Evidence(given(hint={"column": "solution"})).describe()
    assert hinted["hint"]["column"] == "solution" and "attempts" not in hinted
