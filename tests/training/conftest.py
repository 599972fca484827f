"""What the tests of training share."""

import pytest

from verifiers.pool import VerifierPool


@pytest.fixture(scope="session")
def pool():
    """One real worker process."""
    with VerifierPool("math", workers=1) as pool:
        yield pool
