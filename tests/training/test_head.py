"""Log-probabilities in tiles against those of whole logits."""

import subprocess
import sys

import pytest
import torch

from rlvr.training.head import TILE, log_probabilities

TOKENS, WIDTH, VOCABULARY = TILE + 76, 16, 2 * TILE + 100


@pytest.mark.parametrize("softcap", [None, 2.0])
@pytest.mark.parametrize("with_bias", [False, True])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_values_and_gradients(softcap, with_bias, dtype):
    """float32 is ours, float64 TRL's: both are the textbook's."""
    make = torch.Generator().manual_seed(0)
    hidden = torch.randn(TOKENS, WIDTH, generator=make).to(dtype).requires_grad_()
    weight = torch.randn(VOCABULARY, WIDTH, generator=make).to(dtype).requires_grad_()
    bias = torch.randn(VOCABULARY, generator=make).to(dtype).requires_grad_() if with_bias else None
    targets = torch.randint(0, VOCABULARY, (TOKENS,), generator=make)
    up, up_entropy = torch.randn(2, TOKENS, generator=make).to(dtype)
    inputs = [x for x in (hidden, weight, bias) if x is not None]

    z = 0.5 * (hidden @ weight.t() + (0 if bias is None else bias))
    z = z if softcap is None else softcap * torch.tanh(z / softcap)
    log_p = (z / 0.7).log_softmax(-1)
    expected = log_p[torch.arange(TOKENS), targets], -(log_p.exp() * log_p).sum(-1)
    found = log_probabilities(hidden, weight, bias, targets, 0.7, 0.5, softcap)
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one.to(dtype), other, rtol=1e-4, atol=1e-4)

    for ups in ((up, None), (None, up_entropy), (up, up_entropy)):  # a loss may use either alone
        gradients = [
            torch.autograd.grad(
                [value for value, u in zip(values, ups, strict=True) if u is not None],
                inputs,
                [u.to(values[0].dtype) for u in ups if u is not None],
                retain_graph=True,
            )
            for values in (found, expected)
        ]
        for one, other in zip(*gradients, strict=True):
            assert (one - other).norm() <= 1e-4 * other.norm()


def test_a_frozen_head_gets_no_gradient():
    hidden = torch.randn(3, 4, requires_grad=True)
    weight, targets = torch.randn(5, 4), torch.tensor([0, 4, 2])
    logprobs, _ = log_probabilities(hidden, weight, None, targets, 1.0)
    expected = (hidden @ weight.t()).log_softmax(-1)[torch.arange(3), targets]
    (found,) = torch.autograd.grad(logprobs.sum(), hidden)
    torch.testing.assert_close(found, torch.autograd.grad(expected.sum(), hidden)[0])


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="page faults as Linux counts them")
def test_freed_memory_is_kept():
    """In a process of its own: a block that is freed and taken again costs page faults only before."""
    code = """
import ctypes, resource
libc = ctypes.CDLL(None)
if not hasattr(libc, "mallopt"): print("no mallopt"); raise SystemExit
libc.malloc.restype, libc.free.argtypes = ctypes.c_void_p, [ctypes.c_void_p]
def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    block = libc.malloc(64 << 20)
    ctypes.memset(block, 1, 64 << 20)
    libc.free(block)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
print(min(faults() for _ in range(3)))
from rlvr.training.malloc import keep_freed_memory
keep_freed_memory()
faults()
print(min(faults() for _ in range(3)))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    if done.stdout.strip() == "no mallopt":
        pytest.skip("this C library has no mallopt")
    before, after = map(int, done.stdout.split())
    assert before > 10 * (after + 1)
