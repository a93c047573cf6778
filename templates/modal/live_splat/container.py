"""What a container on Modal holds: every scene, or one that is its own."""

from __future__ import annotations

import logging
import os
import tempfile
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from starlette.types import ASGIApp

from .api import build_api
from .http.unusable import unusable
from .lost_device import telling
from .refusal import RefusalError
from .scene import Scenes
from .settings import Settings, SettingsError, settings_from
from .training import Engine, StartTraining, Training

logger = logging.getLogger("live_splat")

EXIT_S = 25.0
"""Modal gives a container 30 s to go."""


@dataclass(frozen=True)
class Content:
    """The scenes, and the settings that they live by."""

    settings: Settings
    scenes: Scenes


@dataclass(frozen=True)
class Served:
    """What a container does from its start to its end."""

    app: ASGIApp
    close: Callable[[], None]
    """Save everything."""


def serve_container(
    env: Mapping[str, str], scene: str | None, commit: Callable[[], None], *, proxy_auth: bool
) -> Served:
    """Open what the environment says; see ``open_container``.

    Where that cannot be opened the container says why, to whoever asks: one that ended instead would be
    started again, GPU and all, by each request, and nobody would see it.
    """
    try:
        content = open_container(settings_from(env), scene, commit, proxy_auth=proxy_auth)
    except (SettingsError, RefusalError) as error:
        why = error.message if isinstance(error, RefusalError) else str(error)
        logger.error("this container cannot open: %s", why)
        return Served(unusable(why), lambda: None)
    return Served(build_api(content.scenes, content.settings), lambda: content.scenes.close(EXIT_S))


def open_container(
    settings: Settings,
    scene: str | None,
    commit: Callable[[], None],
    start: StartTraining | None = None,
    *,
    proxy_auth: bool = False,
) -> Content:
    """Open what this container holds: all of settings.scenes, or only ``scene`` where each has a container.
    ``start`` stands in for the real trainer. ``proxy_auth``: Modal asks for a token of its own before anyone
    gets here. Raises SettingsError for a backend that would be open to everybody, and what ``Scenes`` raises.

    A name that is none of them gets a container too, before anything here can refuse it: that one answers
    404, touches nothing and does not load torch.

    When the GPU is lost, everything is saved and the process ends as if it had crashed: Modal gives the next
    request another container. Left alone, this one would answer, and cost, without ever training again.
    """
    if settings.token is None and not proxy_auth:
        raise SettingsError(
            "anybody could call it: give the secret splat-api a SPLAT_API_TOKEN, or deploy with "
            "SPLAT_PROXY_AUTH=1"
        )
    if scene is not None and scene not in settings.scenes:
        return _of_no_scene(settings)
    from .training_thread import engine, start_training

    own = settings if scene is None else _only(settings, scene)

    def lose() -> None:
        threading.Thread(target=_end, args=(scenes,), name="gpu-lost", daemon=True).start()

    scenes = Scenes(own, telling(start or start_training, lose), engine(), commit=commit)
    try:
        scenes.get(None)
    except BaseException:
        scenes.close(EXIT_S)
        raise
    scenes.open_unfinished()
    return Content(own, scenes)


def _end(scenes: Scenes) -> None:
    logger.error("the GPU answers this container no more: it saves and ends")
    try:
        scenes.close(EXIT_S)
    finally:
        os._exit(1)


def _only(settings: Settings, scene: str) -> Settings:
    """Containers that run side by side share the volume and must not write the same files. The default scene
    stays where it lies when one container holds all."""
    if scene == settings.scenes[0]:
        return replace(settings, scenes=(scene,))
    return replace(settings, scenes=(scene,), data_dir=settings.data_dir / "scenes" / scene)


def _of_no_scene(settings: Settings) -> Content:
    def none_here(*_: object) -> Training:
        raise RefusalError("not_found", f"the scenes here are: {', '.join(settings.scenes)}")

    nowhere = replace(settings, data_dir=Path(tempfile.mkdtemp()), bucket=None, idle_stop_s=None)
    return Content(nowhere, Scenes(nowhere, none_here, Engine("none", "cpu", 1)))
