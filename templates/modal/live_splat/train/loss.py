"""L = 0.8 · mean |x − y| + 0.2 · (1 − mean SSIM(x, y)), with x the render and y the frame, 0…1.

SSIM as in Wang et al. 2004 and every splat trainer: 11×11 Gaussian window, σ = 1.5, zero padding. Pixels that
do not count are set to 0 on both sides, and their own SSIM, which still sees neighbours that count, is left
out of the mean.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812 (its usual name)
from torch import Tensor

SSIM_WEIGHT = 0.2
C1 = 0.01**2
C2 = 0.03**2
RADIUS = 5
SIGMA = 1.5


def _window() -> list[float]:
    window = [math.exp(-(i * i) / (2 * SIGMA * SIGMA)) for i in range(-RADIUS, RADIUS + 1)]
    return [value / sum(window) for value in window]


WINDOW = _window()


def image_loss(render: Tensor, wanted: Tensor, mask: Tensor | None) -> Tensor:
    """The loss of ``render`` against ``wanted``, both [H,W,3]; ``mask`` [H,W] True = counts, None = all
    do."""
    if mask is not None:
        render, wanted = render * mask[:, :, None], wanted * mask[:, :, None]
    counted = _counted(render, mask)
    l1 = (render - wanted).abs().sum() / (3 * counted)
    ssim = mean_ssim(render.permute(2, 0, 1), wanted.permute(2, 0, 1), mask)
    return (1 - SSIM_WEIGHT) * l1 + SSIM_WEIGHT * (1 - ssim)


@torch.no_grad()
def mean_squared_error(render: Tensor, wanted: Tensor, mask: Tensor | None) -> Tensor:
    """[] of the render cut to 0…1, over the pixels that count."""
    squares = (render.clamp(0, 1) - wanted) ** 2
    if mask is not None:
        squares = squares * mask[:, :, None]
    return squares.sum() / (3 * _counted(render, mask))


def psnr_of(mse: float) -> float:
    """dB; 100 for a perfect match, so that it can be averaged."""
    return -10 * math.log10(max(mse, 1e-10))


def mean_ssim(x: Tensor, y: Tensor, mask: Tensor | None) -> Tensor:
    """[] over the pixels that count; x, y [3,H,W]. Differentiable in x."""
    ssim: Tensor = _Ssim.apply(x.contiguous(), y.contiguous(), mask)
    return ssim


def _counted(render: Tensor, mask: Tensor | None) -> Tensor | float:
    return render.shape[0] * render.shape[1] if mask is None else mask.sum().clamp_min(1)


class _Ssim(torch.autograd.Function):
    """By hand: autograd would blur four moments again in the backward pass, where three suffice."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, y: Tensor, mask: Tensor | None) -> Tensor:
        mx, my, squares, products = blur(torch.stack([x, y, x * x + y * y, x * y]))
        variances = squares - mx * mx - my * my + C2
        means = mx * mx + my * my + C1
        a = 2 * mx * my + C1
        b = 2 * (products - mx * my) + C2
        inverse = 1 / (means * variances)
        ssim = a * b * inverse
        # In the blurred x², and y² with it; in the blurred xy; in the blurred x, which both others hang on
        # too.
        d_xx = -ssim / variances
        d_xy = 2 * a * inverse
        d_x = 2 * my * b * inverse - 2 * mx * ssim / means - 2 * mx * d_xx - my * d_xy
        derivatives = torch.stack([d_x, d_xx, d_xy])
        counted = 3 * _counted(x[0], mask)
        if mask is not None:
            ssim, derivatives = ssim * mask, derivatives * mask
        ctx.save_for_backward(x, y, derivatives / counted)
        return ssim.sum() / counted

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        x, y, derivatives = ctx.saved_tensors
        # The blur is symmetric: it is its own transpose.
        d_x, d_xx, d_xy = blur(derivatives)
        return gradient * (d_x + 2 * x * d_xx + y * d_xy), None, None


def blur(planes: Tensor) -> Tensor:
    """[…,H,W] blurred with the window along columns and rows."""
    flat = planes.reshape(1, -1, *planes.shape[-2:])
    return (by_convolution(flat) if planes.is_cuda else by_shifts(flat)).view(planes.shape)


def by_convolution(planes: Tensor) -> Tensor:
    """``blur`` of [1,C,H,W] for a GPU. Each plane is a channel with a window of its own: cuDNN, which may
    round to the ten bits of TF32, takes no part in such a convolution. Variances are small differences of
    these planes and would be lost."""
    count = planes.shape[1]
    window = _window_on(planes.device, planes.dtype)
    down = window.view(1, 1, -1, 1).expand(count, 1, -1, 1)
    across = window.view(1, 1, 1, -1).expand(count, 1, 1, -1)
    rows = F.conv2d(planes, down.contiguous(), padding=(RADIUS, 0), groups=count)
    return F.conv2d(rows, across.contiguous(), padding=(0, RADIUS), groups=count)


def by_shifts(planes: Tensor) -> Tensor:
    """``blur`` of [1,C,H,W] for a CPU, as sums of shifted planes: several times as fast there as a
    convolution without a library for it."""
    height, width = planes.shape[-2:]
    wide = F.pad(planes, (0, 0, RADIUS, RADIUS))
    rows = torch.zeros_like(planes)
    for i, weight in enumerate(WINDOW):
        rows.add_(wide[:, :, i : i + height], alpha=weight)
    wide = F.pad(rows, (RADIUS, RADIUS))
    out = torch.zeros_like(planes)
    for i, weight in enumerate(WINDOW):
        out.add_(wide[:, :, :, i : i + width], alpha=weight)
    return out


@lru_cache(maxsize=8)
def _window_on(device: torch.device, dtype: torch.dtype) -> Tensor:
    """[11], there to stay: a step would wait for its upload."""
    return torch.tensor(WINDOW, device=device, dtype=dtype)
