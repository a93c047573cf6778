"""Who may call, and how much they may send. Runs before everything else: nothing of a request's body is kept
before it has passed. Pure ASGI, so that no framework reads a form first."""

from __future__ import annotations

import hashlib
import logging
import re
import secrets
from collections.abc import Callable

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from live_splat.contract import LIMITS
from live_splat.refusal import RefusalError
from live_splat.settings import Settings

from .answers import refusal_answer, unforeseen
from .exchange import Exchange
from .frame_form import FORM_OVERHEAD_BYTES

logger = logging.getLogger("live_splat")

_BODY_BYTES = {
    ("POST", "/upload-frame"): LIMITS.frame_bytes + FORM_OVERHEAD_BYTES,
    ("PUT", "/scene/mask"): LIMITS.frame_bytes,
}
"""The largest body by route; any other is JSON."""

HEAD_KEY = "live_splat.head"
"""Tells a route that never ends that only its headers are wanted."""

_CORS = {
    "access-control-allow-methods": "GET, POST, PUT, DELETE",
    "access-control-allow-headers": "Authorization, Content-Type, If-None-Match",
    "access-control-max-age": "600",
}
_CORS_EXPOSED = "ETag, Retry-After, X-Splat-Version, X-Splat-Count"


class Guards:
    """Origin and host, then the token, then the size; what is raised becomes the contract's error body."""

    def __init__(self, app: ASGIApp, settings: Settings, identity: Callable[[Scope], dict[str, str]]) -> None:
        """``identity`` names session and boot for an error's body; it opens no scene and never waits."""
        self._app = app
        self._settings = settings
        self._identity = identity

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await self._http(scope, Exchange(scope, receive, send, body_limit(scope)))
        elif scope["type"] == "lifespan":
            await self._app(scope, receive, send)
        else:
            await send({"type": "websocket.close", "code": 1008})

    async def _http(self, scope: Scope, exchange: Exchange) -> None:
        try:
            headers = Headers(scope=scope)
            exchange.headers.update(check_origin(headers, self._settings))
            if scope["method"] == "OPTIONS":
                exchange.headers.update(_CORS)
                await exchange.answer(204)
                return
            check_token(scope, headers, self._settings.token)
            exchange.check_length(headers)
            # HEAD is GET without the body, which the exchange leaves out.
            inner = {**scope, "method": "GET", HEAD_KEY: True} if scope["method"] == "HEAD" else scope
            await self._app(inner, exchange.receive, exchange.send)
        except RefusalError as refusal:
            await exchange.respond(refusal_answer(refusal, self._identity(scope)))
        except Exception:
            logger.exception("a request failed: %s %s", scope["method"], scope["path"])
            await exchange.respond(refusal_answer(unforeseen(), self._identity(scope)))


def body_limit(scope: Scope) -> int:
    """The most bytes that this request's body may have."""
    return _BODY_BYTES.get((scope["method"], scope["path"]), LIMITS.json_bytes)


def check_origin(headers: Headers, settings: Settings) -> dict[str, str]:
    """Headers to answer with, so that a listed origin may read the answer. Raises ``forbidden_origin``."""
    host, origin = headers.get("host"), headers.get("origin")
    if settings.is_loopback and host is not None and not is_loopback_host(host):
        raise RefusalError(
            "forbidden_origin",
            f'this backend does not answer as "{host}"',
            hint="It listens on this machine only: call it as 127.0.0.1 or localhost.",
        )
    if origin is None:
        return {}
    # A page that this server itself sent needs no listing, and no CORS header either.
    if host is not None and re.sub(r"^https?://", "", origin) == host:
        return {"vary": "Origin"}
    if origin not in settings.cors_origins:
        raise RefusalError(
            "forbidden_origin",
            f"the origin {origin} is not allowed to call this backend",
            hint="Add it to SPLAT_CORS_ORIGINS and start the backend again.",
        )
    return {
        "vary": "Origin",
        "access-control-allow-origin": origin,
        "access-control-expose-headers": _CORS_EXPOSED,
    }


def check_token(scope: Scope, headers: Headers, token: str | None) -> None:
    """Raises ``unauthorized``. GET /health is open."""
    if token is None or (scope["path"] == "/health" and scope["method"] in {"GET", "HEAD"}):
        return
    sent = re.fullmatch(r"Bearer +(.+)", headers.get("authorization", ""), re.IGNORECASE)
    # Compared as digests, in the same time whatever was sent.
    if not secrets.compare_digest(_digest(sent[1] if sent else ""), _digest(token)) or sent is None:
        raise RefusalError(
            "unauthorized",
            "a bearer token is needed, and none or a wrong one came",
            hint="Set SPLAT_API_TOKEN to the token this backend was started with.",
        )


def is_loopback_host(host: str) -> bool:
    """Whether a host name (with or without a port) can only mean this machine."""
    name = re.sub(r"^\[|\]$", "", re.sub(r":\d+$", "", host) if host != "::1" else host)
    return name in {"localhost", "::1"} or re.fullmatch(r"127(\.\d{1,3}){3}", name) is not None


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()
