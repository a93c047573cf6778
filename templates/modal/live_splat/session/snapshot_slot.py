"""The newest snapshot of the scene: one place, overwritten, never waited for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock

from live_splat.splat.formats import encode
from live_splat.splat.gaussians import Gaussians
from live_splat.splat.select import select_gaussians

RESERVE = 1000
"""How many versions are reserved on disk at a time, so that a crash cannot make them fall."""


@dataclass(frozen=True)
class Splat:
    """The scene at one version, for GET /get-ply."""

    version: int
    count: int
    etag: str
    """Strong, quotes included."""
    encode: Callable[[], bytes]
    """Takes a while; not asked for when the reader has this version."""


@dataclass(frozen=True)
class _Shown:
    version: int
    gaussians: Gaussians


class SnapshotSlot:
    """Holds the newest snapshot and numbers them. Thread-safe."""

    def __init__(self, session_id: str, floor: int) -> None:
        """Versions go on above ``floor``, the ceiling that was saved last."""
        self._session_id = session_id
        self._lock = Lock()
        self._latest: _Shown | None = None
        self.version = floor
        self.ceiling = floor + RESERVE
        """To be saved: no version above it was ever given out."""

    @property
    def gaussian_count(self) -> int:
        latest = self._latest
        return 0 if latest is None else latest.gaussians.count

    def put(self, gaussians: Gaussians) -> bool:
        """Show a scene (finite Gaussians alone). Returns whether the ceiling rose, which has to be saved
        soon."""
        with self._lock:
            self.version += 1
            self._latest = _Shown(self.version, gaussians) if gaussians.count > 0 else None
            if self.version + RESERVE // 2 < self.ceiling:
                return False
            self.ceiling += RESERVE
            return True

    def splat(self, format_name: str, max_gaussians: int | None) -> Splat | None:
        """The newest scene in a format, or the ``max_gaussians`` of it that matter most; None while there
        is none."""
        latest = self._latest
        if latest is None:
            return None
        total = latest.gaussians.count
        etag = f'"{self._session_id}-{latest.version}-{format_name}-{max_gaussians or "all"}"'

        def encoded() -> bytes:
            most = total if max_gaussians is None else max_gaussians
            return encode(select_gaussians(latest.gaussians, most), format_name)

        return Splat(latest.version, min(max_gaussians or total, total), etag, encoded)
