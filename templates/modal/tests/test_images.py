from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Callable
from io import BytesIO
from typing import Any

import numpy as np
import pytest
from PIL import Image

from live_splat.contract import CameraModel
from live_splat.picture import images
from live_splat.refusal import RefusalError

RED = (200, 70, 60)
BLUE = (60, 90, 160)
ROOM = 131_072


def two_halves() -> Image.Image:
    """64×32: left half red, right half blue; shows turning, mirroring and colour alike."""
    pixels = np.zeros((32, 64, 3), np.uint8)
    pixels[:, :32], pixels[:, 32:] = RED, BLUE
    return Image.fromarray(pixels)


def saved(image: Image.Image, kind: str, **options: Any) -> bytes:
    out = BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def jpeg(image: Image.Image | None = None, **options: Any) -> bytes:
    return saved(image or two_halves(), "JPEG", quality=100, subsampling=0, **options)


def png(image: Image.Image | None = None, **options: Any) -> bytes:
    return saved(image or two_halves(), "PNG", **options)


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def raw_png(width: int, height: int, depth: int, color: int, rows: bytes, *before: bytes) -> bytes:
    """A PNG of these rows (each begins with its filter), whatever they are."""
    header = struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, 0)
    body = b"".join(
        [chunk(b"IHDR", header), *before, chunk(b"IDAT", zlib.compress(rows)), chunk(b"IEND", b"")]
    )
    return b"\x89PNG\r\n\x1a\n" + body


def oriented(number: int) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = number
    return exif.tobytes()


def lens(**changes: Any) -> CameraModel:
    given = {"model": "OPENCV", "w": 128, "h": 64, "fl_x": 100, "fl_y": 110, "cx": 60, "cy": 30}
    return CameraModel.model_validate({**given, **changes})


def refusal(data: bytes, *, is_mask: bool = False) -> RefusalError:
    with pytest.raises(RefusalError) as caught:
        images.decode_mask(data, None) if is_mask else images.prepare(data, None, ROOM)
    return caught.value


def shown_or_refused(data: bytes) -> np.ndarray | None:
    """The picture, or None when it was refused for what it should be."""
    try:
        return images.prepare(data, None, ROOM).picture.rgb
    except RefusalError as error:
        if error.code not in ("unsupported_media", "bad_image"):
            raise
        return None


def pixel(prepared: images.Prepared, x: int, y: int) -> list[int]:
    return [int(value) for value in prepared.picture.rgb[y, x]]


def assert_halves(prepared: images.Prepared, tolerance: int = 3) -> None:
    assert prepared.picture.rgb.shape == (32, 64, 3)
    np.testing.assert_allclose(pixel(prepared, 10, 16), RED, atol=tolerance)
    np.testing.assert_allclose(pixel(prepared, 50, 16), BLUE, atol=tolerance)


class TestRefused:
    @pytest.mark.parametrize(
        ("data", "code", "message"),
        [
            (b"", "unsupported_media", "neither a JPEG nor a PNG"),
            (b"not a picture at all", "unsupported_media", "neither a JPEG nor a PNG"),
            (saved(two_halves(), "GIF"), "unsupported_media", "neither a JPEG nor a PNG"),
            (saved(two_halves(), "WEBP"), "unsupported_media", "neither a JPEG nor a PNG"),
            (jpeg()[: len(jpeg()) // 2], "bad_image", "the image does not decode: "),
            (jpeg()[:-9], "bad_image", "does not decode"),
            (png()[: len(png()) // 2], "bad_image", "does not decode"),
            (b"\xff\xd8\xff\xe0", "bad_image", "does not decode"),
            (b"\x89PNG\r\n\x1a\n", "bad_image", "does not decode"),
            (raw_png(0, 0, 8, 2, b""), "bad_image", "does not decode"),
            (raw_png(8, 8, 3, 2, bytes(200)), "bad_image", "does not decode"),
            (raw_png(10_000, 10_000, 8, 2, b""), "bad_image", "the image is 10000×10000: too large"),
            (raw_png(2**31 - 1, 2**31 - 1, 8, 2, b""), "bad_image", "too large"),
            (raw_png(16_385, 4, 8, 2, b""), "bad_image", "the image is 16385×4: too large"),
            (raw_png(4, 16_385, 8, 2, b""), "bad_image", "the image is 4×16385: too large"),
        ],
    )
    def test_bytes_that_are_no_frame(self, data: bytes, code: str, message: str) -> None:
        refused = refusal(data)
        assert refused.code == code
        assert message in refused.message
        assert refused.hint

    def test_says_that_an_empty_file_may_have_been_read_too_early(self) -> None:
        assert "empty" in str(refusal(b"").hint)

    def test_a_large_one_by_its_header_alone(self) -> None:
        with pytest.raises(RefusalError, match="20000×10: too large") as caught:
            images.inspect(raw_png(20_000, 10, 8, 2, b"\0not even rows"))
        assert caught.value.hint == "At most 64 million pixels and 16384 on a side."

    def test_every_prefix_of_a_file_is_refused_or_shows_all_of_it(self) -> None:
        for data in (jpeg(), png()):
            shown = [
                picture
                for length in range(len(data))
                if (picture := shown_or_refused(data[:length])) is not None
            ]
            # Only what stands behind the last pixel may be missing.
            assert len(shown) < 24
            whole = images.prepare(data, None, ROOM).picture.rgb
            assert all(np.array_equal(picture, whole) for picture in shown)

    @pytest.mark.filterwarnings("ignore:Corrupt EXIF data|Truncated File Read|Tag data larger")
    def test_damaged_bytes_never_end_in_another_error(self) -> None:
        rng = np.random.default_rng(1)
        for data in (jpeg(), png(), jpeg(exif=oriented(6)), png(two_halves().quantize(16))):
            for _ in range(200):
                broken = bytearray(data)
                for at in rng.integers(3, len(data), 4):
                    broken[at] = rng.integers(256)
                shown_or_refused(bytes(broken))

    def test_a_bomb_in_a_text_chunk(self) -> None:
        bomb = chunk(b"zTXt", b"Comment\0\0" + zlib.compress(bytes(80_000_000)))
        assert refusal(raw_png(8, 8, 8, 2, bytes(200), bomb)).code == "bad_image"


class TestTaken:
    @pytest.mark.parametrize(
        "data",
        [
            jpeg(),
            jpeg(progressive=True),
            jpeg(two_halves().convert("CMYK")),
            jpeg() + b"\1\2\3",
            png(),
            png(two_halves().quantize(8)),
            png(two_halves(), save_all=True, append_images=[Image.new("RGB", (64, 32), "lime")]),
        ],
        ids=["jpeg", "progressive", "cmyk", "stray bytes behind", "png", "palette", "animated, its first"],
    )
    def test_with_its_colours(self, data: bytes) -> None:
        prepared = images.prepare(data, None, ROOM)
        assert_halves(prepared)
        assert prepared.picture.alpha is None
        assert prepared.picture.mask is None
        assert prepared.picture.rgb.flags.c_contiguous
        assert prepared.picture.rgb.flags.writeable

    def test_16_bits_a_channel(self) -> None:
        row = b"\0" + struct.pack(">6H", *(value * 257 for value in (*RED, *BLUE)))
        prepared = images.prepare(raw_png(2, 1, 16, 2, row), None, ROOM)
        assert prepared.picture.rgb.tolist() == [[[*RED], [*BLUE]]]

    def test_16_bits_of_grey(self) -> None:
        prepared = images.prepare(
            raw_png(2, 1, 16, 0, b"\0" + struct.pack(">2H", 0x80FF, 0xFF00)), None, ROOM
        )
        assert prepared.picture.rgb.tolist() == [[[0x80] * 3, [0xFF] * 3]]

    @pytest.mark.parametrize("mode", ["L", "1"])
    def test_grey_in_every_channel(self, mode: str) -> None:
        image = Image.fromarray(np.repeat(np.uint8([[0, 255]]), 8, axis=1).repeat(8, axis=0)).convert(mode)
        rgb = images.prepare(png(image), None, ROOM).picture.rgb
        assert rgb[4, 2].tolist() == [0, 0, 0]
        assert rgb[4, 12].tolist() == [255, 255, 255]

    @pytest.mark.parametrize("mode", ["RGBA", "LA"])
    def test_alpha_straight(self, mode: str) -> None:
        image = Image.new("RGBA", (8, 8), (90, 90, 90, 128)).convert(mode)
        picture = images.prepare(png(image), None, ROOM).picture
        assert picture.rgb[4, 4].tolist() == [90, 90, 90]
        assert picture.alpha is not None
        assert picture.alpha.shape == (8, 8)
        assert int(picture.alpha[4, 4]) == 128

    def test_one_colour_of_a_palette_as_transparent(self) -> None:
        image = two_halves().quantize(2)
        clear = int(np.asarray(image)[0, 0])
        picture = images.prepare(png(image, transparency=clear), None, ROOM).picture
        assert picture.alpha is not None
        assert [int(picture.alpha[16, x]) for x in (10, 50)] == [0, 255]

    def test_transparency_does_not_bleed_into_what_is_beside_it_when_shrunk(self) -> None:
        pixels = np.zeros((64, 64, 4), np.uint8)
        pixels[:, 31:] = (*RED, 255)
        picture = images.prepare(png(Image.fromarray(pixels)), None, 32 * 32).picture
        assert picture.alpha is not None
        edge = (picture.alpha[16] > 20) & (picture.alpha[16] < 235)
        assert edge.any()
        np.testing.assert_allclose(picture.rgb[16][edge], np.tile(RED, (int(edge.sum()), 1)), atol=6)

    @pytest.mark.parametrize(
        ("number", "left", "right"),
        [(1, RED, BLUE), (2, BLUE, RED), (3, BLUE, RED), (4, RED, BLUE), (9, RED, BLUE)],
    )
    def test_exif_that_keeps_its_side_up(self, number: int, left: tuple, right: tuple) -> None:
        for data in (jpeg(exif=oriented(number)), png(exif=oriented(number))):
            prepared = images.prepare(data, None, ROOM)
            np.testing.assert_allclose(pixel(prepared, 10, 16), left, atol=3)
            np.testing.assert_allclose(pixel(prepared, 50, 16), right, atol=3)

    @pytest.mark.parametrize(
        ("number", "top", "bottom"), [(5, RED, BLUE), (6, RED, BLUE), (7, BLUE, RED), (8, BLUE, RED)]
    )
    def test_exif_that_lays_it_on_its_side(self, number: int, top: tuple, bottom: tuple) -> None:
        for data in (jpeg(exif=oriented(number)), png(exif=oriented(number))):
            info = images.inspect(data)
            assert (info.width, info.height) == (32, 64)
            prepared = images.prepare(data, None, ROOM)
            assert prepared.picture.rgb.shape == (64, 32, 3)
            np.testing.assert_allclose(pixel(prepared, 16, 10), top, atol=3)
            np.testing.assert_allclose(pixel(prepared, 16, 50), bottom, atol=3)

    @pytest.mark.filterwarnings("ignore:Corrupt EXIF data")
    def test_with_damaged_exif_as_it_lies(self) -> None:
        assert_halves(images.prepare(jpeg(exif=b"Exif\0\0II*\0\xff\xff\xff\x7f"), None, ROOM))


class TestLens:
    def test_shrinks_with_the_image_which_stays_within_the_pixels_allowed(self) -> None:
        prepared = images.prepare(png(), lens(), 32 * 16)
        i = prepared.intrinsics
        assert (i.width, i.height, i.fx, i.fy, i.cx, i.cy) == (32, 16, 25, 27.5, 15, 7.5)
        assert prepared.picture.rgb.shape == (16, 32, 3)
        assert prepared.warnings == []
        assert prepared.info == images.ImageInfo("png", 64, 32)

    def test_is_60_degrees_wide_and_centred_when_nobody_gave_one(self) -> None:
        i = images.prepare(png(), None, ROOM).intrinsics
        assert 2 * math.atan(i.width / 2 / i.fx) == pytest.approx(math.pi / 3)
        assert (i.cx, i.cy, i.fy) == (32, 16, i.fx)

    def test_of_another_aspect_is_scaled_with_a_warning(self) -> None:
        prepared = images.prepare(png(), lens(h=80), ROOM)
        assert prepared.intrinsics.fy == pytest.approx(110 * 32 / 80)
        assert prepared.warnings == [
            "an image of 64×32 came from a camera set to 128×80: "
            "its aspect differs, so its lens is only scaled to fit"
        ]

    @pytest.mark.parametrize("room", [1, 7, 500, 2047, 2048, 10**9])
    def test_is_the_one_that_the_header_tells(self, room: int) -> None:
        data = jpeg(exif=oriented(6))
        prepared = images.prepare(data, lens(), room)
        assert images.measure(data, lens(), room) == prepared.intrinsics
        height, width = prepared.picture.rgb.shape[:2]
        assert (prepared.intrinsics.width, prepared.intrinsics.height) == (width, height)
        assert width * height <= max(1, min(room, 2048))

    def test_that_bends_is_straightened_and_what_it_did_not_see_masked(self) -> None:
        bent = lens(w=64, h=32, fl_x=40, fl_y=40, cx=32, cy=16, k1=0.3)
        picture = images.prepare(png(), bent, ROOM).picture
        assert picture.mask is not None
        assert not picture.mask[0, 0]
        assert picture.mask[16, 32]
        np.testing.assert_allclose(picture.rgb[16, 20], RED, atol=2)
        assert picture.rgb[0, 0].tolist() == [0, 0, 0]

    def test_that_bends_keeps_alpha(self) -> None:
        bent = lens(w=64, h=32, fl_x=40, fl_y=40, cx=32, cy=16, k1=0.3)
        picture = images.prepare(png(Image.new("RGBA", (64, 32), (*RED, 90))), bent, ROOM).picture
        assert picture.alpha is not None
        assert int(picture.alpha[16, 32]) == 90


class TestMask:
    @pytest.mark.parametrize(
        "make",
        [
            lambda grey: grey,
            lambda grey: grey.convert("RGB"),
            lambda grey: grey.convert("1"),
            lambda grey: Image.merge("LA", (grey, Image.new("L", grey.size, 0))),
            lambda grey: grey.convert("P"),
        ],
        ids=["grey", "rgb", "1 bit", "transparent", "palette"],
    )
    def test_white_counts(self, make: Callable[[Image.Image], Image.Image]) -> None:
        grey = np.zeros((32, 64), np.uint8)
        grey[:, 40:] = 255
        mask = images.decode_mask(png(make(Image.fromarray(grey))), lens())
        assert mask.dtype == bool
        assert np.array_equal(mask, grey > 0)

    def test_light_grey_counts_dark_does_not(self) -> None:
        mask = images.decode_mask(png(Image.fromarray(np.uint8([[127, 128]]))), None)
        assert mask.tolist() == [[False, True]]

    def test_must_be_a_png(self) -> None:
        assert refusal(jpeg(), is_mask=True).code == "unsupported_media"

    def test_must_decode(self) -> None:
        assert refusal(png()[:60], is_mask=True).code == "bad_image"

    def test_must_have_the_cameras_aspect(self) -> None:
        with pytest.raises(RefusalError, match="the mask is 64×32, the camera 128×96") as caught:
            images.decode_mask(png(), lens(h=96))
        assert caught.value.code == "bad_request"
