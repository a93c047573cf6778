"""``python -m live_splat``: the backend on any machine, with a GPU or without, until SIGTERM or Ctrl-C."""

from __future__ import annotations

import argparse
import functools
import logging
import signal
import socket
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from .api import build_api
from .http.serving import is_loopback, listen, serve, url_of
from .lost_device import telling
from .refusal import RefusalError
from .scene import Scenes
from .settings import Settings, SettingsError, settings_from
from .training import Engine, StartTraining

logger = logging.getLogger("live_splat")

DEFAULT_PORT = 7860
"""As the embedded backend: one of them serves."""

CLOSE_WITHIN_S = 60.0
"""Saving, and sending to the bucket, takes at most so long after the end was asked for."""

EXIT_USAGE = 2
EXIT_NOT_CONFIGURED = 3
EXIT_CANNOT_SERVE = 4
EXIT_DEVICE_LOST = 5
"""All is saved; another process may go on with it."""


@dataclass(frozen=True)
class Trainer:
    """What trains here."""

    start: StartTraining
    engine: Engine


def main(argv: Sequence[str] | None = None, load: Callable[[str | None], Trainer] | None = None) -> int:
    """Run the backend until told to end; returns the exit code. ``load`` stands in for the real trainer."""
    options = _parser().parse_args(argv)
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(message)s")
    # Says again what is said here already, and at the end scolds readers of events for being there.
    logging.getLogger("uvicorn").setLevel(logging.CRITICAL)
    try:
        settings = _settings(options)
        listener = listen(options.host, options.port)
    except SettingsError as error:
        return _complain(str(error), EXIT_NOT_CONFIGURED)
    except OSError as error:
        problem = f"cannot listen on {options.host}:{options.port}: {error.strerror or error}"
        return _complain(f"{problem}. Give another --host or --port (0 = any free one).", EXIT_USAGE)
    with listener:
        try:
            return _run(settings, (load or load_trainer)(options.device), listener, options)
        except SettingsError as error:
            return _complain(str(error), EXIT_NOT_CONFIGURED)
        except RefusalError as refusal:
            return _complain(". ".join(filter(None, [refusal.message, refusal.hint])), EXIT_CANNOT_SERVE)


def load_trainer(device: str | None) -> Trainer:
    """The real one; imports torch, which takes seconds. Raises SettingsError for a device that is missing."""
    from .training_thread import engine, start_training

    found = engine()
    if device == "cuda" and found.device == "cpu":
        raise SettingsError("--device cuda: torch finds no GPU here; leave it out to train on the CPU")
    if device == "cpu":
        found = replace(found, name="torch", device="cpu")
    return Trainer(functools.partial(start_training, device=device), found)


def _run(settings: Settings, trainer: Trainer, listener: socket.socket, options: argparse.Namespace) -> int:
    """Serve until told to end, or until the GPU is lost; returns the exit code."""
    is_lost = threading.Event()

    def lose() -> None:
        logger.error("the GPU answers this process no more: it saves and ends; started again, it goes on")
        is_lost.set()
        signal.raise_signal(signal.SIGTERM)

    scenes = Scenes(settings, telling(trainer.start, lose), trainer.engine)
    port = listener.getsockname()[1]

    def ready() -> None:
        if options.port_file is not None:
            options.port_file.write_text(f"{port}\n")
        token = "" if settings.token is None else " (token needed)"
        logger.info("listening on %s%s", url_of(options.host, port), token)
        logger.info("%s on %s; data in %s", trainer.engine.name, trainer.engine.device, settings.data_dir)

    def end() -> None:
        logger.info("saving ...")
        for scene in scenes.opened():
            scene.events.close()

    try:
        # What lies in the data folder is restored before anyone can ask for it.
        scenes.get(None)
        scenes.open_unfinished()
        serve(build_api(scenes, settings), listener, on_ready=ready, on_end=end)
    finally:
        scenes.close(CLOSE_WITHIN_S)
    return EXIT_DEVICE_LOST if is_lost.is_set() else 0


def _settings(options: argparse.Namespace) -> Settings:
    local = is_loopback(options.host)
    settings = settings_from(is_loopback=local)
    if not local and settings.token is None:
        raise SettingsError(
            f"to listen on {options.host} others must be kept out: set SPLAT_API_TOKEN to a long random text "
            "(openssl rand -hex 32), here and for who calls, or give --host 127.0.0.1"
        )
    return settings if options.data is None else replace(settings, data_dir=options.data)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m live_splat", description="Live Gaussian splatting behind a small HTTP API."
    )
    add = parser.add_argument
    add("--host", default="127.0.0.1", help="address to listen on; any but loopback needs SPLAT_API_TOKEN")
    add(
        "--port", type=_port, default=DEFAULT_PORT, help="port to listen on, 0 = any free one (default: 7860)"
    )
    add(
        "--data",
        type=Path,
        metavar="DIR",
        help="folder for frames, state and chunks (default: SPLAT_DATA_DIR)",
    )
    add("--device", choices=["cpu", "cuda"], help="what to train on (default: the GPU if there is one)")
    add("--port-file", type=Path, metavar="FILE", help="write the port there once requests are answered")
    return parser


def _port(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text) <= 65535):
        raise argparse.ArgumentTypeError("a whole number from 0 to 65535 is wanted")
    return int(text)


def _complain(message: str, code: int) -> int:
    logger.error("%s", message)
    return code


if __name__ == "__main__":
    sys.exit(main())
