"""One scene: its current session, what survives a reset, and who listens."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any

from live_splat.calibration import calibration
from live_splat.checkpoint import SessionFolder
from live_splat.contract import FrameMeta, ScenePatch, SceneSettings
from live_splat.disk.durable import set_aside
from live_splat.http.events import EventHub
from live_splat.storage import ChunkStore
from live_splat.training import Engine, StartTraining

from .background import Deadline
from .notices import Notices
from .open_session import UnreadableSessionError, open_session
from .saved_session import new_session
from .session import Session
from .session_deps import SessionDeps, shutting_down
from .snapshot_slot import Splat
from .status import scene_of, status_of

logger = logging.getLogger("live_splat")

RESET_COMMIT_S = 10.0
"""An answer to POST /reset waits at most so long for its commit."""


@dataclass(frozen=True)
class SceneDeps:
    """What all scenes share."""

    data_dir: Path
    boot_id: str
    start_training: StartTraining
    engine: Engine
    max_pixels: int
    frame_bytes: int
    """Decoded pictures of one scene take at most so much."""
    defaults: SceneSettings
    chunk_store: ChunkStore
    has_bucket: bool
    commit: Callable[[], None] | None
    standing: Callable[[], list[str]]
    """Warnings that hold for every session."""


class Scene:
    """One scene. Thread-safe; every method may block."""

    def __init__(self, name: str, deps: SceneDeps) -> None:
        """Go on where the scene's folder stands. Raises RefusalError ``storage_full``."""
        self.name = name
        self.last_work_s = time.monotonic()
        """When somebody last sent something but joints, on the monotonic clock."""
        self.last_joints_s = self.last_work_s
        """When joints last came: many arms send them whether or not anything goes on."""
        self.events = EventHub(self.status)
        self._deps = deps
        self._changes = Lock()
        self._is_closed = False
        self._session: Session | None = None
        self._notices = Notices(self.events.publish, self.events.status_changed)
        self._path = deps.data_dir / "state" / name
        self._folder = self._open_folder()
        try:
            self._begin(deps.defaults)
        except BaseException:
            self._folder.close(0.0)
            raise

    @property
    def session(self) -> Session:
        """The session that requests are for. Raises RefusalError ``unavailable`` while there is none."""
        session = self._session
        if session is None or self._is_closed:
            raise shutting_down()
        return session

    @property
    def session_id(self) -> str:
        """Also while it cannot be used; empty before the first."""
        return "" if self._session is None else self._session.id

    def identity(self) -> dict[str, str]:
        """What every answer carries."""
        return {"session_id": self.session_id, "boot_id": self._deps.boot_id}

    def upload(self, data: bytes, meta: FrameMeta) -> dict[str, Any]:
        """Take a frame; see ``Intake.accept``. Returns the body of the answer."""
        session = self._at_work()
        frame, is_duplicate = session.upload(data, meta)
        self.last_work_s = time.monotonic()
        uploaded = session.outlet.uploaded(session.schedule.chunks())
        with session.lock:
            return {
                **self._identity_of(session),
                "success": True,
                "frame_count": len(session.frames),
                "chunks_uploaded": uploaded,
                "frame_id": frame.frame_id,
                "duplicate": is_duplicate,
                "pose_source": frame.placement.source,
                "joints_age_s": frame.placement.joints_age_s,
            }

    def update_joints(self, angles: Sequence[float], captured_at: float | None) -> None:
        """Take a joint reading, [6] rad. Raises ``bad_request`` when it is dated in the future."""
        self.last_joints_s = time.monotonic()
        self.session.update_joints(angles, captured_at)

    def status(self) -> dict[str, Any]:
        """GET /status."""
        session = self.session
        return {**status_of(session), **self._identity_of(session)}

    def describe(self) -> dict[str, Any]:
        """GET /scene."""
        session = self.session
        return {**scene_of(session), **self._identity_of(session)}

    def calibration(self) -> dict[str, Any]:
        """GET /calibration."""
        session = self.session
        return {**calibration(session.settings), **self._identity_of(session)}

    def frames(self) -> list[dict[str, Any]]:
        """GET /frames."""
        session = self.session
        with session.lock:
            return session.frames.described()

    def patch(self, patch: ScenePatch) -> None:
        """PUT /scene. Raises ``storage_full``."""
        # What comes while a reset is under way is for the session after it.
        with self._changes:
            self._at_work().patch(patch)

    @property
    def mask_png(self) -> bytes | None:
        """The mask in force."""
        return self.session.mask_png

    def set_mask(self, png: bytes | None) -> None:
        """Put a mask in force, or none. Raises ``unsupported_media``, ``bad_image``, ``bad_request``,
        ``storage_full``."""
        with self._changes:
            self._at_work().set_mask(png)

    def stop(self, finish_seconds: float | None, wait_s: float) -> dict[str, Any]:
        """End intake and finish; waits for that at most ``wait_s``. Returns the body of the answer."""
        session = self._at_work()
        session.stop(finish_seconds, wait_s)
        return {
            **self._identity_of(session),
            "success": True,
            "chunks": session.outlet.shown(session.schedule.chunks()),
            "complete": session.state == "complete",
        }

    def splat(self, format: str, max_gaussians: int | None) -> Splat | None:
        """The newest snapshot, or the part of it that matters most; None while there are no Gaussians."""
        return self.session.slot.splat(format, max_gaussians)

    def warn(self, message: str) -> None:
        """Tell a warning of the current session."""
        self._notices.add(message)

    def unwarn(self, message: str) -> None:
        """What was warned of is over."""
        self._notices.remove(message)

    def reset(self) -> None:
        """Forget the session and begin another with the same settings and mask. Raises ``storage_full``.

        When it returns this is durable, or a warning tells that it is not.
        """
        with self._changes:
            old = self._at_work()
            # First what comes after it: where there is no room for that, the session goes on.
            record = new_session(old.settings).model_dump(mode="json")
            self._folder.prepare_next(record, old.mask_png)
            old.abandon()
            self._notices = Notices(self.events.publish, self.events.status_changed)
            self._folder.begin_next()
            self._begin(old.settings)
        # Whoever got the answer sends new frames, which must never meet the old session.
        self._folder.commit_now(RESET_COMMIT_S)
        self.events.status_changed()

    def close(self, deadline: Deadline) -> None:
        """Save everything. Calls after the first do nothing."""
        with self._changes:
            if self._is_closed:
                return
            self._is_closed = True
            self.events.close()
            if self._session is not None:
                self._session.close(deadline)

    def _at_work(self) -> Session:
        self.last_work_s = time.monotonic()
        return self.session

    def _identity_of(self, session: Session) -> dict[str, str]:
        return {"session_id": session.id, "boot_id": self._deps.boot_id}

    def _open_folder(self) -> SessionFolder:
        return SessionFolder(self._path, warn=self.warn, unwarn=self.unwarn, commit=self._deps.commit)

    def _begin(self, settings: SceneSettings) -> None:
        for message in self._deps.standing():
            self._notices.add(message)
        try:
            self._session = open_session(self._session_deps(), settings)
        except UnreadableSessionError as error:
            self._folder.close(0.0)
            aside = set_aside(self._path)
            self.warn(f"{self._path} cannot be used ({error}); set aside as {aside}")
            self._folder = self._open_folder()
            self._session = open_session(self._session_deps(), settings)

    def _session_deps(self) -> SessionDeps:
        return SessionDeps(
            scene=self.name,
            folder=self._folder,
            chunk_store=self._deps.chunk_store,
            has_bucket=self._deps.has_bucket,
            start_training=self._deps.start_training,
            engine=self._deps.engine,
            max_pixels=self._deps.max_pixels,
            frame_bytes=self._deps.frame_bytes,
            events=self.events,
            notices=self._notices,
        )
