"""The rasterisers: against a brute-force one in numpy, gsplat's own renders, finite differences and gsplat's
signature."""

from __future__ import annotations

import json
import math
import struct
import sys
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the trainer needs torch")

from fake_gsplat import fake_gsplat  # noqa: E402

from live_splat.camera import Camera, Intrinsics  # noqa: E402
from live_splat.rasterize import Shapes, View, rasterize_gsplat, view_of  # noqa: E402
from live_splat.train.harmonics import sh_basis  # noqa: E402
from live_splat.train.raster_cpu import rasterize_cpu  # noqa: E402

GSPLAT_RENDERS = Path(__file__).resolve().parents[4] / "shared" / "data" / "raster_ref"
LENS = Intrinsics(width=40, height=30, fx=32.0, fy=30.0, cx=19.0, cy=16.0)


def a_scene(count: int, seed: int = 0, dtype: torch.dtype = torch.float32) -> tuple[Shapes, torch.Tensor]:
    """Gaussians around (0, 0, 3), some behind the camera, beside the image, large, flat, opaque."""
    random = np.random.default_rng(seed)
    means = random.normal([0, 0, 3], [1.5, 1.2, 1.5], (count, 3))
    scales = np.exp(random.normal(-2.0, 0.8, (count, 3)))
    opacities = 1 / (1 + np.exp(-random.normal(0, 3, count)))
    quats = random.normal(size=(count, 4))
    sh = random.normal(0, 0.4, (count, 16, 3))
    arrays = (torch.tensor(array, dtype=dtype) for array in (means, quats, scales, opacities))
    return Shapes(*arrays), torch.tensor(sh, dtype=dtype)


def a_view(dtype: torch.dtype = torch.float32) -> View:
    angle = 0.2
    pose = np.eye(4)
    pose[:3, :3] = [[math.cos(angle), 0, math.sin(angle)], [0, 1, 0], [-math.sin(angle), 0, math.cos(angle)]]
    pose[:3, 3] = [0.1, -0.05, 0.2]
    return View(torch.tensor(np.linalg.inv(pose), dtype=dtype), LENS)


def brute_force(shapes: Shapes, colors: torch.Tensor, view: View) -> np.ndarray:
    """[H,W,D+1]: every Gaussian on every pixel, one after another, straight from the convention."""
    lens, matrix = view.intrinsics, view.world_to_camera.double().numpy()
    means, quats, scales, opacities = (
        tensor.double().numpy() for tensor in (shapes.means, shapes.quats, shapes.scales, shapes.opacities)
    )
    values = colors.double().numpy()
    points = means @ matrix[:3, :3].T + matrix[:3, 3]
    u, v = np.meshgrid(np.arange(lens.width) + 0.5, np.arange(lens.height) + 0.5)
    image = np.zeros((lens.height, lens.width, values.shape[1] + 1))
    through = np.ones((lens.height, lens.width))
    is_open = np.ones((lens.height, lens.width), dtype=bool)
    for i in np.argsort(points[:, 2], kind="stable"):
        x, y, z = points[i]
        if z <= 0.01:
            continue
        a, b, c, d = quats[i] / np.linalg.norm(quats[i])
        rotation = np.array(
            [
                [1 - 2 * (c * c + d * d), 2 * (b * c - a * d), 2 * (b * d + a * c)],
                [2 * (b * c + a * d), 1 - 2 * (b * b + d * d), 2 * (c * d - a * b)],
                [2 * (b * d - a * c), 2 * (c * d + a * b), 1 - 2 * (b * b + c * c)],
            ]
        )
        world = rotation @ np.diag(scales[i] ** 2) @ rotation.T
        margin_x, margin_y = 0.15 * lens.width / lens.fx, 0.15 * lens.height / lens.fy
        tx = np.clip(x / z, -lens.cx / lens.fx - margin_x, (lens.width - lens.cx) / lens.fx + margin_x)
        ty = np.clip(y / z, -lens.cy / lens.fy - margin_y, (lens.height - lens.cy) / lens.fy + margin_y)
        jacobian = np.array([[lens.fx / z, 0, -lens.fx * tx / z], [0, lens.fy / z, -lens.fy * ty / z]])
        to_image = jacobian @ matrix[:3, :3]
        conic = np.linalg.inv(to_image @ world @ to_image.T + 0.3 * np.eye(2))
        dx, dy = u - (lens.fx * x / z + lens.cx), v - (lens.fy * y / z + lens.cy)
        power = 0.5 * (conic[0, 0] * dx * dx + conic[1, 1] * dy * dy) + conic[0, 1] * dx * dy
        alpha = np.minimum(0.999, opacities[i] * np.exp(-power))
        alpha[alpha < 1 / 255] = 0
        is_open &= through * (1 - alpha) > 1e-4
        alpha[~is_open] = 0
        weight = through * alpha
        image += weight[:, :, None] * np.append(values[i], 1)
        through = through * (1 - alpha)
    return image


@pytest.mark.parametrize(("count", "seed"), [(1, 3), (60, 0), (400, 1)])
def test_the_cpu_rasteriser_agrees_with_brute_force(count: int, seed: int) -> None:
    shapes, sh = a_scene(count, seed)
    view = a_view()
    rendered = rasterize_cpu(shapes, sh[:, 0], view, None)
    expected = brute_force(shapes, sh[:, 0], view)
    assert np.abs(rendered.image.numpy() - expected[:, :, :3]).max() < 2e-5
    assert np.abs(rendered.alpha.numpy() - expected[:, :, 3]).max() < 2e-5


def test_harmonics_are_orthonormal_and_seen_from_the_camera() -> None:
    # Fibonacci points on the sphere: the mean of products is 1/4π for equal functions and 0 otherwise.
    i = np.arange(20_000) + 0.5
    polar, around = np.arccos(1 - 2 * i / 20_000), np.pi * (1 + 5**0.5) * i
    directions = np.stack([np.cos(around) * np.sin(polar), np.sin(around) * np.sin(polar), np.cos(polar)], 1)
    basis = sh_basis(torch.tensor(directions), 3).numpy()
    assert np.abs(basis.T @ basis / len(i) * 4 * np.pi - np.eye(16)).max() < 1e-3

    shapes, sh = a_scene(30)
    view = a_view()
    centre = np.linalg.inv(view.world_to_camera.numpy())[:3, 3]
    toward = shapes.means - torch.tensor(centre)
    toward = toward / toward.norm(dim=1, keepdim=True)
    colors = ((sh_basis(toward, 2)[:, :, None] * sh[:, :9]).sum(1) + 0.5).clamp_min(0)
    by_hand = rasterize_cpu(shapes, colors, view, None)
    assert torch.allclose(rasterize_cpu(shapes, sh, view, 2).image, by_hand.image, atol=1e-6)


@pytest.mark.skipif(not GSPLAT_RENDERS.is_dir(), reason=f"gsplat's renders are not here ({GSPLAT_RENDERS})")
@pytest.mark.parametrize("name", ["tiny_case", "basic_case"])
def test_the_cpu_rasteriser_agrees_with_gsplat(name: str) -> None:
    case = read_safetensors(GSPLAT_RENDERS / f"{name}.safetensors")
    height, width = case["out_img"].shape[:2]
    matrix = torch.eye(4)
    matrix[:3, 3] = torch.tensor([-0.123, -0.456, 8.0])
    view = View(matrix, Intrinsics(width, height, width / 2, width / 2, width / 2, height / 2))
    shapes = Shapes(case["means"], case["quats"], case["scales"].exp(), case["opacities"].sigmoid())
    rendered = rasterize_cpu(shapes, case["coeffs"], view, 3)
    assert (rendered.image - case["out_img"][:, :, :3]).abs().max() < 5e-6
    assert (rendered.alpha - case["out_img"][:, :, 3]).abs().max() < 5e-6


def read_safetensors(path: Path) -> dict[str, torch.Tensor]:
    data = path.read_bytes()
    (size,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + size])
    header.pop("__metadata__", None)
    tensors = {}
    for name, entry in header.items():
        start, end = entry["data_offsets"]
        array = np.frombuffer(data[8 + size + start : 8 + size + end], dtype=np.float32)
        tensors[name] = torch.tensor(array.reshape(entry["shape"]))
    return tensors


def test_gradients_agree_with_finite_differences() -> None:
    shapes, sh = a_scene(40, seed=5, dtype=torch.float64)
    view = a_view(torch.float64)
    random = np.random.default_rng(1)
    wanted = torch.tensor(random.normal(size=(LENS.height, LENS.width, 4)))
    inputs = [shapes.means, shapes.quats, shapes.scales, shapes.opacities * 0.9, sh]

    def value(*tensors: torch.Tensor) -> torch.Tensor:
        rendered = rasterize_cpu(Shapes(*tensors[:4]), tensors[4], view, 3)
        return (rendered.image * wanted[:, :, :3]).sum() + (rendered.alpha * wanted[:, :, 3]).sum()

    leaves = [tensor.clone().requires_grad_() for tensor in inputs]
    value(*leaves).backward()
    checked = 0
    for which, leaf in enumerate(leaves):
        flat = leaf.grad.flatten()
        largest = torch.argsort(flat.abs(), descending=True)[:12]
        for i in largest.tolist():
            slopes = []
            for h in (1e-6, 2e-6):
                ends = []
                for sign in (1, -1):
                    moved = [tensor.clone() for tensor in inputs]
                    moved[which].view(-1)[i] += sign * h
                    ends.append(float(value(*moved)))
                slopes.append((ends[0] - ends[1]) / (2 * h))
            # Where a pixel crosses a threshold in between, the render jumps: two widths then disagree.
            if abs(slopes[0] - slopes[1]) > 1e-4 * (1 + abs(slopes[0])):
                continue
            checked += 1
            assert slopes[0] == pytest.approx(float(flat[i]), rel=1e-3, abs=1e-4)
    assert checked >= 45


def test_broken_and_unseen_gaussians_are_not_drawn_and_harm_no_gradient() -> None:
    shapes, sh = a_scene(20)
    view = a_view()
    whole = rasterize_cpu(shapes, sh, view, 1)
    broken = torch.tensor([[math.nan, 0, 3], [0, math.inf, 3], [0, 0, -3], [0, 0, 0.2], [0, 0, 3], [0, 0, 3]])
    means = torch.cat([shapes.means, broken]).requires_grad_()
    scales = torch.cat([shapes.scales, torch.full((4, 3), 0.1), torch.full((2, 3), math.inf)])
    opacities = torch.cat([shapes.opacities, torch.tensor([0.9, 0.9, 0.9, 0.001, 0.9, math.nan])])
    quats = torch.cat([shapes.quats, torch.tensor([[1.0, 0, 0, 0]]).repeat(6, 1)])
    more = rasterize_cpu(Shapes(means, quats, scales, opacities), torch.cat([sh, sh[:6]]), view, 1)
    assert torch.equal(more.image, whole.image)
    more.image.sum().backward()
    assert torch.isfinite(means.grad[:20]).all()
    assert (means.grad[20:] == 0).all()


def test_nothing_in_view_is_an_open_image() -> None:
    shapes, sh = a_scene(5)
    away = Shapes(
        shapes.means - torch.tensor([0.0, 0.0, 50.0]), shapes.quats, shapes.scales, shapes.opacities
    )
    rendered = rasterize_cpu(away, sh, a_view(), 0)
    assert rendered.image.shape == (30, 40, 3)
    assert float(rendered.on(torch.tensor([0.2, 0.4, 0.6]))[3, 4, 1]) == pytest.approx(0.4)


def test_an_image_of_many_pixels_is_blended_in_bands() -> None:
    shapes, sh = a_scene(50, seed=2)
    wide = View(a_view().world_to_camera, LENS.resized(1600, 90))
    pixels = rasterize_cpu(shapes, sh[:, 0], wide, None)
    assert np.abs(pixels.image.numpy() - brute_force(shapes, sh[:, 0], wide)[:, :, :3]).max() < 5e-5


def test_a_camera_becomes_a_view_with_opencv_axes() -> None:
    pose = np.eye(4)
    pose[:3, 3] = [1, 2, 3]
    view = view_of(Camera(LENS, pose), torch.device("cpu"))
    # One metre in front of an OpenGL camera is along −z.
    ahead = view.world_to_camera @ torch.tensor([1.0, 2.0, 2.0, 1.0])
    assert ahead.tolist() == pytest.approx([0, 0, 1, 1])


def test_gsplat_is_called_as_it_wants_to_be(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[dict] = []
    monkeypatch.setitem(sys.modules, "gsplat", fake_gsplat(calls))
    shapes, sh = a_scene(40)
    view = a_view()
    means = shapes.means.clone().requires_grad_()
    moved = Shapes(means, shapes.quats, shapes.scales, shapes.opacities)
    rendered = rasterize_gsplat(moved, sh, view, 2)
    expected = rasterize_cpu(shapes, sh, view, 2)
    assert torch.equal(rendered.image, expected.image)
    assert torch.equal(rendered.alpha, expected.alpha)
    rendered.image.sum().backward()
    assert means.grad is not None
    features = rasterize_gsplat(shapes, sh[:, 0, :2], view, None)
    assert features.image.shape == (30, 40, 2)
    assert [call["sh_degree"] for call in calls] == [2, None]
