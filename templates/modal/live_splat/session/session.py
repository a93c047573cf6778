"""One capture, from its first frame to its finished scene: owns its trainer and what it leaves on disk."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from concurrent.futures import wait
from threading import Event, Lock, RLock
from typing import Any

from live_splat.contract import FrameMeta, ScenePatch
from live_splat.picture.images import decode_mask
from live_splat.refusal import RefusalError
from live_splat.splat.gaussians import Gaussians
from live_splat.splat.select import finite_gaussians
from live_splat.training import (
    Failed,
    Finished,
    PictureArchive,
    Progress,
    Snapshot,
    Trained,
    TrainingEvent,
    Warned,
)

from .background import Background, Deadline, do_within
from .chunk_schedule import ChunkSchedule
from .ending import Ending, EndingDeps
from .frames import Frame, FrameTable
from .intake import Intake
from .latency import LatencyWindow
from .outlet import Outlet
from .placing import Placing, SessionParts
from .saved_session import SavedSession
from .saver import Saver
from .session_deps import SessionDeps, shutting_down, training_settings
from .snapshot_slot import SnapshotSlot
from .status import bucket_status, record_of
from .trainer_report import TrainerReport

logger = logging.getLogger("live_splat")

POSE_SETTINGS = frozenset({"camera_mount", "joint_zero_offsets_rad", "clock_offset_s"})
"""Those that poses from joints depend on."""

COMMIT_SHARE, COMMIT_RESERVE_S = 0.4, 8.0
"""Of the time to close in, this share is left for making durable what was saved, and at most so much."""

END_COMMIT_S = 10.0
"""An ending waits at most so long for its commit before it is told."""

LET_GO_S = 1.0
"""The trainer gets so much of it."""


class Session:
    """See the top of the file; ``open_session`` makes one. Thread-safe.

    ``lock`` guards the cheap state; no disk, no decoding and no waiting under it.
    """

    def __init__(self, deps: SessionDeps, saved: SavedSession, *, is_held: bool) -> None:
        """``is_held``: the trainer gets no frame before those of before a restart are ready."""
        self._deps = deps
        self.id = saved.session_id
        self.lock = RLock()
        self.settings = saved.settings
        self.engine, self.notices = deps.engine, deps.notices
        self.folder = deps.folder
        self.frames = FrameTable(saved.rejected_count)
        self.report = TrainerReport(self.frames, psnr_train=saved.psnr_train, psnr_holdout=saved.psnr_holdout)
        self.slot = SnapshotSlot(self.id, saved.version_ceiling)
        self.accepted = LatencyWindow()
        """From the shutter to the answer, ms."""
        self.last_error: str | None = None
        self.mask_png: bytes | None = None
        self.fed = Event()
        """Set when frames of before a restart are with the trainer."""
        self.closing = Event()
        self._changes = Lock()
        self._background = Background("splat-session", self.trouble)
        self.outlet = Outlet(
            deps.chunk_store,
            scene=deps.scene,
            session_id=self.id,
            has_bucket=deps.has_bucket,
            status=lambda: bucket_status(self),
            background=self._background,
            events=deps.events,
        )
        self._ready = Event()
        archive = PictureArchive(lambda index: self.intake.read_picture(index), deps.frame_bytes)
        self.training = deps.start_training(training_settings(saved.settings), self._on_training, archive)
        self._parts = self._create_parts()
        self.placing = Placing(self._parts, is_held=is_held)
        self.intake = Intake(self._parts, self.placing)
        self.schedule = ChunkSchedule(
            self._parts,
            write=self.outlet.write_chunk,
            on_chunk=self._on_chunk,
            chunks=list(saved.chunks),
            last_step=saved.chunk_step,
        )
        self.saver = Saver(
            deps.folder,
            self.training,
            record=lambda: record_of(self),
            joints=self.placing.readings,
            step=lambda: self.report.step,
            notices=deps.notices,
        )
        self.ending = self._create_ending(saved)
        self._ready.set()

    @property
    def state(self) -> str:
        """idle, training, finishing, complete or failed."""
        phase = self.ending.phase
        if self.ending.is_failed and phase != "complete":
            return "failed"
        if phase == "open":
            return "training" if len(self.frames) > 0 else "idle"
        return "finishing" if phase == "stopped" else "complete"

    def upload(self, data: bytes, meta: FrameMeta) -> tuple[Frame, bool]:
        """Take a frame; see ``Intake.accept``."""
        frame, is_duplicate = self.intake.accept(data, meta)
        if not is_duplicate:
            with self.lock:
                self.accepted.add_since(frame.captured_at_s)
        return frame, is_duplicate

    def update_joints(self, angles: Sequence[float], captured_at: float | None) -> None:
        """Take a joint reading; see ``Placing.add_joints``."""
        self.placing.add_joints(tuple(angles), captured_at)
        self._deps.events.status_changed()

    def patch(self, patch: ScenePatch) -> None:
        """Apply a change of settings at once, to whatever it can still apply to. Raises ``storage_full``."""
        with self._changes:
            with self.lock:
                before = self.settings
                self.settings = before.patched(patch)
                self.training.set_settings(training_settings(self.settings))
                has_frames = len(self.frames) > 0
            if POSE_SETTINGS & patch.changes().keys():
                self.intake.place_again()
            if self.settings.camera != before.camera and has_frames:
                self.notices.add(
                    "the camera was changed after frames were accepted: it applies to later frames only"
                )
            self.save_record()
        self._deps.events.status_changed()

    def set_mask(self, png: bytes | None, *, is_new: bool = True) -> None:
        """Put a mask in force, or none. Raises ``unsupported_media``, ``bad_image``, ``bad_request``,
        ``storage_full``."""
        with self._changes:
            mask = None if png is None else decode_mask(png, self.settings.camera)
            if is_new:
                self.folder.write_mask(png)
            self.mask_png = png
            self.training.set_mask(mask)

    def stop(self, finish_s: float | None, wait_s: float) -> None:
        """End intake and finish; returns when that is over, or after ``wait_s``. Raises ``storage_full``."""
        finishing = self.ending.stop(self.settings.finish_seconds if finish_s is None else finish_s)
        wait([finishing], wait_s)
        if finishing.done():
            finishing.result()

    def show(self, gaussians: Gaussians, step: int) -> None:
        """Put a scene in the slot that everybody reads from."""
        finite = finite_gaussians(gaussians)
        with self.lock:
            self.report.reached(step)
            must_save = self.slot.put(finite)
            data = {"version": self.slot.version, "gaussian_count": self.slot.gaussian_count}
        if must_save:
            self._background.do("the session was not saved", self.save_record)
        self._deps.events.publish("splat", data)
        self._deps.events.status_changed()

    def save_record(self) -> None:
        """Write what the session says of itself; frames are written as they come, training by checkpoints."""
        self.saver.save_record()

    def trouble(self, what: str, error: Exception | str) -> None:
        """Something failed that nobody waits for: GET /status tells."""
        is_ours = isinstance(error, (str, RefusalError, OSError))
        self.last_error = f"{what}: {error}"
        logger.warning(self.last_error, exc_info=None if is_ours else error)
        self._deps.events.status_changed()

    def close(self, deadline: Deadline) -> None:
        """End: what is under way is finished, everything is saved, the trainer goes; what fails of it is
        told."""
        saving = deadline.earlier(COMMIT_SHARE, COMMIT_RESERVE_S)
        try:
            self._settle(saving)
            is_saved = do_within(saving.left_s(), self._save)
            if not is_saved:
                logger.warning(
                    "scene %s: no time was left to save how far training has come", self._deps.scene
                )
        # Whatever it is (the GPU has gone): what was saved before is still to be committed.
        except Exception as error:
            self.trouble("the session was not saved", error)
        finally:
            self._let_go(saving, deadline)

    def abandon(self) -> None:
        """End without saving: the session is to be forgotten. Its chunks stay, and status.json names them
        all."""
        forever = Deadline(None)
        self._settle(forever)
        if self.schedule.chunks():
            self.outlet.write_status()
        self.saver.close()
        self.training.close()

    def _settle(self, deadline: Deadline) -> None:
        """Nothing new begins, and what has begun ends."""
        self.closing.set()
        self.intake.close(shutting_down, deadline.left_s())
        self.fed.wait(deadline.left_s())
        self.ending.close(deadline.left_s())
        self._background.close(deadline.left_s())

    def _save(self) -> None:
        self.save_record()
        if self.state != "failed":
            self.saver.checkpoint()
        self.outlet.write_status()

    def _let_go(self, saving: Deadline, deadline: Deadline) -> None:
        """From here on nothing of this session is written any more."""
        self.saver.close(saving.left_s())
        left_s = deadline.left_s(LET_GO_S)
        if left_s is None:
            self.folder.close()
        else:
            self.folder.close(left_s)
        do_within(deadline.left_s(), self.training.close)

    def _on_training(self, event: TrainingEvent) -> None:
        """What the trainer says, on its own thread."""
        self._ready.wait()
        if isinstance(event, Progress):
            with self.lock:
                self.report.progress(event)
            self.schedule.check()
            self._deps.events.status_changed()
        elif isinstance(event, Trained):
            with self.lock:
                self.report.trained(event.indices)
            self.schedule.check()
        elif isinstance(event, (Snapshot, Finished)):
            self.show(event.gaussians, event.step)
            if isinstance(event, Finished):
                self.ending.trainer_finished()
        elif isinstance(event, Warned):
            self.notices.add(event.message)
        elif isinstance(event, Failed):
            self.ending.trainer_failed()
            self.trouble("training failed", event.message)
            self.outlet.status_changed()

    def _on_chunk(self, chunk: dict[str, Any]) -> None:
        # Named to the world, and on its way to the bucket, only once a restart will know of it.
        self._background.do("the session was not saved", self._name_chunks)
        self._background.do("no checkpoint was written", self.saver.checkpoint)
        self._deps.events.publish("chunk", chunk)
        self._deps.events.status_changed()

    def _name_chunks(self) -> None:
        self.save_record()
        self.outlet.write_status()

    def _on_frame(self, frame: dict[str, Any]) -> None:
        if not frame["accepted"]:
            logger.warning("frame %s refused: %s", frame["frame_id"], frame["reason"])
        self._deps.events.publish("frame", frame)
        self.outlet.status_changed()

    def _create_parts(self) -> SessionParts:
        return SessionParts(
            lock=self.lock,
            frames=self.frames,
            folder=self.folder,
            training=self.training,
            settings=lambda: self.settings,
            step=lambda: self.report.step,
            max_pixels=self._deps.max_pixels,
            notices=self.notices,
            frame_changed=self._on_frame,
            in_background=self._background.do,
        )

    def _create_ending(self, saved: SavedSession) -> Ending:
        deps = EndingDeps(
            parts=self._parts,
            intake=self.intake,
            fed=self.fed,
            closing=self.closing,
            save_record=self.save_record,
            checkpoint=self.saver.checkpoint,
            commit=lambda: self.folder.commit_now(END_COMMIT_S),
            write_final_chunk=self.schedule.write_final,
            changed=self._phase_changed,
            trouble=self.trouble,
        )
        return Ending(deps, phase=saved.phase, finish_s=saved.finish_seconds)

    def _phase_changed(self) -> None:
        self.outlet.write_status()
        self._deps.events.status_changed()
