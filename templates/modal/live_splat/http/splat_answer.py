"""GET /get-ply: the newest snapshot, whole or not at all."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TYPE_CHECKING, Any

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from live_splat.refusal import RefusalError

from .encodings import Encodings
from .forms import first_value, parse_count

if TYPE_CHECKING:
    from live_splat.scene import Scene

FORMATS = ("ply", "splat", "spz")
PIECE_BYTES = 256 * 1024


async def splat_answer(
    scene: Scene,
    request: Request,
    encodings: Encodings,
    in_thread: Callable[[Callable[[], Any]], Awaitable[Any]],
) -> Response:
    """Answer a request for the scene. Raises ``bad_request`` for a bad query."""
    name, count = _wanted(request)
    splat = await in_thread(lambda: scene.splat(name, count))
    if splat is None:
        version = (await in_thread(scene.status))["version"]
        return Response(status_code=204, headers={"x-splat-version": str(version)})
    headers = {
        "etag": splat.etag,
        "x-splat-version": str(splat.version),
        "x-splat-count": str(splat.count),
        # A cache may keep it, but must ask each time.
        "cache-control": "no-cache",
    }
    if _matches(request.headers.get("if-none-match", ""), splat.etag):
        return Response(status_code=304, headers=headers)
    data = await encodings.get((scene.name, name, count), splat.etag, splat.encode)
    headers["content-length"] = str(len(data))
    headers["content-disposition"] = f'attachment; filename="scene.{name}"'
    return StreamingResponse(_in_pieces(data), headers=headers, media_type="application/octet-stream")


def _wanted(request: Request) -> tuple[str, int | None]:
    """Format, and how many Gaussians at most (None = all)."""
    name = first_value(request, "format")
    if name is not None and name not in FORMATS:
        fault = f"format: one of {', '.join(FORMATS)} is wanted"
        raise RefusalError("bad_request", f"the query is not as it should be: {fault}")
    return name or FORMATS[0], parse_count(first_value(request, "max_gaussians"), "max_gaussians")


def _matches(if_none_match: str, etag: str) -> bool:
    tags = [tag.strip().removeprefix("W/") for tag in if_none_match.split(",")]
    return "*" in tags or etag in tags


async def _in_pieces(data: bytes) -> AsyncIterator[bytes]:
    """A large scene is handed over piece by piece, as fast as its reader takes it."""
    for start in range(0, len(data), PIECE_BYTES):
        yield data[start : start + PIECE_BYTES]
