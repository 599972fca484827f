"""Sentences of statements, and what they promise."""

import time

import pytest

from verifiers.code.statement import promises

BOTH = {"abs_tol": 1e-6, "rel_tol": 1e-6}


@pytest.mark.parametrize(
    ("statement", "promised"),
    [
        ("Your answer is correct if its absolute or relative error does not exceed $10^{-6}$.", BOTH),
        ("Absolute or relative error of at most 1e-6 is accepted.", BOTH),
        ("The relative or absolute error should be at most 10 - 6.", BOTH),
        ("The absolute\nor relative error must be less than 10⁻⁶.", BOTH),
        ("an error of 0.000001 is fine", BOTH),
        ("Your answer must have an absolute error of at most 1E-4.", {"abs_tol": 1e-4}),
        ("Your answer must have a relative error of at most 1.0e-09.", {"rel_tol": 1e-9}),
        ("Answers within 10-5 of the actual value will be accepted.", {"abs_tol": 1e-5, "rel_tol": 1e-5}),
        ("Answers within $$10^{-5}$$ of the actual answer.", {"abs_tol": 1e-5, "rel_tol": 1e-5}),
        ("Values lie within -10^5 and 10^5.", {}),
        ("The error of 5 students differs. n is at most 10-99.", {}),
        ("The precision is 15 digits.", {}),
        ("Print YES or NO (in any case).", {"ignore_case": True}),
        ("You can print each letter in any case (upper or lower).", {"ignore_case": True}),
        ("You may print every letter in any register.", {"ignore_case": True}),
        ("The output is case-insensitive.", {"ignore_case": True}),
        ("In any case, print the answer.", {}),
        ("The input consists of letters in any case.", {}),
        ("Print the word in upper case.", {}),
        ("You may return the answer in any order.", {"any_order": True}),
        ("Output the edges; print them\nin any order.", {"any_order": True}),
        ("The order of the answer does not matter.", {"any_order": True}),
        ("The edges are given in any order.\n\nPrint the largest.", {}),
        ("The input may come in any order, print the sorted list.", {}),
        ("Print the numbers in increasing order.", {}),
        ("Do not return anything, modify nums in-place instead.", {"in_place": True}),
        ("Rotate it in place. The function should not return any value.", {"in_place": True}),
        ("Remove duplicates in place and return the new length.", {}),
        ("Print 1 and do not return anything.", {}),
        ("", {}),
    ],
)
def test_sentences(statement, promised):
    assert promises(statement) == promised


@pytest.mark.parametrize("part", ["1", "10-", "order ", ".", "\n", "case ", "within 1e-6 ", "in any order "])
def test_a_long_statement_costs_little(part):
    began = time.process_time()
    promises(part * (200_000 // len(part)))
    assert time.process_time() - began < 2
