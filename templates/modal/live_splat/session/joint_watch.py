"""Watches how the joints come in: how long ago the last reading did, and whether frames are placed by
stale ones."""

from __future__ import annotations

import time
from collections.abc import Callable

from .joints import JointReading
from .notices import Notices
from .poses import Placement

STALE_JOINTS_S = 1.0
"""Joints older than this say little about where the arm is while it moves."""

DEFAULT_POSES_TO_WARN = 5
"""This many frames in a row without any pose are surely not meant."""

NO_POSE = "no pose: every frame is placed at the same spot"
STALE_JOINTS = "no joint reading for a while: frames are placed where the arm was last known to be"


class JointWatch:
    """See the top of the file; one per session, guarded by its lock."""

    def __init__(self, notices: Notices, *, steady: Callable[[], float] = time.monotonic) -> None:
        self._notices = notices
        self._steady = steady
        self._came_at: float | None = None
        """When the last reading came, on the steady clock: that of its sender may differ or jump."""
        self._is_stream = False
        """Whether it followed another closely."""
        self._defaults_in_a_row = 0

    def came(self) -> None:
        """A reading came."""
        now = self._steady()
        self._is_stream = self._came_at is not None and now - self._came_at <= STALE_JOINTS_S
        self._came_at = now

    def age_of(self, newest: JointReading) -> float:
        """Age of the newest reading now, seconds ≥ 0: by its own time, or since it came where that clock
        runs ahead."""
        since_it_came = 0.0 if self._came_at is None else self._steady() - self._came_at
        return max(since_it_came, time.time() - newest.time_s, 0.0)

    def placed(self, placement: Placement) -> None:
        """A frame got the pose it keeps."""
        is_default = placement.source == "default"
        self._defaults_in_a_row = self._defaults_in_a_row + 1 if is_default else 0
        if self._defaults_in_a_row == DEFAULT_POSES_TO_WARN:
            self._notices.add(NO_POSE)
        if not is_default:
            self._notices.remove(NO_POSE)
        if placement.joints_age_s is None:
            return
        if placement.source == "latest" and placement.joints_age_s > STALE_JOINTS_S:
            self._notices.add(STALE_JOINTS)
        elif placement.source != "latest" or self._is_stream:
            # One reading in a while is no end of it: the warning would come and go with each.
            self._notices.remove(STALE_JOINTS)
