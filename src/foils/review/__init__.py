"""Review: a page on this machine where people judge pairs of a run, and what they say steers what is selected."""

from __future__ import annotations

import ipaddress
import secrets
import socket
from collections.abc import Callable

from foils.errors import MissingExtra, RecipeError
from foils.protocols import Engine
from foils.review.session import Plan, Session
from foils.run import Run

__all__ = ["Plan", "Session", "serve"]


def serve(
    run: Run,
    engine: Engine,
    *,
    person: str = "",
    plan: Plan | None = None,
    host: str = "127.0.0.1",
    port: int = 0,
    ready: Callable[[str], None] = lambda address: None,
) -> None:
    """Serve the page of a run until the process is interrupted.

    Args:
        run: a finished run in a folder.
        engine: where selecting again runs.
        person: who judges, until they say otherwise on the page.
        plan: how much is asked.
        host: an address of this machine only (loopback).
        port: 0: any that is free.
        ready: told the address, with its token, once the page can be opened.

    Raises:
        MissingExtra: starlette or uvicorn is not installed.
        RecipeError: the address is not of this machine only, or cannot be had.
    """
    check(host)
    try:
        import starlette  # noqa: F401
        import uvicorn

        from foils.review.app import application
    except ImportError as error:
        raise MissingExtra("starlette or uvicorn", "review", "the review page") from error
    token = secrets.token_urlsafe(24)
    door = _listen(host, port)
    app = application(Session(run, engine, plan), token, person)
    config = uvicorn.Config(app, log_level="warning", access_log=False, server_header=False, lifespan="off", ws="none")
    shown = f"[{host}]" if ":" in host else host
    with door:
        ready(f"http://{shown}:{door.getsockname()[1]}/?token={token}")
        uvicorn.Server(config).run(sockets=[door])


def check(host: str) -> None:
    """Raise unless an address is of this machine only, and a package is there to serve it.

    Raises:
        RecipeError: another machine could reach it.
    """
    try:
        inside = host == "localhost" or ipaddress.ip_address(host) in (
            ipaddress.ip_address("127.0.0.1"),
            ipaddress.ip_address("::1"),
        )
    except ValueError:
        inside = False
    if not inside:
        raise RecipeError(
            f"--host {host}: the page is for this machine only (127.0.0.1, ::1, localhost); "
            "from another one, forward the port: ssh -L 8000:127.0.0.1:PORT THIS_MACHINE"
        )


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # With the protocol named, asyncio sends answers at once (TCP_NODELAY); without it each page waits 40 ms.
    door = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        door.bind((host, port))
        door.listen(128)
    except OSError as error:
        door.close()
        raise RecipeError(f"--port {port}: {error.strerror or error}; leave it out for any that is free") from error
    return door
