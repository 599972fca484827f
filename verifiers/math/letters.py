"""Which letters a problem calls whole numbers: "for all integers t", "p and q are primes", n \\in \\mathbb{Z}."""

from __future__ import annotations

import re
from functools import lru_cache

__all__ = ["whole_letters"]

_KIND = r"(?:integers?|natural numbers?|whole numbers?|primes?|prime numbers?|digits?)"
_LETTER = r"(?:(?<![A-Za-z\\\\])[A-Za-z](?![A-Za-z]))"
_LIST = rf"(\$?{_LETTER}(?:\$?(?:\s?,\s?|\s)(?:and |or )?\$?{_LETTER}){{0,7}})"
_NAMED = re.compile(rf"\b{_KIND}(?: values?)?(?: of| for)?[ ,]{{1,2}}{_LIST}")
_DESCRIBED = re.compile(
    rf"{_LIST}\$?,? (?:is|are|be|denotes?|represents?|must be|being)(?: (?:an?|any|some|all|the|both|distinct|fixed|"
    rf"given|positive|negative|non-?negative|non-?zero|odd|even|consecutive|different)){{0,4}} {_KIND}\b"
)
_MEMBER = re.compile(
    rf"{_LIST}\s?(?:\\in\b|∈)\s?(?:\\mathbb\s?\{{?\s?[ZN]|\{{?\\?(?:mathbf|rm)?\s?[ZN]\b|ℤ|ℕ)"
)


@lru_cache(maxsize=1_024)
def whole_letters(text: str) -> frozenset[str]:
    """The letters that `text` says are whole numbers.

    >>> sorted(whole_letters("Let $p$ and $q$ be distinct primes. For every integer t, find"))
    ['p', 'q', 't']
    """
    found = [match[1] for pattern in (_NAMED, _DESCRIBED, _MEMBER) for match in pattern.finditer(text)]
    return frozenset(
        letter
        for names in found
        for letter in re.findall(_LETTER, names)
        if letter not in "aI" or f"${letter}" in names  # else it is a word
    )
