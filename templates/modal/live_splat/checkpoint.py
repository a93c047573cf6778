"""What a session leaves on disk, so that a restart goes on where it stood::

    session.json          id, settings, phase, chunks …; written whenever one of these changes
    frames/000001.jpg     as it was sent, then …
    frames/000001.json    … its record: the frame is accepted when both are there
    checkpoints/          the newest two
    mask.png

Every write is whole or absent; what cannot be read is set aside with a warning, not fatal.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from .disk.checkpoint_file import Checkpoint
from .disk.checkpoint_files import CheckpointFiles
from .disk.committer import COMMIT_EVERY_S, SHUTDOWN_COMMIT_S, Committer
from .disk.durable import (
    PART,
    json_bytes,
    make_folder,
    set_aside,
    storage_error,
    write_durably,
    write_json,
)
from .disk.frame_files import DamagedFrameError, FrameFiles, Record, reason_of
from .disk.succession import RECORD, Succession
from .training import TrainerState

__all__ = ["Checkpoint", "DamagedFrameError", "SessionFolder"]

MASK = "mask.png"


def is_unfinished(folder: Path) -> bool:
    """Whether a session lies there that is not complete; a damaged one counts."""
    try:
        record = json.loads((folder / RECORD).read_bytes())
    except FileNotFoundError:
        return False
    except (OSError, ValueError):
        return True
    return not isinstance(record, dict) or record.get("phase") != "complete"


class SessionFolder:
    """The folder of one scene's session, ``<data_dir>/state/<scene>``. Thread-safe."""

    def __init__(
        self,
        folder: Path,
        *,
        warn: Callable[[str], None],
        unwarn: Callable[[str], None] | None = None,
        commit: Callable[[], None] | None = None,
        commit_every_s: float = COMMIT_EVERY_S,
    ) -> None:
        """Open ``folder``, creating it when missing.

        ``commit`` makes all that was written before durable, and raises OSError ENOSPC or EDQUOT when there
        is no room for it (None: a sync was enough). Raises RefusalError ``storage_full``.
        """
        self._folder = folder
        self._warn = warn
        self._commits = Committer(commit, warn=warn, unwarn=unwarn, every_s=commit_every_s)
        self._succession = Succession(folder)
        self._succession.recover()
        self._open()

    @property
    def durable_through(self) -> int:
        """Newest index up to which every frame is durable: on disk, and with ``commit`` in a finished
        commit."""
        return self._commits.durable_through

    def write_session(self, record: dict[str, Any]) -> None:
        """Raises RefusalError ``storage_full``."""
        write_json(self._folder / RECORD, record)
        self._commits.touched()

    def read_session(self) -> dict[str, Any] | None:
        """The saved session; None when there is none. In place of a damaged one the newest checkpoint's
        counts; without it everything is set aside, because nothing says what the frames belong to."""
        path = self._folder / RECORD
        try:
            record = json.loads(path.read_bytes())
            if not isinstance(record, dict):
                raise ValueError("it is no record of a session")
            return record
        except FileNotFoundError:
            checkpoint = self._checkpoints.newest()
            return None if checkpoint is None else checkpoint.session
        except ValueError as error:
            checkpoint = self._checkpoints.newest()
            if checkpoint is not None:
                self._tell(path, error)
                return checkpoint.session
            self._tell(self._folder, error)
            self._open()
            return None

    def write_frame(self, record: Record, image: bytes) -> None:
        """Keep a frame; ``record`` has ``index``, ``type`` (jpeg, png) and ``sha256``. On disk when it
        returns; one whose ``pose_source`` is "pending" counts as durable only with the record that has its
        pose. Raises RefusalError ``storage_full``, and then nothing of it is left."""
        index = int(record["index"])
        self._commits.begin(index)
        try:
            self._frames.write(record, image)
        except BaseException:
            self._commits.dropped(index)
            raise
        if record.get("pose_source") == "pending":
            self._commits.touched()
        else:
            self._commits.written(index)

    def write_frame_record(self, record: Record) -> None:
        """Keep what changed about a frame: its final pose, where it waited for one. Raises RefusalError
        ``storage_full``; then the frame stays with the pose that it was written with."""
        try:
            self._frames.write_record(record)
        finally:
            self._commits.written(int(record["index"]))

    def read_frames(self) -> list[Record]:
        """Records of the kept frames, in order; damaged ones are set aside."""
        records = self._frames.read_all()
        self._commits.found(record["index"] for record in records)
        return records

    def read_image(self, record: Record) -> bytes:
        """Bytes of a kept frame. Raises DamagedFrameError (a ValueError); then ``set_frame_aside`` is due."""
        return self._frames.read_image(record)

    def set_frame_aside(self, record: Record, reason: object) -> None:
        """A kept frame whose image does not decode any more."""
        self._frames.set_aside(record, reason)
        self._commits.touched()

    def write_mask(self, png: bytes | None) -> None:
        """None removes it. Raises RefusalError ``storage_full``."""
        path = self._folder / MASK
        if png is not None:
            write_durably(path, [png])
        else:
            try:
                path.unlink(missing_ok=True)
            except OSError as error:
                raise storage_error(error) from error
        self._commits.touched()

    def read_mask(self) -> bytes | None:
        """PNG of the mask in force; None when there is none."""
        with suppress(FileNotFoundError):
            return (self._folder / MASK).read_bytes()
        return None

    def set_mask_aside(self, reason: object) -> None:
        """A mask that does not decode any more."""
        self._tell(self._folder / MASK, reason)

    def write_checkpoint(self, state: TrainerState, session: dict[str, Any], joints: list[Any]) -> None:
        """Raises RefusalError ``storage_full``; then the checkpoints before it are still there."""
        self._checkpoints.write(Checkpoint(state=state, session=session, joints=joints))
        self._commits.touched()

    def read_checkpoint(self) -> Checkpoint | None:
        """The newest that is whole; None when there is none. Others are set aside with a warning."""
        return self._checkpoints.newest()

    def prepare_next(self, record: dict[str, Any], mask: bytes | None) -> None:
        """Write what the session after this one begins with. Raises RefusalError ``storage_full``; then
        nothing has changed."""
        files = {RECORD: json_bytes(record), MASK: mask}
        self._succession.prepare({name: data for name, data in files.items() if data is not None})

    def begin_next(self) -> None:
        """Forget the session: the folder is, in one step, the one that was prepared. A crash at any moment
        leaves one of the two whole. Raises RefusalError ``storage_full``."""
        self._succession.swap()
        self._commits.forget()
        self._open()
        self._succession.clear()

    def commit_now(self, timeout_s: float = SHUTDOWN_COMMIT_S) -> bool:
        """Commit what is on disk now. Returns whether all of it is durable; a failure is warned of."""
        return self._commits.commit_now(timeout_s)

    def close(self, timeout_s: float = SHUTDOWN_COMMIT_S) -> None:
        """Commit what is new within so long, then end the thread that does it."""
        self._commits.close(timeout_s)

    def _open(self) -> None:
        make_folder(self._folder)
        for path in self._folder.glob(f"*{PART}"):
            path.unlink(missing_ok=True)
        self._frames = FrameFiles(self._folder / "frames", self._warn)
        self._checkpoints = CheckpointFiles(self._folder / "checkpoints", self._warn)

    def _tell(self, path: Path, reason: object) -> None:
        aside = set_aside(path)
        self._warn(f"{path} cannot be used ({reason_of(reason)}); set aside as {aside}")
