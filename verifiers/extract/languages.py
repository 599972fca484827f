"""How an answer is announced in other languages than English and Chinese, whose forms `announced` reads."""

from __future__ import annotations

__all__ = ["OTHER_HINTS", "OTHER_LANGUAGES"]

_SENTENCES = (
    r"la respuesta (?:final |correcta )?(?:es|será|sería)",
    r"die (?:endgültige |richtige |korrekte )?antwort (?:ist|lautet|beträgt)",
    r"la réponse (?:finale |correcte )?(?:est|serait)",
    r"la risposta (?:finale |corretta )?(?:è|sarebbe)",
    r"a resposta (?:final |correta )?(?:é|será|seria)",
)
"""Spanish, German, French, Italian, Portuguese: with the verb."""
_HEADERS = "(?:respuesta|resposta)(?: final)?|antwort|réponse(?: finale)?|risposta|(?:окончательный )?ответ"
_MARKS = "[*_ ]{0,4}"

OTHER_LANGUAGES = (
    rf"\b(?<!\bsi )(?<!\bse )(?:{'|'.join(_SENTENCES)})(?={_MARKS}[:：]?[ \n])"
    rf"|^[ \t>*_#]{{0,6}}(?:{_HEADERS}){_MARKS}[:：]|\bответ{_MARKS}[:：—]|(?:答え|正解)(?:は|[:：])|정답[은:：]"
)
"""An announcement and its verb or colon; what follows is the statement."""
OTHER_HINTS = ("espuesta", "ntwort", "éponse", "isposta", "esposta", "твет", "答え", "正解", "정답")
"""Every match holds one of these."""
