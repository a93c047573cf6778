"""Encoded scenes, kept while they are the newest: several readers of one scene ask for the same."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable

from anyio import CapacityLimiter
from anyio.to_thread import run_sync

MAX_KEPT = 8
MAX_KEPT_BYTES = 256 * 1024 * 1024


class Encodings:
    """The newest encoding of each kind. Used on the event loop alone; encoding itself runs in threads."""

    def __init__(self) -> None:
        self._kept: OrderedDict[object, tuple[str, bytes]] = OrderedDict()
        self._under_way: dict[str, asyncio.Future[bytes]] = {}
        self._limiter = CapacityLimiter(2)

    async def get(self, kind: object, etag: str, encode: Callable[[], bytes]) -> bytes:
        """What ``encode`` gives, made once for an ETag however many ask. ``kind``: scene, format, number."""
        kept = self._kept.get(kind)
        if kept is not None and kept[0] == etag:
            self._kept.move_to_end(kind)
            return kept[1]
        running = self._under_way.get(etag)
        if running is None:
            running = asyncio.ensure_future(run_sync(encode, limiter=self._limiter))
            self._under_way[etag] = running
            running.add_done_callback(lambda _: self._under_way.pop(etag, None))
        # Shielded: who goes away early must not take it from the others.
        data = await asyncio.shield(running)
        self._keep(kind, etag, data)
        return data

    def _keep(self, kind: object, etag: str, data: bytes) -> None:
        self._kept[kind] = (etag, data)
        self._kept.move_to_end(kind)
        while self._kept and (
            len(self._kept) > MAX_KEPT or sum(len(kept) for _, kept in self._kept.values()) > MAX_KEPT_BYTES
        ):
            self._kept.popitem(last=False)
