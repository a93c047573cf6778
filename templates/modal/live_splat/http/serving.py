"""Puts the API on a port, and takes it off again without cutting anybody short."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import logging
import signal
import socket
from collections.abc import Callable, Iterator

import uvicorn
from starlette.types import ASGIApp

logger = logging.getLogger("live_splat")

CLOSE_GRACE_S = 5
"""Requests still under way after this are cut."""


def is_loopback(host: str) -> bool:
    """Whether who listens there serves this machine alone."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def listen(host: str, port: int) -> socket.socket:
    """A bound socket; port 0 = any free one. Raises OSError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.create_server((host, port), family=family, backlog=1024)
    # Its connections have it from here: asyncio sets it only where a socket names its protocol, which these
    # do not. Without it an answer in two pieces waits 40 ms for the first to be acknowledged.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


def url_of(host: str, port: int) -> str:
    """Where it is called from this machine. A wildcard is no address to call; on this machine the loopback is
    behind it."""
    name = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104
    return f"http://[{name}]:{port}" if ":" in name else f"http://{name}:{port}"


def serve(
    app: ASGIApp, listener: socket.socket, *, on_ready: Callable[[], None], on_end: Callable[[], None]
) -> None:
    """Serve until SIGTERM or SIGINT; a second one kills the process.

    ``on_ready`` is called once requests are answered, ``on_end`` when no more are taken: it must end what
    never ends by itself (event streams). Returns when the last answer is sent, or cut after a few seconds.
    """
    config = uvicorn.Config(
        app,
        access_log=False,
        log_config=None,
        # Its faster parser, where installed, is not what this was tried with.
        http="h11",
        ws="none",
        lifespan="on",
        server_header=False,
        timeout_graceful_shutdown=CLOSE_GRACE_S,
    )
    server = _Server(config, on_ready)
    asyncio.run(_run(server, listener, on_end))


async def _run(server: _Server, listener: socket.socket, on_end: Callable[[], None]) -> None:
    loop = asyncio.get_running_loop()

    def end() -> None:
        for number in _SIGNALS:
            signal.signal(number, signal.SIG_DFL)
        server.should_exit = True
        on_end()

    for number in _SIGNALS:
        # Windows has no add_signal_handler.
        signal.signal(number, lambda *_: loop.call_soon_threadsafe(end))
    await server.serve(sockets=[listener])


_SIGNALS = (signal.SIGTERM, signal.SIGINT)


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, on_ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_ready = on_ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._on_ready()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """The signals are handled by ``_run``, which ends the event streams first."""
        yield
