"""test/splat/fixture.test.ts holds the TypeScript encoders to the same files."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path

import numpy as np
import pytest
from ply_reader import PlyError, read_ply

from live_splat.splat import formats, spz
from live_splat.splat.gaussians import Gaussians
from live_splat.splat.select import finite_gaussians, select_gaussians

FIXTURES = Path(__file__).parents[3] / "test" / "fixtures"


def fixture(name: str) -> bytes:
    return (FIXTURES / name).read_bytes()


def random_scene(count: int, degree: int, seed: int = 1) -> Gaussians:
    rng = np.random.default_rng(seed)
    return Gaussians(
        means=rng.normal(size=(count, 3)).astype(np.float32),
        log_scales=rng.normal(-4, 1, (count, 3)).astype(np.float32),
        quats=rng.normal(size=(count, 4)).astype(np.float32),
        opacities=rng.normal(size=count).astype(np.float32),
        sh=rng.normal(0, 0.3, (count, (degree + 1) ** 2, 3)).astype(np.float32),
    )


def equal(a: Gaussians, b: Gaussians) -> bool:
    names = ("means", "log_scales", "quats", "opacities", "sh")
    return all(np.array_equal(getattr(a, name), getattr(b, name)) for name in names)


@pytest.mark.parametrize("name", ["ply", "splat"])
def test_writes_the_bytes_that_the_typescript_encoder_writes(name: str) -> None:
    assert formats.encode(read_ply(fixture("scene.ply")), name) == fixture(f"scene.{name}")


def test_writes_the_spz_that_the_typescript_encoder_writes() -> None:
    ours = formats.encode(read_ply(fixture("scene.ply")), "spz")
    assert gzip.decompress(ours) == gzip.decompress(fixture("scene.spz"))


@pytest.mark.parametrize("degree", [0, 1, 2, 3])
def test_a_ply_keeps_every_bit(degree: int) -> None:
    scene = random_scene(100, degree)
    back = read_ply(formats.encode(scene, "ply"))
    assert equal(back, scene)
    assert back.sh_degree == degree
    assert back.sh.flags.c_contiguous


@pytest.mark.parametrize("degree", [0, 1, 2, 3])
def test_sizes_follow_from_count_and_degree(degree: int) -> None:
    scene = random_scene(70, degree)
    rest = 3 * ((degree + 1) ** 2 - 1)
    ply = formats.encode(scene, "ply")
    assert len(ply) - ply.index(b"end_header\n") - len(b"end_header\n") == 70 * 4 * (17 + rest)
    assert len(formats.encode(scene, "splat")) == 70 * 32
    assert len(gzip.decompress(formats.encode(scene, "spz"))) == 16 + 70 * (20 + rest)


@pytest.mark.parametrize("name", formats.FORMATS)
def test_an_empty_scene_is_a_file_too(name: str) -> None:
    data = formats.encode(random_scene(0, 3), name)
    assert (data == b"") == (name == "splat")


def test_more_gaussians_than_one_slice_lie_attribute_by_attribute() -> None:
    scene = random_scene(40_000, 0)
    unpacked = gzip.decompress(formats.encode(scene, "spz"))
    bits = unpacked[13]
    last = unpacked[16 + 9 * 39_999 : 16 + 9 * 40_000]
    x = int.from_bytes(last[:3], "little", signed=True) / 2**bits
    assert abs(x - scene.means[-1, 0]) <= 0.5 / 2**bits


def test_antialiasing_is_said_where_it_can_be() -> None:
    scene = random_scene(3, 0)
    assert b"\ncomment SplatRenderMode: mip\n" in formats.encode(scene, "ply", antialiased=True)
    assert b"SplatRenderMode" not in formats.encode(scene, "ply")
    assert [
        gzip.decompress(formats.encode(scene, "spz", antialiased=said))[14] for said in (False, True)
    ] == [0, 1]


def test_knows_no_other_format() -> None:
    with pytest.raises(ValueError, match="obj"):
        formats.encode(random_scene(1, 0), "obj")


@pytest.mark.parametrize(
    ("scale", "bits"),
    [
        (0.0, 22),
        (0.4, 17),
        (0.9, 16),
        (1.0, 15),
        (20.0, 12),
        (1000.0, 12),
        (2000.0, 12),
        (3000.0, 11),
        (1e30, 0),
    ],
)
def test_positions_get_the_bits_that_their_extent_leaves(scale: float, bits: int) -> None:
    assert spz.fractional_bits(np.full((10, 3), scale, np.float32)) == bits


def test_one_stray_does_not_coarsen_the_rest() -> None:
    means = np.full((1000, 3), 0.9, np.float32)
    means[17] = 1e6
    assert spz.fractional_bits(means) == 16


@pytest.mark.parametrize(
    ("damaged", "reason"),
    [
        (lambda ply: b"", "no header"),
        (lambda ply: ply[:300], "no header"),
        (lambda ply: ply[:-1], "cut short"),
        (lambda ply: ply.replace(b"f_rest_44", b"f_rest_4x"), "f_rest_44"),
        (lambda ply: ply.replace(b"property float opacity", b"property uchar opacity"), "uchar"),
        (lambda ply: ply.replace(b"property float rot_3\n", b""), "no rot_3"),
        (lambda ply: ply.replace(b"binary_little_endian", b"ascii"), "ascii"),
        (lambda ply: ply.replace(b"vertex 40", b"vertex 4000000000"), "cut short"),
    ],
)
def test_a_damaged_ply_is_refused(damaged, reason: str) -> None:
    with pytest.raises(PlyError, match=reason):
        read_ply(damaged(fixture("scene.ply")))


def test_a_ply_with_columns_in_another_order_is_read_by_name() -> None:
    names = [f"f_dc_{i}" for i in range(3)] + ["z", "y", "x", "opacity"]
    names += [f"scale_{i}" for i in range(3)] + [f"rot_{i}" for i in range(4)]
    header = "ply\nformat binary_little_endian 1.0\nelement vertex 1\n"
    header += "".join(f"property float {name}\n" for name in names) + "end_header\n"
    scene = read_ply(header.encode() + struct.pack("<14f", *range(14)))
    assert scene.means.tolist() == [[5, 4, 3]]
    assert scene.sh.tolist() == [[[0, 1, 2]]]
    assert scene.quats.tolist() == [[10, 11, 12, 13]]


class TestSelection:
    def test_leaves_out_what_is_not_finite(self) -> None:
        scene = random_scene(6, 1)
        scene.sh[1, 3, 2] = np.nan
        scene.means[4, 0] = np.inf
        sound = finite_gaussians(scene)
        assert sound.count == 4
        assert np.array_equal(sound.opacities, scene.opacities[[0, 2, 3, 5]])

    def test_takes_an_empty_scene(self) -> None:
        assert finite_gaussians(random_scene(0, 2)).count == 0

    def test_gives_the_same_object_when_nothing_is_left_out(self) -> None:
        scene = random_scene(6, 1)
        assert finite_gaussians(scene) is scene
        assert select_gaussians(scene, 6) is scene

    def test_keeps_opacity_times_area_in_the_order_of_the_scene(self) -> None:
        scene = random_scene(500, 2)
        area = np.sort(np.exp(scene.log_scales.astype(float)), axis=1)[:, 1:].prod(axis=1)
        value = area / (1 + np.exp(-scene.opacities.astype(float)))
        wanted = np.sort(np.argsort(-value)[:120])
        assert np.array_equal(select_gaussians(scene, 120).means, scene.means[wanted])

    def test_keeps_equal_ones_from_the_front(self) -> None:
        scene = random_scene(10, 0)
        scene.log_scales[:] = -3
        scene.opacities[:] = 0
        scene.opacities[8] = 1
        assert np.array_equal(select_gaussians(scene, 3).means, scene.means[[0, 1, 8]])

    def test_extreme_values_neither_overflow_nor_win_by_it(self) -> None:
        scene = random_scene(3, 0)
        scene.opacities[:] = (-1e4, 0, 1e4)
        scene.log_scales[:] = ((500, 500, 500), (0, 0, 0), (-1, -1, -1))
        with np.errstate(over="raise", invalid="raise"):
            assert np.array_equal(select_gaussians(scene, 1).means, scene.means[[1]])
