"""Units of measure and the words that name them, for `math` (which compares units) and `reasoning` (which converts).

What belongs in this module: names and spellings, and the words that multiply the number before them. Which units may
be converted into each other is `reasoning.units`.
"""

from __future__ import annotations

from fractions import Fraction

from verifiers.latex import word_set

__all__ = ["FACTORS", "NUMBERS", "SPELLINGS"]

_TABLE = """
dollar: dollars usd bucks
euro: euros eur
cent: cents
gbp: quid £
yen: jpy
rupee: rupees rs inr
percent: percents pct percentage percentages
degree: degrees deg
radian: radians rad
celsius: degc
fahrenheit: degf
meter: m meters metre metres
centimeter: cm centimeters centimetre centimetres cms
millimeter: mm millimeters millimetre millimetres
kilometer: km kilometers kilometre kilometres kms
micrometer: micrometers micron microns
inch: in inches
foot: ft feet
yard: yd yards yds
mile: mi miles
gram: g grams gramme grammes gm gms
kilogram: kg kilograms kilo kilos kgs
milligram: mg milligrams
pound: pounds
lb: lbs
ounce: oz ounces
ton: tons tonne tonnes
liter: l L liters litre litres
milliliter: ml mL milliliters millilitre millilitres
gallon: gal gallons
quart: qt quarts
pint: pints pt
second: s sec secs seconds
minute: min mins minutes
hour: h hr hrs hours
day: days d
week: weeks wk wks
month: months mo
year: years yr yrs
kilometer/hour: kph kmh
mile/hour: mph
newton: newtons N
joule: joules J
watt: watts W
kilowatt: kw kW kilowatts
volt: volts V
ampere: amperes amps amp A
ohm: ohms
hertz: hz Hz
pascal: pascals Pa
mole: mol mols moles
kelvin: K kelvins
acre: acres
hectare: hectares ha
person: persons people
man: men
woman: women
child: children
""".strip()

SPELLINGS: dict[str, tuple[str, ...]] = {
    name: (name, *spellings.split())
    for name, _, spellings in (line.partition(": ") for line in _TABLE.splitlines())
}
"""Name of a unit → every spelling of it, the name first."""

_SCALES = {
    "ten": 10, "hundred": 100, "thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12,
    "dozen": 12, "lakh": 10**5, "crore": 10**7,
}  # fmt: skip
_ORDINALS = "third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth"
_PARTS = {name: at for at, name in enumerate(_ORDINALS.split(), 3)} | {
    "half": 2, "halve": 2, "quarter": 4, "twentieth": 20, "hundredth": 100, "thousandth": 1_000, "millionth": 10**6,
}  # fmt: skip

FACTORS: dict[str, Fraction] = {
    name + ending: factor
    for names in (
        {name: Fraction(scale) for name, scale in _SCALES.items()},
        {name: Fraction(1, parts) for name, parts in _PARTS.items()},
    )
    for name, factor in names.items()
    for ending in ("", "s")
    if name + ending not in ("ten", "halve", "halfs")
}
"""Words that multiply the number before them: 5 million, 2 dozen, 3 quarters."""
NUMBERS = word_set(
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen twenty thirty forty fifty sixty seventy eighty ninety"
)
"""Numbers in words."""
