"""What the tests of training share."""

import pytest

from tests.training.handles import windowed
from verifiers.pool import VerifierPool


@pytest.fixture(scope="session")
def pool():
    """One real worker process."""
    with VerifierPool("math", workers=1) as pool:
        yield pool


@pytest.fixture(scope="session")
def models(tmp_path_factory) -> dict[str, str]:
    """The embedded model by the layout of its update."""
    return {"packed": "tiny", "padded": windowed(tmp_path_factory.mktemp("model") / "windowed")}
