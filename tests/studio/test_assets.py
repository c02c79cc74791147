"""The page's files: what is served and as what, the module made of the texts, the version, and what a wheel has."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from chainrule import FormatError
from chainrule.studio.page import assets as module
from chainrule.studio.page.assets import TYPES, VERSION, assets, merge, modules, texts
from chainrule.studio.page.join import join

ROOT = Path(__file__).parents[2]
WEB = ROOT / "src" / "chainrule" / "studio" / "web"


SHARED = ROOT / "src" / "chainrule" / "export" / "javascript"


def files() -> dict[str, Path]:
    """What lies in the folder, but for the tables of texts, and the formulas shared with exported modules."""
    found = {path.relative_to(WEB).as_posix(): path for path in WEB.rglob("*") if path.is_file()}
    found |= {name: SHARED / name for name in ("activations.js", "operations.js")}
    return {name: path for name, path in found.items() if not name.startswith("texts/")}


# --- the files


def test_every_file_of_the_folder_is_served():
    unknown = [name for name, path in files().items() if path.suffix.removeprefix(".") not in TYPES]
    assert unknown == [], "give its ending a type, or take it away"
    styles = [name for name in files() if name.startswith("styles/")]
    assert set(assets()) == {*files(), "texts.js", "page.js"} - set(styles)
    sheet = [(WEB / name).read_bytes() for name in ("style.css", *sorted(styles))]
    assert assets()["style.css"].content == b"\n".join(sheet)
    for name, path in files().items():
        if name == "style.css" or name in styles:
            continue
        content, media_type = assets()[name]
        assert media_type == TYPES[path.suffix.removeprefix(".")]
        assert content.replace(VERSION.encode(), b"{{version}}") == path.read_bytes()


def test_modules_have_a_type_that_browsers_run():
    assert assets()["texts.js"].type == "text/javascript; charset=utf-8"
    assert modules() == {
        name: asset.content.decode()
        for name, asset in assets().items()
        if name.endswith(".js") and name != "page.js"
    }


def test_the_document_has_one_script_of_all_modules_that_it_needs():
    assert f'src="/static/{VERSION}/page.js"' in assets()["index.html"].content.decode()
    assert assets()["page.js"].content.decode() == join("main.js", modules())


def test_what_is_read_cannot_be_changed():
    with pytest.raises(TypeError):
        assets()["texts.js"] = assets()["texts.js"]  # type: ignore[index]
    with pytest.raises(TypeError):
        texts()["common.dark"]["en"] = ""  # type: ignore[index]


# --- the texts


def test_the_module_of_texts_has_them_all():
    content = assets()["texts.js"].content.decode()
    start, end = "export const texts = ", ";\n"
    assert content.startswith(start) and content.endswith(end)
    assert json.loads(content[len(start) : -len(end)]) == {key: dict(text) for key, text in texts().items()}
    assert len(texts()) > 100 and all(tuple(text) == ("en", "zh") for text in texts().values())


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that the module reads in place of its own."""
    (tmp_path / "texts").mkdir()
    (tmp_path / "screens").mkdir()
    monkeypatch.setattr(module, "_WEB", tmp_path)
    for function in (module._read, module.texts, module.modules):
        function.cache_clear()
    yield tmp_path
    for function in (module._read, module.texts, module.modules):
        function.cache_clear()


def write(folder: Path, **changes: str) -> tuple[str, dict[str, bytes]]:
    """The version and the contents after some files changed."""
    for name, content in changes.items():
        path = folder / name.replace("__", "/").replace("_dot_", ".")
        path.write_text(content, "utf-8")
    for function in (module._read, module.texts, module.modules):
        function.cache_clear()
    return module._read()[0], {name: asset.content for name, asset in assets().items()}


TABLE = '{"a.b": {"en": "</script>", "zh": "不"}}'


def test_any_byte_changes_the_version(folder: Path):
    first = {
        "index_dot_html": "<a {{version}}>",
        "screens__a_dot_js": "a",
        "texts__a_dot_json": TABLE,
        "note_dot_txt": "",
    }
    version, contents = write(folder, **first)
    assert sorted(contents) == ["activations.js", "index.html", "operations.js", "screens/a.js", "texts.js"]
    assert contents["index.html"] == f"<a {version}>".encode()
    assert b"</script>" not in contents["texts.js"] and b'\\u003c/script>"' in contents["texts.js"]
    assert write(folder, note_dot_txt="x")[0] == version
    seen = {version}
    for changes in (
        {"index_dot_html": "<b {{version}}>"},
        {"screens__a_dot_js": "b"},
        {"screens__b_dot_js": ""},
        {"texts__a_dot_json": TABLE.replace("不", "也")},
    ):
        seen.add(write(folder, **changes)[0])
    assert len(seen) == 5 and all(len(one) == 12 and int(one, 16) >= 0 for one in seen)


EN = '{"en": "a", "zh": "甲"}'


@pytest.mark.parametrize(
    ("tables", "says"),
    [
        ({"draw.json": f'{{"draw.a": {EN}, "draw.a": {EN}}}'}, "draw.json: 'draw.a' occurs twice"),
        (
            {"common.json": f'{{"draw.a": {EN}}}', "draw.json": f'{{"draw.a": {EN}}}'},
            "draw.json: 'draw.a' is also in common",
        ),
        ({"draw.json": '{"draw.a": {"en": "a"}}'}, "draw.json: 'draw.a' has no text in 'zh'"),
        ({"draw.json": '{"draw.a": {"en": " ", "zh": "甲"}}'}, "draw.json: 'draw.a' has no text in 'en'"),
        ({"draw.json": '{"draw.a": {"en": 1, "zh": "甲"}}'}, "draw.json: 'draw.a' has no text in 'en'"),
        ({"draw.json": '{"draw.a": {"en": "a", "zh": "甲", "fr": "a"}}'}, "the unknown language 'fr'"),
        ({"draw.json": '{"draw.a": "a"}'}, "draw.json: 'draw.a' is str"),
        ({"draw.json": f'{{"train.a": {EN}}}'}, "draw.json: 'train.a' does not begin with the file's name"),
        (
            {"draw.json": f'{{"screen.drawn": {EN}}}'},
            "draw.json: 'screen.drawn' does not begin with the file's name",
        ),
        (
            {"draw.json": f'{{"draw.A b": {EN}}}'},
            "draw.json: the key 'draw.A b' is not a sequence of lower-case words",
        ),
        ({"draw.json": "[]"}, "draw.json: expected texts by their keys; got list"),
        ({"draw.json": '{\n"draw.a": }'}, "draw.json:2: Expecting value; correct the JSON"),
    ],
)
def test_faulty_tables(tables: dict[str, str], says: str):
    with pytest.raises(FormatError) as caught:
        merge(tables)
    assert says in str(caught.value)


def test_tables_are_merged():
    tables = {
        "draw.json": '{"screen.draw.says": {"zh": "二", "en": "2"}, "draw.a": {"en": "3", "zh": "三"}}',
        "common.json": '{"word.a": {"en": "1", "zh": "一"}}',
    }
    merged = merge(tables)
    assert list(merged) == ["draw.a", "screen.draw.says", "word.a"]
    assert merged["screen.draw.says"] == {"en": "2", "zh": "二"}
    assert list(merged["screen.draw.says"]) == ["en", "zh"]


# --- what is installed


@pytest.mark.slow
def test_a_wheel_has_every_file(tmp_path: Path):
    """Built without the native engine, which takes a minute and has no part in it."""
    pytest.importorskip("scikit_build_core")
    settings = {"wheel.cmake": "false", "build-dir": str(tmp_path / "build")}
    build = f"import scikit_build_core.build as b, sys; b.build_wheel(sys.argv[1], {settings})"
    command = [sys.executable, "-c", build, str(tmp_path)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, timeout=300)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        inside = set(archive.namelist())
    expected = {path.relative_to(ROOT / "src").as_posix() for path in WEB.rglob("*") if path.is_file()}
    assert expected and expected <= inside
