"""How much memory pictures may take."""

from __future__ import annotations

from pathlib import Path

import pytest
from rig import opened
from scripted_training import ENGINE

from live_splat.memory_budget import MIB, default_frame_bytes, usable_bytes
from live_splat.training import Engine

GPU = Engine("gsplat", "NVIDIA L4", 1)
TOTAL = 64 * 1024 * MIB


@pytest.mark.parametrize(
    ("engine", "usable_mib", "wanted_mib"),
    [
        (ENGINE, 0, 256),
        (ENGINE, 8192, 2048),
        (ENGINE, 65536, 4096),
        (GPU, 8192, 2048),
        (GPU, 65536, 8192),
    ],
)
def test_a_quarter_of_memory_within_bounds(engine: Engine, usable_mib: int, wanted_mib: int) -> None:
    assert default_frame_bytes(engine, usable_mib * MIB) == wanted_mib * MIB


def groups_with(folder: Path, text: str, limits: dict[str, str]) -> tuple[Path, Path]:
    groups = folder / "cgroup"
    groups.write_text(text)
    for name, value in limits.items():
        path = folder / "fs" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(value)
    return groups, folder / "fs"


@pytest.mark.parametrize(
    ("text", "limits", "wanted"),
    [
        ("0::/\n", {"memory.max": "1000\n"}, 1000),
        ("0::/\n", {"memory.max": "max\n"}, TOTAL),
        ("0::/a/b\n", {"a/memory.max": "700\n", "a/b/memory.max": "900\n"}, 700),
        ("0::/elsewhere\n", {"memory.max": "800\n"}, 800),
        ("5:cpu,memory:/job\n1:cpuset:/\n", {"memory/memory.limit_in_bytes": "600\n"}, 600),
        ("5:memory:/\n", {"memory/memory.limit_in_bytes": "9223372036854771712\n"}, TOTAL),
    ],
)
def test_a_containers_limit_counts_where_it_is_lower(
    tmp_path: Path, text: str, limits: dict[str, str], wanted: int
) -> None:
    assert usable_bytes(*groups_with(tmp_path, text, limits), TOTAL) == wanted


def test_without_control_groups_the_machine_counts(tmp_path: Path) -> None:
    assert usable_bytes(tmp_path / "none", tmp_path, TOTAL) == TOTAL
    assert usable_bytes() > 0


def test_scenes_share_what_was_given(tmp_path: Path) -> None:
    with opened(tmp_path, scenes=("main", "left"), frame_memory_mib=100) as rig:
        assert rig.training.archive.budget_bytes == 50 * MIB
