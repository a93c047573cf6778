"""Takes what lies in the local bucket folder to the bucket, in its own time: chunks first, then the
status.json that names them. The folder is the truth and this a mirror of it, so a restart or an outage loses
nothing: what is missing in the bucket follows. Nobody waits for it."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from pathlib import Path
from threading import Condition, Thread

from live_splat.disk.durable import json_bytes
from live_splat.disk.frame_files import reason_of
from live_splat.refusal import RefusalError

from .client import Bucket
from .errors import BucketError
from .folder import (
    Chunk,
    DamagedChunkError,
    Status,
    read_chunk,
    read_status,
    scene_key_of,
)
from .mirror import BucketMirror, Mirrored, digest_of
from .trouble import BucketTrouble, UploadPace, wait_after
from .upload_record import Uploaded, read_record, record_of, write_record

logger = logging.getLogger("live_splat")

CHUNK_TYPE = "application/octet-stream"
STATUS_TYPE = "application/json"


class BucketQueue:
    """See the top of the file. Two threads, one for chunks and one for status.json, each with one request at
    a time; ``close`` ends them."""

    def __init__(
        self,
        bucket: Bucket,
        folder: Path,
        sessions: dict[str, Status],
        record_path: Path,
        *,
        warn: Callable[[str], None],
        unwarn: Callable[[str], None],
        changed: Callable[[], None],
        commit: Callable[[], None] | None = None,
        pace: UploadPace | None = None,
    ) -> None:
        """Go on with ``sessions``, which the folder holds, the longest untouched first. ``commit``: called
        before a chunk leaves, so that no restart forgets a chunk that the bucket has."""
        self.trouble = BucketTrouble(warn=warn, unwarn=unwarn, changed=changed)
        self._bucket = bucket
        self._folder = folder
        self._record_path = record_path
        self._warn = warn
        self._notify = changed
        self._commit = commit
        self._committed: set[str] = set()
        self._pace = pace or UploadPace()
        self._changed = Condition()
        self._mirror = BucketMirror(bucket.url_of, self._pace.status_every_s)
        uploaded = read_record(record_path, bucket.id, sessions)
        for key, status in sessions.items():
            self._mirror.follow(key, status, uploaded[key])
            newest = read_status(folder, scene_key_of(key))
            if newest is None or newest["session_id"] == status["session_id"]:
                self._mirror.set_newest(key)
        self._nudges = 0
        """Rises when waits after failures should end."""
        self._is_closing = False
        self._is_cut = False
        self._is_chunk_lane_done = False
        lanes = (self._send_chunks, self._send_statuses)
        self._lanes = [Thread(target=lane, name=f"bucket{lane.__name__}", daemon=True) for lane in lanes]
        for lane in self._lanes:
            lane.start()

    def publish(self, session_key: str, status: Status) -> None:
        """The status.json of a session was written in the folder: follow it. The session is its scene's
        newest from now on."""
        with self._changed:
            self._mirror.follow(session_key, status, Uploaded())
            self._mirror.set_newest(session_key)
            self._changed.notify_all()

    def uploaded(self, session_key: str) -> set[str]:
        """Names of the session's chunks that the bucket has."""
        with self._changed:
            session = self._mirror.sessions.get(session_key)
            return set(session.uploaded.chunks) if session else set()

    def shown(self, chunk: Chunk) -> Chunk:
        """The chunk as the bucket's readers see it."""
        return self._mirror.shown(chunk)

    def flush(self, timeout_s: float) -> bool:
        """Try now what waits, and wait for it. Returns whether the bucket has all that it can have."""
        with self._changed:
            self._nudges += 1
            self._changed.notify_all()
            return self._changed.wait_for(self._is_level, timeout_s)

    def close(self, grace_s: float) -> None:
        """End: what waits is tried once more, for so long; the rest follows at the next start."""
        with self._changed:
            self._is_closing = True
            self._changed.notify_all()
        end_s = time.monotonic() + (0.0 if self.trouble.needs_user else grace_s)
        for lane in self._lanes:
            lane.join(max(0.0, end_s - time.monotonic()))
        with self._changed:
            self._is_cut = True
            waiting = len(self._mirror.waiting())
            self._changed.notify_all()
        for lane in self._lanes:
            # A request under way cannot be called back; it ends with its time limit, and changes nothing.
            lane.join(0.2)
        self._remember()
        self._bucket.close()
        if waiting > 0:
            logger.warning("%d chunk(s) not in the bucket yet; they go there at the next start", waiting)

    def _is_level(self) -> bool:
        return not self._mirror.waiting() and self._mirror.next_status() is None

    def _send_chunks(self) -> None:
        self._check()
        while True:
            with self._changed:
                waiting = self._mirror.waiting()
                if self._is_cut or (self._is_closing and not waiting):
                    break
                if not waiting:
                    self._changed.wait()
                    continue
                session, chunk = waiting[0]
                failures = self._mirror.tries.get(chunk["key"], 0) + 1
                self._mirror.tries[chunk["key"]] = failures
            self._attempt(lambda session=session, chunk=chunk: self._send_chunk(session, chunk), failures)
        with self._changed:
            self._is_chunk_lane_done = True
            self._changed.notify_all()

    def _send_statuses(self) -> None:
        failures = 0
        while True:
            with self._changed:
                due = self._mirror.next_status()
                if self._is_cut or (self._is_closing and self._is_chunk_lane_done and due is None):
                    return
                if due is None or due[1] > 0:
                    self._changed.wait(None if due is None else due[1])
                    continue
            session = due[0]
            done = self._attempt(lambda session=session: self._send_status(session), failures + 1)
            failures = 0 if done else failures + 1

    def _attempt(self, work: Callable[[], None], failures: int) -> bool:
        """Do it; after a failure wait as long as is due. Returns whether it succeeded."""
        try:
            work()
        # Whatever it is, the lane must live on: what waits is tried again.
        except Exception as error:
            if self._is_cut:
                return False
            if not isinstance(error, BucketError):
                logger.error("bucket: %s: %s", type(error).__name__, reason_of(error))
            logger.debug("bucket: %s (failure %d)", error, failures)
            self.trouble.failed(error)
            self._pause(wait_after(error, failures, self._pace))
            return False
        self.trouble.succeeded()
        return True

    def _pause(self, wait_s: float) -> None:
        """Until then, or until somebody is in a hurry."""
        with self._changed:
            nudges, was_closing = self._nudges, self._is_closing
            self._changed.wait_for(
                lambda: self._is_cut or self._nudges > nudges or self._is_closing > was_closing, wait_s
            )

    def _check(self) -> None:
        """Wrong keys and a missing bucket are told now, not when the first chunk is there."""
        for failures in (1, 2):
            if self._is_closing or self._attempt(self._bucket.check, failures):
                return

    def _send_chunk(self, session: Mirrored, chunk: Chunk) -> None:
        try:
            data = read_chunk(self._folder, chunk)
        except DamagedChunkError as error:
            self._give_up(session, chunk, str(error))
            return
        self._commit_before(chunk)
        key, sha256 = chunk["key"], chunk["sha256"]
        if not self._bucket.create(
            key, data, sha256=sha256, content_type=CHUNK_TYPE, is_cut=lambda: self._is_cut
        ):
            there = self._bucket.head(key)
            if there is None or there.size_bytes != chunk["bytes"] or there.sha256 != sha256:
                self._give_up(
                    session, chunk, "another object lies at its key, and chunks are never overwritten"
                )
                return
        with self._changed:
            self._mirror.chunk_sent(session, chunk)
            self._changed.notify_all()
        logger.info("chunk %d is in the bucket: %s", chunk["index"], self._bucket.url_of(key) or key)
        self._notify()
        self._remember()

    def _commit_before(self, chunk: Chunk) -> None:
        """A chunk that the bucket has must not be forgotten, for its key never changes."""
        if self._commit is None or chunk["key"] in self._committed:
            return
        with self._changed:
            held = {waiting["key"] for _, waiting in self._mirror.waiting()}
        try:
            self._commit()
        except Exception as error:
            reason = f"{type(error).__name__}: {reason_of(error)}"
            raise BucketError(f"chunks wait until the volume is committed ({reason})") from error
        self._committed = held

    def _give_up(self, session: Mirrored, chunk: Chunk, why: str) -> None:
        with self._changed:
            session.given_up.add(chunk["name"])
            self._changed.notify_all()
        self._warn(f"chunk {chunk['key']} does not go to the bucket: {why}")

    def _send_status(self, session: Mirrored) -> None:
        with self._changed:
            status = self._mirror.status_for(session)
            keys = self._mirror.status_keys(session)
        data = json_bytes({**status, "updated_at": time.time()})
        for key in keys:
            try:
                self._bucket.replace(key, data, content_type=STATUS_TYPE, is_cut=lambda: self._is_cut)
            finally:
                with self._changed:
                    self._mirror.status_tried(key)
        with self._changed:
            session.uploaded.told = digest_of(status)
            self._changed.notify_all()
        # While a session goes on the next one follows soon; after a crash it is simply written once more.
        if status["complete"]:
            self._remember()

    def _remember(self) -> None:
        with self._changed:
            uploaded = {key: session.uploaded for key, session in self._mirror.sessions.items()}
            record = record_of(self._bucket.id, uploaded)
        try:
            write_record(self._record_path, record)
        except (OSError, RefusalError) as error:
            logger.debug("what the bucket has was not noted: %s", error)
