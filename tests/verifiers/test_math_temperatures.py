"""Degrees of Celsius, of Fahrenheit, kelvins and degrees of an angle: each notation of one, none for another."""

from __future__ import annotations

from itertools import product

import pytest

from verifiers.math import equal

DEGREES = {
    "celsius": [r"20^\circ C", r"20^{\circ}\text{C}", "20°C", "20 degrees Celsius", r"20 \text{ degrees C}",
                r"20\,^\circ\mathrm{C}", "20 deg C", r"20^\circ\text{ Celsius}", "20 Celsius"],
    "fahrenheit": [r"20^\circ F", r"20^{\circ}\text{F}", "20°F", "20 degrees Fahrenheit", r"20 \text{ degrees F}",
                   r"20\,^\circ\mathrm{F}", "20 deg F", r"20^\circ\text{ Fahrenheit}", "20 Fahrenheit"],
    "kelvin": [r"20 \text{ K}", "20 kelvin", r"20\,\mathrm{K}", "20 degrees Kelvin"],
    "angle": [r"20^\circ", "20 degrees", "20°", "20 deg"],
}  # fmt: skip


@pytest.mark.parametrize(("of", "other"), product(DEGREES, DEGREES))
def test_degrees_of_one_scale_are_not_those_of_another(of: str, other: str) -> None:
    """Every notation of 20 degrees of one scale against every one of another, in both directions."""
    judged = {(gold, answer): equal(gold, answer) for gold, answer in product(DEGREES[of], DEGREES[other])}
    assert [pair for pair, same in judged.items() if same != (of == other)] == []
    assert all(equal("20", answer) and equal(answer, "20") for answer in DEGREES[of])  # without any
