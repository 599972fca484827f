"""Numbers and units in words, English and Chinese, as the digits and signs that the lexer reads.

What belongs in this module: tables of words. Which words are units of measure is `verifiers.units`.
"""

from __future__ import annotations

import re

from verifiers.latex import table

__all__ = ["digits_for_words", "with_chinese_words"]

_UNITS = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
    "seventeen eighteen nineteen"
)
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety"
_CARDINALS = {name: at for at, name in enumerate(_UNITS.split())} | {
    name: 10 * at for at, name in enumerate(_TENS.split(), 2)
}
_SCALES = {"thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12}
_ORDINALS = (
    "first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth thirteenth fourteenth "
    "fifteenth sixteenth seventeenth eighteenth nineteenth"
)
_ORDINAL = {name: at for at, name in enumerate(_ORDINALS.split(), 1)} | {
    name[:-1] + "ieth": 10 * at for at, name in enumerate(_TENS.split(), 2)
}
_PARTS = {"half": 2, "halves": 2, "quarter": 4, "quarters": 4} | {
    name + ending: at for name, at in _ORDINAL.items() if at > 2 for ending in ("", "s")
}
_FIRST = {"a", *_CARDINALS, *_ORDINAL}
_MAX_WORDS = 32


def digits_for_words(text: str) -> str | None:
    """`text` with the number that it begins with, or is, in digits; None if it does not begin with a number word.

    >>> digits_for_words("Twenty-one apples"), digits_for_words("two thirds"), digits_for_words("the first")
    ('21 apples', '2/3', None)
    >>> digits_for_words("half"), digits_for_words("half an hour")
    ('1/2', None)
    """
    words = text.replace("-", " ").split()
    if len(words) > 1 and words[0].lower() in ("negative", "minus"):
        number = digits_for_words(" ".join(words[1:]))
        return f"-{number}" if number is not None and number[0].isdigit() else None
    if len(words) == 1 and words[0].lower() == "half":
        return "1/2"
    if not words or words[0].lower() not in _FIRST:
        return None
    lower = [word.lower().rstrip(",") for word in words[:_MAX_WORDS]]
    if len(lower) == 1 and lower[0] in _ORDINAL:
        return str(_ORDINAL[lower[0]])
    number, used = _cardinal(lower)
    if used == 0:
        return None
    rest = lower[used:]
    if rest and number % 10 == 0 and number % 100 >= 20 and rest[0] in _ORDINAL and _ORDINAL[rest[0]] < 10:
        return str(number + _ORDINAL[rest[0]]) if len(rest) == 1 else None  # twenty-first
    if len(rest) == 1 and rest[0] in _PARTS and number > 0:
        return f"{number}/{_PARTS[rest[0]]}"
    part = rest[2:] if rest[:1] == ["and"] and rest[1:2] in (["a"], ["one"]) else []
    if len(part) == 1 and part[0] in _PARTS:  # two and a half
        return f"{number} 1/{_PARTS[part[0]]}"
    if any(word in _CARDINALS or word in _PARTS or word in _SCALES for word in rest):
        return None  # two numbers, "one and a half"
    return " ".join([str(number), *words[used:]])


def _cardinal(words: list[str]) -> tuple[int, int]:
    """The number that `words` begin with, and how many of them name it: one hundred and five."""
    total = part = 0
    used = 0
    last = 0  # the size of the last word that was added: 5 cannot follow 5
    for at, word in enumerate(words):
        value = _CARDINALS.get(word)
        if (
            value is None
            and word == "a"
            and at == 0
            and len(words) > 1
            and words[1] in ("hundred", *_SCALES, *_PARTS)
        ):
            value = 1
        if value is not None:
            if last and not (last >= 100 or (last >= 20 and 0 < value < 10)):
                break
            part, last = part + value, value or 1
        elif word == "hundred" and 0 < part < 100:
            part, last = part * 100, 100
        elif word in _SCALES and part:
            total, part, last = total + part * _SCALES[word], 0, _SCALES[word]
        elif word == "and" and last >= 100 and at + 1 < len(words) and words[at + 1] in _CARDINALS:
            continue
        else:
            break
        used = at + 1
    return total + part, used


# --- Chinese ----------------------------------------------------------------------------------------------

_COUNTERS = (
    "个只件条张本块支枝辆棵头名位种组对双页朵颗套间袋箱瓶台把盒枚人次根株匹"
    "艘架项篇场道题段节滴粒串排层筐桶包份户家"
)
_LENGTHS = "千米:kilometers 公里:kilometers 分米:decimeters 厘米:cm 毫米:mm 米:meters"
_MEASURES = table(
    f"{_LENGTHS} 千克:kg 公斤:kg 毫克:mg 克:grams 吨:tons 毫升:ml 升:liters 小时:hours 分钟:minutes 分:minutes "
    "秒:seconds 星期:weeks 周:weeks 天:days 日:days 个月:months 月:months 年:years 岁:years 元:yuan 角:jiao 度:° "
    "公顷:hectares 美元:dollars 倍:times"
)
_MEASURES |= {
    chinese + name: f"{english}_{unit}"
    for name, unit in table(_LENGTHS).items()
    for chinese, english in (("平方", "square"), ("立方", "cubic"))
}
_WORDS = table(
    "或者:_or_ 或:_or_ 和:_and_ 且:_and_ 与:_and_ 无解:no_solution 空集:\\emptyset_ 全体实数:all_real_numbers "
    "不存在:does_not_exist 大约:about_ 约:about_ 约为:about_ 一共: 总共: 共:"
)
_AFTER_NUMBER = re.compile(
    r"(?<=[0-9)}°π])\s?(\\(?:text|textrm|mathrm|mbox|rm)\s?\{\s?)?("
    + "|".join([*sorted(_MEASURES, key=len, reverse=True), f"[{_COUNTERS}]"])
    + ")"
)
_SCALED = re.compile(r"(?<![0-9.])([0-9]{1,9})(?:\.([0-9]{1,9}))?\s?([万亿])")
_WORD = re.compile("|".join(sorted(_WORDS, key=len, reverse=True)))
_PER = re.compile("(?:每|/)(" + "|".join([*sorted(_MEASURES, key=len, reverse=True), "时"]) + ")")


def with_chinese_words(text: str) -> str:
    """`text` with Chinese words between numbers, units and counters in English; other words are left as they are."""
    text = _SCALED.sub(_scaled, text)
    text = _PER.sub(lambda match: "/" + _english(match[1]), text)
    text = _AFTER_NUMBER.sub(lambda match: f" {match[1] or ''}{_english(match[2])}", text)
    return _WORD.sub(lambda match: _WORDS[match.group()].replace("_", " "), text)


def _english(word: str) -> str:
    return "hours" if word == "时" else _MEASURES.get(word, "units").replace("_", " ")


def _scaled(match: re.Match[str]) -> str:
    whole, part, scale = match.groups()
    zeros = {"万": 4, "亿": 8}[scale]
    part = part or ""
    if len(part) > zeros:
        return match.group()
    return str(int(whole + part + "0" * (zeros - len(part))))
