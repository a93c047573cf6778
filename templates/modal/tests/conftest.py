"""What several tests begin with."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from rig import Rig, opened


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    """A backend on an empty folder, with a scripted trainer."""
    with opened(tmp_path) as backend:
        yield backend
