"""The loss: against a plain computation in numpy, and its gradient against finite differences."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the trainer needs torch")

from torch.overrides import TorchFunctionMode  # noqa: E402

from live_splat.train.loss import (  # noqa: E402
    WINDOW,
    by_convolution,
    by_shifts,
    image_loss,
    mean_squared_error,
    mean_ssim,
    psnr_of,
)


def pictures(seed: int = 0) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    random = np.random.default_rng(seed)
    x, y = (torch.tensor(random.random((17, 23, 3))) for _ in range(2))
    return x, y, torch.tensor(random.random((17, 23)) > 0.3)


def plain_ssim(x: np.ndarray, y: np.ndarray, mask: np.ndarray) -> float:
    """Pixel by pixel; [H,W,3]."""
    window = np.outer(WINDOW, WINDOW)
    x, y = (np.pad(image * mask[:, :, None], ((5, 5), (5, 5), (0, 0))) for image in (x, y))
    values = []
    for row, column in zip(*mask.nonzero(), strict=True):
        for channel in range(3):
            a, b = (image[row : row + 11, column : column + 11, channel] for image in (x, y))
            ma, mb = (window * a).sum(), (window * b).sum()
            va, vb = (window * a * a).sum() - ma * ma, (window * b * b).sum() - mb * mb
            ab = (window * a * b).sum() - ma * mb
            luminance = (2 * ma * mb + 1e-4) / (ma * ma + mb * mb + 1e-4)
            values.append(luminance * (2 * ab + 9e-4) / (va + vb + 9e-4))
    return float(np.mean(values))


@pytest.mark.parametrize("masked", [False, True])
def test_ssim_is_the_plain_one(masked: bool) -> None:
    x, y, mask = pictures()
    counts = mask if masked else torch.ones_like(mask)
    ours = mean_ssim(
        (x * counts[:, :, None]).permute(2, 0, 1),
        (y * counts[:, :, None]).permute(2, 0, 1),
        mask if masked else None,
    )
    assert float(ours) == pytest.approx(plain_ssim(x.numpy(), y.numpy(), counts.numpy()), abs=1e-9)


@pytest.mark.parametrize("masked", [False, True])
def test_the_gradient_is_that_of_finite_differences(masked: bool) -> None:
    x, y, mask = pictures(1)
    given = mask if masked else None
    leaf = x.clone().requires_grad_()
    image_loss(leaf, y, given).backward()
    for i in (0, 7, 300, 611, 1172):
        ends = []
        for sign in (1, -1):
            moved = x.clone()
            moved.view(-1)[i] += sign * 1e-6
            ends.append(float(image_loss(moved, y, given)))
        assert float(leaf.grad.view(-1)[i]) == pytest.approx((ends[0] - ends[1]) / 2e-6, abs=1e-8)


def test_what_does_not_count_changes_nothing() -> None:
    x, y, mask = pictures(2)
    other = torch.where(mask[:, :, None], y, torch.rand_like(y))
    assert float(image_loss(x, y, mask)) == float(image_loss(x, other, mask))
    assert float(mean_squared_error(x, y, mask)) == float(mean_squared_error(x, other, mask))
    none = torch.zeros_like(mask)
    assert np.isfinite(float(image_loss(x, y, none)))


def test_psnr_is_of_the_render_cut_to_what_can_be_shown() -> None:
    wanted = torch.ones(4, 4, 3)
    assert psnr_of(float(mean_squared_error(wanted * 7, wanted, None))) == 100
    assert psnr_of(float(mean_squared_error(wanted * 0.9, wanted, None))) == pytest.approx(20, abs=1e-4)


def test_both_ways_to_blur_are_the_same() -> None:
    planes = torch.tensor(np.random.default_rng(4).random((1, 12, 19, 31)))
    assert torch.allclose(by_convolution(planes), by_shifts(planes), atol=1e-12)
    # In single precision too, as a GPU has it: ten bits would be off by 1e-4.
    assert torch.allclose(by_convolution(planes.float()).double(), by_shifts(planes), atol=2e-6)


def test_no_convolution_of_the_loss_is_one_that_may_be_rounded() -> None:
    class Convolutions(TorchFunctionMode):
        groups: ClassVar[list[tuple[int, int]]] = []

        def __torch_function__(self, func, types, args=(), kwargs=None):
            if func is torch.nn.functional.conv2d:
                self.groups.append((args[0].shape[1], kwargs["groups"]))
            return func(*args, **(kwargs or {}))

    with Convolutions() as seen:
        by_convolution(torch.rand(1, 12, 16, 16))
    # As many groups as channels, and more than one: torch's own kernel, which knows no TF32.
    assert seen.groups == [(12, 12)] * 2
