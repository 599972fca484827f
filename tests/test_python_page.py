"""docs/python.md: its examples give what they say, and its table has every name of the library."""

import doctest
import re
from pathlib import Path

from rlvr import analysis

PAGE = Path(__file__).resolve().parent.parent / "docs" / "python.md"


def test_every_example_of_the_page_holds():
    failed, tried = doctest.testfile(str(PAGE), module_relative=False)
    assert tried >= 20 and failed == 0


def test_the_table_has_the_names_of_the_library_each_once():
    table = PAGE.read_text(encoding="utf-8").partition("| about | names |")[2]
    named = re.findall(r"`(\w+)`", table)
    assert sorted(named) == sorted(analysis.__all__)
