"""How far the bucket follows the local folder, session by session. No thread, no network: the queue holds its
lock around every call."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from .folder import Chunk, Status, scene_key_of, status_key_of
from .upload_record import Uploaded


@dataclass
class Mirrored:
    """One session in the folder, and how far the bucket follows."""

    key: str
    status: Status
    """As in the folder."""
    uploaded: Uploaded
    given_up: set[str] = field(default_factory=set)
    """Chunks whose turn comes no more: another object has their key, or their file is damaged."""


class BucketMirror:
    """See the top of the file."""

    def __init__(self, url_of: Callable[[str], str | None], status_every_s: float) -> None:
        self._url_of = url_of
        self._status_every_s = status_every_s
        self.sessions: dict[str, Mirrored] = {}
        """By session key, the newest last."""
        self._newest: dict[str, str] = {}
        """Scene key → key of its newest session."""
        self._behind: set[str] = set()
        """Keys of sessions whose status.json in the bucket may be behind."""
        self._status_at_s: dict[str, float] = {}
        """Key of a status.json → when it was written last (monotonic)."""
        self.tries: dict[str, int] = {}
        """Chunk key → failures so far."""

    def follow(self, key: str, status: Status, uploaded: Uploaded) -> None:
        """A session's status.json was read or written in the folder. ``uploaded`` counts when it is new
        here."""
        known = self.sessions.get(key)
        if known is None:
            self.sessions[key] = Mirrored(key, status, uploaded)
        else:
            known.status = status
        self._behind.add(key)

    def set_newest(self, key: str) -> None:
        """The session is its scene's newest from now on."""
        self._newest[scene_key_of(key)] = key

    def waiting(self) -> list[tuple[Mirrored, Chunk]]:
        """Chunks that the bucket does not have, in the order they go: what failed least first, so that no
        single one holds up the others; then the newest session's, because somebody may be watching."""
        found = [
            (session, chunk)
            for session in reversed(self.sessions.values())
            for chunk in session.status["chunks"]
            if chunk["name"] not in session.uploaded.chunks and chunk["name"] not in session.given_up
        ]
        return sorted(found, key=lambda pair: self.tries.get(pair[1]["key"], 0))

    def chunk_sent(self, session: Mirrored, chunk: Chunk) -> None:
        """The bucket has it."""
        session.uploaded.chunks.add(chunk["name"])
        self.tries.pop(chunk["key"], None)
        self._behind.add(session.key)

    def next_status(self) -> tuple[Mirrored, float] | None:
        """The session whose status.json is due first, and in how many seconds; None when none is behind."""
        for key in list(self._behind):
            session = self.sessions[key]
            if session.uploaded.told == digest_of(self.status_for(session)):
                self._behind.discard(key)
        waits = [(self._wait_s(self.sessions[key]), key) for key in self._behind]
        if not waits:
            return None
        wait_s, key = min(waits)
        return self.sessions[key], wait_s

    def status_for(self, session: Mirrored) -> Status:
        """As in the folder, without what is not in the bucket; complete only once all is there."""
        status = session.status
        chunks = [self.shown(chunk) for chunk in status["chunks"] if chunk["name"] in session.uploaded.chunks]
        is_whole = len(chunks) == len(status["chunks"])
        state = status.get("state")
        if state == "complete" and not is_whole:
            state = "finishing"
        is_complete = bool(status.get("complete")) and is_whole
        return {**status, "state": state, "complete": is_complete, "chunks": chunks}

    def shown(self, chunk: Chunk) -> Chunk:
        """A chunk as the bucket's readers see it."""
        return {**chunk, "url": self._url_of(chunk["key"])}

    def status_keys(self, session: Mirrored) -> list[str]:
        """The session's, then the scene's when the session is its newest."""
        scene = scene_key_of(session.key)
        places = [session.key, scene] if self._newest.get(scene) == session.key else [session.key]
        return [status_key_of(place) for place in places]

    def status_tried(self, key: str) -> None:
        """A status.json was written, or may have been."""
        self._status_at_s[key] = time.monotonic()

    def _wait_s(self, session: Mirrored) -> float:
        last_s = max(self._status_at_s.get(key, -self._status_every_s) for key in self.status_keys(session))
        return max(0.0, last_s + self._status_every_s - time.monotonic())


def digest_of(status: Status) -> str:
    """Tells two statuses apart that say different things, whenever they say it."""
    text = json.dumps({**status, "updated_at": 0}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()
