"""The encoding of a text: told where its language shows it, said, and refused with the place where it does not."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from chainrule import ConfigError, FormatError
from chainrule.datasets import read_table
from chainrule.datasets.headers import TableLayout
from chainrule.datasets.table_files import read_laid_out

TEXTS = [
    ("cp950", ["台北", "高雄", "許功蓋"]),
    ("cp950", ["王小明，男", "李大華，女", "陳美玲（女）"]),
    ("gb18030", ["北京", "上海", "广州"]),
    ("gb18030", ["王小明", "李大华", "陈美玲"]),
    ("cp932", ["東京", "おおさか", "カタカナ"]),
    ("cp932", ["東京", "大阪", "横浜"]),
    ("cp949", ["서울특별시", "부산광역시", "대한민국 경기도 수원시"]),
    ("cp1251", ["Москва", "Санкт-Петербург", "МОСКВА №1"]),
    ("cp1252", ["Orléans", "à côté", "Étretat", "¿qué?", "100 €", "20 °C", "3 µm²", "Äpfel", "Ærø"]),
]


def file_of(tmp_path: Path, data: bytes, name: str = "t.csv") -> Path:
    (tmp_path / name).write_bytes(data)
    return tmp_path / name


def read_like(path: Path, like: str | None) -> Any:
    """Read a file of which an earlier one was in an encoding."""
    return read_laid_out(path, TableLayout(usual_encoding=like))


def table_of(words: list[str]) -> str:
    return "c,z\n" + "".join(f"{word},{k}\n" for k, word in enumerate(words))


@pytest.mark.parametrize(("encoding", "words"), TEXTS)
def test_a_text_is_read_in_the_encoding_of_its_language_and_that_is_said(
    tmp_path: Path, encoding: str, words: list[str]
):
    path = file_of(tmp_path, table_of(words).encode(encoding))
    with pytest.warns(UserWarning, match=f"t.csv is not UTF-8; it is read as {encoding} .*--encoding"):
        table = read_table(path)
    assert list(table["c"]) == words and table.encoding == encoding
    assert list(read_table(path, encoding=encoding)["c"]) == words


@pytest.mark.parametrize(
    ("encoding", "words"),
    [
        ("cp949", ["서울", "부산"]),
        ("gb18030", ["男", "女"]),
        ("cp1250", ["Łódź", "Kraków"]),
        ("koi8-r", ["Москва"]),
    ],
)
def test_a_text_that_leaves_a_choice_is_refused_with_the_place_and_what_it_may_say(
    tmp_path: Path, encoding: str, words: list[str]
):
    path = file_of(tmp_path, table_of(words).encode(encoding))
    first = words[0].encode(encoding)[0]
    place = rf"byte 0x{first:02X} at place 1 of line 2 \(byte 4 of the file\)"
    with pytest.raises(
        FormatError, match=rf"t.csv is not UTF-8: {place}; save it as UTF-8, or name its encoding"
    ):
        read_table(path)
    assert list(read_table(path, encoding=encoding)["c"]) == words
    assert list(read_like(path, like=encoding)["c"]) == words


def test_utf_8_with_a_single_bad_byte_is_refused_and_no_character_is_lost(tmp_path: Path):
    data = table_of(["台北"] * 50).encode() + b"\xff,1\n"
    place = re.escape(f"byte 0xFF at place 1 of line 52 (byte {len(data) - 4:,} of the file)")
    for likely in (None, "cp950", "cp1252"):
        with pytest.raises(FormatError, match=f"t.csv is UTF-8, but {place} is not"):
            read_like(file_of(tmp_path, data), like=likely)
    with pytest.raises(FormatError, match=r"t.csv is not UTF-8: byte 0xFF .* cp1252 \(Western Europe: 'ÿ'\)"):
        read_table(file_of(tmp_path, b"c,z\n\xff,1\n"))


def test_an_encoding_that_is_named_or_likely(tmp_path: Path):
    path = file_of(tmp_path, table_of(["台北", "高雄"]).encode("cp950"))
    with pytest.raises(FormatError, match="is not UTF-8 text: byte 0xA5 at place 1 of line 2"):
        read_table(path, encoding="utf-8")
    with pytest.raises(ConfigError, match=r"encoding must be an encoding that Python knows.* not 'big 6'"):
        read_table(path, encoding="big 6")
    with pytest.warns(UserWarning, match="it is read as cp950"):  # in which it was not before, and shows it
        assert list(read_like(path, like="cp1252")["c"]) == ["台北", "高雄"]
    whole = file_of(tmp_path, table_of(["台北"]).encode())
    assert list(read_like(whole, like="cp950")["c"]) == ["台北"]
    marked = file_of(tmp_path, table_of(["台北"]).encode("utf-16"))
    assert list(read_like(marked, like="cp950")["c"]) == ["台北"]
    with pytest.raises(ConfigError, match=r"encoding is for CSV, and .*t.parquet is another"):
        read_table(tmp_path / "t.parquet", encoding="cp950")
