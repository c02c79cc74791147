import gzip
import os
import struct
import sys
import tracemalloc

import numpy as np
import pytest

from chainrule import DataError, FormatError
from chainrule.datasets import load_idx_folder, read_idx
from chainrule.datasets.idx import TYPES


def idx_bytes(array):
    code = {np.dtype(name): code for code, name in TYPES.items()}[array.dtype.newbyteorder(">")]
    return header(*array.shape, code=code) + array.astype(array.dtype.newbyteorder(">")).tobytes()


def header(*shape, code=8):
    return bytes([0, 0, code, len(shape)]) + struct.pack(f">{len(shape)}I", *shape)


def refused(path, data, match):
    """The message names the file and says what is wrong, and hardly anything was allocated to find out."""
    path.write_bytes(data)
    tracemalloc.start()
    try:
        with pytest.raises(FormatError, match=match) as caught:
            read_idx(path)
        assert tracemalloc.get_traced_memory()[1] < 2**21
    finally:
        tracemalloc.stop()
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("name", TYPES.values())
def test_reads_what_was_written_in_every_type(tmp_path, name, packed):
    values = np.arange(24).reshape(2, 3, 4).astype(name)
    data = idx_bytes(values)
    path = tmp_path / "values"
    path.write_bytes(gzip.compress(data) if packed else data)
    got = read_idx(path)
    np.testing.assert_array_equal(got, values)
    assert got.dtype == np.dtype(name) and not got.flags.writeable


def test_a_plain_file_is_mapped_not_read(tmp_path):
    path = tmp_path / "large"
    with open(path, "wb") as file:
        file.write(header(1 << 20, 28, 28))
        file.truncate(16 + (784 << 20))  # 784 MB that take no place
    tracemalloc.start()
    assert read_idx(path).shape == (1 << 20, 28, 28)
    assert tracemalloc.get_traced_memory()[1] < 2**21
    tracemalloc.stop()


def test_no_values_are_an_empty_array(tmp_path):
    for data in (header(0, 28, 28), gzip.compress(header(0, 28, 28))):
        (tmp_path / "none").write_bytes(data)
        assert read_idx(tmp_path / "none").shape == (0, 28, 28)


@pytest.mark.parametrize(
    ("data", "match"),
    [
        (b"", "ends at byte 0"),
        (b"\0\0\x08", "ends at byte 3"),
        (b"\x89PNG\r\n", "byte 0"),
        (b"\0\0\x07\x01" + bytes(8), "type 0x07 at byte 2"),
        (b"\0\0\x08\x00" + bytes(8), "0 dimensions at byte 3"),
        (b"\0\0\x08\xff" + bytes(2000), "255 dimensions at byte 3"),
        (b"\0\0\x08\x03" + bytes(8), "ends at byte 12"),
        (header(3, 2) + bytes(5), "ends at byte 17.*3 x 2 values.*byte 18"),
        (header(3, 2) + bytes(7), "continues past byte 18"),
        (header(2**32 - 1, 2**32 - 1) + bytes(7), "invalid dimensions at byte 4"),
        (header(0, 2**32 - 1, 2**32 - 1), "invalid dimensions at byte 4"),
        (header(2**31, 28) + bytes(7), "ends at byte 19"),
        (gzip.compress(header(3, 2) + bytes(5), mtime=0), "ends at byte 17"),
        (gzip.compress(header(3, 2) + bytes(7), mtime=0), "continues past byte 18"),
        (gzip.compress(header(3, 2) + bytes(6), mtime=0)[:-9], "cannot be unpacked past byte"),
        (gzip.compress(header(3, 2) + bytes(6), mtime=0)[:-8] + bytes(8), "cannot be unpacked past byte 18"),
        (gzip.compress(header(3, 2) + bytes(6), mtime=0) + b"more", "cannot be unpacked past byte 18"),
        (gzip.compress(header(2**31, 28) + bytes(6), mtime=0), "dimensions at byte 4.*packed bytes"),
        (gzip.compress(header(2**16, 900) + bytes(6), mtime=0), "ends at byte 18"),  # 56 MB, not allocated
        (gzip.compress(header(3)[:6], mtime=0), "ends at byte 6"),
    ],
    ids=lambda value: value if isinstance(value, str) else "data",
)
def test_a_wrong_file_is_refused_by_name_and_byte(tmp_path, data, match):
    refused(tmp_path / "wrong", data, match)


def test_a_gzip_bomb_is_refused_before_it_is_unpacked(tmp_path):
    bomb = gzip.compress(header(100_000, 1000) + bytes(100_000_000), 9)
    assert len(bomb) < 200_000
    refused(tmp_path / "bomb.gz", bomb, "over 200 times")


@pytest.mark.skipif(sys.platform == "win32", reason="has no named pipes of this kind")
def test_a_pipe_is_refused_instead_of_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(FormatError, match="not a regular file"):
        read_idx(tmp_path / "pipe")


def test_a_missing_file_is_the_systems_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_idx(tmp_path / "absent")


IMAGES = np.arange(5 * 4 * 3, dtype=np.uint8).reshape(5, 4, 3)
LABELS = np.array([3, 1, 4, 1, 5], np.uint8)
FILES = {
    "train-images-idx3-ubyte": IMAGES,
    "train-labels-idx1-ubyte": LABELS,
    "t10k-images-idx3-ubyte": IMAGES[:2],
    "t10k-labels-idx1-ubyte": LABELS[:2],
}


def write_folder(folder, files=FILES, **changes):
    for name, array in files.items():
        data = idx_bytes(array)
        (folder / name).write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    for name, array in changes.items():
        matches = [path for path in folder.iterdir() if name.replace("_", "-") in path.name]
        for path in matches:
            if array is None:
                path.unlink()
            else:
                path.write_bytes(idx_bytes(array))
    return folder


@pytest.mark.parametrize(
    "rename",
    [
        lambda name: name,
        lambda name: name + ".gz",
        lambda name: name.replace("t10k", "test"),
        lambda name: name.replace("-idx", ".idx"),
        lambda name: "emnist-letters-" + name + ".gz",
    ],
)
def test_a_folder_is_found_under_the_names_that_are_in_use(tmp_path, rename):
    train, test = load_idx_folder(write_folder(tmp_path, {rename(n): a for n, a in FILES.items()}))
    np.testing.assert_array_equal(train.X, IMAGES.reshape(5, 12))
    np.testing.assert_array_equal(train.images, IMAGES)
    np.testing.assert_array_equal(test.y, [3, 1])
    assert train.y.dtype == np.int64 and train.X.dtype == np.uint8 and len(test) == 2
    assert np.shares_memory(train.X, train.images)
    assert "uint8(5, 12)" in repr(train)


def test_wider_types_come_in_the_machines_byte_order(tmp_path):
    floats = IMAGES.astype(">f4")
    train, test = load_idx_folder(
        write_folder(tmp_path, train_images=floats, t10k_images=floats[:2], train_labels=LABELS.astype(">i4"))
    )
    assert train.X.dtype == np.float32 and train.X.dtype.isnative
    np.testing.assert_array_equal(train.X, IMAGES.reshape(5, 12))
    np.testing.assert_array_equal(train.y, LABELS)
    assert not train.X.flags.writeable and not test.y.flags.writeable


def test_of_two_forms_of_a_file_the_plain_one_is_read(tmp_path):
    write_folder(tmp_path)
    (tmp_path / "train-images-idx3-ubyte.gz").write_bytes(b"damaged")
    assert len(load_idx_folder(tmp_path)[0]) == 5


@pytest.mark.parametrize(
    ("changes", "error", "match"),
    [
        ({"train_images": None}, DataError, r"train-images\* .* has none"),
        ({"t10k_labels": None}, DataError, r"t10k-labels\* or test-labels\* .* has none"),
        ({"train_labels": LABELS[:4]}, DataError, "contains 5 items but .* contains 4 labels"),
        ({"train_labels": IMAGES}, FormatError, "3 dimensions at byte 3.*image file"),
        ({"train_images": LABELS}, FormatError, "1 dimension at byte 3.*label file"),
        ({"t10k_images": IMAGES[:2, :, :2]}, DataError, "4 x 2 but the training images are 4 x 3"),
    ],
)
def test_a_folder_that_does_not_fit_together_is_refused(tmp_path, changes, error, match):
    with pytest.raises(error, match=match):
        load_idx_folder(write_folder(tmp_path, **changes))


def test_two_data_sets_in_a_folder_are_ambiguous(tmp_path):
    write_folder(tmp_path)
    write_folder(tmp_path, {"letters-" + name: array for name, array in FILES.items()})
    with pytest.raises(DataError, match="has 2: letters-train-images"):
        load_idx_folder(tmp_path)


def test_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(DataError, match="is not a folder"):
        load_idx_folder(tmp_path / "absent")
