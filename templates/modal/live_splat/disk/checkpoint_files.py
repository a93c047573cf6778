"""The checkpoints of one session on disk: the newest two are kept, and those that cannot be used are set
aside."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from threading import Lock

from .checkpoint_file import (
    Checkpoint,
    CheckpointError,
    NewerCheckpointError,
    decode_checkpoint,
    encode_checkpoint,
)
from .durable import PART, make_folder, set_aside, write_durably
from .frame_files import reason_of

KEPT = 2
"""One more than needed: should the newest not be whole, the one before it is."""
KEPT_ASIDE = 2
"""For whoever wants to know what went wrong, but not without end."""
USABLE = re.compile(r"checkpoint-(\d+)\.bin")
ASIDE = re.compile(r"checkpoint-(\d+)\.bin\.(?:damaged|newer)")


class CheckpointFiles:
    """See the top of the file; numbers only ever rise, those of files set aside included."""

    def __init__(self, folder: Path, warn: Callable[[str], None]) -> None:
        self._folder = folder
        self._warn = warn
        self._writing = Lock()
        make_folder(folder)
        for path in folder.glob(f"*{PART}"):
            path.unlink(missing_ok=True)
        self._last_number = max([0, *self._numbers(USABLE), *self._numbers(ASIDE)])

    def write(self, checkpoint: Checkpoint) -> None:
        """Keep it, then let go of those it replaces. Raises RefusalError ``storage_full``; then the others
        are still there."""
        # Held while writing on purpose: two checkpoints at once would serve nobody.
        with self._writing:
            number = self._last_number + 1
            write_durably(self._folder / f"checkpoint-{number:06d}.bin", encode_checkpoint(checkpoint))
            self._last_number = number
            self._prune(USABLE, KEPT)
            self._prune(ASIDE, KEPT_ASIDE)

    def newest(self) -> Checkpoint | None:
        """The newest that is whole; None when there is none. Those that are not are set aside, each with a
        warning."""
        paths = self._paths(USABLE)
        for path in paths:
            checkpoint = self._read(path)
            if checkpoint is not None:
                return checkpoint
        if paths:
            self._warn("no checkpoint can be used: training starts anew from the frames")
        return None

    def _read(self, path: Path) -> Checkpoint | None:
        try:
            return decode_checkpoint(path.read_bytes())
        except (OSError, CheckpointError) as error:
            aside = set_aside(path, ".newer" if isinstance(error, NewerCheckpointError) else ".damaged")
            self._warn(f"checkpoint {path} cannot be used: {reason_of(error)}; set aside as {aside}")
            return None

    def _prune(self, pattern: re.Pattern[str], kept: int) -> None:
        for path in self._paths(pattern)[kept:]:
            path.unlink(missing_ok=True)

    def _paths(self, pattern: re.Pattern[str]) -> list[Path]:
        """Newest first."""
        names = {path: pattern.fullmatch(path.name) for path in self._folder.iterdir()}
        found = [(int(match[1]), path) for path, match in names.items() if match]
        return [path for _, path in sorted(found, reverse=True)]

    def _numbers(self, pattern: re.Pattern[str]) -> list[int]:
        return [int(match[1]) for path in self._folder.iterdir() if (match := pattern.fullmatch(path.name))]
