import io
import struct
import tracemalloc
import zipfile

import numpy as np
import pytest

from chainrule import DataError, FormatError
from chainrule.datasets import load_npz, read_npy, read_npz

X = np.arange(12, dtype=np.float32).reshape(4, 3)
Y = np.array([0, 1, 1, 0], np.uint8)


def npy_bytes(text, data=b"", version=1):
    text = text.encode("latin1")
    width = "<H" if version == 1 else "<I"
    return b"\x93NUMPY" + bytes([version, 0]) + struct.pack(width, len(text)) + text + data


def literal(descr="'<f4'", order="False", shape="(4, 3)"):
    return f"{{'descr': {descr}, 'fortran_order': {order}, 'shape': {shape}, }}\n"


def write_zip(path, members, method=zipfile.ZIP_DEFLATED):
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, data in members:
            archive.writestr(name, data)
    return path


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_X_and_y(tmp_path, save):
    save(tmp_path / "a.npz", X=X, y=Y)
    train, validation, test = load_npz(tmp_path / "a.npz")
    np.testing.assert_array_equal(train.X, X)
    np.testing.assert_array_equal(train.y, Y)
    assert train.X.dtype == np.float32 and train.y.dtype == np.int64 and train.shape == (3,)
    assert not train.X.flags.writeable and not train.y.flags.writeable
    assert validation is None and test is None


def test_the_names_of_keras_mnist(tmp_path):
    images = np.arange(5 * 28 * 28).reshape(5, 28, 28).astype(np.uint8)
    np.savez(
        tmp_path / "mnist.npz", x_train=images, y_train=np.arange(5), x_test=images[:2], y_test=np.arange(2)
    )
    splits = load_npz(tmp_path / "mnist.npz")
    assert splits.train.X.shape == (5, 784) and splits.train.X.dtype == np.uint8
    np.testing.assert_array_equal(splits.train.images, images)
    assert splits.test is not None and len(splits.test) == 2 and splits.validation is None


def test_validation_and_real_and_string_targets(tmp_path):
    np.savez(tmp_path / "a.npz", X=X, y=X[:, :2], X_val=X[:2], y_val=np.array(["cat", "dog"]))
    splits = load_npz(tmp_path / "a.npz")
    assert splits.validation is not None
    assert splits.train.y.dtype == np.float32 and splits.train.y.shape == (4, 2)
    assert splits.validation.y.tolist() == ["cat", "dog"]


@pytest.mark.parametrize(
    ("arrays", "match"),
    [
        ({"a": X}, "needs the arrays X and y but has neither"),
        ({"X": X}, "contains X but not y"),
        ({"y": Y}, "contains y but not X"),
        ({"X": X, "y": Y, "x_train": X}, "contains both X and x_train"),
        ({"X": X, "y": Y[:3]}, "X has 4 rows but y has 3"),
        ({"X": X[:, 0], "y": Y}, r"X in .* shape \(4,\)"),
        ({"X": np.array([["a"]] * 4), "y": Y}, "X in .* is <U1"),
        ({"X": X, "y": np.zeros((4, 1, 1))}, r"y in .* shape \(4, 1, 1\)"),
        ({"X": X, "y": Y + np.uint64(2**64 - 9)}, "beyond the range of int64"),
        ({"X": X, "y": Y, "X_test": X[:, :2], "y_test": Y}, "items of the test X"),
        ({"X": X, "y": Y, "X_test": X}, "contains X_test but not y"),
    ],
)
def test_arrays_that_do_not_fit_are_named(tmp_path, arrays, match):
    np.savez(tmp_path / "a.npz", **arrays)
    with pytest.raises(DataError, match=match):
        load_npz(tmp_path / "a.npz")


KINDS = [
    *(
        np.arange(6).reshape(2, 3).astype(code)
        for code in ("u1", "i1", "<i2", ">i4", "<u8", "<f2", ">f4", "<f8")
    ),
    np.array([True, False]),
    np.array(["é", "字字"]),
    np.array([b"ab", b"c"]),
    np.array(["é", "字"]).astype(">U3"),
    np.asfortranarray(np.arange(6.0).reshape(2, 3)),
    np.zeros((0, 3)),
    np.float64(3.0),
]


@pytest.mark.parametrize("array", KINDS, ids=lambda array: f"{array.dtype.str}{array.shape}")
def test_every_kind_of_array_comes_back(tmp_path, array):
    np.save(tmp_path / "a.npy", array)
    np.savez(tmp_path / "a.npz", array=array)
    for got in (read_npy(tmp_path / "a.npy"), read_npz(tmp_path / "a.npz")["array"]):
        np.testing.assert_array_equal(got, array)
        assert got.dtype == array.dtype.newbyteorder("=") and got.dtype.isnative
        assert got.flags.aligned and not got.flags.writeable


@pytest.mark.parametrize(
    "text",
    [
        '{"descr":"<f4","fortran_order":False,"shape":(4,3)}',
        "{'shape': (4,  3,), 'fortran_order': False, 'descr': '<f4'}   \n",
    ],
)
@pytest.mark.parametrize("version", [1, 2, 3])
def test_headers_that_others_write(tmp_path, text, version):
    (tmp_path / "a.npy").write_bytes(npy_bytes(text, X.tobytes(), version))
    np.testing.assert_array_equal(read_npy(tmp_path / "a.npy"), X)


def test_a_large_npy_is_mapped_not_read(tmp_path):
    np.lib.format.open_memmap(tmp_path / "a.npy", "w+", np.uint8, (1 << 20, 500)).flush()
    tracemalloc.start()
    assert read_npy(tmp_path / "a.npy").shape == (1 << 20, 500)
    assert tracemalloc.get_traced_memory()[1] < 2**20
    tracemalloc.stop()


OBJECTS = io.BytesIO()
np.save(OBJECTS, np.array([{}, None], object), allow_pickle=True)

WRONG = {
    "empty": (b"", "does not start with its signature at byte 0"),
    "text": (b"1,2,3\n4,5,6\n", "does not start with its signature"),
    "objects": (OBJECTS.getvalue(), "type in its header at byte 10.*objects"),
    "records": (npy_bytes(literal("[('a', '<f4')]")), "type in its header"),
    "complex": (npy_bytes(literal("'<c8'"), bytes(96)), "type in its header"),
    "unknown type": (npy_bytes(literal("'<f3'"), bytes(36)), "unknown type '<f3'"),
    "huge type": (npy_bytes(literal("'<U999999999'", shape="(0,)")), "unknown type"),
    "version": (b"\x93NUMPY\x09\x00" + bytes(99), "version at byte 6"),
    "long header": (npy_bytes(literal() + " " * 20_000), "maximum is 10000"),
    "header of 4 GB": (b"\x93NUMPY\x02\x00\xff\xff\xff\xff", "header of 4294967307 bytes at byte 8"),
    "cut header": (npy_bytes(literal())[:30], "order in its header"),
    "nested": (npy_bytes("(" * 9000), "type in its header"),
    "digits": (npy_bytes(literal(shape="(" + "1" * 9000 + ")")), "shape in its header"),
    "numbers apart": (npy_bytes(literal(shape="(4 3)"), X.tobytes()), "shape in its header"),
    "negative": (npy_bytes(literal(shape="(-4, 3)")), "shape in its header"),
    "dimensions": (npy_bytes(literal(shape="(" + "1," * 65 + ")"), bytes(4)), "invalid shape"),
    "overflow": (npy_bytes(literal(shape="(4294967296, 4294967296)")), "invalid shape"),
    "empty overflow": (npy_bytes(literal(shape="(0, 4294967296, 4294967296)")), "invalid shape"),
    "short": (npy_bytes(literal(), bytes(47)), "should end at byte"),
    "long": (npy_bytes(literal(), bytes(49)), "should end at byte"),
    "lying": (npy_bytes(literal(shape="(4000000000, 3)"), bytes(48)), "should end at byte 48000000"),
    "truth": (npy_bytes(literal("'|b1'", shape="(2,)"), b"\x01\x02"), "boolean other than 0 and 1"),
    "character": (npy_bytes(literal("'<U1'", shape="(1,)"), b"\xff\xff\xff\x7f"), "invalid Unicode"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_array_is_refused_by_name_and_byte(tmp_path, name):
    data, match = WRONG[name]
    (tmp_path / "wrong.npy").write_bytes(data)
    write_zip(tmp_path / "wrong.npz", [("X.npy", data), ("y.npy", data)])
    tracemalloc.start()
    with pytest.raises(FormatError, match=match) as caught:
        read_npy(tmp_path / "wrong.npy")
    assert "wrong.npy" in str(caught.value)
    with pytest.raises(FormatError, match=match) as caught:
        load_npz(tmp_path / "wrong.npz")
    assert "wrong.npz" in str(caught.value) and "'X.npy' at byte 0" in str(caught.value)
    assert tracemalloc.get_traced_memory()[1] < 2**20
    tracemalloc.stop()


def test_a_damaged_archive_is_refused(tmp_path):
    path = tmp_path / "a.npz"
    np.savez(path, X=X, y=Y)
    good = path.read_bytes()
    for data, match in (
        (b"", "not a readable .npz"),
        (good[:-30], "not a readable .npz"),
        (good.replace(X.tobytes(), X[::-1].tobytes()), "'X.npy' at byte 0.*CRC"),
    ):
        path.write_bytes(data)
        with pytest.raises(FormatError, match=match):
            load_npz(path)


def test_a_bomb_is_refused_before_it_is_unpacked(tmp_path):
    zeros = npy_bytes(literal("'|u1'", shape="(100000, 1000)"), bytes(100_000_000))
    path = write_zip(tmp_path / "bomb.npz", [("X.npy", zeros), ("y.npy", npy_bytes(literal()))])
    tracemalloc.start()
    with pytest.raises(FormatError, match="over 200 times"):
        load_npz(path)
    assert tracemalloc.get_traced_memory()[1] < 2**20
    tracemalloc.stop()


def test_many_members_are_together_no_bomb_either(tmp_path):
    zeros = npy_bytes(literal("'|u1'", shape="(10000, 1000)"), bytes(10_000_000))
    path = write_zip(tmp_path / "bomb.npz", [(f"a{i}.npy", zeros) for i in range(8)])
    with pytest.raises(FormatError, match="over 200 times"):
        read_npz(path)
    assert list(read_npz(path, {"a3"})) == ["a3"]


def test_other_members_are_not_looked_at(tmp_path):
    buffers = []
    for array in (X, Y):
        buffer = io.BytesIO()
        np.save(buffer, array)
        buffers.append(buffer.getvalue())
    path = write_zip(
        tmp_path / "a.npz",
        [
            ("X.npy", buffers[0]),
            ("y.npy", buffers[1]),
            ("notes.txt", "hi"),
            ("names.npy", OBJECTS.getvalue()),
        ],
    )
    assert len(load_npz(path).train) == 4
    with pytest.raises(FormatError, match=r"names\.npy"):
        read_npz(path)


def test_what_a_member_is_compressed_by_and_called(tmp_path):
    path = write_zip(tmp_path / "a.npz", [("X.npy", npy_bytes(literal(), X.tobytes()))], zipfile.ZIP_LZMA)
    with pytest.raises(FormatError, match="compressed by method 14"):
        read_npz(path)
    with pytest.warns(UserWarning, match="Duplicate name"):
        write_zip(path, [("X.npy", npy_bytes(literal(), X.tobytes()))] * 2)
    with pytest.raises(FormatError, match="second with that name"):
        read_npz(path)
