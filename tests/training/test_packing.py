"""The rows of a micro-step by hand."""

import pytest
import torch

from rlvr.training.attention import block_mask
from rlvr.training.packing import Prompted, Sample, pack

CPU = torch.device("cpu")
BY_HAND = [Prompted([5, 6], [Sample.of([7, 8], [True] * 2), Sample.of([9], [True])])]


@pytest.mark.parametrize("kind", ["mask", "split", "flex"])
def test_packing_by_hand(kind):
    packed = pack(BY_HAND, CPU, kind)
    # prompt without its last token; that token and 7 (predicting 7, 8); that token again (predicting 9)
    assert packed.inputs["input_ids"].tolist() == [[5, 6, 7, 6]]
    assert packed.inputs["position_ids"].tolist() == [[0, 1, 2, 1]]
    assert packed.select.tolist() == [1, 2, 3]
    assert packed.targets.tolist() == [7, 8, 9]
    assert packed.row.tolist() == [0, 0, 1]
    if kind == "mask":
        assert packed.inputs["attention_mask"][0, 0].tolist() == [
            [True, False, False, False],
            [True, True, False, False],
            [True, True, True, False],
            [True, False, False, True],
        ]


def test_padding_by_hand():
    packed = pack(BY_HAND, CPU, None)
    assert packed.inputs["input_ids"].tolist() == [[5, 6, 7], [5, 6, 0]]
    assert packed.inputs["attention_mask"].tolist() == [[1, 1, 1], [1, 1, 0]]
    assert packed.inputs.keys() == {"input_ids", "attention_mask"}
    assert packed.select.tolist() == [1, 2, 4]
    assert packed.targets.tolist() == [7, 8, 9]
    assert packed.row.tolist() == [0, 0, 1]


WITH_EVIDENCE = [
    Prompted([5, 6], [Sample.of([7, 8, 9, 10], [True, False, True, False]), Sample.of([3, 4], [False, True])])
]


@pytest.mark.parametrize(("kind", "select"), [("mask", [1, 3, 5]), ("split", [1, 3, 5]), (None, [1, 3, 6])])
def test_evidence_is_read_and_not_predicted(kind, select):
    packed = pack(WITH_EVIDENCE, CPU, kind)
    rows = [[5, 6, 7, 8, 6, 3]] if kind else [[5, 6, 7, 8], [5, 6, 3, 0]]
    assert packed.inputs["input_ids"].tolist() == rows
    assert packed.select.tolist() == select  # what predicts 7, 9 and 4
    assert packed.targets.tolist() == [7, 9, 4]
    assert packed.row.tolist() == [0, 0, 1]


def test_what_follows_the_policys_last_token_is_not_read():
    assert Sample.of([7, 8, 9], [True, False, False]) == Sample([7], [True])
    assert Sample.of([7, 8, 9], [False, True, False]) == Sample([7, 8], [False, True])
    assert Sample.of([7, 8], [False, False]) == Sample([], [])


def test_nothing_sees_padding_and_no_row_is_blind():
    mask = block_mask(torch.tensor([[0, 1, -1, -1]]), torch.tensor([[0, 1, 0, 0]]))[0, 0]
    assert not mask[:2, 2:].any()
    assert mask.any(dim=1).all()  # a query that sees nothing would be NaN
