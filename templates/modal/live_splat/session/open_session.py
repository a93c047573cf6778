"""Opens a session: a new one, or the one that a folder holds."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from threading import Thread
from typing import Any

import numpy as np
from pydantic import ValidationError

from live_splat.checkpoint import Checkpoint
from live_splat.contract import SceneSettings
from live_splat.refusal import RefusalError
from live_splat.splat.gaussians import Gaussians
from live_splat.training import TrainerState

from .frames import Frame, from_record
from .joints import JointReading
from .saved_session import SavedSession, new_session
from .session import Session
from .session_deps import SessionDeps

CHECKING = max(2, os.cpu_count() or 2)
"""Frames of before a restart that are read at once."""

GAUSSIAN_ARRAYS = ("means", "log_scales", "quats", "opacities", "sh")
"""What trainers call the scene in their state."""


class UnreadableSessionError(Exception):
    """Nothing tells what the frames in a folder belong to."""


def open_session(deps: SessionDeps, settings: SceneSettings) -> Session:
    """Start a trainer and the session around it; ``settings`` are for one that has none of its own yet.

    Frames of before a restart are checked in the background; the trainer goes on from the newest checkpoint
    once it knows all, and has them decoded as it needs them. What is damaged of them is set aside with a
    warning. Raises
    UnreadableSessionError, ``storage_full``.
    """
    folder = deps.folder
    checkpoint = folder.read_checkpoint()
    then = None if checkpoint is None else _parsed(checkpoint.session)
    saved = _saved(deps, then) or new_session(settings)
    chunks = deps.chunk_store.chunks_on_disk(deps.scene, saved.session_id, saved.chunks)
    # The checkpoint may be older than the newest chunk; a last chunk must not be held for as new as that one.
    step = 0 if checkpoint is None else checkpoint.state.step
    saved = saved.model_copy(update={"chunks": tuple(chunks), "chunk_step": min(saved.chunk_step, step)})
    frames = _frames(deps)
    is_fed = saved.phase == "complete" or (checkpoint is None and not frames)
    session = Session(deps, saved, is_held=not is_fed)
    try:
        _restore(session, frames, checkpoint, then)
        session.save_record()
    except BaseException:
        # Whoever asks next starts another: two would not fit on the GPU.
        session.training.close()
        raise
    if is_fed:
        session.fed.set()
    else:
        state = None if checkpoint is None else checkpoint.state
        Thread(target=_feed, args=(session, frames, state), name="splat-feed", daemon=True).start()
    is_finishing = checkpoint is not None and checkpoint.state.scalars.get("finishing") is not None
    session.ending.resume(is_finishing=is_finishing)
    session.saver.start()
    return session


def _saved(deps: SessionDeps, then: SavedSession | None) -> SavedSession | None:
    """The session in the folder: by its own record, or by the newest checkpoint's; None when there is
    none."""
    record = deps.folder.read_session()
    if record is None:
        return None
    saved = _parsed(record)
    if saved is not None:
        return saved
    if then is None:
        raise UnreadableSessionError("it is no record of a session that this release knows")
    deps.notices.add("session.json cannot be used; what the newest checkpoint says of the session counts")
    return then


def _parsed(record: dict[str, Any]) -> SavedSession | None:
    try:
        return SavedSession.model_validate(record)
    except ValidationError:
        return None


def _frames(deps: SessionDeps) -> list[Frame]:
    found = (_frame(deps, record) for record in deps.folder.read_frames())
    return [frame for frame in found if frame is not None]


def _frame(deps: SessionDeps, record: dict[str, Any]) -> Frame | None:
    try:
        return from_record(record)
    except (KeyError, TypeError, ValueError) as error:
        deps.folder.set_frame_aside(record, f"its record is damaged: {error!r}")
        return None


def _restore(
    session: Session, frames: list[Frame], checkpoint: Checkpoint | None, then: SavedSession | None
) -> None:
    """All but what the trainer has to be told."""
    png = session.folder.read_mask()
    if png is not None:
        try:
            session.set_mask(png, is_new=False)
        except RefusalError as refusal:
            session.folder.set_mask_aside(refusal.message)
    with session.lock:
        for frame in frames:
            session.frames.add(frame)
    # Records hold the poses of their time; the settings may have changed since.
    session.intake.place_again()
    if checkpoint is None:
        return
    with session.lock:
        session.report.restored(checkpoint.state.step, () if then is None else then.trained)
    session.placing.restore_joints(
        JointReading(float(time_s), tuple(angles)) for time_s, angles in checkpoint.joints
    )
    gaussians = _gaussians_in(checkpoint.state)
    if gaussians is not None:
        session.show(gaussians, checkpoint.state.step)


def _gaussians_in(state: TrainerState) -> Gaussians | None:
    if not all(name in state.arrays for name in GAUSSIAN_ARRAYS):
        return None
    arrays = {name: np.ascontiguousarray(state.arrays[name], np.float32) for name in GAUSSIAN_ARRAYS}
    return Gaussians(**arrays)


def _feed(session: Session, frames: list[Frame], state: TrainerState | None) -> None:
    """Check frames and hand them to the trainer; a session that ends does not wait for the rest."""

    def feed_one(frame: Frame) -> None:
        if session.closing.is_set():
            return
        try:
            session.intake.feed_again(frame)
        except (RefusalError, OSError, ValueError) as error:
            session.folder.set_frame_aside(frame.record(), error)
            with session.lock:
                session.frames.remove(frame)

    try:
        with ThreadPoolExecutor(CHECKING, thread_name_prefix="splat-feed") as pool:
            list(pool.map(feed_one, frames))
        if not session.closing.is_set():
            session.placing.release(state)
    except Exception as error:
        session.trouble("frames of before the restart are not all trained on", error)
    finally:
        session.fed.set()
