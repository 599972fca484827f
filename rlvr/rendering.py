"""Messages → the text that the model reads, by a chat template, with the proof that nothing of them got lost.
Text only, no torch.

A template comes with the model or from the user, and may do anything: want the content as a list of parts, drop a
role, cut a message. transformers would say nothing of it.
"""

from __future__ import annotations

import datetime
import html
import inspect
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import product
from typing import Any, Protocol, Self

from rlvr.config import EvidenceConfig
from rlvr.errors import UserError
from rlvr.launch.deadline import within
from rlvr.text import line
from verifiers.extract import after_thoughts
from verifiers.messages import Message

TEMPLATE_SECONDS, TEMPLATE_CHARACTERS = 10.0, 10_000_000
SYSTEM = ("system", "developer")
MOST_ROLES = 3
"""Whose content may each be text or parts: 2 to this power ways to ask a template."""


class EvidenceError(UserError):
    """The evidence cannot be built or rendered."""


class Tokenizer(Protocol):
    """The part of a transformers tokenizer that rendering uses."""

    chat_template: Any

    def apply_chat_template(
        self, conversation: Any, *, tokenize: bool, add_generation_prompt: bool, **options: Any
    ) -> Any: ...


@dataclass(eq=False)
class Template:
    """A tokenizer's chat template with the run's options.

    Raises EvidenceError: the tokenizer has none, or it never reads one of the options.
    """

    tokenizer: Tokenizer
    options: Mapping[str, Any]
    name: str = "the model's chat template"
    made_from: Any = field(init=False)
    shapes: dict[tuple[str, ...], tuple[frozenset[str], int | None]] = field(default_factory=dict, init=False)
    """What was found out about conversations of these roles; see `shape`."""

    @classmethod
    def of(cls, tokenizer: Tokenizer, config: EvidenceConfig, tools: Sequence[Any] = ()) -> Self:
        """With the config's options, and with `tools` where the template has a place for them."""
        own = config.chat_template is not None
        made = cls(tokenizer, config.template_options, "evidence.chat_template" if own else cls.name)
        if tools and "tools" in variables(made.source):
            made.options = {"tools": list(tools), **made.options}
        return made

    def __post_init__(self) -> None:
        self.made_from = self.tokenizer.chat_template
        several = not isinstance(self.made_from, str | None)
        if not self.made_from or (several and "default" not in self.made_from):
            raise EvidenceError(
                "evidence.template is chat, but the model's tokenizer has no chat template (perhaps it is a base "
                "model); use template: plain, a model with a chat template, or evidence.chat_template: FILE"
            )
        if self.options:
            self._check_options()

    @property
    def source(self) -> str:
        """The template itself; the default one, where a tokenizer has several."""
        return self.made_from if isinstance(self.made_from, str) else str(self.made_from["default"])

    def _check_options(self) -> None:
        known = variables(self.source)
        own = inspect.signature(self.tokenizer.apply_chat_template).parameters
        free = known - (own.keys() - {"tools", "documents"}) - {"messages"}
        for option in self.options:
            if option not in free:
                reads = ", ".join(sorted(free)) or "no variable that can be set"
                raise EvidenceError(
                    f"evidence.template_options.{option}: {self.name} never reads it; it reads {reads}"
                )

    def render(self, messages: Sequence[Message], problem: str) -> str:
        """The prompt, up to where the answer begins. `problem` is the id that errors name.

        Raises EvidenceError: the template fails, takes more than ten seconds, writes more than ten million characters,
        or leaves out something of a message.
        """
        of = f"problem {problem!r}"
        parts, lost = self.shape(tuple(message["role"] for message in messages))
        text = self._written(messages, of, parts)
        if lost is None:
            lost = next(reversed(missing(text, messages)), None)
        if lost is not None:
            raise EvidenceError(self._loses(messages, lost, of, text))
        return text

    def shape(self, roles: tuple[str, ...]) -> tuple[frozenset[str], int | None]:
        """The roles whose content the template wants as a list of parts, as transformers' processors give it, and the
        last message that it leaves out all the same. Tried with words that stand nowhere else, so that a short message
        is not found by chance."""
        if roles not in self.shapes:
            self.shapes[roles] = self._tried(roles)
        return self.shapes[roles]

    def _tried(self, roles: tuple[str, ...]) -> tuple[frozenset[str], int | None]:
        probes = [{"role": role, "content": _probe(number)} for number, role in enumerate(roles)]
        distinct = list(dict.fromkeys(roles))[:MOST_ROLES]
        best: tuple[frozenset[str], list[int]] = (frozenset(), [])
        for chosen in sorted(product((False, True), repeat=len(distinct)), key=sum):
            parts = frozenset(role for role, wanted in zip(distinct, chosen, strict=True) if wanted)
            try:
                text = self._written(probes, "a trial", parts)
            except EvidenceError as error:  # with the messages themselves it fails again, and is told
                if error.__cause__ is None or isinstance(error.__cause__, TimeoutError):
                    break  # it never ends, or writes without end, in every shape
                continue
            gone = missing(text, probes)
            if not gone and "'text': '" not in text:  # a list that was written as Python shows it
                return parts, None
            if gone and (not best[1] or len(gone) < len(best[1])):
                best = parts, gone
        return best[0], best[1][-1] if best[1] else None

    def _loses(self, messages: Sequence[Message], number: int, of: str, text: str) -> str:
        role = messages[number]["role"]
        if role in SYSTEM:
            return self._takes_no_system(of, f"{self.name} leaves it out")
        what = "the question" if number == len(messages) - 1 else f"message {number + 1} ({role})"
        begins = line(repr(text[:200]), 240)
        return f"{self.name} leaves out {what} of {of}, in whole or in part; the prompt begins with {begins}"

    def _takes_no_system(self, of: str, why: str) -> str:
        return (
            f"evidence.system, or the system message of {of}: this model takes none ({why}); put its text into "
            "evidence.instruction with evidence.instruction_position: before, where such models usually have it"
        )

    def tokens(self, messages: Sequence[Message]) -> list[int]:
        """What the tokenizer itself makes of the messages."""
        parts, _ = self.shape(tuple(message["role"] for message in messages))
        given = in_parts(messages, parts)
        return list(
            self.tokenizer.apply_chat_template(
                given, tokenize=True, add_generation_prompt=True, return_dict=False, **self.options
            )
        )

    def _written(
        self, messages: Sequence[Message], of: str, parts: frozenset[str], answer_next: bool = True
    ) -> str:
        given = in_parts(messages, parts)
        try:
            with within(TEMPLATE_SECONDS):
                text = str(
                    self.tokenizer.apply_chat_template(
                        given, tokenize=False, add_generation_prompt=answer_next, **self.options
                    )
                )
        except Exception as error:  # jinja has a tree of them, and a template may provoke any other
            said = f"{type(error).__name__}: {line(str(error), 200)}"
            if messages[0]["role"] in SYSTEM and len(messages) > 1 and self._accepts(messages[1:]):
                why = f"{self.name} says {line(error, 200)!r}"
                raise EvidenceError(self._takes_no_system(of, why)) from error
            raise EvidenceError(f"{self.name} fails on {of}: {said}") from error
        if len(text) > TEMPLATE_CHARACTERS:
            raise EvidenceError(f"{self.name} makes {len(text):,} characters of {of}")
        return text

    def _accepts(self, messages: Sequence[Message]) -> bool:
        try:
            self._written(messages, "a trial", frozenset())
        except EvidenceError:
            return False
        return True

    def between(self, said: Message, of: str) -> str:
        """What the policy reads after its own words and before its next: the end of its turn, the message, and what
        the template writes before an answer.

        Raises EvidenceError: the template cannot continue a conversation so, or leaves out the message.
        """
        asked, answered = (
            {"role": role, "content": _probe(n)} for n, role in enumerate(("user", "assistant"))
        )
        talk = [asked, answered, said]
        parts, _ = self.shape(tuple(message["role"] for message in talk))
        _, own, behind = self._written(talk, f"the answer to {of}", parts).partition(answered["content"])
        if not own or missing(behind, [said]):
            raise EvidenceError(
                f"{self.name} leaves out what a {said['role']} says after an answer, so the policy would not read it "
                f"({of})"
            )
        return behind

    def turn_ends(self) -> tuple[str, str]:
        """What follows an assistant's words: at the end of a conversation, and before the user speaks again. Empty
        where the template cannot write it."""
        asked, said, again = (
            {"role": role, "content": _probe(number)}
            for number, role in enumerate(("user", "assistant", "user"))
        )
        parts, _ = self.shape(("user", "assistant"))
        ends = []
        for conversation in ([asked, said], [asked, said, again]):
            try:
                text = self._written(conversation, "a trial", parts, answer_next=False)
            except EvidenceError:  # it may want conversations of another kind
                text = ""
            ends.append(text.partition(said["content"])[2].partition(again["content"])[0])
        return ends[0], ends[1]


def in_parts(messages: Sequence[Message], roles: frozenset[str]) -> list[dict[str, Any]]:
    """The messages, those of some roles with a list of parts as content, as transformers' processors have it."""
    return [
        {**m, "content": [{"type": "text", "text": m["content"]}]} if m["role"] in roles else {**m}
        for m in messages
    ]


def _probe(number: int) -> str:
    return f"rlvrprobe{number}q"


def missing(text: str, messages: Sequence[Message]) -> list[int]:
    """The messages, by number, that a prompt does not hold, white space, letter case and a template's escapes (JSON,
    HTML) aside. Of an assistant's message the answer suffices: templates leave out the thoughts of earlier turns.

    >>> asked = [{"role": "system", "content": "Add."}, {"role": "user", "content": "1 + 1 "}]
    >>> missing("<user>1 +\\n1<assistant>", asked)
    [0]
    """
    found = _squeezed(text)

    def there(message: Message) -> bool:
        content = message["content"]
        after = after_thoughts(content)[0] if message["role"] == "assistant" else 0
        return any(
            _squeezed(escape(part)) in found
            for part in dict.fromkeys((content, content[after:]))
            for escape in _ESCAPES
        )

    return [number for number, message in enumerate(messages) if not there(message)]


_ESCAPES: tuple[Callable[[str], str], ...] = (
    str,
    lambda text: json.dumps(text, ensure_ascii=False)[1:-1],
    lambda text: json.dumps(text)[1:-1],
    html.escape,
    lambda text: html.escape(text).replace("&quot;", "&#34;").replace("&#x27;", "&#39;"),  # jinja's
)


def _squeezed(text: str) -> str:
    return "".join(text.split()).casefold()


_CLOCK_ASKED = re.compile(r"strftime_now\s*\(")
_CLOCK = re.compile(_CLOCK_ASKED.pattern + r"\s*(['\"])(.*?)\1\s*\)")


def on_day(template: str, day: datetime.date) -> str:
    """The template as it is on a day: what it asks the clock for is written into it, where it asks.

    >>> on_day("Today is {{ strftime_now('%d %b %Y') }}.", datetime.date(2024, 7, 26))
    "Today is {{ '26 Jul 2024' }}."

    Raises EvidenceError: it asks for a format that it makes first.
    """
    dated = _CLOCK.sub(lambda found: repr(day.strftime(found[2])), template)
    if asks_the_clock(dated):
        raise EvidenceError("evidence.today: the chat template does not ask by strftime_now('FORMAT') alone")
    return dated


def asks_the_clock(template: str) -> bool:
    """Whether it writes today's date into a prompt, so that a run would read other prompts tomorrow."""
    return _CLOCK_ASKED.search(template) is not None


@lru_cache(maxsize=16)
def variables(template: str) -> frozenset[str]:
    """The variables that a caller can set: the template reads them, and sets them itself at most where they are not
    defined.

    >>> sorted(variables("{% set x = messages[0] %}{{ x }}{% set day = day | default(1) %}{{ day }}"))
    ['day', 'messages']

    Raises EvidenceError: it is no Jinja template.
    """
    import jinja2
    import jinja2.ext
    import jinja2.meta
    from jinja2 import nodes

    class Generation(jinja2.ext.Extension):
        """`{% generation %}`, transformers' mark around what an assistant writes."""

        tags = {"generation"}  # noqa: RUF012 (jinja's own way)

        def parse(self, parser: Any) -> Any:
            next(parser.stream)
            return parser.parse_statements(("name:endgeneration",), drop_needle=True)

    environment = jinja2.Environment(extensions=["jinja2.ext.loopcontrols", Generation])
    try:
        tree = environment.parse(template)
        read = jinja2.meta.find_undeclared_variables(tree)
    except jinja2.TemplateError as error:
        raise EvidenceError(
            f"the chat template is no Jinja template: {line(error, 200)} (line {getattr(error, 'lineno', '?')})"
        ) from error
    own = {name.name for name in tree.find_all(nodes.Name) if name.ctx != "load"}
    asked = [node for node in tree.find_all(nodes.Test) if node.name in ("defined", "undefined")]
    asked += [node for node in tree.find_all(nodes.Filter) if node.name in ("default", "d")]
    optional = {node.node.name for node in asked if isinstance(node.node, nodes.Name)}
    return frozenset(read) - (own - optional) - {"raise_exception", "strftime_now"}
