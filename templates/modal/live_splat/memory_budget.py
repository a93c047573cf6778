"""How much memory decoded pictures may take where nobody says."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from .training import Engine

MIB = 1 << 20

FRAME_SHARE = 1 / 4
"""Of the memory that this process may use; the rest is for Gaussians, uploads, decoding, torch and others."""
LEAST_FRAME_BYTES = 256 * MIB
MOST_FRAME_BYTES = 4096 * MIB
MOST_FRAME_BYTES_OF_GPU = 8192 * MIB
"""Beside a GPU, which has its own memory for Gaussians."""


def default_frame_bytes(engine: Engine, usable: int | None = None) -> int:
    """``usable``: bytes that this process may use (None: as the system says)."""
    share = int((usable_bytes() if usable is None else usable) * FRAME_SHARE)
    most = MOST_FRAME_BYTES if engine.device == "cpu" else MOST_FRAME_BYTES_OF_GPU
    return min(most, max(LEAST_FRAME_BYTES, share))


def usable_bytes(
    groups: Path = Path("/proc/self/cgroup"), limits: Path = Path("/sys/fs/cgroup"), total: int | None = None
) -> int:
    """The machine's memory, or the limit of the container where that is lower; 0 where nobody tells."""
    machine = _machine_bytes() if total is None else total
    return min([machine, *_group_limits(groups, limits)])


def _machine_bytes() -> int:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):
        return 0


def _group_limits(groups: Path, limits: Path) -> Iterator[int]:
    """Limits of this process's control groups, those around them too, bytes; of Linux, in both versions."""
    try:
        lines = groups.read_text().splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, group = line.split(":", 2)
        if controllers == "":
            root, name = limits, "memory.max"
        elif "memory" in controllers.split(","):
            root, name = limits / "memory", "memory.limit_in_bytes"
        else:
            continue
        # In a container the group's own path may not be there; its root is the container's group then.
        inner = root / group.lstrip("/")
        for folder in (inner, *inner.parents):
            if folder == limits.parent:
                break
            yield from _limit_in(folder / name)


def _limit_in(path: Path) -> Iterator[int]:
    """None when there is none, or it says "max"."""
    try:
        text = path.read_text().strip()
    except OSError:
        return
    if text.isdigit():
        yield int(text)
