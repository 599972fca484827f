"""`import verifiers` where rlvr is installed: this file, as `verifiers.py`, becomes the package in `rlvr/bundled`.

It is a file and not a folder, so that nothing is overwritten where another distribution brings a package `verifiers`:
Python then takes that one, and ours is the one of processes that import `rlvr` first.
"""

import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

_home = Path(__file__).resolve().with_name("rlvr") / "bundled" / "verifiers"
_spec = spec_from_file_location(__name__, _home / "__init__.py", submodule_search_locations=[str(_home)])
assert _spec and _spec.loader
sys.modules[__name__] = _package = module_from_spec(_spec)
_spec.loader.exec_module(_package)
