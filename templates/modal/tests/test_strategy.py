"""How the set of Gaussians changes."""

from __future__ import annotations

import math

import pytest

torch = pytest.importorskip("torch", reason="the trainer needs torch")

from torch.utils._python_dispatch import TorchDispatchMode  # noqa: E402

from live_splat.train.splats import GROUPS, Splats  # noqa: E402
from live_splat.train.strategy import (  # noqa: E402
    MAX_COPIES,
    add_noise,
    dead,
    grow,
    mend,
    place,
    relocate,
    split_opacity,
    step_generator,
    thin_out,
)

CPU = torch.device("cpu")


def gaussians(count: int, degree: int = 1) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(7)
    return {
        "means": torch.randn(count, 3, generator=generator),
        "log_scales": torch.randn(count, 3, generator=generator) - 2,
        "quats": torch.randn(count, 4, generator=generator),
        "opacities": torch.rand(count, generator=generator) * 4,
        "sh": torch.randn(count, (degree + 1) ** 2, 3, generator=generator),
    }


def splats(count: int) -> Splats:
    made = Splats(1, CPU)
    made.append(gaussians(count))
    for name in GROUPS:
        made.moments1[name] += 1
        made.moments2[name] += 1
    return made


class Allocations(TorchDispatchMode):
    """A device that can do so much more before its memory runs out; None = anything."""

    def __init__(self, most: int | None = None) -> None:
        super().__init__()
        self._most = most
        self.made = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        if self.made == self._most:
            raise RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB")
        self.made += 1
        return func(*args, **(kwargs or {}))


def test_equation_9_as_the_paper_writes_it() -> None:
    opacity = torch.tensor([0.3, 0.9, 0.05, 0.999])
    copies = torch.tensor([2, 3, 5, MAX_COPIES])
    each, scale = split_opacity(opacity, copies)
    for i, n in enumerate(copies.tolist()):
        o = 1 - (1 - float(opacity[i])) ** (1 / n)
        total = sum(
            math.comb(j - 1, k) * (-1) ** k * o ** (k + 1) / math.sqrt(k + 1)
            for j in range(1, n + 1)
            for k in range(j)
        )
        assert float(each[i]) == pytest.approx(max(0.005, o), rel=1e-5)
        assert float(scale[i]) == pytest.approx(float(opacity[i]) / total, rel=1e-4)


def test_one_copy_stays_what_it_was() -> None:
    each, scale = split_opacity(torch.tensor([0.4]), torch.tensor([1]))
    assert (float(each), float(scale)) == (pytest.approx(0.4), pytest.approx(1))


def test_the_dead_move_onto_the_living_and_adam_forgets_both() -> None:
    scene = splats(50)
    scene.values["opacities"][:5] = -9
    scene.values["means"][5] = math.nan
    rows = dead(scene).nonzero()[:, 0]
    assert rows.tolist() == [0, 1, 2, 3, 4, 5]
    before = scene.values["means"].clone()
    assert relocate(scene, rows, step_generator(1, 2, 3, CPU))
    assert scene.count == 50
    assert not dead(scene).any()
    alive = {tuple(mean) for mean in before[6:].tolist()}
    assert all(tuple(mean) in alive for mean in scene.values["means"][:6].tolist())
    assert all((scene.moments1[name][:6] == 0).all() for name in GROUPS)
    forgotten = (scene.moments1["opacities"] == 0).sum()
    assert 6 < forgotten <= 12


def test_nothing_moves_where_none_lives() -> None:
    scene = splats(4)
    scene.values["opacities"][:] = -9
    assert not relocate(scene, torch.arange(4), step_generator(1, 2, 3, CPU))
    assert not mend(Splats(1, CPU), step_generator(1, 2, 3, CPU))
    scene.values["means"][:] = math.nan
    assert not mend(scene, step_generator(1, 2, 3, CPU))


def test_the_set_grows_by_copies_without_forgetting_the_sources() -> None:
    scene = splats(50)
    grow(scene, 54, step_generator(1, 2, 3, CPU))
    assert scene.count == 54
    assert (scene.moments1["sh"][50:] == 0).all()
    assert (scene.moments1["sh"][:50] == 1).all()
    assert {tuple(mean) for mean in scene.values["means"].tolist()} == {
        tuple(mean) for mean in scene.values["means"][:50].tolist()
    }


def test_random_numbers_hang_on_seed_and_step_alone() -> None:
    draws = [
        float(torch.rand(1, generator=step_generator(*key, CPU))) for key in ((1, 5, 0), (1, 5, 0), (1, 6, 0))
    ]
    assert draws[0] == draws[1] != draws[2]


def test_new_ones_fill_the_room_and_then_displace_the_least_useful() -> None:
    scene = splats(90)
    place(scene, gaussians(20), cap=100)
    assert scene.count == 100
    scene.values["opacities"][17] = -6
    place(scene, gaussians(20), cap=100)
    assert scene.count == 100
    # One in a hundred may be displaced.
    assert torch.equal(scene.values["means"][17], gaussians(20)["means"][0])
    thin_out(scene, 40)
    assert scene.count == 40
    assert len(scene.moments2["sh"]) == 40


@pytest.mark.parametrize("change", ["append", "keep", "set_degree", "load"])
def test_where_memory_runs_out_the_set_stays_as_it_was(change: str) -> None:
    other, new = splats(80).save(), gaussians(20)
    changes = {
        "append": lambda scene: scene.append(new),
        "keep": lambda scene: scene.keep(torch.arange(10)),
        "set_degree": lambda scene: scene.set_degree(3),
        "load": lambda scene: scene.load(other, 1),
    }
    scene = splats(50)
    with Allocations() as needed:
        changes[change](scene)
    assert needed.made > 2
    for most in range(needed.made):
        scene, before = splats(50), splats(50).save()
        with Allocations(most), pytest.raises(RuntimeError, match="out of memory"):
            changes[change](scene)
        after = scene.save()
        assert {name: array.shape for name, array in after.items()} == {
            name: array.shape for name, array in before.items()
        }


def test_gaussians_from_elsewhere_are_mended() -> None:
    scene = splats(30)
    scene.values["log_scales"][3, 1] = 90
    scene.values["sh"][4, 0, 0] = math.inf
    scene.moments2["quats"][5, 0] = -1
    scene.moments1["means"][6, 0] = math.nan
    assert mend(scene, step_generator(1, 1, 1, CPU))
    assert all(torch.isfinite(values).all() for values in scene.values.values())
    assert float(scene.values["log_scales"].max()) < 25
    assert (scene.moments2["quats"][5] == 0).all()
    assert (scene.moments1["means"][6] == 0).all()
    assert (scene.moments1["means"][7] == 1).all() or (scene.moments1["means"][8] == 1).all()


def test_noise_moves_the_transparent_within_their_own_shape() -> None:
    scene = splats(2000)
    scene.values["opacities"][:1000] = -8
    scene.values["quats"][:] = torch.tensor([1.0, 0, 0, 0])
    scene.values["log_scales"][:] = torch.log(torch.tensor([0.5, 0.1, 0.01]))
    before = scene.values["means"].clone()
    add_noise(scene, 1.0, step_generator(1, 1, 1, CPU))
    moved = scene.values["means"] - before
    assert float(moved[1000:].abs().max()) < 1e-6
    # Σ · ξ: variances, times how transparent 0.0003 is.
    share = 1 / (1 + math.exp(100 * (1 / (1 + math.exp(8)) - 0.005)))
    assert moved[:1000].std(0).tolist() == pytest.approx(
        [share * 0.25, share * 0.01, share * 0.0001], rel=0.1
    )


def test_adam_takes_the_step_of_the_paper_and_no_gradient_that_is_not_finite() -> None:
    scene = Splats(0, CPU)
    scene.append(gaussians(3, degree=0))
    before = {name: value.clone() for name, value in scene.values.items()}
    gradients = {name: torch.full_like(value, 0.5) for name, value in scene.values.items()}
    gradients["means"][1] = math.nan
    scene.adam(gradients, dict.fromkeys(GROUPS, 0.01), step=1)
    # The first step is the rate, whatever the gradient.
    assert torch.allclose(before["sh"] - scene.values["sh"], torch.tensor(0.01), atol=1e-6)
    assert torch.equal(scene.values["means"][1], before["means"][1])
    assert torch.allclose(before["means"][0] - scene.values["means"][0], torch.tensor(0.01), atol=1e-6)
