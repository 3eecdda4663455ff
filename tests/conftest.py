"""Fixtures that most tests use."""

import pytest

from foils.engine import Local


@pytest.fixture
def engine() -> Local:
    """An engine without cache and without progress."""
    return Local()
