"""Settings of a running backend, from the environment; the only reader of it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .bucket.address import AddressError, check_address
from .setting_values import VALUES, SettingsError

__all__ = ["BucketSettings", "Settings", "SettingsError", "settings_from"]

BUCKET_VARIABLES = ("R2_ENDPOINT_URL", "R2_BUCKET_NAME", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")


@dataclass(frozen=True)
class BucketSettings:
    """Where chunks go."""

    endpoint: str
    bucket: str
    access_key_id: str
    secret_access_key: str
    public_url: str | None = None
    prefix: str = "scenes"

    def __repr__(self) -> str:
        return f"BucketSettings(endpoint={self.endpoint!r}, bucket={self.bucket!r})"


@dataclass(frozen=True)
class Settings:
    """See the table in templates/modal/README.md."""

    data_dir: Path = Path("splatctl-data")
    """Folder for frames, state and chunks (SPLAT_DATA_DIR)."""
    token: str | None = None
    """What every route but /health asks for (SPLAT_API_TOKEN). Never printed."""
    cors_origins: tuple[str, ...] = ()
    """Browser origins that may call (SPLAT_CORS_ORIGINS, comma list)."""
    scenes: tuple[str, ...] = ("main",)
    """Names that ?scene= may take (SPLAT_SCENES, comma list); the first is the default."""
    is_loopback: bool = False
    """Serves this machine alone: then a foreign Host is refused (DNS rebinding)."""
    max_pixels: int | None = None
    """Frames are trained at most this large (SPLAT_MAX_PIXELS); None = by the device."""
    frame_memory_mib: int | None = None
    """Decoded pictures of all scenes take at most this (SPLAT_FRAME_MEMORY_MIB); None = by the memory there
    is."""
    max_gaussians: int | None = None
    """Cap of new scenes that give none (SPLAT_MAX_GAUSSIANS); None = by the device."""
    idle_stop_s: float | None = None
    """A session that gets no frame or joints for so long is finished (SPLAT_IDLE_STOP_S); None = never."""
    bucket: BucketSettings | None = None

    def __repr__(self) -> str:
        return f"Settings(data_dir={str(self.data_dir)!r}, scenes={self.scenes!r})"


def settings_from(env: Mapping[str, str] = os.environ, *, is_loopback: bool = False) -> Settings:
    """Read the settings. Raises SettingsError naming the variable."""
    return Settings(
        data_dir=Path(_given(env, "SPLAT_DATA_DIR") or Settings.data_dir),
        token=_token(env),
        cors_origins=_value(env, "SPLAT_CORS_ORIGINS") or (),
        scenes=_value(env, "SPLAT_SCENES") or Settings.scenes,
        is_loopback=is_loopback,
        max_pixels=_value(env, "SPLAT_MAX_PIXELS"),
        frame_memory_mib=_value(env, "SPLAT_FRAME_MEMORY_MIB"),
        max_gaussians=_value(env, "SPLAT_MAX_GAUSSIANS"),
        idle_stop_s=_value(env, "SPLAT_IDLE_STOP_S") or None,
        bucket=_bucket(env),
    )


def _given(env: Mapping[str, str], name: str) -> str | None:
    """What is blank counts as not set."""
    return env.get(name, "").strip() or None


def _value(env: Mapping[str, str], name: str) -> Any:
    """Its value; None when it is not set."""
    text = _given(env, name)
    return None if text is None else VALUES[name](name, text)


def _token(env: Mapping[str, str]) -> str | None:
    token = _given(env, "SPLAT_API_TOKEN")
    if token is not None and not (token.isascii() and token.isprintable() and " " not in token):
        raise SettingsError("SPLAT_API_TOKEN cannot be used: it holds what no HTTP header can carry")
    return token


def _bucket(env: Mapping[str, str]) -> BucketSettings | None:
    """The two keys alone ask for no bucket: whoever uses AWS has them set for other purposes."""
    values = [_given(env, name) for name in BUCKET_VARIABLES]
    public_url = _given(env, "R2_PUBLIC_URL")
    if values[0] is None and values[1] is None and public_url is None:
        return None
    endpoint, bucket, access_key_id, secret_access_key = values
    if endpoint is None or bucket is None or access_key_id is None or secret_access_key is None:
        missing = ", ".join(
            name for name, value in zip(BUCKET_VARIABLES, values, strict=True) if value is None
        )
        raise SettingsError(
            f"the settings of the bucket are incomplete: no {missing}. "
            "Set what is missing, or unset every R2_ variable to keep chunks in the data folder."
        )
    try:
        address = check_address(endpoint, bucket, public_url)
    except AddressError as error:
        raise SettingsError(str(error)) from error
    return BucketSettings(address.endpoint, bucket, access_key_id, secret_access_key, address.public_url)
