"""Every kind of answer that is no plain expression: words, units, choices, times, ratios, names, conditions, families.

Tables of golds and answers, from what the words mean.
"""

from __future__ import annotations

from fractions import Fraction

import pytest

from tests.verifiers.tabled import Row, misjudged
from verifiers.math import MathVerifier, canonical, equal
from verifiers.types import Problem

# --- numbers in words -------------------------------------------------------------------------------------

_ONES = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen"
).split()
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety".split()
_ORDINALS = {
    "first": 1, "second": 2, "third": 3, "fourth": 4, "fifth": 5, "sixth": 6, "seventh": 7, "eighth": 8, "ninth": 9, "tenth": 10,
    "eleventh": 11, "twelfth": 12, "thirteenth": 13, "fourteenth": 14, "fifteenth": 15, "sixteenth": 16, "seventeenth": 17,
    "eighteenth": 18, "nineteenth": 19, "twentieth": 20, "thirtieth": 30, "fortieth": 40, "fiftieth": 50, "sixtieth": 60,
    "seventieth": 70, "eightieth": 80, "ninetieth": 90,
}  # fmt: skip


def test_every_number_word() -> None:
    numbers = {word: at for at, word in enumerate(_ONES)} | {
        word: 10 * at for at, word in enumerate(_TENS, 2)
    }
    numbers |= {f"{ten}-{one}": numbers[ten] + numbers[one] for ten in _TENS for one in _ONES[1:10]}
    rows: list[Row] = [
        (str(value), [word, word.capitalize(), f"\\text{{{word}}}"], [str(value + 1), f"minus {word}" if value else "one"])
        for word, value in numbers.items()
    ]  # fmt: skip
    rows += [(str(value), [word], [str(value + 1)]) for word, value in _ORDINALS.items()]
    parts = {word: value for word, value in _ORDINALS.items() if value > 2} | {"half": 2, "quarter": 4}
    plural = {"half": "halves"}
    rows += [
        (str(Fraction(3, value)), [f"three {plural.get(word, word + 's')}"] + [f"3 {word}s"] * (value < 13), ["3", str(value)])
        for word, value in parts.items()
        if word != "half"
    ]  # fmt: skip
    rows += [(f"1/{value}", [f"one {word}", f"a {word}"], ["1", str(value)]) for word, value in parts.items()]
    rows += [
        ("-7", ["minus seven", "negative seven"], ["seven", "7"]),
        ("100", ["one hundred", "a hundred"], ["1000"]),
        ("105", ["one hundred and five", "one hundred five"], ["150", "100"]),
        ("342", ["three hundred forty-two", "three hundred and forty two"], ["3042"]),
        ("2000", ["two thousand", "2 thousand"], ["2", "2000000"]),
        ("1002000", ["one million two thousand", "one million, two thousand"], ["2000", "1000000"]),
        ("3000000", ["three million", "3 million"], ["3000"]),
        ("4000000000", ["four billion", "4 billion"], ["4000000"]),
        ("5000000000000", ["five trillion"], ["5000000000"]),
        ("123456", ["one hundred twenty-three thousand four hundred fifty-six"], ["123000456"]),
        ("5/2", ["two and a half", "two and one half"], ["2", "1/2", "3/2"]),
        ("21", ["twenty-first", "twenty one", "twenty-one apples"], ["20", "1"]),
        ("1/2", ["half", "one half", "a half"], ["2", "0.2"]),
        ("24", ["two dozen", "2 dozen", "24 eggs"], ["2", "12"]),
        ("500000", ["5 lakh", "five hundred thousand"], ["5"]),
        ("70000000", ["7 crore"], ["7", "700000"]),
        ("30", ["3 tens"], ["3"]),
        ("600", ["6 hundred", "six hundred"], ["6"]),
    ]  # fmt: skip
    assert not misjudged(rows)


def test_chinese_numbers_units_and_words() -> None:
    units = {
        "千米": "kilometers", "公里": "kilometers", "分米": "decimeters", "厘米": "centimeters", "毫米": "millimeters", "米": "meters",
        "千克": "kilograms", "公斤": "kilograms", "毫克": "milligrams", "克": "grams", "吨": "tons", "毫升": "milliliters", "升": "liters",
        "小时": "hours", "分钟": "minutes", "秒": "seconds", "周": "weeks", "星期": "weeks", "天": "days", "个月": "months", "月": "months",
        "年": "years", "元": "yuan", "角": "jiao", "公顷": "hectares", "度": "degrees", "日": "days", "美元": "dollars",
    }  # fmt: skip
    rows: list[Row] = [
        (f"7 \\text{{ {unit}}}", [f"7{word}", f"7 {word}", "7"], ["8" + word]) for word, unit in units.items()
    ]
    for unit in units.values():
        others = [
            other for name, other in units.items() if other != unit and {unit, other} != {"yuan", "jiao"}
        ]
        rows.append((f"7 \\text{{ {unit}}}", [], [f"7\\text{{ {other}}}" for other in others[::5]]))
    rows += [
        ("30000", ["3万", "3 万"], ["3", "300000000"]),
        ("250000000", ["2.5亿"], ["25000", "2.5"]),
        (
            "12",
            [
                "12个",
                "12只",
                "12人",
                "12本",
                "12棵",
                "12张",
                "12件",
                "12条",
                "12块",
                "12页",
                "共12",
                "一共12个",
                "约12",
            ],
            ["13个"],
        ),
        ("12 \\text{ square centimeters}", ["12平方厘米"], ["12厘米", "12立方厘米"]),
        ("12 \\text{ cubic meters}", ["12立方米"], ["12平方米", "12米"]),
        ("60 \\text{ kilometers per hour}", ["60千米/时", "60千米每小时", "60 km/h"], ["60千米", "60米/时"]),
        ("2, 3", ["2和3", "2或3", "2与3", "2、3"], ["2和4"]),
        ("no solution", ["无解", "空集"], ["0"]),
        ("\\mathbb{R}", ["全体实数"], ["无解"]),
        ("does not exist", ["不存在", "DNE"], ["0"]),
    ]
    assert not misjudged(rows)


# --- units ------------------------------------------------------------------------------------------------

_SPELLED = (
    "dollar dollars usd bucks | euro euros eur | cent cents | gbp quid | yen jpy | rupee rupees inr | degree degrees deg | "
    "radian radians rad | meter meters metre metres m | centimeter centimeters centimetre centimetres cm | "
    "millimeter millimeters millimetre mm | kilometer kilometers kilometre km kms | micrometer micron microns | inch inches | foot feet ft | "
    "yard yards yd yds | mile miles mi | gram grams gramme g gm | kilogram kilograms kg kgs kilos | milligram milligrams mg | "
    "lb lbs pound pounds | ounce ounces oz | ton tons tonne tonnes | liter liters litre litres L | milliliter milliliters ml mL | "
    "gallon gallons gal | quart quarts qt | pint pints pt | second seconds sec secs s | minute minutes min mins | hour hours hr hrs h | "
    "day days d | week weeks wk | month months mo | year years yr yrs | newton newtons N | joule joules J | watt watts W | kilowatt kW | "
    "volt volts V | ampere amperes amps | ohm ohms | hertz Hz | pascal Pa | mole moles mol | kelvin K | acre acres | hectare hectares ha | "
    "person persons people | man men | woman women | child children"
)


def test_every_unit_is_its_spellings_and_no_other_unit() -> None:
    groups = [group.split() for group in _SPELLED.split(" | ")]
    rows: list[Row] = []
    for at, group in enumerate(groups):
        others = [groups[(at + step) % len(groups)][0] for step in (1, 3, 7, 11)]
        if group[0] == "lb":
            others = [other for other in others if other != "gbp"]
        gold = f"17 \\text{{ {group[0]}}}"
        rows.append((gold, [f"17 \\text{{ {word}}}" for word in group] + ["17"], [f"17 \\text{{ {other}}}" for other in others] + ["18", f"18 \\text{{ {group[-1]}}}"]))  # fmt: skip
    assert not misjudged(rows)
    required = [(gold, right[:-1], ["17"]) for gold, right, _ in rows]
    assert not misjudged(required, units="required")
    ignored = [(gold, ["17", f"17 \\text{{ {groups[0][0]}}}"], ["18"]) for gold, _, _ in rows]
    assert not misjudged(ignored, units="ignored")


def test_powers_products_and_currencies() -> None:
    rows: list[Row] = [
        (r"9 \text{ m}^2", [r"9 \text{ square meters}", "9 m^2", "9 m²", r"9 \text{ sq m}", "9 square metres", r"9\text{ meters squared}", "9"], ["9 m", r"9 \text{ m}^3", r"9 \text{ cm}^2"]),
        (r"9 \text{ ft}^3", [r"9 \text{ cubic feet}", r"9\text{ cu ft}", r"9 \text{ feet cubed}"], [r"9 \text{ ft}^2", r"9\text{ square feet}"]),
        (r"60 \text{ mph}", [r"60 \text{ miles per hour}", r"60 \text{ mi/h}", r"60 \frac{\text{mi}}{\text{h}}", "60 miles/hour", r"60\text{ miles an hour}", r"60 \text{ mi h}^{-1}"], [r"60\text{ km/h}", r"60 \text{ miles}", r"60 \text{ hours per mile}"]),
        (r"9.8 \text{ m/s}^2", ["9.8 m/s^2", r"9.8 \frac{m}{s^2}", r"9.8 \text{ m s}^{-2}", r"9.8\ \mathrm{m/s^2}"], [r"9.8 \text{ m/s}", r"9.8 \text{ m s}^2", "9.8 m/s^3"]),
        (r"5 \text{ N}\cdot\text{m}", [r"5 \text{ newton meters}", r"5\text{ N m}"], [r"5 \text{ N/m}"]),
        (r"\$5", ["5 dollars", "5", r"\$5.00", "USD 5", r"5\$", "5 USD", r"\textdollar 5", r"5 \text{ bucks}"], ["€5", "£5", "5 cents", r"\$50", r"-\$5"]),
        (r"-\$5", [r"\$-5", "-5 dollars", "-5"], [r"\$5"]),
        ("€5", [r"\euro 5", "5 euros", "5 EUR", r"5\texteuro"], ["$5", "£5"]),
        ("£5", [r"\pounds 5", "5 GBP", "5 quid", "5 pounds"], ["$5", "€5"]),
        ("¥5", ["5 yen", r"\yen 5"], ["$5", "₹5"]),
        ("₹5", ["5 rupees", "5 INR"], ["¥5"]),
        ("5¢", ["5 cents", r"5\cent"], ["$5"]),
        (r"\$5 \text{ million}", ["5000000", r"\$5,000,000", "5 million dollars", r"\$5\times10^6"], ["5", r"\$5", "5 billion"]),
        (r"\$12 \text{ per hour}", ["12 dollars per hour", "12"], [r"\$12 \text{ per day}", "12 euros per hour"]),
        ("45^\\circ", ["45°", "45 degrees", r"45\degree", r"45^{\circ}", r"45\textdegree", "45º", "45^o", "45"], ["45 radians", "54°", r"45\%"]),
        ("20^\\circ C", ["20°C", r"20^\circ\text{C}", "20"], ["20°F"]),
        (r"22^\circ 30'", ["22.5°", "22.5", "22° 30′", r"22^\circ 30' 0''"], ["22.3°", "22°", "22° 31'"]),
        (r"10^\circ 20' 36''", [r"\frac{37236}{3600}°"], ["10° 20'", "10° 20' 30''"]),
        ("7 feet", ["7'", "7 ft"], ["7 inches", "8'"]),
        ("12 apples", ["12", "12 red apples", "12 apples in all", "12 more apples"], ["13 apples", "12 pears"]),
        ("5 boxes", ["5 box", "5"], ["5 bags"]),
        ("3 parties", ["3 party"], ["3 parts"]),
        ("5", ["5 in total", "5 altogether", "5 units", "5 each", "5 left", "5 more", "exactly 5", "5 square units", "5 units long"],
         ["5 squared", "5 cubed", "5 minus two", "5 plus 1", "5 factorial", "5 or 6", "not 5", "5 is wrong", "5 divided by 2", "5 dozen", "5 percent", "5 ppm", "5 negative", "5 doubled", "5 percentile", "5 x", "5 hundred"]),
        ("50\\%", ["50 percent", "50 per cent", "0.5", "1/2", "50 percentage points", "50"], ["0.05", "5%", "50 dollars", "500%"]),
        ("0.5", ["50%", "50 percent"], ["50", "5%"]),
        ("5 right triangles", ["5"], ["5 right"]),
        ("3 real roots", ["3", "3 real roots"], ["3 root"]),
    ]  # fmt: skip
    assert not misjudged(rows)


_SMALLER = {
    "week": ("day", 7), "day": ("hour", 24), "hour": ("minute", 60), "minute": ("second", 60), "year": ("month", 12), "yard": ("foot", 3),
    "foot": ("inch", 12), "kilometer": ("meter", 1000), "meter": ("centimeter", 100), "centimeter": ("millimeter", 10),
    "kilogram": ("gram", 1000), "pound": ("ounce", 16), "dollar": ("cent", 100), "liter": ("milliliter", 1000),
}  # fmt: skip


def test_quantities_in_two_units() -> None:
    plural = {"foot": "feet", "inch": "inches"}
    rows: list[Row] = []
    for large, (small, many) in _SMALLER.items():
        total = 2 * many + 2
        for joint in (" ", " and ", ", "):
            said = f"2 \\text{{ {plural.get(large, large + 's')}}}{joint}2 \\text{{ {plural.get(small, small + 's')}}}"
            rows.append(
                (
                    f"{total} \\text{{ {small}}}",
                    [said],
                    [f"{total} \\text{{ {large}}}", f"{total + 1} \\text{{ {small}}}"],
                )
            )
    rows += [
        (
            "3725 seconds",
            ["1 hour 2 minutes 5 seconds", "1 hr, 2 mins and 5 secs"],
            ["3724 seconds", "1 hour 2 minutes"],
        ),
        (
            "10 ft x 18 ft",
            ["10 ft by 18 ft", "10 feet by 18 feet", "18 ft by 10 ft"],
            ["10 ft by 19 ft", "180"],
        ),
        ("5 feet 6 inches", ["66 inches", "5 ft 6 in"], ["5 feet 16 inches", "56 inches", "6 feet 5 inches"]),
    ]
    assert not misjudged(rows)


# --- letters, words, dates, times -------------------------------------------------------------------------


def test_choices() -> None:
    rows: list[Row] = [
        ("C", ["(C)", "C.", "C)", "(c)", "Option C", "choice C", "Answer C", r"\text{C}", r"\textbf{(C)}", r"\mathrm{C}", "(C) 12", "C) 12", "C. 12", "c)", r"\boxed{C}"],
         ["B", "(D)", "12", "CB", "C, D", "A"]),
        ("(C) 12", ["C", "12", "(C)", "C) 12"], ["(B) 12", "13", "(C) 13", "B"]),
        ("ACD", ["A, C, D", "A, C and D", "D, C, A", "A C D", "A、C、D", "A,C,D", "options A, C and D", "A和C和D"], ["AC", "ABD", "ABCD", "A"]),
        ("A", ["A", "(A)"], ["a + 1", "B"]),
        (r"\textcircled{1}\textcircled{3}", ["①③", "③①", "①, ③", "①和③"], ["①②", "①", "①③④"]),
    ]  # fmt: skip
    assert not misjudged(rows)


def test_words() -> None:
    rows: list[Row] = [
        ("yes", ["Yes", "YES.", r"\text{Yes}", r"\textbf{yes}"], ["no", "y e s", "yes and no"]),
        ("true", ["True", r"\text{True}"], ["false", "t"]),
        ("even", ["Even", "it is even", "The number is even"], ["odd", "not even"]),
        ("convergent", ["The series is convergent", "it converges", "converges", "The series converges"], ["divergent", "diverges", "it is not convergent"]),
        ("divergent", ["diverges", "the integral is divergent"], ["converges"]),
        ("increasing", ["it increases", "The function is increasing"], ["decreasing", "it decreases"]),
        ("absolutely convergent", ["converges absolutely", "The series is absolutely convergent"], ["convergent", "conditionally convergent"]),
        ("does not exist", ["DNE", "D.N.E.", "doesn't exist", "The limit does not exist", "no limit"], ["exists", "0", r"\infty"]),
        ("undefined", ["not defined", "is undefined", "Undefined"], ["0", "defined"]),
        (r"\infty", ["infinity", "+∞", "positive infinity", "plus infinity", r"\infty", "oo", "inf"], ["-∞", "negative infinity", "does not exist"]),
        (r"-\infty", ["negative infinity", "minus infinity", "−∞"], [r"\infty"]),
        ("Paris", ["paris", "PARIS", "Paris.", r"\text{Paris}"], ["London", "Paris or London"]),
        ("the red car", ["red car", "Red car"], ["blue car"]),
        ("John", ["john"], ["Jon"]),
    ]  # fmt: skip
    assert not misjudged(rows)


_MONTHS = "January February March April May June July August September October November December".split()


def test_every_month_in_every_order() -> None:
    rows: list[Row] = []
    for at, month in enumerate(_MONTHS):
        other = _MONTHS[(at + 1) % 12]
        right = [f"{month[:3]} 5", f"5 {month}", f"{month} 5th", f"5th of {month}", f"the 5th of {month}", f"{month.lower()} 5", f"\\text{{{month} 5}}", f"5 {month[:3]}"]  # fmt: skip
        rows.append((f"{month} 5", right, [f"{other} 5", f"{month} 6", f"5 {other}", "5"]))
    rows += [
        ("September 9", ["Sept 9", "9 Sept"], ["October 9"]),
        ("May 4, 2021", ["4 May 2021", "May 4th, 2021"], ["May 4, 2022", "May 4", "June 4, 2021"]),
    ]
    assert not misjudged(rows)


def test_times_and_ratios() -> None:
    rows: list[Row] = [
        ("3:30 p.m.", ["3:30 PM", "3:30pm", "3:30 P.M.", "03:30 pm", "15:30", "3:30", r"3:30 \text{ p.m.}"], ["3:30 a.m.", "3:31 p.m.", "4:30 pm", "16:30", "3:45 pm"]),
        ("7 a.m.", ["7:00 a.m.", "7 AM", "7:00 am"], ["7 p.m.", "8 a.m."]),
        ("12:05 a.m.", ["12:05 am", "0:05"], ["12:05 p.m."]),
        ("12 p.m.", ["12:00 pm"], ["12 a.m."]),
        ("8:00", ["8:00", "8:00:00"], ["5:00", "4:00", "8"]),
        ("9:05", ["9:05", "09:05"], ["9:50", "18:10"]),
        ("3:4", ["6:8", "3 : 4", "3 to 4", r"\frac34", "0.75", "3/4", "9:12"], ["4:3", "3:5", "4/3", "3"]),
        ("1:2:3", ["2:4:6", "3:6:9"], ["1:3:2", "1:2", "1:2:4"]),
        ("a:b", ["2a:2b"], ["b:a"]),
        ("0:1", ["0:5"], ["1:0"]),
    ]  # fmt: skip
    assert not misjudged(rows)


# --- lists, names, systems --------------------------------------------------------------------------------


def test_lists_sets_tuples() -> None:
    rows: list[Row] = [
        ("1, 2, 3", ["3, 2, 1", "1,2,3", "1 and 2 and 3", "1; 2; 3", r"\{1,2,3\}", "1, 2, and 3", "1, 2 or 3"], ["1, 2", "1, 2, 4", "1, 1, 2, 3", "1, 2, 3, 3", "123", "6"]),
        ("1, 1, 2", ["1, 2, 1", "2, 1, 1"], ["1, 2", "1, 2, 2"]),
        ("(1, 2), (3, 4)", ["(3,4), (1,2)", "(1,2) and (3,4)", r"\{(1,2),(3,4)\}", "(1, 2); (3, 4)"], ["(2,1), (3,4)", "(1,2)", "(1,3), (2,4)"]),
        ("(1, 2, 3)", ["(1,2,3)", r"\langle 1,2,3 \rangle"], ["(1,3,2)", "(1,2)", "[1,2,3]", r"\{1,2,3\}"]),
        ("5", ["5, 5", "5 = 10/2", "10/2 = 5"], ["5, 6", "5 = 6", "3, 3, 5"]),
        ("1, 2, 3, \\ldots", ["1, 2, 3, ..."], ["1, 2, 3", "2, 1, 3, ..."]),
        ("2, 3", ["x=2, x=3", "x = 2 or x = 3", "x=3, x=2", "x_1 = 2, x_2 = 3", r"x \in \{2, 3\}", "x = 2, 3", "x = 2 and x = 3"], ["x=2", "x=2, x=4", "x=2, y=4"]),
    ]  # fmt: skip
    assert not misjudged(rows)


def test_named_values() -> None:
    rows: list[Row] = [
        ("x=1, y=2", ["y=2, x=1", "(1,2)", "x = 1 and y = 2", "1, 2", "(x,y)=(1,2)", "(y,x)=(2,1)", r"\begin{cases}x=1\\y=2\end{cases}", r"\begin{aligned}x&=1\\y&=2\end{aligned}", r"\left\{\begin{array}{l}x=1\\y=2\end{array}\right.", "x = 1; y = 2"],
         ["x=2, y=1", "(2,1)", "x=1", "x=1, y=3", "2, 1", "(x,y)=(2,1)", "x=1, z=2"]),
        ("5", ["x=5", "x = 5 cm", "5 = x", "AB = 5", "|AB| = 5", "f(2) = 5", "area = 5", "The area is 5", "m = 5", r"\angle A = 5", r"\text{Area} = 5", "Area: 5", "a_1 = 5", "S = 2 + 3 = 5", "A' = 5"],
         ["x=6", "x + 1 = 5", "2x = 5", "x > 5", "at most 5", "x ≠ 5", "S = 2 + 4 = 5"]),
        ("AB = 3, BC = 4", ["BC = 4, AB = 3", "BA = 3, CB = 4", "|AB| = 3, |BC| = 4"], ["AB = 4, BC = 3", "AB = 3"]),
        ("mean 5, median 7", ["median 7, mean 5", "mean = 5, median = 7", "mean: 5, median: 7"], ["mean 7, median 5", "mean 5"]),
        ("f(x) = 2x", ["2x", "y = 2x", "f(x)=x+x"], ["f(x) = 3x", "x = 2y"]),
        ("y = 2x + 1", ["2x - y + 1 = 0", "y - 2x = 1", "2y = 4x + 2", "x = (y-1)/2"], ["y = 2x - 1", "y = 2x", "y = x + 1/2"]),
        ("x^2 + y^2 = 4", ["4 = x^2+y^2", "2x^2+2y^2 = 8", "x^2+y^2-4=0"], ["x^2 + y^2 = 2", "x^2 - y^2 = 4", "x^2+y^2 < 4"]),
        ("x + y < 3", ["y + x < 3", "3 > x + y", "2x + 2y < 6", "x + y - 3 < 0"], ["x + y > 3", "x + y <= 3", "x + y = 3"]),
        ("a < b < c", ["c > b > a"], ["c < b < a", "a < c < b", "a < b", "a <= b < c"]),
        (r"x \equiv 3 \pmod 8", [r"3 \pmod 8", "x ≡ 11 (mod 8)", "3", "x = 8k + 3", "3 (mod 8)"], [r"5 \pmod 8", r"3 \pmod 4", "11"]),
    ]  # fmt: skip
    assert not misjudged(rows)


def test_conditions_families_and_pieces() -> None:
    rows: list[Row] = [
        (r"k\pi, k \in \mathbb{Z}", [r"\pi k", r"n\pi, n\in\mathbb{Z}", r"-k\pi", r"k\pi, where k is an integer", r"k\pi for any integer k", r"\{k\pi : k \in \mathbb{Z}\}", r"\pi + k\pi"], [r"2k\pi", r"k\pi/2", r"\pi", r"k\pi + 1", r"k\pi, k \in \mathbb{N}"]),
        (r"\frac{\pi}{2} + 2k\pi, k \in ℤ", [r"\frac{\pi}{2}+2n\pi, n \in \mathbb{Z}", r"\frac{5\pi}{2}+2k\pi"], [r"\frac{\pi}{2}+k\pi", r"\frac{3\pi}{2}+2k\pi"]),
        ("2^n, n \\ge 1", ["2^n", "2^n for n \\ge 1", r"2^n, n \in \mathbb{N}", "2^n (n > 0)", "2^n, n = 1, 2, 3, \\ldots", "2^n for all positive integers n"], ["2^n, n \\ge 2", "2^n, n \\ge 0", "3^n"]),
        (r"\begin{cases} x & x < 0 \\ 2x & x \ge 0 \end{cases}",
         [r"\begin{cases} 2x & x \ge 0 \\ x & x < 0 \end{cases}", r"\begin{cases} x & \text{if } x < 0 \\ 2x & \text{otherwise} \end{cases}", r"\begin{cases} x, & x < 0 \\ 2x, & x \ge 0 \end{cases}"],
         [r"\begin{cases} 2x & x < 0 \\ x & x \ge 0 \end{cases}", r"\begin{cases} x & x \le 0 \\ 2x & x > 0 \end{cases}", "x"]),
        ("x + 1 (x \\ne 2)", ["x + 1", "x + 1, x ≠ 2", "x+1 where x \\ne 2"], ["x + 1, x \\ne 3", "x + 2"]),
        ("x < 1 or x > 2", ["x > 2 or x < 1", r"(-\infty,1)\cup(2,\infty)"], ["1 < x < 2", "x < 1"]),
        ("1 < x < 2", ["x > 1 and x < 2", "x>1, x<2", "(1,2)", "2 > x > 1", "|x - 1.5| < 0.5", r"x \in (1,2)", "2 < 2x < 4", "-2 < -x < -1"], ["1 <= x < 2", "x > 1", "x > 1 or x < 2", "|x-1.5| > 0.5"]),
        ("x < -3", ["-2x > 6", "2x < -6", "x + 3 < 0", "-x > 3", "3x < 2x - 3"], ["-2x < 6", "x > -3", "x <= -3"]),
        ("|x| > 2", ["x < -2 or x > 2", r"(-\infty,-2)\cup(2,\infty)"], ["|x| < 2", "-2 < x < 2", "|x| >= 2"]),
    ]  # fmt: skip
    assert not misjudged(rows)


def test_intervals_that_touch_overlap_or_are_empty() -> None:
    rows: list[Row] = [
        (
            "(1, 3)",
            ["(1,2] ∪ (2,3)", "(1,2) ∪ [2,3)", "(1,2.5) ∪ (2,3)", "(2,3) ∪ (1,2]"],
            ["(1,2) ∪ (2,3)", "(1,2] ∪ (3,4)"],
        ),
        (
            "[1, 3]",
            ["[1,2] ∪ [2,3]", r"[1,3] ∪ \{2\}", r"(1,3) ∪ \{1\} ∪ \{3\}", r"[1,3) ∪ \{3\}"],
            ["(1,3]", "[1,3)"],
        ),
        (r"(0,1) \cup \{2\}", [r"\{2\} \cup (0,1)"], ["(0,1)", "(0,2)", r"(0,1) \cup \{3\}"]),
        (r"(-\infty, \infty)", [r"(-\infty,1] ∪ (0,\infty)", "ℝ"], [r"(-\infty,0) ∪ (0,\infty)"]),
        (r"(-\infty,0] \cup [1,\infty)", [r"ℝ \setminus (0,1)"], [r"ℝ \setminus [0,1]"]),
        ("[0, 1]", [r"[0,2] ∩ [-1,1]", r"[0,1] ∩ ℝ"], [r"[0,2] ∩ (-1,1)"]),
        (r"[\sqrt2, \pi)", [r"\sqrt2 \le x < \pi"], [r"(\sqrt2, \pi)", r"[\sqrt2, 3.14)"]),
        ("]1, 2[", ["(1,2)"], ["[1,2]"]),
        ("]1, 2]", ["(1,2]"], ["[1,2)"]),
    ]
    assert not misjudged(rows)


# --- the verifier's own options and what the prompt says --------------------------------------------------


def _status(prompt: str, gold: object, answer: str | None, **options: object) -> str:
    return MathVerifier(**options).verify(Problem("p", prompt, gold), "", answer).status  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("prompt", "gold", "answer", "right"),
    [
        ("What percent of 8 is 4?", "50", "50%", True),
        ("What percentage is it?", "0.5", "50", False),
        ("By how many \\% did it grow?", "50", "50\\%", True),
        ("By how many per cent?", "50", "50%", True),
        ("How many?", "50", "50%", False),
        ("How many?", "50%", "50", True),
        ("At what time does he arrive?", "10:30", "5:15", False),
        ("What time is it?", "10:30", "10:30 a.m.", True),
        ("What is the ratio?", "10:30", "1:3", True),
        ("When will the clock strike?", "10:30", "1:3", False),
        ("Find $m+n$.", "17", "m+n = 17", True),
        ("Find $m+n$.", "17", "17 = m + n", True),
        ("Find $m-n$.", "17", "m+n = 17", False),
        ("Compute a/b.", "3", "a/b = 3", True),
        ("What is $2x$?", "3", "2x = 3", True),
        ("What is the value of \\(xy\\)?", "3", "xy = 3", True),
        ("Given $m+n = 3$, find $mn$.", "17", "m+n = 17", False),
        ("求 $m+n$ 的值", "17", "m+n=17", True),
        ("$a+b=$ ____", "17", "a+b=17", True),
        ("Find x_1 and x_2.", "x_1 = 2, x_2 = 3", "x_1 = 3, x_2 = 2", False),
        ("Solve.", "x_1 = 2, x_2 = 3", "x_1 = 3, x_2 = 2", True),
        ("for all integers t", r"\lfloor t/2 \rfloor + \lfloor (t+1)/2 \rfloor", "t", True),
        ("for all t", r"\lfloor t/2 \rfloor + \lfloor (t+1)/2 \rfloor", "t", False),
    ],
)
def test_what_the_prompt_asks_for(prompt: str, gold: str, answer: str, right: bool) -> None:
    assert _status(prompt, gold, answer) == ("correct" if right else "incorrect")


@pytest.mark.parametrize(
    ("options", "gold", "answer", "right"),
    [
        ({"percent": "free"}, "50", "50%", True),
        ({"percent": "gold"}, "50", "50%", False),
        ({"percent": "gold"}, "50%", "50", True),
        ({"percent": "strict"}, "50%", "50", False),
        ({"percent": "strict"}, "50%", "0.5", True),
        ({"units": "required"}, "5 cm", "5", False),
        ({"units": "required"}, "5", "5 cm", False),
        ({"units": "required"}, "5 cm", "5 centimeters", True),
        ({"units": "ignored"}, "5 cm", "5 inches", True),
        ({"units": "optional"}, "5 cm", "5 inches", False),
        ({"rounding": "gold"}, "3.14", r"\pi", True),
        ({"rounding": "never"}, "3.14", r"\pi", False),
        ({"rounding": "gold"}, "3.1", r"\pi", False),
        ({"rounding": "gold"}, r"\pi", "3.14", False),
        ({"rounding": "gold"}, "0.667", "2/3", True),
        ({"rounding": "gold"}, "0.667", "0.6668", True),
        ({"rounding": "gold"}, "0.667", "0.6676", False),
        ({"rounding": "gold"}, "0.667", "0.67", False),
        ({"rounding": "gold"}, "0.667", "0.668", False),
        ({"rounding": "gold"}, "-0.667", "-2/3", True),
        ({"rounding": "gold"}, "-0.667", "2/3", False),
        ({"rounding": "gold"}, "1.25", "1.245", True),
        ({"rounding": "gold"}, "1.24", "1.245", False),
        ({"whole": ["t"]}, r"\lfloor t/2 \rfloor + \lfloor (t+1)/2 \rfloor", "t", True),
        ({"whole": ["s"]}, r"\lfloor t/2 \rfloor + \lfloor (t+1)/2 \rfloor", "t", False),
    ],
)
def test_every_option(options: dict[str, object], gold: str, answer: str, right: bool) -> None:
    assert _status("", gold, answer, **options) == ("correct" if right else "incorrect")


@pytest.mark.parametrize(
    ("gold", "answer", "status", "said", "detail"),
    [
        ("1/2", "0.5", "correct", "0.5", "1/2"),
        ("1/2", "0.4", "incorrect", "", "2/5"),
        ("1/2", None, "no_answer", None, None),
        ("", "5", "unverifiable", "", "cannot be read"),
        (None, "5", "unverifiable", "", "NoneType"),
        (True, "1", "unverifiable", "", "bool"),
        ({"a": 1}, "1", "unverifiable", "", "dict"),
        ([], "1", "unverifiable", "", "empty list"),
        ([True], "1", "unverifiable", "", "bool"),
        ("proof", "5", "unverifiable", "", "no answer"),
        ("5", "\u202e5", "incorrect", "", "the answer cannot be read"),
        (5, "5", "correct", "", "5"),
        (0.5, "1/2", "correct", "", "1/2"),
        (["2", 3], "3, 2", "correct", "", "{2, 3}"),
        ('["2", "3"]', "3, 2", "correct", "", "{2, 3}"),
        (["2", "3"], "2", "incorrect", "", "2"),
        ("so 3 * 4 = 12\n#### 12", "12", "correct", "", "12"),
        ("we get \\boxed{7}", "7", "correct", "", "7"),
        ("\\boxed{}", "7", "unverifiable", "", "empty"),
    ],
)
def test_status_and_detail(
    gold: object, answer: str | None, status: str, said: str | None, detail: str | None
) -> None:
    verdict = MathVerifier().verify(Problem("p", "", gold), "", answer)
    assert verdict.status == status
    assert verdict.score == {"correct": 1.0, "unverifiable": None}.get(status, 0.0)
    assert (detail or "") in f"{verdict.answer} {verdict.detail}"
    if status in ("correct", "incorrect") and detail and "cannot" not in detail:
        assert verdict.answer == detail


def test_what_majority_votes_count_as_one() -> None:
    groups = [
        ["1/2", "0.5", "50%", r"\frac24", r"x = 0.5"], ["2, 3", "3, 2", "x=2 or x=3"], [r"\{1,2\}", r"\{2,1,1\}"], ["(1,2)", "(1, 2)"],
        ["x > 3", r"(3,\infty)", "3 < x"], ["3:4", "6:8"], ["C", "(C)", "C) 12"], ["2x+2", "2(x+1)", "2 + 2x"], [r"\sin x", r"\sin(x)"], ["Yes", "yes."],
        ["5 cm", r"5\text{ centimeters}"], ["5"], ["6"], ["(2,1)"], ["[1,2]"], ["x < 3"], [r"x \ge 3"], ["4:3"], ["1, 2, 2"], ["1, 1, 2"], ["no"], ["B"],
        ["3:30 pm"], ["3:30 am"], ["101_2"], ["101_3"], [r"\pi"], [r"\sqrt2"], [r"\begin{pmatrix}1&2\\3&4\end{pmatrix}"], [r"\begin{pmatrix}1&3\\2&4\end{pmatrix}"], ["5 inches"],
        ["no solution", r"\emptyset"], ["all real numbers", "ℝ"], [r"x \equiv 3 \pmod 8"], ["a < b < c", "c > b > a"], ["2^n, n \\ge 1"],
    ]  # fmt: skip
    texts = [(canonical(text), at, text) for at, group in enumerate(groups) for text in group]
    for one, at, text in texts:
        for two, other, said in texts:
            assert (one == two) is (at == other), (text, said, one, two)


def test_a_gold_equals_itself_and_a_longer_text_is_searched_for_nothing() -> None:
    assert not equal("5", "I think that it is 5 because of the theorem")
    assert not equal("5", "5 6") and not equal("5", "55") and not equal("5", "5 5")
    assert not equal("5", "x" * 3000) and not equal("5", "5" + " " * 3000 + "6")
