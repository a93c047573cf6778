"""The local folder that is laid out as the bucket is: ``<prefix>/<scene>/<session_id>/chunk_0001.ply``, and a
status.json in the session's folder and in the scene's. What status.json names there is whole and on disk."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path, PurePosixPath
from typing import Any

from live_splat.disk.durable import make_folder, write_json
from live_splat.disk.frame_files import reason_of

DEFAULT_PREFIX = "scenes"
CHUNK_KEYS = {"name": str, "index": int, "bytes": int, "sha256": str, "key": str}

Chunk = dict[str, Any]
"""As in the contract."""
Status = dict[str, Any]
"""What a status.json says."""


class DamagedChunkError(ValueError):
    """A chunk's file is gone or is not what was written."""


def session_key_of(prefix: str, scene: str, session_id: str) -> str:
    """A session's place below the bucket's top, which tells it from every other."""
    return f"{prefix}/{scene}/{session_id}"


def scene_key_of(session_key: str) -> str:
    """The place of the scene that a session belongs to."""
    return str(PurePosixPath(session_key).parent)


def status_key_of(place_key: str) -> str:
    """Where the status of a session, or of a scene's newest session, lies."""
    return f"{place_key}/status.json"


def chunk_name(index: int) -> str:
    """Of the file, from 1."""
    return f"chunk_{index:04d}.ply"


def write_status(folder: Path, session_key: str, status: Status) -> None:
    """The session's, then the scene's. Raises RefusalError ``storage_full``."""
    make_folder(folder / session_key)
    for place in (session_key, scene_key_of(session_key)):
        write_json(folder / status_key_of(place), status)


def read_status(folder: Path, place_key: str) -> Status | None:
    """A status.json; None when there is none or it is damaged (then the next one replaces it)."""
    try:
        status = json.loads((folder / status_key_of(place_key)).read_bytes())
    except (OSError, ValueError):
        return None
    return status if _is_status(status, place_key) else None


def read_sessions(folder: Path, prefix: str) -> dict[str, Status]:
    """Every session in the folder with its status, the longest untouched first. Raises OSError."""
    found = {
        session_key_of(prefix, scene.name, session.name): None
        for scene in _folders_in(folder / prefix)
        for session in _folders_in(scene)
    }
    statuses = {key: status for key in found if (status := read_status(folder, key)) is not None}
    return dict(sorted(statuses.items(), key=lambda item: item[1]["updated_at"]))


def read_chunk(folder: Path, chunk: Chunk) -> bytes:
    """A chunk's bytes. Raises DamagedChunkError."""
    path = folder / chunk["key"]
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DamagedChunkError(f"{path} cannot be read: {reason_of(error)}") from error
    if len(data) != chunk["bytes"] or hashlib.sha256(data).hexdigest() != chunk["sha256"]:
        raise DamagedChunkError(f"{path} is damaged: its SHA-256 is another")
    return data


def _is_status(status: Any, place_key: str) -> bool:
    """Whether it can be followed; keys that lead out of the place would be another session's, or another
    file's."""
    if not isinstance(status, dict) or not isinstance(status.get("session_id"), str):
        return False
    chunks = status.get("chunks")
    return (
        isinstance(status.get("updated_at"), (int, float))
        and isinstance(chunks, list)
        and all(_is_chunk(chunk, place_key) for chunk in chunks)
    )


def _is_chunk(chunk: Any, place_key: str) -> bool:
    if not isinstance(chunk, dict):
        return False
    if not all(isinstance(chunk.get(key), kind) for key, kind in CHUNK_KEYS.items()):
        return False
    return chunk["key"].startswith(f"{place_key}/") and ".." not in chunk["key"]


def _folders_in(folder: Path) -> list[Path]:
    return [path for path in folder.iterdir() if path.is_dir()] if folder.is_dir() else []
