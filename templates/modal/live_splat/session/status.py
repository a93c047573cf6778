"""What a session answers when asked how it stands."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from live_splat.contract import STEPS_PER_FRAME

from .poses import ZEROS
from .saved_session import SavedSession

if TYPE_CHECKING:
    from .session import Session

ALMOST_DONE = 0.999
"""Progress of a capture that is not complete stays below 1, however many steps were made."""


def status_of(session: Session) -> dict[str, Any]:
    """GET /status, without ``boot_id``."""
    # Asked without the lock: others' locks may be held while they write.
    chunks = session.schedule.chunks()
    shown, uploaded = session.outlet.shown(chunks), session.outlet.uploaded(chunks)
    durable_through, trouble = session.folder.durable_through, session.outlet.trouble
    latest = session.placing.latest_joints()
    with session.lock:
        frames, report = session.frames, session.report
        return {
            "session_id": session.id,
            "state": session.state,
            "frame_count": len(frames),
            "rejected_count": frames.rejected_count,
            "gaussian_count": session.slot.gaussian_count,
            "step": report.step,
            "steps_per_second": report.steps_per_second,
            "progress": _progress_of(session),
            "psnr_train": report.psnr_train,
            "psnr_holdout": report.psnr_holdout,
            "latency_ms": {
                "accepted": session.accepted.percentiles(),
                "trained": report.latency.percentiles(),
            },
            "durable_through": durable_through,
            "chunks_uploaded": uploaded,
            "chunks": shown,
            "joint_angles": list(ZEROS if latest is None else latest[0].angles),
            "joints_age_s": None if latest is None else latest[1],
            "version": session.slot.version,
            "engine": {
                "name": session.engine.name,
                "device": session.engine.device,
                "threads": session.engine.threads,
            },
            "memory_bytes": report.memory_bytes,
            "warnings": session.notices.messages(),
            "last_error": session.last_error or trouble,
            "updated_at": time.time(),
        }


def bucket_status(session: Session) -> dict[str, Any]:
    """status.json in the folder; the bucket's names only what is there."""
    with session.lock:
        return {
            "session_id": session.id,
            "updated_at": time.time(),
            "state": session.state,
            "frame_count": len(session.frames),
            "gaussian_count": session.slot.gaussian_count,
            "complete": session.state == "complete",
            "chunks": session.schedule.chunks(),
        }


def record_of(session: Session) -> dict[str, Any]:
    """session.json: what a restart has to know, apart from frames and training."""
    with session.lock:
        report = session.report
        return SavedSession(
            session_id=session.id,
            settings=session.settings,
            phase=session.ending.recorded_phase,
            finish_seconds=session.ending.finish_s,
            chunk_step=session.schedule.last_step,
            version_ceiling=session.slot.ceiling,
            rejected_count=session.frames.rejected_count,
            psnr_train=report.psnr_train,
            psnr_holdout=report.psnr_holdout,
            chunks=tuple(session.schedule.chunks()),
            trained=tuple(report.trained_frames()),
        ).model_dump(mode="json")


def scene_of(session: Session) -> dict[str, Any]:
    """GET /scene, without ``boot_id``. Nothing is refined yet, so only the given values stand."""
    return {
        "session_id": session.id,
        "success": True,
        **session.settings.model_dump(),
        "refined": {
            "camera": None,
            "camera_mount": None,
            "joint_zero_offsets_rad": None,
            "clock_offset_s": None,
        },
    }


def _progress_of(session: Session) -> float:
    frames = session.frames
    if len(frames) == 0:
        return 0.0
    if session.state == "complete":
        return 1.0
    if frames.trainable_count == 0:
        return 0.0
    return min(ALMOST_DONE, session.report.step / (STEPS_PER_FRAME * frames.trainable_count))
