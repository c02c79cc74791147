"""Images of digits, converted to the form of MNIST.

MNIST: a white digit on black, scaled to fit 20 x 20 with aspect ratio and smooth edges, then centered in 28 x 28 by its
center of mass (measured over its images: pixel 14.0, counted from 0).
Source: LeCun, Bottou, Bengio, Haffner, "Gradient-based learning applied to document recognition", III.A.
"""

from __future__ import annotations

import io
import os
import re
import warnings
from collections.abc import Iterable, Iterator
from math import ceil
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from chainrule.core.files import open_regular
from chainrule.datasets.idx import PathLike
from chainrule.errors import ChainruleError, DataError, FormatError, ShapeError

if TYPE_CHECKING:
    from PIL import Image

MAX_PIXELS = 16 << 20  # decoded by Pillow to 64 MB
MAX_FILE_BYTES = 128 << 20  # MAX_PIXELS of four 16-bit channels, uncompressed
MAX_JPEG_PIXELS = {
    1: 16 << 20,
    3: 12 << 20,
    4: 7 << 20,
}  # by number of components, 2 bytes each in libjpeg
MAX_SIDE = 65_535  # the limit of JPEG
MAX_SCANS = 100  # of a JPEG, each a pass over all pixels; encoders write about 10
MAX_PARTS = 10_000  # chunks of a PNG or segments of a JPEG besides the pixels; Pillow stores each
MAX_DEFLATE = 1032  # the maximum ratio of deflate
BAND_PIXELS = 256 << 10
ORIENTATION = 0x0112  # the tag of EXIF
PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_MARKER = re.compile(rb"\xff++([^\x00\xff\xd0-\xd7])", re.DOTALL)
WORKING_SIDE = 1024  # larger pictures are averaged down to this size first
BOX, SIDE = 20, 28
MIN_CONTRAST = 12  # of 255 levels; uneven paper has less
INK = 0.15  # of the full contrast; edges and paper grain have less
SPECK = 0.02  # of all ink; smaller isolated patches are dirt


def read_digit(path: PathLike) -> NDArray[np.uint8]:
    """Read the digit in a PNG or JPEG as (784,) uint8, light on dark, scaled and centered as in MNIST.

    A picture of 28 x 28 pixels with a dark background is returned unchanged.
    Raises FormatError for a file that is damaged, in another format, over 16 megapixels (12 for a color JPEG) or 100
    scans, and DataError for a picture without a digit.
    """
    grey = _read_grey(path)
    try:
        return center_digit(grey)
    except DataError as error:
        raise DataError(f"{os.fspath(path)}: {error}") from error


def center_digit(grey: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Convert a gray image (height, width) uint8 of one digit, dark on light or light on dark, to (784,) uint8.

    The background is the median of the border; pixels that differ more are ink.
    Raises DataError if there is no ink, ShapeError for another dtype or shape.
    """
    if grey.ndim != 2 or grey.size == 0 or grey.dtype != np.uint8:
        raise ShapeError(
            f"grey is {grey.dtype} of shape {grey.shape}; it must be uint8 of shape (height, width)."
        )
    background, light = _background(grey)
    ink = _stretch(grey, background, light)  # (height, width) in 0..1
    if grey.shape == (SIDE, SIDE) and not light:
        return grey.reshape(SIDE * SIDE).copy()
    return _place(_scale(_crop(ink))).reshape(SIDE * SIDE)


def _background(grey: NDArray[np.uint8]) -> tuple[float, bool]:
    """Return the gray level of the background, and whether it is lighter than the ink."""
    level = float(np.median(_border(grey)))
    # The ink has the larger squared distance, so that a few glints on paper do not outweigh a pen.
    away = np.arange(256) - level  # (256,)
    weight = np.bincount(grey.ravel(), minlength=256) * away**2  # (256,)
    return level, bool(weight[away < 0].sum() > weight[away > 0].sum())


def _border(picture: NDArray[Any]) -> NDArray[Any]:
    return np.concatenate([picture[0], picture[-1], picture[1:-1, 0], picture[1:-1, -1]])


def _stretch(grey: NDArray[np.uint8], background: float, light: bool) -> NDArray[np.float32]:
    """Stretch the gray levels: 0 at the border, 1 at the strongest ink."""
    away = (background - grey if light else grey - background).astype(np.float32)  # (height, width)
    # The border's deviation away from the ink, so that ink on the border does not count.
    grain = max(-float(np.percentile(_border(away), 10)), 0.0)
    peak = float(np.max(away))
    if peak - grain < MIN_CONTRAST:
        raise DataError("the picture is blank; the digit must stand out from the background.")
    ink: NDArray[np.float32] = np.clip((away - grain) / (peak - grain), 0, 1)
    return ink


def _crop(ink: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the bounding box of the ink, without isolated specks."""
    from scipy.ndimage import find_objects, label, sum_labels

    patches, count = label(ink > INK, np.ones((3, 3)))
    weights = sum_labels(ink, patches, range(1, count + 1))  # (count,)
    boxes = [
        box
        for box, weight in zip(find_objects(patches), weights, strict=True)
        if box is not None and weight >= min(SPECK * weights.sum(), weights.max())
    ]
    rows, columns = (
        slice(min(box[axis].start for box in boxes), max(box[axis].stop for box in boxes)) for axis in (0, 1)
    )
    return ink[rows, columns]


def _scale(ink: NDArray[np.float32]) -> NDArray[np.float32]:
    """Resize the longer side to 20 and stretch again, because thin lines fade when scaled down."""
    from PIL import Image

    height, width = ink.shape
    ratio = BOX / max(height, width)
    size = max(1, round(width * ratio)), max(1, round(height * ratio))
    small = np.asarray(Image.fromarray(ink).resize(size, Image.Resampling.HAMMING))
    stretched: NDArray[np.float32] = small / small.max()
    return stretched


def _place(ink: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Place the digit in (28, 28) with its center of mass as close to the center as whole pixels allow."""
    canvas = np.zeros((SIDE, SIDE), np.uint8)
    corner = []
    for axis in (0, 1):
        mass = ink.sum(1 - axis)  # (size,)
        center = float(mass @ np.arange(mass.size) / mass.sum())
        corner.append(min(max(round(SIDE / 2 - center), 0), SIDE - mass.size))
    top, left = corner
    canvas[top : top + ink.shape[0], left : left + ink.shape[1]] = np.rint(255 * ink)
    return canvas


def _read_grey(path: PathLike) -> NDArray[np.uint8]:
    """Read (height, width) uint8: opaque, upright, with a longer side of at most 1024."""
    name = os.fspath(path)
    with open_regular(path) as file, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the conditions Pillow warns about are checked here
        content = _read_content(name, file)
        try:
            return _decode(name, content)
        except (ChainruleError, MemoryError):
            raise
        except Exception as error:  # Pillow's decoders raise many undocumented kinds
            # For an unknown format, Pillow's message is only the object's address.
            why = "" if type(error).__name__ == "UnidentifiedImageError" else f" ({error})"
            raise FormatError(
                f"{name} is not a PNG or JPEG readable past byte {content.tell()}{why}."
            ) from error


def _read_content(name: str, file: BinaryIO) -> io.BytesIO:
    """Read the whole file first, because Pillow would allocate up to 4 GB for the stated length of a chunk."""
    size = os.fstat(file.fileno()).st_size
    if size > MAX_FILE_BYTES:
        raise FormatError(
            f"{name} is a file of {size} bytes; a picture of a digit has at most {MAX_FILE_BYTES}."
        )
    content = file.read()
    if content.startswith(PNG_SIGNATURE):
        _check_png(name, content)
    elif content.startswith(b"\xff\xd8"):
        _check_jpeg(name, content)
    return io.BytesIO(content)


def _check_png(name: str, content: bytes) -> None:
    """Check the number of chunks: 4 bytes of length, 4 of type, the data, 4 of checksum each."""
    at, parts = len(PNG_SIGNATURE), 0
    while at < len(content) and parts <= MAX_PARTS:
        parts += content[at + 4 : at + 8] != b"IDAT"
        at += 12 + int.from_bytes(content[at : at + 4])
    _check_parts(name, parts)


def _check_jpeg(name: str, content: bytes) -> None:
    """Check the numbers of segments and scans before decoding.

    A segment: 0xFF, its marker, 2 bytes of length (included in it), the data.  A scan's segment is followed by pixels,
    in which 0xFF is followed by 0 or a restart marker.
    """
    at, parts, scans = 0, 0, 0
    while (found := _MARKER.search(content, at)) and found[1] != b"\xd9" and parts <= MAX_PARTS:
        at = found.end()
        if found[1] not in (b"\x01", b"\xd8"):  # without length and data
            at += max(int.from_bytes(content[at : at + 2]), 2)
        parts += 1
        scans += found[1] == b"\xda"
    if scans > MAX_SCANS:
        raise FormatError(
            f"{name} has {scans} scans; the maximum is {MAX_SCANS}. Save it as a baseline JPEG."
        )
    _check_parts(name, parts)


def _check_parts(name: str, parts: int) -> None:
    if parts > MAX_PARTS:
        raise FormatError(
            f"{name} has more than {MAX_PARTS:,} chunks or segments; save the picture without metadata."
        )


def _decode(name: str, file: io.BytesIO) -> NDArray[np.uint8]:
    from PIL import Image, ImageOps

    with Image.open(file, formats=("PNG", "JPEG")) as image:
        width, height = image.size
        limit = MAX_JPEG_PIXELS.get(getattr(image, "layers", 1), MAX_PIXELS)
        if not 0 < width * height <= limit or max(width, height) > MAX_SIDE:
            raise FormatError(
                f"{name} claims {width} x {height} pixels; the maximum is {limit >> 20} megapixels, and "
                f"{MAX_SIDE:,} per side. Scale it down."
            )
        bands = len(image.getbands())  # of at least 1 bit, or of 8 if there are several
        least, held = width * height * (bands if bands > 1 else 0.125), file.getbuffer().nbytes
        if image.format == "PNG" and least > MAX_DEFLATE * held:
            raise FormatError(
                f"{name} claims {width} x {height} pixels, which its {held} bytes cannot contain; "
                "download the file again."
            )
        image.draft("L", image.size)  # decodes only a JPEG's brightness: a quarter of the memory
        image.load()
        orientation = image.getexif().get(ORIENTATION, 1)
        grey = _to_grey(image)
    if (factor := ceil(max(width, height) / WORKING_SIDE)) > 1:
        grey = grey.reduce((min(factor, width), min(factor, height)))
    grey.getexif()[ORIENTATION] = orientation
    return np.array(ImageOps.exif_transpose(grey))


def _to_grey(image: Image.Image) -> Image.Image:
    """Convert to gray in bands of rows, because a second color copy would exceed the image."""
    from PIL import Image

    grey = Image.new("L", image.size)
    has_color = not image.mode.startswith("I")
    paper = _paper(image) if has_color and image.has_transparency_data else None
    for top, band in _bands(image):
        if not has_color:  # 16 bits, which Pillow's conversion clips at 255
            band = Image.fromarray((np.asarray(band).astype(np.uint32) >> 8).astype(np.uint8))
        elif paper is not None:
            band = Image.alpha_composite(Image.new("RGBA", band.size, paper), band.convert("RGBA"))
        grey.paste(band.convert("L"), (0, top))
    return grey


def _bands(image: Image.Image) -> Iterator[tuple[int, Image.Image]]:
    """Iterate over bands of whole rows, each with the index of its first row."""
    rows = max(1, BAND_PIXELS // image.width)
    for top in range(0, image.height, rows):
        yield top, image.crop((0, top, image.width, min(top + rows, image.height)))


def _paper(image: Image.Image) -> str:
    """Return the background for a transparent image: white or black.

    If the border is transparent, the visible part is the ink, and the background is the one further from it. If the
    border is visible, as in a photograph with round corners, it already is the background.
    """
    width, height = image.size
    edges = (
        (0, 0, width, 1),
        (0, height - 1, width, height),
        (0, 0, 1, height),
        (width - 1, 0, width, height),
    )
    opacity, level = _seen(map(image.crop, edges))
    is_ink = opacity < 127.5
    if is_ink:
        opacity, level = _seen(band for _, band in _bands(image))
    return "white" if (level < 127.5) == is_ink else "black"


def _seen(pieces: Iterable[Image.Image]) -> tuple[float, float]:
    """Return the bands' mean opacity, and the mean gray level of their visible pixels (0 if there are none)."""
    seen, opaque, size = 0.0, 0.0, 0
    for piece in pieces:
        color = piece.convert("RGBA")
        opacity = np.asarray(color.getchannel("A"))
        seen += float(np.vdot(np.asarray(color.convert("L"), np.float32), opacity.astype(np.float32)))
        opaque, size = opaque + float(opacity.sum()), size + opacity.size
    return opaque / size, seen / opaque if opaque else 0.0
