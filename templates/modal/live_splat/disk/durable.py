"""Files that are whole or not there: written under a temporary name, synced, then renamed."""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

from live_splat.refusal import RefusalError

NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM})
"""The store is full, read-only or not ours: not a bug, and for the sender a reason to keep its frame."""

CANNOT_SYNC = frozenset({errno.EINVAL, errno.ENOSYS, errno.ENOTSUP})
"""What file systems say that know no syncing of folders, as some network volumes do."""

PART = ".part"
"""Ends the names of files that are not whole yet; a start removes them."""


def write_durably(path: Path, pieces: Iterable[bytes | memoryview]) -> int:
    """Write ``pieces`` to ``path`` so that after a crash either the whole new file or the old one is there.

    Returns bytes written. Raises RefusalError ``storage_full`` when there is no room or no permission; then
    nothing of it is left.
    """
    part = part_of(path)
    try:
        size = write_synced(part, pieces)
        part.replace(path)
        sync_folder(path.parent)
    except BaseException as error:
        with suppress(OSError):
            part.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise storage_error(error) from error
        raise
    return size


def write_json(path: Path, value: Any) -> None:
    """Write a JSON value as ``write_durably`` does."""
    write_durably(path, [json_bytes(value)])


def json_bytes(value: Any) -> bytes:
    """As a file, for people to read too."""
    return f"{json.dumps(value, indent=1)}\n".encode()


def write_synced(path: Path, pieces: Iterable[bytes | memoryview]) -> int:
    """Write a file and sync its content, not its name. Returns bytes written; raises OSError."""
    size = 0
    with path.open("wb") as file:
        for piece in pieces:
            size += file.write(piece)
        file.flush()
        os.fsync(file.fileno())
    return size


def sync_folder(path: Path) -> None:
    """Make renames in a folder survive a power cut; Windows cannot open folders."""
    if os.name == "nt":
        return
    folder = os.open(path, os.O_RDONLY)
    try:
        os.fsync(folder)
    except OSError as error:
        if error.errno not in CANNOT_SYNC:
            raise
    finally:
        os.close(folder)


def make_folder(path: Path) -> None:
    """Create a folder and those above it. Raises RefusalError ``storage_full``."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise storage_error(error) from error


def part_of(path: Path) -> Path:
    """Where a file lies until it is whole."""
    return path.with_name(path.name + PART)


def set_aside(path: Path, ending: str = ".damaged") -> Path:
    """Take a file or folder out of the way, in place of what was set aside there before. Returns where it
    lies now."""
    aside = path.with_name(path.name + ending)
    with suppress(OSError):
        if path.exists():
            remove(aside)
            path.replace(aside)
    return aside


def remove(path: Path) -> None:
    """Remove a file or a folder with all it holds; nothing when it is not there. Raises OSError."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def storage_error(error: OSError) -> Exception:
    """``storage_full`` for what a full or forbidden disk raises; anything else as it is."""
    if error.errno not in NO_ROOM:
        return error
    code = errno.errorcode.get(error.errno or 0, "no room")
    return RefusalError(
        "storage_full",
        f"the backend cannot write to its data folder ({code})",
        hint="Make room or fix its permissions; nothing of this request was kept.",
        retry_after_s=10,
    )
