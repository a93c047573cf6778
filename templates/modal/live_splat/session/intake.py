"""The way of a frame from its bytes to its place among the frames: check, decode, place, keep, hand over."""

from __future__ import annotations

import hashlib
import json
import time
import uuid
from collections.abc import Callable
from concurrent.futures import Future, wait
from dataclasses import dataclass
from threading import Lock

from live_splat.contract import CameraModel, FrameMeta
from live_splat.picture.images import Prepared, measure, prepare
from live_splat.refusal import RefusalError
from live_splat.training import Picture

from .frames import Frame
from .placing import Placing, SessionParts
from .poses import Placement, samples_of

NO_CAMERA = "no camera given: 60° of horizontal view assumed (PUT /scene sets it)"


@dataclass(frozen=True)
class _Upload:
    data: bytes
    meta: FrameMeta
    frame_id: str
    sha256: str
    received_at_s: float

    @property
    def captured_at_s(self) -> float:
        return self.received_at_s if self.meta.captured_at is None else self.meta.captured_at


class Intake:
    """Takes the frames of one session. Thread-safe; how many come at once is the caller's to bound."""

    def __init__(self, parts: SessionParts, placing: Placing) -> None:
        self._parts = parts
        self._placing = placing
        self._commits = Lock()
        """Frames get their index and their place on disk one after the other. Taken before the session's
        lock."""
        self._in_flight: dict[str, tuple[str, Future[Frame]]] = {}
        self._refusal: Callable[[], RefusalError] | None = None
        self._is_sealed = False

    def accept(self, data: bytes, meta: FrameMeta) -> tuple[Frame, bool]:
        """Accept a frame: when this returns it is on disk and on its way to the trainer.

        Returns the frame and whether it was here before. Raises RefusalError: ``stopped``, ``unavailable``,
        ``conflict``, ``unsupported_media``, ``bad_image``, ``bad_request``, ``storage_full``.
        """
        received_at_s = time.time()
        sha256 = hashlib.sha256(data).hexdigest()
        upload = _Upload(data, meta, meta.frame_id or f"frame-{uuid.uuid4()}", sha256, received_at_s)
        result: Future[Frame] = Future()
        known = self._known_or_begun(upload, result)
        if known is not None:
            return known.result(), True
        try:
            frame = self._take(upload)
        except BaseException as error:
            self._forget(upload)
            result.set_exception(error)
            raise
        self._forget(upload)
        result.set_result(frame)
        return frame, False

    def feed_again(self, frame: Frame) -> None:
        """Hand a frame of before a restart to the trainer, which has it decoded when it needs it. Raises
        RefusalError, OSError or ValueError when it is damaged."""
        if not (frame.trainable or frame.holdout):
            return
        data = self._parts.folder.read_image(frame.record())
        frame.intrinsics = measure(data, frame.camera, self._parts.max_pixels)
        self._placing.feed(frame)

    def read_picture(self, index: int) -> Picture | None:
        """Decode a kept frame for the trainer; None, and a warning, when that is not possible any more."""
        with self._parts.lock:
            frame = self._parts.frames.get(index)
        if frame is None:
            return None
        try:
            data = self._parts.folder.read_image(frame.record())
            return prepare(data, frame.camera, self._parts.max_pixels).picture
        except (RefusalError, OSError, ValueError) as error:
            self._parts.notices.add(f"frame {json.dumps(frame.frame_id)} is not trained on any more: {error}")
            return None

    def place_again(self) -> None:
        """See ``Placing.place_again``; no frame is on its way from the old settings to the table
        meanwhile."""
        with self._commits:
            self._placing.place_again()

    def close(self, reason: Callable[[], RefusalError], timeout_s: float | None = None) -> None:
        """Refuse what comes from now on with ``reason``; returns when all that was under way has ended.

        What takes longer than ``timeout_s`` is refused too.
        """
        with self._parts.lock:
            self._refusal = self._refusal or reason
            under_way = [result for _, result in self._in_flight.values()]
        wait(under_way, timeout_s)
        with self._commits:
            self._is_sealed = True
        self._placing.give_up_waiting()

    def _known_or_begun(self, upload: _Upload, result: Future[Frame]) -> Future[Frame] | None:
        """The frame with this id, here or under way; None when this upload has begun to bring it.

        One step, so that of two posts of one frame only one gets through.
        """
        with self._parts.lock:
            sha256, known = self._in_flight.get(upload.frame_id, ("", None))
            frame = self._parts.frames.by_id(upload.frame_id)
            if frame is not None:
                sha256, known = frame.sha256, Future()
                known.set_result(frame)
            if known is not None:
                if sha256 != upload.sha256:
                    raise _same_id_other_bytes(upload.frame_id)
                return known
            if self._refusal is not None:
                raise self._refusal()
            self._in_flight[upload.frame_id] = (upload.sha256, result)
            return None

    def _forget(self, upload: _Upload) -> None:
        """It is under way no longer."""
        with self._parts.lock:
            del self._in_flight[upload.frame_id]

    def _take(self, upload: _Upload) -> Frame:
        camera = self._parts.settings().camera
        try:
            prepared = prepare(upload.data, camera, self._parts.max_pixels)
        except RefusalError as error:
            if error.code in ("bad_image", "unsupported_media"):
                self._reject(upload, error.message)
            raise
        for message in [NO_CAMERA] * (camera is None) + list(prepared.warnings):
            self._parts.notices.add(message)
        with self._commits:
            frame = self._new_frame(upload, prepared, camera)
            self._parts.folder.write_frame(frame.record(), upload.data)
            with self._parts.lock:
                self._parts.frames.add(frame)
                self._placing.arrived(frame, upload.meta, prepared.picture)
                described = frame.described()
        self._parts.frame_changed(described)
        return frame

    def _new_frame(self, upload: _Upload, prepared: Prepared, camera: CameraModel | None) -> Frame:
        if self._is_sealed and self._refusal is not None:
            raise self._refusal()
        meta, every = upload.meta, self._parts.settings().holdout_every
        with self._parts.lock:
            placement = self._placing.place(meta)
            self._refuse_mixed_poses(placement)
            index = self._parts.frames.last_index + 1
        return Frame(
            frame_id=upload.frame_id,
            index=index,
            sha256=upload.sha256,
            type=prepared.info.type,
            captured_at_s=upload.captured_at_s,
            camera=camera,
            holdout=(every > 0 and index % every == 0) if meta.holdout is None else meta.holdout,
            samples=samples_of(meta),
            placement=placement,
            trainable=self._placing.is_slow_enough(placement),
            accepted_at_step=self._parts.step(),
            intrinsics=prepared.intrinsics,
        )

    def _reject(self, upload: _Upload, reason: str) -> None:
        with self._parts.lock:
            described = self._parts.frames.reject(upload.frame_id, upload.captured_at_s, reason)
        self._parts.frame_changed(described)

    def _refuse_mixed_poses(self, placement: Placement) -> None:
        """Given poses live in the world of a data set, joint poses in the arm's: one scene cannot hold
        both."""
        first = self._parts.frames.first()
        if first is None:
            return
        was_given = first.placement.source == "camera_to_world"
        if was_given == (placement.source == "camera_to_world"):
            return
        how = "given poses" if was_given else "the arm's joints"
        raise RefusalError(
            "conflict",
            f"this scene's frames are placed by {how}, this one is not",
            hint="Send every frame of a scene with camera_to_world, or none; reset to begin another scene.",
        )


def _same_id_other_bytes(frame_id: str) -> RefusalError:
    return RefusalError(
        "conflict",
        f"a frame with the id {json.dumps(frame_id)} and other bytes was sent before",
        hint="An id stands for one picture: give this one another.",
    )
