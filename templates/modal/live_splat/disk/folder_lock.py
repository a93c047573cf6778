"""One backend per data folder, and always the same."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from live_splat.refusal import RefusalError

try:
    import fcntl
except ImportError:  # Windows has no such locks
    fcntl = None  # type: ignore[assignment]


NAME = "backend.lock"
"""Stays when it is released, so that the embedded backend sees whose folder it is."""


class FolderLock:
    """Holds a folder until ``release`` or the end of the process, however that comes."""

    def __init__(self, folder: Path) -> None:
        """Raises RefusalError ``unavailable`` when another process has it, or when it is the embedded
        backend's: neither can use what the other has learned. A file system that knows no locks gives it to
        everybody."""
        self._file: int | None = None
        if (folder / "state").exists() and not (folder / NAME).exists():
            raise RefusalError(
                "unavailable",
                f"{folder} belongs to the embedded backend (splatctl serve)",
                hint="Serve it with that one, or give this one a data folder of its own.",
            )
        try:
            self._file = os.open(folder / NAME, os.O_RDWR | os.O_CREAT, 0o600)
            if fcntl is None:
                return
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            self.release()
            raise RefusalError(
                "unavailable",
                f"{folder} is in use by another backend",
                hint="Stop that one, or give this one a data folder of its own.",
            ) from error
        except OSError:
            self.release()

    def release(self) -> None:
        """Give the folder back."""
        file, self._file = self._file, None
        if file is not None:
            with suppress(OSError):
                os.close(file)
