"""Tell in which encoding a text is: UTF-8, UTF-16 with its mark, or one of the older encodings below.

A text that is not UTF-8 is of the only older encoding in which it reads as its language is written, which is said.
Where none or several are possible, as for a few characters, and where UTF-8 is damaged, it is refused with the first
byte's place. An encoding that is named, or that an earlier text of the same origin had, needs no such judgment.
"""

from __future__ import annotations

import codecs
import re

from chainrule.core import hints
from chainrule.errors import ConfigError, FormatError, option

UTF_8 = "utf-8"
_MARKS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
ENCODINGS = {
    **{"cp950": "Big5, Taiwan", "gb18030": "GBK, mainland China", "cp932": "Shift-JIS, Japan"},
    **{"cp949": "EUC-KR, Korea", "cp1252": "Western Europe", "cp1251": "Cyrillic"},
}
"""The older encodings that are told apart, by Python's names."""
_COMMON = {
    "cp950": re.compile(rb"[\xa4-\xc5][\x40-\xfe]|\xc6[\x40-\x7e]|[\xa1-\xa3][\x40-\xfe]"),
    "gb18030": re.compile(rb"[\xa1\xa3\xb0-\xd7][\xa1-\xfe]"),
    "cp932": re.compile(
        rb"\x81[\x40-\xac]|\x82[\x4f-\xf1]|\x83[\x40-\x96]|[\x88-\x97][\x40-\xfc]|\x98[\x40-\x72]"
    ),
    "cp949": re.compile(rb"[\xa1\xa3\xb0-\xc8][\xa1-\xfe]"),
}
"""The characters in common use, which these encodings have in places of their own: kana, Hangul, the first level."""
MOST_RARE = 0.05
"""The share of a text's different characters that may be other ones."""
_FEWEST = 10
"""Different characters by which Korean is told from Chinese, whose common ones reach beyond the place of Hangul."""
_SIGNS = frozenset("\xa0€£§°²³·«»‘’“”„–—…•®©™¿¡¼½¾±×÷№‰")
_LETTER = r"[^\W\d_²³¹¼½¾]"
_WORD = re.compile(rf"{_LETTER}*(?![\x00-\x7f]){_LETTER}{_LETTER}*")
"""Letters of which one is not ASCII."""
_SPLIT = re.compile(r"[£³¼¾][^\W\d_]|[^\W\d_]¿")
"""Signs in words, which are letters of Central Europe."""
_WORDS = {
    "cp1251": re.compile("[А-ЯЁЄІЇҐЎ]?[а-яёєіїґў]+|[А-ЯЁЄІЇҐЎ]+"),
    "cp1252": re.compile(r"(?=.*[A-Za-z]|.$)(?!.*[^\x00-\x7f]{3})[A-Za-zÀ-ÖØ-öø-ÿŠšŽžŒœŸªºµ]+"),
}
"""The words of these encodings: of Western Europe with at most two letters in a row that are not ASCII."""
_LOOKED_AT = 1 << 20
"""The characters whose words are looked at."""


def encoding_of(name: str, data: bytes, asked: str | None = None, likely: str | None = None) -> str:
    """Return the encoding in which all of a text can be read.

    name: of the text, for messages.  asked: the encoding, if it is named.  likely: that of an earlier text of the same
    origin.  Raises FormatError for bytes that are not text in this encoding, or in any; ConfigError for an unknown one.
    """
    if asked is not None:
        return _checked(name, data, asked)
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            return _checked(name, data, encoding)
    if b"\0" in data[: 1 << 20]:
        place = data.index(b"\0")
        raise FormatError(
            f"{name} is not a CSV file, because byte {place} is 0; save it as text, or rename a Parquet file "
            "to .parquet."
        )
    try:
        data.decode(UTF_8)
        return UTF_8
    except UnicodeDecodeError as error:
        return _older(name, data, error.start, likely)


def _checked(name: str, data: bytes, encoding: str) -> str:
    """Return an encoding in which a text can be read. Raises FormatError or ConfigError."""
    try:
        codecs.lookup(encoding)
        data.decode(encoding)
    except UnicodeDecodeError as error:
        raise FormatError(
            f"{name} is not {encoding.upper()} text: {_place(data, error.start)}; name another "
            f"{option('encoding')}, or save it as UTF-8."
        ) from error
    except (LookupError, ValueError) as error:
        raise ConfigError(
            f"{option('encoding')} must be an encoding that Python knows, such as utf-8, cp950, gb18030, cp932 or "
            f"cp1252, not {encoding!r:.60}."
        ) from error
    return encoding


def _older(name: str, data: bytes, first: int, likely: str | None) -> str:
    """Return the older encoding of a text whose byte `first` is not UTF-8."""
    readings = {each: text for each in ENCODINGS if (text := _decoded(data, each)) is not None}
    as_utf_8 = data[: 4 * _LOOKED_AT].decode(UTF_8, "surrogateescape")
    bad = len(re.findall("[\udc80-\udcff]", as_utf_8))
    if 2 * bad <= len(re.findall("[^\x00-\x7f]", as_utf_8)):  # as many characters are whole as bytes are not
        raise FormatError(
            f"{name} is UTF-8, but {_place(data, first)} is not; correct it, or name another {option('encoding')}."
        )
    found = {each: text for each, text in readings.items() if _is_written_in(each, text)}
    is_sure = likely not in ("cp1251", "cp1252")  # of which every byte is a character
    if likely in found or (likely is not None and is_sure and _decoded(data, likely) is not None):
        return likely
    found = _without_coincidences(found)
    if len(set(found.values())) != 1:
        shown = [
            f"{each} ({ENCODINGS[each]}: {_shown(text)!r})" for each, text in (found or readings).items()
        ]
        raise FormatError(
            f"{name} is not UTF-8: {_place(data, first)}; save it as UTF-8, or name its {option('encoding')}, such as "
            f"{', '.join(shown[:4]) or 'cp950, gb18030 or cp1252'}."
        )
    encoding = next(iter(found))
    hints.give(
        f"{name} is not UTF-8; it is read as {encoding} ({ENCODINGS[encoding]}), such as {_shown(found[encoding])!r}; "
        'if that is wrong, name its encoding (encoding="...", or --encoding of the command).'
    )
    return encoding


def _without_coincidences(found: dict[str, str]) -> dict[str, str]:
    """Return the readings of a text without those that another one explains better.

    A letter of Western Europe and the ASCII letter behind it are also one character of East Asia: "°C" is one of Big5.
    """
    asian = found.keys() & _COMMON.keys()
    pairs = [character.encode(each) for each in asian for character in _characters(found[each])]
    if "cp1252" in found and all(pair[-1] < 0x80 for pair in pairs):
        return {each: text for each, text in found.items() if each not in asian}
    if "cp949" in found and len(_characters(found["cp949"])) >= _FEWEST:
        return {each: text for each, text in found.items() if each not in asian - {"cp949"}}
    return found


def _decoded(data: bytes, encoding: str) -> str | None:
    try:
        return data.decode(encoding)[:_LOOKED_AT]
    except (LookupError, ValueError):
        return None


def _characters(text: str) -> set[str]:
    return {character for character in set(text) if not character.isascii()}


def _is_written_in(encoding: str, text: str) -> bool:
    """Return whether a text reads as one of its language."""
    characters = _characters(text)
    if encoding in _COMMON:
        common = _COMMON[encoding]
        rare = sum(not common.fullmatch(character.encode(encoding)) for character in characters)
        return rare <= MOST_RARE * len(characters)
    signs = {character for character in characters if not character.isalpha()}
    return (
        signs <= _SIGNS
        and not _SPLIT.search(text)
        and all(map(_WORDS[encoding].fullmatch, set(_WORD.findall(text))))
    )


def _shown(text: str) -> str:
    """Return some letters and signs around the first one that is not ASCII."""
    found = re.search(r"[^\W_]*[^\x00-\x7f][^\x00-\x2f:-@]*", text)
    return found[0][:20] if found else ""


def _place(data: bytes, place: int) -> str:
    line, column = data.count(b"\n", 0, place) + 1, place - data.rfind(b"\n", 0, place)
    return f"byte 0x{data[place]:02X} at place {column:,} of line {line:,} (byte {place:,} of the file)"
