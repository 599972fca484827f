"""How a problem becomes a prompt: template, system prompt, instruction, examples, hints. Text only, no torch.

Everything that the policy is conditioned on besides the problem itself is evidence, the same before and after
training. `plain` is for base models, `chat` for models whose tokenizer has a chat template.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from rlvr.config import EvidenceConfig
from rlvr.config.data import fields, fill
from rlvr.evidence.examples import Examples
from rlvr.evidence.hints import Attempts, Hint
from rlvr.problems import identity
from rlvr.problems.on_disk import stored
from rlvr.problems.rows import value_at
from rlvr.rendering import EvidenceError, Template, Tokenizer
from verifiers.messages import Message
from verifiers.types import Problem

__all__ = ["Evidence", "EvidenceError", "render"]

# The `question` and `answer` formats where the config leaves them unset.
PLAIN = {"question": "Q: {prompt}\nA:", "answer": " {reference}"}
CHAT = {"question": "{prompt}", "answer": "{reference}"}
LATER_KEYS = (
    *("chat_template", "template_options", "today", "instruction_position"),
    *("shots_choice", "shots_pool", "hint", "attempts"),
)
"""Named in a file's settings only where they are set: files of before they existed can be continued."""


class Evidence:
    """Turns problems into prompts, always in the same way.

    >>> shots = EvidenceConfig(examples=[{"prompt": "1 + 1", "answer": "2"}])
    >>> Evidence(shots).text(Problem("p", "2 + 2", "4"))
    'Q: 1 + 1\\nA: 2\\n\\nQ: 2 + 2\\nA:'
    """

    def __init__(
        self,
        config: EvidenceConfig,
        train: Sequence[Problem] = (),
        heldout: Iterable[Problem] = (),
        tools: Sequence[Any] = (),
        base: Path | None = None,
        opening: Callable[[Problem], str] | None = None,
    ) -> None:
        """Draw the examples from `train`, never from held-out problems.

        Args:
            tools: those of the environment.
            base: folder that relative paths start from.
            opening: what the environment asks first in place of a problem's prompt.

        Raises EvidenceError: too few training problems, an answer format that a training problem cannot fill,
        an example that is in `heldout`.
        """
        self.config, self.tools, self.opening = config, tools, opening
        self._template: Template | None = None
        formats = PLAIN if config.template == "plain" else CHAT
        self._question = config.question if config.question is not None else formats["question"]
        self._answer = config.answer if config.answer is not None else formats["answer"]
        position = config.instruction_position or ("before" if config.template == "plain" else "after")
        self._before = config.instruction if position == "before" else None
        self._after = f"\n{config.instruction}" if config.instruction and position == "after" else ""
        self.examples = Examples.drawn(config, train) if config.shots else Examples.given(config)
        self._answers = {shot.id: self.answer_to(shot) for shot in self.examples.pool}
        self.hint: Hint | None = Hint.of(config.hint, base) if config.hint else None
        self.attempts = Attempts.of(config.attempts, base) if config.attempts else None
        self._spent = frozenset(identity(shot) for shot in self.examples.pool)
        for problem in heldout:
            if identity(problem) in self._spent:
                raise EvidenceError(
                    f"evidence: an example is the held-out problem {problem.id}: {problem.prompt!r}"
                )

    def answer_to(self, shot: Problem) -> str:
        """What an example shows as the answer to a training problem. Raises EvidenceError: the format does not fit."""
        columns = {**shot.meta, "prompt": shot.prompt, "reference": shot.reference}
        for name in sorted(fields(self._answer)):
            try:
                value = value_at(columns, name)
            except KeyError:
                value = None
            if not isinstance(value, str | int | float):
                raise EvidenceError(
                    f"evidence.answer: {{{name}}} of training problem {shot.id} is {value!r}; expected text. "
                    f"It has {', '.join(sorted(columns))}; evidence.examples can be written instead."
                )
        return fill(self._answer, lambda name: value_at(columns, name))

    def without_shots(self, train: Sequence[Problem]) -> Sequence[Problem]:
        """The training problems that are not shown as examples, in order."""
        if not self._spent:
            return train
        return stored(problem for problem in train if identity(problem) not in self._spent)

    def text(self, problem: Problem) -> str:
        """The plain prompt: instruction, system message of the row, examples, question, joined by the separator.

        A row's earlier turns are written as examples are: the user's as questions, each answer a space after its own.
        """
        head = [self._before] if self._before else []
        system, turns = _parted(problem)
        pieces = [*head, *(message["content"] for message in system)]
        for shot in self.examples.of(problem):
            pieces += self._written(_parted(shot)[1])
            pieces.append(self._asked(shot.prompt) + self._answers[shot.id])
        pieces += self._written(turns)
        return self.config.separator.join([*pieces, self._question_of(problem)]) + self.begun(problem)

    def _question_of(self, problem: Problem) -> str:
        """The question with what is said beside it: earlier attempts, and a hint."""
        said = self.attempts.said(problem) if self.attempts else []
        if self.hint and self.hint.config.position == "question":
            said.append(self.hint.said(problem))
        prompt = self.opening(problem) if self.opening else problem.prompt
        return self._asked("\n".join([prompt, *filter(None, said)]))

    def begun(self, problem: Problem) -> str:
        """What the answer begins with, where the hint stands there; with its blank, as answers of examples have it."""
        if self.hint is None or self.hint.config.position == "question":
            return ""
        words = self.hint.words(problem)
        return f" {words}" if words and self.config.template == "plain" else words

    def _written(self, turns: Sequence[Message]) -> list[str]:
        pieces: list[str] = []
        for turn in turns:
            if turn["role"] == "user":
                pieces.append(self._asked(turn["content"]))
            elif pieces and turn["role"] == "assistant":
                pieces[-1] += f" {turn['content']}"
            else:
                pieces.append(turn["content"])
        return pieces

    def messages(self, problem: Problem) -> list[Message]:
        """The conversation up to the question: `[{"role": …, "content": …}, …]`.

        The row's own system message, or `evidence.system` where it has none; examples; the row's earlier turns as they
        are; its question, to which the formats apply.
        """
        system, turns = _parted(problem)
        if not system and self.config.system is not None:
            system = [{"role": "system", "content": self.config.system}]
        messages = [*system]
        for shot in self.examples.of(problem):
            messages += _parted(shot)[1]
            messages.append({"role": "user", "content": self._asked(shot.prompt)})
            messages.append({"role": "assistant", "content": self._answers[shot.id]})
        messages += [*turns, {"role": "user", "content": self._question_of(problem)}]
        if self._before:
            first = next(number for number, message in enumerate(messages) if message["role"] == "user")
            begun = self.config.separator.join([self._before, messages[first]["content"]])
            messages[first] = {"role": "user", "content": begun}
        return messages

    def between(self, said: Message, tokenizer: Tokenizer, ended_with: str = "", before: str = "") -> str:
        """What the policy reads between two of its turns, where its environment says something.

        A tool's words are a block of output in plain text, and a user's message with one in a chat whose template has
        no tools; what anybody else says is written as a question is.

        Args:
            ended_with: the text of the token that ended the policy's turn, which a chat template writes too.
            before: the policy's turn; in plain text, what it wrote itself of the separator or of the block's head is
                not written again.
        """
        content, chat = said["content"], self.config.template == "chat"
        if said["role"] == "tool" and not (chat and "tools" in self.template(tokenizer).options):
            newline, head, output = "\n", "```output\n", f"{content}\n```"
            if not chat:
                begun = before.rstrip().endswith("```output")
                return f"{_rest(newline, before)}{'' if begun else head}{output}{newline}"
            said = {"role": "user", "content": head + output}
        if not chat:
            return _rest(self.config.separator, before) + self._question.format(prompt=content)
        return self.template(tokenizer).between(said, "the policy").removeprefix(ended_with)

    def template(self, tokenizer: Tokenizer) -> Template:
        """The chat template as this evidence uses it. Raises EvidenceError where the two do not fit together."""
        known = self._template
        if (
            known is None
            or known.tokenizer is not tokenizer
            or known.made_from is not tokenizer.chat_template
        ):
            self._template = known = Template.of(tokenizer, self.config, self.tools)
        return known

    def _asked(self, prompt: str) -> str:
        return self._question.format(prompt=prompt + self._after)

    def describe(self) -> dict[str, Any]:
        """What a reader of rollouts must know about the prompts, as JSON: the settings and one prompt in full."""
        sample = Problem("", "{prompt}", "")
        plain = self.config.template == "plain"
        unset = {
            key
            for key in LATER_KEYS
            if getattr(self.config, key) == EvidenceConfig.model_fields[key].get_default()
        }
        return {
            **self.config.model_dump(mode="json", exclude=unset),
            "question": self._question,
            "answer": self._answer,
            "shot_ids": [shot.id for shot in self.examples.pool],
            "rendered": self.text(sample) if plain else self.messages(sample),
        }


def _rest(joint: str, before: str) -> str:
    """What is missing of `joint` behind a text that may end with its beginning.

    >>> _rest("\\n\\n", "42\\n")
    '\\n'
    """
    there = next(size for size in range(len(joint), -1, -1) if before.endswith(joint[:size]))
    return joint[there:]


def _parted(problem: Problem) -> tuple[list[Message], list[Message]]:
    """The messages at the beginning that are neither the user's nor the policy's, and the turns before the question."""
    turns = list(problem.history)
    first = next((n for n, turn in enumerate(turns) if turn["role"] in ("user", "assistant")), len(turns))
    return turns[:first], turns[first:]


def render(evidence: Evidence, problem: Problem, tokenizer: Tokenizer) -> str:
    """The prompt as text. A chat template writes its own special tokens: encode the text without adding any.

    Raises EvidenceError: `template: chat` with a tokenizer that has no chat template, or one that fails, never ends, or
    leaves out something of the messages.
    """
    if evidence.config.template == "plain":
        return evidence.text(problem)
    return evidence.template(tokenizer).render(evidence.messages(problem), problem.id) + evidence.begun(
        problem
    )
