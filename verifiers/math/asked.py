"""What a problem asks for: the expression m + n in "Find $m+n$", which an answer `m+n = 17` names."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

from verifiers.math.equality import equal_trees
from verifiers.math.evaluate import free_symbols
from verifiers.math.lex import lex
from verifiers.math.names import expression
from verifiers.math.normalise import Unreadable, normalise
from verifiers.math.tree import Node
from verifiers.math.values import Relation, Scalar

__all__ = ["asked_value"]

REACH = 4_000
"""Characters at the end of a prompt that are searched."""
MOST = 12
"""Expressions that are looked at in one prompt."""
_ASK = re.compile(
    r"\b(?:find|compute|determine|evaluate|calculate|what(?:'s| is| are| was| will be| must be)|values? of|report|"
    r"give|enter|submit|simplify|express|maximi[sz]e|minimi[sz]e|how (?:much|many|large|small) (?:is|are))\b|求|计算",
    re.IGNORECASE,
)
_NEAR = 120
_SPAN = re.compile(r"\$\$?([^$]{1,200})\$|\\\((.{1,200}?)\\\)|\\\[(.{1,200}?)\\\]", re.DOTALL)
_STOP = re.compile(r"[?!;\n]|\.(?=\s|$)")
_PLAIN = re.compile(r"[A-Za-z0-9^*/+\-() ]*[-+*/^][A-Za-z0-9^*/+\-() ]*|\b[a-zA-Z]{2,4}\b")
_WORDS = re.compile(r"\s+(?=[A-Za-z]{2,})")
_FILL_IN = re.compile(r"=\s*(?:\\_|_|\?|\\underline|\\text\s?\{|\\(?:quad|,)|\(\s*\))*\s*$")
_INTRODUCTION = re.compile(
    r"\s*(?:(?:the|an?(?=\s[a-z]{2})|its|their|of|all|possible|exact|numerical|least|greatest|largest|smallest|maximum|minimum|"
    r"values?|sums?|products?|ratio|expression|answer|number|quantity|form|as|in|for)\s+)*",
    re.IGNORECASE,
)


def asked_value(answer: Relation, prompt: str) -> Scalar | None:
    """The value that `answer` gives to an expression that `prompt` asks for; None if it gives none."""
    if answer.op != "=":
        return None
    for name, value in ((answer.left, answer.right), (answer.right, answer.left)):
        if free_symbols(name) and any(equal_trees(name, asked) for asked in _asked(prompt)):
            return Scalar(value)
    return None


@lru_cache(maxsize=64)
def _asked(prompt: str) -> tuple[Node, ...]:
    found: list[Node] = []
    for text, _ in zip(_candidates(prompt[-REACH:]), range(MOST), strict=False):
        try:
            node = expression(lex(normalise(text)))
        except (Unreadable, RecursionError):
            continue
        if free_symbols(node) and node not in found:
            found.append(node)
    return tuple(found)


def _candidates(prompt: str) -> Iterator[str]:
    """Texts after a word that asks, the last first; and what stands before a blank, `$a+b=$ ____`."""
    for ask in reversed(list(_ASK.finditer(prompt))):
        start = ask.end()
        stop = _STOP.search(prompt, start)
        span = _SPAN.search(prompt, start)
        if (
            span is not None
            and span.start() - start <= _NEAR
            and (stop is None or span.start() < stop.start())
        ):
            yield _FILL_IN.sub("", next(filter(None, span.groups())))
        else:
            begin = _INTRODUCTION.match(prompt, start)
            at = begin.end() if begin is not None else start
            plain = _PLAIN.match(prompt, at)
            if plain is not None:
                yield _WORDS.split(plain.group())[0]
    for span in reversed(list(_SPAN.finditer(prompt))):
        text = next(filter(None, span.groups()))
        if _FILL_IN.search(text):
            yield _FILL_IN.sub("", text)
