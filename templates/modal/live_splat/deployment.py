"""What ``modal deploy`` is told: settings of the deployment, read from the environment of whoever deploys.

Standard library only: where it runs, Modal's SDK may be all there is.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .setting_values import VALUES, SettingsError

DATA_FOLDER = "/data"
"""Where the volume lies in the container."""

DEFAULT_GPUS = "L4,A10"
"""Cheapest first: $0.80 and $1.10 an hour by the list prices of September 2026, and 24 GB each. An L40S
($1.95) is not among them, so that a busy day does not double the bill unasked."""

DEFAULT_SCALEDOWN_S = 300
SCALEDOWN_RANGE_S = (2, 1200)
"""What Modal takes."""

DEFAULT_IDLE_STOP_S = "900"

DEFAULT_FRAME_MEMORY_MIB = "2048"
"""A quarter of the memory that the container asks for: what it sees may be that of the machine around it."""

PASSED_ON = VALUES
"""Settings of the backend itself, which ``settings.py`` reads in the container by the same rules: a mistake
is told to whoever deploys, not to a log that nobody reads."""

DEPLOYED_WITH = ("SPLAT_GPU", "SPLAT_SCALEDOWN_S", "SPLAT_PROXY_AUTH", "SPLAT_WITH_BUCKET")
"""Settings of the deployment. The container gets them too: it imports the same file and must find the same
app."""


class DeploymentError(Exception):
    """A setting that cannot be one; the message names it."""


@dataclass(frozen=True)
class Deployment:
    """How the backend stands on Modal."""

    gpus: tuple[str, ...]
    """The first that is free is taken."""
    scaledown_s: int
    """Seconds without a request after which the container goes."""
    proxy_auth: bool
    """Whether Modal itself asks for its token, before a container starts."""
    default_scene: str
    """The first of SPLAT_SCENES."""
    own_containers: bool
    """Whether each scene has a container, and with it a GPU, of its own."""
    with_bucket: bool
    """Whether the secret with the bucket's settings is needed."""
    container_env: Mapping[str, str]
    """What the container finds in its environment, apart from secrets."""


def deployment_from(env: Mapping[str, str]) -> Deployment:
    """Read the settings. Raises DeploymentError naming the variable."""
    container_env = {
        name: env[name].strip() for name in (*PASSED_ON, *DEPLOYED_WITH) if env.get(name, "").strip()
    }
    container_env.setdefault("SPLAT_IDLE_STOP_S", DEFAULT_IDLE_STOP_S)
    container_env.setdefault("SPLAT_FRAME_MEMORY_MIB", DEFAULT_FRAME_MEMORY_MIB)
    container_env["SPLAT_DATA_DIR"] = DATA_FOLDER
    values = {name: _value(name, container_env[name]) for name in PASSED_ON if name in container_env}
    proxy_auth = _flag("SPLAT_PROXY_AUTH", container_env)
    scenes = values.get("SPLAT_SCENES") or ("main",)
    return Deployment(
        gpus=_gpus(container_env.get("SPLAT_GPU", DEFAULT_GPUS)),
        scaledown_s=_scaledown_s(container_env.get("SPLAT_SCALEDOWN_S")),
        proxy_auth=proxy_auth,
        default_scene=scenes[0],
        own_containers=proxy_auth and len(scenes) > 1,
        with_bucket=_flag("SPLAT_WITH_BUCKET", container_env),
        container_env=container_env,
    )


def _value(name: str, text: str) -> Any:
    try:
        return PASSED_ON[name](name, text)
    except SettingsError as error:
        raise DeploymentError(str(error)) from error


def _gpus(text: str) -> tuple[str, ...]:
    names = tuple(name.strip() for name in text.split(",") if name.strip())
    if not names or not all(re.fullmatch(r"[A-Za-z][A-Za-z0-9-]*[!+]?", name) for name in names):
        raise DeploymentError(
            f'SPLAT_GPU is "{text}": give types of GPU, one of each, such as {DEFAULT_GPUS}'
        )
    return names


def _scaledown_s(text: str | None) -> int:
    least, most = SCALEDOWN_RANGE_S
    if text is None:
        return DEFAULT_SCALEDOWN_S
    if not re.fullmatch(r"\d{1,5}", text) or not least <= int(text) <= most:
        raise DeploymentError(f'SPLAT_SCALEDOWN_S is "{text}": give whole seconds from {least} to {most}')
    return int(text)


def _flag(name: str, env: Mapping[str, str]) -> bool:
    value = env.get(name, "0")
    if value not in ("0", "1"):
        raise DeploymentError(f'{name} is "{value}": give 1 or 0')
    return value == "1"
