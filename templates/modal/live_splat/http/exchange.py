"""One request and its answer, as they pass between server and app."""

from __future__ import annotations

import asyncio

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from live_splat.refusal import RefusalError

DRAIN_S = 10.0
DRAIN_BYTES = 64 * 1024 * 1024
"""How long, and how much, is read of a body that nobody wants any more."""


class Exchange:
    """Counts what comes in, completes what goes out, and lets an early answer reach its reader.

    Whoever is still sending when the line is closed may never see the answer (the reset overtakes it). So the
    answer is sent whole, and only its end waits until the rest of the body has come, or taken too long.
    """

    def __init__(self, scope: Scope, receive: Receive, send: Send, max_bytes: int) -> None:
        self.headers: dict[str, str] = {}
        """Added to whatever is answered."""
        self._receive = receive
        self._send = send
        self._max_bytes = max_bytes
        self._received_bytes = 0
        self._started = False
        self._is_head = scope["method"] == "HEAD"
        headers = Headers(scope=scope)
        has_body = headers.get("content-length", "0") != "0" or "transfer-encoding" in headers
        # Who waits to be told to go on sends nothing when told no.
        self._has_more = has_body and headers.get("expect", "").lower() != "100-continue"

    def check_length(self, headers: Headers) -> None:
        """Raises ``too_large`` by the announced length, before anything is read."""
        announced = headers.get("content-length", "0")
        if not (announced.isascii() and announced.isdigit()):
            raise RefusalError("bad_request", "Content-Length is no number")
        if int(announced[:20]) > self._max_bytes:
            raise too_large(self._max_bytes)

    async def receive(self) -> Message:
        """What the app reads. Raises ``too_large`` as soon as a body without a length proves too long."""
        message = await self._receive()
        if message["type"] == "http.request":
            self._received_bytes += len(message.get("body", b""))
            self._has_more = message.get("more_body", False)
            if self._received_bytes > self._max_bytes:
                raise too_large(self._max_bytes)
        else:
            self._has_more = False
        return message

    async def send(self, message: Message) -> None:
        """What the app answers."""
        if message["type"] == "http.response.start":
            self._started = True
            MutableHeaders(scope=message).update(self.headers)
        elif message["type"] == "http.response.body":
            if self._is_head:
                message = {**message, "body": b""}
            if self._has_more and not message.get("more_body", False):
                await self._send({**message, "more_body": True})
                await self._drain()
                message = {"type": "http.response.body", "body": b"", "more_body": False}
        await self._send(message)

    async def respond(self, response: Response) -> None:
        """Answer without the app; nothing when it has begun to answer itself."""
        if self._started:
            return
        await self.send(
            {"type": "http.response.start", "status": response.status_code, "headers": response.raw_headers}
        )
        await self.send({"type": "http.response.body", "body": response.body})

    async def answer(self, status: int) -> None:
        """Answer with a status alone."""
        await self.respond(Response(status_code=status))

    async def _drain(self) -> None:
        try:
            await asyncio.wait_for(self._read_rest(), DRAIN_S)
        except asyncio.TimeoutError:
            self._has_more = False

    async def _read_rest(self) -> None:
        left = DRAIN_BYTES
        while self._has_more and left > 0:
            message = await self._receive()
            left -= len(message.get("body", b""))
            self._has_more = message["type"] == "http.request" and message.get("more_body", False)


def too_large(max_bytes: int) -> RefusalError:
    """The refusal of a body over its limit."""
    return RefusalError("too_large", f"the body is larger than {max_bytes // 1024} KiB")
