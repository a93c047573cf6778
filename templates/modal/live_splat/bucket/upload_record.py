"""What is known to be in the bucket, on disk. It saves asking again; losing it costs requests, never content,
because storing a chunk twice changes nothing."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from live_splat.disk.durable import make_folder, write_json


@dataclass
class Uploaded:
    """What the bucket has of one session."""

    chunks: set[str] = field(default_factory=set)
    """Names of chunks."""
    told: str | None = None
    """Digest of the newest status.json, ``updated_at`` left out; None before the first."""


def read_record(path: Path, bucket_id: str, sessions: Collection[str]) -> dict[str, Uploaded]:
    """By session key, of the sessions asked for. A record that is missing, damaged or another bucket's counts
    as empty."""
    known = _read(path, bucket_id)
    return {key: known.get(key, Uploaded()) for key in sessions}


def record_of(bucket_id: str, sessions: dict[str, Uploaded]) -> dict[str, Any]:
    """A copy to write."""
    entries = {key: {"chunks": sorted(each.chunks), "told": each.told} for key, each in sessions.items()}
    return {"bucket": bucket_id, "sessions": entries}


def write_record(path: Path, record: dict[str, Any]) -> None:
    """Raises RefusalError ``storage_full``."""
    make_folder(path.parent)
    write_json(path, record)


def _read(path: Path, bucket_id: str) -> dict[str, Uploaded]:
    try:
        record = json.loads(path.read_bytes())
        if record["bucket"] != bucket_id:
            return {}
        return {
            str(key): Uploaded({str(name) for name in entry["chunks"]}, entry["told"])
            for key, entry in record["sessions"].items()
        }
    except (AttributeError, KeyError, OSError, TypeError, ValueError):
        return {}
