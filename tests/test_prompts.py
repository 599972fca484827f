"""What the model really reads: every message is in the prompt, and its tokens are those of the tokenizer itself.

The templates are those of model families in short; the tokenizers are built on the spot.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from rlvr import cli, config, prompts
from rlvr.config import Config, EvidenceConfig
from rlvr.errors import ConfigError
from rlvr.evidence import Evidence, EvidenceError, render
from rlvr.policy import load_tokenizer
from rlvr.prompts import Prompt
from rlvr.rendering import variables
from rlvr.tokens import declared_ends, encode, undeclared_turn_end
from tests.scripted import CHATML, model_folder, tokenizer_of
from verifiers import Problem
from verifiers.extract import MARKS

ASKED = "What is 6 times 7?"
PARTS = CHATML.replace(
    "{{ m.content }}", "{% for p in m.content %}{% if p.type == 'text' %}{{ p.text }}{% endif %}{% endfor %}"
)
MIXED = PARTS.replace(
    "{% for m in messages %}",
    "{% if messages[0].role == 'system' %}<|im_start|>system\n{{ messages[0].content | trim }}<|im_end|>\n"
    "{% set messages = messages[1:] %}{% endif %}{% for m in messages %}",
)
GEMMA = (
    "{{ bos_token }}{% if messages[0]['role'] == 'system' %}{{ raise_exception('System role not supported') }}"
    "{% endif %}{% for m in messages %}<start_of_turn>{{ 'model' if m.role == 'assistant' else m.role }}\n"
    "{{ m.content | trim }}<end_of_turn>\n{% endfor %}"
    "{% if add_generation_prompt %}<start_of_turn>model\n{% endif %}"
)
LLAMA3 = (
    "{{ bos_token }}{% for m in messages %}<|start_header_id|>{{ m.role }}<|end_header_id|>\n\n"
    "{{ m.content | trim }}<|eot_id|>{% endfor %}"
    "{% if add_generation_prompt %}<|start_header_id|>assistant<|end_header_id|>\n\n{% endif %}"
)
GLM = (
    "[gMASK]<sop>{% for m in messages %}<|{{ m.role }}|>\n{{ m.content }}{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>\n{% endif %}"
)
R1 = (
    "{{ bos_token }}{% for m in messages %}{% if m.role == 'user' %}<|User|>{{ m.content }}"
    "{% elif m.role == 'assistant' %}<|Assistant|>{{ m.content.split('</think>')[-1] }}<|eos|>"
    "{% else %}{{ m.content }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}<|Assistant|><think>\n{% endif %}"
)
QWEN3 = CHATML.replace(
    "assistant\n{% endif %}",
    "assistant\n{% if enable_thinking is defined and enable_thinking is false %}<think>\n\n</think>\n\n"
    "{% endif %}{% endif %}",
)
QWEN3_THINKING = CHATML.replace("assistant\n{% endif %}", "assistant\n<think>\n{% endif %}")
HARMONY = (
    "{% for m in messages %}<|start|>{{ m.role }}{% if m.role == 'assistant' %}<|channel|>final{% endif %}<|message|>"
    "{{ m.content }}{{ '<|return|>' if loop.last and m.role == 'assistant' else '<|end|>' }}{% endfor %}"
    "{% if add_generation_prompt %}<|start|>assistant{% endif %}"
)


def read(
    template: str, prompt: str = ASKED, evidence: dict[str, Any] | None = None, **tokenizer: Any
) -> Prompt:
    """One prompt by a template."""
    asked = Evidence(EvidenceConfig.model_validate({"template": "chat", **(evidence or {})}))
    [made] = prompts.prompts(tokenizer_of(template, **tokenizer), MARKS, asked, [Problem("p7", prompt, "42")])
    return made


SHOT = {"examples": [{"prompt": "What is 1+1?", "answer": "2"}]}

# ------------------------------------------------------------------ the prompt holds every message

HELD: dict[str, tuple[str, dict[str, Any], str, str]] = {
    "text": (CHATML, {}, ASKED, ASKED),
    "parts": (
        PARTS,
        SHOT,
        ASKED,
        f"user\nWhat is 1+1?<|im_end|>\n<|im_start|>assistant\n2<|im_end|>\n<|im_start|>user\n{ASKED}",
    ),
    "the first part": (CHATML.replace("m.content", "m.content[0]['text']"), {}, ASKED, ASKED),
    "either": (
        PARTS.replace("{% for p", "{% if m.content is string %}{{ m.content }}{% else %}{% for p").replace(
            "{% endfor %}<", "{% endfor %}{% endif %}<"
        ),
        {},
        ASKED,
        ASKED,
    ),
    "system as text, the rest as parts": (
        MIXED,
        {"system": "Be kind."},
        ASKED,
        f"Be kind.<|im_end|>\n<|im_start|>user\n{ASKED}",
    ),
    "trimmed": (CHATML.replace("m.content", "m.content | trim"), {}, " 6 times 7\n", "user\n6 times 7<"),
    "white space collapsed": (
        CHATML.replace("m.content", "m.content.split() | join(' ')"),
        {},
        "6\n times  7",
        "6 times 7",
    ),
    "as JSON": (
        CHATML.replace("m.content", "m.content | tojson"),
        {},
        'a "six"\n\té 7\\',
        'a \\"six\\"\\n\\té 7',
    ),
    "as HTML": (
        CHATML.replace("m.content", "m.content | e"),
        {},
        "is 1 < 2 & \"3\" or '4'?",
        "1 &lt; 2 &amp;",
    ),
    "in capitals": (CHATML.replace("m.content", "m.content | upper"), {}, ASKED, "WHAT IS 6"),
    "an example's thoughts are left out": (
        R1,
        {"examples": [{"prompt": "1+1", "answer": "<think>hm</think>It is 2"}]},
        ASKED,
        "<|Assistant|>It is 2<|eos|>",
    ),
    "a loop that stops": (
        CHATML.replace("{% endfor %}", "{% if loop.last %}{% break %}{% endif %}{% endfor %}"),
        {},
        ASKED,
        ASKED,
    ),
    "what an assistant writes is marked": (
        CHATML.replace("{{ m.content }}", "{% generation %}{{ m.content }}{% endgeneration %}"),
        {},
        ASKED,
        ASKED,
    ),
}


@pytest.mark.parametrize("case", HELD)
def test_a_template_that_holds_every_message_is_used_as_it_wants_to_be(case: str) -> None:
    template, evidence, prompt, expected = HELD[case]
    assert expected in read(template, prompt, evidence, bos="<|bos|>").text


LOST: dict[str, tuple[str, dict[str, Any], str, str]] = {
    "nothing of any message": (
        CHATML.replace("{{ m.content }}", ""),
        {},
        ASKED,
        r"the model's chat template leaves out the question of problem 'p7'.*begins with '<\|im_start\|>user",
    ),
    "a question that is cut": (
        CHATML.replace("m.content", "m.content[:9]"),
        {},
        ASKED,
        "leaves out the question .* in part",
    ),
    "no content in any shape": (CHATML.replace("m.content", "m.text"), {}, ASKED, "leaves out the question"),
    "a list as Python shows it": (
        CHATML.replace("m.content", "[{'type': 'text', 'text': m.content[0]['text'] * 0}]"),
        {},
        ASKED,
        "leaves out the question",
    ),
    "examples, of which the short answer stands elsewhere": (
        "2" + CHATML.replace("in messages", "in messages[-1:]"),
        SHOT,
        ASKED,
        r"leaves out message 2 \(assistant\)",
    ),
    "the system message": (
        CHATML.replace("{% for m in messages %}", "{% for m in messages if m.role != 'system' %}"),
        {"system": "Be kind."},
        ASKED,
        "evidence.system.*leaves it out.*instruction_position: before",
    ),
    "a system message that is refused": (
        GEMMA,
        {"system": "Be kind."},
        ASKED,
        "evidence.system.*says 'System role not supported'.*instruction_position: before",
    ),
    "own template": (
        CHATML,
        {"chat_template": "{% for m in messages %}{{ m.role }}{% endfor %}"},
        ASKED,
        "^evidence.chat_template leaves out the question",
    ),
}


@pytest.mark.parametrize("case", LOST)
def test_a_template_that_loses_something_is_named_with_the_prompts_beginning(case: str) -> None:
    template, evidence, prompt, words = LOST[case]
    with pytest.raises(EvidenceError, match=words):
        read(evidence.get("chat_template", template), prompt, evidence, bos="<bos>")


def test_every_question_is_looked_for_not_the_first_alone() -> None:
    evidence = Evidence(EvidenceConfig(template="chat"))
    tokenizer = tokenizer_of(CHATML.replace("m.content", "m.content[:30]"))
    assert ASKED in render(evidence, Problem("short", ASKED, "42"), tokenizer)
    with pytest.raises(EvidenceError, match="of problem 'long'"):
        render(evidence, Problem("long", ASKED * 3, "42"), tokenizer)


def test_where_gemma_has_it_the_instruction_takes_the_place_of_a_system_message() -> None:
    told = {"instruction": "Be kind.", "instruction_position": "before", **SHOT}
    text = read(GEMMA, evidence=told, bos="<bos>").text
    assert text.startswith("<bos><start_of_turn>user\nBe kind.\n\nWhat is 1+1?<end_of_turn>")


def test_the_position_of_an_instruction_is_one_thing_in_text_and_chat() -> None:
    def made(template: str, position: str | None) -> Any:
        given = {"template": template, "instruction": "Add.", "instruction_position": position, **SHOT}
        evidence, problem = Evidence(EvidenceConfig.model_validate(given)), Problem("p", "2+2", "4")
        return (
            evidence.text(problem)
            if template == "plain"
            else [m["content"] for m in evidence.messages(problem)]
        )

    assert made("plain", None) == made("plain", "before") == "Add.\n\nQ: What is 1+1?\nA: 2\n\nQ: 2+2\nA:"
    assert made("plain", "after") == "Q: What is 1+1?\nAdd.\nA: 2\n\nQ: 2+2\nAdd.\nA:"
    assert made("chat", None) == made("chat", "after") == ["What is 1+1?\nAdd.", "2", "2+2\nAdd."]
    assert made("chat", "before") == ["Add.\n\nWhat is 1+1?", "2", "2+2"]


# ------------------------------------------------------------------ tokens

KINDS: dict[str, tuple[str, dict[str, Any]]] = {
    "Llama 3: BOS by both": (
        LLAMA3,
        {
            "tokens": ("<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"),
            "bos": "<|begin_of_text|>",
            "prefix": ("<|begin_of_text|>",),
        },
    ),
    "GLM: a prefix by both, and no bos_token": (
        GLM,
        {"tokens": ("<|user|>", "<|assistant|>"), "prefix": ("[gMASK]", "<sop>")},
    ),
    "Gemma": (GEMMA, {"tokens": ("<start_of_turn>", "<end_of_turn>"), "bos": "<bos>", "prefix": ("<bos>",)}),
    "BOS by the tokenizer alone": (CHATML, {"bos": "<s>", "prefix": ("<s>",)}),
    "T5: end-of-text by the tokenizer": (CHATML, {"eos": "</s>", "suffix": ("</s>",)}),
    "SmolLM2: nothing added": (CHATML, {"bos": "<|im_start|>", "eos": "<|im_end|>"}),
    "the template's prompt ends with end-of-text": (
        "{% for m in messages %}{{ m.content }}<|endoftext|>{% endfor %}",
        {},
    ),
    "parts": (PARTS, {"bos": "<s>", "prefix": ("<s>",)}),
}


@pytest.mark.parametrize("kind", KINDS)
def test_the_tokens_are_those_of_apply_chat_template(kind: str) -> None:
    template, options = KINDS[kind]
    content: Any = [{"type": "text", "text": ASKED}] if template is PARTS else ASKED
    own = tokenizer_of(template, **options).apply_chat_template(
        [{"role": "user", "content": content}], tokenize=True, add_generation_prompt=True, return_dict=False
    )
    assert read(template, **options).token_ids == own


PLAIN: dict[str, dict[str, Any]] = {
    "nothing added": {},
    "BOS": {"bos": "<s>", "prefix": ("<s>",)},
    "GLM": {"prefix": ("[gMASK]", "<sop>")},
    "end of sentence": {"suffix": ("[SEP]",)},
}


@pytest.mark.parametrize("kind", PLAIN)
def test_plain_text_has_the_tokens_of_the_tokenizers_own_call(kind: str) -> None:
    tokenizer = tokenizer_of(None, **PLAIN[kind])
    texts = ["6 times 7", "", "1+1 "]
    assert encode(tokenizer, texts) == tokenizer(texts)["input_ids"]


def test_plain_text_is_never_ended_and_its_beginning_never_doubled() -> None:
    around = tokenizer_of(None, bos="<s>", eos="</s>", prefix=("<s>",), suffix=("</s>",))
    bos, eos = around.bos_token_id, around.eos_token_id
    one, two, three = encode(around, ["<s>1", "1", "1</s>"])  # rows do not depend on their neighbours
    assert one == two == [bos, *around("1", add_special_tokens=False)["input_ids"]]
    assert three == [*two, eos]  # the user's own


def test_a_tokenizer_that_makes_other_tokens_than_its_own_call_is_refused(tmp_path, monkeypatch) -> None:
    tokenizer = tokenizer_of(CHATML)
    monkeypatch.setattr(prompts, "load_tokenizer", lambda _: tokenizer)
    monkeypatch.setattr(
        type(tokenizer), "__call__", lambda self, texts, **_: {"input_ids": [[1] for _ in texts]}
    )
    with pytest.raises(EvidenceError, match="makes other tokens of its chat template's text"):
        notes(tmp_path, tokenizer)


# ------------------------------------------------------------------ own templates and switches


def test_a_switch_reaches_the_template() -> None:
    assert read(QWEN3).text.endswith("assistant\n")
    off = read(QWEN3, evidence={"template_options": {"enable_thinking": False}})
    assert off.text.endswith("assistant\n<think>\n\n</think>\n\n")


@pytest.mark.parametrize(
    ("option", "template", "words"),
    [
        (
            "enable_thinkng",
            QWEN3,
            r"enable_thinkng: the model's chat template never reads it; it reads enable_thinking$",
        ),
        ("messages", QWEN3, "messages: .* never reads it"),
        ("add_generation_prompt", QWEN3, "never reads it"),
        ("tokenize", CHATML + "{{ tokenize }}", "no variable that can be set"),
        ("enable_thinking", "{% set enable_thinking = 1 %}" + CHATML, "no variable"),
    ],
)
def test_a_switch_that_the_template_never_reads_is_refused(option: str, template: str, words: str) -> None:
    with pytest.raises(EvidenceError, match=words):
        read(template, evidence={"template_options": {option: True}})


def test_a_variable_with_a_default_of_its_own_is_read() -> None:
    assert variables("{% set thinks = thinks | default(true) %}{{ thinks }}") == {"thinks"}
    assert "date_string" in variables(
        "{% if not date_string is defined %}{% set date_string = strftime_now('%d') %}{% endif %}{{ date_string }}"
    )
    with pytest.raises(EvidenceError, match=r"no Jinja template: .*line 2"):
        variables("\n{% if %}")


def written(folder: Path, text: str = "", **evidence: Any) -> Path:
    """A config file whose model is never loaded."""
    made = {"problems": {"heldout": {"world": "carry/heldout"}}, "evidence": {"template": "chat", **evidence}}
    (folder / "c.yaml").write_text(json.dumps(made) + text)
    return folder / "c.yaml"


def test_the_file_of_a_template_becomes_part_of_the_config(tmp_path: Path) -> None:
    file = written(tmp_path, chat_template="own.jinja")
    with pytest.raises(ConfigError, match=r"evidence\.chat_template: .*own\.jinja is no file"):
        config.load(file)
    (tmp_path / "own.jinja").write_text("no template")
    with pytest.raises(ConfigError, match="is no Jinja template"):
        config.load(file)
    (tmp_path / "own.jinja").write_text(CHATML)
    loaded = config.load(file)
    assert loaded.evidence.chat_template == CHATML
    again = written(tmp_path, chat_template=CHATML)  # as the run's config.yaml has it
    assert config.load(again) == loaded
    assert config.load(again, ["evidence.chat_template=null"]).evidence.chat_template is None
    with pytest.raises(ConfigError, match="needs template: chat"):
        config.load(again, ["evidence.template=plain"])


def test_a_changed_template_is_another_configuration_and_shown_where_it_differs(tmp_path: Path) -> None:
    from rlvr.run import check_folder, differences, open_run

    first, second = (
        Config.model_validate(
            {
                "problems": {"heldout": {"world": "carry/heldout"}},
                "evidence": {"template": "chat", "chat_template": text},
            }
        )
        for text in (2 * CHATML, CHATML + CHATML.replace("assistant", "model"))
    )
    [line] = differences(first, second)
    assert line.startswith("evidence.chat_template: …") and "model" in line and len(line) < 500
    run = open_run(first, tmp_path / "run")
    run.rollouts("base").write_text("")
    assert check_folder(first, run.folder)
    with pytest.raises(ConfigError, match=r"evidence\.chat_template: "):
        check_folder(second, run.folder)


def test_null_unsets_and_is_shown_as_it_is_written(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["run", "--help-config"]) == 0
    shown = capsys.readouterr().out
    assert (
        "evidence.instruction = null\n" in shown and "= unset" not in shown and "= none" not in shown.lower()
    )


# ------------------------------------------------------------------ what is known of a prompt before a model is loaded


def notes(folder: Path, tokenizer: Any, **evidence: Any) -> list[str]:
    from rlvr.problems import Problems

    model = model_folder(folder / "model", tokenizer)
    asked = Config.model_validate(
        {
            "model": str(model),
            "problems": {"heldout": {"world": "carry/heldout"}},
            "evidence": {"template": "chat", **evidence},
        }
    )
    problems = Problems([Problem("t", "1+1", "2")], [Problem("h", ASKED, "42")])
    return list(prompts.prove(asked, Evidence(asked.evidence), problems))


def test_an_end_of_turn_that_is_no_end_of_text_is_told_in_one_line(tmp_path: Path) -> None:
    [line] = notes(tmp_path, tokenizer_of(CHATML))
    assert line.startswith("the model's chat template ends a turn with <|im_end|>") and "\n" not in line


def test_nothing_is_told_of_a_template_that_fits(tmp_path: Path) -> None:
    assert notes(tmp_path, tokenizer_of(CHATML, eos="<|im_end|>")) == []


def test_a_template_that_writes_the_date_is_told(tmp_path: Path) -> None:
    dated = (
        "{% if not date_string is defined %}{% set date_string = strftime_now('%d %b %Y') %}{% endif %}"
        "Today: {{ date_string }}\n" + CHATML
    )
    [line] = notes(tmp_path, tokenizer_of(dated, eos="<|im_end|>"))
    assert "today's date" in line and "evidence.today=20" in line
    for fixed in ({"template_options": {"date_string": "26 Jul 2024"}}, {"today": "2024-07-26"}):
        assert notes(tmp_path, tokenizer_of(dated, eos="<|im_end|>"), **fixed) == []
    asked = Config.model_validate(
        {
            "model": str(tmp_path / "model"),
            "problems": {"heldout": {"world": "carry/heldout"}},
            "evidence": {"template": "chat", "today": "2024-07-26"},
        }
    )
    load_tokenizer(asked).save_pretrained(
        tmp_path / "model"
    )  # as the trained model's, which says that day too
    tokenizer = load_tokenizer(asked)
    text = render(Evidence(asked.evidence), Problem("p", ASKED, "42"), tokenizer)
    assert text.startswith("Today: 26 Jul 2024\n")
    with pytest.raises(EvidenceError, match=r"evidence\.today: the model's chat template does not"):
        notes(tmp_path, tokenizer_of(CHATML), today="2024-07-26")


def test_problems_are_proven_before_a_model_is_loaded(tmp_path: Path) -> None:
    with pytest.raises(EvidenceError, match="question of problem 'h'"):
        notes(tmp_path, tokenizer_of(CHATML.replace("m.content", "m.content[:5]")))


@pytest.mark.parametrize("place", ["train", "heldout", "probes"])
@pytest.mark.parametrize("number", [0, 2])
def test_every_set_is_proven(tmp_path: Path, place: str, number: int) -> None:
    """A problem that the template cannot render, wherever it stands."""
    from rlvr.problems import Problems

    rows = {
        name: [Problem(f"{name}-{i}", "1+1", "2") for i in range(3)]
        for name in ("train", "heldout", "probes")
    }
    rows[place][number] = Problem("odd", "zebra", "42")
    blind = CHATML.replace("m.content", "m.content.replace('zebra', '')")
    model = model_folder(tmp_path / "model", tokenizer_of(blind))
    asked = config.load(written(tmp_path), [f"model={model}"])
    problems = Problems(rows["train"], rows["heldout"], {"far": rows["probes"]})
    with pytest.raises(EvidenceError, match="question of problem 'odd'"):
        list(prompts.prove(asked, Evidence(asked.evidence), problems))


def test_an_example_shows_the_prompt_in_full_with_its_facts(tmp_path: Path) -> None:
    own = "{% if messages[0].role != 'system' %}<|im_start|>system\nYou are Smol.<|im_end|>\n{% endif %}"
    model = model_folder(tmp_path, tokenizer_of(own + QWEN3_THINKING))
    asked = Config.model_validate(
        {
            "model": str(model),
            "problems": {"heldout": {"world": "carry/heldout"}},
            "evidence": {"template": "chat"},
            "sampling": {"stop": ["<|im_start|>", "Q:"]},
        }
    )
    shown = prompts.example(asked, Evidence(asked.evidence), Problem("h", ASKED, "42"))
    assert shown.prompt.text.startswith("<|im_start|>system\nYou are Smol.") and ASKED in shown.prompt.text
    facts = "\n".join(shown.facts)
    assert "tokens, the first '<|im_start|>'" in facts
    assert "adds a system message of its own: '<|im_start|>system\\nYou are Smol." in facts
    assert "opens a thought with <think>" in facts
    silent = asked.evidence.model_copy(update={"system": ""})
    assert "of its own" not in str(prompts.example(asked, Evidence(silent), Problem("h", ASKED, "42")).facts)
    assert "end at '<|endoftext|>', '<|im_end|>', '<|im_start|>'" in facts and "the text 'Q:'" in facts


# ------------------------------------------------------------------ thoughts that the prompt opened

OPENED: dict[str, tuple[str, dict[str, Any], str, str]] = {
    "R1": (R1, {}, ASKED, "<think>"),
    "Qwen3-Thinking": (QWEN3_THINKING, {}, ASKED, "<think>"),
    "words behind the mark": (R1.replace("<think>\n", "<think>\nOkay,"), {}, ASKED, "<think>"),
    "Qwen3": (QWEN3, {}, ASKED, ""),
    "Qwen3, thinking off": (QWEN3, {"template_options": {"enable_thinking": False}}, ASKED, ""),
    "DeepSeek-V3.1, thinking off": (R1.replace("<think>\n", "</think>"), {}, ASKED, ""),
    "a question about marks": (CHATML, {"instruction": "Think in <think>"}, "What is <think>?", ""),
    "a question about marks, and one": (QWEN3_THINKING, {}, "What is <think></think>?", "<think>"),
    "Kimi": (CHATML.replace("assistant\n{% endif %}", "assistant\n◁think▷{% endif %}"), {}, ASKED, "◁think▷"),
}


@pytest.mark.parametrize("kind", OPENED)
def test_a_thought_that_the_template_opened_is_known(kind: str) -> None:
    template, evidence, prompt, mark = OPENED[kind]
    assert read(template, prompt, evidence, bos="<bos>").opened == mark


# ------------------------------------------------------------------ the end of a turn

ENDS: dict[str, tuple[str, dict[str, Any], str | None]] = {
    "base model with ChatML": (CHATML, {}, "<|im_end|>"),
    "declared": (CHATML, {"eos": "<|im_end|>"}, None),
    "no special token": (
        CHATML,
        {"tokens": ("<|im_start|>",), "plain_tokens": ("<|im_end|>",)},
        "<|im_end|>",
    ),
    "Gemma": (GEMMA, {"tokens": ("<start_of_turn>", "<end_of_turn>"), "bos": "<bos>"}, "<end_of_turn>"),
    "GLM: the next turn begins": (GLM, {"tokens": ("<|user|>", "<|assistant|>")}, "<|user|>"),
    "gpt-oss: return, and end between thought and answer": (
        HARMONY,
        {"tokens": ("<|start|>", "<|end|>", "<|return|>", "<|message|>", "<|channel|>")},
        "<|return|>",
    ),
    "gpt-oss, declared": (HARMONY, {"tokens": ("<|start|>", "<|end|>"), "eos": "<|return|>"}, None),
    "Command A: response, then turn": (
        CHATML.replace("<|im_end|>", "<|response|><|im_end|>"),
        {"tokens": ("<|im_start|>", "<|response|>"), "eos": "<|im_end|>"},
        None,
    ),
    "end-of-text behind a conversation": (
        CHATML + "{% if not add_generation_prompt %}<|endoftext|>{% endif %}",
        {},
        "<|im_end|>",
    ),
    "parts": (PARTS, {}, "<|im_end|>"),
    "no token at all": ("{% for m in messages %}### {{ m.role }}: {{ m.content }}\n{% endfor %}", {}, None),
    "an assistant's words are not written": (
        CHATML.replace("{% for m in messages %}", "{% for m in messages if m.role == 'user' %}"),
        {},
        None,
    ),
}


@pytest.mark.parametrize("kind", ENDS)
def test_the_token_that_ends_a_turn_is_found(kind: str) -> None:
    template, options, expected = ENDS[kind]
    tokenizer = tokenizer_of(template, **options)
    found = undeclared_turn_end(
        tokenizer,
        Evidence(EvidenceConfig(template="chat")).template(tokenizer),
        declared_ends(tokenizer, None),
    )
    assert (None if found is None else tokenizer.convert_ids_to_tokens(found)) == expected


# ------------------------------------------------------------------ templates in use


def of_models() -> dict[str, str]:
    """The templates of model families that TRL ships."""
    import trl

    files = sorted((Path(trl.__file__).parent / "chat_templates").glob("*.jinja"))
    return {file.stem: file.read_text() for file in files if not file.stem.endswith("_training")}


WITHOUT_SYSTEM = {"gemma"}
CLOSES = re.compile(
    r"<end_of_turn>|<\|?(end|eot|eot_id|im_end|return|user|END_RESPONSE|END_OF_TURN_TOKEN)\|>|<turn\|>|</s>|<end_of_utterance>|<｜end▁of▁sentence｜>"
)


def test_the_templates_of_models_in_use_are_read_as_their_makers_meant() -> None:
    """All of them at once: a table of what is not as in most."""
    assert len(of_models()) > 30
    parts, thinking, ends, refuse = set(), set(), {}, set()
    for name, source in of_models().items():
        found = re.findall(r"<[|｜/a-zA-Z_][^<>\s{}'\"]*>|\[/?[A-Z_]+\]", source)
        tokenizer = tokenizer_of(source, tokens=(), plain_tokens=tuple(dict.fromkeys(found)), bos="<BOS>")
        plain = Evidence(EvidenceConfig(template="chat"))
        [made] = prompts.prompts(tokenizer, MARKS, plain, [Problem("p", ASKED, "42")])
        assert ASKED in made.text and made.opened == ("<think>" if made.text.endswith("<think>\n") else "")
        thinking |= {name} if made.opened else set()
        parts |= {name} if plain.template(tokenizer).shape(("user",))[0] else set()
        end = undeclared_turn_end(tokenizer, plain.template(tokenizer), [])
        ends[name] = None if end is None else tokenizer.convert_ids_to_tokens(end)
        for given in (
            {"system": "Be kind."},
            {"examples": [{"prompt": "What is 1+1?", "answer": "It is 2"}]},
        ):
            try:
                text = render(
                    Evidence(EvidenceConfig.model_validate({"template": "chat", **given})),
                    Problem("p", ASKED, "42"),
                    tokenizer,
                )
            except EvidenceError as error:
                assert "evidence.system" in str(error)
                refuse.add(name)
            else:
                assert ("Be kind." if "system" in given else "It is 2") in text
        assert not {"loop", "role", "ns", "loop_messages"} & variables(source)
    assert parts == {"idefics3", "llava_next", "smolvlm"}
    assert {name.split("_")[0] for name in thinking} == {"deepseek", "deepseekv3", "nemotron", "qwen3"}
    assert refuse == WITHOUT_SYSTEM
    assert ends["gptoss"] == "<|return|>" and ends["glm4moe"] == "<|user|>" and ends["qwen3"] == "<|im_end|>"
    assert all(end and CLOSES.fullmatch(end) for end in ends.values()), ends
