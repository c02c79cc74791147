import io
import os
import struct
import subprocess
import sys
import zlib

import numpy as np
import pytest
from PIL import Image, ImageDraw

from chainrule import DataError, FormatError, ShapeError
from chainrule.datasets import center_digit, load_mnist, read_digit


@pytest.fixture(scope="module")
def digits():
    return load_mnist()[1].images[:60]  # (60, 28, 28)


def render(digit, scale, margins=(0, 0, 0, 0), resample=Image.Resampling.NEAREST):
    """The digit enlarged and put somewhere on a larger black canvas: (height, width) uint8."""
    left, right, top, bottom = margins
    side = round(28 * scale)
    canvas = Image.new("L", (side + left + right, side + top + bottom), 0)
    canvas.paste(Image.fromarray(digit).resize((side, side), resample), (left, top))
    return np.array(canvas)


def similarity(got, digit):
    """The correlation with the original, moved by at most one pixel: the center of mass may lie between two."""
    got = got.reshape(28, 28).astype(float)
    moved = (np.roll(got, (y, x), (0, 1)) for y in (-1, 0, 1) for x in (-1, 0, 1))
    return max(np.corrcoef(image.ravel(), digit.ravel())[0, 1] for image in moved)


def save(path, array, **options):
    Image.fromarray(array).save(path, **options)
    return path


@pytest.mark.parametrize("light", [False, True])
@pytest.mark.parametrize("kind", ["png", "jpg"])
def test_a_digit_enlarged_shifted_and_inverted_is_found_again(tmp_path, digits, kind, light):
    rng = np.random.default_rng(0)
    found = []
    for digit in digits:
        picture = render(digit, rng.uniform(2, 12), rng.integers(0, 80, 4))
        got = read_digit(save(tmp_path / f"a.{kind}", 255 - picture if light else picture))
        assert got.shape == (784,) and got.dtype == np.uint8 and got.max() == 255
        found.append(similarity(got, digit))
    assert np.mean(found) > 0.98 and min(found) > 0.9


def test_the_digit_fills_20_pixels_around_its_center_of_mass(digits):
    for digit in digits:
        got = center_digit(255 - render(digit, 7.3, (30, 90, 10, 0))).reshape(28, 28)
        rows, columns = np.flatnonzero(got.any(1)), np.flatnonzero(got.any(0))
        assert max(np.ptp(rows), np.ptp(columns)) + 1 in (19, 20)  # a faint last row may round to 0
        for axis in (0, 1):
            mass = got.sum(1 - axis, dtype=float)
            assert abs(mass @ np.arange(28) / mass.sum() - 14) <= 0.51


def test_an_mnist_image_is_taken_as_it_is(tmp_path, digits):
    for digit in digits:
        np.testing.assert_array_equal(read_digit(save(tmp_path / "a.png", digit)), digit.ravel())
    light = read_digit(save(tmp_path / "a.png", 255 - digits[0]))
    assert similarity(light, digits[0]) > 0.98


def test_every_mode_of_color_shows_the_same_digit(tmp_path, digits):
    grey = Image.fromarray(255 - render(digits[0], 6, (9, 9, 9, 9)))
    ink = np.dstack([np.full((*grey.size[::-1], 3), (90, 0, 20), np.uint8), 255 - np.array(grey)])
    pictures = {
        "one bit": grey.convert("1", dither=Image.Dither.NONE),
        "grey": grey,
        "palette": grey.convert("P"),
        "color": grey.convert("RGB"),
        "transparent": Image.fromarray(ink),
        "grey, transparent": Image.fromarray(ink).convert("LA"),
        "16 bits": Image.fromarray(np.array(grey).astype(np.uint16) * 257),
    }
    for name, picture in pictures.items():
        picture.save(tmp_path / "a.png")
        assert similarity(read_digit(tmp_path / "a.png"), digits[0]) > 0.96, name
    palette = grey.convert("P")
    palette.save(tmp_path / "a.png", transparency=palette.getpixel((0, 0)))
    assert similarity(read_digit(tmp_path / "a.png"), digits[0]) > 0.98
    for mode in ("L", "RGB", "CMYK"):
        for progressive in (False, True):
            grey.convert(mode).save(tmp_path / "a.jpg", progressive=progressive)
            assert similarity(read_digit(tmp_path / "a.jpg"), digits[0]) > 0.97, mode


@pytest.mark.parametrize("ink", [0, 40, 200, 255])
@pytest.mark.parametrize("hidden", [0, 255])
def test_ink_of_any_shade_on_nothing(tmp_path, digits, ink, hidden):
    """hidden: the color that a drawing program leaves where nothing can be seen."""
    opacity = render(digits[0], 6, (9, 9, 9, 9))
    color = np.where(opacity > 0, ink, hidden).astype(np.uint8)
    Image.fromarray(np.dstack([color, color, color, opacity])).save(tmp_path / "a.png")
    assert similarity(read_digit(tmp_path / "a.png"), digits[0]) > 0.97
    Image.fromarray(np.dstack([color, opacity])).save(tmp_path / "a.png")
    assert similarity(read_digit(tmp_path / "a.png"), digits[0]) > 0.97


@pytest.mark.parametrize("paper", [20, 235])
def test_transparent_corners_are_paper(tmp_path, digits, paper):
    ink = render(digits[0], 6, (40, 40, 40, 40))
    grey = np.rint(paper + (255 - 2 * paper) * (ink / 255.0)).astype(np.uint8)
    opacity = np.full_like(grey, 255)
    opacity[:30, :30] = opacity[-30:, -30:] = 0
    Image.fromarray(np.dstack([grey, opacity])).save(tmp_path / "a.png")
    assert similarity(read_digit(tmp_path / "a.png"), digits[0]) > 0.97


def test_what_is_no_picture_is_called_by_its_name(tmp_path):
    (tmp_path / "a.png").write_bytes(b"nonsense")
    with pytest.raises(FormatError, match=r"a\.png is not a PNG or JPEG") as caught:
        read_digit(tmp_path / "a.png")
    assert "BytesIO" not in str(caught.value)


def test_nothing_but_transparency_is_blank(tmp_path):
    Image.new("RGBA", (40, 40), (9, 9, 9, 0)).save(tmp_path / "a.png")
    with pytest.raises(DataError, match="blank"):
        read_digit(tmp_path / "a.png")


@pytest.mark.slow
def test_a_photograph_with_grain_and_a_shadow(tmp_path, digits):
    rng = np.random.default_rng(1)
    found = []
    for digit in digits:
        picture = 200 - 0.5 * render(digit, 12, (60, 60, 60, 60), Image.Resampling.BICUBIC)
        picture += np.linspace(-15, 15, picture.shape[1]) + rng.normal(0, 5, picture.shape)
        path = save(tmp_path / "a.jpg", np.clip(picture, 0, 255).astype(np.uint8), quality=80)
        found.append(similarity(read_digit(path), digit))
    assert np.mean(found) > 0.94


def test_dirt_apart_from_the_digit_does_not_shrink_it(digits):
    picture = render(digits[0], 8, (100, 100, 100, 100))
    picture[5:9, 5:9] = 255
    assert similarity(center_digit(picture), digits[0]) > 0.98


def test_a_photograph_held_sideways_is_turned(tmp_path, digits):
    exif = Image.Exif()
    for orientation, turned in (
        (6, np.rot90(digits[0])),
        (8, np.rot90(digits[0], -1)),
        (3, digits[0][::-1, ::-1]),
    ):
        exif[0x0112] = orientation
        save(tmp_path / "a.jpg", render(turned, 6), exif=exif)
        assert similarity(read_digit(tmp_path / "a.jpg"), digits[0]) > 0.97


@pytest.mark.parametrize(
    ("width", "scale"), [(5, 4), (40, 3), (20, 25)], ids=["thin", "thick", "9 megapixels"]
)
def test_a_drawn_seven(tmp_path, width, scale):
    image = Image.new("RGB", (130 * scale, 110 * scale), (250, 250, 240))
    stroke = [(x * scale, y * scale) for x, y in ((52, 20), (106, 20), (75, 96))]
    ImageDraw.Draw(image).line(stroke, fill=(40, 40, 90), width=width, joint="curve")
    image.save(tmp_path / "seven.png")
    got = read_digit(tmp_path / "seven.png").reshape(28, 28)
    rows = np.flatnonzero(got.any(1))
    assert len(rows) in (19, 20)
    assert (
        got[rows[0] : rows[0] + 4].max(0).astype(bool).sum() >= 13
    )  # the bar: 54 of 76 as long as 7 is high
    assert got[rows[-1]].astype(bool).sum() <= 6  # the foot


@pytest.mark.parametrize("level", [0, 128, 255])
@pytest.mark.parametrize("shape", [(28, 28), (200, 300), (1, 1)])
def test_a_blank_picture_has_no_digit(tmp_path, shape, level):
    path = save(tmp_path / "blank.png", np.full(shape, level, np.uint8))
    with pytest.raises(DataError, match=r"blank\.png: the picture is blank"):
        read_digit(path)


def test_a_blank_sheet_of_uneven_paper_has_no_digit(tmp_path):
    paper = np.random.default_rng(0).normal(230, 2, (300, 300)).clip(0, 255).astype(np.uint8)
    with pytest.raises(DataError, match="blank"):
        read_digit(save(tmp_path / "a.png", paper))


def test_what_center_digit_takes():
    for wrong in (np.zeros((28, 28)), np.zeros(784, np.uint8), np.zeros((0, 5), np.uint8)):
        with pytest.raises(ShapeError, match=r"uint8 of shape \(height, width\)"):
            center_digit(wrong)


def png(*chunks):
    """A PNG of these (kind, data), with the checksums that belong to them."""
    parts = [b"\x89PNG\r\n\x1a\n"]
    for kind, data in chunks:
        parts.append(struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)))
    return b"".join(parts)


@pytest.mark.parametrize(
    ("width", "height"), [(2**31 - 1, 2**31 - 1), (4097, 4097), (100_000, 200), (12_000, 12_000), (0, 5)]
)
def test_a_size_of_more_than_16_megapixels_is_refused_undecoded(tmp_path, width, height):
    head = struct.pack(">IIBBBBB", width, height, 8, 6, 0, 0, 0)
    (tmp_path / "bomb.png").write_bytes(
        png((b"IHDR", head), (b"IDAT", zlib.compress(bytes(99))), (b"IEND", b""))
    )
    with pytest.raises(FormatError, match=r"bomb\.png .*(maximum is 16 megapixels|readable past byte)"):
        read_digit(tmp_path / "bomb.png")


def refused_undecoded(path, monkeypatch, match):
    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", lambda _: pytest.fail("it was decoded"))
    with pytest.raises(FormatError, match=match):
        read_digit(path)
    monkeypatch.undo()


@pytest.mark.parametrize(("width", "height", "color"), [(16 << 20, 1, 6), (4096, 4096, 2), (4096, 4096, 0)])
def test_more_pixels_than_the_bytes_can_hold_are_refused_undecoded(
    tmp_path, monkeypatch, width, height, color
):
    head = struct.pack(">IIBBBBB", width, height, 8, color, 0, 0, 0)
    path = tmp_path / "bomb.png"
    path.write_bytes(png((b"IHDR", head), (b"IDAT", zlib.compress(bytes(99))), (b"IEND", b"")))
    refused_undecoded(
        path, monkeypatch, r"bomb\.png .* pixels(, which its \d+ bytes cannot contain|; the maximum)"
    )


def test_the_blank_picture_that_packs_best_is_not_taken_for_a_bomb(tmp_path):
    save(tmp_path / "a.png", np.zeros((3500, 4000, 3), np.uint8), compress_level=9)
    with pytest.raises(DataError, match="blank"):
        read_digit(tmp_path / "a.png")


def test_a_picture_of_many_chunks_is_refused_undecoded(tmp_path, monkeypatch, digits):
    save(tmp_path / "a.png", render(digits[0], 2))
    data = (tmp_path / "a.png").read_bytes()
    text = png((b"tEXt", b"a\0b"))[8:]
    for count in (5000, 10_001):
        (tmp_path / "a.png").write_bytes(data[:33] + count * text + data[33:])
        if count == 5000:
            assert similarity(read_digit(tmp_path / "a.png"), digits[0]) > 0.9
    refused_undecoded(tmp_path / "a.png", monkeypatch, "more than 10,000 chunks")


def jpeg_scans(data):
    """What precedes the first scan, and each scan with the tables in front of it."""
    starts = [at for at in range(2, len(data) - 1) if data[at] == 0xFF and data[at + 1] in (0xDA, 0xC4, 0xD9)]
    cuts = [at for at in starts if data[at + 1] == 0xDA]
    ends = [min(other for other in starts if other > at) for at in cuts]
    return data[: cuts[-1]], data[cuts[-1] : ends[-1]], data[ends[-1] :]


def test_a_jpeg_of_many_scans_is_refused_undecoded(tmp_path, monkeypatch, digits):
    path = tmp_path / "a.jpg"
    save(path, render(digits[0], 2), progressive=True)
    before, scan, after = jpeg_scans(path.read_bytes())
    path.write_bytes(before + 50 * scan + after)
    assert similarity(read_digit(path), digits[0]) > 0.9
    path.write_bytes(before + 200 * scan + after)
    refused_undecoded(path, monkeypatch, r"a\.jpg has 2\d\d scans; the maximum is 100")
    path.write_bytes(before[:2] + 10_001 * b"\xff\xe3\0\x02" + before[2:] + scan + after)
    refused_undecoded(path, monkeypatch, "more than 10,000 chunks or segments")


def test_what_looks_like_scans_in_annotations_and_behind_the_picture_is_none(tmp_path, digits):
    path = tmp_path / "a.jpg"
    save(path, render(digits[0], 2), exif=b"Exif\0\0MM\0*\0\0\0\x08\0\0" + 200 * b"\xff\xda\0\x02")
    path.write_bytes(path.read_bytes() + 200 * b"\xff\xda\0\x02")
    assert similarity(read_digit(path), digits[0]) > 0.9


def test_damaged_and_other_files_are_refused(tmp_path, digits):
    good = io.BytesIO()
    Image.fromarray(digits[0]).save(good, "PNG")
    other = io.BytesIO()
    Image.fromarray(digits[0]).save(other, "BMP")
    path = tmp_path / "a.png"
    for data in (b"", b"text", good.getvalue()[:150], good.getvalue()[:40], other.getvalue()):
        path.write_bytes(data)
        with pytest.raises(FormatError, match=r"a\.png is not a PNG or JPEG readable past byte \d+"):
            read_digit(path)
    with pytest.raises(FileNotFoundError):
        read_digit(tmp_path / "absent.png")


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="does not tell the peak this way")
def test_the_largest_picture_takes_less_than_100_megabytes(tmp_path, digits):
    picture = np.array(Image.fromarray(255 - render(digits[0], 12)).resize((4096, 4096)))
    save(tmp_path / "a.png", np.dstack([picture, picture, picture, 255 - picture]), compress_level=1)
    save(tmp_path / "small.png", render(digits[0], 2))
    code = (
        "import resource, sys; from chainrule.datasets import read_digit\n"
        "peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "read_digit(sys.argv[1]); start = peak(); print(read_digit(sys.argv[2]).max(), peak() - start)"
    )
    child = subprocess.run(
        [sys.executable, "-c", code, tmp_path / "small.png", tmp_path / "a.png"],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        capture_output=True,
        text=True,
    )
    highest, grown = map(int, child.stdout.split())
    assert highest == 255, child.stderr
    file = os.path.getsize(tmp_path / "a.png")
    assert grown * (1 if sys.platform == "darwin" else 1024) < file + (100 << 20)
