"""Fixtures that most tests use."""

import signal
import sys

import pytest
from hypothesis import settings

from foils import cli
from foils.engine import Local

# The first call of a compiled loop takes seconds: no test may depend on the time it takes.
settings.register_profile("foils", deadline=None)
settings.load_profile("foils")


@pytest.fixture
def engine() -> Local:
    """An engine without cache and without progress."""
    return Local()


@pytest.fixture
def inside(monkeypatch, capsys):
    """The command line in this process: code, stdout, stderr. No proxy stands before a local server."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)

    def call(*args) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["foils", *map(str, args)])
        code, handler = 0, signal.getsignal(signal.SIGINT)
        try:
            cli.main()
        except SystemExit as end:
            code = int(end.code or 0)
        finally:
            signal.signal(signal.SIGINT, handler)
        said = capsys.readouterr()
        return code, said.out, said.err

    return call
