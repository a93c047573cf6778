"""Blending splats front to back on a CPU, pair by pair (a pair = one splat on one pixel where it is seen).

For each row of pixels the span that a splat covers is known exactly, so no pair is made in vain. Pairs are
sorted by pixel; within one they keep the splats' order, front to back. What a pixel lets through is then one
running sum of logarithms over all pairs, of which each pixel takes its stretch. Rows are blended in bands
that fit the caches.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

ALPHA_MIN = 1 / 255
ALPHA_MAX = 0.999
TRANSMITTANCE_MIN = 1e-4
PAIRS_A_BAND = 1 << 17
PIXELS_A_BAND = 1 << 16
"""Pixels of a band are numbered in 16 bits: numpy sorts those by radix, ten times as fast as any other
integer."""
SLACK_PX = 0.01
"""Spans are this much too wide; the exact test is made on alpha."""

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Spans:
    """Runs of pixels in a row, each covered by one splat; by row, then front to back."""

    splat: Ints
    row: Ints
    start: Ints
    length: Ints


@dataclass(frozen=True)
class Pairs:
    """P pairs of a band that count, by pixel, then front to back."""

    splat: Tensor
    """[P] int64"""
    pixel: Tensor
    """[P] int64 in the image."""
    alpha: Tensor
    """[P]"""
    weight: Tensor
    """[P] alpha × what is let through in front."""


def blend(packed: Tensor, covariances: Tensor, width: int, height: int) -> Tensor:
    """Blend M splats, front to back. → [D+1, height·width]: D channels on black, then alpha.

    ``packed`` is [6+D,M]: mean x, y (px), inverse covariance xx, xy, yy, opacity, D channels; ``covariances``
    [3,M].
    """
    blended: Tensor = _Blend.apply(packed, covariances, width, height)
    return blended


class _Blend(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, packed: Tensor, covariances: Tensor, width: int, height: int) -> Tensor:
        out = packed.new_zeros(packed.shape[0] - 5, width * height)
        bands = []
        for spans in _bands(_spans(packed, covariances, width, height), width):
            pairs = _pairs(packed, spans, width)
            for channel, values in zip(out[:-1], packed[6:], strict=True):
                channel.index_add_(0, pairs.pixel, pairs.weight * values.index_select(0, pairs.splat))
            out[-1].index_add_(0, pairs.pixel, pairs.weight)
            bands.append(pairs)
        ctx.bands, ctx.width = bands, width
        ctx.save_for_backward(packed)
        return out

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None, None]:
        (packed,) = ctx.saved_tensors
        out = torch.zeros_like(packed)
        for pairs in ctx.bands:
            _blend_backward(packed, pairs, ctx.width, gradient, out)
        return out, None, None, None


def _spans(packed: Tensor, covariances: Tensor, width: int, height: int) -> Spans:
    """Where each splat's alpha reaches ALPHA_MIN, in float64: the ellipse is cut row by row."""
    mean_x, mean_y, conic_xx, conic_xy, _, opacity = packed[:6].detach().double().numpy()
    variance_y = covariances[2].double().numpy()
    with np.errstate(all="ignore"):
        # Squared Mahalanobis distance of the edge.
        edge = 2 * np.log(np.maximum(opacity / ALPHA_MIN, 1))
        reach = np.sqrt(edge * variance_y) + SLACK_PX
        first = _pixel(np.ceil(mean_y - reach - 0.5), height)
        rows = np.maximum(_pixel(np.floor(mean_y + reach - 0.5) + 1, height) - first, 0)
        splat = np.repeat(np.arange(len(rows)), rows)
        row = first[splat] + _ranks(rows)
        dy = row + 0.5 - mean_y[splat]
        centre = mean_x[splat] - conic_xy[splat] / conic_xx[splat] * dy
        half = np.sqrt(np.maximum(edge[splat] - dy * dy / variance_y[splat], 0) / conic_xx[splat]) + SLACK_PX
        start = _pixel(np.ceil(centre - half - 0.5), width)
        length = _pixel(np.floor(centre + half - 0.5) + 1, width) - start
    order = np.argsort(row, kind="stable")
    order = order[length[order] > 0]
    return Spans(splat[order], row[order], start[order], length[order])


def _pixel(value: NDArray[np.float64], size: int) -> Ints:
    """0…size; 0 for what is not a number."""
    return np.clip(np.nan_to_num(value), 0, size).astype(np.int64)


def _ranks(counts: Ints) -> Ints:
    """0…n−1 for each n of ``counts``, one after another."""
    return np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)


def _bands(spans: Spans, width: int) -> Iterator[Spans]:
    """Whole rows, as many as stay below both limits; at least one."""
    most_rows = max(1, PIXELS_A_BAND // width)
    ends = np.cumsum(spans.length)
    start = 0
    while start < len(ends):
        before = ends[start] - spans.length[start]
        stop = int(np.searchsorted(ends, before + PAIRS_A_BAND, side="right"))
        last_row = spans.row[min(stop, len(ends) - 1)]
        first_row = spans.row[start]
        until = last_row if stop < len(ends) else last_row + 1
        until = min(max(until, first_row + 1), first_row + most_rows)
        stop = int(np.searchsorted(spans.row, until))
        yield Spans(
            spans.splat[start:stop], spans.row[start:stop], spans.start[start:stop], spans.length[start:stop]
        )
        start = stop


def _pairs(packed: Tensor, spans: Spans, width: int) -> Pairs:
    base = int(spans.row[0]) * width
    pixel = np.repeat(spans.row * width + spans.start, spans.length) + _ranks(spans.length)
    order = np.argsort((pixel - base).astype(np.uint16), kind="stable")
    pixel = torch.from_numpy(pixel[order])
    splat = torch.from_numpy(np.repeat(spans.splat, spans.length)[order])
    dx, dy = _offsets(packed, splat, pixel, width)
    xx, xy, yy, opacity = (row.index_select(0, splat) for row in packed[2:6])
    alpha = opacity * torch.exp(-0.5 * (xx * dx * dx + yy * dy * dy) - xy * dx * dy)
    alpha = torch.where(alpha >= ALPHA_MIN, alpha, alpha.new_zeros(())).clamp_max_(ALPHA_MAX)
    # Running sum of log(1 − alpha), less what stood before the pixel's first pair.
    logs = torch.log1p(-alpha).double()
    offset = pixel - base
    per_pixel = torch.zeros(int(offset[-1]) + 1, dtype=torch.float64).index_add_(0, offset, logs)
    before = per_pixel.cumsum(0) - per_pixel
    behind = torch.exp((logs.cumsum(0) - before.index_select(0, offset)).to(alpha.dtype))
    counts = (alpha > 0) & (behind > TRANSMITTANCE_MIN)
    alpha, behind = alpha[counts], behind[counts]
    return Pairs(splat[counts], pixel[counts], alpha, alpha * behind / (1 - alpha))


def _offsets(packed: Tensor, splat: Tensor, pixel: Tensor, width: int) -> tuple[Tensor, Tensor]:
    """[P] from the splat's mean to the pixel's centre, pixels."""
    row = torch.div(pixel, width, rounding_mode="floor")
    column = (pixel - row * width).to(packed.dtype)
    return (
        column + 0.5 - packed[0].index_select(0, splat),
        row.to(packed.dtype) + 0.5 - packed[1].index_select(0, splat),
    )


def _blend_backward(packed: Tensor, pairs: Pairs, width: int, gradient: Tensor, out: Tensor) -> None:
    """Add a band's part of the gradient in ``packed`` to ``out``; ``gradient`` [D+1, pixels]."""
    splat, pixel, alpha, weight = pairs.splat, pairs.pixel, pairs.alpha, pairs.weight
    if len(splat) == 0:
        return
    # What a unit of the pair's weight is worth, and what the pairs behind it are worth together.
    worth = gradient[-1].index_select(0, pixel)
    for channel, values in enumerate(packed[6:]):
        wanted = gradient[channel].index_select(0, pixel)
        out[6 + channel].index_add_(0, splat, weight * wanted)
        worth += wanted * values.index_select(0, splat)
    earned = (weight * worth).double()
    offset = pixel - pixel[0]
    through = torch.zeros(int(offset[-1]) + 1, dtype=torch.float64).index_add_(0, offset, earned)
    behind = through.cumsum_(0).index_select(0, offset) - earned.cumsum(0)
    d_alpha = (weight / alpha) * worth - behind.to(alpha.dtype) / (1 - alpha)
    # At the cap alpha does not move.
    d_power = torch.where(alpha < ALPHA_MAX, d_alpha * alpha, alpha.new_zeros(()))
    dx, dy = _offsets(packed, splat, pixel, width)
    xx, xy, yy, opacity = (row.index_select(0, splat) for row in packed[2:6])
    out[0].index_add_(0, splat, d_power * (xx * dx + xy * dy))
    out[1].index_add_(0, splat, d_power * (yy * dy + xy * dx))
    out[2].index_add_(0, splat, -0.5 * d_power * dx * dx)
    out[3].index_add_(0, splat, -d_power * dx * dy)
    out[4].index_add_(0, splat, -0.5 * d_power * dy * dy)
    out[5].index_add_(0, splat, d_power / opacity)
