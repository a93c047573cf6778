"""A scene that only remembers what it was asked, for tests of the HTTP face alone."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from live_splat.contract import SCENE_NAME, FrameMeta, ScenePatch, default_settings
from live_splat.http.events import EventHub
from live_splat.refusal import RefusalError


@dataclass(frozen=True)
class StubSplat:
    version: int
    count: int
    etag: str
    encode: Callable[[], bytes]


class StubScene:
    def __init__(self, name: str) -> None:
        self.name = name
        self.events = EventHub(self.status)
        self.last_work_s = self.last_joints_s = time.monotonic()
        self.step = 0
        self.state = "training"
        self.mask_png: bytes | None = None
        self.uploads: list[tuple[bytes, FrameMeta]] = []
        self.patches: list[dict[str, Any]] = []
        self.joints: list[tuple[Sequence[float], float | None]] = []
        self.stops: list[tuple[float | None, float]] = []
        self.warnings: list[str] = []
        self.splat_bytes = b""
        self.encoded = 0
        self.error: Exception | None = None
        self.gate = threading.Event()
        """Uploads wait for it."""
        self.gate.set()
        self.at_once = 0
        self.most_at_once = 0
        self._lock = threading.Lock()

    @property
    def session_id(self) -> str:
        return f"session-{self.name}"

    def identity(self) -> dict[str, str]:
        return {"session_id": self.session_id, "boot_id": "boot"}

    def upload(self, data: bytes, meta: FrameMeta) -> dict[str, Any]:
        with self._lock:
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
        self.gate.wait(30)
        if self.error is not None:
            raise self.error
        with self._lock:
            self.at_once -= 1
            self.uploads.append((data, meta))
            return {"frame_count": len(self.uploads), "frame_id": meta.frame_id or "made-up"}

    def update_joints(self, angles: Sequence[float], captured_at: float | None) -> None:
        self.joints.append((angles, captured_at))

    def status(self) -> dict[str, Any]:
        return {
            **self.identity(),
            "state": self.state,
            "step": self.step,
            "version": 7,
            "frame_count": len(self.uploads),
        }

    def describe(self) -> dict[str, Any]:
        return {**self.identity(), "success": True, **default_settings(20_000).model_dump()}

    def calibration(self) -> dict[str, Any]:
        return {"clock_offset_s": {"prior": [0.0]}}

    def frames(self) -> list[dict[str, Any]]:
        return [{"frame_id": meta.frame_id, "psnr": float("nan")} for _, meta in self.uploads]

    def patch(self, patch: ScenePatch) -> None:
        self.patches.append(patch.changes())

    def set_mask(self, png: bytes | None) -> None:
        self.mask_png = png

    def stop(self, finish_seconds: float | None, wait_s: float) -> dict[str, Any]:
        self.stops.append((finish_seconds, wait_s))
        self.state = "complete"
        return {"chunks": [], "complete": True}

    def reset(self) -> None:
        self.uploads.clear()

    def warn(self, message: str) -> None:
        self.warnings.append(message)

    def splat(self, format_name: str, max_gaussians: int | None) -> StubSplat | None:
        if not self.splat_bytes:
            return None

        def encode() -> bytes:
            self.encoded += 1
            return self.splat_bytes

        return StubSplat(7, 3, f'"7-{format_name}-{max_gaussians}"', encode)


class StubScenes:
    boot_id = "boot"

    def __init__(self, *names: str) -> None:
        self.names = names or ("main",)
        self._opened: dict[str, StubScene] = {}
        self.main = self.get(None)

    def named(self, name: str | None) -> str:
        import re

        wanted = self.names[0] if name is None else name
        if re.fullmatch(SCENE_NAME, wanted) is None:
            raise RefusalError("bad_request", "no scene's name")
        if wanted not in self.names:
            raise RefusalError("not_found", "no such scene")
        return wanted

    def get(self, name: str | None) -> StubScene:
        wanted = self.named(name)
        return self._opened.setdefault(wanted, StubScene(wanted))

    def opened(self) -> list[StubScene]:
        return list(self._opened.values())
