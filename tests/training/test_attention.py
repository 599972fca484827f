"""The split attention against the dense one, on groups of any shape."""

from itertools import accumulate, pairwise, starmap
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from rlvr.training.attention import SplitAttention
from rlvr.training.layout import Layout
from rlvr.training.reach import FULL, Reach

CPU = torch.device("cpu")
lengths = st.integers(0, 40) | st.sampled_from([130, 200])
groups = st.lists(
    st.tuples(lengths, st.lists(lengths.filter(bool), min_size=1, max_size=4)), min_size=1, max_size=4
)


def lay(shapes, reach=FULL):
    """[(prompt, completions)] in lengths → where each lies, and the dense mask (L, L)"""
    places, end, positions = [], 0, []
    for prompt, completions in shapes:
        ends = [*accumulate(completions, initial=end + prompt)]
        places.append((range(end, end + prompt), [*starmap(range, pairwise(ends))]))
        end = ends[-1]
        positions += [*range(prompt), *(prompt + i for length in completions for i in range(length))]
    seen = torch.zeros(end, end, dtype=torch.bool)
    for prompt, completions in places:
        for stretch in (prompt, *completions):
            own = slice(stretch.start, stretch.stop)
            seen[own, own] = torch.ones(len(stretch), len(stretch), dtype=torch.bool).tril()
            if stretch is not prompt:
                seen[own, prompt.start : prompt.stop] = True
    at = torch.tensor(positions)
    if reach.window:
        seen &= at[:, None] - at < reach.window
    if reach.chunk:
        seen &= at[:, None] // reach.chunk == at // reach.chunk
    return places, seen


def both(shapes, heads, kv_heads, dtype=torch.float32, reach=FULL):
    """(out, gradients of query, key, value) of the split attention and of the dense one in float64"""
    places, seen = lay(shapes, reach)
    torch.manual_seed(0)
    query, key, value, grad = (
        torch.randn(1, len(seen), n, 16).transpose(1, 2).to(dtype) for n in (heads, kv_heads, kv_heads, heads)
    )
    inputs = [x.clone().requires_grad_() for x in (query, key, value)]
    out: Any = SplitAttention.apply(*inputs, Layout.of(places, CPU, reach), 0.25)
    out.backward(grad)
    exact = [x.double().requires_grad_() for x in (query, key, value)]
    expected = torch.nn.functional.scaled_dot_product_attention(
        *exact, attn_mask=seen, scale=0.25, enable_gqa=True
    )
    expected.backward(grad.double())
    return zip(
        (out.detach(), *map(gradient, inputs)), (expected.detach(), *map(gradient, exact)), strict=True
    )


def gradient(x: torch.Tensor) -> torch.Tensor:
    assert x.grad is not None
    return x.grad


@settings(max_examples=60, deadline=None)
@given(groups, st.sampled_from([(2, 2), (6, 2), (4, 1)]))
def test_it_equals_the_dense_attention(shapes, heads):
    for found, expected in both(shapes, *heads):
        assert (found - expected).norm() <= 2e-6 * expected.norm() + 1e-6


reaches = st.builds(Reach, window=st.sampled_from([2, 7, 40, 41])) | st.builds(
    Reach, chunk=st.sampled_from([2, 7, 40, 41])
)


@settings(max_examples=25, deadline=None)
@given(groups, st.sampled_from([(2, 2), (6, 2), (4, 1)]), reaches)
def test_windows_and_chunks_equal_the_dense_attention(shapes, heads, reach):
    for found, expected in both(shapes, *heads, reach=reach):
        assert (found - expected).norm() <= 2e-6 * expected.norm() + 1e-6


def test_a_window_of_one_token():
    (out, expected), *_ = both([(5, [4])], 2, 2, reach=Reach(window=1))
    assert (out - expected).norm() <= 2e-6 * expected.norm()


def test_a_window_of_several_tiles_of_the_kernel():
    """A query sees nothing in the first of them."""
    for found, expected in both([(1500, [1300, 20])], 2, 2, reach=Reach(window=1100)):
        assert (found - expected).norm() <= 2e-6 * expected.norm() + 1e-6


def test_a_mask_is_never_larger_than_a_tile(monkeypatch):
    monkeypatch.setattr("rlvr.training.layout._MASKED_PAIRS", 2000)
    shapes, reach = [(90, [80, 50, 70, 3]), (60, [40, 44])], Reach(window=30)
    layout = Layout.of(lay(shapes, reach)[0], CPU, reach)
    masks = [read.seen.numel() for read in layout.reads if read.seen is not None]
    assert len(masks) > 4 and max(masks) <= 2000
    for found, expected in both(shapes, 4, 2, reach=reach):
        assert (found - expected).norm() <= 2e-6 * expected.norm() + 1e-6


def test_in_bfloat16_it_is_as_near_as_that_type_allows():
    for found, expected in both([(30, [5, 9]), (41, [3])], 6, 2, torch.bfloat16):
        assert found.dtype is torch.bfloat16
        assert (found.double() - expected).norm() <= 0.02 * expected.norm()


@pytest.mark.parametrize(
    ("shapes", "causal", "prompted"),
    [
        ([(130, [5, 12, 3]), (136, [4, 4, 4])], 2, 1),  # one call for the prompts, one for the completions
        ([(20, [2000, 10, 10, 10]), (20, [10] * 4)], 2, 2),  # the long one pads no other
    ],
)
def test_stretches_of_about_equal_length_share_a_call(shapes, causal, prompted):
    places, seen = lay(shapes)
    layout = Layout.of(places, CPU)
    assert (len(layout.causal), len(layout.reads)) == (causal, prompted)
    own = torch.cat([rows.index[rows.kept] for rows in layout.causal])
    assert own.sort().values.tolist() == list(range(len(seen)))
