"""Where first Gaussians go, how large a scene is, which frame is next, and at what rates."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the trainer needs torch")

from ring_scene import ring_camera, ring_frames  # noqa: E402
from torch.overrides import TorchFunctionMode  # noqa: E402

from live_splat.train.exposure import Exposures  # noqa: E402
from live_splat.train.extent import scene_extent  # noqa: E402
from live_splat.train.schedule import (  # noqa: E402
    CPU_RECIPE,
    CUDA_RECIPE,
    Finishing,
    Moment,
    next_frame,
    rates_at,
    sh_degree_at,
)
from live_splat.train.seed import (  # noqa: E402
    MOST_NEIGHBOURS,
    Seeding,
    clip,
    explain,
    first_gaussians,
    neighbour_spacing,
)
from live_splat.train.targets import target_of  # noqa: E402

CPU = torch.device("cpu")


def seeding(**changes) -> Seeding:
    values = {
        "cap": 4000,
        "count": 0,
        "depth": 2.0,
        "bounds": None,
        "random": np.random.default_rng(1),
        **changes,
    }
    return Seeding(**values)


def test_first_gaussians_lie_in_front_of_the_frame_in_its_colours() -> None:
    frame = ring_frames(1)[0]
    target = target_of(frame.camera, frame.picture)
    new = first_gaussians(target, None, seeding(), 4)
    # Half the cap over twenty frames.
    assert len(new["means"]) == 100
    matrix = frame.camera.world_to_camera()
    points = new["means"].numpy() @ matrix[:3, :3].T + matrix[:3, 3]
    assert (points[:, 2] > 0.8 - 1e-5).all()
    assert (points[:, 2] < 5 + 1e-5).all()
    lens = frame.camera.intrinsics
    columns = np.floor(lens.fx * points[:, 0] / points[:, 2] + lens.cx).astype(int).clip(0, 47)
    rows = np.floor(lens.fy * points[:, 1] / points[:, 2] + lens.cy).astype(int).clip(0, 39)
    seen = frame.picture.rgb[rows, columns] / 255
    shown = new["sh"][:, 0].numpy() * 0.28209479177387814 + 0.5
    assert (np.abs(seen - shown).max(1) < 1e-3).mean() > 0.95


def test_what_is_explained_gets_few_and_at_the_depth_that_is_seen() -> None:
    frame = ring_frames(1)[0]
    target = target_of(frame.camera, frame.picture)
    height, width = 40, 48
    image, alpha = target.on(torch.zeros(3)), torch.ones(height, width)
    depths = torch.stack([torch.full((height, width), 1.7), torch.full((height, width), 1.7**2)], 2)
    explained = explain(target, image, alpha, depths)
    assert explained.chance.max() == pytest.approx(0.02)
    new = first_gaussians(target, explained, seeding(count=3000), 1)
    assert len(new["means"]) == 2
    many = first_gaussians(target, explained, seeding(cap=200_000, count=0), 1)
    matrix = frame.camera.world_to_camera()
    depth = many["means"].numpy() @ matrix[2, :3] + matrix[2, 3]
    assert (np.abs(depth - 1.7) < 0.1).mean() == pytest.approx(0.95, abs=0.02)
    # Where nothing is drawn yet, everything is new.
    bare = explain(target, image * 0, torch.zeros(height, width), depths * 0)
    assert bare.chance.min() == 1


def test_pixels_that_do_not_count_bring_nothing() -> None:
    frame = ring_frames(1)[0]
    mask = np.zeros((40, 48), dtype=bool)
    target = target_of(frame.camera, type(frame.picture)(frame.picture.rgb, None, mask))
    assert len(first_gaussians(target, None, seeding(), 1)["means"]) == 0


class Compared(TorchFunctionMode):
    """Counts distances that are taken."""

    def __init__(self) -> None:
        super().__init__()
        self.pairs = 0

    def __torch_function__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        if func is torch.cdist:
            self.pairs += result.numel()
        return result


def test_spacing_is_the_distance_to_three_neighbours() -> None:
    points = np.array([[0.0, 0, 0], [1, 0, 0], [0, 2, 0], [0, 0, 2], [50, 0, 0]])
    assert neighbour_spacing(points, CPU)[0] == pytest.approx(np.sqrt((1 + 4 + 4) / 3))
    assert neighbour_spacing(points[:1], CPU).tolist() == [1e-5]
    assert len(neighbour_spacing(np.zeros((0, 3)), CPU)) == 0
    random = np.random.default_rng(0).normal(size=(700, 3))
    distances = np.sort(np.linalg.norm(random[:, None] - random[None], axis=2), axis=1)[:, 1:4]
    assert np.allclose(neighbour_spacing(random, CPU), np.sqrt((distances**2).mean(1)), rtol=1e-3)


def test_spacing_of_many_points_is_estimated_from_few_comparisons() -> None:
    points = np.random.default_rng(0).random((20_000, 3))
    with Compared() as compared:
        spacing = neighbour_spacing(points, CPU)
    assert compared.pairs == 20_000 * MOST_NEIGHBOURS
    # Points that fill a volume evenly: from the third of n neighbours' distances, in the mean.
    some = points[:300]
    distances = np.sort(np.linalg.norm(some[:, None] - points[None], axis=2), axis=1)[:, 1:4]
    exact = np.sqrt((distances**2).mean(1))
    assert np.log(spacing[:300] / exact).mean() == pytest.approx(0, abs=0.05)
    assert np.median(spacing) == pytest.approx(np.median(exact), rel=0.05)


def test_a_ray_is_cut_at_the_box() -> None:
    rays = np.array([[0, 0, 1.0], [0, 1.0, 0], [0, 0, -1.0]])
    start, end = clip(np.array([0.0, 0, -3]), rays, ((-1, -1, -1), (1, 1, 1)), near=0.1)
    assert (start[0], end[0]) == (2, 4)
    assert start[1] >= end[1]
    assert start[2] >= end[2]


def test_the_extent_is_where_the_cameras_look() -> None:
    extent = scene_extent([ring_camera(angle) for angle in np.linspace(0, 3, 8)])
    assert extent.depth == pytest.approx(np.hypot(2, 0.6), rel=1e-3)
    assert not extent.is_guess
    alone = scene_extent([ring_camera(0)] * 3)
    assert (alone.depth, alone.is_guess) == (pytest.approx(0.3), True)


def test_live_rates_stay_and_finishing_ones_fall() -> None:
    live = rates_at(CPU_RECIPE, Moment(step=5000, finished=0, before=0, size=2))
    assert live.groups["means"] == pytest.approx(4e-4)
    assert live.noise == pytest.approx(8)
    # After long live training they fall at once, and end where the recipe says.
    half = rates_at(CPU_RECIPE, Moment(step=5050, finished=0.5, before=5000, size=2))
    assert half.groups["means"] == pytest.approx(4e-4 * 0.01**0.5)
    end = rates_at(CPU_RECIPE, Moment(step=5100, finished=1, before=5000, size=2))
    assert end.groups["sh"] == pytest.approx(0.01 * 0.2)
    # Without live steps the first part is made at full rates.
    early = rates_at(CPU_RECIPE, Moment(step=50, finished=0.5, before=0, size=2))
    assert early.groups["means"] == pytest.approx(4e-4)
    assert sh_degree_at(CUDA_RECIPE, 2999) == 2


def test_the_nearer_limit_ends_the_finishing_phase() -> None:
    finishing = Finishing(from_step=100, from_s=1000, steps=50, deadline_s=1060)
    assert finishing.share(100, 1000) == 0
    assert finishing.share(125, 1006) == 0.5
    assert finishing.share(110, 1054) == pytest.approx(0.9)
    assert finishing.share(150, 1001) == 1
    assert finishing.share(101, 1060) == 1
    again = Finishing.again(finishing.progress(120, 1030), 120, 5000)
    assert again == Finishing(from_step=100, from_s=4970, steps=50, deadline_s=5030)
    assert Finishing(0, 1000, 0, 1000).share(0, 1000) == 1


def test_a_fifth_of_live_steps_goes_to_the_newest_and_the_less_trained_are_preferred() -> None:
    random = np.random.default_rng(0)
    live = [next_frame([100] * 9 + [500], True, random) for _ in range(4000)]
    assert live.count(9) / 4000 == pytest.approx(0.2 + 0.8 * 0.01, abs=0.02)
    least = [next_frame([5] + [9] * 9, False, random) for _ in range(4000)]
    assert least.count(0) / 4000 == pytest.approx(0.19, abs=0.02)


def test_exposures_stay_near_none_in_the_mean() -> None:
    exposures = Exposures()
    assert exposures.of(1)[0].tolist() == [1, 1, 1]
    for _ in range(40):
        exposures.learn(1, np.array([1.0] * 6))
        exposures.learn(2, np.array([-1.0] * 6))
    exposures.learn(1, np.array([np.nan] * 6))
    gain, bias = exposures.of(2)
    assert (gain > 1.02).all()
    assert (bias > 0).all()
    assert np.allclose(exposures.of(1)[0] * gain, 1)
    again = Exposures()
    again.restore(exposures.save())
    assert np.allclose(again.of(2)[0], gain, rtol=1e-12)


def test_the_mean_exposure_is_that_of_all_frames_however_they_came() -> None:
    exposures, random = Exposures(), np.random.default_rng(3)
    for step in range(300):
        exposures.learn(step % 7, random.normal(size=6))
    logs = np.array([np.log(exposures.of(index)[0]) for index in range(7)])
    assert np.allclose(logs.mean(0), 0, atol=1e-12)
    again = Exposures()
    again.learn(99, np.ones(6))
    again.restore(exposures.save())
    assert np.allclose([np.log(again.of(index)[0]) for index in range(7)], logs, atol=1e-12)
