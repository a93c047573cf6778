"""The frames of one session on disk: ``000001.jpg``, then ``000001.json``. A frame is kept when both are
there."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from .durable import PART, make_folder, part_of, set_aside, storage_error, write_json, write_synced

SUFFIX_OF = {"jpeg": ".jpg", "png": ".png"}
IMAGE = re.compile(r"\d+\.(?:jpg|png)")
RECORD = re.compile(r"\d+\.json")

Record = dict[str, Any]


class DamagedFrameError(ValueError):
    """A kept frame whose image is gone or is not what was sent."""


class FrameFiles:
    """The folder of a session's frames. Calls for different frames may come from different threads."""

    def __init__(self, folder: Path, warn: Callable[[str], None]) -> None:
        self.folder = folder
        self._warn = warn
        make_folder(folder)

    def write(self, record: Record, image: bytes) -> None:
        """Keep a frame. Raises RefusalError ``storage_full``, and then nothing of it is left."""
        path = self._image_path(record)
        part = part_of(path)
        try:
            write_synced(part, [image])
            part.replace(path)
            # Syncs the folder too, and with it the image's new name.
            self.write_record(record)
        except BaseException as error:
            for each in (self._record_path(record), path, part):
                with suppress(OSError):
                    each.unlink(missing_ok=True)
            if isinstance(error, OSError):
                raise storage_error(error) from error
            raise

    def write_record(self, record: Record) -> None:
        """Keep what changed about a frame (its pose came late). Raises RefusalError ``storage_full``."""
        write_json(self._record_path(record), record)

    def read_all(self) -> list[Record]:
        """The kept frames' records in order. What a killed process left of a frame that it never accepted is
        removed; a damaged record, or one without its image, is set aside."""
        names = {path.name for path in self.folder.iterdir()}
        names -= self._remove_unfinished(names)
        in_order = sorted(filter(RECORD.fullmatch, names), key=lambda name: int(name[:-5]))
        records = (self._record_or_none(name, names) for name in in_order)
        return [record for record in records if record is not None]

    def read_image(self, record: Record) -> bytes:
        """Bytes of a kept frame as they were sent. Raises DamagedFrameError."""
        path = self._image_path(record)
        try:
            image = path.read_bytes()
        except OSError as error:
            raise DamagedFrameError(f"{path} cannot be read: {reason_of(error)}") from error
        if hashlib.sha256(image).hexdigest() != record["sha256"]:
            raise DamagedFrameError(f"{path} is damaged: its SHA-256 is another")
        return image

    def set_aside(self, record: Record, reason: object) -> None:
        """A kept frame whose image does not read or decode any more; say so."""
        self._tell(self._image_path(record), reason)
        set_aside(self._record_path(record))

    def _remove_unfinished(self, names: set[str]) -> set[str]:
        """The record comes last, so an image without one was never accepted: whoever sent it still has it."""
        removed = {
            name
            for name in names
            if name.endswith(PART) or (IMAGE.fullmatch(name) and f"{name[:-4]}.json" not in names)
        }
        for name in removed:
            (self.folder / name).unlink(missing_ok=True)
        return removed

    def _record_or_none(self, name: str, names: set[str]) -> Record | None:
        try:
            return self._read_record(name, names)
        except (OSError, ValueError) as error:
            self._tell(self.folder / name, error)
            for suffix in SUFFIX_OF.values():
                if f"{name[:-5]}{suffix}" in names:
                    set_aside(self.folder / f"{name[:-5]}{suffix}")
            return None

    def _read_record(self, name: str, names: set[str]) -> Record:
        record = json.loads((self.folder / name).read_bytes())
        if not isinstance(record, dict) or record.get("index") != int(name[:-5]):
            raise ValueError("it is no record of this frame")
        if record.get("type") not in SUFFIX_OF or not isinstance(record.get("sha256"), str):
            raise ValueError("it does not say what its image is")
        if self._image_path(record).name not in names:
            raise ValueError("its image is missing")
        return record

    def _tell(self, path: Path, reason: object) -> None:
        aside = set_aside(path)
        self._warn(f"{path} cannot be used ({reason_of(reason)}); set aside as {aside}")

    def _image_path(self, record: Record) -> Path:
        return self.folder / f"{record['index']:06d}{SUFFIX_OF[record['type']]}"

    def _record_path(self, record: Record) -> Path:
        return self.folder / f"{record['index']:06d}.json"


def reason_of(error: object) -> str:
    """First line of what went wrong, for people."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error).split("\n", maxsplit=1)[0] or type(error).__name__
