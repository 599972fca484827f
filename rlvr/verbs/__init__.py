"""The verbs of the command line and their options: what `rlvr VERB --help` says, a function each."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from rlvr.verbs import models, samples

if TYPE_CHECKING:
    from rlvr.verbs.options import Verbs


def add_all(verbs: Verbs, common: argparse.ArgumentParser) -> None:
    """Every verb, in the order in which `rlvr --help` lists them.

    Args:
        common: the options that every verb has.
    """
    for add in (
        models.init,
        models.run_and_train,
        models.evaluate_and_compare,
        models.export,
        samples.score,
        samples.report,
        samples.convert,
        samples.show,
        samples.watch,
        models.evidence,
        models.belief,
        models.search,
        models.worlds,
        samples.listing,
        models.check,
    ):
        add(verbs, common)
