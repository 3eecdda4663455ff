"""Fixtures that most tests use."""

import pytest
from hypothesis import settings

from foils.engine import Local

# The first call of a compiled loop takes seconds: no test may depend on the time it takes.
settings.register_profile("foils", deadline=None)
settings.load_profile("foils")


@pytest.fixture
def engine() -> Local:
    """An engine without cache and without progress."""
    return Local()
