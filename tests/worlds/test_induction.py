"""The world of rule induction: rules in words, their posterior, and problems that are what they say."""

import numpy as np
import pytest

from rlvr.worlds.induction import (
    FAVOURITE,
    HABIT,
    ITEMS,
    NUMBERS,
    PRIOR,
    RULES,
    Induction,
    agreement,
    answer,
    parsed,
    posterior,
    relabelled,
)  # fmt: skip
from verifiers import Problem

WORLD = Induction()


@pytest.mark.parametrize(
    ("text", "items"),
    [
        ("1a", "aaa aab aba abb"),
        ("3b", "aab abb bab bbb"),
        ("13", "aaa aba bab bbb"),
        ("31", "aaa aba bab bbb"),
    ],
)
def test_a_rule_in_words_says_which_items_it_takes(text, items):
    says = parsed(text)
    assert says is not None
    assert [item for item in ITEMS if says(item)] == items.split()


@pytest.mark.parametrize("text", ["", "1", "a1", "11", "4a", "1c", "1ab", "+"])
def test_other_words_are_no_rule_and_agree_with_nothing(text):
    assert parsed(text) is None and agreement(text, "1a") == 0
    assert answer(Problem("x", "aaa+?", "1a"), text) == 0


def test_agreement_is_counted_over_all_items():
    assert agreement("2b", "2b") == 1 and agreement("31", "13") == 1
    assert agreement("1b", "1a") == 0
    assert agreement("2a", "1a") == 0.5


def test_the_posterior_of_one_example_by_hand():
    """aab+: right under 1a, 2a, 3b, 12; wrong under the other five."""
    takes = np.array([rule in ("1a", "2a", "3b", "12") for rule in RULES])
    weight = PRIOR * np.where(takes, 0.9, 0.1)
    assert posterior("aab+") == pytest.approx(weight / weight.sum())
    weight *= np.where(np.array([rule in ("1b", "2a", "3b", "13") for rule in RULES]), 0.1, 0.9)
    assert posterior("aab+bab-") == pytest.approx(weight / weight.sum())


def test_half_of_the_explanations_are_the_favourite_and_labels_go_by_the_posterior():
    asked = WORLD.problems("heldout")[0]
    law = {trace.text: trace.probability for trace in WORLD.support(asked)}
    belief = dict(zip(RULES, posterior(asked.meta["examples"]), strict=True))
    assert law == {rule: pytest.approx(0.5 * p + HABIT * (rule == FAVOURITE)) for rule, p in belief.items()}
    labelled = WORLD.problems("heldout labels")[0]
    item = labelled.meta["asked"]
    yes = sum(
        p * (0.9 if parsed(rule)(item) else 0.1)  # type: ignore[misc]
        for rule, p in zip(RULES, posterior(labelled.meta["examples"]), strict=True)
    )
    assert {t.text: t.probability for t in WORLD.support(labelled)} == {
        "+": pytest.approx(yes), "-": pytest.approx(1 - yes)
    }  # fmt: skip


def test_held_out_prompts_are_no_others_and_references_are_rules_behind_the_examples():
    trained = {problem.id for problem in WORLD.problems("fitted")}
    assert len(trained) == NUMBERS["train"] + NUMBERS["labels"]
    assert not trained & {p.id for split in ("heldout", "heldout labels") for p in WORLD.problems(split)}
    rows = WORLD.problems("train")
    by_rule = [
        (example[3] == "+") == parsed(str(p.reference))(example[:3])  # type: ignore[misc]
        for p in rows
        for example in (p.meta["examples"][i : i + 4] for i in range(0, len(p.meta["examples"]), 4))
    ]
    assert np.mean(by_rule) == pytest.approx(0.9, abs=0.01)
    # calibrated: the true rule's posterior is, on average, the sum of the squares of all rules'
    beliefs = [posterior(p.meta["examples"]) for p in rows]
    of_the_true = [b[RULES.index(str(p.reference))] for b, p in zip(beliefs, rows, strict=True)]
    assert np.mean(of_the_true) == pytest.approx(np.mean([b @ b for b in beliefs]), abs=0.03)


def test_exchanged_letters_exchange_the_rule():
    problem = Problem("x", "aab+bab-?", "2a", {"examples": "aab+bab-", "asked": "?"})
    other = relabelled(problem)
    assert (other.prompt, other.reference) == ("bba+aba-?", "2b")
    before, after = posterior("aab+bab-"), posterior(other.meta["examples"])
    paired = [RULES.index(rule.translate(str.maketrans("ab", "ba"))) for rule in RULES]
    assert after[paired] == pytest.approx(before)


def test_an_unknown_split_is_named():
    with pytest.raises(ValueError, match="unknown split 'test' of the world induction; expected all, fitted"):
        WORLD.problems("test")
