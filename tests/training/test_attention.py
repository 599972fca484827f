"""The split attention against the dense one, on groups of any shape."""

from itertools import accumulate, pairwise, starmap
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from rlvr.training.attention import Layout, SplitAttention

CPU = torch.device("cpu")
lengths = st.integers(0, 40) | st.sampled_from([130, 200])
groups = st.lists(
    st.tuples(lengths, st.lists(lengths.filter(bool), min_size=1, max_size=4)), min_size=1, max_size=4
)


def lay(shapes):
    """[(prompt, completions)] in lengths → where each lies, and the dense mask (L, L)"""
    places, end = [], 0
    for prompt, completions in shapes:
        ends = [*accumulate(completions, initial=end + prompt)]
        places.append((range(end, end + prompt), [*starmap(range, pairwise(ends))]))
        end = ends[-1]
    seen = torch.zeros(end, end, dtype=torch.bool)
    for prompt, completions in places:
        for stretch in (prompt, *completions):
            own = slice(stretch.start, stretch.stop)
            seen[own, own] = torch.ones(len(stretch), len(stretch), dtype=torch.bool).tril()
            if stretch is not prompt:
                seen[own, prompt.start : prompt.stop] = True
    return places, seen


def both(shapes, heads, kv_heads, dtype=torch.float32):
    """(out, gradients of query, key, value) of the split attention and of the dense one in float64"""
    places, seen = lay(shapes)
    torch.manual_seed(0)
    query, key, value, grad = (
        torch.randn(1, len(seen), n, 16).transpose(1, 2).to(dtype) for n in (heads, kv_heads, kv_heads, heads)
    )
    inputs = [x.clone().requires_grad_() for x in (query, key, value)]
    out: Any = SplitAttention.apply(*inputs, Layout.of(places, CPU), 0.25)
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
    assert (len(layout.causal), len(layout.prompted)) == (causal, prompted)
    own = torch.cat([rows.index[rows.kept] for rows in layout.causal])
    assert own.sort().values.tolist() == list(range(len(seen)))
