"""A session's folder gives way to its successor's. Whenever the process or its machine ends meanwhile, one
of the two is whole at the next start: the old one as long as the new one had not begun, then the new one."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from .durable import make_folder, remove, storage_error, sync_folder, write_durably

RECORD = "session.json"
"""A session's folder has it from its first moment on."""


class Succession:
    """Of one scene's ``folder``; ``<folder>.next`` and ``<folder>.discarded`` beside it are there only while
    sessions change."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._next = folder.with_name(f"{folder.name}.next")
        self._discarded = folder.with_name(f"{folder.name}.discarded")

    def recover(self) -> None:
        """Bring to its end, or take back, what was cut short; at a start. Raises ``storage_full``."""
        try:
            if not self._is_session():
                for whole in (self._next, self._discarded):
                    if (whole / RECORD).exists():
                        remove(self._folder)
                        whole.replace(self._folder)
                        break
            with suppress(OSError):
                remove(self._next)
            self.clear()
        except OSError as error:
            raise storage_error(error) from error

    def prepare(self, files: Mapping[str, bytes]) -> None:
        """Write what the successor begins with, its record included. Raises RefusalError ``storage_full``;
        then all is as before."""
        try:
            remove(self._next)
            make_folder(self._next)
            for name, data in files.items():
                write_durably(self._next / name, [data])
        except OSError as error:
            raise storage_error(error) from error

    def swap(self) -> None:
        """What was prepared takes the folder's place. Raises RefusalError ``storage_full``."""
        try:
            self.clear()
            remove(self._discarded)
            if self._folder.exists():
                self._folder.replace(self._discarded)
            self._next.replace(self._folder)
            sync_folder(self._folder.parent)
        except OSError as error:
            raise storage_error(error) from error

    def clear(self) -> None:
        """Remove what gave way; what a kill leaves of it goes at the next start."""
        with suppress(OSError):
            # Its record first: half of a session must not be held for a whole one.
            (self._discarded / RECORD).unlink(missing_ok=True)
            remove(self._discarded)

    def _is_session(self) -> bool:
        """Whether the folder holds one, be its record damaged or lost."""
        return (self._folder / RECORD).exists() or any(path.is_file() for path in self._folder.glob("*/*"))
