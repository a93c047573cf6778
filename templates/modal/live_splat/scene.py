"""All scenes this backend holds, by name."""

from __future__ import annotations

import logging
import re
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from threading import Lock, Thread

from .checkpoint import is_unfinished
from .contract import SCENE_NAME, default_settings
from .disk.durable import make_folder
from .disk.folder_lock import FolderLock
from .memory_budget import MIB, default_frame_bytes
from .refusal import RefusalError
from .session.background import Deadline
from .session.one_scene import Scene, SceneDeps
from .session.session_deps import shutting_down
from .settings import Settings
from .storage import CLOSE_GRACE_S, ChunkStore
from .training import Engine, StartTraining

__all__ = ["Scene", "Scenes"]

logger = logging.getLogger("live_splat")


@dataclass
class _Slot:
    """A scene's place; the lock is held while it is opened or closed, so that this holds up no other
    scene."""

    lock: Lock
    scene: Scene | None = None

    def close(self, deadline: Deadline) -> None:
        with self.lock:
            if self.scene is not None:
                self.scene.close(deadline)


class Scenes:
    """All scenes of a data folder, opened at first use. Thread-safe."""

    def __init__(
        self,
        settings: Settings,
        start_training: StartTraining,
        engine: Engine,
        *,
        commit: Callable[[], None] | None = None,
    ) -> None:
        """Take the data folder. ``commit`` makes what lies in it durable (None: a sync was enough).

        Raises SettingsError for a bucket that cannot be one, RefusalError ``unavailable`` when another
        process has the folder, ``storage_full`` when it cannot be made.
        """
        self.boot_id = str(uuid.uuid4())
        self._names = settings.scenes
        self._lock = Lock()
        self._is_closing = False
        self._slots = {name: _Slot(Lock()) for name in settings.scenes}
        self._standing: dict[str, None] = {}
        make_folder(settings.data_dir)
        self._folder_lock = FolderLock(settings.data_dir)
        self._store = ChunkStore(
            settings.data_dir,
            settings.bucket,
            warn=self._warn,
            unwarn=self._unwarn,
            changed=self._changed,
            commit=commit,
        )
        self._deps = SceneDeps(
            data_dir=settings.data_dir,
            boot_id=self.boot_id,
            start_training=start_training,
            engine=engine,
            max_pixels=settings.max_pixels or engine.scale.max_pixels,
            # Each may be training; so none takes what is another's.
            frame_bytes=_frame_bytes(settings, engine) // len(settings.scenes),
            defaults=default_settings(settings.max_gaussians or engine.scale.max_gaussians),
            chunk_store=self._store,
            has_bucket=settings.bucket is not None,
            commit=commit,
            standing=self._standing_warnings,
        )

    def get(self, name: str | None) -> Scene:
        """The scene of this name, None = the default one; opened (restored) at first use.

        Raises RefusalError: ``bad_request`` for what cannot be a name, ``not_found`` for one that this
        backend does not hold, ``unavailable`` while closing, ``storage_full``.
        """
        wanted = self.named(name)
        slot = self._slots[wanted]
        with slot.lock:
            if self._is_closing:
                raise shutting_down()
            if slot.scene is None:
                slot.scene = Scene(wanted, self._deps)
            return slot.scene

    def named(self, name: str | None) -> str:
        """The name of a scene held here, None = the default one's; opens none. Raises as ``get`` does for a
        name."""
        wanted = self._names[0] if name is None else name
        if re.fullmatch(SCENE_NAME, wanted) is None:
            raise RefusalError("bad_request", "a scene's name is 1 to 32 of a-z, 0-9 and -")
        if wanted not in self._slots:
            raise RefusalError("not_found", _held(self._names))
        return wanted

    def open_unfinished(self) -> None:
        """Open, in the background, each scene that a process of before left unfinished: what was being
        finished goes on, whether or not somebody asks."""
        Thread(target=self._open_unfinished, name="splat-reopen", daemon=True).start()

    def opened(self) -> list[Scene]:
        """Those that are open; waits for none."""
        return [slot.scene for slot in self._slots.values() if slot.scene is not None]

    def close(self, deadline_s: float | None = None) -> None:
        """Save everything and give the data folder back, within so many seconds if given."""
        deadline = Deadline.after(deadline_s)
        with self._lock:
            if self._is_closing:
                return
            self._is_closing = True
        # All at once: one whose trainer hangs must not take the others' time.
        work = [Thread(target=slot.close, args=(deadline,), daemon=True) for slot in self._slots.values()]
        for thread in work:
            thread.start()
        for thread in work:
            thread.join(deadline.left_s())
        left_s = deadline.left_s()
        if left_s is None:
            self._store.close()
        else:
            # A bucket that does not answer gets no more of it: the next start goes on.
            self._store.close(left_s if self._store.trouble is None else min(left_s, CLOSE_GRACE_S))
        self._folder_lock.release()

    def _open_unfinished(self) -> None:
        for name in self._names:
            if not is_unfinished(self._deps.data_dir / "state" / name):
                continue
            try:
                self.get(name)
            except Exception as error:
                # Whoever asks for it is told the same.
                logger.warning("scene %s was not opened again: %s", name, error)

    def _standing_warnings(self) -> list[str]:
        with self._lock:
            return list(self._standing)

    def _warn(self, message: str) -> None:
        with self._lock:
            self._standing[message] = None
        for scene in self.opened():
            scene.warn(message)

    def _unwarn(self, message: str) -> None:
        with self._lock:
            self._standing.pop(message, None)
        for scene in self.opened():
            scene.unwarn(message)

    def _changed(self) -> None:
        for scene in self.opened():
            scene.events.status_changed()


def _frame_bytes(settings: Settings, engine: Engine) -> int:
    given = settings.frame_memory_mib
    return default_frame_bytes(engine) if given is None else given * MIB


def _held(names: Sequence[str]) -> str:
    scenes = "one scene" if len(names) == 1 else "these scenes"
    return f"this backend holds {scenes}: {', '.join(names)}"
