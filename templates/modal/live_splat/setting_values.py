"""What the backend's settings may be, said once for the backend and for whoever deploys it.

Standard library only: where it is deployed from, Modal's SDK may be all there is.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

SCENE_NAME = r"[a-z0-9-]{1,32}"
PIXELS = (1, 64_000_000)
GAUSSIANS = (100, 2_000_000)
FRAME_MEMORY_MIB = (1, 1 << 20)


class SettingsError(Exception):
    """A setting that cannot be one; the message names it and never its value when it is secret."""


def origins(name: str, text: str) -> tuple[str, ...]:
    """A comma list of browser origins."""
    return tuple(_origin(name, part) for part in _parts(text))


def scenes(name: str, text: str) -> tuple[str, ...]:
    """A comma list of scenes' names, each once."""
    names = tuple(dict.fromkeys(_parts(text)))
    for each in names:
        if re.fullmatch(SCENE_NAME, each) is None:
            raise SettingsError(
                f'{name} cannot be used: "{each}" is no scene\'s name (1 to 32 of a-z, 0-9 and -)'
            )
    return names


def seconds(name: str, text: str) -> float:
    """Seconds ≥ 0."""
    if re.fullmatch(r"[0-9]{1,9}(\.[0-9]+)?", text) is None:
        raise SettingsError(f'{name} cannot be used: "{text}" is no number of seconds')
    return float(text)


def whole(low: int, high: int) -> Callable[[str, str], int]:
    """For a whole number of this range."""

    def parse(name: str, text: str) -> int:
        if re.fullmatch(r"[0-9]{1,12}", text) is None or not low <= int(text) <= high:
            raise SettingsError(f'{name} cannot be used: "{text}" is no whole number from {low} to {high}')
        return int(text)

    return parse


VALUES: Mapping[str, Callable[[str, str], Any]] = MappingProxyType(
    {
        "SPLAT_SCENES": scenes,
        "SPLAT_CORS_ORIGINS": origins,
        "SPLAT_MAX_GAUSSIANS": whole(*GAUSSIANS),
        "SPLAT_MAX_PIXELS": whole(*PIXELS),
        "SPLAT_FRAME_MEMORY_MIB": whole(*FRAME_MEMORY_MIB),
        "SPLAT_IDLE_STOP_S": seconds,
    }
)
"""How each is read: from its name and its text, which is not blank. Raises SettingsError naming it."""


def _origin(name: str, text: str) -> str:
    origin = text.removesuffix("/")
    if re.fullmatch(r"[a-z][a-z0-9+.-]*://[^/?#@*\s]+", origin) is None:
        raise SettingsError(
            f'{name} cannot be used: "{text}" is no origin. Name each one, as in '
            "https://example.org,http://localhost:5173; there is no wildcard."
        )
    return origin


def _parts(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]
