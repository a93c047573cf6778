from __future__ import annotations

import numpy as np
import pytest

from live_splat.camera import Intrinsics
from live_splat.picture.undistort import Distortion, undistort

LENS = Intrinsics(97, 61, 70.0, 72.0, 47.5, 31.25)
BEND = Distortion(k1=-0.21, k2=0.06, p1=0.004, p2=-0.003)


def distorted(x: float, y: float, d: Distortion) -> tuple[float, float]:
    r2 = x * x + y * y
    radial = 1 + d.k1 * r2 + d.k2 * r2 * r2
    return (
        x * radial + 2 * d.p1 * x * y + d.p2 * (r2 + 2 * x * x),
        y * radial + d.p1 * (r2 + 2 * y * y) + 2 * d.p2 * x * y,
    )


def seen_through(lens: Intrinsics, bend: Distortion) -> tuple[np.ndarray, np.ndarray]:
    """Smooth pictures of a plane: as the bent lens sees it, and as a pinhole does."""

    def plane(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        channels = [128 + 100 * np.sin(3 * x + y), 128 + 100 * np.cos(4 * y), 128 + 90 * x, 255 + 0 * x]
        return np.rint(np.clip(np.stack(channels, -1), 0, 255)).astype(np.uint8)

    u, v = np.meshgrid(np.arange(lens.width) + 0.5, np.arange(lens.height) + 0.5)
    px, py = (u - lens.cx) / lens.fx, (v - lens.cy) / lens.fy
    # The ray behind each pixel of the bent image, by fixed-point iteration.
    x, y = px.copy(), py.copy()
    for _ in range(60):
        dx, dy = distorted(x, y, bend)
        x, y = x + px - dx, y + py - dy
    return plane(x, y), plane(px, py)


def test_gives_what_a_pinhole_would_have_seen() -> None:
    bent, straight = seen_through(LENS, BEND)
    out, inside = undistort(bent, LENS, BEND)
    assert inside.mean() > 0.9
    difference = np.abs(out.astype(int) - straight.astype(int))[inside]
    assert difference.mean() < 0.5
    assert difference.max() <= 4
    assert np.abs(bent.astype(int) - straight.astype(int)).max() > 30


def test_is_blank_where_the_lens_did_not_look() -> None:
    out, inside = undistort(np.full((61, 97, 4), 200, np.uint8), LENS, Distortion(k1=0.4))
    assert not inside.all()
    assert not out[~inside].any()
    assert (out[inside] == 200).all()


def test_rays_past_the_turning_point_have_no_source() -> None:
    wide = Intrinsics(100, 100, 20.0, 20.0, 50.0, 50.0)
    _, inside = undistort(np.zeros((100, 100, 4), np.uint8), wide, Distortion(k1=-0.2))
    # 1 + 3 k1 r² falls to 0 at r = 1.29, 26 pixels from the centre; beyond, the image would come back.
    row = np.flatnonzero(inside[50])
    assert (row.min(), row.max()) == (24, 75)


def test_interpolates_between_pixels() -> None:
    lens = Intrinsics(3, 1, 1.0, 1.0, 1.5, 0.5)
    image = np.array([[[0] * 4, [100] * 4, [200] * 4]], np.uint8)
    # p2 moves the ray in the middle of the image nowhere and those at x = ±1 by 3 p2.
    out, inside = undistort(image, lens, Distortion(p2=-0.2))
    assert inside.tolist() == [[False, True, True]]
    assert out[0, :, 0].tolist() == [0, 100, 140]


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (9, 1), (2, 2)])
def test_takes_images_a_pixel_wide(shape: tuple[int, int]) -> None:
    height, width = shape
    lens = Intrinsics(width, height, 10.0, 10.0, width / 2, height / 2)
    out, inside = undistort(np.full((height, width, 4), 77, np.uint8), lens, Distortion(k1=-0.01))
    assert inside.all()
    assert (out == 77).all()


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("size", [1e3, 1e150, 1e300])
def test_coefficients_that_no_lens_has_leave_no_source(size: float) -> None:
    image = np.full((61, 97, 4), 200, np.uint8)
    for bend in (Distortion(k1=size), Distortion(k1=-size, k2=size), Distortion(p1=size, p2=-size)):
        out, inside = undistort(image, LENS, bend)
        assert inside.sum() < 100
        assert (out[inside] == 200).all()


def test_does_not_change_its_input() -> None:
    bent, _ = seen_through(LENS, BEND)
    bent.setflags(write=False)
    assert undistort(bent, LENS, BEND)[0].flags.writeable
