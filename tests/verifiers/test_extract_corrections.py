"""Answers that are taken back, boxes of an instruction, announcements in other languages, words around an answer."""

from __future__ import annotations

import pytest

from verifiers.extract import cut

CORRECTED = [
    (r"\boxed{5}, but this is wrong; it should be 6", "6"),
    (r"$\boxed{5}$. Wait, that is incorrect. It should be $6$.", "6"),
    (r"\boxed{5} is wrong; it should be 6.", "6"),
    (r"\boxed{5}, but this is wrong", None),
    ("My answer is 10; however, after checking, it is 11", "11"),
    ("My answer is 10, but after checking it is 11.", "11"),
    ("The answer is 5. Wait, no, it is 6.", "6"),
    ("The answer is 2.5. Actually, it should be 3.5.", "3.5"),
    ("The answer is 5. Wait, no, it is 6. The answer is 7.", "7"),
    ("The answer is 10; however, after checking, it is right.", "10"),
    ("The answer is 10. After checking, it is still 10.", "10"),
    ("The answer is 10. Actually, it is what we expect.", "10"),
    ("The answer is 5. It is actually 2 less than the number of apples.", "5"),
    ("The answer is 5. This should be 3 more than we had before.", "5"),
    ("The answer is 5. But it is 3 times as much as before.", "5"),
    (r"\boxed{5}. This is 1 more than 4.", "5"),
    (r"\boxed{5}. The second root is 6.", "5"),
    ("The answer is 10; however, it could be 11", "10; however, it could be 11"),
    ("Answer: 10 or 11, it depends", "10 or 11"),
]
INSTRUCTIONS = [
    ("Put your answer in \\boxed{}.\nThe answer is 7", "7"),
    (r"The format \boxed{?} is asked for. The answer is 7", "7"),
    (r'It says: "Put your answer in \boxed{}". 3 + 4 = 7. The answer is 7.', "7"),
    (r"I write it within \boxed{\text{answer}}. So \boxed{7}.", "7"),
    (r"\boxed{7} as asked in $\boxed{}$", "7"),
    (r"\boxed{7}, no: \boxed{}", None),
    (r"The answer is 7: \boxed{}.", None),
    (r"The answer is 7. In general, \boxed{?}", "?"),
    (r"The number in \boxed{8} is not 7. The answer is 7.", "8"),
]
LANGUAGES = [
    ("Por tanto, la respuesta es 5. Fin.", "5"), ("La respuesta final es 5.", "5"),
    ("Also gut.\nDie Antwort ist 5.\nViel Erfolg!", "5"),
    ("On a 2+3. La réponse est 5. Bonne chance !", "5"), ("La risposta è 5. Buona fortuna!", "5"),
    ("A resposta é **5**. Boa sorte!", "5"), ("Считаем.\nОтвет: 5\n\nПроверка сделана!", "5"),
    ("Итак, ответ: 5. Готово", "5"),
    ("计算。答案是 5。", "5"), ("计算。答案：5", "5"), ("計算します。答えは 5 です。", "5"), ("정답은 5입니다.", "5"),
    ("**Respuesta final:** 5", "5"), ("Antwort: 5 oder 6", "5 oder 6"), ("Die Antwort ist nicht 5.", "nicht 5"),
    ("La respuesta no es 5.\nEso es todo lo que tengo", None),
    ("Si la respuesta es 5, entonces x = 2.\nx = 2", "x = 2"), ("The answer is 4. La respuesta es 5.", "5"),
]  # fmt: skip
AROUND = [
    ("Answer: 12 (corrected)", "12"), ("The answer is 12 (final answer).", "12"), ("Answer: 12 (verified)", "12"),
    ("Answer: 12 (corrected to 13)", "12 (corrected to 13)"), ("Answer: 12 (mod 17)", "12 (mod 17)"),
    (r"\boxed{\text{The answer is } 5}", "5"), (r"\boxed{\text{Answer: } 5}", "5"),
    (r"\boxed{5 \text{ is wrong, the answer is } 6}", r"5 \text{ is wrong, the answer is } 6"),
    (r"\boxed{\text{The answer is not } 5}", "not 5"), (r"\boxed{\text{The answer is } 5 \text{ or } 6}", "5 or 6"),
    ("**5**\n\nLet me know if you need more help!", "5"), ("5\n\nI hope this helps", "5"),
    ("5\n\nIf you want 6, say so", "If you want 6, say so"), ("The answer is 5 :)", "5"), ("Answer: 5 \U0001f389", "5"),
    ("| Total | 12 |\n| **Answer** | **5** |", "5"), ("| Answer | 3 or 4 |", "3 or 4"),
    ("| Answer | 5 | 6 |", "| Answer | 5 | 6 |"),
    ("The answer is 3, 4 or 5.", "3, 4 or 5"), ("The answer is either 3 or 4.", "either 3 or 4"),
]  # fmt: skip


@pytest.mark.parametrize("table", [CORRECTED, INSTRUCTIONS, LANGUAGES, AROUND])
def test_what_is_answered(table: list[tuple[str, str | None]]) -> None:
    found = [(response, cut(response).answer) for response, _ in table]
    assert [pair for pair, row in zip(found, table, strict=True) if pair != row] == []
